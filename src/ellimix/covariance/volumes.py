"""Volumes of components that share a shape: the M-steps of VEI, VEE and VEV.

With Sigma_k = lambda_k C, u_k = log lambda_k and C at its optimum S(u) / n for given u, where
S(u) = sum_k W_k / lambda_k, what is left to minimise is (twice the negative expected
complete-data log-likelihood, up to a constant)

    g(u) = d sum_k n_k u_k + n log |S(u)|,

convex in u and flat along (1, ..., 1). Celeux & Govaert (1995, section 3) alternate between the
lambda_k and C, which converges linearly and slowly where the components' shapes differ much.
Newton's method needs k unknowns only: with A_k = S^-1 W_k / lambda_k,

    g_k = d n_k - n tr A_k,    g_kl = n (delta_kl tr A_k - tr A_k A_l).

A backtracking line search makes every step a descent, so the M-step never loses ground.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ellimix.covariance.base import Covariance, check_spread, collapsed, shared
from ellimix.records import Array

# u -> (log |S(u)|, tr A_k of shape (k,), tr A_k A_l of shape (k, k))
Profile = Callable[[Array], tuple[float, Array, Array]]

MAX_STEPS = 100
GRADIENT_TOLERANCE = 1e-13  # of d n_k: the counts that the volumes must reproduce
RESOLVED = 1e-12  # of the total weight: a smaller descent is lost in the value's rounding
UNBOUNDED = 1e-3  # of d n_k: a gradient that stays above this belongs to no minimum
LARGEST_RANGE = 70.0  # of the log-volumes: exp of it is beyond what doubles can tell apart


def log_volumes_of_variances(n: Array, scatter: Array, previous: Covariance | None) -> Array:
    """Log-volumes, up to a common constant, for diagonal scatter (k, d)."""

    def profile(u: Array) -> tuple[float, Array, Array]:
        scaled = scatter * np.exp(-u)[:, None]
        pooled = scaled.sum(axis=0)
        share = scaled / pooled
        return float(np.log(pooled).sum()), share.sum(axis=1), share @ share.T

    check_spread(scatter.sum(axis=1), n)
    flat = ~(scatter.sum(axis=0) > 0.0)
    if flat.any():
        raise collapsed(np.full(n.shape, True), n, "no component has spread along some axis")
    return _minimise(n, scatter.shape[1], profile, _start(n, scatter.sum(axis=1), previous))


def log_volumes_of_matrices(n: Array, scatter: Array, previous: Covariance | None) -> Array:
    """Log-volumes, up to a common constant, for scatter matrices (k, d, d)."""
    k, d, _ = scatter.shape

    def profile(u: Array) -> tuple[float, Array, Array]:
        scaled = scatter * np.exp(-u)[:, None, None]
        factor = shared(scaled.sum(axis=0), n).factor
        share = factor.T @ scaled @ factor
        rows = share.reshape(k, d * d)
        log_det = -2.0 * float(np.log(np.diagonal(factor)).sum())
        return log_det, np.trace(share, axis1=1, axis2=2), rows @ rows.T

    trace = np.trace(scatter, axis1=1, axis2=2)
    check_spread(trace, n)
    return _minimise(n, d, profile, _start(n, trace, previous))


def _start(n: Array, trace: Array, previous: Covariance | None) -> Array:
    """The volumes before this step, or the components' mean variances."""
    log_mean = np.log(trace / n)
    if previous is None or previous.values.ndim < 2 or previous.log_det.shape != n.shape:
        mean: Array = log_mean - log_mean.mean()
        return mean
    u = previous.log_det / previous.values.shape[-1]
    centred: Array = u - u.mean()
    return centred


def _minimise(n: Array, d: int, profile: Profile, u: Array) -> Array:
    total = n.sum()

    def objective(u: Array, log_det: float) -> float:
        return float(d * (n @ u) + total * log_det)

    log_det, traces, gram = profile(u)
    value = objective(u, log_det)
    for _ in range(MAX_STEPS):
        gradient = d * n - total * traces
        if np.abs(gradient).max() <= GRADIENT_TOLERANCE * d * n.max():
            break
        hessian = total * (np.diag(traces) - gram)
        hessian += total / n.size  # the flat direction (1, ..., 1), and only it
        step = -np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        step *= min(1.0, 5.0 / np.abs(step).max())
        slope = gradient @ step
        # what the value cannot resolve any more, the gradient still can
        size = 1.0 if -slope > RESOLVED * total else 0.0
        while size > 1e-10:
            new = u + size * step
            log_det, new_traces, new_gram = profile(new)
            new_value = objective(new, log_det)
            if new_value <= value + 1e-4 * size * slope:
                break
            size /= 2.0
        else:
            new = u + step
            log_det, new_traces, new_gram = profile(new)
            new_value = objective(new, log_det)
            if not np.abs(d * n - total * new_traces).max() < np.abs(gradient).max() / 2.0:
                break
        u, value, traces, gram = new, new_value, new_traces, new_gram
    _check_bounded(n, d, u, profile)
    centred: Array = u - u.mean()
    return centred


def _check_bounded(n: Array, d: int, u: Array, profile: Profile) -> None:
    """Raise `DegenerateFit` where g has no minimum.

    A component whose rows spread along few axes, and that has many rows, gains without bound as
    its volume goes to 0: tr A_k cannot exceed the rank of W_k, and so never reaches d n_k / n.
    """
    missed = np.abs(n - n.sum() * profile(u)[1] / d) > UNBOUNDED * n
    if np.ptp(u) > LARGEST_RANGE:
        missed |= u == u.min()
    if missed.any():
        shrinking = missed & (u == u[missed].min())
        raise collapsed(shrinking, n, "its rows have no spread along some axis of the common shape")
