"""Parts of rows that stay on other machines: what a pass does with each, in one thread there.

Everything here runs where the rows are; nothing knows how it came there.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.engines.base import Engine
from ellimix.errors import DataError
from ellimix.records import Array, Block, Rows
from ellimix.sources.survey import Survey, surveyed
from ellimix.sources.threads import one_core

Sums = tuple[Any, ...]  # each adds to its like of other portions


@final
@dataclass(frozen=True, eq=False)
class Portion:
    """Consecutive rows, cut into blocks by their number alone.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32 or float64
    weight : ndarray of shape (n,) or None
    start : int
        Number of the first row.
    tile : int
        Rows in a block.
    engine : Engine or None
        The one that laid the blocks out.
    layouts : tuple or None
        Each block as it did.
    """

    rows: Rows
    weight: Array | None
    start: int
    tile: int
    engine: Engine | None = None
    layouts: tuple[object, ...] | None = None

    def blocks(self) -> Iterator[Block]:
        """The blocks, in order; none where there are no rows."""
        for number, first in enumerate(range(0, self.rows.shape[0], self.tile)):
            own = slice(first, first + self.tile)
            weight = None if self.weight is None else self.weight[own]
            layout = None if self.layouts is None else self.layouts[number]
            yield Block(self.rows[own], weight, self.start + first, layout)

    def placed(self, engine: Engine | None) -> Portion:
        """The same rows, laid out by an engine."""
        plain = Portion(self.rows, self.weight, self.start, self.tile)
        if engine is None:
            return plain
        layouts = tuple(engine.place(block) for block in plain.blocks())
        if any(layout is None for layout in layouts):
            return plain
        return Portion(self.rows, self.weight, self.start, self.tile, engine, layouts)

    def __reduce__(self) -> tuple[Any, ...]:
        """Rows travel alone, and are laid out anew where they arrive: that is half the bytes."""
        return _again, (self.rows, self.weight, self.start, self.tile, self.engine)

    def __sizeof__(self) -> int:
        """In bytes; schedulers weigh by it whether to move rows to work, or work to rows."""
        own = self.rows.nbytes * (1 if self.layouts is None else 2)
        return int(own) + (0 if self.weight is None else int(self.weight.nbytes))


@final
@dataclass(frozen=True, eq=False)
class Picked:
    """What of a part of a table or array are rows and weights.

    Parameters
    ----------
    columns : tuple or None
        The features, in order: labels of a table's columns or numbers of an array's; None where all
        columns are.
    weights : object
        The column of row weights; None without one.
    dtype : dtype
    where : str
        What messages call the rows.
    """

    columns: tuple[Any, ...] | None
    weights: Any
    dtype: np.dtype[Any]
    where: str

    def rows(self, part: Any) -> Rows:
        """The rows of a part, with NaN for what is missing."""
        if hasattr(part, "to_numpy") and hasattr(part, "columns"):
            chosen = part if self.columns is None else part[list(self.columns)]
            table: Rows = chosen.to_numpy(dtype=self.dtype, na_value=np.nan)
            return table
        if self.columns is not None:
            part = part[:, list(self.columns)]
        array: Rows = _unmasked(part, self.dtype)
        return array

    def weight(self, part: Any) -> Array | None:
        """The row weights that a part has in a column."""
        if self.weights is None:
            return None
        column = part[self.weights] if hasattr(part, "columns") else part[:, self.weights]
        return plain_weights(column)


def plain_weights(column: Any) -> Array:
    """Row weights as float64; NaN where one is missing."""
    if hasattr(column, "to_numpy"):
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.asarray(_unmasked(column, np.dtype(np.float64)))


def _unmasked(values: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of a type, with NaN for what is masked."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(values.astype(dtype), np.nan))
    return np.asarray(values, dtype=dtype)


@final
@dataclass(frozen=True, eq=False)
class Making:
    """How some parts become a portion.

    Parameters
    ----------
    picked : Picked
    start : int
        Number of the first row.
    counts : tuple of int
        Rows that each part has.
    tile : int
        Rows in a block.
    blank : bool
        Whether rows of which nothing is observed get weight 0.
    engine : Engine or None
        The one that lays blocks out.
    """

    picked: Picked
    start: int
    counts: tuple[int, ...]
    tile: int
    blank: bool
    engine: Engine | None


def made(parts: Sequence[Any], weights: Sequence[Any], making: Making) -> Portion:
    """The portion of some parts, with weights from a column or of their own.

    Raises
    ------
    DataError
        A part has another number of rows than before, or of weights.
    """
    picked, rows, weight = making.picked, [], []
    for number, part in enumerate(parts):
        own = picked.rows(part)
        having = plain_weights(weights[number]) if weights else picked.weight(part)
        if own.shape[0] != making.counts[number]:
            raise DataError(
                f"A part of {picked.where} had {making.counts[number]:,} rows, and now "
                f"{own.shape[0]:,}: rows must not change during a fit."
            )
        if having is not None and having.shape != (own.shape[0],):
            raise DataError(
                f"A part of {picked.where} has {own.shape[0]:,} rows and weights of shape "
                f"{having.shape}: cut the weights as the rows are."
            )
        rows.append(own)
        weight.append(having)
    whole: Any = rows[0] if len(rows) == 1 else np.concatenate(rows)
    given = [w for w in weight if w is not None]
    total = None if not given else given[0] if len(given) == 1 else np.concatenate(given)
    if making.blank:
        nothing = np.isnan(whole).all(axis=1)
        if nothing.any():
            total = np.where(nothing, 0.0, 1.0 if total is None else total)
    with one_core():
        return Portion(whole, total, making.start, making.tile).placed(making.engine)


def counted(part: Any) -> int:
    """Number of rows of a part."""
    return len(part)


def summed(portion: Portion, step: bytes) -> Sums | None:
    """The sums of a step's statistics over a portion; None where it has no rows."""
    run = _unpickled(step)
    with one_core():
        return added([tuple(run(block)) for block in portion.blocks()])


def results(portion: Portion, step: bytes) -> list[Any]:
    """What a step says of each block."""
    run = _unpickled(step)
    with one_core():
        return [run(block) for block in portion.blocks()]


def looked_at(portion: Portion, size: int, seed: int, where: str) -> tuple[Survey] | None:
    """The survey of a portion."""
    total: Survey | None = None
    for block in portion.blocks():
        full = total is not None and total.keys.size == size
        below = total.keys[-1] if full and total is not None else None
        part = surveyed(block, size, seed, below, where)
        total = part if total is None else total + part
    return None if total is None else (total,)


def added(parts: Sequence[Sums | None]) -> Sums | None:
    """Sums of several portions, added in order."""
    total: Sums | None = None
    for part in parts:
        if total is None or part is None:
            total = part if total is None else total
        else:
            total = tuple(a + b for a, b in zip(total, part, strict=True))
    return total


def taken(portion: Portion, index: NDArray[np.intp]) -> Rows:
    """The rows with these numbers in the portion."""
    return portion.rows[index]


def answers(part: Any, picked: Picked, answer: bytes) -> NDArray[Any]:
    """What a function says of the rows of a part."""
    run: Callable[[Rows], NDArray[Any]] = _unpickled(answer)
    with one_core():
        return run(picked.rows(part))


def grouped(counts: Sequence[int], least: int) -> list[tuple[int, int]]:
    """Consecutive parts that are taken together, as pairs (first, last + 1), by shape alone.

    A task costs as much as some work on rows, so parts join until they have `least`. Parts without
    rows join, too, and are alone only where no part has any.

    Examples
    --------
    >>> from ellimix.sources.portions import grouped
    >>> grouped([5, 0, 3, 20, 4, 4], least=8)
    [(0, 3), (3, 4), (4, 6)]
    """
    groups, first, rows = [], 0, 0
    for number, count in enumerate(counts):
        rows += count
        if rows >= least:
            groups.append((first, number + 1))
            first, rows = number + 1, 0
    if rows or not groups:
        groups.append((first, len(counts)))
    return [group for group in groups if group[0] < group[1]]


@lru_cache(maxsize=4)
def _unpickled(step: bytes) -> Any:
    """What was sent; once a pass in each process, whatever the number of its tasks."""
    return pickle.loads(step)


def _again(
    rows: Rows, weight: Array | None, start: int, tile: int, engine: Engine | None
) -> Portion:
    with one_core():
        return Portion(rows, weight, start, tile).placed(engine)
