"""Labels in files are those of the rows, in their order, block by block."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import ellimix as em
from ellimix.errors import DataError
from outside_rows import blobs, table


@pytest.fixture
def model():
    return em.GaussianMixture(3, noise=True, random_state=0).fit(blobs())


def written(path):
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pandas()
    mark = "\t" if ".tsv" in path.suffixes else ","
    return csv.read_csv(path, parse_options=csv.ParseOptions(delimiter=mark)).to_pandas()


def assert_labels(frame, model, X):
    assert frame.shape == (len(X), 6)
    blank = np.isnan(X).all(axis=1)
    assert frame[blank].isna().all().all()
    seen = frame[~blank]
    assert np.array_equal(seen["label"], model.predict(X[~blank]))
    shares = [name for name in frame.columns if name.startswith("responsibility")]
    assert shares[-1] == "responsibility_noise"
    np.testing.assert_allclose(seen[shares], model.predict_proba(X[~blank]), rtol=1e-12)
    density = model.score_samples(X[~blank])
    np.testing.assert_allclose(seen["log_density"], density, rtol=1e-12)


@pytest.mark.parametrize("name", ["l.csv", "l.tsv", "l.parquet", "l.csv.gz"])
def test_one_file(model, name, tmp_path):
    X = blobs(seed=4)
    X[::7, 1] = np.nan
    X[5] = np.nan
    done = em.write_labels(model, lambda: iter(np.array_split(X, 4)), tmp_path / name)
    assert (done.rows, done.blank) == (len(X), 1)
    assert done.files == (tmp_path / name,)
    assert_labels(written(tmp_path / name), model, X)
    assert [p.name for p in tmp_path.iterdir()] == [name]  # nothing is left beside


def test_a_folder_gets_a_file_for_each(model, tmp_path):
    X = blobs(seed=4)
    for i, part in enumerate(np.array_split(X, 3)):
        (tmp_path / f"day{i}").mkdir()
        parquet.write_table(table(part), tmp_path / f"day{i}" / "x.parquet")
    out = tmp_path / "scored"
    done = em.write_labels(model, str(tmp_path / "*/*.parquet"), out)
    assert [p.name for p in done.files] == ["x.parquet", "x-2.parquet", "x-3.parquet"]
    for path, part in zip(done.files, np.array_split(X, 3), strict=True):
        assert_labels(written(path), model, part)


def test_arrays_on_disk(model, tmp_path):
    X = blobs(seed=4)
    np.save(tmp_path / "x.npy", X)
    done = em.write_labels(model.mixture_, tmp_path / "x.npy", tmp_path / "out")
    assert_labels(written(done.files[0]), model, X)


def test_what_was_there_stays_until_the_new_is_complete(model, tmp_path):
    (tmp_path / "l.csv").write_text("old")

    def broken():
        yield blobs()
        raise OSError("the disk went away")

    with pytest.raises(DataError, match="went away"):  # as of rows that cannot be read on
        em.write_labels(model, broken, tmp_path / "l.csv")
    assert (tmp_path / "l.csv").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_bad_places(model, tmp_path):
    with pytest.raises(DataError, match=r"use \.parquet, \.csv or a folder"):
        em.write_labels(model, lambda: iter([blobs()]), tmp_path / "l.xls")
    with pytest.raises(DataError, match="is no file"):
        em.write_labels(model, lambda: iter([blobs()]), tmp_path / "folder")
    with pytest.raises(DataError, match="has 1 columns, and the model 3"):
        em.write_labels(model, pa.table({"a": [1.0]}), tmp_path / "l.csv")
