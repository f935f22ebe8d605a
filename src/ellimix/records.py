"""The waist of the hourglass: the only records that cross between models and rows.

``Block`` carries rows, ``Potentials`` carry a model's k log-densities down to an engine, and
``SufficientStatistics`` carry sums back up. An engine never sees a model; a model never sees a row.

A record of one fit has the shapes that are written below. Fits of one family and one k may share a
record: all their arrays then begin with the same further axes ``...``, as a rule one, the fit axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = int | slice | NDArray[np.bool_] | NDArray[np.intp]  # which fits, along the first axis
Rows = NDArray[np.float64] | NDArray[np.float32]


class Factor(Enum):
    """The shape of a factor F with precision = F F^T.

    The shape of the array alone cannot say it: (k, d) and (d, d) look alike when k = d.
    """

    DIAGONAL = "diagonal"  # (k, d): the diagonal of each component's factor
    SHARED = "shared"  # (d, d): one factor for all components
    FULL = "full"  # (k, d, d): one each


class Moment(Enum):
    """Which second moment a covariance family needs.

    As with `Factor`, the shape of the array alone cannot say it.
    """

    DIAGONAL = "diagonal"  # (k, d)
    POOLED = "pooled"  # (d, d): the sum over the components
    FULL = "full"  # (k, d, d)


@dataclass(frozen=True, slots=True)
class Detail:
    """What is known of n rows besides their values. None: nothing of the kind.

    Parameters
    ----------
    prior : ndarray of shape (n, k) or None
        Logarithms of what each component's weight is multiplied with in this row: 0 for a
        component that is allowed, -inf for one that is not. With a flat potential k counts it.
    errors : ndarray of shape (n, p) or (n, p, p), or None
        Variances or covariance matrices of Gaussian errors with which the values were measured.
    projections : ndarray of shape (n, p, d) or None
        Row i's p values are projections[i] @ x of a point x of d features, plus errors.
    lower, upper : ndarray of shape (n, p), or None for both
        Bounds of cells whose value is NaN and known to lie between them: that of the measurement,
        with its error. A cell without bounds has -inf and inf and is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.records import Detail
    >>> Detail(errors=np.ones((3, 2))).at(slice(0, 2)).errors.shape
    (2, 2)
    """

    prior: Array | None = None
    errors: Array | None = None
    projections: Array | None = None
    lower: Array | None = None
    upper: Array | None = None

    def at(self, index: slice | NDArray[np.intp]) -> Detail:
        """The same of some of the rows."""
        parts = (getattr(self, field.name) for field in fields(self))
        return Detail(*(None if part is None else part[index] for part in parts))


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive rows.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32 or float64
        NaN for a value that is missing or known to an interval.
    weight : ndarray of shape (n,) or None
        Non-negative row weights; None means 1 each.
    start : int
        Index of the first row in its source.
    layout : object or None
        The same rows as an engine laid them out; for no one's eyes but that engine's.
    detail : Detail or None
        What else is known of them.
    """

    rows: Rows
    weight: Array | None
    start: int = 0
    layout: object | None = None
    detail: Detail | None = None

    @property
    def stop(self) -> int:
        """One past the index of the last row in its source."""
        return self.start + int(self.rows.shape[0])


@dataclass(frozen=True, slots=True)
class Potentials:
    """k log-potentials ``offset[k] - 1/2 |factor_k^T (x - center[k])|^2``, natural logarithms.

    Parameters
    ----------
    offset : ndarray of shape (..., k)
    center : ndarray of shape (..., k, d)
    factor : ndarray of shape (..., k, d), (..., d, d) or (..., k, d, d), as `shape` says
        Square factors are upper triangular.
    shape : Factor
    moment : Moment
        The second moment to send back.
    flat : ndarray of shape (d,) or None
        Where there is a noise component, it is the last potential, which is a constant: its factor
        is 0. These are the logarithms of the side lengths of the box in which it is uniform: a
        coordinate that is integrated out takes its side away. An engine that gets whole rows only
        need not look at them.
    """

    offset: Array
    center: Array
    factor: Array
    shape: Factor
    moment: Moment
    flat: Array | None = None


@dataclass(frozen=True, slots=True)
class SufficientStatistics:
    """Float64 sums over rows: a commutative monoid under ``+``.

    With row weights w and responsibilities r, about the centers c of the pass that made them:

    Parameters
    ----------
    n : ndarray of shape (..., k)
        Sums of w r.
    s1 : ndarray of shape (..., k, d)
        Sums of w r (x - c).
    s2 : ndarray of shape (..., k, d), (..., d, d) or (..., k, d, d), as `moment` says
        Sums of w r (x - c)^2; of w r (x - c)(x - c)^T over rows and components; or of
        w r (x - c)(x - c)^T.
    center : ndarray of shape (..., k, d)
        The centers c. Sums about them do not cancel, wherever the data lie.
    loglik : float or ndarray of shape (...,)
        Sum of w log(sum_k exp(potential_k)).
    entropy : float or ndarray of shape (...,)
        Sum of -w r log r, in nats.
    weight : float or ndarray of shape (...,)
        Sum of w; a float where it is the same for all fits.
    rows : int or ndarray of shape (...,)
        Number of rows seen; an int where it is the same for all fits.
    moment : Moment
        Which second moment `s2` is.
    """

    n: Array
    s1: Array
    s2: Array
    center: Array
    loglik: float | Array
    entropy: float | Array
    weight: float | Array
    rows: int | NDArray[np.intp]
    moment: Moment

    def __add__(self, other: SufficientStatistics) -> SufficientStatistics:
        if self.center is not other.center and not np.array_equal(self.center, other.center):
            raise ValueError(
                "Statistics about different centers cannot be added: "
                "both must come from the same pass."
            )
        if self.moment is not other.moment:
            raise ValueError(
                f"Statistics with a {self.moment.value} and a {other.moment.value} second moment "
                "cannot be added."
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
            self.moment,
        )

    def at(self, index: Index) -> SufficientStatistics:
        """The statistics of some fits: an int gives one fit's own, anything else a shorter stack.

        Examples
        --------
        >>> import numpy as np
        >>> from ellimix.records import Moment, SufficientStatistics, stack
        >>> a = np.ones((2, 3))
        >>> one = SufficientStatistics(a[:, 0], a, a, a, -1.0, 0.0, 2.0, 2, Moment.DIAGONAL)
        >>> stack([one, one, one]).at(np.array([0, 2])).n.shape
        (2, 2)
        """
        if self.n.ndim == 1:
            raise ValueError("These are the statistics of one fit: they have no fit axis.")
        return SufficientStatistics(
            self.n[index],
            self.s1[index],
            self.s2[index],
            self.center[index],
            _at(self.loglik, index),
            _at(self.entropy, index),
            _at(self.weight, index),
            self.rows[index] if isinstance(self.rows, np.ndarray) else self.rows,
            self.moment,
        )

    def means(self) -> Array:
        """Means of the components, (..., k, d). Divides by n: the caller has checked n > 0."""
        return self.center + self.s1 / self.n[..., None]

    def scatter(self) -> Array:
        """Scatter about the components' own means, of the shape of `s2`.

        sum w r (x - m)(x - m)^T = s2 - s1 s1^T / n, or its diagonal, or its sum over components.
        """
        mean = self.s1 / self.n[..., None]
        match self.moment:
            case Moment.DIAGONAL:
                return np.maximum(self.s2 - self.s1 * mean, 0.0)
            case Moment.POOLED:
                between: Array = np.einsum("...ki,...kj->...ij", self.s1, mean)
                return self.s2 - between
            case Moment.FULL:
                return self.s2 - self.s1[..., :, None] * mean[..., None, :]

    def with_broad(self, which: NDArray[np.bool_], share: float) -> SufficientStatistics:
        """The same with some components replaced by `share` / k of all rows together.

        Parameters
        ----------
        which : ndarray of shape (..., k), bool
            With a pooled second moment, from which nothing can be taken out again, components
            without rows.
        share : float
        """
        fraction = share / self.n.shape[-1]
        total = self.n.sum(axis=-1)
        middle = np.einsum("...k,...kd->...d", self.n, self.center) + self.s1.sum(axis=-2)
        a = self.center - (middle / total[..., None])[..., None, :]
        about_middle = self._about_middle(a)
        part = np.asarray(fraction * total)
        n = np.where(which, part[..., None], self.n)
        s1 = np.where(which[..., None], -part[..., None, None] * a, self.s1)
        if self.moment is Moment.POOLED:
            if (self.n[which] != 0.0).any():
                raise ValueError(
                    "A component with rows cannot be replaced in a pooled second moment."
                )
            spread = (fraction * which.sum(axis=-1))[..., None, None] * about_middle
            between = np.einsum("...k,...ki,...kj->...ij", part[..., None] * which, a, a)
            return replace(self, n=n, s1=s1, s2=self.s2 + spread + between)
        if self.moment is Moment.DIAGONAL:
            new = fraction * about_middle[..., None, :] + part[..., None, None] * a**2
            return replace(self, n=n, s1=s1, s2=np.where(which[..., None], new, self.s2))
        square = a[..., :, None] * a[..., None, :]
        new = fraction * about_middle[..., None, :, :] + part[..., None, None, None] * square
        return replace(self, n=n, s1=s1, s2=np.where(which[..., None, None], new, self.s2))

    def _about_middle(self, a: Array) -> Array:
        """Second moment of all rows about one point, (..., d) or (..., d, d); a = center - point.

        The sum over components of s2 + s1 a^T + a s1^T + n a a^T.
        """
        if self.moment is Moment.DIAGONAL:
            each = self.s2 + 2.0 * self.s1 * a + self.n[..., None] * a**2
            return np.asarray(each.sum(axis=-2))
        cross = np.einsum("...ki,...kj->...ij", self.s1, a)
        outer = np.einsum("...k,...ki,...kj->...ij", self.n, a, a)
        pooled = self.s2 if self.moment is Moment.POOLED else self.s2.sum(axis=-3)
        return np.asarray(pooled + cross + np.swapaxes(cross, -1, -2) + outer)


def stack(statistics: Sequence[SufficientStatistics]) -> SufficientStatistics:
    """One record with a fit axis from the statistics of single fits, in order.

    `loglik` and `entropy` become arrays. `weight` and `rows` stay numbers where they are equal
    for all fits, as they are after one pass, and else become arrays, too.
    """
    first = statistics[0]
    if any(s.moment is not first.moment for s in statistics):
        raise ValueError("Statistics with different second moments cannot be stacked.")
    weights, rows = [s.weight for s in statistics], [s.rows for s in statistics]
    return SufficientStatistics(
        np.stack([s.n for s in statistics]),
        np.stack([s.s1 for s in statistics]),
        np.stack([s.s2 for s in statistics]),
        np.stack([s.center for s in statistics]),
        np.array([s.loglik for s in statistics]),
        np.array([s.entropy for s in statistics]),
        weights[0] if all(w == weights[0] for w in weights) else np.array(weights),
        rows[0] if all(r == rows[0] for r in rows) else np.array(rows, dtype=np.intp),
        first.moment,
    )


def _at(value: float | Array, index: Index) -> float | Array:
    return value[index] if isinstance(value, np.ndarray) else value
