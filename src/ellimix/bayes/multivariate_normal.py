"""A multivariate normal with unknown mean and covariance: normal-inverse-Wishart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh
from scipy.special import multigammaln

from ellimix.bayes import checks
from ellimix.bayes.answers import MultivariateEstimate, MultivariateInterval
from ellimix.bayes.existence import demand
from ellimix.bayes.gamma import log_gamma_ratio
from ellimix.bayes.multivariate_t import MultivariateT
from ellimix.bayes.normal import Normal
from ellimix.bayes.pictures import drawn
from ellimix.bayes.statistics import Statistics, of_rows, of_sums
from ellimix.records import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOG_PI = math.log(math.pi)


@final
@dataclass(frozen=True, eq=False)
class MultivariateNormal:
    """What is known of a multivariate normal's mean mu and covariance Sigma.

    Sigma ~ inverse Wishart(degrees, scale), whose density falls as exp(-tr(scale Sigma^-1) / 2),
    and mu | Sigma ~ N(location, Sigma / kappa). Gelman et al. (2013), section 3.6, where `scale` is
    Lambda_0; Murphy (2007), section 9.

    Parameters
    ----------
    location : array-like of shape (d,)
        Of the mean's distribution.
    kappa : float
        How many rows the knowledge of the mean is worth.
    degrees : float
        nu, degrees of freedom: more than d - 1.
    scale : array-like of shape (d, d)
        Sum of squares and products: about degrees - d - 1 times the covariance expected.
    improper : bool, default=False
        Whether to allow what is no distribution yet: a kappa of 0, a singular scale, degrees down
        to -1. It is set to False where the numbers make a distribution.

    Raises
    ------
    ValueError
        kappa is not positive, degrees are d - 1 or less, scale is not positive definite or does
        not fit the mean.

    Examples
    --------
    >>> import ellimix as em
    >>> X, names = em.datasets.faithful()
    >>> prior = em.bayes.MultivariateNormal(
    ...     location=[3.0, 60.0], kappa=1.0, degrees=5.0, scale=[[2.0, 0.0], [0.0, 400.0]]
    ... )
    >>> posterior = prior.update(X[:200]).update(X[200:])
    >>> posterior.mean().mean.round(2)
    array([ 3.49, 70.86])
    """

    location: Array
    kappa: float
    degrees: float
    scale: Array
    improper: bool = False

    def __post_init__(self) -> None:
        center, loose = checks.vector(self.location, "location"), bool(self.improper)
        d = center.size
        kappa, nu = checks.shape_of_normal(self.kappa, self.degrees, d, improper=loose)
        scale = checks.scale_matrix(self.scale, d, improper=loose)
        regular = not loose or checks.smallest_eigenvalue(scale) >= checks.SMALLEST * d
        proper = kappa > 0.0 and nu > d - 1.0 and regular
        for name, value in (("location", center), ("kappa", kappa), ("degrees", nu)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "improper", not proper)

    @classmethod
    def vague(cls, n_features: int) -> MultivariateNormal:
        """The improper prior ``|Sigma|^(-(d + 1) / 2)`` (Gelman et al. 2013, section 3.6).

        Jeffreys' rule applied to mean and covariance one by one; d + 1 rows in general position
        make it proper.

        Examples
        --------
        >>> import ellimix as em
        >>> em.bayes.MultivariateNormal.vague(2).update([[0, 0], [0, 1]]).predictive()
        Traceback (most recent call last):
        ellimix.errors.ImproperPosterior: The predictive distribution does not exist yet: degrees is
        1 and must exceed 1. Update with 1 more row.
        """
        d = checks.count(n_features, "n_features")
        return cls(np.zeros(d), 0.0, -1.0, np.zeros((d, d)), improper=True)

    @property
    def n_features(self) -> int:
        """Number of features d."""
        return int(self.location.size)

    @property
    def is_proper(self) -> bool:
        """Whether this is a distribution: kappa > 0, degrees > d - 1, scale positive definite."""
        return not self.improper

    def update(self, batch: Any, sample_weight: Any = None) -> MultivariateNormal:
        """The posterior after a batch, which is the prior of the next one.

        Gelman et al. (2013), section 3.6. As `Normal.update` otherwise.

        Parameters
        ----------
        batch : array-like of shape (n, d), or a single row (d,)
        sample_weight : array-like of shape (n,), optional
            2 counts the row twice.

        Returns
        -------
        MultivariateNormal

        Raises
        ------
        DataError
            A value is NaN or infinite, or the shapes do not fit.
        """
        return self._updated(of_rows(batch, sample_weight, self.n_features))

    def from_statistics(self, n: float, s1: Any, s2: Any, center: Any = None) -> MultivariateNormal:
        """The posterior after rows of which sums are known: those of one component, for example.

        Parameters
        ----------
        n : float
            Count, or sum of weights.
        s1 : array-like of shape (d,)
            Sum of x - center.
        s2 : array-like of shape (d, d)
            Sum of (x - center)(x - center)^T.
        center : array-like of shape (d,), optional
            0 by default. Near the rows' mean it saves digits.

        Returns
        -------
        MultivariateNormal

        Raises
        ------
        DataError
            No rows have such sums.
        """
        return self._updated(of_sums(n, s1, s2, center, self.n_features))

    def forget(self, factor: float, prior: MultivariateNormal | None = None) -> MultivariateNormal:
        """Take part of what was learned away, for a normal that drifts. See `Normal.forget`.

        Parameters
        ----------
        factor : float
            From 0, forget all, to 1, forget nothing.
        prior : MultivariateNormal, optional
            What is not forgotten; by default the vague prior, so that all is.

        Raises
        ------
        ValueError
            `factor` is not from 0 to 1, or `prior` is of another kind or width.
        """
        keep, d = checks.share(factor, "factor"), self.n_features
        base = MultivariateNormal.vague(d) if prior is None else prior
        checks.prior_of(base, self)
        if base.n_features != d:
            raise ValueError(f"prior has {base.n_features} features, this posterior {d}.")
        drop = 1.0 - keep
        kappa = drop * base.kappa + keep * self.kappa
        degrees = drop * base.degrees + keep * self.degrees
        scale = drop * base.scale + keep * self.scale
        if kappa == 0.0:
            return MultivariateNormal(base.location, 0.0, degrees, scale, improper=True)
        share, shift = keep * self.kappa / kappa, self.location - base.location
        scale = scale + drop * base.kappa * share * np.outer(shift, shift)
        return MultivariateNormal(
            base.location + share * shift, kappa, degrees, scale, improper=True
        )

    def marginal(self, feature: int) -> Normal:
        """What is known of one feature's mean and variance.

        Its degrees are d - 1 fewer: a block of an inverse Wishart matrix.

        Raises
        ------
        ValueError
            `feature` is not a column from 0 to d - 1.
        ImproperPosterior
            `degrees` are so few that not even the vague prior is left.
        """
        j, d = checks.feature(feature, self.n_features), self.n_features
        demand("The marginal", self.kappa, self.degrees, d, proper=True, above=d - 1.0)
        degrees, scale = self.degrees - (d - 1.0), float(self.scale[j, j])
        return Normal(float(self.location[j]), self.kappa, degrees, scale, improper=True)

    def map(self) -> MultivariateEstimate:
        """The most probable mean and covariance together: scale / (degrees + d + 2).

        Raises
        ------
        ImproperPosterior
            Before d + 1 rows in general position, without a proper prior.
        """
        self._demand("The mode")
        return MultivariateEstimate(
            self.location, self.scale / (self.degrees + self.n_features + 2.0)
        )

    def mean(self) -> MultivariateEstimate:
        """Posterior means, the estimates with the least expected squared error.

        That of the covariance is scale / (degrees - d - 1).

        Raises
        ------
        ImproperPosterior
            `degrees` are d + 1 or fewer: the expected covariance is infinite.
        """
        d = self.n_features
        self._demand("The expected covariance", d + 1.0)
        return MultivariateEstimate(self.location, self.scale / (self.degrees - d - 1.0))

    def interval(self, level: float = 0.9) -> MultivariateInterval:
        """Central credible intervals of each feature's mean and variance.

        Parameters
        ----------
        level : float, default=0.9
            Of each interval by itself.

        Raises
        ------
        ImproperPosterior
            Before d + 1 rows in general position, without a proper prior.
        """
        self._demand("The interval")
        parts = [self.marginal(j).interval(level) for j in range(self.n_features)]
        means, variances = np.array([p.mean for p in parts]), np.array([p.variance for p in parts])
        return MultivariateInterval(parts[0].level, means, variances)

    def predictive(self) -> MultivariateT:
        """The distribution of the next row: Student's t with degrees - d + 1 degrees of freedom.

        Gelman et al. (2013), section 3.6; Murphy (2007), section 9.

        Raises
        ------
        ImproperPosterior
            Before d + 1 rows in general position, without a proper prior.
        """
        self._demand("The predictive distribution")
        degrees = self.degrees - self.n_features + 1.0
        return MultivariateT(
            self.location, self.scale * (1.0 + 1.0 / self.kappa) / degrees, degrees
        )

    def log_evidence(self, batch: Any, sample_weight: Any = None) -> float:
        """log p(batch): the marginal likelihood of all its rows together, in nats.

        Murphy (2007), section 9.

        Parameters
        ----------
        batch : array-like of shape (n, d), or a single row (d,)
        sample_weight : array-like of shape (n,), optional

        Raises
        ------
        ImproperPosterior
            This prior is no distribution: it predicts nothing.
        DataError
            As in `update`.
        """
        self._demand("The evidence")
        d = self.n_features
        rows = of_rows(batch, sample_weight, d)
        if rows.n == 0.0:
            return 0.0
        half_nu, half_n = 0.5 * self.degrees, 0.5 * rows.n
        # log |scale + added| - log |scale|, exact where the rows are few beside the prior
        grown = eigh(self._added(rows), self.scale, eigvals_only=True)
        growth = float(np.log1p(np.maximum(grown, 0.0)).sum())
        log_det = float(np.linalg.slogdet(self.scale)[1])
        gammas = log_gamma_ratio(half_nu - 0.5 * np.arange(d), half_n)
        return float(
            gammas.sum()
            - half_n * (d * LOG_PI + log_det + growth)
            - half_nu * growth
            - 0.5 * d * math.log1p(rows.n / self.kappa)
        )

    def log_density(self, mean: ArrayLike, covariance: ArrayLike) -> Array:
        """Logarithm of the joint density of mu and Sigma, in nats.

        With respect to the d elements of mu and the d (d + 1) / 2 of Sigma's lower triangle.

        Parameters
        ----------
        mean : array-like of shape (..., d)
        covariance : array-like of shape (..., d, d)
            Symmetric; -inf is returned where it is not positive definite.

        Raises
        ------
        ImproperPosterior
            This is no distribution yet.
        """
        self._demand("The density")
        d, nu = self.n_features, self.degrees
        sigma = np.asarray(covariance, dtype=np.float64)
        away = np.asarray(mean, dtype=np.float64) - self.location
        inside = np.linalg.eigvalsh(sigma)[..., 0] > 0.0
        sigma = np.where(inside[..., None, None], sigma, np.eye(d))
        log_det = np.linalg.slogdet(sigma)[1]
        squares = self.scale + self.kappa * away[..., :, None] * away[..., None, :]
        trace = np.trace(np.linalg.solve(sigma, squares), axis1=-2, axis2=-1)
        constant = 0.5 * nu * (float(np.linalg.slogdet(self.scale)[1]) - d * math.log(2.0))
        constant -= float(multigammaln(0.5 * nu, d))
        constant += 0.5 * d * math.log(self.kappa / (2.0 * math.pi))
        out = constant - 0.5 * (nu + d + 2.0) * log_det - 0.5 * trace
        return np.where(inside, out, -np.inf)

    def sample(self, n: int, rng: Any = None) -> tuple[Array, Array]:
        """Draws of the parameters: means (n, d) and covariances (n, d, d).

        By Bartlett's decomposition of a Wishart matrix.

        Parameters
        ----------
        n : int
        rng : int, numpy Generator or None
            None draws anew each time.

        Raises
        ------
        ImproperPosterior
            This is no distribution yet.
        """
        size, d = checks.count(n, "n"), self.n_features
        self._demand("A draw")
        random = np.random.default_rng(rng)
        bartlett = np.tril(random.standard_normal((size, d, d)), -1)
        chi2 = random.chisquare(self.degrees - np.arange(d), (size, d))
        chi2 = np.maximum(chi2, checks.LEAST_CHI2)
        bartlett[:, np.arange(d), np.arange(d)] = np.sqrt(chi2)
        # Sigma^-1 = L^-T A A^T L^-1 with scale = L L^T: Sigma = M M^T with M^T = A^-1 L^T
        factor = np.linalg.solve(bartlett, np.linalg.cholesky(self.scale).T)
        covariances = np.swapaxes(factor, 1, 2) @ factor
        z = random.standard_normal((size, d)) / math.sqrt(self.kappa)
        means: Array = self.location + np.einsum("nij,ni->nj", factor, z)
        return means, covariances

    def plot(
        self,
        prior: MultivariateNormal | None = None,
        data: Any = None,
        sample_weight: Any = None,
        axes: Any = None,
    ) -> tuple[Axes, ...]:
        """Draw prior, likelihood and posterior: see `ellimix.plots.posterior_plot`."""
        return drawn(prior, self, data, sample_weight, axes)

    def _updated(self, rows: Statistics) -> MultivariateNormal:
        if rows.n == 0.0:
            return self
        kappa = self.kappa + rows.n
        return MultivariateNormal(
            self.location + rows.n / kappa * rows.shift(self.location),
            kappa,
            self.degrees + rows.n,
            self.scale + self._added(rows),
            improper=True,
        )

    def _added(self, rows: Statistics) -> Array:
        """What rows add to the scale: their scatter, and the distance of their mean."""
        shift = rows.shift(self.location)
        between = self.kappa * rows.n / (self.kappa + rows.n)
        return rows.scatter + between * np.outer(shift, shift)

    def _demand(self, what: str, above: float | None = None) -> None:
        d = self.n_features
        limit = d - 1.0 if above is None else above
        demand(what, self.kappa, self.degrees, d, proper=self.is_proper, above=limit)
