"""`ellimix.starts.agglomeration.agglomerate` for numba: EII, VII and VVV.

Clusters lie along the last axis, ordered by their first rows, and all inner loops run over some of
them. Of the costs of all pairs only those of a cluster with later ones are used, and a cluster's
best partner is one of these: that halves the searches. The names in capitals are filled in by
`compiler`. Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

EII, VII, VVV = 0, 1, 2
BLOCK = 64  # clusters that are merged with one together
TINY, HUGE = 1e-280, 1e280  # determinants that leave this range are taken by logarithms

SHRINK = TIE = TIE_OF_LOGARITHMS = None
PIVOTS = LOGARITHM = TERMS = SEARCH = PACK = MERGE = None


def pivots(a, inverse, det):
    """Determinants of the matrices a (d, d, size) times `inverse` (size,), by elimination.

    NaN where a pivot is not positive or the product leaves the range. Of `a` the upper triangle is
    used up, and the pivots stay on the diagonal.
    """
    d, size = a.shape[0], det.shape[0]
    over = np.empty(size)
    for c in range(size):
        det[c] = 1.0
    for p in range(d):
        for c in range(size):
            pivot = a[p, p, c]
            product = det[c] * (pivot * inverse[c])
            det[c] = product if product >= TINY and product <= HUGE else np.nan
            over[c] = 1.0 / pivot if pivot > 0.0 else 0.0
        for row in range(p + 1, d):
            for column in range(row, d):
                for c in range(size):
                    a[row, column, c] -= a[p, row, c] * over[c] * a[p, column, c]


def logarithm(a, c, count, base):
    """log(|A_c / count| + base), from the pivots; a pivot that is not positive makes |A_c| 0."""
    d = a.shape[0]
    log_det, log_base = -d * np.log(count), np.log(base)
    for p in range(d):
        log_det += np.log(a[p, p, c]) if a[p, p, c] > 0.0 else -np.inf
    top = max(log_det, log_base)
    if not abs(top) < np.inf:
        return top
    return top + np.log(np.exp(log_det - top) + np.exp(log_base - top))


def terms(kind, t, i, start, stop, n, mean, trace, scatter, rank, a, out):
    """Terms of the unions of cluster i with those from `start` to `stop`, to `out` at theirs."""
    d = mean.shape[0]
    total, inverse, moved = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    square, det = np.empty(BLOCK), np.empty(BLOCK)
    shift = np.zeros((d, BLOCK))
    for begin in range(start, stop, BLOCK):
        size = min(BLOCK, stop - begin)
        for c in range(size):
            count = n[i] + n[begin + c]
            total[c] = count
            moved[c] = n[i] * n[begin + c] / count
            square[c] = 0.0
        for p in range(d):
            middle = mean[p, i]
            for c in range(size):
                away = mean[p, begin + c] - middle
                shift[p, c] = away
                square[c] += away * away
        for c in range(size):
            square[c] = trace[i] + trace[begin + c] + moved[c] * square[c]
        if kind == EII:
            for c in range(size):
                out[begin + c] = square[c]
            continue
        full = False
        if kind == VVV:
            for c in range(size):
                full = full or rank[i] + rank[begin + c] + 1 >= d
        if not full:
            for c in range(size):
                out[begin + c] = total[c] * np.log((square[c] + t) / total[c])
            continue
        for p in range(d):
            for q in range(p, d):
                own = scatter[p, q, i]
                for c in range(size):
                    both = own + scatter[p, q, begin + c]
                    a[p, q, c] = both + moved[c] * shift[p, c] * shift[q, c]
        for c in range(size):
            inverse[c] = 1.0 / total[c]
        PIVOTS(a[:, :, :size], inverse, det[:size])
        for c in range(size):
            base = (square[c] + t) / total[c]
            if rank[i] + rank[begin + c] + 1 < d:
                out[begin + c] = total[c] * np.log(base)
            elif np.isnan(det[c]):
                out[begin + c] = total[c] * LOGARITHM(a, c, total[c], base)
            else:
                out[begin + c] = total[c] * np.log(det[c] + base)


def merge(i, j, n, mean, trace, scatter, rank):
    """Put the union of clusters i and j in the place of i."""
    d = mean.shape[0]
    total = n[i] + n[j]
    moved, share = n[i] * n[j] / total, n[j] / total
    square = 0.0
    for p in range(d):
        away = mean[p, j] - mean[p, i]
        square += away * away
        if scatter.shape[0] > 0:
            for q in range(p, d):
                product = moved * away * (mean[q, j] - mean[q, i])
                scatter[p, q, i] = scatter[p, q, i] + scatter[p, q, j] + product
        mean[p, i] += share * away
    trace[i] = trace[i] + trace[j] + moved * square
    rank[i] = min(rank[i] + rank[j] + 1, d)
    n[i] = total


def search(pair, x, m, best, partner):
    """The best partner of cluster x among the later ones."""
    row = pair[x]
    lowest, place = np.inf, m
    for c in range(x + 1, m):
        if row[c] < lowest:
            lowest, place = row[c], c
    best[x], partner[x] = lowest, place


def pack(m, alive, first, n, mean, trace, scatter, rank, value, pair, best, partner):
    """Move what is left to the front, and say how many there are."""
    place = np.empty(m + 1, np.int64)
    left = 0
    for c in range(m):
        place[c] = left
        if alive[c]:
            left += 1
    place[m] = left
    keep = np.empty(left, np.int64)
    for c in range(m):
        if alive[c]:
            keep[place[c]] = c
    for x in range(left):
        c = keep[x]
        first[x], n[x], trace[x], rank[x] = first[c], n[c], trace[c], rank[c]
        value[x], best[x], partner[x] = value[c], best[c], place[partner[c]]
        old, new = pair[c], pair[x]
        for y in range(x + 1, left):
            new[y] = old[keep[y]]
    for p in range(mean.shape[0]):
        for x in range(left):
            mean[p, x] = mean[p, keep[x]]
    for p in range(scatter.shape[0]):
        for q in range(p, scatter.shape[0]):
            for x in range(left):
                scatter[p, q, x] = scatter[p, q, keep[x]]
    for x in range(left):
        alive[x] = True
    return left


def agglomerate(kind, t, n, mean, merges, costs):
    """Merge the rows, given feature by feature (d, m) with counts n (m,), until one is left.

    `n` and `mean` are used up. `costs` become inf from where they overflow.
    """
    d, m = mean.shape
    matrices = d if kind == VVV else 0
    first, rank = np.arange(m), np.zeros(m, np.int64)
    trace, value, new = np.zeros(m), np.zeros(m), np.empty(m)
    scatter = np.zeros((matrices, matrices, m))
    a = np.zeros((matrices, matrices, BLOCK))
    alive = np.ones(m, np.bool_)
    pair, best, partner = np.empty((m, m)), np.empty(m), np.empty(m, np.int64)
    tie = TIE if kind == EII else TIE_OF_LOGARITHMS
    if kind != EII:
        for i in range(m):
            value[i] = n[i] * np.log(t / n[i])
    for i in range(m):
        TERMS(kind, t, i, i + 1, m, n, mean, trace, scatter, rank, a, pair[i])
        for c in range(i + 1, m):
            pair[i, c] -= value[c] + value[i]
        SEARCH(pair, i, m, best, partner)
    for stage in range(costs.shape[0]):
        lowest, largest = np.inf, 0.0
        for c in range(m):
            lowest, largest = min(lowest, best[c]), max(largest, abs(value[c]))
        limit = lowest + tie * (abs(lowest) + largest)
        if not abs(limit) < np.inf:
            costs[stage:] = np.inf
            return
        i = 0
        while not best[i] <= limit:
            i += 1
        j = i + 1
        while not pair[i, j] <= limit:
            j += 1
        merges[stage, 0], merges[stage, 1], costs[stage] = first[i], first[j], pair[i, j]
        if stage + 1 == costs.shape[0]:
            return
        TERMS(kind, t, i, j, j + 1, n, mean, trace, scatter, rank, a, new)
        MERGE(i, j, n, mean, trace, scatter, rank)
        value[i], value[j], best[j], alive[j] = new[j], 0.0, np.inf, False
        for x in range(j):
            pair[x, j] = np.inf
            if partner[x] == j or partner[x] == i:
                best[x] = np.nan  # to be found anew
        if costs.shape[0] - stage <= SHRINK * m:
            m = PACK(m, alive, first, n, mean, trace, scatter, rank, value, pair, best, partner)
        # j > i, and i is where it was among the first
        i = np.searchsorted(first[:m], merges[stage, 0])
        TERMS(kind, t, i, 0, m, n, mean, trace, scatter, rank, a, new)
        for x in range(i):
            cost = new[x] - (value[x] + value[i])
            pair[x, i] = cost if alive[x] else np.inf
            if alive[x] and cost < best[x]:
                best[x], partner[x] = cost, i
        for x in range(i + 1, m):
            pair[i, x] = new[x] - (value[x] + value[i]) if alive[x] else np.inf
        best[i] = np.nan
        for x in range(m):
            if alive[x] and np.isnan(best[x]):
                SEARCH(pair, x, m, best, partner)
