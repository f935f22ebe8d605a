"""Priors through the estimators: defaults, adaptation, what goes with them and what does not."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone

import ellimix as em
from ellimix.covariance import FAMILIES
from ellimix.estimators.methods import MixtureMethods

RESULTS = ("weights_", "means_", "covariances_", "lower_bound_", "log_prior_")


def groups(n=60, seed=0):
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    centers = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])
    return centers[labels] + random.normal(size=(n, 2)), labels


def same(one: MixtureMethods, other: MixtureMethods, rtol=1e-9):
    for name in RESULTS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol)


def test_the_bound_is_likelihood_plus_log_prior():
    rows, _ = groups()
    model = em.GaussianMixture(3, prior="default", tol=1e-9, random_state=0).fit(rows)
    together = model.score(rows) * len(rows) + model.log_prior_
    assert model.lower_bound_ * len(rows) == pytest.approx(together, abs=1e-5)
    assert model.log_prior_ != 0.0
    assert em.GaussianMixture(3, random_state=0).fit(rows).log_prior_ == 0.0


def test_default_is_the_prior_with_its_defaults():
    rows, _ = groups()
    one = em.GaussianMixture(3, prior="default", random_state=0).fit(rows)
    other = em.GaussianMixture(3, prior=em.Prior(), random_state=0).fit(rows)
    same(one, other)


def test_it_is_cloned_pickled_and_printed():
    rows, _ = groups()
    prior = em.Prior(mean=[0.0, 0.0], weights=2.0)
    model = em.GaussianMixture(3, prior=prior, random_state=0)
    assert "Prior" in repr(model)
    fitted = clone(model).fit(rows)
    same(pickle.loads(pickle.dumps(fitted)), fitted)
    assert model.get_params()["prior"] is prior


@pytest.mark.parametrize("value", ["flat", 3.0, {"mean": 0.0}])
def test_other_things_are_no_prior(value):
    rows, _ = groups()
    with pytest.raises(ValueError, match="prior"):
        em.GaussianMixture(3, prior=value).fit(rows)


def test_a_warm_start_goes_on():
    rows, _ = groups()
    rows = rows + 2.0 * np.random.default_rng(1).normal(size=rows.shape)
    short = em.GaussianMixture(3, prior="default", max_iter=2, tol=1e-14, random_state=0,
                               warm_start=True, acceleration=None)  # fmt: skip
    with pytest.warns(UserWarning, match="max_iter"):
        short.fit(rows)
    before = short.lower_bound_
    short.set_params(max_iter=2000).fit(rows)
    assert short.lower_bound_ > before
    once = clone(short).set_params(warm_start=False).fit(rows)
    assert short.lower_bound_ == pytest.approx(once.lower_bound_, abs=1e-9)


def test_components_are_numbered_by_the_priors_means():
    rows, _ = groups()
    means = np.array([[0.0, 6.0], [0.0, 0.0], [6.0, 0.0]])
    for seed in range(4):
        prior = em.Prior(mean=means, shrinkage=1.0)
        model = em.GaussianMixture(3, prior=prior, random_state=seed).fit(rows)
        np.testing.assert_allclose(model.means_, means, atol=0.6)


def test_components_are_numbered_by_the_priors_scales():
    random = np.random.default_rng(1)
    rows = np.concatenate([random.normal(size=(50, 2)), 20 + 5.0 * random.normal(size=(50, 2))])
    for scales in ([25.0, 1.0], [1.0, 25.0]):
        prior = em.Prior(scale=np.array(scales)[:, None, None] * np.eye(2) * 20.0,
                         degrees_of_freedom=20.0)  # fmt: skip
        model = em.GaussianMixture(2, prior=prior, random_state=0).fit(rows)
        found = model.covariances_[:, 0, 0]
        assert (found[0] > found[1]) == (scales[0] > scales[1])


def test_order_by_weight_and_a_prior_of_single_components_contradict():
    rows, _ = groups()
    prior = em.Prior(mean=np.zeros((3, 2)))
    with pytest.raises(em.DataError, match='use order="fitted"'):
        em.GaussianMixture(3, prior=prior, order="weight").fit(rows)


def test_held_means_are_not_shrunk():
    rows, _ = groups()
    means = np.array([[0.0, 0.0], [5.5, 0.5], [np.nan, np.nan]])
    prior = em.Prior(mean=[2.0, 2.0], shrinkage=30.0, degrees_of_freedom=9.0, scale=4.0)
    model = em.GaussianMixture(
        3, prior=prior, means_init=means, fix={"means": [0, 1]}, random_state=0, tol=1e-10,
        max_iter=1000, reg_covar=0.0,
    ).fit(rows)  # fmt: skip
    np.testing.assert_array_equal(model.means_[:2], means[:2])
    assert np.diff(model.lower_bounds_).min() > -1e-10
    share = model.predict_proba(rows)
    n = share.sum(axis=0)
    shrunk = (share[:, 2] @ rows + 30.0 * np.array([2.0, 2.0])) / (n[2] + 30.0)
    np.testing.assert_allclose(model.means_[2], shrunk, atol=1e-4)
    # about the held mean, with the 30 pseudo-rows, the scale and 9 + 2 + 2 pseudo-counts
    away, to = rows - means[0], means[0] - 2.0
    expected = (away * share[:, :1]).T @ away + 30.0 * np.outer(to, to) + 4.0 * np.eye(2)
    np.testing.assert_allclose(model.covariances_[0], expected / (n[0] + 13.0), rtol=1e-4)


def test_weights_have_a_floor_besides():
    rows, _ = groups()
    model = em.GaussianMixture(
        3, prior=em.Prior(weights=[100.0, 1.0, 1.0]), min_weight=0.2, init_params=groups()[1],
        reg_covar=0.0,
    ).fit(rows)  # fmt: skip
    np.testing.assert_allclose(model.weights_, [0.6, 0.2, 0.2], atol=0.01)


def test_the_weight_of_noise_has_the_prior_too():
    rows, _ = groups()
    rows = np.vstack([rows, [[30.0, 30.0], [-20.0, 10.0]]])
    clutter = np.arange(62) >= 60
    few, many = (
        em.GaussianMixture(
            3, noise=clutter, random_state=0, tol=1e-9, prior=em.Prior(weights=weights)
        ).fit(rows)
        for weights in ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 63.0])
    )
    assert few.noise_weight_ == pytest.approx(2 / 62, abs=0.005)
    assert many.noise_weight_ == pytest.approx(64 / 124, abs=0.1)


def test_labels_missing_values_and_starts_go_with_it():
    rows, labels = groups()
    rows[::7, 0] = np.nan
    known = np.where(np.arange(60) < 12, labels, -1)
    model = em.GaussianMixture(3, prior="default", n_init=3, random_state=0, tol=1e-8,
                               acceleration=None)  # fmt: skip
    model.fit(rows, labels=known)
    np.testing.assert_array_equal(model.labels_[:12], labels[:12])
    assert len(model.reports_) == 3
    filled = model.impute(rows, n_draws=2, rng=0)  # proper draws fit with the prior, too
    assert np.isfinite(filled).all()


def test_where_components_see_too_little_the_prior_speaks():
    """A column that a group never shows has no covariance without a prior."""
    random = np.random.default_rng(0)
    rows = np.concatenate([random.normal(size=(30, 2)), 9.0 + random.normal(size=(30, 2))])
    rows[32:, 1] = np.nan
    labels = np.arange(60) // 30
    with pytest.warns(em.FitWarning):
        em.GaussianMixture(2, init_params=labels, max_iter=2000).fit(rows)
    model = em.GaussianMixture(
        2, init_params=labels, reg_covar=0.0, prior="default", max_iter=2000
    ).fit(rows)
    assert model.converged_  # and no warning


@pytest.mark.parametrize(("family", "rows", "says"), [
    ("VVV", np.column_stack([np.arange(9.0), np.ones(9)]), "covariance of all rows, which is sing"),
    ("VVI", np.ones((9, 2)), "no spread"),
])  # fmt: skip
def test_rows_without_a_default(family, rows, says):
    with pytest.raises(em.DataError, match=says):
        em.GaussianMixture(1, covariance_type=family, prior="default").fit(rows)


def test_weights_that_sum_to_one_are_one_row():
    rows, _ = groups()
    with pytest.raises(em.DataError, match="more than one row"):
        em.GaussianMixture(2, prior="default").fit(rows, sample_weight=np.full(60, 1.0 / 60))


# -- adaptation ----------------------------------------------------------------------------------


def world(family):
    return (
        em.GaussianMixture(3, covariance_type=family, random_state=0).fit(groups(300)[0]).mixture_
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_one_step_of_adaptation_is_reynolds(family):
    """Eq. 12 of Reynolds, Quatieri & Dunn (2000); weights and covariances stay."""
    background, rows = world(family), groups(40, 5)[0] + 0.7
    model = em.GaussianMixture(
        3, covariance_type=family, prior=em.Prior.around(background, 16.0), max_iter=1,
        tol=0.0, reg_covar=0.0,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="max_iter"):
        model.fit(rows)
    share = background.responsibilities(rows)
    n = share.sum(axis=0)[:, None]
    expected = (share.T @ rows + 16.0 * background.means) / (n + 16.0)
    np.testing.assert_allclose(model.means_, expected, rtol=1e-10)
    np.testing.assert_array_equal(model.weights_, background.weights)
    np.testing.assert_array_equal(model.covariances_, background.covariance.values)
    assert model.n_parameters_ == 6


@pytest.mark.parametrize("family", ["VVV", "VVI"])
def test_one_step_of_all_parts_is_reynolds(family):
    """Eq. 12 and 13: second moments are mixed like means."""
    background, rows, r = world(family), groups(40, 5)[0] + 0.7, 10.0
    prior = em.Prior.around(background, r, weight_relevance=r, covariance_relevance=r)
    model = em.GaussianMixture(
        3, covariance_type=family, prior=prior, max_iter=1, tol=0.0, reg_covar=0.0
    )
    with pytest.warns(UserWarning, match="max_iter"):
        model.fit(rows)
    share = background.responsibilities(rows)
    n = share.sum(axis=0)
    alpha = (n / (n + r))[:, None, None]
    seen = np.einsum("nk,ni,nj->kij", share, rows, rows) / n[:, None, None]
    old = background.covariances() + np.einsum("ki,kj->kij", background.means, background.means)
    new = np.einsum("ki,kj->kij", model.means_, model.means_)
    expected = alpha * seen + (1.0 - alpha) * old - new
    if family == "VVI":
        expected = expected.diagonal(0, 1, 2)
    np.testing.assert_allclose(model.covariances_, expected, rtol=1e-9)
    weights = (n + r * background.weights) / (40.0 + r)
    np.testing.assert_allclose(model.weights_, weights, rtol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_adaptation_of_all_parts_climbs(family):
    background = world(family)
    prior = em.Prior.around(background, 5.0, weight_relevance=5.0, covariance_relevance=5.0)
    rows = groups(40, 5)[0] * 1.3
    model = em.GaussianMixture(
        3, covariance_type=family, prior=prior, tol=1e-10, max_iter=1000, reg_covar=0.0,
        acceleration=None,
    ).fit(rows)  # fmt: skip
    assert np.diff(model.lower_bounds_).min() > -1e-10
    far = em.Prior.around(background, 1e9, weight_relevance=1e9, covariance_relevance=1e9)
    held = em.GaussianMixture(3, covariance_type=family, prior=far, reg_covar=0.0).fit(rows)
    np.testing.assert_allclose(held.means_, background.means, atol=1e-6)
    np.testing.assert_allclose(held.weights_, background.weights, atol=1e-6)
    values = background.covariance.values
    np.testing.assert_allclose(held.covariances_, values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("arguments", "says"), [
    ({"n_components": 2}, "around 3 components of family VVV on 2 features, but 2 of VVV"),
    ({"covariance_type": "VVI"}, "but 3 of VVI"),
    ({"noise": True}, "leaves nothing for the noise component"),
    ({"order": "weight"}, 'use order="fitted"'),
])  # fmt: skip
def test_a_background_that_does_not_go_with_the_fit(arguments, says):
    whole = {"n_components": 3, "prior": em.Prior.around(world("VVV")), **arguments}
    with pytest.raises(em.DataError, match=says):
        em.GaussianMixture(**whole).fit(groups()[0])


@pytest.mark.parametrize(("arguments", "says"), [
    ({"relevance": 0.0}, "relevance is 0.0: it must be a number above 0"),
    ({"covariance_relevance": 0.5}, "at least 1"),
    ({"weight_relevance": -1.0}, "weight_relevance is -1.0"),
])  # fmt: skip
def test_relevances_out_of_range(arguments, says):
    with pytest.raises(em.DataError, match=says):
        em.Prior.around(world("VVV"), **arguments)


def test_a_background_with_noise_is_refused():
    rows, _ = groups()
    noisy = em.GaussianMixture(3, noise=True, random_state=0).fit(rows).mixture_
    with pytest.raises(em.DataError, match="noise component"):
        em.Prior.around(noisy)


# -- choices -------------------------------------------------------------------------------------


def test_a_search_with_the_prior_fits_every_cell_with_it():
    rows, _ = em.datasets.faithful()
    search = em.select(
        rows, families=["EEE", "VII", "VVV"], n_components=[1, 2, 3, 4], prior="default"
    )
    assert search.best_params_ == {"n_components": 3, "covariance_type": "EEE"}
    assert -search.bic(rows) > -2314.54924233 - 0.01  # mclust's, with its sign
    for cell in search.cells_:
        alone = em.GaussianMixture(
            cell.n_components, covariance_type=cell.family, prior="default", reg_covar=0.0,
            init_params="hierarchical", tol=1e-8, max_iter=2000,
        ).fit(rows)  # fmt: skip
        inside = cell.report.objective
        assert inside > alone.lower_bound_ - 1e-4  # the posterior is what its fits maximise
        assert cell.report.mixture.score_rows(alone_source(rows)).log_likelihood == pytest.approx(
            cell.log_likelihood, abs=1e-6
        )
    best = search.best_
    together = best.score(rows) * len(rows) + best.log_prior_
    assert best.lower_bound_ * len(rows) == pytest.approx(together, abs=1e-4)
    assert best.prior == "default"


def alone_source(rows):
    from ellimix.sources.memory import MemorySource

    return MemorySource(rows)


@pytest.mark.parametrize("noise", [False, True])
def test_a_search_with_holes_labels_and_noise(noise):
    rows, labels = groups(90)
    rows[::9, 1] = np.nan
    known = np.where(np.arange(90) < 9, labels, -1)
    search = em.select(rows, families="VII", n_components=[2, 3, 4], prior="default",
                       noise=noise, labels=known)  # fmt: skip
    assert search.best_params_["n_components"] == 3


def test_auto_takes_the_prior_along():
    rows, _ = groups(90)
    model = em.GaussianMixture("auto", covariance_type="VII", prior="default").fit(rows)
    assert model.n_components_ == 3
    assert model.log_prior_ == model.search_.best_.log_prior_ != 0.0


def test_cross_validation_fits_with_the_prior():
    rows, _ = groups(45)
    one, other = (
        em.select(rows, families="VVV", n_components=[1, 2, 3, 4], criterion="cv", prior=prior)
        for prior in ("default", None)
    )
    held = [[cell.held_out for cell in search.cells_] for search in (one, other)]
    assert not np.allclose(*held)
    assert one.best_params_["n_components"] == 3


@pytest.mark.parametrize("prior", [em.Prior(mean=np.zeros((3, 2))), em.Prior(shrinkage=[1.0, 2.0])])
def test_a_search_refuses_priors_of_single_components(prior):
    with pytest.raises(em.DataError, match="parts for single components"):
        em.select(groups()[0], prior=prior)


def test_message_length_refuses_a_prior():
    with pytest.raises(em.DataError, match="leave prior out"):
        em.GaussianMixture("auto", criterion="mml", prior="default").fit(groups()[0])
