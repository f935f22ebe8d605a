"""What a covariance family is, and the record it returns.

A family is a constraint on Sigma_k = lambda_k D_k A_k D_k^T: volume lambda_k, shape A_k (diagonal,
determinant 1), orientation D_k (orthogonal), after Banfield & Raftery (1993) and Celeux & Govaert
(1995). Its M-step is a pure function of the components' counts and scatter matrices: priors and
floors have already acted on those, and no row is in sight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from scipy.linalg import eigh

from ellimix.covariance.triangular import (
    NDArrayBool,
    precision_factors,
    singular_ratio,
    upper_triangular,
)
from ellimix.errors import DegenerateFit, Status
from ellimix.records import Array, Factor, Index, Moment


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
    values : ndarray of shape (..., k), (..., k, d), (..., d, d) or (..., k, d, d)
        Variances or covariance matrices, as `structure` says. Further axes in front, the same for
        all arrays, hold fits.
    factor : ndarray of the same shape
        F with precision = F F^T: reciprocal standard deviations, or upper triangular matrices.
    log_det : ndarray of shape (..., k)
        log |Sigma_k|, natural logarithm.
    orientation : ndarray of shape (..., d, d) or None
        Common eigenvectors (columns), where the family has them: the next M-step starts there.
        NaN for a fit in a stack that has none.
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

    def lengths(self, away: Array) -> Array:
        """Squared Mahalanobis lengths (..., k) of vectors (..., k, d): away^T Sigma_k^-1 away."""
        match self.structure:
            case Structure.SPHERICAL:
                white = away * self.factor[..., None]
            case Structure.DIAGONAL:
                white = away * self.factor
            case Structure.SHARED:
                white = away @ self.factor
            case Structure.FULL:
                white = (away[..., None, :] @ self.factor)[..., 0, :]
        return np.asarray(np.add.reduce(white**2, axis=-1))

    def at(self, index: Index) -> Covariance:
        """The covariances of some fits: an int gives one fit's own, anything else a stack."""
        if self.log_det.ndim == 1:
            raise ValueError("These are the covariances of one fit: they have no fit axis.")
        turned = None if self.orientation is None else self.orientation[index]
        if turned is not None and np.isnan(turned).all():
            turned = None
        values, factor = self.values[index], self.factor[index]
        return Covariance(self.structure, values, factor, self.log_det[index], turned)


def stack_covariances(covariances: Sequence[Covariance]) -> Covariance:
    """One record with a fit axis from the covariances of single fits of one structure."""
    first = covariances[0]
    if any(c.structure is not first.structure for c in covariances):
        raise ValueError("Covariances of different structures cannot be stacked.")
    axes = [c.orientation for c in covariances]
    turned = next((a for a in axes if a is not None), None)
    if turned is not None:
        none = np.full_like(turned, np.nan)
        turned = np.stack([none if a is None else a for a in axes])
    return Covariance(
        first.structure,
        np.stack([c.values for c in covariances]),
        np.stack([c.factor for c in covariances]),
        np.stack([c.log_det for c in covariances]),
        turned,
    )


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

        Further axes in front, the same for all three, hold fits: each gets what it would get
        alone, to rounding.

        Parameters
        ----------
        n : ndarray of shape (..., k)
            Positive counts.
        scatter : ndarray of shape (..., k, d), (..., d, d) or (..., k, d, d), as `moment` says
            Scatter about the components' means.
        previous : Covariance or None
            The covariances before this step. Where the maximiser has no closed form the search
            starts there, so that the step never lowers what it maximises.

        Raises
        ------
        DegenerateFit
            A covariance of the maximiser is singular. Where fits are stacked the exception is
            that of one such fit, and does not say of which.
        """
        ...

    def n_parameters(self, k: int, d: int) -> int:
        """Number of free covariance parameters."""
        ...


def free_parameters(family: Family, k: int, d: int) -> int:
    """Number of free parameters of a mixture: weights, means and covariances."""
    return k - 1 + k * d + family.n_parameters(k, d)


def spherical(values: Array, d: int, n: Array) -> Covariance:
    """Covariances ``values[..., k] I``."""
    bad = ~((values > 0.0) & (values < np.inf))
    if bad.any():
        raise collapsed(bad, n, "its rows have no spread")
    return Covariance(Structure.SPHERICAL, values, 1.0 / np.sqrt(values), d * np.log(values))


def diagonal(values: Array, n: Array) -> Covariance:
    """Covariances ``diag(values[..., k, :])``."""
    bad = ~((values > 0.0) & (values < np.inf))
    if bad.any():
        fit = first_fit(np.asarray(bad.any(axis=-1)))
        rows, columns = np.asarray(bad[fit].any(axis=-1)), np.asarray(bad[fit].any(axis=-2))
        raise collapsed(rows, n[fit], _no_spread(columns))
    log_det = np.add.reduce(np.log(values), axis=-1)
    return Covariance(Structure.DIAGONAL, values, 1.0 / np.sqrt(values), log_det)


def shared(value: Array, n: Array) -> Covariance:
    """One covariance matrix for all components of a fit."""
    factor, bad = precision_factors(value)
    if bad.any():
        fit = first_fit(bad[..., None])
        cause = why_singular(value[fit], float(n[fit].sum()))
        raise DegenerateFit(Status.COLLAPSED, (), (), f"the shared covariance: {cause}")
    log_det = log_determinant(factor)[..., None].repeat(n.shape[-1], axis=-1)
    return Covariance(Structure.SHARED, value, factor, log_det)


def full(values: Array, n: Array) -> Covariance:
    """One covariance matrix each."""
    factor, bad = precision_factors(values)
    if bad.any():
        raise singular(values, bad, n)
    return from_factor(values, factor)


def from_factor(values: Array, factor: Array, orientation: Array | None = None) -> Covariance:
    """Full covariances whose upper triangular precision factors are known."""
    return Covariance(Structure.FULL, values, factor, log_determinant(factor), orientation)


def log_determinant(factor: Array) -> Array:
    """log |Sigma| (...,) from upper triangular precision factors (..., d, d)."""
    log_det: Array = -2.0 * np.add.reduce(np.log(factor.diagonal(0, -2, -1)), axis=-1)
    return log_det


def from_axes(axes: Array, variances: Array, n: Array, common: bool = False) -> Covariance:
    """Full covariances from orthonormal axes (..., k, d, d) and variances (..., k, d) along them.

    The factor comes from the axes by an orthogonal transformation, not from a Cholesky
    factorisation of the product: small variances keep their relative accuracy.
    """
    floor = variances.max(axis=-1, keepdims=True) * singular_ratio(variances.shape[-1])
    bad = ~((variances < np.inf) & (variances > floor))
    if bad.any():
        bad = np.asarray(bad.any(axis=-1))
        raise singular((axes * variances[..., None, :]) @ np.swapaxes(axes, -1, -2), bad, n)
    values = (axes * variances[..., None, :]) @ np.swapaxes(axes, -1, -2)
    factor = upper_triangular(axes / np.sqrt(variances)[..., None, :])
    return from_factor(values, factor, axes[..., 0, :, :] if common else None)


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


def first_fit(bad: NDArrayBool) -> tuple[int, ...]:
    """Index of the first fit with a component marked in `bad` (..., k); () where there is one."""
    marked = bad.any(axis=-1)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(marked)), marked.shape))


def degenerate(status: Status, bad: NDArrayBool, n: Array, cause: str) -> DegenerateFit:
    """The exception for the components marked in `bad` (..., k), with their counts from `n`.

    Of several fits the first with such components.
    """
    fit = first_fit(bad)
    which = tuple(int(k) for k in np.flatnonzero(bad[fit]))
    return DegenerateFit(status, which, tuple(float(n[fit][k]) for k in which), cause)


def collapsed(bad: NDArrayBool, n: Array, cause: str) -> DegenerateFit:
    """The exception for components whose covariance is singular."""
    return degenerate(Status.COLLAPSED, bad, n, cause)


def singular(values: Array, bad: NDArrayBool, n: Array) -> DegenerateFit:
    """The exception for the matrices (..., k, d, d) marked in `bad` (..., k), with the cause."""
    fit = first_fit(bad)
    worst = int(np.argmax(bad[fit]))
    cause = why_singular(values[fit][worst], float(n[fit][worst]))
    return collapsed(bad[fit], n[fit], cause)


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
