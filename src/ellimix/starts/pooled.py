"""Agglomeration under EEE, one covariance for all clusters: every merge changes all costs.

The criterion, with W the sum of the clusters' scatter matrices, is

    |W / n| + beta tr W / n

(Banfield & Raftery 1993; Fraley 1998, section 2, |W| alone). The trace decides while |W| is 0: the
first merges, and data in a flat. With ``beta = 1`` it is the criterion of mclust's ``hc``; only
with ``beta = 0`` is it invariant to affine maps.

The merge of clusters i and j adds c v v^T to W, with v the difference of their means and
c = n_i n_j / (n_i + n_j). By the matrix determinant lemma it costs

    c v^T M v,    M = (adj(W / n) + beta I) / n,

a squared distance in a metric that is common to all pairs: adj(A) = |A| A^-1, defined at any rank.
W grows from stage to stage and adj(W) with it (M' - M is positive semidefinite), so an old cost is
a lower bound of the new one. Each cluster keeps such a bound for its best partner, and only
clusters whose bound is below the best cost found so far are looked at again. Memory is O(m d).

There is no factor that would raise all bounds: along the v of the merge itself M does not grow,
since adj(W + c v v^T) v = adj(W) v.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ellimix.records import Array
from ellimix.starts.agglomeration import SHRINK, TIE, Clusters

AT_ONCE = 32  # clusters that are looked at together
SLACK = 1e-12  # of a bound, for its rounding
RANK = 1e-13  # eigenvalues of W below this share of the largest are of rounding


@dataclass(slots=True)
class _Bounds:
    """Lower bounds of the costs of each cluster's best merge: the costs as they were found last."""

    cost: Array  # (m,)
    fresh: NDArray[np.bool_]  # (m,): looked at in this stage

    def look(self, which: NDArray[np.intp], n: Array, points: Array) -> None:
        """Find the least costs of some clusters; `points` (m, d) are means in the metric."""
        self.cost[which] = pair_costs(which, n, points).min(axis=1)
        self.fresh[which] = True


def agglomerate_pooled(clusters: Clusters, beta: float = 1.0) -> tuple[NDArray[np.intp], Array]:
    """Merge until one cluster is left. Of equal costs the pair with the first rows wins.

    `ellimix.starts.kernels.metric` is the same, compiled.

    Parameters
    ----------
    clusters : Clusters
        The first stage, with scatter matrices.
    beta : float
        Weight of the trace, not negative. With 0, clusters must have a regular W to begin with.

    Returns
    -------
    merges : ndarray of shape (m - 1, 2)
        First rows of the two clusters of each merge.
    costs : ndarray of shape (m - 1,)
        By how much each merge raised the criterion; from an overflow on inf, and the merges void.
    """
    m, total = clusters.n.size, float(clusters.n.sum())
    merges, costs = np.empty((m - 1, 2), dtype=np.intp), np.empty(m - 1)
    first, n = clusters.first, clusters.n.copy()
    mean = np.ascontiguousarray(clusters.mean.T)
    within = clusters.scatter.sum(axis=2)
    state = _Bounds(np.zeros(m), np.zeros(m, dtype=np.bool_))
    root = metric_root(within, total, beta)
    for stage in range(m - 1):
        i, j, costs[stage] = _closest(state, n, mean @ root)
        if not np.isfinite(costs[stage]):  # out of range: the caller looks at the costs
            costs[stage:] = np.inf
            break
        merges[stage] = first[[i, j]]
        shift = mean[j] - mean[i]
        within = within + n[i] * n[j] / (n[i] + n[j]) * np.outer(shift, shift)
        mean[i] += n[j] / (n[i] + n[j]) * shift
        n[i] += n[j]
        n[j] = 0.0  # dead
        state.cost[j] = np.inf
        root = metric_root(within, total, beta)
        state.cost *= 1.0 - SLACK
        state.fresh[:] = False
        alive = n > 0.0
        if m - 1 - stage <= SHRINK * n.size:
            keep = np.flatnonzero(alive)
            i = int(np.searchsorted(keep, i))
            first, n, mean = first[keep], n[keep], mean[keep]
            state = _Bounds(state.cost[keep], state.fresh[keep])
        (new,) = pair_costs(np.array([i]), n, mean @ root)
        state.cost = np.minimum(state.cost, new)
        state.cost[i] = new.min()
        state.cost[n == 0.0] = np.inf
    return merges, costs


def _closest(state: _Bounds, n: Array, points: Array) -> tuple[int, int, float]:
    """The pair of least cost: look at clusters by ascending bound until no other can win.

    Of the pairs whose costs are equal to rounding it is the one with the first rows.
    """
    while True:
        waiting = np.where(state.fresh, np.inf, state.cost)
        found = np.where(state.fresh, state.cost, np.inf)
        limit = float(found.min()) * (1.0 + TIE)
        below = np.flatnonzero(waiting <= limit)
        below = below[np.isfinite(waiting[below])]
        if below.size == 0:
            i = int((found <= limit).argmax())
            (costs,) = pair_costs(np.array([i]), n, points)
            j = int((costs <= limit).argmax())
            return i, j, float(costs[j])
        if below.size > AT_ONCE:
            below = below[np.argpartition(waiting[below], AT_ONCE)[:AT_ONCE]]
        state.look(below, n, points)


def pair_costs(which: NDArray[np.intp], n: Array, points: Array) -> Array:
    """Costs (r, m) of the merges of some clusters with all; inf with dead ones and themselves."""
    square = np.zeros((which.size, n.size))
    for column in points.T:
        shift = column[which, None] - column[None, :]
        square += shift * shift
    with np.errstate(invalid="ignore", divide="ignore"):
        costs = np.where(n > 0.0, n[which, None] * n / (n[which, None] + n) * square, np.inf)
    costs[np.arange(which.size), which] = np.inf
    return costs


def metric_root(within: Array, total: float, beta: float) -> Array:
    """L (d, d) with L L^T = M = (adj(W / n) + beta I) / n; its columns are orthogonal."""
    values, axes = np.linalg.eigh(within / total)
    values = np.where(values > RANK * values[-1], values, 0.0)
    others = np.repeat(values[:, None], values.size, axis=1)
    np.fill_diagonal(others, 1.0)
    return np.asarray(axes * np.sqrt((others.prod(axis=0) + beta) / total))
