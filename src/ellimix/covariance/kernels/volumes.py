"""Volumes of components that share a shape, compiled: the search of `ellimix.covariance.volumes`.

The function g(u) there is flat along (1, ..., 1), so the volume of the component with the most
rows is held and Newton's method has k - 1 unknowns. Along a step h its third derivative is at
most about max h - min h times the second: a step that changes no ratio of volumes much descends
without a look at the value. Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

from math import exp, inf, isnan, log, nan, sqrt

FACTORED = SUM_OF_SCATTER = SHARES = TRIANGLES = EVALUATE = NEWTON_OF_VOLUMES = SEARCHED = None
GRADIENT_OF_VOLUMES = ALTERNATION = UNBOUNDED_VOLUME = CARRAY = AT = None

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
        scale = exp(-u[j])
        for a in range(d):
            parts[j, a] = spread[j, a] * scale
    total = 0.0
    for a in range(d):
        pooled = 0.0
        for j in range(k):
            pooled += parts[j, a]
        total += log(pooled)
        inverse = 1.0 / pooled
        for j in range(k):
            parts[j, a] *= inverse
    return total


def triangles(k, d, u, scatter, parts, pooled, root):
    """Parts F^T W_j F / exp(u_j), for S = sum_j W_j / exp(u_j) and S^-1 = F F^T; log |S|.

    parts (k, d (d + 1) / 2): lower triangles, entries off the diagonal times sqrt 2, so that dot
    products are traces of products; the diagonal first. `pooled` and `root` (d, d) become S and
    F. All arrays are pointers. NaN where S is singular.
    """
    SUM_OF_SCATTER(k, d, u, scatter, pooled)
    log_det = FACTORED(d, pooled, root)
    if isnan(log_det):
        return nan
    scatter, parts = CARRAY(scatter, (k, d, d)), CARRAY(parts, (k, d * (d + 1) // 2))
    pooled, root, twice = CARRAY(pooled, (d, d)), CARRAY(root, (d, d)), sqrt(2.0)
    for j in range(k):
        scale = exp(-u[j])
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
    return log_det


def sum_of_scatter(k, d, u, scatter, pooled):
    """pooled = sum_j W_j / exp(u_j). All arrays are pointers."""
    for i in range(d * d):
        pooled[i] = 0.0
    for j in range(k):
        scale = exp(-u[j])
        for i in range(d * d):
            pooled[i] += scatter[j * d * d + i] * scale


def evaluate(matrices, k, d, u, spread, scatter, parts, scratch):
    """The parts at u, of variances or of matrices, and the log-determinant of their sum."""
    if matrices:
        return TRIANGLES(k, d, u, scatter, parts, scratch, AT(scratch, d * d))
    return SHARES(u, CARRAY(spread, (k, d)), CARRAY(parts, (k, d)))


def gradient_of_volumes(k, d, width, total, n, parts, gradient):
    """g's gradient from the parts, and its largest entry."""
    largest = 0.0
    for j in range(k):
        trace = 0.0
        for a in range(d):
            trace += parts[j * width + a]
        gradient[j] = d * n[j] - total * trace
        largest = max(largest, abs(gradient[j]))
    return largest


def newton_of_volumes(k, d, width, fixed, total, n, parts, gradient, hessian, step):
    """Newton's step with entry `fixed` held, centered; 0 where the Hessian is not definite."""
    n, gradient, step = CARRAY(n, k), CARRAY(gradient, k), CARRAY(step, k)
    parts, hessian = CARRAY(parts, (k, width)), CARRAY(hessian, (k, k))
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
                    return 0
                hessian[i, i] = 1.0 / sqrt(value)
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
    return 1


def alternation(k, d, n, gradient, step):
    """The step of Celeux & Govaert (1995): each volume's best for the shape of this point."""
    for j in range(k):
        trace = 1.0 - gradient[j] / (d * n[j])
        step[j] = log(trace) if trace > 0.0 else -LONGEST


def searched(
    matrices, k, d, total, value, slope, n, u, step, trial, spread, scatter, parts, scratch
):
    """The value at u + size step, which u becomes, size halved until it descends; else NaN."""
    size = 1.0
    while size > 1e-10:
        new = 0.0
        for j in range(k):
            trial[j] = u[j] + size * step[j]
            new += n[j] * trial[j]
        log_det = EVALUATE(matrices, k, d, trial, spread, scatter, parts, scratch)
        new = d * new + total * log_det
        if new <= value + 1e-4 * size * slope:
            for j in range(k):
                u[j] = trial[j]
            return new
        size *= 0.5
    return nan


def log_volumes(matrices, k, d, first, n, spread, scatter, u, scratch):
    """Minimise g over u, of mean 0: -1, or a component whose volume has no minimum, or k.

    u is the start unless `first`. Scratch: two matrices (d, d), three vectors (k,), a matrix
    (k, k) and the parts.
    """
    at, width = 2 * d * d, d * (d + 1) // 2 if matrices else d
    gradient, step, trial = AT(scratch, at), AT(scratch, at + k), AT(scratch, at + 2 * k)
    hessian, parts = AT(scratch, at + 3 * k), AT(scratch, at + 3 * k + k * k)
    total, fixed, most = 0.0, k - 1, 0.0
    for j in range(k):
        total += n[j]
        if n[j] > n[fixed]:
            fixed = j
        trace = 0.0
        for a in range(d):
            trace += scatter[(j * d + a) * d + a]
        if not (trace > 0.0 and trace < inf):
            return j
        if first != 0:
            u[j] = log(trace / n[j])
        most += u[j]
    most /= k
    for j in range(k):
        u[j] -= most
    tolerance = GRADIENT_TOLERANCE * d * n[fixed]
    last = inf
    log_det = EVALUATE(matrices, k, d, u, spread, scatter, parts, scratch)
    for _ in range(MAX_STEPS):
        # also where the log-determinant is NaN, or -inf: a sum without spread along an axis
        if not abs(log_det) < inf:
            return k if matrices else 0
        if GRADIENT_OF_VOLUMES(k, d, width, total, n, parts, gradient) <= tolerance:
            break
        definite = NEWTON_OF_VOLUMES(k, d, width, fixed, total, n, parts, gradient, hessian, step)
        if definite == 0:
            ALTERNATION(k, d, n, gradient, step)
        longest = 0.0
        for j in range(k):
            longest = max(longest, abs(step[j]))
        if definite != 0 and longest < SAFE:
            for j in range(k):
                u[j] += step[j]
            if longest < ARRIVED or longest > last / 2.0:
                break
            last = longest
            log_det = EVALUATE(matrices, k, d, u, spread, scatter, parts, scratch)
            continue
        last = inf
        slope, value, low, high = 0.0, 0.0, inf, -inf
        for j in range(k):
            step[j] *= min(1.0, LONGEST / longest)
            slope += gradient[j] * step[j]
            value += n[j] * u[j]
            low, high = min(low, u[j]), max(high, u[j])
        if not -slope > RESOLVED * total or high - low > LARGEST_RANGE:
            break
        value = d * value + total * log_det
        value = SEARCHED(
            matrices, k, d, total, value, slope, n, u, step, trial, spread, scatter, parts, scratch
        )
        if isnan(value):
            break
        weighted = 0.0
        for j in range(k):
            weighted += n[j] * u[j]
        log_det = (value - d * weighted) / total
    return UNBOUNDED_VOLUME(k, d, n, u, gradient)


def unbounded_volume(k, d, n, u, gradient):
    """The component, if any, that gains without bound as its volume goes to 0; else -1."""
    worst = -1
    low, high, lowest = inf, -inf, 0
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
            pooled += spread[j, a] * exp(-u[j])
        for j in range(k):
            spread[j, a] = pooled / total * exp(u[j])


def proportional(k, d, n, u, scatter, factor, log_det, scratch):
    """VEE's factors and log-determinants for log-volumes u: -1, or k. All arrays are pointers."""
    total, root = 0.0, AT(scratch, d * d)
    for j in range(k):
        total += n[j]
    SUM_OF_SCATTER(k, d, u, scatter, scratch)
    common = FACTORED(d, scratch, root)
    if isnan(common):
        return k
    common -= d * log(total)
    for j in range(k):
        log_det[j] = common + d * u[j]
        scale = sqrt(total * exp(-u[j]))
        for i in range(d * d):
            factor[j * d * d + i] = root[i] * scale
    return -1
