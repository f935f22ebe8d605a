"""Passes over what a mixture says of rows: responsibilities, a block at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import numpy as np

from ellimix.density.mixture import Mixture
from ellimix.engines import Engine, choose
from ellimix.engines.incomplete import suited
from ellimix.errors import DataError
from ellimix.records import Array, Block, Factor
from ellimix.sources.base import Source
from ellimix.sources.memory import MemorySource
from ellimix.sources.threads import one_blas_thread

# Responsibilities up to so many bytes are kept: merging k components then costs one pass over the
# rows. Larger ones are computed anew for each merge, in k passes and no memory.
KEPT_BYTES = 256 << 20


@final
@dataclass(frozen=True, eq=False)
class Posteriors:
    """The responsibilities of a mixture for the rows of a source.

    Parameters
    ----------
    mixture : Mixture
    source : Source
    kept : dict
        Responsibilities of blocks, by the blocks' first rows.
    """

    mixture: Mixture
    source: Source
    kept: dict[int, Array] = field(default_factory=dict)

    def total(
        self, members: tuple[tuple[int, ...], ...], step: Callable[[Array, Array], Array]
    ) -> Array:
        """The sum over blocks of ``step(shares, weight)``.

        Parameters
        ----------
        members : tuple of tuple of int
            The components of each of g clusters; ``step`` gets shares (n, g) of these. What they
            lack of 1 is a noise component's.
        step : callable
            Gives an array of one shape, whatever the block.
        """
        k, engine = self.mixture.n_components, self._engine()
        belongs = np.zeros((k, len(members)))
        for cluster, components in enumerate(members):
            belongs[list(components), cluster] = 1.0
        single = len(members) == k and bool((belongs == np.eye(k)).all())

        mixture, kept = self.mixture, self.kept if self._small else None

        def run(block: Block) -> Array:  # without the source: it may be sent to where rows are
            shares = _shares(mixture, engine, block, kept)
            weight = np.ones(shares.shape[0]) if block.weight is None else block.weight
            return step(shares if single else shares @ belongs, weight)

        with one_blas_thread():
            sums = [*self.source.each(run)]
        if not sums:
            raise DataError("There are no rows: clusters are judged by what rows are in them.")
        return np.asarray(np.sum(sums, axis=0))

    @property
    def _small(self) -> bool:
        size = self.source.n_rows * self.mixture.n_components * 8
        return isinstance(self.source, MemorySource) and size <= KEPT_BYTES

    def _engine(self) -> Engine:
        k = self.mixture.n_components
        full = self.mixture.covariance.structure.factor is not Factor.DIAGONAL
        passes = 1 if self._small else k
        engine = choose("auto", self.source.n_rows, self.source.n_features, k, full, passes)
        return suited(engine, self.source)


def _shares(mixture: Mixture, engine: Engine, block: Block, kept: dict[int, Array] | None) -> Array:
    """The components' responsibilities for the rows of a block, which `kept` may hold or shall."""
    if kept is not None and block.start in kept:
        return kept[block.start]
    shares = engine.posterior(mixture.potentials, block, True).responsibilities
    if shares is None:
        raise AssertionError("all responsibilities were asked for")
    shares = np.ascontiguousarray(shares[:, : mixture.n_components])
    if kept is not None:
        kept[block.start] = shares
    return shares
