"""Rows filled in for starts: conditional means under one Gaussian."""

from __future__ import annotations

from dataclasses import replace

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


def conditional_means(rows, mean, covariance, errors=None):
    """Row by row, by the textbook's formula; `errors` are variances of what is known."""
    out = rows.copy()
    for i, row in enumerate(rows):
        m, o = np.isnan(row), ~np.isnan(row)
        total = covariance[np.ix_(o, o)] + (0.0 if errors is None else np.diag(errors[i, o]))
        shift = np.linalg.solve(total, row[o] - mean[o])
        out[i, m] = mean[m] + covariance[np.ix_(m, o)] @ shift
    return out


def exact_gaussian(monkeypatch):
    """Fits that go on to their maximum, without a ridge."""
    monkeypatch.setattr(completion, "RIDGE", 0.0)
    monkeypatch.setattr(completion, "TOL", 1e-10)
    monkeypatch.setattr(completion, "MAX_ITER", 1000)


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
    exact_gaussian(monkeypatch)
    _, rows = holes(n=80)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, 80)
    mean, covariance = np.nanmean(rows, axis=0), np.diag(np.nanvar(rows, axis=0))
    for _ in range(300):  # EM, row by row
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
    monkeypatch.setattr(completion, "FLOOR", np.inf)  # every covariance is out of range
    means = np.broadcast_to(np.nanmean(rows, axis=0), rows.shape)
    expected = np.where(np.isnan(rows), means, rows)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(filled(rows), expected, rtol=1e-12)


# errors, intervals, projections


def test_what_was_measured_with_errors_stays_and_the_rest_is_expected(monkeypatch):
    exact_gaussian(monkeypatch)
    whole, rows = holes(n=400)
    errors = np.exp(np.random.default_rng(1).uniform(-6.0, 3.0, rows.shape))
    noisy = rows + np.sqrt(errors) * np.random.default_rng(2).standard_normal(rows.shape)
    known = ~np.isnan(rows)
    with_errors = filled(noisy, detail=Detail(errors=errors))
    matrices = errors[:, :, None] * np.eye(3)
    np.testing.assert_array_equal(with_errors[known], noisy[known])
    np.testing.assert_allclose(filled(noisy, detail=Detail(errors=matrices)), with_errors)
    expected = conditional_means(noisy, whole.mean(axis=0), np.cov(whole.T), errors)
    gap, ignorant = (
        np.sqrt(((rows - expected)[~known] ** 2).mean()) for rows in (with_errors, filled(noisy))
    )
    assert gap < 0.1
    assert gap < 0.3 * ignorant
    small = filled(rows, detail=Detail(errors=1e-9 * errors))
    np.testing.assert_allclose(small, filled(rows), atol=1e-3)


def test_errors_are_in_the_units_of_the_columns():
    _, rows = holes()
    errors = np.random.default_rng(1).uniform(0.5, 2.0, rows.shape)
    scale = 2.0 ** np.array([10, 0, -10])
    ours = filled(rows * scale, detail=Detail(errors=errors * scale**2)) / scale
    np.testing.assert_allclose(ours, filled(rows, detail=Detail(errors=errors)), rtol=1e-7)


def test_cells_known_to_an_interval_stay_in_it(monkeypatch):
    whole, _ = holes(n=300)
    rows = whole.copy()
    lower, upper = np.full(rows.shape, -np.inf), np.full(rows.shape, np.inf)
    cut = np.quantile(whole[:, 0], 0.7)
    high = whole[:, 0] > cut  # censored from above
    rows[high, 0], lower[high, 0] = np.nan, cut
    rows[:50, 1] = np.nan
    lower[:50, 1], upper[:50, 1] = np.floor(whole[:50, 1]), np.floor(whole[:50, 1]) + 1.0
    rows[60:90, 2] = np.nan  # missing
    back = filled(rows, detail=Detail(lower=lower, upper=upper))
    assert (back[high, 0] > cut).all()
    assert ((back[:50, 1] > lower[:50, 1]) & (back[:50, 1] < upper[:50, 1])).all()
    known = ~np.isnan(rows)
    np.testing.assert_array_equal(back[known], rows[known])
    gap = np.abs(back - whole)
    assert gap[high, 0].mean() < np.abs(whole[high, 0] - cut).mean()
    ignorant = filled(rows)
    assert gap[high, 0].mean() < 0.5 * np.abs(ignorant - whole)[high, 0].mean()
    assert np.corrcoef(back[60:90, 2], whole[60:90, 2])[0, 1] > 0.5
    single = filled(rows.astype(np.float32), detail=Detail(lower=lower, upper=upper))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, back, rtol=1e-3, atol=1e-3)


def test_a_column_of_intervals_alone():
    whole, _ = holes(n=100)
    lower, upper = np.full(whole.shape, -np.inf), np.full(whole.shape, np.inf)
    lower[:, 1], upper[:, 1] = np.floor(whole[:, 1]), np.floor(whole[:, 1]) + 1.0
    rows = whole.copy()
    rows[:, 1] = np.nan
    back = filled(rows, detail=Detail(lower=lower, upper=upper))
    assert np.abs(back - whole).max() < 1.0
    assert ((back[:, 1] > lower[:, 1]) & (back[:, 1] < upper[:, 1])).all()


def seen(n=400, d=3, p=2, seed=0):
    """Rows, projections of each to random directions, and what is measured with errors."""
    rng = np.random.default_rng(seed + 100)
    whole, _ = holes(n=n, d=d, seed=seed)
    whole = whole * 3.0 ** np.arange(d)
    projections = rng.standard_normal((n, p, d))
    errors = rng.uniform(0.01, 0.1, (n, p))
    y = np.einsum("npd,nd->np", projections, whole)
    return whole, projections, errors, y + np.sqrt(errors) * rng.standard_normal((n, p))


@pytest.mark.parametrize("p", [1, 2, 3])
def test_projections_become_conditional_means_of_all_features(monkeypatch, p):
    exact_gaussian(monkeypatch)
    whole, projections, errors, y = seen(n=4000 // p**2, p=p)
    back = filled(y, detail=Detail(projections=projections, errors=errors))
    mean, covariance = whole.mean(axis=0), np.cov(whole.T)
    expected = np.empty_like(whole)
    for i, (r, s) in enumerate(zip(projections, errors, strict=True)):  # under the true moments
        total = r @ covariance @ r.T + np.diag(s)
        expected[i] = mean + covariance @ r.T @ np.linalg.solve(total, y[i] - r @ mean)
    spread = whole.std(axis=0)
    assert np.sqrt((((back - expected) / spread) ** 2).mean()) < (0.3 if p == 1 else 0.12)
    error = (((back - whole) / spread) ** 2).mean()
    assert error < 1.2 * (((expected - whole) / spread) ** 2).mean()


def test_projections_with_missing_cells_weights_and_rows_that_say_nothing():
    whole, projections, errors, y = seen(n=300)
    y[::4, 0] = np.nan
    y[5] = np.nan
    weight = np.where(np.arange(300) % 7 == 0, 0.0, 1.0)
    detail = Detail(projections=projections, errors=errors)
    source = MemorySource(y.astype(np.float32), weight, tile=64, threads=1, detail=detail)
    back = completed(source, ENGINE)
    assert back.rows.shape == (300, 3)
    assert back.rows.dtype == np.float32
    assert back.weight is weight
    assert back.n_features == 3
    assert not back.incomplete
    gap = np.abs(back.rows[5] - whole.mean(axis=0)) / whole.std(axis=0)
    assert (gap < 0.3).all()


def test_a_feature_that_no_projection_sees():
    whole, projections, errors, y = seen()
    projections[:, :, 2] = 0.0
    y = np.einsum("npd,nd->np", projections, whole)
    back = filled(y, detail=Detail(projections=projections, errors=errors))
    assert np.isfinite(back).all()
    assert np.abs(back[:, :2] - whole[:, :2]).mean() < 0.1 * whole[:, :2].std()


def test_units_of_features_seen_in_projections_do_not_matter():
    _, projections, errors, y = seen()
    scale = 2.0 ** np.array([10, 0, -10])
    detail = Detail(projections=projections / scale, errors=errors)
    ours = filled(y, detail=detail) / scale
    expected = filled(y, detail=Detail(projections=projections, errors=errors))
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


def test_a_diagonal_fit_stands_in_for_a_full_one(monkeypatch):
    whole, projections, errors, y = seen()
    detail, asked, run = Detail(projections=projections, errors=errors), [], completion.run

    def first_fails(source, engine, tasks):
        asked.append(tasks[0].inference.family.name)
        if asked[-1] == "VVV":
            tasks = [replace(tasks[0], start=replace(tasks[0].start, means=np.full((1, 3), 1e300)))]
            with np.errstate(all="ignore"):
                return run(source, engine, tasks)
        return run(source, engine, tasks)

    monkeypatch.setattr(completion, "run", first_fails)
    back = filled(y, detail=detail)
    assert asked == ["VVV", "VVI"]
    assert np.corrcoef(back[:, 2], whole[:, 2])[0, 1] > 0.9
