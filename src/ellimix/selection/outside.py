"""The end of a search over rows outside of memory: its best models go on over all rows together.

The search itself runs on a sample. There a model's log-likelihood is the sample's, and with more
rows richer models pay: so cells are compared as if all rows were like the sample, and the best go
on over all of them, in lockstep: one pass serves all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ellimix.covariance import FAMILIES
from ellimix.density.mixture import Mixture
from ellimix.em import Task, run
from ellimix.engines.base import Engine
from ellimix.engines.incomplete import suited
from ellimix.flights import Observer
from ellimix.inference.posterior import assuming
from ellimix.records import Array, Block
from ellimix.report import FitReport
from ellimix.selection import criteria
from ellimix.selection.cells import Cell, Verdict
from ellimix.selection.notes import about
from ellimix.selection.search import Found
from ellimix.sources.outside import OutsideSource
from ellimix.sources.threads import one_blas_thread

GOING_ON = 10  # cells
TOLERANCE = 1e-6  # of the mean log-likelihood
MOST = 200  # passes
# fits run to their ends, as `ellimix.em.run` does
Run = Callable[
    [OutsideSource, Engine, Sequence[Task], Observer | None, tuple[str, ...] | None],
    list[FitReport],
]
SAMPLED = (
    "The search was made on a random sample of {:,} rows; the {} models that were best there, as "
    "if all rows were like it, went on over all {:,} rows."
)


def on_all_rows(
    found: Found,
    source: OutsideSource,
    engine: Engine,
    feature_names: tuple[str, ...] | None = None,
    observe: Observer | None = None,
    go: Run = run,
) -> Found:
    """What a search found on a source's sample, with its best cells fitted to all rows.

    Parameters
    ----------
    found : Found
        Of a search over ``source.sample``.
    source : OutsideSource
    engine : Engine
    feature_names : tuple of str, optional
    observe : callable, optional
        Sees every iteration over all rows.
    go : callable, optional
        What runs the fits over all rows, in place of `ellimix.em.run`.

    Returns
    -------
    Found
        Cells that did not go on are marked as skipped.
    """
    share = source.total_weight / found.best.weight
    scaled = [_scaled(cell, share) for cell in found.cells]
    chosen = _going_on(scaled, found.criterion)
    used = suited(engine, source)
    placed = source.placed(used)
    tasks = [_task(found, scaled[i]) for i in chosen]
    reports = go(placed, used, tasks, observe, feature_names)
    sums = _sums(placed, used, [r.mixture for r in reports if r.mixture is not None])
    cells = [_left_out(cell) for cell in scaled]
    of = iter(sums)
    for i, report in zip(chosen, reports, strict=True):
        if report.mixture is None:
            continue
        log_likelihood, entropy, classification = next(of)
        verdict = Verdict.OK if report.usable else Verdict.FAILED
        cells[i] = replace(
            scaled[i],
            verdict=verdict,
            reason=scaled[i].reason if report.usable else report.message,
            report=report,
            log_likelihood=log_likelihood,
            entropy=entropy,
            classification=classification,
        )
    best = int(criteria.order(cells, found.criterion)[0])
    sampled = SAMPLED.format(source.sample.n_rows, len(chosen), source.n_rows)
    notes = about(cells, best, found.criterion, source.sample, feature_names)
    return replace(
        found,
        cells=tuple(cells),
        best_index=best,
        notes=notes,
        remarks=(*found.remarks, sampled),
        source=source,
    )


def _scaled(cell: Cell, share: float) -> Cell:
    """The cell as it would be if all rows were like those of the sample."""
    return replace(
        cell,
        log_likelihood=cell.log_likelihood * share,
        weight=cell.weight * share,
        classification=cell.classification * share,
        entropy=cell.entropy * share,
        held_out=cell.held_out * share,
        set_aside=math.nan,
    )


def _going_on(cells: Sequence[Cell], criterion: str) -> list[int]:
    """The cells that go on: the best, and single components where others are measured by them."""
    order = [int(i) for i in criteria.order(cells, criterion) if cells[i].ok]
    chosen = order[:GOING_ON]
    if criteria.named(criterion).needs_all:
        chosen += [i for i in order[GOING_ON:] if cells[i].n_components == 1]
    return chosen


def _task(found: Found, cell: Cell) -> Task:
    report = cell.report
    if report is None or report.mixture is None:
        raise AssertionError("a cell that is ok has a fit")
    family, k = FAMILIES[cell.family], cell.n_components
    inference = assuming(family, k, found.reg_covar, report.mixture.box, found.prior)
    start = report.mixture.parameters
    return Task(inference, start, TOLERANCE, MOST, name=report.start, acceleration="auto")


def _sums(
    source: OutsideSource, engine: Engine, mixtures: Sequence[Mixture]
) -> list[tuple[float, float, float]]:
    """Log-likelihood, entropy and classification of each mixture, in one pass for all."""
    potentials = [mixture.potentials for mixture in mixtures]
    step = engine.step(potentials)

    def one(block: Block) -> Array:
        weight = np.ones(block.rows.shape[0]) if block.weight is None else block.weight
        statistics = step(block)
        certain = [
            float(weight @ np.log(engine.posterior(p, block, False).certainty)) for p in potentials
        ]
        return np.array(
            [
                [float(s.loglik), float(s.entropy), c]
                for s, c in zip(statistics, certain, strict=True)
            ]
        )

    with one_blas_thread():
        total = np.sum(list(source.each(one)), axis=0)
    return [(float(a), float(b), float(c)) for a, b, c in total]


def _left_out(cell: Cell) -> Cell:
    """A cell that does not go on over all rows."""
    if not cell.ok:
        return replace(cell, report=None, log_likelihood=math.nan)
    reason = "It was behind others on the sample, and was not fitted to all rows."
    return replace(
        cell, verdict=Verdict.SKIPPED, reason=reason, report=None, log_likelihood=math.nan
    )
