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

from ellimix.records import Array

Index = NDArray[np.intp]


def derivatives(
    turned: Array, variances: Array, weight: Array, power: float
) -> tuple[Array, Array]:
    """Gradient (m,) and Hessian (m, m), planes in the order of ``numpy.triu_indices(d, 1)``.

    Parameters
    ----------
    turned : ndarray of shape (k, d, d)
        G_k.
    variances : ndarray of shape (k, d)
        v_kj > 0.
    weight : ndarray of shape (k,)
        The weights w_k.
    power : float
        0 for f as above. 1/d for EVE, f = (1/power) (sum_k w_k) log sum_k x_k^power with x_k the
        product of v_kj over j and w_k proportional to x_k^power.
    """
    k, d = variances.shape
    p, q = np.triu_indices(d, 1)
    m = p.size
    planes = np.arange(m)
    first = np.zeros((k, d, m))  # L_kj / v_kj
    first[:, q, planes] = 2.0 * turned[:, p, q] / variances[:, q]
    first[:, p, planes] = -2.0 * turned[:, p, q] / variances[:, p]
    slopes = first.sum(axis=1)
    gradient = weight @ slopes
    scaled = np.sqrt(weight)[:, None, None] * first
    flat = scaled.reshape(k * d, m)
    hessian = _curvature(turned, variances, weight, p, q) - flat.T @ flat
    if power > 0.0:
        total = weight.sum()
        spread = (slopes * weight[:, None]).T @ slopes - np.outer(gradient, gradient) / total
        hessian = hessian + power * spread
    return gradient, hessian


def _curvature(turned: Array, variances: Array, weight: Array, p: Index, q: Index) -> Array:
    """Second derivatives of sum_k w_k sum_j Q_kj / v_kj, (m, m)."""
    d = variances.shape[1]
    m = p.size
    # T[j, i, l] = sum_k w_k (G_k)_il / v_kj
    tensor = np.einsum("kj,kil->jil", weight[:, None] / variances, turned, optimize=True)
    basis = np.zeros((m, d, d))
    planes = np.arange(m)
    basis[planes, p, q] = 1.0
    basis[planes, q, p] = -1.0
    own = tensor[np.arange(d), np.arange(d), :]  # T[j, j, i]
    # Q(S_a, S_b): sum over j, i, l of T[j, j, i] S_il S_lj, and of T[j, i, l] S_ij S_lj
    left = np.einsum("ji,ail->ajl", own, basis, optimize=True)
    one = np.einsum("ajl,blj->ab", left, basis, optimize=True)
    right = np.einsum("jil,alj->aij", tensor, basis, optimize=True)
    two = np.einsum("aij,bij->ab", right, basis, optimize=True)
    quadratic = one + two
    symmetric: Array = quadratic + quadratic.T
    return symmetric


def newton_turn(gradient: Array, hessian: Array, d: int) -> Array | None:
    """The antisymmetric S (d, d) of a Newton step; None where the Hessian is not positive."""
    try:
        chol = np.linalg.cholesky(hessian)
    except np.linalg.LinAlgError:
        return None
    step = -np.linalg.solve(chol.T, np.linalg.solve(chol, gradient))
    turn = np.zeros((d, d))
    turn[np.triu_indices(d, 1)] = step
    return turn - turn.T


def turned_axes(axes: Array, turn: Array) -> Array:
    """D times the Cayley transform of S: orthogonal, equal to D exp(S) to second order."""
    eye = np.eye(axes.shape[0])
    rotation = np.linalg.solve(eye - turn / 2.0, eye + turn / 2.0)
    return np.linalg.qr(axes @ rotation)[0]
