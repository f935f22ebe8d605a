"""The waist of the hourglass: the only records that cross between models and rows.

``Block`` carries rows, ``Potentials`` carry a model's k log-densities down to an engine, and
``SufficientStatistics`` carry sums back up. An engine never sees a model; a model never sees a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rows = NDArray[np.float64] | NDArray[np.float32]


class Factor(Enum):
    """The shape of a factor F with precision = F F^T.

    The shape of the array alone cannot say it: (k, d) and (d, d) look alike when k = d.
    """

    DIAGONAL = "diagonal"  # (k, d): the diagonal of each component's factor
    SHARED = "shared"  # (d, d): one factor for all components
    FULL = "full"  # (k, d, d): one each


class Moment(Enum):
    """Which second moment a covariance family needs."""

    DIAGONAL = "diagonal"  # (k, d)
    FULL = "full"  # (k, d, d)


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive rows.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32 or float64
    weight : ndarray of shape (n,) or None
        Non-negative row weights; None means 1 each.
    start : int
        Index of the first row in its source.
    """

    rows: Rows
    weight: Array | None
    start: int = 0

    @property
    def stop(self) -> int:
        """One past the index of the last row in its source."""
        return self.start + int(self.rows.shape[0])


@dataclass(frozen=True, slots=True)
class Potentials:
    """k log-potentials ``offset[k] - 1/2 |factor_k^T (x - center[k])|^2``, natural logarithms.

    Parameters
    ----------
    offset : ndarray of shape (k,)
    center : ndarray of shape (k, d)
    factor : ndarray of shape (k, d), (d, d) or (k, d, d), as `shape` says
        Square factors are upper triangular.
    shape : Factor
    moment : Moment
        The second moment to send back.
    """

    offset: Array
    center: Array
    factor: Array
    shape: Factor
    moment: Moment


@dataclass(frozen=True, slots=True)
class SufficientStatistics:
    """Float64 sums over rows: a commutative monoid under ``+``.

    With row weights w and responsibilities r, about the centers c of the pass that made them:

    Parameters
    ----------
    n : ndarray of shape (k,)
        Sums of w r.
    s1 : ndarray of shape (k, d)
        Sums of w r (x - c).
    s2 : ndarray of shape (k, d) or (k, d, d)
        Sums of w r (x - c)^2, or of w r (x - c)(x - c)^T.
    center : ndarray of shape (k, d)
        The centers c. Sums about them do not cancel, wherever the data lie.
    loglik : float
        Sum of w log(sum_k exp(potential_k)).
    entropy : float
        Sum of -w r log r, in nats.
    weight : float
        Sum of w.
    rows : int
        Number of rows seen.
    """

    n: Array
    s1: Array
    s2: Array
    center: Array
    loglik: float
    entropy: float
    weight: float
    rows: int

    def __add__(self, other: SufficientStatistics) -> SufficientStatistics:
        if self.center is not other.center and not np.array_equal(self.center, other.center):
            raise ValueError(
                "Statistics about different centers cannot be added: "
                "both must come from the same pass."
            )
        return SufficientStatistics(
            self.n + other.n,
            self.s1 + other.s1,
            self.s2 + other.s2,
            self.center,
            self.loglik + other.loglik,
            self.entropy + other.entropy,
            self.weight + other.weight,
            self.rows + other.rows,
        )

    def means(self) -> Array:
        """Means of the components, (k, d). Divides by n: the caller has checked that n > 0."""
        return self.center + self.s1 / self.n[:, None]

    def scatter(self) -> Array:
        """Scatter about the components' own means, of the shape of `s2`.

        sum w r (x - m)(x - m)^T = s2 - s1 s1^T / n.
        """
        if self.s2.ndim == 2:
            return np.maximum(self.s2 - self.s1**2 / self.n[:, None], 0.0)
        return self.s2 - self.s1[:, :, None] * (self.s1 / self.n[:, None])[:, None, :]

    def with_broad(self, which: NDArray[np.bool_], share: float) -> SufficientStatistics:
        """The same with some components (k,) replaced by `share` / k of all rows together."""
        part = share / self.n.size
        total = self.n.sum()
        middle = (self.n @ self.center + self.s1.sum(axis=0)) / total
        n, s1, s2 = self.n.copy(), self.s1.copy(), self.s2.copy()
        # about `middle`: s2 + s1 a^T + a s1^T + n a a^T with a = center - middle
        a = self.center - middle
        if s2.ndim == 2:
            pooled = (s2 + 2.0 * s1 * a + n[:, None] * a**2).sum(axis=0)
        else:
            cross = s1[:, :, None] * a[:, None, :]
            outer = n[:, None, None] * a[:, :, None] * a[:, None, :]
            pooled = (s2 + cross + np.swapaxes(cross, 1, 2) + outer).sum(axis=0)
        n[which] = part * total
        shift = -a[which]
        s1[which] = part * total * shift
        square = shift**2 if s2.ndim == 2 else shift[:, :, None] * shift[:, None, :]
        s2[which] = part * (pooled + total * square)
        return replace(self, n=n, s1=s1, s2=s2)
