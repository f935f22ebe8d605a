"""Merging by the Bhattacharyya distance of the clusters' moments (Hennig 2010)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.records import Array
from ellimix.selection.combining.base import (
    Clusters,
    Steps,
    bhattacharyya_distance,
    stopped,
    unknown,
)


@final
@dataclass(frozen=True)
class Bhattacharyya:
    """The two clusters that are nearest by their moments.

    The value of a pair is exp(-D) with the Bhattacharyya distance of two Gaussians that have the
    clusters' means and covariances (Hennig 2010, section 4.2):
    D = 1/8 (m_a - m_b)^T S^-1 (m_a - m_b) + 1/2 log(|S| / sqrt(|S_a| |S_b|)), S = (S_a + S_b) / 2.
    For two equally likely Gaussians, exp(-D) / 2 is an upper bound of the probability with which
    the best classifier takes a row of one for one of the other (Fukunaga 1990, section 3.4).

    The default threshold is Hennig's, 0.1: clusters of which at most 5 % of the rows can be taken
    for the other's are kept apart. It uses no rows, and sees no gap that moments do not see.
    """

    name: str = "bhattacharyya"
    threshold: float = 0.1
    measure: str = "exp(-Bhattacharyya distance)"
    axis: str = "Bhattacharyya distance"

    def values(self, clusters: Clusters, known: Array) -> Array:
        """exp(-D) of each pair."""
        out = known.copy()
        for a, b in unknown(known):
            out[a, b] = out[b, a] = np.exp(-bhattacharyya_distance(clusters.pair(a, b)))
        return out

    def heights(self, values: Array) -> Array:
        """The distances D; 690 and more are drawn as 690."""
        return np.asarray(-np.log(np.maximum(values, 1e-300)))

    def count(self, steps: Steps, threshold: float | None) -> int:
        """Merging stops at the first pair below the threshold."""
        return stopped(steps.values, self.threshold if threshold is None else threshold)
