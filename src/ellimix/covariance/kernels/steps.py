"""One entry point for the compiled M-steps of all families.

Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

SPHERICAL = EQUAL_VARIANCES = OWN_VARIANCES = EQUAL_VOLUME = PUT_VARIANCES = None
EQUAL_MATRICES = OWN_MATRICES = PRINCIPAL = EQUAL_SHAPE = ALONG = None
LOG_VOLUMES_OF_VARIANCES = LOG_VOLUMES_OF_MATRICES = OF_ONE_SHAPE = PROPORTIONAL = None
COMMON_AXES = IN_AXES = DIAGONAL = ORIENTED = None


def m_step(code, n, scatter, factor, log_det, volume, axes, first, work):
    """The M-step of family number `code`, in the registry's order: -1, or what is singular."""
    if code == 3 or code == 7 or code == 8 or code == 9 or code == 11:
        return -2  # not compiled yet
    if code < 2:
        return SPHERICAL(code == 0, n, scatter, factor, log_det)
    if code == 2:
        return EQUAL_VARIANCES(n, scatter, factor, log_det)
    if code == 5:
        return OWN_VARIANCES(n, scatter, factor, log_det)
    if code == 6:
        return EQUAL_MATRICES(n, scatter, factor, log_det, work)
    if code >= 12:
        return OWN_MATRICES(code == 12, n, scatter, factor, log_det)
    if code < 6:
        return DIAGONAL(code, n, scatter, factor, log_det, volume, first, work)
    return ORIENTED(code, n, scatter, factor, log_det, volume, axes, first, work)


def diagonal(code, n, scatter, factor, log_det, volume, first, work):
    """VEI and EVI."""
    k, d = scatter.shape[0], scatter.shape[1]
    variances = work[: k * d].reshape(k, d)
    for j in range(k):
        for a in range(d):
            variances[j, a] = scatter[j, a, a]
    failed = EQUAL_VOLUME(n, variances, log_det)
    if failed >= 0:
        return failed
    return PUT_VARIANCES(variances, factor)


def oriented(code, n, scatter, factor, log_det, volume, axes, first, work):
    """EEV."""
    k, d = scatter.shape[0], scatter.shape[1]
    spread = work[: k * d].reshape(k, d)
    matrix = work[k * d : (k + d) * d].reshape(d, d)
    scale = work[(k + d) * d : (k + d + 1) * d]
    PRINCIPAL(scatter, factor, spread, matrix)
    EQUAL_SHAPE(n, spread)
    return ALONG(spread, factor, log_det, matrix, scale)
