"""Compiled passes over rows of which values are missing, or components are ruled out: templates.

As in `passes`, names in capitals stand for kernels and constants. A tile x (d, STRIDE) holds NaN
where a value is missing; padding repeats the tile's last row, with weight 0. Responsibilities come
from what is observed; then, component by component, conditional means take the place of what is
missing, the tile is summed as if it were whole, and conditional covariances are added.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

STRIDE = LANES = REAL = SHARED = WHOLE = None
INTEGRATED = DISTANCE = FILLED = SOFTMAX = MOMENTS = PRODUCTS = None
ALIGNED = MIRROR = NOTED = FILL = ACTIVE = None


def square_pass(
    x,
    weight,
    half,
    prior,
    tiles,
    groups,
    lists,
    starts,
    center,
    factor,
    offset,
    flat,
    joint,
    sums,
    spread,
    totals,
):
    """Statistics of m fits with full factors; log-potentials alone where `joint` is not empty.

    Groups of LANES rows: [slots; 0 where the rows differ in what they lack, 1 where they do not, 2
    where they also lack what the group before lacked; the first of `lists` and `starts`; the first
    of the tile's conditional covariances]. Tiles: [rows, first group, rows before, covariances].
    center (m, k, width + 1) and factor (m, k or 1, width + 1, width) are padded with zeros.
    """
    features = x.shape[1]
    fits, k, width = center.shape[0], center.shape[1], center.shape[2] - 1
    most, room = 1, 1
    for g in range(groups.shape[0]):
        most = max(most, groups[g, 0])
    for t in range(tiles.shape[0]):
        room = max(room, tiles[t, 3])
    line, vector = STRIDE * 8, LANES * 8
    per_tile = STRIDE // LANES
    table = np.zeros(k * STRIDE + 16)
    scratch = np.empty(2 * features * STRIDE + 16)
    whole = np.empty((width + 1) * STRIDE + 16)
    means = np.empty(k * per_tile * most * LANES + 16)
    covariances = np.empty((1 if SHARED else k) * room * LANES + 16)
    work = np.empty(((2 * width + 2 * most + 2) + most * (width + 2 * most)) * LANES + 16)
    frame = np.empty(17, np.int64)
    lp, z, full = ALIGNED(table), ALIGNED(scratch), ALIGNED(whole)
    mean, covariance, at = ALIGNED(means), ALIGNED(covariances), ALIGNED(work)
    share = table[(lp - table.ctypes.data) // 8 :]
    hat = whole[(full - whole.ctypes.data) // 8 :]
    shift = means[(mean - means.ctypes.data) // 8 :]
    cov = covariances[(covariance - covariances.ctypes.data) // 8 :]
    frame[0], frame[1], frame[2] = features, width, most
    frame[9], frame[10] = at, at + width * vector
    frame[14] = at + 2 * width * vector
    frame[15] = frame[14] + most * vector
    frame[16] = frame[15] + most * vector
    frame[11] = frame[16] + 2 * vector
    frame[12] = frame[11] + most * width * vector
    frame[13] = frame[12] + most * most * vector
    for t in range(tiles.shape[0]):
        count, first, before = tiles[t, 0], tiles[t, 1], tiles[t, 2]
        own = (count + LANES - 1) // LANES
        xt = x.ctypes.data + t * features * line
        for j in range(features):
            for i in range(STRIDE):
                hat[j * STRIDE + i] = x[t, j, i]
        for f in range(fits):
            for a in range(k * own):
                # one factor for all: its groups' work is done for the first component
                j, g = (a % k, a // k) if SHARED else (a // own, a % own)
                w = factor.ctypes.data + f * factor.strides[0]
                if not SHARED:
                    w += j * factor.strides[1]
                fresh = groups[first + g, 1] != 2 and not (SHARED and j > 0)
                frame[3] = groups[first + g, 0]
                frame[4] = 1 if fresh else 0
                frame[5] = lists.ctypes.data + groups[first + g, 2] * lists.strides[0]
                frame[6] = starts.ctypes.data + groups[first + g, 2] * 8
                frame[7] = half.ctypes.data + t * line + g * vector
                frame[8] = offset.ctypes.data + (f * k + j) * 8
                INTEGRATED(
                    frame.ctypes.data,
                    xt + g * vector,
                    center.ctypes.data + (f * k + j) * (width + 1) * 8,
                    w,
                    lp + j * line + g * vector,
                    mean + (j * per_tile + g) * most * vector,
                    covariance + ((0 if SHARED else j * room) + groups[first + g, 3]) * vector,
                    0,
                )
            if flat.shape[0] > 0:
                row = share[(k - 1) * STRIDE : k * STRIDE]
                for i in range(count):
                    row[i] -= half[t, i]
                for j in range(flat.shape[0]):
                    for i in range(count):
                        if np.isnan(x[t, j, i]):
                            row[i] += flat[j]
            NOTED(share, prior, t, count, k, joint, f, before)
            if joint.shape[0] > 0:
                continue
            SOFTMAX(
                lp, k, weight.ctypes.data + t * line, totals.ctypes.data + f * 16, count, 0, k, 0
            )
            for j in range(k):
                row = share[j * STRIDE : (j + 1) * STRIDE]
                if not ACTIVE(row, count):
                    continue
                c = (0 if SHARED else j * room) * LANES
                s = j * per_tile * most * LANES
                FILL(
                    hat,
                    row,
                    groups[first : first + own],
                    lists,
                    center[f, j],
                    shift[s:],
                    most,
                    cov[c:],
                    spread[f, j],
                )
                to = sums.ctypes.data + f * sums.strides[0] + j * sums.strides[1]
                about = center.ctypes.data + (f * k + j) * (width + 1) * 8
                MOMENTS(full, about, lp + j * line, to, count, z, features, 0)
                PRODUCTS(z, z + features * line, features, to + 8 * (1 + features), count,
                         features, 1, 0)  # fmt: skip
    MIRROR(sums, features)


def noted(share, prior, t, count, k, joint, f, before):
    """Add the rows' prior, if there is one, to log-potentials; write them out, if wanted."""
    if prior.shape[0] > 0:
        for j in range(k):
            row = share[j * STRIDE : (j + 1) * STRIDE]
            for i in range(count):
                row[i] += prior[t, j, i]
    if joint.shape[0] > 0:
        for j in range(k):
            row = share[j * STRIDE : (j + 1) * STRIDE]
            for i in range(count):
                joint[f, j, before + i] = -np.inf if np.isnan(row[i]) else row[i]


def active(row, count):
    """Whether some row counts for a component."""
    for i in range(count):
        if row[i] > 0.0:
            return True
    return False


def fill(hat, row, groups, lists, center, shift, most, cov, spread):
    """Conditional means to a tile's missing places; conditional covariances, times shares, added.

    Of a symmetric matrix one of the two places is added to. A coordinate that a lane does not have
    stands for a row and a column at the end.
    """
    for g in range(groups.shape[0]):
        slots, alike, first = groups[g, 0], groups[g, 1], groups[g, 2]
        at, low = g * LANES, groups[g, 3] * LANES
        for p in range(slots):
            own = shift[(g * most + p) * LANES : (g * most + p + 1) * LANES]
            if alike > 0:
                m = lists[first + p, 0]
                middle = center[m]
                for lane in range(LANES):
                    hat[m * STRIDE + at + lane] = middle + own[lane]
            else:
                for lane in range(LANES):
                    m = lists[first + p, lane]
                    hat[m * STRIDE + at + lane] = center[m] + own[lane]
        total = 0.0
        for lane in range(LANES):
            total += row[at + lane]
        if total == 0.0:
            continue
        if alike > 0:
            for p in range(slots):
                start = low + p * (p + 1) // 2 * LANES
                m = lists[first + p, 0]
                for q in range(0 if WHOLE else p, p + 1):
                    spread[lists[first + q, 0], m] += total * cov[start + q * LANES]
            continue
        for p in range(slots):
            start = low + p * (p + 1) // 2 * LANES
            for q in range(0 if WHOLE else p, p + 1):
                for lane in range(LANES):
                    value = row[at + lane] * cov[start + q * LANES + lane]
                    spread[lists[first + q, lane], lists[first + p, lane]] += value


def diagonal_pass(
    x, weight, prior, tiles, center, factor, offset, added, joint, sums, lacking, totals
):
    """Statistics of m fits with diagonal factors; log-potentials alone where `joint` is not empty.

    A coordinate that is missing adds `added` (m, k, width) to the log-potential: so rows need not
    be told apart by what they lack. `lacking` (m, k, width) gets sums of the responsibilities of
    rows that lack a coordinate.
    """
    features = x.shape[1]
    fits, k = center.shape[0], center.shape[1]
    line = STRIDE * 8
    table = np.zeros(k * STRIDE + 16)
    scratch = np.empty(2 * features * STRIDE + 16)
    whole = np.empty(features * STRIDE + 16)
    lp, z, full = ALIGNED(table), ALIGNED(scratch), ALIGNED(whole)
    share = table[(lp - table.ctypes.data) // 8 :]
    for t in range(tiles.shape[0]):
        count, before = tiles[t, 0], tiles[t, 2]
        xt = x.ctypes.data + t * features * line
        for f in range(fits):
            for j in range(k):
                at = (f * k + j) * features * 8
                DISTANCE(
                    xt,
                    center.ctypes.data + at,
                    factor.ctypes.data + at,
                    offset.ctypes.data + (f * k + j) * 8,
                    lp + j * line,
                    count,
                    added.ctypes.data + at,
                    features,
                )
            NOTED(share, prior, t, count, k, joint, f, before)
            if joint.shape[0] > 0:
                continue
            SOFTMAX(
                lp, k, weight.ctypes.data + t * line, totals.ctypes.data + f * 16, count, 0, k, 0
            )
            for j in range(k):
                if not ACTIVE(share[j * STRIDE : (j + 1) * STRIDE], count):
                    continue
                about = center.ctypes.data + (f * k + j) * features * 8
                to = sums.ctypes.data + f * sums.strides[0] + j * sums.strides[1]
                r = lp + j * line
                FILLED(xt, about, r, full, count,
                       lacking.ctypes.data + (f * k + j) * features * 8, features, 0)  # fmt: skip
                MOMENTS(full, about, r, to, count, z, features, 0)
                PRODUCTS(z, z + features * line, features, to + 8 * (1 + features), count,
                         features, 1, 0)  # fmt: skip
    MIRROR(sums, features)
