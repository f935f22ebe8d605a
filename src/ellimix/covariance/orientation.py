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
from ellimix.covariance.triangular import EPS
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
    """Orthogonal axes (..., d, d), columns, that minimise the criterion locally.

    From `previous`'s axes where it has them; else the best of several starts: eigenvectors of
    the pooled scatter and of the components' own. Several fits are searched one by one.
    """
    d = scatter.shape[-1]
    if n.ndim > 1:
        if not len(n):
            return np.empty((*n.shape[:-1], d, d))
        before = [None if previous is None else previous.at(i) for i in range(len(n))]
        parts = zip(n, scatter, before, strict=True)
        return np.stack([common_orientation(criterion, *part) for part in parts])
    check_spread(np.trace(scatter, axis1=1, axis2=2), n)
    if d == 1:
        return np.eye(1)
    if previous is not None and previous.orientation is not None:
        starts = [previous.orientation]
    else:
        own = np.argsort(-n)[: MANY_STARTS if d <= 32 else 0]
        pools = [scatter.sum(axis=0), (scatter / n[:, None, None]).sum(axis=0)]
        starts = list(eigen(np.stack([*pools, *(scatter[k] for k in own)]))[1])
    states = [_State(criterion, n, scatter, start) for start in starts]
    if len(states) > 1:
        for _ in range(FIRST_SWEEPS):
            states = [_sweep(state) for state in states]
        if d > FEW_FEATURES:
            states = [min(states, key=lambda state: state.value)]
    return min((_descend(state) for state in states), key=lambda state: state.value).axes


def in_axes(scatter: Array, axes: Array) -> Array:
    """v_kj = (D^T W_k D)_jj, (..., k, d), not below 0."""
    along: Array = np.einsum("...ij,...kij->...kj", axes, scatter @ axes[..., None, :, :])
    return np.asarray(np.maximum(along, 0.0))


def _descend(state: _State) -> _State:
    """The state at a local minimum."""
    small = state.axes.shape[0] <= NEWTON_FEATURES
    last = np.inf
    for _ in range(MAX_STEPS if small else MAX_SWEEPS):
        new = (_newton(state) if small else None) or _sweep(state)
        gain = (state.value - new.value) / (abs(new.value) + state.n.sum())
        if new.turned_by <= ANGLE_TOLERANCE:
            return new
        if gain <= LEVEL and new.turned_by > last / 2.0:
            return new if gain >= 0.0 else state
        state, last = new, new.turned_by
    return state


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
    """A step of Newton's method in all planes at once, shortened until it descends."""
    gradient, hessian = state.derivatives
    turn = newton_turn(gradient, hessian, state.axes.shape[0])
    if turn is None or not np.isfinite(turn).all():
        return None
    largest = float(np.abs(turn).max())
    size = min(1.0, NEWTON_REACH / largest) if largest > 0.0 else 1.0
    for shrink in (1.0, 0.25, 0.0625):
        new = state.moved(turned_axes(state.axes, shrink * size * turn), shrink * size * largest)
        if new.turned_by <= ANGLE_TOLERANCE:
            return new
        if abs(new.value - state.value) <= 8.0 * EPS * (abs(state.value) + state.n.sum()):
            better = np.abs(new.derivatives[0]).max() < np.abs(gradient).max()
        else:
            better = new.value < state.value
        if better:
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
    diagonal = np.diagonal(turned, axis1=1, axis2=2)
    floor = TINY * np.maximum(diagonal.max(axis=1, keepdims=True), np.finfo(float).tiny / TINY)
    variances: Array = np.maximum(diagonal, floor)
    return variances
