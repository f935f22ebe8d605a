"""What an engine is: the only code that touches rows."""

from __future__ import annotations

from typing import Protocol

from ellimix.records import Array, Block, Moment, Potentials, SufficientStatistics


class Engine(Protocol):
    """Potentials and a block of rows in, sums or log-densities out. Stateless and thread-safe."""

    @property
    def name(self) -> str:
        """The name in the registry."""
        ...

    def log_joint(self, potentials: Potentials, block: Block) -> Array:
        """The k log-potentials of each row: float64 (n, k), natural logarithms."""
        ...

    def e_step(self, potentials: Potentials, block: Block) -> SufficientStatistics:
        """Statistics of a block under its own responsibilities, about the potentials' centers."""
        ...

    def accumulate(
        self, responsibilities: Array, block: Block, center: Array, moment: Moment
    ) -> SufficientStatistics:
        """Statistics of a block under given responsibilities (n, k), about given centers (k, d).

        The log-likelihood and entropy of the result are 0.
        """
        ...
