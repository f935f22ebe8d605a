"""What a covariance family is, and the record it returns.

A family is a constraint on Sigma_k = lambda_k D_k A_k D_k^T: volume lambda_k, shape A_k (diagonal,
determinant 1), orientation D_k (orthogonal), after Banfield & Raftery (1993) and Celeux & Govaert
(1995). Its M-step is a pure function of the components' counts and scatter matrices: priors and
floors have already acted on those, and no row is in sight.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.linalg.lapack import dtrtri

from ellimix.errors import DegenerateFit, Status
from ellimix.records import Array, Factor, Moment

EPS = float(np.finfo(np.float64).eps)
NDArrayBool = NDArray[np.bool_]


class Structure(Enum):
    """The shape in which a family's covariances are stored and shown."""

    SPHERICAL = "spherical"  # (k,)
    DIAGONAL = "diagonal"  # (k, d)
    SHARED = "shared"  # (d, d)
    FULL = "full"  # (k, d, d)

    @property
    def factor(self) -> Factor:
        """The shape of the factor that an engine gets."""
        return _FACTORS[self]

    def array_shape(self, k: int, d: int) -> tuple[int, ...]:
        """Shape of the array for k components and d features."""
        shapes = {"spherical": (k,), "diagonal": (k, d), "shared": (d, d), "full": (k, d, d)}
        return shapes[self.value]


_FACTORS = {
    Structure.SPHERICAL: Factor.DIAGONAL,
    Structure.DIAGONAL: Factor.DIAGONAL,
    Structure.SHARED: Factor.SHARED,
    Structure.FULL: Factor.FULL,
}


@dataclass(frozen=True, slots=True)
class Covariance:
    """Covariances of all components, with the factors of their inverses.

    Parameters
    ----------
    structure : Structure
    values : ndarray of shape (k,), (k, d), (d, d) or (k, d, d), as `structure` says
        Variances or covariance matrices.
    factor : ndarray of the same shape
        F with precision = F F^T: reciprocal standard deviations, or upper triangular matrices.
    log_det : ndarray of shape (k,)
        log |Sigma_k|, natural logarithm.
    orientation : ndarray of shape (d, d) or None
        Common eigenvectors (columns), where the family has them: the next M-step starts there.
    """

    structure: Structure
    values: Array
    factor: Array
    log_det: Array
    orientation: Array | None = None

    def precisions(self) -> Array:
        """Inverse covariances F F^T, of the shape of `values`."""
        if self.structure in (Structure.SPHERICAL, Structure.DIAGONAL):
            return self.factor**2
        return self.factor @ np.swapaxes(self.factor, -1, -2)


class Family(Protocol):
    """One of the 14 constraints; a final class with no state."""

    @property
    def name(self) -> str:
        """Three letters: volume, shape, orientation; E equal, V varying, I none."""
        ...

    @property
    def words(self) -> str:
        """The family in words."""
        ...

    @property
    def structure(self) -> Structure:
        """The shape in which covariances are stored."""
        ...

    @property
    def moment(self) -> Moment:
        """The second moment that the M-step needs."""
        ...

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """Covariances that maximise the expected complete-data log-likelihood.

        Parameters
        ----------
        n : ndarray of shape (k,)
            Positive counts.
        scatter : ndarray of shape (k, d) or (k, d, d), as `moment` says
            Scatter about the components' means.
        previous : Covariance or None
            The covariances before this step. Where the maximiser has no closed form the search
            starts there, so that the step never lowers what it maximises.

        Raises
        ------
        DegenerateFit
            A covariance of the maximiser is singular.
        """
        ...

    def n_parameters(self, k: int, d: int) -> int:
        """Number of free covariance parameters."""
        ...


def spherical(values: Array, d: int, n: Array) -> Covariance:
    """Covariances ``values[k] I``."""
    bad = ~(np.isfinite(values) & (values > 0.0))
    if bad.any():
        raise collapsed(bad, n, "its rows have no spread")
    return Covariance(Structure.SPHERICAL, values, 1.0 / np.sqrt(values), d * np.log(values))


def diagonal(values: Array, n: Array) -> Covariance:
    """Covariances ``diag(values[k])``."""
    bad = ~(np.isfinite(values) & (values > 0.0))
    if bad.any():
        rows, columns = np.asarray(bad.any(axis=1)), np.asarray(bad.any(axis=0))
        raise collapsed(rows, n, _no_spread(columns))
    return Covariance(Structure.DIAGONAL, values, 1.0 / np.sqrt(values), np.log(values).sum(axis=1))


def shared(value: Array, n: Array) -> Covariance:
    """One covariance matrix for all components."""
    chol, bad = cholesky(value[None])
    if bad.any():
        cause = why_singular(value, float(n.sum()))
        raise DegenerateFit(Status.COLLAPSED, (), (), f"the shared covariance: {cause}")
    factor = precision_factor(chol)[0]
    log_det = np.full(n.shape, -2.0 * np.log(np.diagonal(factor)).sum())
    return Covariance(Structure.SHARED, value, factor, log_det)


def full(values: Array, n: Array) -> Covariance:
    """One covariance matrix each."""
    chol, bad = cholesky(values)
    if bad.any():
        worst = int(np.argmax(bad))
        raise collapsed(bad, n, why_singular(values[worst], float(n[worst])))
    return from_factor(values, precision_factor(chol))


def from_factor(values: Array, factor: Array, orientation: Array | None = None) -> Covariance:
    """Full covariances whose upper triangular precision factors are known."""
    log_det = -2.0 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    return Covariance(Structure.FULL, values, factor, log_det, orientation)


def from_axes(axes: Array, variances: Array, n: Array, common: bool = False) -> Covariance:
    """Full covariances from orthonormal axes (k, d, d) and variances (k, d) along them.

    The factor comes from the axes by an orthogonal transformation, not from a Cholesky
    factorisation of the product: small variances keep their relative accuracy.
    """
    floor = variances.max(axis=1, keepdims=True) * singular_ratio(variances.shape[1])
    bad = ~(np.isfinite(variances) & (variances > floor))
    if bad.any():
        worst = int(np.argmax(bad.any(axis=1)))
        value = (axes[worst] * variances[worst]) @ axes[worst].T
        raise collapsed(bad.any(axis=1), n, why_singular(value, float(n[worst])))
    values = (axes * variances[:, None, :]) @ np.swapaxes(axes, 1, 2)
    factor = upper_triangular(axes / np.sqrt(variances)[:, None, :])
    return from_factor(values, factor, axes[0] if common else None)


def singular_ratio(d: int) -> float:
    """Pivot, relative to its diagonal entry, under which a matrix counts as singular.

    32 eps sqrt(d): a few times the rounding of the sums and of the factorisation. It is a ratio
    so that it does not depend on the columns' units.
    """
    return 32.0 * EPS * float(np.sqrt(d))


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


def upper_triangular(factor: Array) -> Array:
    """The upper triangular U with positive diagonal and U U^T = F F^T, for (k, d, d) factors."""
    flipped = np.swapaxes(factor[:, ::-1, :], 1, 2)
    lower = np.swapaxes(np.linalg.qr(flipped, mode="r"), 1, 2)
    upper = lower[:, ::-1, ::-1]
    return np.triu(upper * np.sign(np.diagonal(upper, axis1=1, axis2=2))[:, None, :])


def eigen(values: Array) -> tuple[Array, Array]:
    """Eigenvalues (..., d), ascending, and eigenvectors (..., d, d) of symmetric matrices.

    LAPACK's divide and conquer gives up on some finite matrices; its QR iteration then does not.
    """
    try:
        out = np.linalg.eigh(values)
        return out[0], out[1]
    except np.linalg.LinAlgError:
        flat = values.reshape(-1, *values.shape[-2:])
        pairs = [eigh(matrix, driver="ev") for matrix in flat]
        stacked = np.stack([w for w, _ in pairs]), np.stack([v for _, v in pairs])
        return stacked[0].reshape(values.shape[:-1]), stacked[1].reshape(values.shape)


def degenerate(status: Status, bad: NDArrayBool, n: Array, cause: str) -> DegenerateFit:
    """The exception for the components marked in `bad` (k,), with their counts from `n`."""
    which = tuple(int(k) for k in np.flatnonzero(bad))
    return DegenerateFit(status, which, tuple(float(n[k]) for k in which), cause)


def collapsed(bad: NDArrayBool, n: Array, cause: str) -> DegenerateFit:
    """The exception for components whose covariance is singular."""
    return degenerate(Status.COLLAPSED, bad, n, cause)


def check_spread(trace: Array, n: Array) -> None:
    """Raise `DegenerateFit` for components whose scatter has trace 0."""
    flat = ~(trace > 0.0)
    if flat.any():
        raise collapsed(flat, n, "its rows have no spread")


def why_singular(value: Array, count: float) -> str:
    """The likely reason why a covariance matrix (d, d) is singular, as a clause."""
    d = value.shape[0]
    variances = np.diagonal(value)
    flat = ~(variances > 0.0)
    if flat.all():
        return "its rows have no spread"
    if flat.any():
        return _no_spread(flat)
    if count < d + 1:
        return f"it has fewer rows than the {d + 1} that a covariance of {d} features needs"
    return "its rows lie in a flat: some columns are linear combinations of others there"


def _no_spread(columns: NDArrayBool) -> str:
    names = ", ".join(str(int(j)) for j in np.flatnonzero(columns)[:5])
    return f"its rows have no spread in column(s) {names}"
