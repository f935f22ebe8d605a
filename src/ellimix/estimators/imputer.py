"""GaussianMixtureImputer: missing values filled in by a mixture, as a step of a pipeline."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from ellimix.covariance import ALIASES, FAMILIES, ONE_FEATURE
from ellimix.estimators.automatic import AUTO
from ellimix.estimators.gaussian_mixture import GaussianMixture
from ellimix.estimators.methods import FLOATS, without_na
from ellimix.records import Rows


@final
class GaussianMixtureImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fills in missing values with what a mixture of Gaussians expects of them.

    The mixture is fitted to the rows with their holes, by exact EM under missing at random
    (Ghahramani & Jordan 1994). A value gets its conditional mean given the rest of its row, over
    all components.

    Parameters
    ----------
    n_components : int or "auto", default=1
        Number of components; ``"auto"`` chooses among 1 to 9 by BIC. 1 is one Gaussian, whose
        conditional means are linear regressions.
    covariance_type : str, default="full"
        As for `GaussianMixture`.
    reg_covar : float, default=1e-6
    tol : float, default=1e-3
    max_iter : int, default=100
    n_init : int, default=1
        As for `GaussianMixture`; with ``"auto"`` the search has its own.
    sample_posterior : bool, default=False
        Whether `transform` draws values from their conditional distribution in place of its mean:
        so that the filled columns vary as much as they should.
    random_state : int, RandomState instance or None, default=None

    Attributes
    ----------
    mixture_ : GaussianMixture
        The fitted estimator; its `impute` gives several draws at once.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix import GaussianMixtureImputer
    >>> X = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [3.0, np.nan]])
    >>> GaussianMixtureImputer().fit_transform(X).round(3)
    array([[0., 0.],
           [1., 2.],
           [2., 4.],
           [3., 6.]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({AUTO})],
        "covariance_type": [StrOptions({*FAMILIES, *ALIASES, *ONE_FEATURE, AUTO})],
        "reg_covar": [Interval(Real, 0.0, None, closed="left")],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "sample_posterior": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int | str = 1,
        *,
        covariance_type: str = "full",
        reg_covar: float = 1e-6,
        tol: float = 1e-3,
        max_iter: int = 100,
        n_init: int = 1,
        sample_posterior: bool = False,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.reg_covar = reg_covar
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.sample_posterior = sample_posterior
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the mixture.

        Parameters
        ----------
        X : array-like of shape (n, d)
            NaN where a value is missing. A column without any value is refused.
        y : ignored
        sample_weight : array-like of shape (n,), optional
        """
        rows = self._rows(X, reset=True)
        self.mixture_ = GaussianMixture(**self._arguments()).fit(rows, sample_weight=sample_weight)
        self._draws = np.random.default_rng(_seed(self.random_state))
        return self

    def transform(self, X: Any) -> Rows:
        """The rows with missing values filled in, (n, d)."""
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        if self.sample_posterior:
            draw: Rows = self.mixture_.impute(rows, n_draws=1, rng=self._draws, proper=False)[0]
            return draw
        expected: Rows = self.mixture_.impute(rows)
        return expected

    def _rows(self, X: Any, reset: bool) -> NDArray[Any]:
        least = {"ensure_min_samples": 2} if reset else {}
        rows: NDArray[Any] = validate_data(
            self, without_na(X), reset=reset, dtype=FLOATS, ensure_all_finite="allow-nan", **least
        )
        return rows

    def _arguments(self) -> dict[str, Any]:
        """What the mixture gets; with "auto" it refuses what the search decides."""
        names = ("n_components", "covariance_type", "reg_covar", "tol", "max_iter", "n_init")
        return {name: getattr(self, name) for name in (*names, "random_state")}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _seed(random_state: Any) -> Any:
    """A seed for draws: a number as it is, else one that the state draws."""
    if random_state is None or isinstance(random_state, Integral):
        return random_state
    return random_state.randint(0, 2**31 - 1, size=4)
