"""SQUAREM's steps on the statistics of a fit (Varadhan & Roland 2008), compiled.

They are sums over rows, of which any average is one, too: counts, first and second moments in one
frame, the mean and standard deviations of all rows, so that nothing depends on the columns' units.
Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

import math

LEAST_SHARE = None


def restore(kept_n, kept_means, kept_scatter, n, means, scatter):
    """Copy statistics."""
    k, d = means.shape
    for j in range(k):
        n[j] = kept_n[j]
        for a in range(d):
            means[j, a] = kept_means[j, a]
            for b in range(d):
                scatter[j, a, b] = kept_scatter[j, a, b]


def frame(n, means, scatter, frame):
    """Mean and standard deviation of all rows: in these units all numbers of `pack` are near 1."""
    k, d = means.shape
    total = 0.0
    for j in range(k):
        total += n[j]
    for a in range(d):
        mean, square = 0.0, 0.0
        for j in range(k):
            mean += n[j] * means[j, a] / total
        for j in range(k):
            apart = means[j, a] - mean
            square += (scatter[j, a, a] + n[j] * apart * apart) / total
        frame[0, a] = mean
        frame[1, a] = math.sqrt(square) if square > 0.0 else 1.0


def pack(n, means, scatter, frame, diagonal, out):
    """Counts, means and second moments as (k, entries): sums over rows, less the frame."""
    k, d = means.shape
    total = 0.0
    for j in range(k):
        total += n[j]
    for j in range(k):
        share = n[j] / total
        out[j, 0] = share
        at = 1 + d
        for a in range(d):
            out[j, 1 + a] = share * (means[j, a] - frame[0, a]) / frame[1, a]
        for a in range(d):
            for b in range(a if diagonal else 0, a + 1):
                unit = frame[1, a] * frame[1, b]
                out[j, at] = (
                    scatter[j, a, b] / (total * unit) + out[j, 1 + a] * out[j, 1 + b] / share
                )
                at += 1


def stretch(points):
    """|r| / |v| for r = x1 - x0, v = x2 - 2 x1 + x0."""
    r, v = 0.0, 0.0
    for j in range(points.shape[1]):
        for c in range(points.shape[2]):
            step = points[1, j, c] - points[0, j, c]
            bend = points[2, j, c] - points[1, j, c] - step
            r += step * step
            v += bend * bend
    return math.sqrt(r / v) if v > 0.0 else 0.0


def extrapolate(points, stretch, frame, diagonal, n, means, scatter):
    """Statistics at x0 + 2 s r + s^2 v; whether there are such."""
    k, d = means.shape
    total = 0.0
    for j in range(k):
        total += n[j]
    for j in range(k):
        for c in range(points.shape[2]):
            step = points[1, j, c] - points[0, j, c]
            bend = points[2, j, c] - points[1, j, c] - step
            points[0, j, c] += stretch * (2.0 * step + stretch * bend)
        if not points[0, j, 0] > LEAST_SHARE:
            return False
    for j in range(k):
        share = points[0, j, 0]
        n[j] = share * total
        at = 1 + d
        for a in range(d):
            means[j, a] = frame[0, a] + frame[1, a] * points[0, j, 1 + a] / share
        for a in range(d):
            for b in range(a if diagonal else 0, a + 1):
                unit = frame[1, a] * frame[1, b]
                value = points[0, j, at] - points[0, j, 1 + a] * points[0, j, 1 + b] / share
                scatter[j, a, b] = value * total * unit
                scatter[j, b, a] = scatter[j, a, b]
                at += 1
            if not scatter[j, a, a] > 0.0:
                return False
    return True
