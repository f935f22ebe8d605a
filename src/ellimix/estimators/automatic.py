"""GaussianMixture with "auto": the number of components, the family, or both are chosen."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.utils import check_random_state

from ellimix.covariance import Family, parse
from ellimix.density.checks import covariance_of
from ellimix.engines import ENGINES, choose
from ellimix.errors import DataError, FitFailed, FitWarning
from ellimix.estimators.verbose import StandingPrinter
from ellimix.inference.base import Parameters
from ellimix.records import Factor
from ellimix.report import FitReport
from ellimix.selection.annihilation import Annihilation, annihilate
from ellimix.selection.covering import MOST
from ellimix.selection.grid import ALL, families_of
from ellimix.selection.guard import Guard
from ellimix.selection.shortest import shortest
from ellimix.sources.knowledge import Known
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource

if TYPE_CHECKING:
    from ellimix.estimators.checkpointing import Keeping
    from ellimix.estimators.gaussian_mixture import GaussianMixture

AUTO: Final = "auto"
MML: Final = "mml"

IN_MEMORY: Final = (
    "A choice of a model over rows in memory keeps no checkpoint: leave checkpoint out, or pass "
    "rows(..., memory=0)."
)

# A choice makes its own starts; and a search its own iterations, to a tighter end than `tol`.
STARTS: Final = (
    "n_init", "init_params", "weights_init", "means_init", "precisions_init", "warm_start",
    "acceleration", "fix", "equal_weights", "min_weight",
)  # fmt: skip
ITERATIONS: Final = ("tol", "max_iter")


def is_open(estimator: GaussianMixture) -> bool:
    """Whether something is to be chosen."""
    return AUTO in (estimator.n_components, estimator.covariance_type)


def fit_automatically(
    estimator: GaussianMixture,
    X: Any,
    source: MemorySource | OutsideSource,
    sample_weight: Any,
    known: Known,
    keeping: Keeping | None = None,
) -> None:
    """Choose what is open, and make the estimator the chosen model's.

    Parameters
    ----------
    estimator : GaussianMixture
    X : array-like of shape (n, d)
        The rows as they were given, with the names of their columns.
    source : MemorySource or OutsideSource
        The same rows, checked.
    sample_weight : array-like of shape (n,) or None
    known : Known
        What else is known of the rows, as it was given.
    keeping : Keeping, optional
        What the fit was told of checkpoints.

    Raises
    ------
    ValueError
        An argument does not go with "auto", or no model can be trusted.
    """
    if keeping is not None and isinstance(source, MemorySource):
        raise DataError(IN_MEMORY)
    if estimator.criterion == MML:
        if isinstance(source, OutsideSource):
            raise DataError(
                'criterion="mml" needs all rows in memory: choose by another criterion, such as '
                "bic, or load the rows with rows(..., memory='8 GiB')."
            )
        _by_message_length(estimator, source, known)
    else:
        _by_search(estimator, X, source, sample_weight, known, keeping)


def _by_search(
    estimator: GaussianMixture,
    X: Any,
    source: MemorySource | OutsideSource,
    sample_weight: Any,
    known: Known,
    keeping: Keeping | None,
) -> None:
    from ellimix.estimators.search import GaussianMixtureSearch  # it makes GaussianMixtures

    _check_defaults(estimator, (*STARTS, *ITERATIONS), "GaussianMixtureSearch")
    if not isinstance(estimator.noise, bool | np.bool_):
        raise DataError(
            "noise says which rows begin as noise; a choice of a model makes its own starts: pass "
            "noise=True."
        )
    auto = estimator.n_components == AUTO
    search: GaussianMixtureSearch = GaussianMixtureSearch(
        _asked(estimator),
        None if auto else estimator.n_components,
        criterion=estimator.criterion,
        reg_covar=estimator.reg_covar,
        engine=estimator.engine,
        random_state=estimator.random_state,
        verbose=estimator.verbose,
        noise=bool(estimator.noise),
        prior=estimator.prior,
    )
    if isinstance(source, OutsideSource):
        search._fit_outside(source, estimator._names(), keeping)
    else:
        search.fit(X, sample_weight=sample_weight, **known)
    report = search.best_.report_
    estimator._pseudo = search._pseudo
    if estimator.covariance_type != AUTO:
        report = recast(report, parse(estimator.covariance_type, source.n_features))
    estimator._keep(report, [report], source, ENGINES[report.engine])
    estimator.scores_ = search.best_.scores_
    if isinstance(source, MemorySource):
        estimator.labels_ = search.labels_  # which may know of the rows' groups
    estimator.search_ = search


def _by_message_length(estimator: GaussianMixture, source: MemorySource, known: Known) -> None:
    """By annihilation; of several families, the one with the shortest message."""
    if estimator.n_components != AUTO:
        raise DataError(
            'criterion="mml" chooses the number of components: it needs n_components="auto", not '
            f"{estimator.n_components}."
        )
    _check_defaults(estimator, STARTS, MML)
    if known.get("labels") is not None or estimator.noise is not False:
        raise DataError(
            'criterion="mml" knows no labels and no noise: choose by another criterion, such as '
            "bic."
        )
    if estimator.prior is not None:
        raise DataError(
            'criterion="mml" has a prior of its own: leave prior out, or choose by another '
            "criterion, such as bic."
        )
    estimator._pseudo = None
    found: list[Annihilation] = []
    reasons: dict[str, None] = {}
    fixed = estimator.covariance_type != AUTO
    d = source.n_features
    families = [parse(_asked(estimator), d)] if fixed else families_of(ALL, d)
    random = check_random_state(estimator.random_state)
    for family in families:
        try:
            found.append(_annihilated(estimator, source, family, random))
        except FitFailed as failure:
            reasons[f"{family.name}: {failure}"] = None
    if not found:
        raise FitFailed("No covariance family gave a fit. " + " ".join(reasons))
    best = shortest(found, source, Guard())
    report = replace(best.report, notes=(*best.report.notes, *best.run.notes))
    reports = [report, *(run.report for run in found if run is not best.run)]
    estimator._keep(report, reports, source, ENGINES[report.engine])
    estimator.search_ = tuple(sorted(found, key=lambda run: run.length))
    estimator._warn()
    if best.reasons:
        text = f"Every fit that was found is spurious: {'; '.join(best.reasons)}."
        warnings.warn(text, FitWarning, stacklevel=2)


def _annihilated(
    estimator: GaussianMixture,
    source: MemorySource,
    family: Family,
    random: np.random.RandomState,
) -> Annihilation:
    full = family.structure.factor is not Factor.DIAGONAL
    engine = choose(estimator.engine, source.n_rows, source.n_features, MOST, full)
    watch = None
    if estimator.verbose:
        watch = StandingPrinter(family.name, estimator.verbose_interval).observe
    return annihilate(
        source.placed(engine),
        engine,
        family,
        reg_covar=float(estimator.reg_covar),
        tol=float(estimator.tol),
        max_iter=int(estimator.max_iter),
        random=random,
        feature_names=estimator._names(),
        progress=watch,
    )


def recast(report: FitReport, family: Family) -> FitReport:
    """The report of a fit to one feature, its mixture in the shapes of another family's name.

    With one feature a family is what another one is too; the shapes of its attributes are its own.
    """
    mixture = report.mixture
    if mixture is None or mixture.n_features != 1 or mixture.family is family:
        return report
    k, d = mixture.means.shape
    shape = family.structure.array_shape(k, d)
    values = mixture.variances().ravel()[: np.prod(shape)].reshape(shape)  # equal where shared
    covariance = covariance_of(values, family.structure, k, d)
    noise = mixture.parameters.noise
    parameters = Parameters(mixture.weights, mixture.means, covariance, noise)
    return replace(report, mixture=replace(mixture, parameters=parameters, family=family))


def _asked(estimator: GaussianMixture) -> str:
    return ALL if estimator.covariance_type == AUTO else estimator.covariance_type


def _check_defaults(estimator: GaussianMixture, names: tuple[str, ...], instead: str) -> None:
    """Refuse arguments that say how to fit one given model."""
    defaults = type(estimator)().get_params()
    for name in names:
        value, default = getattr(estimator, name), defaults[name]
        if value is default or (np.isscalar(value) and value == default):
            continue
        shown = repr(value) if np.isscalar(value) else "..."
        raise DataError(
            f"{name}={shown} is for a fit with a given number of components and covariance type; "
            f'with "auto", {instead} chooses its own: leave {name} out.'
        )
