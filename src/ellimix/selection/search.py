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

# every start is run this far, and the best of each number of components to its end
SHORT_TOL = 1e-3
SHORT_ITER = 50


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
        return self.report.usable and not self.report.status.failed


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

    Short runs of EM from every start, then the best of each number of components goes on to its
    end (Biernacki, Celeux & Govaert 2003).

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
        One for each number of components, best of its starts, in ascending order of BIC.

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
            )
            for k, start in plan
        ]
    )
    best = [
        _best([r for (size, _), r in zip(plan, short, strict=True) if size == k]) for k in sizes
    ]
    ended = (Status.INTERRUPTED, Status.STOPPED)
    promising = [r for r in best if r.usable and not r.status.failed and r.status not in ended]
    long = iter(fits([_continued(report, inference, tol, max_iter) for report in promising]))
    ends = [next(long) if report in promising else report for report in best]
    cells = [_cell(k, report, source) for k, report in zip(sizes, ends, strict=True)]
    if not any(cell.sound for cell in cells):
        sentences = dict.fromkeys(cell.report.message for cell in cells)
        raise FitFailed("No number of components gave a fit. " + " ".join(sentences))
    return sorted(cells, key=lambda cell: cell.bic)


def _best(reports: list[FitReport]) -> FitReport:
    return max(reports, key=lambda r: (r.usable, not r.status.failed, r.objective))


def _continued(report: FitReport, inference: MaximumLikelihood, tol: float, max_iter: int) -> Task:
    """The task that goes on from where a short run ended."""
    if report.mixture is None:
        raise AssertionError("a promising run has a mixture")
    start = report.mixture.parameters
    return Task(inference, start, tol, max_iter, report.objective, report.start)


def _cell(k: int, report: FitReport, source: Source) -> Cell:
    mixture = report.mixture
    if mixture is None or not report.usable or report.status.failed:
        return Cell(k, report, np.nan, np.inf)
    scores = mixture.score_rows(source)
    bic = criteria.bic(scores.log_likelihood, mixture.n_parameters, scores.weight)
    return Cell(k, report, scores.log_likelihood, bic)
