"""`ellimix.starts.pooled.agglomerate_pooled` for numba: EEE, with beta = 1.

Clusters lie along the last axis, ordered by their first rows. A cluster's bound is for its merges
with later ones alone. For the names in capitals and for what may be used here, see `pairs`.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

SWEEPS = 60  # of rotations: as a rule it takes 6
ANEW = 32  # stages after which the axes, products of many rotations, are made anew
ROUNDING = 1e-17  # of the trace: elements below this are not rotated away

SHRINK = TIE = SLACK = RANK = None
ROTATE = TURN = PROJECT = ROW = LOOK = MERGE = PACK = None


def rotate(a, axes):
    """Jacobi's rotations: a (d, d) becomes diagonal, and `axes` (d, d) are rotated along."""
    d = a.shape[0]
    small = 0.0
    for p in range(d):
        small += abs(a[p, p]) * ROUNDING
    sweep = 0
    while sweep < SWEEPS:
        sweep += 1
        rest = False
        for p in range(d - 1):
            for q in range(p + 1, d):
                if abs(a[p, q]) > small:
                    rest = True
                    ratio = (a[q, q] - a[p, p]) / (2.0 * a[p, q])
                    tangent = 1.0 / (abs(ratio) + np.sqrt(1.0 + ratio * ratio))
                    tangent = tangent if ratio >= 0.0 else -tangent
                    cosine = 1.0 / np.sqrt(1.0 + tangent * tangent)
                    sine = tangent * cosine
                    for r in range(d):
                        left = a[r, p]
                        a[r, p] = cosine * left - sine * a[r, q]
                        a[r, q] = sine * left + cosine * a[r, q]
                        left = axes[r, p]
                        axes[r, p] = cosine * left - sine * axes[r, q]
                        axes[r, q] = sine * left + cosine * axes[r, q]
                    for r in range(d):
                        left = a[p, r]
                        a[p, r] = cosine * left - sine * a[q, r]
                        a[q, r] = sine * left + cosine * a[q, r]
                    a[p, q] = 0.0
                    a[q, p] = 0.0
        if not rest:
            sweep = SWEEPS


def turn(within, total, axes, half, a):
    """A = V^T (W / n) V, nearly diagonal where the axes V are those of W before a merge."""
    d = within.shape[0]
    for p in range(d):
        for q in range(d):
            half[p, q] = 0.0
            for r in range(d):
                half[p, q] += within[p, r] / total * axes[r, q]
    for p in range(d):
        for q in range(d):
            a[p, q] = 0.0
            for r in range(d):
                a[p, q] += axes[r, p] * half[r, q]


def project(a, axes, total, m, mean, points):
    """The means in the metric (adj(W / n) + I) / n, from W's eigenvalues, on A's diagonal."""
    d = axes.shape[0]
    largest = 0.0
    for p in range(d):
        largest = a[p, p] if a[p, p] > largest else largest
    for p in range(d):
        product = 1.0
        for q in range(d):
            if q != p:
                product *= a[q, q] if a[q, q] > RANK * largest else 0.0
        length = np.sqrt((product + 1.0) / total)
        for c in range(m):
            points[p, c] = 0.0
        for q in range(d):
            share = axes[q, p] * length
            for c in range(m):
                points[p, c] += share * mean[q, c]


def row(i, start, m, n, points, out):
    """Costs of the merges of cluster i with those from `start` on; inf with nothing."""
    for c in range(start, m):
        out[c] = 0.0
    for p in range(points.shape[0]):
        middle = points[p, i]
        for c in range(start, m):
            away = points[p, c] - middle
            out[c] += away * away
    for c in range(start, m):
        cost = n[i] * n[c] / (n[i] + n[c]) * out[c]
        out[c] = cost if n[c] > 0.0 else np.inf


def look(m, fresh, bound, found):
    """The cluster to look at next, by ascending bound.

    When no other can be in the cheapest merge, m more than the cluster that is in it.
    """
    limit = found * (1.0 + TIE)
    lowest = np.inf
    place = -1
    for c in range(m):
        if bound[c] < lowest and not fresh[c]:
            lowest = bound[c]
            place = c
    if place < 0 or lowest > limit:
        place = 0
        while place < m - 1 and not (fresh[place] and bound[place] <= limit):
            place += 1
        place += m
    return place


def merge(i, j, n, mean, within):
    """Put the union of clusters i and j in the place of i, and nothing in that of j."""
    moved = n[i] * n[j] / (n[i] + n[j])
    for p in range(within.shape[0]):
        for q in range(within.shape[0]):
            product = (mean[p, j] - mean[p, i]) * (mean[q, j] - mean[q, i])
            within[p, q] += moved * product
    for p in range(within.shape[0]):
        mean[p, i] += n[j] / (n[i] + n[j]) * (mean[p, j] - mean[p, i])
    n[i] += n[j]
    n[j] = 0.0


def pack(m, first, n, mean, bound):
    """Move what is left to the front, and say how many there are."""
    left = 0
    for c in range(m):
        if n[c] > 0.0:
            first[left] = first[c]
            n[left] = n[c]
            bound[left] = bound[c]
            for p in range(mean.shape[0]):
                mean[p, left] = mean[p, c]
            left += 1
    return left


def agglomerate_pooled(n, mean, merges, costs):
    """Merge the rows, given feature by feature (d, m) with counts n (m,), until one is left.

    `n` and `mean` are used up. From where the costs overflow they are inf.
    """
    d = mean.shape[0]
    m = n.shape[0]
    first, fresh = np.empty(m, np.int64), np.empty(m, np.bool_)
    bound, new, points = np.zeros(m), np.empty(m), np.empty((d, m))
    within, axes = np.zeros((d, d)), np.empty((d, d))
    half, a = np.empty((d, d)), np.empty((d, d))
    total = 0.0
    for c in range(m):
        first[c] = c
        total += n[c]
    union = -1
    for stage in range(costs.shape[0]):
        if stage % ANEW == 0:
            for p in range(d):
                for q in range(d):
                    axes[p, q] = 1.0 if p == q else 0.0
        TURN(within, total, axes, half, a)
        ROTATE(a, axes)
        PROJECT(a, axes, total, m, mean, points)
        for c in range(m):
            fresh[c] = False
        found = np.inf
        chosen = -1
        while chosen < 0:
            i = union if union >= 0 else LOOK(m, fresh, bound, found)
            if i >= m:
                i -= m
                chosen = i
            ROW(i, 0 if union >= 0 else i + 1, m, n, points, new)
            if union >= 0:  # its costs with those before it are new: they may be lower bounds
                for c in range(i):
                    bound[c] = new[c] if new[c] < bound[c] else bound[c]
            bound[i] = np.inf
            for c in range(i + 1, m):
                bound[i] = new[c] if new[c] < bound[i] else bound[i]
            found = bound[i] if bound[i] < found else found
            fresh[i] = True
            union = -1
        if not found < np.inf:
            for rest in range(stage, costs.shape[0]):
                costs[rest] = np.inf
            return
        i = chosen
        j = i + 1
        while not new[j] <= found * (1.0 + TIE):
            j += 1
        merges[stage, 0] = first[i]
        merges[stage, 1] = first[j]
        costs[stage] = new[j]
        MERGE(i, j, n, mean, within)
        for c in range(m):
            bound[c] = bound[c] * (1.0 - SLACK) if n[c] > 0.0 else np.inf
        union = i
        if costs.shape[0] - stage <= SHRINK * m:
            m = PACK(m, first, n, mean, bound)
            union = 0
            while first[union] != merges[stage, 0]:
                union += 1
