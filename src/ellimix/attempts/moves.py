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


def splits(n: Array, means: Array, scatter: Array, scale: Array | None = None) -> Stacked:
    """All splits of one component of each of m fits: k starts with k + 1 components from each.

    Parameters
    ----------
    n : ndarray of shape (m, k)
    means : ndarray of shape (m, k, d)
    scatter : ndarray of shape (m, k, d, d)
        About the means.
    scale : ndarray of shape (m, d), optional
        Units of the columns in which the longest axis is the longest; by default all are 1.

    Returns
    -------
    counts : ndarray of shape (m, k, k + 1)
    means : ndarray of shape (m, k, k + 1, d)
    scatter : ndarray of shape (m, k, k + 1, d, d)
        The halves are the component's own place and the last one.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.attempts.moves import splits
    >>> one = np.array([[8.0]]), np.zeros((1, 1, 1)), np.array([[[[8.0]]]])
    >>> counts, means, scatter = splits(*one)
    >>> counts.ravel(), means.round(3).ravel(), scatter.round(3).ravel()
    (array([4., 4.]), array([-0.798,  0.798]), array([1.454, 1.454]))
    """
    m, k = n.shape
    unit = np.ones((m, 1, scatter.shape[-1])) if scale is None else scale[:, None]
    within = scatter / np.where(n > 0.0, n, 1.0)[..., None, None] / _outer(unit)
    values, vectors = eigen(within)
    spread, axis = np.maximum(values[..., -1], 0.0), unit * _turned(vectors[..., -1])
    away = np.sqrt(HALF * spread)[..., None] * axis
    half = (scatter - (n * HALF * spread)[..., None, None] * _outer(axis)) / 2.0
    own = np.arange(k)

    def put(whole: Array, lower: Array, upper: Array) -> Array:
        every = np.broadcast_to(whole[:, None], (m, k, *whole.shape[1:]))
        out = np.concatenate([every, upper[:, :, None]], axis=2)
        out[:, own, own] = lower
        return out

    counts = put(n, n / 2.0, n / 2.0)
    return counts, put(means, means - away, means + away), put(scatter, half, half)


def merges(n: Array, means: Array, scatter: Array, most: int) -> Stacked:
    """The merges of two components that cost least: at most `most` starts from each of m fits.

    The cost of a merge is by how much it lowers the classification likelihood of free Gaussians,
    n log |S| of the whole less those of the parts (Fraley 1998, criterion VVV), and less what the
    proportions gain. It does not depend on the columns' units.

    Parameters
    ----------
    n : ndarray of shape (m, k)
        With k at least 2.
    means : ndarray of shape (m, k, d)
    scatter : ndarray of shape (m, k, d, d)
    most : int

    Returns
    -------
    counts, means, scatter : ndarray
        With s starts a fit: (m, s, k - 1), (m, s, k - 1, d), (m, s, k - 1, d, d). The merged
        component is the last one.
    """
    m, k = n.shape
    pairs = np.array(list(combinations(range(k), 2)), dtype=np.intp)
    count, mean, within = merged(n, means, scatter, pairs)
    cost = _costs(n, scatter, pairs, count, within)
    chosen = np.argsort(cost, axis=1, kind="stable")[:, :most]  # (m, s)
    others = np.array([[j for j in range(k) if j not in pair] for pair in pairs], dtype=np.intp)
    kept, fit = others.reshape(len(pairs), k - 2)[chosen], np.arange(m)[:, None]

    def put(whole: Array, new: Array) -> Array:
        rest = whole[fit[..., None], kept]
        return np.concatenate([rest, new[fit, chosen][:, :, None]], axis=2)

    return put(n, count), put(means, mean), put(scatter, within)


def merged(
    n: Array, means: Array, scatter: Array, pairs: NDArray[np.intp]
) -> tuple[Array, Array, Array]:
    """Statistics (m, p), (m, p, d), (m, p, d, d) of pairs (p, 2) of components taken together."""
    i, j = pairs[:, 0], pairs[:, 1]
    count = n[:, i] + n[:, j]
    share = n[:, j] / np.where(count > 0.0, count, 1.0)
    apart = means[:, j] - means[:, i]
    mean = means[:, i] + share[..., None] * apart
    between = (n[:, i] * share)[..., None, None] * _outer(apart)
    return count, mean, scatter[:, i] + scatter[:, j] + between


def exchanges(
    n: Array, means: Array, scatter: Array, most: int, scale: Array | None = None
) -> Stacked:
    """Two components merged and a third one split, as Ueda et al. (2000) move a fit that is stuck.

    The `most` cheapest merges of each of m fits of at least 3 components, each with the split of
    every component but the merged one.

    Returns
    -------
    counts, means, scatter : ndarray
        With s starts a fit: (m, s, k), (m, s, k, d), (m, s, k, d, d).
    """
    m, k = n.shape
    d = means.shape[-1]
    fewer = merges(n, means, scatter, most)
    s = fewer[0].shape[1]
    repeated = None if scale is None else np.repeat(scale, s, axis=0)
    flat = [part.reshape(m * s, *part.shape[2:]) for part in fewer]
    cut = splits(flat[0], flat[1], flat[2], repeated)
    shapes = ((k,), (k, d), (k, d, d))
    counts, centers, within = (
        part[:, : k - 2].reshape(m, s * (k - 2), *shape)
        for part, shape in zip(cut, shapes, strict=True)
    )
    return counts, centers, within


def units(n: Array, means: Array, scatter: Array) -> Array:
    """Standard deviations of the columns over all rows of each fit, (m, d); 1 for a flat one."""
    total = n.sum(axis=1)[:, None]
    shift = means - (n[:, None] @ means) / total[:, None]
    variances = scatter.diagonal(0, -2, -1).sum(axis=1) + (n[..., None] * shift**2).sum(axis=1)
    return np.sqrt(np.where(variances > 0.0, variances / total, 1.0))


def _costs(n: Array, scatter: Array, pairs: NDArray[np.intp], count: Array, within: Array) -> Array:
    """Costs (m, p) of merges."""
    pooled = scatter.sum(axis=1) / n.sum(axis=1)[:, None, None]
    variances = pooled.diagonal(0, -2, -1)
    scale = np.sqrt(np.where(variances > 0.0, variances, 1.0))
    unit = _outer(scale)[:, None]
    # as if each had one row more with the average variances: few rows lie in a flat
    # (a column without spread has it nowhere: there the row is what keeps the matrix regular)
    row = np.eye(scale.shape[-1])

    def value(size: Array, matrix: Array) -> Array:
        size = np.where(size > 0.0, size, 1.0)
        matrix = (matrix / unit + row) / size[..., None, None]
        return np.asarray(0.5 * size * np.linalg.slogdet(matrix)[1] - size * np.log(size))

    alone = value(n, scatter)
    return np.asarray(value(count, within) - alone[:, pairs[:, 0]] - alone[:, pairs[:, 1]])


def _outer(vectors: Array) -> Array:
    return np.asarray(vectors[..., :, None] * vectors[..., None, :])


def _turned(axis: Array) -> Array:
    """Vectors (..., d) with their largest entry positive: eigenvectors have no sign."""
    largest = np.take_along_axis(axis, np.abs(axis).argmax(axis=-1)[..., None], axis=-1)
    return np.asarray(axis * np.where(largest < 0.0, -1.0, 1.0))
