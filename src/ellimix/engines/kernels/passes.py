"""What a compiled pass does with its tiles: templates, whose kernels are filled in by `compiler`.

The names in capitals stand for kernels and constants: a template is compiled with them as its
globals. Kernels take addresses. A tile has STRIDE rows, feature by feature: x is
(tiles, d, STRIDE). Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

STRIDE = SIZE = FEW = REAL = None
DISTANCE = WHITEN = SOFTMAX = MOMENTS = PRODUCTS = None
EXPECTED = WEIGH = TOTALS = KEPT = ALIGNED = GATHER = MIRROR = POTENTIALS = None


def aligned(buffer):
    """The first address in a buffer that begins a cache line."""
    return (buffer.ctypes.data + 63) & ~63


def soft_pass(x, weight, rows, center, factor, offset, sums, totals):
    """Statistics of m fits over all tiles, for diagonal and full factors."""
    tiles, d = x.shape[0], x.shape[1]
    fits, k = offset.shape[0], offset.shape[1]
    table = np.empty(k * STRIDE + 16, REAL)
    scratch = np.empty(2 * d * STRIDE + 16, REAL)
    small = np.empty((d + 1) * STRIDE + 16, REAL)
    index = np.empty(STRIDE, np.int64)
    lp, z, sx = ALIGNED(table), ALIGNED(scratch), ALIGNED(small)
    skip = (lp - table.ctypes.data) // SIZE
    left = (sx - small.ctypes.data) // SIZE
    line = STRIDE * SIZE
    for t in range(tiles):
        count = min(STRIDE, rows - t * STRIDE)
        xt = x.ctypes.data + t * d * line
        wt = weight.ctypes.data + t * line
        for f in range(fits):
            c = center.ctypes.data + f * k * d * SIZE
            o = offset.ctypes.data + f * k * SIZE
            w = factor.ctypes.data + f * factor.strides[0]
            s = sums.ctypes.data + f * sums.strides[0]
            for j in range(k):
                DISTANCE(
                    xt,
                    c + j * d * SIZE,
                    w + j * factor.strides[1],
                    o + j * SIZE,
                    lp + j * line,
                    count,
                    z,
                    d,
                )
            SOFTMAX(lp, k, wt, totals.ctypes.data + f * 16, count, 0, k, 0)
            for j in range(k):
                to = s + j * sums.strides[1]
                r, xr, n = lp + j * line, xt, count
                if FEW > 0:
                    row = table[skip + j * STRIDE : skip + (j + 1) * STRIDE]
                    n = GATHER(x[t], row, count, small[left:], index)
                    if n == 0:
                        continue
                    if n < 0:
                        n = count
                    else:
                        r, xr = sx + d * line, sx
                MOMENTS(xr, c + j * d * SIZE, r, to, n, z, d, 0)
                PRODUCTS(z, z + d * line, d, to + 8 * (1 + d), n, d, 1, 0)
    MIRROR(sums, d)


def gather(x, share, count, to, index):
    """Rows with a positive share, and their shares, to `to`; returns their number.

    -1 where they are too many for the copy to pay: then nothing was written.
    """
    share = share[:STRIDE]
    active = 0
    for i in range(count):
        active += np.int64(share[i] > 0.0)
    if active == 0:
        return 0
    if active > FEW:
        return -1
    at = 0
    for i in range(count):
        index[at] = i
        at += np.int64(share[i] > 0.0)
    whole = (active + 15) & ~15
    for i in range(active, whole):
        index[i] = index[0]
    for j in range(x.shape[0]):
        column, out = x[j], to[j * STRIDE : (j + 1) * STRIDE]
        for i in range(whole):
            out[i] = column[index[i]]
    out = to[x.shape[0] * STRIDE : (x.shape[0] + 1) * STRIDE]
    for i in range(active):
        out[i] = share[index[i]]
    for i in range(active, whole):
        out[i] = 0.0
    return active


def mirror(sums, d):
    """Fill the upper triangles of the second moments at [1 + d:] from the lower ones."""
    for f in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            full = sums[f, j, 1 + d : 1 + d + d * d].reshape((d, d))
            for a in range(d):
                for b in range(a):
                    full[b, a] = full[a, b]


def leave(sums, d):
    """For passes whose sums are not whole matrices."""


def shared_pass(
    x, weight, rows, components, middle, factor, white, center, offset, totals, sums, pooled
):
    """Statistics of m fits with one factor each and a pooled second moment.

    The rows are whitened once a fit. About one center the second moment is that of the rows'
    residuals from their expected center, plus that of the centers about it:

        sum_k r_k (x - c_k)(x - c_k)^T = e e^T + sum_{k<l} r_k r_l (c_k - c_l)(c_k - c_l)^T,

    e = x - sum_k r_k c_k. So d (d + 1) / 2 + k (k + 1) / 2 + 2 k d products a row, not k d^2, and
    nothing cancels. `pooled` gets sums of w e e^T, `sums` [n, s1] about `middle`, and the k x k
    sums of w r_k r_l behind them.
    """
    tiles, d = x.shape[0], x.shape[1]
    fits, k = offset.shape[0], offset.shape[1]  # k is a multiple of 4 here
    wide = (d + 3) & ~3
    line = STRIDE * SIZE
    table = np.empty((2 * k + 1) * STRIDE + 16, REAL)
    scratch = np.empty(3 * wide * STRIDE + 16, REAL)
    lp, z = ALIGNED(table), ALIGNED(scratch)
    y, own = z, z + wide * line
    for t in range(tiles):
        count = min(STRIDE, rows - t * STRIDE)
        xt = x.ctypes.data + t * d * line
        wt = weight.ctypes.data + t * line
        for f in range(fits):
            m = middle.ctypes.data + f * d * SIZE
            o = offset.ctypes.data + f * k * SIZE
            c = white.ctypes.data + f * k * d * SIZE
            s = sums.ctypes.data + f * sums.strides[0]
            p = pooled.ctypes.data + f * pooled.strides[0]
            WHITEN(xt, m, factor.ctypes.data + f * d * d * SIZE, 0, y, count, own, d)
            for j in range(k):
                DISTANCE(y, c + j * d * SIZE, 0, o + j * SIZE, lp + j * line, count, 0, d)
            SOFTMAX(lp, k, wt, totals.ctypes.data + f * 16, count, 0, components, 0)
            WEIGH(lp, wt, count, k, 0, 0, 0, 0)
            EXPECTED(xt, m, center.ctypes.data + f * k * d * SIZE, lp, z, count, k, d)
            TOTALS(lp + k * line, s, count, k, 0, 0, 0, 0)
            PRODUCTS(z + wide * line, lp + k * line, wide, s + 8 * k, count, k, 0, 0)
            PRODUCTS(lp, lp + k * line, k, s + 8 * k * (1 + wide), count, k, 1, 0)
            PRODUCTS(z, z + 2 * wide * line, wide, p, count, wide, 1, 0)


def tile_potentials(xt, center, factor, offset, lp, count, z, d):
    """Log-potentials of a tile under one fit, (k, STRIDE) at lp."""
    for j in range(offset.shape[0]):
        DISTANCE(
            xt,
            center.ctypes.data + j * d * SIZE,
            factor.ctypes.data + j * factor.strides[0],
            offset.ctypes.data + j * SIZE,
            lp + j * STRIDE * SIZE,
            count,
            z,
            d,
        )


def joint_pass(x, rows, center, factor, offset, out):
    """Log-potentials of all rows, (n, k), for diagonal and full factors."""
    tiles, d = x.shape[0], x.shape[1]
    k = offset.shape[0]
    table = np.empty(k * STRIDE + 16, REAL)
    scratch = np.empty(d * STRIDE + 16, REAL)
    lp, z = ALIGNED(table), ALIGNED(scratch)
    skip = (lp - table.ctypes.data) // SIZE
    for t in range(tiles):
        count = min(STRIDE, rows - t * STRIDE)
        xt = x.ctypes.data + t * d * STRIDE * SIZE
        POTENTIALS(xt, center, factor, offset, lp, count, z, d)
        part = out[t * STRIDE : t * STRIDE + count]
        for j in range(k):
            row = table[skip + j * STRIDE : skip + (j + 1) * STRIDE]
            for i in range(count):
                value = row[i]
                part[i, j] = -np.inf if np.isnan(value) else value


def posterior_pass(x, weight, rows, center, factor, offset, density, labels, best, entropy, out):
    """Log-densities, labels, their probabilities, entropies, (n,); if wanted all shares, (n, k)."""
    tiles, d = x.shape[0], x.shape[1]
    k = offset.shape[0]
    table = np.empty(k * STRIDE + 16, REAL)
    scratch = np.empty(d * STRIDE + 16, REAL)
    row_density = np.empty(STRIDE, np.float64)
    row_entropy = np.empty(STRIDE, np.float64)
    totals = np.empty(2, np.float64)
    lp, z = ALIGNED(table), ALIGNED(scratch)
    kept, disorder = row_density.ctypes.data, row_entropy.ctypes.data
    skip = (lp - table.ctypes.data) // SIZE
    for t in range(tiles):
        count = min(STRIDE, rows - t * STRIDE)
        xt = x.ctypes.data + t * d * STRIDE * SIZE
        POTENTIALS(xt, center, factor, offset, lp, count, z, d)
        first = t * STRIDE
        top = table[skip : skip + STRIDE]
        high = scratch[:STRIDE]
        for i in range(count):
            high[i] = -np.inf if np.isnan(top[i]) else top[i]
            labels[first + i] = 0
        for j in range(1, k):
            row = table[skip + j * STRIDE : skip + (j + 1) * STRIDE]
            for i in range(count):
                if row[i] > high[i]:
                    high[i] = row[i]
                    labels[first + i] = j
        KEPT(lp, k, weight.ctypes.data, totals.ctypes.data, count, kept, k, disorder)
        for i in range(count):
            density[first + i] = row_density[i]
            lost = row_density[i] == -np.inf
            best[first + i] = 1.0 / k if lost else table[skip + labels[first + i] * STRIDE + i]
            entropy[first + i] = np.log(float(k)) if lost else row_entropy[i]
        if out.shape[0] > 0:
            for j in range(k):
                row = table[skip + j * STRIDE : skip + (j + 1) * STRIDE]
                for i in range(count):
                    lost = row_density[i] == -np.inf
                    out[first + i, j] = 1.0 / k if lost else row[i]


def given_pass(x, weight, rows, center, share, sums):
    """Statistics under given responsibilities (n, k) about given centers (k, d)."""
    tiles, d = x.shape[0], x.shape[1]
    k = center.shape[0]
    table = np.empty(k * STRIDE + 16, REAL)
    scratch = np.empty(2 * d * STRIDE + 16, REAL)
    lp, z = ALIGNED(table), ALIGNED(scratch)
    skip = (lp - table.ctypes.data) // SIZE
    line = STRIDE * SIZE
    for t in range(tiles):
        count = min(STRIDE, rows - t * STRIDE)
        xt = x.ctypes.data + t * d * line
        for j in range(k):
            row = table[skip + j * STRIDE : skip + (j + 1) * STRIDE]
            for i in range(count):
                row[i] = share[t * STRIDE + i, j] * weight[t, i]
            for i in range(count, STRIDE):
                row[i] = 0.0
            to = sums.ctypes.data + j * sums.strides[1]
            MOMENTS(xt, center.ctypes.data + j * d * SIZE, lp + j * line, to, count, z, d, 0)
            PRODUCTS(z, z + d * line, d, to + 8 * (1 + d), count, d, 1, 0)
    MIRROR(sums, d)


def lay_out(rows, weight, weighted, shift, x, w):
    """Rows (n, d) less `shift` to tiles (tiles, d, STRIDE).

    Padding repeats the last row, with weight 0.
    """
    n, d = rows.shape
    tiles = x.shape[0]
    for t in range(tiles):
        first = t * STRIDE
        count = min(STRIDE, n - first)
        for j in range(d):
            column, away = x[t, j], shift[j]
            for i in range(count):
                column[i] = REAL(rows[first + i, j] - away)
            last = column[count - 1]
            for i in range(count, STRIDE):
                column[i] = last
        for j in range(d, x.shape[1]):
            x[t, j, :] = 0.0
        for i in range(count):
            w[t, i] = REAL(weight[first + i]) if weighted else REAL(1.0)
        for i in range(count, STRIDE):
            w[t, i] = 0.0


def lay_out_columns(columns, weight, weighted, shift, x, w):
    """The same from columns (d, n), each of them contiguous: three times as fast."""
    d, n = columns.shape
    tiles = x.shape[0]
    for t in range(tiles):
        first = t * STRIDE
        count = min(STRIDE, n - first)
        for j in range(d):
            column, away = x[t, j], shift[j]
            given = columns[j, first : first + count]
            for i in range(count):
                column[i] = REAL(given[i] - away)
            last = column[count - 1]
            for i in range(count, STRIDE):
                column[i] = last
        for j in range(d, x.shape[1]):
            x[t, j, :] = 0.0
        for i in range(count):
            w[t, i] = REAL(weight[first + i]) if weighted else REAL(1.0)
        for i in range(count, STRIDE):
            w[t, i] = 0.0
