"""The steps of a search in their order, and the runner and engine that suit its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.attempts.base import Runner, Start
from ellimix.attempts.labelled import LabelledRunner
from ellimix.attempts.plain import PlainRunner
from ellimix.covariance.base import Family
from ellimix.engines import ENGINES, choose
from ellimix.engines.base import Engine
from ellimix.engines.choice import has_numba
from ellimix.records import Factor
from ellimix.selection.beginnings import cuts, of_labels, random_rows
from ellimix.selection.board import Board, Key, Setting
from ellimix.selection.ground import Ground, classes_of
from ellimix.selection.portfolio import OWN_UNITS, TREES, UNIT_FREE, Effort, Portfolio
from ellimix.sources.labelled import Placed
from ellimix.sources.memory import MemorySource
from ellimix.starts.hierarchical import tree
from ellimix.starts.kmeans import partition
from ellimix.starts.scalings import SCALINGS

TREE_ROWS = 2_000  # of the first agglomeration at most: a random sample of more
OTHER_ROWS = 1_000  # of the others
KMEANS_ROWS = 500  # from which k-means is tried: with fewer it costs more than it brings
SMALL_ROWS = 3_000  # rows times cells that get random short runs: few rows need more luck
ALONE_ROWS = 100_000  # up to which each fit passes over the rows alone; else all share the passes
LAST_PASSES = 20  # over all rows, where time is up before there is a fit
ONE_FEATURE = 8  # times as many random short runs with one feature, where they cost little
INTERRUPTED = "The search was interrupted: this is the best of what it had found."
SAMPLE = "Starts and first iterations were made on a random sample of {:,} rows."
LATE = "Time was up before all steps were made: a larger time_budget may find better fits."


@final
class Plan:
    """The steps of a search.

    Parameters
    ----------
    board : Board
    runner : Runner
    effort : Effort
    ground : Ground
        The rows that starts are made from.
    random : RandomState
    deadline : float
        Of ``time.monotonic``.
    tell : callable
    ends : bool
        Whether the fits shall go to their ends: not if they go on over more rows.
    """

    def __init__(
        self,
        board: Board,
        runner: Runner,
        effort: Effort,
        ground: Ground,
        random: np.random.RandomState,
        deadline: float,
        tell: Callable[[str, float], None],
        ends: bool,
    ) -> None:
        self.ends = ends
        self.board, self.effort, self.random = board, effort, random
        self.deadline, self.tell = deadline, tell
        self.rows, self.weight = ground.rows, ground.weight
        self.portfolio = Portfolio(board, runner, effort, self.late)
        self.interrupted = False

    def late(self) -> bool:
        """Whether time is up."""
        return time.monotonic() >= self.deadline

    def run(self) -> None:
        """All steps."""
        try:
            self._steps()
            self._at_least_one()
        except KeyboardInterrupt:
            if all(self.board[key].best is None for key in self.board):
                raise
            self.interrupted = True

    def _at_least_one(self) -> None:
        """Where time was up before any fit: the smallest models from random rows."""
        if not self.late() or any(self.board[key].best is not None for key in self.board):
            return
        portfolio = Portfolio(self.board, self.portfolio.runner, self.effort, lambda: False)
        for k in self.board.components:
            start = random_rows(self.rows, self.weight, self.random, min(k, len(self.rows)), 1)
            if k <= len(self.rows) and portfolio.from_partitions({"short runs": {k: start[0]}}):
                return

    def notes(self) -> tuple[str, ...]:
        """What calls for care in how the steps ended."""
        return (INTERRUPTED,) if self.interrupted else (LATE,) if self.late() else ()

    def _steps(self) -> None:
        portfolio, names = self.portfolio, tuple(TREES)
        changed = portfolio.from_partitions(self._trees(names[:1]), careful=True)
        others = self._trees(names[1 : self.effort.trees])
        if len(self.rows) >= KMEANS_ROWS and not self.late():
            others["k-means SPH"] = self._kmeans()
        changed |= portfolio.from_partitions(others)
        self._exchange(changed, 0.2)
        self.tell("best cells", 0.7)
        promising = self._promising()
        better = portfolio.moves(promising[: self.effort.cells])
        better |= portfolio.short_runs(promising, self._draws)
        self._exchange(better, 0.8)
        if self.ends:
            self._to_the_ends()
            self.tell("done", 1.0)

    def _to_the_ends(self) -> None:
        """Every cell to its end; what is then better exchanges once more."""
        self.tell("ends", 0.9)
        late = self.portfolio.to_the_end(self.board)
        more = self.portfolio.exchange(late)
        self.tell("last ends", 0.95)
        self.portfolio.to_the_end(more)

    def _exchange(self, changed: set[Key], share: float) -> None:
        """Exchanges between families and numbers of components until nothing gets better."""
        for number in range(self.effort.rounds):
            if not changed or self.late():
                return
            self.tell("families and neighbours", share + 0.02 * number)
            changed = self.portfolio.exchange(changed)

    def _trees(self, names: Sequence[str]) -> dict[str, dict[int, Start]]:
        """Partitions by agglomerations, by name and number of components."""
        unit_free = all(family.name in UNIT_FREE for family in self.board.families)
        out: dict[str, dict[int, Start]] = {}
        for name in names:
            if self.late() or (unit_free and name in OWN_UNITS):
                continue
            self.tell(name, 0.02 * len(out))
            model, scaling = TREES[name]
            index = self._tree_rows(TREE_ROWS if name == next(iter(TREES)) else OTHER_ROWS)
            rows, weight = self.rows[index], self.weight[index]
            grown = tree(
                rows, weight, model=model, scaling=scaling, fast=self.portfolio.runner.compiled
            )
            out[name] = cuts(rows, weight, grown, self.board.components)
        return out

    def _kmeans(self) -> dict[int, Start]:
        """Partitions of the sphered rows by k-means."""
        self.tell("k-means", 0.15)
        sphered = SCALINGS["SPH"](self.rows, self.weight)
        out: dict[int, Start] = {}
        for k in self.board.components:
            if k <= len(self.rows):
                labels = partition(sphered, self.weight, k, self.random)
                if int(labels.max()) == k - 1:
                    out[k] = of_labels(self.rows, self.weight, labels, k)
        return out

    def _tree_rows(self, most: int) -> NDArray[np.intp]:
        n = len(self.rows)
        if n <= most:
            return np.arange(n)
        return np.sort(self.random.choice(n, size=most, replace=False))

    def _draws(self, k: int) -> list[Start]:
        if k > len(self.rows):
            return []
        draws = self.effort.random * (ONE_FEATURE if self.rows.shape[1] == 1 else 1)
        return random_rows(self.rows, self.weight, self.random, k, draws)

    def _promising(self) -> list[Key]:
        """The best cells by BIC, which is what most criteria nearly go by; more if rows are few."""
        keys = [key for key in self.board if self.board[key].best is not None]
        keys.sort(key=self.board.bic)
        return keys[: max(self.effort.cells, SMALL_ROWS // len(self.rows))]


def on_all(
    board: Board,
    setting: Setting,
    source: MemorySource,
    engine: str,
    reg_covar: float,
    plan: Plan,
) -> Board:
    """The best fit of each cell, found on a sample, gone on over all rows.

    Where rows are not too many the best cells then exchange starts once more. Cells for which no
    time was left have no fit; where that is so of all, or this is interrupted before there is one,
    the best cell's goes on for a few passes.
    """
    whole = board.emptied(setting)
    keys = sorted((key for key in board if board[key].best is not None), key=board.bic)
    alone = source.n_rows <= ALONE_ROWS
    runner = runner_for(source, engine, reg_covar, whole, alone=alone)
    try:
        if not plan.interrupted:
            _over_all(Portfolio(whole, runner, plan.effort, plan.late), board, keys, plan)
    except KeyboardInterrupt:
        plan.interrupted = True
    if all(whole[key].best is None for key in whole):
        hurried = replace(plan.effort, max_iter=LAST_PASSES)
        Portfolio(whole, runner, hurried, lambda: False).go_on(board, keys[:1])
    plan.tell("done", 1.0)
    return whole


def _over_all(portfolio: Portfolio, board: Board, keys: Sequence[Key], plan: Plan) -> None:
    """The steps over all rows; the cells in the order of their promise."""
    plan.tell("all rows", 0.0)
    portfolio.go_on(board, keys)
    if portfolio.runner.compiled:
        plan.tell("all rows, best cells", 0.7)
        portfolio.to_the_end(portfolio.exchange(set(keys[: plan.effort.cells])))


def engine_for(
    source: MemorySource, name: str, families: Sequence[Family], components: Sequence[int]
) -> Engine:
    """The engine for passes over all rows."""
    full = any(family.structure.factor is not Factor.DIAGONAL for family in families)
    work = sum(components) * len(families)
    # fits of one family and number of components share what a pattern of missing values costs
    patterns = source.n_patterns * len(families) * len(components)
    return choose(name, source.n_rows, source.n_features, work, full, patterns=patterns)


def runner_for(
    source: MemorySource, engine: str, reg_covar: float, board: Board, *, alone: bool = True
) -> Runner:
    """The compiled runner, or the plain one where that cannot be or is not wanted.

    Parameters
    ----------
    source : MemorySource
    engine : str
        As in `search`.
    reg_covar : float
    board : Board
        The fits to be made. The compiled runner knows no noise and no prior, and needs whole rows
        of which nothing else is known.
    alone : bool
        Whether each fit may pass over the rows alone, as the compiled runner has it.
    """
    box, prior = board.setting.box, board.setting.prior
    plain = source.incomplete or box is not None or prior is not None
    compiles = engine == "numba" or (engine == "auto" and has_numba())
    if alone and compiles and not plain:
        from ellimix.attempts.compiled import CompiledRunner

        return CompiledRunner.of(source, reg_covar)
    used = ENGINES["numpy"]
    if plain or not alone:
        used = engine_for(source, engine, board.families, board.components)
    placed, weight = Placed.made(source, used, box is not None), source.total_weight
    if placed.groups:
        classes = classes_of(source, used)
        return LabelledRunner(placed, classes, reg_covar, weight, box, prior=prior)
    return PlainRunner(placed.of(0), placed.engine, reg_covar, weight, box=box, prior=prior)
