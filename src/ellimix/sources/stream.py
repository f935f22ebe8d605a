"""Rows that a reader gives: read anew in every pass, a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar, final

import numpy as np

from ellimix.engines.base import Engine
from ellimix.errors import DataError
from ellimix.records import Array, Block, Rows, SufficientStatistics
from ellimix.sources.base import Step
from ellimix.sources.outside import OutsideSource
from ellimix.sources.passing import AHEAD, added, in_turn
from ellimix.sources.reading import Chunk, Reader
from ellimix.sources.survey import Survey, surveyed
from ellimix.sources.threads import available_threads

T = TypeVar("T")


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class StreamSource(OutsideSource):
    """The rows of a reader, in blocks that do not depend on how they come from it.

    Parameters
    ----------
    reader : Reader
    by_column : bool
        Whether blocks are laid out column by column, as compiled engines like them.
    first : int
        Number of the first row: not 0 where these are one part of more rows.
    survey, tile, threads :
        As for `OutsideSource`.
    """

    reader: Reader
    by_column: bool = False
    first: int = 0

    @property
    def known_rows(self) -> int | None:
        """Number of rows, where the reader knows it."""
        return self.reader.n_rows

    def placed(self, engine: Engine) -> StreamSource:
        """The same rows in blocks that suit an engine; they are laid out anew in every pass."""
        tile = self.tile or engine.block_rows(self.n_features)
        threads = self.threads or available_threads()
        return replace(self, tile=tile, threads=threads, by_column=engine.compiled)

    def blocks(self) -> Iterator[Block]:
        """The blocks, in order."""
        for block in self._given():
            yield replace(block, weight=self.counting(block.rows, block.weight))

    def _given(self) -> Iterator[Block]:
        """The blocks with the weights that rows came with, whatever is observed of them."""
        start = self.first
        for rows, weight in self._cut(self.reader.chunks(self.size)):
            yield Block(rows, weight, start)
            start += rows.shape[0]
        known = self.survey.rows if self.survey is not None else self.known_rows
        if known is not None and known != start - self.first:
            raise DataError(
                f"{self.where} had {known:,} rows, and now {start - self.first:,}: rows must not "
                "change during a fit."
            )

    def each(self, step: Callable[[Block], T]) -> Iterator[T]:
        """``step`` of every block, in order; a few blocks are in memory at once."""
        return in_turn(self.watched(self.blocks()), step, self.threads or available_threads())

    def reduce(self, step: Step) -> tuple[SufficientStatistics, ...]:
        """Statistics of all rows, added in order of the blocks."""
        return added(self.each(step))

    def surveyed(self, size: int, seed: int) -> Survey | None:
        """The survey of all rows: one pass."""
        total: Survey | None = None

        def step(block: Block) -> Survey:
            full = total is not None and total.keys.size == size
            below = total.keys[-1] if full and total is not None else None
            return surveyed(block, size, seed, below, self.where)

        threads = self.threads or available_threads()
        blocks = self.watched(replace(self, by_column=True)._given())
        for part in in_turn(blocks, step, threads):
            total = part if total is None else total + part
        return total

    def pass_bytes(self, engine: Engine, k: int, sample: int = 0) -> int:
        """About what a fit of k components holds: blocks, their sums, the reader's, the sample."""
        d, item = self.n_features, self.dtype.itemsize
        threads = self.threads or available_threads()
        rows = engine.block_rows(d)
        block = rows * d * item + 8 * k * (1 + d + d * d)  # with what becomes of it
        work = rows * 8 * (k + 2 * d)  # of each thread: responsibilities, centred rows
        waiting = 2 * block * (AHEAD * threads + 1) + threads * work
        return waiting + self.reader.working_bytes + super().pass_bytes(engine, k, sample)

    def _cut(self, chunks: Iterator[Chunk]) -> Iterator[tuple[Rows, Array | None]]:
        """Rows and weights in blocks of one size, but for the last; nothing is copied twice."""
        size, weighted = self.size, self.has_weights
        filled, rows, weight = 0, self._empty(), np.empty(size) if weighted else None
        for chunk in chunks:
            first, count = 0, chunk.rows
            while first < count:
                part = min(size - filled, count - first)
                if part == size and not isinstance(chunk.values, tuple):
                    whole = slice(first, first + part)
                    own = chunk.values[whole].astype(self.dtype, copy=False)
                    yield own, None if chunk.weight is None else chunk.weight[whole]
                    first += part
                    continue
                chunk.put(rows, filled, first, part)
                if weight is not None and chunk.weight is not None:
                    weight[filled : filled + part] = chunk.weight[first : first + part]
                filled, first = filled + part, first + part
                if filled == size:
                    yield rows, weight
                    filled, rows = 0, self._empty()
                    weight = np.empty(size) if weighted else None
        if filled:
            yield rows[:filled], None if weight is None else weight[:filled]

    def _empty(self) -> Rows:
        """Room for a block."""
        size, d = self.size, self.n_features
        return (
            np.empty((d, size), self.dtype).T if self.by_column else np.empty((size, d), self.dtype)
        )
