"""Rows in memory: fixed tiles, threads, and sums that do not depend on the number of threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce as fold
from typing import TypeVar, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ellimix.errors import DataError
from ellimix.records import Array, Block, Rows, SufficientStatistics
from ellimix.sources.base import Step
from ellimix.sources.threads import available_threads

T = TypeVar("T")

# Values in a tile: 512 KiB of float64. Smaller ones fit a core's cache better, but then threads
# spend their time handing the interpreter to each other (measured: 1 << 13 to 1 << 17).
TILE_VALUES = 1 << 16
FEWEST_ROWS, MOST_ROWS = 256, 16384  # in a tile, however many features


def tile_rows(d: int) -> int:
    """Rows in a tile of d features: a function of the shape alone, so that sums repeat."""
    return int(np.clip(TILE_VALUES // max(d, 1), FEWEST_ROWS, MOST_ROWS))


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
        Rows in a tile; by default a function of d.
    threads : int, optional
        Threads of a pass; by default the cores that this process may use.

    Raises
    ------
    DataError
        The weights have another length, are negative or not finite, or sum to 0.
    """

    rows: Rows
    weight: Array | None = None
    tile: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.weight is not None:
            _check_weight(self.weight, self.rows.shape[0])

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.rows.shape[0])

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return int(self.rows.shape[1])

    @property
    def dtype(self) -> DTypeLike:
        """Type of the rows."""
        return self.rows.dtype

    @property
    def weighted(self) -> bool:
        """Whether rows have weights."""
        return self.weight is not None

    def blocks(self) -> Iterator[Block]:
        """The tiles, in order, as views."""
        size = self.tile or tile_rows(self.n_features)
        for start in range(0, self.n_rows, size):
            weight = self.weight[start : start + size] if self.weight is not None else None
            yield Block(self.rows[start : start + size], weight, start)

    def each(self, step: Callable[[Block], T]) -> Iterator[T]:
        """``step`` of every tile, in order; a few tiles ahead of the reader at most."""
        tiles = -(-self.n_rows // (self.tile or tile_rows(self.n_features)))
        threads = min(self.threads or available_threads(), tiles)
        if threads <= 1:
            yield from map(step, self.blocks())
            return
        waiting: deque[Future[T]] = deque()
        pool = ThreadPoolExecutor(threads)
        try:
            for block in self.blocks():
                waiting.append(pool.submit(step, block))
                if len(waiting) >= 4 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def reduce(self, step: Step) -> tuple[SufficientStatistics, ...]:
        """Statistics of all rows, added in order of the tiles."""
        return fold(_add, (tuple(sums) for sums in self.each(step)))

    def take(self, index: NDArray[np.intp]) -> Rows:
        """The rows with these indices."""
        return self.rows[index]


def _add(
    left: tuple[SufficientStatistics, ...], right: tuple[SufficientStatistics, ...]
) -> tuple[SufficientStatistics, ...]:
    return tuple(a + b for a, b in zip(left, right, strict=True))


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
