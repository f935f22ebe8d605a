"""What a rule for merging clusters is, and the clusters that it judges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Protocol, final

import numpy as np
from scipy.linalg import eigh

from ellimix.covariance.triangular import EPS
from ellimix.density.mixture import Mixture
from ellimix.records import Array
from ellimix.selection.combining.posteriors import Posteriors


class Moments(NamedTuple):
    """The first moments of g clusters, as the mixture has them."""

    weights: Array  # (g,)
    means: Array  # (g, d)
    covariances: Array  # (g, d, d)


class Pair(NamedTuple):
    """Two clusters in coordinates in which the sum of their covariances is the identity.

    Both covariances are diagonal there: `share` and 1 - `share`, each between 0 and 1.
    """

    shift: Array  # (d,): from the first mean to the second
    share: Array  # (d,): variances of the first cluster
    weights: Array  # (2,)


@final
@dataclass(frozen=True, eq=False)
class Clusters:
    """The components of a mixture, put together into clusters.

    Parameters
    ----------
    mixture : Mixture
    members : tuple of tuple of int
        The components of each of the g clusters.
    posteriors : Posteriors
        What the mixture says of the rows.
    """

    mixture: Mixture
    members: tuple[tuple[int, ...], ...]
    posteriors: Posteriors

    def merged(self, a: int, b: int) -> Clusters:
        """The clusters after a and b > a became one, which takes a's place."""
        joined = (*self.members[a], *self.members[b])
        members = list(self.members)
        members[a] = joined
        del members[b]
        return replace(self, members=tuple(members))

    @cached_property
    def moments(self) -> Moments:
        """Weights, means and covariances of the clusters."""
        parts = [self._moments(np.array(members)) for members in self.members]
        weights, means, covariances = (np.stack(column) for column in zip(*parts, strict=True))
        return Moments(weights, means, covariances)

    @cached_property
    def _component_covariances(self) -> Array:
        return self.mixture.covariances()

    def _moments(self, members: Array) -> tuple[Array, Array, Array]:
        mixture = self.mixture
        weights, means = mixture.weights[members], mixture.means[members]
        total = weights.sum()
        # components without weight, equally then: they have a place all the same
        share = weights / total if total > 0.0 else np.full(weights.size, 1.0 / weights.size)
        mean = share @ means
        shift = means - mean
        within = np.tensordot(share, self._component_covariances[members], 1)
        return total, mean, within + (shift * share[:, None]).T @ shift

    def pair(self, a: int, b: int) -> Pair:
        """Clusters a and b in the coordinates in which both covariances are diagonal."""
        weights, means, covariances = self.moments
        total = covariances[a] + covariances[b]
        scale = np.sqrt(np.diagonal(total))
        unit = np.outer(scale, scale)
        floor = EPS * scale.size * np.eye(scale.size)
        share, axes = eigh(covariances[a] / unit, total / unit + floor)
        shift = axes.T @ ((means[b] - means[a]) / scale)
        both = weights[[a, b]]
        both = both / both.sum() if both.sum() > 0.0 else np.full(2, 0.5)
        return Pair(shift, np.clip(share, EPS, 1.0 - EPS), both)


class Steps(NamedTuple):
    """What the k - 1 merges of a tree were, in order."""

    values: Array  # (k - 1,): the rule's value of each
    rows: Array  # (k - 1,): weight of the rows in the two clusters
    entropy: Array  # (k,): of the classification into 1, ..., k clusters, nats


class Rule(Protocol):
    """Which two clusters are merged next, and where merging stops."""

    @property
    def name(self) -> str:
        """The name in the registry."""
        ...

    @property
    def threshold(self) -> float:
        """Merging stops, by default, at the first merge that is worth less."""
        ...

    @property
    def measure(self) -> str:
        """What the value of a merge is, in a few words."""
        ...

    @property
    def axis(self) -> str:
        """What the heights of a tree are, for the axis of a picture."""
        ...

    def values(self, clusters: Clusters, known: Array) -> Array:
        """How much each pair of clusters belongs together, (g, g): the largest is merged.

        Parameters
        ----------
        clusters : Clusters
        known : ndarray of shape (g, g)
            The values of the pairs that are as they were before the last merge, else NaN.
        """
        ...

    def heights(self, values: Array) -> Array:
        """The heights at which merges of these values are drawn, (k - 1,)."""
        ...

    def count(self, steps: Steps, threshold: float | None) -> int:
        """The number of clusters that ``n_clusters="auto"`` chooses."""
        ...


def unknown(known: Array) -> list[tuple[int, int]]:
    """The pairs a < b whose value is not known."""
    upper = np.triu(np.isnan(known), 1)
    return [(int(a), int(b)) for a, b in np.argwhere(upper)]


def stopped(worth: Array, threshold: float) -> int:
    """Clusters left when merging stops at the first merge that is worth less than the threshold."""
    below = np.flatnonzero(worth < threshold)
    return worth.size + 1 - (int(below[0]) if below.size else worth.size)


def bhattacharyya_distance(pair: Pair) -> float:
    """The Bhattacharyya distance of two Gaussians with these moments, nats."""
    apart = 0.25 * float(pair.shift @ pair.shift)
    return apart - 0.25 * float(np.log(4.0 * pair.share * (1.0 - pair.share)).sum())
