"""Starts from labels or responsibilities that the user gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError
from ellimix.records import Array, Block, SufficientStatistics
from ellimix.starts.base import Beginning, from_responsibilities, one_hot


@final
@dataclass(frozen=True)
class Given:
    """Labels (n,), integers from 0 to k - 1, or responsibilities (n, k) with rows that sum to 1.

    Raises
    ------
    DataError
        The array has another shape, or values out of range.
    """

    values: NDArray[Any]
    name: str = "given"

    def part(self, index: NDArray[np.intp]) -> Given:
        """The start of some of the rows."""
        values = np.asarray(self.values)
        return Given(values[index]) if values.ndim and values.shape[0] > index.max() else self

    def statistics(self, beginning: Beginning) -> SufficientStatistics:
        """Statistics under the given responsibilities."""
        k = beginning.k
        values = self._checked(beginning.source.n_rows, k)

        def given(block: Block) -> Array:
            part = values[block.start : block.stop]
            return part if part.ndim == 2 else one_hot(part, k)

        return from_responsibilities(beginning, given)

    def _checked(self, n: int, k: int) -> NDArray[Any]:
        values = np.asarray(self.values)
        if values.shape not in ((n,), (n, k)):
            raise DataError(
                f"The start has shape {values.shape}: pass labels of shape ({n},) "
                f"or responsibilities of shape ({n}, {k})."
            )
        if values.ndim == 1:
            whole = values.dtype.kind in "iu" or (
                values.dtype.kind == "f" and bool((values == np.floor(values)).all())
            )
            if not whole or values.min() < 0 or values.max() >= k:
                raise DataError(f"Labels of the start must be integers from 0 to {k - 1}.")
            return values.astype(np.intp)
        values = values.astype(np.float64)
        if not (values >= 0.0).all() or not np.allclose(values.sum(axis=1), 1.0, atol=1e-6):
            raise DataError(
                "Responsibilities of the start must not be negative, and each row must sum to 1."
            )
        return values
