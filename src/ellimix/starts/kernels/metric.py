"""`ellimix.starts.pooled.agglomerate_pooled` for numba: EEE, with beta = 1.

Clusters lie along the last axis, ordered by their first rows. A cluster's bound is for its merges
with later ones alone. The names in capitals are filled in by `compiler`. Only Python that numba
compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

SWEEPS = 60  # of rotations: as a rule it takes 6
ANEW = 32  # stages after which the axes, products of many rotations, are made anew
ROUNDING = 1e-17  # of the trace: elements below this are not rotated away

SHRINK = TIE = SLACK = RANK = None
ROTATE = ROOT = PROJECT = ROW = PACK = None


def rotate(a, axes):
    """Jacobi's rotations: a (d, d) becomes diagonal, and `axes` (d, d) are rotated along."""
    d = a.shape[0]
    small = 0.0
    for p in range(d):
        small += abs(a[p, p])
    small *= ROUNDING
    for _ in range(SWEEPS):
        rest = False
        for p in range(d - 1):
            for q in range(p + 1, d):
                if not abs(a[p, q]) > small:
                    continue
                rest = True
                ratio = (a[q, q] - a[p, p]) / (2.0 * a[p, q])
                tangent = 1.0 / (abs(ratio) + np.hypot(1.0, ratio))
                tangent = tangent if ratio >= 0.0 else -tangent
                cosine = 1.0 / np.sqrt(1.0 + tangent * tangent)
                sine = tangent * cosine
                for r in range(d):
                    left, right = a[r, p], a[r, q]
                    a[r, p] = cosine * left - sine * right
                    a[r, q] = sine * left + cosine * right
                for r in range(d):
                    left, right = a[p, r], a[q, r]
                    a[p, r] = cosine * left - sine * right
                    a[q, r] = sine * left + cosine * right
                a[p, q] = a[q, p] = 0.0
                for r in range(d):
                    left, right = axes[r, p], axes[r, q]
                    axes[r, p] = cosine * left - sine * right
                    axes[r, q] = sine * left + cosine * right
        if not rest:
            return


def root(within, total, axes, work, out):
    """L (d, d) with L L^T = (adj(W / n) + I) / n; `axes` are near W's before, and W's after."""
    d = within.shape[0]
    a, half = work[0], work[1]
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
    ROTATE(a, axes)
    largest = 0.0
    for p in range(d):
        largest = max(largest, a[p, p])
    for p in range(d):
        product = 1.0
        for q in range(d):
            if q != p:
                product *= a[q, q] if a[q, q] > RANK * largest else 0.0
        length = np.sqrt((product + 1.0) / total)
        for q in range(d):
            out[q, p] = axes[q, p] * length


def project(mean, m, metric, points):
    """The means in the metric: points = L^T mean."""
    d = mean.shape[0]
    for p in range(d):
        line = points[p]
        for c in range(m):
            line[c] = 0.0
        for q in range(d):
            share, column = metric[q, p], mean[q]
            for c in range(m):
                line[c] += share * column[c]


def row(i, start, m, n, points, out):
    """Costs of the merges of cluster i with those from `start` on; inf with dead ones."""
    for c in range(start, m):
        out[c] = 0.0
    for p in range(points.shape[0]):
        line = points[p]
        middle = line[i]
        for c in range(start, m):
            away = line[c] - middle
            out[c] += away * away
    for c in range(start, m):
        cost = n[i] * n[c] / (n[i] + n[c]) * out[c]
        out[c] = cost if n[c] > 0.0 else np.inf


def pack(m, first, n, mean, bound):
    """Move what is left to the front, and say how many there are."""
    left = 0
    for c in range(m):
        if n[c] > 0.0:
            first[left], n[left], bound[left] = first[c], n[c], bound[c]
            for p in range(mean.shape[0]):
                mean[p, left] = mean[p, c]
            left += 1
    return left


def agglomerate_pooled(n, mean, merges, costs):
    """Merge the rows, given feature by feature (d, m) with counts n (m,), until one is left.

    `n` and `mean` are used up. `costs` become inf from where they overflow.
    """
    d, m = mean.shape
    total = n.sum()
    first, bound, fresh = np.arange(m), np.zeros(m), np.zeros(m, np.bool_)
    points, costs_now, new = np.empty((d, m)), np.empty(m), np.empty(m)
    within, metric, axes = np.zeros((d, d)), np.empty((d, d)), np.empty((d, d))
    work = np.empty((2, d, d))
    bound[m - 1] = np.inf
    for stage in range(costs.shape[0]):
        if stage % ANEW == 0:
            axes[:] = np.eye(d)
        ROOT(within, total, axes, work, metric)
        PROJECT(mean, m, metric, points)
        if stage > 0:  # the costs of the union are new, and lower bounds of nothing
            i = np.searchsorted(first[:m], merges[stage - 1, 0])
            ROW(i, 0, m, n, points, new)
            bound[i] = np.inf
            for c in range(i):
                bound[c] = min(bound[c], new[c]) if n[c] > 0.0 else np.inf
            for c in range(i + 1, m):
                bound[i] = min(bound[i], new[c])
        fresh[:m] = False
        found = np.inf
        while True:
            i, lowest = -1, np.inf
            for c in range(m):
                if not fresh[c] and bound[c] < lowest:
                    i, lowest = c, bound[c]
            if i < 0 or lowest > found * (1.0 + TIE):
                break
            ROW(i, i + 1, m, n, points, costs_now)
            lowest = np.inf
            for c in range(i + 1, m):
                lowest = min(lowest, costs_now[c])
            bound[i], fresh[i], found = lowest, True, min(found, lowest)
        limit = found * (1.0 + TIE)
        if not limit < np.inf:
            costs[stage:] = np.inf
            return
        i = 0
        while not (fresh[i] and bound[i] <= limit):
            i += 1
        ROW(i, i + 1, m, n, points, costs_now)
        j = i + 1
        while not costs_now[j] <= limit:
            j += 1
        merges[stage, 0], merges[stage, 1], costs[stage] = first[i], first[j], costs_now[j]
        moved, share = n[i] * n[j] / (n[i] + n[j]), n[j] / (n[i] + n[j])
        for p in range(d):
            for q in range(d):
                product = (mean[p, j] - mean[p, i]) * (mean[q, j] - mean[q, i])
                within[p, q] += moved * product
        for p in range(d):
            mean[p, i] += share * (mean[p, j] - mean[p, i])
        n[i] += n[j]
        n[j], bound[j] = 0.0, np.inf  # dead
        for c in range(m):
            bound[c] *= 1.0 - SLACK
        if costs.shape[0] - stage <= SHRINK * m:
            m = PACK(m, first, n, mean, bound)
