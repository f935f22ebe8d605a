"""Newton's method for the common axes of EVE and VVE, all planes at once.

Axes turn as D exp(S) with S antisymmetric. With G_k = D^T W_k D and v_kj = (G_k)_jj, to second
order v_kj changes by L_kj + Q_kj,

    L_kj = 2 sum_i (G_k)_ij S_ij,    Q_kj = (G_k S^2)_jj + (S^T G_k S)_jj.

For weights w_k and f = sum_k w_k sum_j log v_kj that gives gradient and Hessian in the
m = d (d - 1) / 2 entries of S above the diagonal. Plane rotations converge linearly; near the
optimum two or three of these steps replace a dozen sweeps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import eigen
from ellimix.records import Array

Index = NDArray[np.intp]


def derivatives(
    turned: Array, variances: Array, weight: Array, power: float
) -> tuple[Array, Array]:
    """Gradient (..., m) and Hessian (..., m, m), planes as in ``numpy.triu_indices(d, 1)``.

    Parameters
    ----------
    turned : ndarray of shape (..., k, d, d)
        G_k.
    variances : ndarray of shape (..., k, d)
        v_kj > 0.
    weight : ndarray of shape (..., k)
        The weights w_k.
    power : float
        0 for f as above. 1/d for EVE, f = (1/power) (sum_k w_k) log sum_k x_k^power with x_k the
        product of v_kj over j and w_k proportional to x_k^power.
    """
    *fits, k, d = variances.shape
    p, q = np.triu_indices(d, 1)
    m = p.size
    planes = np.arange(m)
    off = 2.0 * turned[..., p, q]
    first = np.zeros((*fits, k, d, m))  # L_kj / v_kj
    first[..., q, planes] = off / variances[..., q]
    first[..., p, planes] = -off / variances[..., p]
    slopes = first.sum(axis=-2)
    gradient: Array = (weight[..., None, :] @ slopes)[..., 0, :]
    flat = (np.sqrt(weight)[..., None, None] * first).reshape(*fits, k * d, m)
    hessian = _curvature(turned, variances, weight, p, q) - np.swapaxes(flat, -1, -2) @ flat
    if power > 0.0:
        total = weight.sum(axis=-1)[..., None, None]
        spread = np.swapaxes(slopes * weight[..., None], -1, -2) @ slopes
        hessian += power * (spread - gradient[..., :, None] * gradient[..., None, :] / total)
    return gradient, hessian


def _curvature(turned: Array, variances: Array, weight: Array, p: Index, q: Index) -> Array:
    """Second derivatives of sum_k w_k sum_j Q_kj / v_kj, (..., m, m).

    With T_jil = sum_k w_k (G_k)_il / v_kj and S_a = e_p e_q^T - e_q e_p^T, the sum over j, i, l of
    T_jji (S_a)_il (S_b)_lj + T_jil (S_a)_ij (S_b)_lj has at most eight terms for each a and b.
    """
    *fits, k, d = variances.shape
    shares = np.swapaxes(weight[..., None] / variances, -1, -2)
    tensor = (shares @ turned.reshape(*fits, k, d * d)).reshape(*fits, d, d, d)
    own = np.einsum("...jji->...ji", tensor)
    p, q, r, s = p[:, None], q[:, None], p[None, :], q[None, :]
    out = np.zeros((*fits, p.size, p.size))
    for same, first, second in (
        (q == r, own[..., s, p], -tensor[..., q, p, s]),
        (q == s, -own[..., r, p], tensor[..., q, p, r]),
        (p == r, -own[..., s, q], tensor[..., p, q, s]),
        (p == s, own[..., r, q], -tensor[..., p, q, r]),
    ):
        out += np.where(same, first + second, 0.0)
    symmetric: Array = out + np.swapaxes(out, -1, -2)
    return symmetric


def newton_turn(gradient: Array, hessian: Array, d: int) -> Array | None:
    """The antisymmetric S (..., d, d) of a Newton step; None where a Hessian overflows.

    Where a Hessian is not positive its eigenvalues are replaced by their absolute values, so
    that the step descends along every eigenvector.
    """
    try:
        chol = np.linalg.cholesky(hessian)
        step = -_solved(np.swapaxes(chol, -1, -2), _solved(chol, gradient))
    except np.linalg.LinAlgError:
        if not np.isfinite(hessian).all():
            return None
        if gradient.ndim > 1:  # each its own way
            turns = [newton_turn(*part, d) for part in zip(gradient, hessian, strict=True)]
            return np.stack([turn for turn in turns if turn is not None])
        values, vectors = eigen(hessian)
        size = np.maximum(np.abs(values), 1e-6 * np.abs(values).max() + 1e-300)
        step = -vectors @ ((vectors.T @ gradient) / size)
    turn = np.zeros((*gradient.shape[:-1], d, d))
    turn[..., *np.triu_indices(d, 1)] = step
    return turn - np.swapaxes(turn, -1, -2)


def _solved(matrix: NDArray[np.floating], right: Array) -> Array:
    return np.asarray(np.linalg.solve(matrix, right[..., None])[..., 0])


def turned_axes(axes: Array, turn: Array) -> Array:
    """D times the Cayley transform of S: orthogonal, equal to D exp(S) to second order."""
    eye = np.eye(axes.shape[-1])
    rotation = np.linalg.solve(eye - turn / 2.0, eye + turn / 2.0)
    return np.linalg.qr(axes @ rotation)[0]
