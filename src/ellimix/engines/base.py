"""What an engine is: the only code that touches rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ellimix.records import Array, Block, Moment, Potentials, SufficientStatistics

Step = Callable[[Block], list[SufficientStatistics]]


@dataclass(frozen=True, slots=True)
class Posterior:
    """What a mixture says of each row of a block.

    Parameters
    ----------
    density : ndarray of shape (n,)
        Log-densities, natural logarithms; -inf for a row beyond the range of double precision.
    labels : ndarray of shape (n,)
        The most probable component, the first of equals.
    certainty : ndarray of shape (n,)
        Its responsibility.
    entropy : ndarray of shape (n,)
        Of the row's responsibilities, -sum r log r, in nats: 0 where it is certain, log k at most.
    responsibilities : ndarray of shape (n, k) or None
        All of them, where asked for.
    """

    density: Array
    labels: NDArray[np.int64]
    certainty: Array
    entropy: Array
    responsibilities: Array | None


class Engine(Protocol):
    """Potentials and a block of rows in, sums or log-densities out. Stateless and thread-safe.

    Potentials with a leading axis stand for several fits of one shape: so do the statistics then.
    """

    @property
    def name(self) -> str:
        """The name in the registry."""
        ...

    @property
    def compiled(self) -> bool:
        """Whether passes are compiled, and the host's small matrices may be, too."""
        ...

    def block_rows(self, d: int) -> int:
        """Rows in a block of d features: a function of d alone, so that sums repeat."""
        ...

    def place(self, block: Block) -> object | None:
        """The block's rows laid out for many passes, or None where the engine reads them as is.

        The source keeps what comes back as the block's `layout`.
        """
        ...

    def step(self, potentials: Sequence[Potentials]) -> Step:
        """What a pass does with a block: statistics for each of several groups of fits."""
        ...

    def e_step(self, potentials: Potentials, block: Block) -> SufficientStatistics:
        """Statistics of a block under its own responsibilities, about the potentials' centers."""
        ...

    def log_joint(self, potentials: Potentials, block: Block) -> Array:
        """The k log-potentials of each row: float64 (n, k), natural logarithms."""
        ...

    def posterior(self, potentials: Potentials, block: Block, full: bool) -> Posterior:
        """Log-density, best component and, if `full`, all responsibilities of each row."""
        ...

    def accumulate(
        self, responsibilities: Array, block: Block, center: Array, moment: Moment
    ) -> SufficientStatistics:
        """Statistics of a block under given responsibilities (n, k), about given centers (k, d).

        The log-likelihood and entropy of the result are 0.
        """
        ...
