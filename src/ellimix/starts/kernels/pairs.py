"""`ellimix.starts.agglomeration.agglomerate` for numba: EII, VII and VVV.

Clusters lie along the last axis, ordered by their first rows, and all inner loops run over some of
them. Of the costs of all pairs only those of a cluster with later ones are used, and a cluster's
best partner is one of these: that halves the searches. A cluster that was merged into another is
nothing, with count 0, until the arrays are packed.

The names in capitals are filled in by `compiler`; functions among them are inlined where they are
called. Only Python that numba compiles may be used here, and little of it: a call of NumPy or of a
builtin, a slice or a tuple takes longer to compile than a loop does.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

EII, VII, VVV = 0, 1, 2
BLOCK = 64  # clusters whose unions with one are made together
MOVED, DET, OVER, SHIFT = 0, 1, 2, 3  # lines of the table `work` (3 + d, BLOCK)
TINY, HUGE = 1e-280, 1e280  # determinants that leave this range are taken by logarithms

SHRINK = TIE = TIE_OF_LOGARITHMS = None
CHOOSE = MERGE = TERMS = UNIONS = PIVOTS = LOGARITHM = SEARCH = PACK = None


def unions(i, begin, size, n, mean, trace, scatter, matrices, work, a, out):
    """Unions of cluster i with `size` clusters from `begin` on: traces to `out`, scatter to `a`."""
    for c in range(size):
        out[begin + c] = 0.0
        work[MOVED, c] = n[i] * n[begin + c] / (n[i] + n[begin + c])
    for p in range(mean.shape[0]):
        middle = mean[p, i]
        for c in range(size):
            shift = mean[p, begin + c] - middle
            work[SHIFT + p, c] = shift
            out[begin + c] += shift * shift
    for c in range(size):
        out[begin + c] = trace[i] + trace[begin + c] + work[MOVED, c] * out[begin + c]
    for p in range(matrices):
        for q in range(p, matrices):
            own = scatter[p, q, i]
            for c in range(size):
                product = work[MOVED, c] * work[SHIFT + p, c] * work[SHIFT + q, c]
                a[p, q, c] = own + scatter[p, q, begin + c] + product


def pivots(a, i, begin, size, n, work):
    """Determinants of the matrices a (d, d, BLOCK) over their counts, by elimination.

    NaN where a pivot is not positive or the product leaves the range. Of `a` the upper triangle is
    used up, and the pivots stay on the diagonal.
    """
    for c in range(size):
        work[DET, c] = 1.0
    for p in range(a.shape[0]):
        for c in range(size):
            pivot = a[p, p, c]
            product = work[DET, c] * (pivot / (n[i] + n[begin + c]))
            work[DET, c] = product if product >= TINY and product <= HUGE else np.nan
            work[OVER, c] = 1.0 / pivot if pivot > 0.0 else 0.0
        for row in range(p + 1, a.shape[0]):
            for column in range(row, a.shape[0]):
                for c in range(size):
                    a[row, column, c] -= a[p, row, c] * work[OVER, c] * a[p, column, c]


def logarithm(a, c, count, base):
    """log(|A_c / count| + base), from the pivots; a pivot that is not positive makes |A_c| 0."""
    low = np.log(base)
    high = 0.0
    for p in range(a.shape[0]):
        high += np.log(a[p, p, c] / count) if a[p, p, c] > 0.0 else -np.inf
    if high < low:
        both = low
        low = high
        high = both
    return high + np.log(1.0 + np.exp(low - high))


def terms(kind, t, i, start, m, n, mean, trace, scatter, rank, work, a, out):
    """Terms of the unions of cluster i with those from `start` on, to `out` at their places."""
    d = mean.shape[0]
    begin = start
    while begin < m:
        size = BLOCK if m - begin > BLOCK else m - begin
        matrices = 0
        for c in range(begin, begin + size):
            if kind == VVV and rank[i] + rank[c] + 1 >= d:
                matrices = d
        UNIONS(i, begin, size, n, mean, trace, scatter, matrices, work, a, out)
        if matrices > 0:
            PIVOTS(a, i, begin, size, n, work)
        if kind != EII:
            for c in range(size):
                count = n[i] + n[begin + c]
                base = (out[begin + c] + t) / count
                if matrices == 0 or rank[i] + rank[begin + c] + 1 < d:
                    term = np.log(base)
                elif work[DET, c] > 0.0:
                    term = np.log(work[DET, c] + base)
                else:
                    term = LOGARITHM(a, c, count, base)
                out[begin + c] = count * term
        begin += size


def choose(tie, m, value, best):
    """The largest cost that is equal to the least one; inf where costs are out of range."""
    lowest = np.inf
    largest = 0.0
    for c in range(m):
        lowest = best[c] if best[c] < lowest else lowest
        largest = abs(value[c]) if abs(value[c]) > largest else largest
    limit = lowest + tie * (abs(lowest) + largest)
    return limit if abs(limit) < np.inf else np.inf


def merge(i, j, n, mean, trace, scatter, rank):
    """Put the union of clusters i and j in the place of i, and nothing in that of j."""
    total = n[i] + n[j]
    moved = n[i] * n[j] / total
    square = 0.0
    for p in range(mean.shape[0]):
        shift = mean[p, j] - mean[p, i]
        square += shift * shift
        for q in range(p, scatter.shape[0]):
            product = moved * shift * (mean[q, j] - mean[q, i])
            scatter[p, q, i] = scatter[p, q, i] + scatter[p, q, j] + product
            scatter[p, q, j] = 0.0
    for p in range(mean.shape[0]):
        mean[p, i] += n[j] / total * (mean[p, j] - mean[p, i])
        mean[p, j] = mean[p, i]
    trace[i] = trace[i] + trace[j] + moved * square
    trace[j] = 0.0
    rank[i] = rank[i] + rank[j] + 1
    rank[j] = -1
    n[i] = total
    n[j] = 0.0


def search(pair, m, n, best, partner):
    """The best partners, among the later ones, of all clusters whose best cost is NaN."""
    for x in range(m):
        if best[x] != best[x] and n[x] > 0.0:
            lowest = np.inf
            place = m
            for c in range(x + 1, m):
                if pair[x, c] < lowest and n[c] > 0.0:
                    lowest = pair[x, c]
                    place = c
            best[x] = lowest
            partner[x] = place


def pack(m, keep, place, first, n, mean, trace, scatter, rank, value, pair, best, partner):
    """Move what is left to the front, and say how many there are."""
    left = 0
    for c in range(m):
        place[c] = left
        if n[c] > 0.0:
            keep[left] = c
            left += 1
    place[m] = left
    for x in range(left):
        c = keep[x]
        first[x] = first[c]
        n[x] = n[c]
        trace[x] = trace[c]
        rank[x] = rank[c]
        value[x] = value[c]
        best[x] = best[c]
        partner[x] = place[partner[c]]
        for y in range(x + 1, left):
            pair[x, y] = pair[c, keep[y]]
        for p in range(mean.shape[0]):
            mean[p, x] = mean[p, c]
            for q in range(p, scatter.shape[0]):
                scatter[p, q, x] = scatter[p, q, c]
    return left


def agglomerate(kind, t, n, mean, merges, costs):
    """Merge the rows, given feature by feature (d, m) with counts n (m,), until one is left.

    `n` and `mean` are used up. From where the costs overflow they are inf.

    Each step gives one cluster its costs: first every row those with the later ones, then, stage
    by stage, the union of two those with all.
    """
    rows = n.shape[0]
    m = rows
    d = mean.shape[0] if kind == VVV else 0
    first, rank = np.empty(m, np.int64), np.zeros(m, np.int64)
    keep, place, partner = np.empty(m, np.int64), np.empty(m + 1, np.int64), np.empty(m, np.int64)
    trace, value, new, best = np.zeros(m), np.zeros(m), np.zeros(m), np.empty(m)
    scatter, a, pair = np.zeros((d, d, m)), np.zeros((d, d, BLOCK)), np.empty((m, m))
    work = np.empty((SHIFT + mean.shape[0], BLOCK))
    tie = TIE if kind == EII else TIE_OF_LOGARITHMS
    for i in range(m):
        first[i] = i
        best[i] = np.inf
        partner[i] = m
        if kind != EII:
            value[i] = n[i] * np.log(t / n[i])
    for step in range(2 * rows - 2):
        stage = step - (rows - 1)
        i = step
        j = -1
        if stage >= 0:
            limit = CHOOSE(tie, m, value, best)
            if limit == np.inf:
                for rest in range(stage, rows - 1):
                    costs[rest] = np.inf
                return
            i = 0
            while not best[i] <= limit:
                i += 1
            j = i + 1
            while not (pair[i, j] <= limit and n[j] > 0.0):
                j += 1
            merges[stage, 0] = first[i]
            merges[stage, 1] = first[j]
            costs[stage] = pair[i, j]
            MERGE(i, j, n, mean, trace, scatter, rank)
        TERMS(kind, t, i, i + 1 if j < 0 else 0, m, n, mean, trace, scatter, rank, work, a, new)
        if j >= 0:  # with nothing in the place of j, its union with i is i
            value[i] = new[j]
            value[j] = 0.0
            best[j] = np.inf
            for x in range(j):
                if partner[x] == j or partner[x] == i:
                    best[x] = np.nan  # to be found anew
            for x in range(i):
                if n[x] > 0.0:
                    cost = new[x] - (value[x] + value[i])
                    pair[x, i] = cost
                    if cost < best[x]:
                        best[x] = cost
                        partner[x] = i
        for x in range(i + 1, m):
            pair[i, x] = new[x] - (value[x] + value[i])
        best[i] = np.nan
        SEARCH(pair, m, n, best, partner)
        if j >= 0 and rows - 1 - stage <= SHRINK * m:
            m = PACK(
                m, keep, place, first, n, mean, trace, scatter, rank, value, pair, best, partner
            )
