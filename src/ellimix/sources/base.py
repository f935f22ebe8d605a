"""What a source is: where rows live, and how a pass over them runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ellimix.engines.base import Engine
from ellimix.records import Block, Detail, Rows, SufficientStatistics

T = TypeVar("T")
Step = Callable[[Block], Sequence[SufficientStatistics]]


class Source(Protocol):
    """Rows, cut into blocks by shape alone."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        ...

    @property
    def n_features(self) -> int:
        """Number of columns."""
        ...

    @property
    def dtype(self) -> DTypeLike:
        """Type of the rows."""
        ...

    @property
    def weighted(self) -> bool:
        """Whether rows have weights."""
        ...

    @property
    def incomplete(self) -> bool:
        """Whether values are missing, or something besides the values is known of the rows."""
        ...

    @property
    def detail(self) -> Detail | None:
        """What is known of all rows besides their values, where that is in memory."""
        ...

    @property
    def n_patterns(self) -> int:
        """In how many ways rows lack values; 0 where all is known of them."""
        ...

    def placed(self, engine: Engine) -> Source:
        """The same rows in blocks that suit an engine, laid out for it within a stated budget."""
        ...

    def blocks(self) -> Iterator[Block]:
        """The blocks, in order."""
        ...

    def each(self, step: Callable[[Block], T]) -> Iterator[T]:
        """``step`` of every block, in order of the blocks, perhaps computed in parallel."""
        ...

    def reduce(self, step: Step) -> tuple[SufficientStatistics, ...]:
        """The sums of ``step``'s statistics over all blocks, added in order of the blocks."""
        ...

    def take(self, index: NDArray[np.intp]) -> Rows:
        """The rows with these indices."""
        ...
