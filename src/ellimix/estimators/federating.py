"""em.federate: a federated fit in one process, from an estimator that says what to fit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from ellimix.covariance import parse
from ellimix.errors import DataError, FitFailed, Status
from ellimix.estimators.fixing import as_wished
from ellimix.estimators.gaussian_mixture import GaussianMixture
from ellimix.estimators.given import GivenParameters
from ellimix.estimators.merging import keep_sums
from ellimix.federated.coordinator import Coordinator
from ellimix.federated.privacy import Privacy
from ellimix.federated.site import Site
from ellimix.federated.starting import first_model, from_clusters, in_ball
from ellimix.inference.base import Parameters
from ellimix.inference.likelihood import MaximumLikelihood

# arguments that need all rows in one place, and what they must be here
_ONLY = {
    "noise": (False,),
    "prior": (None,),
    "init_params": ("kmeans",),
    "warm_start": (False,),
    "acceleration": ("auto", None),
}


def federate(
    sites: Sequence[Any],
    estimator: GaussianMixture,
    *,
    sample_weight: Sequence[Any] | None = None,
    privacy: Privacy | None = None,
) -> GaussianMixture:
    """Fit a mixture to rows at several sites, of which only sums leave each.

    The same rounds as between machines (`ellimix.federated`), with every message written to bytes
    and read again. Without privacy it is EM over all rows: from the same start, the same numbers.

    Parameters
    ----------
    sites : sequence of array-like of shape (n, d), or of Site
        NaN where a value is missing.
    estimator : GaussianMixture
        What to fit, and how: family, tol, max_iter, reg_covar, n_init, fixed parts. It is not
        changed. The start is k-means of the sites' own clusters, or what weights_init, means_init
        and precisions_init say completely; with privacy, where they say nothing, random spheres in
        the public ball.
    sample_weight : sequence of array-like or None, optional
        Row weights of each site.
    privacy : Privacy, optional
        Noise in every answer. The fit then makes ``privacy.rounds`` rounds.

    Returns
    -------
    GaussianMixture
        Fitted, with `statistics_` the sums of the last round. With privacy `ledgers_` says what
        each site has spent. There are no `labels_`: rows stay where they are.

    Raises
    ------
    ValueError
        Bad input, an argument that needs all rows in one place, or a fit without sound parameters.

    Warns
    -----
    ConvergenceWarning
        `max_iter` rounds passed before `tol` was met.

    Examples
    --------
    >>> import numpy as np
    >>> import ellimix as em
    >>> rng = np.random.default_rng(0)
    >>> hospitals = [rng.normal([[0.0], [9.0]], 1.0, (2, 50)).reshape(-1, 1) for _ in range(3)]
    >>> model = em.federate(hospitals, em.GaussianMixture(2, order="weight", random_state=0))
    >>> np.sort(model.means_[:, 0]).round(), model.statistics_.weight
    (array([0., 9.]), 300.0)
    """
    _check(estimator, privacy)
    places = _sites(sites, sample_weight, estimator, privacy)
    k, d = int(estimator.n_components), places[0].n_features
    family = parse(estimator.covariance_type, d)
    plain = MaximumLikelihood(family, float(estimator.reg_covar))
    inference, given = as_wished(estimator, plain, d)
    if not isinstance(inference, MaximumLikelihood):
        raise AssertionError("without a prior it is maximum likelihood")
    random = check_random_state(estimator.random_state)
    ends = []
    for _ in range(int(estimator.n_init)):
        start = _start(places, inference, k, given, privacy, random)
        begun = Coordinator(inference, start, float(estimator.tol), int(estimator.max_iter))
        if privacy is not None:
            begun = Coordinator(inference, start, 0.0, privacy.rounds, privacy)
        ends.append(_rounds(begun, places))
    best = max(ends, key=lambda end: (not end.status.failed, end.trace[-1:]))
    return _fitted(estimator, best, places)


def _rounds(coordinator: Coordinator, sites: Sequence[Site]) -> Coordinator:
    """All rounds, with messages as bytes."""
    while not coordinator.done:
        request = coordinator.parameters().to_bytes()
        replies = [site.statistics(request).to_bytes() for site in sites]
        coordinator = coordinator.update(replies)
    return coordinator


def _start(
    sites: Sequence[Site],
    inference: MaximumLikelihood,
    k: int,
    given: GivenParameters,
    privacy: Privacy | None,
    random: np.random.RandomState,
) -> Parameters:
    if given.complete:
        return given.alone()
    if not given.empty:
        raise DataError(
            "A federated fit starts from weights_init, means_init and precisions_init together, or "
            "from none of them."
        )
    if privacy is not None:
        return in_ball(inference, k, privacy, random)
    seed = int(random.randint(2**31 - 1))
    replies = [site.clusters(k, inference.moment, seed) for site in sites]
    return first_model(inference, from_clusters(replies, k, random))


def _fitted(estimator: GaussianMixture, end: Coordinator, sites: Sequence[Site]) -> GaussianMixture:
    if end.sums is None or (end.status.failed and not end.trace):
        raise FitFailed(f"The federated fit gave no sound model. {end.message}")
    out: GaussianMixture = clone(estimator)
    report = end.report()
    if out.order == "weight":
        report = report.by_weight()
    mixture = report.mixture
    if mixture is None:
        raise AssertionError("a coordinator has a model")
    out.mixture_, out.report_, out.reports_ = mixture, report, [report]
    out.n_features_in_ = mixture.n_features
    out.converged_ = report.status is Status.CONVERGED
    out.n_iter_, out.lower_bounds_ = end.round - 1, list(report.trace)
    out.lower_bound_ = report.objective
    keep_sums(out, end.sums, len(sites))
    if out.order == "weight":
        out._running = out._running.reordered(end.mixture().weight_order())
    if end.privacy is not None:
        out.ledgers_ = tuple(site.ledger for site in sites)
    elif report.status is Status.MAX_ITER:
        warnings.warn(report.message, ConvergenceWarning, stacklevel=3)
    return out


def _check(estimator: GaussianMixture, privacy: Privacy | None) -> None:
    estimator._validate_params()
    for name, values in _ONLY.items():
        value = getattr(estimator, name)
        if not any(value is allowed or value == allowed for allowed in values):
            raise DataError(
                f"{name} needs all rows in one place: a federated fit takes "
                f"{' or '.join(map(repr, values))}."
            )
    if "auto" in (estimator.n_components, estimator.covariance_type):
        raise DataError("A federated fit is of a given number of components and covariance type.")
    if estimator.max_iter < 1:
        raise DataError("A federated fit makes at least one round: max_iter must be at least 1.")
    if privacy is not None and estimator.n_init != 1:
        raise DataError("With privacy every start costs its rounds: n_init must be 1.")


def _sites(
    sites: Sequence[Any],
    sample_weight: Sequence[Any] | None,
    estimator: GaussianMixture,
    privacy: Privacy | None,
) -> list[Site]:
    if len(sites) == 0:
        raise DataError("A federated fit needs at least one site.")
    weights = [None] * len(sites) if sample_weight is None else list(sample_weight)
    if len(weights) != len(sites):
        raise DataError(
            f"sample_weight has {len(weights)} entries for {len(sites)} sites: give one for each."
        )
    out = []
    for rows, weight in zip(sites, weights, strict=True):
        if not isinstance(rows, Site):
            out.append(Site(rows, weight, engine=estimator.engine, privacy=privacy))
        elif weight is not None or (privacy is not rows.privacy):
            raise DataError("A Site has its own weights and privacy: pass the same, or rows.")
        else:
            out.append(rows)
    widths = {site.n_features for site in out}
    if len(widths) > 1:
        raise DataError(f"The sites have {sorted(widths)} columns: all must have the same.")
    return out
