"""The common axes of EVE and VVE, by a search that never ascends.

Given axes D (orthogonal), let v_kj = (D^T W_k D)_jj. The best variances along D are known, and
what is left to minimise over D (an increasing function of twice the negative expected
complete-data log-likelihood) is

    VVE:  sum_k n_k sum_j log v_kj            common principal components (Flury 1984)
    EVE:  sum_k (prod_j v_kj)^(1/d)           one volume (Celeux & Govaert 1995, section 4)

The search turns planes (`axes_planes`), which finds its way from anywhere and converges linearly,
and takes steps of Newton's method in all planes at once (`axes_newton`), which is quick near the
optimum. A step is taken only if it descends, so the M-step never loses ground. Tried and left:
Flury & Gautschi's (1986) fixed-point inner iteration, which may cycle, and one gradient step an
M-step, whose likelihood can fall.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, final

import numpy as np

from ellimix.covariance.axes_newton import derivatives, newton_turn, turned_axes
from ellimix.covariance.axes_planes import tournament, turn_planes
from ellimix.covariance.base import Covariance, check_spread, eigen
from ellimix.covariance.triangular import EPS, NDArrayBool
from ellimix.records import Array

MAX_STEPS = 300
ANGLE_TOLERANCE = 1e-11  # radians turned in a step
LEVEL = 1e-14  # relative descent that counts as none, once the angles stop shrinking
TINY = 1e-30  # of a component's largest variance: keeps logarithms finite on singular scatter
MANY_STARTS = 8  # own eigenvectors of at most so many components are tried as starts
FIRST_SWEEPS = 2  # from every start; with more features than
FEW_FEATURES = 5  # only the best start goes on
NEWTON_FEATURES = 40  # with more, m = d (d - 1) / 2 unknowns cost more than plane rotations,
MAX_SWEEPS = 20  # of which an M-step then does so many: the next one goes on from there
NEWTON_REACH = 0.5  # radians that a Newton step may turn at most


class Criterion(Protocol):
    """What the axes minimise, as a function of the variances' products."""

    def objective(self, n: Array, variances: Array) -> Array:
        """The value (...,) at variances (..., k, d)."""
        ...

    def plane(self, n: Array, variances: Array, planes: int) -> tuple[Array, float]:
        """Weights (..., k), power g: a plane minimises sum_k weight_k x_k^g; 0 means log x_k."""
        ...


@final
@dataclass(frozen=True)
class OwnVolumes:
    """VVE."""

    def objective(self, n: Array, variances: Array) -> Array:
        """Sum of n_k log v_kj."""
        return np.asarray((n * np.log(variances).sum(axis=-1)).sum(axis=-1))

    def plane(self, n: Array, variances: Array, planes: int) -> tuple[Array, float]:
        """Logarithms, weighted by the counts."""
        return n, 0.0


@final
@dataclass(frozen=True)
class EqualVolumes:
    """EVE."""

    def objective(self, n: Array, variances: Array) -> Array:
        """n d log sum_k (prod_j v_kj)^(1/d): in units of the log-likelihood."""
        log_mean = np.log(variances).mean(axis=-1)
        top = log_mean.max(axis=-1)
        log_sum = top + np.log(np.exp(log_mean - top[..., None]).sum(axis=-1))
        return np.asarray(n.sum(axis=-1) * variances.shape[-1] * log_sum)

    def plane(self, n: Array, variances: Array, planes: int) -> tuple[Array, float]:
        """Powers planes/d, weighted by the components' volumes."""
        log_mean = np.log(variances).mean(axis=-1)
        weight = np.exp(log_mean - log_mean.max(axis=-1, keepdims=True))
        return weight, planes / variances.shape[-1]


def common_orientation(
    criterion: Criterion, n: Array, scatter: Array, previous: Covariance | None
) -> Array:
    """Orthogonal axes (..., d, d), columns, that minimise the criterion locally.

    From `previous`'s axes where it has them; else the best of several starts: eigenvectors of
    the pooled scatter and of the components' own. Stacked fits take Newton's steps together for
    as long as these descend, and any others one by one.
    """
    d = scatter.shape[-1]
    check_spread(np.trace(scatter, axis1=-2, axis2=-1), n)
    if d == 1:
        return np.ones((*n.shape[:-1], 1, 1))
    before = None if previous is None else previous.orientation
    if n.ndim == 1:
        return _one_orientation(criterion, n, scatter, before)
    lead = n.shape[:-1]
    n, scatter = n.reshape(-1, n.shape[-1]), scatter.reshape(-1, *scatter.shape[-3:])
    axes = np.full((len(n), d, d), np.nan) if before is None else before.reshape(-1, d, d)
    arrived = np.zeros(len(n), dtype=np.bool_)
    begun: NDArrayBool = ~np.isnan(axes[:, 0, 0])
    if begun.any() and d <= NEWTON_FEATURES:
        axes = axes.copy()
        state = _State(criterion, n[begun], scatter[begun], axes[begun])
        axes[begun], arrived[begun] = _descend_together(state)
    out = [
        a if done else _one_orientation(criterion, m, w, a if known else None)
        for a, m, w, done, known in zip(axes, n, scatter, arrived, begun, strict=True)
    ]
    return np.stack(out).reshape(*lead, d, d)


def _one_orientation(criterion: Criterion, n: Array, scatter: Array, before: Array | None) -> Array:
    d = scatter.shape[-1]
    if before is not None:
        starts = [before]
    else:
        own = np.argsort(-n)[: MANY_STARTS if d <= 32 else 0]
        pools = [scatter.sum(axis=0), (scatter / n[:, None, None]).sum(axis=0)]
        starts = list(eigen(np.stack([*pools, *(scatter[k] for k in own)]))[1])
    states = [_State(criterion, n, scatter, start) for start in starts]
    if len(states) > 1:
        for _ in range(FIRST_SWEEPS):
            states = [_sweep(state) for state in states]
        if d > FEW_FEATURES:
            states = [min(states, key=lambda state: float(state.value))]
    return min((_descend(state) for state in states), key=lambda state: float(state.value)).axes


def in_axes(scatter: Array, axes: Array) -> Array:
    """v_kj = (D^T W_k D)_jj, (..., k, d), not below 0."""
    along: Array = np.einsum("...ij,...kij->...kj", axes, scatter @ axes[..., None, :, :])
    return np.asarray(np.maximum(along, 0.0))


def _descend(state: _State) -> _State:
    """The state of one fit at a local minimum."""
    small = state.axes.shape[0] <= NEWTON_FEATURES
    last: Array | float = np.inf
    for _ in range(MAX_STEPS if small else MAX_SWEEPS):
        new = (_newton(state) if small else None) or _sweep(state)
        gain = new.gain_on(state)
        if new.turned_by <= ANGLE_TOLERANCE:
            return new
        if gain <= LEVEL and new.turned_by > last / 2.0:
            return new if gain >= 0.0 else state
        state, last = new, new.turned_by
    return state


def _descend_together(state: _State) -> tuple[Array, NDArrayBool]:
    """Axes of stacked fits after Newton's steps, and which fits are at a local minimum.

    `_descend` with full steps only: a fit whose step does not descend stays where it is.
    """
    axes, arrived = state.axes.copy(), np.zeros(len(state.n), dtype=np.bool_)
    going, last = np.arange(len(state.n)), np.full(len(state.n), np.inf)
    for _ in range(MAX_STEPS):
        turn = newton_turn(*state.derivatives, axes.shape[-1])
        if turn is None or not np.isfinite(turn).all():
            break
        new = state.turned_by_newton(turn)
        there = new.turned_by <= ANGLE_TOLERANCE
        good = there | new.better_than(state)
        gain = new.gain_on(state)
        level = ~there & (gain <= LEVEL) & (new.turned_by > last / 2.0)
        taken = good & ~(level & (gain < 0.0))
        axes[going[taken]] = new.axes[taken]
        arrived[going[good & (there | level)]] = True
        on = np.asarray(good & ~there & ~level, dtype=np.bool_)
        if not on.any():
            break
        going, state = going[on], new.at(on)
        last = np.asarray(state.turned_by)
    return axes, arrived


@dataclass(frozen=True)
class _State:
    """Axes (..., d, d) of a fit or of stacked fits, and what follows from them."""

    criterion: Criterion
    n: Array
    scatter: Array
    axes: Array
    turned_by: Array | float = np.inf  # largest angle of the move that led here, radians

    @cached_property
    def turned(self) -> Array:
        """D^T W_k D, (..., k, d, d)."""
        axes = self.axes[..., None, :, :]
        return np.asarray(np.swapaxes(axes, -1, -2) @ self.scatter @ axes)

    @cached_property
    def variances(self) -> Array:
        return _variances(self.turned)

    @cached_property
    def value(self) -> Array:
        return self.criterion.objective(self.n, self.variances)

    @cached_property
    def total(self) -> Array:
        return np.asarray(self.n.sum(axis=-1))

    @cached_property
    def derivatives(self) -> tuple[Array, Array]:
        d = self.axes.shape[-1]
        weight, power = self.criterion.plane(self.n, self.variances, 1)
        if power > 0.0:
            weight = weight * (self.total / weight.sum(axis=-1))[..., None]
        return derivatives(self.turned, self.variances, weight, 1.0 / d if power > 0.0 else 0.0)

    def moved(self, axes: Array, turned_by: Array | float) -> _State:
        """The state at other axes."""
        return _State(self.criterion, self.n, self.scatter, axes, turned_by)

    def turned_by_newton(self, turn: Array, shrink: float = 1.0) -> _State:
        """The state after a step, shortened where it turns far and by `shrink`."""
        largest = np.abs(turn).max(axis=(-2, -1))
        size = shrink * (NEWTON_REACH / np.maximum(largest, NEWTON_REACH))
        return self.moved(turned_axes(self.axes, size[..., None, None] * turn), size * largest)

    def better_than(self, before: _State) -> NDArrayBool:
        """Whether the value falls, or the gradient does where the value cannot resolve it."""
        change = np.abs(self.value - before.value)
        level = change <= 8.0 * EPS * (np.abs(before.value) + before.total)
        falls = self.value < before.value
        if not level.any():
            return np.asarray(falls)
        mine, its = (np.abs(state.derivatives[0]).max(axis=-1) for state in (self, before))
        return np.where(level, mine < its, falls)

    def gain_on(self, before: _State) -> Array:
        """Relative descent from another state."""
        return np.asarray((before.value - self.value) / (np.abs(self.value) + self.total))

    def at(self, which: NDArrayBool) -> _State:
        """Some of the stacked fits, with what is known of them."""
        part = _State(
            self.criterion,
            self.n[which],
            self.scatter[which],
            self.axes[which],
            np.asarray(self.turned_by)[which],
        )
        for name in ("turned", "variances", "value"):
            part.__dict__[name] = getattr(self, name)[which]
        return part


def _newton(state: _State) -> _State | None:
    """A step of Newton's method in all planes at once, shortened until it descends."""
    turn = newton_turn(*state.derivatives, state.axes.shape[0])
    if turn is None or not np.isfinite(turn).all():
        return None
    for shrink in (1.0, 0.25, 0.0625):
        new = state.turned_by_newton(turn, shrink)
        if new.turned_by <= ANGLE_TOLERANCE or new.better_than(state):
            return new
    return None


def _sweep(state: _State) -> _State:
    """Every plane turned once."""
    turned, axes, largest = state.turned, state.axes, 0.0
    for p, q in tournament(axes.shape[0]):
        weight, power = state.criterion.plane(state.n, _variances(turned), p.size)
        turned, axes, angle = turn_planes(weight, power, turned, _variances(turned), axes, p, q)
        largest = max(largest, angle)
    # rotations drift off orthogonality by eps each
    return state.moved(np.linalg.qr(axes)[0], largest)


def _variances(turned: Array) -> Array:
    diagonal = turned.diagonal(0, -2, -1)
    floor = TINY * np.maximum(diagonal.max(axis=-1, keepdims=True), np.finfo(float).tiny / TINY)
    variances: Array = np.maximum(diagonal, floor)
    return variances
