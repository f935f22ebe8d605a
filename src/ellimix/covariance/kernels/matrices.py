"""Small symmetric matrices, compiled: triangular factors and eigenvectors.

Loops over runtime sizes: with 4 features a call of LAPACK costs more than the arithmetic. Only
Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

from math import inf, log, nan, sqrt

ORTHOGONAL = 1e-32  # squared cosine between two columns that counts as none,
NEARLY = 1e-24  # and the same where the next step goes on: the eigenvalues are right to rounding
SWEEPS = 40
EPS = SINGULAR = ASCENDING = TURNED = CARRAY = None


def spread(value):
    """Whether a variance is one. False for NaN."""
    return value > 0.0 and value < inf


def singular(d):
    """`ellimix.covariance.triangular.singular_ratio`."""
    return 32.0 * EPS * sqrt(d)


def factored(d, values, out):
    """Upper triangular F = out (d, d) with values^-1 = F F^T, and log |values|.

    NaN where `values` is singular. The lower triangle of out holds L of values = L L^T until
    F = L^-T is known.
    """
    values, out, ratio = CARRAY(values, (d, d)), CARRAY(out, (d, d)), SINGULAR(d)
    total = 0.0
    for a in range(d):
        for b in range(a):
            value = values[a, b]
            for c in range(b):
                value -= out[a, c] * out[b, c]
            out[a, b] = value * out[b, b]
        own = values[a, a]
        pivot = own
        for c in range(a):
            pivot -= out[a, c] * out[a, c]
        # a comparison with NaN is false
        if not (pivot > 0.0 and own * ratio < pivot and pivot < inf):
            return nan
        out[a, a] = 1.0 / sqrt(pivot)
        total += log(out[a, a])
    for a in range(d):
        for b in range(a):
            value = 0.0
            for c in range(b, a):
                value -= out[a, c] * out[b, c]
            out[b, a] = value * out[a, a]
    for a in range(d):
        for b in range(a):
            out[a, b] = 0.0
    return -2.0 * total


def eigen(warm, d, source, matrix, rows, axes, values):
    """Eigenvalues (d,), ascending and not below 0, and eigenvectors `axes` of `source` (d, d).

    Cyclic Jacobi rotations of a copy, from `axes` on if `warm`. A plane is left alone where its
    columns of the matrix's root would be orthogonal, so that small eigenvalues of graded matrices
    are found too. Scratch: matrix (d, d); rows (d, d), whose rows are the eigenvectors: all inner
    loops run along rows.
    """
    source, axes, values = CARRAY(source, (d, d)), CARRAY(axes, (d, d)), CARRAY(values, d)
    matrix, rows = CARRAY(matrix, (d, d)), CARRAY(rows, (d, d))
    unit = 0.0
    for a in range(d):
        unit = max(unit, source[a, a])
    scale = 1.0 / unit if unit > 0.0 else 1.0  # squares neither overflow nor vanish
    least = NEARLY if warm else ORTHOGONAL
    if warm:
        TURNED(source, axes, scale, rows, matrix)
    else:
        for a in range(d):
            for b in range(d):
                matrix[a, b] = source[a, b] * scale
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
                tan = off / (abs(half) + sqrt(half * half + off * off))
                if half < 0.0:
                    tan = -tan
                cos = 1.0 / sqrt(1.0 + tan * tan)
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
        values[a] = max(matrix[a, a], 0.0) * unit
        for c in range(d):
            axes[c, a] = rows[a, c]
    ASCENDING(axes, values)
    return -1


def turned(source, axes, scale, rows, matrix):
    """rows = axes^T, made orthonormal again, and matrix = rows source rows^T times scale."""
    d = matrix.shape[0]
    for a in range(d):
        for c in range(d):
            rows[a, c] = axes[c, a]
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
        inverse = 1.0 / sqrt(square)
        for c in range(d):
            rows[a, c] *= inverse
    for a in range(d):
        for c in range(d):
            axes[a, c] = 0.0
        for b in range(d):
            weight = rows[a, b] * scale
            for c in range(d):
                axes[a, c] += weight * source[b, c]
    for a in range(d):
        for b in range(a + 1):
            value = 0.0
            for c in range(d):
                value += axes[a, c] * rows[b, c]
            matrix[a, b] = value
            matrix[b, a] = value


def ascending(axes, values):
    """Eigenvalues and eigenvectors in order."""
    d = values.size
    for a in range(d - 1):
        least = a
        for b in range(a + 1, d):
            if values[b] < values[least]:
                least = b
        if least != a:
            values[a], values[least] = values[least], values[a]
            for i in range(d):
                axes[i, a], axes[i, least] = axes[i, least], axes[i, a]


def factor_of_axes(axes, scale, matrix, out):
    """The upper triangular F = out with F F^T = M M^T, for M = axes diag(scale).

    Modified Gram-Schmidt on the rows, from the last one up: small variances keep their relative
    accuracy. `axes` may be `out` itself; matrix (d, d) is scratch.
    """
    d = scale.size
    for a in range(d):
        for b in range(d):
            matrix[a, b] = axes[a, b] * scale[b]
            out[a, b] = 0.0
    for b in range(d - 1, -1, -1):
        square = 0.0
        for c in range(d):
            square += matrix[b, c] * matrix[b, c]
        norm = sqrt(square)
        out[b, b] = norm
        inverse = 1.0 / norm
        for c in range(d):
            matrix[b, c] *= inverse
        for a in range(b):
            along = 0.0
            for c in range(d):
                along += matrix[a, c] * matrix[b, c]
            out[a, b] = along
            for c in range(d):
                matrix[a, c] -= along * matrix[b, c]
