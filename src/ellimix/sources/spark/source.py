"""The source of rows of a Spark DataFrame: passes run where its partitions are.

The first look at the rows packs them (`ellimix.sources.partitions`), in one ``mapInArrow`` over the
DataFrame, and Spark keeps the packed partitions in its storage, on disk where memory ends. Every
later pass is one job over those: no query is planned and no row is converted again. Parameters go
out in the job's closure, which Spark broadcasts; sums come back by Spark's own serializer.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar, final

import numpy as np
from numpy.typing import NDArray
from py4j.protocol import Py4JError
from pyspark import StorageLevel

from ellimix.engines.base import Engine
from ellimix.errors import DataError
from ellimix.records import Block, Rows, SufficientStatistics
from ellimix.sources.base import Step
from ellimix.sources.outside import OutsideSource
from ellimix.sources.partitions import (
    Each,
    Look,
    PackedRows,
    PartitionTask,
    Piece,
    Sums,
    joined,
    without_sample,
)
from ellimix.sources.spark.jobs import asked_of
from ellimix.sources.spark.rows import SparkRows, pieces_here
from ellimix.sources.stream import StreamSource
from ellimix.sources.survey import Survey

T = TypeVar("T")

GATHERED: Final = 64 << 20  # bytes of answers that come to this process at once
GROUP: Final = 16  # partitions whose answers are added before, where they would be more


@final
@dataclass(frozen=True, eq=False)
class Held:
    """Packed partitions in Spark's storage, until nothing refers to this any more.

    Parameters
    ----------
    pieces : RDD
    lengths : tuple of int
        Rows of each partition.
    """

    pieces: Any
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        weakref.finalize(self, _let_go, self.pieces).atexit = False


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class SparkSource(OutsideSource):
    """The rows of a Spark DataFrame, a task for each partition and pass.

    A task has the threads that Spark gives it (``spark.task.cpus``). Sums are added block by block
    within a partition, and then in order of the partitions.

    Parameters
    ----------
    reader : SparkRows
    held : Held, optional
        The partitions as a look at all rows left them. Without it each pass reads the DataFrame,
        and numbers rows from the beginning of their partition.
    by_column : bool
        Whether blocks are laid out column by column, as compiled engines like them.
    survey, tile, threads :
        As for `OutsideSource`.
    """

    reader: SparkRows
    held: Held | None = None
    by_column: bool = False

    @property
    def known_rows(self) -> int | None:
        """Number of rows, where they are held."""
        return None if self.held is None else sum(self.held.lengths)

    def placed(self, engine: Engine) -> SparkSource:
        """The same rows in blocks that suit an engine."""
        tile = self.tile or engine.block_rows(self.n_features)
        return replace(self, tile=tile, by_column=engine.compiled)

    def looked_at(self, size: int, seed: int) -> SparkSource:
        """The source with a survey, its packed partitions held by Spark: two jobs."""
        if self.held is None:
            return replace(self, held=hold(self.reader)).looked_at(size, seed)
        return super().looked_at(size, seed)

    def blocks(self) -> Iterator[Block]:
        """The blocks, in order, brought to this process a partition at a time."""
        reader = replace(self.reader.packed, pieces=pieces_here(self.reader, self._partitions()))
        yield from replace(self._template, reader=reader, survey=self.survey).blocks()

    def each(self, step: Callable[[Block], T]) -> Iterator[T]:
        """``step`` of every block, in order, computed where the block is."""
        for answers in self._asked(Each(step)):
            yield from answers

    def reduce(self, step: Step) -> tuple[SufficientStatistics, ...]:
        """The sums of all rows: over partitions, and then in groups where they are large."""
        size = _bytes_of(step(Block(np.zeros((1, self.n_features), self.dtype), None)))
        total: tuple[SufficientStatistics, ...] | None = self._total(Sums(step), size)
        if total is None:
            raise DataError(f"{self.where} has no rows.")
        return total

    def surveyed(self, size: int, seed: int) -> Survey | None:
        """The survey of all rows: one job."""
        row = self.n_features * self.dtype.itemsize + 24  # with key, number and weight
        found: tuple[Survey] | None = self._total(Look(size, seed), size * row)
        return None if found is None else found[0]

    def take(self, index: NDArray[np.intp]) -> Rows:
        """The rows with these numbers: one job, from which they alone come here."""
        if self.held is None:
            return replace(self, held=hold(self.reader)).take(index)
        order = np.argsort(index, kind="stable")
        found = list(self.each(Wanted(index[order])))
        out = np.empty((index.size, self.n_features), dtype=self.dtype)
        out[order] = np.concatenate(found)
        return out

    @property
    def _template(self) -> StreamSource:
        """What becomes of a partition's pieces."""
        return StreamSource(
            reader=self.reader.packed,
            survey=None if self.survey is None else without_sample(self.survey),
            tile=self.tile,
            by_column=self.by_column,
        )

    def _partitions(self) -> Any:
        return self.reader.partitions() if self.held is None else self.held.pieces

    def _answers(self, work: Callable[[StreamSource], Any]) -> Any:
        """The RDD of what each partition says; nothing runs yet."""
        lengths = None if self.held is None else self.held.lengths
        task = PartitionTask(self._template, lengths, work)
        return self._partitions().mapPartitionsWithIndex(task)

    def _asked(self, work: Callable[[StreamSource], Any]) -> list[Any]:
        """What every partition says, in order."""
        with asked_of(self.reader.origin, during_fit=self.held is not None):
            found: list[Any] = self._answers(work).collect()
        _raise_from(found)
        return found

    def _total(self, work: Callable[[StreamSource], Any], size: int) -> Any:
        """The sum of what partitions say, of so many bytes each."""
        with asked_of(self.reader.origin, during_fit=self.held is not None):
            answers = self._answers(work)
            while (count := answers.getNumPartitions()) > GROUP and count * size > GATHERED:
                answers = _grouped(answers, count)
            found = joined(answers.collect())
        _raise_from([found])
        return found


@final
@dataclass(frozen=True)
class Wanted:
    """A step that picks rows of a block by their numbers, which ascend."""

    index: NDArray[np.intp]

    def __call__(self, block: Block) -> Rows:
        """Those of one block."""
        first, last = np.searchsorted(self.index, [block.start, block.stop])
        picked: Rows = block.rows[self.index[first:last] - block.start]
        return picked


def hold(reader: SparkRows) -> Held:
    """The packed partitions, kept by Spark in memory or on disk: one job."""
    pieces = reader.partitions().persist(StorageLevel.MEMORY_AND_DISK)
    try:
        with asked_of(reader.origin):
            lengths = pieces.mapPartitions(partial(_length, reader.packed)).collect()
    except BaseException:
        _let_go(pieces)
        raise
    return Held(pieces, tuple(lengths))


def _length(packed: PackedRows, pieces: Iterable[Piece]) -> Iterator[int]:
    yield sum(packed.rows_of(piece) for piece in pieces)


def _let_go(pieces: Any) -> None:
    """Free what Spark holds, unless its session has ended."""
    if pieces.ctx._jsc is not None:
        with suppress(Py4JError):
            pieces.unpersist()


def _raise_from(found: Sequence[Any]) -> None:
    for part in found:
        if isinstance(part, DataError):
            raise part


def _bytes_of(statistics: Sequence[SufficientStatistics]) -> int:
    return sum(int(s.n.nbytes + s.s1.nbytes + s.s2.nbytes + s.center.nbytes) for s in statistics)


def _grouped(answers: Any, count: int) -> Any:
    """Sums of consecutive partitions added, in their order: one level of the tree."""
    numbered = answers.mapPartitionsWithIndex(_numbered)
    return numbered.partitionBy(-(-count // GROUP), _group_of).mapPartitions(_added)


def _numbered(number: int, answers: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    yield from ((number, answer) for answer in answers)


def _group_of(number: int) -> int:
    return number // GROUP


def _added(found: Iterable[tuple[int, Any]]) -> Iterator[Any]:
    in_order = sorted(found, key=lambda pair: pair[0])
    yield joined(answer for _, answer in in_order)
