"""Dask collections: the numbers of rows in memory, wherever the partitions are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import fields

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from hypothesis import given, settings
from hypothesis import strategies as st

import ellimix as em
from ellimix.engines import ENGINES
from ellimix.engines.incomplete import suited
from ellimix.errors import DataError, FitWarning, Status
from ellimix.records import Factor, Moment
from ellimix.sources import dask_source, portions
from ellimix.sources.dask import is_dask, moves
from ellimix.sources.memory import MemorySource
from ellimix.sources.opening import rows
from ellimix.sources.survey import draw
from engine_problems import every_engine
from problems import random_potentials

NAMES = list("abc")
MANY = 200_000  # ten times the sample


@pytest.fixture(scope="module", autouse=True)
def client():
    """A cluster of two workers with one thread each, in this process."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False}
    with LocalCluster(**options, dashboard_address=":0") as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(autouse=True)
def every_partition_is_a_portion(monkeypatch):
    """So that few rows make many tasks."""
    monkeypatch.setattr(dask_source, "PORTION_VALUES", 1)


@pytest.fixture(params=["cluster", "threads"])
def scheduler(request):
    """Where tasks run: on the cluster, or on Dask's own threads."""
    if request.param == "cluster":
        yield
    else:
        with dask.config.set(scheduler="threads"):
            yield


def table(n=3000, holes=0.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 2.0, 0.5]
    X[: n // 2] += [4.0, 1.0, -2.0]
    X = X[rng.permutation(n)]
    X[rng.random(X.shape) < holes] = np.nan
    return X, rng.gamma(2.0, size=n)


def array(X, chunk=700, unknown=False):
    x = da.from_array(X, chunks=(chunk, 2))
    return x[da.ones(len(X), chunks=chunk) > 0] if unknown else x


def frame(X, weight=None, npartitions=7):
    out = pd.DataFrame(X, columns=NAMES)
    if weight is not None:
        out["w"] = weight
    return dd.from_pandas(out, npartitions=npartitions, sort=False)


def assert_same(left, right, rtol=1e-12):
    for field in fields(left):
        if field.name != "moment":
            a, b = getattr(left, field.name), getattr(right, field.name)
            scale = max(float(np.abs(b).max()), 1.0)
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


def assert_same_fit(left, right):
    for name in ("weights_", "means_", "covariances_", "missing_share_"):
        a, b = getattr(left, name), getattr(right, name)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    assert left.n_iter_ == right.n_iter_
    assert abs(left.lower_bound_ - right.lower_bound_) < 1e-12


# sums


@every_engine
@pytest.mark.parametrize("holes", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_are_those_of_rows_in_memory(scheduler, engine, holes, weighted):
    X, weight = table(holes=holes)
    blank = np.isnan(X).all(axis=1)
    given = weight if weighted else None
    counts = np.where(blank, 0.0, weight if weighted else 1.0)
    memory = MemorySource(X, counts)
    engine = suited(engine, memory)
    step = engine.step(
        [random_potentials(np.random.default_rng(1), 3, 3, Factor.FULL, Moment.FULL)]
    )
    (expected,) = memory.reduce(step)
    for unknown in (False, True):
        weights = None if given is None else da.from_array(given, chunks=700)
        source = rows(array(X, unknown=unknown), weights=weights).source()
        placed = source.placed(engine)
        assert placed.held is not None
        assert_same(source.reduce(step)[0], expected)
        assert_same(placed.reduce(step)[0], expected)
        assert placed.placed(engine) is placed
    own = rows(frame(X, given), columns=NAMES, weights="w" if weighted else None).source()
    assert_same(own.placed(engine).reduce(step)[0], expected)


def test_many_portions_are_added_by_a_tree_of_fixed_shape(client):
    """The same bits on another scheduler, and with a fan-in that needs several levels."""
    X, _ = table(700 * 40)
    engine = ENGINES["numpy"]
    step = engine.step(
        [random_potentials(np.random.default_rng(1), 3, 3, Factor.FULL, Moment.FULL)]
    )
    source = rows(array(X)).source()
    assert len(source._groups) == 40
    (there,) = source.reduce(step)
    with dask.config.set(scheduler="synchronous"):
        (here,) = source.reduce(step)
    assert_same(there, here, 0.0)
    assert_same(there, MemorySource(X).reduce(step)[0])


def test_blocks_come_in_order_with_their_numbers(scheduler):
    X, weight = table()
    source = rows(frame(X, weight), columns=["c", "a"], weights="w").source()
    blocks = list(dask_source.replace(source, tile=256).blocks())
    assert [block.start for block in blocks] == [
        0,
        *np.cumsum([b.rows.shape[0] for b in blocks])[:-1],
    ]
    np.testing.assert_array_equal(np.concatenate([block.rows for block in blocks]), X[:, [2, 0]])
    np.testing.assert_array_equal(np.concatenate([block.weight for block in blocks]), weight)
    starts = list(dask_source.replace(source, tile=256).each(lambda block: block.start))
    assert starts == [block.start for block in blocks]
    index = np.array([5, 2999, 5, 0, 1234])
    np.testing.assert_array_equal(source.take(index), X[:, [2, 0]][index])
    assert source.take(np.array([], dtype=np.intp)).shape == (0, 2)
    loaded = source.loaded()
    np.testing.assert_array_equal(loaded.rows, X[:, [2, 0]])
    np.testing.assert_array_equal(loaded.weight, weight)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_sample_is_that_of_rows_in_memory(weighted):
    X, weight = table(holes=0.3)
    given = weight if weighted else None
    counts = np.where(np.isnan(X).all(axis=1), 0.0, weight if weighted else 1.0)
    expected = draw(MemorySource(X, counts), 500, 3)
    for unknown in (False, True):
        weights = None if given is None else da.from_array(given, chunks=700)
        source = rows(array(X, unknown=unknown), weights=weights).source().looked_at(500, 3)
        np.testing.assert_array_equal(source.sample.rows, expected.rows)
        if weighted:
            np.testing.assert_array_equal(source.sample.weight, expected.weight)
        assert source.told.nothing == int(np.isnan(X).all(axis=1).sum()) > 0
        assert source.told.rows == 3000


def test_a_step_is_unpickled_once_a_pass():
    X, _ = table(700 * 20)
    step = ENGINES["numpy"].step(
        [random_potentials(np.random.default_rng(1), 3, 3, Factor.FULL, Moment.FULL)]
    )
    source = rows(array(X)).source()
    portions._unpickled.cache_clear()
    source.reduce(step)
    info = portions._unpickled.cache_info()
    assert info.misses <= 2 < 20 <= info.hits + info.misses  # two workers at once may both miss


# when partitions are read


def test_partitions_are_read_once_where_there_is_room_and_else_in_every_pass(monkeypatch):
    X, _ = table()
    seen = []

    def read(block):
        seen.append(len(block))
        return block

    x = da.from_array(X, chunks=(1000, 3)).map_blocks(read, meta=X[:0])
    engine = ENGINES["numpy"]
    step = engine.step(
        [random_potentials(np.random.default_rng(1), 3, 3, Factor.FULL, Moment.FULL)]
    )
    with dask.config.set(scheduler="threads"):
        seen.clear()
        placed = rows(x).source().placed(engine)
        assert seen == [1000] * 3
        held = [placed.reduce(step)[0] for _ in range(3)]
        assert seen == [1000] * 3
        monkeypatch.setattr("ellimix.sources.dask.LAYOUT_BYTES", 2 * X.nbytes - 1)
        anew = rows(x).source().placed(engine)
        assert anew.held is None
        assert seen == [1000] * 3
        again = [anew.reduce(step)[0] for _ in range(3)]
        assert seen == [1000] * 12
    for one in (*held, *again):
        assert_same(one, held[0], 0.0)


def test_rows_that_are_laid_out_are_shared_by_the_workers(client):
    X, _ = table(700 * 8)
    first, second = client.nthreads()
    x = client.persist(array(X), workers=[first])
    engine = ENGINES["numba"]
    step = engine.step(
        [random_potentials(np.random.default_rng(1), 3, 3, Factor.FULL, Moment.FULL)]
    )
    placed = rows(x).source().placed(engine)
    assert_same(placed.reduce(step)[0], MemorySource(X).reduce(step)[0])
    having = client.who_has([placed.held.graph[key] for key in placed.held.keys])
    homes = [next(iter(workers)) for workers in having.values()]
    assert sorted(homes.count(worker) for worker in (first, second)) == [4, 4]
    at_home = client.who_has(x)
    assert len(at_home) == 16  # eight rows of two chunks
    assert all(first in workers for workers in at_home.values())


@settings(max_examples=100, deadline=None, database=None)
@given(
    placed=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20)), max_size=20),
    threads=st.tuples(*[st.integers(1, 4)] * 3),
)
def test_moves_even_out_the_loads(placed, threads):
    homes, sizes = [home for home, _ in placed], [size for _, size in placed]
    having = dict(zip("abc", threads, strict=True))

    def top(at):
        loads = dict.fromkeys(having, 0)
        for home, size in zip(at, sizes, strict=True):
            loads[home] += size
        return max(loads[worker] / having[worker] for worker in having)

    after = list(homes)
    for worker, moving in moves(homes, sizes, having).items():
        for i in moving:
            assert homes[i] != worker
            after[i] = worker
    assert top(after) <= top(homes)
    share = sum(sizes) / sum(threads)
    assert top(after) <= share + max(sizes, default=0)  # one value more than its share at most


def test_room_is_a_share_of_what_workers_have_left(client):
    from ellimix.sources.dask import SHARE, room_for

    workers = client.scheduler_info()["workers"].values()
    limits = sum(worker["memory_limit"] for worker in workers)
    assert len(workers) == 2
    assert 0 < room_for(da.ones(3)) <= SHARE * limits


# fits


@pytest.mark.parametrize("holes", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_fits_to_memory_files_and_dask_agree(tmp_path, holes, weighted):
    X, weight = table(MANY, holes)
    given = weight if weighted else None
    memory = em.GaussianMixture(2, acceleration="sample", random_state=0)
    memory.fit(X, sample_weight=given)
    path = tmp_path / "rows.npy"
    np.save(path, X if given is None else np.column_stack([X, given]))
    file = em.rows(path, weights=3 if weighted else None, memory=0)
    chunks = da.from_array(X, chunks=(30_000, 2))
    weights = None if given is None else da.from_array(given, chunks=50_000)
    lazy = frame(X, given)
    lazy = lazy[lazy.a.isna() | (lazy.a > -1e9)]
    own = em.rows(lazy, columns=NAMES, weights="w" if weighted else None)
    others = [
        em.GaussianMixture(2, random_state=0).fit(file),
        em.GaussianMixture(2, random_state=0).fit(chunks, sample_weight=weights),
        em.GaussianMixture(2, random_state=0).fit(own),
    ]
    for other in others:
        assert_same_fit(other, memory)
        assert "passes were made over all 200,000 rows" in other.report_.notes[-1]
    blank = int(np.isnan(X).all(axis=1).sum())
    for other in others:
        said = [note for note in other.report_.notes if "nothing observed" in note]
        assert said == (
            [f"{blank:,} row(s) have nothing observed and count for nothing."] if blank else []
        )
    assert list(others[2].feature_names_in_) == NAMES
    scored = others[1].score(chunks, sample_weight=weights)
    assert abs(scored - memory.score(X, sample_weight=given)) < 1e-12


def test_few_rows_are_loaded_and_may_stay():
    X, weight = table(2000)
    x, w = da.from_array(X, chunks=300), da.from_array(weight, chunks=300)
    memory = em.GaussianMixture(2, random_state=0).fit(X, sample_weight=weight)
    loaded = em.GaussianMixture(2, random_state=0).fit(x, sample_weight=w)
    assert_same_fit(loaded, memory)
    np.testing.assert_array_equal(loaded.labels_, memory.labels_)
    stays = em.GaussianMixture(2, random_state=0).fit(em.rows(x, weights=w, memory=0))
    assert not hasattr(stays, "labels_")
    assert_same_fit(stays, memory)
    unknown = em.GaussianMixture(2, random_state=0).fit(array(X, unknown=True))
    assert_same_fit(unknown, em.GaussianMixture(2, random_state=0).fit(X))


def test_other_estimators_take_dask():
    X, _ = table(2000)
    x = em.rows(array(X), memory=0)
    bayes = em.BayesianGaussianMixture(2, random_state=0, max_iter=300)
    assert abs(bayes.fit(x).lower_bound_ - bayes.fit(X).lower_bound_) < 1e-9


def test_noise_has_a_box_around_all_rows():
    X, _ = table(2000)
    X[7] = [50.0, 60.0, 70.0]
    noisy = em.GaussianMixture(2, noise=True, random_state=0)
    there = noisy.fit(em.rows(array(X), memory=0)).mixture_
    here = em.GaussianMixture(2, noise=True, random_state=0).fit(X).mixture_
    np.testing.assert_allclose(there.box.sides, here.box.sides)
    np.testing.assert_allclose(there.means, here.means, rtol=1e-9)


def test_the_search_runs_on_dask(tmp_path):
    X, _ = table(2000)
    np.save(tmp_path / "rows.npy", X)
    options = {"families": ["EEE", "VVV"], "n_components": [1, 2], "random_state": 0}
    origins = em.rows(tmp_path / "rows.npy", memory=0), em.rows(frame(X), memory=0), X
    with pytest.warns(FitWarning, match="K = 2 is the largest that was tried"):
        files, there, here = (em.select(origin, **options) for origin in origins)
    assert there.best_params_ == files.best_params_ == here.best_params_
    for ours, theirs in zip(there.cells_, files.cells_, strict=True):
        assert abs(ours.log_likelihood - theirs.log_likelihood) < 1e-12 * abs(theirs.log_likelihood)


# answers


def answers(model):
    return {
        "predict": model.predict,
        "predict_proba": model.predict_proba,
        "score_samples": model.score_samples,
        "transform": model.transform,
    }


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_answers_are_dask_arrays_that_are_not_computed_yet(dtype):
    X, _ = table()
    X = X.astype(dtype)
    model = em.GaussianMixture(2, random_state=0).fit(X)
    seen = []

    def read(block):
        seen.append(len(block))
        return block

    x = da.from_array(X, chunks=(1000, 3)).map_blocks(read, meta=X[:0])
    for name, answer in answers(model).items():
        seen.clear()
        lazy, here = answer(x), answer(X)
        assert is_dask(lazy), name
        assert seen == []
        assert lazy.shape == here.shape
        assert lazy.chunks[0] == (1000, 1000, 1000)
        assert lazy.dtype == lazy._meta.dtype == here.dtype
        there = lazy.compute()
        assert there.dtype == here.dtype
        np.testing.assert_allclose(there, here, rtol=1e-5 if dtype == np.float32 else 1e-12)
        own = answer(frame(X).rename(columns=dict(zip(NAMES, "xyz", strict=True))))
        np.testing.assert_array_equal(own.compute(), there)


def test_answers_of_partitions_without_rows_and_of_clusters():
    X, _ = table()
    model = em.GaussianMixture(3, random_state=0).fit(pd.DataFrame(X, columns=NAMES))
    model.combine(pd.DataFrame(X, columns=NAMES), n_clusters=2)
    lazy = dd.from_pandas(pd.DataFrame(X, columns=NAMES).assign(r=np.arange(3000)), npartitions=7)
    kept = lazy[lazy.r < 1000][["c", "b", "a"]]
    expected = pd.DataFrame(X[:1000], columns=NAMES)
    for level in ("component", "cluster"):
        found = model.predict_proba(kept, level=level)
        assert np.isnan(found.shape[0])
        np.testing.assert_allclose(found.compute(), model.predict_proba(expected, level=level))
        labels = model.predict(kept, level=level).compute()
        np.testing.assert_array_equal(labels, model.predict(expected, level=level))
    assert abs(model.bic(kept) - model.bic(expected)) < 1e-8
    assert abs(model.icl(kept) - model.icl(expected)) < 1e-8
    assert abs(model.aic(kept) - model.aic(expected)) < 1e-8


# input that cannot be used


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (lambda: frame(table()[0])["a"], {}, "is not of rows and columns"),
        (lambda: da.ones(5), {}, "is not of rows and columns"),
        (lambda: da.ones((5, 2), dtype=complex), {}, "chunks of ndarray of complex128"),
        (lambda: da.ones((5, 2)), {"columns": [0, 2]}, "has the columns 0 to 1"),
        (lambda: da.ones((5, 2)), {"columns": [0], "weights": 0}, "not that of the weights"),
        (lambda: da.ones((5, 2)), {"weights": np.ones(5)}, "weights .* are a ndarray"),
        (lambda: da.ones((5, 2)), {"weights": da.ones((5, 1))}, "have 2 dimensions"),
        (lambda: da.ones((5, 2)), {"weights": da.ones(4)}, "has 5 rows and 4 weights"),
        (lambda: da.ones((5, 2)), {"where": "x > 1"}, "filter with Dask itself"),
        (lambda: da.ones((5, 2)), {"threads": 2}, "threads is the cluster's"),
        (lambda: frame(table()[0]), {"columns": ["z"]}, "no column 'z'; it has a, b, c"),
        (lambda: frame(table()[0]), {"columns": []}, "name at least one"),
        (lambda: frame(table()[0]), {"weights": da.ones(9, chunks=3)}, "has 7 .* weights 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened(given, options, message):
    with pytest.raises(DataError, match=message):
        rows(given(), **options)


def test_values_that_cannot_be_used():
    X, weight = table()
    X[1234, 1] = np.inf
    with pytest.raises(DataError, match="Row 1,234 of the Dask Array has an infinite value"):
        em.GaussianMixture(2).fit(em.rows(array(X), memory=0))
    weight[2000] = -1.0
    with pytest.raises(DataError, match="Row 2,000 of the Dask DataFrame has the weight -1"):
        em.GaussianMixture(2).fit(em.rows(frame(table()[0], weight), weights="w", memory=0))
    text = dd.from_pandas(pd.DataFrame({"a": [1.0, 2.0], "t": ["x", "y"]}), npartitions=1)
    assert rows(text).feature_names == ("a",)
    with pytest.raises(DataError, match="'t' of the Dask DataFrame holds"):
        rows(text, columns=["a", "t"])
    none = frame(table()[0])
    with pytest.raises(DataError, match="the Dask DataFrame has no rows"):
        em.GaussianMixture(2).fit(none[none.a > 1e9])
    model = em.GaussianMixture(2, random_state=0).fit(table()[0])
    big = em.rows(array(table()[0]), memory=0)
    with pytest.raises(DataError, match="sample_weight has a value for each row"):
        model.score(big, sample_weight=np.ones(3000))
    with pytest.raises(DataError, match="sample_weight has a value for each row"):
        em.GaussianMixture(2).fit(big, sample_weight=np.ones(3000))


def test_pandas_own_types_have_values_that_are_missing():
    X, _ = table(1000)
    columns = {
        "a": pd.array(X[:, 0], dtype="Float64"),
        "b": pd.array([1, None] * 500, dtype="Int64"),
    }
    lazy = dd.from_pandas(pd.DataFrame(columns), npartitions=3)
    loaded = rows(lazy).loaded().rows
    np.testing.assert_array_equal(loaded[:, 0], X[:, 0])
    np.testing.assert_array_equal(np.isnan(loaded[:, 1]), [False, True] * 500)


def test_nothing_imports_dask_unasked():
    script = (
        "import sys, numpy as np, ellimix as em\n"
        "model = em.GaussianMixture(1).fit(np.arange(9.0)[:, None])\n"
        "model.predict([[1.0]])\n"
        "assert not {'dask', 'distributed'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


# Ctrl-C


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


def test_an_interrupt_cancels_the_pass_and_keeps_the_best_fit(client, monkeypatch, tmp_path):
    X, _ = table()
    slowly = str(tmp_path / "slowly")

    def read(block):
        if os.path.exists(slowly):
            time.sleep(0.2)
        return block

    def interrupt():
        open(slowly, "w").close()
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    monkeypatch.setattr("ellimix.sources.dask.SHARE", 0.0)  # partitions are read in every pass
    x = da.from_array(X, chunks=(300, 3)).map_blocks(read, meta=X[:0])
    model = em.GaussianMixture(2, random_state=0, tol=0.0, max_iter=500)
    model.set_callbacks(After(3, interrupt))
    with pytest.warns(FitWarning, match="interrupted"):
        model.fit(em.rows(x, memory=0))
    assert model.report_.status is Status.INTERRUPTED
    assert model.n_iter_ == 3
    until = time.monotonic() + 20
    while _left(client) and time.monotonic() < until:
        time.sleep(0.02)
    assert _left(client) == []
    os.remove(slowly)
    same = em.GaussianMixture(2, random_state=0, tol=0.0, max_iter=3)
    with pytest.warns(UserWarning, match="did not converge"):
        same.fit(em.rows(x, memory=0))
    np.testing.assert_allclose(model.means_, same.means_, rtol=1e-12)


def _left(client):
    """Tasks of passes that the cluster still knows."""
    known = client.run_on_scheduler(lambda dask_scheduler: [*dask_scheduler.tasks])
    return [key for key in map(str, known) if "ellimix" in key]
