"""From an estimator's `prior` to the inference that uses it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ellimix.covariance.base import Covariance, Structure
from ellimix.density.mixture import Mixture
from ellimix.engines import Engine
from ellimix.estimators.given import GivenParameters, Precisions
from ellimix.inference.base import Inference
from ellimix.inference.posterior import MaximumAPosteriori
from ellimix.inference.priors import DEFAULT, Prior
from ellimix.inference.pseudo_data import Assumed, PseudoData
from ellimix.records import Array
from ellimix.selection.spread import spread_of
from ellimix.sources.memory import MemorySource


def prior_of(value: Any) -> Prior | None:
    """The prior that "default", a `Prior` or None stands for."""
    if isinstance(value, str) and value == DEFAULT:
        return Prior()
    found: Prior | None = value
    return found


def assumed_of(value: Any, source: MemorySource, engine: Engine) -> Assumed | None:
    """The prior with the rows that its defaults are taken from; None where there is none.

    Parameters
    ----------
    value : {"default"}, Prior or None
    source : MemorySource
    engine : Engine
    """
    prior = prior_of(value)
    if prior is None:
        return None
    return Assumed(prior, partial(spread_of, source, engine), source.n_features)


def pseudo_of(inference: Inference) -> PseudoData | None:
    """What the prior of an inference adds, if it has one."""
    return inference.prior if isinstance(inference, MaximumAPosteriori) else None


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
