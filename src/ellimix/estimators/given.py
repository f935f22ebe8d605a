"""What weights_init, means_init and precisions_init say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import Covariance, Structure
from ellimix.density.checks import checked_means, checked_weights, covariance_of_precisions
from ellimix.inference.base import Parameters
from ellimix.inference.held import replaced, shares
from ellimix.records import Array

Mask = NDArray[np.bool_]
SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Precisions:
    """Precisions that were given, as covariances.

    Parameters
    ----------
    covariance : Covariance
        Of k components; anything for those that were not given.
    given : ndarray of shape (k,), bool
    """

    covariance: Covariance
    given: Mask


@dataclass(frozen=True)
class GivenParameters:
    """What `weights_init`, `means_init` and `precisions_init` say, checked.

    Parameters
    ----------
    k, d : int
    weights : ndarray of shape (k,) or None
        NaN where a start decides, and None where it decides all of them.
    means : ndarray of shape (k, d) or None
        The same by rows.
    precisions : Precisions or None
    """

    k: int
    d: int
    weights: Array | None = None
    means: Array | None = None
    precisions: Precisions | None = None

    @property
    def weighted(self) -> Mask:
        """Whose weight was given, (k,)."""
        none = np.zeros(self.k, dtype=bool)
        return none if self.weights is None else ~np.isnan(self.weights)

    @property
    def placed(self) -> Mask:
        """Whose mean was given, (k,)."""
        none = np.zeros(self.k, dtype=bool)
        return none if self.means is None else ~np.isnan(self.means[:, 0])

    @property
    def shaped(self) -> Mask:
        """Whose precision was given, (k,)."""
        none = np.zeros(self.k, dtype=bool)
        return none if self.precisions is None else self.precisions.given

    @property
    def complete(self) -> bool:
        """Whether no start is needed."""
        return bool((self.weighted & self.placed & self.shaped).all())

    @property
    def empty(self) -> bool:
        """Whether nothing was given."""
        return not (self.weighted | self.placed | self.shaped).any()

    def over(self, model: Parameters) -> Parameters:
        """`model` with what was given in place of its own parameters.

        Weights that were not given share what is left as they share it in the model, and so does
        a noise component. Where nothing is left for that, it keeps its weight.
        """
        weights, noise = self._weights_over(model)
        means, covariance = model.means, model.covariance
        if self.means is not None:
            means = np.where(self.placed[:, None], self.means, means)
        if self.precisions is not None:
            covariance = replaced(covariance, self.precisions.covariance, self.shaped)
        return Parameters(weights, means, covariance, noise)

    def _weights_over(self, model: Parameters) -> tuple[Array, Array | None]:
        given, noise = self.weights, model.noise
        if given is None:
            return model.weights, noise
        if noise is not None:
            given = np.append(given, np.nan)
        free = np.isnan(given)
        counts = model.weights if noise is None else np.append(model.weights, noise)
        rest = 1.0 - float(given[~free].sum())
        if noise is not None and rest <= SUM_TOLERANCE:
            return given[:-1] * (1.0 - noise), noise
        weights = given.copy()
        weights[free] = shares(counts[free], rest, np.zeros(int(free.sum())))
        return (weights, None) if noise is None else (weights[:-1], np.asarray(weights[-1]))

    def else_from(self, model: Parameters) -> GivenParameters:
        """The same with a model's parameters where nothing was given."""
        weights = model.weights if self.weights is None else self.weights
        means, covariance = model.means, model.covariance
        if self.means is not None:
            means = np.where(self.placed[:, None], self.means, means)
        if self.precisions is not None:
            covariance = replaced(covariance, self.precisions.covariance, self.shaped)
        every = np.ones(self.k, dtype=bool)
        weights = np.where(np.isnan(weights), model.weights, weights)
        return GivenParameters(self.k, self.d, weights, means, Precisions(covariance, every))

    def alone(self) -> Parameters:
        """The model that was given completely."""
        if self.weights is None or self.means is None or self.precisions is None:
            raise AssertionError("everything was given")
        return Parameters(self.weights, self.means, self.precisions.covariance)


def given_parameters(
    arrays: tuple[Any, Any, Any], structure: Structure, k: int, d: int, noise: bool = False
) -> GivenParameters:
    """The constructor's arguments in float64.

    Parameters
    ----------
    arrays : tuple of three array-likes or None
        Weights, means and precisions. NaN for components of which the start shall decide.
    structure : Structure
        Of the covariance family.
    k, d : int
    noise : bool
        Whether there is a noise component: it may have what the weights leave.

    Raises
    ------
    ValueError
        A shape or a number is wrong.
    """
    weights, means, precisions = arrays
    try:
        return GivenParameters(
            k,
            d,
            None if weights is None else _weights(weights, k, noise),
            None if means is None else _means(means, k, d),
            None if precisions is None else _precisions(precisions, structure, k, d),
        )
    except ValueError as error:
        raise ValueError(f"weights_init, means_init or precisions_init: {error}") from None


def _weights(values: Any, k: int, noise: bool) -> Array | None:
    weights = _floats(values)
    if weights is None or weights.shape != (k,):
        return checked_weights(values if weights is None else np.nan_to_num(weights), k)
    if not np.isnan(weights).any() and not (noise and weights.sum() < 1.0 - SUM_TOLERANCE):
        return checked_weights(weights, k)
    own = weights[~np.isnan(weights)]
    if own.size == 0:
        return None
    if not (np.isfinite(own).all() and (own >= 0.0).all() and own.sum() < 1.0):
        raise ValueError(
            "weights that leave a part to others must not be negative and must sum to less than "
            f"1, but their minimum is {own.min():.6g} and their sum {own.sum():.6g}."
        )
    return weights


def _means(values: Any, k: int, d: int) -> Array | None:
    means = _floats(values)
    if means is None or means.shape != (k, d):
        return checked_means(values if means is None else np.nan_to_num(means), k, d)
    free = _whole(np.isnan(means), "means")
    if free.all():
        return None
    checked_means(np.where(free[:, None], 0.0, means), k, d)
    return means


def _precisions(values: Any, structure: Structure, k: int, d: int) -> Precisions | None:
    array, shape = _floats(values), structure.array_shape(k, d)
    if array is None or array.shape != shape:
        values = values if array is None else np.nan_to_num(array)
        return Precisions(covariance_of_precisions(values, structure, k, d), np.ones(k, dtype=bool))
    missing = np.isnan(array)
    if structure is Structure.SHARED:
        if missing.all():
            return None
        free = np.zeros(k, dtype=bool)
    else:
        free = _whole(missing, "precisions")
        if free.all():
            return None
        array[free] = array[np.flatnonzero(~free)[0]]  # anything sound
    return Precisions(covariance_of_precisions(array, structure, k, d), ~free)


def _floats(values: Any) -> Array | None:
    """A new array; None where `values` are no numbers, of which others complain."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None


def _whole(missing: Mask, what: str) -> Mask:
    """Which components are left out, (k,): each is NaN altogether or not at all."""
    flat = missing.reshape(missing.shape[0], -1)
    some = flat.any(axis=1) & ~flat.all(axis=1)
    if some.any():
        raise ValueError(
            f"{what} of component {int(np.argmax(some))} are NaN in part: give all its numbers, or "
            "NaN for all of them where the start shall decide."
        )
    return np.asarray(flat.all(axis=1))
