"""M-steps that need each component's own eigenvectors, compiled: EEV and VEV.

An array is a pointer to its first number, in C order. Only Python that numba compiles may be used
here.
"""
# mypy: ignore-errors

from __future__ import annotations

from math import inf, log, sqrt

EIGEN = FACTOR_OF_AXES = RATIO = AT = None


def principal(k, d, scatter, axes, spread, matrix, rows, first, out):
    """Eigenvectors (columns) and eigenvalues (k, d), ascending and not below 0, of the scatter.

    The eigenvectors are left in axes (k, d, d), where the search starts unless it is the `first`,
    and in `out`. matrix and rows (d, d) are scratch.
    """
    warm = 1 if first == 0 else 0
    for j in range(k):
        at = j * d * d
        source, own, values = AT(scatter, at), AT(axes, at), AT(spread, j * d)
        EIGEN(warm, d, source, matrix, rows, own, values)
    for i in range(k * d * d):
        out[i] = axes[i]


def along(k, d, variances, factor, log_det, matrix, scale):
    """Factors and log-determinants from variances (k, d) and axes, which are in `factor`.

    Gives -1, or the first component that is singular. matrix (d, d) and scale (d,) are scratch.
    """
    ratio = RATIO * sqrt(d)
    for j in range(k):
        own, largest, total = AT(variances, j * d), 0.0, 0.0
        for a in range(d):
            largest = max(largest, own[a])
        floor = largest * ratio
        for a in range(d):
            if not (own[a] > floor and own[a] < inf):
                return j
            total += log(own[a])
            scale[a] = 1.0 / sqrt(own[a])
        log_det[j] = total
        FACTOR_OF_AXES(d, AT(factor, j * d * d), scale, matrix)
    return -1
