"""The method `summary` of estimators: what they know of their fit, put in words and numbers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Unpack

from sklearn.utils.validation import check_is_fitted

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.inference.mixing import WEIGHT_PRIORS, StickBreaking
from ellimix.inference.pointed import Pointed
from ellimix.inference.priors import Prior, is_default
from ellimix.report import FitReport
from ellimix.sources.knowledge import Known, missing_share
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource
from ellimix.summary.making import (
    Origin,
    choice_of,
    posterior_numbers,
    starts_of,
    starts_of_cell,
    summarise,
)
from ellimix.summary.records import Estimation, PosteriorNumbers
from ellimix.summary.summary import Summary

if TYPE_CHECKING:
    from ellimix.estimators.bayesian_mixture import BayesianGaussianMixture
    from ellimix.estimators.gaussian_mixture import GaussianMixture

GIVEN: Final = "none here: the parameters were given, or come from a file"
LEVEL: Final = 0.9  # of credible intervals
PARTS: Final = ("mean", "shrinkage", "degrees_of_freedom", "scale", "weights")


class Summarised:
    """Mixin: an estimator's summary."""

    mixture_: Mixture

    @abstractmethod
    def _origin(self) -> Origin:
        """Where the mixture comes from."""

    @abstractmethod
    def _source(self, X: Any, sample_weight: Any, known: Known) -> MemorySource | OutsideSource:
        """Rows of the fitted columns, with weights."""

    def summary(self, X: Any = None, sample_weight: Any = None, **known: Unpack[Known]) -> Summary:
        r"""The model in numbers: fit, criteria, certainty, components.

        Parameters
        ----------
        X : array-like of shape (n, d), optional
            Rows to speak of. By default those of `fit`, whose numbers are kept: they are not needed
            again. A model that was made from parameters or a file has none: without `X` the
            parameters alone are shown, and what is lacking is said.
        sample_weight : array-like of shape (n,), optional
            Non-negative weights of the rows of `X`.
        **known
            What else is known of them, as for `fit`.

        Returns
        -------
        Summary
            `print` shows it as text, a notebook as HTML; it has LaTeX and Markdown, too.

        Raises
        ------
        DataError
            `X` or what goes with it is wrong, or the latter come without `X`.

        Examples
        --------
        >>> from ellimix import GaussianMixture, datasets
        >>> X, _ = datasets.faithful()
        >>> model = GaussianMixture(2, random_state=0).fit(X)
        >>> print("\n".join(model.summary().to_text().splitlines()[:4]))
        Gaussian mixture
        ================================================================================
        Model         Mixture of 2 Gaussian components, ellipsoidal, varying volume,
                      shape and orientation (VVV)
        >>> round(model.summary(X[:100]).rows.log_likelihood, 1)
        -424.0
        """
        check_is_fitted(self)
        origin = self._origin()
        if X is not None:
            source = self._source(X, sample_weight, known)
            inside = isinstance(source, MemorySource)
            scores = self.mixture_.score_rows(source, counts=True, labelled=inside)
            shown = inside and known.get("projections") is None
            missing = missing_share(source) if shown else None
            origin = replace(origin, scores=scores, missing=missing)
        else:
            _check_alone(sample_weight, known)
        return summarise(self.mixture_, origin, self._title())

    def _title(self) -> str:
        return "Gaussian mixture"


def origin_of(estimator: Any, estimation: Estimation, tol: float) -> Origin:
    """What an estimator knows of its own fit; nothing where its parameters were given later.

    Parameters
    ----------
    estimator : FittedMixture
    estimation : Estimation
        Of its fit.
    tol : float
        Its fits stopped where the mean objective changed by less, in nats per unit of row weight.
    """
    mixture, state = estimator.mixture_, vars(estimator)
    report = state.get("report_")
    posterior = _posterior(estimator, report)
    # rows that could not be read on were not scored
    if report is None or "scores_" not in state or not _belongs(report, mixture):
        return Origin(Estimation(GIVEN, None, mixture.n_held), posterior=posterior)
    scores, missing = state["scores_"], state["missing_share_"]
    return Origin(
        estimation,
        report,
        starts_of(report, state["reports_"], scores.weight, tol),
        scores,
        missing if missing.size == mixture.n_features else None,  # of projections it is another
        posterior=posterior,
    )


def chosen(origin: Origin, search: Any) -> Origin:
    """The same with what is known of the search that chose the model."""
    cell = search.cells_[search.best_index_]
    choice = choice_of(search.cells_, search.criterion_)
    return replace(origin, choice=choice, starts=starts_of_cell(cell), said=search.notes_)


def by_likelihood(estimator: GaussianMixture) -> Estimation:
    """How a GaussianMixture was estimated."""
    floor = f", variance floor {estimator.reg_covar:g}" if estimator.reg_covar else ""
    held = estimator.mixture_.n_held
    if isinstance(vars(estimator).get("search_"), tuple):
        return Estimation(f"minimum message length, by annihilation of components{floor}")
    if estimator._pseudo is None:
        return Estimation(f"maximum likelihood (EM){floor}", None, held)
    return Estimation(f"maximum a posteriori (EM){floor}", _prior(estimator.prior), held)


def by_posterior(estimator: BayesianGaussianMixture) -> Estimation:
    """How a BayesianGaussianMixture was estimated."""
    floor = f", variance floor {estimator.reg_covar:g}" if estimator.reg_covar else ""
    method = f"variational Bayes{floor}"
    if "mean_prior_" not in vars(estimator):
        return Estimation(method, "a posterior that was given")
    sticks = WEIGHT_PRIORS[estimator.weight_concentration_prior_type] is StickBreaking
    kind = "Dirichlet process" if sticks else "Dirichlet distribution"
    given = estimator.weight_concentration_prior_
    if isinstance(given, tuple):
        concentration = f"whose concentration is gamma({given[0]:g}, {given[1]:g})"
    else:
        concentration = f"of concentration {given:.4g}"
    pointed = isinstance(estimator.mixture_.rule, Pointed)
    rest = "normal-Wishart, means and covariances at the maximum" if pointed else "normal-Wishart"
    return Estimation(
        method,
        f"{kind} {concentration}; {rest} "
        f"(mean precision {estimator.mean_precision_prior_:.4g}, "
        f"degrees of freedom {estimator.degrees_of_freedom_prior_:.4g})",
    )


def _prior(value: Any) -> str:
    """A prior in words."""
    if not isinstance(value, Prior):
        return "conjugate, the default of Fraley & Raftery (2007)"
    if value.background is not None:
        return "around the components of another mixture"
    given = [
        name.replace("_", " ")
        for name in PARTS
        if getattr(value, name) is not None and not is_default(getattr(value, name))
    ]
    named = f" with given {', '.join(given)}" if given else ""
    return f"conjugate{named}" if given else "conjugate, the default of Fraley & Raftery (2007)"


def _posterior(estimator: Any, report: FitReport | None) -> PosteriorNumbers | None:
    """What the posterior says; None without one."""
    mixture, state = estimator.mixture_, vars(estimator)
    if mixture.rule is None:
        return None
    try:
        with_rows = int(estimator.n_components_effective_)
    except AttributeError:  # a file does not keep the prior
        with_rows = None
    # rows that could not be read on were not scored
    if report is None or "scores_" not in state or not _belongs(report, mixture):
        return posterior_numbers(mixture, LEVEL, None, with_rows)
    bound = float(report.objective * state["scores_"].weight)
    batches = state.get("n_batches_"), state.get("n_seen_")
    return posterior_numbers(mixture, LEVEL, bound, with_rows, *batches)


def _belongs(report: FitReport, mixture: Mixture) -> bool:
    """Whether a report is that of a mixture, perhaps under other names of its features."""
    return report.mixture is not None and report.mixture.parameters is mixture.parameters


def _check_alone(sample_weight: Any, known: Known) -> None:
    """Raise `DataError` for what describes rows that were not given."""
    named = [name for name, value in known.items() if value is not None]
    named += ["sample_weight"] * (sample_weight is not None)
    if named:
        raise DataError(
            f"{', '.join(named)} describes rows, and none were given: pass X, too, or leave it out "
            "for the rows of the fit."
        )
