"""M-steps in closed form, compiled: each is the twin of a class in the folder above.

They give -1 where all is well, else a collapsed component, or k for a shared covariance. Only
Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

from math import exp, isnan, log, sqrt

FACTORED = SPREAD = AT = None


def spherical(equal, n, scatter, factor, log_det):
    """EII and VII."""
    k, d = scatter.shape[0], scatter.shape[1]
    pooled, total = 0.0, 0.0
    for j in range(k):
        trace = 0.0
        for a in range(d):
            trace += scatter[j, a, a]
        log_det[j] = trace
        pooled += trace
        total += n[j]
    for j in range(k):
        variance = pooled / (total * d) if equal else log_det[j] / (n[j] * d)
        if not SPREAD(variance):
            return j
        log_det[j] = d * log(variance)
        inverse = 1.0 / sqrt(variance)
        for a in range(d):
            factor[j, a, a] = inverse
    return -1


def equal_variances(n, scatter, factor, log_det):
    """EEI."""
    k, d = scatter.shape[0], scatter.shape[1]
    total, common = 0.0, 0.0
    for j in range(k):
        total += n[j]
    for a in range(d):
        pooled = 0.0
        for j in range(k):
            pooled += scatter[j, a, a]
        variance = pooled / total
        if not SPREAD(variance):
            return 0
        common += log(variance)
        inverse = 1.0 / sqrt(variance)
        for j in range(k):
            factor[j, a, a] = inverse
    for j in range(k):
        log_det[j] = common
    return -1


def own_variances(n, scatter, factor, log_det):
    """VVI."""
    k, d = scatter.shape[0], scatter.shape[1]
    for j in range(k):
        total, inverse = 0.0, 1.0 / n[j]
        for a in range(d):
            variance = scatter[j, a, a] * inverse
            if not SPREAD(variance):
                return j
            total += log(variance)
            factor[j, a, a] = 1.0 / sqrt(variance)
        log_det[j] = total
    return -1


def equal_volume(n, variances, volume):
    """Rescale variances (k, d) to one volume. volume (k,) is scratch.

    Celeux & Govaert (1995). Gives -1, or the component that has no spread along an axis.
    """
    k, d = variances.shape
    total, pooled = 0.0, 0.0
    for j in range(k):
        log_mean = 0.0
        for a in range(d):
            if not SPREAD(variances[j, a]):
                return j
            log_mean += log(variances[j, a])
        volume[j] = exp(log_mean / d)
        pooled += volume[j]
        total += n[j]
    common = pooled / total
    for j in range(k):
        scale = common / volume[j]
        for a in range(d):
            variances[j, a] *= scale
    return -1


def put_variances(variances, factor, log_det):
    """Diagonal factors and log-determinants of variances (k, d): -1, or who has no spread."""
    k, d = variances.shape
    for j in range(k):
        total = 0.0
        for a in range(d):
            value = variances[j, a]
            if not SPREAD(value):
                return j
            total += log(value)
            factor[j, a, a] = 1.0 / sqrt(value)
        log_det[j] = total
    return -1


def equal_matrices(k, d, n, scatter, factor, log_det, pooled):
    """EEE. All arrays are pointers; pooled (d, d) is scratch."""
    total, size = 0.0, d * d
    for j in range(k):
        total += n[j]
    inverse = 1.0 / total
    for i in range(size):
        value = 0.0
        for j in range(k):
            value += scatter[j * size + i]
        pooled[i] = value * inverse
    common = FACTORED(d, pooled, factor)
    if isnan(common):
        return k
    for j in range(k):
        log_det[j] = common
        for i in range(size):
            factor[j * size + i] = factor[i]
    return -1


def own_matrices(equal, k, d, n, scatter, factor, log_det):
    """EVV and VVV. All arrays are pointers."""
    pooled, total, size = 0.0, 0.0, d * d
    for j in range(k):
        log_det[j] = FACTORED(d, AT(scatter, j * size), AT(factor, j * size))
        if isnan(log_det[j]):
            return j
        total += n[j]
        if equal:
            pooled += exp(log_det[j] / d)
    for j in range(k):
        # of the scatter by which the covariance is smaller, and its logarithm
        ratio = exp(log_det[j] / d) * total / pooled if equal else n[j]
        log_det[j] -= d * log(ratio)
        root = sqrt(ratio)
        for i in range(size):
            factor[j * size + i] *= root
    return -1
