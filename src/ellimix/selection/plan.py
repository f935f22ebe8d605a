"""The steps of a search in their order, and the runner and engine that suit its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.attempts.base import Runner
from ellimix.attempts.plain import PlainRunner
from ellimix.covariance.base import Family
from ellimix.engines import choose
from ellimix.engines.base import Engine
from ellimix.engines.choice import has_numba
from ellimix.records import Factor
from ellimix.selection.beginnings import Start, cuts, random_rows
from ellimix.selection.board import Board, Key
from ellimix.selection.portfolio import OWN_UNITS, UNIT_FREE, Effort, Portfolio
from ellimix.sources.memory import MemorySource
from ellimix.starts.hierarchical import tree

TREE_ROWS = 1_000  # of an agglomeration at most: a random sample of more
LARGE_TOLERANCE = 1e-6  # nats a row that are still to be gained, over many rows
INTERRUPTED = "The search was interrupted: this is the best of what it had found."
SAMPLE = "Starts and first iterations were made on a random sample of {:,} rows."
LATE = "Time was up before all steps were made: a larger time_budget may find better fits."

# criterion and scaling of each agglomeration: mclust's first
TREES = (("VVV", "SVD"), ("EEE", "STD"), ("VII", "SPH"), ("VII", "VARS"), ("VVV", "VARS"))


@final
class Plan:
    """The steps of a search.

    Parameters
    ----------
    board : Board
    runner : Runner
    effort : Effort
    source : MemorySource
        The rows that the runner runs over.
    random : RandomState
    deadline : float
        Of ``time.monotonic``.
    tell : callable
    """

    def __init__(
        self,
        board: Board,
        runner: Runner,
        effort: Effort,
        source: MemorySource,
        random: np.random.RandomState,
        deadline: float,
        tell: Callable[[str, float], None],
    ) -> None:
        self.board, self.effort, self.random = board, effort, random
        self.deadline, self.tell, self.source = deadline, tell, source
        self.rows = np.asarray(source.rows, dtype=np.float64)
        n = source.n_rows
        self.weight = np.ones(n) if source.weight is None else source.weight
        self.portfolio = Portfolio(board, runner, effort, self.late)
        self.fast = not isinstance(runner, PlainRunner)  # compiled, then so are the trees
        self.index = self._tree_rows()
        self.interrupted = False

    def late(self) -> bool:
        """Whether time is up."""
        return time.monotonic() >= self.deadline

    def run(self) -> tuple[str, ...]:
        """All steps, and what is to be said of them."""
        try:
            self._steps()
        except KeyboardInterrupt:
            if all(self.board[key].best is None for key in self.board):
                raise
            self.interrupted = True
        return self._notes()

    def _notes(self) -> tuple[str, ...]:
        return (INTERRUPTED,) if self.interrupted else (LATE,) if self.late() else ()

    def _steps(self) -> None:
        portfolio = self.portfolio
        changed = portfolio.from_partitions(self._trees(TREES[:1]), careful=True)
        changed |= portfolio.from_partitions(self._trees(TREES[1:]))
        for number in range(self.effort.rounds):
            if not changed or self.late():
                break
            self.tell("families and neighbours", 0.2 + 0.15 * number)
            better = portfolio.nested(changed)
            better |= portfolio.splits(changed | better)
            better |= portfolio.merges(changed | better)
            changed = better
        self.tell("best cells", 0.7)
        promising = self._promising()
        better = portfolio.moves(promising)
        better |= portfolio.short_runs(promising, self._draws)
        if better and not self.late():
            self.tell("best cells again", 0.9)
            better |= portfolio.nested(better)
            better |= portfolio.splits(better)
            portfolio.merges(better)
        self.tell("ends", 0.95)
        portfolio.to_the_end()
        self.tell("done", 1.0)

    def _trees(self, kinds: Sequence[tuple[str, str]]) -> dict[str, dict[int, Start]]:
        """Partitions by agglomerations, by name and number of components."""
        rows, weight = self.rows[self.index], self.weight[self.index]
        unit_free = all(family.name in UNIT_FREE for family in self.board.families)
        out: dict[str, dict[int, Start]] = {}
        for model, scaling in kinds:
            name = f"tree {model} {scaling}"
            if self.late() or (unit_free and name in OWN_UNITS):
                continue
            self.tell(name, 0.02 * len(out))
            grown = tree(rows, weight, model=model, scaling=scaling, fast=self.fast)
            out[name] = cuts(rows, weight, grown, self.board.components)
        return out

    def _tree_rows(self) -> NDArray[np.intp]:
        n = self.source.n_rows
        if n <= TREE_ROWS:
            return np.arange(n)
        return np.sort(self.random.choice(n, size=TREE_ROWS, replace=False))

    def _draws(self, k: int) -> list[Start]:
        if k > self.source.n_rows:
            return []
        return random_rows(self.rows, self.weight, self.random, k, self.effort.random)

    def _promising(self) -> list[Key]:
        """The best cells by BIC, which is what most criteria nearly go by."""
        keys = [key for key in self.board if self.board[key].best is not None]
        keys.sort(key=self.board.bic)
        return keys[: self.effort.cells]


def on_all(
    board: Board,
    source: MemorySource,
    engine: str,
    reg_covar: float,
    effort: Effort,
    late: Callable[[], bool],
    sample_rows: int,
) -> tuple[Board, tuple[str, ...]]:
    """The best fit of each cell, found on a sample, gone on over all rows, in lockstep.

    Returns
    -------
    board : Board
        Of all rows. Cells for which no time was left have no fit.
    notes : tuple of str
    """
    weight = float(source.n_rows if source.weight is None else source.weight.sum())
    whole = board.emptied(weight)
    groups = []
    for family in board.families:
        for k in board.components:
            best = board[family.name, k].best
            if best is not None:
                groups.append(whole.attempts(family, [(best.name, best.start)]))
    used = engine_for(source, engine, board.families, board.components)
    runner = PlainRunner(source.placed(used), used, reg_covar, weight)
    ended = runner.run(
        [group for group in groups if group is not None],
        tolerance=max(effort.tolerance, LARGE_TOLERANCE * weight),
        max_iter=effort.max_iter,
        stop=late,
    )
    whole.add(ended)
    return whole, (SAMPLE.format(sample_rows),)


def engine_for(
    source: MemorySource, name: str, families: Sequence[Family], components: Sequence[int]
) -> Engine:
    """The engine for passes over all rows."""
    full = any(family.structure.factor is not Factor.DIAGONAL for family in families)
    return choose(name, source.n_rows, source.n_features, sum(components) * len(families), full)


def runner_for(source: MemorySource, engine: str, reg_covar: float) -> Runner:
    """The compiled runner, or the plain one where that cannot be or is not wanted."""
    if engine == "numba" or (engine == "auto" and has_numba()):
        from ellimix.attempts.compiled import CompiledRunner

        return CompiledRunner.of(source, reg_covar)
    used = choose("numpy", source.n_rows, source.n_features, 1, True)
    weight = float(source.n_rows if source.weight is None else source.weight.sum())
    return PlainRunner(source.placed(used), used, reg_covar, weight)
