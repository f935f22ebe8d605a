"""Conjugate priors on a mixture's parameters, as a user gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from ellimix.covariance.base import Family
from ellimix.errors import DataError
from ellimix.inference.base import Parameters
from ellimix.records import Array

if TYPE_CHECKING:
    from ellimix.density.mixture import Mixture

DEFAULT: Final = "default"


@final
@dataclass(frozen=True, eq=False)
class Background:
    """The mixture that a prior is around.

    Parameters
    ----------
    parameters : Parameters
        Where fits begin.
    family : Family
    weight_relevance, covariance_relevance : float or None
        Rows that it counts for; None where its own are held.
    """

    parameters: Parameters
    family: Family
    weight_relevance: float | None
    covariance_relevance: float | None

    @property
    def held(self) -> dict[str, bool]:
        """Parts of which fits keep the background's own."""
        parts = {"weights": self.weight_relevance, "covariances": self.covariance_relevance}
        return {name: True for name, relevance in parts.items() if relevance is None}


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Prior:
    """A conjugate prior: what is known of the components before the rows are seen.

    What is given once is for every component; with a first axis of length k each component has its
    own. ``"default"`` is what Fraley & Raftery (2007) and mclust take.

    Parameters
    ----------
    mean : array-like of shape (d,) or (k, d), "default" or None
        m, where means are expected. The default are the column means. None: no prior on means.
    shrinkage : float or array-like of shape (k,), "default" or None
        kappa >= 0, the rows that `mean` counts for. The default is 0.01; 0 or None: no prior on
        means.
    degrees_of_freedom : float or array-like of shape (k,), "default" or None
        nu, above d - 1; above 0 where covariances are diagonal or spherical. The default is
        d + 2, which gives a covariance a mean. None: no prior on covariances.
    scale : array-like, "default" or None
        Lambda, or lambda: (d, d) or (k, d, d), positive definite, or positive numbers, one or (d,)
        or (k, d), for the diagonal. Diagonal families take a matrix's diagonal, and spherical ones
        the diagonal's mean. The default is the data's covariance over k^(2/d): what each of k parts
        of its volume would have. Families without matrices take the mean of its diagonal.
        None: no prior on covariances.
    weights : float or array-like of shape (k,) or (k + 1,), default=None
        alpha >= 1, of a Dirichlet distribution; None is 1, no prior on the weights. A number is for
        a noise component, too; with k + 1 numbers the last is its own.

    Raises
    ------
    DataError
        A number is out of range, or no number. What depends on k and d is checked in the fit.

    Examples
    --------
    >>> import ellimix as em
    >>> X, names = em.datasets.faithful()
    >>> prior = em.Prior(mean=[3.0, 70.0], shrinkage=20.0, weights=5.0)
    >>> model = em.GaussianMixture(2, prior=prior, order="weight", random_state=0).fit(X)
    >>> model.means_.round(1)
    array([[ 4.2, 79. ],
           [ 2.2, 57.3]])
    """

    mean: Any = DEFAULT
    shrinkage: Any = DEFAULT
    degrees_of_freedom: Any = DEFAULT
    scale: Any = DEFAULT
    weights: Any = None
    background: Background | None = None

    def __post_init__(self) -> None:
        for name in ("mean", "shrinkage", "degrees_of_freedom", "scale", "weights"):
            value = getattr(self, name)
            if value is not None and not is_default(value, name):
                object.__setattr__(self, name, _numbers(value, name))
        _check_least(self.shrinkage, "shrinkage", 0.0, "rows that the prior's mean counts for")
        _check_least(
            self.weights, "weights", 1.0, "concentrations of the weights, of which 1 says nothing"
        )

    @classmethod
    def around(
        cls,
        mixture: Mixture,
        relevance: float = 16.0,
        *,
        weight_relevance: float | None = None,
        covariance_relevance: float | None = None,
    ) -> Self:
        """A prior around the components of a mixture, which are adapted to other rows.

        The fit begins at the mixture, whose components keep their numbers. With n_k rows, the mean
        m_k and scatter matrix W_k of a component's rows about it, and relevance factors r for means
        and s for covariances, component (mu_k, Sigma_k) becomes, in each M-step,

            mu = (n_k m_k + r mu_k) / (n_k + r),
            Sigma = (W_k + r n_k / (n_k + r) (m_k - mu_k)(m_k - mu_k)^T + s Sigma_k) / (n_k + s),

        which for r = s is Reynolds, Quatieri & Dunn (2000), eq. 12 to 14. The weights are
        (n_k + t pi_k) / (n + t): unlike theirs, the mode under a Dirichlet prior.

        Parameters
        ----------
        mixture : Mixture
            Without noise component.
        relevance : float, default=16.0
            r > 0: as many rows move a mean halfway.
        weight_relevance : float, optional
            t > 0. By default the weights are held.
        covariance_relevance : float, optional
            s >= 1. By default the covariances are held.

        Raises
        ------
        DataError
            A relevance is out of range, or the mixture has a noise component.

        Examples
        --------
        >>> import numpy as np
        >>> import ellimix as em
        >>> world = em.Mixture.from_parameters([0.5, 0.5], [[0.0], [9.0]], [1.0, 1.0], "VII")
        >>> X = np.array([[1.0]] * 16)
        >>> prior = em.Prior.around(world)
        >>> model = em.GaussianMixture(2, covariance_type="VII", prior=prior).fit(X)
        >>> model.means_.ravel()
        array([0.5, 9. ])
        """
        if mixture.box is not None:
            raise DataError(
                "A prior is around Gaussian components, and this mixture has a noise component: "
                "use one without."
            )
        _check_relevance(relevance, "relevance", 0.0, strict=True)
        _check_relevance(weight_relevance, "weight_relevance", 0.0, strict=True)
        _check_relevance(covariance_relevance, "covariance_relevance", 1.0, strict=False)
        background = Background(
            mixture.parameters, mixture.family, weight_relevance, covariance_relevance
        )
        share = mixture.weights
        return cls(
            mean=mixture.means,
            shrinkage=float(relevance),
            degrees_of_freedom=None,
            scale=None,
            weights=None if weight_relevance is None else 1.0 + weight_relevance * share,
            background=background,
        )

    @property
    def tells_apart(self) -> bool:
        """Whether components have priors of their own, so that their numbers mean something."""
        matrix = isinstance(self.scale, np.ndarray) and self.scale.ndim > 2
        plain = (self.shrinkage, self.degrees_of_freedom, self.weights)
        own = any(isinstance(value, np.ndarray) and value.ndim > 0 for value in plain)
        means = isinstance(self.mean, np.ndarray) and self.mean.ndim > 1
        return matrix or own or means or self.background is not None


def is_default(value: Any, name: str = "") -> bool:
    """Whether a part is the default. With a name, other text is an error."""
    if not isinstance(value, str):
        return False
    if name and (value != DEFAULT or name == "weights"):
        expected = "numbers or None" if name == "weights" else "numbers, 'default' or None"
        raise DataError(f"The prior's {name} is {value!r}: expected {expected}.")
    return True


def _numbers(value: Any, name: str) -> Array:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError(
            f"The prior's {name} is not an array of numbers: {type(value).__name__}."
        ) from None
    if not np.isfinite(array).all():
        raise DataError(f"The prior's {name} contains NaN or infinity: it must be finite.")
    return array


def _check_least(value: Any, name: str, least: float, what: str) -> None:
    if isinstance(value, np.ndarray) and (value < least).any():
        raise DataError(
            f"The prior's {name} contains {value.min():g}: {what}; at least {least:g} is expected."
        )


def _check_relevance(value: float | None, name: str, least: float, strict: bool) -> None:
    if value is None:
        return
    number = _numbers(value, name)
    if number.ndim or number < least or (strict and number == least):
        bound = f"above {least:g}" if strict else f"at least {least:g}"
        raise DataError(f"{name} is {value!r}: it must be a number {bound}, of rows.")
