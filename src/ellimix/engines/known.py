"""Rows by what is known of them: cells that are known, known to an interval, or missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError
from ellimix.records import Array, Detail, Rows

CHUNK_VALUES = 1 << 17  # of the largest array that is made at once: 1 MiB
KNOWN, INTERVAL, MISSING = 0, 1, 2


@final
@dataclass(frozen=True)
class Known:
    """Rows of which the same cells are known, intervals or missing; rows last.

    Parameters
    ----------
    cells : ndarray of shape (p,)
        Numbers of the cells that are known, then those of the intervals.
    values : ndarray of shape (e, n)
    lower, upper : ndarray of shape (p - e, n)
    projections : ndarray of shape (p, d, n) or None
    errors : ndarray of shape (p, n) or (p, p, n), or None
    index : ndarray of shape (n,)
        Which of all rows these are.
    """

    cells: NDArray[np.intp]
    values: Array
    lower: Array
    upper: Array
    projections: Array | None
    errors: Array | None
    index: NDArray[np.intp]

    def at(self, part: slice) -> Known:
        """Some of the rows."""
        return Known(
            self.cells,
            self.values[:, part],
            self.lower[:, part],
            self.upper[:, part],
            None if self.projections is None else self.projections[..., part],
            None if self.errors is None else self.errors[..., part],
            self.index[part],
        )


def known_of(rows: Rows, detail: Detail | None, index: NDArray[np.intp]) -> list[Known]:
    """Some rows by what is known of them, laid out; they are known to fewer cells the later."""
    part = np.asarray(rows[index], dtype=np.float64)
    own = Detail() if detail is None else detail.at(index)
    kind = np.where(np.isnan(part), MISSING, KNOWN).astype(np.uint8)
    lower, upper = own.lower, own.upper
    if lower is None or upper is None:
        lower = upper = np.zeros(part.shape)
    else:
        bounded = (kind == MISSING) & ((lower > -np.inf) | (upper < np.inf))
        _check_bounds(lower, upper, bounded, index)
        kind[bounded] = INTERVAL
        point = bounded & (lower == upper)
        kind[point] = KNOWN
        part = np.where(point, lower, part)
    kinds, group = np.unique(kind, axis=0, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(group.ravel(), minlength=kinds.shape[0]))
    out = []
    for which, like in zip(np.split(order, ends[:-1]), kinds, strict=True):
        e, i = np.flatnonzero(like == KNOWN), np.flatnonzero(like == INTERVAL)
        cells = np.concatenate([e, i])
        out.append(
            Known(
                cells,
                _rows_last(part[which][:, e]),
                _rows_last(lower[which][:, i]),
                _rows_last(upper[which][:, i]),
                None if own.projections is None else _rows_last(own.projections[which][:, cells]),
                _errors(own.errors, which, cells),
                index[which],
            )
        )
    return out


def _check_bounds(
    lower: Array, upper: Array, bounded: NDArray[np.bool_], index: NDArray[np.intp]
) -> None:
    wrong = bounded & ~(lower <= upper)
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise DataError(
            f"The bounds of row {index[i]}, column {j} are {lower[i, j]:g} and {upper[i, j]:g}: "
            "a lower bound must not be above the upper one; swap or remove them."
        )


def _errors(errors: Array | None, which: NDArray[np.intp], cells: NDArray[np.intp]) -> Array | None:
    if errors is None:
        return None
    if errors.ndim == 2:
        return _rows_last(errors[which][:, cells])
    return _rows_last(errors[which][:, cells[:, None], cells])


def _rows_last(values: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(values, 0, -1), dtype=np.float64)


def chunks(known: Known, components: int, d: int) -> Iterator[Known]:
    """The rows, a few at a time, so that they fit the cache."""
    p = known.cells.size
    size = max(32, CHUNK_VALUES // max(1, components * max(p, d) ** 2))
    for start in range(0, known.index.size, size):
        yield known.at(slice(start, start + size))
