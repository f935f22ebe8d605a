"""Splits and merges of components, in the statistics of a fit: no row is needed.

Statistics of components add, so a merge is exact. A split cuts a component as a Gaussian through
its mean, across its longest axis: each half has mean +- sqrt(2 lambda / pi) along that axis, and
keeps 1 - 2 / pi of the variance there (the moments of a half-normal distribution).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import eigen
from ellimix.records import Array

Stacked = tuple[Array, Array, Array]  # counts (m, k), means (m, k, d), scatter (m, k, d, d)

HALF = 2.0 / np.pi


def splits(n: Array, means: Array, scatter: Array) -> Stacked:
    """All splits of one component of a fit: k starts with k + 1 components.

    Parameters
    ----------
    n : ndarray of shape (k,)
    means : ndarray of shape (k, d)
    scatter : ndarray of shape (k, d, d)
        About the means.

    Returns
    -------
    counts : ndarray of shape (k, k + 1)
    means : ndarray of shape (k, k + 1, d)
    scatter : ndarray of shape (k, k + 1, d, d)
        The halves are the component's own place and the last one.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.attempts.moves import splits
    >>> counts, means, scatter = splits(np.array([8.0]), np.zeros((1, 1)), np.array([[[8.0]]]))
    >>> counts[0], means[0].round(3).ravel(), scatter[0].round(3).ravel()
    (array([4., 4.]), array([-0.798,  0.798]), array([1.454, 1.454]))
    """
    k = n.size
    values, vectors = eigen(scatter / np.where(n > 0.0, n, 1.0)[:, None, None])
    spread, axis = np.maximum(values[:, -1], 0.0), _turned(vectors[:, :, -1])
    away = np.sqrt(HALF * spread)[:, None] * axis
    half = (scatter - (n * HALF * spread)[:, None, None] * _outer(axis)) / 2.0
    index = np.arange(k)
    counts = np.concatenate([np.tile(n, (k, 1)), (n / 2.0)[:, None]], axis=1)
    counts[index, index] = n / 2.0
    centers = np.concatenate([np.tile(means, (k, 1, 1)), (means + away)[:, None]], axis=1)
    centers[index, index] = means - away
    within = np.concatenate([np.tile(scatter, (k, 1, 1, 1)), half[:, None]], axis=1)
    within[index, index] = half
    return counts, centers, within


def merges(n: Array, means: Array, scatter: Array, most: int) -> Stacked:
    """The merges of two components that cost least: at most `most` starts with k - 1 components.

    The cost of a merge is by how much it lowers the classification likelihood of free Gaussians,
    n log |S| of the whole less those of the parts (Fraley 1998, criterion VVV), and less what the
    proportions gain. It does not depend on the columns' units.

    Parameters
    ----------
    n : ndarray of shape (k,)
    means : ndarray of shape (k, d)
    scatter : ndarray of shape (k, d, d)
    most : int

    Returns
    -------
    counts, means, scatter : ndarray
        With m starts: (m, k - 1), (m, k - 1, d), (m, k - 1, d, d).
    """
    k = n.size
    pairs = np.array(list(combinations(range(k), 2)), dtype=np.intp).reshape(-1, 2)
    count, mean, within = merged(n, means, scatter, pairs)
    chosen = np.argsort(_costs(n, scatter, pairs, count, within), kind="stable")[:most]
    out = []
    for at in chosen:
        kept = np.delete(np.arange(k), pairs[at])
        out.append(
            (
                np.append(n[kept], count[at]),
                np.concatenate([means[kept], mean[at : at + 1]]),
                np.concatenate([scatter[kept], within[at : at + 1]]),
            )
        )
    return _stacked(out)


def merged(
    n: Array, means: Array, scatter: Array, pairs: NDArray[np.intp]
) -> tuple[Array, Array, Array]:
    """Statistics (p,), (p, d), (p, d, d) of pairs (p, 2) of components taken together."""
    i, j = pairs[:, 0], pairs[:, 1]
    count = n[i] + n[j]
    apart = means[j] - means[i]
    mean = means[i] + (n[j] / count)[:, None] * apart
    between = (n[i] * n[j] / count)[:, None, None] * _outer(apart)
    return count, mean, scatter[i] + scatter[j] + between


def exchanges(n: Array, means: Array, scatter: Array, most: int) -> Stacked:
    """Two components merged and a third one split, as Ueda et al. (2000) move a fit that is stuck.

    The `most` cheapest merges, each with the split of every component that is not the merged one.

    Returns
    -------
    counts, means, scatter : ndarray
        (m, k), (m, k, d), (m, k, d, d); m is 0 for fewer than 3 components.
    """
    k = n.size
    if k < 3:
        d = means.shape[1]
        return np.empty((0, k)), np.empty((0, k, d)), np.empty((0, k, d, d))
    parts = []
    for count, mean, within in zip(*merges(n, means, scatter, most), strict=True):
        cut = splits(count, mean, within)
        parts.append(tuple(part[: k - 2] for part in cut))  # the last is the merged one
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))  # type: ignore[return-value]


def _costs(n: Array, scatter: Array, pairs: NDArray[np.intp], count: Array, within: Array) -> Array:
    pooled = scatter.sum(axis=0) / n.sum()
    scale = np.sqrt(np.where(np.diagonal(pooled) > 0.0, np.diagonal(pooled), 1.0))
    unit = np.outer(scale, scale)

    def value(size: Array, matrix: Array) -> Array:
        size = np.where(size > 0.0, size, 1.0)
        # as if each had one row more of the average shape: few rows lie in a flat
        ridge = np.diag(np.diagonal(pooled) / np.diagonal(unit)) / size[:, None, None]
        log_det = np.linalg.slogdet(matrix / (size[:, None, None] * unit) + ridge)[1]
        return np.asarray(0.5 * size * log_det - size * np.log(size))

    alone = value(n, scatter)
    cost = value(count, within) - alone[pairs[:, 0]] - alone[pairs[:, 1]]
    return np.asarray(np.nan_to_num(cost, nan=np.inf))


def _outer(vectors: Array) -> Array:
    return np.asarray(vectors[:, :, None] * vectors[:, None, :])


def _turned(axis: Array) -> Array:
    """Vectors (k, d) with their largest entry positive: eigenvectors have no sign."""
    largest = np.take_along_axis(axis, np.abs(axis).argmax(axis=1)[:, None], axis=1)
    return np.asarray(axis * np.where(largest < 0.0, -1.0, 1.0))


def _stacked(parts: list[Stacked]) -> Stacked:
    counts, means, scatter = zip(*parts, strict=True)
    return np.stack(counts), np.stack(means), np.stack(scatter)
