"""A mixture of one component is one normal: its posterior is that of `em.bayes`."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import multigammaln

import ellimix as em

ROWS = np.random.default_rng(0).multivariate_normal([1.0, -2.0], [[2.0, 0.7], [0.7, 1.0]], 40)
WEIGHT = np.random.default_rng(1).integers(1, 4, 40).astype(float)
PRIOR = em.bayes.MultivariateNormal([0.5, 0.0], 2.0, 5.0, [[1.0, 0.2], [0.2, 3.0]])


def fitted(weight=None, **arguments):
    model = em.BayesianGaussianMixture(
        1,
        mean_prior=PRIOR.location,
        mean_precision_prior=PRIOR.kappa,
        degrees_of_freedom_prior=PRIOR.degrees,
        covariance_prior=PRIOR.scale,
        reg_covar=0.0,
        **arguments,
    )
    return model.fit(ROWS, sample_weight=weight)


@pytest.mark.parametrize("family", ["full", "VVV", "EEE"])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_the_posterior_is_that_of_one_normal(family, weight):
    model, one = fitted(weight, covariance_type=family), PRIOR.update(ROWS, weight)
    np.testing.assert_allclose(model.means_[0], one.location, rtol=1e-12)
    np.testing.assert_allclose(model.mean_precision_, one.kappa, rtol=1e-12)
    degrees = np.ravel(model.degrees_of_freedom_)[0]
    assert degrees == pytest.approx(one.degrees, rel=1e-12)
    covariance = model.mixture_.covariances()[0]
    np.testing.assert_allclose(covariance * degrees, one.scale, rtol=1e-11)
    np.testing.assert_allclose(
        model.log_predictive(ROWS), one.predictive().logpdf(ROWS), rtol=1e-10
    )
    interval, own = model.posterior_.interval(0.9), one.interval(0.9)
    np.testing.assert_allclose(interval.means[0], own.mean, rtol=1e-9)


def test_the_bound_is_the_evidence():
    model = fitted(
        covariance_type="VVV", tol=1e-12, weight_concentration_prior_type="dirichlet_distribution"
    )
    expected = PRIOR.log_evidence(ROWS)
    assert model.lower_bound_ * len(ROWS) == pytest.approx(expected, rel=1e-10)
    # a Dirichlet process has more components: that all rows are of the first has a probability
    process = fitted(covariance_type="VVV", tol=1e-12, weight_concentration_prior=1.0)
    away = expected - process.lower_bound_ * len(ROWS)
    assert away == pytest.approx(np.log(len(ROWS) + 1.0), rel=1e-9)
    one, d, n = PRIOR.update(ROWS), 2, len(ROWS)
    by_hand = (
        -0.5 * n * d * np.log(np.pi)
        + multigammaln(one.degrees / 2, d)
        - multigammaln(PRIOR.degrees / 2, d)
        + 0.5 * PRIOR.degrees * np.linalg.slogdet(PRIOR.scale)[1]
        - 0.5 * one.degrees * np.linalg.slogdet(one.scale)[1]
        + 0.5 * d * np.log(PRIOR.kappa / one.kappa)
    )
    assert expected == pytest.approx(by_hand, rel=1e-12)


def test_batches_are_updates():
    model, one = em.BayesianGaussianMixture(
        1, mean_prior=PRIOR.location, mean_precision_prior=PRIOR.kappa, reg_covar=0.0,
        degrees_of_freedom_prior=PRIOR.degrees, covariance_prior=PRIOR.scale,
    ), PRIOR  # fmt: skip
    for batch in np.split(ROWS, 4):
        model.partial_fit(batch)
        one = one.update(batch)
    np.testing.assert_allclose(model.means_[0], one.location, rtol=1e-11)
    np.testing.assert_allclose(
        model.covariances_[0] * model.degrees_of_freedom_[0], one.scale, rtol=1e-10
    )
