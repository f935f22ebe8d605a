"""Posterior densities, evidence and predictions against Bayes' rule and numeric integration."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

from bayes_problems import PRIORS, batch, log_density, log_likelihood
from ellimix.bayes import MultivariateNormal, MultivariateT, Normal, NormalMean
from ellimix.bayes.gamma import log_gamma_ratio

KINDS = list(PRIORS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 7])
def test_bayes_rule_at_any_parameters(kind, n):
    """log p(theta | y) = log p(theta) + log p(y | theta) - log p(y), wherever one looks."""
    prior, rows = PRIORS[kind], batch(kind, n)
    weight = np.linspace(0.5, 2.0, n)
    posterior = prior.update(rows, weight)
    evidence = prior.log_evidence(rows, weight)
    means, variances = prior.sample(5, 1)
    for mean, variance in zip(means, variances, strict=True):
        wanted = log_density(prior, mean, variance) - evidence
        wanted += log_likelihood(kind, rows, (mean, variance), weight)
        assert log_density(posterior, mean, variance) == pytest.approx(wanted, abs=1e-9)


def test_densities_integrate_to_one():
    mean, normal = PRIORS["mean"], PRIORS["normal"]
    area, _ = integrate.quad(lambda mu: math.exp(mean.log_density(mu)), -40, 40)
    assert area == pytest.approx(1.0, abs=1e-8)
    # over log variance: the tail is long
    volume, _ = integrate.dblquad(
        lambda u, s: math.exp(normal.log_density(1.0 + u * math.exp(s / 2), math.exp(s)) + 1.5 * s),
        -8.0, 25.0, -12.0, 12.0, epsabs=1e-7,
    )  # fmt: skip
    assert volume == pytest.approx(1.0, abs=1e-6)


def test_evidence_is_the_integral_of_the_likelihood():
    rows = batch("normal", 4)
    prior = PRIORS["normal"]

    def density(u, s):
        mu, v = 1.0 + u * math.exp(s / 2), math.exp(s)
        likelihood = -2.0 * math.log(2.0 * math.pi * v) - ((rows - mu) ** 2).sum() / v / 2.0
        return math.exp(prior.log_density(mu, v) + likelihood + 1.5 * s)

    whole, _ = integrate.dblquad(density, -4.0, 12.0, -10.0, 10.0, epsabs=0.0, epsrel=1e-6)
    assert prior.log_evidence(rows) == pytest.approx(math.log(whole), abs=1e-5)
    known = PRIORS["mean"]
    whole, _ = integrate.quad(
        lambda mu: math.exp(known.log_density(mu) + log_likelihood("mean", rows, (mu, 3.0))),
        -15, 15,
    )  # fmt: skip
    assert known.log_evidence(rows) == pytest.approx(math.log(whole), abs=1e-8)


def test_density_of_a_multivariate_normal_is_that_of_scipy():
    prior = PRIORS["multivariate"]
    means, covariances = prior.sample(4, 0)
    wanted = [
        stats.invwishart(prior.degrees, prior.scale).logpdf(sigma)
        + stats.multivariate_normal(prior.location, sigma / prior.kappa).logpdf(mu)
        for mu, sigma in zip(means, covariances, strict=True)
    ]
    np.testing.assert_allclose(prior.log_density(means, covariances), wanted, rtol=1e-12)
    assert prior.log_density(prior.location, -np.eye(2)) == -np.inf
    assert PRIORS["normal"].log_density(0.0, [-1.0, 0.0]).tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize("kind", KINDS)
def test_evidence_is_the_product_of_predictions(kind):
    """p(y1, ..., yn) = p(y1) p(y2 | y1) ...: each row's density given those before it."""
    posterior, rows, total = PRIORS[kind], batch(kind, 6), 0.0
    for row in rows:
        total += float(np.squeeze(posterior.predictive().logpdf(row)))
        posterior = posterior.update(row)
    assert PRIORS[kind].log_evidence(rows) == pytest.approx(total, abs=1e-11)
    assert PRIORS[kind].log_evidence(rows[:0]) == 0.0


@pytest.mark.parametrize("kind", ["mean", "normal"])
def test_prediction_is_the_average_over_the_parameters(kind):
    posterior = PRIORS[kind].update(batch(kind, 5))
    law = posterior.predictive()
    area, _ = integrate.quad(law.pdf, -np.inf, np.inf)
    assert area == pytest.approx(1.0, abs=1e-8)
    means, variances = posterior.sample(40_000, 3)
    for x in (-2.0, 0.5, 3.0):
        each = stats.norm.pdf(x, means, np.sqrt(variances))
        error = each.std() / math.sqrt(each.size)
        assert abs(each.mean() - law.pdf(x)) < 4.0 * error
        assert error < 0.02 * law.pdf(x)  # the test can tell


def test_multivariate_prediction_is_the_average_over_the_parameters():
    posterior = PRIORS["multivariate"].update(batch("multivariate", 5))
    law = posterior.predictive()
    area, _ = integrate.dblquad(
        lambda y, x: float(law.pdf([[x, y]])[0]), -30, 30, -30, 30, epsabs=1e-4
    )
    assert area == pytest.approx(1.0, abs=3e-3)  # the rest lies beyond 30
    means, covariances = posterior.sample(40_000, 3)
    factors = np.linalg.cholesky(covariances)
    for x in ([0.5, -1.0], [2.0, 0.0]):
        z = np.linalg.solve(factors, (x - means)[:, :, None])[:, :, 0]
        root = factors[:, 0, 0] * factors[:, 1, 1]
        each = np.exp(-0.5 * (z**2).sum(axis=1)) / root / (2.0 * math.pi)
        error = each.std() / math.sqrt(each.size)
        assert abs(each.mean() - law.pdf([x])[0]) < 4.0 * error
        assert error < 0.02 * law.pdf([x])[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_mode_is_a_maximum(kind):
    posterior = PRIORS[kind].update(batch(kind, 4))
    best = posterior.map()
    variance = best.covariance if kind == "multivariate" else best.variance
    top = log_density(posterior, best.mean, variance)
    random = np.random.default_rng(0)
    for size in (1e-3, 0.1):
        for _ in range(30):
            mean = best.mean + size * random.normal(size=np.shape(best.mean))
            if kind == "multivariate":
                push = np.eye(2) + size * random.normal(size=(2, 2))
                other = push @ variance @ push.T
            else:
                other = variance * math.exp(size * random.normal())
            assert log_density(posterior, mean, other) < top


@pytest.mark.parametrize("kind", KINDS)
def test_estimates_and_intervals_are_those_of_draws(kind):
    posterior = PRIORS[kind].update(batch(kind, 8))
    means, variances = posterior.sample(60_000, 5)
    guess, interval = posterior.mean(), posterior.interval(0.8)
    if kind == "multivariate":
        np.testing.assert_allclose(covariance_of(variances), guess.covariance, rtol=0.05)
        variances = np.diagonal(variances, axis1=1, axis2=2)
    else:
        assert variances.mean() == pytest.approx(guess.variance, rel=0.03)
    np.testing.assert_allclose(means.mean(axis=0), guess.mean, atol=0.02)
    for draws, ends in ((means, interval.mean), (variances, interval.variance)):
        if kind == "mean" and draws is variances:
            assert ends == (3.0, 3.0)
            continue
        below, above = np.moveaxis(np.asarray(ends), -1, 0)
        np.testing.assert_allclose((draws < below).mean(axis=0), 0.1, atol=0.006)
        np.testing.assert_allclose((draws > above).mean(axis=0), 0.1, atol=0.006)


def covariance_of(draws):
    return draws.mean(axis=0)


def test_one_feature_two_classes():
    one, many = Normal(1.0, 0.7, 4.5, 6.0), MultivariateNormal([1.0], 0.7, 4.5, [[6.0]])
    rows = batch("normal", 9)
    assert many.log_evidence(rows) == pytest.approx(one.log_evidence(rows), abs=1e-12)
    one, many = one.update(rows), many.update(rows)
    assert one == replace(many.marginal(0), scale=one.scale)
    assert many.scale[0, 0] == pytest.approx(one.scale, rel=1e-14)
    assert many.log_density([0.3], [[2.0]]) == pytest.approx(one.log_density(0.3, 2.0), abs=1e-12)
    np.testing.assert_allclose(many.interval().mean[0], one.interval().mean, rtol=1e-12)
    np.testing.assert_allclose(many.interval().variance[0], one.interval().variance, rtol=1e-12)
    assert many.map().covariance[0, 0] == pytest.approx(one.map().variance)
    assert many.mean().covariance[0, 0] == pytest.approx(one.mean().variance)
    np.testing.assert_allclose(many.predictive().cdf([[2.0]]), one.predictive().cdf(2.0))


def test_much_is_known_of_the_variance_then_it_is_known():
    """With degrees without end, mean and variance unknown is the mean unknown."""
    known, rows = NormalMean(1.0, 2.0, 3.0), batch("mean", 5)
    nearly = Normal(1.0, 3.0 / 2.0, 1e12, 3e12)
    assert nearly.log_evidence(rows) == pytest.approx(known.log_evidence(rows), abs=1e-9)
    wide = MultivariateNormal([1.0], 1.5, 1e12, [[3e12]])
    assert wide.log_evidence(rows) == pytest.approx(known.log_evidence(rows), abs=1e-9)
    ours, theirs = nearly.update(rows).interval(), known.update(rows).interval()
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-6)


def test_log_gamma_ratio_against_many_digits():
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(50):
        for a in (0.3, 7.0, 49.9, 50.0, 51.0, 1e4, 1e9):
            for h in (0.0, 0.5, 3.0, 400.0):
                wanted = float(mpmath.loggamma(mpmath.mpf(a) + h) - mpmath.loggamma(a))
                assert float(log_gamma_ratio(a, h)) == pytest.approx(wanted, rel=4e-14, abs=1e-13)


def test_next_to_no_degrees_of_freedom():
    """Finite draws, as far out as doubles go; an upper end beyond them is infinite."""
    one, two = Normal(0.0, 1.0, 1e-3, 1.0), MultivariateNormal([0, 0], 1.0, 1.001, np.eye(2))
    for draws in (*one.sample(300, 0), *two.sample(300, 0), two.predictive().rvs(300, 0)):
        assert np.isfinite(draws).all()
    low, high = one.interval().variance
    assert 1.0 < low < high == math.inf


def test_multivariate_t_is_that_of_scipy():
    law = MultivariateT([1.0, 2.0], [[2.0, 0.6], [0.6, 1.0]], 4.5)
    twin = stats.multivariate_t(law.mean, law.shape, law.degrees)
    rows = batch("multivariate", 6)
    np.testing.assert_allclose(law.logpdf(rows), twin.logpdf(rows), rtol=1e-12)
    np.testing.assert_allclose(law.pdf(rows), twin.pdf(rows), rtol=1e-12)
    draws = law.rvs(40_000, 0)
    below = (draws <= [1.5, 2.5]).all(axis=1).mean()
    assert law.cdf([[1.5, 2.5]])[0] == pytest.approx(below, abs=0.01)
    ends = law.interval(0.8)
    np.testing.assert_allclose((draws < ends[:, 0]).mean(axis=0), 0.1, atol=0.006)
    np.testing.assert_allclose((draws > ends[:, 1]).mean(axis=0), 0.1, atol=0.006)
    np.testing.assert_allclose(law.marginal(1).ppf([0.1, 0.9]), ends[1], rtol=1e-10)
    assert law.rvs(0).shape == (0, 2)
