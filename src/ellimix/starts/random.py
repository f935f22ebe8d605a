"""Random starts: rows as means, or responsibilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ellimix.engines.base import Engine
from ellimix.records import Array, Block, Moment, SufficientStatistics
from ellimix.sources.base import Source
from ellimix.starts.base import all_weights, check_enough, from_responsibilities, from_rows


@final
@dataclass(frozen=True)
class RandomRows:
    """Distinct rows as means; with row weights, drawn with probability proportional to them."""

    name: str = "random_from_data"

    def statistics(
        self,
        source: Source,
        engine: Engine,
        k: int,
        moment: Moment,
        floor: float,
        random: np.random.RandomState,
    ) -> SufficientStatistics:
        """One row a component (see `from_rows`)."""
        weight = all_weights(source)
        share = None if weight is None else weight / weight.sum()
        usable = source.n_rows if share is None else int(np.count_nonzero(share))
        check_enough(usable, k)
        index = random.choice(source.n_rows, size=k, replace=False, p=share)
        return from_rows(source, engine, moment, floor, index)


@final
@dataclass(frozen=True)
class RandomResponsibilities:
    """Uniform responsibilities, normalised row by row."""

    name: str = "random"

    def statistics(
        self,
        source: Source,
        engine: Engine,
        k: int,
        moment: Moment,
        floor: float,
        random: np.random.RandomState,
    ) -> SufficientStatistics:
        """The draws are made a tile at a time from tile seeds, so no (n, k) array is made.

        With one tile they are the draws of a single (n, k) call, as scikit-learn makes them.
        """
        states: dict[int, Any] = {}
        for block in source.blocks():
            states[block.start] = random.get_state(legacy=True)
            _skip(random, block.rows.shape[0] * k)

        def drawn(block: Block) -> Array:
            stream = np.random.RandomState()
            stream.set_state(states[block.start])
            out = stream.uniform(size=(block.rows.shape[0], k))
            out /= out.sum(axis=1, keepdims=True)
            return out

        return from_responsibilities(source, engine, k, moment, drawn)


def _skip(random: np.random.RandomState, count: int) -> None:
    """Advance the stream by that many uniform draws."""
    random.uniform(size=count)
