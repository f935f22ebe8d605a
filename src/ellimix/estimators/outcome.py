"""The best of several fits, at their ends or on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ellimix.density.bearing import unseen
from ellimix.em import Fits, report_of
from ellimix.engines import Engine
from ellimix.errors import FitFailed, Status
from ellimix.report import FitReport
from ellimix.sources.memory import MemorySource

if TYPE_CHECKING:
    from ellimix.estimators.running import RunningMixture


def best_so_far(
    estimator: RunningMixture, source: MemorySource, engine: Engine, fits: Fits
) -> dict[str, Any]:
    """Attributes of an estimator as if the fit had stopped now (for callbacks)."""
    reports = [report_of(fit, source, engine, estimator._names()) for fit in fits]
    best = max(
        (report for report in reports if report.mixture is not None),
        key=lambda report: (not report.status.failed, report.objective),
    )
    if estimator.order == "weight":
        best = best.by_weight()
    return {
        "mixture_": best.mixture,
        "_dtype": source.dtype,
        "report_": best,
        "reports_": reports,
        "converged_": best.status is Status.CONVERGED,
        "n_iter_": best.n_iter,
        "lower_bound_": best.objective,
        "lower_bounds_": list(best.trace),
    }


def best_of(
    reports: list[FitReport], source: MemorySource, engine: Engine, bounded: bool = False
) -> FitReport:
    """The usable fit with the highest objective; sound ones before degenerate ones.

    Where values are missing, fits whose covariances rest on enough rows come before the others,
    whose likelihood has no bound (`ellimix.density.bearing`); not where a prior bounds it.
    """
    usable = [report for report in reports if report.usable]
    if not usable:
        sentences = dict.fromkeys(report.message for report in reports)
        raise FitFailed("No start gave a fit. " + " ".join(sentences))
    if len(usable) == 1:
        return usable[0]
    seen = [bounded or (report.mixture is not None and not unseen(report.mixture, source, engine))
            for report in usable]  # fmt: skip
    ranked = zip((r.sound for r in usable), seen, (r.objective for r in usable), strict=True)
    return usable[max(enumerate(ranked), key=lambda pair: pair[1])[0]]
