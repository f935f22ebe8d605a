"""One entry point for the compiled M-steps of all families.

Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

SPHERICAL = EQUAL_VARIANCES = OWN_VARIANCES = EQUAL_VOLUME = PUT_VARIANCES = None
EQUAL_MATRICES = OWN_MATRICES = PRINCIPAL = EQUAL_SHAPE = ALONG = None
COMMON_AXES = IN_AXES = LOG_VOLUMES = OF_ONE_SHAPE = PROPORTIONAL = SPREAD = None
DIAGONAL = ORIENTED = COMMON = ONE_SHAPE = MATRICES = TAKE = None


def m_step(code, n, scatter, factor, log_det, volume, axes, first, work):
    """The M-step of family number `code`, in the registry's order: -1, or what is singular."""
    if code < 2:
        return SPHERICAL(code == 0, n, scatter, factor, log_det)
    if code == 2:
        return EQUAL_VARIANCES(n, scatter, factor, log_det)
    if code == 5:
        return OWN_VARIANCES(n, scatter, factor, log_det)
    if code == 6:
        return EQUAL_MATRICES(n, scatter, factor, log_det, work)
    if code == 7:
        return MATRICES(n, scatter, factor, log_det, volume, first, work)
    if code >= 12:
        return OWN_MATRICES(code == 12, n, scatter, factor, log_det)
    if code < 6:
        return DIAGONAL(code, n, scatter, factor, log_det, volume, first, work)
    return ORIENTED(code, n, scatter, factor, log_det, volume, axes, first, work)


def diagonal(code, n, scatter, factor, log_det, volume, first, work):
    """VEI and EVI."""
    k, d = scatter.shape[0], scatter.shape[1]
    variances = TAKE(work, 0, k, d)
    for j in range(k):
        for a in range(d):
            variances[j, a] = scatter[j, a, a]
    failed = -1
    if code == 4:
        failed = EQUAL_VOLUME(n, variances, log_det)
    else:
        failed = ONE_SHAPE(n, variances, scatter, volume, first, work)
    if failed >= 0:
        return failed
    return PUT_VARIANCES(variances, factor, log_det)


def oriented(code, n, scatter, factor, log_det, volume, axes, first, work):
    """EEV, VEV, EVE and VVE."""
    k, d = scatter.shape[0], scatter.shape[1]
    variances = TAKE(work, 0, k, d)
    matrix = TAKE(work, k * d, d, d)
    scale = TAKE(work, (k + d) * d, 1, d)
    failed = -1
    if code >= 10:
        rows = TAKE(work, work.size - d * d, d, d)
        PRINCIPAL(scatter, axes, variances, matrix, rows, first == 0, factor)
        if code == 10:
            EQUAL_SHAPE(n, variances)
        else:
            failed = ONE_SHAPE(n, variances, scatter, volume, first, work)
    else:
        failed = COMMON(code == 8, n, scatter, factor, variances, matrix, axes[0], first, work)
    if failed >= 0:
        return failed
    return ALONG(variances, factor, log_det, matrix, scale[0])


def common(equal, n, scatter, factor, variances, matrix, axes, first, work):
    """EVE's and VVE's variances, and axes in `factor`."""
    k, d = scatter.shape[0], scatter.shape[1]
    at = (k + d + 1) * d
    best = TAKE(work, at, d, d)
    plane = TAKE(work, at + d * d, 5, k)
    for j in range(k):
        trace = 0.0
        for a in range(d):
            trace += scatter[j, a, a]
        if not SPREAD(trace):
            return j
    rows = TAKE(work, work.size - d * d, d, d)
    COMMON_AXES(
        equal, n, scatter, axes, first, factor, matrix, rows, variances, best, plane[4], plane
    )
    IN_AXES(scatter, axes, variances)
    for j in range(k):
        for a in range(d):
            for b in range(d):
                factor[j, a, b] = axes[a, b]
    if equal:
        return EQUAL_VOLUME(n, variances, plane[0])
    for j in range(k):
        for a in range(d):
            variances[j, a] /= n[j]
    return -1


def one_shape(n, variances, scatter, volume, first, work):
    """VEI's and VEV's variances from spreads along axes, which they replace."""
    k, d = variances.shape
    at = (k + d + 1) * d
    parts = TAKE(work, at, k, d)
    hessian = TAKE(work, at + k * d, k, k)
    vectors = TAKE(work, at + k * (d + k), 3, k)
    failed = LOG_VOLUMES(
        False, n, variances, scatter, volume, first, parts, scatter, hessian, vectors
    )
    if failed < 0:
        OF_ONE_SHAPE(n, volume, variances)
    return failed


def matrices(n, scatter, factor, log_det, volume, first, work):
    """VEE."""
    k, d = scatter.shape[0], scatter.shape[1]
    pair = work[: 2 * d * d].reshape(2, d, d)
    width = d * (d + 1) // 2
    at = 2 * d * d
    parts = TAKE(work, at, k, width)
    hessian = TAKE(work, at + k * width, k, k)
    vectors = TAKE(work, at + k * (width + k), 3, k)
    failed = LOG_VOLUMES(True, n, parts, scatter, volume, first, parts, pair, hessian, vectors)
    if failed >= 0:
        return failed
    return PROPORTIONAL(n, volume, scatter, factor, log_det, pair)


def take(work, at, rows, columns):
    """A matrix in the scratch buffer."""
    return work[at : at + rows * columns].reshape(rows, columns)
