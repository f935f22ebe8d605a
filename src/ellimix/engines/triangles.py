"""Triangular matrices in bulk, rows of data last: (q, p, p, n).

LAPACK takes a microsecond for a matrix of three rows; written out over whole arrays it takes some
nanoseconds. An axis of length 1 stands for matrices that all rows share.
"""

from __future__ import annotations

import numpy as np

from ellimix.records import Array


def root(matrix: Array) -> Array:
    """Lower triangular L with matrix = L L^T, (q, p, p, n); NaN where it is not positive definite.

    Only the lower triangle is read.
    """
    p = matrix.shape[1]
    out = np.zeros(matrix.shape)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for j in range(p):
            column = matrix[:, j:, j]
            if j:
                column = column - np.einsum("qimn,qmn->qin", out[:, j:, :j], out[:, j, :j])
            pivot = np.sqrt(column[:, 0])
            out[:, j, j] = np.where(pivot > 0.0, pivot, np.nan)
            out[:, j + 1 :, j] = column[:, 1:] / out[:, j, j][:, None]
    return out


def solved(triangle: Array, right: Array) -> Array:
    """L^-1 right for right sides (q, p, c, n)."""
    p = triangle.shape[1]
    n = max(triangle.shape[-1], right.shape[-1])
    out = np.empty((right.shape[0], p, right.shape[2], n))
    for j in range(p):
        value = right[:, j]
        if j:
            value = value - np.einsum("qmn,qmcn->qcn", triangle[:, j, :j], out[:, :j])
        out[:, j] = value / triangle[:, j, j][:, None]
    return out
