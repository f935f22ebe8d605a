"""Rows in partitions on other machines: what runs where a partition is.

Between passes a partition lies there packed: some pieces, each the bytes of its columns one after
another. A task unpacks them, and a `StreamSource` over them does the rest, as for rows of a file.
Nothing here knows the system that starts the tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final, TypeVar, final

import numpy as np

from ellimix.errors import DataError
from ellimix.records import Block, SufficientStatistics
from ellimix.sources.base import Step
from ellimix.sources.passing import added as added_blocks
from ellimix.sources.portions import added
from ellimix.sources.reading import Chunk
from ellimix.sources.stream import StreamSource
from ellimix.sources.survey import Survey
from ellimix.sources.threads import one_blas_thread

T = TypeVar("T")
Piece = Sequence[Any]  # bytes of the columns, and of the row weights or None
PIECE_BYTES: Final = 4 << 20  # of a piece at most, but for wide rows
FEWEST_ROWS: Final = 256  # of such a piece


class PiecedColumns:
    """Mixin of readers of some named columns, a piece at a time, of unknown length."""

    columns: tuple[str, ...]
    weights: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.columns

    @property
    def n_features(self) -> int:
        """Number of columns, d."""
        return len(self.columns)

    @property
    def weighted(self) -> bool:
        """Whether rows have weights."""
        return self.weights is not None

    @property
    def n_rows(self) -> None:
        """Not known before a pass."""
        return

    @property
    def most_bytes(self) -> None:
        """Not known before a pass."""
        return

    @property
    def working_bytes(self) -> int:
        """About what is held in memory at once."""
        return 2 * PIECE_BYTES


@final
@dataclass(frozen=True, eq=False)
class PackedRows(PiecedColumns):
    """A reader of pieces.

    Parameters
    ----------
    columns : tuple of str
    dtype : dtype
        Of the values; weights are float64.
    weights : str or None
        The column of row weights.
    where : str
        What messages call the rows.
    pieces : iterable of Piece
        One that can be iterated once serves one pass.
    """

    columns: tuple[str, ...]
    dtype: np.dtype[Any]
    weights: str | None
    where: str
    pieces: Iterable[Piece] = ()

    def chunks(self, size: int) -> Iterator[Chunk]:
        """The rows of the pieces, in order."""
        for values, given, *_ in self.pieces:
            rows = np.frombuffer(values, dtype=self.dtype).reshape(self.n_features, -1).T
            weight = None if given is None else np.frombuffer(given, dtype=np.float64)
            if weight is not None and np.isnan(weight).any():
                raise DataError(
                    f"A row of {self.where} has no weight in {self.weights!r}: give each one, or 0."
                )
            yield Chunk(rows, weight)

    def with_columns(self, names: tuple[str, ...]) -> PackedRows:
        """Not to be had: the pieces hold what they hold."""
        raise AssertionError("pieces are packed from the columns that are wanted")

    def rows_of(self, piece: Piece) -> int:
        """Number of rows of a piece."""
        return len(piece[0]) // (self.n_features * self.dtype.itemsize)


def pieces_of(columns: Sequence[Any], weighted: bool, dtype: np.dtype[Any]) -> Iterator[Piece]:
    """Columns of numbers, packed.

    Parameters
    ----------
    columns : sequence of ndarray of shape (n,)
        The features, and last the row weights, where there are some.
    weighted : bool
    dtype : dtype
        Of the features.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.sources.partitions import PackedRows, pieces_of
    >>> kind = np.dtype(np.float64)
    >>> pieces = list(pieces_of([np.arange(3.0), np.ones(3)], False, kind))
    >>> rows = PackedRows(("a", "b"), kind, None, "some rows", pieces)
    >>> [chunk.values.tolist() for chunk in rows.chunks(3)]
    [[[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]]
    """
    features = columns[:-1] if weighted else columns
    size = max(FEWEST_ROWS, PIECE_BYTES // (len(features) * dtype.itemsize))
    for first in range(0, len(columns[0]), size):
        part = slice(first, first + size)
        values = np.stack([column[part] for column in features]).astype(dtype, copy=False)
        weight = columns[-1][part].astype(np.float64).tobytes() if weighted else None
        yield values.tobytes(), weight


@final
@dataclass(frozen=True, eq=False)
class PartitionTask:
    """What a task does with a partition.

    Parameters
    ----------
    source : StreamSource
        Over `PackedRows` without pieces; its survey, if there is one, without a sample.
    lengths : tuple of int or None
        Rows of each partition. Without them rows are counted from the beginning of their own.
    work : callable
        What is asked of the source.
    """

    source: StreamSource
    lengths: tuple[int, ...] | None
    work: Callable[[StreamSource], Any]

    def __call__(self, number: int, pieces: Iterable[Piece]) -> Iterator[Any]:
        """The one answer for a partition; an error of the user's data is one, too."""
        try:
            with one_blas_thread():
                found = self.work(self._of(number, pieces))
        except DataError as error:  # as a value: tasks that fail are run again, and bury the cause
            found = error
        yield found

    def _of(self, number: int, pieces: Iterable[Piece]) -> StreamSource:
        """The source of one partition."""
        reader = self.source.reader
        if not isinstance(reader, PackedRows):
            raise AssertionError("partitions are packed")
        source = replace(self.source, reader=replace(reader, pieces=pieces))
        if self.lengths is None:
            return source
        survey = source.survey
        if survey is not None:
            survey = replace(survey, rows=self.lengths[number])
        return replace(source, survey=survey, first=sum(self.lengths[:number]))


@final
@dataclass(frozen=True)
class Sums:
    """The sums of a step's statistics over a partition; None where it is empty."""

    step: Step

    def __call__(self, source: StreamSource) -> tuple[SufficientStatistics, ...] | None:
        """One pass."""
        parts = iter(source.each(self.step))
        first = next(parts, None)
        return None if first is None else added_blocks(chain([first], parts))


@final
@dataclass(frozen=True)
class Each:
    """``step`` of every block of a partition, in order."""

    step: Callable[[Block], Any]

    def __call__(self, source: StreamSource) -> list[Any]:
        """One pass."""
        return list(source.each(self.step))


@final
@dataclass(frozen=True)
class Look:
    """The survey of a partition; None where it is empty."""

    size: int
    seed: int

    def __call__(self, source: StreamSource) -> tuple[Survey] | None:
        """One pass."""
        found = source.surveyed(self.size, self.seed)
        return None if found is None else (found,)


def joined(answers: Iterable[Any]) -> Any:
    """The sums of several partitions, added in order; the first error, where there is one.

    None where no partition has rows.
    """
    found = list(answers)
    return next((one for one in found if isinstance(one, DataError)), None) or added(found)


def without_sample(survey: Survey) -> Survey:
    """What tasks need of a survey."""
    none = slice(0, 0)
    return replace(
        survey,
        keys=survey.keys[none],
        index=survey.index[none],
        sample=survey.sample[none],
        sample_weight=survey.sample_weight[none],
    )
