"""The multivariate Student t distribution: what a multivariate normal posterior predicts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaln, stdtrit

from ellimix.bayes import checks
from ellimix.bayes.statistics import as_rows
from ellimix.records import Array


@final
@dataclass(frozen=True, eq=False)
class MultivariateT:
    """Student's t in d dimensions.

    Parameters
    ----------
    mean : array-like of shape (d,)
        The center, which is the mean where degrees > 1.
    shape : array-like of shape (d, d)
        Positive definite; the covariance is degrees / (degrees - 2) times it, where degrees > 2.
    degrees : float

    Raises
    ------
    ValueError
        `shape` is not positive definite, or `degrees` not positive.
    """

    mean: Array
    shape: Array
    degrees: float

    def __post_init__(self) -> None:
        center = checks.vector(self.mean, "mean")
        object.__setattr__(self, "mean", center)
        matrix = checks.scale_matrix(self.shape, center.size, improper=False, name="shape")
        object.__setattr__(self, "shape", matrix)
        object.__setattr__(self, "degrees", checks.positive(self.degrees, "degrees"))

    def logpdf(self, X: Any) -> Array:
        """Logarithm of the density at rows (n, d), in nats, (n,).

        Raises
        ------
        DataError
            A value is NaN, or the rows have another width.
        """
        rows, d, nu = as_rows(X, self.mean.size), self.mean.size, self.degrees
        factor = np.linalg.cholesky(self.shape)
        z = solve_triangular(factor, (rows - self.mean).T, lower=True)
        distance = np.einsum("in,in->n", z, z)
        constant = float(gammaln(0.5 * (nu + d)) - gammaln(0.5 * nu))
        constant -= 0.5 * d * math.log(nu * math.pi) + float(np.log(np.diagonal(factor)).sum())
        out: Array = constant - 0.5 * (nu + d) * np.log1p(distance / nu)
        return out

    def pdf(self, X: Any) -> Array:
        """The density at rows (n, d), (n,). Raises as `logpdf` does."""
        return np.exp(self.logpdf(X))

    def cdf(self, X: Any, rng: Any = 0) -> Array:
        """Probability to lie below each of the rows (n, d) in every feature, (n,).

        By SciPy's quasi-Monte Carlo integration, to about 1e-5.

        Parameters
        ----------
        X : array-like of shape (n, d)
        rng : int or numpy Generator, default=0
            Of the integration.

        Raises
        ------
        DataError
            A value is NaN, or the rows have another width.
        """
        from scipy.stats import multivariate_t

        rows = as_rows(X, self.mean.size)
        if self.mean.size == 1:
            return np.asarray(self.marginal(0).cdf(rows[:, 0]))
        random = np.random.default_rng(rng)
        law = multivariate_t(self.mean, self.shape, self.degrees)
        return np.array([float(law.cdf(row, random_state=random)) for row in rows])

    def interval(self, level: float = 0.9) -> Array:
        """Central intervals of each feature by itself, (d, 2)."""
        below = 0.5 - 0.5 * checks.probability(level, "level")
        half = -float(stdtrit(self.degrees, below)) * np.sqrt(np.diagonal(self.shape))
        return np.column_stack([self.mean - half, self.mean + half])

    def marginal(self, feature: int) -> Any:
        """The distribution of one feature, a frozen `scipy.stats.t`."""
        from scipy.stats import t

        j = checks.feature(feature, self.mean.size)
        return t(self.degrees, self.mean[j], math.sqrt(self.shape[j, j]))

    def rvs(self, n: int, rng: Any = None) -> Array:
        """Random rows (n, d)."""
        size, d = checks.count(n, "n"), self.mean.size
        random = np.random.default_rng(rng)
        normal = random.standard_normal((size, d)) @ np.linalg.cholesky(self.shape).T
        chi2 = np.maximum(random.chisquare(self.degrees, size), checks.LEAST_CHI2)
        stretch = np.sqrt(self.degrees / chi2)
        out: Array = self.mean + stretch[:, None] * normal
        return out
