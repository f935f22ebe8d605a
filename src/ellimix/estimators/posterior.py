"""What an estimator answers from a posterior: rows, with the parameters integrated out."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import Structure
from ellimix.density.posterior import MixturePosterior
from ellimix.estimators.imputing import like
from ellimix.estimators.running import RunningMixture
from ellimix.inference.base import Hyperparameters
from ellimix.records import Rows
from ellimix.sources.knowledge import Known


class WithPosterior(RunningMixture):
    """Abstract base of an estimator whose mixture carries a posterior."""

    weight_concentration_prior_: float | tuple[float, float]

    @property
    def posterior_(self) -> MixturePosterior:
        """The posterior of all parameters: draws, intervals, predictive density."""
        mixture = self._fitted("posterior_")
        if mixture.rule is None or mixture.parameters.hyper is None:
            raise AttributeError(
                f"This {type(self).__name__} has no posterior_: its parameters were given, and "
                "are those of no posterior."
            )
        return MixturePosterior.of(mixture)

    @property
    def weight_concentration_(self) -> Any:
        """Of the weights' posterior, (k,), or two of them."""
        concentration = self._hyper("weight_concentration_").concentration
        if concentration.shape[-1] == 1:
            return concentration[:, 0].copy()
        return concentration[:, 0].copy(), concentration[:, 1].copy()

    @property
    def process_concentration_(self) -> tuple[float, float]:
        """Shape and rate of the posterior of a process's concentration."""
        process = self._hyper("process_concentration_").process
        if process is None:
            raise AttributeError(
                f"This {type(self).__name__} has no process_concentration_: the concentration was "
                "a number. Give weight_concentration_prior=(shape, rate) to estimate it."
            )
        return float(process[0]), float(process[1])

    @property
    def mean_precision_(self) -> NDArray[np.float64]:
        """beta_k, (k,)."""
        return self._hyper("mean_precision_").mean_precision.copy()

    @property
    def degrees_of_freedom_(self) -> Any:
        """nu_k, (k,); one number where one matrix is for all components."""
        degrees = self._hyper("degrees_of_freedom_").degrees
        shared = self.mixture_.covariance.structure is Structure.SHARED
        return float(degrees[0]) if shared else degrees.copy()

    def _hyper(self, wanted: str) -> Hyperparameters:
        hyper = self._fitted(wanted).parameters.hyper
        if hyper is None:
            raise AttributeError(
                f"This {type(self).__name__} has no {wanted}: its parameters were given, and are "
                "those of no posterior."
            )
        return hyper

    @property
    def n_components_effective_(self) -> int:
        """Components with an expected count of at least one row (of weight 1)."""
        concentration = self.posterior_.hyper.concentration
        if concentration.shape[1] == 2:  # sticks: Beta(1 + n_k, ...)
            counts = concentration[:, 0] - 1.0
        elif "weight_concentration_prior_" in vars(self):
            counts = concentration[:, 0] - self.weight_concentration_prior_
        else:
            raise AttributeError(
                "The counts of the components need the prior's concentration, which a file does "
                "not keep: look at posterior_.effective(), or fit again."
            )
        return int(np.count_nonzero(counts >= 1.0))

    def log_predictive(self, X: Any, **known: Unpack[Known]) -> Rows:
        """Log-density of new rows, the parameters integrated out.

        A mixture of Student t distributions: heavier tails than `score_samples`, which takes the
        E-step's expected log-densities.

        Parameters
        ----------
        X : array-like of shape (n, d)
            NaN for missing values, which are integrated out exactly.
        **known
            mask, labels or allowed components, as for `fit`.

        Returns
        -------
        log_density : ndarray of shape (n,)
            Natural logarithm.

        Raises
        ------
        DataError
            The rows have measurement errors, projections or bounds.

        Examples
        --------
        >>> from ellimix import BayesianGaussianMixture, datasets
        >>> X, _ = datasets.faithful()
        >>> model = BayesianGaussianMixture(2, random_state=0).fit(X)
        >>> model.log_predictive([[4.0, 80.0], [float("nan"), 80.0], [9.0, 9.0]]).round(1)
        array([  -3.4,   -3.2, -112.4])
        """
        rows, detail = self._observed(X, known)
        return like(self.posterior_.log_predictive(rows, detail), rows)
