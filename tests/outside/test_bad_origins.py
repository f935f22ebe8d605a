"""Each origin that cannot be read is told in one sentence: what came, and what to do."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import ellimix as em
from ellimix.errors import DataError, MissingExtra

X = np.random.default_rng(0).normal(size=(300, 2))


def write(path, **columns):
    parquet.write_table(pa.table(columns), path)
    return path


def fit(origin, **arguments):
    em.GaussianMixture(2, random_state=0).fit(em.rows(origin, memory=0, **arguments))


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (lambda p: p / "no.parquet", "There is no file"),
        (lambda p: str(p / "no*.parquet"), "No file is named"),
        (lambda p: p, "holds no file of"),
        (lambda p: (x for x in [X]), "can be read once"),
        (lambda p: pa.table({"a": [1.0]}).to_reader(), "can be read once"),
        (lambda p: {"a": 1}, "Rows cannot be read from a dict"),
        (lambda p: lambda: iter([]), "gives no blocks"),
        (lambda p: lambda: iter([np.zeros(3)]), "has shape"),
        (lambda p: lambda: iter([X, X[:, :1]]), "has 1 columns"),
        (lambda p: lambda: iter([(X, np.ones(3))]), "weights of shape"),
        (lambda p: pa.table({"a": ["u", "v"]}), "no column of numbers"),
    ],
)
def test_origins(origin, said, tmp_path):
    with pytest.raises(DataError, match=said) as caught:
        fit(origin(tmp_path))
    assert "\n" not in str(caught.value)


def test_the_same_iterator_twice():
    blocks = iter([X, X])
    with pytest.raises(DataError, match=r"same iterator"):
        fit(lambda: blocks)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"columns": ["a", "z"]}, "no column 'z'"),
        ({"columns": ["a", "t"]}, "holds string, not numbers"),
        ({"columns": ["a", "a"]}, "name each once"),
        ({"columns": ["a"], "weights": "a"}, "name each once"),
        ({"weights": "z"}, "no column 'z'"),
        ({"where": "z > 1"}, "which .* has not"),
        ({"where": "a is good"}, "no comparison"),
        ({"where": "t == u"}, "put text in quotes"),
        ({"where": 7}, "where is 7"),
    ],
)
def test_columns_and_filters(arguments, said, tmp_path):
    path = write(tmp_path / "x.parquet", a=X[:, 0], b=X[:, 1], t=["u"] * 300)
    with pytest.raises(DataError, match=said):
        fit(path, **arguments)


def test_a_column_whose_type_changes_names_the_file(tmp_path):
    write(tmp_path / "1.parquet", a=X[:, 0], b=X[:, 1])
    write(tmp_path / "2.parquet", a=X[:, 0], b=["u"] * 300)
    with pytest.raises(DataError, match=r"'b' of .*2\.parquet holds string"):
        fit(tmp_path)
    write(tmp_path / "2.parquet", a=X[:, 0])
    with pytest.raises(DataError, match=r"2\.parquet has no column 'b'"):
        fit(tmp_path)


def test_integers_in_one_file_and_floats_in_the_next_are_numbers(tmp_path):
    whole = np.round(10 * X[:, 0]).astype(int)
    write(tmp_path / "1.parquet", a=whole, b=X[:, 1])
    write(tmp_path / "2.parquet", a=X[:, 0], b=X[:, 1])
    rows = np.concatenate([np.column_stack([whole, X[:, 1]]), X])
    assert np.array_equal(em.rows(tmp_path, memory=0).loaded().rows, rows)


def test_a_truncated_file_is_named(tmp_path):
    write(tmp_path / "1.parquet", a=X[:, 0], b=X[:, 1])
    path = write(tmp_path / "2.parquet", a=X[:, 0], b=X[:, 1])
    stream = em.rows(tmp_path, memory=0)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DataError, match=r"2\.parquet cannot be read"):
        em.GaussianMixture(2).fit(stream)
    with pytest.raises(DataError, match=r"2\.parquet cannot be read"):
        em.rows(tmp_path)


def test_what_is_said_of_single_rows_needs_them_in_memory(tmp_path):
    path = write(tmp_path / "x.parquet", a=X[:, 0], b=X[:, 1])
    stream = em.rows(path, memory=0)
    model = em.GaussianMixture(2, random_state=0)
    for said in ({"labels": np.full(300, -1)}, {"sample_weight": np.ones(300)}):
        with pytest.raises(DataError, match=r"has a value for each row"):
            model.fit(stream, **said)
    with pytest.raises(DataError, match=r"init_params has a value for each row"):
        em.GaussianMixture(2, init_params=np.zeros(300, dtype=int)).fit(stream)
    with pytest.raises(DataError, match=r"mml"):
        em.GaussianMixture("auto", criterion="mml").fit(stream)
    model.fit(stream)
    with pytest.raises(DataError, match=r"all rows in memory"):
        model.impute(stream)
    with pytest.raises(DataError, match=r"has 1 columns, and the model 2"):
        model.predict(lambda: iter([X[:, :1]]))


def test_weights(tmp_path):
    path = write(tmp_path / "x.parquet", a=X[:, 0], w=np.where(np.arange(300) == 4, -1.0, 1.0))
    with pytest.raises(DataError, match=r"Row 4 of .* has the weight -1"):
        fit(path, weights="w")
    path = write(tmp_path / "x.parquet", a=X[:, 0], w=pa.array([None] + [1.0] * 299))
    with pytest.raises(DataError, match=r"has no weight in 'w'"):
        fit(path, weights="w")
    path = write(tmp_path / "x.parquet", a=X[:, 0], w=np.zeros(300))
    with pytest.raises(DataError, match=r"No row of .* counts"):
        fit(path, weights="w")


def test_empty_columns_and_too_few_rows(tmp_path):
    path = write(tmp_path / "x.parquet", a=X[:, 0], b=pa.array([None] * 300, pa.float64()))
    with pytest.raises(DataError, match=r"Every value is missing in column.* 'b'"):
        fit(path)
    path = write(tmp_path / "x.parquet", a=X[:1, 0])
    with pytest.raises(DataError, match=r"n_samples"):
        fit(path)


def test_a_size_that_is_none():
    with pytest.raises(DataError, match=r"no size in bytes"):
        em.rows(lambda: iter([X]), memory="much")


def test_pyarrow_is_named_where_it_is_missing(tmp_path, monkeypatch):
    path = write(tmp_path / "x.parquet", a=X[:, 0])
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"ellimix\[cli\]"):
        em.rows(path)
