"""Random problems for tests, from a seed, and covariance families as volume, shape, orientation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm

from ellimix.records import Factor, Moment, Potentials


def random_spd(rng, d, count, log_condition=1.5):
    """Positive definite matrices (count, d, d), eigenvalues within exp(+- log_condition)."""
    axes = random_axes(rng, d, count)
    values = np.exp(rng.uniform(-log_condition, log_condition, (count, d)))
    out = (axes * values[:, None, :]) @ np.swapaxes(axes, 1, 2)
    return (out + np.swapaxes(out, 1, 2)) / 2.0


def random_axes(rng, d, count):
    """Orthogonal matrices (count, d, d)."""
    return np.linalg.qr(rng.standard_normal((count, d, d)))[0]


def counts_and_scatter(rng, k, d, moment, log_condition=1.5):
    """Counts (k,) and scatter of that moment, of components unlike one another."""
    n = rng.uniform(5.0, 50.0, k)
    volume = np.exp(rng.uniform(-1.0, 1.0, k))
    scatter = random_spd(rng, d, k, log_condition) * (n * volume)[:, None, None]
    return n, as_moment(scatter, moment)


def as_moment(scatter, moment):
    """Scatter matrices (k, d, d), or their diagonals (k, d). Pooling is left to `pooled`."""
    return np.diagonal(scatter, axis1=1, axis2=2).copy() if moment is Moment.DIAGONAL else scatter


def pooled(scatter, moment):
    """What an M-step gets for the components' scatter: their sum (d, d) for a pooled moment."""
    return scatter.sum(axis=-3) if moment is Moment.POOLED else scatter


def random_rows(rng, n, d, offset=0.0, clusters=3):
    """Rows (n, d) with unit spread in a few clusters, around an offset."""
    centers = rng.standard_normal((clusters, d)) * 3.0
    return centers[rng.integers(clusters, size=n)] + rng.standard_normal((n, d)) + offset


def random_potentials(rng, k, d, shape, moment, offset=0.0):
    """Potentials of a random mixture with unit spread, centers around an offset."""
    center = rng.standard_normal((k, d)) * 2.0 + offset
    triangle = np.triu(rng.standard_normal((k, d, d)) * 0.3)
    diagonal = np.exp(rng.uniform(-0.5, 0.5, (k, d)))
    index = np.arange(d)
    triangle[:, index, index] = diagonal
    factor = {Factor.DIAGONAL: diagonal, Factor.SHARED: triangle[0], Factor.FULL: triangle}[shape]
    log_weights = np.log(rng.dirichlet(np.full(k, 5.0)))
    return Potentials(log_weights - d, center, factor, shape, moment)


@dataclass(frozen=True)
class Pieces:
    """Sigma_k = volume_k D_k diag(shape_k) D_k^T, the product of each shape 1."""

    log_volume: np.ndarray  # (k,)
    log_shape: np.ndarray  # (k, d), each row of sum 0
    axes: np.ndarray  # (k, d, d)

    def matrices(self):
        """The covariances (k, d, d)."""
        variances = np.exp(self.log_volume[:, None] + self.log_shape)
        return (self.axes * variances[:, None, :]) @ np.swapaxes(self.axes, 1, 2)


def spheres(k, d):
    """The pieces of k identity matrices, which every family holds."""
    return Pieces(np.zeros(k), np.zeros((k, d)), np.stack([np.eye(d)] * k))


def letter_copies(letter, k):
    """How many values a letter leaves free: none, one, or one a component."""
    return {"I": 0, "E": 1, "V": k}[letter]


def n_coordinates(name, k, d):
    """Length of the vector that `moved` takes; shapes have one entry more than they need."""
    volume, shape, orientation = (letter_copies(letter, k) for letter in name)
    return volume + shape * d + orientation * (d * (d - 1) // 2)


def moved(name, pieces, vector):
    """A member of the family, from another one and a vector of unconstrained coordinates.

    Log-volumes are added, log-shapes are added and centered, axes are turned by exp of
    antisymmetric matrices. The letter E moves all components alike.
    """
    k, d = pieces.log_shape.shape
    planes = d * (d - 1) // 2
    volume, shape, orientation = (letter_copies(letter, k) for letter in name)
    by_volume, rest = vector[:volume], vector[volume:]
    by_shape, turns = rest[: shape * d], rest[shape * d :]
    log_volume = pieces.log_volume + by_volume
    log_shape = pieces.log_shape
    if shape:
        by_shape = by_shape.reshape(shape, d)
        log_shape = log_shape + by_shape - by_shape.mean(axis=1, keepdims=True)
    axes = pieces.axes
    if orientation and planes:
        axes = axes @ np.stack([_rotation(turn, d) for turn in turns.reshape(orientation, planes)])
    return Pieces(log_volume, log_shape, axes)


def jacobian(name, pieces, step=1e-5):
    """Central differences of the covariances by the coordinates of `moved`, one row each."""
    rows = []
    for direction in np.eye(n_coordinates(name, *pieces.log_shape.shape)):
        ahead = moved(name, pieces, step * direction).matrices()
        behind = moved(name, pieces, -step * direction).matrices()
        rows.append((ahead - behind).ravel() / (2.0 * step))
    return np.stack(rows)


def _rotation(turn, d):
    antisymmetric = np.zeros((d, d))
    antisymmetric[np.triu_indices(d, 1)] = turn
    return expm(antisymmetric - antisymmetric.T)


def random_member(rng, name, k, d, spread=1.0):
    """The pieces of a random member of the family."""
    return moved(name, spheres(k, d), rng.standard_normal(n_coordinates(name, k, d)) * spread)


def pieces_of(name, matrices):
    """Covariances (k, d, d) of a family's member, as pieces with the axes that its letters allow.

    Axes are the coordinates for I, and for E the eigenvectors of a generic sum, which commuting
    matrices share. For V eigenvalues are in ascending order.
    """
    k, d, _ = matrices.shape
    if name[2] == "I":
        axes = np.stack([np.eye(d)] * k)
    elif name[2] == "E":
        generic = np.tensordot(np.sqrt(np.arange(k) + 2.0), matrices, 1)
        axes = np.stack([np.linalg.eigh(generic)[1]] * k)
    else:
        axes = np.linalg.eigh(matrices)[1]
    variances = np.einsum("kij,kil,klj->kj", axes, matrices, axes)
    log_volume = np.log(variances).mean(axis=1)
    return Pieces(log_volume, np.log(variances) - log_volume[:, None], axes)
