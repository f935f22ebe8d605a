"""An engine for rows of which not all is known, or something besides their values.

It stands around another one. A block's rows are told apart once:

- whole rows without anything else known go to the other engine, as they are;
- rows with missing values or a prior go through potentials with coordinates integrated out, a
  pattern at a time (`patterns`) or, where passes are compiled, all at once (`compiled_patterns`);
- rows with errors, projections or intervals go one by one (`uncertain`).

All three give the same sums, expected under the model given what is known: nothing above an engine
knows which rows were whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from ellimix.engines.base import Engine, Posterior, Step
from ellimix.engines.numpy_engine import soft
from ellimix.engines.patterns import patterns_of
from ellimix.engines.uncertain import uncertain_of
from ellimix.records import Array, Block, Detail, Moment, Potentials, Rows, SufficientStatistics


class Part(Protocol):
    """Rows of a block that are treated alike."""

    @property
    def index(self) -> NDArray[np.intp]:
        """Which rows of the block these are."""
        ...

    def log_joint(self, potentials: Potentials) -> Array:
        """The log-potentials of the rows, (..., k, n)."""
        ...

    def statistics(self, potentials: Potentials) -> SufficientStatistics:
        """Expected sums, about the potentials' centers."""
        ...


@final
@dataclass(frozen=True)
class Parts:
    """A block's rows, told apart.

    Parameters
    ----------
    whole : Block or None
        Whole rows, as the other engine laid them out.
    index : ndarray of shape (n,)
        Which rows of the block these are.
    rest : tuple of Part
    """

    whole: Block | None
    index: NDArray[np.intp]
    rest: tuple[Part, ...]


@final
@dataclass(frozen=True)
class IncompleteEngine:
    """An engine around another one, for rows of which not all is known."""

    base: Engine

    @property
    def name(self) -> str:
        """The other engine's name."""
        return self.base.name

    @property
    def compiled(self) -> bool:
        """Whether the other engine's passes are compiled."""
        return self.base.compiled

    def block_rows(self, d: int) -> int:
        """Rows in a block of d features."""
        return self.base.block_rows(d)

    def place(self, block: Block) -> Parts:
        """The rows of a block, told apart and laid out."""
        rows, detail = block.rows, block.detail
        special = _special(block)
        by_pattern = np.isnan(rows).any(axis=1)
        if detail is not None and detail.prior is not None:
            by_pattern |= (detail.prior != 0.0).any(axis=1)
        by_pattern &= ~special
        whole = np.flatnonzero(~(special | by_pattern))
        rest: list[Part] = []
        if by_pattern.any():
            rest += self._by_pattern(block, np.flatnonzero(by_pattern))
        if special.any():
            rest += uncertain_of(block, np.flatnonzero(special))
        if not rest:
            return Parts(_laid_out(self.base, rows, block.weight), whole, ())
        own = None
        if whole.size:
            weight = None if block.weight is None else block.weight[whole]
            own = _laid_out(self.base, rows[whole], weight)
        return Parts(own, whole, tuple(rest))

    def step(self, potentials: Sequence[Potentials]) -> Step:
        """Statistics of a block for each of several groups of fits."""
        base = self.base.step(potentials)

        def run(block: Block) -> list[SufficientStatistics]:
            parts = self._parts(block)
            found = [] if parts.whole is None else [base(parts.whole)]
            found += [[part.statistics(p) for p in potentials] for part in parts.rest]
            return reduce(_added, found)

        return run

    def e_step(self, potentials: Potentials, block: Block) -> SufficientStatistics:
        """Responsibilities, log-likelihood and sums of one block."""
        (statistics,) = self.step([potentials])(block)
        return statistics

    def log_joint(self, potentials: Potentials, block: Block) -> Array:
        """The k log-potentials of each row, (n, k)."""
        parts = self._parts(block)
        out = np.empty((block.rows.shape[0], potentials.offset.size))
        if parts.whole is not None:
            out[parts.index] = self.base.log_joint(potentials, parts.whole)
        for part in parts.rest:
            out[part.index] = part.log_joint(potentials).T
        return out

    def posterior(self, potentials: Potentials, block: Block, full: bool) -> Posterior:
        """Log-density, best component and, if `full`, all responsibilities of each row."""
        parts, n = self._parts(block), block.rows.shape[0]
        out = Posterior(
            np.empty(n),
            np.empty(n, dtype=np.int64),
            np.empty(n),
            np.empty(n),
            np.empty((n, potentials.offset.size)) if full else None,
        )
        if parts.whole is not None:
            _put(out, parts.index, self.base.posterior(potentials, parts.whole, full))
        for part in parts.rest:
            log_joint = part.log_joint(potentials)
            density, share, entropy = soft(log_joint)
            labels = log_joint.argmax(axis=0)
            every = share.T if full else None
            own = Posterior(density, labels, share.max(axis=0), entropy, every)
            _put(out, part.index, own)
        return out

    def accumulate(
        self, responsibilities: Array, block: Block, center: Array, moment: Moment
    ) -> SufficientStatistics:
        """Not to be had: without a model nothing is expected of what is not known."""
        raise TypeError(
            "Rows of which not all is known have no sums under given responsibilities alone: "
            "starts are made from rows that were filled in."
        )

    def _by_pattern(self, block: Block, index: NDArray[np.intp]) -> list[Part]:
        if not self.compiled:
            return [*patterns_of(block.rows, block.weight, block.detail, index)]
        # numba is an optional package
        from ellimix.engines.compiled_patterns import compiled_patterns

        return [compiled_patterns(block.rows, block.weight, block.detail, index)]

    def _parts(self, block: Block) -> Parts:
        return block.layout if isinstance(block.layout, Parts) else self.place(block)


class Described(Protocol):
    """What knows whether all is known of its rows: a source, which stands above engines."""

    @property
    def incomplete(self) -> bool:
        """Whether values are missing, or something besides the values is known of the rows."""
        ...


def suited(engine: Engine, source: Described) -> Engine:
    """The engine, or one around it where not all is known of the source's rows."""
    if not source.incomplete or isinstance(engine, IncompleteEngine):
        return engine
    return IncompleteEngine(engine)


def _special(block: Block) -> NDArray[np.bool_]:
    """Which rows have errors, projections or intervals."""
    detail = block.detail
    n = block.rows.shape[0]
    if detail is None:
        return np.zeros(n, dtype=np.bool_)
    if detail.errors is not None or detail.projections is not None:
        return np.ones(n, dtype=np.bool_)
    return np.asarray(bounded(block.rows, detail).any(axis=1))


def bounded(rows: Rows, detail: Detail) -> NDArray[np.bool_]:
    """Which cells are known to an interval, (n, p)."""
    if detail.lower is None or detail.upper is None:
        return np.zeros(rows.shape, dtype=np.bool_)
    some = (detail.lower > -np.inf) | (detail.upper < np.inf)
    return np.asarray(np.isnan(rows) & some)


def _laid_out(engine: Engine, rows: Rows, weight: Array | None) -> Block:
    block = Block(rows, weight)
    return Block(rows, weight, layout=engine.place(block))


def _added(
    left: list[SufficientStatistics], right: list[SufficientStatistics]
) -> list[SufficientStatistics]:
    return [a + b for a, b in zip(left, right, strict=True)]


def _put(out: Posterior, index: NDArray[np.intp], part: Posterior) -> None:
    out.density[index], out.labels[index] = part.density, part.labels
    out.certainty[index], out.entropy[index] = part.certainty, part.entropy
    if out.responsibilities is not None and part.responsibilities is not None:
        out.responsibilities[index] = part.responsibilities
