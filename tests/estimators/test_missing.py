"""Missing values through the estimator: exact, by rows that lack nothing, and by their rules."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from ellimix import (
    FAMILIES,
    FitWarning,
    GaussianMixture,
    GaussianMixtureImputer,
    GaussianMixtureSearch,
    datasets,
)
from ellimix.covariance import parse
from ellimix.density.bearing import unseen
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.errors import DataError
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.selection.cells import Verdict
from ellimix.sources.memory import MemorySource


def holes(rows, share, seed=0):
    out = rows.copy()
    out[np.random.default_rng(seed).random(rows.shape) < share] = np.nan
    return out


def density(mixture, row):
    """log p(what is observed of a row), from marginal normal densities."""
    seen = ~np.isnan(row)
    if not seen.any():
        return 0.0
    own = np.ix_(seen, seen)
    parts = [
        w * multivariate_normal(mean[seen], cov[own]).pdf(row[seen])
        for w, mean, cov in zip(mixture.weights, mixture.means, mixture.covariances(), strict=True)
    ]
    return np.log(sum(parts))


@pytest.fixture(scope="module")
def iris():
    return datasets.iris()[0]


@pytest.fixture(scope="module")
def fitted(iris):
    return GaussianMixture(3, random_state=0).fit(holes(iris, 0.3))


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_the_density_is_that_of_what_is_observed(iris, engine):
    rows = holes(iris, 0.3)
    model = GaussianMixture(3, engine=engine, random_state=0).fit(rows)
    expected = [density(model.mixture_, row) for row in rows]
    np.testing.assert_allclose(model.score_samples(rows), expected, rtol=1e-9, atol=1e-12)
    # the trace is of the parameters before the last M-step
    assert model.score(rows) >= model.lower_bound_


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_whole_rows_go_the_plain_way(iris, family, engine):
    plain = GaussianMixture(3, covariance_type=family, engine=engine, random_state=0)
    aware = GaussianMixture(3, covariance_type=family, engine=engine, random_state=0)
    one, other = plain.fit(iris), aware.fit(
        iris, mask=np.zeros(iris.shape, bool), lower=-np.inf, upper=np.inf,
        errors=np.zeros(4), allowed=np.ones((150, 3), bool),
    )  # fmt: skip
    np.testing.assert_array_equal(one.means_, other.means_)
    np.testing.assert_array_equal(one.covariances_, other.covariances_)
    assert one.lower_bounds_ == other.lower_bounds_


@settings(max_examples=12, deadline=None)
@given(
    family=st.sampled_from(list(FAMILIES)),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 2**16),
    weighted=st.booleans(),
)
def test_the_likelihood_never_falls(family, share, seed, weighted):
    rng = np.random.default_rng(seed)
    rows = holes(datasets.iris()[0] + 0.05 * rng.standard_normal((150, 4)), share, seed)
    weight = rng.integers(1, 4, 150).astype(float) if weighted else None
    fit = GaussianMixture(2, covariance_type=family, random_state=seed, reg_covar=0.0, tol=0.0,
                          max_iter=15, acceleration=None)  # fmt: skip
    said = "did not converge|It may be spurious"  # with half of the cells missing it may be both
    with pytest.warns(UserWarning, match=said) as caught:
        fit.fit(rows, sample_weight=weight)
    assert any("did not converge" in str(warning.message) for warning in caught)
    steps = np.diff(fit.lower_bounds_)
    assert (steps > -1e-9).all()


def test_a_weight_is_a_repetition(iris):
    rows = holes(iris, 0.2)
    weight = np.random.default_rng(1).integers(0, 3, 150)
    start = GaussianMixture(3, random_state=0).fit(iris).mixture_.parameters
    task = Task(MaximumLikelihood(parse("VVV", 4), 1e-6), start, 0.0, 20)
    engine = ENGINES["numpy"]
    (one,) = run(MemorySource(rows, weight.astype(float)), engine, [task])
    (other,) = run(MemorySource(np.repeat(rows, weight, axis=0)), engine, [task])
    np.testing.assert_allclose(one.mixture.means, other.mixture.means, rtol=1e-9)
    np.testing.assert_allclose(one.trace, other.trace, rtol=1e-11)


def test_threads_and_tiles_do_not_change_what_comes_out(iris):
    rows = holes(np.tile(iris, (40, 1)) + np.arange(6000)[:, None] * 1e-6, 0.2)
    start = GaussianMixture(3, random_state=0).fit(iris).mixture_.parameters
    task = Task(MaximumLikelihood(parse("VVV", 4), 1e-6), start, 0.0, 5)
    for engine in ("numpy", "numba"):
        found = [
            run(MemorySource(rows, tile=768, threads=threads), ENGINES[engine], [task])[0]
            for threads in (1, 3)
        ]
        np.testing.assert_array_equal(found[0].mixture.means, found[1].mixture.means)
        assert found[0].trace == found[1].trace
        (whole,) = run(MemorySource(rows, tile=6000), ENGINES[engine], [task])
        np.testing.assert_allclose(whole.mixture.means, found[0].mixture.means, rtol=1e-9)


def test_units_of_columns_do_not_matter(iris):
    rows = holes(iris, 0.2)
    scale, shift = np.array([1e-3, 2.0, 50.0, 1e4]), np.array([5.0, -1.0, 0.0, 1e3])
    start = GaussianMixture(3, random_state=0, init_params=np.arange(150) // 50, reg_covar=0.0)
    one = start.fit(rows)
    other = GaussianMixture(3, init_params=np.arange(150) // 50, reg_covar=0.0).fit(
        rows * scale + shift
    )
    np.testing.assert_allclose(other.means_, one.means_ * scale + shift, rtol=1e-5)
    np.testing.assert_allclose(
        other.impute(rows * scale + shift), one.impute(rows) * scale + shift, rtol=1e-5
    )


def test_rows_with_nothing_observed_count_for_nothing(iris):
    rows = holes(iris, 0.1)
    more = np.vstack([rows, np.full((7, 4), np.nan)])
    labels = np.arange(150) // 50
    one = GaussianMixture(3, init_params=labels).fit(rows)
    other = GaussianMixture(3, init_params=np.append(labels, [0] * 7)).fit(more)
    np.testing.assert_allclose(one.means_, other.means_, rtol=1e-10)
    np.testing.assert_allclose(one.bic(rows), other.bic(more), rtol=1e-12)
    assert "7 row(s) have nothing observed" in other.report_.notes[0]
    np.testing.assert_allclose(other.predict_proba(more)[-1], other.weights_)
    np.testing.assert_allclose(other.impute(more)[-1], other.weights_ @ other.means_)


def test_a_mask_and_pandas_na_are_nan(iris):
    rows = holes(iris, 0.2)
    expected = GaussianMixture(2, random_state=0).fit(rows).means_
    masked = GaussianMixture(2, random_state=0).fit(iris, mask=np.isnan(rows))
    np.testing.assert_array_equal(masked.means_, expected)
    frame = pd.DataFrame(rows, columns=list("abcd"))
    for table in (frame, frame.astype("Float64"), frame.astype("Float64").astype(object)):
        found = GaussianMixture(2, random_state=0).fit(table)
        np.testing.assert_array_equal(found.means_, expected)
        assert list(found.feature_names_in_) == list("abcd")


def test_float32_rows_stay_so(iris):
    rows = holes(iris, 0.2).astype(np.float32)
    model = GaussianMixture(2, random_state=0).fit(rows)
    assert model.impute(rows).dtype == np.float32
    wide = GaussianMixture(2, random_state=0).fit(rows.astype(np.float64))
    np.testing.assert_allclose(model.means_, wide.means_, rtol=1e-3)


def test_imputed_values_are_conditional_means(fitted, iris):
    rows = holes(iris, 0.3)
    found, mixture = fitted.impute(rows), fitted.mixture_
    np.testing.assert_array_equal(found[~np.isnan(rows)], rows[~np.isnan(rows)])
    share = fitted.predict_proba(rows)
    for i in range(0, 150, 7):
        gone = np.isnan(rows[i])
        expected = np.zeros(4)
        for k, (mean, cov) in enumerate(zip(mixture.means, mixture.covariances(), strict=True)):
            own = cov[np.ix_(gone, ~gone)] @ np.linalg.solve(
                cov[np.ix_(~gone, ~gone)], rows[i][~gone] - mean[~gone]
            )
            expected[gone] += share[i, k] * (mean[gone] + own)
        np.testing.assert_allclose(found[i][gone], expected[gone], rtol=1e-8)


def test_draws_have_the_conditional_mean_and_covariance(fitted):
    row = np.array([[5.9, np.nan, 4.3, np.nan]])
    draws = fitted.impute(np.repeat(row, 40_000, axis=0), n_draws=1, rng=0, proper=False)[0]
    behind = fitted.denoise(row)
    np.testing.assert_allclose(draws.mean(axis=0), behind.means[0], atol=0.01)
    np.testing.assert_allclose(np.cov(draws.T), behind.covariances[0], atol=0.01)


def test_proper_draws_vary_more_and_repeat():
    rng = np.random.default_rng(0)
    rows = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 60)
    gone = rng.random(60) < 0.6
    rows[gone, 1] = np.nan
    model = GaussianMixture().fit(rows)
    proper = model.impute(rows, n_draws=150, rng=0)
    np.testing.assert_array_equal(proper, model.impute(rows, n_draws=150, rng=0))
    np.testing.assert_array_equal(proper[3, :, 0], rows[:, 0])
    plain = model.impute(rows, n_draws=150, rng=0, proper=False)
    # between copies, the mean varies by the regression's uncertainty too: about as much again as
    # by what is drawn, with 24 rows that have both values and 36 that lack one
    ratio = proper[:, :, 1].mean(axis=1).var() / plain[:, :, 1].mean(axis=1).var()
    assert 1.6 < ratio < 4.5


def test_bounded_draws_stay_within_their_bounds(iris):
    model = GaussianMixture(3, random_state=0).fit(iris)
    rows = iris.copy()
    rows[rows[:, 3] < 0.25, 3] = np.nan
    rows[rows[:, 1] > 3.4, 1] = np.nan
    bounds = {"lower": [-np.inf, 3.4, -np.inf, 0.0], "upper": [np.inf, np.inf, np.inf, 0.25]}
    draws = model.impute(rows, n_draws=400, rng=0, proper=False, **bounds)
    gone = np.isnan(rows)
    assert (draws[:, gone[:, 3], 3] <= 0.25).all()
    assert (draws[:, gone[:, 3], 3] >= 0.0).all()
    assert (draws[:, gone[:, 1], 1] >= 3.4).all()
    np.testing.assert_allclose(draws.mean(axis=0), model.impute(rows, **bounds), atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"mask": np.ones((3, 4), bool)}, "mask has shape"),
        ({"mask": np.zeros((150, 4))}, "and type float64"),
        ({"errors": -np.ones(4)}, "variances must be finite and not negative"),
        ({"errors": np.ones(3)}, "expected variances of shape"),
        ({"errors": np.tile([[1, 2, 0, 0]] * 4, (150, 1, 1))}, "not a covariance"),
        ({"projections": np.ones((150, 3, 2))}, "projections have shape"),
        ({"lower": 3.0, "upper": 2.0, "mask": np.eye(150, 4, dtype=bool)}, "must not be above"),
        ({"lower": np.ones(3)}, "lower has shape"),
        ({"labels": np.full(150, 3)}, "integers from 0 to 2"),
        ({"labels": np.full(150, -2)}, "integers from 0 to 2"),
        ({"labels": np.full(15, 0)}, "one a row"),
        ({"labels": np.full(150, 0.5)}, "integers from 0 to 2"),
        ({"allowed": np.ones((150, 2))}, "expected \\(150, 3\\)"),
        ({"allowed": -np.ones((150, 3))}, "not negative"),
        ({"allowed": np.zeros((150, 3))}, "may belong to no component"),
        ({"sample_weight": np.full(150, np.nan)}, "finite and not negative"),
        ({"errors": "many"}, "not an array of numbers"),
    ],
)
def test_bad_knowledge_gets_a_sentence(iris, arguments, sentence):
    with pytest.raises(DataError, match=sentence):
        GaussianMixture(3).fit(iris, **arguments)


def test_bad_rows_get_a_sentence(iris):
    empty = iris.copy()
    empty[:, 2] = np.nan
    with pytest.raises(DataError, match=r"Every value is missing in column\(s\) 2"):
        GaussianMixture(3).fit(empty)
    with pytest.raises(DataError, match="'c'"):
        GaussianMixture(3).fit(pd.DataFrame(empty, columns=list("abcd")))
    endless = iris.copy()
    endless[4, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        GaussianMixture(3).fit(endless)
    with pytest.raises(DataError, match="all values are missing"):
        GaussianMixture(1).fit(np.full((5, 2), np.nan))
    model = GaussianMixture(3, random_state=0).fit(iris)
    with pytest.raises(TypeError, match="Unexpected argument 'error'"):
        model.predict(iris, error=1.0)
    with pytest.raises(DataError, match="proper=False for draws from the fitted"):
        model.impute(iris[:5], n_draws=2)
    with pytest.raises(DataError, match="denoise gives"):
        model.impute(iris, n_draws=2, errors=np.ones(4), proper=False)
    with pytest.raises(ValueError, match="at least 1"):
        model.impute(iris, n_draws=0)


def test_the_imputer_is_a_step_of_a_pipeline(iris):
    rows = holes(iris, 0.3)
    imputer = GaussianMixtureImputer(3, random_state=0).fit(rows)
    found = imputer.transform(rows)
    np.testing.assert_allclose(found, imputer.mixture_.impute(rows))
    drawn = GaussianMixtureImputer(3, sample_posterior=True, random_state=0).fit(rows)
    gone = np.isnan(rows)
    assert (drawn.transform(rows)[gone] != found[gone]).all()
    named = pd.DataFrame(rows, columns=list("abcd"))
    table = imputer.set_output(transform="pandas").fit_transform(named)
    assert list(table.columns) == list("abcd")
    assert not table.isna().any().any()


def test_components_that_rest_on_few_rows_are_told(iris):
    rows = holes(iris, 0.5, seed=2)
    with pytest.warns(FitWarning, match="of its .* rows observe") as caught:
        model = GaussianMixture(3, n_init=5, tol=1e-5, max_iter=1000, random_state=0).fit(rows)
    assert caught[0].filename == __file__
    assert "rows observe" in model.report_.notes[-1]
    # by hand: rows of the component that observe all of the four features
    found = unseen(model.mixture_, MemorySource(rows), ENGINES["numpy"])
    whole = ~np.isnan(rows).any(axis=1)
    share = model.predict_proba(rows)
    for one in found:
        if len(one.features) == 4:
            np.testing.assert_allclose(one.rows, share[whole, one.component].sum())
        np.testing.assert_allclose(one.count, share[:, one.component].sum())
    search = GaussianMixtureSearch("VVV", [1, 2, 3], random_state=0).fit(rows)
    reasons = [cell.reason for cell in search.cells_ if cell.verdict is Verdict.SPURIOUS]
    assert any("rows observe all of them" in reason for reason in reasons)
