"""Statistics as points of a flat space.

EM is a fixed-point iteration of statistics: s -> M-step -> model -> E-step -> s'. Its
accelerators combine some of the latest statistics linearly, and the combination must again be
statistics, so they work in coordinates in which every vector is valid: logarithms of the counts,
means, and the Cholesky factors of W_k / n_k with logarithms on the diagonal. Whatever comes out
passes through the M-step: families, priors, floors and row weights need nothing more.

The coordinates are taken about a point of reference (the newest one), where component k has the
share pi_k, mean m_k and covariance L_k L_k^T. In the coordinates

    sqrt(pi_k) times  log n_k,  L_k^-1 m,  sqrt(2) log diag(L_k^-1 L),  L_k^-1 L below its diagonal

squared length is, for short vectors, twice the Kullback-Leibler divergence per unit weight between
the two mixtures' complete data: their Fisher information is the identity at the reference. Shifts,
scales and lower triangular maps of the data leave the coordinates as they are; rotations leave the
lengths of short vectors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from ellimix.covariance.triangular import NDArrayBool, cholesky
from ellimix.records import Array, Factor, Moment, SufficientStatistics

SHAPES = {
    Moment.DIAGONAL: Factor.DIAGONAL,
    Moment.POOLED: Factor.SHARED,
    Moment.FULL: Factor.FULL,
}
SQRT2 = float(np.sqrt(2.0))


@final
@dataclass(frozen=True, slots=True)
class Points:
    """Statistics as counts, means and roots of the mean scatter; any leading axes.

    Parameters
    ----------
    n : ndarray of shape (..., k)
        Positive counts.
    means : ndarray of shape (..., k, d)
    root : ndarray of shape (..., k, d), (..., d, d) or (..., k, d, d), as `shape` says
        Standard deviations, or lower Cholesky factors L with positive diagonal: of W / n pooled
        over the components, or of W_k / n_k.
    shape : Factor
    """

    n: Array
    means: Array
    root: Array
    shape: Factor

    def __getitem__(self, index: Any) -> Points:
        """Some of the points, by an index of the leading axes."""
        return Points(self.n[index], self.means[index], self.root[index], self.shape)

    def put(self, index: Any, points: Points) -> Points:
        """The same with other points at an index of the leading axes."""
        n, means, root = self.n.copy(), self.means.copy(), self.root.copy()
        n[index], means[index], root[index] = points.n, points.means, points.root
        return Points(n, means, root, self.shape)


def encode(statistics: SufficientStatistics, shape: Factor) -> tuple[Points, NDArrayBool]:
    """The points of statistics, and which have one.

    Parameters
    ----------
    statistics : SufficientStatistics
        Its arrays may have leading axes, one entry a fit: n (..., k), s1 and center (..., k, d),
        s2 (..., k, d), (..., d, d) or (..., k, d, d).
    shape : Factor
        Which of the three s2 is: DIAGONAL, SHARED (pooled over the components) or FULL.

    Returns
    -------
    points : Points
        Harmless numbers where there is no point.
    sound : ndarray of bool, shape (...)
        False for a fit with an empty component, singular scatter or numbers that are not finite.
    """
    n, s1, s2 = statistics.n, statistics.s1, statistics.s2
    sound: NDArrayBool = np.asarray(((n > 0.0) & np.isfinite(n)).all(axis=-1))
    n = np.where(sound[..., None], n, 1.0)
    shift = s1 / n[..., None]
    means = statistics.center + shift
    if shape is Factor.DIAGONAL:
        variance = s2 / n[..., None] - shift**2
        good = (np.isfinite(variance) & (variance > 0.0)).all(axis=(-2, -1))
        sound &= good & np.isfinite(means).all(axis=(-2, -1))
        root = np.sqrt(np.where(sound[..., None, None], variance, 1.0))
        return Points(n, means, root, shape), sound
    if shape is Factor.SHARED:
        total = n.sum(axis=-1)[..., None, None]
        covariance = s2 / total - np.swapaxes(s1, -1, -2) @ (shift / total)
    else:
        covariance = s2 / n[..., None, None] - shift[..., :, None] * shift[..., None, :]
    flat, bad = cholesky(covariance.reshape(-1, *covariance.shape[-2:]))
    bad = bad.reshape(covariance.shape[:-2])
    sound &= ~(bad if shape is Factor.SHARED else bad.any(axis=-1))
    sound &= np.isfinite(means).all(axis=(-2, -1))
    root = flat.reshape(covariance.shape)
    whole = sound.reshape(sound.shape + (1,) * (root.ndim - sound.ndim))
    root = np.where(whole, root, np.eye(root.shape[-1]))
    return Points(n, means, root, shape), sound


def decode(points: Points, like: SufficientStatistics) -> SufficientStatistics:
    """The statistics of points, about their own means; what else they carry is as in `like`."""
    n, root = points.n, points.root
    if points.shape is Factor.DIAGONAL:
        s2 = n[..., None] * root**2
    elif points.shape is Factor.SHARED:
        s2 = n.sum(axis=-1)[..., None, None] * (root @ np.swapaxes(root, -1, -2))
    else:
        s2 = n[..., None, None] * (root @ np.swapaxes(root, -1, -2))
    return replace(like, n=n, s1=np.zeros_like(points.means), s2=s2, center=points.means)


def coordinates(points: Points, reference: Points) -> Array:
    """Vectors (..., p) of points about a reference; the reference's own vector is 0.

    The leading axes of `reference` broadcast against those of `points`.
    """
    share = reference.n / reference.n.sum(axis=-1, keepdims=True)
    width = np.sqrt(share)
    log_n = np.log(points.n / points.n.sum(axis=-1, keepdims=True)) - np.log(share)
    shift = points.means - reference.means
    if points.shape is Factor.DIAGONAL:
        shift = shift / reference.root
        spread: Array = SQRT2 * width[..., None] * np.log(points.root / reference.root)
    else:
        shared = points.shape is Factor.SHARED
        within = reference.root
        if shared:
            shift = np.swapaxes(_solved(within, np.swapaxes(shift, -1, -2)), -1, -2)
        else:
            shift = _solved(within, shift[..., None])[..., 0]
        spread = _logged(_solved(within, points.root))
        spread = spread if shared else width[..., None] * spread
    parts = (width * log_n, width[..., None] * shift, spread)
    lead = points.n.shape[:-1]
    return np.concatenate([part.reshape(*lead, -1) for part in parts], axis=-1)


def point_at(vector: Array, reference: Points) -> Points:
    """The points of vectors (..., p) about a reference with the same leading axes."""
    lead, (k, d) = vector.shape[:-1], reference.means.shape[-2:]
    share = reference.n / reference.n.sum(axis=-1, keepdims=True)
    width = np.sqrt(share)
    log_n = np.log(share) + vector[..., :k] / width
    shift = vector[..., k : k + k * d].reshape(*lead, k, d) / width[..., None]
    spread = vector[..., k + k * d :]
    n = np.exp(log_n - log_n.max(axis=-1, keepdims=True))
    n *= (reference.n.sum(axis=-1) / n.sum(axis=-1))[..., None]
    if reference.shape is Factor.DIAGONAL:
        spread = spread.reshape(*lead, k, d) / (SQRT2 * width[..., None])
        root = reference.root * np.exp(spread)
        return Points(n, reference.means + reference.root * shift, root, reference.shape)
    if reference.shape is Factor.SHARED:
        shift = shift @ np.swapaxes(reference.root, -1, -2)
    else:
        shift = (reference.root @ shift[..., None])[..., 0]
        spread = spread.reshape(*lead, k, -1) / width[..., None]
    root = reference.root @ _unlogged(spread, d)
    return Points(n, reference.means + shift, root, reference.shape)


def _solved(root: Array, right: Array) -> Array:
    return np.asarray(np.linalg.solve(root, right), dtype=np.float64)


def _logged(root: Array) -> Array:
    """Lower triangular (..., d, d) as vectors: sqrt(2) log of the diagonal, then what is below."""
    below = np.tril_indices(root.shape[-1], -1)
    diagonal = np.diagonal(root, axis1=-2, axis2=-1)
    return np.concatenate([SQRT2 * np.log(diagonal), root[..., below[0], below[1]]], axis=-1)


def _unlogged(vector: Array, d: int) -> Array:
    below, index = np.tril_indices(d, -1), np.arange(d)
    root = np.zeros((*vector.shape[:-1], d, d))
    root[..., index, index] = np.exp(vector[..., :d] / SQRT2)
    root[..., below[0], below[1]] = vector[..., d:]
    return root
