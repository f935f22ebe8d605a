"""GaussianMixtureSearch and em.select."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import estimator_checks_generator

import ellimix as em
from ellimix.selection.criteria import CRITERIA
from ellimix.selection.guard import Guard

FAITHFUL, NAMES = em.datasets.faithful()
IRIS, _ = em.datasets.iris()
FAMILIES = ["EEE", "VVI"]
WEIGHTED = "check_sample_weight_equivalence_on_dense_data"
LEFT_OUT = {
    WEIGHTED: (
        "15 rows of 30 features: the guard takes whole rows that repeat for ties on a grid, and "
        "weighted ones not; on data that can carry a mixture the two are equal, see below"
    ),
    "check_array_api_input": "for estimators that take array API namespaces; ours do not",
}


def checks():
    estimator = em.GaussianMixtureSearch(FAMILIES, (1, 2, 3), random_state=0)
    for instance, check in estimator_checks_generator(estimator):
        name = check.func.__name__
        if name not in LEFT_OUT:
            yield pytest.param(instance, check, id=name)


@pytest.mark.filterwarnings("ignore::ellimix.FitWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_estimator(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def faithful():
    return em.select(FAITHFUL)


@pytest.fixture(scope="module")
def small():
    return em.select(IRIS, families=FAMILIES, n_components=range(1, 6))


def test_old_faithful(faithful):
    """R mclust's choice: EEE with 3 components, BIC 2314.316."""
    assert faithful.best_params_ == {"n_components": 3, "covariance_type": "EEE"}
    assert faithful.bic(FAITHFUL) < 2314.317
    assert len(faithful.cells_) == len(faithful.results_) == 14 * 9
    assert faithful.notes_ == ()
    assert faithful.seconds_ > 0.0


def test_rows_are_what_their_mixtures_say(small):
    n = len(IRIS)
    for cell, row in zip(small.cells_, small.results_, strict=True):
        assert row["status"] == "ok"
        mixture = cell.mixture
        assert (row["family"], row["n_components"]) == (mixture.family.name, mixture.n_components)
        log_likelihood = mixture.log_density(IRIS).sum()
        np.testing.assert_allclose(row["log_likelihood"], log_likelihood, rtol=1e-9)
        penalty = row["n_parameters"] * np.log(n)
        np.testing.assert_allclose(row["bic"], -2.0 * log_likelihood + penalty, rtol=1e-9)
    assert small.best_index_ == int(np.argmin([row["bic"] for row in small.results_]))
    best = small.results_[small.best_index_]
    assert small.best_params_ == {
        "n_components": best["n_components"],
        "covariance_type": best["family"],
    }


def test_the_best_is_a_fitted_estimator(small):
    best = small.best_
    assert best is small.best_estimator_
    assert isinstance(best, em.GaussianMixture)
    assert {**best.get_params(), **small.best_params_} == best.get_params()
    assert best.report_.status is em.Status.CONVERGED
    assert best.converged_
    assert best.n_iter_ == best.report_.n_iter > 0
    np.testing.assert_allclose(best.lower_bound_, best.score(IRIS), atol=1e-8)
    assert (np.diff(best.weights_) <= 0.0).all()
    np.testing.assert_array_equal(best.labels_, best.predict(IRIS))
    assert best.mixture_ is small.mixture_
    # a fit that begins there finds nothing better: the search went to the end
    again = em.GaussianMixture(
        **small.best_params_, reg_covar=0.0, tol=1e-10, max_iter=500,
        weights_init=best.weights_, means_init=best.means_, precisions_init=best.precisions_,
    ).fit(IRIS)  # fmt: skip
    np.testing.assert_allclose(again.score(IRIS), best.score(IRIS), atol=1e-8)


def test_methods_are_those_of_the_best(small):
    best, weight = small.best_, np.linspace(0.5, 2.0, len(IRIS))
    np.testing.assert_array_equal(small.labels_, best.labels_)
    for name in ("predict", "predict_proba", "transform", "score_samples", "score"):
        np.testing.assert_array_equal(getattr(small, name)(IRIS), getattr(best, name)(IRIS))
    for name in ("score", "bic", "aic", "icl"):
        ours = getattr(small, name)(IRIS, sample_weight=weight)
        assert ours == getattr(best, name)(IRIS, sample_weight=weight)
    np.testing.assert_array_equal(small.sample(9, rng=1)[0], best.sample(9, rng=1)[0])
    assert small.n_parameters_ == best.n_parameters_
    k = small.best_params_["n_components"]
    assert list(small.get_feature_names_out()) == [f"gaussianmixturesearch{j}" for j in range(k)]


def test_the_mixture_goes_to_a_file_and_back(small, tmp_path):
    small.save(tmp_path / "m.json")
    back = em.GaussianMixture.load(tmp_path / "m.json")
    np.testing.assert_array_equal(back.predict_proba(IRIS), small.predict_proba(IRIS))


def test_pickle_and_clone(small):
    copy = pickle.loads(pickle.dumps(small))
    np.testing.assert_array_equal(copy.predict_proba(IRIS), small.predict_proba(IRIS))
    assert str(copy.compare()) == str(small.compare())
    assert clone(small).get_params() == small.get_params()
    with pytest.raises(NotFittedError):
        clone(small).compare()
    with pytest.raises(AttributeError, match="not fitted"):
        clone(small).best_estimator_  # noqa: B018


def test_the_same_seed_gives_the_same_and_the_order_of_rows_nothing(small):
    again = em.select(IRIS, families=FAMILIES, n_components=range(1, 6))
    assert again.results_ == small.results_
    order = np.random.default_rng(0).permutation(len(IRIS))
    shuffled = em.select(IRIS[order], families=FAMILIES, n_components=range(1, 6))
    assert shuffled.best_params_ == small.best_params_
    np.testing.assert_array_equal(shuffled.labels_, small.labels_[order])


def test_weights_are_repetition():
    weight = np.random.default_rng(0).integers(0, 3, len(FAITHFUL))
    options = {"families": ["EEE"], "n_components": range(1, 6)}
    weighted = em.select(FAITHFUL, sample_weight=weight, **options)
    repeated = em.select(np.repeat(FAITHFUL, weight, axis=0), **options)
    for one, other in zip(weighted.results_, repeated.results_, strict=True):
        np.testing.assert_allclose(one["bic"], other["bic"], rtol=1e-6)
    assert weighted.best_params_ == repeated.best_params_


def test_single_precision_and_names():
    frame = pd.DataFrame(FAITHFUL, columns=list(NAMES)).astype(np.float32)
    search = em.GaussianMixtureSearch("EEE", range(1, 6), random_state=0).fit(frame)
    assert list(search.feature_names_in_) == list(NAMES)
    assert list(search.best_.feature_names_in_) == list(NAMES)
    assert search.mixture_.feature_names == tuple(NAMES)
    assert search.predict_proba(frame).dtype == np.float32
    assert search.best_params_["n_components"] == 3
    with pytest.raises(ValueError, match="feature names"):
        search.predict(frame.rename(columns={"waiting": "patience"}))


def test_well_separated_groups_are_counted():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(60, 3)) + 9 * np.eye(3)[j] for j in range(3)])
    found = em.select(rows, families="sklearn", n_components=range(1, 7))
    assert found.best_params_["n_components"] == 3
    assert np.unique(found.labels_.reshape(3, 60), axis=1).shape == (3, 1)
    one = em.select(rng.normal(size=(200, 3)), families="sklearn", n_components=range(1, 7))
    assert one.best_params_ == {"n_components": 1, "covariance_type": "VII"}


@pytest.mark.parametrize(("rows", "bic"), [(FAITHFUL, 2322.193), (IRIS, 574.019)])
@pytest.mark.filterwarnings("ignore::ellimix.FitWarning")
def test_spuriously_thin_components_do_not_win(rows, bic):
    """Both hold rows with equal values, onto which one component of many can shrink."""
    found = em.select(rows, families="VVV")
    assert not found.best_.report_.thin()
    assert found.best_params_["n_components"] == 2  # as R mclust chooses
    assert found.bic(rows) < bic


def test_more_components_than_rows_are_skipped():
    rows = np.random.default_rng(1).normal(size=(12, 2))
    found = em.GaussianMixtureSearch("EII", [1, 2, 13, 40], random_state=0).fit(rows)
    rows_of = {row["n_components"]: row for row in found.results_}
    for k in (13, 40):
        assert rows_of[k]["status"] == "skipped"
        assert f"{k} components need as many different rows; there are 12." in rows_of[k]["reason"]
        assert np.isnan(rows_of[k]["bic"])
    assert found.results_[found.best_index_]["status"] == "ok"
    with pytest.raises(em.FitFailed, match="need as many different rows"):
        em.select(rows, families="EII", n_components=[13, 40])


def test_one_feature_has_two_families():
    rows = FAITHFUL[:, :1]
    found = em.select(rows, n_components=range(1, 5))
    assert [row["family"] for row in found.results_] == ["E"] * 4 + ["V"] * 4
    assert found.best_params_ == {"n_components": 3, "covariance_type": "V"}
    assert found.best_.covariance_type == found.best_.covariance_type_ == "V"
    assert "  V  " in str(found.compare())
    again = em.select(rows, families=["full", "VVI", "tied", "E"], n_components=range(1, 5))
    assert {row["family"] for row in again.results_} == {"E", "V"}
    assert again.best_params_ == found.best_params_


# -- what is asked for ---------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::ellimix.FitWarning")
def test_names_of_families():
    def families(names):
        found = em.select(IRIS, families=names, n_components=2)
        return [row["family"] for row in found.results_]

    assert families("sklearn") == ["VVV", "EEE", "VVI", "VII"]
    assert families(["tied", "EEE", "diag"]) == ["EEE", "VVI"]
    assert families("VEV") == ["VEV"]
    assert families("all") == families(None) == list(em.FAMILIES)


def test_a_number_of_components_stands_for_itself():
    found = em.select(IRIS, families="EEE", n_components=4)
    assert [row["n_components"] for row in found.results_] == [4]


@pytest.mark.parametrize("criterion", sorted(CRITERIA))
@pytest.mark.filterwarnings("ignore::ellimix.FitWarning")
def test_the_criterion_chooses(criterion):
    families = ["EEE", "VVV", "VVI"]
    found = em.select(IRIS, families=families, n_components=range(1, 7), criterion=criterion)
    assert found.criterion_ == criterion
    values = [row["criterion"] for row in found.results_ if row["status"] == "ok"]
    best = found.results_[found.best_index_]
    assert best["criterion"] == min(values)
    assert best["criterion_name"] == criterion
    assert found.compare(1).rows[0]["n_components"] == found.best_params_["n_components"]


def test_views_of_the_table(small):
    comparison = small.compare(top=3)
    assert [row["bic"] for row in comparison.rows] == sorted(r["bic"] for r in small.results_)[:3]
    by_icl = small.compare(top=1, criterion="icl").rows[0]
    assert by_icl["icl"] == min(row["icl"] for row in small.results_)
    frame = small.to_frame()
    assert frame["bic"].tolist() == [row["bic"] for row in small.results_]
    weights = small.model_weights()
    differences = np.array([row["difference"] for row in small.results_])
    expected = np.exp(-0.5 * differences)
    np.testing.assert_allclose(weights, expected / expected.sum(), rtol=1e-9)
    assert np.isnan(small.model_weights("nec")).all()
    assert small.plot().get_ylabel().startswith("bic")
    assert small.plot("icl").get_ylabel().startswith("icl")


def test_verbose_prints_the_steps(capsys):
    em.select(IRIS, families="EII", n_components=2)
    assert capsys.readouterr().out == ""
    em.select(IRIS, families="EII", n_components=2, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Search: 100%  done"
    assert all(re.fullmatch(r"Search: [ \d]{3}%  \w[\w ]*", line) for line in lines)


def test_the_guard_and_the_engine_are_passed_on():
    strict = Guard(own=10_000)
    with pytest.raises(em.FitFailed, match="fewer rows"):
        em.select(IRIS, families="VVV", n_components=2, guard=strict)
    plain = em.select(IRIS, families="EEE", n_components=3, engine="numpy")
    compiled = em.select(IRIS, families="EEE", n_components=3, engine="numba")
    assert plain.best_.report_.engine == "numpy"
    assert compiled.best_.report_.engine == "numba"
    np.testing.assert_allclose(plain.bic(IRIS), compiled.bic(IRIS), rtol=1e-6)


def test_a_floor_is_passed_on():
    rows = np.c_[IRIS[:, 2], np.full(150, 7.0)]
    with pytest.warns(em.FitWarning, match="x1 are constant"):
        found = em.select(rows, families="EEE", n_components=2, reg_covar=1e-3)
    assert found.best_.reg_covar == 1e-3
    np.testing.assert_allclose(found.mixture_.covariance.values[1, 1], 1e-3, rtol=1e-6)


def test_without_time_there_is_one_model():
    with pytest.warns(em.FitWarning, match="Time was up"):
        search = em.select(IRIS, families="EII", time_budget=1e-9)
    assert search.best_params_["n_components"] == 1
    assert {row["reason"] for row in search.results_[1:]} == {"No time was left for it."}
    assert em.select(IRIS, families="EII", n_components=2, time_budget=600.0).notes_ == ()


# -- notes ---------------------------------------------------------------------------------------


def warned(rows, **options):
    with pytest.warns(em.FitWarning) as caught:
        search = em.select(rows, **options)
    assert tuple(str(warning.message) for warning in caught) == search.notes_
    return search.notes_


def test_notes_are_warned_of_once_each():
    (edge,) = warned(FAITHFUL, families="EEE", n_components=[1, 2])
    assert edge.startswith("K = 2 is the largest that was tried")
    (close,) = warned(FAITHFUL, families="VVV", n_components=range(1, 5))
    assert "only 2 behind in BIC" in close
    constant = np.c_[IRIS[:, 2], np.full(150, 7.0)]
    notes = warned(constant, families="EII", n_components=2)
    assert "x1 are constant" in notes[-1]
    numbered = pd.DataFrame({"length": IRIS[:, 2], "row": np.arange(150)})
    assert any(
        "row number the rows and look like an id" in note
        for note in warned(numbered, families="VVI", n_components=[1, 2, 3, 4, 5])
    )


def test_a_note_on_how_it_went_is_no_warning():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(6_000, 2)), 9.0 + rng.normal(size=(6_000, 2))])
    found = em.select(rows, families="EII", n_components=[1, 2, 3])  # warnings are errors here
    assert found.best_params_["n_components"] == 2
    (note,) = found.notes_
    assert "random sample of 2,000 rows" in note


# -- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"families": []}, "families is empty"),
        ({"families": ["VVV", 3]}, "families holds 3"),
        ({"families": ["XYZ"]}, "Unknown covariance family 'XYZ'"),
        ({"families": "E"}, "one feature"),
        ({"families": 3}, "families"),
        ({"n_components": []}, "n_components is empty"),
        ({"n_components": 0}, "n_components"),
        ({"n_components": [0, 1]}, "n_components holds 0: expected whole numbers from 1"),
        ({"n_components": [1.5]}, r"n_components holds 1\.5"),
        ({"n_components": [True]}, "n_components holds True"),
        ({"criterion": "dic"}, "criterion"),
        ({"reg_covar": -1.0}, "reg_covar"),
        ({"time_budget": 0.0}, "time_budget"),
        ({"guard": "strict"}, "guard"),
        ({"engine": "fortran"}, "engine"),
        ({"criterion": "nec", "n_components": [2, 3]}, "search n_components=1, too"),
    ],
)
def test_bad_arguments_get_a_sentence(arguments, words):
    with pytest.raises(ValueError, match=words):
        em.select(IRIS, **{"families": "EII", "n_components": [1, 2], **arguments})


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.where(IRIS == 3.5, np.inf, IRIS), "infinity"),
        (IRIS[:0], "0 sample"),
        (IRIS[:1], "minimum of 2"),
        (IRIS[:, 0], "2D array"),
        (np.ones((10, 2)), "cannot be trusted|constant"),
    ],
)
def test_bad_rows_get_a_sentence(rows, words):
    with pytest.raises(ValueError, match=words):
        em.select(rows, families="EII", n_components=[1, 2])


@pytest.mark.parametrize(
    ("weight", "words"),
    [(np.ones(3), "150 rows"), (-np.ones(150), "not negative"), (np.zeros(150), "zero")],
)
def test_bad_weights_get_a_sentence(weight, words):
    with pytest.raises(ValueError, match=words):
        em.select(IRIS, families="EII", n_components=1, sample_weight=weight)
