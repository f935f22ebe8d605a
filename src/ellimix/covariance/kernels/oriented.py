"""M-steps that need each component's own eigenvectors, compiled: EEV and VEV.

Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

EIGEN = COPY = FACTOR_OF_AXES = SINGULAR = None


def principal(scatter, axes, spread, matrix, rows, warm, out):
    """Eigenvectors (columns) and eigenvalues (k, d), ascending and not below 0, of the scatter.

    The eigenvectors are left in axes (k, d, d), where the next step's search starts if it is
    `warm`, and in `out`.
    """
    for j in range(scatter.shape[0]):
        EIGEN(scatter[j], matrix, rows, axes[j], spread[j], warm)
        COPY(axes[j], out[j])


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


def along(variances, factor, log_det, matrix, scale):
    """Factors and log-determinants from variances (k, d) and axes, which are in `factor`.

    Gives -1, or the first component that is singular.
    """
    k, d = variances.shape
    ratio = SINGULAR(d)
    for j in range(k):
        largest, total = 0.0, 0.0
        for a in range(d):
            largest = max(largest, variances[j, a])
        floor = largest * ratio
        for a in range(d):
            if not (variances[j, a] > floor and variances[j, a] < np.inf):
                return j
            total += np.log(variances[j, a])
            scale[a] = 1.0 / np.sqrt(variances[j, a])
        log_det[j] = total
        FACTOR_OF_AXES(factor[j], scale, matrix, factor[j])
    return -1
