"""Densities of Student t distributions whose scale matrices are multiples of covariances.

Coordinates of a multivariate t distribution that are integrated out leave one with the same degrees
of freedom: rows with missing values cost nothing in accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from ellimix.engines.numpy_engine import log_potentials
from ellimix.engines.patterns import integrated
from ellimix.records import Array, Factor, Potentials, Rows

LOG_2PI = float(np.log(2.0 * np.pi))
LOG_PI = float(np.log(np.pi))


@final
@dataclass(frozen=True)
class Students:
    """k Student t distributions in d dimensions.

    Parameters
    ----------
    gaussian : Potentials
        Those of normal densities N(location_k, Sigma_k), with integral 1.
    degrees : ndarray of shape (k,)
        Degrees of freedom; infinite for normal distributions.
    scale : ndarray of shape (k,)
        Sigma_k times this is the scale matrix.
    apart : bool
        Whether the d coordinates are independent, each with its own t distribution: then the
        factors are diagonal.
    """

    gaussian: Potentials
    degrees: Array
    scale: Array
    apart: bool

    def log_density(self, rows: Rows) -> Array:
        """Natural logarithms of the densities, (n, k); NaN in a row is integrated out."""
        gaps = np.isnan(rows)
        if not gaps.any():
            whole = np.zeros(rows.shape[1], dtype=bool)
            return self._observed(np.ascontiguousarray(rows.T, dtype=np.float64), whole).T
        out = np.empty((rows.shape[0], self.degrees.size))
        patterns, which = np.unique(gaps, axis=0, return_inverse=True)
        which = which.reshape(-1)  # NumPy 2.0 gave it a second axis
        for number, missing in enumerate(patterns):
            index = np.flatnonzero(which == number)
            columns = np.ascontiguousarray(rows[index][:, ~missing].T, dtype=np.float64)
            out[index] = self._observed(columns, missing).T
        return out

    def _observed(self, columns: Array, missing: NDArray[np.bool_]) -> Array:
        """Rows with these coordinates observed, (k, n)."""
        p = columns.shape[0]
        if p == 0:
            return np.zeros((self.degrees.size, columns.shape[1]))
        if self.apart:
            return self._apart(columns, missing)
        rest = integrated(self.gaussian, missing).potentials if missing.any() else self.gaussian
        distance = -2.0 * log_potentials(replace(rest, offset=np.zeros_like(rest.offset)), columns)
        # of the normal density all but its constant is -1/2 log |Sigma|
        half_log_det = -(rest.offset + 0.5 * p * LOG_2PI) + 0.5 * p * np.log(self.scale)
        scaled = distance / self.scale[:, None]
        return np.asarray(log_student(scaled, self.degrees[:, None], p) - half_log_det[:, None])

    def _apart(self, columns: Array, missing: NDArray[np.bool_]) -> Array:
        center, factor = self.gaussian.center[:, ~missing], self.gaussian.factor[:, ~missing]
        factor = factor / np.sqrt(self.scale)[:, None]
        out = np.zeros((self.degrees.size, columns.shape[1]))
        for j, column in enumerate(columns):
            z = (column - center[:, j, None]) * factor[:, j, None]
            out += log_student(z * z, self.degrees[:, None], 1) + np.log(factor[:, j, None])
        return out

    def sample(self, labels: NDArray[np.intp], rng: np.random.Generator) -> Array:
        """One row of each component named in `labels` (n,), (n, d)."""
        center, factor = self.gaussian.center, self.gaussian.factor
        rows = center[labels]
        noise = rng.standard_normal(rows.shape)
        degrees = self.degrees[labels][:, None]
        finite = np.isfinite(degrees)
        chi = rng.chisquare(np.where(finite, degrees, 1.0), (labels.size, self._chi_columns))
        spread = np.where(finite, degrees / chi, 1.0) * self.scale[labels][:, None]
        if self.gaussian.shape is Factor.DIAGONAL:
            noise /= factor[labels]
        else:
            turned = np.swapaxes(np.linalg.inv(factor), -1, -2)  # F^-T z has covariance Sigma
            wide = np.broadcast_to(turned, (self.degrees.size, *turned.shape[-2:]))
            for k, own in enumerate(wide):
                noise[labels == k] = noise[labels == k] @ own.T
        return rows + noise * np.sqrt(spread)

    @property
    def _chi_columns(self) -> int:
        return self.gaussian.center.shape[1] if self.apart else 1


def log_student(distance: Array, degrees: Array, p: int) -> Array:
    """Log-density of a t distribution in p > 0 dimensions with identity scale matrix.

    Parameters
    ----------
    distance : ndarray
        Squared distances from the location.
    degrees : ndarray
        Broadcasts; infinite for the normal density.
    p : int
    """
    finite = np.isfinite(degrees)
    nu = np.where(finite, degrees, 1.0)
    # log Gamma((nu + p) / 2) - log Gamma(nu / 2) cancels for large nu, the beta function does not
    constant = gammaln(0.5 * p) - betaln(0.5 * nu, 0.5 * p) - 0.5 * p * (np.log(nu) + LOG_PI)
    heavy = constant - 0.5 * (nu + p) * np.log1p(distance / nu)
    return np.asarray(np.where(finite, heavy, -0.5 * (p * LOG_2PI + distance)))
