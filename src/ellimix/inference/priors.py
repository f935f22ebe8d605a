"""Conjugate priors on a mixture's parameters, and the pseudo-data that they stand for.

A Dirichlet distribution on the weights, and for each component a normal distribution on its mean
given its covariance, and an inverse Wishart distribution on the covariance (Fraley & Raftery 2007):

    pi ~ D(alpha),    mu_k | Sigma_k ~ N(m_k, Sigma_k / kappa_k),    Sigma_k ~ W^-1(nu_k, Lambda_k).

Where covariances are diagonal each variance has an inverse gamma distribution with shape nu / 2 and
scale lambda_j / 2, and where they are spherical the one variance has. A family that shares all of
its covariance has that distribution once. In all other families it is on every Sigma_k, restricted
to the covariances that the family allows. The log-density is in any case, up to a constant that
depends on the prior alone,

    sum_k a_k log pi_k - 1/2 sum_k ( (c_k + 1) log |Sigma_k|
                                     + tr Sigma_k^-1 (S_k + kappa_k (mu_k - m_k)(mu_k - m_k)^T) ),

without the 1 where kappa_k is 0: what c_k + 1 more rows with the scatter S_k would add, and
kappa_k rows at m_k. So the M-step of every family can do it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from ellimix.covariance.base import Family, Structure
from ellimix.covariance.triangular import NDArrayBool, precision_factors
from ellimix.errors import DataError
from ellimix.inference.base import Parameters
from ellimix.records import Array, Moment

if TYPE_CHECKING:
    from ellimix.density.mixture import Mixture

DEFAULT: Final = "default"
SHRINKAGE: Final = 0.01  # a hundredth of a row
SYMMETRIC: Final = 1e-10  # relative difference of a matrix and its transpose


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
            if value is not None and not _is_default(value, name):
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


@final
@dataclass(frozen=True, eq=False)
class PseudoData:
    """A prior as what it adds to the statistics of a fit; the letters are those above.

    Parameters
    ----------
    weights : ndarray of shape (k,)
        a_k = alpha_k - 1 >= 0.
    noise : float
        The same of a noise component.
    mean : ndarray of shape (k, d)
    shrinkage : ndarray of shape (k,)
        kappa_k >= 0.
    counts : ndarray of shape (k,)
        c_k. With c_k + 1 not below 0 where kappa_k > 0.
    scatter : ndarray of shape (k, d) or (k, d, d)
        S_k: diagonals where the family's second moment is. Positive definite or 0.
    """

    weights: Array
    noise: float
    mean: Array
    shrinkage: Array
    counts: Array
    scatter: Array

    @property
    def powers(self) -> Array:
        """What is added to the counts of the covariances, (k,)."""
        return self.counts + (self.shrinkage > 0.0)

    def determined(self, family: Family) -> NDArrayBool:
        """The components that need no rows: for mean and covariance there is a prior, (k,)."""
        spread = np.asarray(self.scatter.reshape(self.counts.size, -1).any(axis=1))
        return (self.shrinkage > 0.0) & ((spread & (self.powers > 0.0)) | one_for_all(family))


@final
@dataclass(frozen=True, eq=False)
class Spread:
    """Where the rows are: their means (d,) and their covariance (d, d), with divisor n - 1."""

    mean: Array
    covariance: Array


def one_for_all(family: Family) -> bool:
    """Whether all components have the same covariance: EII, EEI and EEE."""
    return family.n_parameters(2, 2) == family.n_parameters(1, 2)


def pseudo_data(
    prior: Prior, family: Family, k: int, d: int, noise: bool, spread: Callable[[], Spread]
) -> PseudoData:
    """What a prior adds to the statistics of fits of one family with k components.

    Parameters
    ----------
    prior : Prior
    family : Family
    k, d : int
    noise : bool
        Whether there is a noise component.
    spread : callable
        Gives the rows' `Spread`; called only if a default needs it.

    Raises
    ------
    DataError
        A shape does not go with k, d or the family, degrees of freedom are too few, or the scale is
        not positive definite.
    """
    a, own = _weights(prior, k, noise)
    shrinkage = SHRINKAGE if _is_default(prior.shrinkage) else prior.shrinkage
    kappa = np.zeros(k)
    if shrinkage is not None and prior.mean is not None:
        kappa = _each(shrinkage, "shrinkage", k)
    mean = np.zeros((k, d))
    if (kappa > 0.0).any():
        mean = spread().mean if _is_default(prior.mean) else prior.mean
        mean = _shaped(mean, "mean", ((d,), (k, d)), (k, d))
    square = family.moment is not Moment.DIAGONAL
    counts, scatter = np.zeros(k), np.zeros((k, d, d) if square else (k, d))
    if prior.background is not None:
        counts, scatter = _of_background(prior.background, family, k, d, counts, scatter)
    elif prior.degrees_of_freedom is not None and prior.scale is not None:
        counts, scatter = _of_wishart(prior, family, k, d, spread)
    return PseudoData(a, own, mean, kappa, counts, scatter)


def _weights(prior: Prior, k: int, noise: bool) -> tuple[Array, float]:
    alpha = prior.weights
    if alpha is None:
        return np.zeros(k), 0.0
    if alpha.ndim == 0:
        return np.full(k, alpha - 1.0), float(alpha - 1.0)
    shapes = ((k,), (k + 1,)) if noise else ((k,),)
    if alpha.shape not in shapes:
        raise _wrong_shape("weights", alpha, ((), *shapes))
    return alpha[:k] - 1.0, float(alpha[k] - 1.0) if alpha.size > k else 0.0


def _of_background(
    background: Background, family: Family, k: int, d: int, counts: Array, scatter: Array
) -> tuple[Array, Array]:
    """c_k + 1 = s and S_k = s Sigma_k, so that the mode without rows is the background itself."""
    theirs = background.parameters.means.shape
    if (background.family.name, *theirs) != (family.name, k, d):
        raise DataError(
            f"The prior is around {theirs[0]} components of family {background.family.name} on "
            f"{theirs[1]} features, but {k} of {family.name} on {d} are fitted: they must agree."
        )
    s = background.covariance_relevance
    if s is None:
        return counts, scatter
    values = background.parameters.covariance.values
    match background.family.structure:
        case Structure.SPHERICAL:
            values = np.repeat(values[:, None], d, axis=1)
        case Structure.SHARED:
            values = np.broadcast_to(values, (k, d, d))
        case _:
            pass
    return np.full(k, s - 1.0), s * values


def _of_wishart(
    prior: Prior, family: Family, k: int, d: int, spread: Callable[[], Spread]
) -> tuple[Array, Array]:
    """c_k and S_k of inverse Wishart or inverse gamma distributions."""
    shared = one_for_all(family)
    given = prior.degrees_of_freedom
    nu = np.full(k, d + 2.0) if _is_default(given) else _each(given, "degrees_of_freedom", k)
    if _is_default(prior.scale):
        scale = default_scale(spread().covariance, family, k)
    else:
        scale = _scale(prior.scale, family, k, d)
    own = (not _is_default(given) and given.ndim > 0) or _is_own(prior.scale, k, d)
    if shared and own:
        raise DataError(
            f"{family.name} has one covariance for all components: the prior's degrees_of_freedom "
            "and scale must be one for all, too."
        )
    _check_degrees(nu, family, d)
    match family.structure:
        case Structure.SPHERICAL:
            counts = (nu + 2.0) / d
            scatter = np.repeat(scale.mean(axis=1, keepdims=True) / d, d, axis=1)
        case Structure.DIAGONAL:
            counts, scatter = nu + 2.0, scale
        case _:
            counts, scatter = nu + d + 1.0, scale
    return (counts / k, scatter / k) if shared else (counts, scatter)


def default_scale(covariance: Array, family: Family, k: int) -> Array:
    """mclust's default scale, (k, d, d) or (k, d).

    Parameters
    ----------
    covariance : ndarray of shape (d, d)
        Of all rows, with divisor n - 1.
    family : Family
    k : int

    Raises
    ------
    DataError
        The covariance is singular.
    """
    d = covariance.shape[0]
    part = covariance / k ** (2.0 / d)
    if family.moment is Moment.DIAGONAL:
        mean = float(part.diagonal().mean())
        if not 0.0 < mean < np.inf:
            raise DataError(
                "The default prior takes its scale from the rows, and they have no spread: give "
                "the prior's scale."
            )
        return np.full((k, d), mean)
    if precision_factors(part)[1]:
        raise DataError(
            "The default prior takes its scale from the covariance of all rows, which is singular: "
            "leave out columns that are constant or functions of others, or give the prior's scale."
        )
    return np.broadcast_to(part, (k, d, d))


def _scale(scale: Array, family: Family, k: int, d: int) -> Array:
    """A given scale as (k, d, d), or its diagonals (k, d) where the family takes them."""
    shapes = ((), (d,), (k, d), (d, d), (k, d, d))
    if scale.shape not in shapes:
        raise _wrong_shape("scale", scale, shapes)
    matrix = scale.shape in ((d, d), (k, d, d)) and not (scale.shape == (k, d) and k != d)
    if scale.shape == (k, d) and k == d:  # looks like a matrix, and is one if it is symmetric
        matrix = _symmetric(scale)
    if not matrix:
        if not (scale > 0.0).all():
            raise DataError(
                f"The prior's scale contains {scale.min():g}: variances must be positive."
            )
        diagonals = np.broadcast_to(scale, (k, d))
        if family.moment is Moment.DIAGONAL:
            return diagonals
        return np.asarray(diagonals[:, :, None] * np.eye(d))
    if not _symmetric(scale) or precision_factors(scale)[1].any():
        raise DataError(
            "The prior's scale is not positive definite: it must be a symmetric matrix with "
            "positive eigenvalues, in proportion to a covariance."
        )
    matrices = np.broadcast_to(scale, (k, d, d))
    if family.moment is Moment.DIAGONAL:
        return np.ascontiguousarray(matrices.diagonal(0, 1, 2))
    return matrices


def _is_own(scale: Any, k: int, d: int) -> bool:
    """Whether a scale has a part for each component."""
    if _is_default(scale):
        return False
    return scale.ndim == 3 or (scale.shape == (k, d) and not (k == d and _symmetric(scale)))


def _symmetric(matrix: Array) -> bool:
    size = np.abs(matrix).max(initial=0.0)
    return bool(np.abs(matrix - np.swapaxes(matrix, -1, -2)).max(initial=0.0) <= SYMMETRIC * size)


def _check_degrees(nu: Array, family: Family, d: int) -> None:
    square = family.moment is not Moment.DIAGONAL
    least = d - 1.0 if square else 0.0
    if not (nu > least).all():
        why = f"d - 1 = {least:g} for {d} features" if square else "0"
        raise DataError(
            f"The prior has degrees_of_freedom {nu.min():g}: for {family.name} they must be more "
            f"than {why}."
        )


def _each(values: Any, name: str, k: int) -> Array:
    return _shaped(values, name, ((), (k,)), (k,))


def _shaped(
    values: Any, name: str, allowed: tuple[tuple[int, ...], ...], shape: tuple[int, ...]
) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.shape not in allowed:
        raise _wrong_shape(name, array, allowed)
    return np.array(np.broadcast_to(array, shape))


def _wrong_shape(name: str, array: Array, allowed: tuple[tuple[int, ...], ...]) -> DataError:
    shapes = [str(shape) if shape else "a number" for shape in dict.fromkeys(allowed)]
    return DataError(
        f"The prior's {name} has shape {array.shape}, expected {' or '.join(shapes)} for this "
        "number of components and features."
    )


def _is_default(value: Any, name: str = "") -> bool:
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
