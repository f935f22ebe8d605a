"""The first iterations of a fit to many rows: on a sample of them, with the starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

import numpy as np
from sklearn.utils import check_random_state

from ellimix.em import Task
from ellimix.engines import Engine
from ellimix.engines.incomplete import suited
from ellimix.estimators.outcome import best_of
from ellimix.flights import Observer
from ellimix.inference.box import Box
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.inference.posterior import MaximumAPosteriori
from ellimix.records import Array, Block
from ellimix.report import FitReport
from ellimix.sampling import TIMES, begun_on_sample, gone_on, sample_rows
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource
from ellimix.sources.survey import draw

if TYPE_CHECKING:
    from ellimix.estimators.methods import MixtureMethods
    from ellimix.estimators.running import RunningMixture

SAMPLE_BYTES: Final = 256 << 20  # that a sample of rows outside of memory takes at most
SEEDS: Final = 2**31 - 1
GIVEN: Final = "parameters"  # what the tasks call a start of which all was given


@final
@dataclass(frozen=True, eq=False)
class Begun:
    """Fits to run over all rows, and how those ended that were made on a sample alone.

    Parameters
    ----------
    tasks : tuple of Task
    others : tuple of FitReport
        Of other starts, which were worse on the sample.
    """

    tasks: tuple[Task, ...]
    others: tuple[FitReport, ...] = ()


def sample_size(estimator: RunningMixture, d: int) -> int:
    """Rows of the sample that a fit's starts and first iterations are made on."""
    k = int(estimator.n_components)
    return sample_rows(k, d, estimator._family(d).n_parameters(k, d))


def sample_seed(estimator: MixtureMethods) -> int:
    """The seed of the sample, from the estimator's own."""
    return int(check_random_state(estimator.random_state).randint(SEEDS))


def held_rows(size: int, d: int, itemsize: int) -> int:
    """Rows of a sample of rows outside of memory: no more than it may take."""
    return int(min(size, max(1, SAMPLE_BYTES // (d * itemsize))))


def begun(
    estimator: RunningMixture,
    source: MemorySource | OutsideSource,
    engine: Engine,
    observe: Observer | None = None,
) -> Begun:
    """The fits to run over the rows of a source.

    Rows in memory are sampled where ``acceleration="sample"`` asks for it, others always; and where
    there are many times as many, the first iterations are made on the sample, too. Of several
    starts the best goes on, so that all rows are passed over for one fit.
    """
    sample = _sample(estimator, source)
    if sample is None:
        if not isinstance(source, MemorySource):
            raise AssertionError("rows outside of memory have a sample")
        return Begun(tuple(estimator._tasks(source, engine)))
    used = suited(engine, sample)
    placed = sample.placed(used)
    tasks = estimator._tasks(placed, engine)  # starts are made from rows that were filled in
    tasks = [replace(task, tol=estimator._tolerance(source)) for task in tasks]
    if estimator.noise is not False and sample.n_rows < source.n_rows:
        tasks = [around_all(task, source) for task in tasks]
    if not _goes_on(estimator, source, sample, tasks):
        return Begun(tuple(tasks))
    reports = begun_on_sample(placed, used, tasks, observe)
    if not any(report.usable for report in reports):
        return Begun(tuple(tasks))
    best = best_of(reports, placed, used, bounded=estimator._bounded)
    chosen = next(i for i, report in enumerate(reports) if report is best)
    others = tuple(report for report in reports if report is not best)
    return Begun((gone_on(tasks[chosen], best, sample.n_rows),), others)


def around_all(task: Task, source: MemorySource | OutsideSource) -> Task:
    """The task with the box of its noise around all rows: that of a sample leaves some out."""
    inference = task.inference
    box = inference.box
    if box is None or not isinstance(inference, MaximumLikelihood | MaximumAPosteriori):
        return task
    axes, middle = box.axes, box.middle

    def ends(block: Block) -> tuple[Array, Array]:
        counts = slice(None) if block.weight is None else block.weight > 0.0
        along = (block.rows[counts] - middle) @ axes
        along = np.concatenate([along, -box.sides[None] / 2.0, box.sides[None] / 2.0])
        return np.nanmin(along, axis=0), np.nanmax(along, axis=0)

    low, high = box.sides * -0.5, box.sides * 0.5
    for least, most in source.each(ends):
        low, high = np.minimum(low, least), np.maximum(high, most)
    wider = Box(middle + axes @ ((low + high) / 2.0), axes, high - low)
    return replace(task, inference=replace(inference, box=wider))


def _sample(estimator: RunningMixture, source: MemorySource | OutsideSource) -> MemorySource | None:
    """The rows that starts are made from; None for all of them."""
    if isinstance(source, OutsideSource):
        return source.sample
    if estimator.acceleration != "sample" or _tells_rows(estimator) or _is_warm(estimator):
        return None
    size = sample_size(estimator, source.n_features)
    if source.n_rows < TIMES * size:
        return None
    drawn = draw(source, size, sample_seed(estimator))
    return drawn if drawn.n_rows == size else None


def _goes_on(
    estimator: RunningMixture,
    source: MemorySource | OutsideSource,
    sample: MemorySource,
    tasks: list[Task],
) -> bool:
    """Whether the first iterations are made on the sample."""
    if estimator.acceleration not in ("auto", "sample") or estimator.tol == 0.0:
        return False
    if _is_warm(estimator):
        return False
    if estimator.acceleration == "auto" and tasks[0].name == GIVEN:
        return False  # a start of the user's own
    size = sample_size(estimator, source.n_features)
    return source.n_rows >= TIMES * min(size, sample.n_rows)


def _is_warm(estimator: RunningMixture) -> bool:
    return bool(estimator.warm_start and hasattr(estimator, "converged_"))


def _tells_rows(estimator: RunningMixture) -> bool:
    """Whether the start is told row by row, for all rows."""
    return bool(by_row(estimator))


def by_row(estimator: RunningMixture) -> str:
    """The name of an argument that has a value for each row; empty without one."""
    if not isinstance(estimator.init_params, str):
        return "init_params"
    return "" if isinstance(estimator.noise, bool | np.bool_) else "noise"
