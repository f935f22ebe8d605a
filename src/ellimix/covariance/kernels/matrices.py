"""Small symmetric matrices, compiled: triangular factors and eigenvectors.

Loops over runtime sizes: with 4 features a call of LAPACK costs more than the arithmetic. An array
is a pointer to its first number, in C order. Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

from math import inf, log, nan, sqrt

ORTHOGONAL = 1e-32  # squared cosine between two columns that counts as none,
NEARLY = 1e-24  # and the same where the next step goes on: the eigenvalues are right to rounding
SWEEPS = 40
RATIO = ORTHONORMAL = ASCENDING = TURNED = AT = None


def factored(d, values, out):
    """Upper triangular F = out (d, d) with values^-1 = F F^T, and log |values|.

    NaN where `values` is singular. The lower triangle of out holds L of values = L L^T until
    F = L^-T is known.
    """
    ratio, total = RATIO * sqrt(d), 0.0  # `ellimix.covariance.triangular.singular_ratio`
    for a in range(d):
        row = AT(out, a * d)
        for b in range(a):
            other = AT(out, b * d)
            value = values[a * d + b]
            for c in range(b):
                value -= row[c] * other[c]
            row[b] = value * other[b]
        own = values[a * d + a]
        pivot = own
        for c in range(a):
            pivot -= row[c] * row[c]
        # a comparison with NaN is false
        if not (pivot > 0.0 and own * ratio < pivot and pivot < inf):
            return nan
        row[a] = 1.0 / sqrt(pivot)
        total += log(row[a])
    for a in range(d):
        row = AT(out, a * d)
        for b in range(a):
            value = 0.0
            for c in range(b, a):
                value -= row[c] * out[b * d + c]
            out[b * d + a] = value * row[a]
    for a in range(d):
        for b in range(a):
            out[a * d + b] = 0.0
    return -2.0 * total


def orthonormal(d, vectors, apart, along):
    """Gram-Schmidt: rotations drift off orthogonality by eps each.

    The vectors' first entries are `apart` numbers from one another, and their entries `along`.
    """
    for a in range(d):
        own = AT(vectors, a * apart)
        for b in range(a):
            other, inner = AT(vectors, b * apart), 0.0
            for i in range(d):
                inner += own[i * along] * other[i * along]
            for i in range(d):
                own[i * along] -= inner * other[i * along]
        square = 0.0
        for i in range(d):
            square += own[i * along] * own[i * along]
        inverse = 1.0 / sqrt(square)
        for i in range(d):
            own[i * along] *= inverse
    return -1


def eigen(warm, d, source, matrix, rows, axes, values):
    """Eigenvalues (d,), ascending and not below 0, and eigenvectors `axes` of `source` (d, d).

    Cyclic Jacobi rotations of a copy, from `axes` on if `warm`. A plane is left alone where its
    columns of the matrix's root would be orthogonal, so that small eigenvalues of graded matrices
    are found too. Scratch: matrix (d, d); rows (d, d), whose rows are the eigenvectors: all inner
    loops run along rows.
    """
    unit, least = 0.0, NEARLY if warm else ORTHOGONAL
    for a in range(d):
        unit = max(unit, source[a * d + a])
        for b in range(d):
            rows[a * d + b] = axes[b * d + a] if warm else 1.0 if a == b else 0.0
    scale = 1.0 / unit if unit > 0.0 else 1.0  # squares neither overflow nor vanish
    if warm:
        TURNED(d, source, scale, rows, axes, matrix)
    else:
        for i in range(d * d):
            matrix[i] = source[i] * scale
    for _ in range(SWEEPS):
        done = True
        for p in range(d - 1):
            left, left_row = AT(matrix, p * d), AT(rows, p * d)
            for q in range(p + 1, d):
                right, right_row = AT(matrix, q * d), AT(rows, q * d)
                off, vp, vq = left[q], left[p], right[q]
                if not off * off > least * abs(vp * vq):
                    continue
                done = False
                half = 0.5 * (vq - vp)
                tan = off / (abs(half) + sqrt(half * half + off * off))
                if half < 0.0:
                    tan = -tan
                cos = 1.0 / sqrt(1.0 + tan * tan)
                sin = tan * cos
                for c in range(d):
                    one, two = left[c], right[c]
                    left[c], right[c] = cos * one - sin * two, sin * one + cos * two
                for c in range(d):
                    one, two = left_row[c], right_row[c]
                    left_row[c], right_row[c] = cos * one - sin * two, sin * one + cos * two
                left[p], right[q] = vp - tan * off, vq + tan * off
                left[q], right[p] = 0.0, 0.0
                for c in range(d):
                    matrix[c * d + p], matrix[c * d + q] = left[c], right[c]
        if done:
            break
    for a in range(d):
        values[a] = max(matrix[a * d + a], 0.0) * unit
        for c in range(d):
            axes[c * d + a] = rows[a * d + c]
    return ASCENDING(d, axes, values)


def turned(d, source, scale, rows, product, matrix):
    """The rows made orthonormal again, and matrix = rows source rows^T times scale.

    product (d, d) is scratch.
    """
    ORTHONORMAL(d, rows, d, 1)
    for a in range(d):
        row = AT(product, a * d)
        for c in range(d):
            row[c] = 0.0
        for b in range(d):
            weight, other = rows[a * d + b] * scale, AT(source, b * d)
            for c in range(d):
                row[c] += weight * other[c]
    for a in range(d):
        row = AT(product, a * d)
        for b in range(a + 1):
            value, other = 0.0, AT(rows, b * d)
            for c in range(d):
                value += row[c] * other[c]
            matrix[a * d + b] = value
            matrix[b * d + a] = value
    return -1


def ascending(d, axes, values):
    """Eigenvalues and eigenvectors in order."""
    for a in range(d - 1):
        least = a
        for b in range(a + 1, d):
            if values[b] < values[least]:
                least = b
        if least != a:
            values[a], values[least] = values[least], values[a]
            for i in range(d):
                at, other = i * d + a, i * d + least
                axes[at], axes[other] = axes[other], axes[at]
    return -1


def factor_of_axes(d, axes, scale, matrix):
    """Replace axes by the upper triangular F with F F^T = M M^T, for M = axes diag(scale).

    Modified Gram-Schmidt on the rows, from the last one up: small variances keep their relative
    accuracy. matrix (d, d) is scratch.
    """
    for a in range(d):
        for b in range(d):
            matrix[a * d + b] = axes[a * d + b] * scale[b]
            axes[a * d + b] = 0.0
    for b in range(d - 1, -1, -1):
        row, square = AT(matrix, b * d), 0.0
        for c in range(d):
            square += row[c] * row[c]
        norm = sqrt(square)
        axes[b * d + b] = norm
        inverse = 1.0 / norm
        for c in range(d):
            row[c] *= inverse
        for a in range(b):
            other, inner = AT(matrix, a * d), 0.0
            for c in range(d):
                inner += other[c] * row[c]
            axes[a * d + b] = inner
            for c in range(d):
                other[c] -= inner * row[c]
    return -1
