"""What a posterior sees of the rows: their count, and sums about a center."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ellimix.bayes.checks import LARGEST
from ellimix.errors import DataError
from ellimix.records import Array

ROUNDING = 1e-9  # by how much s2 may fall short of s1 s1^T / n, as a share of s2


@final
@dataclass(frozen=True, eq=False)
class Statistics:
    """Weighted count, and sums of x - center and of its square.

    Close to the rows' mean a center makes the sums exact to rounding, however far from 0 the rows
    lie: raw moments of rows near 1e8 hold no digit of their variance.

    Parameters
    ----------
    n : float
    s1 : ndarray of shape (d,)
    s2 : ndarray of shape (d, d)
    center : ndarray of shape (d,)
    """

    n: float
    s1: Array
    s2: Array
    center: Array

    def shift(self, mean: Array) -> Array:
        """The rows' mean less `mean`, (d,).

        Not their mean rounded to a number first: near 1e8 that rounds to 1e-8.
        """
        return (self.center - mean) + self.s1 / self.n

    @property
    def scatter(self) -> Array:
        """Sum of squares about the rows' own mean, (d, d)."""
        return self.s2 - np.outer(self.s1, self.s1 / self.n)


def of_rows(batch: Any, sample_weight: Any, d: int) -> Statistics:
    """Statistics of a batch: rows (n, d), a single row (d,), or numbers where d is 1."""
    rows = as_rows(batch, d)
    weight = _weights(sample_weight, len(rows))
    rows, weight = rows[weight > 0.0], weight[weight > 0.0]
    if not len(rows):
        return Statistics(0.0, np.zeros(d), np.zeros((d, d)), np.zeros(d))
    n = float(weight.sum())
    low, high = rows.min(axis=0), rows.max(axis=0)
    # the mean of equal values need not be that value: their variance would not be 0
    center = np.where(low == high, low, low + weight @ (rows - low) / n)
    apart = rows - center
    s1, s2 = weight @ apart, (weight[:, None] * apart).T @ apart
    return Statistics(n, s1, 0.5 * (s2 + s2.T), center)


def of_sums(n: Any, s1: Any, s2: Any, center: Any, d: int) -> Statistics:
    """Sums from elsewhere, checked."""
    try:
        total = float(n)
        first = np.array(s1, dtype=np.float64).reshape(d)
        second = np.array(s2, dtype=np.float64).reshape(d, d)
        about = np.array(0.0 if center is None else center, dtype=np.float64)
        about = np.array(np.broadcast_to(about, d))
    except (TypeError, ValueError):
        raise DataError(
            f"Statistics do not fit {d} feature{'s'[: d > 1]}: pass n as a number, s1 and center "
            f"with shape ({d},) and s2 with shape ({d}, {d})."
        ) from None
    finite = all(np.isfinite(part).all() for part in (total, first, second, about))
    if not finite or total < 0.0:
        raise DataError("Statistics must be finite, and n not negative.")
    if total > 0.0 and (np.abs(about + first / total) > LARGEST).any():
        raise DataError("The squares of the rows exceed the range of doubles: rescale the rows.")
    if total == 0.0 and (first.any() or second.any()):
        raise DataError("Statistics of no rows (n is 0) must be 0.")
    out = Statistics(total, first, 0.5 * (second + second.T), about)
    return out if total == 0.0 else _of_some_rows(out, second)


def _of_some_rows(sums: Statistics, given: Array) -> Statistics:
    """The same, if rows can have such sums; a scatter below 0 by rounding is lifted to 0."""
    size = np.sqrt(np.abs(np.diagonal(sums.s2)))
    size = np.where(size > 0.0, size, 1.0)
    scatter = sums.scatter
    values, vectors = np.linalg.eigh(scatter / np.outer(size, size))
    if values[0] < -ROUNDING or not np.allclose(given, given.T, rtol=1e-9, atol=0.0):
        raise DataError(
            "No rows have these statistics: s2 must be symmetric and at least s1 s1^T / n. "
            "Pass sums of x - center and of its square about the same center."
        )
    if values[0] >= 0.0:
        return sums
    lifted = (vectors * np.maximum(values, 0.0)) @ vectors.T * np.outer(size, size)
    return Statistics(sums.n, sums.s1, sums.s2 + (lifted - scatter), sums.center)


def as_rows(batch: Any, d: int) -> Array:
    """A batch as an array (n, d) of finite numbers. Raises DataError."""
    try:
        rows = np.asarray(batch, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("A batch must be an array of numbers.") from None
    shape = rows.shape
    if shape in ((0,), (0, 0), (0, d)):
        return np.empty((0, d))
    if rows.ndim < 2:
        rows = rows.reshape(-1, 1) if d == 1 else rows.reshape(1, -1)
    if rows.ndim != 2 or rows.shape[1] != d:
        wanted = "numbers, (n,) or (n, 1)" if d == 1 else f"rows of {d} features, (n, {d})"
        raise DataError(f"The batch has shape {shape}: pass {wanted}.")
    unsound = int((~np.isfinite(rows)).any(axis=1).sum())
    if unsound:
        raise DataError(
            f"{unsound} of {len(rows)} rows hold NaN or an infinite value: remove them, or "
            "fit a GaussianMixture with one component, which takes missing values."
        )
    if len(rows) and np.abs(rows).max() > LARGEST:
        raise DataError("The squares of the rows exceed the range of doubles: rescale the rows.")
    return rows


def _weights(sample_weight: Any, n: int) -> Array:
    if sample_weight is None:
        return np.ones(n)
    try:
        weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("Row weights must be numbers.") from None
    if weight.shape != (n,) and not (n == 1 and weight.ndim == 0):
        raise DataError(
            f"Row weights have shape {weight.shape}, but there are {n} rows: pass one weight a row."
        )
    if not np.isfinite(weight).all() or (weight < 0.0).any():
        raise DataError("Row weights must be finite and not negative; remove or mend such rows.")
    return weight.reshape(n)
