"""Labels, masks, noise, errors and bounds through the estimator, alone and together."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from ellimix import FAMILIES, GaussianMixture, datasets, load
from ellimix.errors import DataError

TRUTH = np.arange(150) // 50


@pytest.fixture(scope="module")
def iris():
    return datasets.iris()[0]


@pytest.fixture(scope="module")
def some(iris):
    """Labels of about one row in seven."""
    return np.where(np.random.default_rng(0).random(150) < 0.15, TRUTH, -1)


def clutter(share, n=600, seed=0):
    rng = np.random.default_rng(seed)
    k = int(n * share)
    groups = [
        rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], (n - k) // 2),
        rng.multivariate_normal([6, 3], [[0.5, 0], [0, 1.5]], (n - k) // 2),
    ]
    rows = np.vstack([*groups, rng.uniform([-8, -8], [14, 12], (k, 2))])
    return rows, np.repeat([0, 1, -1], [len(groups[0]), len(groups[1]), k])


def test_labels_number_the_components(iris, some):
    model = GaussianMixture(3, random_state=0).fit(iris, some)
    known = some >= 0
    np.testing.assert_array_equal(model.labels_[known], some[known])
    assert (model.predict(iris) == TRUTH).mean() > 0.95
    # the likelihood of rows and labels together
    mixture = model.mixture_
    parts = np.stack(
        [
            w * multivariate_normal(m, c).pdf(iris)
            for w, m, c in zip(mixture.weights, mixture.means, mixture.covariances(), strict=True)
        ]
    )
    expected = np.where(known, parts[some, np.arange(150)], parts.sum(axis=0))
    np.testing.assert_allclose(model.score_samples(iris, labels=some), np.log(expected))
    named = GaussianMixture(3, random_state=0).fit(iris, labels=some)
    np.testing.assert_array_equal(named.means_, model.means_)


def test_permuted_labels_permute_the_components(iris, some):
    order = np.array([2, 0, 1])
    turned = np.where(some >= 0, order[some], -1)
    one = GaussianMixture(3, random_state=0).fit(iris, some)
    other = GaussianMixture(3, random_state=0).fit(iris, turned)
    np.testing.assert_allclose(other.means_[order], one.means_, rtol=1e-5)


def test_more_components_than_labels(iris):
    positive = np.where((TRUTH == 0) & (np.arange(150) % 3 == 0), 0, -1)
    model = GaussianMixture(3, random_state=0).fit(iris, positive)
    np.testing.assert_array_equal(TRUTH[model.labels_ == 0], np.zeros(50))


def test_a_complete_y_is_what_a_later_step_predicts(iris):
    target = np.random.default_rng(0).integers(0, 3, 150)
    alone = GaussianMixture(3, random_state=0).fit(iris)
    np.testing.assert_array_equal(
        GaussianMixture(3, random_state=0).fit(iris, target).means_, alone.means_
    )
    steps = make_pipeline(GaussianMixture(3, random_state=0), DecisionTreeClassifier())
    assert steps.fit(iris, TRUTH).score(iris, TRUTH) > 0.9
    everything = GaussianMixture(3, random_state=0).fit(iris, labels=TRUTH)
    np.testing.assert_allclose(everything.means_, [iris[k == TRUTH].mean(axis=0) for k in range(3)])


def test_allowed_components_and_soft_priors(iris):
    allowed = np.ones((150, 3), dtype=bool)
    allowed[:50, 1:], allowed[50:, 0] = False, False
    model = GaussianMixture(3, random_state=0).fit(iris, allowed=allowed)
    assert (model.labels_[:50] == 0).all()
    assert (model.labels_[50:] > 0).all()
    soft = np.where(allowed, 0.9, 0.1)
    odds = GaussianMixture(3, random_state=0).fit(iris).predict_proba(iris, allowed=soft)
    plain = GaussianMixture(3, random_state=0).fit(iris).predict_proba(iris)
    expected = plain * soft / (plain * soft).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(odds, expected, atol=1e-12)


def test_labels_go_with_the_order_of_fitting(iris, some):
    with pytest.raises(DataError, match='use order="fitted"'):
        GaussianMixture(3, order="weight").fit(iris, some)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_noise_is_told_from_groups(share):
    rows, truth = clutter(share)
    model = GaussianMixture(2, noise=True, random_state=0).fit(rows)
    assert model.noise_weight_ == pytest.approx(share, abs=0.05)
    assert model.weights_.sum() + model.noise_weight_ == pytest.approx(1.0)
    # the Bayes rule, with the parameters that made the rows
    density = np.stack(
        [
            (1 - share) / 2 * multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]]).pdf(rows),
            (1 - share) / 2 * multivariate_normal([6, 3], [[0.5, 0], [0, 1.5]]).pdf(rows),
            np.full(len(rows), share / (22 * 20)),
        ]
    )
    best = adjusted_rand_score(truth, density.argmax(axis=0))
    assert adjusted_rand_score(truth, model.predict(rows)) > best - 0.06
    assert model.n_parameters_ == GaussianMixture(2, random_state=0).fit(rows).n_parameters_ + 1
    np.testing.assert_allclose(model.predict_proba(rows).sum(axis=1), 1.0)
    assert model.predict_proba(rows).shape == (len(rows), 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_noise_never_lowers_the_likelihood(family):
    rows, _ = clutter(0.3, 200)
    model = GaussianMixture(2, covariance_type=family, noise=True, reg_covar=0.0, tol=1e-8,
                            max_iter=2000, random_state=0).fit(rows)  # fmt: skip
    assert (np.diff(model.lower_bounds_) > -1e-10).all()


def test_noise_in_files_copies_and_draws(tmp_path):
    rows, _ = clutter(0.4)
    model = GaussianMixture(2, noise=True, random_state=0, order="weight").fit(rows)
    model.save(tmp_path / "model.json")
    for other in (load(tmp_path / "model.json"), pickle.loads(pickle.dumps(model)).mixture_):
        np.testing.assert_array_equal(other.predict(rows), model.predict(rows))
        np.testing.assert_array_equal(other.log_density(rows), model.score_samples(rows))
        assert other.n_parameters == model.n_parameters_
    drawn, labels = model.sample(5000, rng=0)
    assert (labels == -1).mean() == pytest.approx(model.noise_weight_, abs=0.03)
    inside = drawn[labels == -1]
    assert (inside >= rows.min(axis=0)).all()
    assert (inside <= rows.max(axis=0)).all()
    assert clone(model).noise is True


def test_parameters_may_be_assigned_beside_noise():
    rows, _ = clutter(0.4)
    model = GaussianMixture(2, noise=True, random_state=0).fit(rows)
    weight = model.noise_weight_
    model.means_ = model.means_ + 0.1
    assert model.noise_weight_ == weight
    assert -1 in model.predict(rows)
    model.weights_ = [0.5, 0.5]
    assert model.noise_weight_ == 0.0


def test_rows_that_begin_as_noise_may_be_given():
    rows, truth = clutter(0.4)
    one = GaussianMixture(2, noise=truth == -1, random_state=0, tol=1e-7, max_iter=500).fit(rows)
    other = GaussianMixture(2, noise=True, random_state=0, tol=1e-7, max_iter=500).fit(rows)
    assert one.lower_bound_ == pytest.approx(other.lower_bound_, abs=1e-4)
    with pytest.raises(DataError, match="one a row"):
        GaussianMixture(2, noise=np.zeros(5, bool)).fit(rows)
    with pytest.raises(DataError, match="mark fewer"):
        GaussianMixture(2, noise=np.ones(len(rows), bool)).fit(rows)


def test_errors_are_taken_out_of_the_variances():
    rng = np.random.default_rng(0)
    true = rng.normal([0.0, 0.0], [1.0, 0.7], (3000, 2))
    errors = rng.uniform(0.1, 1.5, (3000, 2))
    measured = true + rng.standard_normal((3000, 2)) * np.sqrt(errors)
    model = GaussianMixture(1, tol=1e-8, max_iter=500).fit(measured, errors=errors)
    np.testing.assert_allclose(np.diagonal(model.covariances_[0]), [1.0, 0.49], atol=0.06)
    own = model.covariances_[0][0, 0], model.means_[0, 0]
    behind = model.denoise(measured, errors)
    assert np.mean((behind.means - true) ** 2) < 0.8 * np.mean((measured - true) ** 2)
    expected = multivariate_normal(
        model.means_[0], model.covariances_[0] + np.diag(errors[7])
    ).logpdf(measured[7])
    assert model.score_samples(measured[7:8], errors=errors[7:8])[0] == pytest.approx(expected)
    assert own[0] > 0.0


def test_limits_of_detection_give_back_the_distribution():
    rng = np.random.default_rng(1)
    true = rng.normal(0.0, 1.0, (2000, 1))
    rows = np.where(true < -0.5, np.nan, true)
    cut = GaussianMixture(1).fit(rows)
    model = GaussianMixture(1, tol=1e-9, max_iter=1000).fit(rows, upper=-0.5)
    assert cut.means_[0, 0] > 0.2
    # the estimator by direct maximisation: its score equations hold
    mean, sd = model.means_[0, 0], np.sqrt(model.covariances_[0, 0, 0])
    share = np.isnan(rows).mean()

    def loglik(m, s):
        seen = norm(m, s).logpdf(rows[~np.isnan(rows)]).sum() / len(rows)
        return seen + share * norm(m, s).logcdf(-0.5)

    assert model.lower_bound_ == pytest.approx(loglik(mean, sd), abs=1e-6)
    for step in (-1e-3, 1e-3):
        assert loglik(mean + step, sd) < loglik(mean, sd)
        assert loglik(mean, sd + step) < loglik(mean, sd)


OPTIONS = ("holes", "labels", "noise", "errors", "bounds", "weights", "fix", "equal")


def arranged(rows, chosen):
    """Constructor's and fit's arguments for some options together."""
    rng = np.random.default_rng(5)
    rows = rows.copy()
    maker, known = {}, {}
    if "holes" in chosen:
        rows[rng.random(rows.shape) < 0.15] = np.nan
    if "bounds" in chosen:
        rows[rows[:, 1] > 3.5, 1] = np.nan
        known["lower"] = [-np.inf, 3.5]
    if "labels" in chosen:
        known["labels"] = np.where(rng.random(len(rows)) < 0.2, np.arange(len(rows)) % 2, -1)
    if "errors" in chosen:
        known["errors"] = rng.uniform(0.0, 0.3, rows.shape)
    if "weights" in chosen:
        known["sample_weight"] = rng.integers(1, 4, len(rows)).astype(float)
    if "noise" in chosen:
        maker["noise"] = True
    if "equal" in chosen:
        maker["equal_weights"] = True
    if "fix" in chosen:
        maker |= {"fix": {"means": [0]}, "means_init": [[0.0, 0.0], [np.nan, np.nan]]}
    return rows, maker, known


@pytest.mark.parametrize("pair", list(itertools.combinations(OPTIONS, 2)), ids="-".join)
def test_each_pair_of_options_climbs_and_repeats(pair):
    rng = np.random.default_rng(3)
    plain = np.vstack([rng.normal([0, 0], 1.0, (60, 2)), rng.normal([4, 3], 0.7, (60, 2))])
    plain = plain.reshape(2, 60, 2).swapaxes(0, 1).reshape(120, 2)  # in turn: labels 0, 1, 0, 1
    rows, maker, known = arranged(plain, pair)
    make = {"tol": 1e-6, "max_iter": 500, "reg_covar": 0.0, "random_state": 0, **maker}
    model = GaussianMixture(2, **make).fit(rows, **known)
    assert model.converged_
    assert (np.diff(model.lower_bounds_) > -1e-9).all()
    found = {name: value for name, value in known.items() if name != "sample_weight"}
    weight = known.get("sample_weight")
    assert model.score(rows, sample_weight=weight, **found) >= model.lower_bound_ - 1e-9
    if weight is not None:  # a weight is a repetition, whatever else is known
        times = weight.astype(int)
        longer = {
            name: np.repeat(value, times, axis=0) if len(value) == len(rows) else value
            for name, value in found.items()
        }
        start = {"init_params": (plain[:, 0] > 2).astype(int), "noise": False}
        if "noise" in pair:
            start["noise"] = np.abs(plain).max(axis=1) > 4.5
        one = GaussianMixture(2, **{**make, **start}).fit(rows, sample_weight=weight, **found)
        for name, value in start.items():
            if isinstance(value, np.ndarray):
                start[name] = np.repeat(value, times)
        many = np.repeat(rows, times, axis=0)
        other = GaussianMixture(2, **{**make, **start}).fit(many, **longer)
        np.testing.assert_allclose(other.lower_bound_, one.lower_bound_, rtol=1e-6)


def test_all_options_at_once():
    rng = np.random.default_rng(3)
    plain = np.vstack([rng.normal([0, 0], 1.0, (60, 2)), rng.normal([4, 3], 0.7, (60, 2))])
    plain = plain.reshape(2, 60, 2).swapaxes(0, 1).reshape(120, 2)
    rows, maker, known = arranged(plain, OPTIONS)
    model = GaussianMixture(2, tol=1e-6, max_iter=500, random_state=0, **maker).fit(rows, **known)
    assert model.converged_
    assert (np.diff(model.lower_bounds_) > -1e-9).all()
    np.testing.assert_array_equal(model.means_[0], [0.0, 0.0])
    assert model.weights_[0] == pytest.approx(model.weights_[1], rel=1e-12)
    found = model.impute(rows, lower=known["lower"], errors=known["errors"])
    assert np.isfinite(found).all()
