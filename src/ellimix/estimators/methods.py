"""What an estimator answers once it has a mixture: the methods that do not fit."""

from __future__ import annotations

from abc import abstractmethod
from os import PathLike
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    DensityMixin,
    TransformerMixin,
)
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ellimix.density.mixture import Mixture, Scores
from ellimix.errors import DataError
from ellimix.estimators.answers import ANSWERS
from ellimix.estimators.clusters import ClusterLevel
from ellimix.estimators.imputing import Imputing
from ellimix.estimators.opened import check_unsaid, for_model, in_memory, opened, with_rows
from ellimix.estimators.reported import Reported
from ellimix.estimators.summarising import Summarised
from ellimix.persist import save
from ellimix.records import Array, Detail, Rows
from ellimix.selection import criteria
from ellimix.selection.combining import ClusterTree
from ellimix.sources.knowledge import Known, counted, described
from ellimix.sources.memory import MemorySource
from ellimix.sources.opening import is_stream
from ellimix.sources.outside import OutsideSource

FLOATS = [np.float64, np.float32]


class MixtureMethods(
    ClusterLevel,
    Imputing,
    Summarised,
    Reported,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClusterMixin,
    DensityMixin,
    BaseEstimator,
):
    """Abstract base of the estimators: everything that needs `mixture_` only.

    scikit-learn's mixins are what makes this a base class and not a set of functions.
    """

    mixture_: Mixture
    noise: Any

    @abstractmethod
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the mixture."""

    def save(self, path: str | PathLike[str]) -> None:
        """Write the mixture to a JSON file (see `ellimix.save`).

        Nothing else is kept: after `load`, call `combine` again for clusters.
        """
        check_is_fitted(self)
        save(self.mixture_, path)

    @property
    def n_parameters_(self) -> int:
        """Number of free parameters: weights, means and covariances."""
        return self._fitted("n_parameters_").n_parameters

    def _n_parameters(self) -> int:
        """scikit-learn's private name, which much code in the wild calls."""
        return self.n_parameters_

    def transform(self, X: Any) -> Rows:
        """Responsibilities, (n, k), as the features that a later step gets."""
        return self.predict_proba(X)

    def score_samples(self, X: Any, **known: Unpack[Known]) -> Rows:
        """Log-density of each row: of what is observed of it.

        Parameters
        ----------
        X : array-like of shape (n, d)
        **known
            What else is known of the rows, as for `fit`: mask, errors, lower and upper, ...

        Returns
        -------
        log_density : ndarray of shape (n,)
            Natural logarithm. Of a Dask collection, a Dask array that is not computed yet; of a
            Spark DataFrame, it with one column more, ``log_density``.

        Examples
        --------
        >>> from ellimix import GaussianMixture
        >>> model = GaussianMixture.from_parameters([1.0], [[0.0]], [1.0], covariance_type="V")
        >>> model.score_samples([[0.0], [1.0]]).round(4)
        array([-0.9189, -1.4189])
        """
        found: Rows = self._answered(X, known, "score_samples")
        return found

    def score(
        self, X: Any, y: Any = None, sample_weight: Any = None, **known: Unpack[Known]
    ) -> float:
        """Mean log-density of the rows. Those with nothing observed count for nothing.

        Parameters
        ----------
        X : array-like of shape (n, d)
        y : ignored
        sample_weight : array-like of shape (n,), optional
            Non-negative row weights.
        **known
            What else is known of the rows, as for `fit`.

        Returns
        -------
        score : float
            In nats per unit of weight.

        Examples
        --------
        >>> from ellimix import GaussianMixture
        >>> model = GaussianMixture.from_parameters([1.0], [[0.0]], [1.0], covariance_type="V")
        >>> round(model.score([[0.0], [1.0]], sample_weight=[3.0, 1.0]), 4)
        -1.0439
        """
        scores = self._scores(X, sample_weight, known)
        return scores.log_likelihood / scores.weight

    def bic(self, X: Any, sample_weight: Any = None, **known: Unpack[Known]) -> float:
        """Bayesian information criterion, -2 log L + p log n; smaller is better.

        Schwarz (1978). n is the number of rows with something observed, or the sum of their
        `sample_weight`.

        Parameters
        ----------
        X : array-like of shape (n, d)
        sample_weight : array-like of shape (n,), optional
        **known
            What else is known of the rows, as for `fit`.

        Examples
        --------
        >>> from ellimix import GaussianMixture, datasets
        >>> X, _ = datasets.faithful()
        >>> fits = [GaussianMixture(k, random_state=0).fit(X) for k in (1, 2)]
        >>> [round(fit.bic(X)) for fit in fits]
        [2608, 2322]
        """
        scores = self._scores(X, sample_weight, known)
        return criteria.bic(scores.log_likelihood, self.n_parameters_, scores.weight)

    def aic(self, X: Any, sample_weight: Any = None, **known: Unpack[Known]) -> float:
        """Akaike information criterion, -2 log L + 2 p (Akaike 1974); smaller is better.

        Parameters
        ----------
        X : array-like of shape (n, d)
        sample_weight : array-like of shape (n,), optional
        **known
            What else is known of the rows, as for `fit`.

        Examples
        --------
        >>> from ellimix import GaussianMixture, datasets
        >>> X, _ = datasets.faithful()
        >>> model = GaussianMixture(random_state=0).fit(X)
        >>> round(model.bic(X) - model.aic(X), 3)  # 5 parameters times (log 272 - 2)
        18.029
        """
        scores = self._scores(X, sample_weight, known)
        return criteria.aic(scores.log_likelihood, self.n_parameters_)

    def icl(self, X: Any, sample_weight: Any = None, **known: Unpack[Known]) -> float:
        """Integrated completed likelihood: BIC - 2 sum log max_k r_k; smaller is better.

        Biernacki, Celeux & Govaert (2000), with each row assigned to its most probable component.

        Parameters
        ----------
        X : array-like of shape (n, d)
        sample_weight : array-like of shape (n,), optional
        **known
            What else is known of the rows, as for `fit`.

        Examples
        --------
        >>> from ellimix import GaussianMixture, datasets
        >>> X, _ = datasets.faithful()
        >>> model = GaussianMixture(2, random_state=0).fit(X)
        >>> round(model.icl(X) - model.bic(X), 1)  # hardly any row is uncertain
        0.5
        """
        scores = self._scores(X, sample_weight, known)
        return criteria.icl(
            scores.log_likelihood, self.n_parameters_, scores.weight, scores.classification
        )

    def sample(
        self, n_samples: int = 1, rng: np.random.Generator | int | None = None
    ) -> tuple[Rows, NDArray[np.int64]]:
        """Draw rows from the mixture.

        Parameters
        ----------
        n_samples : int, default=1
        rng : numpy.random.Generator or int, optional
            A generator, or a seed that gives the same rows at each call. By default every call
            draws anew; with `random_state` set, the sequence of calls is reproducible.

        Returns
        -------
        X : ndarray of shape (n_samples, d)
            Grouped by component.
        labels : ndarray of shape (n_samples,)

        Raises
        ------
        ValueError
            `n_samples` is below 1.

        Examples
        --------
        >>> from ellimix import GaussianMixture
        >>> model = GaussianMixture.from_parameters([1.0], [[5.0]], [1.0], covariance_type="V")
        >>> X, labels = model.sample(1000, rng=0)
        >>> X.shape, round(X.mean())
        ((1000, 1), 5)
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(
                f"Invalid value for 'n_samples': {n_samples}. Ask for at least one row."
            )
        if rng is None:
            if "_stream" not in vars(self):
                seed = check_random_state(self.random_state).randint(0, 2**31 - 1, size=4)
                self._stream = np.random.default_rng(seed)
            rng = self._stream
        rows, labels = self.mixture_.sample(int(n_samples), rng)
        return rows.astype(vars(self).get("_dtype", np.float64), copy=False), labels

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = True
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.mixture_.n_components

    def _names(self) -> tuple[str, ...] | None:
        """Names of the columns, where `fit` was given some."""
        names = getattr(self, "feature_names_in_", None)
        return None if names is None else tuple(map(str, names))

    def _fitted(self, wanted: str) -> Mixture:
        """The mixture, or an AttributeError that names what of it was wanted."""
        if "mixture_" not in vars(self):
            raise AttributeError(
                f"This {type(self).__name__} has no {wanted}: it is not fitted yet."
            )
        return self.mixture_

    def _observed(self, X: Any, known: Known) -> tuple[Rows, Detail | None]:
        """Rows of the fitted columns, and what else is known of them."""
        check_is_fitted(self)
        mixture = self.mixture_
        noise = mixture.box is not None
        if is_stream(X):
            table = in_memory(for_model(self, opened(X, None)))
            return described(table.rows, known, mixture.n_components, noise)
        if known.get("projections") is not None:
            rows: Rows = check_array(X, dtype=FLOATS, ensure_all_finite="allow-nan")
            return described(rows, known, mixture.n_components, noise)
        rows = validate_data(
            self, without_na(X), reset=False, dtype=FLOATS, ensure_all_finite="allow-nan"
        )
        return described(rows, known, mixture.n_components, noise)

    def _scores(self, X: Any, sample_weight: Any, known: Known) -> Scores:
        """One pass over the rows."""
        source = self._source(X, sample_weight, known)  # first: it checks that there is a mixture
        return self.mixture_.score_rows(source, labelled=isinstance(source, MemorySource))

    def _answered(self, X: Any, known: Known, method: str, tree: ClusterTree | None = None) -> Any:
        """What the mixture says of rows; block by block, or where they are, if not in memory."""
        check_is_fitted(self)
        answer = ANSWERS[method](self.mixture_, tree)
        if not is_stream(X):
            return answer(*self._observed(X, known))
        check_unsaid(known)
        stream = for_model(self, opened(X, None))
        if stream.distant is not None:
            return stream.distant.answered(answer)
        blocks = stream.source().in_large_blocks()
        return np.concatenate([answer(block.rows) for block in blocks])

    def _source(self, X: Any, sample_weight: Any, known: Known) -> MemorySource | OutsideSource:
        """Rows of the fitted columns, with weights."""
        check_is_fitted(self)
        if is_stream(X):
            stream = for_model(self, opened(X, sample_weight))
            if not stream.small:
                check_unsaid(known)
                if sample_weight is not None and not with_rows(sample_weight):
                    check_unsaid({"sample_weight": sample_weight})
                return stream.source()
            table = stream.loaded()
            if table.weight is not None:
                sample_weight = table.weight
            rows, detail = described(
                table.rows, known, self.mixture_.n_components, self.mixture_.box is not None
            )
            weight = row_weights(sample_weight, rows.shape[0])
            return counted(MemorySource(rows, weight, detail=detail))[0]
        rows, detail = self._observed(X, known)
        weight = row_weights(sample_weight, rows.shape[0])
        return counted(MemorySource(rows, weight, detail=detail))[0]


def row_weights(sample_weight: Any, n: int) -> Array | None:
    """Row weights as float64 (n,); a number stands for n times itself."""
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.ndim == 0:
        return np.full(n, float(weight))
    if weight.ndim != 1:
        raise DataError(f"Sample weights must be 1D array or scalar, got {weight.ndim} dimensions.")
    return weight


def without_na(X: Any) -> Any:
    """A pandas table with NaN for NA in columns of objects, which NumPy cannot make numbers."""
    kinds = getattr(X, "dtypes", None)
    if kinds is None or not hasattr(X, "isna") or "object" not in map(str, kinds):
        return X
    return X.mask(X.isna(), np.nan)
