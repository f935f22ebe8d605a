"""Rows that a function of the user's gives: called anew for every pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ellimix.errors import DataError
from ellimix.records import Array, Rows
from ellimix.sources.reading import Chunk, float_type


@final
@dataclass(frozen=True, eq=False)
class CalledBlocks:
    """Blocks of rows from a function that is called for every pass.

    Parameters
    ----------
    call : callable
        Without arguments; returns an iterable of arrays (m, d), or of pairs of such an array and
        row weights (m,). Each call gives the same rows in the same order.
    n_features : int
    dtype : dtype
    weighted : bool
    first_bytes : int
        Of the first block.
    """

    call: Callable[[], Iterable[Any]]
    n_features: int
    dtype: np.dtype[Any]
    weighted: bool
    first_bytes: int

    @property
    def where(self) -> str:
        """What messages call the rows."""
        return f"the blocks of {getattr(self.call, '__name__', type(self.call).__name__)}"

    @property
    def names(self) -> None:
        """Blocks of arrays have no names of columns."""
        return

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
        """About what is held in memory at once: two blocks of the size of the first."""
        return 2 * self.first_bytes

    def chunks(self, size: int) -> Iterator[Chunk]:
        """The blocks of one call."""
        for number, given in enumerate(self._given()):
            rows, weight = _pair(given, number, self.where)
            if rows.shape[1] != self.n_features or (weight is not None) != self.weighted:
                weights = "with" if self.weighted else "without"
                raise DataError(
                    f"Block {number} of {self.where} has {rows.shape[1]} columns, and weights "
                    f"{weight is not None}: expected {self.n_features} columns, {weights} weights, "
                    "as in the first block."
                )
            yield Chunk(rows, weight)

    def _given(self) -> Iterator[Any]:
        """What the function gives; its own errors say of what rows they are."""
        number = 0
        try:
            for given in self.call():
                yield given
                number += 1
        except Exception as error:
            raise DataError(
                f"{self.where} cannot be read on after {number} of them: "
                f"{type(error).__name__}: {error}."
            ) from error

    def with_columns(self, names: tuple[str, ...]) -> CalledBlocks:
        """The same rows: their columns have no names, and are taken to be the model's."""
        if len(names) != self.n_features:
            raise DataError(
                f"{self.where} have {self.n_features} columns, and the model has {len(names)}: "
                f"{', '.join(names)}."
            )
        return self


def open_call(call: Callable[[], Iterable[Any]]) -> CalledBlocks:
    """The reader of a function's blocks; looks at the first one.

    Raises
    ------
    DataError
        It gives no blocks, or something else than arrays of rows, or the same iterator each time.
    """
    name = getattr(call, "__name__", type(call).__name__)
    blocks = call()
    if isinstance(blocks, Iterator) and call() is blocks:
        raise DataError(
            f"{name} returns the same iterator at each call, which can be read once: make a new "
            "one in it."
        )
    for given in blocks:
        rows, weight = _pair(given, 0, f"the blocks of {name}")
        kind = float_type([rows.dtype])
        return CalledBlocks(call, int(rows.shape[1]), kind, weight is not None, int(rows.nbytes))
    raise DataError(f"{name} gives no blocks: it must return an iterable of arrays (m, d).")


def _pair(given: Any, number: int, where: str) -> tuple[Rows, Array | None]:
    """A block's rows and weights."""
    weight = None
    if isinstance(given, tuple) and len(given) == 2:
        given, weights = given
        weight = np.asarray(weights, dtype=np.float64)
    rows = np.asarray(given)
    if rows.ndim != 2 or rows.dtype.kind not in "fiu":
        raise DataError(
            f"Block {number} of {where} has shape {rows.shape} and type {rows.dtype}: expected "
            "numbers of shape (m, d)."
        )
    if weight is not None and weight.shape != (rows.shape[0],):
        raise DataError(
            f"Block {number} of {where} has {rows.shape[0]} rows and weights of shape "
            f"{weight.shape}: expected one a row."
        )
    return rows, weight
