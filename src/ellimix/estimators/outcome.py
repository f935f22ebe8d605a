"""The best of several fits, at their ends or on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

from ellimix.density.bearing import unseen
from ellimix.em import Fits, report_of
from ellimix.engines import Engine
from ellimix.errors import DataError, FitFailed, Status
from ellimix.report import FitReport
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource

if TYPE_CHECKING:
    from ellimix.estimators.checkpointing import Keeping
    from ellimix.estimators.running import RunningMixture


@final
@dataclass(frozen=True, eq=False)
class Ended:
    """How fits ended.

    Parameters
    ----------
    best : FitReport
    reports : list of FitReport
    broken : DataError or None
        Why rows could not be read on.
    """

    best: FitReport
    reports: list[FitReport]
    broken: DataError | None = None


def best_so_far(
    estimator: RunningMixture, source: MemorySource | OutsideSource, engine: Engine, fits: Fits
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
    reports: list[FitReport],
    source: MemorySource | OutsideSource,
    engine: Engine,
    bounded: bool = False,
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


def ended_by(report: FitReport, status: Status) -> FitReport:
    """The report of a fit that something else has ended."""
    message = f"{status.sentence} {status.remedy}".strip()
    return replace(report, status=status, message=message)


def broken_off(error: DataError, report: FitReport, keeping: Keeping | None) -> DataError:
    """What to raise where rows could not be read on, after the best fit has been kept."""
    how = "warm_start=True"
    if keeping is not None:
        how = f"resume=True and the checkpoint {keeping.checkpoint.file}"
    return DataError(
        f"{error} The model holds the best parameters so far, after {report.n_iter} iterations: "
        f"mend the rows, and fit again with {how} to go on."
    )
