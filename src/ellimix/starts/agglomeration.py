"""Agglomeration where the cost of a merge depends on the two clusters alone: EII, VII, VVV.

At each stage the two clusters are merged whose merge raises the criterion least. With count n_k
(sum of row weights), scatter W_k and W the scatter of all rows, t = tr W / (n d), the criteria
are sums over clusters (Banfield & Raftery 1993, section 2; Fraley 1998, section 2) of

========  ==========================================================
EII       tr W_k                                      (Ward's method)
VII       n_k log((tr W_k + alpha t) / n_k)
VVV       n_k log(|W_k / n_k| + beta (tr W_k + alpha t) / n_k)
========  ==========================================================

The terms with t keep clusters of one row or in a flat finite (Fraley 1998, section 3); with
``alpha = beta = 1`` these are the criteria of mclust's ``hc``. They carry units: a determinant is
added to a trace, so that VVV is invariant to affine maps only up to this term.

Costs that differ by their rounding alone are equal, and of equal ones the pair with the first rows
wins. Measured data are full of ties (iris is measured to 0.1) that every linear map breaks in the
last digits: were rounding to decide, a tree would depend on the processor and on who computes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ellimix.records import Array

SHRINK = 0.75  # the arrays are packed when no more than this share of the clusters is left
# Costs are equal that differ by less than this share of the largest term. Squared distances carry
# the rounding of the rows, which are large beside the least of them; the logarithms do not.
TIE, TIE_OF_LOGARITHMS = 1e-11, 1e-13


@dataclass(slots=True)
class Clusters:
    """The clusters of one stage, ordered by their first rows.

    Parameters
    ----------
    first : ndarray of shape (m,), int
        Each cluster's first row: its name in the tree.
    n : ndarray of shape (m,)
        Counts.
    mean : ndarray of shape (d, m)
    trace : ndarray of shape (m,)
        Traces of the scatter matrices.
    scatter : ndarray of shape (d, d, m)
        Scatter matrices about the means; not kept (0, 0, m) where a criterion needs none.
    rank : ndarray of shape (m,), int
        Upper bounds of the scatter matrices' ranks.
    """

    first: NDArray[np.intp]
    n: Array
    mean: Array
    trace: Array
    scatter: Array
    rank: NDArray[np.intp]

    @classmethod
    def single(cls, rows: Array, n: Array, matrices: bool) -> Clusters:
        """One cluster for each row (m, d), with counts n (m,)."""
        m, d = rows.shape
        size = d if matrices else 0
        return cls(
            np.arange(m),
            n.copy(),
            np.ascontiguousarray(rows.T),
            np.zeros(m),
            np.zeros((size, size, m)),
            np.zeros(m, dtype=np.intp),
        )

    def with_one(self, i: int) -> Clusters:
        """What the merges of cluster i with each of the clusters would give, i itself included."""
        n = self.n[i] + self.n
        shift = self.mean - self.mean[:, i : i + 1]
        moved = self.n[i] * self.n / n  # the same to the bit with i and j exchanged, as all here
        trace = self.trace[i] + self.trace + moved * np.einsum("dm,dm->m", shift, shift)
        rank = np.minimum(self.rank[i] + self.rank + 1, self.mean.shape[0])
        scatter = self.scatter
        if scatter.size:
            scatter = scatter + scatter[:, :, i : i + 1]
            scatter += (moved * shift)[:, None, :] * shift[None, :, :]
        mean = self.mean[:, i : i + 1] + (self.n / n) * shift
        return Clusters(self.first, n, mean, trace, scatter, rank)

    def merge(self, i: int, j: int) -> None:
        """Put the union of clusters i and j in the place of i; that of j is dead from now on."""
        union = self.at(np.array([i, j])).with_one(0).at(np.array([1]))
        self.n[i], self.trace[i], self.rank[i] = union.n[0], union.trace[0], union.rank[0]
        self.mean[:, i], self.scatter[:, :, i] = union.mean[:, 0], union.scatter[:, :, 0]

    def at(self, index: NDArray[np.intp]) -> Clusters:
        """These clusters alone."""
        return Clusters(
            self.first[index],
            self.n[index],
            self.mean[:, index],
            self.trace[index],
            self.scatter[:, :, index],
            self.rank[index],
        )


class Criterion(Protocol):
    """The clusters' terms of a criterion."""

    @property
    def tie(self) -> float:
        """Costs are equal that differ by less than this share of the largest term."""
        ...

    def __call__(self, clusters: Clusters) -> Array:
        """The clusters' terms (m,)."""
        ...


@dataclass(frozen=True)
class EII:
    """Sum of tr W_k: equal spheres, Ward's method."""

    tie: ClassVar[float] = TIE

    def __call__(self, clusters: Clusters) -> Array:
        """The clusters' terms (m,)."""
        return clusters.trace


@dataclass(frozen=True)
class VII:
    """Spheres of their own volumes.

    Parameters
    ----------
    t : float
        tr W / (n d) of all rows, positive.
    alpha : float
    """

    tie: ClassVar[float] = TIE_OF_LOGARITHMS
    t: float
    alpha: float = 1.0

    def __call__(self, clusters: Clusters) -> Array:
        """The clusters' terms (m,)."""
        n = clusters.n
        return np.asarray(n * np.log((clusters.trace + self.alpha * self.t) / n))


@dataclass(frozen=True)
class VVV:
    """Ellipsoids of their own.

    Parameters
    ----------
    t : float
        tr W / (n d) of all rows, positive.
    alpha, beta : float
    """

    tie: ClassVar[float] = TIE_OF_LOGARITHMS
    t: float
    alpha: float = 1.0
    beta: float = 1.0

    def __call__(self, clusters: Clusters) -> Array:
        """The clusters' terms (m,). Below full rank the determinant is exactly 0."""
        n, d = clusters.n, clusters.mean.shape[0]
        with np.errstate(divide="ignore"):
            term = np.log(self.beta * (clusters.trace + self.alpha * self.t) / n)
        full = np.flatnonzero(clusters.rank >= d)
        if full.size:
            whole = full.size == n.size
            scatter = clusters.scatter if whole else clusters.scatter[:, :, full]
            log_det = log_determinants(scatter) - d * np.log(n[full])
            term[full] = np.logaddexp(log_det, term[full])
        return np.asarray(n * term)


def log_determinants(matrices: Array) -> Array:
    """Log-determinants (m,) of positive semidefinite matrices (d, d, m), -inf where singular.

    Elimination without pivoting, all matrices at a time: a loop of d steps.
    """
    a = matrices.copy()
    d = a.shape[0]
    out = np.zeros(a.shape[2])
    singular = np.zeros(a.shape[2], dtype=np.bool_)
    for p in range(d):
        singular |= ~(a[p, p] > 0.0)
        pivot = np.where(singular, 1.0, a[p, p])
        out += np.log(pivot)
        rest = a[p, p + 1 :]
        a[p + 1 :, p + 1 :] -= rest[:, None, :] * (rest / pivot)[None, :, :]
    out[singular] = -np.inf
    return out


def agglomerate(clusters: Clusters, criterion: Criterion) -> tuple[NDArray[np.intp], Array]:
    """Merge until one cluster is left.

    The costs of all pairs are kept (m^2 float64), and each cluster's best partner: a merge costs
    one row of new costs and a search of the rows whose best partner is gone. Of equal costs the
    pair with the first rows wins. `ellimix.starts.kernels.pairs` is the same, compiled.

    Parameters
    ----------
    clusters : Clusters
        The first stage; they are changed.
    criterion : callable

    Returns
    -------
    merges : ndarray of shape (m - 1, 2)
        First rows of the two clusters of each merge.
    costs : ndarray of shape (m - 1,)
        By how much each merge raised the criterion; from an overflow on inf, and the merges void.
    """
    m = clusters.n.size
    merges, costs = np.empty((m - 1, 2), dtype=np.intp), np.empty(m - 1)
    value, alive = criterion(clusters).copy(), np.ones(m, dtype=np.bool_)
    pair = _all_costs(clusters, criterion, value)
    partner = pair.argmin(axis=1)
    best = pair[np.arange(m), partner]
    for stage in range(m - 1):
        lowest = float(best.min())
        limit = lowest + criterion.tie * (abs(lowest) + float(np.abs(value).max()))
        if not np.isfinite(limit):  # out of range: the caller looks at the costs
            costs[stage:] = np.inf
            break
        i = int((best <= limit).argmax())
        j = int((pair[i] <= limit).argmax())  # i < j: of equal costs, the first row has them
        merges[stage], costs[stage] = clusters.first[[i, j]], pair[i, j]
        clusters.merge(i, j)
        alive[j], best[j], value[j] = False, np.inf, 0.0
        if m - 1 - stage <= SHRINK * alive.size:
            keep = np.flatnonzero(alive)
            place = np.cumsum(alive) - 1
            gone = (partner[keep] == i) | (partner[keep] == j)
            clusters, value, pair = clusters.at(keep), value[keep], pair[np.ix_(keep, keep)]
            best, partner, alive = best[keep], place[partner[keep]], alive[keep]
            i = int(place[i])
        else:
            pair[j, :] = pair[:, j] = np.inf
            gone = (partner == i) | (partner == j)
        value[i] = criterion(clusters.at(np.array([i])))[0]
        new = _costs(clusters, criterion, value, i)
        new[~alive] = np.inf
        pair[i, :] = pair[:, i] = new
        gone[i] = True
        _update(pair, best, partner, np.flatnonzero(gone & alive), i)
    return merges, costs


def _costs(clusters: Clusters, criterion: Criterion, value: Array, i: int) -> Array:
    """Costs (m,) of the merges with cluster i; inf for itself."""
    out: Array = criterion(clusters.with_one(i)) - (value + value[i])
    out[i] = np.inf
    return out


def _all_costs(clusters: Clusters, criterion: Criterion, value: Array) -> Array:
    m = clusters.n.size
    out = np.empty((m, m))
    for i in range(m):
        out[i] = _costs(clusters, criterion, value, i)
    return out


def _update(
    pair: Array, best: Array, partner: NDArray[np.intp], gone: NDArray[np.intp], i: int
) -> None:
    """Best partners after the costs of cluster i have changed and those of `gone` are stale."""
    new = pair[i]
    better = (new < best) | ((new == best) & (i < partner))
    better[gone] = False
    better &= np.isfinite(new)
    best[better], partner[better] = new[better], i
    partner[gone] = pair[gone].argmin(axis=1)
    best[gone] = pair[gone, partner[gone]]
