"""Maximum likelihood, with an optional floor under the covariances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.compiled import active
from ellimix.covariance.base import Family, degenerate
from ellimix.covariance.triangular import EPS
from ellimix.errors import DegenerateFit, Status
from ellimix.inference.base import Parameters, noise_moment, plug_in, without_noise
from ellimix.inference.box import Box
from ellimix.inference.held import TINY, Held
from ellimix.records import Array, Moment, Potentials, SufficientStatistics

# A component whose share of the total weight is below this has lost its rows: its mean would be a
# quotient of rounding errors.
EMPTY_SHARE = 64.0 * EPS
# Relative to its mean: a spread below this is the mean's rounding.
ROUNDING = 4.0 * EPS


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
    box : Box, optional
        Where a noise component is uniform, which is then the last of the statistics.
    held : Held, optional
        Parts that are not estimated, and what is demanded of the weights.
    """

    family: Family
    reg_covar: float = 0.0
    box: Box | None = None
    held: Held | None = None

    @property
    def moment(self) -> Moment:
        """The second moment that the M-step needs."""
        return self.family.moment if self.box is None else noise_moment(self.family.moment)

    def update(self, statistics: SufficientStatistics, previous: Parameters | None) -> Parameters:
        """The M-step (Celeux & Govaert 1995, section 2).

        Stacked statistics, and stacked `previous` parameters, give stacked parameters: each fit's
        own, to rounding.

        Raises
        ------
        DegenerateFit
            A component is empty or its covariance singular, or the statistics overflowed. Where
            fits are stacked the exception is that of one such fit, and does not say of which. A
            component may be empty where its mean and covariance are held.
        """
        count = None
        total = np.add.reduce(statistics.n, axis=-1)[..., None]
        if self.box is not None:
            statistics, count = without_noise(statistics, self.family.moment)
        n = statistics.n
        means, scatter = self._quick(statistics) or self._moments(statistics, total)
        before = previous.covariance if previous is not None else None
        if self.held is not None:
            covariance = self.held.m_step(self.family, n, scatter, before)
            weights, noise = self.held.proportions(n, count)
            return Parameters(weights, means, covariance, noise)
        noise = None if count is None else count / total[..., 0]
        return Parameters(n / total, means, self.family.m_step(n, scatter, before), noise)

    def _moments(self, statistics: SufficientStatistics, total: Array) -> tuple[Array, Array]:
        """Means, and scatter above the floor; raises for a component that has none."""
        n, moment = statistics.n, statistics.moment
        if self.held is None:
            _check(statistics, total)
            means, scatter = statistics.means(), statistics.scatter()
        else:
            _check(statistics, total, self.held.determined(self.family))
            means, scatter = self.held.moments(statistics)
            n = np.maximum(n, TINY)  # a determined component may be empty
        scatter = _without_rounding(scatter, n, means, moment)
        if self.reg_covar > 0.0:
            scatter = scatter + pseudo_scatter(self.reg_covar * n, means.shape[-1], moment)
        return means, scatter

    def _quick(self, statistics: SufficientStatistics) -> tuple[Array, Array] | None:
        """The same compiled, for stacked full moments that are sound, where passes are compiled."""
        host = active()
        n, s1, s2, center = statistics.n, statistics.s1, statistics.s2, statistics.center
        if self.held is not None or host is None:
            return None
        if n.ndim != 2 or statistics.moment is not Moment.FULL:
            return None
        means, scatter = np.empty(s1.shape), np.empty(s2.shape)
        limits = self.reg_covar, EMPTY_SHARE, ROUNDING
        sound = host.moments(n, s1, s2, center, *limits, means, scatter)
        return (means, scatter) if sound else None

    def potentials(self, model: Parameters) -> Potentials:
        """The log-densities of the weighted components."""
        return plug_in(model, self.moment, self.box)

    def penalty(self, model: Parameters) -> float:
        """None: reg_covar is a floor, not a prior; the objective is the log-likelihood."""
        return 0.0

    @property
    def minds_empty(self) -> bool:
        """Yes: without rows a component has no mean."""
        return True

    def n_held(self) -> int:
        """How many of the mixture's parameters are not estimated."""
        return 0 if self.held is None else self.held.n_parameters(self.family, self.box is not None)


def _check(
    statistics: SufficientStatistics, total: Array, determined: NDArray[np.bool_] | None = None
) -> None:
    n, s1, s2 = statistics.n, statistics.s1, statistics.s2
    if not (_finite(s2) and _finite(s1) and _finite(n)):
        check_range(statistics)
    sound = n > EMPTY_SHARE * total
    if determined is not None:
        sound |= determined
    if not sound.all():
        raise degenerate(Status.EMPTY, ~sound, n, "no row is assigned to it")


def check_range(statistics: SufficientStatistics) -> None:
    """Raise `DegenerateFit` where sums are no finite numbers."""
    n, s2 = statistics.n, statistics.s2
    finite = np.isfinite(n) & np.isfinite(statistics.s1).all(axis=-1)
    if statistics.moment is not Moment.POOLED:
        finite &= np.isfinite(s2).reshape(*n.shape, -1).all(axis=-1)
    if not finite.all():
        cause = "its sums exceed the range of double precision"
        raise degenerate(Status.OVERFLOW, ~finite, n, cause)
    if not np.isfinite(s2).all():
        cause = "the shared covariance: its sums exceed the range of double precision"
        raise DegenerateFit(Status.OVERFLOW, (), (), cause)


def _finite(array: Array) -> bool:
    """Whether all numbers are certainly finite: a sum of squares that overflows proves nothing."""
    return math.isfinite(np.vdot(array, array))


_identity = cache(np.eye)  # made once a size: making it costs as much as using it


def pseudo_scatter(amount: Array, d: int, moment: Moment) -> Array:
    """amount_k I (amounts (..., k)) in the shape of a second moment; or that of all, or one row."""
    match moment:
        case Moment.DIAGONAL:
            return amount[..., None]
        case Moment.POOLED:
            return np.asarray(np.add.reduce(amount, axis=-1)[..., None, None] * _identity(d))
        case Moment.FULL:
            return np.asarray(amount[..., None, None] * _identity(d))


def _without_rounding(scatter: Array, n: Array, means: Array, moment: Moment) -> Array:
    """Scatter with the columns cleared whose spread is the rounding of their mean.

    Rows that are all equal have a scatter of exactly 0 only where the mean is exact; a few units
    in the last place of the mean are no spread either.
    """
    rounding = np.abs(means) * ROUNDING  # of a row, in each component
    if moment is Moment.DIAGONAL:
        noise = np.sqrt(scatter / n[..., None]) <= rounding
        return np.where(noise, 0.0, scatter) if noise.any() else scatter
    variances = np.maximum(scatter.diagonal(0, -2, -1), 0.0)
    if moment is Moment.POOLED:  # noise in the sum is noise in each component
        total = np.add.reduce(n, axis=-1)[..., None]
        noise = np.sqrt(variances / total) <= rounding.max(axis=-2)
    else:
        noise = np.sqrt(variances / n[..., None]) <= rounding
    if not noise.any():
        return scatter
    return np.where(noise[..., :, None] | noise[..., None, :], 0.0, scatter)
