"""SQUAREM's steps on the statistics of a fit (Varadhan & Roland 2008), compiled.

They are sums over rows, of which any average is one, too: counts, first and second moments in one
frame, the mean and standard deviations of all rows, so that nothing depends on the columns' units.
An array is a pointer to its first number, in C order. Only Python that numba compiles may be used
here.
"""
# mypy: ignore-errors

from __future__ import annotations

import math

LEAST_SHARE = AT = None


def restore(k, d, kept_n, kept_means, kept_scatter, n, means, scatter):
    """Copy statistics."""
    for j in range(k):
        n[j] = kept_n[j]
    for i in range(k * d):
        means[i] = kept_means[i]
    for i in range(k * d * d):
        scatter[i] = kept_scatter[i]
    return -1


def frame(k, d, n, means, scatter, frame):
    """Mean and standard deviation of all rows: in these units all numbers of `pack` are near 1."""
    total = 0.0
    for j in range(k):
        total += n[j]
    for a in range(d):
        mean, square = 0.0, 0.0
        for j in range(k):
            mean += n[j] * means[j * d + a] / total
        for j in range(k):
            apart = means[j * d + a] - mean
            square += (scatter[(j * d + a) * d + a] + n[j] * apart * apart) / total
        frame[a] = mean
        frame[d + a] = math.sqrt(square) if square > 0.0 else 1.0
    return -1


def pack(k, d, diagonal, size, n, means, scatter, frame, out):
    """Counts, means and second moments as (k, size): sums over rows, less the frame."""
    total, unit = 0.0, AT(frame, d)
    for j in range(k):
        total += n[j]
    for j in range(k):
        share, own, sums = n[j] / total, AT(scatter, j * d * d), AT(out, j * size)
        first, at = AT(sums, 1), 1 + d
        sums[0] = share
        for a in range(d):
            first[a] = share * (means[j * d + a] - frame[a]) / unit[a]
        for a in range(d):
            for b in range(a if diagonal else 0, a + 1):
                value = own[a * d + b] / (total * (unit[a] * unit[b]))
                sums[at] = value + first[a] * first[b] / share
                at += 1
    return -1


def stretch(size, points):
    """|r| / |v| for r = x1 - x0, v = x2 - 2 x1 + x0, of points (3, size)."""
    one, two = AT(points, size), AT(points, 2 * size)
    r, v = 0.0, 0.0
    for i in range(size):
        step = one[i] - points[i]
        bend = two[i] - one[i] - step
        r += step * step
        v += bend * bend
    return math.sqrt(r / v) if v > 0.0 else 0.0


def extrapolate(k, d, diagonal, size, stretch, n, means, scatter, frame, points):
    """Statistics at x0 + 2 s r + s^2 v, of points (3, k, size); 0 where there are none."""
    one, two, unit = AT(points, k * size), AT(points, 2 * k * size), AT(frame, d)
    total = 0.0
    for j in range(k):
        total += n[j]
    for i in range(k * size):
        step = one[i] - points[i]
        bend = two[i] - one[i] - step
        points[i] += stretch * (2.0 * step + stretch * bend)
    for j in range(k):
        share, own, sums = points[j * size], AT(scatter, j * d * d), AT(points, j * size)
        if not share > LEAST_SHARE:
            return 0
        first, at = AT(sums, 1), 1 + d
        n[j] = share * total
        for a in range(d):
            means[j * d + a] = frame[a] + unit[a] * first[a] / share
        for a in range(d):
            for b in range(a if diagonal else 0, a + 1):
                value = (sums[at] - first[a] * first[b] / share) * total * (unit[a] * unit[b])
                own[a * d + b] = value
                own[b * d + a] = value
                at += 1
            if not own[a * d + a] > 0.0:
                return 0
    return 1
