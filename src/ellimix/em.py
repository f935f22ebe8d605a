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

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ellimix.acceleration import SHAPES, Accelerator, Advice, Memory
from ellimix.compiled import compiled_host
from ellimix.engines.base import Engine
from ellimix.engines.incomplete import suited
from ellimix.errors import BrokenOff, DataError, DegenerateFit, Status
from ellimix.flights import Fits, Flight, Observer, Progress, Task
from ellimix.inference.base import Parameters, chosen
from ellimix.inference.base import stack as stack_parameters
from ellimix.records import Array, SufficientStatistics
from ellimix.report import FitReport
from ellimix.sources.base import Source
from ellimix.sources.threads import one_blas_thread

__all__ = ["Fits", "Observer", "Progress", "Task", "go_on", "report_of", "run"]

Mask = NDArray[np.bool_]
TOO_FAR = "A row is too far from every component for its density to be a positive number."


def run(
    source: Source,
    engine: Engine,
    tasks: Sequence[Task],
    observe: Observer | None = None,
    feature_names: tuple[str, ...] | None = None,
    begun: Callable[[Fits], object] | None = None,
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
    begun : callable, optional
        Called once, before the first iteration, with the `Fits` as their starts left them.

    Returns
    -------
    list of FitReport
        One for each task, in order. `Ctrl-C` ends the loop early with what each fit has.

    Raises
    ------
    KeyboardInterrupt
        Interrupted before any fit had parameters.
    BrokenOff
        Rows could not be read on; the error has the reports of the fits as they stood.
    DataError
        The same before any fit had parameters.
    """
    return go_on(source, engine, Fits(tasks), observe, feature_names, begun)


def go_on(
    source: Source,
    engine: Engine,
    fits: Fits,
    observe: Observer | None = None,
    feature_names: tuple[str, ...] | None = None,
    begun: Callable[[Fits], object] | None = None,
) -> list[FitReport]:
    """Run fits from where they stand to their ends. As `run` otherwise."""
    engine = suited(engine, source)
    placed = source.placed(engine) if fits.running else source
    with one_blas_thread(), compiled_host(engine.compiled):
        try:
            if begun is not None:
                begun(fits)
            while fits.running:
                _iterate(placed, engine, fits)
                if observe is not None and observe(fits):
                    fits.end_all(Status.STOPPED)
        except KeyboardInterrupt:
            if all(fit.model is None for fit in fits):
                raise
            fits.end_all(Status.INTERRUPTED)
        except DataError as error:
            if all(fit.model is None for fit in fits):
                raise
            fits.end_all(Status.BROKEN_OFF)
            ends = [report_of(fit, source, engine, feature_names) for fit in fits]
            raise BrokenOff(str(error), ends) from error
    return [report_of(fit, source, engine, feature_names) for fit in fits]


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


def _advance(fits: Fits, flight: Flight, statistics: SufficientStatistics) -> list[Flight]:
    """Objective, M-step, stopping rule; the fits that go on."""
    penalty = flight.inference.penalty(flight.model)
    objective = np.asarray((statistics.loglik + penalty) / statistics.weight)
    lost = ~np.isfinite(objective)
    if lost.any():
        if flight.memory is not None:  # a trial that went too far is only rejected
            lost &= ~flight.memory.trial
        for place in np.flatnonzero(lost):
            fits.end(flight, int(place), Status.OVERFLOW, f"{Status.OVERFLOW.sentence} {TOO_FAR}")
        if lost.all():
            return []
        flight, statistics, objective = flight.at(~lost), statistics.at(~lost), objective[~lost]
    flight = _woken(flight, statistics, objective)
    if flight.accelerator is not None and flight.memory is not None:
        return _advance_with(flight.accelerator, flight.memory, fits, flight, statistics, objective)
    fits.record(flight, objective)
    converged = np.abs(objective - flight.objective) < flight.tol
    first = objective if flight.first is None else flight.first
    model, sound = _updated(fits, flight, statistics)
    if model is None:
        return []
    if not sound.all():
        flight, statistics = flight.at(sound), statistics.at(sound)
        objective, first, converged = objective[sound], first[sound], converged[sound]
    flight = replace(
        flight,
        model=model,
        best=model,
        objective=objective,
        iterations=flight.iterations + 1,
        counts=statistics.n,
        first=first,
    )
    return _going(fits, flight, converged)


def _woken(flight: Flight, statistics: SufficientStatistics, objective: Array) -> Flight:
    """The flight with a memory, once its accelerator may be of use to some fit."""
    accelerator = flight.accelerator
    if accelerator is None:
        return flight
    gain = np.abs(objective - flight.objective)  # below tol the fit has converged without help
    awake = (gain <= accelerator.rule.from_gain) & (gain >= flight.tol)
    if flight.memory is not None and flight.awake is not None:
        return replace(flight, awake=flight.awake | awake)
    if not awake.any():
        return flight
    m, k, d = statistics.center.shape  # with the noise component
    memory = accelerator.begin(m, k, d, SHAPES[statistics.moment])
    first = objective if flight.first is None else flight.first
    memory = replace(memory, objective=flight.objective, first=first)
    return replace(flight, memory=memory, awake=awake)


def _advance_with(
    accelerator: Accelerator,
    memory: Memory,
    fits: Fits,
    flight: Flight,
    statistics: SufficientStatistics,
    objective: Array,
) -> list[Flight]:
    """The same with an accelerator, which judges the pass and says what the M-step gets."""
    advice = accelerator.advance(memory, statistics, objective, flight.tol)
    if flight.awake is not None:
        advice = replace(advice, memory=advice.memory.forgotten(~flight.awake))
    fits.record_steps(flight, objective, memory.trial, advice.rejected)
    flight = replace(
        flight,
        best=chosen(advice.rejected, flight.best, flight.model),
        objective=np.where(advice.rejected, flight.objective, objective),
        iterations=flight.iterations + 1,
        counts=statistics.n,
    )
    converged = advice.converged
    done = converged | (flight.iterations >= flight.max_iter)
    last = done & advice.trial
    if last.any():  # no pass would judge the trial: these fits end with an EM step
        advice = accelerator.refuse(advice, statistics, last)
    model, sound, advice = _updated_with(accelerator, advice, fits, flight, statistics)
    if model is None:
        return []
    if not sound.all():
        flight, advice, converged = flight.at(sound), _part(advice, sound), converged[sound]
    best = chosen(advice.trial, flight.best, model)
    flight = replace(flight, model=model, best=best, memory=advice.memory)
    return _going(fits, flight, converged)


def _part(advice: Advice, on: Mask) -> Advice:
    return Advice(
        advice.memory.take(np.flatnonzero(on)),
        advice.statistics.at(on),
        advice.trial[on],
        advice.rejected[on],
        advice.gain[on],
        advice.converged[on],
    )


def _going(fits: Fits, flight: Flight, converged: Mask) -> list[Flight]:
    """The stopping rule: the fits that go on, as one flight or none."""
    done = converged | (flight.iterations >= flight.max_iter)
    if not done.any():
        return [flight]
    for place in np.flatnonzero(done):
        word = Status.CONVERGED if converged[place] else Status.MAX_ITER
        fits.end(flight, int(place), word)
    return [] if done.all() else [flight.at(~done)]


def _updated(
    fits: Fits, flight: Flight, statistics: SufficientStatistics
) -> tuple[Parameters | None, Mask]:
    """The M-step of a flight, and which fits it leaves; a degenerate fit ends alone."""
    sound = np.ones(flight.members.size, dtype=bool)
    try:
        return flight.inference.update(statistics, flight.best), sound
    except DegenerateFit:
        models = []
    for place in range(sound.size):
        try:
            own = flight.inference.update(statistics.at(place), flight.best.at(place))
        except DegenerateFit as failure:
            sound[place] = False
            last = replace(flight, counts=statistics.n)
            fits.end(last, place, failure.status, failure.sentence)
        else:
            models.append(own)
    return stack_parameters(models) if models else None, sound


def _updated_with(
    accelerator: Accelerator,
    advice: Advice,
    fits: Fits,
    flight: Flight,
    statistics: SufficientStatistics,
) -> tuple[Parameters | None, Mask, Advice]:
    """The same where a degenerate trial is given up for the EM step."""
    if advice.trial.any():
        refused = np.zeros(flight.members.size, dtype=bool)
        try:
            model = flight.inference.update(advice.statistics, flight.best)
            return model, ~refused, advice
        except DegenerateFit:
            for place in np.flatnonzero(advice.trial):
                try:
                    own = advice.statistics.at(int(place))
                    flight.inference.update(own, flight.best.at(int(place)))
                except DegenerateFit:
                    refused[place] = True
        advice = accelerator.refuse(advice, statistics, refused)
    model_or_none, sound = _updated(fits, flight, advice.statistics)
    return model_or_none, sound, advice


def report_of(
    fit: Progress, source: Source, engine: Engine, feature_names: tuple[str, ...] | None
) -> FitReport:
    """How a fit stands, as if it had ended now."""
    mixture = fit.task.mixture(fit.model, feature_names) if fit.model is not None else None
    counts = fit.counts
    if counts is not None and fit.task.inference.box is not None:
        counts = counts[:-1]  # the components'; the last is the noise's
    return FitReport(
        mixture=mixture,
        status=fit.status,
        message=fit.message,
        trace=fit.trace,
        start=fit.task.name,
        engine=engine.name,
        n_rows=source.n_rows,
        counts=counts,
        notes=fit.notes,
        steps=fit.steps,
    )
