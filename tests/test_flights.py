"""Fits in flight: each as if it were alone, until it ends; and what observers see of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from ellimix.acceleration import ACCELERATORS
from ellimix.covariance import FAMILIES
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.errors import Status
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.sources.memory import MemorySource
from fit_problems import Problem, first, task

PLAIN = ENGINES["numpy"]
every_engine = pytest.mark.parametrize("engine", list(ENGINES.values()), ids=list(ENGINES))


def rows_of(n=300, k=3, d=2, apart=2.0, seed=3):
    """Groups that overlap: EM takes many steps."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) + apart * (np.arange(n) % k)[:, None]


ROWS = rows_of()
SOURCE = MemorySource(ROWS)


def labels(seed, k=3, wrong=0.1, n=300):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < wrong, rng.integers(k, size=n), np.arange(n) % k)


def tasks_of(family, starts=6, tol=1e-6, max_iter=400, acceleration=None, k=3):
    """One from each of several starts, better and worse."""
    out = []
    for seed in range(starts):
        start = first(family, Problem(ROWS, None, labels(seed, k, 0.1 * (1 + seed)), k))
        inference = MaximumLikelihood(FAMILIES[family])
        name = f"{family} {seed}"
        out.append(Task(inference, start, tol, max_iter, name=name, acceleration=acceleration))
    return out


def collapsing(family="VVV"):
    """Three components, of which one begins from a row and has no spread."""
    start = labels(0) % 2
    start[0] = 2
    return task(family, Problem(ROWS, None, start, 3))


def assert_same(ours, alone, tolerance=1e-12):
    assert (ours.status, ours.message, ours.start) == (alone.status, alone.message, alone.start)
    assert (ours.n_iter, ours.steps, ours.notes) == (alone.n_iter, alone.steps, alone.notes)
    np.testing.assert_allclose(ours.trace, alone.trace, rtol=tolerance)
    assert (ours.mixture is None) == (alone.mixture is None)
    if ours.mixture is not None:
        for name in ("weights", "means"):
            left, right = getattr(ours.mixture, name), getattr(alone.mixture, name)
            np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)
        left, right = ours.mixture.covariances(), alone.mixture.covariances()
        np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(ours.counts, alone.counts, rtol=tolerance, atol=1e-9)


# together and alone


@pytest.mark.parametrize("family", ["EII", "VVI", "EEE", "VEE", "VVV"])
@every_engine
def test_fits_of_one_flight_are_fits_alone(engine, family):
    """Also their rounding, were it not for small matrices, factorised together or in turn."""
    tasks = tasks_of(family)
    together = run(SOURCE, engine, tasks)
    assert len({report.n_iter for report in together}) > 2  # they drop out one by one
    for one, report in zip(tasks, together, strict=True):
        assert_same(report, run(SOURCE, engine, [one])[0], 1e-11)


@pytest.mark.parametrize("acceleration", [None, *ACCELERATORS])
def test_accelerated_fits_of_one_flight_are_fits_alone(acceleration):
    """The same passes, and the same end to what many passes make of rounding."""
    for family in ("EII", "VVI", "EEE"):
        tasks = tasks_of(family, acceleration=acceleration)
        together = run(SOURCE, PLAIN, tasks)
        for one, report in zip(tasks, together, strict=True):
            assert_same(report, run(SOURCE, PLAIN, [one])[0], 1e-9)


@every_engine
def test_fits_of_many_flights_are_fits_alone(engine):
    """Other families, numbers of components, floors and accelerators beside one another."""
    tasks = [
        *tasks_of("VVV", 2),
        *tasks_of("VVV", 2, k=2),
        *tasks_of("VVV", 2, acceleration="squarem"),
        *tasks_of("EEE", 2),
        *tasks_of("EVE", 2, max_iter=15),
        *tasks_of("EII", 2),
    ]
    tasks[1] = replace(tasks[1], inference=MaximumLikelihood(FAMILIES["VVV"], 1e-3))
    tasks = tasks[::2] + tasks[1::2]
    together = run(SOURCE, engine, tasks)
    for one, report in zip(tasks, together, strict=True):
        assert_same(report, run(SOURCE, engine, [one])[0], 1e-9)


@every_engine
def test_one_pass_serves_all(engine):
    counted = Counting(engine)
    reports = run(SOURCE, counted, [*tasks_of("VVV"), *tasks_of("EEE")])
    assert counted.passes == max(report.n_iter for report in reports)


@dataclass
class Counting:
    """An engine that counts its passes, and may be interrupted in one."""

    engine: object
    passes: int = 0
    interrupted: int = -1

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def step(self, potentials):
        self.passes += 1
        if self.passes == self.interrupted:
            raise KeyboardInterrupt
        return self.engine.step(potentials)


# ends


@every_engine
def test_a_degenerate_fit_ends_alone(engine):
    """In a flight with others of its family and k."""
    steady = tasks_of("VVV", 3)
    together = run(SOURCE, engine, [steady[0], collapsing(), *steady[1:], collapsing()])
    for doomed in (together[1], together[4]):
        assert doomed.status is Status.COLLAPSED
        assert "component 2 (count 1)" in doomed.message
        assert doomed.mixture is None
        assert doomed.trace == ()
    for one, report in zip(steady, (together[0], *together[2:4]), strict=True):
        assert report.status is Status.CONVERGED
        assert_same(report, run(SOURCE, engine, [one])[0], 1e-11)


@pytest.mark.parametrize("acceleration", [None, "squarem", "anderson"])
@every_engine
def test_a_fit_that_collapses_on_the_way_ends_alone(engine, acceleration):
    """It keeps its last sound parameters; the others do not notice."""
    rows = np.concatenate([ROWS, np.tile([40.0, -3.0], (6, 1))])
    near = np.append(labels(0) % 2, [2] * 6)
    near[:2] = 2  # lost to the others after a step or two
    doomed = task("VVV", Problem(rows, None, near, 3), 200)
    steady = []
    for seed in range(3):
        start = np.append(labels(seed), [0] * 6)
        begun = first("VVV", Problem(rows, None, start, 3))
        steady.append(replace(doomed, start=begun, tol=1e-5, max_iter=30))
    tasks = [replace(one, acceleration=acceleration) for one in (steady[0], doomed, *steady[1:])]
    source = MemorySource(rows)
    reports = run(source, engine, tasks)
    assert reports[1].status is Status.COLLAPSED
    assert 0 < reports[1].n_iter < 200
    assert np.isfinite(reports[1].mixture.covariances()).all()
    assert "component 2 (count 6)" in reports[1].message
    for one, report in zip(tasks, reports, strict=True):
        assert_same(report, run(source, engine, [one])[0], 1e-9)


@pytest.mark.parametrize("acceleration", [None, *ACCELERATORS])
def test_each_task_has_its_own_tol_and_max_iter(acceleration):
    limits = [(1e-2, 400), (1e-4, 400), (0.0, 7), (0.0, 1), (1e-9, 3), (0.0, 0)]
    (base,) = tasks_of("VVV", 1)
    tasks = [
        replace(base, tol=tol, max_iter=most, acceleration=acceleration) for tol, most in limits
    ]
    reports = run(SOURCE, PLAIN, tasks)
    words = [report.status for report in reports]
    assert words == [Status.CONVERGED] * 2 + [Status.MAX_ITER] * 4
    assert [report.n_iter for report in reports[2:]] == [7, 1, 3, 0]
    assert reports[0].n_iter < reports[1].n_iter
    for (tol, _), report in zip(limits[:2], reports, strict=False):
        assert abs(report.trace[-1] - report.trace[-2]) < tol
    if acceleration is None:
        longest = reports[1].trace
        assert all(report.trace == longest[: report.n_iter] for report in reports)
        for tol, _ in limits[:2]:
            gains = np.abs(np.diff(longest))
            assert reports[0 if tol == 1e-2 else 1].n_iter == 2 + np.argmax(gains < tol)


@pytest.mark.parametrize("acceleration", list(ACCELERATORS))
def test_accelerated_traces_never_fall(acceleration):
    for family in ("VVV", "EEE", "VVI"):
        for report in run(SOURCE, PLAIN, tasks_of(family, acceleration=acceleration)):
            assert (np.diff(report.trace) >= -1e-12).all()
            kept = [step for step in report.steps if step != "rejected"]
            assert not report.steps or len(kept) == len(report.trace)


def test_a_warm_start_knows_its_last_objective():
    (base,) = tasks_of("VVV", 1, tol=1e-5)
    (before,) = run(SOURCE, PLAIN, [base])
    warm = replace(base, start=before.mixture.parameters, previous=before.objective)
    (after,) = run(SOURCE, PLAIN, [warm])
    assert after.n_iter == 1
    assert after.status is Status.CONVERGED


def test_no_tasks_no_reports():
    assert run(SOURCE, PLAIN, []) == []


# what observers see


def test_observers_see_every_fit():
    tasks = [*tasks_of("VVV", 3), collapsing(), *tasks_of("EEE", 2)]
    seen = []

    def look(fits):
        assert isinstance(fits, Sequence)
        assert len(fits) == len(tasks)
        everything = list(fits)
        assert [fit.task for fit in everything] == tasks
        assert [fit.task for fit in fits[1:4]] == tasks[1:4]
        assert [fit.task for fit in fits[::-2]] == tasks[::-2]
        assert [fit.task for fit in reversed(fits)] == tasks[::-1]
        assert fits[len(tasks) :] == []
        with pytest.raises(IndexError):
            fits[len(tasks)]
        assert everything[3].status is Status.COLLAPSED
        seen.append([(fit.status, len(fit.trace), fit.running) for fit in everything])
        for fit in everything:
            if fit.model is not None:
                assert fit.model.means.shape == (3, 2)
                assert fit.counts.sum() == pytest.approx(300.0)
                assert np.isfinite(fit.change) == (len(fit.trace) > 1)
                assert fit.running == (fit.message == "")
        return False

    reports = run(SOURCE, PLAIN, tasks, look)
    assert len(seen) == max(report.n_iter for report in reports)
    for number, report in enumerate(reports):
        for iteration, now in enumerate(seen, start=1):
            status, length, running = now[number]
            assert length == min(iteration, report.n_iter)
            assert running == (iteration < report.n_iter)
            assert status is (Status.RUNNING if running else report.status)


def test_observers_may_count_from_the_end():
    tasks = [*tasks_of("VVV", 2), collapsing()]
    seen = []

    def look(fits):
        seen.append([fits[i].task for i in (-1, -2, -3)])
        with pytest.raises(IndexError):
            fits[-4]
        return True

    run(SOURCE, PLAIN, tasks, look)
    assert seen == [tasks[::-1]]


def test_an_observer_stops_those_that_run():
    tasks = [*tasks_of("VVV", 2), *tasks_of("VVV", 1, max_iter=2), collapsing()]
    reports = run(SOURCE, PLAIN, tasks, lambda fits: len(fits[0].trace) == 4)
    words = [report.status for report in reports]
    assert words == [Status.STOPPED, Status.STOPPED, Status.MAX_ITER, Status.COLLAPSED]
    assert [report.n_iter for report in reports] == [4, 4, 2, 0]


# Ctrl-C


@every_engine
def test_interrupted_in_a_pass(engine):
    """What the passes before gave is kept, to the bit."""
    tasks = [*tasks_of("VVV", 2), *tasks_of("EEE", 1), *tasks_of("VVV", 1, max_iter=2)]
    reports = run(SOURCE, Counting(engine, interrupted=6), tasks)
    words = [report.status for report in reports]
    assert words == [Status.INTERRUPTED] * 3 + [Status.MAX_ITER]
    assert [report.n_iter for report in reports] == [5, 5, 5, 2]
    stopped = run(SOURCE, engine, [replace(one, max_iter=min(one.max_iter, 5)) for one in tasks])
    for ours, theirs in zip(reports, stopped, strict=True):
        assert ours.trace == theirs.trace
        np.testing.assert_array_equal(ours.mixture.means, theirs.mixture.means)


@every_engine
def test_interrupted_by_an_observer(engine):
    def look(fits):
        if len(fits[0].trace) == 3:
            raise KeyboardInterrupt
        return False

    reports = run(SOURCE, engine, tasks_of("VVV", 2), look)
    assert {report.status for report in reports} == {Status.INTERRUPTED}
    assert [report.n_iter for report in reports] == [3, 3]


def test_interrupted_in_the_first_pass():
    """The starts' parameters are something to keep; without any there is nothing."""
    (report,) = run(SOURCE, Counting(PLAIN, interrupted=1), tasks_of("VVV", 1))
    assert report.status is Status.INTERRUPTED
    assert report.trace == ()
    assert report.mixture.means.shape == (3, 2)


def test_interrupted_between_the_m_steps_of_two_flights(monkeypatch):
    """Fits of the first flight that ended in this iteration have ended."""
    tasks = [*tasks_of("VVV", 1, max_iter=3), *tasks_of("EEE", 1)]
    update, calls = MaximumLikelihood.update, []

    def interrupted(self, statistics, previous):
        if self.family is FAMILIES["EEE"]:
            calls.append(1)
            if len(calls) == 4:  # the start's, and those of three iterations
                raise KeyboardInterrupt
        return update(self, statistics, previous)

    monkeypatch.setattr(MaximumLikelihood, "update", interrupted)
    reports = run(SOURCE, PLAIN, tasks)
    monkeypatch.undo()
    assert [report.status for report in reports] == [Status.MAX_ITER, Status.INTERRUPTED]
    (alone,) = run(SOURCE, PLAIN, tasks[:1])
    np.testing.assert_array_equal(reports[0].mixture.means, alone.mixture.means)
