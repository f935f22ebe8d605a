"""What sources of rows outside of memory share: all that one look at the rows told of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ellimix.engines.base import Engine
from ellimix.errors import DataError
from ellimix.records import Array, Block, Rows, SufficientStatistics
from ellimix.sources.base import Step
from ellimix.sources.memory import MemorySource, block_rows
from ellimix.sources.reading import Reader
from ellimix.sources.survey import Survey
from ellimix.sources.watching import Meter

T = TypeVar("T")

MANY = 1_000_000  # rows that there are taken to be, where engines are chosen before a look
SAMPLES = 4  # copies of the sample at once: two surveys' while they are added, or starts'
EACH_ROW = 24  # bytes of a row in it besides its values: its key, number and weight
EACH_START = 24  # bytes of a row and component, while starts are made
LARGE = 16  # times a block's rows
PATTERNS = 1_000  # of missing values, where that is asked for: they are not counted


@dataclass(frozen=True, eq=False, kw_only=True)
class OutsideSource(ABC):
    """Abstract base of sources whose rows are not in this process's memory.

    Parameters
    ----------
    reader : Reader
        Whose rows these are.
    survey : Survey, optional
        What one look at all rows told; see `looked_at`.
    tile : int, optional
        Rows in a block; by default a function of d.
    threads : int, optional
        Threads of a pass; by default the cores that this process may use.
    meter : Meter, optional
        Who is told how far a pass is.
    """

    reader: Reader
    survey: Survey | None = None
    tile: int | None = None
    threads: int | None = None
    meter: Meter | None = None

    @property
    @abstractmethod
    def known_rows(self) -> int | None:
        """Number of rows, where it is known without a look at them."""

    @abstractmethod
    def placed(self, engine: Engine) -> Self:
        """The same rows in blocks that suit an engine."""

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """The blocks, in order, in this process.

        Rows of which nothing is observed have weight 0.
        """

    @abstractmethod
    def each(self, step: Callable[[Block], T]) -> Iterator[T]:
        """``step`` of every block, in order of the blocks."""

    @abstractmethod
    def reduce(self, step: Step) -> tuple[SufficientStatistics, ...]:
        """The sums of ``step``'s statistics over all blocks."""

    @abstractmethod
    def surveyed(self, size: int, seed: int) -> Survey | None:
        """The survey of all rows; None where there are none."""

    @property
    def where(self) -> str:
        """What the rows are from, as messages call it."""
        return self.reader.where

    @property
    def n_features(self) -> int:
        """Number of features, d."""
        return self.reader.n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the rows: float32 or float64."""
        return self.reader.dtype

    @property
    def has_weights(self) -> bool:
        """Whether rows came with weights."""
        return self.reader.weighted

    @property
    def n_rows(self) -> int:
        """Number of rows; where they were not looked at and it is not known, many."""
        if self.survey is not None:
            return self.survey.rows
        return MANY if self.known_rows is None else self.known_rows

    @property
    def weighted(self) -> bool:
        """Whether blocks may have weights."""
        return self.has_weights or (self.survey is not None and self.survey.nothing > 0)

    @property
    def incomplete(self) -> bool:
        """Whether values are missing; where rows were not looked at, they may be."""
        return self.survey is None or self.survey.incomplete

    @property
    def n_patterns(self) -> int:
        """In how many ways rows lack values: not counted, so a guess; 0 where all is known."""
        return PATTERNS if self.survey is not None and self.survey.incomplete else 0

    @property
    def total_weight(self) -> float:
        """Sum of the weights of the rows that count."""
        return float(self.n_rows) if self.survey is None else self.survey.weight

    @property
    def rows_bytes(self) -> int:
        """What all rows take in memory, in bytes."""
        return self.n_rows * self.n_features * self.dtype.itemsize

    def watched(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """The blocks of a pass, of which the meter is told."""
        if self.meter is None:
            return blocks
        known = self.survey.rows if self.survey is not None else self.known_rows
        return self.meter.over(blocks, known)

    def pass_bytes(self, engine: Engine, k: int, sample: int = 0) -> int:
        """About what a fit of k components holds in this process, in bytes, besides libraries.

        Whatever the number of rows; `sample` rows are those that starts are made on.
        """
        d = self.n_features
        kept = SAMPLES * sample * (d * self.dtype.itemsize + EACH_ROW)
        return kept + sample * EACH_START * k

    @property
    def detail(self) -> None:
        """Nothing is known of the rows besides their values and weights."""
        return

    @property
    def told(self) -> Survey:
        """The survey of rows that were looked at."""
        if self.survey is None:
            raise AssertionError("the rows were not looked at")
        return self.survey

    @property
    def sample(self) -> MemorySource:
        """Some rows in memory, at random, or all of them (see `looked_at`)."""
        return self.told.drawn(self.threads)

    @property
    def size(self) -> int:
        """Rows in a block."""
        return self.tile or block_rows(self.n_features)

    def looked_at(self, size: int, seed: int) -> Self:
        """The source with a survey, whose sample holds so many rows at most: one pass.

        Raises
        ------
        DataError
            There are no rows, none counts, or some cannot be used.
        """
        survey = self.surveyed(size, seed)
        if survey is None or not survey.rows:
            raise DataError(f"{self.where} has no rows.")
        if not survey.counted:
            raise DataError(
                f"No row of {self.where} counts: each has the weight 0 or nothing observed."
            )
        return replace(self, survey=survey)

    def in_large_blocks(self) -> Iterator[Block]:
        """The blocks, of a size that is worth a call."""
        return replace(self, tile=LARGE * block_rows(self.n_features)).blocks()

    def take(self, index: NDArray[np.intp]) -> Rows:
        """The rows with these indices: one pass, in this process."""
        order = np.argsort(index, kind="stable")
        wanted, found = index[order], []
        for block in self.blocks():
            first, last = np.searchsorted(wanted, [block.start, block.stop])
            found.append(block.rows[wanted[first:last] - block.start])
            if last == wanted.size:
                break
        out = np.empty((index.size, self.n_features), dtype=self.dtype)
        out[order] = np.concatenate(found)
        return out

    def loaded(self) -> MemorySource:
        """All rows, in memory: one pass."""
        cut = list(self.blocks())
        if not cut:
            raise DataError(f"{self.where} has no rows.")
        weight = None
        if any(block.weight is not None for block in cut):
            weight = np.concatenate([_weights(block) for block in cut])
        return MemorySource(np.concatenate([block.rows for block in cut]), weight)

    def counting(self, rows: Rows, weight: Array | None) -> Array | None:
        """Weights with 0 for rows of which nothing is observed."""
        if self.survey is not None and not self.survey.nothing:
            return weight
        nothing = np.isnan(rows).all(axis=1)
        if not nothing.any():
            return weight
        return np.where(nothing, 0.0, 1.0 if weight is None else weight)


def _weights(block: Block) -> Array:
    return np.ones(block.rows.shape[0]) if block.weight is None else block.weight
