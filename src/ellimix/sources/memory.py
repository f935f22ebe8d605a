"""Rows in memory: fixed blocks, threads, and sums that do not depend on the number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ellimix.engines.base import Engine
from ellimix.errors import DataError
from ellimix.records import Array, Block, Detail, Rows, SufficientStatistics
from ellimix.sources.base import Step
from ellimix.sources.passing import added, in_turn
from ellimix.sources.threads import available_threads

T = TypeVar("T")

# Rows up to so many bytes are copied into the engine's layout once; larger data are laid out a
# block at a time, in every pass, which costs a few percent more time and no memory.
LAYOUT_BYTES = 2 << 30
BLOCK_VALUES = 1 << 16  # in a block that no engine has cut
FEWEST_ROWS, MOST_ROWS = 256, 16384


def block_rows(d: int) -> int:
    """Rows in a block of d features: a function of the shape alone, so that sums repeat."""
    return int(np.clip(BLOCK_VALUES // max(d, 1), FEWEST_ROWS, MOST_ROWS))


@final
@dataclass(frozen=True)
class MemorySource:
    """An array of rows, with optional row weights.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32 or float64
    weight : ndarray of shape (n,), optional
        Non-negative, finite, with a positive sum.
    tile : int, optional
        Rows in a block; by default a function of d.
    threads : int, optional
        Threads of a pass; by default the cores that this process may use.
    layouts : tuple, optional
        Each block as an engine laid it out; see `placed`.
    placed_for : str
        That engine's name.
    detail : Detail, optional
        What is known of the rows besides their values.

    Raises
    ------
    DataError
        The weights have another length, are negative or not finite, or sum to 0.
    """

    rows: Rows
    weight: Array | None = None
    tile: int | None = None
    threads: int | None = None
    layouts: tuple[object, ...] | None = None
    placed_for: str = ""
    detail: Detail | None = None

    def __post_init__(self) -> None:
        if self.weight is not None:
            _check_weight(self.weight, self.rows.shape[0])

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.rows.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features, d: of columns, but where rows are projections."""
        if self.detail is not None and self.detail.projections is not None:
            return int(self.detail.projections.shape[2])
        return int(self.rows.shape[1])

    @cached_property
    def incomplete(self) -> bool:
        """Whether values are missing, or something besides the values is known of the rows."""
        if self.detail is not None:
            return True
        with np.errstate(over="ignore", invalid="ignore"):
            total = self.rows.sum(dtype=np.float64)  # NaN is found without a mask of all values
        return bool(np.isnan(total) and np.isnan(self.rows).any())

    @cached_property
    def n_patterns(self) -> int:
        """In how many ways rows lack values; 0 where all is known of them."""
        if not self.incomplete:
            return 0
        return int(np.unique(np.packbits(np.isnan(self.rows), axis=1), axis=0).shape[0])

    @property
    def dtype(self) -> DTypeLike:
        """Type of the rows."""
        return self.rows.dtype

    @property
    def weighted(self) -> bool:
        """Whether rows have weights."""
        return self.weight is not None

    @property
    def weights(self) -> Array:
        """The row weights, (n,); 1 each where none were given."""
        return np.ones(self.n_rows) if self.weight is None else self.weight

    @property
    def total_weight(self) -> float:
        """Their sum."""
        return float(self.n_rows if self.weight is None else self.weight.sum())

    @property
    def _size(self) -> int:
        return self.tile or block_rows(self.n_features)

    @property
    def _count(self) -> int:
        return -(-self.n_rows // self._size)

    def placed(self, engine: Engine) -> MemorySource:
        """The same rows in blocks that suit an engine, laid out for it once if they may be.

        Also fixes the number of threads, while limits from outside can still be told from ours.
        """
        if self.placed_for == engine.name:
            return self
        tile = self.tile or engine.block_rows(self.n_features)
        threads = self.threads or available_threads()
        cut = replace(self, tile=tile, threads=threads, layouts=None, placed_for=engine.name)
        if self.rows.nbytes > LAYOUT_BYTES:
            return cut
        layouts = tuple(cut.each(engine.place))
        return replace(cut, layouts=None if any(x is None for x in layouts) else layouts)

    def blocks(self) -> Iterator[Block]:
        """The blocks, in order, as views."""
        size = self._size
        for number, start in enumerate(range(0, self.n_rows, size)):
            weight = self.weight[start : start + size] if self.weight is not None else None
            layout = self.layouts[number] if self.layouts is not None else None
            own = slice(start, start + size)
            detail = self.detail.at(own) if self.detail is not None else None
            yield Block(self.rows[own], weight, start, layout, detail)

    def each(self, step: Callable[[Block], T]) -> Iterator[T]:
        """``step`` of every block, in order; a few blocks ahead of the reader at most."""
        threads = 1 if self._count == 1 else min(self.threads or available_threads(), self._count)
        return in_turn(self.blocks(), step, threads)

    def reduce(self, step: Step) -> tuple[SufficientStatistics, ...]:
        """Statistics of all rows, added in order of the tiles."""
        return added(self.each(step))

    def take(self, index: NDArray[np.intp]) -> Rows:
        """The rows with these indices."""
        return self.rows[index]

    def part(self, index: NDArray[np.intp]) -> MemorySource:
        """The source of the rows with these indices, with all that is known of them."""
        return MemorySource(
            self.rows[index],
            None if self.weight is None else self.weight[index],
            threads=self.threads,
            detail=None if self.detail is None else self.detail.at(index),
        )


def _check_weight(weight: Array, n_rows: int) -> None:
    if weight.shape != (n_rows,):
        raise DataError(
            f"Row weights have shape {weight.shape}, but there are {n_rows} rows: "
            "pass one weight a row."
        )
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise DataError("Row weights must be finite and not negative; remove or mend such rows.")
    if not weight.sum() > 0:
        raise DataError("All row weights are zero: at least one row must count.")
