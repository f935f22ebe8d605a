"""Where a federated fit begins, with no row in sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ellimix.covariance.base import full, spherical
from ellimix.errors import DataError, DegenerateFit, FitFailed
from ellimix.federated.messages import Reply
from ellimix.federated.privacy import Privacy
from ellimix.inference.base import Parameters
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.online.sums import grouped, standing_for
from ellimix.records import Moment, SufficientStatistics
from ellimix.starts.kmeans import partition

SHARE = 0.7  # of the radius, within which means begin
WIDTH = 0.5  # of the radius: the spread with which they begin, over all directions


def from_clusters(
    replies: Sequence[Reply], k: int, random: np.random.RandomState
) -> SufficientStatistics:
    """Sums of k clusters of the sites' clusters, by k-means of their means with their counts.

    Exactly the sums that all rows would give, each in the cluster of its site's cluster.

    Parameters
    ----------
    replies : sequence of Reply
        As `Site.clusters` gives them.
    k : int
    random : RandomState

    Raises
    ------
    DataError
        The sites have fewer than k clusters together.
    """
    parts = [_filled(reply.statistics) for reply in replies]
    means = np.concatenate([part.means() for part in parts])
    counts = np.concatenate([part.n for part in parts])
    labels = partition(means, counts, k, random) if counts.size >= k else np.zeros(1, dtype=np.intp)
    if labels.max() + 1 < k:
        raise DataError(f"The sites have fewer than {k} different clusters together: lower k.")
    slots = np.split(labels, np.cumsum([part.n.size for part in parts])[:-1])
    return grouped(parts, slots, k)


def _filled(sums: SufficientStatistics) -> SufficientStatistics:
    """The clusters that have rows."""
    kept = np.flatnonzero(sums.n > 0.0)
    pooled = sums.moment is Moment.POOLED
    return SufficientStatistics(
        sums.n[kept],
        sums.s1[kept],
        sums.s2 if pooled else sums.s2[kept],
        sums.center[kept],
        sums.loglik,
        sums.entropy,
        sums.weight,
        sums.rows,
        sums.moment,
    )


def in_ball(
    inference: MaximumLikelihood, k: int, privacy: Privacy, random: np.random.RandomState
) -> Parameters:
    """k equal spheres at random places of the public ball: a start that knows nothing.

    Parameters
    ----------
    inference : MaximumLikelihood
    k : int
    privacy : Privacy
    random : RandomState
    """
    d = privacy.center.size
    way = random.normal(size=(k, d))
    way /= np.sqrt(np.add.reduce(way**2, axis=1, keepdims=True))
    means = privacy.center + SHARE * privacy.radius * random.uniform(size=(k, 1)) ** (1 / d) * way
    variance = (WIDTH * privacy.radius) ** 2 / d
    spheres = spherical(np.full(k, variance), d, np.ones(k))
    equal = Parameters(np.full(k, 1.0 / k), means, spheres)
    second = inference.moment
    if second is Moment.DIAGONAL:
        return first_model(inference, standing_for(equal, second, 1.0, inference.reg_covar))
    matrices = np.repeat(variance * np.eye(d)[None], k, axis=0)
    whole = replace(equal, covariance=full(matrices, np.ones(k)))
    return first_model(inference, standing_for(whole, second, 1.0, inference.reg_covar))


def first_model(inference: MaximumLikelihood, sums: SufficientStatistics) -> Parameters:
    """The model of sums to start from."""
    try:
        return inference.update(sums, None)
    except DegenerateFit as failure:
        raise FitFailed(f"The start makes no sound model. {failure}") from None
