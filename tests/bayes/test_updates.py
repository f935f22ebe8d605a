"""Updates: batches, weights, order, sums, forgetting, and numbers far from 0."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bayes_problems import PRIORS, batch, numbers
from ellimix.bayes import MultivariateNormal, Normal, NormalMean
from ellimix.errors import DataError, ImproperPosterior

KINDS = list(PRIORS)
VAGUE = {
    "mean": NormalMean.vague(3.0),
    "normal": Normal.vague(),
    "multivariate": MultivariateNormal.vague(2),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("priors", [PRIORS, VAGUE], ids=["proper", "vague"])
@given(cuts=st.lists(st.integers(0, 30), max_size=6), turned=st.booleans())
@settings(max_examples=15, deadline=None)
def test_many_batches_are_one(priors, kind, cuts, turned):
    rows = batch(kind, 30)
    posterior = priors[kind]
    pieces = np.split(rows, sorted(cuts))
    for piece in pieces[::-1] if turned else pieces:
        posterior = posterior.update(piece)
    at_once = priors[kind].update(rows)
    np.testing.assert_allclose(numbers(posterior), numbers(at_once), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_two_is_the_row_twice(kind):
    prior, rows = PRIORS[kind], batch(kind, 6)
    times = np.array([2, 0, 1, 3, 1, 0])
    repeated = np.repeat(rows, times, axis=0)
    np.testing.assert_allclose(
        numbers(prior.update(rows, times)), numbers(prior.update(repeated)), rtol=1e-13
    )
    assert prior.log_evidence(rows, times) == pytest.approx(prior.log_evidence(repeated), abs=1e-12)
    assert prior.update(rows, np.zeros(6)) is prior


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_change_nothing(kind):
    prior = PRIORS[kind]
    assert prior.update([]) is prior
    assert prior.update(batch(kind, 3)[:0]) is prior
    assert (
        prior.from_statistics(0, np.zeros(np.size(prior.location)), 0.0 * batch_square(kind))
        is prior
    )


def batch_square(kind):
    d = 2 if kind == "multivariate" else 1
    return np.ones((d, d))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("away", [0.0, 3.0])
def test_sums_are_as_good_as_rows(kind, away):
    prior, rows = PRIORS[kind], batch(kind, 7)
    weight = np.linspace(0.2, 3.0, 7)
    apart = rows.reshape(7, -1) - away
    center = np.full(apart.shape[1], away)
    sums = weight.sum(), weight @ apart, (weight[:, None] * apart).T @ apart, center
    np.testing.assert_allclose(
        numbers(prior.from_statistics(*sums)), numbers(prior.update(rows, weight)), rtol=1e-12
    )


@pytest.mark.parametrize("offset", [1e8, -3e10])
def test_rows_far_from_zero(offset):
    """The scale that exact fractions give; raw moments would have no digit of it."""
    values = offset + np.random.default_rng(0).normal(size=50)
    exact = [Fraction(v) for v in values]
    mean = sum(exact) / 50
    scatter = float(sum((v - mean) ** 2 for v in exact))
    assert Normal.vague().update(values).scale == pytest.approx(scatter, rel=1e-13)
    assert MultivariateNormal.vague(1).update(values).scale[0, 0] == pytest.approx(
        scatter, rel=1e-13
    )
    posterior = Normal.vague()
    for piece in np.split(values, 5):
        posterior = posterior.update(piece)
    # each batch rounds the mean once: eps |mean| beside a standard deviation of 1
    assert posterior.scale == pytest.approx(scatter, rel=5 * np.finfo(float).eps * abs(offset))
    known = NormalMean(offset, 1.0, 1.0).update(values)
    exact_mean = (Fraction(offset) + sum(exact)) / 51
    assert abs(Fraction(known.location) - exact_mean) <= Fraction(np.spacing(abs(offset)))


@pytest.mark.parametrize("kind", KINDS)
def test_forgetting_is_weighing(kind):
    """Rows of weight f are rows that were seen and then forgotten to f."""
    prior, rows = PRIORS[kind], batch(kind, 8)
    posterior = prior.update(rows)
    for factor in (0.1, 0.6, 1.0):
        wanted = prior.update(rows, np.full(8, factor))
        np.testing.assert_allclose(
            numbers(posterior.forget(factor, prior)), numbers(wanted), rtol=1e-13
        )
        np.testing.assert_allclose(
            numbers(VAGUE[kind].update(rows).forget(factor)),
            numbers(VAGUE[kind].update(rows, np.full(8, factor))),
            rtol=1e-13,
        )
    np.testing.assert_allclose(numbers(posterior.forget(0.0, prior)), numbers(prior))
    assert not posterior.forget(0.0).is_proper
    np.testing.assert_allclose(numbers(posterior.forget(1.0)), numbers(posterior), rtol=1e-14)
    np.testing.assert_array_equal(numbers(VAGUE[kind].forget(0.5)), numbers(VAGUE[kind]))


def test_forgetting_follows_a_drift():
    """kappa goes to n / (1 - factor), and the mean to where the rows have gone."""
    random, posterior, all_rows = np.random.default_rng(0), Normal.vague(), Normal.vague()
    for step in range(60):
        rows = random.normal(step / 10.0, 1.0, 10)
        posterior = posterior.forget(0.5).update(rows)
        all_rows = all_rows.update(rows)
    assert posterior.kappa == pytest.approx(20.0)
    assert abs(posterior.location - 5.9) < 0.5 < abs(all_rows.location - 5.9)


def test_the_vague_prior_gives_the_t_test():
    rows = batch("normal", 9)
    posterior = Normal.vague().update(rows)
    wanted = stats.ttest_1samp(rows, 0.0).confidence_interval(0.95)
    np.testing.assert_allclose(posterior.interval(0.95).mean, wanted, rtol=1e-12)
    assert posterior.scale / posterior.degrees == pytest.approx(rows.var(ddof=1), rel=1e-13)
    known = NormalMean.vague(4.0).update(rows)
    assert (known.location, known.variance) == pytest.approx((rows.mean(), 4.0 / 9.0))
    table = batch("multivariate", 9)
    found = MultivariateNormal.vague(2).update(table)
    np.testing.assert_allclose(found.scale / found.degrees, np.cov(table.T), rtol=1e-12)


QUESTIONS = {
    "map": lambda p: p.map(),
    "mean": lambda p: p.mean(),
    "interval": lambda p: p.interval(),
    "predictive": lambda p: p.predictive(),
    "evidence": lambda p: p.log_evidence([[1.0, 2.0]] if hasattr(p, "n_features") else 1.0),
    "sample": lambda p: p.sample(3, 0),
    "density": lambda p: p.log_density(*p_arguments(p)),
}


def p_arguments(posterior):
    if isinstance(posterior, NormalMean):
        return (0.0,)
    return (0.0, 1.0) if isinstance(posterior, Normal) else (np.zeros(2), np.eye(2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asked", list(QUESTIONS))
def test_what_does_not_exist_yet_says_what_it_takes(kind, asked):
    needed = {"mean": 1, "normal": 2, "multivariate": 3}[kind]
    more = {"normal": 2, "multivariate": 2}.get(kind, 0) if asked == "mean" else 0
    rows, posterior = batch(kind, 9), VAGUE[kind]
    for seen in range(needed + more):
        with pytest.raises(ImproperPosterior, match=r"does not exist yet.*Update with"):
            QUESTIONS[asked](posterior.update(rows[:seen]))
    QUESTIONS[asked](posterior.update(rows[: needed + more]))  # so many are enough


def test_the_rows_still_missing_are_counted():
    with pytest.raises(ImproperPosterior, match=r"degrees is 0 .* exceed 2\. Update with 3 more"):
        Normal.vague().update(5.0).mean()
    with pytest.raises(ImproperPosterior, match="kappa is 0"):
        Normal(0.0, 0.0, 3.0, 2.0, improper=True).predictive()


def test_equal_rows_have_no_variance():
    """Not one of 1e-33 by rounding."""
    for posterior in (
        Normal.vague().update([0.1] * 7),
        Normal.vague().update([0.1] * 3).update([0.1] * 4, np.full(4, 0.3)),
    ):
        assert posterior.scale == 0.0
        with pytest.raises(ImproperPosterior, match="rows are all equal"):
            posterior.predictive()
    random = np.random.default_rng(0)
    for n in range(2, 200):
        value, weight = random.normal(), random.uniform(0.1, 1.0, n)
        assert Normal.vague().update(np.full(n, value), weight).scale == 0.0
    line = np.column_stack([np.arange(9.0), 3.0 * np.arange(9.0) + 0.1])
    with pytest.raises(ImproperPosterior, match="do not vary in every direction"):
        MultivariateNormal.vague(2).update(line).sample(1)
    assert PRIORS["normal"].update([0.1] * 7).is_proper


def test_records_do_not_change():
    mean = np.array([1.0, 2.0])
    prior = MultivariateNormal(mean, 1.0, 4.0, np.eye(2))
    mean[:] = 0.0
    np.testing.assert_array_equal(prior.location, [1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        prior.scale[0, 0] = 7.0
    assert Normal(1.0, 1.0, 1.0, 1.0, improper=True) == Normal(1.0, 1.0, 1.0, 1.0)


def test_sums_that_no_rows_have():
    with pytest.raises(DataError, match="No rows have these"):
        Normal.vague().from_statistics(2, 4.0, 7.0)  # two rows with sum 4 have squares 8 or more
    with pytest.raises(DataError, match="No rows have these"):
        MultivariateNormal.vague(2).from_statistics(3, [0, 0], [[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(DataError, match="of no rows"):
        Normal.vague().from_statistics(0, 1.0, 1.0)
    with pytest.raises(DataError, match="finite"):
        Normal.vague().from_statistics(-1, 1.0, 1.0)
    with pytest.raises(DataError, match="do not fit 2 features"):
        MultivariateNormal.vague(2).from_statistics(3, [0, 0, 0], np.eye(2))
    with pytest.raises(DataError, match="rescale"):
        Normal.vague().from_statistics(1, 1e150, 1e300)
    lifted = Normal.vague().from_statistics(3, 0.3, 3 * 0.1**2)  # equal but for rounding
    assert 0.0 <= lifted.scale < 1e-15
