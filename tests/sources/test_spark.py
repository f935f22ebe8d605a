"""Spark DataFrames: the numbers of rows in memory, on a session of two cores."""

from __future__ import annotations

import gc
import os
import re
import shutil
import signal
import sys
import threading
import time
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

import ellimix as em
from ellimix.engines import ENGINES
from ellimix.engines.incomplete import suited
from ellimix.errors import DataError, FitWarning, RowsLost, Status
from ellimix.records import Block, Factor, Moment
from ellimix.sources.memory import MemorySource
from ellimix.sources.opening import is_stream, rows
from ellimix.sources.spark import source as spark_source
from ellimix.sources.spark.jobs import cause_of
from ellimix.sources.survey import draw
from engine_problems import every_engine
from problems import random_potentials

if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Spark needs Java, and there is none.", allow_module_level=True)

pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]
NAMES = list("abc")
PARTITIONS = 5


@pytest.fixture(scope="session")
def spark():
    """A session in this process with two cores; workers run the Python of the tests."""
    from pyspark.sql import SparkSession

    before = signal.getsignal(signal.SIGINT), os.environ.get("PYSPARK_PYTHON")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "512m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "2",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "350",
    }
    builder = SparkSession.builder.master("local[2]").appName("ellimix")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
    signal.signal(signal.SIGINT, before[0])
    del os.environ["PYSPARK_PYTHON"]
    if before[1] is not None:
        os.environ["PYSPARK_PYTHON"] = before[1]


def table(n=3000, holes=0.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 2.0, 0.5]
    X[: n // 2] += [4.0, 1.0, -2.0]
    X = X[rng.permutation(n)]
    X[rng.random(X.shape) < holes] = np.nan
    if holes:
        X[7] = np.nan
    return X, rng.gamma(2.0, size=n)


@pytest.fixture(scope="module")
def frames(spark, tmp_path_factory):
    """Rows as Parquet files, a partition each and in order; some missing as NULL, some as NaN."""
    made = {}

    def frame(holes):
        if holes not in made:
            X, weight = table(holes=holes)
            folder = tmp_path_factory.mktemp("rows")
            part = np.arange(len(X)) * PARTITIONS // len(X)
            out = pd.DataFrame(X, columns=NAMES).assign(w=weight, part=part)
            for i, index in enumerate(np.array_split(np.arange(len(X)), PARTITIONS)):
                part = out.iloc[index].reset_index(drop=True)
                written = part.to_parquet if i % 2 else lambda path, p=part: _with_nan(p, path)
                written(folder / f"{i}.parquet")
            files = [spark.read.parquet(str(folder / f"{i}.parquet")) for i in range(PARTITIONS)]
            made[holes] = files[0]
            for one in files[1:]:
                made[holes] = made[holes].union(one)
        return made[holes]

    return frame


def _with_nan(part, path):
    """NaN is written as it is, and not as NULL."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array(part[name].to_numpy(), from_pandas=False) for name in part}
    pq.write_table(pa.table(columns), path)


def column(frame, name):
    return np.array([row[0] for row in frame.select(name).collect()])


def stored(spark):
    gc.collect()  # exceptions of tests before hold what they saw
    return len(spark.sparkContext._jsc.getPersistentRDDs())


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


def start():
    return {
        "weights_init": [0.5, 0.5],
        "means_init": [[4.0, 1.0, -2.0], [0.0, 0.0, 0.0]],
        "precisions_init": [np.eye(3)] * 2,
    }


# sums and rows


@every_engine
@pytest.mark.parametrize("holes", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_are_those_of_rows_in_memory(frames, engine, holes, weighted):
    X, weight = table(holes=holes)
    counts = np.where(np.isnan(X).all(axis=1), 0.0, weight if weighted else 1.0)
    memory = MemorySource(X, counts)
    engine = suited(engine, memory)
    potentials = random_potentials(np.random.default_rng(1), 3, 3, Factor.FULL, Moment.FULL)
    step = engine.step([potentials])
    (expected,) = memory.reduce(step)
    stream = rows(frames(holes), columns=NAMES, weights="w" if weighted else None)
    source = stream.source().placed(engine)
    (direct,) = source.reduce(step)
    assert_same(direct, expected)
    looked = source.looked_at(500, 3)
    (held,) = replace(looked, tile=256).reduce(step)
    assert_same(held, expected)


def test_the_sample_and_the_order_of_rows_are_those_of_memory(frames):
    X, weight = table(holes=0.1)
    counts = np.where(np.isnan(X).all(axis=1), 0.0, weight)
    source = rows(frames(0.1), columns=NAMES, weights="w").source().looked_at(500, 3)
    assert source.held.lengths == (600,) * PARTITIONS
    drawn = draw(MemorySource(X, counts), 500, 3)
    np.testing.assert_array_equal(source.sample.rows, drawn.rows)
    np.testing.assert_array_equal(source.sample.weight, drawn.weight)
    assert source.n_rows == 3000
    assert source.told.nothing == np.isnan(X).all(axis=1).sum() > 1
    blocks = list(source.blocks())
    np.testing.assert_array_equal(np.concatenate([block.rows for block in blocks]), X)
    np.testing.assert_array_equal(np.concatenate([block.weight for block in blocks]), counts)
    index = np.array([2999, 0, 17, 17, 600, 599])
    np.testing.assert_array_equal(source.take(index), X[index])
    starts = list(source.each(lambda block: (block.start, block.rows.shape[0])))
    assert [first for first, _ in starts] == [0, *np.cumsum([n for _, n in starts])[:-1]]


def test_float32_stays_float32(spark, frames):
    X, _ = table()
    sdf = frames(0.0).selectExpr(*[f"cast({name} as float) {name}" for name in NAMES])
    stream = rows(sdf)
    assert stream.reader.dtype == np.float32
    table_of_all = stream.loaded()
    np.testing.assert_array_equal(table_of_all.rows, X.astype(np.float32))
    mixed = rows(
        frames(0.0).selectExpr("cast(a as float) a", "cast(b as decimal(20, 3)) b", "part")
    )
    assert mixed.reader.dtype == np.float64
    np.testing.assert_allclose(mixed.loaded().rows[:, 1], X[:, 1], atol=6e-4)


def test_partitions_without_rows_and_no_rows_at_all(spark, frames):
    X, _ = table()
    sdf = frames(0.0)
    inside = np.concatenate([X[600:1200], X[2400:]])
    inside = inside[inside[:, 0] > 4]
    some = rows(sdf, columns=NAMES, where="part in (1, 4) and a > 4").source().looked_at(100, 0)
    assert some.held.lengths[0] == some.held.lengths[2] == some.held.lengths[3] == 0
    assert some.n_rows == len(inside)
    np.testing.assert_array_equal(some.take(np.arange(len(inside))), inside)
    potentials = random_potentials(np.random.default_rng(1), 2, 3, Factor.FULL, Moment.FULL)
    step = ENGINES["numpy"].step([potentials])
    assert_same(some.reduce(step)[0], MemorySource(inside).reduce(step)[0])
    with pytest.raises(DataError, match="no rows"):
        rows(sdf, where="a > 1e9").source().looked_at(10, 0)


def test_large_sums_are_added_by_a_tree_in_a_fixed_order(frames, monkeypatch):
    source = rows(frames(0.1), columns=NAMES, weights="w").source().looked_at(200, 1)
    engine = suited(ENGINES["numpy"], source)
    source = source.placed(engine)
    potentials = random_potentials(np.random.default_rng(1), 2, 3, Factor.FULL, Moment.FULL)
    step = engine.step([potentials])
    (flat,) = source.reduce(step)
    sampled = source.surveyed(200, 1)
    monkeypatch.setattr(spark_source, "GATHERED", 0)
    monkeypatch.setattr(spark_source, "GROUP", 2)
    levels = []
    grouped = spark_source._grouped
    monkeypatch.setattr(spark_source, "_grouped", lambda a, n: levels.append(n) or grouped(a, n))
    (first,), (second,) = source.reduce(step), source.reduce(step)
    assert levels == [5, 3] * 2
    assert_same(first, flat, rtol=1e-14)
    for field in fields(first):
        if field.name != "moment":
            assert np.array_equal(getattr(first, field.name), getattr(second, field.name))
    np.testing.assert_array_equal(source.surveyed(200, 1).keys, sampled.keys)


def test_tasks_have_the_cores_that_spark_gives_them(frames):
    from ellimix.sources.threads import available_threads

    source = rows(frames(0.0), columns=NAMES).source()
    assert set(source.each(lambda block: available_threads())) == {1}


# fits


@pytest.mark.parametrize(("family", "engine"), [("VVV", "numba"), ("VEI", "numpy")])
def test_fits_are_those_in_memory_and_of_files(frames, tmp_path, family, engine):
    X, weight = table(holes=0.1)
    given = {**start(), "covariance_type": family, "engine": engine, "max_iter": 12, "tol": 0.0}
    if family == "VEI":
        given["precisions_init"] = np.ones((2, 3))
    pd.DataFrame(X, columns=NAMES).assign(w=weight).to_parquet(tmp_path / "rows.parquet")
    memory, files, cluster = (em.GaussianMixture(2, **given) for _ in range(3))
    with pytest.warns(match="max_iter"):
        memory.fit(X, sample_weight=weight)
    with pytest.warns(match="max_iter"):
        files.fit(em.rows(tmp_path / "rows.parquet", columns=NAMES, weights="w", memory=0))
    with pytest.warns(match="max_iter"):
        cluster.fit(em.rows(frames(0.1), columns=NAMES, weights="w", memory=0))
    assert_same_fit(cluster, memory)
    assert_same_fit(cluster, files)
    assert list(cluster.feature_names_in_) == NAMES


def test_few_rows_and_many_have_the_same_start(spark, frames):
    X, _ = table()
    model = em.GaussianMixture(2, random_state=0, tol=1e-6)
    few = em.GaussianMixture(2, random_state=0, tol=1e-6).fit(rows(frames(0.0), columns=NAMES))
    assert hasattr(few, "labels_")  # 72 kB: they were loaded
    model.fit(X)
    assert_same_fit(few, model)
    many = em.GaussianMixture(2, random_state=0, tol=1e-6)
    many.fit(em.rows(frames(0.0), columns=NAMES, memory=0))
    assert_same_fit(many, model)  # its sample is all rows
    assert not hasattr(many, "labels_")
    assert stored(spark) == 0


def test_spark_keeps_packed_rows_during_a_fit_alone(spark, frames):
    source = rows(frames(0.0), columns=NAMES).source().looked_at(100, 0)
    assert stored(spark) == 1
    placed = source.placed(ENGINES["numpy"])
    del source
    assert stored(spark) == 1
    del placed
    assert stored(spark) == 0
    with pytest.raises(DataError, match="infinite value in column 1"):
        em.GaussianMixture(2).fit(
            rows(frames(0.0).selectExpr("a", "if(a > 4, double('inf'), b) b"), memory=0)
        )
    assert stored(spark) == 0


# answers


def test_scores_are_those_of_memory(spark, frames):
    X, weight = table(holes=0.1)
    with pytest.warns(match="max_iter"):
        model = em.GaussianMixture(2, **start(), max_iter=3).fit(X, sample_weight=weight)
    sdf = frames(0.1)
    stream = em.rows(sdf, columns=NAMES, weights="w", memory=0)
    for name in ("score", "bic", "aic", "icl"):
        expected = getattr(model, name)(X, sample_weight=weight)
        assert abs(getattr(model, name)(stream) - expected) <= 1e-12 * abs(expected)
    assert abs(model.score(sdf.select(NAMES)) - model.score(X)) < 1e-12
    assert stored(spark) == 0


def test_answers_are_a_column_more(spark, frames):
    X, _ = table(holes=0.1)
    given = pd.DataFrame(X, columns=NAMES)
    model = em.GaussianMixture(2, random_state=0).fit(given)
    sdf = frames(0.1)
    found = model.predict(sdf)
    assert found.columns == [*sdf.columns, "prediction"]  # others stay; the model knows its own
    found = model.score_samples(model.predict_proba(found))
    np.testing.assert_array_equal(column(found, "prediction"), model.predict(given))
    shares = column(found, "probability")
    np.testing.assert_allclose(shares, model.predict_proba(given), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(column(found, "log_density"), model.score_samples(given), rtol=1e-12)
    with pytest.raises(DataError, match="has a column 'prediction' already"):
        model.predict(model.predict(sdf))


def test_a_udf_for_columns_and_for_sql(spark, frames):
    X, _ = table(holes=0.1)
    model = em.GaussianMixture(4, noise=True, random_state=0).fit(X)
    model.combine(X, n_clusters=2)
    sdf = frames(0.1)
    cluster = em.spark_udf(model, level="cluster")
    found = sdf.select(cluster(*NAMES).alias("cluster"), em.spark_udf(model)(*NAMES).alias("one"))
    np.testing.assert_array_equal(column(found, "cluster"), model.predict(X, level="cluster"))
    np.testing.assert_array_equal(column(found, "one"), model.predict(X))
    spark.udf.register("log_density", em.spark_udf(model.mixture_, "score_samples"))
    sdf.createOrReplaceTempView("given")
    told = spark.sql("select log_density(a, b, c) l from given where part = 0")
    np.testing.assert_allclose(column(told, "l"), model.score_samples(X[:600]), rtol=1e-12)


# errors


def test_what_cannot_be_opened_is_told_in_a_sentence(spark, frames):
    sdf = frames(0.0)
    assert is_stream(sdf)
    for given, told in [
        ({"columns": ["a", "z"]}, "no column 'z'; it has a, b, c, w, part"),
        ({"columns": ["a", "a"]}, "name each once"),
        ({"columns": ["a"], "weights": "a"}, "name each once"),
        ({"weights": "z"}, "no column 'z'"),
        ({"where": "nothing > 3"}, r"Spark failed on where='nothing > 3' of the Spark DataFrame"),
        ({"threads": 2}, "threads is the cluster's"),
    ]:
        with pytest.raises(DataError, match=re.escape(told)) as error:
            rows(sdf, **given)
        assert len(str(error.value).splitlines()) == 1
    text = sdf.selectExpr("cast(a as string) a", "array(b) v")
    with pytest.raises(DataError, match="has no column of numbers; it has a, v"):
        rows(text)
    with pytest.raises(DataError, match=r"The column 'v' .* holds array<double>, not numbers"):
        rows(text, columns=["v"])
    with pytest.raises(DataError, match="two columns of one name"):
        rows(sdf.select("a", "a"))
    with pytest.raises(DataError, match="labels has a value for each row"):
        em.GaussianMixture(2).fit(rows(sdf, memory=0), labels=np.zeros(3000))
    dotted = sdf.withColumnRenamed("a", "a.x`y")
    assert rows(dotted, columns=["a.x`y", "b"]).loaded().rows.shape == (3000, 2)


def test_a_row_without_a_weight_is_refused(frames):
    sdf = frames(0.0).selectExpr("a", "b", "nullif(w, w) w")
    model = em.GaussianMixture(1).fit(table()[0][:, :2])
    with pytest.raises(DataError, match="no weight in 'w': give each one, or 0"):
        model.score(rows(sdf, columns=["a", "b"], weights="w", memory=0))
    with pytest.raises(DataError, match="no weight in 'w': give each one, or 0"):
        model.fit(rows(sdf, columns=["a", "b"], weights="w", memory=0))


def test_tasks_that_fail_tell_their_cause_alone(spark, frames, capfd):
    from pyspark.sql.functions import udf

    @udf("double")
    def broken(value):
        raise ValueError(f"the sensor was off at {value > 100}")

    sdf = frames(0.0)
    with pytest.raises(DataError) as error:
        em.GaussianMixture(2).fit(rows(sdf.select("a", broken("b").alias("b")), memory=0))
    assert str(error.value) == (
        "Spark failed on the Spark DataFrame: ValueError: the sensor was off at False."
    )
    assert error.value.__suppress_context__
    with pytest.raises(DataError, match=r"DIVIDE_BY_ZERO.* Division by zero") as error:
        em.GaussianMixture(2).fit(rows(sdf.selectExpr("a", "b / (part - part) b"), memory=0))
    assert "\n" not in str(error.value)
    source = rows(sdf, columns=NAMES).source().looked_at(100, 0)

    def fails(block: Block):
        raise RuntimeError("no room")

    with pytest.raises(RowsLost, match=r"RuntimeError: no room\.$"):
        list(source.each(fails))
    assert "Traceback" not in capfd.readouterr().err


def test_a_cluster_that_fails_during_a_fit_ends_it_with_what_it_has(spark, frames, monkeypatch):
    passes, reduce = [], spark_source.SparkSource.reduce

    def lost(block):
        if block.rows.shape[0] > 1:  # not the one row by which sums are measured
            raise OSError("the executor is gone")
        return ()

    def failing(source, step):
        passes.append(step)
        return reduce(source, step if len(passes) < 4 else lost)

    monkeypatch.setattr(spark_source.SparkSource, "reduce", failing)
    model = em.GaussianMixture(2, **start(), tol=0.0)
    with pytest.warns(FitWarning, match=r"Spark failed on .*OSError: the executor is gone\."):
        model.fit(em.rows(frames(0.0), columns=NAMES, memory=0))
    assert model.report_.status is Status.LOST
    assert model.n_iter_ == 3


def test_the_cause_is_found_in_what_spark_says():
    java = (
        "An error occurred while calling o1.collect.\n: org.apache.spark.SparkException: Job "
        "aborted.\n\tat org.apache.spark.A.b(A.scala:1)\nCaused by: java.io.IOException: No space "
        "left on device\n\tat java.base/a.b(C.java:2)\n\t... 1 more\n"
    )
    assert cause_of(java) == "No space left on device."
    assert cause_of("[X] A thing is wrong.; line 1 pos 0;\n'Filter") == "[X] A thing is wrong."
    missing = (
        "Traceback (most recent call last):\n  File 'a'\nModuleNotFoundError: No module named 'x'\n"
    )
    assert "see PYSPARK_PYTHON" in cause_of(missing)
    assert cause_of("") == "it gave no reason."


def test_ctrl_c_keeps_the_best_parameters_and_the_session(spark, frames, monkeypatch):
    sdf = frames(0.0)
    passes, reduce = [], spark_source.SparkSource.reduce

    def pressed(source, step):
        passes.append(stored(spark))
        if len(passes) == 3:
            threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
            list(source.each(lambda block: time.sleep(60)))
        return reduce(source, step)

    monkeypatch.setattr(spark_source.SparkSource, "reduce", pressed)
    begun = time.monotonic()
    model = em.GaussianMixture(2, **start(), tol=0.0, max_iter=1000)
    with pytest.warns(FitWarning, match="interrupted"):
        model.fit(em.rows(sdf, columns=NAMES, memory=0))
    assert model.report_.status is Status.INTERRUPTED
    assert model.n_iter_ == 2
    assert passes == [1, 1, 1]
    assert np.isfinite(model.means_).all()
    assert sdf.count() == 3000  # the session goes on, with cores that are free
    assert not spark.sparkContext.statusTracker().getActiveJobsIds()
    assert time.monotonic() - begun < 50.0
    assert stored(spark) == 0
