"""Starts where rows are labelled, or some components are ruled out for them.

A start knows nothing of labels: its components come in any order, and one may hold rows of two
labels. So its means are only the seeds. They are matched to the components of the prior, the
labelled rows' means take the place of those they match, and some rounds of k-means follow in
which every row keeps to what it is allowed (constrained k-means: Basu, Banerjee & Mooney 2002).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ellimix.errors import DataError
from ellimix.records import Array, Block, Factor, Moment, Potentials, SufficientStatistics
from ellimix.sources.base import Source
from ellimix.sources.memory import MemorySource
from ellimix.starts.base import Beginning, Start, all_weights, from_responsibilities

ROUNDS = 5
ROUNDING = 4.0 * float(np.finfo(np.float64).eps)  # of a mean: a spread below it is none
LARGEST = 1e300  # of a squared distance: the matching needs finite ones


@final
@dataclass(frozen=True)
class Constrained:
    """Another start's means, matched to the prior, then k-means within what the prior allows.

    Distances are scaled by the pooled variances within the start's components. A prior that is
    not only 0 and -inf counts as what it is: a row goes to the component with the largest
    prior - 1/2 distance^2, the first of equals.

    Parameters
    ----------
    start : Start
        Works on whole rows.
    prior : ndarray of shape (n, k) or (n, k + 1)
        See `ellimix.records.Detail.prior`. Column k, if there is one, is the noise component's:
        rows that are allowed nothing else are left out.

    Raises
    ------
    DataError
        The prior has another shape, a row is allowed no component, or a component no row.

    Examples
    --------
    Two rows are labelled, and in the order of their labels the components come out:

    >>> import numpy as np
    >>> from ellimix.engines import ENGINES
    >>> from ellimix.records import Moment
    >>> from ellimix.sources.memory import MemorySource
    >>> from ellimix.starts import STARTS, Beginning
    >>> from ellimix.starts.constrained import Constrained
    >>> rows = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> prior = np.zeros((4, 2))
    >>> prior[0, 0] = prior[3, 1] = -np.inf
    >>> random = np.random.RandomState(0)
    >>> beginning = Beginning(
    ...     MemorySource(rows), ENGINES["numpy"], 2, Moment.FULL, 0.0, random
    ... )
    >>> Constrained(STARTS["kmeans"], prior).statistics(beginning).means().tolist()
    [[10.5], [0.5]]
    """

    start: Start
    prior: Array

    @property
    def name(self) -> str:
        """The other start's name."""
        return self.start.name

    def statistics(self, beginning: Beginning) -> SufficientStatistics:
        """Every row with the component it is assigned to in the last round."""
        prior = _checked(self.prior, beginning.source.n_rows, beginning.k)
        beginning = replace(beginning, source=_kept(beginning, prior))
        weight = all_weights(beginning.source)
        _check_components(prior, weight)
        drawn = self.start.statistics(replace(beginning, moment=Moment.DIAGONAL, floor=0.0))
        with np.errstate(over="ignore", invalid="ignore"):  # the M-step says which sums overflow
            seeded = _Rounds(beginning, prior, _pooled_variances(drawn))
            center = _matched(seeded, _means(drawn, drawn.center), weight)
            for _ in range(ROUNDS):
                center = seeded.moved(center)
            labels = seeded.labels(center)
        return from_responsibilities(beginning, lambda block: _own(labels, block, beginning.k))


@dataclass(frozen=True)
class _Rounds:
    """K-means in scaled columns, under a prior.

    Parameters
    ----------
    beginning : Beginning
    prior : ndarray of shape (n, k)
    variances : ndarray of shape (d,)
    """

    beginning: Beginning
    prior: Array
    variances: Array

    def nearness(self, center: Array, block: Block) -> Array:
        """-1/2 of the scaled squared distances of a block's rows to the centers, (n, k)."""
        factor = np.broadcast_to(1.0 / np.sqrt(self.variances), center.shape)
        offset = np.zeros(center.shape[0])
        nearest = Potentials(offset, center, factor, Factor.DIAGONAL, Moment.DIAGONAL)
        return self.beginning.engine.log_joint(nearest, block)

    def labels(self, center: Array, free: bool = False) -> NDArray[np.intp]:
        """The component of each row (n,); -1 for a row that is left out.

        `free`: each row's nearest center, whatever the prior says.
        """
        out = np.full(self.prior.shape[0], -1, dtype=np.intp)

        def assign(block: Block) -> None:
            part = slice(block.start, block.stop)
            own = self.prior[part]
            near = self.nearness(center, block)
            # a row beyond all range is as near to one center as to another
            near = np.maximum(np.nan_to_num(near, nan=-LARGEST), -LARGEST)
            best = (near if free else near + own).argmax(axis=1)
            out[part] = np.where((own > -np.inf).any(axis=1), best, -1)

        for _ in self.beginning.source.each(assign):
            pass
        return out

    def moved(self, center: Array) -> Array:
        """The means of the rows assigned to each center; one without rows moves to a far row."""
        labels, k = self.labels(center), center.shape[0]
        engine = self.beginning.engine
        (sums,) = self.beginning.source.reduce(
            lambda block: (
                engine.accumulate(_own(labels, block, k), block, center, Moment.DIAGONAL),
            )
        )
        means = _means(sums, center)
        for j in np.flatnonzero(~(sums.n > 0.0)):
            far = self._worst_served(int(j), labels, center)
            if far is not None:
                row = self.beginning.source.take(np.array([far], dtype=np.intp))[0]
                means[j] = np.asarray(row, dtype=np.float64)
                labels[far] = j  # the next one without rows takes another
        return means

    def _worst_served(self, j: int, labels: NDArray[np.intp], center: Array) -> int | None:
        """Of the rows that component j is allowed, the one farthest from its own center."""
        weight = all_weights(self.beginning.source)
        usable = (self.prior[:, j] > -np.inf) & (labels >= 0)
        if weight is not None:
            usable &= weight > 0.0
        gap = np.full(labels.size, -np.inf)

        def measure(block: Block) -> None:
            part = slice(block.start, block.stop)
            near, own = self.nearness(center, block), np.maximum(labels[part], 0)
            gap[part] = np.where(usable[part], -near[np.arange(own.size), own], -np.inf)

        for _ in self.beginning.source.each(measure):
            pass
        farthest = int(gap.argmax())
        return farthest if gap[farthest] > 0.0 else None


def _matched(rounds: _Rounds, means: Array, weight: Array | None) -> Array:
    """The start's means in the order of the prior's components, labelled means where there are.

    Components with rows that are allowed nothing else are matched to the nearest means. The other
    components share the rest so that the rows nearest to a mean may have it, as many as possible:
    the sum of weights, each times exp(prior), is largest.
    """
    prior, k = rounds.prior, means.shape[0]
    w = np.ones(prior.shape[0]) if weight is None else weight
    single = ((prior > -np.inf).sum(axis=1) == 1) & (w > 0.0)
    pinned = np.where(single, prior.argmax(axis=1), -1)
    beginning = rounds.beginning
    (sums,) = beginning.source.reduce(
        lambda block: (
            beginning.engine.accumulate(_own(pinned, block, k), block, means, Moment.DIAGONAL),
        )
    )
    labelled = np.flatnonzero(sums.n > 0.0)
    own = _means(sums, means)
    out = np.empty_like(means)
    taken = np.zeros(k, dtype=np.bool_)
    if labelled.size:
        gap = (own[labelled, None, :] - means) ** 2 / rounds.variances
        cost = np.nan_to_num(gap.sum(axis=2), nan=LARGEST, posinf=LARGEST)
        _, which = linear_sum_assignment(np.minimum(cost, LARGEST / k))
        taken[which] = True
        out[labelled] = own[labelled]
    others = np.setdiff1d(np.arange(k), labelled)
    rest = np.flatnonzero(~taken)
    if others.size:
        allowed = _allowed_weight(prior, w, rounds.labels(means, free=True))
        _, which = linear_sum_assignment(allowed[np.ix_(others, rest)], maximize=True)
        out[others] = means[rest[which]]
    return out


def _allowed_weight(prior: Array, weight: Array, labels: NDArray[np.intp]) -> Array:
    """Weight of the rows that would be allowed component c, were c the mean j; (c, j)."""
    k = prior.shape[1]
    out = np.zeros((k, k))
    kept = labels >= 0
    share = prior[kept] - prior[kept].max(axis=1, keepdims=True)
    share = weight[kept, None] * np.exp(share)
    for c in range(k):
        out[c] = np.bincount(labels[kept], weights=share[:, c], minlength=k)
    return out


def _own(labels: NDArray[np.intp], block: Block, k: int) -> Array:
    """Responsibilities (n, k) of 0 and 1 for a block; 0 for a row that is left out."""
    part = labels[block.start : block.stop]
    out = np.zeros((part.size, k))
    kept = np.flatnonzero(part >= 0)
    out[kept, part[kept]] = 1.0
    return out


def _means(statistics: SufficientStatistics, without: Array) -> Array:
    """Means of the components (k, d); those of components without rows as given."""
    filled = (statistics.n > 0.0)[:, None]
    n = np.where(filled, statistics.n[:, None], 1.0)
    return np.where(filled, statistics.center + statistics.s1 / n, without)


def _pooled_variances(statistics: SufficientStatistics) -> Array:
    """Variances within the components, (d,).

    Those of all rows where the components are constant, and 1 where the column is.
    """
    total, means = statistics.n.sum(), _means(statistics, statistics.center)
    n = np.where(statistics.n > 0.0, statistics.n, 1.0)
    within = replace(statistics, n=n).scatter().sum(axis=0) / total
    share = statistics.n / total
    between = share @ (means - share @ means) ** 2
    noise = (ROUNDING * np.abs(means).max(axis=0)) ** 2
    out = np.where(within > noise, within, between)
    return np.where((out > noise) & np.isfinite(out), out, 1.0)


def _kept(beginning: Beginning, prior: Array) -> Source:
    """The rows with weight 0 where no component but the noise is allowed."""
    source = beginning.source
    out = ~(prior > -np.inf).any(axis=1)
    if not out.any():
        return source
    weight = all_weights(source)
    kept = np.where(out, 0.0, 1.0 if weight is None else weight)
    if not kept.sum() > 0.0:
        raise DataError("All rows are labelled as noise: the components need some rows, too.")
    rows = source.take(np.arange(source.n_rows))
    return MemorySource(rows, kept).placed(beginning.engine)


def _checked(prior: Array, n: int, k: int) -> Array:
    """The components' columns of the prior."""
    if prior.shape not in ((n, k), (n, k + 1)):
        raise DataError(
            f"What is allowed for each row has shape {prior.shape}, but there are {n} rows and "
            f"{k} components: pass an array of shape ({n}, {k}), or ({n}, {k + 1}) with noise."
        )
    nothing = np.flatnonzero(~(prior > -np.inf).any(axis=1))
    if nothing.size:
        raise DataError(
            f"Row {nothing[0]} is allowed no component, as {nothing.size} row(s) in all: "
            "allow at least one."
        )
    return prior[:, :k]


def _check_components(prior: Array, weight: Array | None) -> None:
    counted = prior if weight is None else prior[weight > 0.0]
    without = np.flatnonzero(~(counted > -np.inf).any(axis=0))
    if without.size:
        named = ", ".join(str(j) for j in without)
        raise DataError(
            f"No row with positive weight is allowed component(s) {named}: "
            "allow some rows each component, or use fewer components."
        )
