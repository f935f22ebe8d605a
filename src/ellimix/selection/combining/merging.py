"""Merging the components of a mixture into clusters: one tree for every number of clusters."""

from __future__ import annotations

from numbers import Real
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.records import Array
from ellimix.selection.combining.base import Clusters, Rule, Steps, bhattacharyya_distance
from ellimix.selection.combining.posteriors import Posteriors
from ellimix.selection.combining.rules import RULES
from ellimix.selection.combining.tree import ClusterTree, checked_count
from ellimix.sources.base import Source
from ellimix.sources.memory import MemorySource


def combine(
    mixture: Mixture,
    source_or_rows: Any,
    *,
    rule: str = "entropy",
    n_clusters: int | Literal["auto"] = "auto",
    threshold: float | None = None,
    weight: Any = None,
) -> ClusterTree:
    """Merge the components of a mixture into clusters, two at a time.

    Parameters
    ----------
    mixture : Mixture
        A noise component stays what it is: it is merged with none.
    source_or_rows : Source or array-like of shape (n, d)
        The rows that were fitted. Responsibilities up to 256 MiB are kept, and the rows then read
        once; else a rule that looks at rows reads them once a merge.
    rule : {"entropy", "bhattacharyya", "demp", "ridgeline"}, default="entropy"
        Which clusters belong together most:

        - ``"entropy"``: those whose merge removes most of the classification's entropy (Baudry et
          al. 2010).
        - ``"bhattacharyya"``: those whose moments are nearest (Hennig 2010).
        - ``"demp"``: those whose rows are most often taken for each other's (Hennig 2010).
        - ``"ridgeline"``: those with the shallowest valley of the density between them (Ray &
          Lindsay 2005, Hennig 2010).

        Equal pairs are merged by the Bhattacharyya distance.
    n_clusters : int or "auto", default="auto"
        The number of clusters. ``"auto"`` stops where the next merge is worth less than
        `threshold`, or for the entropy, without a threshold, takes its elbow.
    threshold : float, optional
        From 0 to 1. By default 0.1 for ``"bhattacharyya"`` (exp(-D)), 0.025 for ``"demp"``
        (probability) and 0.2 for ``"ridgeline"`` (ratio), as in Hennig (2010). For ``"entropy"``,
        the entropy removed for each row of the two clusters, in nats, at most log 2.
    weight : array-like of shape (n,), optional
        Non-negative row weights, where rows are given and not a source.

    Returns
    -------
    ClusterTree

    Raises
    ------
    DataError
        The rows do not suit the mixture, are not finite, or there are none; the weights are wrong.
    ValueError
        `rule`, `n_clusters` or `threshold` is none of the above.
    TypeError
        `mixture` is not a Mixture.

    References
    ----------
    Baudry, Raftery, Celeux, Lo & Gottardo (2010). Combining mixture components for clustering.
    Journal of Computational and Graphical Statistics 19, 332-353.
    Hennig (2010). Methods for merging Gaussian mixture components. Advances in Data Analysis and
    Classification 4, 3-34.
    Ray & Lindsay (2005). The topography of multivariate normal mixtures. Annals of Statistics 33,
    2042-2065.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> model = em.GaussianMixture(4, random_state=0).fit(X)
    >>> em.combine(model.mixture_, X, rule="ridgeline").n_clusters
    2
    """
    if not isinstance(mixture, Mixture):
        raise TypeError(
            f"combine() merges the components of a Mixture, not of a {type(mixture).__name__}: "
            "a fitted estimator has one, mixture_, and a method combine()."
        )
    used = _rule(rule)
    limit = _threshold(threshold)
    k = mixture.n_components
    asked = None if n_clusters == "auto" else checked_count(n_clusters, k)
    posteriors = Posteriors(mixture, _source(source_or_rows, weight, mixture.n_features))
    merged = _merge(mixture, posteriors, used)
    saved, rows, rest = _numbers(posteriors, merged.places)
    # from one cluster upwards: no cancellation, and exactly 0 there without noise
    entropy = np.concatenate([[rest], rest + np.cumsum(saved[::-1])])
    steps = Steps(merged.values, rows, entropy)
    return ClusterTree(
        rule=used.name,
        merges=merged.ids,
        values=merged.values,
        heights=used.heights(merged.values),
        rows=rows,
        entropy=entropy,
        weights=mixture.weights.copy(),
        n_clusters=used.count(steps, limit) if asked is None else asked,
        noise=mixture.box is not None,
    )


class _Merged(NamedTuple):
    """The merges of a tree, in order."""

    ids: NDArray[np.int64]  # (k - 1, 2): numbers of the clusters, as in a ClusterTree
    places: list[tuple[int, int]]  # the same as places a < b among the clusters of the moment
    values: Array  # (k - 1,)


def _merge(mixture: Mixture, posteriors: Posteriors, rule: Rule) -> _Merged:
    """Merge the two clusters that belong together most, until there is one."""
    k = mixture.n_components
    clusters = Clusters(mixture, tuple((j,) for j in range(k)), posteriors)
    numbers, known = list(range(k)), np.full((k, k), np.nan)
    ids, places, values = np.empty((k - 1, 2), dtype=np.int64), [], np.empty(k - 1)
    for i in range(k - 1):
        known = rule.values(clusters, known)
        a, b = _best(clusters, known)
        ids[i] = sorted((numbers[a], numbers[b]))
        values[i] = known[a, b]
        places.append((a, b))
        numbers[a] = k + i
        del numbers[b]
        clusters = clusters.merged(a, b)
        known = np.delete(np.delete(known, b, axis=0), b, axis=1)
        known[a] = known[:, a] = np.nan
    return _Merged(ids, places, values)


def _best(clusters: Clusters, values: Array) -> tuple[int, int]:
    """The pair a < b with the largest value; of equal ones the nearest by their moments."""
    upper = np.where(np.triu(np.ones(values.shape, dtype=bool), 1), values, -np.inf)
    equal = [(int(a), int(b)) for a, b in np.argwhere(upper == upper.max())]
    if len(equal) == 1:
        return equal[0]
    return min(equal, key=lambda pair: bhattacharyya_distance(clusters.pair(*pair)))


def _numbers(posteriors: Posteriors, places: list[tuple[int, int]]) -> tuple[Array, Array, float]:
    """The entropy that each merge removed, the rows that it concerned, and what is left in the end.

    In one pass. What is left is the entropy of one cluster and noise; 0 without noise.
    """
    k = len(places) + 1
    singles = tuple((j,) for j in range(k))
    noisy = posteriors.mixture.box is not None

    def step(shares: Array, weight: Array) -> Array:
        out = np.zeros((2, k))
        for i, (a, b) in enumerate(places):
            one, other = shares[:, a], shares[:, b]
            both = one + other
            out[1, i] = weight @ both
            out[0, i] = weight @ (xlogy(both, both) - xlogy(one, one) - xlogy(other, other))
            shares = np.delete(shares, b, axis=1)
            shares[:, a] = both
        if noisy:
            one = np.clip(shares[:, 0], 0.0, 1.0)
            out[0, -1] = -(weight @ (xlogy(one, one) + xlogy(1.0 - one, 1.0 - one)))
        return out

    saved, rows = posteriors.total(singles, step)
    return np.maximum(saved[:-1], 0.0), rows[:-1], float(saved[-1])


def _rule(name: str) -> Rule:
    if name not in RULES:
        raise ValueError(f"There is no rule {name!r} for merging: use one of {', '.join(RULES)}.")
    return RULES[name]


def _threshold(threshold: Any) -> float | None:
    if threshold is None:
        return None
    if not isinstance(threshold, Real) or not 0.0 <= float(threshold) <= 1.0:
        raise ValueError(f"threshold is {threshold!r}: pass a number from 0 to 1.")
    return float(threshold)


def _source(given: Any, weight: Any, d: int) -> Source:
    """The rows as a source of d features."""
    if hasattr(given, "blocks") and hasattr(given, "each"):
        if weight is not None:
            raise ValueError("weight goes with rows: a source has the weights of its rows itself.")
        if given.n_features != d:
            raise DataError(_width(given.n_features, d))
        source: Source = given
        return source
    rows = np.asarray(given)
    if rows.dtype != np.float32:
        rows = rows.astype(np.float64)
    if rows.ndim != 2:
        raise DataError(f"Rows have {rows.ndim} dimensions: pass an array of shape (n, {d}).")
    if rows.shape[1] != d:
        raise DataError(_width(rows.shape[1], d))
    if not np.isfinite(rows).all():
        raise DataError("Rows hold NaN or infinite values: remove such rows, or fill them in.")
    return MemorySource(rows, None if weight is None else np.asarray(weight, dtype=np.float64))


def _width(came: int, expected: int) -> str:
    return f"Rows have {came} features, but the mixture has {expected}: pass the columns it has."
