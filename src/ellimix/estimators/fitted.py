"""What an estimator that is one mixture has: its parameters, and ways to be made from them."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import replace
from os import PathLike
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance import Family, name_for, parse
from ellimix.density.bearing import unseen
from ellimix.density.mixture import Mixture, Scores
from ellimix.engines import Engine
from ellimix.errors import FitWarning, Status
from ellimix.estimators.assuming import log_prior
from ellimix.estimators.attributes import ParameterAttribute
from ellimix.estimators.callbacks import CallbackSupport
from ellimix.estimators.methods import MixtureMethods
from ellimix.estimators.summarising import origin_of
from ellimix.persist import load
from ellimix.report import FitReport
from ellimix.sources.knowledge import missing_share
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource
from ellimix.summary.making import Origin
from ellimix.summary.records import Estimation

STALE = (
    "_assigned",
    "_stream",
    "clusters_",
    "search_",
    "labels_",
)  # what a new mixture makes untrue
STREAM = ("_running", "_online", "_asked_k")  # what a fit ends


class FittedMixture(CallbackSupport, MixtureMethods):
    """Abstract base of the estimators around one mixture: its parameters as attributes.

    Sound parameters can be assigned, too, and make a mixture of their own.
    """

    covariance_type: str
    order: str
    tol: float
    report_: FitReport
    scores_: Scores
    labels_: NDArray[np.int64]
    missing_share_: NDArray[np.float64]
    _fit_weight: float

    weights_ = ParameterAttribute(lambda mixture: mixture.weights)
    means_ = ParameterAttribute(lambda mixture: mixture.means)
    covariances_ = ParameterAttribute(lambda mixture: mixture.covariance.values)
    precisions_ = ParameterAttribute(lambda mixture: mixture.covariance.precisions())
    precisions_cholesky_ = ParameterAttribute(lambda mixture: mixture.covariance.factor)

    @classmethod
    def from_mixture(cls, mixture: Mixture) -> Self:
        """A fitted estimator around a mixture.

        Parameters
        ----------
        mixture : Mixture

        Returns
        -------
        estimator
            With `covariance_type` the family's three letters.

        Examples
        --------
        >>> from ellimix import GaussianMixture, Mixture
        >>> mixture = Mixture.from_parameters([1.0], [[0.0]], [1.0], family="V")
        >>> GaussianMixture.from_mixture(mixture).n_parameters_
        2
        """
        estimator = cls(n_components=mixture.n_components, covariance_type=mixture.family.name)
        estimator.mixture_ = mixture
        estimator.n_features_in_ = mixture.n_features
        if mixture.feature_names is not None:
            estimator.feature_names_in_ = np.array(mixture.feature_names, dtype=object)
        return estimator

    @classmethod
    def from_parameters(
        cls,
        weights: Any,
        means: Any,
        covariances: Any,
        covariance_type: str = "full",
        feature_names: tuple[str, ...] | None = None,
    ) -> Self:
        """A fitted estimator with the given parameters.

        Parameters
        ----------
        weights : array-like of shape (k,)
            Not negative, with sum 1.
        means : array-like of shape (k, d)
        covariances : array-like
            In the shape of `covariance_type` (see `covariances_`), positive definite.
        covariance_type : str, default="full"
        feature_names : tuple of str, optional

        Raises
        ------
        ValueError
            What is wrong with which argument.

        Examples
        --------
        >>> from ellimix import GaussianMixture
        >>> model = GaussianMixture.from_parameters(
        ...     [0.5, 0.5], [[0.0], [4.0]], [1.0, 1.0], covariance_type="spherical"
        ... )
        >>> model.predict([[1.0], [3.0]])
        array([0, 1])
        """
        mixture = Mixture.from_parameters(
            weights, means, covariances, covariance_type, feature_names
        )
        estimator = cls.from_mixture(mixture)
        estimator.covariance_type = covariance_type
        return estimator

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """A fitted estimator from a file that `save` wrote.

        Raises
        ------
        ModelFileError
            The file is not a sound saved mixture; the message says why.
        """
        return cls.from_mixture(load(path))

    @property
    def n_components_(self) -> int:
        """Number of components of the mixture."""
        return self._fitted("n_components_").n_components

    @property
    def noise_weight_(self) -> float:
        """Mixing proportion of the noise component; 0 without one."""
        return self._fitted("noise_weight_").noise_weight

    @property
    def _bounded(self) -> bool:
        """Whether a prior keeps the covariances away from singular ones."""
        return self._pseudo is not None and self._pseudo.bounded

    @property
    def log_prior_(self) -> float:
        """Log-density of the fit's prior at the parameters, up to a constant; 0 without one."""
        return log_prior(self._fitted("log_prior_"), self._pseudo)

    @property
    def covariance_type_(self) -> str:
        """The mixture's covariance family: three letters; E or V for one feature."""
        mixture = self._fitted("covariance_type_")
        return name_for(mixture.family, mixture.n_features)

    @abstractmethod
    def _estimation(self) -> Estimation:
        """How the last fit was made, in words."""

    def _origin(self) -> Origin:
        """What is known of the last fit, if the mixture is still its own."""
        return origin_of(self, self._estimation(), self.tol)

    def _family(self, d: int) -> Family:
        """The family that was asked for, or what the search chose."""
        if self.covariance_type == "auto":
            return self._fitted("covariance family").family
        return parse(self.covariance_type, d)

    def _keep(
        self,
        best: FitReport,
        reports: list[FitReport],
        source: MemorySource | OutsideSource,
        engine: Engine,
        readable: bool = True,
    ) -> None:
        """Write the fitted attributes; without a further pass where rows are not `readable`."""
        if self.order == "weight":
            best = best.by_weight()
        cautions = () if self._bounded or not readable else _about_rows(best, source, engine)
        if cautions:
            best = replace(best, notes=(*best.notes, *cautions))
        for caution in cautions:
            warnings.warn(caution, FitWarning, stacklevel=7)
        mixture = best.mixture
        if mixture is None:
            raise AssertionError("the best fit has a mixture")
        for stale in (*STALE, *STREAM):
            self.__dict__.pop(stale, None)
        self._fit_weight = source.total_weight
        self._dtype = np.dtype(source.dtype)
        self.missing_share_ = missing_share(source)
        self.mixture_ = mixture
        self.report_ = best
        self.reports_ = reports
        self.converged_ = best.status is Status.CONVERGED
        self.n_iter_ = best.n_iter
        self.lower_bound_ = best.objective
        self.lower_bounds_ = list(best.trace)
        inside = isinstance(source, MemorySource)
        if readable:
            self.scores_ = mixture.score_rows(source, engine, counts=True, labelled=inside)
        if inside:  # of rows outside of memory `predict` gives labels
            self.labels_ = self.scores_.labels


def _about_rows(
    best: FitReport, source: MemorySource | OutsideSource, engine: Engine
) -> tuple[str, ...]:
    """What the rows' holes call for saying of the fit."""
    if best.mixture is None or not source.incomplete:
        return ()
    return tuple(found.sentence for found in unseen(best.mixture, source, engine))
