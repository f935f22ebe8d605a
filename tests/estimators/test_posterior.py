"""The posterior that a fitted estimator carries."""

import numpy as np
import pytest
from scipy.stats import multivariate_t

import ellimix as em
from ellimix.errors import DataError

DISTRIBUTION = {"weight_concentration_prior_type": "dirichlet_distribution"}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(0.0, 1.0, (60, 2)), rng.normal(7.0, 1.0, (40, 2))])


@pytest.mark.parametrize("kind", ["dirichlet_process", "dirichlet_distribution"])
@pytest.mark.parametrize("name", ["full", "EEI"])
def test_two_components_of_five_have_rows(rows, kind, name):
    model = em.BayesianGaussianMixture(
        5,
        covariance_type=name,
        weight_concentration_prior_type=kind,
        weight_concentration_prior=1e-3,
        max_iter=2000,
        random_state=0,
    ).fit(rows)
    assert model.n_components_effective_ == 2
    posterior = model.posterior_
    occupied = posterior.occupied(100)
    assert occupied[2] > 0.97
    counts = model.report_.counts
    np.testing.assert_allclose(np.sort(counts)[-2:], [40.0, 60.0], atol=0.5)
    # entropy of shares of 0.4 and 0.6
    assert posterior.effective() == pytest.approx(np.exp(0.6730), abs=0.05)
    draws = posterior.sample(30, 0)
    np.testing.assert_allclose(draws.weights.sum(axis=1), 1.0)


def test_what_the_posterior_is_made_of(rows):
    model = em.BayesianGaussianMixture(2, random_state=0, **DISTRIBUTION).fit(rows)
    posterior = model.posterior_
    np.testing.assert_array_equal(posterior.hyper.degrees, model.degrees_of_freedom_)
    np.testing.assert_array_equal(posterior.hyper.concentration[:, 0], model.weight_concentration_)
    np.testing.assert_array_equal(posterior.mean().means, model.means_)
    assert posterior.rule.name == "full"
    truths = np.array([[0.0, 0.0], [7.0, 7.0]])[np.argsort(model.means_[:, 0]).argsort()]
    ends = posterior.interval(0.999).means
    assert ((ends[..., 0] < truths) & (truths < ends[..., 1])).all()


def test_the_predictive_density_of_one_component_is_a_student_t(rows):
    model = em.BayesianGaussianMixture(1, random_state=0, reg_covar=0.0).fit(rows)
    nu, beta = model.degrees_of_freedom_[0], model.mean_precision_[0]
    df = nu + 1.0 - 2.0
    shape = nu * model.covariances_[0] * (1.0 + beta) / (df * beta)
    t = multivariate_t(model.means_[0], shape, df)
    new = np.array([[0.0, 3.0], [40.0, -9.0]])
    np.testing.assert_allclose(model.log_predictive(new), t.logpdf(new))
    holes = np.array([[np.nan, 3.0]])
    marginal = multivariate_t(model.means_[0][1:], shape[1:, 1:], df)
    np.testing.assert_allclose(model.log_predictive(holes), marginal.logpdf([[3.0]]))
    np.testing.assert_allclose(
        model.log_predictive([[0.0, 3.0]], mask=[[True, False]]), model.log_predictive(holes)
    )


def test_the_predictive_density_of_held_out_rows_beats_the_plug_in():
    """On few rows of many features, on average: it knows what it does not know."""
    rng = np.random.default_rng(3)
    gains = []
    for _ in range(20):
        rows = rng.standard_normal((60, 6)) @ np.triu(rng.standard_normal((6, 6)) + np.eye(6))
        model = em.BayesianGaussianMixture(1, reg_covar=0.0).fit(rows[:15])
        posterior = model.posterior_
        gains.append(
            (posterior.log_predictive(rows[15:]) - posterior.mean().log_density(rows[15:])).mean()
        )
    assert np.mean(gains) > 0.1


def test_what_is_known_of_rows(rows):
    model = em.BayesianGaussianMixture(2, random_state=0).fit(rows)
    joint = model.posterior_.log_predictive_joint(rows[:1])[0]
    np.testing.assert_allclose(model.log_predictive(rows[:1], labels=[1]), joint[1])
    with pytest.raises(DataError, match="no closed form"):
        model.log_predictive(rows, errors=0.1 * np.ones(rows.shape))
    assert model.log_predictive(rows.astype(np.float32)).dtype == np.float32


def test_without_a_posterior(rows):
    with pytest.raises(AttributeError, match="not fitted yet"):
        em.BayesianGaussianMixture(2).posterior_  # noqa: B018
    given = em.BayesianGaussianMixture.from_mixture(
        em.Mixture.from_parameters([1.0], [[0.0, 0.0]], [np.eye(2)])
    )
    with pytest.raises(AttributeError, match="its parameters were given"):
        given.posterior_  # noqa: B018
    with pytest.raises(ValueError, match="carries no posterior"):
        em.MixturePosterior.of(em.GaussianMixture(2, random_state=0).fit(rows).mixture_)


def test_counts_of_a_mixture_without_its_prior(rows):
    fitted = em.BayesianGaussianMixture(2, random_state=0, **DISTRIBUTION).fit(rows)
    model = em.BayesianGaussianMixture.from_mixture(fitted.mixture_)
    assert model.posterior_.effective() == fitted.posterior_.effective()
    with pytest.raises(AttributeError, match="the prior's concentration"):
        model.n_components_effective_  # noqa: B018
    sticks = em.BayesianGaussianMixture(2, random_state=0).fit(rows)
    model = em.BayesianGaussianMixture.from_mixture(sticks.mixture_)
    assert model.n_components_effective_ == sticks.n_components_effective_ == 2


@pytest.mark.parametrize("name", ["full", "diag", "VVI", "VEE"])
def test_a_posterior_survives_a_file(rows, name, tmp_path):
    model = em.BayesianGaussianMixture(2, covariance_type=name, random_state=0).fit(rows)
    model.save(tmp_path / "model.json")
    found = em.MixturePosterior.of(em.load(tmp_path / "model.json"))
    assert found.rule.name == model.posterior_.rule.name
    np.testing.assert_array_equal(found.log_predictive(rows), model.log_predictive(rows))
    np.testing.assert_array_equal(found.interval().means, model.posterior_.interval().means)
