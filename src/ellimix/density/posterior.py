"""MixturePosterior: what a variational fit says of the parameters, and not of their best values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, xlogy

from ellimix.covariance.base import Family
from ellimix.density.credible import Intervals, intervals, table
from ellimix.density.draws import Draws
from ellimix.density.mixture import Mixture
from ellimix.density.proportions import draw_weights, modal_weights
from ellimix.density.student import Students
from ellimix.density.wishart import Kind, PrecisionLaw, coloured
from ellimix.errors import DataError
from ellimix.inference.base import Hyperparameters, Parameters, plug_in
from ellimix.inference.normal_wishart import Rule
from ellimix.records import Array, Detail, Rows

TILE = 8192  # rows at a time


@final
@dataclass(frozen=True, eq=False)
class MixturePosterior:
    """The posterior q(pi) prod_k q(mu_k, Lambda_k) of a mixture's parameters.

    q(pi) is a Dirichlet distribution, or that of sticks broken at beta-distributed places. mu_k
    given Lambda_k is N(m_k, (beta_k Lambda_k)^-1). The precisions Lambda_k have a Wishart
    distribution (VVV), share one (EEE), or are made of gamma-distributed numbers: one a feature and
    component (VVI), one a feature (EEI), one a component (VII), or a single one (EII). By
    scikit-learn's rules ("tied", "diag", "spherical") they have Wishart distributions of full
    matrices, whose scale matrices are equal, diagonal or spherical: then draws of covariances are
    none of these. In the other eight families means and covariances are point estimates: they are
    held where they are, and their intervals are NaN.

    Sticks leave something to components beyond the k-th. All here is given that a row is of one of
    the k: weights are divided by their sum.

    Variational posteriors take the parts to be independent and see one labelling of the components
    alone, so they are somewhat too sure of themselves, the more the components overlap.

    Parameters
    ----------
    parameters : Parameters
        Of one fit, with `hyper`: weights E[pi], means m_k, covariances E[Lambda_k]^-1.
    rule : Rule
        By which the posterior came about: one of `ellimix.inference.pointed.RULES`.
    feature_names : tuple of str, optional

    Raises
    ------
    ValueError
        The parameters have no `hyper`, or are no posterior: a degree of freedom, a concentration
        or a mean's precision is out of range, or there is a noise component.

    References
    ----------
    Bishop (2006), Pattern Recognition and Machine Learning, section 10.2.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.density.mixture import Mixture
    >>> from ellimix.density.posterior import MixturePosterior
    >>> from ellimix.inference.base import Hyperparameters, Parameters
    >>> from ellimix.inference.pointed import RULES
    >>> plug_in = Mixture.from_parameters([0.3, 0.7], [[0.0], [4.0]], [[[1.0]], [[1.0]]])
    >>> ten, own = np.array([10.0, 10.0]), plug_in.parameters
    >>> hyper = Hyperparameters(np.array([[3.0], [7.0]]), ten, ten)
    >>> posterior = MixturePosterior(
    ...     Parameters(own.weights, own.means, own.covariance, hyper=hyper), RULES["VVV"]
    ... )
    >>> posterior.interval(0.9).weights.round(2)
    array([[0.1 , 0.55],
           [0.45, 0.9 ]])
    >>> rows = np.array([[0.0], [9.0]])
    >>> plug_in.log_density(rows).round(2), posterior.log_predictive(rows).round(2)
    (array([ -2.12, -13.78]), array([-2.18, -7.87]))
    """

    parameters: Parameters
    rule: Rule
    feature_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        own, hyper = self.parameters, self.parameters.hyper
        if hyper is None:
            raise ValueError(
                "These parameters are no posterior: they have no hyper. Only a variational fit "
                "has one."
            )
        if own.weights.ndim != 1:
            raise ValueError("These are the parameters of several fits: take one with at(i).")
        if own.noise is not None:
            raise ValueError("A posterior with a noise component is not supported.")
        k, (sticks, columns) = own.weights.size, hyper.concentration.shape
        if sticks != k or columns not in (1, 2):
            raise ValueError(
                f"concentration has shape {hyper.concentration.shape}, expected ({k}, 1) of a "
                f"Dirichlet distribution or ({k}, 2) of sticks."
            )
        if not (hyper.concentration > 0.0).all() or not (hyper.mean_precision > 0.0).all():
            raise ValueError("Concentrations and the means' precisions must be positive.")
        if not (self.law.marginal_degrees > 0.0).all():
            least = self.n_features - 1 if self.law.kind is Kind.WISHART else 0
            raise ValueError(
                f"Degrees of freedom must be above {least}, but the smallest is "
                f"{hyper.degrees.min():.6g}."
            )

    @classmethod
    def of(cls, mixture: Mixture) -> MixturePosterior:
        """The posterior that a mixture from a variational fit carries.

        Raises
        ------
        ValueError
            The mixture carries none.
        """
        if mixture.rule is None:
            raise ValueError(
                "This mixture carries no posterior: only one from a variational fit does. Fit a "
                "BayesianGaussianMixture."
            )
        return cls(mixture.parameters, mixture.rule, mixture.feature_names)

    @property
    def hyper(self) -> Hyperparameters:
        """Concentrations, precisions of the means and degrees of freedom."""
        hyper = self.parameters.hyper
        assert hyper is not None  # checked when it was made
        return hyper

    @cached_property
    def law(self) -> PrecisionLaw:
        """The distribution of the precisions."""
        own = self.parameters
        return PrecisionLaw.of(self.rule, own.covariance, self.hyper.degrees, self.n_features)

    @property
    def family(self) -> Family:
        """The covariance family."""
        return self.rule.family

    @property
    def n_components(self) -> int:
        """Number of components, k."""
        return int(self.parameters.means.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features, d."""
        return int(self.parameters.means.shape[1])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns; x0, x1, ... where they have none."""
        return self.mean().names

    def mean(self) -> Mixture:
        """The mixture with E[pi], E[mu_k] and E[Lambda_k]^-1 plugged in."""
        return Mixture(replace(self.parameters, hyper=None), self.family, self.feature_names)

    def mode(self) -> Mixture:
        """The mixture where the posterior density of weights, means and covariances is largest.

        The density is that over covariance matrices, not precisions. A weight whose concentration
        is 1 or less is 0 there; where all are, the density has no single largest value, and the
        weights are E[pi]. Of sticks the mode is that of the places where they are broken.
        """
        weights = modal_weights(self.hyper.concentration, self.parameters.weights)
        parameters = Parameters(weights, self.parameters.means, self.law.mode())
        return Mixture(parameters, self.family, self.feature_names)

    @cached_property
    def _students(self) -> Students:
        """The components of the predictive distribution (Bishop 2006, eq. 10.81 and 10.82)."""
        own, law = self.parameters, self.law
        ones = Parameters(np.ones_like(own.weights), own.means, own.covariance)
        scale = law.inflation * (1.0 + 1.0 / self.hyper.mean_precision)
        return Students(
            plug_in(ones, self.family.moment),
            law.marginal_degrees,
            scale,
            law.kind is Kind.GAMMA,
        )

    def log_predictive_joint(self, rows: Rows, detail: Detail | None = None) -> Array:
        """log of E[pi_k] times the predictive density of component k, (n, k).

        `log_predictive` says what the arguments are and which errors are raised.
        """
        x = self._checked(rows, detail)
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.parameters.weights)
        out = np.empty((len(x), self.n_components))
        for start in range(0, len(x), TILE):
            part = slice(start, start + TILE)
            out[part] = log_weights + self._students.log_density(x[part])
        if detail is not None and detail.prior is not None:
            out += detail.prior
        return out

    def log_predictive(self, rows: Rows, detail: Detail | None = None) -> Array:
        """Log-density of a new row, the parameters integrated out; natural logarithm, (n,).

        A mixture of Student t distributions with weights E[pi] (Bishop 2006, eq. 10.81): heavier
        tails than the mixture with the parameters plugged in, the fewer rows the more. For gammas
        a component is a product of one t distribution a feature. Where means and
        covariances are point estimates the components are normal, as plugged in.

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            NaN for missing values, which are integrated out exactly.
        detail : Detail, optional
            A prior of the components in each row. It can hold nothing else.

        Raises
        ------
        DataError
            The rows are not of d columns, or hold infinite numbers; or they have measurement
            errors, projections or bounds, for which the predictive density has no closed form.
        """
        return np.asarray(logsumexp(self.log_predictive_joint(rows, detail), axis=1))

    def predictive_responsibilities(self, rows: Rows, detail: Detail | None = None) -> Array:
        """Probabilities that a new row is of each component, (n, k); rows sum to 1.

        As `Mixture.responsibilities` with the parameters integrated out: less sure far from the
        data. Arguments and errors are those of `log_predictive`.
        """
        joint = self.log_predictive_joint(rows, detail)
        # a row that is too far from all components for a positive density has equal shares
        joint[np.isneginf(joint).all(axis=1)] = 0.0
        return np.asarray(np.exp(joint - logsumexp(joint, axis=1, keepdims=True)))

    def _checked(self, rows: Rows, detail: Detail | None) -> Rows:
        x = rows
        if x.ndim != 2 or x.shape[1] != self.n_features:
            raise DataError(f"Rows have shape {x.shape}, expected (n, {self.n_features}).")
        if np.isinf(x).any():
            raise DataError("Rows hold infinite numbers: use NaN for missing values.")
        beyond = () if detail is None else (detail.errors, detail.projections, detail.lower)
        if any(part is not None for part in beyond):
            raise DataError(
                "The predictive density of rows with measurement errors, projections or bounds "
                "has no closed form: use mean().log_density, or average over sample(n)."
            )
        return x

    def sample(self, n: int, rng: np.random.Generator | int | None = None) -> Draws:
        """Draw whole parameter sets.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator or int, optional
            A generator to draw from, or a seed; by default the draws are new at each call.

        Returns
        -------
        Draws
            With `weights` (n, k), `means` (n, k, d), `covariances` (n, k, d, d) and `mixtures()`.

        Raises
        ------
        ValueError
            `n` is negative.
        """
        if n < 0:
            raise ValueError(f"n must not be negative, but is {n}.")
        generator = np.random.default_rng(rng)
        own, hyper = self.parameters, self.hyper
        weights = draw_weights(hyper.concentration, n, generator)
        covariance = self.law.sample(n, generator)
        noise = generator.standard_normal((n, *own.means.shape))
        shift = coloured(covariance, noise) / np.sqrt(hyper.mean_precision)[:, None]
        parameters = Parameters(weights, own.means + shift, covariance)
        return Draws(parameters, self.law.drawn_family(self.family), self.feature_names)

    def sample_rows(
        self, n: int, rng: np.random.Generator | int | None = None
    ) -> tuple[Array, NDArray[np.int64]]:
        """Draw rows from the predictive distribution.

        Each is drawn as if with parameters of its own. Rows of one and the same unknown mixture,
        which are alike, come from ``sample(1)[0].sample(n)``.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator or int, optional
            A generator to draw from, or a seed; by default the draws are new at each call.

        Returns
        -------
        rows : ndarray of shape (n, d)
            Grouped by component.
        labels : ndarray of shape (n,)
        """
        generator = np.random.default_rng(rng)
        weights = self.parameters.weights
        counts = generator.multinomial(n, weights / weights.sum())
        labels = np.repeat(np.arange(self.n_components), counts)
        return self._students.sample(labels, generator), labels

    def interval(self, level: float = 0.9) -> Intervals:
        """Central credible intervals of all parameters.

        Exact: weights of a Dirichlet distribution (beta), means (Student t) and variances (inverse
        gamma). Weights of sticks come from 20,000 draws with a fixed seed; covariances of two
        features and correlations from 8,192 evenly spread points: the same in each call.

        Parameters
        ----------
        level : float, default 0.9
            The probability inside of each interval, by itself.

        Returns
        -------
        Intervals
            NaN for parameters that are point estimates: they have an uncertainty, but this
            posterior does not know it.

        Raises
        ------
        ValueError
            `level` is not between 0 and 1.
        """
        if not 0.0 < level < 1.0:
            raise ValueError(f"level must be between 0 and 1, but is {level}.")
        hyper = self.hyper
        return intervals(
            level, self.parameters, hyper.concentration, hyper.mean_precision, self.law
        )

    def effective(self) -> float:
        """Effective number of components: exp of the entropy of E[pi].

        k for equal weights; components of next to no weight hardly count (Hill 1973, order 1).
        """
        weights = self.parameters.weights
        return float(np.exp(-xlogy(weights, weights).sum()))

    def occupied(
        self,
        n_rows: int,
        rng: np.random.Generator | int | None = 0,
        *,
        draws: int = 4000,
    ) -> Array:
        """How many components have rows among so many new ones: a distribution.

        Parameters
        ----------
        n_rows : int
        rng : numpy.random.Generator or int, default 0
        draws : int, default 4000
            Draws of the weights, and with each of the rows' components.

        Returns
        -------
        ndarray of shape (k + 1,)
            The share of the draws with 0, 1, ..., k components that have rows.

        Raises
        ------
        ValueError
            `n_rows` is negative, or `draws` not positive.

        Examples
        --------
        >>> from ellimix import BayesianGaussianMixture, datasets
        >>> X, _ = datasets.faithful()
        >>> model = BayesianGaussianMixture(2, random_state=0).fit(X)
        >>> model.posterior_.occupied(1), model.posterior_.occupied(1000)
        (array([0., 1., 0.]), array([0., 0., 1.]))
        """
        if n_rows < 0 or draws < 1:
            raise ValueError(
                f"n_rows must not be negative and draws positive, but they are {n_rows} and "
                f"{draws}."
            )
        generator = np.random.default_rng(rng)
        weights = draw_weights(self.hyper.concentration, draws, generator)
        counts = generator.multinomial(n_rows, weights / weights.sum(axis=1, keepdims=True))
        found = np.bincount((counts > 0).sum(axis=1), minlength=self.n_components + 1)
        return np.asarray(found / draws)

    def summary(self, level: float = 0.9, components: Sequence[int] | None = None) -> str:
        """A table of weights, means and standard deviations, with credible intervals.

        The estimates are those of `mean`; what is a point estimate has "-" for an interval. Raises
        as `interval`.

        Parameters
        ----------
        level : float, default 0.9
        components : sequence of int, optional
            Those to show; by default all.
        """
        return table(self.parameters, self.interval(level), self.names, components)
