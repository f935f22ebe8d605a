"""Triangular factors of many small symmetric matrices, or of a few large ones.

LAPACK is called once a matrix, which costs about a microsecond before the first multiplication.
Many small matrices are factorised together instead: a loop over columns, each step for all
matrices at once. Both are Cholesky factorisations and differ by rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dtrtri

from ellimix.compiled import LARGEST, active
from ellimix.records import Array

EPS = float(np.finfo(np.float64).eps)
NDArrayBool = NDArray[np.bool_]

# Together where there are more than so many matrices a feature, and features are few: measured on
# one core with 1 to 16 features, where LAPACK takes 0.7 to 2 microseconds a matrix.
MANY = 6
FEW_FEATURES = 12


def singular_ratio(d: int) -> float:
    """Pivot, relative to its diagonal entry, under which a matrix counts as singular.

    32 eps sqrt(d): a few times the rounding of the sums and of the factorisation. It is a ratio
    so that it does not depend on the columns' units.
    """
    return 32.0 * EPS * float(np.sqrt(d))


def precision_factors(values: Array) -> tuple[Array, NDArrayBool]:
    """Upper triangular F with values^-1 = F F^T, and which matrices are singular.

    Parameters
    ----------
    values : ndarray of shape (..., d, d)
        Symmetric matrices.

    Returns
    -------
    factor : ndarray of shape (..., d, d)
        Anything where the matrix is singular.
    singular : ndarray of shape (...,), bool
        In double precision, whatever the columns' units; also what is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.covariance.triangular import precision_factors
    >>> factor, singular = precision_factors(np.array([[4.0, 2.0], [2.0, 5.0]]))
    >>> factor @ factor.T @ np.array([[4.0, 2.0], [2.0, 5.0]])
    array([[1., 0.],
           [0., 1.]])
    """
    d = values.shape[-1]
    host = active()
    if host is not None and d <= LARGEST:
        factor = np.empty(values.shape)
        host.factors(np.ascontiguousarray(values).reshape(-1, d, d), factor.reshape(-1, d, d))
    elif d <= FEW_FEATURES and values.size > MANY * d**3:
        factor = _factors_together(values)
    else:
        factor = _factors_in_turn(values)
    # 1 / F_jj is the root of the j-th pivot; a comparison with NaN is false
    pivot = factor.diagonal(0, -2, -1)
    with np.errstate(over="ignore", invalid="ignore"):
        sound = pivot * pivot * values.diagonal(0, -2, -1) * singular_ratio(d) < 1.0
    return factor, ~np.logical_and.reduce(sound, axis=-1)


def _factors_in_turn(values: Array) -> Array:
    """One LAPACK call after the other, in place: NaN where a factorisation fails.

    LAPACK reads C order as the transpose: the lower factor's inverse L^-1 that it leaves is
    L^-T = F to us.
    """
    out = np.array(values, order="C")
    d = out.shape[-1]
    for matrix in out.reshape(-1, d, d):
        lower, info = dpotrf(matrix.T, 1, 1, 1)  # lower, zeros above, in place
        if info == 0:
            lower, info = dtrtri(lower, 1, 0, 1)  # lower, own diagonal, in place
        matrix[...] = lower.T if info == 0 else np.nan
    return out


def _factors_together(values: Array) -> Array:
    """Gauss-Jordan elimination of (A | I) to (L^T | L^-1), a column at a time.

    Matrices lie along the last axis, so that every step's inner loop runs over them.
    """
    d = values.shape[-1]
    work = np.zeros((d, 2 * d, values.size // (d * d)))
    work[:, :d] = values.reshape(-1, d * d).T.reshape(d, d, -1)
    for j in range(d):
        work[j, d + j] = 1.0
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # the caller looks
        for j in range(d):
            row = work[j, j : d + j + 1]  # L^-1 is zero beyond
            row /= np.sqrt(row[0])
            work[j + 1 :, j + 1 : d + j + 1] -= row[1 : d - j, None] * row[1:]
    return np.ascontiguousarray(work[:, d:].transpose(2, 1, 0)).reshape(values.shape)


def upper_triangular(factor: Array) -> Array:
    """The upper triangular U with positive diagonal and U U^T = F F^T, for (..., d, d) factors."""
    d = factor.shape[-1]
    if d <= FEW_FEATURES and factor.size > MANY * d**3:
        return _upper_together(factor)
    flipped = np.swapaxes(factor[..., ::-1, :], -1, -2)
    lower = np.swapaxes(np.linalg.qr(flipped, mode="r"), -1, -2)
    upper = lower[..., ::-1, ::-1]
    return np.triu(upper * np.sign(upper.diagonal(0, -2, -1))[..., None, :])


def _upper_together(factor: Array) -> Array:
    """Modified Gram-Schmidt on the rows, from the last one up, for all matrices at once."""
    d = factor.shape[-1]
    rows = np.array(factor.reshape(-1, d * d).T.reshape(d, d, -1), order="C")
    out = np.zeros_like(rows)
    for j in range(d - 1, -1, -1):
        norm = np.sqrt(np.einsum("dn,dn->n", rows[j], rows[j]))
        out[j, j] = norm
        if j > 0:
            unit = rows[j] / norm
            along = np.einsum("idn,dn->in", rows[:j], unit)
            out[:j, j] = along
            rows[:j] -= along[:, None] * unit
    return np.ascontiguousarray(out.transpose(2, 0, 1)).reshape(factor.shape)


def cholesky(values: Array) -> tuple[Array, NDArrayBool]:
    """Lower Cholesky factors (k, d, d), and which matrices are singular in double precision."""
    d = values.shape[-1]
    with np.errstate(divide="ignore", invalid="ignore"):  # what is not positive is marked bad
        scale = np.sqrt(np.diagonal(values, axis1=1, axis2=2))
        unit = values / (scale[:, :, None] * scale[:, None, :])
    bad = ~np.isfinite(unit).all(axis=(1, 2))
    unit[bad] = np.eye(d)
    try:
        chol = np.linalg.cholesky(unit)
    except np.linalg.LinAlgError:  # one of them: find out which
        chol = np.zeros_like(unit)
        for k in range(len(unit)):
            try:
                chol[k] = np.linalg.cholesky(unit[k])
            except np.linalg.LinAlgError:
                bad[k] = True
    bad |= np.diagonal(chol, axis1=1, axis2=2).min(axis=1) ** 2 < singular_ratio(d)
    return chol * scale[:, :, None], bad


def precision_factor(chol: Array) -> Array:
    """Upper triangular F = L^-T with (L L^T)^-1 = F F^T, for (k, d, d) lower factors L."""
    return np.stack([dtrtri(lower, lower=1)[0].T for lower in chol])
