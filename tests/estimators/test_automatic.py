"""GaussianMixture with "auto"."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator

import ellimix as em
from ellimix.estimators.automatic import recast

FAITHFUL, _ = em.datasets.faithful()
IRIS, _ = em.datasets.iris()
LEFT_OUT = {
    "check_sample_weight_equivalence_on_dense_data": "see test_search.py",
    "check_array_api_input": "for estimators that take array API namespaces; ours do not",
}
OPEN = {
    "components": {"n_components": "auto", "covariance_type": "tied"},
    "family": {"n_components": 2, "covariance_type": "auto"},
    "mml": {"n_components": "auto", "covariance_type": "tied", "criterion": "mml"},
}


def checks():
    for label, arguments in OPEN.items():
        estimator = em.GaussianMixture(random_state=0, **arguments)
        for instance, check in estimator_checks_generator(estimator):
            name = check.func.__name__
            if name not in LEFT_OUT:
                yield pytest.param(instance, check, id=f"{label}-{name}")


@pytest.mark.filterwarnings("ignore::ellimix.FitWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_estimator(estimator, check):
    check(estimator)


def auto(n_components="auto", covariance_type="auto", **arguments):
    options = {"random_state": 0, "reg_covar": 0.0, **arguments}
    return em.GaussianMixture(n_components, covariance_type=covariance_type, **options)


@pytest.fixture(scope="module")
def both():
    return auto().fit(FAITHFUL)


def test_it_is_the_search_s_best(both):
    search = em.select(FAITHFUL)
    assert (both.n_components_, both.covariance_type_) == (3, "EEE")
    assert both.n_components == both.covariance_type == "auto"
    assert both.search_.best_params_ == search.best_params_
    np.testing.assert_array_equal(both.means_, search.best_.means_)
    np.testing.assert_array_equal(both.labels_, search.labels_)
    assert both.reports_ == [both.report_]
    assert both.converged_
    np.testing.assert_allclose(both.lower_bound_, both.score(FAITHFUL), atol=1e-8)


def test_one_of_the_two():
    by_k = auto(covariance_type="full").fit(FAITHFUL[:200])
    assert by_k.covariance_type_ == "VVV"
    assert len(by_k.search_.cells_) == 9
    by_family = auto(n_components=3).fit(FAITHFUL)
    assert (by_family.n_components_, by_family.covariance_type_) == (3, "EEE")
    assert len(by_family.search_.cells_) == 14


def test_the_criterion_is_passed_on():
    bic, icl = (auto(covariance_type="EEE", criterion=c).fit(FAITHFUL) for c in ("bic", "icl"))
    assert icl.search_.criterion_ == "icl"
    assert (bic.n_components_, icl.n_components_) == (3, 2)


def test_a_given_model_says_what_it_is_too():
    model = em.GaussianMixture(2, covariance_type="tied", random_state=0)
    for name in ("n_components_", "covariance_type_"):
        with pytest.raises(AttributeError, match=f"no {name}: it is not fitted"):
            getattr(model, name)
    model.fit(FAITHFUL)
    assert (model.n_components_, model.covariance_type_) == (2, "EEE")
    assert not hasattr(model, "search_")


def test_a_later_fit_of_a_given_model_forgets_the_search(both):
    model = pickle.loads(pickle.dumps(both))
    model.set_params(n_components=2, covariance_type="full").fit(FAITHFUL)
    assert not hasattr(model, "search_")
    assert (model.n_components_, model.covariance_type_) == (2, "VVV")


def test_files_pickles_and_clones(both, tmp_path):
    copy = pickle.loads(pickle.dumps(both))
    np.testing.assert_array_equal(copy.predict_proba(FAITHFUL), both.predict_proba(FAITHFUL))
    assert copy.search_.results_ == both.search_.results_
    assert clone(both).get_params() == both.get_params()
    both.save(tmp_path / "m.json")
    back = em.GaussianMixture.load(tmp_path / "m.json")
    assert (back.n_components, back.covariance_type) == (3, "EEE")
    np.testing.assert_array_equal(back.predict_proba(FAITHFUL), both.predict_proba(FAITHFUL))


def test_assigned_parameters_have_the_chosen_family(both):
    model = pickle.loads(pickle.dumps(both))
    model.means_ = both.means_ + 1.0
    assert model.covariance_type_ == "EEE"
    np.testing.assert_array_equal(model.covariances_, both.covariances_)
    fresh = auto()
    fresh.weights_ = [1.0]
    fresh.means_ = [[0.0, 0.0]]
    with pytest.raises(AttributeError, match="not fitted"):
        fresh.covariances_ = np.eye(2)


def test_order_by_weight():
    model = auto(covariance_type="EEE", order="weight").fit(FAITHFUL)
    assert (np.diff(model.weights_) <= 0.0).all()
    np.testing.assert_array_equal(model.labels_, model.predict(FAITHFUL))


@pytest.mark.parametrize(
    ("name", "shape", "family"),
    [("full", (3, 1, 1), "V"), ("diag", (3, 1), "V"), ("V", (3,), "V"), ("tied", (1, 1), "E")],
)
def test_one_feature_keeps_the_asked_shape(name, shape, family):
    rows = FAITHFUL[:, :1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", em.FitWarning)
        model = auto(covariance_type=name).fit(rows)
    assert model.covariances_.shape == shape
    assert model.covariance_type_ == family
    assert model.covariance_type == name
    np.testing.assert_allclose(model.score(rows), model.search_.score(rows), rtol=1e-12)
    given = em.GaussianMixture(3, covariance_type=name, random_state=0).fit(rows)
    assert given.covariances_.shape == shape


def test_recasting_is_for_one_feature_alone(both):
    assert recast(both.report_, em.FAMILIES["VVV"]) is both.report_


@pytest.mark.parametrize(
    "arguments",
    [
        {"tol": 1e-5},
        {"max_iter": 7},
        {"n_init": 2},
        {"init_params": "random"},
        {"init_params": np.zeros(272, dtype=int)},
        {"means_init": [[0.0, 0.0]]},
        {"weights_init": [1.0]},
        {"precisions_init": np.eye(2)},
        {"warm_start": True},
        {"acceleration": None},
    ],
)
def test_arguments_of_a_given_model_are_refused(arguments):
    (name,) = arguments
    with pytest.raises(em.DataError, match=rf"^{name}=.* leave {name} out\.$"):
        auto(**arguments).fit(FAITHFUL)


def test_more_components_than_rows_are_refused():
    with pytest.raises(em.DataError, match="n_components = 5, n_samples = 3"):
        auto(n_components=5).fit(FAITHFUL[:3])


def test_callbacks_see_one_fit_without_iterations():
    calls = []

    class Recorder:
        def setup(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context, **arguments):
            calls.append(("begin", context.task_name))

        def on_fit_task_end(self, estimator, context, **arguments):
            calls.append(("end", context.task_name))

    auto(n_components=2, covariance_type="auto").set_callbacks(Recorder()).fit(IRIS[:, 2:])
    assert calls == [("begin", "fit"), ("end", "fit")]


def test_verbose_prints_the_steps(capsys):
    auto(n_components=2, covariance_type="auto", verbose=1).fit(IRIS[:, 2:])
    assert "Search: 100%  done" in capsys.readouterr().out


# -- by message length ---------------------------------------------------------------------------


def groups():
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(m, 1.0, (200, 2)) for m in (0.0, 8.0, 16.0)])


@pytest.mark.parametrize("family", ["VII", "EEE", "auto"])
def test_message_length_counts_groups(family):
    rows = groups()
    model = auto(covariance_type=family, criterion="mml", tol=1e-6, max_iter=500).fit(rows)
    assert model.n_components_ == 3
    assert len(model.search_) == (14 if family == "auto" else 1)
    lengths = [run.length for run in model.search_]
    assert lengths == sorted(lengths)
    # every weight is below its likelihood's: the message charges components by their rows
    np.testing.assert_allclose(model.lower_bound_, -model.search_[0].length / 600, atol=1e-5)
    assert model.labels_.shape == (600,)


def test_message_length_does_not_choose_spikes():
    """Old Faithful's values are rounded: a component on equal ones makes a short message."""
    model = auto(criterion="mml", reg_covar=1e-6).fit(FAITHFUL)
    shortest = model.search_[0]
    assert shortest.length < -model.lower_bound_ * 272 - 10.0
    assert min(part.count for part in model.report_.diagnostics()) > 5.0
    assert not model.report_.thin()


def test_message_length_chooses_the_number_of_components():
    with pytest.raises(em.DataError, match='needs n_components="auto", not 2'):
        auto(n_components=2, criterion="mml").fit(FAITHFUL)
    with pytest.raises(em.DataError, match="leave n_init out"):
        auto(criterion="mml", n_init=3).fit(FAITHFUL)
    with pytest.raises(ValueError, match="criterion"):
        em.GaussianMixture(criterion="dic").fit(FAITHFUL)


def test_message_length_prints(capsys):
    auto(
        covariance_type="EEE", criterion="mml", verbose=1, verbose_interval=5, tol=1e-6,
        max_iter=500,
    ).fit(groups())  # fmt: skip
    assert "EEE: iteration 5, " in capsys.readouterr().out
