"""M-steps in closed form, compiled: each is the twin of a class in the folder above.

They give -1 where all is well, else a collapsed component, or k for a shared covariance. Only
Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

PRECISION_FACTOR = LOG_DETERMINANT = SINGULAR = SPREAD = None


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
        log_det[j] = d * np.log(variance)
        inverse = 1.0 / np.sqrt(variance)
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
        common += np.log(variance)
        inverse = 1.0 / np.sqrt(variance)
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
            total += np.log(variance)
            factor[j, a, a] = 1.0 / np.sqrt(variance)
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
            log_mean += np.log(variances[j, a])
        volume[j] = np.exp(log_mean / d)
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
            total += np.log(value)
            factor[j, a, a] = 1.0 / np.sqrt(value)
        log_det[j] = total
    return -1


def equal_matrices(n, scatter, factor, log_det, work):
    """EEE."""
    k, d = scatter.shape[0], scatter.shape[1]
    pooled = work[: d * d].reshape(d, d)
    total = 0.0
    for j in range(k):
        total += n[j]
    inverse = 1.0 / total
    for a in range(d):
        for b in range(a + 1):
            value = 0.0
            for j in range(k):
                value += scatter[j, a, b]
            pooled[a, b] = value * inverse
    if not PRECISION_FACTOR(pooled, factor[0], SINGULAR(d)):
        return k
    common = LOG_DETERMINANT(factor[0])
    for j in range(k):
        log_det[j] = common
        if j > 0:
            for a in range(d):
                for b in range(d):
                    factor[j, a, b] = factor[0, a, b]
    return -1


def own_matrices(equal, n, scatter, factor, log_det):
    """EVV and VVV."""
    k, d = scatter.shape[0], scatter.shape[1]
    ratio, pooled, total = SINGULAR(d), 0.0, 0.0
    for j in range(k):
        if not PRECISION_FACTOR(scatter[j], factor[j], ratio):
            return j
        log_det[j] = LOG_DETERMINANT(factor[j])
        total += n[j]
        if equal:
            pooled += np.exp(log_det[j] / d)
    for j in range(k):
        # of the scatter by which the covariance is smaller, and its logarithm
        ratio = np.exp(log_det[j] / d) * total / pooled if equal else n[j]
        log_det[j] -= d * np.log(ratio)
        root = np.sqrt(ratio)
        for a in range(d):
            for b in range(a, d):
                factor[j, a, b] *= root
    return -1
