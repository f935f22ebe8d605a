"""Starts from labels or responsibilities that the user gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.engines.base import Engine
from ellimix.errors import DataError
from ellimix.records import Block, Moment, SufficientStatistics
from ellimix.sources.base import Source
from ellimix.starts.base import from_responsibilities, one_hot


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

    def statistics(
        self,
        source: Source,
        engine: Engine,
        k: int,
        moment: Moment,
        floor: float,
        random: np.random.RandomState,
    ) -> SufficientStatistics:
        """Statistics under the given responsibilities."""
        values = self._checked(source.n_rows, k)
        if values.ndim == 2:
            return from_responsibilities(
                source, engine, k, moment, lambda block: values[block.start : block.stop]
            )

        def hard(block: Block) -> NDArray[np.float64]:
            return one_hot(values[block.start : block.stop], k)

        return from_responsibilities(source, engine, k, moment, hard)

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
