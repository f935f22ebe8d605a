"""GaussianMixture beyond scikit-learn's: what the class adds, and what it says."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone, is_clusterer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ellimix as em

IRIS = em.datasets.iris()[0]


@pytest.fixture(scope="module")
def fitted():
    return em.GaussianMixture(3, random_state=0).fit(IRIS)


def test_all_family_names_and_aliases_fit():
    for name, alias in em.covariance.ALIASES.items():
        ours = em.GaussianMixture(2, covariance_type=name, random_state=0).fit(IRIS)
        same = em.GaussianMixture(2, covariance_type=alias, random_state=0).fit(IRIS)
        np.testing.assert_array_equal(ours.covariances_, same.covariances_)
        assert ours.n_parameters_ == same.n_parameters_ == ours._n_parameters()


@pytest.mark.parametrize("name", em.FAMILIES)
def test_covariances_have_the_family_s_shape(name):
    model = em.GaussianMixture(3, covariance_type=name, random_state=0, max_iter=500).fit(IRIS)
    shape = model.mixture_.covariance.structure.array_shape(3, 4)
    for attribute in ("covariances_", "precisions_", "precisions_cholesky_"):
        assert getattr(model, attribute).shape == shape
    full = model.mixture_.covariances()
    assert full.shape == (3, 4, 4)
    np.testing.assert_allclose(np.diagonal(full, axis1=1, axis2=2), model.mixture_.variances())


def test_one_feature_families():
    x = IRIS[:, 2:3]
    for short, long in (("E", "EII"), ("V", "VII")):
        a = em.GaussianMixture(2, covariance_type=short, random_state=0).fit(x)
        b = em.GaussianMixture(2, covariance_type=long, random_state=0).fit(x)
        assert a.bic(x) == b.bic(x)
    with pytest.raises(ValueError, match="one feature, but there are 4"):
        em.GaussianMixture(2, covariance_type="E").fit(IRIS)


def test_labels_transform_and_tags(fitted):
    assert is_clusterer(fitted)
    np.testing.assert_array_equal(fitted.labels_, fitted.predict(IRIS))
    np.testing.assert_array_equal(fitted.transform(IRIS), fitted.predict_proba(IRIS))
    np.testing.assert_array_equal(fitted.fit_predict(IRIS), fitted.labels_)
    assert list(fitted.get_feature_names_out()) == [f"gaussianmixture{k}" for k in range(3)]


def test_icl_is_bic_plus_the_uncertainty(fitted):
    certainty = np.log(fitted.predict_proba(IRIS).max(axis=1)).sum()
    np.testing.assert_allclose(fitted.icl(IRIS), fitted.bic(IRIS) - 2 * certainty)
    assert fitted.icl(IRIS) > fitted.bic(IRIS)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_tables_keep_their_names(library):
    names = ["a", "b", "c", "d"]
    table = library(dict(zip(names, IRIS.T, strict=True)))
    model = em.GaussianMixture(2, random_state=0).fit(table)
    assert list(model.feature_names_in_) == names
    assert model.mixture_.feature_names == tuple(names)
    kind = "pandas" if library is pd.DataFrame else "polars"
    out = model.set_output(transform=kind).transform(table)
    assert isinstance(out, library)
    assert list(out.columns) == ["gaussianmixture0", "gaussianmixture1"]


def test_float32_in_and_out():
    rows = IRIS.astype(np.float32)
    model = em.GaussianMixture(3, random_state=0).fit(rows)
    wide = em.GaussianMixture(3, random_state=0).fit(rows.astype(np.float64))
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        assert getattr(model, name).dtype == np.float32
    for method in (model.predict_proba, model.score_samples, model.transform):
        assert method(rows).dtype == np.float32
    assert model.sample(5)[0].dtype == np.float32
    # rows are float32, sums are not
    np.testing.assert_allclose(model.mixture_.means, wide.mixture_.means, rtol=1e-12)


def test_from_parameters_is_a_fitted_estimator():
    weights, means = [0.3, 0.7], [[0.0, 0.0], [3.0, 3.0]]
    model = em.GaussianMixture.from_parameters(weights, means, [np.eye(2), 2 * np.eye(2)])
    assert model.predict([[0, 0], [3, 3]]).tolist() == [0, 1]
    assert model.n_features_in_ == 2
    assert model.n_parameters_ == 11
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        clone(model).predict([[0, 0]])
    with pytest.raises(ValueError, match="2 features"):
        model.predict([[1.0, 2.0, 3.0]])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([0.5, 0.6], [[0.0], [1.0]], [1.0, 1.0]), "sum to 1"),
        (([0.5, 0.5], [[0.0], [np.nan]], [1.0, 1.0]), "NaN"),
        (([0.5, 0.5], [[0.0], [1.0]], [1.0, -1.0]), "positive"),
        (([0.5, 0.5], [[0.0], [1.0]], [1.0]), "shape"),
        (([1.5, -0.5], [[0.0], [1.0]], [1.0, 1.0]), "negative"),
        ((["a", "b"], [[0.0], [1.0]], [1.0, 1.0]), "numbers"),
    ],
)
def test_from_parameters_says_what_is_wrong(arguments, words):
    with pytest.raises(ValueError, match=words):
        em.GaussianMixture.from_parameters(*arguments, covariance_type="spherical")


def test_parameters_may_be_assigned_as_scikit_learn_allows(fitted):
    by_hand = em.GaussianMixture(3)
    by_hand.weights_ = fitted.weights_
    by_hand.means_ = fitted.means_
    with pytest.raises(NotFittedError):
        by_hand.predict(IRIS)
    by_hand.precisions_cholesky_ = fitted.precisions_cholesky_
    np.testing.assert_allclose(by_hand.predict_proba(IRIS), fitted.predict_proba(IRIS), atol=1e-12)
    np.testing.assert_allclose(by_hand.covariances_, fitted.covariances_, rtol=1e-10)
    by_hand.means_ = fitted.means_ + 1.0
    np.testing.assert_allclose(by_hand.score(IRIS + 1.0), fitted.score(IRIS))


def test_parameter_arrays_are_read_only(fitted):
    with pytest.raises(ValueError, match="read-only"):
        fitted.means_[0] = 0.0


def test_sample_draws_anew_unless_a_seed_is_given(fitted):
    first, second = fitted.sample(50)[0], fitted.sample(50)[0]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(fitted.sample(50, rng=1)[0], fitted.sample(50, rng=1)[0])
    generator = np.random.default_rng(1)
    np.testing.assert_array_equal(fitted.sample(50, rng=generator)[0], fitted.sample(50, rng=1)[0])
    assert not np.array_equal(fitted.sample(50, rng=generator)[0], fitted.sample(50, rng=1)[0])
    with pytest.raises(ValueError, match="n_samples"):
        fitted.sample(0)


@pytest.mark.parametrize("name", ["VII", "VVI", "EEE", "VVV"])
def test_samples_have_the_mixture_s_moments(name):
    model = em.GaussianMixture(2, covariance_type=name, random_state=0).fit(IRIS)
    rows, labels = model.sample(200_000, rng=0)
    assert (np.diff(labels) >= 0).all()
    np.testing.assert_allclose(rows.mean(axis=0), model.weights_ @ model.means_, atol=0.02)
    np.testing.assert_allclose(np.cov(rows.T), model.mixture_.total_covariance(), atol=0.05)
    np.testing.assert_allclose(np.bincount(labels) / len(labels), model.weights_, atol=0.01)


def test_order_by_weight():
    for seed in range(4):
        model = em.GaussianMixture(3, order="weight", random_state=seed, init_params="random")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(IRIS)
        assert (np.diff(model.weights_) <= 0).all()
        np.testing.assert_array_equal(model.labels_, model.predict(IRIS))
        np.testing.assert_allclose(model.lower_bound_, model.score(IRIS), atol=1e-2)
    tied = em.Mixture.from_parameters([0.5, 0.5], [[1.0, 2.0], [1.0, 0.0]], [1.0, 1.0], "VII")
    assert tied.by_weight().means.tolist() == [[1.0, 0.0], [1.0, 2.0]]


def test_start_from_labels_and_responsibilities():
    labels = np.repeat([0, 1, 2], 50)
    hard = em.GaussianMixture(3, init_params=labels).fit(IRIS)
    soft = em.GaussianMixture(3, init_params=np.eye(3)[labels]).fit(IRIS)
    np.testing.assert_array_equal(hard.means_, soft.means_)
    assert hard.report_.start == "given"
    with pytest.raises(ValueError, match=r"labels of shape \(150,\)"):
        em.GaussianMixture(3, init_params=labels[:10]).fit(IRIS)
    with pytest.raises(ValueError, match="from 0 to 1"):
        em.GaussianMixture(2, init_params=labels).fit(IRIS)


def test_report_and_messages():
    model = em.GaussianMixture(3, max_iter=2, n_init=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter iterations passed"):
        model.fit(IRIS)
    assert model.report_.status is em.Status.MAX_ITER
    assert len(model.reports_) == 3
    assert model.lower_bounds_ == list(model.report_.trace)
    assert model.lower_bound_ == max(report.objective for report in model.reports_)
    assert len(model.report_.diagnostics()) == 3
    assert not model.converged_


def test_diagnostics_see_a_thin_component():
    rng = np.random.default_rng(0)
    line = np.repeat([[5.0, 5.0]], 20, axis=0) + rng.normal(size=(20, 1)) * [1.0, 1.0]
    rows = np.vstack([rng.normal(size=(100, 2)), line + rng.normal(scale=1e-5, size=(20, 2))])
    model = em.GaussianMixture(2, reg_covar=0.0, random_state=0).fit(rows)
    widths = [part.relative_width for part in model.report_.diagnostics()]
    assert min(widths) < 1e-3 < max(widths)
    assert any("thinner than the data" in text for text in model.report_.warnings())
    conditions = [part.condition for part in model.report_.diagnostics()]
    eigenvalues = np.linalg.eigvalsh(model.covariances_)
    np.testing.assert_allclose(conditions, eigenvalues[:, 1] / eigenvalues[:, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"covariance_type": "XXX"}, "covariance_type"),
        ({"n_components": 0}, "n_components"),
        ({"weights_init": [0.5, 0.5]}, r"weights have shape \(2,\), expected \(3,\)"),
        ({"weights_init": [0.5, 0.5, 0.5]}, "sum to 1"),
        ({"means_init": np.zeros((3, 3))}, r"means have shape \(3, 3\), expected \(3, 4\)"),
        ({"precisions_init": -np.ones((3, 4, 4))}, "positive definite"),
        ({"order": "size"}, "order"),
    ],
)
def test_bad_arguments_get_a_sentence(arguments, words):
    with pytest.raises(ValueError, match=words):
        em.GaussianMixture(**{"n_components": 3, **arguments}).fit(IRIS)


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (np.ones(3), "150 rows"),
        (-np.ones(150), "not negative"),
        (np.full(150, np.nan), "finite"),
        (np.zeros(150), "zero"),
        (np.r_[np.ones(2), np.zeros(148)], "positive weight"),
    ],
)
def test_bad_weights_get_a_sentence(weight, words):
    with pytest.raises(ValueError, match=words):
        em.GaussianMixture(3).fit(IRIS, sample_weight=weight)


def test_warm_start_refuses_another_model(fitted):
    model = em.GaussianMixture(2, warm_start=True, random_state=0).fit(IRIS)
    with pytest.raises(ValueError, match="has 2 components of family VVV"):
        model.set_params(n_components=3).fit(IRIS)


def test_weights_in_every_method(fitted):
    weight = np.random.default_rng(0).integers(0, 4, 150)
    repeated = np.repeat(IRIS, weight, axis=0)
    for method in (fitted.score, fitted.bic, fitted.aic, fitted.icl):
        np.testing.assert_allclose(method(IRIS, sample_weight=weight), method(repeated))
    labels = np.repeat([0, 1, 2], 50)
    model = em.GaussianMixture(3, init_params=labels)
    predicted = model.fit_predict(IRIS, sample_weight=weight)
    other = em.GaussianMixture(3, init_params=np.repeat(labels, weight)).fit(repeated)
    np.testing.assert_allclose(model.means_, other.means_, rtol=1e-10)
    np.testing.assert_array_equal(predicted, other.predict(IRIS))


def test_metadata_routing():
    weight = np.random.default_rng(0).uniform(0.1, 2.0, 150)
    with sklearn.config_context(enable_metadata_routing=True):
        model = em.GaussianMixture(random_state=0)
        model = model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"n_components": [1, 2, 3]}, cv=3)
        search.fit(np.random.default_rng(0).permutation(IRIS), sample_weight=weight)
        assert search.best_params_["n_components"] > 1
        scaled = make_pipeline(StandardScaler(), em.GaussianMixture(2, random_state=0))
        scaled[0].set_fit_request(sample_weight=False)
        scaled[1].set_fit_request(sample_weight=True)
        scaled.fit(IRIS, sample_weight=weight)
        expected = em.GaussianMixture(2, random_state=0).fit(
            StandardScaler().fit_transform(IRIS), sample_weight=weight
        )
        np.testing.assert_array_equal(scaled[1].means_, expected.means_)


def test_pickle_keeps_everything(fitted):
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict_proba(IRIS), fitted.predict_proba(IRIS))
    assert copy.report_.trace == fitted.report_.trace


def test_verbose_prints_as_scikit_learn_does(capsys):
    em.GaussianMixture(3, verbose=2, verbose_interval=1, random_state=0).fit(IRIS)
    text = capsys.readouterr().out
    assert text.startswith("Initialization 0\n  Iteration 1\t time lapse")
    assert "ll change inf" in text
    assert "Initialization converged. time lapse" in text
    em.GaussianMixture(2, verbose=1, n_init=2, random_state=0).fit(IRIS)
    assert "Initialization 1 converged." in capsys.readouterr().out
