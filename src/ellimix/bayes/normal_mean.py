"""The mean of a normal whose variance is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from ellimix.bayes import checks
from ellimix.bayes.answers import Estimate, Interval
from ellimix.bayes.pictures import drawn
from ellimix.bayes.statistics import Statistics, of_rows, of_sums
from ellimix.errors import ImproperPosterior
from ellimix.records import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOG_2PI = math.log(2.0 * math.pi)


@final
@dataclass(frozen=True)
class NormalMean:
    """What is known of the mean of a normal with known variance: mu ~ N(location, variance).

    Gelman et al. (2013), section 2.5; Murphy (2007), section 2.

    Parameters
    ----------
    location : float
        The middle of the mean's distribution.
    variance : float
        Of the mean, as far as it is known; infinite where nothing is (see `vague`).
    noise_variance : float
        Of a row about the mean; known.

    Raises
    ------
    ValueError
        A variance is not positive, or a number is not finite.

    Examples
    --------
    A scale with a standard deviation of 0.1 shows 9.8, 10.1 and 10.0:

    >>> import ellimix as em
    >>> prior = em.bayes.NormalMean(location=9.0, variance=1.0, noise_variance=0.01)
    >>> posterior = prior.update([9.8, 10.1, 10.0])
    >>> round(posterior.location, 3), round(posterior.variance, 5)
    (9.963, 0.00332)
    """

    location: float
    variance: float
    noise_variance: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "location", checks.location(self.location, "location"))
        variance = checks.positive(self.variance, "variance", infinite=True)
        object.__setattr__(self, "variance", variance)
        noise = checks.positive(self.noise_variance, "noise_variance")
        object.__setattr__(self, "noise_variance", noise)

    @classmethod
    def vague(cls, noise_variance: float) -> NormalMean:
        """The flat, improper prior; one row makes it proper (Gelman et al. 2013, section 2.5)."""
        return cls(0.0, math.inf, noise_variance)

    @property
    def is_proper(self) -> bool:
        """Whether this is a distribution: the variance is finite."""
        return math.isfinite(self.variance)

    def update(self, batch: Any, sample_weight: Any = None) -> NormalMean:
        """The posterior after a batch, which is the prior of the next one.

        Parameters
        ----------
        batch : array-like of shape (n,) or (n, 1), or a number
            None at all changes nothing.
        sample_weight : array-like of shape (n,), optional
            2 counts the row twice.

        Returns
        -------
        NormalMean

        Raises
        ------
        DataError
            A value is NaN or infinite, or the shapes do not fit.

        Examples
        --------
        >>> import ellimix as em
        >>> prior = em.bayes.NormalMean(0.0, 1.0, noise_variance=1.0)
        >>> prior.update([1.0, 2.0]) == prior.update(1.0).update(2.0)
        True
        """
        return self._updated(of_rows(batch, sample_weight, 1))

    def from_statistics(self, n: float, s1: Any, s2: Any, center: Any = None) -> NormalMean:
        """The posterior after rows of which sums are known. See `Normal.from_statistics`."""
        return self._updated(of_sums(n, s1, s2, center, 1))

    def forget(self, factor: float, prior: NormalMean | None = None) -> NormalMean:
        """Take part of what was learned away, for a mean that drifts.

        The density becomes prior^(1 - factor) times this one^factor: rows since `prior` count
        `factor` each (the power prior of Ibrahim & Chen 2000).

        Parameters
        ----------
        factor : float
            From 0, forget all, to 1, forget nothing.
        prior : NormalMean, optional
            What is not forgotten; by default the flat prior, so that all is.

        Raises
        ------
        ValueError
            `factor` is not from 0 to 1, or `prior` is of another kind or noise variance.

        Examples
        --------
        >>> import ellimix as em
        >>> em.bayes.NormalMean(3.0, 0.5, noise_variance=1.0).forget(0.5)
        NormalMean(location=3.0, variance=1.0, noise_variance=1.0)
        """
        keep = checks.share(factor, "factor")
        base = NormalMean.vague(self.noise_variance) if prior is None else prior
        checks.prior_of(base, self)
        if base.noise_variance != self.noise_variance:
            raise ValueError(
                f"prior has noise_variance {base.noise_variance:.6g}, this posterior "
                f"{self.noise_variance:.6g}: pass the prior that it came from."
            )
        kept = keep / self.variance
        precision = (1.0 - keep) / base.variance + kept
        if precision == 0.0:
            return NormalMean.vague(self.noise_variance)
        mean = base.location + kept / precision * (self.location - base.location)
        return NormalMean(mean, 1.0 / precision, self.noise_variance)

    def map(self) -> Estimate:
        """The mode: the most probable mean, with the variance that is known.

        Raises
        ------
        ImproperPosterior
            Nothing is known of the mean yet.
        """
        self._demand("The mode")
        return Estimate(self.location, self.noise_variance)

    def mean(self) -> Estimate:
        """The mean of the posterior, the estimate with the least expected squared error.

        Raises
        ------
        ImproperPosterior
            Nothing is known of the mean yet.
        """
        self._demand("The posterior mean")
        return Estimate(self.location, self.noise_variance)

    def interval(self, level: float = 0.9) -> Interval:
        """The central credible interval of the mean; that of the known variance is a point.

        Parameters
        ----------
        level : float, default=0.9

        Raises
        ------
        ImproperPosterior
            Nothing is known of the mean yet.
        """
        inside = checks.probability(level, "level")
        self._demand("The interval of the mean")
        half = -float(ndtri(0.5 - 0.5 * inside)) * math.sqrt(self.variance)
        noise = self.noise_variance
        return Interval(inside, (self.location - half, self.location + half), (noise, noise))

    def predictive(self) -> Any:
        """The distribution of the next row, a frozen `scipy.stats.norm`.

        Its variance is that of a row about the mean plus that of the mean (Murphy 2007, section 2).

        Raises
        ------
        ImproperPosterior
            Nothing is known of the mean yet.

        Examples
        --------
        >>> import ellimix as em
        >>> float(em.bayes.NormalMean(2.0, 3.0, noise_variance=1.0).predictive().std())
        2.0
        """
        from scipy.stats import norm

        self._demand("The predictive distribution")
        return norm(self.location, math.sqrt(self.variance + self.noise_variance))

    def log_evidence(self, batch: Any, sample_weight: Any = None) -> float:
        """log p(batch): the marginal likelihood of all its rows together, in nats.

        Parameters
        ----------
        batch : array-like of shape (n,) or (n, 1), or a number
        sample_weight : array-like of shape (n,), optional

        Raises
        ------
        ImproperPosterior
            Nothing is known of the mean yet: a flat prior predicts nothing.
        DataError
            As in `update`.
        """
        self._demand("The evidence")
        rows = of_rows(batch, sample_weight, 1)
        if rows.n == 0.0:
            return 0.0
        noise, both = self.noise_variance, self.noise_variance + rows.n * self.variance
        shift = float(rows.shift(np.array([self.location]))[0])
        squares = float(rows.scatter[0, 0]) / noise + rows.n * shift**2 / both
        determinant = rows.n * (LOG_2PI + math.log(noise)) + math.log1p(
            rows.n * self.variance / noise
        )
        return -0.5 * (determinant + squares)

    def log_density(self, mean: ArrayLike) -> Array:
        """Logarithm of the density of mu, in nats; the shape is that of `mean`.

        Raises
        ------
        ImproperPosterior
            Nothing is known of the mean yet.
        """
        self._demand("The density")
        z2 = (np.asarray(mean, dtype=np.float64) - self.location) ** 2 / self.variance
        return np.asarray(-0.5 * (LOG_2PI + math.log(self.variance) + z2))

    def sample(self, n: int, rng: Any = None) -> tuple[Array, Array]:
        """Draws of the parameters: means (n,) and variances (n,), which are all the known one.

        Parameters
        ----------
        n : int
        rng : int, numpy Generator or None
            None draws anew each time.

        Raises
        ------
        ImproperPosterior
            Nothing is known of the mean yet.
        """
        size = checks.count(n, "n")
        self._demand("A draw")
        random = np.random.default_rng(rng)
        means = random.normal(self.location, math.sqrt(self.variance), size)
        return means, np.full(size, self.noise_variance)

    def plot(
        self,
        prior: NormalMean | None = None,
        data: Any = None,
        sample_weight: Any = None,
        axes: Any = None,
    ) -> tuple[Axes, ...]:
        """Draw prior, likelihood and posterior: see `ellimix.plots.posterior_plot`."""
        return drawn(prior, self, data, sample_weight, axes)

    def _updated(self, rows: Statistics) -> NormalMean:
        if rows.n == 0.0:
            return self
        worth = self.noise_variance / self.variance  # the rows that the prior is worth; 0 if flat
        total = worth + rows.n
        shift = float(rows.shift(np.array([self.location]))[0])
        return NormalMean(
            self.location + rows.n / total * shift, self.noise_variance / total, self.noise_variance
        )

    def _demand(self, what: str) -> None:
        if not self.is_proper:
            raise ImproperPosterior(
                f"{what} does not exist yet: nothing is known of the mean. Update with 1 row."
            )
