"""Volumes of components that share a shape, compiled: the search of `ellimix.covariance.volumes`.

The function g(u) there is flat along (1, ..., 1), so the volume of the component with the most
rows is held and Newton's method has k - 1 unknowns. Along a step h its third derivative is at
most about max h - min h times the second: a step that changes no ratio of volumes much descends
without a look at the value. Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

PRECISION_FACTOR = LOG_DETERMINANT = SINGULAR = SHARES = TRIANGLES = EVALUATE = None
GRADIENT_OF_VOLUMES = NEWTON_OF_VOLUMES = ALTERNATION = SEARCHED = UNBOUNDED_VOLUME = None

MAX_STEPS = 100
GRADIENT_TOLERANCE = 1e-13  # of d n_k: the counts that the volumes must reproduce
ARRIVED = 1e-5  # a Newton step this small leaves an error of its square
SAFE = 0.1  # a Newton step this small descends
LONGEST = 5.0
RESOLVED = 1e-12  # of the total weight: a smaller descent is lost in the value's rounding
DEFINITE = 1e-8  # pivot, relative to its diagonal entry, that Newton's method can trust
UNBOUNDED = 1e-3  # of d n_k: a gradient that stays above this belongs to no minimum
LARGEST_RANGE = 70.0


def shares(u, spread, parts):
    """Parts (k, d) of the sum over components of spread / exp(u); the sum's log-determinant."""
    k, d = spread.shape
    for j in range(k):
        scale = np.exp(-u[j])
        for a in range(d):
            parts[j, a] = spread[j, a] * scale
    total = 0.0
    for a in range(d):
        pooled = 0.0
        for j in range(k):
            pooled += parts[j, a]
        total += np.log(pooled)
        inverse = 1.0 / pooled
        for j in range(k):
            parts[j, a] *= inverse
    return total


def triangles(u, scatter, parts, pooled, root):
    """Parts F^T W_j F / exp(u_j), for S = sum_j W_j / exp(u_j) and S^-1 = F F^T; log |S|.

    parts (k, d (d + 1) / 2): lower triangles, entries off the diagonal times sqrt 2, so that dot
    products are traces of products; the diagonal first. `pooled` and `root` (d, d) become S
    and F. NaN where S is singular.
    """
    k, d = scatter.shape[0], scatter.shape[1]
    for a in range(d):
        for b in range(a + 1):
            pooled[a, b] = 0.0
    for j in range(k):
        scale = np.exp(-u[j])
        for a in range(d):
            for b in range(a + 1):
                pooled[a, b] += scatter[j, a, b] * scale
    if not PRECISION_FACTOR(pooled, root, SINGULAR(d)):
        return np.nan
    twice = np.sqrt(2.0)
    for j in range(k):
        scale = np.exp(-u[j])
        for a in range(d):
            for b in range(d):
                value = 0.0
                for c in range(b + 1):
                    value += scatter[j, a, c] * root[c, b]
                pooled[a, b] = value * scale
        at = d
        for a in range(d):
            for b in range(a + 1):
                value = 0.0
                for c in range(a + 1):
                    value += root[c, a] * pooled[c, b]
                if a == b:
                    parts[j, a] = value
                else:
                    parts[j, at] = twice * value
                    at += 1
    return LOG_DETERMINANT(root)


def evaluate(matrices, u, spread, scatter, parts, pooled, root):
    """The parts at u, of variances or of matrices, and the log-determinant of their sum."""
    if matrices:
        return TRIANGLES(u, scatter, parts, pooled, root)
    return SHARES(u, spread, parts)


def gradient_of_volumes(n, total, d, parts, gradient):
    """g's gradient from the parts, and its largest entry."""
    largest = 0.0
    for j in range(n.size):
        trace = 0.0
        for a in range(d):
            trace += parts[j, a]
        gradient[j] = d * n[j] - total * trace
        largest = max(largest, abs(gradient[j]))
    return largest


def newton_of_volumes(n, total, d, parts, gradient, fixed, hessian, step):
    """Newton's step with entry `fixed` held, centered; False where the Hessian is not definite."""
    k, width = parts.shape
    for i in range(k):
        for j in range(i + 1):
            value = 0.0
            for a in range(width):
                value -= parts[i, a] * parts[j, a]
            hessian[i, j] = value * total
        hessian[i, i] += d * n[i] - gradient[i]
    for i in range(k):
        step[i] = -gradient[i]
        if i == fixed:
            step[i] = 0.0
            continue
        own = hessian[i, i]
        for j in range(i + 1):
            if j == fixed:
                continue
            value = hessian[i, j]
            for c in range(j):
                if c != fixed:
                    value -= hessian[i, c] * hessian[j, c]
            if i > j:
                hessian[i, j] = value * hessian[j, j]
                step[i] -= hessian[i, j] * step[j]
            else:
                if not value > DEFINITE * own:
                    return False
                hessian[i, i] = 1.0 / np.sqrt(value)
                step[i] *= hessian[i, i]
    for i in range(k - 1, -1, -1):
        if i == fixed:
            continue
        for j in range(i + 1, k):
            if j != fixed:
                step[i] -= hessian[j, i] * step[j]
        step[i] *= hessian[i, i]
    mean = 0.0
    for i in range(k):
        mean += step[i]
    mean /= k
    for i in range(k):
        step[i] -= mean
    return True


def alternation(n, d, gradient, step):
    """The step of Celeux & Govaert (1995): each volume's best for the shape of this point."""
    for j in range(n.size):
        trace = 1.0 - gradient[j] / (d * n[j])
        step[j] = np.log(trace) if trace > 0.0 else -LONGEST


def searched(
    matrices, n, total, d, spread, scatter, u, step, value, slope, trial, parts, pooled, root
):
    """The value at u + size step, which u becomes, size halved until it descends; else NaN."""
    k = n.size
    size = 1.0
    while size > 1e-10:
        new = 0.0
        for j in range(k):
            trial[j] = u[j] + size * step[j]
            new += n[j] * trial[j]
        new = d * new + total * EVALUATE(matrices, trial, spread, scatter, parts, pooled, root)
        if new <= value + 1e-4 * size * slope:
            for j in range(k):
                u[j] = trial[j]
            return new
        size *= 0.5
    return np.nan


def log_volumes(
    matrices, n, spread, scatter, u, first, parts, pooled, root, hessian, gradient, step, trial
):
    """Minimise g over u, of mean 0: -1, or a component whose volume has no minimum, or k.

    u is the start unless `first`. What follows it is scratch.
    """
    k, d = n.size, scatter.shape[1]
    total, fixed, most = 0.0, k - 1, 0.0
    for j in range(k):
        total += n[j]
        if n[j] > n[fixed]:
            fixed = j
        trace = 0.0
        for a in range(d):
            trace += scatter[j, a, a]
        if not (trace > 0.0 and trace < np.inf):
            return j
        if first:
            u[j] = np.log(trace / n[j])
        most += u[j]
    most /= k
    for j in range(k):
        u[j] -= most
    tolerance = GRADIENT_TOLERANCE * d * n[fixed]
    last = np.inf
    log_det = EVALUATE(matrices, u, spread, scatter, parts, pooled, root)
    for _ in range(MAX_STEPS):
        # also where the log-determinant is NaN, or -inf: a sum without spread along an axis
        if not abs(log_det) < np.inf:
            return k if matrices else 0
        if GRADIENT_OF_VOLUMES(n, total, d, parts, gradient) <= tolerance:
            break
        definite = NEWTON_OF_VOLUMES(n, total, d, parts, gradient, fixed, hessian, step)
        if not definite:
            ALTERNATION(n, d, gradient, step)
        longest = 0.0
        for j in range(k):
            longest = max(longest, abs(step[j]))
        if definite and longest < SAFE:
            for j in range(k):
                u[j] += step[j]
            if longest < ARRIVED or longest > last / 2.0:
                break
            last = longest
            log_det = EVALUATE(matrices, u, spread, scatter, parts, pooled, root)
            continue
        last = np.inf
        slope, value, low, high = 0.0, 0.0, np.inf, -np.inf
        for j in range(k):
            step[j] *= min(1.0, LONGEST / longest)
            slope += gradient[j] * step[j]
            value += n[j] * u[j]
            low, high = min(low, u[j]), max(high, u[j])
        if not -slope > RESOLVED * total or high - low > LARGEST_RANGE:
            break
        value = d * value + total * log_det
        value = SEARCHED(
            matrices,
            n,
            total,
            d,
            spread,
            scatter,
            u,
            step,
            value,
            slope,
            trial,
            parts,
            pooled,
            root,
        )
        if np.isnan(value):
            break
        weighted = 0.0
        for j in range(k):
            weighted += n[j] * u[j]
        log_det = (value - d * weighted) / total
    return UNBOUNDED_VOLUME(n, d, u, gradient)


def unbounded_volume(n, d, u, gradient):
    """The component, if any, that gains without bound as its volume goes to 0; else -1."""
    k = n.size
    worst = -1
    low, high, lowest = np.inf, -np.inf, 0
    for j in range(k):
        if u[j] < low:
            low, lowest = u[j], j
        high = max(high, u[j])
        missed = not abs(gradient[j]) <= d * UNBOUNDED * n[j]
        if missed and (worst < 0 or u[j] < u[worst]):
            worst = j
    if worst < 0 and not high - low <= LARGEST_RANGE:
        return lowest
    return worst


def of_one_shape(n, u, spread):
    """Replace `spread` (k, d) by the variances of log-volumes u and the best common shape."""
    k, d = spread.shape
    total = 0.0
    for j in range(k):
        total += n[j]
    for a in range(d):
        pooled = 0.0
        for j in range(k):
            pooled += spread[j, a] * np.exp(-u[j])
        for j in range(k):
            spread[j, a] = pooled / total * np.exp(u[j])


def proportional(n, u, scatter, factor, log_det, pooled, root):
    """VEE's factors and log-determinants for log-volumes u: -1, or k."""
    k, d = scatter.shape[0], scatter.shape[1]
    total = 0.0
    for a in range(d):
        for b in range(a + 1):
            pooled[a, b] = 0.0
    for j in range(k):
        total += n[j]
        scale = np.exp(-u[j])
        for a in range(d):
            for b in range(a + 1):
                pooled[a, b] += scatter[j, a, b] * scale
    if not PRECISION_FACTOR(pooled, root, SINGULAR(d)):
        return k
    common = LOG_DETERMINANT(root) - d * np.log(total)
    for j in range(k):
        log_det[j] = common + d * u[j]
        scale = np.sqrt(total * np.exp(-u[j]))
        for a in range(d):
            for b in range(d):
                factor[j, a, b] = root[a, b] * scale
    return -1
