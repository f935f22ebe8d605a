"""A normal whose mean and variance are unknown: the normal-inverse-gamma distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincinv, gammaln, stdtrit

from ellimix.bayes import checks
from ellimix.bayes.answers import Estimate, Interval
from ellimix.bayes.existence import demand
from ellimix.bayes.gamma import log_gamma_ratio
from ellimix.bayes.pictures import drawn
from ellimix.bayes.statistics import Statistics, of_rows, of_sums
from ellimix.records import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOG_PI = math.log(math.pi)


@final
@dataclass(frozen=True)
class Normal:
    """What is known of a normal's mean mu and variance sigma^2.

    sigma^2 ~ inverse gamma(degrees / 2, scale / 2) and mu | sigma^2 ~ N(location, sigma^2 / kappa).
    In Gelman et al. (2013), section 3.3, `scale` is nu_0 sigma_0^2: a sum of squares, which rows
    add to. Murphy (2007), sections 5 and 6. With one feature `MultivariateNormal` is the same.

    Parameters
    ----------
    location : float
        The middle of the mean's distribution.
    kappa : float
        How many rows the knowledge of the mean is worth.
    degrees : float
        nu, degrees of freedom: how many rows the knowledge of the variance is worth.
    scale : float
        Sum of squares of those rows: about degrees times the variance expected.
    improper : bool, default=False
        Whether to allow what is no distribution yet: kappa and scale of 0, degrees down to -1. It
        is set to False where the numbers make a distribution.

    Raises
    ------
    ValueError
        kappa, degrees or scale is not positive, or a number is not finite.

    Examples
    --------
    A guess of 10 worth one row, a variance of about 4 worth five:

    >>> import ellimix as em
    >>> prior = em.bayes.Normal(location=10.0, kappa=1.0, degrees=5.0, scale=5 * 4.0)
    >>> posterior = prior.update([11.0, 14.0, 13.0])
    >>> posterior
    Normal(location=12.0, kappa=4.0, degrees=8.0, scale=30.0, improper=False)
    >>> posterior.mean()
    Estimate(mean=12.0, variance=5.0)
    """

    location: float
    kappa: float
    degrees: float
    scale: float
    improper: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "location", checks.location(self.location, "location"))
        loose = bool(self.improper)
        kappa, nu = checks.shape_of_normal(self.kappa, self.degrees, 1, improper=loose)
        scale = checks.number(self.scale, "scale")
        if scale < 0.0 or (scale == 0.0 and not loose):
            raise ValueError(f"scale is {scale:.6g}: pass a positive number, a sum of squares.")
        for name, value in (("kappa", kappa), ("degrees", nu), ("scale", scale)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "improper", not (kappa > 0.0 and nu > 0.0 and scale > 0.0))

    @classmethod
    def vague(cls) -> Normal:
        """The improper prior 1 / sigma^2 (Gelman et al. 2013, section 3.2).

        Jeffreys' rule applied to mean and variance one by one. Two rows that differ make it proper,
        and its intervals of the mean are then those of the t-test.

        Examples
        --------
        >>> import ellimix as em
        >>> posterior = em.bayes.Normal.vague().update([1.0, 2.0, 3.0])
        >>> posterior
        Normal(location=2.0, kappa=3.0, degrees=2.0, scale=2.0, improper=False)
        """
        return cls(0.0, 0.0, -1.0, 0.0, improper=True)

    @property
    def is_proper(self) -> bool:
        """Whether this is a distribution: kappa, degrees and scale are positive."""
        return not self.improper

    def update(self, batch: Any, sample_weight: Any = None) -> Normal:
        """The posterior after a batch, which is the prior of the next one.

        Gelman et al. (2013), section 3.3. Batches one after the other give what all rows at once
        do, in any order. What is lost on the way is the rounding of `mean`: for rows with mean 1e8
        and standard deviation 1, about 1e-8 of `scale` a batch.

        Parameters
        ----------
        batch : array-like of shape (n,) or (n, 1), or a number
            None at all changes nothing.
        sample_weight : array-like of shape (n,), optional
            2 counts the row twice.

        Returns
        -------
        Normal

        Raises
        ------
        DataError
            A value is NaN or infinite, or the shapes do not fit.
        """
        return self._updated(of_rows(batch, sample_weight, 1))

    def from_statistics(self, n: float, s1: Any, s2: Any, center: Any = None) -> Normal:
        """The posterior after rows of which sums are known.

        Parameters
        ----------
        n : float
            Count, or sum of weights.
        s1 : float
            Sum of x - center.
        s2 : float
            Sum of (x - center)^2.
        center : float, optional
            0 by default. Near the rows' mean it saves digits.

        Returns
        -------
        Normal

        Raises
        ------
        DataError
            No rows have such sums.

        Examples
        --------
        >>> import ellimix as em
        >>> prior = em.bayes.Normal.vague()
        >>> prior.from_statistics(3, 6.0, 14.0) == prior.update([1.0, 2.0, 3.0])
        True
        """
        return self._updated(of_sums(n, s1, s2, center, 1))

    def forget(self, factor: float, prior: Normal | None = None) -> Normal:
        """Take part of what was learned away, for a normal that drifts.

        The density becomes prior^(1 - factor) times this one^factor: rows since `prior` count
        `factor` each (the power prior of Ibrahim & Chen 2000). With batches of n rows and the flat
        prior, kappa goes to n / (1 - factor).

        Parameters
        ----------
        factor : float
            From 0, forget all, to 1, forget nothing.
        prior : Normal, optional
            What is not forgotten; by default `Normal.vague`, so that all is.

        Raises
        ------
        ValueError
            `factor` is not from 0 to 1, or `prior` is of another kind.

        Examples
        --------
        >>> import ellimix as em
        >>> em.bayes.Normal(location=1.0, kappa=8.0, degrees=7.0, scale=6.0).forget(0.5)
        Normal(location=1.0, kappa=4.0, degrees=3.0, scale=3.0, improper=False)
        """
        keep = checks.share(factor, "factor")
        base = Normal.vague() if prior is None else prior
        checks.prior_of(base, self)
        drop = 1.0 - keep
        kappa = drop * base.kappa + keep * self.kappa
        degrees = drop * base.degrees + keep * self.degrees
        scale = drop * base.scale + keep * self.scale
        if kappa == 0.0:
            return Normal(base.location, 0.0, degrees, scale, improper=True)
        share, shift = keep * self.kappa / kappa, self.location - base.location
        scale += drop * base.kappa * share * shift**2
        return Normal(base.location + share * shift, kappa, degrees, scale, improper=True)

    def map(self) -> Estimate:
        """The most probable mean and variance together: scale / (degrees + 3).

        Raises
        ------
        ImproperPosterior
            Before two rows that differ, without a proper prior.
        """
        self._demand("The mode")
        return Estimate(self.location, self.scale / (self.degrees + 3.0))

    def mean(self) -> Estimate:
        """Posterior means, the estimates with the least expected squared error.

        That of the variance is scale / (degrees - 2).

        Raises
        ------
        ImproperPosterior
            `degrees` is 2 or less: the expected variance is infinite.
        """
        self._demand("The expected variance", 2.0)
        return Estimate(self.location, self.scale / (self.degrees - 2.0))

    def interval(self, level: float = 0.9) -> Interval:
        """Central credible intervals of the mean and of the variance.

        By Student's t and the inverse gamma distribution (Gelman et al. 2013, section 3.3).

        Parameters
        ----------
        level : float, default=0.9

        Raises
        ------
        ImproperPosterior
            Before two rows that differ, without a proper prior.

        Examples
        --------
        >>> import ellimix as em
        >>> low, high = em.bayes.Normal.vague().update([1.0, 2.0, 3.0]).interval(0.95).mean
        >>> round(low, 3), round(high, 3)
        (-0.484, 4.484)
        """
        inside = checks.probability(level, "level")
        self._demand("The interval")
        below = 0.5 - 0.5 * inside
        spread = math.sqrt(self.scale / self.kappa / self.degrees)
        half = -float(stdtrit(self.degrees, below)) * spread
        with np.errstate(divide="ignore"):  # beyond all doubles where degrees are next to 0
            ends = 0.5 * self.scale / gammaincinv(0.5 * self.degrees, [1.0 - below, below])
        return Interval(
            inside, (self.location - half, self.location + half), (float(ends[0]), float(ends[1]))
        )

    def predictive(self) -> Any:
        """The distribution of the next row: a frozen `scipy.stats.t` with `degrees` of freedom.

        Murphy (2007), section 5.

        Raises
        ------
        ImproperPosterior
            Before two rows that differ, without a proper prior.

        Examples
        --------
        >>> import ellimix as em
        >>> tomorrow = em.bayes.Normal.vague().update([1.0, 2.0, 3.0]).predictive()
        >>> float(tomorrow.sf(6.0).round(3))
        0.037
        """
        from scipy.stats import t

        self._demand("The predictive distribution")
        spread = self.scale * (1.0 + 1.0 / self.kappa) / self.degrees
        return t(self.degrees, self.location, math.sqrt(spread))

    def log_evidence(self, batch: Any, sample_weight: Any = None) -> float:
        """log p(batch): the marginal likelihood of all its rows together, in nats.

        The difference of two such numbers is the logarithm of a Bayes factor. Murphy (2007),
        section 5.

        Parameters
        ----------
        batch : array-like of shape (n,) or (n, 1), or a number
        sample_weight : array-like of shape (n,), optional

        Raises
        ------
        ImproperPosterior
            This prior is no distribution: it predicts nothing.
        DataError
            As in `update`.
        """
        self._demand("The evidence")
        rows = of_rows(batch, sample_weight, 1)
        if rows.n == 0.0:
            return 0.0
        half_nu, half_n, added = 0.5 * self.degrees, 0.5 * rows.n, self._added(rows)
        return float(
            log_gamma_ratio(half_nu, half_n)
            - half_n * (LOG_PI + math.log(self.scale + added))
            - half_nu * math.log1p(added / self.scale)
            - 0.5 * math.log1p(rows.n / self.kappa)
        )

    def log_density(self, mean: ArrayLike, variance: ArrayLike) -> Array:
        """Logarithm of the joint density of mu and sigma^2, in nats.

        Parameters
        ----------
        mean, variance : array-like
            Of shapes that go together; variances of 0 or less have density 0.

        Raises
        ------
        ImproperPosterior
            This is no distribution yet.
        """
        self._demand("The density")
        mu, given = np.asarray(mean, dtype=np.float64), np.asarray(variance, dtype=np.float64)
        inside = given > 0.0
        v = np.where(inside, given, 1.0)
        half_nu, half_scale = 0.5 * self.degrees, 0.5 * self.scale
        constant = half_nu * math.log(half_scale) - float(gammaln(half_nu))
        constant += 0.5 * (math.log(self.kappa) - math.log(2.0 * math.pi))
        squares = half_scale + 0.5 * self.kappa * (mu - self.location) ** 2
        out: Array = constant - (half_nu + 1.5) * np.log(v) - squares / v
        return np.where(inside, out, -np.inf)

    def sample(self, n: int, rng: Any = None) -> tuple[Array, Array]:
        """Draws of the parameters: means (n,) and variances (n,).

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
        size = checks.count(n, "n")
        self._demand("A draw")
        random = np.random.default_rng(rng)
        chi2 = np.maximum(random.chisquare(self.degrees, size), checks.LEAST_CHI2)
        variances = self.scale / chi2
        means = self.location + np.sqrt(variances / self.kappa) * random.standard_normal(size)
        return means, variances

    def plot(
        self,
        prior: Normal | None = None,
        data: Any = None,
        sample_weight: Any = None,
        axes: Any = None,
    ) -> tuple[Axes, ...]:
        """Draw prior, likelihood and posterior: see `ellimix.plots.posterior_plot`."""
        return drawn(prior, self, data, sample_weight, axes)

    def _updated(self, rows: Statistics) -> Normal:
        if rows.n == 0.0:
            return self
        kappa = self.kappa + rows.n
        shift = float(rows.shift(np.array([self.location]))[0])
        return Normal(
            self.location + rows.n / kappa * shift,
            kappa,
            self.degrees + rows.n,
            self.scale + self._added(rows),
            improper=True,
        )

    def _added(self, rows: Statistics) -> float:
        """What rows add to the scale: their scatter, and the distance of their mean."""
        shift = float(rows.shift(np.array([self.location]))[0])
        between = self.kappa * rows.n / (self.kappa + rows.n) * shift**2
        return max(float(rows.scatter[0, 0]), 0.0) + between

    def _demand(self, what: str, above: float = 0.0) -> None:
        proper = self.is_proper
        demand(what, self.kappa, self.degrees, 1, proper=proper, above=above)
