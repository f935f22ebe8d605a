"""M-steps in closed form, compiled: each is the twin of a class in the folder above.

They give -1 where all is well, else a collapsed component, or k for a shared covariance. An array
is a pointer to its first number, in C order. Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

from math import exp, inf, isnan, log, sqrt

FACTORED = AT = None


def spherical(equal, k, d, n, scatter, factor, log_det):
    """EII and VII."""
    pooled, total, size = 0.0, 0.0, d * d
    for j in range(k):
        trace = 0.0
        for a in range(d):
            trace += scatter[j * size + a * (d + 1)]
        log_det[j] = trace
        pooled += trace
        total += n[j]
    for j in range(k):
        variance = pooled / (total * d) if equal else log_det[j] / (n[j] * d)
        if not 0.0 < variance < inf:
            return j
        log_det[j] = d * log(variance)
        inverse = 1.0 / sqrt(variance)
        for a in range(d):
            factor[j * size + a * (d + 1)] = inverse
    return -1


def equal_variances(k, d, n, scatter, factor, log_det):
    """EEI."""
    total, common, size = 0.0, 0.0, d * d
    for j in range(k):
        total += n[j]
    for a in range(d):
        pooled, at = 0.0, a * (d + 1)
        for j in range(k):
            pooled += scatter[j * size + at]
        variance = pooled / total
        if not 0.0 < variance < inf:
            return 0
        common += log(variance)
        inverse = 1.0 / sqrt(variance)
        for j in range(k):
            factor[j * size + at] = inverse
    for j in range(k):
        log_det[j] = common
    return -1


def equal_volume(k, d, n, variances, volume):
    """Rescale variances (k, d) to one volume. volume (k,) is scratch.

    Celeux & Govaert (1995). Gives -1, or the component that has no spread along an axis.
    """
    total, pooled = 0.0, 0.0
    for j in range(k):
        log_mean = 0.0
        for a in range(d):
            value = variances[j * d + a]
            if not 0.0 < value < inf:
                return j
            log_mean += log(value)
        volume[j] = exp(log_mean / d)
        pooled += volume[j]
        total += n[j]
    common = pooled / total
    for j in range(k):
        scale = common / volume[j]
        for a in range(d):
            variances[j * d + a] *= scale
    return -1


def put_variances(k, d, variances, factor, log_det):
    """Diagonal factors and log-determinants of variances (k, d): -1, or who has no spread."""
    for j in range(k):
        total = 0.0
        for a in range(d):
            value = variances[j * d + a]
            if not 0.0 < value < inf:
                return j
            total += log(value)
            factor[j * d * d + a * (d + 1)] = 1.0 / sqrt(value)
        log_det[j] = total
    return -1


def equal_matrices(k, d, n, scatter, factor, log_det, pooled):
    """EEE. pooled (d, d) is scratch."""
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
    """EVV and VVV."""
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
