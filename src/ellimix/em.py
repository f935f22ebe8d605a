"""The only loop: many fits in lockstep, one pass over the rows for all of them.

::

    until each fit has a status:
    1  potentials = inference.potentials(model)                       of every fit that still runs
    2  statistics = source.reduce(engine.step(potentials))            one pass for all of them
    3  objective  = statistics.loglik + inference.penalty(model)      trace, stopping rule
    4  model      = inference.update(statistics, model)               the M-step

Fits of the same inference and number of components are one flight: their parameters are stacked,
and steps 1, 3 and 4 are done once for all of them. A fit that ends, well or badly, drops out; the
others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ellimix.density.mixture import Mixture
from ellimix.engines.base import Engine
from ellimix.errors import DegenerateFit, Status
from ellimix.inference.base import Inference, Parameters
from ellimix.inference.base import stack as stack_parameters
from ellimix.records import Array, SufficientStatistics
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


@dataclass(frozen=True)
class Flight:
    """Running fits that share a pass's shape.

    Parameters
    ----------
    members : ndarray of shape (m,)
        Numbers of the fits.
    inference : Inference
    model : Parameters
        With a fit axis.
    objective : ndarray of shape (m,)
        The last one, per unit of row weight.
    tol, max_iter : ndarray of shape (m,)
    iterations : ndarray of shape (m,)
        Iterations so far.
    counts : ndarray of shape (m, k) or None
        Sums of responsibilities in the last pass.
    """

    members: NDArray[np.intp]
    inference: Inference
    model: Parameters
    objective: Array
    tol: Array
    max_iter: NDArray[np.intp]
    iterations: NDArray[np.intp]
    counts: Array | None = None

    def at(self, chosen: NDArray[Any]) -> Flight:
        """The flight of some of the fits."""
        return Flight(
            self.members[chosen],
            self.inference,
            self.model.at(chosen),
            self.objective[chosen],
            self.tol[chosen],
            self.max_iter[chosen],
            self.iterations[chosen],
            None if self.counts is None else self.counts[chosen],
        )


# sees all fits after an iteration; True asks those that still run to stop
Observer = Callable[["Fits"], bool]


class Fits(Sequence[Progress]):
    """All fits of a run, as they stand: what the loop writes and observers read."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._begun = [_begin(task) for task in tasks]
        self._traces: list[list[float]] = [[] for _ in tasks]
        self._ended: dict[int, Progress] = {
            i: fit for i, fit in enumerate(self._begun) if not fit.running
        }
        self.flights = self._grouped()

    @property
    def running(self) -> bool:
        """Whether any fit still takes part in passes."""
        return bool(self.flights)

    def __len__(self) -> int:
        return len(self._begun)

    @overload
    def __getitem__(self, index: int) -> Progress: ...

    @overload
    def __getitem__(self, index: slice) -> list[Progress]: ...

    def __getitem__(self, index: int | slice) -> Progress | list[Progress]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index in self._ended:
            return self._ended[index]
        for flight in self.flights:
            (place,) = np.nonzero(flight.members == index)
            if place.size:
                return self._progress(flight, int(place[0]))
        raise IndexError(index)

    def record(self, flight: Flight, objective: Array) -> None:
        """Write an iteration's objectives to the traces."""
        for member, value in zip(flight.members.tolist(), objective.tolist(), strict=True):
            self._traces[member].append(value)

    def end(self, flight: Flight, place: int, status: Status, sentence: str = "") -> None:
        """Give a fit its final status."""
        member = int(flight.members[place])
        self._ended[member] = self._progress(flight, place).ended(status, sentence)

    def end_all(self, status: Status) -> None:
        """Give every fit that runs the same final status."""
        for flight in self.flights:
            for place in range(flight.members.size):
                self.end(flight, place, status)
        self.flights = []

    def _progress(self, flight: Flight, place: int) -> Progress:
        member = int(flight.members[place])
        begun = self._begun[member]
        counts = begun.counts if flight.counts is None else flight.counts[place]
        trace = tuple(self._traces[member])
        return replace(begun, model=flight.model.at(place), trace=trace, counts=counts)

    def _grouped(self) -> list[Flight]:
        groups: dict[Any, list[int]] = {}
        for number, fit in enumerate(self._begun):
            if fit.running and fit.model is not None:
                covariance = fit.model.covariance
                key = (fit.task.inference, fit.model.means.shape, covariance.orientation is None)
                groups.setdefault(key, []).append(number)
        return [self._flight(members) for members in groups.values()]

    def _flight(self, members: list[int]) -> Flight:
        fits = [self._begun[i] for i in members]
        return Flight(
            np.array(members, dtype=np.intp),
            fits[0].task.inference,
            stack_parameters([fit.model for fit in fits if fit.model is not None]),
            np.array([fit.task.previous for fit in fits]),
            np.array([fit.task.tol for fit in fits]),
            np.array([fit.task.max_iter for fit in fits], dtype=np.intp),
            np.zeros(len(fits), dtype=np.intp),
        )


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
        Called after every iteration with the `Fits`; returns whether to stop.
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
    fits = Fits(tasks)
    placed = source.placed(engine) if fits.running else source
    with one_blas_thread():
        try:
            while fits.running:
                _iterate(placed, engine, fits)
                if observe is not None and observe(fits):
                    fits.end_all(Status.STOPPED)
        except KeyboardInterrupt:
            if all(fit.model is None for fit in fits):
                raise
            fits.end_all(Status.INTERRUPTED)
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


def _iterate(source: Source, engine: Engine, fits: Fits) -> None:
    """One iteration of every fit that runs."""
    flights = fits.flights
    step = engine.step([flight.inference.potentials(flight.model) for flight in flights])
    passed = source.reduce(step)
    fits.flights = [
        rest
        for flight, statistics in zip(flights, passed, strict=True)
        for rest in _advance(fits, flight, statistics)
    ]


def _advance(fits: Fits, flight: Flight, statistics: SufficientStatistics) -> Iterable[Flight]:
    """Objective, M-step, stopping rule; the fits that go on."""
    penalty = flight.inference.penalty(flight.model)
    objective = np.asarray((statistics.loglik + penalty) / statistics.weight)
    finite = np.isfinite(objective)
    if not finite.all():
        cause = "A row is too far from every component for its density to be a positive number."
        for place in np.flatnonzero(~finite):
            fits.end(flight, int(place), Status.OVERFLOW, f"{Status.OVERFLOW.sentence} {cause}")
        if not finite.any():
            return []
        flight, statistics, objective = flight.at(finite), statistics.at(finite), objective[finite]
    fits.record(flight, objective)
    change = np.abs(objective - flight.objective)
    flight = replace(
        flight, objective=objective, iterations=flight.iterations + 1, counts=statistics.n
    )
    model: Parameters | None
    try:
        model = flight.inference.update(statistics, flight.model)
    except DegenerateFit:
        flight, model, sound = _one_by_one(fits, flight, statistics)
        if model is None:
            return []
        change = change[sound]
    flight = replace(flight, model=model)
    converged = change < flight.tol
    done = converged | (flight.iterations >= flight.max_iter)
    if not done.any():
        return [flight]
    for place in np.flatnonzero(done):
        fits.end(flight, int(place), Status.CONVERGED if converged[place] else Status.MAX_ITER)
    return [] if done.all() else [flight.at(~done)]


def _one_by_one(
    fits: Fits, flight: Flight, statistics: SufficientStatistics
) -> tuple[Flight, Parameters | None, NDArray[np.bool_]]:
    """The M-step of a flight in which some fit is degenerate: that fit ends, the others go on."""
    models, sound = [], np.ones(flight.members.size, dtype=bool)
    for place in range(flight.members.size):
        try:
            models.append(flight.inference.update(statistics.at(place), flight.model.at(place)))
        except DegenerateFit as failure:
            sound[place] = False
            fits.end(flight, place, failure.status, failure.sentence)
    if not models:
        return flight, None, sound
    return flight.at(sound), stack_parameters(models), sound


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
