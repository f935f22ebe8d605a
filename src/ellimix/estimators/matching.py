"""Numbers for components: which of those that a start or a fit found is which of those given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ellimix.covariance.base import Structure
from ellimix.estimators.given import GivenParameters
from ellimix.inference.base import Parameters
from ellimix.inference.held import Held, components
from ellimix.records import Array, Moment, SufficientStatistics

FARTHEST = 1e300  # in place of costs that are no numbers


def match(statistics: SufficientStatistics, given: GivenParameters) -> NDArray[np.intp]:
    """The components of a start, (k,), in the order in which they come nearest to what was given.

    The given means decide: the sum of squared distances to them is least, in units of each
    feature's standard deviation over all rows. Without any, the given covariances, by the
    logarithms of the features' variances; without these the given weights. Where nothing tells
    components apart they keep their numbers.

    Parameters
    ----------
    statistics : SufficientStatistics
        Of one fit, of at least k components; further ones are not looked at.
    given : GivenParameters
    """
    k = given.k
    n, s1, center = statistics.n[:k], statistics.s1[:k], statistics.center[:k]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        safe = np.where(n > 0.0, n, 1.0)[:, None]
        means, within = center + s1 / safe, _variances(statistics, k)
        share = n / n.sum()
        if given.means is not None:
            which = given.placed
            middle = share @ means
            total = share @ ((means - middle) ** 2) + within.sum(axis=0) / n.sum()
            scale = np.where(total > 0.0, total, 1.0)
            between = given.means[which][:, None] - means
            cost = (between**2 / scale).sum(axis=2)
        elif (diagonals := _diagonals(given)) is not None:
            which = given.shaped
            wanted = np.log(diagonals[which])
            found = np.log(within / safe)
            cost = ((wanted[:, None] - found) ** 2).sum(axis=2)
        elif given.weights is not None:
            which = given.weighted
            cost = (given.weights[which][:, None] - share) ** 2
        else:
            return np.arange(k)
    return _order(which, cost)


def _order(which: NDArray[np.bool_], cost: Array) -> NDArray[np.intp]:
    """Numbers for all k: the cheapest for those in `which`, the others in their own order."""
    sound = np.nan_to_num(cost, nan=FARTHEST, posinf=FARTHEST)
    taken = linear_sum_assignment(np.minimum(sound, FARTHEST))[1]
    order = np.empty(which.size, dtype=np.intp)
    order[which] = taken
    order[~which] = np.setdiff1d(np.arange(which.size), taken)
    return order


def _variances(statistics: SufficientStatistics, k: int) -> Array:
    """Sums of squares of the features about the components' means, (k, d).

    Where only a sum over the components is known, each has an equal part.
    """
    n, s1 = np.where(statistics.n > 0.0, statistics.n, 1.0)[:, None], statistics.s1
    if statistics.moment is Moment.POOLED:
        pooled = np.diagonal(statistics.s2) - (s1**2 / n).sum(axis=0)
        return np.repeat(pooled[None] / k, k, axis=0)
    if statistics.moment is Moment.DIAGONAL:
        return np.asarray((statistics.s2 - s1**2 / n)[:k])
    return np.asarray((np.diagonal(statistics.s2, axis1=1, axis2=2) - s1**2 / n)[:k])


def _diagonals(given: GivenParameters) -> Array | None:
    """Variances of the features where each component's precision was given, (k, d)."""
    covariance = None if given.precisions is None else given.precisions.covariance
    if covariance is None or covariance.structure is Structure.SHARED:
        return None
    if covariance.structure is Structure.SPHERICAL:
        return np.repeat(covariance.values[:, None], given.d, axis=1)
    if covariance.structure is Structure.DIAGONAL:
        return covariance.values
    return np.diagonal(covariance.values, axis1=1, axis2=2)


def reordered(statistics: SufficientStatistics, order: NDArray[np.intp]) -> SufficientStatistics:
    """One fit's statistics with its first components in another order."""
    order = np.concatenate([order, np.arange(order.size, statistics.n.size)])
    pooled = statistics.moment is Moment.POOLED
    return replace(
        statistics,
        n=statistics.n[order],
        s1=statistics.s1[order],
        s2=statistics.s2 if pooled else statistics.s2[order],
        center=statistics.center[order],
    )


def resumed(model: Parameters, bound: float, held: Held | None) -> tuple[Parameters, float]:
    """Where a warm start goes on: the last fit's model, and its objective.

    The components of that fit may since have been sorted by weight. In whatever order the held
    parts are where they belong, to the bit, the model is the last fit's. If they are in no order,
    other parts were held then: these are put in their places, and the objective is unknown.

    Parameters
    ----------
    model : Parameters
        Of one fit.
    bound : float
        Its objective, per unit of row weight.
    held : Held or None
    """
    if held is None:
        return model, bound
    differs = _differences(model, held)
    order = _order(np.ones(len(differs), dtype=bool), differs)
    model = replace(
        model,
        weights=model.weights[order],
        means=model.means[order],
        covariance=components(model.covariance, order),
    )
    same = not np.diagonal(differs[:, order]).any() and held.allows(model.weights)
    return (model, bound) if same else (held.imposed(model), -np.inf)


def _differences(model: Parameters, held: Held) -> Array:
    """Costs (k, k) of taking each component of the model for each number.

    0 where all that is held there is the component's own; 1 for each part that differs, and for
    means up to 1/2 more with the distance.
    """
    k = model.weights.size
    wrong = ~np.isnan(held.weights)[:, None] & (held.weights[:, None] != model.weights)
    cost: Array = wrong.astype(np.float64)
    if held.placed.any():
        apart = np.where(held.placed[:, None, None], held.means[:, None] - model.means, 0.0)
        cost += (apart != 0.0).any(axis=2)
        far = (apart**2 / np.maximum(model.means.var(axis=0), np.finfo(float).tiny)).sum(axis=2)
        cost += 0.5 * far / (1.0 + far)
    if held.covariance is not None and held.covariance.structure is not Structure.SHARED:
        flat = (held.covariance.values.reshape(k, 1, -1), model.covariance.values.reshape(1, k, -1))
        cost += held.shaped[:, None] & (flat[0] != flat[1]).any(axis=2)
    elif held.covariance is not None:
        cost += not np.array_equal(held.covariance.values, model.covariance.values)
    return cost
