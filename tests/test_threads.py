"""How many threads a pass uses, and what becomes of them in other processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

import ellimix as em
from ellimix.engines import ENGINES
from ellimix.records import Factor, Moment
from ellimix.sources import threads
from ellimix.sources.memory import MemorySource
from ellimix.sources.threads import (
    available_threads,
    one_blas_thread,
    one_core,
    one_thread,
    pool,
)
from engine_problems import every_engine
from problems import random_potentials, random_rows

SECONDS = 60


@pytest.fixture
def four_cores(monkeypatch):
    """A machine of four cores without limits."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(4), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with threadpool_limits(4):
        yield


def pass_of(engine, d=3, n=4000):
    rng = np.random.default_rng(0)
    potentials = random_potentials(rng, 3, d, Factor.FULL, Moment.FULL)
    source = MemorySource(random_rows(rng, n, d), tile=192, threads=2).placed(engine)
    return lambda: source.reduce(engine.step([potentials]))[0]


# limits


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", 1), ("2", 2), ("3,2", 3), (" 2 ", 2), ("9", 4), ("", 4), ("0", 4), ("many", 4)],
)
def test_the_environment_limits_threads(four_cores, monkeypatch, value, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert available_threads() == expected


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_threadpoolctl_limits_threads(four_cores, limit):
    before = available_threads()
    with threadpool_limits(limit):
        assert available_threads() == min(limit, before)
    with threadpool_limits(limit, user_api="blas"):
        assert available_threads() == min(limit, before)
    assert available_threads() == before


def test_the_limit_outside_counts_and_not_our_own(four_cores):
    """BLAS runs with one thread inside a pass; the pass itself keeps its threads."""
    engine = ENGINES["numpy"]
    for limit in (1, 2):
        with threadpool_limits(limit):
            source = MemorySource(np.zeros((1000, 2)), tile=10).placed(engine)
        assert source.threads == limit
        with one_blas_thread():
            assert source.placed(engine).threads == limit


def test_one_thread_inside_and_what_it_was_outside():
    def blas():
        return [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"]

    with threadpool_limits(2):
        before = blas()
        for context in (one_blas_thread, one_thread):
            with context():
                assert set(blas()) == {1}
            assert blas() == before


def test_tasks_that_overlap_hold_one_limit_until_the_last_is_over():
    """Without this one that ends early lifts it, or one that ends late leaves it behind."""
    controller = ThreadpoolController()
    blas = controller.select(user_api="blas").lib_controllers
    before = [library.num_threads for library in blas]
    steps = [threading.Barrier(2) for _ in range(3)]
    seen = []

    def look():
        seen.append(([library.num_threads for library in blas], available_threads()))

    def first():
        with one_core():
            steps[0].wait(SECONDS)
            look()
            steps[1].wait(SECONDS)
        steps[2].wait(SECONDS)

    def second():
        steps[0].wait(SECONDS)
        with one_core():
            steps[1].wait(SECONDS)
            steps[2].wait(SECONDS)
            look()

    free(blas)
    try:
        for library in blas:
            library.set_num_threads(3)
        free(blas)
        tasks = [threading.Thread(target=task) for task in (first, second)]
        for task in tasks:
            task.start()
        for task in tasks:
            task.join(SECONDS)
        after = [library.num_threads for library in blas]
    finally:
        for library, number in zip(blas, before, strict=True):
            library.set_num_threads(number)
    assert seen == [([1] * len(blas), 1)] * 2
    assert after == [3] * len(blas)


def free(libraries):
    """Any thread may set limits then: threadpoolctl keeps that for the one that set some."""
    for library in libraries:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


def test_a_pool_is_made_once():
    assert pool(2) is pool(2)
    assert pool(2) is not pool(3)


# other processes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@every_engine
def test_a_forked_child_runs_a_pass(engine):
    """The parent's pool has been used: none of its threads is there in the child."""
    run = pass_of(engine)
    before = run()
    assert 2 in threads._pools
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # no assertion here: pytest is in this process, too
        status = 1
        try:
            sums = run()
            os.write(write, repr((sums.loglik, sums.n.tolist())).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    assert ended(child) == 0
    with os.fdopen(read) as pipe:
        assert pipe.read() == repr((before.loglik, before.n.tolist()))
    assert run().loglik == before.loglik  # the parent is none the worse for it


def ended(child):
    """The exit status of a child, which is killed where it hangs."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs"


JOBLIB = """
import warnings
warnings.simplefilter("error")
import numpy as np
from joblib import Parallel, delayed, parallel_config
import ellimix as em

def fit(seed):
    from ellimix.sources.threads import available_threads
    X = em.datasets.iris()[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        models = [em.GaussianMixture(3, engine=name, random_state=seed) for name in ENGINES]
        scores = [model.fit(X).score(X) for model in models]
    return available_threads(), scores

if __name__ == "__main__":
    with parallel_config("loky", inner_max_num_threads=1):
        done = Parallel(n_jobs=2)(delayed(fit)(0) for _ in range(4))
    alone = fit(0)[1]
    assert all(scores == alone for _, scores in done), (done, alone)
    print(*sorted({threads for threads, _ in done}))
"""


def test_workers_of_joblib_see_few_threads(tmp_path):
    script = tmp_path / "fits.py"
    script.write_text(JOBLIB.replace("ENGINES", repr(list(ENGINES))), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=4 * SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1"]


def test_threads_of_joblib_fit_at_once():
    """Fits in threads share the pool and the compiled passes."""
    from joblib import Parallel, delayed

    X = em.datasets.iris()[0]

    def fit(name):
        return em.GaussianMixture(3, engine=name, random_state=0).fit(X).score(X)

    scores = Parallel(n_jobs=4, backend="threading")(delayed(fit)(name) for name in [*ENGINES] * 4)
    for i, name in enumerate([*ENGINES] * 4):
        assert scores[i] == fit(name)
