"""From `fix`, `equal_weights` and `min_weight` to what an inference holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import Structure
from ellimix.errors import DataError
from ellimix.estimators.given import SUM_TOLERANCE, GivenParameters, given_parameters
from ellimix.inference.held import Held
from ellimix.inference.posterior import Estimation
from ellimix.inference.priors import Prior
from ellimix.records import Array

if TYPE_CHECKING:
    from ellimix.estimators.gaussian_mixture import GaussianMixture

Mask = NDArray[np.bool_]

# the parts that can be fixed, and where their values stand
PARTS: Final = {
    "weights": "weights_init",
    "means": "means_init",
    "covariances": "precisions_init",
}


@dataclass(frozen=True)
class Wishes:
    """What a user wants to be held.

    Parameters
    ----------
    fix : mapping or None
        From parts to component numbers, or True or "all".
    equal_weights : bool
    min_weight : float
    """

    fix: Mapping[str, Any] | None = None
    equal_weights: bool = False
    min_weight: float = 0.0


def as_wished(
    estimator: GaussianMixture, inference: Estimation, d: int
) -> tuple[Estimation, GivenParameters]:
    """The inference with what the estimator shall hold, and the parameters that were given.

    Parameters
    ----------
    estimator : GaussianMixture
    inference : Estimation
    d : int

    Raises
    ------
    ValueError
        As `given_parameters` and `holding`.
    """
    arrays = estimator.weights_init, estimator.means_init, estimator.precisions_init
    k, noise = int(estimator.n_components), inference.box is not None
    given = given_parameters(arrays, inference.family.structure, k, d, noise)
    fix = estimator.fix
    if isinstance(estimator.prior, Prior) and estimator.prior.background is not None:
        given = given.else_from(estimator.prior.background.parameters)
        fix = {**({} if fix is None else fix), **estimator.prior.background.held}
    wishes = Wishes(fix, estimator.equal_weights, estimator.min_weight)
    return holding(inference, wishes, given), given


def holding(inference: Estimation, wishes: Wishes, given: GivenParameters) -> Estimation:
    """The inference that holds what is wished; the same where that is nothing.

    Parameters
    ----------
    inference : Estimation
    wishes : Wishes
    given : GivenParameters
        The values.

    Raises
    ------
    DataError
        A wish names no part or component, has no value, or contradicts another.
    """
    which = {part: np.zeros(given.k, dtype=bool) for part in PARTS}
    for part, numbers in ({} if wishes.fix is None else wishes.fix).items():
        if part not in PARTS:
            raise DataError(
                f"fix has the key {part!r}: its keys are {', '.join(map(repr, PARTS))}."
            )
        which[part] = _mask(part, numbers, given.k)
    _check_given(which, given)
    _check_one_matrix(which["covariances"], inference)
    weights = np.full(given.k, np.nan)
    if given.weights is not None:
        weights = np.where(which["weights"], given.weights, np.nan)
    _check_weights(weights, wishes, given, noise=inference.box is not None)
    plain = not any(mask.any() for mask in which.values())
    if plain and not wishes.equal_weights and wishes.min_weight == 0.0:
        return inference
    means = np.full((given.k, given.d), np.nan)
    if given.means is not None:
        means = np.where(which["means"][:, None], given.means, np.nan)
    shaped = which["covariances"]
    covariance = None
    if shaped.any() and given.precisions is not None:
        covariance = given.precisions.covariance
    equal, least = bool(wishes.equal_weights), float(wishes.min_weight)
    return replace(inference, held=Held(weights, means, covariance, shaped, equal, least))


def _mask(part: str, numbers: Any, k: int) -> Mask:
    """Which components are meant, (k,)."""
    if numbers is True or (isinstance(numbers, str) and numbers == "all"):
        return np.ones(k, dtype=bool)
    expected = f"a list of component numbers from 0 to {k - 1}, or True or 'all' for all of them"
    if isinstance(numbers, str | bytes | Mapping) or not isinstance(numbers, Iterable):
        raise DataError(f"fix[{part!r}] is {numbers!r}: expected {expected}.")
    mask = np.zeros(k, dtype=bool)
    for number in numbers:
        if isinstance(number, bool | np.bool_) or not isinstance(number, Integral):
            raise DataError(f"fix[{part!r}] contains {number!r}: expected {expected}.")
        if not 0 <= int(number) < k:
            raise DataError(
                f"fix[{part!r}] contains {number}, but components are numbered from 0 to {k - 1}."
            )
        if mask[int(number)]:
            raise DataError(f"fix[{part!r}] contains {number} twice: name each component once.")
        mask[int(number)] = True
    return mask


def _check_given(which: dict[str, Mask], given: GivenParameters) -> None:
    """Every part that is fixed must have a value."""
    there = {"weights": given.weighted, "means": given.placed, "covariances": given.shaped}
    for part, argument in PARTS.items():
        missing = np.flatnonzero(which[part] & ~there[part])
        if missing.size:
            named = ", ".join(map(str, missing))
            raise DataError(
                f"fix[{part!r}] holds component(s) {named}, but {argument} does not say at what "
                "(it is None, or NaN there)."
            )


def _check_one_matrix(shaped: Mask, inference: Estimation) -> None:
    family = inference.family
    if family.structure is Structure.SHARED and shaped.any() and not shaped.all():
        raise DataError(
            f"{family.name} has one covariance matrix for all components: fix['covariances'] must "
            f"name all of them or none, not {np.flatnonzero(shaped).tolist()} of {shaped.size}."
        )


def _check_weights(weights: Array, wishes: Wishes, given: GivenParameters, noise: bool) -> None:
    """What is demanded of the weights must be possible."""
    fixed = ~np.isnan(weights)
    least, k = float(wishes.min_weight), weights.size
    if wishes.equal_weights and given.weighted.any():
        raise DataError(
            "equal_weights=True says what all weights are: leave weights_init and fix['weights'] "
            "out."
        )
    if not 0.0 <= least * k < 1.0:
        raise DataError(
            f"min_weight={least:g} for each of {k} components: it must be at least 0 and below "
            f"1 / {k}."
        )
    if given.weights is not None and (given.weights[given.weighted] < least).any():
        smallest = given.weights[given.weighted].min()
        raise DataError(f"weights_init contains {smallest:g}, which is below min_weight={least:g}.")
    if not fixed.any():
        return
    _check_fixed_weights(weights[fixed], int((~fixed).sum()), least, noise)


def _check_fixed_weights(own: Array, free: int, least: float, noise: bool) -> None:
    total = float(own.sum())
    if (own <= 0.0).any():
        raise DataError(f"A fixed weight must be positive, but one is {own.min():g}.")
    if free == 0 and not noise:
        return  # all were given, and their sum has been checked
    who = "the noise component" if free == 0 else "the other components"
    if total >= 1.0 - SUM_TOLERANCE:
        raise DataError(
            f"The fixed weights sum to {total:g}, which leaves nothing for {who}: they must sum "
            "to less than 1."
        )
    if free * least >= 1.0 - total:
        raise DataError(
            f"The fixed weights sum to {total:g}, which leaves less than min_weight={least:g} for "
            f"each of the {free} others."
        )
