"""Rows outside of memory: the same rows give the same numbers as in memory."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv, dataset, feather, parquet
from threadpoolctl import threadpool_limits

import ellimix as em
import naive
from ellimix.engines import ENGINES
from ellimix.engines.incomplete import suited
from ellimix.errors import DataError
from ellimix.records import Factor, Moment
from ellimix.sources.calls import open_call
from ellimix.sources.memory import MemorySource
from ellimix.sources.stream import StreamSource
from outside_rows import NAMES, ROWS, blobs, table
from problems import random_potentials, random_rows


def in_pieces(X, seed=3):
    """A function that gives the rows in blocks of odd sizes."""
    cuts = np.sort(np.random.default_rng(seed).integers(len(X), size=6))
    return lambda: iter(np.split(X, cuts))


def write(kind, X, folder, weight=None):
    """The rows in a few files of a format; what to open."""
    parts = np.array_split(np.arange(len(X)), 3)
    for i, part in enumerate(parts):
        own = table(X[part], None if weight is None else weight[part])
        path = folder / f"part-{i}.{kind}"
        if kind == "parquet":
            parquet.write_table(own, path, row_group_size=700)
        elif kind == "feather":
            feather.write_feather(own, path, chunksize=700)
        elif kind in ("csv", "csv.gz"):
            with pa.output_stream(str(path), compression="gzip" if "gz" in kind else None) as out:
                csv.write_csv(own, out)
        else:
            whole = X[part] if weight is None else np.column_stack([X[part], weight[part]])
            np.save(path, whole)
    return str(folder / f"*.{kind}")


def fitted(X, engine="auto", **arguments):
    """From one start, a few iterations."""
    begin = blobs(seed=0)[:3].astype(np.float64)
    arguments = {"max_iter": 8, "tol": 0.0, **arguments}
    weight = arguments.pop("weight", None)
    start = {
        "means_init": begin,
        "weights_init": [0.3, 0.3, 0.4],
        "precisions_init": np.array([np.eye(3)] * 3),
    }
    model = em.GaussianMixture(3, engine=engine, **start, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, sample_weight=weight)


def assert_same(left, right, exactly=True):
    for name in ("weights_", "means_", "covariances_", "lower_bound_"):
        a, b = getattr(left, name), getattr(right, name)
        if exactly:
            assert np.array_equal(a, b), name
        else:
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


# the same numbers


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("kind", ["parquet", "feather", "csv", "csv.gz", "npy"])
@pytest.mark.parametrize("case", ["plain", "weights", "missing", "float32"])
def test_files_give_the_numbers_of_memory(kind, engine, case, tmp_path):
    X = blobs(dtype=np.float32 if case == "float32" else np.float64)
    weight = np.random.default_rng(1).gamma(2.0, size=len(X)) if case == "weights" else None
    if case == "missing":
        X[np.random.default_rng(1).random(X.shape) < 0.1] = np.nan
        X[7] = np.nan
    origin = write(kind, X, tmp_path, weight)
    column = None if weight is None else "w" if kind != "npy" else 3
    if "csv" in kind:
        X = X.astype(np.float64)  # text has no single precision
        if case == "float32":
            X = np.vstack([csv.read_csv(p).to_pandas() for p in sorted(tmp_path.iterdir())])
    outside = fitted(em.rows(origin, weights=column, memory=0), engine)
    inside = fitted(X, engine, weight=weight)
    assert_same(outside, inside, exactly=engine == "numba" and case != "missing")
    assert outside.report_.engine == engine
    np.testing.assert_allclose(outside.missing_share_, inside.missing_share_, rtol=1e-12)
    named = None if kind == "npy" else list(NAMES)
    assert (list(outside.feature_names_in_) if named else None) == named


@pytest.mark.parametrize(
    "origin",
    ["function", "pairs", "memmap", "table", "dataset", "duckdb", "polars", "zarr", "hdf5"],
)
def test_other_origins_give_the_numbers_of_memory(origin, tmp_path):
    X = blobs()
    weight = np.linspace(0.5, 2.0, len(X)) if origin == "pairs" else None
    made = {
        "function": lambda: in_pieces(X),
        "pairs": lambda: (
            lambda: ((X[i : i + 999], weight[i : i + 999]) for i in range(0, ROWS, 999))
        ),
        "memmap": lambda: _memmap(X, tmp_path),
        "table": lambda: table(X),
        "dataset": lambda: dataset.dataset(table(X)),
        "duckdb": lambda: _relation(X),
        "polars": lambda: pytest.importorskip("polars").from_arrow(table(X)),
        "zarr": lambda: _zarr(X, tmp_path),
        "hdf5": lambda: _hdf5(X, tmp_path),
    }[origin]()
    assert_same(fitted(em.rows(made, memory=0), "numba"), fitted(X, "numba", weight=weight))


def _memmap(X, folder):
    np.save(folder / "x.npy", X)
    return np.load(folder / "x.npy", mmap_mode="r")


def _relation(X):
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.register("rows", table(X))
    return connection.sql("select a, b, c from rows")


def _zarr(X, folder):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(folder / "x.zarr", shape=X.shape, dtype=X.dtype, chunks=(700, 3))
    array[:] = X
    return array


def _hdf5(X, folder):
    h5py = pytest.importorskip("h5py")
    file = h5py.File(folder / "x.h5", "w")
    return file.create_dataset("x", data=X, chunks=(700, 3))


@pytest.mark.parametrize("family", ["VVV", "EEE", "VII", "VEV"])
def test_a_large_file_is_fitted_as_a_sample_first(family, tmp_path):
    """Bit for bit what acceleration="sample" does in memory."""
    X = blobs(210_000, seed=5)
    np.save(tmp_path / "x.npy", X)
    settings_ = {"covariance_type": family, "random_state": 4, "tol": 1e-6}
    inside = em.GaussianMixture(3, acceleration="sample", **settings_).fit(X)
    outside = em.GaussianMixture(3, **settings_).fit(em.rows(tmp_path / "x.npy", memory=0))
    assert_same(outside, inside)
    assert "random sample of 20,000 rows" in inside.report_.notes[0]
    assert outside.report_.notes[:1] == inside.report_.notes
    passes = outside.report_.n_iter + 2
    assert f"{passes} passes were made over all 210,000 rows" in outside.report_.notes[-1]
    assert not hasattr(outside, "labels_")


def test_the_best_of_several_starts_goes_on(tmp_path):
    X = blobs(210_000, k=6, seed=5)
    arguments = {"n_init": 4, "random_state": 0, "init_params": "random_from_data"}
    inside = em.GaussianMixture(6, acceleration="sample", **arguments).fit(X)
    outside = em.GaussianMixture(6, **arguments).fit(em.rows(in_pieces(X), memory=0))
    assert_same(outside, inside)
    assert len(outside.reports_) == 4
    others = [report.objective for report in outside.reports_[1:]]
    assert outside.reports_[0].objective >= max(others) - 1e-2


def test_files_that_fit_into_memory_are_as_arrays(tmp_path):
    X = blobs()
    origin = write("csv", X, tmp_path)
    model = em.GaussianMixture(3, random_state=0).fit(origin)
    assert_same(model, em.GaussianMixture(3, random_state=0).fit(X))
    assert model.labels_.shape == (ROWS,)
    assert list(model.feature_names_in_) == list(NAMES)
    labels = np.full(ROWS, -1)
    labels[:9] = 1
    em.GaussianMixture(3, random_state=0).fit(origin, labels=labels)  # what an array may be told


def test_a_stream_of_unknown_length_is_loaded_once_it_is_known_to_be_small():
    X = blobs()
    model = em.GaussianMixture(3, random_state=0).fit(em.rows(in_pieces(X)))
    assert_same(model, em.GaussianMixture(3, random_state=0).fit(X))
    assert model.labels_.shape == (ROWS,)


def test_noise_is_uniform_around_all_rows_and_not_only_the_sample(tmp_path):
    X = blobs(210_000, seed=5)
    X[::100] = np.random.default_rng(0).uniform(-40, 40, size=(2100, 3))
    model = em.GaussianMixture(3, noise=True, random_state=0).fit(em.rows(in_pieces(X), memory=0))
    box = model.mixture_.box
    along = (X - box.middle) @ box.axes
    assert (np.abs(along) <= box.sides / 2.0 * (1 + 1e-12)).all()
    assert np.allclose(np.abs(along).max(axis=0), box.sides / 2.0)
    assert model.noise_weight_ == pytest.approx(0.01, abs=0.002)


# what models answer


def test_models_answer_over_files_as_over_arrays(tmp_path):
    X = blobs()
    X[::50, 1] = np.nan
    weight = np.linspace(0.5, 2.0, ROWS)
    origin = write("parquet", X, tmp_path, weight)
    model = em.GaussianMixture(3, random_state=0).fit(em.rows(origin, columns=NAMES))
    stream = em.rows(origin, weights="w", memory=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        for name in ("predict", "predict_proba", "score_samples", "transform"):
            found = getattr(model, name)(stream)
            assert np.array_equal(found, getattr(model, name)(X)), name
        for name in ("score", "bic", "aic", "icl"):
            expected = getattr(model, name)(X, sample_weight=weight)
            assert getattr(model, name)(stream) == pytest.approx(expected, rel=1e-13)
        assert model.bic(origin) == model.bic(X)
        summary = model.summary(stream).to_dict()
        expected = model.summary(X, weight).to_dict()
        assert summary["rows"]["n_rows"] == ROWS
        for name in ("log_likelihood", "bic", "icl"):
            assert summary["rows"][name] == pytest.approx(expected["rows"][name], rel=1e-12)


def test_columns_are_taken_by_name_in_the_order_of_the_model(tmp_path):
    X = blobs()
    parquet.write_table(table(X), tmp_path / "x.parquet")
    parquet.write_table(table(X[:, ::-1], names=NAMES[::-1]), tmp_path / "y.parquet")
    model = em.GaussianMixture(3, random_state=0).fit(tmp_path / "x.parquet")
    assert np.array_equal(model.predict(tmp_path / "y.parquet"), model.labels_)
    parquet.write_table(table(X[:, :1], names=("a",)), tmp_path / "z.parquet")
    with pytest.raises(DataError, match="no column 'b'"):
        model.predict(tmp_path / "z.parquet")


def test_a_filter_leaves_rows_and_row_groups_out(tmp_path):
    X = blobs()
    whole = table(X).append_column("year", pa.array(np.repeat([2019, 2020], ROWS // 2)))
    parquet.write_table(whole, tmp_path / "x.parquet", row_group_size=500)
    late = X[ROWS // 2 :]
    for where in ("year >= 2020", [("year", "==", 2020)], dataset.field("year") > 2019):
        stream = em.rows(tmp_path / "x.parquet", columns=NAMES, where=where, memory=0)
        assert_same(fitted(stream, "numba"), fitted(late, "numba"))
    model = em.GaussianMixture(3, random_state=0).fit(
        em.rows(tmp_path / "x.parquet", columns=NAMES, where="year >= 2020 and a > -1000")
    )
    assert model.labels_.shape == (ROWS // 2,)


# the search


def test_a_search_over_a_stream_compares_models_on_all_rows():
    X = blobs(120_000, seed=2)
    search = em.GaussianMixtureSearch(["VVV", "VII"], range(1, 6), random_state=0)
    search.fit(em.rows(in_pieces(X), memory=0))
    assert search.best_params_ == {"n_components": 3, "covariance_type": "VII"}
    cell = search.cells_[search.best_index_]
    best = search.best_
    assert cell.log_likelihood == pytest.approx(best.score(X) * len(X), rel=1e-9)
    assert cell.weight == len(X)
    kinds = {cell.verdict.value for cell in search.cells_}
    assert kinds <= {"ok", "skipped", "spurious"}
    assert sum(cell.ok for cell in search.cells_) <= 10
    assert "random sample of 100,000 rows" in search.notes_[-1]
    chosen = em.GaussianMixture("auto", covariance_type="VII", random_state=0)
    assert chosen.fit(em.rows(in_pieces(X), memory=0)).n_components_ == 3


def test_sums_of_the_cells_are_those_of_each_alone():
    X = blobs(120_000, seed=2)
    search = em.GaussianMixtureSearch("EEE", [2, 3, 4], random_state=0, criterion="icl")
    search.fit(em.rows(in_pieces(X), memory=0))
    for cell in search.cells_:
        scores = cell.mixture.score_rows(MemorySource(X))
        share = cell.mixture.responsibilities(X)
        entropy = -(share[share > 0] * np.log(share[share > 0])).sum()
        assert cell.log_likelihood == pytest.approx(scores.log_likelihood, rel=1e-11)
        assert cell.classification == pytest.approx(scores.classification, rel=1e-9)
        assert cell.entropy == pytest.approx(entropy, rel=1e-9)


# the cut


@settings(max_examples=30, deadline=None, database=None)
@given(
    n=st.integers(1, 300),
    tile=st.integers(1, 310),
    cuts=st.lists(st.integers(0, 300), max_size=8),
    weighted=st.booleans(),
    by_column=st.booleans(),
)
def test_any_pieces_give_the_blocks_of_an_array(n, tile, cuts, weighted, by_column):
    rng = np.random.default_rng(n)
    rows, weight = random_rows(rng, n, 3), rng.gamma(2.0, size=n)
    edges = sorted({min(c, n) for c in cuts})

    def call():
        for part in np.split(np.arange(n), edges):
            yield (rows[part], weight[part]) if weighted else rows[part]

    source = StreamSource(reader=open_call(call), tile=tile, by_column=by_column, threads=1)
    expected = list(MemorySource(rows, weight if weighted else None, tile).blocks())
    found = list(source.blocks())
    assert [block.start for block in found] == [block.start for block in expected]
    for a, b in zip(found, expected, strict=True):
        assert np.array_equal(a.rows, b.rows)
        assert (a.weight is None) == (b.weight is None)
        assert a.weight is None or np.array_equal(a.weight, b.weight)
    index = rng.integers(n, size=20)
    assert np.array_equal(source.take(index), rows[index])
    potentials = random_potentials(rng, 3, 3, Factor.FULL, Moment.FULL)
    (sums,) = source.reduce(lambda b: (ENGINES["numpy"].e_step(potentials, b),))
    twin = naive.e_step(potentials, rows, weight if weighted else None)
    np.testing.assert_allclose(sums.s2, twin.s2, rtol=1e-10, atol=1e-10)
    assert sums.loglik == pytest.approx(twin.loglik, rel=1e-11)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_do_not_change_bits(threads):
    X = blobs(60_000)
    X[::9, 0] = np.nan
    source = em.rows(in_pieces(X), memory=0, threads=threads).source()
    engine = suited(ENGINES["numba"], source)
    potentials = random_potentials(np.random.default_rng(0), 3, 3, Factor.FULL, Moment.FULL)
    with threadpool_limits(1, user_api="blas"):
        (sums,) = source.placed(engine).reduce(engine.step([potentials]))
        (once,) = MemorySource(X).placed(engine).reduce(engine.step([potentials]))
    assert np.array_equal(sums.s2, once.s2)
    assert sums.loglik == once.loglik


def test_rows_that_change_during_a_fit_are_told():
    X, calls = blobs(), []

    def shrinking():
        calls.append(1)
        return iter([X[: ROWS - len(calls)]])

    with pytest.raises(DataError, match="rows must not change"):
        em.GaussianMixture(2, random_state=0).fit(em.rows(shrinking, memory=0))
