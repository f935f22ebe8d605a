"""One pass over the rows of a report: a random part to draw, and those that are least certain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from ellimix.density.mixture import Mixture
from ellimix.records import Array, Block
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource

MOST_POINTS: Final = 5000  # rows that are drawn
MOST_DOUBTS: Final = 15  # rows in the table of the least certain
CERTAIN: Final = 0.999  # from this probability on a row's component is in no doubt


@final
@dataclass(frozen=True)
class Doubt:
    """A row whose component is uncertain.

    Parameters
    ----------
    row : int
        Its place among the rows, from 0.
    values : tuple of float
        NaN where one is missing.
    best, second : tuple of (int, float)
        The two most probable components, with their probabilities; noise is number k.
    """

    row: int
    values: tuple[float, ...]
    best: tuple[int, float]
    second: tuple[int, float]


@final
@dataclass(frozen=True, eq=False)
class Look:
    """What a pass over the rows found.

    Parameters
    ----------
    total : int
        Rows.
    counted : int
        Those of a positive weight, with something observed.
    drawn : ndarray of shape (m, d) or None
        At most 5,000 of these, in their order; None where rows are projections of the features.
    doubts : tuple of Doubt
        The least certain, at most 15.
    uncertain : int
        How many rows there are below `CERTAIN`.
    outside : bool
        Whether the rows are outside of memory.
    """

    total: int
    counted: int
    drawn: Array | None
    doubts: tuple[Doubt, ...]
    uncertain: int
    outside: bool = False

    @property
    def n_drawn(self) -> int:
        """Rows that are drawn."""
        return 0 if self.drawn is None else len(self.drawn)

    @property
    def said(self) -> str:
        """How many rows are drawn, in words."""
        plural = "" if self.total == 1 else "s"
        if self.n_drawn == self.total:
            return f"{self.total:,} row{plural}"
        how = ", chosen at random," if self.n_drawn < self.counted else ""
        return f"{self.n_drawn:,} of {self.total:,} row{plural}{how}"


@final
@dataclass(frozen=True, eq=False)
class _Kept:
    """Rows that were kept so far, with what orders them."""

    order: Array
    row: NDArray[np.intp]
    values: Array
    shares: Array

    def with_more(self, other: _Kept, most: int) -> _Kept:
        """The first of both together; of equals the earlier rows."""
        order, row = np.append(self.order, other.order), np.append(self.row, other.row)
        first = np.lexsort((row, order))[:most]
        values = np.concatenate([self.values, other.values])[first]
        return _Kept(
            order[first], row[first], values, np.concatenate([self.shares, other.shares])[first]
        )


def look(mixture: Mixture, source: MemorySource | OutsideSource) -> Look:
    """One pass over all rows.

    Parameters
    ----------
    mixture : Mixture
    source : MemorySource or OutsideSource

    Returns
    -------
    Look

    Examples
    --------
    >>> import numpy as np
    >>> import ellimix as em
    >>> from ellimix.reporting.looking import look
    >>> from ellimix.sources.memory import MemorySource
    >>> mixture = em.Mixture.from_parameters([0.5, 0.5], [[0.0], [4.0]], [1.0, 1.0], "VII")
    >>> found = look(mixture, MemorySource(np.array([[0.0], [2.1], [9.0]])))
    >>> [(doubt.row, doubt.best[0], round(doubt.best[1], 2)) for doubt in found.doubts]
    [(1, 1, 0.6)]
    """
    random = np.random.default_rng(0)
    width = mixture.potentials.offset.size
    detail = source.detail
    projected = detail is not None and detail.projections is not None
    p = source.n_features if not isinstance(source, MemorySource) else source.rows.shape[1]
    nothing = _Kept(np.empty(0), np.empty(0, np.intp), np.empty((0, p)), np.empty((0, width)))
    drawn, doubts = nothing, nothing
    total = counted = uncertain = 0
    outside = not isinstance(source, MemorySource)
    blocks = source.blocks() if isinstance(source, MemorySource) else source.in_large_blocks()
    for block in blocks:
        key: Array = random.random((block.rows.shape[0],))
        total += key.size
        found = _counting(mixture, block)
        counted += found.row.size
        certainty = found.order
        uncertain += int((certainty < CERTAIN).sum())
        doubts = doubts.with_more(_where(found, certainty < CERTAIN), MOST_DOUBTS)
        chosen = _Kept(key[found.row - block.start], found.row, found.values, found.shares)
        if drawn.order.size == MOST_POINTS:
            chosen = _where(chosen, chosen.order < drawn.order[-1])
        drawn = drawn.with_more(chosen, MOST_POINTS)
    rows = None if projected else drawn.values[np.argsort(drawn.row)]
    return Look(total, counted, rows, _doubts(doubts), uncertain, outside)


def _counting(mixture: Mixture, block: Block) -> _Kept:
    """The rows of a block that count, by how certain they are."""
    shares = mixture.responsibilities(block.rows, block.detail)
    count = np.ones(len(shares), dtype=bool) if block.weight is None else block.weight > 0.0
    row = np.arange(len(shares)) + block.start
    values = np.asarray(block.rows, dtype=np.float64)
    return _where(_Kept(shares.max(axis=1), row, values, shares), np.asarray(count))


def _where(kept: _Kept, chosen: NDArray[np.bool_]) -> _Kept:
    return _Kept(kept.order[chosen], kept.row[chosen], kept.values[chosen], kept.shares[chosen])


def _doubts(kept: _Kept) -> tuple[Doubt, ...]:
    out = []
    for row, values, shares in zip(kept.row, kept.values, kept.shares, strict=True):
        first, second = (int(j) for j in np.argsort(-shares, kind="stable")[:2])
        out.append(
            Doubt(
                int(row), tuple(map(float, values)),
                (first, float(shares[first])), (second, float(shares[second])),
            )
        )  # fmt: skip
    return tuple(out)
