"""The common axes of EVE and VVE: monotone plane rotations.

Given axes D (orthogonal), let v_kj = (D^T W_k D)_jj. The best variances along D are known, and
what is left to minimise over D (an increasing function of twice the negative expected
complete-data log-likelihood) is

    VVE:  sum_k n_k sum_j log v_kj            common principal components (Flury 1984)
    EVE:  sum_k (prod_j v_kj)^(1/d)           one volume (Celeux & Govaert 1995, section 4)

Turning axes p and q by an angle t/2 changes only v_kp and v_kq, and keeps their sum: with
m = (v_p + v_q)/2, u = (v_p - v_q)/2, b = (D^T W_k D)_pq,

    v_p v_q = m^2 - y^2,    y(t) = u cos t + b sin t.

So a plane is a problem in one bounded variable, solved from a grid by Newton's method and taken
only if it descends. Disjoint planes are turned together (a round-robin tournament visits every
plane once a sweep). For VVE they do not interact. For EVE they do, through the product: with P
planes in a round, convexity of exp gives

    prod_p x_p^(1/d) <= (1/P) sum_p x_p^(P/d)      for the factors x_p of the planes' changes,

equal where nothing turns, so minimising each plane's x_p^(P/d) descends. Tried and left: Flury &
Gautschi's (1986) fixed-point inner iteration, which may cycle, and one gradient step an M-step,
whose likelihood can fall.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.axes_newton import derivatives, newton_turn, turned_axes
from ellimix.covariance.base import EPS, Covariance
from ellimix.records import Array

MAX_SWEEPS = 200
GRID = 12
NEWTON_STEPS = 8
NEWTON_FEATURES = 12  # up to so many features all planes are turned at once, by Newton's method,
NEWTON_REACH = 0.3  # where that turns none by more than so many radians
ANGLE_TOLERANCE = 1e-11  # radians turned in a sweep
OBJECTIVE_TOLERANCE = 1e-14  # relative decrease in a sweep, once the angles stop shrinking
TINY = 1e-30  # m^2 - y^2 relative to m^2: keeps logarithms finite on singular scatter
MANY_STARTS = 8  # own eigenvectors of at most so many components are tried as starts


class Criterion(Protocol):
    """What the axes minimise, as a function of the variances' products."""

    def objective(self, n: Array, variances: Array) -> float:
        """The value at variances (k, d)."""
        ...

    def plane(self, n: Array, variances: Array, planes: int) -> tuple[Array, float]:
        """Weights (k,) and power g: a plane minimises sum_k weight_k x_k^g; g = 0 means log x_k."""
        ...


@final
@dataclass(frozen=True)
class OwnVolumes:
    """VVE."""

    def objective(self, n: Array, variances: Array) -> float:
        """Sum of n_k log v_kj."""
        return float(n @ np.log(variances).sum(axis=1))

    def plane(self, n: Array, variances: Array, planes: int) -> tuple[Array, float]:
        """Logarithms, weighted by the counts."""
        return n, 0.0


@final
@dataclass(frozen=True)
class EqualVolumes:
    """EVE."""

    def objective(self, n: Array, variances: Array) -> float:
        """n d log sum_k (prod_j v_kj)^(1/d): in units of the log-likelihood."""
        log_mean = np.log(variances).mean(axis=1)
        top = log_mean.max()
        return float(n.sum() * variances.shape[1] * (top + np.log(np.exp(log_mean - top).sum())))

    def plane(self, n: Array, variances: Array, planes: int) -> tuple[Array, float]:
        """Powers planes/d, weighted by the components' volumes."""
        log_mean = np.log(variances).mean(axis=1)
        return np.exp(log_mean - log_mean.max()), planes / variances.shape[1]


def common_orientation(
    criterion: Criterion, n: Array, scatter: Array, previous: Covariance | None
) -> Array:
    """Orthogonal axes (d, d), columns, that minimise the criterion locally.

    From `previous`'s axes where it has them; else the best of several starts: eigenvectors of
    the pooled scatter and of the components' own.
    """
    d = scatter.shape[-1]
    if d == 1:
        return np.eye(1)
    if previous is not None and previous.orientation is not None:
        starts = [previous.orientation]
    else:
        own = np.argsort(-n)[: MANY_STARTS if d <= 32 else 0]
        pools = [scatter.sum(axis=0), (scatter / n[:, None, None]).sum(axis=0)]
        starts = list(np.linalg.eigh(np.stack([*pools, *(scatter[k] for k in own)]))[1])
    found = [_descend(criterion, n, scatter, start) for start in starts]
    return min(found, key=lambda pair: pair[0])[1]


def in_axes(scatter: Array, axes: Array) -> Array:
    """v_kj = (D^T W_k D)_jj, (k, d), not below 0."""
    along: Array = np.einsum("ij,kil,lj->kj", axes, scatter, axes, optimize=True)
    return np.maximum(along, 0.0)


def _descend(criterion: Criterion, n: Array, scatter: Array, axes: Array) -> tuple[float, Array]:
    """The criterion's value at a local minimum, and the axes there."""
    state = _State(criterion, n, scatter, axes)
    last = np.inf
    for _ in range(MAX_SWEEPS):
        new = _newton(state) if axes.shape[0] <= NEWTON_FEATURES else None
        if new is None:
            new = _sweep(state)
        level = state.value - new.value <= OBJECTIVE_TOLERANCE * (abs(new.value) + n.sum())
        if new.turned_by <= ANGLE_TOLERANCE or (level and new.turned_by > last / 2.0):
            return new.value, new.axes
        state, last = new, new.turned_by
    return state.value, state.axes


@dataclass(frozen=True)
class _State:
    """Axes, and what follows from them."""

    criterion: Criterion
    n: Array
    scatter: Array
    axes: Array
    turned_by: float = np.inf  # largest angle of the move that led here, radians

    @cached_property
    def turned(self) -> Array:
        """D^T W_k D, (k, d, d)."""
        return self.axes.T @ self.scatter @ self.axes

    @cached_property
    def variances(self) -> Array:
        return _variances(self.turned)

    @cached_property
    def value(self) -> float:
        return self.criterion.objective(self.n, self.variances)

    @cached_property
    def derivatives(self) -> tuple[Array, Array]:
        d = self.axes.shape[0]
        weight, power = self.criterion.plane(self.n, self.variances, 1)
        if power > 0.0:
            weight = weight * (self.n.sum() / weight.sum())
        return derivatives(self.turned, self.variances, weight, 1.0 / d if power > 0.0 else 0.0)

    def moved(self, axes: Array, turned_by: float) -> _State:
        """The state at other axes."""
        return _State(self.criterion, self.n, self.scatter, axes, turned_by)


def _newton(state: _State) -> _State | None:
    """A Newton step, if it descends."""
    gradient, hessian = state.derivatives
    turn = newton_turn(gradient, hessian, state.axes.shape[0])
    if turn is None or not np.abs(turn).max() < NEWTON_REACH:
        return None
    new = state.moved(turned_axes(state.axes, turn), float(np.abs(turn).max()))
    if new.turned_by <= ANGLE_TOLERANCE:
        return new
    level = abs(new.value - state.value) <= 8.0 * EPS * (abs(state.value) + state.n.sum())
    if level:
        better = np.abs(new.derivatives[0]).max() < np.abs(gradient).max()
    else:
        better = new.value < state.value
    return new if better else None


def _sweep(state: _State) -> _State:
    """Every plane turned once."""
    turned, axes, largest = state.turned, state.axes, 0.0
    for p, q in _tournament(axes.shape[0]):
        turned, axes, angle = _round(state.criterion, state.n, turned, axes, p, q)
        largest = max(largest, angle)
    # rotations drift off orthogonality by eps each
    return state.moved(np.linalg.qr(axes)[0], largest)


def _variances(turned: Array) -> Array:
    diagonal = np.diagonal(turned, axis1=1, axis2=2)
    floor = TINY * np.maximum(diagonal.max(axis=1, keepdims=True), np.finfo(float).tiny / TINY)
    variances: Array = np.maximum(diagonal, floor)
    return variances


def _round(
    criterion: Criterion,
    n: Array,
    turned: Array,
    axes: Array,
    p: NDArray[np.intp],
    q: NDArray[np.intp],
) -> tuple[Array, Array, float]:
    """Turn the disjoint planes (p[i], q[i]) together; also the largest angle turned."""
    variances = _variances(turned)
    weight, power = criterion.plane(n, variances, p.size)
    vp, vq, b = variances[:, p], variances[:, q], turned[:, p, q]
    angle = _best_angle(weight[:, None], power, (vp + vq) / 2.0, (vp - vq) / 2.0, b)
    cos, sin = np.cos(angle / 2.0), np.sin(angle / 2.0)
    turned = _turn_columns(turned, p, q, cos, sin)
    turned = np.swapaxes(_turn_columns(np.swapaxes(turned, 1, 2), p, q, cos, sin), 1, 2)
    return turned, _turn_columns(axes, p, q, cos, sin), float(np.abs(angle).max())


def _turn_columns(
    matrix: Array, p: NDArray[np.intp], q: NDArray[np.intp], cos: Array, sin: Array
) -> Array:
    out = matrix.copy()
    out[..., p] = cos * matrix[..., p] + sin * matrix[..., q]
    out[..., q] = cos * matrix[..., q] - sin * matrix[..., p]
    return out


def _best_angle(weight: Array, power: float, m: Array, u: Array, b: Array) -> Array:
    """For each plane, the t that minimises its part; 0 where nothing is gained. m, u, b: (k, P)."""
    base = np.maximum(m**2 - u**2, TINY * m**2)

    def parts(t: Array) -> tuple[Array, Array, Array]:
        """Value, slope and curvature at angles t (..., P)."""
        t = t[..., None, :]
        y = u * np.cos(t) + b * np.sin(t)
        dy = b * np.cos(t) - u * np.sin(t)
        x = np.maximum(m**2 - y**2, TINY * m**2)
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


def _tournament(d: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
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
