"""Where a search's fits begin: partitions and random rows, as statistics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ellimix.attempts.base import Start
from ellimix.records import Array
from ellimix.starts.dendrogram import Tree


def of_labels(rows: Array, weight: Array, labels: NDArray[np.intp], k: int) -> Start:
    """Statistics of k clusters that have rows each.

    Clusters whose rows span fewer than d dimensions get the clusters' average covariance on top:
    EM then finds out what their own is.
    """
    d = rows.shape[1]
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(k + 1))
    n, means, scatter = np.empty(k), np.empty((k, d)), np.empty((k, d, d))
    flat = np.zeros(k, dtype=np.bool_)
    for j in range(k):
        part = order[ends[j] : ends[j + 1]]
        w, own = weight[part], rows[part]
        n[j] = w.sum()
        middle = own[0]  # sums about a row of the cluster do not cancel
        means[j] = middle + w @ (own - middle) / n[j]
        apart = own - means[j]
        scatter[j] = (apart * w[:, None]).T @ apart
        flat[j] = part.size <= 2 * d and np.unique(own, axis=0).shape[0] <= d
    if flat.any():
        pooled = scatter.sum(axis=0) / n.sum()
        scatter[flat] += n[flat, None, None] * pooled
    return n, means, scatter


def cuts(rows: Array, weight: Array, tree: Tree, components: Sequence[int]) -> dict[int, Start]:
    """Starts from the cuts of a tree of these rows, by number of components.

    Numbers above that of distinct rows are left out.
    """
    return {k: of_labels(rows, weight, tree.labels(k), k) for k in components if k <= tree.distinct}


def random_rows(
    rows: Array, weight: Array, random: np.random.RandomState, k: int, draws: int
) -> list[Start]:
    """Starts at k random rows each, with the whole data's covariance, shrunk to 1/k of its volume.

    The rows are drawn with probability proportional to their weights, without repetition.
    """
    d = rows.shape[1]
    total = weight.sum()
    middle = weight @ rows / total
    apart = rows - middle
    whole = (apart * weight[:, None]).T @ apart * k ** (-2.0 / d)
    share = weight / total
    out = []
    for _ in range(draws):
        chosen = random.choice(rows.shape[0], size=k, replace=False, p=share)
        out.append((np.full(k, total / k), rows[chosen], np.repeat(whole[None] / k, k, axis=0)))
    return out
