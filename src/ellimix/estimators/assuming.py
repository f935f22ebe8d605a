"""From an estimator's `prior` to the inference that uses it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ellimix.covariance.base import Covariance, Family, Structure
from ellimix.density.mixture import Mixture
from ellimix.engines import Engine
from ellimix.estimators.given import GivenParameters, Precisions
from ellimix.inference.base import Inference
from ellimix.inference.box import Box
from ellimix.inference.posterior import Estimation, MaximumAPosteriori, estimation
from ellimix.inference.priors import DEFAULT, Prior, PseudoData, Spread, pseudo_data
from ellimix.records import Array
from ellimix.selection.spread import spread_of
from ellimix.sources.memory import MemorySource


def prior_of(value: Any) -> Prior | None:
    """The prior that "default", a `Prior` or None stands for."""
    if isinstance(value, str) and value == DEFAULT:
        return Prior()
    found: Prior | None = value
    return found


def assuming(
    value: Any,
    family: Family,
    reg_covar: float,
    box: Box | None,
    k: int,
    source: MemorySource,
    engine: Engine,
) -> Estimation:
    """The inference with the prior, or maximum likelihood where there is none.

    Parameters
    ----------
    value : {"default"}, Prior or None
    family : Family
    reg_covar : float
    box : Box or None
    k : int
    source : MemorySource
        The rows, from which defaults are taken.
    engine : Engine

    Raises
    ------
    DataError
        The prior does not go with the rows, the family or the number of components.
    """
    prior = prior_of(value)
    if prior is None:
        return estimation(family, reg_covar, box, None)

    @cache
    def spread() -> Spread:
        return spread_of(source, engine)

    found = pseudo_data(prior, family, k, source.n_features, box is not None, spread)
    return estimation(family, reg_covar, box, found)


def pseudo_of(inference: Inference) -> PseudoData | None:
    """What the prior of an inference adds, if it has one."""
    return inference.prior if isinstance(inference, MaximumAPosteriori) else None


def bounded(pseudo: PseudoData | None) -> bool:
    """Whether a prior keeps every covariance away from singular ones."""
    if pseudo is None:
        return False
    return bool(pseudo.scatter.reshape(pseudo.counts.size, -1).any(axis=1).all())


def log_prior(mixture: Mixture, pseudo: PseudoData | None) -> float:
    """Log-density of the prior at a mixture's parameters, up to a constant of the prior."""
    if pseudo is None:
        return 0.0
    inference = MaximumAPosteriori(mixture.family, pseudo, 0.0, mixture.box)
    return float(inference.penalty(mixture.parameters))


def expected_parameters(pseudo: PseudoData | None) -> GivenParameters:
    """What the prior expects of single components, where that tells them apart."""
    if pseudo is None:
        return GivenParameters(1, 1)
    k, d = pseudo.mean.shape
    if _differ(pseudo.mean) and pseudo.shrinkage.all():
        return GivenParameters(k, d, means=pseudo.mean)
    spread = pseudo.scatter
    if _differ(spread) and pseudo.powers.all():
        return GivenParameters(k, d, precisions=_modes(pseudo))
    if _differ(pseudo.weights):
        return GivenParameters(k, d, weights=pseudo.weights / pseudo.weights.sum())
    return GivenParameters(k, d)


def _differ(values: Array) -> bool:
    return bool((values != values[:1]).any())


def _modes(pseudo: PseudoData) -> Precisions:
    """Variances of the features at the modes of the covariances."""
    scatter = pseudo.scatter
    diagonals = scatter if scatter.ndim == 2 else scatter.diagonal(0, 1, 2)
    values = diagonals / pseudo.powers[:, None]
    log_det = np.log(values).sum(axis=1)
    covariance = Covariance(Structure.DIAGONAL, values, 1.0 / np.sqrt(values), log_det)
    return Precisions(covariance, np.ones(len(values), dtype=bool))
