"""What a start is: the statistics that the first M-step gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ellimix.engines.base import Engine
from ellimix.errors import DataError
from ellimix.records import Array, Block, Factor, Moment, Potentials, SufficientStatistics
from ellimix.sources.base import Source

Responsibilities = Callable[[Block], Array]


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a start gets to work with.

    Parameters
    ----------
    source : Source
    engine : Engine
    k : int
        Number of components.
    moment : Moment
        The second moment that the covariance family needs.
    floor : float
        The variance floor of the fit (``reg_covar``): starts from single rows need it.
    random : RandomState
    """

    source: Source
    engine: Engine
    k: int
    moment: Moment
    floor: float
    random: np.random.RandomState


class Start(Protocol):
    """A way to begin a fit."""

    @property
    def name(self) -> str:
        """The name in the registry."""
        ...

    def statistics(self, beginning: Beginning) -> SufficientStatistics:
        """Statistics for k components."""
        ...


def from_responsibilities(
    beginning: Beginning, responsibilities: Responsibilities
) -> SufficientStatistics:
    """Statistics under responsibilities that are made a block at a time, (n, k) each.

    Two passes, means first: sums about any other center would lose digits. No array of all rows
    and components is made.
    """
    source, engine = beginning.source, beginning.engine
    counted = counted_rows(source)
    first_row = np.zeros(1, dtype=np.intp) if counted is None else counted[:1]
    origin = np.asarray(source.take(first_row), dtype=np.float64)
    center = np.repeat(origin, beginning.k, axis=0)
    (first,) = source.reduce(
        lambda block: (engine.accumulate(responsibilities(block), block, center, Moment.DIAGONAL),)
    )
    filled = first.n > 0.0
    means = center + first.s1 / np.where(filled, first.n, 1.0)[:, None]
    (second,) = source.reduce(
        lambda block: (engine.accumulate(responsibilities(block), block, means, beginning.moment),)
    )
    return second


def one_hot(labels: NDArray[np.integer], k: int) -> Array:
    """Responsibilities (n, k) of 0 and 1."""
    out = np.zeros((labels.shape[0], k))
    out[np.arange(labels.shape[0]), labels] = 1.0
    return out


def from_nearest(beginning: Beginning, center: Array) -> SufficientStatistics:
    """Statistics with every row assigned to its nearest center (k, d), in Euclidean distance."""
    k, moment = beginning.k, beginning.moment
    nearest = Potentials(np.zeros(k), center, np.ones_like(center), Factor.DIAGONAL, moment)

    def closest(block: Block) -> Array:
        return one_hot(beginning.engine.log_joint(nearest, block).argmax(axis=1), k)

    return from_responsibilities(beginning, closest)


def from_rows(beginning: Beginning, index: NDArray[np.intp]) -> SufficientStatistics:
    """Statistics of components that hold one row each, as scikit-learn begins them.

    Their covariance is the floor alone, so the first E-step assigns every row to the nearest of
    the chosen ones. Without a floor, where that covariance would be singular, this assignment
    is the start: it is the limit of the other as the floor goes to 0.
    """
    center = np.asarray(beginning.source.take(index), dtype=np.float64)
    if beginning.floor == 0.0:
        return from_nearest(beginning, center)
    block = Block(center, None)
    return beginning.engine.accumulate(np.eye(beginning.k), block, center, beginning.moment)


def counted_rows(source: Source) -> NDArray[np.intp] | None:
    """Indices of the rows with positive weight; None where every row has one."""
    weight = all_weights(source)
    if weight is None or (weight > 0.0).all():
        return None
    return np.flatnonzero(weight > 0.0)


def check_enough(usable: int, k: int) -> None:
    """Raise `DataError` where fewer rows count than components need a start."""
    if usable < k:
        raise DataError(f"{k} components need {k} rows to start from, but {usable} count.")


def all_weights(source: Source) -> Array | None:
    """The row weights (n,), or None."""
    if not source.weighted:
        return None
    return np.concatenate([block.weight for block in source.blocks() if block.weight is not None])
