"""Random starts: rows as means, or responsibilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ellimix.records import Array, Block, SufficientStatistics
from ellimix.starts.base import (
    Beginning,
    all_weights,
    check_enough,
    from_responsibilities,
    from_rows,
)


@final
@dataclass(frozen=True)
class RandomRows:
    """Distinct rows as means; with row weights, drawn with probability proportional to them."""

    name: str = "random_from_data"

    def statistics(self, beginning: Beginning) -> SufficientStatistics:
        """One row a component (see `from_rows`)."""
        source, k = beginning.source, beginning.k
        weight = all_weights(source)
        share = None if weight is None else weight / weight.sum()
        usable = source.n_rows if share is None else int(np.count_nonzero(share))
        check_enough(usable, k)
        index = beginning.random.choice(source.n_rows, size=k, replace=False, p=share)
        return from_rows(beginning, index)


@final
@dataclass(frozen=True)
class RandomResponsibilities:
    """Uniform responsibilities, normalised row by row."""

    name: str = "random"

    def statistics(self, beginning: Beginning) -> SufficientStatistics:
        """The draws are made a tile at a time from tile seeds, so no (n, k) array is made.

        With one tile they are the draws of a single (n, k) call, as scikit-learn makes them.
        """
        random, k = beginning.random, beginning.k
        states: dict[int, Any] = {}
        for block in beginning.source.blocks():
            states[block.start] = random.get_state(legacy=True)
            random.uniform(size=block.rows.shape[0] * k)  # goes on to the next tile's

        def drawn(block: Block) -> Array:
            stream = np.random.RandomState()
            stream.set_state(states[block.start])
            out = stream.uniform(size=(block.rows.shape[0], k))
            out /= out.sum(axis=1, keepdims=True)
            return out

        return from_responsibilities(beginning, drawn)
