"""What a reader is: rows that can be read again and again, a piece at a time, from the beginning.

A reader knows a format; `StreamSource` makes a source of any of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ellimix.records import Array, Rows


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive rows, of any number.

    Parameters
    ----------
    values : ndarray of shape (m, d), or tuple of d ndarrays of shape (m,)
        NaN for a value that is missing.
    weight : ndarray of shape (m,) or None
    """

    values: Rows | tuple[NDArray[Any], ...]
    weight: Array | None = None

    @property
    def rows(self) -> int:
        """Number of rows, m."""
        first = self.values[0] if isinstance(self.values, tuple) else self.values
        return int(first.shape[0])

    def put(self, rows: Rows, at: int, first: int, count: int) -> None:
        """Copy `count` rows from `first` on into an array (n, d), from its row `at` on."""
        if isinstance(self.values, tuple):
            for j, column in enumerate(self.values):
                rows[at : at + count, j] = column[first : first + count]
        else:
            rows[at : at + count] = self.values[first : first + count]


class Reader(Protocol):
    """Rows that can be read as often as asked for, each time the same in the same order."""

    @property
    def where(self) -> str:
        """What the rows are from, as messages call it."""
        ...

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the columns, where they have some."""
        ...

    @property
    def n_features(self) -> int:
        """Number of columns, d."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 where all columns are, else float64."""
        ...

    @property
    def weighted(self) -> bool:
        """Whether chunks have weights."""
        ...

    @property
    def n_rows(self) -> int | None:
        """Number of rows, where it is known without reading them."""
        ...

    @property
    def most_bytes(self) -> int | None:
        """No fewer bytes than all rows take in memory; None where nothing is known of that."""
        ...

    @property
    def working_bytes(self) -> int:
        """About what reading holds in memory at once, in bytes."""
        ...

    def chunks(self, size: int) -> Iterator[Chunk]:
        """The rows in order, from the first one on.

        `size` is how many the taker would like; a chunk may have more or fewer.
        """
        ...

    def with_columns(self, names: tuple[str, ...]) -> Reader:
        """The same rows with these columns, in this order.

        Raises
        ------
        DataError
            There is no such column, or columns have no names.
        """
        ...


def float_type(kinds: list[np.dtype[Any]]) -> np.dtype[Any]:
    """The type of rows whose columns have these: float32 where all have, else float64."""
    single = bool(kinds) and all(kind == np.float32 for kind in kinds)
    return np.dtype(np.float32 if single else np.float64)
