"""Merging by the entropy of the classification (Baudry et al. 2010)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import xlogy

from ellimix.records import Array
from ellimix.selection.combining.base import Clusters, Steps, stopped
from ellimix.selection.combining.elbow import FEWEST_POINTS, two_segments

# With a share t of a row, a cluster adds at most t (1 - log t) to what merging it saves: below this
# share less than 4e-15 nats, which is rounding.
LEAST_SHARE = 1e-16
# Two normals of equal weight and variance have two modes where they are more than two standard
# deviations apart. There, a row's entropy is 0.356 nats on average (by quadrature, in the tests).
ONE_MODE = 0.356
# Merges that save less than this a row are no part of an elbow: the rows are 99.8 % certain.
NOTHING = 0.01


@final
@dataclass(frozen=True)
class Entropy:
    """The two clusters whose merge lowers the entropy of the classification most.

    The value of a merge is sum_i w_i [phi(t_ia + t_ib) - phi(t_ia) - phi(t_ib)] in nats, with
    phi(t) = t log t: Baudry, Raftery, Celeux, Lo & Gottardo (2010), equation (8).

    The number of clusters is that of the elbow: two straight lines are fitted to the entropy as a
    function of the number of clusters, and share the point where they meet. Such a fit always
    finds an elbow, between 2 and k - 1. So it decides only between two limits of what a merge saves
    for each row of the two clusters, at most log 2 nats: merges are made, whatever the elbow says,
    up to the first that saves less than 0.356 nats, as two equal normals with a single mode save,
    and none is made from the first on that saves less than 0.01 nats. With k <= 3 there
    is no elbow to see (two segments fit three points exactly), and with a given threshold it is not
    asked: merging then stops at the first merge that saves less a row.
    """

    name: str = "entropy"
    threshold: float = ONE_MODE
    measure: str = "entropy removed, nats"
    axis: str = "entropy removed so far (nats)"

    def values(self, clusters: Clusters, known: Array) -> Array:
        """What merging each pair takes off the entropy, in one pass."""
        every = np.isnan(known)
        fresh = np.flatnonzero(every.all(axis=1))
        first = fresh.size == known.shape[0]

        def step(shares: Array, weight: Array) -> Array:
            out = np.zeros(known.shape)
            for a in fresh:
                out[a] = _savings(shares, weight, int(a), int(a) + 1 if first else 0)
            return out

        saved = clusters.posteriors.total(clusters.members, step)
        saved = np.maximum(saved, saved.T)  # one of them was left out, and is 0
        return np.where(every, saved, known)

    def heights(self, values: Array) -> Array:
        """The entropy that merges so far removed."""
        return np.asarray(np.cumsum(values))

    def count(self, steps: Steps, threshold: float | None) -> int:
        """The elbow, between the merges that must be made and those that must not."""
        rows = steps.rows
        # clusters without rows have nothing to lose
        worth = np.divide(steps.values, rows, out=np.full(rows.size, np.inf), where=rows > 0.0)
        if threshold is not None:
            return stopped(worth, threshold)
        most = stopped(worth, self.threshold)
        if steps.entropy.size < FEWEST_POINTS:
            return most
        elbow = two_segments(np.arange(1.0, steps.entropy.size + 1.0), steps.entropy).at + 1
        return min(max(elbow, stopped(worth, NOTHING)), most)


def _savings(shares: Array, weight: Array, a: int, start: int) -> Array:
    """What merging cluster a with each other one from `start` on saves, (g,)."""
    out = np.zeros(shares.shape[1])
    live = shares[:, a] > LEAST_SHARE
    t, w = shares[live], weight[live]
    mine, others = t[:, a, None], t[:, start:]
    both = mine + others
    out[start:] = w @ (xlogy(both, both) - xlogy(others, others) - xlogy(mine, mine))
    out[a] = 0.0
    return out
