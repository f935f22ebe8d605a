"""Fits in flight: what the loop is asked for, what it remembers, and what observers see of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from ellimix.acceleration import ACCELERATORS, Accelerator, Memory
from ellimix.density.mixture import Mixture
from ellimix.errors import DegenerateFit, Status
from ellimix.inference.base import Inference, Parameters
from ellimix.inference.base import stack as stack_parameters
from ellimix.inference.variational import VariationalBayes
from ellimix.records import Array, SufficientStatistics

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
    acceleration : str or None
        A name in `ellimix.acceleration.ACCELERATORS`; None for EM alone.
    notes : tuple of str
        What the report shall say of how the fit came to its start.
    """

    inference: Inference
    start: SufficientStatistics | Parameters
    tol: float
    max_iter: int
    previous: float = -np.inf
    name: str = ""
    acceleration: str | None = None
    notes: tuple[str, ...] = ()

    def mixture(self, model: Parameters, feature_names: tuple[str, ...] | None) -> Mixture:
        """What a model of this fit describes."""
        inference = self.inference
        held = inference.n_held()
        mixture = Mixture(model, inference.family, feature_names, inference.box, held)
        if isinstance(inference, VariationalBayes):
            return replace(mixture, rule=inference.rule)
        return mixture


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
    steps: tuple[str, ...] = ()

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
        What the next pass is made over, with a fit axis.
    best : Parameters
        The last model that was kept: another one only where `model` is an accelerator's trial.
    objective : ndarray of shape (m,)
        The last one that was kept, per unit of row weight.
    tol, max_iter : ndarray of shape (m,)
    iterations : ndarray of shape (m,)
        Iterations so far.
    counts : ndarray of shape (m, k) or None
        Sums of responsibilities in the last pass.
    first : ndarray of shape (m,) or None
        The first objective.
    accelerator : Accelerator or None
    memory : Memory or None
        What the accelerator remembers, from when it may be of use to some fit.
    awake : ndarray of shape (m,), bool, or None
        The fits to which it may be of use: for the others it remembers nothing yet, so that a fit
        goes the same way in any company.
    """

    members: NDArray[np.intp]
    inference: Inference
    model: Parameters
    best: Parameters
    objective: Array
    tol: Array
    max_iter: NDArray[np.intp]
    iterations: NDArray[np.intp]
    counts: Array | None = None
    first: Array | None = None
    accelerator: Accelerator | None = None
    memory: Memory | None = None
    awake: NDArray[np.bool_] | None = None

    def at(self, chosen: NDArray[np.bool_]) -> Flight:
        """The flight of some of the fits."""
        return Flight(
            self.members[chosen],
            self.inference,
            self.model.at(chosen),
            self.best.at(chosen),
            self.objective[chosen],
            self.tol[chosen],
            self.max_iter[chosen],
            self.iterations[chosen],
            None if self.counts is None else self.counts[chosen],
            None if self.first is None else self.first[chosen],
            self.accelerator,
            None if self.memory is None else self.memory.take(np.flatnonzero(chosen)),
            None if self.awake is None else self.awake[chosen],
        )


@dataclass(frozen=True, eq=False)
class FitsState:
    """All that the loop needs to go on with some fits as if nothing had come between.

    Parameters
    ----------
    begun : tuple of Progress
        Each fit before its first iteration.
    traces : tuple of tuple of float
    steps : tuple of tuple of str
    members : tuple of int
        The fits that have ended, and
    ended : tuple of Progress
        how they did.
    flights : tuple of Flight
        Those that run.
    """

    begun: tuple[Progress, ...]
    traces: tuple[tuple[float, ...], ...]
    steps: tuple[tuple[str, ...], ...]
    members: tuple[int, ...]
    ended: tuple[Progress, ...]
    flights: tuple[Flight, ...]

    @property
    def running(self) -> bool:
        """Whether any fit still takes part in passes."""
        return bool(self.flights)

    @property
    def passes(self) -> int:
        """Passes that were made."""
        done = [max(len(t), len(s)) for t, s in zip(self.traces, self.steps, strict=True)]
        return max(done, default=0)


# sees all fits after an iteration; True asks those that still run to stop
Observer = Callable[["Fits"], bool]


class Fits(Sequence[Progress]):
    """All fits of a run, as they stand: what the loop writes and observers read."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._begun = [_begin(task) for task in tasks]
        self._traces: list[list[float]] = [[] for _ in tasks]
        self._steps: list[list[str]] = [[] for _ in tasks]
        self._ended: dict[int, Progress] = {
            i: fit for i, fit in enumerate(self._begun) if not fit.running
        }
        self.flights = self._grouped()

    def state(self) -> FitsState:
        """How the fits stand, between two iterations."""
        return FitsState(
            tuple(self._begun),
            tuple(map(tuple, self._traces)),
            tuple(map(tuple, self._steps)),
            tuple(self._ended),
            tuple(self._ended.values()),
            tuple(self.flights),
        )

    @classmethod
    def resumed(cls, state: FitsState) -> Self:
        """The fits that stood so."""
        fits = cls(())
        fits._begun = list(state.begun)
        fits._traces = list(map(list, state.traces))
        fits._steps = list(map(list, state.steps))
        fits._ended = dict(zip(state.members, state.ended, strict=True))
        fits.flights = list(state.flights)
        return fits

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What each fit was asked for."""
        return tuple(fit.task for fit in self._begun)

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
        if index < 0:
            index += len(self)
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

    def record_steps(
        self,
        flight: Flight,
        objective: Array,
        trial: NDArray[np.bool_],
        rejected: NDArray[np.bool_],
    ) -> None:
        """The same where some passes were over an accelerator's trials."""
        for place, member in enumerate(flight.members.tolist()):
            trace, steps = self._traces[member], self._steps[member]
            done = int(flight.iterations[place])
            steps += ["em"] * (done - len(steps))  # those before the accelerator woke
            if not rejected[place]:
                trace.append(float(objective[place]))
            word = "rejected" if rejected[place] else "accelerated" if trial[place] else "em"
            steps.append(word)

    def end(self, flight: Flight, place: int, status: Status, sentence: str = "") -> None:
        """Give a fit its final status."""
        member = int(flight.members[place])
        self._ended[member] = self._progress(flight, place).ended(status, sentence)

    def end_all(self, status: Status, sentence: str = "") -> None:
        """Give every fit that runs the same final status."""
        for flight in self.flights:
            for place, member in enumerate(flight.members.tolist()):
                if member not in self._ended:  # in the iteration that was interrupted
                    self.end(flight, place, status, sentence)
        self.flights = []

    def _progress(self, flight: Flight, place: int) -> Progress:
        member = int(flight.members[place])
        begun = self._begun[member]
        counts = begun.counts if flight.counts is None else flight.counts[place]
        trace = tuple(self._traces[member])
        steps = tuple(self._steps[member])
        model = flight.best.at(place)
        return replace(begun, model=model, trace=trace, counts=counts, steps=steps)

    def _grouped(self) -> list[Flight]:
        groups: dict[Any, list[int]] = {}
        for number, fit in enumerate(self._begun):
            if fit.running and fit.model is not None:
                covariance = fit.model.covariance
                shape, free = fit.model.means.shape, covariance.orientation is None
                key = (fit.task.inference, shape, free, fit.task.acceleration)
                groups.setdefault(key, []).append(number)
        return [self._flight(members) for members in groups.values()]

    def _flight(self, members: list[int]) -> Flight:
        fits = [self._begun[i] for i in members]
        model = stack_parameters([fit.model for fit in fits if fit.model is not None])
        acceleration = fits[0].task.acceleration
        return Flight(
            np.array(members, dtype=np.intp),
            fits[0].task.inference,
            model,
            model,
            np.array([fit.task.previous for fit in fits]),
            np.array([fit.task.tol for fit in fits]),
            np.array([fit.task.max_iter for fit in fits], dtype=np.intp),
            np.zeros(len(fits), dtype=np.intp),
            accelerator=None if acceleration is None else ACCELERATORS[acceleration],
        )


def _begin(task: Task) -> Progress:
    if isinstance(task.start, Parameters):
        fit = Progress(task, task.start, notes=task.notes)
    else:
        start, notes = filled(task.start) if task.inference.minds_empty else (task.start, ())
        try:
            model = task.inference.update(start, None)
        except DegenerateFit as failure:
            return Progress(task, None).ended(failure.status, failure.sentence)
        fit = Progress(task, model, counts=start.n, notes=(*task.notes, *notes))
    return fit if task.max_iter > 0 else fit.ended(Status.MAX_ITER)


def filled(start: SufficientStatistics) -> tuple[SufficientStatistics, tuple[str, ...]]:
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
