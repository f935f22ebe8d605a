"""Merging by directly estimated misclassification probabilities, DEMP (Hennig 2010)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.records import Array
from ellimix.selection.combining.base import Clusters, Steps, stopped


@final
@dataclass(frozen=True)
class Misclassification:
    """The two clusters whose rows are most often taken for each other's (DEMP).

    The value of a pair is the larger of P(assigned to a | from b) and P(assigned to b | from a),
    estimated as sum_i w_i t_ib [row i is assigned to a] / sum_i w_i t_ib, with responsibilities t
    (Hennig 2010, section 4.3). A row is assigned to the cluster of its largest responsibility,
    that is the largest sum over components, as `predict` does.

    The default threshold is Hennig's, 0.025: two clusters are kept apart where fewer rows than one
    in 40 are taken for the other's, on the side where it is worse. A pass over the rows a merge.
    """

    name: str = "demp"
    threshold: float = 0.025
    measure: str = "misclassification probability"
    axis: str = "1 - misclassification probability"

    def values(self, clusters: Clusters, known: Array) -> Array:
        """The larger misclassification probability of each pair, in one pass.

        After a merge rows may be assigned anew, to clusters that it did not concern: nothing that
        was known can be kept.
        """
        g = known.shape[0]

        def step(shares: Array, weight: Array) -> Array:
            best = shares.argmax(axis=1)
            # rows that are most likely noise are taken for no cluster's
            best[shares.max(axis=1) < 1.0 - shares.sum(axis=1)] = -1
            assigned = (best[:, None] == np.arange(g)).astype(np.float64)
            weighted = shares * weight[:, None]
            return np.vstack([assigned.T @ weighted, weighted.sum(axis=0)])

        sums = clusters.posteriors.total(clusters.members, step)
        joint, count = sums[:-1], sums[-1]
        # a cluster without rows has none that could be taken for another's
        rate = np.divide(joint, count, out=np.zeros_like(joint), where=count > 0.0)
        out: Array = np.maximum(rate, rate.T)
        np.fill_diagonal(out, np.nan)
        return out

    def heights(self, values: Array) -> Array:
        """1 - probability."""
        return np.asarray(1.0 - values)

    def count(self, steps: Steps, threshold: float | None) -> int:
        """Merging stops at the first pair below the threshold."""
        return stopped(steps.values, self.threshold if threshold is None else threshold)
