"""The source of a Dask collection: partitions stay, parameters go out, sums come back by a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from ellimix.engines.base import Engine
from ellimix.errors import DataError
from ellimix.records import Block, Rows, SufficientStatistics
from ellimix.sources import portions
from ellimix.sources.base import Step
from ellimix.sources.dask import (
    Graph,
    Tasks,
    balanced,
    computed,
    itself,
    named,
    persisted,
    room_for,
    sent,
)
from ellimix.sources.outside import OutsideSource
from ellimix.sources.portions import Making, grouped
from ellimix.sources.survey import Survey

if TYPE_CHECKING:
    from ellimix.sources.dask_rows import DaskRows

T = TypeVar("T")

FAN_IN = 8  # sums that one task adds
PORTION_VALUES = 1 << 19  # 4 MiB: a task costs Dask about as much as a pass over a tenth of it
COPIES = 2  # of the rows: as they are, and as an engine lays them out
FETCHED_BYTES = 64 << 20  # that come to this process at once


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class DaskSource(OutsideSource):
    """The rows of a Dask collection; a pass is one graph, of which one sum comes back.

    Parameters
    ----------
    reader : DaskRows
    engine : Engine or None
        The one that blocks suit.
    held : Tasks or None
        Portions that are laid out and stay so, where workers have the memory for them.
    survey, tile, threads :
        As for `OutsideSource`. Each task has one thread: Dask runs as many as its workers have.
    """

    reader: DaskRows
    engine: Engine | None = None
    held: Tasks | None = None

    @property
    def known_rows(self) -> int | None:
        """Number of rows, where it is known."""
        return self.reader.n_rows

    def placed(self, engine: Engine) -> DaskSource:
        """The same rows in blocks that suit an engine.

        They are laid out once, on the workers, if rows and layouts take at most half of the memory
        that the workers have left (2 GiB on a local scheduler), else anew in every pass. Some move
        then, so that each worker has its share.
        """
        if self.engine == engine:
            return self
        tile = engine.block_rows(self.n_features)
        cut = replace(self, engine=engine, tile=tile, held=None)
        taken = sum(self.reader.lengths) * self.n_features * self.dtype.itemsize
        if COPIES * taken > room_for(self.reader.origin):
            return cut
        graph, made = cut._made(engine)
        keys = [(named("rows"), i) for i in range(len(made))]
        tasks = Tasks(graph | dict(zip(keys, made, strict=True)), keys)
        kept = persisted(tasks, self.where)
        return replace(cut, held=balanced(kept, self._sizes, self.where))

    def blocks(self) -> Iterator[Block]:
        """The blocks, in order; some portions come to this process at a time."""
        graph, wanted = self._portions()
        row = self.n_features * self.dtype.itemsize
        sizes = [row * count for count in self._sizes]
        first = 0
        while first < len(wanted):
            last, size = first + 1, sizes[first]
            while last < len(wanted) and size + sizes[last] <= FETCHED_BYTES:
                size, last = size + sizes[last], last + 1
            for portion in self._each_of(graph, wanted[first:last], itself):
                yield from portion.blocks()
            first = last

    def each(self, step: Callable[[Block], T]) -> Iterator[T]:
        """``step`` of every block, in order: all results come to this process."""
        graph, wanted = self._portions()
        key = sent(graph, step)
        yield from chain.from_iterable(self._each_of(graph, wanted, portions.results, key))

    def reduce(self, step: Step) -> tuple[SufficientStatistics, ...]:
        """Statistics of all rows: of blocks in order, then of portions by a tree of fixed shape."""
        graph, wanted = self._portions()
        key = sent(graph, step)
        total: portions.Sums | None = self._total(graph, wanted, portions.summed, key)
        if total is None:
            raise DataError(f"{self.where} has no rows.")
        return total

    def surveyed(self, size: int, seed: int) -> Survey | None:
        """The survey of all rows: one pass, in which samples are merged by the tree."""
        graph, wanted = self._portions(raw=True)
        total = self._total(graph, wanted, portions.looked_at, size, seed, self.where)
        return None if total is None else total[0]

    def take(self, index: NDArray[np.intp]) -> Rows:
        """The rows with these indices, which alone come to this process."""
        graph, wanted = self._portions()
        order = np.argsort(index, kind="stable")
        ends = np.cumsum(self._sizes)
        cuts = np.searchsorted(index[order], [0, *ends])
        name, keys = named("take"), []
        for i, portion in enumerate(wanted):
            own = index[order[cuts[i] : cuts[i + 1]]] - (ends[i - 1] if i else 0)
            if own.size:
                keys.append((name, i))
                graph[name, i] = (portions.taken, portion, own)
        out: Rows = np.empty((index.size, self.n_features), dtype=self.dtype)
        if keys:
            out[order] = np.concatenate(computed(graph, keys, self.where))
        return out

    @property
    def _groups(self) -> list[tuple[int, int]]:
        """Partitions that make a portion together: small ones, which move for it."""
        return grouped(self.reader.lengths, PORTION_VALUES // self.n_features)

    @property
    def _sizes(self) -> list[int]:
        """Rows of each portion."""
        return [sum(self.reader.lengths[first:last]) for first, last in self._groups]

    def _portions(self, raw: bool = False) -> tuple[Graph, list[Any]]:
        """A graph, and the tasks or keys of the portions; `raw` with weights as they came."""
        if self.held is not None and not raw:
            return dict(self.held.graph), list(self.held.keys)
        return self._made(None, raw)

    def _made(self, engine: Engine | None, raw: bool = False) -> tuple[Graph, list[Any]]:
        """The same, made anew from the partitions; with an engine, laid out for it."""
        reader = self.reader
        parts, weights = reader.parts, reader.weight_parts
        blank = not raw and (self.survey is None or self.survey.nothing > 0)
        start, out = 0, []
        for first, last in self._groups:
            counts = reader.lengths[first:last]
            making = Making(reader.picked, start, counts, self.size, blank, engine)
            own = parts.keys[first:last], weights.keys[first:last]
            out.append((portions.made, *own, making))
            start += sum(counts)
        return parts.graph | weights.graph, out

    def _each_of(
        self, graph: Graph, wanted: Sequence[Any], call: Callable[..., Any], *more: Any
    ) -> list[Any]:
        """What a function says of each portion."""
        name = named(call.__name__)
        keys = [(name, i) for i in range(len(wanted))]
        tasks = {key: (call, part, *more) for key, part in zip(keys, wanted, strict=True)}
        return computed(graph | tasks, keys, self.where)

    def _total(
        self, graph: Graph, wanted: Sequence[Any], call: Callable[..., Any], *more: Any
    ) -> Any:
        """The sum of what a function says of each portion."""
        name = named(call.__name__)
        keys = [(name, i) for i in range(len(wanted))]
        for key, part in zip(keys, wanted, strict=True):
            graph[key] = (call, part, *more)
        while len(keys) > 1:
            name, below = named("added"), keys
            keys = [(name, i) for i in range(-(-len(below) // FAN_IN))]
            for i, key in enumerate(keys):
                graph[key] = (portions.added, below[i * FAN_IN : (i + 1) * FAN_IN])
        return computed(graph, keys, self.where)[0] if keys else None
