"""One entry point for the compiled M-steps of all families, and the three parts behind it.

The parts are compiled apart and called by symbol, with pointers: a compiler that sees them all
takes far longer, and again for every loop that calls them. Only Python that numba compiles may
be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

SPHERICAL = EQUAL_VARIANCES = OWN_VARIANCES = EQUAL_VOLUME = PUT_VARIANCES = None
EQUAL_MATRICES = OWN_MATRICES = PRINCIPAL = EQUAL_SHAPE = ALONG = SPREAD = None
COMMON_AXES = IN_AXES = LOG_VOLUMES = OF_ONE_SHAPE = PROPORTIONAL = COPY = None
CLOSED_FORM = SEARCHED_VOLUMES = COMMON_ORIENTATION = TAKE = SIZE = CARRAY = None


def m_step(code, n, scatter, factor, log_det, volume, axes, first, work):
    """The M-step of family number `code`, in the registry's order: -1, or what is singular."""
    k, d = scatter.shape[0], scatter.shape[1]
    if code == 3 or code == 7 or code == 10 or code == 11:
        return SEARCHED_VOLUMES(
            code,
            k,
            d,
            n.ctypes,
            scatter.ctypes,
            factor.ctypes,
            log_det.ctypes,
            volume.ctypes,
            axes.ctypes,
            first,
            work.ctypes,
        )
    if code == 8 or code == 9:
        return COMMON_ORIENTATION(
            code,
            k,
            d,
            n.ctypes,
            scatter.ctypes,
            factor.ctypes,
            log_det.ctypes,
            volume.ctypes,
            axes.ctypes,
            first,
            work.ctypes,
        )
    return CLOSED_FORM(
        code,
        k,
        d,
        n.ctypes,
        scatter.ctypes,
        factor.ctypes,
        log_det.ctypes,
        volume.ctypes,
        axes.ctypes,
        first,
        work.ctypes,
    )


def closed_form(code, k, d, n, scatter, factor, log_det, volume, axes, first, work):
    """EII, VII, EEI, EVI, VVI, EEE, EVV and VVV."""
    n, log_det = CARRAY(n, k), CARRAY(log_det, k)
    scatter, factor = CARRAY(scatter, (k, d, d)), CARRAY(factor, (k, d, d))
    work = CARRAY(work, SIZE(k, d))
    if code < 2:
        return SPHERICAL(code == 0, n, scatter, factor, log_det)
    if code == 2:
        return EQUAL_VARIANCES(n, scatter, factor, log_det)
    if code == 4:
        variances = TAKE(work, k, k, d)
        for j in range(k):
            for a in range(d):
                variances[j, a] = scatter[j, a, a]
        failed = EQUAL_VOLUME(n, variances, log_det)
        return failed if failed >= 0 else PUT_VARIANCES(variances, factor, log_det)
    if code == 5:
        return OWN_VARIANCES(n, scatter, factor, log_det)
    if code == 6:
        return EQUAL_MATRICES(n, scatter, factor, log_det, work)
    return OWN_MATRICES(code == 12, n, scatter, factor, log_det)


def searched_volumes(code, k, d, n, scatter, factor, log_det, volume, axes, first, work):
    """VEI, VEE, VEV, and EEV, which has VEV's eigenvectors."""
    n, log_det, volume = CARRAY(n, k), CARRAY(log_det, k), CARRAY(volume, k)
    scatter, factor = CARRAY(scatter, (k, d, d)), CARRAY(factor, (k, d, d))
    work, at = CARRAY(work, SIZE(k, d)), 5 * (k + d)
    scale, gradient, step, trial = work[:d], work[d : d + k], work[d + k :], work[d + 2 * k :]
    pooled = TAKE(work, at, d, d)
    root = TAKE(work, at + d * d, d, d)
    spread = TAKE(work, at + 2 * d * d, k, d)
    hessian = TAKE(work, at + (2 * d + k) * d, k, k)
    matrices = code == 7
    width = d * (d + 1) // 2 if matrices else d
    parts = TAKE(work, at + (2 * d + k) * d + k * k, k, width)
    if code >= 10:
        own = CARRAY(axes, (k, d, d))
        PRINCIPAL(scatter, own, spread, pooled, root, first == 0, factor)
    else:
        for j in range(k):
            for a in range(d):
                spread[j, a] = scatter[j, a, a]
    if code == 10:
        EQUAL_SHAPE(n, spread)
        return ALONG(spread, factor, log_det, pooled, scale)
    failed = LOG_VOLUMES(
        matrices,
        n,
        spread,
        scatter,
        volume,
        first != 0,
        parts,
        pooled,
        root,
        hessian,
        gradient,
        step,
        trial,
    )
    if failed >= 0:
        return failed
    if matrices:
        return PROPORTIONAL(n, volume, scatter, factor, log_det, pooled, root)
    OF_ONE_SHAPE(n, volume, spread)
    if code == 3:
        return PUT_VARIANCES(spread, factor, log_det)
    return ALONG(spread, factor, log_det, pooled, scale)


def common_orientation(code, k, d, n, scatter, factor, log_det, volume, axes, first, work):
    """EVE and VVE."""
    n, log_det, axes = CARRAY(n, k), CARRAY(log_det, k), CARRAY(axes, (d, d))
    scatter, factor = CARRAY(scatter, (k, d, d)), CARRAY(factor, (k, d, d))
    work, at = CARRAY(work, SIZE(k, d)), 5 * (k + d)
    scale, weight, us = work[:d], work[d : d + k], work[d + k : d + 2 * k]
    bs, bases, order = work[d + 2 * k :], work[d + 3 * k :], work[d + 4 * k :]
    matrix = TAKE(work, at, d, d)
    best = TAKE(work, at + d * d, d, d)
    rows = TAKE(work, at + 2 * d * d, d, d)
    variances = TAKE(work, at + 3 * d * d, k, d)
    for j in range(k):
        trace = 0.0
        for a in range(d):
            trace += scatter[j, a, a]
        if not SPREAD(trace):
            return j
    COMMON_AXES(
        code == 8,
        n,
        scatter,
        axes,
        first,
        factor,
        matrix,
        rows,
        scale,
        best,
        weight,
        us,
        bs,
        bases,
        order,
    )
    IN_AXES(scatter, axes, variances)
    for j in range(k):
        COPY(axes, factor[j])
    if code == 8:
        failed = EQUAL_VOLUME(n, variances, log_det)
        if failed >= 0:
            return failed
    else:
        for j in range(k):
            for a in range(d):
                variances[j, a] /= n[j]
    return ALONG(variances, factor, log_det, matrix, scale)


def take(work, at, rows, columns):
    """A matrix in the scratch buffer."""
    return work[at : at + rows * columns].reshape(rows, columns)
