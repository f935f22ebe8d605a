"""Rows filled in for starts: conditional means under one Gaussian."""

from __future__ import annotations

import numpy as np
import pytest

from ellimix import completion
from ellimix.completion import completed
from ellimix.engines import ENGINES
from ellimix.records import Detail
from ellimix.sources.memory import MemorySource

ENGINE = ENGINES["numpy"]


def holes(n=200, d=3, share=0.3, seed=0):
    """Correlated rows, and the same with values missing; the first row is whole."""
    rng = np.random.default_rng(seed)
    whole = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + 5.0
    rows = whole.copy()
    rows[rng.random(rows.shape) < share] = np.nan
    rows[0] = whole[0]
    return whole, rows


def filled(rows, weight=None, **more):
    return completed(MemorySource(rows, weight, threads=1, **more), ENGINE).rows


def conditional_means(rows, mean, covariance):
    """Row by row, by the textbook's formula."""
    out = rows.copy()
    for i, row in enumerate(rows):
        m, o = np.isnan(row), ~np.isnan(row)
        shift = np.linalg.solve(covariance[np.ix_(o, o)], row[o] - mean[o])
        out[i, m] = mean[m] + covariance[np.ix_(m, o)] @ shift
    return out


def test_whole_rows_come_back_as_they_are():
    whole, _ = holes()
    source = MemorySource(whole, threads=1)
    assert completed(source, ENGINE).rows is whole
    labelled = MemorySource(whole, detail=Detail(prior=np.zeros((200, 2))), threads=1)
    back = completed(labelled, ENGINE)
    assert back.detail is None
    assert back.rows is whole


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_known_stays_and_the_rest_is_finite(dtype):
    _, rows = holes()
    rows = rows.astype(dtype)
    before, weight = rows.copy(), np.linspace(0.0, 2.0, 200)
    source = MemorySource(rows, weight, tile=7, threads=1)
    back = completed(source, ENGINE)
    assert back.rows.dtype == dtype
    assert back.weight is weight
    assert not back.incomplete
    known = ~np.isnan(rows)
    np.testing.assert_array_equal(back.rows[known], rows[known])
    np.testing.assert_array_equal(rows, before)  # the source's own are not written to


def test_missing_values_become_conditional_means_under_the_fitted_gaussian(monkeypatch):
    monkeypatch.setattr(completion, "RIDGE", 0.0)
    monkeypatch.setattr(completion, "TOL", 1e-12)
    monkeypatch.setattr(completion, "MAX_ITER", 2000)
    _, rows = holes(n=80)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, 80)
    mean, covariance = np.nanmean(rows, axis=0), np.diag(np.nanvar(rows, axis=0))
    for _ in range(1000):  # EM, row by row
        points = conditional_means(rows, mean, covariance)
        spread = np.zeros((3, 3))
        for row, w in zip(rows, weight, strict=True):
            m, o = np.isnan(row), ~np.isnan(row)
            a = covariance[np.ix_(m, o)] @ np.linalg.inv(covariance[np.ix_(o, o)])
            rest = covariance[np.ix_(m, m)] - a @ covariance[np.ix_(o, m)]
            spread[np.ix_(m, m)] += w * rest
        mean = weight @ points / weight.sum()
        shift = points - mean
        covariance = ((shift.T * weight) @ shift + spread) / weight.sum()
    expected = conditional_means(rows, mean, covariance)
    np.testing.assert_allclose(filled(rows, weight), expected, atol=1e-3)


def test_regression_beats_column_means():
    for seed in range(3):
        whole, rows = holes(seed=seed)
        lost = np.isnan(rows)
        means = np.broadcast_to(np.nanmean(rows, axis=0), rows.shape)
        error = np.abs(filled(rows) - whole)[lost]
        assert (error**2).mean() < 0.7 * ((means - whole)[lost] ** 2).mean()


def test_a_weight_is_a_repetition_and_the_order_of_rows_does_not_matter():
    _, rows = holes(n=40)
    count = np.random.default_rng(2).integers(0, 4, 40)
    count[0] = 1
    ours = filled(rows, count.astype(float))
    repeated = filled(np.repeat(rows, count, axis=0))
    np.testing.assert_allclose(np.repeat(ours, count, axis=0), repeated, rtol=1e-9, atol=1e-9)
    order = np.random.default_rng(3).permutation(40)
    np.testing.assert_allclose(filled(rows[order]), filled(rows)[order], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("power", [-30, 30])
def test_units_do_not_matter(power):
    _, rows = holes()
    scale, shift = 2.0 ** np.array([power, 0, -power]), np.array([0.0, 1e3, 0.0])
    ours = (filled(rows * scale + shift) - shift) / scale
    np.testing.assert_allclose(ours, filled(rows), rtol=1e-7, atol=1e-7)


def test_a_row_of_which_nothing_is_known_becomes_the_mean():
    _, rows = holes()
    lost = np.vstack([rows, np.full((2, 3), np.nan)])
    back = filled(lost)
    np.testing.assert_array_equal(back[:-2], filled(rows))
    np.testing.assert_array_equal(back[-1], back[-2])
    assert np.abs(back[-1] - np.nanmean(rows, axis=0)).max() < 0.5


def test_a_row_of_weight_zero_is_filled_in_and_counts_for_nothing():
    _, rows = holes()
    weight = np.ones(200)
    weight[5] = 0.0
    rows[5], others = [np.nan, 1e9, 1.0], np.arange(200) != 5
    back = filled(rows, weight)
    assert np.isfinite(back).all()
    np.testing.assert_allclose(back[others], filled(rows[others]), rtol=1e-9, atol=1e-9)


def test_constant_and_repeated_columns():
    _, rows = holes()
    rows = np.column_stack([rows, np.full(200, 7.0), rows[:, 0]])
    rows[1:50, 3] = np.nan
    rows[1:150, 4] = np.nan
    back = filled(rows)
    assert (back[:, 3] == 7.0).all()
    known = ~np.isnan(rows[:, 0])
    np.testing.assert_allclose(back[known, 4], rows[known, 0], atol=0.5)


@pytest.mark.parametrize(("n", "d"), [(1, 3), (2, 5), (10, 30)])
def test_fewer_rows_than_columns(n, d):
    whole, rows = holes(n=n + 1, d=d)
    back = filled(rows)
    assert np.isfinite(back).all()
    assert np.abs(back).max() < 10.0 * np.abs(whole).max()


def test_values_out_of_range_of_squares():
    _, rows = holes()
    back = filled(rows * 1e300)
    np.testing.assert_allclose(back / 1e300, filled(rows), rtol=1e-6)


def test_of_many_rows_a_sample_is_fitted(monkeypatch):
    seen = []
    run = completion.run

    def spy(source, *rest):
        seen.append(source.rows.shape[0])
        return run(source, *rest)

    whole, rows = holes(n=2000)
    every = filled(rows)
    monkeypatch.setattr(completion, "run", spy)
    monkeypatch.setattr(completion, "FIT_ROWS", 500)
    few = filled(rows)
    assert seen == [500]
    assert np.abs(few - every).max() < 0.2 * np.std(whole)
    np.testing.assert_array_equal(few, filled(rows))


def test_of_many_patterns_fewer_rows_are_fitted(monkeypatch):
    seen = []
    run = completion.run

    def spy(source, *rest):
        seen.append(source.rows.shape[0])
        return run(source, *rest)

    monkeypatch.setattr(completion, "run", spy)
    monkeypatch.setattr(completion, "FEWER_ROWS", 100)
    _, rows = holes()
    filled(rows)
    monkeypatch.setattr(completion, "MANY_PATTERNS", 3)
    filled(rows)
    assert seen[0] > 190  # a few rows may lack everything
    assert seen[1] == 100


def test_where_no_fit_ends_well_values_become_column_means(monkeypatch):
    _, rows = holes()
    monkeypatch.setattr(completion, "FLOOR", np.inf)  # every covariance overflows
    means = np.broadcast_to(np.nanmean(rows, axis=0), rows.shape)
    expected = np.where(np.isnan(rows), means, rows)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(filled(rows), expected, rtol=1e-12)
