"""One entry point for the compiled M-steps of all families, and the three parts behind it.

The parts, and some of what they call, are compiled apart and called by symbol, with pointers: a
compiler that sees them all takes far longer, and again for every loop that calls them. Only
Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

SPHERICAL = EQUAL_VARIANCES = OWN_VARIANCES = EQUAL_VOLUME = PUT_VARIANCES = None
EQUAL_MATRICES = OWN_MATRICES = PRINCIPAL = EQUAL_SHAPE = ALONG = DIAGONALS = SPREAD = None
COMMON_AXES = IN_AXES = LOG_VOLUMES = OF_ONE_SHAPE = PROPORTIONAL = COPY = None
CLOSED_FORM = SEARCHED_VOLUMES = COMMON_ORIENTATION = CARRAY = AT = None


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
    if code == 6:
        return EQUAL_MATRICES(k, d, n, scatter, factor, log_det, work)
    if code >= 12:
        return OWN_MATRICES(code == 12, k, d, n, scatter, factor, log_det)
    n, log_det = CARRAY(n, k), CARRAY(log_det, k)
    scatter, factor = CARRAY(scatter, (k, d, d)), CARRAY(factor, (k, d, d))
    if code < 2:
        return SPHERICAL(code == 0, n, scatter, factor, log_det)
    if code == 2:
        return EQUAL_VARIANCES(n, scatter, factor, log_det)
    if code == 5:
        return OWN_VARIANCES(n, scatter, factor, log_det)
    variances = CARRAY(work, (k, d))
    DIAGONALS(scatter, variances)
    failed = EQUAL_VOLUME(n, variances, log_det)
    return failed if failed >= 0 else PUT_VARIANCES(variances, factor, log_det)


def searched_volumes(code, k, d, n, scatter, factor, log_det, volume, axes, first, work):
    """VEI, VEE, VEV, and EEV, which has VEV's eigenvectors."""
    scale, spread, scratch = work, AT(work, d), AT(work, d + k * d)
    variances, counts = CARRAY(spread, (k, d)), CARRAY(n, k)
    if code >= 10:
        rows = AT(scratch, d * d)
        PRINCIPAL(k, d, scatter, axes, spread, scratch, rows, first, factor)
    else:
        DIAGONALS(CARRAY(scatter, (k, d, d)), variances)
    if code == 10:
        EQUAL_SHAPE(counts, variances)
        return ALONG(k, d, spread, factor, log_det, scratch, scale)
    failed = LOG_VOLUMES(int(code == 7), k, d, first, n, spread, scatter, volume, scratch)
    if failed >= 0:
        return failed
    if code == 7:
        return PROPORTIONAL(k, d, n, volume, scatter, factor, log_det, scratch)
    OF_ONE_SHAPE(counts, volume, variances)
    if code == 3:
        return PUT_VARIANCES(variances, CARRAY(factor, (k, d, d)), CARRAY(log_det, k))
    return ALONG(k, d, spread, factor, log_det, scratch, scale)


def common_orientation(code, k, d, n, scatter, factor, log_det, axes, first, work):
    """EVE and VVE."""
    scale, spread, scratch = work, AT(work, d), AT(work, d + k * d)
    w, variances, counts = CARRAY(scatter, (k, d, d)), CARRAY(spread, (k, d)), CARRAY(n, k)
    for j in range(k):
        trace = 0.0
        for a in range(d):
            trace += w[j, a, a]
        if not SPREAD(trace):
            return j
    COMMON_AXES(int(code == 8), k, d, first, n, scatter, axes, factor, scratch)
    IN_AXES(w, CARRAY(axes, (d, d)), variances)
    for j in range(k):
        COPY(d * d, axes, AT(factor, j * d * d))
    if code == 8:
        failed = EQUAL_VOLUME(counts, variances, CARRAY(log_det, k))
        if failed >= 0:
            return failed
    else:
        for j in range(k):
            for a in range(d):
                variances[j, a] /= counts[j]
    return ALONG(k, d, spread, factor, log_det, scratch, scale)


def diagonals(scatter, out):
    """The diagonals (k, d) of the scatter."""
    k, d = out.shape
    for j in range(k):
        for a in range(d):
            out[j, a] = scatter[j, a, a]
