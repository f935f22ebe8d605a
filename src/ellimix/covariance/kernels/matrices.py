"""Small symmetric matrices, compiled: triangular factors and eigenvectors.

Loops over runtime sizes: with 4 features a call of LAPACK costs more than the arithmetic. Only
Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

ORTHOGONAL = 1e-32  # squared cosine between two columns that counts as none,
NEARLY = 1e-24  # and the same where the next step goes on: the eigenvalues are right to rounding
SWEEPS = 40
EPS = ASCENDING = TURNED = None


def spread(value):
    """Whether a variance is one. False for NaN."""
    return value > 0.0 and value < np.inf


def singular(d):
    """`ellimix.covariance.triangular.singular_ratio`."""
    return 32.0 * EPS * np.sqrt(d)


def precision_factor(values, i, out, j, ratio):
    """Upper triangular F = out[j] with values[i]^-1 = F F^T; False where values[i] is singular.

    The lower triangle of out[j] holds L of values[i] = L L^T until F = L^-T is known.
    """
    d = values.shape[1]
    for a in range(d):
        for b in range(a):
            value = values[i, a, b]
            for c in range(b):
                value -= out[j, a, c] * out[j, b, c]
            out[j, a, b] = value * out[j, b, b]
        own = values[i, a, a]
        pivot = own
        for c in range(a):
            pivot -= out[j, a, c] * out[j, a, c]
        # a comparison with NaN is false
        if not (pivot > 0.0 and own * ratio < pivot and pivot < np.inf):
            return False
        out[j, a, a] = 1.0 / np.sqrt(pivot)
    for a in range(d):
        for b in range(a):
            value = 0.0
            for c in range(b, a):
                value -= out[j, a, c] * out[j, b, c]
            out[j, b, a] = value * out[j, a, a]
    for a in range(d):
        for b in range(a):
            out[j, a, b] = 0.0
    return True


def log_determinant(factor, j):
    """log |Sigma| from the triangular precision factor[j]."""
    total = 0.0
    for a in range(factor.shape[1]):
        total += np.log(factor[j, a, a])
    return -2.0 * total


def eigen(source, i, matrix, rows, axes, j, values, warm):
    """Eigenvalues values[j], ascending and not below 0, and eigenvectors axes[j] of source[i].

    Cyclic Jacobi rotations of a copy, from axes[j] on if `warm`. A plane is left alone where its
    columns of the matrix's root would be orthogonal, so that small eigenvalues of graded matrices
    are found too. Scratch: matrix (d, d); rows (d, d), whose rows are the eigenvectors: all inner
    loops run along rows.
    """
    d = matrix.shape[0]
    unit = 0.0
    for a in range(d):
        unit = max(unit, source[i, a, a])
    scale = 1.0 / unit if unit > 0.0 else 1.0  # squares neither overflow nor vanish
    least = NEARLY if warm else ORTHOGONAL
    if warm:
        TURNED(source, i, axes, j, scale, rows, matrix)
    else:
        for a in range(d):
            for b in range(d):
                matrix[a, b] = source[i, a, b] * scale
                rows[a, b] = 0.0
            rows[a, a] = 1.0
    for _ in range(SWEEPS):
        turned = False
        for p in range(d - 1):
            for q in range(p + 1, d):
                off, vp, vq = matrix[p, q], matrix[p, p], matrix[q, q]
                if not off * off > least * abs(vp * vq):
                    continue
                turned = True
                half = 0.5 * (vq - vp)
                tan = off / (abs(half) + np.sqrt(half * half + off * off))
                if half < 0.0:
                    tan = -tan
                cos = 1.0 / np.sqrt(1.0 + tan * tan)
                sin = tan * cos
                for c in range(d):
                    left, right = matrix[p, c], matrix[q, c]
                    matrix[p, c] = cos * left - sin * right
                    matrix[q, c] = sin * left + cos * right
                for c in range(d):
                    left, right = rows[p, c], rows[q, c]
                    rows[p, c] = cos * left - sin * right
                    rows[q, c] = sin * left + cos * right
                matrix[p, p] = vp - tan * off
                matrix[q, q] = vq + tan * off
                matrix[p, q] = 0.0
                matrix[q, p] = 0.0
                for c in range(d):
                    matrix[c, p] = matrix[p, c]
                    matrix[c, q] = matrix[q, c]
        if not turned:
            break
    for a in range(d):
        values[j, a] = max(matrix[a, a], 0.0) * unit
        for c in range(d):
            axes[j, c, a] = rows[a, c]
    ASCENDING(axes, j, values)


def turned(source, i, axes, j, scale, rows, matrix):
    """rows = axes[j]^T, made orthonormal again, and matrix = rows source[i] rows^T times scale."""
    d = matrix.shape[0]
    for a in range(d):
        for c in range(d):
            rows[a, c] = axes[j, c, a]
        # rotations drift off orthogonality by eps each
        for b in range(a):
            along = 0.0
            for c in range(d):
                along += rows[a, c] * rows[b, c]
            for c in range(d):
                rows[a, c] -= along * rows[b, c]
        square = 0.0
        for c in range(d):
            square += rows[a, c] * rows[a, c]
        inverse = 1.0 / np.sqrt(square)
        for c in range(d):
            rows[a, c] *= inverse
    for a in range(d):
        for c in range(d):
            axes[j, a, c] = 0.0
        for b in range(d):
            weight = rows[a, b] * scale
            for c in range(d):
                axes[j, a, c] += weight * source[i, b, c]
    for a in range(d):
        for b in range(a + 1):
            value = 0.0
            for c in range(d):
                value += axes[j, a, c] * rows[b, c]
            matrix[a, b] = value
            matrix[b, a] = value


def ascending(axes, j, values):
    """Eigenvalues values[j] and eigenvectors axes[j] in order."""
    d = values.shape[1]
    for a in range(d - 1):
        least = a
        for b in range(a + 1, d):
            if values[j, b] < values[j, least]:
                least = b
        if least != a:
            values[j, a], values[j, least] = values[j, least], values[j, a]
            for i in range(d):
                axes[j, i, a], axes[j, i, least] = axes[j, i, least], axes[j, i, a]


def factor_of_axes(axes, i, scale, matrix, out, j):
    """The upper triangular F = out[j] with F F^T = M M^T, for M = axes[i] diag(scale).

    Modified Gram-Schmidt on the rows, from the last one up: small variances keep their relative
    accuracy. axes[i] may be out[j] itself; matrix (d, d) is scratch.
    """
    d = scale.size
    for a in range(d):
        for b in range(d):
            matrix[a, b] = axes[i, a, b] * scale[b]
            out[j, a, b] = 0.0
    for b in range(d - 1, -1, -1):
        square = 0.0
        for c in range(d):
            square += matrix[b, c] * matrix[b, c]
        norm = np.sqrt(square)
        out[j, b, b] = norm
        inverse = 1.0 / norm
        for c in range(d):
            matrix[b, c] *= inverse
        for a in range(b):
            along = 0.0
            for c in range(d):
                along += matrix[a, c] * matrix[b, c]
            out[j, a, b] = along
            for c in range(d):
                matrix[a, c] -= along * matrix[b, c]
