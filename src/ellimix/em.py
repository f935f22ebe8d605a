"""The only loop: many fits in lockstep, one pass over the rows for all of them.

::

    until each fit has a status:
    1  potentials = inference.potentials(model)                       of every fit that still runs
    2  statistics = source.reduce(engine.e_step over the tiles)       one pass for all of them
    3  objective  = statistics.loglik + inference.penalty(model)      trace, stopping rule
    4  model      = inference.update(statistics, model)               the M-step

A fit that ends, well or badly, drops out; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ellimix.density.mixture import Mixture
from ellimix.engines.base import Engine
from ellimix.errors import DegenerateFit, Status
from ellimix.inference.base import Inference, Parameters
from ellimix.records import Array, Block, SufficientStatistics
from ellimix.report import FitReport
from ellimix.sources.base import Source
from ellimix.sources.threads import one_blas_thread

# what an empty component of a start gets: this share of all rows, divided by the components
FILL_SHARE = 0.1


@dataclass(frozen=True)
class Task:
    """One fit to run.

    Parameters
    ----------
    inference : Inference
    start : SufficientStatistics or Parameters
        What the first M-step gets, or a model to go on from.
    tol : float
        The fit has converged when the objective per unit of row weight changes by less.
    max_iter : int
    previous : float
        The objective (per unit weight) before the first iteration, for a warm start.
    name : str
        The start's name, for the report.
    """

    inference: Inference
    start: SufficientStatistics | Parameters
    tol: float
    max_iter: int
    previous: float = -np.inf
    name: str = ""


@dataclass(frozen=True)
class Progress:
    """Where a fit in flight stands."""

    task: Task
    model: Parameters | None
    status: Status = Status.RUNNING
    message: str = ""
    trace: tuple[float, ...] = ()
    counts: Array | None = None
    notes: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        """Whether the fit still takes part in passes."""
        return self.status is Status.RUNNING

    @property
    def change(self) -> float:
        """Change of the objective in the last iteration."""
        before = self.trace[-2] if len(self.trace) > 1 else self.task.previous
        return self.trace[-1] - before if self.trace else np.inf

    def ended(self, status: Status, sentence: str = "") -> Progress:
        """The same fit with a final status and its message."""
        message = f"{sentence or status.sentence} {status.remedy}".strip()
        return replace(self, status=status, message=message)


# sees all fits after an iteration; True asks those that still run to stop
Observer = Callable[[Sequence[Progress]], bool]


def run(
    source: Source,
    engine: Engine,
    tasks: Sequence[Task],
    observe: Observer | None = None,
    feature_names: tuple[str, ...] | None = None,
) -> list[FitReport]:
    """Run fits to their ends.

    Parameters
    ----------
    source : Source
    engine : Engine
    tasks : sequence of Task
    observe : callable, optional
        Called after every iteration with the `Progress` of all fits; returns whether to stop.
    feature_names : tuple of str, optional
        For the mixtures and messages.

    Returns
    -------
    list of FitReport
        One for each task, in order. `Ctrl-C` ends the loop early with what each fit has.

    Raises
    ------
    KeyboardInterrupt
        Interrupted before any fit had parameters.
    """
    fits = [_begin(task) for task in tasks]
    with one_blas_thread():
        try:
            while any(fit.running for fit in fits):
                fits = _iterate(source, engine, fits)
                if observe is not None and observe(fits):
                    fits = [f.ended(Status.STOPPED) if f.running else f for f in fits]
        except KeyboardInterrupt:
            if all(fit.model is None for fit in fits):
                raise
            fits = [f.ended(Status.INTERRUPTED) if f.running else f for f in fits]
    return [_report(fit, source, engine, feature_names) for fit in fits]


def _begin(task: Task) -> Progress:
    if isinstance(task.start, Parameters):
        fit = Progress(task, task.start)
    else:
        start, notes = _filled(task.start)
        try:
            model = task.inference.update(start, None)
        except DegenerateFit as failure:
            return Progress(task, None).ended(failure.status, failure.sentence)
        fit = Progress(task, model, counts=start.n, notes=notes)
    return fit if task.max_iter > 0 else fit.ended(Status.MAX_ITER)


def _filled(start: SufficientStatistics) -> tuple[SufficientStatistics, tuple[str, ...]]:
    """A start whose empty components are broad instead: all rows, with a small weight.

    K-means on fewer distinct rows than components, or labels that skip a number, leave such
    components. From there EM finds rows for them or takes their last weight away.
    """
    empty = ~(start.n > 0.0)
    if not empty.any() or empty.all():
        return start, ()
    named = ", ".join(str(k) for k in np.flatnonzero(empty))
    note = f"The start left component(s) {named} without rows: they began broad, with small weight."
    with np.errstate(over="ignore", invalid="ignore"):  # the M-step says which sums overflowed
        return start.with_broad(empty, FILL_SHARE), (note,)


def _iterate(source: Source, engine: Engine, fits: Sequence[Progress]) -> list[Progress]:
    """One iteration of every fit that runs."""
    running = [i for i, fit in enumerate(fits) if fit.running]
    potentials = [
        fit.task.inference.potentials(fit.model)
        for fit in (fits[i] for i in running)
        if fit.model is not None
    ]

    def step(block: Block) -> list[SufficientStatistics]:
        return [engine.e_step(p, block) for p in potentials]

    out = list(fits)
    for i, statistics in zip(running, source.reduce(step), strict=True):
        out[i] = _advance(fits[i], statistics)
    return out


def _advance(fit: Progress, statistics: SufficientStatistics) -> Progress:
    """Objective, M-step, stopping rule."""
    task, model = fit.task, fit.model
    if model is None:  # a fit without a model never runs
        raise AssertionError("a running fit has a model")
    objective = (statistics.loglik + task.inference.penalty(model)) / statistics.weight
    if not np.isfinite(objective):
        cause = "A row is too far from every component for its density to be a positive number."
        return fit.ended(Status.OVERFLOW, f"{Status.OVERFLOW.sentence} {cause}")
    fit = replace(fit, trace=(*fit.trace, float(objective)), counts=statistics.n)
    try:
        fit = replace(fit, model=task.inference.update(statistics, model))
    except DegenerateFit as failure:
        return fit.ended(failure.status, failure.sentence)
    if abs(fit.change) < task.tol:
        return fit.ended(Status.CONVERGED)
    return fit.ended(Status.MAX_ITER) if len(fit.trace) >= task.max_iter else fit


def _report(
    fit: Progress, source: Source, engine: Engine, feature_names: tuple[str, ...] | None
) -> FitReport:
    family = fit.task.inference.family
    mixture = Mixture(fit.model, family, feature_names) if fit.model is not None else None
    return FitReport(
        mixture=mixture,
        status=fit.status,
        message=fit.message,
        trace=fit.trace,
        start=fit.task.name,
        engine=engine.name,
        n_rows=source.n_rows,
        counts=fit.counts,
        notes=fit.notes,
    )
