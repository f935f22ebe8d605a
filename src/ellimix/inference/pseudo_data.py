"""The pseudo-data that a conjugate prior stands for.

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
from dataclasses import dataclass, field
from typing import Any, Final, final

import numpy as np

from ellimix.covariance.base import Family, Structure
from ellimix.covariance.triangular import NDArrayBool, precision_factors
from ellimix.errors import DataError
from ellimix.inference.priors import Background, Prior, is_default
from ellimix.records import Array, Moment

SHRINKAGE: Final = 0.01  # the default: its mean counts for a hundredth of a row
SYMMETRIC: Final = 1e-10  # relative difference of a matrix and its transpose


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

    @property
    def bounded(self) -> bool:
        """Whether it keeps every covariance away from singular ones."""
        return bool(self._spread.all())

    @property
    def _spread(self) -> NDArrayBool:
        return np.asarray(self.scatter.reshape(self.counts.size, -1).any(axis=1))

    def determined(self, family: Family) -> NDArrayBool:
        """The components that need no rows: for mean and covariance there is a prior, (k,)."""
        covariance = self._spread & (self.powers > 0.0)
        return (self.shrinkage > 0.0) & (covariance | one_for_all(family))


@final
@dataclass(frozen=True, eq=False)
class Spread:
    """Where the rows are: their means (d,) and their covariance (d, d), with divisor n - 1."""

    mean: Array
    covariance: Array


@final
@dataclass(frozen=True, eq=False)
class Assumed:
    """A prior and the rows' spread: what it adds to fits of any family and number of components.

    Parameters
    ----------
    prior : Prior
    spread : callable
        Gives the rows' `Spread`; called once at most, and only if a default needs it.
    n_features : int
    """

    prior: Prior
    spread: Callable[[], Spread]
    n_features: int
    _made: dict[tuple[str, int, bool], PseudoData] = field(default_factory=dict)
    _seen: list[Spread] = field(default_factory=list)

    def of(self, family: Family, k: int, noise: bool) -> PseudoData:
        """What it adds to such fits: always the same record, so that they can share passes.

        Raises
        ------
        DataError
            As `pseudo_data`.
        """
        key = family.name, k, noise
        if key not in self._made:
            d = self.n_features
            self._made[key] = pseudo_data(self.prior, family, k, d, noise, self._spread)
        return self._made[key]

    def _spread(self) -> Spread:
        if not self._seen:
            self._seen.append(self.spread())
        return self._seen[0]


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
    if prior.background is not None:
        _check_background(prior.background, family, k, d)
    a, own = _weights(prior, k, noise)
    shrinkage = SHRINKAGE if is_default(prior.shrinkage) else prior.shrinkage
    kappa = np.zeros(k)
    if shrinkage is not None and prior.mean is not None:
        kappa = _each(shrinkage, "shrinkage", k)
    mean = np.zeros((k, d))
    if (kappa > 0.0).any():
        mean = spread().mean if is_default(prior.mean) else prior.mean
        mean = _shaped(mean, "mean", ((d,), (k, d)), (k, d))
    square = family.moment is not Moment.DIAGONAL
    counts, scatter = np.zeros(k), np.zeros((k, d, d) if square else (k, d))
    if prior.background is not None:
        relevance = prior.background.covariance_relevance
        if relevance is not None:
            counts, scatter = _of_background(prior.background, relevance)
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


def _check_background(background: Background, family: Family, k: int, d: int) -> None:
    theirs = background.parameters.means.shape
    if (background.family.name, *theirs) != (family.name, k, d):
        raise DataError(
            f"The prior is around {theirs[0]} components of family {background.family.name} on "
            f"{theirs[1]} features, but {k} of {family.name} on {d} are fitted: they must agree."
        )


def _of_background(background: Background, relevance: float) -> tuple[Array, Array]:
    """c_k + 1 = s and S_k = s Sigma_k, so that the mode without rows is the background itself."""
    values = background.parameters.covariance.values
    k, d = background.parameters.means.shape
    match background.family.structure:
        case Structure.SPHERICAL:
            values = np.repeat(values[:, None], d, axis=1)
        case Structure.SHARED:
            values = np.broadcast_to(values, (k, d, d))
        case _:
            pass
    return np.full(k, relevance - 1.0), relevance * values


def _of_wishart(
    prior: Prior, family: Family, k: int, d: int, spread: Callable[[], Spread]
) -> tuple[Array, Array]:
    """c_k and S_k of inverse Wishart or inverse gamma distributions."""
    shared = one_for_all(family)
    given = prior.degrees_of_freedom
    nu = np.full(k, d + 2.0) if is_default(given) else _each(given, "degrees_of_freedom", k)
    if is_default(prior.scale):
        scale = default_scale(spread().covariance, family, k)
    else:
        scale = _scale(prior.scale, family, k, d)
    own = (not is_default(given) and given.ndim > 0) or _is_own(prior.scale, k, d)
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
    if is_default(scale):
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
