"""Merging by the gap in the density between two clusters (Ray & Lindsay 2005, Hennig 2010)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from ellimix.records import Array
from ellimix.selection.combining.base import Clusters, Pair, Steps, stopped, unknown

STEP = 0.05  # of the logit along the ridgeline
BEYOND = 25.0  # logits past the first and last axis: 1e-11 of the way
FLAT = 1e-12  # valleys that are less deep are rounding


@final
@dataclass(frozen=True)
class Ridgeline:
    """The two clusters with the shallowest valley between them.

    The value of a pair is the density at the bottom of the valley over that at the lower of the two
    peaks beside it, along the ridgeline of two Gaussians with the clusters' weights, means and
    covariances; 1 where there is no valley. All modes of two Gaussians lie on the ridgeline
    x(alpha) = [(1 - alpha) S_a^-1 + alpha S_b^-1]^-1 [(1 - alpha) S_a^-1 m_a + alpha S_b^-1 m_b]
    (Ray & Lindsay 2005, theorem 1), so this is the saddle that a path from one to the other must
    cross. Where there are more than two peaks, the deepest valley counts, beside the highest peaks
    on its two sides. Pairs without a valley are merged by their Bhattacharyya distance.

    The default threshold is Hennig's, 0.2 (2010, section 4.1): clusters are kept apart where the
    density between them falls to a fifth of the lower peak. To merge only what has one mode, use 1.
    It uses no rows.
    """

    name: str = "ridgeline"
    threshold: float = 0.2
    measure: str = "ridgeline ratio"
    axis: str = "1 - ridgeline ratio"

    def values(self, clusters: Clusters, known: Array) -> Array:
        """The ratio of each pair."""
        out = known.copy()
        for a, b in unknown(known):
            out[a, b] = out[b, a] = ratio(clusters.pair(a, b))
        return out

    def heights(self, values: Array) -> Array:
        """1 - ratio."""
        return np.asarray(1.0 - values)

    def count(self, steps: Steps, threshold: float | None) -> int:
        """Merging stops at the first pair below the threshold."""
        return stopped(steps.values, self.threshold if threshold is None else threshold)


def ratio(pair: Pair) -> float:
    """Valley over the lower of the peaks beside it, from 0 to 1; 1 without a valley."""
    density = _along(pair)
    turns = -logit(pair.share)  # where each coordinate is half way
    low, high = float(turns.min()) - BEYOND, float(turns.max()) + BEYOND
    inside = np.linspace(low, high, int((high - low) / STEP) + 2)
    s = np.concatenate([[-np.inf], inside, [np.inf]])
    height = density(s)
    left, right = np.maximum.accumulate(height), np.maximum.accumulate(height[::-1])[::-1]
    depth = height - np.minimum(left, right)
    at = int(depth.argmin())
    if depth[at] > -FLAT:
        return 1.0
    first, last = int(height[:at].argmax()), at + int(height[at:].argmax())
    valley = -_peak(lambda x: -density(x), s, at)
    lower = min(_peak(density, s, first), _peak(density, s, last))
    return float(np.exp(min(valley - lower, 0.0)))


def _along(pair: Pair) -> Callable[[Array], Array]:
    """The log-density along the ridgeline at logits s of alpha, without its constant.

    Where both covariances are diagonal, share and 1 - share, the ridgeline goes from mean to mean
    a coordinate at a time: by expit(s + logit(share)) of the way.
    """
    shift, turn = pair.shift, logit(pair.share)
    with np.errstate(divide="ignore"):
        offsets = np.log(pair.weights)
    offsets = offsets - 0.5 * np.array([np.log(pair.share).sum(), np.log1p(-pair.share).sum()])

    def density(s: Array) -> Array:
        along = np.asarray(s)[..., None] + turn
        near = (shift * expit(along)) ** 2 / pair.share
        far = (shift * expit(-along)) ** 2 / (1.0 - pair.share)
        one, other = near.sum(axis=-1), far.sum(axis=-1)
        return np.asarray(np.logaddexp(offsets[0] - 0.5 * one, offsets[1] - 0.5 * other))

    return density


def _peak(density: Callable[[Array], Array], s: Array, at: int) -> float:
    """The largest value between the neighbours of grid point `at`."""
    best = float(density(s[at, None])[0])
    if not 2 <= at <= s.size - 3:
        return best  # at an end, where the ridgeline has arrived at a mean
    found = minimize_scalar(
        lambda x: -float(density(np.asarray(x))),
        bounds=(s[at - 1], s[at + 1]),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return max(best, -float(found.fun))
