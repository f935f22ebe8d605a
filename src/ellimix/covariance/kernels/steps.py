"""One entry point for the compiled M-steps of all families, and the three parts behind it.

The parts, and some of what they call, are compiled apart and called by symbol, with pointers: a
compiler that sees them all takes far longer, and again for every loop that calls them. An array
is there a pointer to its first number, in C order: that compiles faster than arrays do. Only
Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

from math import inf

SPHERICAL = EQUAL_VARIANCES = EQUAL_VOLUME = PUT_VARIANCES = EQUAL_MATRICES = None
OWN_MATRICES = PRINCIPAL = ALONG = COMMON_AXES = TRANSFORM = LOG_VOLUMES = None
OF_ONE_SHAPE = PROPORTIONAL = CLOSED_FORM = SEARCHED_VOLUMES = COMMON_ORIENTATION = AT = None


def m_step(code, n, scatter, factor, log_det, volume, axes, first, work):
    """The M-step of family number `code`, in the registry's order: -1, or what is singular."""
    k, d = scatter.shape[0], scatter.shape[1]
    n, scatter, factor, log_det = n.ctypes, scatter.ctypes, factor.ctypes, log_det.ctypes
    volume, axes, work = volume.ctypes, axes.ctypes, work.ctypes
    if code == 3 or code == 7 or code == 10 or code == 11:
        return SEARCHED_VOLUMES(code, k, d, n, scatter, factor, log_det, volume, axes, first, work)
    if code == 8 or code == 9:
        return COMMON_ORIENTATION(code, k, d, n, scatter, factor, log_det, axes, first, work)
    return CLOSED_FORM(code, k, d, n, scatter, factor, log_det, work)


def closed_form(code, k, d, n, scatter, factor, log_det, work):
    """EII, VII, EEI, EVI, VVI, EEE, EVV and VVV."""
    if code < 2:
        return SPHERICAL(code == 0, k, d, n, scatter, factor, log_det)
    if code == 2:
        return EQUAL_VARIANCES(k, d, n, scatter, factor, log_det)
    if code == 6:
        return EQUAL_MATRICES(k, d, n, scatter, factor, log_det, work)
    if code >= 12:
        return OWN_MATRICES(code == 12, k, d, n, scatter, factor, log_det)
    for j in range(k):
        weight = 1.0 if code == 4 else 1.0 / n[j]
        for a in range(d):
            work[j * d + a] = scatter[(j * d + a) * d + a] * weight
    failed = EQUAL_VOLUME(k, d, n, work, log_det) if code == 4 else -1
    return failed if failed >= 0 else PUT_VARIANCES(k, d, work, factor, log_det)


def searched_volumes(code, k, d, n, scatter, factor, log_det, volume, axes, first, work):
    """VEI, VEE, VEV, and EEV, which has VEV's eigenvectors."""
    scale, spread, scratch = work, AT(work, d), AT(work, d + k * d)
    if code >= 10:
        rows = AT(scratch, d * d)
        PRINCIPAL(k, d, scatter, axes, spread, scratch, rows, first, factor)
    else:
        for i in range(k * d):
            spread[i] = scatter[i * d + i % d]
    failed = -1
    if code == 10:
        for j in range(k):
            volume[j] = 0.0
    else:
        matrices = 1 if code == 7 else 0
        failed = LOG_VOLUMES(matrices, k, d, first, n, spread, scatter, volume, scratch)
    if failed >= 0:
        return failed
    if code == 7:
        return PROPORTIONAL(k, d, n, volume, scatter, factor, log_det, scratch)
    OF_ONE_SHAPE(k, d, n, volume, spread)
    if code == 3:
        return PUT_VARIANCES(k, d, spread, factor, log_det)
    return ALONG(k, d, spread, factor, log_det, scratch, scale)


def common_orientation(code, k, d, n, scatter, factor, log_det, axes, first, work):
    """EVE and VVE."""
    scale, variances, scratch, size = work, AT(work, d), AT(work, d + k * d), d * d
    equal = 1 if code == 8 else 0
    for j in range(k):
        trace = 0.0
        for a in range(d):
            trace += scatter[j * size + a * (d + 1)]
        if not 0.0 < trace < inf:
            return j
    COMMON_AXES(equal, k, d, first, n, scatter, axes, factor, scratch)
    TRANSFORM(k, d, scatter, axes, scratch, factor)
    for j in range(k):
        weight = 1.0 if equal else n[j]
        for a in range(d):
            variances[j * d + a] = max(factor[j * size + a * (d + 1)], 0.0) / weight
        for i in range(size):
            factor[j * size + i] = axes[i]
    failed = EQUAL_VOLUME(k, d, n, variances, log_det) if equal else -1
    return failed if failed >= 0 else ALONG(k, d, variances, factor, log_det, scratch, scale)
