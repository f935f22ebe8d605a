"""How many components: fits for several K in lockstep, compared by BIC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ellimix.covariance.base import Family
from ellimix.em import Task, run
from ellimix.engines.base import Engine
from ellimix.errors import FitFailed, Status
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.report import FitReport
from ellimix.selection import criteria
from ellimix.sources.base import Source
from ellimix.starts import STARTS, Beginning

# every start is run this far, and the best few of each number of components to their ends
SHORT_TOL = 1e-5
SHORT_ITER = 100
LONG_RUNS = 3


@dataclass(frozen=True)
class Cell:
    """One number of components: its best fit and what BIC says of it."""

    n_components: int
    report: FitReport
    log_likelihood: float  # nats; NaN where the fit failed
    bic: float  # smaller is better; inf where the fit failed

    @property
    def sound(self) -> bool:
        """Whether the fit may be chosen: one with a collapsed component never is."""
        return self.report.sound

    @property
    def spurious(self) -> bool:
        """Whether a component is so thin that the likelihood says little of the fit."""
        return self.sound and bool(self.report.thin())


def best_components(
    source: Source,
    engine: Engine,
    family: Family,
    components: Sequence[int],
    *,
    reg_covar: float,
    tol: float,
    max_iter: int,
    starts: Sequence[str],
    random: np.random.RandomState,
    feature_names: tuple[str, ...] | None = None,
) -> list[Cell]:
    """Fit every number of components from several starts, all in the same passes over the rows.

    Short runs of EM from every start, then the best few of each number of components go on to
    their ends (Biernacki, Celeux & Govaert 2003).

    Parameters
    ----------
    source : Source
    engine : Engine
    family : Family
    components : sequence of int
        The numbers of components to try; those above the number of rows are left out.
    reg_covar, tol, max_iter
        As in `GaussianMixture`.
    starts : sequence of str
        Names in `ellimix.starts.STARTS`; a name that stands twice starts twice.
    random : RandomState
    feature_names : tuple of str, optional

    Returns
    -------
    list of Cell
        One for each number of components, best of its starts, in ascending order of BIC; those
        with a spuriously thin component, which no start avoided, come last.

    Raises
    ------
    FitFailed
        No cell is sound.
    """
    inference = MaximumLikelihood(family, reg_covar)

    def fits(tasks: list[Task]) -> list[FitReport]:
        return run(source, engine, tasks, feature_names=feature_names)

    sizes = [k for k in sorted(set(components)) if k <= source.n_rows]
    plan = [(k, STARTS[name]) for k in sizes for name in starts]
    short = fits(
        [
            Task(
                inference,
                start.statistics(Beginning(source, engine, k, family.moment, reg_covar, random)),
                max(tol, SHORT_TOL),
                min(max_iter, SHORT_ITER),
                name=start.name,
                acceleration="auto",
            )
            for k, start in plan
        ]
    )
    by_size = {k: [r for (size, _), r in zip(plan, short, strict=True) if size == k] for k in sizes}
    chosen = [(k, report) for k in sizes for report in _promising(by_size[k])]
    ends = fits([_continued(report, inference, tol, max_iter) for _, report in chosen])
    ended = {k: [r for (size, _), r in zip(chosen, ends, strict=True) if size == k] for k in sizes}
    cells = [_cell(k, max(ended[k] or by_size[k], key=_rank), source) for k in sizes]
    if not any(cell.sound for cell in cells):
        sentences = dict.fromkeys(cell.report.message for cell in cells)
        raise FitFailed("No number of components gave a fit. " + " ".join(sentences))
    return sorted(cells, key=lambda cell: (cell.spurious, cell.bic))


def _rank(report: FitReport) -> tuple[bool, bool, bool, float]:
    """What makes one fit better than another: a thin component counts against it first."""
    sound = report.sound
    return report.usable, sound, sound and not report.thin(), report.objective


def _promising(reports: list[FitReport]) -> list[FitReport]:
    """The short runs that go on: the best few that may."""
    ended = (Status.INTERRUPTED, Status.STOPPED)
    able = [r for r in reports if r.sound and r.status not in ended]
    return sorted(able, key=_rank, reverse=True)[:LONG_RUNS]


def _continued(report: FitReport, inference: MaximumLikelihood, tol: float, max_iter: int) -> Task:
    """The task that goes on from where a short run ended."""
    if report.mixture is None:
        raise AssertionError("a promising run has a mixture")
    start = report.mixture.parameters
    return Task(inference, start, tol, max_iter, report.objective, report.start, "auto")


def _cell(k: int, report: FitReport, source: Source) -> Cell:
    mixture = report.mixture
    if mixture is None or not report.sound:
        return Cell(k, report, np.nan, np.inf)
    scores = mixture.score_rows(source)
    bic = criteria.bic(scores.log_likelihood, mixture.n_parameters, scores.weight)
    return Cell(k, report, scores.log_likelihood, bic)
