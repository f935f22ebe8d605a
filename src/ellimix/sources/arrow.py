"""Columns of Arrow tables as rows of numbers: which, of what types, and with what weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError
from ellimix.records import Array
from ellimix.sources.files import pyarrow
from ellimix.sources.reading import Chunk, float_type


@dataclass(frozen=True, eq=False, kw_only=True)
class ArrowColumns(ABC):
    """Abstract base of readers of Arrow tables.

    Parameters
    ----------
    columns : tuple of str
        The features, in order.
    kinds : tuple of dtype
        Of the columns.
    weights : str or None
        The column of row weights.
    where : str
        What messages call the rows.
    filter : object or None
        Which rows count: what `filter_of` understands.
    n_rows : int or None
        Number of rows, where it is known without reading them.
    """

    columns: tuple[str, ...]
    kinds: tuple[np.dtype[Any], ...]
    weights: str | None
    where: str
    filter: Any = None
    n_rows: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.columns

    @property
    def n_features(self) -> int:
        """Number of columns, d."""
        return len(self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 where all columns are, else float64."""
        return float_type(list(self.kinds))

    @property
    def weighted(self) -> bool:
        """Whether there is a column of row weights."""
        return self.weights is not None

    @property
    def most_bytes(self) -> int | None:
        """No fewer bytes than all rows take in memory; None where nothing is known of that."""
        if self.n_rows is None:
            return self.guessed_bytes
        return self.n_rows * self.n_features * self.dtype.itemsize

    @property
    @abstractmethod
    def guessed_bytes(self) -> int | None:
        """The same where the number of rows is not known."""

    @abstractmethod
    def chunks(self, size: int) -> Iterator[Chunk]:
        """The rows in order, from the first one on."""


def chosen_columns(
    schema: Any, columns: Sequence[str] | None, weights: str | None, where: str
) -> tuple[str, ...]:
    """The columns that were named, or all that hold numbers, less that of the weights."""
    if weights is not None:
        kind_of_column(schema, weights, where)
    if columns is not None:
        named = tuple(columns)
        if not named or len(set(named)) != len(named) or weights in named:
            raise DataError(
                f"columns are {', '.join(named) or 'none'}: name each once, and not that of the "
                "weights."
            )
        for column in named:
            kind_of_column(schema, column, where)
        return named
    chosen = tuple(f.name for f in schema if f.name != weights and _numeric(f.type))
    if not chosen:
        raise DataError(f"{where} has no column of numbers; it has {', '.join(schema.names)}.")
    return chosen


def kind_of_column(schema: Any, name: str, where: str) -> np.dtype[Any]:
    """The NumPy type of a column of numbers."""
    if name not in schema.names:
        raise DataError(f"{where} has no column {name!r}; it has {', '.join(schema.names)}.")
    kind = schema.field(name).type
    if not _numeric(kind):
        raise DataError(
            f"The column {name!r} of {where} holds {kind}, not numbers: leave it out with columns=."
        )
    single = pyarrow().types.is_float32(kind)
    return np.dtype(np.float32 if single else np.float64)


def chunk_of(batch: Any, columns: tuple[str, ...], weights: str | None, where: str) -> Chunk:
    """A batch's columns as arrays, with NaN for what is missing."""
    values = tuple(_array(batch.column(name)) for name in columns)
    weight: Array | None = None
    if weights is not None:
        weight = np.asarray(_array(batch.column(weights)), dtype=np.float64)
        if np.isnan(weight).any():
            raise DataError(f"A row of {where} has no weight in {weights!r}: give each one, or 0.")
    return Chunk(values, weight)


def _array(column: Any) -> NDArray[Any]:
    types = pyarrow().types
    if types.is_decimal(column.type) or types.is_null(column.type):
        column = column.cast(pyarrow().float64())
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _numeric(kind: Any) -> bool:
    types = pyarrow().types
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return bool(number)
