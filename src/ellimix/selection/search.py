"""The search for a model: families and numbers of components, from many starts, with a guard."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from ellimix.covariance.base import Family
from ellimix.em import Task, run
from ellimix.engines.base import Engine
from ellimix.errors import FitFailed
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.selection import criteria
from ellimix.selection.board import Board, Setting
from ellimix.selection.cells import Cell, Verdict
from ellimix.selection.cross_validation import held_out
from ellimix.selection.grain import observation, resolutions
from ellimix.selection.guard import Guard
from ellimix.selection.notes import about
from ellimix.selection.plan import SAMPLE, Plan, engine_for, on_all, runner_for, total_weight
from ellimix.selection.portfolio import LIGHT, Effort
from ellimix.selection.verdicts import Judge
from ellimix.sources.memory import MemorySource

__all__ = ["Effort", "Found", "Guard", "search"]

# With more rows than this, the steps run on a random sample of so many, and the best fit of each
# cell goes on over all rows.
SAMPLE_ROWS = 2_000
FEW_TIMES = 2  # with no more than so many times as many, the steps run on all of them
FOLDS = 5
FLOOR = 1e-8
TOLERANCE = 1e-9  # of the mean log-likelihood, for the chosen fit
MOST = 1000  # its passes

CROWDED = (
    "All models that fit have many parameters for so few rows: the choice among them is not to be "
    "trusted."
)

LOADING = "loading compiled code"  # which is made once on a machine

Tell = Callable[[str, float], None]


@final
@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Parameters
    ----------
    cells : tuple of Cell
        One for each family and number of components, family by family.
    best_index : int
        Which of them is the best that may be chosen.
    criterion : str
    notes : tuple of str
        What a careful reader should know, in sentences.
    remarks : tuple of str
        How the search went, in sentences, where that is no reason for care.
    seconds : float
    reg_covar : float
        The variance floor of all fits.
    """

    cells: tuple[Cell, ...]
    best_index: int
    criterion: str
    notes: tuple[str, ...]
    remarks: tuple[str, ...]
    seconds: float
    reg_covar: float

    @property
    def best(self) -> Cell:
        """The best cell that may be chosen."""
        return self.cells[self.best_index]

    @property
    def said(self) -> tuple[str, ...]:
        """Remarks and notes."""
        return (*self.remarks, *self.notes)


def search(
    source: MemorySource,
    *,
    families: Sequence[Family],
    components: Sequence[int],
    random: np.random.RandomState,
    criterion: str = "bic",
    reg_covar: float = 0.0,
    effort: Effort | None = None,
    guard: Guard | None = None,
    engine: str = "auto",
    time_budget: float | None = None,
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
    random : RandomState
    criterion : str
        A name in `ellimix.selection.criteria.CRITERIA`.
    reg_covar : float
        Variance floor, in squared units of the data. Where it is 0 and a column is constant, on
        which most families could not be fitted, it is `FLOOR` of the smallest variance of another.
    effort : Effort, optional
        By default ``Effort()``, or ``LIGHT`` where fits are not compiled.
    guard : Guard, optional
    engine : {"auto", "numpy", "numba"}
        ``"auto"`` compiles where numba is installed.
    time_budget : float, optional
        Seconds, from when compiled code is there, after which no further fit is begun.
    tell : callable, optional
        Told the name of each step and the share of the work that lies behind.
    feature_names : tuple of str, optional

    Returns
    -------
    Found
        It does not depend on the order of the rows: they are sorted first.

    Raises
    ------
    FitFailed
        No cell has a fit that may be chosen: the message says why.
    KeyboardInterrupt
        Interrupted before there was any fit; later, the best so far is kept.
    """
    begun = time.monotonic()
    guard = guard or Guard()
    criteria.named(criterion)
    rows = in_order(source)
    resolution, unit = resolutions(source), observation(rows)
    setting = Setting(guard, resolution, unit, rows.n_features, total_weight(rows))
    reg_covar = reg_covar or floor_of(rows)
    part = sampled(rows, random)
    whole = part is rows
    own = setting if whole else replace(setting, weight=total_weight(part))
    board = Board(families, components, own)
    say = tell or _quiet
    say(LOADING, 0.0)
    runner = runner_for(part, engine, reg_covar)
    effort = effort or (Effort() if runner.compiled else LIGHT)
    # what is compiled, once on a machine, takes no time from the fits
    deadline = np.inf if time_budget is None else time.monotonic() + time_budget
    plan = Plan(board, runner, effort, part, random, deadline, say, whole)
    plan.run()
    remarks: tuple[str, ...] = ()
    if not whole:
        board = on_all(board, setting, rows, engine, reg_covar, plan)
        remarks = (SAMPLE.format(part.n_rows),)
    notes = plan.notes()
    used = engine_for(rows, engine, families, components)
    placed = rows.placed(used)
    judge = Judge(placed, used, setting, rows.n_rows, feature_names)
    cells = [judge.cell(board, key) for key in board]
    cells, crowded = _checked(cells, board)
    if criteria.named(criterion).needs_held_out:
        cells = _with_held_out(cells, placed, used, reg_covar, effort, random)
    best = int(criteria.order(cells, criterion)[0])
    cells[best] = _to_its_end(cells[best], source, used, reg_covar, feature_names)
    notes = (*notes, *crowded, *about(cells, best, criterion, source, feature_names))
    seconds = time.monotonic() - begun
    return Found(tuple(cells), best, criterion, notes, remarks, seconds, reg_covar)


def in_order(source: MemorySource) -> MemorySource:
    """The distinct rows that count, sorted by their columns, with their weights.

    So nothing depends on how they came, and a row that is there twice is a row of weight 2.
    """
    rows = np.asarray(source.rows, dtype=np.float64) + 0.0  # -0 is 0
    weight = np.ones(rows.shape[0]) if source.weight is None else source.weight
    if source.weight is not None:
        counted = weight > 0.0
        rows, weight = rows[counted], weight[counted]
    order = np.lexsort((weight, *rows.T[::-1]))
    rows, weight = rows[order], weight[order]
    new = np.concatenate([[True], (rows[1:] != rows[:-1]).any(axis=1)])
    if not new.all():
        rows, weight = rows[new], np.add.reduceat(weight, np.flatnonzero(new))
    if source.weight is None and new.all():
        return MemorySource(rows, None, None, source.threads)
    return MemorySource(rows, weight, None, source.threads)


def floor_of(source: MemorySource) -> float:
    """A variance floor for rows with a constant column; 0 for others."""
    rows = np.asarray(source.rows, dtype=np.float64)
    spread = np.ptp(rows, axis=0)
    if spread.all() or not spread.any():
        return 0.0
    variances = np.var(rows[:, spread > 0.0], axis=0)
    return FLOOR * float(variances.min())


def sampled(source: MemorySource, random: np.random.RandomState) -> MemorySource:
    """A random sample of many rows; few rows as they are."""
    if source.n_rows <= FEW_TIMES * SAMPLE_ROWS:
        return source
    index = np.sort(random.choice(source.n_rows, size=SAMPLE_ROWS, replace=False))
    weight = None if source.weight is None else source.weight[index]
    return MemorySource(source.rows[index], weight, None, source.threads)


def _checked(cells: list[Cell], board: Board) -> tuple[list[Cell], tuple[str, ...]]:
    """The cells, if one may be chosen, and what is to be said of that.

    Where all that fit have too many parameters for the rows, they may be chosen nevertheless.
    """
    if any(cell.ok for cell in cells):
        return cells, ()
    keys = [(cell.family, cell.n_components) for cell in cells]
    sound = [board[key].best is not None for key in keys]
    if any(sound):
        lifted = [
            replace(cell, verdict=Verdict.OK) if fits else cell
            for cell, fits in zip(cells, sound, strict=True)
        ]
        return lifted, (CROWDED,)
    reasons = dict.fromkeys(
        f"{cell.name} with {cell.n_components}: {cell.reason}" for cell in cells
    )
    first = list(reasons)[:3]
    more = f" And {len(reasons) - 3} more." if len(reasons) > 3 else ""
    raise FitFailed(
        "No family and number of components gave a fit that can be trusted. "
        + " ".join(first)
        + more
        + " Check for columns that are constant or functions of others, and for too few rows."
    )


def _with_held_out(
    cells: list[Cell],
    source: MemorySource,
    engine: Engine,
    reg_covar: float,
    effort: Effort,
    random: np.random.RandomState,
) -> list[Cell]:
    """The cells with cross-validated log-likelihoods."""
    which = [i for i, cell in enumerate(cells) if cell.ok]
    models = [
        (mixture.family, mixture.parameters)
        for mixture in (cells[i].mixture for i in which)
        if mixture is not None
    ]
    weight = cells[which[0]].weight if which else 1.0
    scores = held_out(
        source, engine, models, folds=FOLDS, reg_covar=reg_covar,
        tol=effort.tolerance / weight, max_iter=effort.max_iter, random=random,
    )  # fmt: skip
    out = list(cells)
    for i, score in zip(which, scores, strict=True):
        out[i] = replace(cells[i], held_out=float(score))
    return out


def _to_its_end(
    cell: Cell,
    source: MemorySource,
    engine: Engine,
    reg_covar: float,
    feature_names: tuple[str, ...] | None,
) -> Cell:
    """The chosen cell with its fit gone on to its end, on the rows as they came."""
    mixture, before = cell.mixture, cell.report
    if mixture is None or before is None:
        raise AssertionError("a chosen cell has a fit")
    inference = MaximumLikelihood(mixture.family, reg_covar)
    start = mixture.parameters
    task = Task(inference, start, TOLERANCE, MOST, name=before.start, acceleration="auto")
    placed = source.placed(engine)
    (report,) = run(placed, engine, [task], feature_names=feature_names)
    if not report.sound or report.mixture is None:
        return cell
    scores = report.mixture.score_rows(placed, engine)
    if not scores.log_likelihood >= cell.log_likelihood - 1e-6 * abs(cell.log_likelihood):
        return cell
    return replace(
        cell,
        report=report,
        log_likelihood=scores.log_likelihood,
        classification=scores.classification,
    )


def _quiet(step: str, share: float) -> None:
    """Tell nobody."""
