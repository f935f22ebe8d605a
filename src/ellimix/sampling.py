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

import numpy as np

from ellimix.em import run
from ellimix.engines.base import Engine
from ellimix.errors import Status
from ellimix.flights import Task
from ellimix.inference.base import Parameters
from ellimix.sources.memory import MemorySource

FEWEST_ROWS = 20_000
ROWS_PER_COMPONENT = 1_000
ROWS_PER_PARAMETER = 50  # of a component
TIMES = 10  # all rows are at least so many times the sample
TIGHTER = 0.1  # of tol: iterations on the sample are cheap


def sample_rows(k: int, d: int, covariance_parameters: int) -> int:
    """Rows of a sample that pins the maximum."""
    each = ROWS_PER_PARAMETER * (1 + d + covariance_parameters / k)
    return int(max(FEWEST_ROWS, k * max(ROWS_PER_COMPONENT, each)))


def begun_on_sample(
    source: MemorySource, engine: Engine, tasks: Sequence[Task], random: np.random.RandomState
) -> list[Task]:
    """The tasks, begun on a sample of the rows; as they are where that would not pay.

    Parameters
    ----------
    source : MemorySource
    engine : Engine
    tasks : sequence of Task
        Of one family and number of components.
    random : RandomState

    Returns
    -------
    list of Task
        A fit that fails on the sample begins where it would have begun.
    """
    family, k, d = tasks[0].inference.family, _components(tasks[0]), source.n_features
    size = sample_rows(k, d, family.n_parameters(k, d))
    if source.n_rows < TIMES * size:
        return list(tasks)
    index = np.sort(random.choice(source.n_rows, size=size, replace=False))
    weight = None if source.weight is None else source.weight[index]
    if weight is not None and np.count_nonzero(weight) < size // 2:
        return list(tasks)  # most rows count for nothing: the sample is smaller than it looks
    sample = source.part(index)
    reports = run(sample, engine, [replace(task, tol=TIGHTER * task.tol) for task in tasks])
    out = []
    for task, report in zip(tasks, reports, strict=True):
        ended = (Status.CONVERGED, Status.MAX_ITER)
        if report.mixture is None or report.status not in ended:
            out.append(task)
            continue
        note = (
            f"The first {report.n_iter} iterations were made on a random sample of {size:,} rows."
        )
        start = report.mixture.parameters
        out.append(replace(task, start=start, notes=(*report.notes, note)))
    return out


def _components(task: Task) -> int:
    start = task.start
    noise = task.inference.box is not None  # the last of the statistics
    return int(start.weights.size if isinstance(start, Parameters) else start.n.size - noise)
