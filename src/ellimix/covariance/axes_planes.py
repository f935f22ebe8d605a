"""Plane rotations for the common axes of EVE and VVE.

Turning axes p and q by an angle t/2 changes only v_kp and v_kq, and keeps their sum: with
m = (v_p + v_q)/2, u = (v_p - v_q)/2, b = (D^T W_k D)_pq,

    v_p v_q = m^2 - y^2,    y(t) = u cos t + b sin t.

So a plane is a problem in one bounded variable, solved from a grid by Newton's method and taken
only if it descends. Disjoint planes are turned together (a round-robin tournament visits every
plane once a sweep). For VVE they do not interact. For EVE they do, through the product: with P
planes in a round, convexity of exp gives

    prod_p x_p^(1/d) <= (1/P) sum_p x_p^(P/d)      for the factors x_p of the planes' changes,

equal where nothing turns, so minimising each plane's x_p^(P/d) descends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.triangular import EPS
from ellimix.records import Array

Index = NDArray[np.intp]

GRID = 12
NEWTON_STEPS = 8
TINY = 1e-30  # m^2 - y^2 relative to m^2: keeps logarithms finite on singular scatter


def turn_planes(
    weight: Array,
    power: float,
    turned: Array,
    variances: Array,
    axes: Array,
    p: Index,
    q: Index,
) -> tuple[Array, Array, float]:
    """Turn the disjoint planes (p[i], q[i]) together; also the largest angle turned.

    Each plane minimises sum_k weight_k x_k^power, with x_k the factor by which it changes v_p v_q;
    power 0 stands for log x_k.
    """
    vp, vq, b = variances[:, p], variances[:, q], turned[:, p, q]
    angle = _best_angle(weight[:, None], power, (vp + vq) / 2.0, (vp - vq) / 2.0, b)
    cos, sin = np.cos(angle / 2.0), np.sin(angle / 2.0)
    turned = _turn_columns(turned, p, q, cos, sin)
    turned = np.swapaxes(_turn_columns(np.swapaxes(turned, 1, 2), p, q, cos, sin), 1, 2)
    return turned, _turn_columns(axes, p, q, cos, sin), float(np.abs(angle).max())


def _turn_columns(matrix: Array, p: Index, q: Index, cos: Array, sin: Array) -> Array:
    out = matrix.copy()
    out[..., p] = cos * matrix[..., p] + sin * matrix[..., q]
    out[..., q] = cos * matrix[..., q] - sin * matrix[..., p]
    return out


def _best_angle(weight: Array, power: float, m: Array, u: Array, b: Array) -> Array:
    """For each plane, the t that minimises its part; 0 where nothing is gained. m, u, b: (k, P)."""
    u, b = u / m, b / m  # relative to m > 0: the factors x do not depend on the data's unit
    base = np.maximum(1.0 - u**2, TINY)

    def parts(t: Array) -> tuple[Array, Array, Array]:
        """Value, slope and curvature at angles t (..., P)."""
        t = t[..., None, :]
        y = u * np.cos(t) + b * np.sin(t)
        dy = b * np.cos(t) - u * np.sin(t)
        x = np.maximum(1.0 - y**2, TINY)
        r1, r2 = -2.0 * y * dy / x, -2.0 * (dy**2 - y**2) / x
        if power == 0.0:
            terms = weight * np.log(x / base)
            slope, curve = weight * r1, weight * (r2 - r1**2)
        else:
            terms = weight * (x / base) ** power
            slope = power * terms * r1
            curve = power * terms * (r2 + (power - 1.0) * r1**2)
        return terms.sum(axis=-2), slope.sum(axis=-2), curve.sum(axis=-2)

    grid = np.arange(GRID) * (np.pi / GRID)
    grid[grid > np.pi / 2.0] -= np.pi
    planes = np.arange(m.shape[1])
    on_grid = parts(np.broadcast_to(grid[:, None], (GRID, planes.size)))
    best = np.argmin(on_grid[0], axis=0)
    t = grid[best]
    value, slope, curve = (part[best, planes] for part in on_grid)
    for _ in range(NEWTON_STEPS):
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(curve > 0.0, -slope / curve, -np.sign(slope) * np.pi / (4 * GRID))
        step = np.clip(np.nan_to_num(step), -np.pi / GRID, np.pi / GRID)
        new = parts(t + step)
        better = _descends(new, (value, slope), weight)
        t = np.where(better, t + step, t)
        value, slope, curve = (
            np.where(better, after, before)
            for after, before in zip(new, (value, slope, curve), strict=True)
        )
    at_rest = (on_grid[0][0], on_grid[1][0])
    return np.where(_descends((value, slope), at_rest, weight), t, 0.0)


def _descends(
    after: tuple[Array, ...], before: tuple[Array, ...], weight: Array
) -> NDArray[np.bool_]:
    """Whether the value falls, or the slope does where the value cannot resolve it."""
    level = np.abs(after[0] - before[0]) <= 8.0 * EPS * weight.sum()
    return np.where(level, np.abs(after[1]) < np.abs(before[1]), after[0] < before[0])


def tournament(d: int) -> list[tuple[Index, Index]]:
    """Rounds of disjoint pairs that meet every pair once (circle method)."""
    size = d + d % 2
    order = list(range(size))
    rounds = []
    for _ in range(size - 1):
        pairs = [
            (order[i], order[size - 1 - i])
            for i in range(size // 2)
            if max(order[i], order[size - 1 - i]) < d
        ]
        rounds.append((np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])))
        order = [order[0], order[-1], *order[1:-1]]
    return rounds
