"""Start by model-based hierarchical agglomeration (Banfield & Raftery 1993; Fraley 1998)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import full
from ellimix.errors import DataError
from ellimix.inference.base import Parameters, plug_in
from ellimix.records import Array, Block, Moment, Potentials, SufficientStatistics
from ellimix.sources.base import Source
from ellimix.sources.memory import MemorySource
from ellimix.sources.threads import one_blas_thread
from ellimix.starts.agglomeration import EII, VII, VVV, Clusters, agglomerate
from ellimix.starts.base import (
    Beginning,
    Responsibilities,
    all_weights,
    check_enough,
    counted_rows,
    from_responsibilities,
    one_hot,
)
from ellimix.starts.dendrogram import Tree
from ellimix.starts.kernels import compiler
from ellimix.starts.pooled import agglomerate_pooled
from ellimix.starts.scalings import SCALINGS

SAMPLE_ROWS = 2_000  # with more rows than this, the tree is of a random sample of so many
MOST_ROWS = (
    6_000  # distinct ones of a tree: the costs of all pairs take 288 MB, their packing 162 more
)
FLAT = 1e-9  # of a column's variance, added where rows are assigned: the sample may lie in a flat

Merges = tuple[NDArray[np.intp], Array]
Grow = Callable[[Array, Array, float], Merges]  # distinct rows, their counts, t


def tree(
    rows: Array,
    weight: Array | None = None,
    *,
    model: str = "VVV",
    scaling: str = "SVD",
    fast: bool = False,
) -> Tree:
    """Agglomerate rows into one cluster, at each stage by the merge that costs least.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
    weight : ndarray of shape (n,), optional
        Positive row weights. A weight of 2 is the row twice: counts and scatter matrices are
        weighted sums. Weights with a mean below 1 are first scaled to mean 1, since a count below
        1 would be less than a row.
    model : {"VVV", "VII", "EEE", "EII"}, default="VVV"
        The criterion (see `ellimix.starts.agglomeration` and `ellimix.starts.pooled`). With one
        feature VVV is VII, and EEE is EII.
    scaling : str, default="SVD"
        What is done to the rows before, a name in `ellimix.starts.scalings.SCALINGS`.
    fast : bool, default=False
        Whether compiled code does it: the same merges, and costs to rounding, many times quicker.
        It is compiled by numba when it is first needed on a machine, which takes seconds, so it is
        for callers whose passes are compiled anyway.

    Returns
    -------
    Tree
        Equal rows are merged first. Of costs that are equal to rounding, the pair with the first
        rows wins.

    Raises
    ------
    DataError
        More than 6,000 distinct rows, unknown names, or values out of range.
    MissingExtra
        ``fast``, and numba is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.starts.hierarchical import tree
    >>> rows = np.array([[0.0, 0.0], [9.0, 8.0], [1.0, 0.5], [0.0, 1.0], [9.0, 9.0], [8.0, 9.5]])
    >>> tree(rows).labels(2)
    array([0, 1, 0, 0, 1, 1])
    """
    _check_name("criterion", model, MODELS)
    _check_name("scaling", scaling, SCALINGS)
    rows = np.asarray(rows, dtype=np.float64)
    n = rows.shape[0]
    weight = np.ones(n) if weight is None else weight * max(1.0, n / float(weight.sum()))
    group, first = _equal_rows(rows)
    m = first.size
    if m > MOST_ROWS:
        raise DataError(
            f"An agglomeration keeps the costs of all pairs: {m} distinct rows are more than the "
            f"{MOST_ROWS} that it takes. Pass a random sample of the rows."
        )
    merges, costs = np.empty((n - 1, 2), dtype=np.intp), np.zeros(n - 1)
    if m < n:
        leader = first[group]
        later = np.flatnonzero(leader != np.arange(n))
        merges[: n - m] = np.column_stack([leader[later], later])
    if m > 1:
        with one_blas_thread():
            grow = (FAST if fast else MODELS)[_simplest(model, rows.shape[1])]
            grown = _grown(rows, weight, group, first, scaling, grow)
        merges[n - m :], costs[n - m :] = first[grown[0]], grown[1]
    return Tree(model, scaling, merges, costs, m)


@final
@dataclass(frozen=True)
class SourceTree:
    """A tree of a source's rows: one agglomeration, a start for every number of components.

    Parameters
    ----------
    tree : Tree
    index : ndarray of shape (m,), int
        The rows of the source that took part, ascending.
    sampled : bool
        Whether other rows of positive weight did not.
    """

    tree: Tree
    index: NDArray[np.intp]
    sampled: bool

    @classmethod
    def of(
        cls,
        source: Source,
        random: np.random.RandomState,
        *,
        model: str = "VVV",
        scaling: str = "SVD",
        sample_rows: int = SAMPLE_ROWS,
        fast: bool = False,
    ) -> SourceTree:
        """Agglomerate the rows of positive weight, or a random sample of `sample_rows` of them.

        With `fast`, by compiled code (see `tree`).
        """
        counted = counted_rows(source)
        index = np.arange(source.n_rows) if counted is None else counted
        sampled = index.size > sample_rows
        if sampled:
            index = np.sort(random.choice(index, size=sample_rows, replace=False))
        weight = all_weights(source)
        rows = np.asarray(source.take(index), dtype=np.float64)
        part = None if weight is None else weight[index]
        grown = tree(rows, part, model=model, scaling=scaling, fast=fast)
        return cls(grown, index, sampled)

    def statistics(self, beginning: Beginning) -> SufficientStatistics:
        """Statistics of the cut into ``beginning.k`` clusters, of all rows.

        Clusters of d distinct rows or fewer, whose covariance would be singular, get the
        clusters' average covariance on top of it. With fewer distinct rows than components, the
        last components are empty.
        """
        k = beginning.k
        check_enough(self.index.size, k)
        labels = self.tree.labels(min(k, self.tree.distinct))
        kinds = np.bincount(labels[self.tree.representatives()], minlength=k)
        if self.sampled:
            shares = _most_probable(beginning, _potentials(beginning, self.index, labels))
        else:
            everywhere = np.zeros(beginning.source.n_rows, dtype=np.intp)
            everywhere[self.index] = labels  # the others have weight 0
            shares = _labelled(everywhere, k)
        sums = from_responsibilities(beginning, shares)
        return _with_spread(sums, kinds <= beginning.source.n_features)


@final
@dataclass(frozen=True)
class Hierarchical:
    """The cut of a tree of the rows into k clusters.

    The same criterion for all covariance families, as in mclust: VVV, after the scaled SVD of
    Scrucca & Raftery (2015). A family's own criterion is no surer a start: EEE's tree, say, gives
    EEE a better fit for some numbers of components and a worse one for others.

    Above 2,000 rows the tree is of a random sample, and each row goes to its most probable cluster:
    Gaussians with the clusters' own covariances, shrunk towards their average by d + 1 rows, so
    that small and flat clusters have one, too. Distances in one metric for all clusters would cut
    broad ones where tight ones are near.

    Where the engine is compiled, so is the agglomeration.
    """

    name: str = "hierarchical"
    model: str = "VVV"
    scaling: str = "SVD"

    def statistics(self, beginning: Beginning) -> SufficientStatistics:
        """Every row in its cluster. For several k, make one `SourceTree` and cut it."""
        grown = SourceTree.of(
            beginning.source,
            beginning.random,
            model=self.model,
            scaling=self.scaling,
            fast=beginning.engine.compiled,
        )
        return grown.statistics(beginning)


def _equal_rows(rows: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which group of equal rows each is in (n,), and the groups' first rows (m,), ascending."""
    order = np.lexsort(rows.T)  # stable: equal rows stay in order
    ordered = rows[order]
    new = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    leader = np.empty_like(order)  # the first row that is equal
    leader[order] = order[new][np.cumsum(new) - 1]
    first = np.flatnonzero(leader == np.arange(leader.size))
    return np.searchsorted(first, leader), first


def _grown(
    rows: Array,
    weight: Array,
    group: NDArray[np.intp],
    first: NDArray[np.intp],
    scaling: str,
    grow: Grow,
) -> Merges:
    """The merges of the groups of equal rows."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = SCALINGS[scaling](rows, weight)[first]
        n = np.bincount(group, weight).astype(np.float64)
        t = float(n @ (scaled**2).sum(axis=1)) / (float(n.sum()) * scaled.shape[1])
        merges, costs = grow(scaled, n, max(t, float(np.finfo(np.float64).tiny)))
    if not np.isfinite(costs).all():
        raise DataError(
            "The rows are out of range for an agglomeration: remove extreme values, or rescale the "
            "columns."
        )
    return merges, costs


def _simplest(model: str, d: int) -> str:
    """The criterion that gives the same tree: with one feature there are only spheres."""
    return {"VVV": "VII", "EEE": "EII"}.get(model, model) if d == 1 else model


def _eii(rows: Array, n: Array, _t: float) -> Merges:
    return agglomerate(Clusters.single(rows, n, matrices=False), EII())


def _vii(rows: Array, n: Array, t: float) -> Merges:
    return agglomerate(Clusters.single(rows, n, matrices=False), VII(t))


def _vvv(rows: Array, n: Array, t: float) -> Merges:
    return agglomerate(Clusters.single(rows, n, matrices=True), VVV(t))


def _eee(rows: Array, n: Array, _t: float) -> Merges:
    return agglomerate_pooled(Clusters.single(rows, n, matrices=True))


MODELS: Final[dict[str, Grow]] = {"EII": _eii, "VII": _vii, "EEE": _eee, "VVV": _vvv}


def _fast(model: str) -> Grow:
    return lambda rows, n, t: compiler.agglomerate(rows, n, model, t)


FAST: Final[dict[str, Grow]] = {
    "EII": _fast("EII"),
    "VII": _fast("VII"),
    "EEE": lambda rows, n, _t: compiler.agglomerate_pooled(rows, n),
    "VVV": _fast("VVV"),
}


def _check_name(what: str, name: str, names: Collection[str]) -> None:
    if name not in names:
        raise DataError(f"Unknown {what} {name!r}. Use one of {', '.join(names)}.")


def _labelled(labels: NDArray[np.intp], k: int) -> Responsibilities:
    return lambda block: one_hot(labels[block.start : block.stop], k)


def _most_probable(beginning: Beginning, potentials: Potentials) -> Responsibilities:
    def most_probable(block: Block) -> Array:
        joint = beginning.engine.log_joint(potentials, block)
        return one_hot(joint.argmax(axis=1), beginning.k)

    return most_probable


def _with_spread(sums: SufficientStatistics, flat: NDArray[np.bool_]) -> SufficientStatistics:
    """The same, with the average covariance added to the components marked in `flat` (k,)."""
    if not flat.any():
        return sums
    filled, whole = sums.n > 0.0, sums.moment is Moment.POOLED
    s2 = sums.s2 if whole else sums.s2[filled]
    within = replace(sums, n=sums.n[filled], s1=sums.s1[filled], s2=s2).scatter()
    pooled = (within if whole else within.sum(axis=0)) / sums.n.sum()
    amount = np.where(flat, sums.n, 0.0)
    if whole:
        return replace(sums, s2=sums.s2 + amount.sum() * pooled)
    return replace(sums, s2=sums.s2 + np.multiply.outer(amount, pooled))


def _potentials(
    beginning: Beginning, index: NDArray[np.intp], labels: NDArray[np.intp]
) -> Potentials:
    """Log-densities of the sample's clusters, weighted by their counts."""
    weight = all_weights(beginning.source)
    sample = MemorySource(beginning.source.take(index), None if weight is None else weight[index])
    k = int(labels.max()) + 1
    sums = from_responsibilities(
        replace(beginning, source=sample, k=k, moment=Moment.FULL),
        _labelled(labels, k),
    )
    n, scatter, d = sums.n, sums.scatter(), sample.n_features
    pooled = scatter.sum(axis=0) / n.sum()
    spread = np.diagonal(pooled)
    pooled = pooled + np.diag(FLAT * np.where(spread > 0.0, spread, 1.0))
    shrunk = (scatter + (d + 1) * pooled) / (n + d + 1)[:, None, None]
    return plug_in(Parameters(n / n.sum(), sums.means(), full(shrunk, n)), Moment.FULL)
