"""The search for a model: families and numbers of components, from many starts, with a guard."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import numpy as np

from ellimix.attempts.base import Attempts, Runner
from ellimix.attempts.plain import PlainRunner
from ellimix.covariance.base import Family
from ellimix.em import Task, run
from ellimix.engines import choose
from ellimix.engines.base import Engine
from ellimix.engines.choice import has_numba
from ellimix.errors import FitFailed
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import Array
from ellimix.report import FitReport
from ellimix.selection import beginnings, criteria
from ellimix.selection.board import Board, Key
from ellimix.selection.cells import Cell
from ellimix.selection.grain import observation, resolutions
from ellimix.selection.guard import Guard
from ellimix.selection.portfolio import Effort, Portfolio
from ellimix.selection.verdicts import cell_of
from ellimix.sources.memory import MemorySource
from ellimix.starts.hierarchical import tree

__all__ = ["Effort", "Found", "Guard", "search"]

# With more rows than this, starts and most iterations are of a random sample of so many, and the
# best fit of each cell goes on over all rows.
SAMPLE_ROWS = 10_000
TREE_ROWS = 1_000  # of a tree, at most
LARGE_TOLERANCE = 1e-9  # of the log-likelihood, on all of many rows

Tell = Callable[[str, float], None]


@final
@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Parameters
    ----------
    cells : tuple of Cell
        One for each family and number of components, in the order of the families.
    best : int
        Which of them is the best that may be chosen.
    criterion : str
    report : FitReport
        The best cell's fit, brought to its end on the rows as they came.
    notes : tuple of str
        What a careful reader should know, in sentences.
    seconds : float
    """

    cells: tuple[Cell, ...]
    best: int
    criterion: str
    report: FitReport
    notes: tuple[str, ...]
    seconds: float


def search(
    source: MemorySource,
    *,
    families: Sequence[Family],
    components: Sequence[int],
    criterion: str = "bic",
    reg_covar: float = 0.0,
    effort: Effort | None = None,
    guard: Guard | None = None,
    engine: str = "auto",
    time_budget: float | None = None,
    random: np.random.RandomState,
    tell: Tell | None = None,
    feature_names: tuple[str, ...] | None = None,
) -> Found:
    """Fit every family with every number of components from many starts, and choose.

    Parameters
    ----------
    source : MemorySource
    families : sequence of Family
    components : sequence of int
        Positive.
    criterion : str
        A name in `ellimix.selection.criteria.CRITERIA`.
    reg_covar : float
        Variance floor, in squared units of the data.
    effort : Effort, optional
    guard : Guard, optional
    engine : {"auto", "numpy", "numba"}
        "auto" compiles where numba is installed.
    time_budget : float, optional
        Seconds after which no further fit is begun.
    random : RandomState
    tell : callable, optional
        Told the name of each step and the share of the work that lies behind.
    feature_names : tuple of str, optional

    Returns
    -------
    Found

    Raises
    ------
    FitFailed
        No cell has a fit that may be chosen: the message says why for each reason.
    """
    begun = time.monotonic()
    effort, guard = effort or Effort(), guard or Guard()
    criteria.named(criterion)
    deadline = np.inf if time_budget is None else begun + time_budget
    work = _Work(
        source, tuple(families), tuple(sorted(set(components))), reg_covar, effort, guard, engine,
        random, lambda: time.monotonic() >= deadline, tell or _quiet,
    )  # fmt: skip
    board, interrupted = work.found()
    cells = [
        cell_of(board, key, source, guard, reg_covar, feature_names, work.late) for key in board
    ]
    ...
