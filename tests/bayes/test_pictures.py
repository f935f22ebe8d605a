"""The picture of prior, likelihood and posterior: what is in it, not how it looks."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot

import ellimix as em
from bayes_problems import PRIORS, batch
from ellimix.bayes import MultivariateNormal, Normal, NormalMean
from ellimix.errors import ImproperPosterior

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def curves(ax):
    return {line.get_label(): np.array(line.get_data()) for line in ax.lines}


@pytest.mark.parametrize(("kind", "count"), [("mean", 1), ("normal", 2), ("multivariate", 4)])
def test_an_axes_for_each_parameter(kind, count):
    prior, rows = PRIORS[kind], batch(kind, 12)
    axes = prior.update(rows).plot(prior, rows)
    assert len(axes) == count
    for ax in axes:
        drawn = curves(ax)
        assert set(drawn) == {"prior", "likelihood", "posterior"}
        x, y = drawn["posterior"]
        assert np.trapezoid(y, x) == pytest.approx(1.0, abs=0.01)
        assert len(ax.collections) == 1  # the interval


def test_curves_are_the_densities():
    prior, rows = PRIORS["normal"], batch("normal", 12)
    mean, variance = (curves(ax) for ax in prior.update(rows).plot(prior, rows))
    posterior = prior.update(rows)
    draws = posterior.sample(40_000, 0)
    for known, drawn in ((mean, draws[0]), (variance, draws[1])):
        x, y = known["posterior"]
        middle = np.interp(np.median(drawn), x, np.cumsum(y * np.gradient(x)))
        assert middle == pytest.approx(0.5, abs=0.02)
    # the profile likelihoods by a slow search, up to their scale
    x, y = mean["likelihood"]
    slow = [-6.0 * np.log(np.mean((rows - mu) ** 2)) for mu in x]
    np.testing.assert_allclose(np.log(y) - slow, (np.log(y) - slow)[0], atol=1e-9)
    x, y = (part[5:] for part in variance["likelihood"])
    x, y = x[y > 0], y[y > 0]
    slow = -6.0 * np.log(x) - 0.5 * np.sum((rows - rows.mean()) ** 2) / x
    np.testing.assert_allclose(np.log(y) - slow, (np.log(y) - slow)[-1], atol=1e-8)


def test_with_a_flat_prior_the_posterior_of_the_mean_is_the_likelihood():
    rows = batch("normal", 6)
    for prior in (NormalMean.vague(2.0), Normal.vague()):
        drawn = curves(prior.update(rows).plot(prior, rows)[0])
        np.testing.assert_allclose(drawn["likelihood"], drawn["posterior"], rtol=1e-10)
        assert drawn["prior (improper)"].size == 0


def test_few_rows_have_no_likelihood_of_the_variance():
    prior = PRIORS["normal"]
    for n, labels in (
        (2, ("likelihood", "likelihood (improper)")),
        (1, ("likelihood (improper)",) * 2),
        (0, ("likelihood (improper)",) * 2),
    ):
        rows = batch("normal", n)
        axes = prior.update(rows).plot(prior, rows)
        for ax, label in zip(axes, labels, strict=True):
            assert label in curves(ax)


def test_a_wide_prior_does_not_flatten_the_picture():
    prior, rows = NormalMean(0.0, 1e8, 1.0), batch("mean", 20)
    low, high = prior.update(rows).plot(prior, rows)[0].get_xlim()
    assert high - low < 5.0


def test_only_what_was_given_is_drawn():
    posterior = PRIORS["multivariate"].update(batch("multivariate", 9))
    axes = pyplot.subplots(1, 2)[1]
    back = em.plots.posterior_plot(None, posterior, features=[1], axes=axes)
    assert back == tuple(axes)
    assert axes[0].get_xlabel() == "mean of x1"
    assert set(curves(axes[1])) == {"posterior"}
    wide = MultivariateNormal(np.zeros(6), 1.0, 8.0, np.eye(6))
    assert len(wide.plot()) == 8


def test_what_cannot_be_drawn():
    prior, flat = PRIORS["normal"], Normal.vague()
    with pytest.raises(ImproperPosterior, match="update with more rows"):
        flat.plot(flat, 1.0)
    with pytest.raises(ValueError, match="prior is a NormalMean, posterior a Normal"):
        prior.plot(PRIORS["mean"])
    with pytest.raises(ValueError, match="1 axes were given: this picture takes 2"):
        prior.plot(axes=pyplot.subplots(1, 1, squeeze=False)[1][0])
    with pytest.raises(ValueError, match="posterior is a float"):
        em.plots.posterior_plot(None, 1.0)
    with pytest.raises(ValueError, match="features are for"):
        em.plots.posterior_plot(None, prior, features=[0])
    with pytest.raises(ValueError, match="prior has 3 features, posterior 2"):
        PRIORS["multivariate"].plot(MultivariateNormal.vague(3))
    with pytest.raises(ValueError, match="variance is too wide to draw"):
        Normal(0.0, 1.0, 0.01, 1.0).plot()
    with pytest.raises(ValueError, match="features is empty"):
        em.plots.posterior_plot(None, PRIORS["multivariate"], features=[])
    with pytest.raises(ValueError, match="feature is 2"):
        em.plots.posterior_plot(None, PRIORS["multivariate"], features=[2])
