"""The search for a model: families and numbers of components, from many starts, with a guard."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

import numpy as np

from ellimix.covariance.base import Family
from ellimix.em import Task, run
from ellimix.engines import ENGINES, choose
from ellimix.engines.base import Engine
from ellimix.errors import DataError, FitFailed
from ellimix.inference.posterior import assuming
from ellimix.inference.priors import Prior
from ellimix.inference.pseudo_data import Assumed
from ellimix.selection import criteria
from ellimix.selection.arrangement import floor_of, grid_of, in_order, sampled
from ellimix.selection.board import Board, Setting
from ellimix.selection.cells import Cell, Verdict
from ellimix.selection.cross_validation import held_out
from ellimix.selection.grain import observation
from ellimix.selection.ground import ground_of, noise_box
from ellimix.selection.guard import Guard
from ellimix.selection.notes import about
from ellimix.selection.plan import SAMPLE, Plan, engine_for, on_all, runner_for
from ellimix.selection.portfolio import LIGHT, Effort
from ellimix.selection.spread import spread_of
from ellimix.selection.verdicts import Judge
from ellimix.sources.labelled import Placed, with_labels
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource

__all__ = ["Effort", "Found", "Guard", "search"]

FOLDS = 5
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
    source : MemorySource or OutsideSource
        The rows as they came, with all that is known of them for the best cell's components.
    prior : Assumed or None
    """

    cells: tuple[Cell, ...]
    best_index: int
    criterion: str
    notes: tuple[str, ...]
    remarks: tuple[str, ...]
    seconds: float
    reg_covar: float
    source: MemorySource | OutsideSource
    prior: Assumed | None = None

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
    noise: bool = False,
    labels: Any = None,
    prior: Prior | None = None,
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
    noise : bool
        Whether each model has one more component for rows that belong to none: it is uniform in a
        box around all rows, and its weight counts as a parameter.
    labels : array-like of shape (n,), int, optional
        Groups of rows for which they are known, from 0; -1 for the others. Component j is group
        j's. Models with fewer components than groups are skipped.
    prior : Prior, optional
        Of all fits, which then maximise the posterior density. Its defaults depend on the family
        and the number of components. Criteria are those of the likelihood there: with BIC the
        choice is that of Fraley & Raftery (2007).

    Returns
    -------
    Found
        It does not depend on the order of the rows: they are sorted first.

    Raises
    ------
    FitFailed
        No cell has a fit that may be chosen: the message says why.
    DataError
        The labels are wrong, or name more groups than any model has components; or the source has
        a prior, which is one for a fixed number of components; or `prior` tells components apart.
    KeyboardInterrupt
        Interrupted before there was any fit; later, the best so far is kept.

    Notes
    -----
    Rows of which not all is known are fitted as they are (`ellimix.engines.incomplete`). Starts
    are made from rows that were filled in (`ellimix.completion`). Neither such fits nor those with
    noise, labels or a prior run compiled from first pass to last, so that ``LIGHT`` is their
    effort.
    """
    begun = time.monotonic()
    guard = guard or Guard()
    criteria.named(criterion)
    source = _labelled(source, labels, components)
    rows, tried = in_order(source), sorted(set(components))
    one = choose(engine, rows.n_rows, rows.n_features, 1, full=True)
    box = noise_box(rows, one) if noise else None
    weight, unit = rows.total_weight, observation(rows)
    assumed = _assumed(prior, rows, one)
    setting = Setting(guard, grid_of(source), unit, rows.n_features, weight, box, prior=assumed)
    reg_covar = reg_covar or floor_of(rows)
    part = sampled(rows, random)
    whole = part is rows
    ground = ground_of(part, one, box, random)
    own = replace(setting, weight=part.total_weight, clutter=ground.clutter)
    groups = Placed(rows, one).groups
    board = Board(families, [k for k in tried if k >= groups], own)
    say = tell or _quiet
    say(LOADING, 0.0)
    runner = runner_for(part, engine, reg_covar, board)
    effort = effort or (Effort() if runner.compiled else LIGHT)
    # what is compiled, once on a machine, takes no time from the fits
    deadline = np.inf if time_budget is None else time.monotonic() + time_budget
    plan = Plan(board, runner, effort, ground, random, deadline, say, whole)
    plan.run()
    remarks: tuple[str, ...] = ()
    if not whole:
        board = on_all(board, setting, rows, engine, reg_covar, plan)
        remarks = (SAMPLE.format(part.n_rows),)
    notes = plan.notes()
    used = engine_for(rows, engine, families, components)
    placed = Placed.made(rows, used, noise)
    judge = Judge(placed, setting, rows.n_rows, feature_names)
    cells = [judge.cell(board, (family.name, k)) for family in families for k in tried]
    cells, crowded = _checked(cells, board)
    if criteria.named(criterion).needs_held_out:
        cells = _with_held_out(cells, placed, setting, reg_covar, effort, random)
    best = int(criteria.order(cells, criterion)[0])
    as_it_came = Placed.made(source, used, noise)
    cells[best] = _to_its_end(cells[best], as_it_came, reg_covar, feature_names, assumed)
    notes = (*notes, *crowded, *about(cells, best, criterion, source, feature_names))
    seconds = time.monotonic() - begun
    fitted = as_it_came.of(cells[best].n_components)
    return Found(tuple(cells), best, criterion, notes, remarks, seconds, reg_covar, fitted, assumed)


def _checked(cells: list[Cell], board: Board) -> tuple[list[Cell], tuple[str, ...]]:
    """The cells, if one may be chosen, and what is to be said of that.

    Where all that fit have too many parameters for the rows, they may be chosen nevertheless.
    """
    if any(cell.ok for cell in cells):
        return cells, ()
    fitted = {key for key in board if board[key].best is not None}
    sound = [(cell.family, cell.n_components) in fitted for cell in cells]
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


def _assumed(prior: Prior | None, rows: MemorySource, engine: Engine) -> Assumed | None:
    """The prior with the spread of the rows."""
    if prior is None:
        return None
    if prior.tells_apart:
        raise DataError(
            "The prior has parts for single components, whose number a search is to choose: fit "
            "models one by one, or give parts that are the same for all components."
        )
    return Assumed(prior, partial(spread_of, rows, engine), rows.n_features)


def _labelled(source: MemorySource, labels: Any, components: Sequence[int]) -> MemorySource:
    """The source with labels, where there are some."""
    if source.detail is not None and source.detail.prior is not None:
        raise DataError(
            "The source has a prior over components, whose number a search is to choose: pass the "
            "groups of rows as labels."
        )
    if labels is None:
        return source
    source = with_labels(source, labels)
    groups = Placed(source, ENGINES["numpy"]).groups
    if max(components) < groups:
        raise DataError(
            f"The labels name {groups} groups, but models of at most {max(components)} components "
            "were asked for: ask for as many components as groups, or more."
        )
    return source


def _with_held_out(
    cells: list[Cell],
    placed: Placed,
    setting: Setting,
    reg_covar: float,
    effort: Effort,
    random: np.random.RandomState,
) -> list[Cell]:
    """The cells with cross-validated log-likelihoods."""
    which = [i for i, cell in enumerate(cells) if cell.ok]
    out = list(cells)
    # rows with labels are other rows for each number of components; the folds are the same
    seed = random.randint(np.iinfo(np.int32).max) if placed.groups else None
    for k in sorted({cells[i].n_components for i in which}) if placed.groups else [0]:
        own = [i for i in which if k in (0, cells[i].n_components)]
        models = [
            (mixture.family, mixture.parameters)
            for mixture in (cells[i].mixture for i in own)
            if mixture is not None
        ]
        weight = cells[own[0]].weight if own else 1.0
        scores = held_out(
            placed.of(k), placed.engine, models, folds=FOLDS, reg_covar=reg_covar,
            tol=effort.tolerance / weight, max_iter=effort.max_iter,
            random=random if seed is None else np.random.RandomState(seed),
            box=setting.box, prior=setting.prior,
        )  # fmt: skip
        for i, score in zip(own, scores, strict=True):
            out[i] = replace(cells[i], held_out=float(score))
    return out


def _to_its_end(
    cell: Cell,
    came: Placed,
    reg_covar: float,
    feature_names: tuple[str, ...] | None,
    assumed: Assumed | None,
) -> Cell:
    """The chosen cell with its fit gone on to its end, on the rows as they came."""
    mixture, before = cell.mixture, cell.report
    if mixture is None or before is None:
        raise AssertionError("a chosen cell has a fit")
    inference = assuming(mixture.family, cell.n_components, reg_covar, mixture.box, assumed)
    start = mixture.parameters
    task = Task(inference, start, TOLERANCE, MOST, name=before.start, acceleration="auto")
    placed = came.of(cell.n_components)
    (report,) = run(placed, came.engine, [task], feature_names=feature_names)
    if not report.sound or report.mixture is None:
        return cell
    scores = report.mixture.score_rows(placed, came.engine)
    found = cell.log_likelihood + float(inference.penalty(start))
    reached = scores.log_likelihood + float(inference.penalty(report.mixture.parameters))
    if not reached >= found - 1e-6 * abs(found):
        return cell
    return replace(
        cell,
        report=report,
        log_likelihood=scores.log_likelihood,
        classification=scores.classification,
    )


def _quiet(step: str, share: float) -> None:
    """Tell nobody."""
