"""Sums that outlive their pass: moved to other centers, weighted, put together, taken apart.

`SufficientStatistics` are sums about the centers of the pass that made them. Sums of other passes
add to them once they are about the same points. With a = c - c' the way from the new center c' of a
component to its old one c,

    s1' = s1 + n a,    s2' = s2 + s1 a^T + a s1^T + n a a^T,

which is exact: a few additions in float64. It loses digits only where a component is much further
from c or from c' than it is wide, so sums are kept about means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import Structure
from ellimix.inference.base import Parameters, outer_sums
from ellimix.inference.box import Box
from ellimix.records import Array, Moment, SufficientStatistics

Order = NDArray[np.intp]


def recentred(statistics: SufficientStatistics, center: Array) -> SufficientStatistics:
    """The same sums about other centers.

    Parameters
    ----------
    statistics : SufficientStatistics
        Of one fit, or a stack.
    center : ndarray of shape (..., k, d)

    Returns
    -------
    SufficientStatistics
        As a pass about `center` with the same responsibilities would have made them, to rounding.

    Examples
    --------
    Two rows at 1 and 3, about 0 and then about 2:

    >>> import numpy as np
    >>> from ellimix.online.sums import recentred
    >>> from ellimix.records import Moment, SufficientStatistics
    >>> n, s1, s2 = np.array([2.0]), np.array([[4.0]]), np.array([[10.0]])
    >>> zero = np.zeros((1, 1))
    >>> rows = SufficientStatistics(n, s1, s2, zero, 0.0, 0.0, 2.0, 2, Moment.DIAGONAL)
    >>> moved = recentred(rows, np.array([[2.0]]))
    >>> moved.s1, moved.s2
    (array([[0.]]), array([[2.]]))
    """
    away = statistics.center - center
    if not away.any():
        return replace(statistics, center=center)
    n, s1, moment = statistics.n, statistics.s1, statistics.moment
    s2 = statistics.s2 + _cross(s1, away, moment) + outer_sums(n, away, moment)
    return replace(statistics, s1=s1 + n[..., None] * away, s2=s2, center=center)


def _cross(s1: Array, away: Array, moment: Moment) -> Array:
    """s1 a^T + a s1^T, of the shape of a second moment."""
    match moment:
        case Moment.DIAGONAL:
            return 2.0 * s1 * away
        case Moment.POOLED:
            half = np.einsum("...ki,...kj->...ij", s1, away)
        case Moment.FULL:
            half = s1[..., :, None] * away[..., None, :]
    return np.asarray(half + np.swapaxes(half, -1, -2))


def about_means(statistics: SufficientStatistics) -> SufficientStatistics:
    """The same sums about the components' own means; where one has no rows, its center stays."""
    n = statistics.n[..., None]
    safe = np.where(n > 0.0, n, 1.0)
    return recentred(statistics, statistics.center + statistics.s1 / safe)


def scaled(statistics: SufficientStatistics, factor: float) -> SufficientStatistics:
    """The sums as if every row had `factor` times its weight. `rows` stays a count of rows."""
    return replace(
        statistics,
        n=factor * statistics.n,
        s1=factor * statistics.s1,
        s2=factor * statistics.s2,
        loglik=factor * statistics.loglik,
        entropy=factor * statistics.entropy,
        weight=factor * statistics.weight,
    )


def added(parts: Sequence[SufficientStatistics]) -> SufficientStatistics:
    """The sum of sums with the same components, about the first one's centers."""
    center = parts[0].center
    return reduce(add, (recentred(part, center) for part in parts))


def blended(
    old: SufficientStatistics, new: SufficientStatistics, step: float
) -> SufficientStatistics:
    """(1 - step) old + step new, about the centers of `new`."""
    return scaled(recentred(old, new.center), 1.0 - step) + scaled(new, step)


def reordered(statistics: SufficientStatistics, order: Order) -> SufficientStatistics:
    """The statistics with components in another order; all of them, the noise component too."""
    pooled = statistics.moment is Moment.POOLED
    return replace(
        statistics,
        n=statistics.n[order],
        s1=statistics.s1[order],
        s2=statistics.s2 if pooled else statistics.s2[order],
        center=statistics.center[order],
    )


def without(statistics: SufficientStatistics, gone: NDArray[np.bool_]) -> SufficientStatistics:
    """The statistics without some components and their rows.

    From a second moment that was pooled, what was whose cannot be told: the scatter about the
    means falls by the share of rows that go.

    Parameters
    ----------
    statistics : SufficientStatistics
        Of one fit.
    gone : ndarray of shape (k,), bool
    """
    left = float(statistics.n[~gone].sum())
    share = left / float(statistics.n.sum())
    kept = reordered(about_means(statistics), np.flatnonzero(~gone))
    if kept.moment is Moment.POOLED:
        kept = replace(kept, s2=share * kept.s2)
    return replace(kept, weight=share * kept.weight)


def concatenated(parts: Sequence[SufficientStatistics]) -> SufficientStatistics:
    """Sums of different components, side by side in order; all of one moment."""
    first = parts[0]
    pooled = first.moment is Moment.POOLED
    second = [part.s2 for part in parts]
    return SufficientStatistics(
        np.concatenate([part.n for part in parts]),
        np.concatenate([part.s1 for part in parts]),
        np.sum(second, axis=0) if pooled else np.concatenate(second),
        np.concatenate([part.center for part in parts]),
        float(sum(part.loglik for part in parts)),
        float(sum(part.entropy for part in parts)),
        float(sum(part.weight for part in parts)),
        int(sum(part.rows for part in parts)),
        first.moment,
    )


def grouped(
    parts: Sequence[SufficientStatistics], slots: Sequence[Order], k: int
) -> SufficientStatistics:
    """Sums of k components, each the sum of some components of the parts, about its mean.

    Parameters
    ----------
    parts : sequence of SufficientStatistics
        All of one moment, without noise.
    slots : sequence of ndarray of int
        For each part, to which of the k its components go.
    k : int
        Each of them gets a component with rows.
    """
    count, first = np.zeros(k), np.zeros((k, parts[0].center.shape[1]))
    for part, slot in zip(parts, slots, strict=True):
        np.add.at(count, slot, part.n)
        np.add.at(first, slot, part.n[:, None] * part.center + part.s1)
    center = first / count[:, None]
    out = empty(center, parts[0].moment)
    for part, slot in zip(parts, slots, strict=True):
        here = recentred(part, center[slot])
        np.add.at(out.n, slot, here.n)
        np.add.at(out.s1, slot, here.s1)
        if here.moment is Moment.POOLED:
            np.add(out.s2, here.s2, out=out.s2)
        else:
            np.add.at(out.s2, slot, here.s2)
    return replace(
        out,
        loglik=float(sum(part.loglik for part in parts)),
        entropy=float(sum(part.entropy for part in parts)),
        weight=float(sum(part.weight for part in parts)),
        rows=int(sum(part.rows for part in parts)),
    )


def empty(center: Array, moment: Moment) -> SufficientStatistics:
    """Sums over no rows, about centers (k, d)."""
    k, d = center.shape
    shape = {Moment.DIAGONAL: (k, d), Moment.POOLED: (d, d), Moment.FULL: (k, d, d)}[moment]
    zero = np.zeros((k, d))
    return SufficientStatistics(
        np.zeros(k), zero, np.zeros(shape), center, 0.0, 0.0, 0.0, 0, moment
    )


def standing_for(
    parameters: Parameters,
    moment: Moment,
    weight: float,
    floor: float = 0.0,
    box: Box | None = None,
) -> SufficientStatistics:
    """Sums from which the M-step of maximum likelihood gives back these very parameters.

    n_k = weight pi_k, s1 = 0 and W_k = n_k (Sigma_k - floor I) about the means. An M-step adds the
    floor, and without a prior is a projection that leaves n_k Sigma_k as it is. What the last
    M-step has left out of the rows' own sums, such as correlations in a diagonal family, is not in
    them.

    Parameters
    ----------
    parameters : Parameters
        Of one fit.
    moment : Moment
        Which second moment is wanted; with noise that of the inference, which is not pooled.
    weight : float
        Weight of the rows that they rest on.
    floor : float
        ``reg_covar`` of the M-step.
    box : Box or None
        Of the noise component, which is the last in the statistics.
    """
    covariance, means = parameters.covariance, parameters.means
    k, d = means.shape
    n = weight * parameters.weights
    match covariance.structure:
        case Structure.SPHERICAL:
            each = np.repeat(covariance.values[:, None], d, axis=1)
        case Structure.SHARED:
            each = np.broadcast_to(covariance.values, (k, d, d))
        case Structure.DIAGONAL | Structure.FULL:
            each = covariance.values
    least = floor if moment is Moment.DIAGONAL else floor * np.eye(d)
    second = n.reshape(-1, *(1,) * (each.ndim - 1)) * (each - least)
    if moment is Moment.POOLED:
        second = second.sum(axis=0)
    whole = replace(empty(means, moment), n=n, s2=np.asarray(second), weight=weight)
    if box is None or parameters.noise is None:
        return whole
    clutter = replace(empty(box.middle[None], moment), n=weight * parameters.noise[None])
    return concatenated([whole, clutter])
