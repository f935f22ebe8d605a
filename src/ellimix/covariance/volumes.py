"""Volumes of components that share a shape: the M-steps of VEI, VEE and VEV.

With Sigma_k = lambda_k C, u_k = log lambda_k and C at its optimum S(u) / n for given u, where
S(u) = sum_k W_k / lambda_k, what is left to minimise is (twice the negative expected
complete-data log-likelihood, up to a constant)

    g(u) = d sum_k n_k u_k + n log |S(u)|,

convex in u and flat along (1, ..., 1). Celeux & Govaert (1995, section 3) alternate between the
lambda_k and C, which converges linearly and slowly where the components' shapes differ much.
Newton's method needs k unknowns only: with A_k = S^-1 W_k / lambda_k,

    g_k = d n_k - n tr A_k,    g_kl = n (delta_kl tr A_k - tr A_k A_l).

A backtracking line search makes every step a descent, so the M-step never loses ground. Stacked
fits take their steps together, and one that has arrived, or finds no descent, rests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import Covariance, Structure, check_spread, collapsed, shared
from ellimix.covariance.triangular import EPS, NDArrayBool
from ellimix.records import Array

Which = NDArray[np.intp]  # indices of fits

# u (m, k) of m of the fits, which ones -> log |S(u)| (m,), tr A_k (m, k), tr A_k A_l (m, k, k)
Profile = Callable[[Array, Which], tuple[Array, Array, Array]]

MAX_STEPS = 100
GRADIENT_TOLERANCE = 1e-13  # of d n_k: the counts that the volumes must reproduce
RESOLVED = 1e-12  # of the total weight: a smaller descent is lost in the value's rounding
UNBOUNDED = 1e-3  # of d n_k: a gradient that stays above this belongs to no minimum
LARGEST_RANGE = 70.0  # of the log-volumes: exp of it is beyond what doubles can tell apart


def log_volumes_of_variances(n: Array, scatter: Array, previous: Covariance | None) -> Array:
    """Log-volumes (..., k), up to a constant of the fit, for diagonal scatter (..., k, d)."""
    trace = np.add.reduce(scatter, axis=-1)
    check_spread(trace, n)
    flat = ~(np.add.reduce(scatter, axis=-2) > 0.0)
    if flat.any():
        bad = np.broadcast_to(flat.any(axis=-1)[..., None], n.shape)
        raise collapsed(bad, n, "no component has spread along some axis")
    fits = scatter.reshape(-1, *scatter.shape[-2:])

    def profile(u: Array, which: Which) -> tuple[Array, Array, Array]:
        scaled = _of(fits, which) * np.exp(-u)[..., None]
        pooled = np.add.reduce(scaled, axis=1)
        share = scaled / pooled[:, None]
        log_det = np.add.reduce(np.log(pooled), axis=1)
        return log_det, np.add.reduce(share, axis=2), share @ np.swapaxes(share, 1, 2)

    return _log_volumes(n, scatter.shape[-1], profile, _start(n, trace, previous))


def log_volumes_of_matrices(n: Array, scatter: Array, previous: Covariance | None) -> Array:
    """Log-volumes (..., k), up to a constant of the fit, for scatter matrices (..., k, d, d)."""
    trace = np.add.reduce(scatter.diagonal(0, -2, -1), axis=-1)
    check_spread(trace, n)
    fits, counts = scatter.reshape(-1, *scatter.shape[-3:]), n.reshape(-1, n.shape[-1])

    def profile(u: Array, which: Which) -> tuple[Array, Array, Array]:
        scaled = _of(fits, which) * np.exp(-u)[..., None, None]
        common = shared(np.add.reduce(scaled, axis=1), _of(counts, which))
        factor = common.factor[:, None]
        share = np.swapaxes(factor, -1, -2) @ scaled @ factor
        rows = share.reshape(*share.shape[:2], -1)
        traces = np.add.reduce(share.diagonal(0, 2, 3), axis=-1)
        return common.log_det[:, 0], traces, rows @ np.swapaxes(rows, 1, 2)

    return _log_volumes(n, scatter.shape[-1], profile, _start(n, trace, previous))


def _of(array: Array, which: Which) -> Array:
    return array if len(which) == len(array) else array[which]


def _start(n: Array, trace: Array, previous: Covariance | None) -> Array:
    """The volumes before this step, or the components' mean variances."""
    if (
        previous is None
        or previous.structure is Structure.SPHERICAL
        or previous.log_det.shape != n.shape
    ):
        return _centred(np.log(trace / n))
    return _centred(previous.log_det / previous.values.shape[-1])


def _centred(u: Array) -> Array:
    centred: Array = u - np.add.reduce(u, axis=-1, keepdims=True) / u.shape[-1]
    return centred


@dataclass(frozen=True)
class _Points:
    """Log-volumes of m fits and g's value and derivatives there."""

    u: Array  # (m, k)
    value: Array  # (m,)
    gradient: Array  # (m, k)
    traces: Array  # (m, k)
    gram: Array  # (m, k, k)

    def at(self, which: Which | NDArrayBool) -> _Points:
        """Those of some fits."""
        return _Points(*(part[which] for part in self._parts))

    def put(self, which: Which, points: _Points) -> None:
        """Overwrite some fits' own."""
        for part, new in zip(self._parts, points._parts, strict=True):
            part[which] = new

    @property
    def _parts(self) -> tuple[Array, ...]:
        return self.u, self.value, self.gradient, self.traces, self.gram


@dataclass(frozen=True)
class _Problem:
    """The function g of each of m fits."""

    n: Array  # (m, k)
    total: Array  # (m,)
    d: int
    profile: Profile

    def points(self, u: Array, which: Which) -> _Points:
        """The functions of some fits, at u."""
        n, total = _of(self.n, which), _of(self.total, which)
        log_det, traces, gram = self.profile(u, which)
        value = self.d * np.add.reduce(n * u, axis=1) + total * log_det
        return _Points(u, value, self.d * n - total[:, None] * traces, traces, gram)


def _log_volumes(n: Array, d: int, profile: Profile, u: Array) -> Array:
    """The minimisers (..., k), of mean 0, from u."""
    counts = n.reshape(-1, n.shape[-1])
    problem = _Problem(counts, np.add.reduce(counts, axis=1), d, profile)
    best = _minimise(problem, u.reshape(counts.shape))
    _check_bounded(problem, best)
    return _centred(best.u).reshape(n.shape)


def _minimise(problem: _Problem, u: Array) -> _Points:
    n, total, d = problem.n, problem.total, problem.d
    going = np.arange(len(n))
    best = problem.points(u, going)
    tolerance = GRADIENT_TOLERANCE * d * n.max(axis=1)
    for _ in range(MAX_STEPS):
        going = going[_largest(best.gradient[going]) > tolerance[going]]
        if not going.size:
            break
        here = best.at(going)
        step = _newton_step(here, total[going])
        new, moved = _searched(problem, here, step, going)
        going = going[moved]
        best.put(going, new.at(moved))
    return best


def _newton_step(here: _Points, total: Array) -> Array:
    """The shortest solution of H step = -g, with no entry above 5."""
    k = here.u.shape[1]
    hessian = -here.gram
    hessian.reshape(len(total), -1)[:, :: k + 1] += here.traces
    hessian += 1.0 / k  # the flat direction (1, ..., 1), and only it
    values, vectors = np.linalg.eigh(hessian * total[:, None, None])
    size = np.abs(values)
    inverse = np.zeros_like(values)
    np.divide(1.0, values, out=inverse, where=size > EPS * k * size.max(axis=1, keepdims=True))
    along = inverse * np.einsum("mij,mi->mj", vectors, here.gradient)
    step = -np.einsum("mij,mj->mi", vectors, along)
    too_far = np.maximum(_largest(step) / 5.0, 1.0)
    return np.asarray(step / too_far[:, None])


def _searched(
    problem: _Problem, here: _Points, step: Array, which: Which
) -> tuple[_Points, NDArrayBool]:
    """Points that descend along the steps, halved until they do, and which fits have one."""
    total = problem.total[which]
    slope = np.add.reduce(here.gradient * step, axis=1)
    new, moved = here.at(np.arange(len(which))), np.zeros(len(which), dtype=np.bool_)

    def accept(tried: Which, points: _Points, good: NDArrayBool) -> None:
        moved[tried[good]] = True
        new.put(tried[good], points.at(good))

    # what the value cannot resolve any more, the gradient still can
    trying = np.flatnonzero(-slope > RESOLVED * total)
    size = 1.0
    while trying.size and size > 1e-10:
        points = problem.points(here.u[trying] + size * step[trying], which[trying])
        good = points.value <= here.value[trying] + 1e-4 * size * slope[trying]
        accept(trying, points, good)
        trying = trying[~good]
        size /= 2.0
    rest = np.flatnonzero(~moved)
    if rest.size:
        points = problem.points(here.u[rest] + step[rest], which[rest])
        accept(rest, points, _largest(points.gradient) < _largest(here.gradient[rest]) / 2.0)
    return new, moved


def _largest(parts: Array) -> Array:
    return np.asarray(np.abs(parts).max(axis=1))


def _check_bounded(problem: _Problem, best: _Points) -> None:
    """Raise `DegenerateFit` where g has no minimum.

    A component whose rows spread along few axes, and that has many rows, gains without bound as
    its volume goes to 0: tr A_k cannot exceed the rank of W_k, and so never reaches d n_k / n.
    """
    u, n = best.u, problem.n
    missed = np.abs(best.gradient) > problem.d * UNBOUNDED * n
    lowest = u == u.min(axis=1, keepdims=True)
    missed |= lowest & (np.ptp(u, axis=1) > LARGEST_RANGE)[:, None]
    if missed.any():
        shrinking = missed & (u == np.where(missed, u, np.inf).min(axis=1, keepdims=True))
        cause = "its rows have no spread along some axis of the common shape"
        raise collapsed(shrinking, n, cause)
