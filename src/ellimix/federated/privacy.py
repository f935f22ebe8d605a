"""Sums with noise, so that they hardly tell of any single row (DP-EM, Park et al. 2017).

Rows are pulled into a ball of radius R about a public center c: z = x - c becomes
z min(1, R / |z|). One row of weight at most 1 then adds to the sums about c, with responsibilities
r_k >= 0 of sum 1,

    to n    the vector r,         of length |r| <= 1
    to s1   the r_k z,            of length |r| |z| <= R
    to s2   the r_k z z^T,        of length |r| |z|^2 <= R^2   (Frobenius)

or to a diagonal second moment r_k z_j^2, and to a pooled one z z^T, both within R^2 too. So the
vector of n, s1 / R and s2 / R^2 changes by at most sqrt(3) in length where one row is added or
removed: its L2 sensitivity. Of the symmetric matrices the upper triangle is in it, with sqrt(2)
times what is off the diagonal, which keeps the Frobenius norm. Each coordinate gets Gaussian noise
of standard deviation sigma; so n has noise sigma, s1 R sigma, s2 R^2 sigma on the diagonal and
R^2 sigma / sqrt(2) off it. The log-likelihood, whose sensitivity has no bound, is not sent.

What is not protected: the center and the radius, which must not come from the rows; that there is
a site, and when it answers; and a person with m rows, for whom rho is m^2 times as large. The noise
is drawn in double precision, and its last digits are not hardened (Mironov 2012).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np

from ellimix.covariance.base import eigen
from ellimix.errors import DataError
from ellimix.federated.budget import PrivacyBudget, cost
from ellimix.online.sums import recentred
from ellimix.records import Array, Moment, Rows, SufficientStatistics

SENSITIVITY: Final = math.sqrt(3.0)
LEAST_WIDTH = 1e-3  # of the radius: the narrowest a component may be after noise
LEAST_COUNT = 1.0  # rows: the fewest of a component after noise


@final
@dataclass(frozen=True, eq=False)
class Privacy:
    """What a site keeps to.

    Parameters
    ----------
    budget : PrivacyBudget
        For all answers together.
    center : array-like of shape (d,)
        Of the ball that rows are pulled into. Public: not taken from the rows.
    radius : float
        R > 0, in the units of the rows. Public, too.
    rounds : int
        How many answers the budget shall pay for; each has an equal part of it.

    Raises
    ------
    DataError
        A value is out of its range.

    Examples
    --------
    >>> import ellimix as em
    >>> budget = em.federated.PrivacyBudget(epsilon=2.0, delta=1e-6)
    >>> privacy = em.federated.Privacy(budget, center=[0.0, 0.0], radius=5.0, rounds=10)
    >>> round(privacy.sigma, 1)  # rows: the standard deviation of the noise in a count
    14.9
    """

    budget: PrivacyBudget
    center: Any
    radius: float
    rounds: int

    def __post_init__(self) -> None:
        center = np.array(self.center, dtype=np.float64)
        if center.ndim != 1 or not np.isfinite(center).all():
            raise DataError("The center of the ball must be d finite numbers, one a column.")
        if not 0.0 < float(self.radius) < np.inf:
            raise DataError(f"radius is {self.radius!r}: it must be a positive number.")
        object.__setattr__(self, "center", center)
        self.budget.sigma(self.rounds, SENSITIVITY)  # which checks the rounds

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise in each scaled coordinate."""
        return self.budget.sigma(self.rounds, SENSITIVITY)

    @property
    def cost(self) -> float:
        """rho of one answer."""
        return cost(SENSITIVITY, self.sigma)

    def clipped(self, rows: Rows) -> Array:
        """Rows pulled into the ball, (n, d) in float64."""
        away = np.asarray(rows, dtype=np.float64) - self.center
        length = np.sqrt(np.add.reduce(away**2, axis=1, keepdims=True))
        return np.asarray(
            self.center + away * np.minimum(1.0, self.radius / np.maximum(length, self.radius))
        )

    def noisy(self, sums: SufficientStatistics, rng: np.random.Generator) -> SufficientStatistics:
        """Sums about the public center with noise, and nothing of them that has none."""
        vector = scaled_vector(sums, self.center, self.radius)
        noise = rng.normal(0.0, self.sigma, vector.size)
        shape = sums.center.shape
        return from_vector(vector + noise, self.center, self.radius, shape, sums.moment)


def scaled_vector(sums: SufficientStatistics, center: Array, radius: float) -> Array:
    """n, s1 / R and s2 / R^2 about a center, as the vector that gets noise."""
    k, d = sums.center.shape
    here = recentred(sums, np.broadcast_to(center, (k, d)))
    second = here.s2
    if here.moment is not Moment.DIAGONAL:
        second = second[..., *np.triu_indices(d)] * _triangle(d)
    return np.concatenate([here.n, here.s1.ravel() / radius, second.ravel() / radius**2])


def from_vector(
    vector: Array, center: Array, radius: float, shape: tuple[int, ...], moment: Moment
) -> SufficientStatistics:
    """The sums that such a vector stands for; weight is that of n, and no log-likelihood."""
    k, d = shape
    n, s1, second = np.split(vector, [k, k + k * d])
    second = second * radius**2
    if moment is Moment.DIAGONAL:
        s2 = second.reshape(k, d)
    else:
        rows, columns = np.triu_indices(d)
        lead = () if moment is Moment.POOLED else (k,)
        s2 = np.zeros((*lead, d, d))
        s2[..., rows, columns] = second.reshape(*lead, -1) / _triangle(d)
        s2[..., columns, rows] = s2[..., rows, columns]
    about = np.repeat(center[None], k, axis=0)
    first = s1.reshape(k, d) * radius
    return SufficientStatistics(n, first, s2, about, 0.0, 0.0, float(n.sum()), 0, moment)


def _triangle(d: int) -> Array:
    """Factors of an upper triangle whose square sum is the matrix's."""
    rows, columns = np.triu_indices(d)
    return np.where(rows == columns, 1.0, math.sqrt(2.0))


def repaired(sums: SufficientStatistics, privacy: Privacy) -> SufficientStatistics:
    """The nearest sums that could be some rows': noise may have left none (post-processing).

    A count is at least 1, a mean is in the ball, and standard deviations along the axes of a
    covariance are from a thousandth of the radius to the radius. Where noise is small nothing
    changes but by rounding.
    """
    k, d = sums.center.shape
    here = recentred(sums, np.broadcast_to(privacy.center, (k, d)))
    n = np.maximum(here.n, LEAST_COUNT)
    mean = here.s1 / n[:, None]
    length = np.sqrt(np.add.reduce(mean**2, axis=1, keepdims=True))
    mean = mean * np.minimum(1.0, privacy.radius / np.maximum(length, privacy.radius))
    most = privacy.radius**2
    least = LEAST_WIDTH**2 * most
    match here.moment:
        case Moment.DIAGONAL:
            spread = np.clip(here.s2 / n[:, None] - mean**2, least, most)
            s2 = n[:, None] * (spread + mean**2)
        case Moment.POOLED:
            outer = np.einsum("k,ki,kj->ij", n, mean, mean)
            total = float(n.sum())
            s2 = total * _within((here.s2 - outer) / total, least, most) + outer
        case Moment.FULL:
            square = mean[:, :, None] * mean[:, None, :]
            spread = _within(here.s2 / n[:, None, None] - square, least, most)
            s2 = n[:, None, None] * (spread + square)
    return replace(here, n=n, s1=n[:, None] * mean, s2=s2, weight=float(n.sum()))


def _within(matrices: Array, least: float, most: float) -> Array:
    """Symmetric matrices with all eigenvalues between bounds; as they are where they were."""
    values, axes = eigen(matrices)
    out = (values[..., 0] < least) | (values[..., -1] > most)
    if not out.any():
        return matrices
    clipped = np.clip(values, least, most)
    bounded = (axes * clipped[..., None, :]) @ np.swapaxes(axes, -1, -2)
    return np.where(out[..., None, None], bounded, matrices)
