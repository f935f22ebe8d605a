"""Dask's workers as processes of their own: lost ones, and how many threads they use."""

from __future__ import annotations

import os
import signal

import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster, wait

import ellimix as em
from ellimix.engines import ENGINES
from ellimix.errors import DataError, RowsLost, Status
from ellimix.sources import dask_source


@pytest.fixture(autouse=True)
def every_partition_is_a_portion(monkeypatch):
    """So that few rows make many tasks."""
    monkeypatch.setattr(dask_source, "PORTION_VALUES", 1)


@pytest.fixture
def client():
    """A cluster of two workers with one thread each."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with (
        LocalCluster(**options, dashboard_address=":0", silence_logs=60) as cluster,
        Client(cluster) as client,
    ):
        yield client


def table(n=4000):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2))
    X[: n // 2] += [4.0, 1.0]
    return X[rng.permutation(n)]


class After:
    """A callback of scikit-learn's that does something after some iterations."""

    def __init__(self, iterations, deed):
        self.left, self.deed = iterations, deed

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        if context.task_name == "iteration" and fitted_estimator is not None:
            self.left -= 1
            if self.left == 0:
                self.deed()
        return False


def mixture(iterations=12):
    """With tol 0 a fit makes its iterations, and says that it did not converge."""
    return em.GaussianMixture(2, random_state=0, tol=0.0, max_iter=iterations)


def pids(client):
    return client.run(os.getpid)


def fitted(model, x):
    with pytest.warns(UserWarning, match="did not converge"):
        return model.fit(em.rows(x, memory=0))


def test_a_worker_that_is_killed_changes_nothing(client):
    """Once with rows that are laid out on the workers and kept, once with the user's own kept."""
    X = table()
    expected = fitted(mixture(), da.from_array(X, chunks=(4000, 2)))
    for x in (da.from_array(X, chunks=(500, 2)), da.from_array(X, chunks=(500, 2)).persist()):
        killed = []

        def kill(killed=killed):
            address, pid = next(iter(pids(client).items()))
            os.kill(pid, signal.SIGKILL)
            killed.append(address)

        model = fitted(mixture().set_callbacks(After(3, kill)), x)
        assert killed
        assert killed[0] not in pids(client)
        assert model.n_iter_ == 12
        for name in ("weights_", "means_", "covariances_"):
            ours, theirs = getattr(model, name), getattr(expected, name)
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
        client.wait_for_workers(2)


def test_rows_that_cannot_be_computed_again_end_a_fit_with_what_it_has(client, monkeypatch):
    """Scattered rows are nowhere but on their workers."""
    monkeypatch.setattr("ellimix.sources.dask.SHARE", 0.0)  # nor are they laid out anywhere
    X = table()
    address, pid = next(iter(pids(client).items()))
    futures = client.scatter(np.array_split(X, 4), workers=[address])
    wait(futures)
    parts = [da.from_delayed(future, (1000, 2), float) for future in futures]
    x = da.concatenate(parts)
    model = mixture().set_callbacks(After(3, lambda: os.kill(pid, signal.SIGKILL)))
    said = "The Dask Array has lost rows that Dask cannot compute again"
    with pytest.raises(DataError, match=said) as caught:
        model.fit(em.rows(x, memory=0))
    assert "best parameters so far, after 3 iterations" in str(caught.value)
    assert model.report_.status is Status.BROKEN_OFF
    assert model.n_iter_ == 3
    assert "warm_start=True" in model.report_.message
    same = fitted(mixture(3), da.from_array(X, chunks=(1000, 2)))
    np.testing.assert_allclose(model.means_, same.means_, rtol=1e-12)
    with pytest.raises(RowsLost, match=said):
        model.score(em.rows(x, memory=0))


def test_a_task_uses_one_thread():
    """On workers with two threads, where BLAS had four: and it has them again after it."""
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": True}

    def with_four():
        import os

        import scipy.linalg
        from threadpoolctl import ThreadpoolController

        os.environ.pop("OMP_NUM_THREADS", None)
        for library in ThreadpoolController().lib_controllers:
            library.set_num_threads(4)
            if hasattr(library, "clear_controlling_thread"):
                library.clear_controlling_thread(force=True)
        return scipy.linalg.__name__

    def blas():
        from threadpoolctl import threadpool_info

        return [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"]

    def pools():
        from ellimix.sources import threads

        return len(threads._pools)

    def step(block):
        import threading
        import time

        from threadpoolctl import threadpool_info

        from ellimix.sources.threads import available_threads

        time.sleep(0.05)
        own = [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"]
        return threading.get_ident(), available_threads(), own

    with (
        LocalCluster(**options, dashboard_address=":0", silence_logs=60) as cluster,
        Client(cluster) as client,
    ):
        client.run(with_four)
        (before,) = client.run(blas).values()
        source = em.rows(da.from_array(table(), chunks=(500, 2)), memory=0).source()
        seen = list(source.placed(ENGINES["numpy"]).each(step))
        proba = em.GaussianMixture.from_parameters(
            [0.5, 0.5], [[0.0, 0.0], [4.0, 1.0]], [1.0, 1.0], covariance_type="VII"
        ).predict_proba(da.from_array(np.tile(table(), (50, 1)), chunks=(100_000, 2)))
        assert abs(float(proba.sum().compute()) - 200_000) < 1e-6
        (after,) = client.run(blas).values()
        (made,) = client.run(pools).values()
    assert before == after
    assert max(before) > 1
    assert made == 0  # a pass of more than one thread makes a pool
    assert len({thread for thread, _, _ in seen}) == 2
    for _, threads, own in seen:
        assert threads == 1
        assert set(own) == {1}
