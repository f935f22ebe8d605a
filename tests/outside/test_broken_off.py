"""Rows that cannot be read on: the best fit so far is kept, and the error says of which rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import ellimix as em
from broken_fits import check_same_bits, fitted, model, rows, said, with_holes, write
from ellimix.errors import DataError, Status

X = rows()
HALVES = np.array_split(X, 2)


def after_pass(number, deed):
    """Someone who does a deed when that pass over the rows has ended."""

    def tell(progress):
        if progress.number == number and progress.ended:
            deed()

    return tell


def truncated(path):
    path.write_bytes(path.read_bytes()[:5_000])


def garbled(path):
    data = bytearray(path.read_bytes())
    data[4:3_000] = bytes(2_996)
    path.write_bytes(bytes(data))


def of_another_type(path):
    table = parquet.read_table(path)
    table = table.set_column(1, "b", pa.array(["x"] * table.num_rows))
    parquet.write_table(table, path)


def without_a_column(path):
    parquet.write_table(parquet.read_table(path).drop(["c"]), path)


def with_fewer_rows(path):
    parquet.write_table(parquet.read_table(path).slice(10), path)


DEEDS = {
    "truncated": (truncated, "b.parquet cannot be read on"),
    "garbled": (garbled, "b.parquet cannot be read on"),
    "vanished": (lambda path: path.unlink(), "b.parquet cannot be read on: it is no longer there"),
    "type": (of_another_type, "The column 'b' of .*b.parquet holds string, not numbers"),
    "column": (without_a_column, "b.parquet has no column 'c'"),
    "rows": (with_fewer_rows, "had 1,500 rows, and now 1,490: rows must not change"),
}


def two_files(folder):
    for name, part in zip("ab", HALVES, strict=True):
        write(folder / f"{name}.parquet", part)
    return em.rows(str(folder / "*.parquet"), memory=0)


@pytest.mark.parametrize("deed", DEEDS)
def test_in_the_middle_of_a_fit(deed, tmp_path):
    act, words = DEEDS[deed]
    source, second, path = two_files(tmp_path), tmp_path / "b.parquet", tmp_path / "run.json"
    whole = fitted(model("squarem"), source)
    part = model("squarem")
    breaking = source.watched(after_pass(5, lambda: act(second)))
    with pytest.raises(DataError, match=words) as caught:
        part.fit(breaking, checkpoint=em.Checkpoint(path, every_passes=3))
    text = str(caught.value)
    assert "The model holds the best parameters so far, after 4 iterations" in text
    assert f"resume=True and the checkpoint {path}" in text
    assert "\n" not in text
    # what it holds is a fit of four passes
    four = fitted(model("squarem", max_iter=4), em.rows(lambda: iter(HALVES), memory=0))
    assert part.report_.status is Status.BROKEN_OFF
    assert "warm_start=True" in part.report_.message
    assert part.lower_bounds_ == four.lower_bounds_ == whole.lower_bounds_[:4]
    assert not part.converged_
    assert np.array_equal(part.means_, four.means_)
    # mended, it is gone on with as if nothing had come between
    write(second, HALVES[1])
    check_same_bits(fitted(model("squarem"), source, checkpoint=path, resume=True), whole)


def test_without_a_checkpoint(tmp_path):
    source = two_files(tmp_path)
    part = model("plain")
    with pytest.raises(DataError, match=r"fit again with warm_start=True to go on") as caught:
        part.fit(source.watched(after_pass(4, (tmp_path / "a.parquet").unlink)))
    assert "a.parquet" in str(caught.value)
    assert part.n_iter_ == 3
    write(tmp_path / "a.parquet", HALVES[0])
    before = part.lower_bound_
    again = fitted(part.set_params(warm_start=True), source)
    assert again.lower_bounds_[0] > before


@pytest.mark.parametrize("case", ["starts", "process"])
def test_several_starts_and_missing_values(case, tmp_path):
    """No further pass is made, which would fail as the last one did."""
    data = write(tmp_path / "x.parquet", with_holes(X))
    part = model(case)
    with pytest.raises(DataError, match=r"x\.parquet cannot be read on"):
        part.fit(em.rows(data, memory=0).watched(after_pass(4, data.unlink)))
    assert part.n_iter_ == 3
    assert np.isfinite(part.means_).all()
    assert all(report.status is Status.BROKEN_OFF for report in part.reports_)


@pytest.mark.parametrize("case", ["plain", "starts"])
def test_after_the_last_iteration(case, tmp_path):
    """In the pass that tells what missing values call for: the fit had ended."""
    data = write(tmp_path / "x.parquet", with_holes(X))
    source = em.rows(data, memory=0)
    whole, part = fitted(model(case), source), model(case)
    last = 1 + max(report.n_iter for report in whole.reports_)
    with pytest.raises(DataError, match=r"x\.parquet cannot be read on.*best parameters so far"):
        part.fit(source.watched(after_pass(last, data.unlink)))
    assert part.report_.status is not Status.BROKEN_OFF
    assert case == "starts" or part.lower_bounds_ == whole.lower_bounds_


def test_in_a_search(tmp_path):
    few = rows(200)
    path, data = tmp_path / "run.json", write(tmp_path / "x.parquet", few)
    source = em.rows(data, memory=0)

    def auto():
        return em.GaussianMixture(
            "auto", covariance_type="spherical", random_state=0, engine="numpy"
        )

    whole = fitted(auto(), source)
    with pytest.raises(DataError, match=r"x\.parquet cannot .* search again with resume=True"):
        auto().fit(source.watched(after_pass(3, data.unlink)), checkpoint=em.Checkpoint(path, 1))
    write(data, few)
    again = fitted(auto(), source, checkpoint=path, resume=True)
    assert np.array_equal(again.means_, whole.means_)
    assert again.lower_bounds_ == whole.lower_bounds_
    assert [row["bic"] for row in again.search_.results_] == pytest.approx(
        [row["bic"] for row in whole.search_.results_], rel=0.0, abs=0.0, nan_ok=True
    )


def test_in_the_first_look(tmp_path):
    """Without a fit so far, the error alone."""
    source = two_files(tmp_path)
    of_another_type(tmp_path / "b.parquet")
    part = model("plain")
    with pytest.raises(DataError, match=r"holds string, not numbers") as caught:
        part.fit(source, checkpoint=tmp_path / "run.json")
    assert "so far" not in str(caught.value)
    assert not hasattr(part, "means_")
    assert not (tmp_path / "run.json").exists()


def test_in_the_moves_of_a_posterior(tmp_path):
    data = write(tmp_path / "x.parquet", X)
    source = em.rows(data, memory=0)
    whole = fitted(model("moves"), source)
    before = fitted(model("moves", moves=False), source)
    part = model("moves")
    with pytest.raises(DataError, match=r"x\.parquet cannot be read on"):
        part.fit(source.watched(after_pass(before.n_iter_ + 4, data.unlink)))
    assert np.array_equal(part.means_, before.means_)
    assert part.report_.status is Status.BROKEN_OFF
    assert whole.report_.status is not Status.BROKEN_OFF


def test_a_function_that_fails(tmp_path):
    calls = []

    def blocks():
        calls.append(None)
        yield HALVES[0]
        if len(calls) == 6:  # one to open it, one to look, three iterations
            raise ConnectionError("the line is dead")
        yield HALVES[1]

    part, path = model("plain"), tmp_path / "run.json"
    source = em.rows(blocks, memory=0)
    with pytest.raises(DataError, match=r"blocks of blocks cannot be read on after 1") as caught:
        part.fit(source, checkpoint=path)
    assert "ConnectionError: the line is dead" in str(caught.value)
    assert part.n_iter_ == 3
    whole = fitted(model("plain"), em.rows(lambda: iter(HALVES), memory=0))
    again = fitted(model("plain"), source, checkpoint=path, resume=True)
    check_same_bits(again, whole)
    assert said(again.report_) == said(whole.report_)


def test_rows_in_memory_may_be_fitted_after_a_fit_that_broke_off(tmp_path):
    data = write(tmp_path / "x.parquet", X)
    part = model("plain")
    with pytest.raises(DataError):
        part.fit(em.rows(data, memory=0).watched(after_pass(3, data.unlink)))
    check_same_bits(fitted(part, X), fitted(model("plain"), X))
