"""M-steps that need each component's own eigenvectors, compiled: EEV and VEV.

Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

from math import inf, log, sqrt

EIGEN = FACTOR_OF_AXES = SINGULAR = CARRAY = AT = None


def principal(k, d, scatter, axes, spread, matrix, rows, first, out):
    """Eigenvectors (columns) and eigenvalues (k, d), ascending and not below 0, of the scatter.

    The eigenvectors are left in axes (k, d, d), where the search starts unless it is the `first`,
    and in `out`. All arrays are pointers; matrix and rows (d, d) are scratch.
    """
    for j in range(k):
        at = j * d * d
        source, own, values = AT(scatter, at), AT(axes, at), AT(spread, j * d)
        EIGEN(int(first == 0), d, source, matrix, rows, own, values)
    for i in range(k * d * d):
        out[i] = axes[i]


def equal_shape(n, spread):
    """Replace the eigenvalues (k, d) by the variances of one volume and shape."""
    k, d = spread.shape
    total = 0.0
    for j in range(k):
        total += n[j]
    for a in range(d):
        pooled = 0.0
        for j in range(k):
            pooled += spread[j, a]
        for j in range(k):
            spread[j, a] = pooled / total


def along(k, d, variances, factor, log_det, matrix, scale):
    """Factors and log-determinants from variances (k, d) and axes, which are in `factor`.

    Gives -1, or the first component that is singular.
    """
    variances, log_det, scale = CARRAY(variances, (k, d)), CARRAY(log_det, k), CARRAY(scale, d)
    factor, matrix = CARRAY(factor, (k, d, d)), CARRAY(matrix, (d, d))
    ratio = SINGULAR(d)
    for j in range(k):
        largest, total = 0.0, 0.0
        for a in range(d):
            largest = max(largest, variances[j, a])
        floor = largest * ratio
        for a in range(d):
            if not (variances[j, a] > floor and variances[j, a] < inf):
                return j
            total += log(variances[j, a])
            scale[a] = 1.0 / sqrt(variances[j, a])
        log_det[j] = total
        FACTOR_OF_AXES(factor[j], scale, matrix, factor[j])
    return -1
