"""What a kind of inference is: statistics -> model -> potentials, and the objective's penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ellimix.covariance.base import Covariance, Family, Structure
from ellimix.records import Array, Moment, Potentials, SufficientStatistics

LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters of a mixture of Gaussians.

    Parameters
    ----------
    weights : ndarray of shape (k,)
        Non-negative, sum 1.
    means : ndarray of shape (k, d)
    covariance : Covariance
    """

    weights: Array
    means: Array
    covariance: Covariance


class Inference(Protocol):
    """How statistics become a model. Host-side, float64, never sees a row."""

    @property
    def family(self) -> Family:
        """The covariance family."""
        ...

    def update(self, statistics: SufficientStatistics, previous: Parameters | None) -> Parameters:
        """The M-step. Raises `DegenerateFit`."""
        ...

    def potentials(self, model: Parameters) -> Potentials:
        """What an engine needs for the E-step."""
        ...

    def penalty(self, model: Parameters) -> float:
        """What the objective adds to the log-likelihood, in nats."""
        ...


def plug_in(model: Parameters, moment: Moment) -> Potentials:
    """Potentials of the mixture with exactly these parameters.

    offset_k = log pi_k - 1/2 (d log 2 pi + log |Sigma_k|); a component of weight 0 has -inf.
    """
    covariance = model.covariance
    k, d = model.means.shape
    with np.errstate(divide="ignore"):
        log_weights = np.log(model.weights)
    offset = log_weights - 0.5 * (d * LOG_2PI + covariance.log_det)
    factor = covariance.factor
    if covariance.structure is Structure.SPHERICAL:
        factor = np.broadcast_to(factor[:, None], (k, d))
    return Potentials(offset, model.means, factor, covariance.structure.factor, moment)
