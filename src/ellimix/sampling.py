"""The first iterations on a sample of the rows, for data whose passes cost.

EM's iterations on n rows cost n; most of them only find the way to the neighbourhood of a maximum,
and a sample shows that neighbourhood to within its standard errors. Where components overlap much
the sample's own maximum may be another one: with 200,000 rows of 10 features and 16 overlapping
components (diagonal covariances, 20,000 in the sample) four of four fits ended lower, by 1e-4 to
1e-3 a row. So this is asked for (``acceleration="sample"``) and never done unasked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ellimix.em import run
from ellimix.engines.base import Engine
from ellimix.errors import Status
from ellimix.flights import Observer, Task
from ellimix.report import FitReport
from ellimix.sources.memory import MemorySource

FEWEST_ROWS = 20_000
ROWS_PER_COMPONENT = 1_000
ROWS_PER_PARAMETER = 50  # of a component
TIMES = 10  # all rows are at least so many times the sample
TIGHTER = 0.1  # of tol: iterations on the sample are cheap
ENDED = (Status.CONVERGED, Status.MAX_ITER)


def sample_rows(k: int, d: int, covariance_parameters: int) -> int:
    """Rows of a sample that pins the maximum."""
    each = ROWS_PER_PARAMETER * (1 + d + covariance_parameters / k)
    return int(max(FEWEST_ROWS, k * max(ROWS_PER_COMPONENT, each)))


def begun_on_sample(
    sample: MemorySource, engine: Engine, tasks: Sequence[Task], observe: Observer | None = None
) -> list[FitReport]:
    """How the tasks' fits end on a sample of the rows.

    Parameters
    ----------
    sample : MemorySource
    engine : Engine
    tasks : sequence of Task
    observe : callable, optional
        Sees every iteration.
    """
    tighter = [replace(task, tol=TIGHTER * task.tol) for task in tasks]
    return run(sample, engine, tighter, observe)


def gone_on(task: Task, report: FitReport, size: int) -> Task:
    """The task of a fit that was begun on a sample of so many rows; as it is where that failed."""
    if report.mixture is None or report.status not in ENDED:
        return task
    note = f"The first {report.n_iter} iterations were made on a random sample of {size:,} rows."
    return replace(task, start=report.mixture.parameters, notes=(*report.notes, note))
