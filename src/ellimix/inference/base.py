"""What a kind of inference is: statistics -> model -> potentials, and the objective's penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import Covariance, Family, Structure, stack_covariances
from ellimix.records import Array, Index, Moment, Potentials, SufficientStatistics

LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters of a mixture of Gaussians, or of a stack of them with axes in front.

    Parameters
    ----------
    weights : ndarray of shape (..., k)
        Non-negative, sum 1.
    means : ndarray of shape (..., k, d)
    covariance : Covariance
    """

    weights: Array
    means: Array
    covariance: Covariance

    def at(self, index: Index) -> Parameters:
        """The parameters of some fits: an int gives one fit's own, anything else a stack."""
        return Parameters(self.weights[index], self.means[index], self.covariance.at(index))


def stack(parameters: Sequence[Parameters]) -> Parameters:
    """One record with a fit axis from the parameters of single fits of one family and k."""
    return Parameters(
        np.stack([p.weights for p in parameters]),
        np.stack([p.means for p in parameters]),
        stack_covariances([p.covariance for p in parameters]),
    )


def chosen(which: NDArray[np.bool_], these: Parameters, those: Parameters) -> Parameters:
    """`these` parameters of stacked fits where `which` (m,) says so, else `those`."""
    if not which.any():
        return those
    if which.all():
        return these

    def pick(a: Array, b: Array) -> Array:
        return np.where(which.reshape(-1, *(1,) * (a.ndim - 1)), a, b)

    one, other = these.covariance, those.covariance
    orientation = None
    if one.orientation is not None and other.orientation is not None:
        orientation = pick(one.orientation, other.orientation)
    return Parameters(
        pick(these.weights, those.weights),
        pick(these.means, those.means),
        Covariance(
            one.structure,
            pick(one.values, other.values),
            pick(one.factor, other.factor),
            pick(one.log_det, other.log_det),
            orientation,
        ),
    )


class Inference(Protocol):
    """How statistics become a model. Host-side, float64, never sees a row."""

    @property
    def family(self) -> Family:
        """The covariance family."""
        ...

    def update(self, statistics: SufficientStatistics, previous: Parameters | None) -> Parameters:
        """The M-step. Raises `DegenerateFit`; of stacked fits, where one of them is degenerate."""
        ...

    def potentials(self, model: Parameters) -> Potentials:
        """What an engine needs for the E-step."""
        ...

    def penalty(self, model: Parameters) -> float | Array:
        """What the objective adds to the log-likelihood, in nats; (...,) where fits differ."""
        ...


def plug_in(model: Parameters, moment: Moment) -> Potentials:
    """Potentials of the mixture with exactly these parameters.

    offset_k = log pi_k - 1/2 (d log 2 pi + log |Sigma_k|); a component of weight 0 has -inf.
    """
    covariance = model.covariance
    d = model.means.shape[-1]
    with np.errstate(divide="ignore"):
        log_weights = np.log(model.weights)
    offset = log_weights - 0.5 * (covariance.log_det + d * LOG_2PI)
    factor = covariance.factor
    if covariance.structure is Structure.SPHERICAL:
        factor = factor[..., None].repeat(d, axis=-1)
    return Potentials(offset, model.means, factor, covariance.structure.factor, moment)
