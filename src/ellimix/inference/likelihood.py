"""Maximum likelihood, with an optional floor under the covariances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.covariance.base import EPS, Family, degenerate
from ellimix.errors import Status
from ellimix.inference.base import Parameters, plug_in
from ellimix.records import Array, Potentials, SufficientStatistics

# A component whose share of the total weight is below this has lost its rows: its mean would be a
# quotient of rounding errors.
EMPTY_SHARE = 64.0 * EPS


@final
@dataclass(frozen=True)
class MaximumLikelihood:
    """Weights, means and covariances that maximise the expected log-likelihood.

    Parameters
    ----------
    family : Family
    reg_covar : float
        eps >= 0, added as pseudo-scatter: W_k + eps n_k I. For scikit-learn's four types this
        is eps on the diagonal of the covariances.
    """

    family: Family
    reg_covar: float = 0.0

    def update(self, statistics: SufficientStatistics, previous: Parameters | None) -> Parameters:
        """The M-step (Celeux & Govaert 1995, section 2).

        Raises
        ------
        DegenerateFit
            A component is empty or its covariance singular, or the statistics overflowed.
        """
        n = statistics.n
        self._check(statistics)
        means = statistics.means()
        scatter = _without_rounding(statistics.scatter(), n, means)
        if self.reg_covar > 0.0:
            scatter = scatter + _pseudo_scatter(self.reg_covar * n, scatter)
        before = previous.covariance if previous is not None else None
        return Parameters(n / n.sum(), means, self.family.m_step(n, scatter, before))

    def potentials(self, model: Parameters) -> Potentials:
        """The log-densities of the weighted components."""
        return plug_in(model, self.family.moment)

    def penalty(self, model: Parameters) -> float:
        """None: reg_covar is a floor, not a prior; the objective is the log-likelihood."""
        return 0.0

    def _check(self, statistics: SufficientStatistics) -> None:
        n = statistics.n
        finite = np.isfinite(n) & np.isfinite(statistics.s1).all(axis=1)
        finite &= np.isfinite(statistics.s2).reshape(n.size, -1).all(axis=1)
        if not finite.all():
            cause = "its sums exceed the range of double precision"
            raise degenerate(Status.OVERFLOW, ~finite, n, cause)
        empty = ~(n > EMPTY_SHARE * n.sum())
        if empty.any():
            raise degenerate(Status.EMPTY, empty, n, "no row is assigned to it")


def _pseudo_scatter(amount: Array, scatter: Array) -> Array:
    if scatter.ndim == 2:
        return amount[:, None]
    return amount[:, None, None] * np.eye(scatter.shape[1])


def _without_rounding(scatter: Array, n: Array, means: Array) -> Array:
    """Scatter with the columns cleared whose spread is the rounding of their mean.

    Rows that are all equal have a scatter of exactly 0 only where the mean is exact; a few units
    in the last place of the mean are no spread either.
    """
    if scatter.ndim == 2:
        deviations = np.sqrt(scatter / n[:, None])
        return np.where(deviations <= 4.0 * EPS * np.abs(means), 0.0, scatter)
    variances = np.diagonal(scatter, axis1=1, axis2=2) / n[:, None]
    noise = np.sqrt(np.maximum(variances, 0.0)) <= 4.0 * EPS * np.abs(means)
    if not noise.any():
        return scatter
    return np.where(noise[:, :, None] | noise[:, None, :], 0.0, scatter)
