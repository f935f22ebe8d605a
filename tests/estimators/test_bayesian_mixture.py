"""BayesianGaussianMixture: scikit-learn's numbers, what goes beyond them, and bad input."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture as Theirs

import ellimix as em
from ellimix.errors import DataError, ModelFileError
from ellimix.inference.normal_wishart import CONJUGATE
from ellimix.inference.pointed import RULES
from variational_problems import clouds

SKLEARN = ("full", "tied", "diag", "spherical")
WEIGHTS = ("dirichlet_process", "dirichlet_distribution")
FAITHFUL, NAMES = em.datasets.faithful()
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def ours(k=4, **arguments):
    return em.BayesianGaussianMixture(k, **({"random_state": 0} | arguments))


def assert_same_fit(one, other, rtol=1e-8):
    for name in ("weights_", "means_", "covariances_", "mean_precision_"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=1e-9)
    for a, b in zip(
        np.atleast_2d(one.weight_concentration_),
        np.atleast_2d(other.weight_concentration_),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=rtol)
    np.testing.assert_allclose(one.degrees_of_freedom_, other.degrees_of_freedom_, rtol=rtol)


# -- scikit-learn --------------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", SKLEARN)
@pytest.mark.parametrize("start", ["kmeans", "k-means++", "random", "random_from_data"])
def test_same_seed_same_fit(start, name, weights):
    if name == "tied" and start in ("k-means++", "random_from_data"):
        pytest.skip("their pooled covariance takes in rows that no component was given")
    arguments = {
        "n_components": 4, "covariance_type": name, "weight_concentration_prior_type": weights,
        "init_params": start, "max_iter": 12, "tol": 0.0, "random_state": 5, "mean_prior": [3, 70],
        "mean_precision_prior": 0.5, "degrees_of_freedom_prior": 3.5,
        "weight_concentration_prior": 0.2,
    }  # fmt: skip
    theirs = Theirs(**arguments).fit(FAITHFUL)
    mine = em.BayesianGaussianMixture(**arguments).fit(FAITHFUL)
    assert_same_fit(mine, theirs)
    for own in ("covariances_", "means_", "degrees_of_freedom_", "mean_precision_", "weights_"):
        assert np.shape(getattr(mine, own)) == np.shape(getattr(theirs, own))
    assert np.shape(mine.weight_concentration_) == np.shape(theirs.weight_concentration_)
    np.testing.assert_allclose(mine.score_samples(FAITHFUL), theirs.score_samples(FAITHFUL))
    np.testing.assert_allclose(
        mine.predict_proba(FAITHFUL), theirs.predict_proba(FAITHFUL), atol=1e-9
    )
    np.testing.assert_array_equal(mine.labels_, theirs.predict(FAITHFUL))
    for prior in ("weight_concentration", "mean_precision", "mean", "degrees_of_freedom"):
        given = f"{prior}_prior_"
        np.testing.assert_allclose(getattr(mine, given), getattr(theirs, given))
    np.testing.assert_allclose(mine.covariance_prior_, theirs.covariance_prior_, rtol=1e-12)


@pytest.mark.parametrize("name", SKLEARN)
def test_it_ends_where_theirs_does(name):
    theirs = Theirs(n_components=3, covariance_type=name, random_state=0, max_iter=1000)
    mine = ours(3, covariance_type=name, max_iter=1000).fit(FAITHFUL)
    theirs.fit(FAITHFUL)
    assert abs(mine.n_iter_ - theirs.n_iter_) <= 2
    gain = 1e-3 / len(FAITHFUL)  # tol is that of all rows together
    assert mine.lower_bounds_[-1] - mine.lower_bounds_[-2] < gain
    assert mine.lower_bounds_[-2] - mine.lower_bounds_[-3] >= gain


def test_defaults_are_theirs():
    mine, theirs = em.BayesianGaussianMixture().get_params(), Theirs().get_params()
    assert {name: mine[name] for name in theirs} == theirs


# -- what goes beyond ----------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", sorted(RULES))
def test_weights_are_repeated_rows(name, weights):
    X = clouds(0, n=45)
    times = np.random.default_rng(0).integers(0, 4, len(X))
    R = np.random.default_rng(1).dirichlet(np.ones(3), size=len(X))
    arguments = {
        "covariance_type": name, "weight_concentration_prior_type": weights, "max_iter": 15,
        "tol": 0.0,
    }  # fmt: skip
    weighted = ours(3, init_params=R, **arguments).fit(X, sample_weight=times)
    index = np.repeat(np.arange(len(X)), times)
    repeated = ours(3, init_params=R[index], **arguments).fit(X[index])
    assert_same_fit(weighted, repeated)
    np.testing.assert_allclose(weighted.lower_bound_, repeated.lower_bound_, rtol=1e-9)
    np.testing.assert_allclose(weighted.covariance_prior_, repeated.covariance_prior_, rtol=1e-10)


@quiet
@pytest.mark.parametrize("name", ["full", "tied", "diag", "EEE", "VVI", "VII", "VVE", "VEI"])
def test_missing_values_keep_the_bound_rising(name):
    X = clouds(2, n=90)
    rng = np.random.default_rng(0)
    X[rng.random(X.shape) < 0.2] = np.nan
    model = ours(4, covariance_type=name, reg_covar=0.0, max_iter=60, tol=0.0).fit(X)
    assert (np.diff(model.lower_bounds_) >= -1e-9).all()
    assert np.isfinite(model.score_samples(X)).all()
    assert np.isfinite(model.impute(X)).all()
    np.testing.assert_allclose(model.missing_share_, np.isnan(X).mean(axis=0))


def test_with_missing_values_the_bound_is_below_the_evidence():
    """Which is known where features are independent: that of each one's values."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2))
    holes = X.copy()
    holes[12:, 1] = np.nan
    arguments = {
        "covariance_type": "VVI", "mean_prior": [0.2, -0.1], "covariance_prior": [1.0, 2.0],
        "reg_covar": 0.0, "max_iter": 3000, "tol": 1e-12,
        "weight_concentration_prior_type": WEIGHTS[1],
    }  # fmt: skip
    both = ours(1, **arguments).fit(holes)
    parts = 0.0
    for j, rows in enumerate((X, X[:12])):
        one = {**arguments, "covariance_type": "V", "degrees_of_freedom_prior": 2.0}
        one |= {"mean_prior": [arguments["mean_prior"][j]]}
        one |= {"covariance_prior": arguments["covariance_prior"][j]}
        parts += ours(1, **one).fit(rows[:, [j]]).lower_bound_ * len(rows)
    assert parts - 1.0 < both.lower_bound_ * 20 < parts
    whole = ours(1, **arguments).fit(X)
    np.testing.assert_allclose(both.means_[0, 0], whole.means_[0, 0], rtol=1e-10)


@quiet
def test_labels_hold_rows_in_their_components():
    labels = np.full(len(FAITHFUL), -1)
    labels[:40] = FAITHFUL[:40, 0] < 3.0
    model = ours(3, weight_concentration_prior_type=WEIGHTS[1]).fit(FAITHFUL, labels=labels)
    np.testing.assert_array_equal(model.predict(FAITHFUL, labels=labels)[:40], labels[:40])
    assert model.means_[0, 0] > model.means_[1, 0]  # component 1 has the short eruptions
    by_y = ours(3, weight_concentration_prior_type=WEIGHTS[1]).fit(FAITHFUL, labels)
    assert_same_fit(model, by_y)


@quiet
def test_errors_and_bounds_are_taken_in():
    X = FAITHFUL.copy()
    X[X[:, 1] > 90.0, 1] = np.nan
    lower = np.array([-np.inf, 90.0])
    model = ours(3, max_iter=50).fit(X, lower=lower, errors=[0.01, 1.0])
    assert (np.diff(model.lower_bounds_) > -1e-6).all()
    blind = ours(3, max_iter=50).fit(X)
    assert model.means_[:, 1].max() > blind.means_[:, 1].max()


def test_components_that_are_not_needed_return_to_the_prior():
    X = clouds(0, n=300)
    model = ours(
        8, weight_concentration_prior_type=WEIGHTS[1], weight_concentration_prior=1e-3,
        max_iter=2000, random_state=2,
    ).fit(X)  # fmt: skip
    idle = model.weights_ < 1e-3
    assert idle.any()
    assert (~idle).sum() >= 3
    assert np.allclose(model.means_[idle], model.mean_prior_, atol=0.2)
    np.testing.assert_allclose(
        model.covariances_[idle] * model.degrees_of_freedom_[idle][:, None, None],
        np.broadcast_to(model.covariance_prior_, (idle.sum(), 3, 3)),
        rtol=0.2, atol=0.3,
    )  # fmt: skip


@quiet
def test_more_components_than_rows_that_differ():
    X = np.repeat(np.arange(3.0), 20)[:, None]
    model = ours(5, tol=0.0, max_iter=30).fit(X)
    assert model.report_.sound
    assert not model.report_.notes
    np.testing.assert_allclose(model.weights_.sum(), 1.0)
    theirs = Theirs(n_components=5, random_state=0, tol=0.0, max_iter=30)
    with pytest.warns(ConvergenceWarning):
        theirs.fit(X)
    np.testing.assert_allclose(model.weights_, theirs.weights_, atol=1e-6)


def test_n_init_keeps_the_best_bound():
    model = ours(5, n_init=6, init_params="random_from_data", max_iter=3000).fit(FAITHFUL)
    bounds = [report.objective for report in model.reports_]
    assert len(bounds) == 6
    assert model.lower_bound_ == max(bounds) > min(bounds)


@pytest.mark.parametrize("name", ["full", "diag", "EII", "VVE"])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_warm_start_goes_on(name, weights):
    arguments = {"covariance_type": name, "weight_concentration_prior_type": weights, "tol": 0.0}
    whole = ours(3, max_iter=10, **arguments)
    parts = ours(3, max_iter=5, warm_start=True, **arguments)
    for model in (whole, parts, parts):
        with pytest.warns(ConvergenceWarning):
            model.fit(FAITHFUL)
    assert_same_fit(whole, parts, rtol=1e-12)
    other = WEIGHTS[1 - WEIGHTS.index(weights)]
    for change in ({"covariance_type": "EEE"}, {"weight_concentration_prior_type": other}):
        with pytest.raises(ValueError, match="warm_start"):
            clone_with_fit(parts).set_params(**change).fit(FAITHFUL)


def clone_with_fit(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("name", ["full", "tied", "VVI", "EVE"])
def test_acceleration_ends_at_a_bound_as_high(name):
    arguments = {"covariance_type": name, "reg_covar": 0.0, "max_iter": 5000, "tol": 1e-6}
    plain = ours(4, **arguments).fit(FAITHFUL)
    for acceleration in ("squarem", "anderson", "auto"):
        quick = ours(4, acceleration=acceleration, **arguments).fit(FAITHFUL)
        assert (np.diff(quick.lower_bounds_) >= -1e-9).all()
        assert quick.lower_bound_ > plain.lower_bound_ - 0.02
    assert quick.n_iter_ <= plain.n_iter_


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("name", ["full", "tied", "diag"])
def test_engines_agree(name, engine):
    if engine == "numba":
        pytest.importorskip("numba")
    arguments = {"covariance_type": name, "max_iter": 1000}
    one = ours(3, engine=engine, **arguments).fit(FAITHFUL)
    assert_same_fit(one, ours(3, engine="numpy", **arguments).fit(FAITHFUL), rtol=1e-6)


def test_order_by_weight():
    arguments = {"weight_concentration_prior_type": WEIGHTS[1], "max_iter": 1000}
    fitted = ours(4, **arguments).fit(FAITHFUL)
    model = ours(4, order="weight", **arguments).fit(FAITHFUL)
    order = np.argsort(-fitted.weights_, kind="stable")
    assert (np.diff(model.weights_) <= 0.0).all()
    for name in ("weight_concentration_", "degrees_of_freedom_", "mean_precision_", "means_"):
        np.testing.assert_array_equal(getattr(model, name), getattr(fitted, name)[order])
    np.testing.assert_allclose(
        model.predict_proba(FAITHFUL), fitted.predict_proba(FAITHFUL)[:, order], atol=1e-12
    )
    with pytest.raises(DataError, match="order of their own"):
        ours(4, order="weight").fit(FAITHFUL)
    process = ours(4, max_iter=1000).fit(FAITHFUL).mixture_
    with pytest.raises(ValueError, match="sticks"):
        process.ordered(np.array([1, 0, 2, 3]))


@quiet
def test_samples_come_from_the_expected_parameters():
    model = ours(2).fit(FAITHFUL)
    X, labels = model.sample(20_000, rng=0)
    share = np.bincount(labels, minlength=2) / len(labels)
    np.testing.assert_allclose(share, model.weights_, atol=0.02)
    for k in range(2):
        np.testing.assert_allclose(X[labels == k].mean(axis=0), model.means_[k], rtol=0.02)


@quiet
def test_proper_draws_are_made_with_the_prior():
    X = FAITHFUL.copy()
    X[::7, 1] = np.nan
    model = ours(2).fit(X)
    draws = model.impute(X, n_draws=3, rng=0)
    assert draws.shape == (3, *X.shape)
    assert np.isfinite(draws).all()
    assert draws[:, ::7, 1].std(axis=0).min() > 0.0


# -- files ---------------------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", sorted(RULES))
def test_saved_posteriors_come_back_to_the_bit(name, weights, tmp_path):
    model = ours(3, covariance_type=name, weight_concentration_prior_type=weights).fit(FAITHFUL)
    model.save(tmp_path / "model.json")
    loaded = em.BayesianGaussianMixture.load(tmp_path / "model.json")
    one, other = model.mixture_, loaded.mixture_
    assert other.rule is one.rule
    assert loaded.covariance_type == name
    assert loaded.weight_concentration_prior_type == weights
    for part in ("concentration", "mean_precision", "degrees"):
        np.testing.assert_array_equal(
            getattr(one.parameters.hyper, part), getattr(other.parameters.hyper, part)
        )
    for part in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
        np.testing.assert_array_equal(getattr(model, part), getattr(loaded, part))
    np.testing.assert_allclose(
        loaded.score_samples(FAITHFUL), model.score_samples(FAITHFUL), rtol=1e-13
    )


@quiet
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rule": "EEE"}, "does not belong"),
        ({"rule": "mine"}, "must have a rule"),
        ({"degrees": [1.0, 3.0, 0.5]}, "above 1"),
        ({"degrees": [3.0, 3.0]}, "3 numbers"),
        ({"mean_precision": [1.0, -1.0, 1.0]}, "above 0"),
        ({"mean_precision": [1.0, "x", 1.0]}, "not a number"),
        ({"concentration": [[1.0], [1.0]]}, "3 lists"),
        ({"concentration": [[1.0], [1.0], [1.0]]}, "does not belong to weights"),
        ({"more": 1}, "must have"),
    ],
)
def test_files_that_hold_no_posterior(change, words, tmp_path):
    path = tmp_path / "model.json"
    ours(3).fit(FAITHFUL).save(path)
    document = json.loads(path.read_text())
    document["posterior"] |= change
    path.write_text(json.dumps(document))
    with pytest.raises(ModelFileError, match=words):
        em.load(path)


@quiet
def test_a_loaded_posterior_has_no_prior_for_proper_draws(tmp_path):
    ours(2).fit(FAITHFUL).save(tmp_path / "model.json")
    loaded = em.BayesianGaussianMixture.load(tmp_path / "model.json")
    X = FAITHFUL.copy()
    X[0, 0] = np.nan
    with pytest.raises(DataError, match="proper=False"):
        loaded.impute(X, n_draws=2)
    assert loaded.impute(X, n_draws=2, proper=False, rng=0).shape == (2, *X.shape)


# -- bad input -----------------------------------------------------------------------------------

SPD = np.array([[1.0, 0.2], [0.2, 1.0]])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"degrees_of_freedom_prior": 1.0}, "greater than 1, but got 1.000"),
        ({"degrees_of_freedom_prior": 0.0}, "'degrees_of_freedom_prior' parameter"),
        ({"mean_precision_prior": 0.0}, "'mean_precision_prior' parameter"),
        ({"weight_concentration_prior": -1.0}, "'weight_concentration_prior' parameter"),
        ({"weight_concentration_prior_type": "flat"}, "'weight_concentration_prior_type'"),
        ({"mean_prior": [1.0, 2.0, 3.0]}, "shape of .2,., but got .3,."),
        ({"mean_prior": [1.0, np.nan]}, "mean_prior contains NaN"),
        ({"mean_prior": ["a", "b"]}, "not an array of numbers"),
        ({"covariance_prior": -SPD}, "positive definite"),
        ({"covariance_prior": np.ones((2, 2))}, "positive definite"),
        ({"covariance_prior": [[1.0, 0.5], [0.2, 1.0]]}, "symmetric"),
        ({"covariance_prior": np.eye(3)}, "shape of .2, 2., but got .3, 3."),
        ({"covariance_prior": 2.0}, "a matrix"),
        ({"covariance_type": "diag", "covariance_prior": SPD}, "one number a feature"),
        ({"covariance_type": "VVI", "covariance_prior": [1.0, 0.0]}, "must be positive"),
        ({"covariance_type": "spherical", "covariance_prior": [1.0, 1.0]}, "one number"),
        ({"covariance_type": "E"}, "for one feature"),
        ({"k": 500}, "n_components = 500, n_samples = 272"),
        ({"acceleration": "sample"}, "'acceleration'"),
    ],
)
def test_bad_input_gets_a_sentence(arguments, words):
    with pytest.raises(ValueError, match=words):
        ours(**({"k": 2} | arguments)).fit(FAITHFUL)


@quiet
@pytest.mark.parametrize("name", ["VVI", "VII", "EEI", "EII", "VEI", "EVI"])
def test_gamma_priors_need_degrees_above_0_only(name):
    model = ours(2, covariance_type=name, degrees_of_freedom_prior=0.5).fit(FAITHFUL)
    assert np.isfinite(model.lower_bound_)


def test_rows_without_spread_need_a_prior():
    X = np.column_stack([FAITHFUL, np.ones(len(FAITHFUL))])
    with pytest.raises(DataError, match="give covariance_prior"):
        ours(2, reg_covar=0.0).fit(X)
    assert ours(2, reg_covar=1e-3, max_iter=1000).fit(X).converged_
    given = ours(2, reg_covar=0.0, covariance_prior=np.eye(3), max_iter=1000).fit(X)
    np.testing.assert_array_equal(given.covariance_prior_, np.eye(3))


@quiet
def test_assigned_parameters_have_no_posterior():
    model = ours(2).fit(FAITHFUL)
    model.means_ = model.means_ + 1.0
    with pytest.raises(AttributeError, match="no posterior"):
        _ = model.degrees_of_freedom_
    model.warm_start = True
    with pytest.raises(ValueError, match="assigned have none"):
        model.fit(FAITHFUL)


@quiet
def test_points_have_infinite_degrees():
    model = ours(2, covariance_type="EVE").fit(FAITHFUL)
    assert np.isinf(model.degrees_of_freedom_).all()
    assert np.isinf(model.mean_precision_).all()
    assert np.isfinite(model.score(FAITHFUL))


@quiet
def test_clones_and_pickles():
    model = ours(2, covariance_type="VVI").fit(FAITHFUL)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(FAITHFUL), model.predict_proba(FAITHFUL))
    assert clone(model).get_params() == model.get_params()
    assert set(CONJUGATE) <= set(RULES)
