"""Rows of arrays that are read by slices: memory-mapped .npy files, zarr and HDF5 arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError
from ellimix.records import Rows
from ellimix.sources.reading import Chunk, float_type


@final
@dataclass(frozen=True, eq=False)
class ArraySlices:
    """Two-dimensional arrays, one after another, of which rows are taken by slices.

    Parameters
    ----------
    parts : tuple of array-like
        Each with ``shape`` (n, p) and ``dtype``, of numbers; a slice of rows is an array.
    labels : tuple of str
        What messages call each.
    columns : tuple of int
        The features, in order.
    weights : int or None
        The column of row weights.
    where : str
    named : tuple of str or None
        Names of all columns, where they have some.
    """

    parts: tuple[Any, ...]
    labels: tuple[str, ...]
    columns: tuple[int, ...]
    weights: int | None
    where: str
    named: tuple[str, ...] | None = None

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the columns, where they have some."""
        return None if self.named is None else tuple(self.named[j] for j in self.columns)

    @property
    def n_features(self) -> int:
        """Number of columns, d."""
        return len(self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 where all arrays are, else float64."""
        return float_type([np.dtype(part.dtype) for part in self.parts])

    @property
    def weighted(self) -> bool:
        """Whether there is a column of row weights."""
        return self.weights is not None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return sum(int(part.shape[0]) for part in self.parts)

    @property
    def most_bytes(self) -> int:
        """What all rows take in memory, in bytes."""
        return self.n_rows * self.n_features * self.dtype.itemsize

    @property
    def working_bytes(self) -> int:
        """About what reading holds in memory at once: chunks of the array, as it is stored."""
        held = 0
        for part in self.parts:
            chunk = getattr(part, "chunks", None)
            size = int(np.prod(chunk)) if chunk else 0
            held = max(held, size * np.dtype(part.dtype).itemsize)
        return held

    def chunks(self, size: int) -> Iterator[Chunk]:
        """The rows in order, in pieces that a block takes whole where one array does."""
        whole = self.columns == tuple(range(int(self.parts[0].shape[1])))
        done = 0
        for part, label in zip(self.parts, self.labels, strict=True):
            start, n = 0, int(part.shape[0])
            while start < n:
                stop = min(n, start + size - done % size)
                rows = self._slice(part, label, start, stop)
                weight = None
                if self.weights is not None:
                    weight = np.asarray(rows[:, self.weights], dtype=np.float64)
                yield Chunk(rows if whole else rows[:, list(self.columns)], weight)
                done, start = done + stop - start, stop

    def with_columns(self, names: tuple[str, ...]) -> ArraySlices:
        """The same rows with other columns."""
        if self.named is None:
            raise DataError(
                f"{self.where} has columns without names, but the model's are {', '.join(names)}: "
                "pass the columns by number, in the model's order, or a table with names."
            )
        return replace(self, columns=_numbers(names, self.named, len(self.named), self.where))

    def by_file(self) -> dict[Path, ArraySlices]:
        """A reader for each array, by what messages call it."""
        return {
            Path(label): replace(self, parts=(part,), labels=(label,), where=label)
            for part, label in zip(self.parts, self.labels, strict=True)
        }

    def _slice(self, part: Any, label: str, start: int, stop: int) -> Rows:
        try:
            rows: Rows = np.asarray(part[start:stop])
        except (OSError, ValueError) as error:
            raise DataError(
                f"Rows {start:,} to {stop:,} of {label} cannot be read: {error}."
            ) from None
        return rows


def open_arrays(
    parts: Sequence[Any],
    labels: Sequence[str],
    columns: Sequence[Any] | None,
    weights: Any,
    name: str,
    named: tuple[str, ...] | None = None,
) -> ArraySlices:
    """The reader of arrays that have the same columns.

    Raises
    ------
    DataError
        An array is not two-dimensional, or not of numbers, or has other columns than the first.
    """
    width = None
    for part, label in zip(parts, labels, strict=True):
        shape, kind = tuple(part.shape), np.dtype(part.dtype)
        if len(shape) != 2 or kind.kind not in "fiu" or kind.itemsize > 8:
            raise DataError(
                f"{label} is an array of shape {shape} and type {kind}: expected numbers of shape "
                "(n, d)."
            )
        width = shape[1] if width is None else width
        if shape[1] != width:
            raise DataError(
                f"{label} has {shape[1]} columns and {labels[0]} has {width}: all parts need the "
                "same."
            )
    if width is None:
        raise DataError(f"{name} holds no array.")
    weight = None if weights is None else _numbers([weights], named, width, name)[0]
    rest = [j for j in range(width) if j != weight]
    chosen = tuple(rest) if columns is None else _numbers(columns, named, width, name)
    if not chosen or len(set(chosen)) < len(chosen) or weight in chosen:
        raise DataError("columns must name at least one, each once, and not that of the weights.")
    return ArraySlices(tuple(parts), tuple(labels), chosen, weight, name, named)


def mapped(path: Path) -> NDArray[Any]:
    """A .npy file, mapped into memory and not read."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path} cannot be read as a NumPy array: {error}.") from None
    return array[:, None] if array.ndim == 1 else array


def _numbers(
    columns: Sequence[Any], named: tuple[str, ...] | None, width: int, name: str
) -> tuple[int, ...]:
    """Columns by number, from numbers, or names where there are some."""
    out = []
    for column in columns:
        j = column
        if isinstance(column, str):
            known = tuple(f"x{i}" for i in range(width)) if named is None else named
            if column not in known:
                raise DataError(f"{name} has no column {column!r}; it has {', '.join(known)}.")
            j = known.index(column)
        if not isinstance(j, int | np.integer) or not 0 <= int(j) < width:
            raise DataError(f"{name} has no column {column!r}: its columns are 0 to {width - 1}.")
        out.append(int(j))
    return tuple(out)
