"""Dask arrays and dataframes as rows: which columns, which weights, which partitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError
from ellimix.records import Rows
from ellimix.sources import portions
from ellimix.sources.dask import Tasks, computed, dask_module, is_dask, named, parts_of, sent
from ellimix.sources.dask_source import DaskSource
from ellimix.sources.portions import Picked
from ellimix.sources.reading import Chunk, float_type


@final
@dataclass(frozen=True, eq=False)
class DaskRows:
    """A Dask array or dataframe of rows.

    Parameters
    ----------
    origin : dask.array.Array or dask.dataframe.DataFrame
        With the columns that are used, and whole rows in each partition.
    weighing : dask collection or None
        Row weights in partitions of their own.
    picked : Picked
    columns : tuple
        The features' labels, or numbers.
    counts : tuple of int or None
        Rows of each partition, where they are known.
    """

    origin: Any
    weighing: Any
    picked: Picked
    columns: tuple[Any, ...]
    counts: tuple[int, ...] | None

    @property
    def where(self) -> str:
        """What messages call the rows."""
        return self.picked.where

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the columns, where all have some."""
        named = all(isinstance(column, str) for column in self.columns)
        return self.columns if named else None

    @property
    def n_features(self) -> int:
        """Number of columns, d."""
        return len(self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 where all columns are, else float64."""
        return self.picked.dtype

    @property
    def weighted(self) -> bool:
        """Whether rows have weights."""
        return self.weighing is not None or self.picked.weights is not None

    @property
    def n_rows(self) -> int | None:
        """Number of rows, where it is known."""
        return None if self.counts is None else sum(self.counts)

    @property
    def most_bytes(self) -> int | None:
        """What all rows take in memory, where their number is known."""
        return None if self.n_rows is None else self.n_rows * self.n_features * self.dtype.itemsize

    @property
    def working_bytes(self) -> int:
        """What is held in this process at once: partitions stay where they are."""
        return 0

    def chunks(self, size: int) -> Iterator[Chunk]:
        """The rows in order, in this process."""
        for block in self.source().blocks():
            yield Chunk(block.rows, block.weight)

    def with_columns(self, names: tuple[str, ...]) -> DaskRows:
        """The same rows with these columns."""
        if self.names is None:
            raise DataError(
                f"{self.where} has columns without names, but the model's are {', '.join(names)}: "
                "pass the columns by number, in the model's order, or a table with names."
            )
        if names == self.names:
            return self
        weights = self.picked.weights if self.weighing is None else self.weighing
        return open_dask(self.origin, names, weights)

    def source(self) -> DaskSource:
        """The source that a pass runs over."""
        return DaskSource(reader=self)

    def answered(self, answer: Callable[[Rows], NDArray[Any]]) -> Any:
        """What `answer` says of the rows: a Dask array that is not computed yet."""
        one = answer(np.zeros((1, self.n_features), self.dtype))
        name, tail = named("answer"), one.shape[1:]
        graph = dict(self.parts.graph)
        key_of_answer = sent(graph, answer)
        for i, key in enumerate(self.parts.keys):
            own = (name, i, *(0 for _ in tail))
            graph[own] = (portions.answers, key, self.picked, key_of_answer)
        counts = self.counts or (np.nan,) * len(self.parts.keys)
        chunks = (counts, *((size,) for size in tail))
        return dask_module("array").Array(graph, name, chunks, meta=one[:0])

    @cached_property
    def parts(self) -> Tasks:
        """The partitions' tasks."""
        return parts_of(self.origin)

    @cached_property
    def weight_parts(self) -> Tasks:
        """The tasks of the weights' partitions."""
        return Tasks({}, []) if self.weighing is None else parts_of(self.weighing)

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """Rows of each partition; where they are not known, this looks at all."""
        if self.counts is not None:
            return self.counts
        name, graph = named("count"), dict(self.parts.graph)
        keys = [(name, i) for i in range(len(self.parts.keys))]
        for own, key in zip(keys, self.parts.keys, strict=True):
            graph[own] = (portions.counted, key)
        return tuple(computed(graph, keys, self.where))


def open_dask(origin: Any, columns: Sequence[Any] | None, weights: Any) -> DaskRows:
    """The reader of a Dask array or dataframe.

    Parameters
    ----------
    origin : dask.array.Array of shape (n, p), or dask.dataframe.DataFrame
        Chunks may be of unknown sizes. Chunks of some columns are put together to whole rows.
    columns : sequence, optional
        By default all columns of numbers.
    weights : label, number or dask collection, optional

    Raises
    ------
    DataError
        Something else than numbers of shape (n, p), or no such column, or weights in other
        partitions.
    MissingExtra
        Dask is not installed.
    """
    dask_module()
    shown = f"the Dask {type(origin).__name__}"
    if getattr(origin, "ndim", None) != 2:
        raise DataError(
            f"{shown[0].upper()}{shown[1:]} is not of rows and columns: pass a Dask array of shape "
            "(n, d), or a dataframe, such as ddf[['x']]."
        )
    weighing = weights if is_dask(weights) else None
    column = None if weighing is not None else weights
    if column is not None and (hasattr(column, "__len__") and not isinstance(column, str)):
        raise DataError(
            f"Row weights of {shown} are a {type(weights).__name__}: name a column, or pass a Dask "
            "array or series with the same partitions."
        )
    if hasattr(origin, "dtypes"):
        found = _of_frame(origin, columns, column, shown)
    else:
        found = _of_array(origin, columns, column, shown)
    return found if weighing is None else replace(found, weighing=_cut_alike(weighing, found))


def _of_frame(origin: Any, columns: Sequence[Any] | None, weights: Any, shown: str) -> DaskRows:
    """A dataframe's columns of numbers."""
    kinds = dict(origin.dtypes.items())
    numeric = [c for c, kind in kinds.items() if getattr(kind, "kind", "O") in "fiu"]
    chosen = [c for c in numeric if c != weights] if columns is None else list(columns)
    asked = [*chosen, *([] if weights is None else [weights])]
    if not chosen or len(set(asked)) < len(asked):
        raise DataError(
            f"columns of {shown} are {', '.join(map(str, chosen)) or 'none'}: name at least one "
            "that holds numbers, each once, and not that of the weights."
        )
    for c in asked:
        if c not in kinds:
            raise DataError(f"{shown} has no column {c!r}; it has {', '.join(map(str, kinds))}.")
        if c not in numeric:
            raise DataError(
                f"The column {c!r} of {shown} holds {kinds[c]}, not numbers: leave it out with "
                "columns=."
            )
    # pandas' own types are named like NumPy's, with a capital letter
    plain = [np.dtype(np.float32 if str(kinds[c]).lower() == "float32" else "f8") for c in chosen]
    picked = Picked(tuple(chosen), weights, float_type(plain), shown)
    return DaskRows(origin[asked], None, picked, tuple(chosen), None)


def _of_array(origin: Any, columns: Sequence[Any] | None, weights: Any, shown: str) -> DaskRows:
    """An array's columns, in chunks of whole rows."""
    width = origin.shape[1]
    if not isinstance(origin._meta, np.ndarray) or origin.dtype.kind not in "fiu":
        raise DataError(
            f"{shown} has chunks of {type(origin._meta).__name__} of {origin.dtype}: map them to "
            "NumPy arrays of numbers first."
        )
    if np.isnan(width):
        raise DataError(f"{shown} has an unknown number of columns: call compute_chunk_sizes().")
    wide = range(int(width))
    chosen = [j for j in wide if j != weights] if columns is None else list(columns)
    asked = [*chosen, *([] if weights is None else [weights])]
    if not chosen or len(set(asked)) < len(asked) or any(j not in wide for j in asked):
        raise DataError(
            f"{shown} has the columns 0 to {int(width) - 1}: name at least one, each once by its "
            "number, and not that of the weights."
        )
    whole = origin if len(origin.chunks[1]) == 1 else origin.rechunk({1: -1})
    known = not any(np.isnan(size) for size in whole.chunks[0])
    counts = tuple(int(size) for size in whole.chunks[0]) if known else None
    every = chosen == list(wide)
    picked = Picked(None if every else tuple(chosen), weights, float_type([origin.dtype]), shown)
    return DaskRows(whole, None, picked, tuple(chosen), counts)


def _cut_alike(weights: Any, found: DaskRows) -> Any:
    """Row weights in the partitions of the rows."""
    sizes = getattr(weights, "chunks", None)
    if getattr(weights, "ndim", 1) != 1:
        raise DataError(f"Row weights have {weights.ndim} dimensions: pass one number a row.")
    if found.counts is not None and sizes is not None and not np.isnan(weights.shape[0]):
        if weights.shape[0] != found.n_rows:
            raise DataError(
                f"{found.where} has {found.n_rows:,} rows and {weights.shape[0]:,} weights."
            )
        return weights.rechunk((found.counts,))
    if weights.npartitions != found.origin.npartitions:
        raise DataError(
            f"{found.where} has {found.origin.npartitions} partitions, and its weights "
            f"{weights.npartitions}: cut the weights as the rows are."
        )
    return weights
