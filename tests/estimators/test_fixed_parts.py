"""GaussianMixture with fixed parts, equal weights and weights that have a floor."""

from __future__ import annotations

import math
import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import ellimix as em
from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Structure
from ellimix.density.checks import covariance_of
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.errors import Status
from ellimix.estimators.fixing import Wishes, holding
from ellimix.estimators.given import given_parameters
from ellimix.estimators.matching import match, reordered
from ellimix.estimators.preparing import Prepared
from ellimix.estimators.starting import first_steps
from ellimix.inference.base import Parameters
from ellimix.inference.box import Box
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import Moment, SufficientStatistics
from ellimix.sources.memory import MemorySource
from ellimix.starts import STARTS, Beginning

NAN = np.nan
CENTERS = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])
FIX = {"means": [0, 2], "weights": [1], "covariances": [0]}
EYE, NO_MATRIX, NO_MEAN = np.eye(2), np.full((2, 2), NAN), [NAN, NAN]


def data(seed=0, n=90):
    rng = np.random.default_rng(seed)
    return CENTERS[np.arange(n) % 3] + rng.normal(size=(n, 2))


X = data()


def fixed(**arguments):
    """The case of the documentation."""
    defaults = {
        "fix": FIX,
        "means_init": [[0.0, 6.0], NO_MEAN, [6.0, 0.0]],
        "weights_init": [NAN, 0.3, NAN],
        "precisions_init": [4.0 * EYE, NO_MATRIX, NO_MATRIX],
        "random_state": 0,
        "tol": 1e-6,
        "max_iter": 300,
    }
    return em.GaussianMixture(3, **{**defaults, **arguments})


def assert_fixed(model, order=(0, 1, 2)):
    i, j, k = order
    np.testing.assert_array_equal(model.means_[i], [0.0, 6.0])
    np.testing.assert_array_equal(model.means_[k], [6.0, 0.0])
    assert model.weights_[j] == 0.3
    np.testing.assert_array_equal(model.covariances_[i], 0.25 * EYE)
    assert model.n_parameters_ == 2 + 1 + 2 * 3  # a mean, a weight of two, two matrices


def test_fixed_parts_are_held_and_the_rest_is_fitted():
    model = fixed().fit(X)
    assert model.converged_
    assert_fixed(model)
    np.testing.assert_allclose(model.means_[1], [0.0, 0.0], atol=0.5)
    np.testing.assert_allclose(model.covariances_[1:], [EYE, EYE], atol=0.6)
    expected = -2.0 * model.score(X) * len(X) + 9 * math.log(len(X))
    assert model.bic(X) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "arguments",
    [
        {"acceleration": "squarem"}, {"acceleration": "anderson"}, {"acceleration": "sample"},
        {"init_params": "random"}, {"init_params": "hierarchical"}, {"n_init": 3},
        {"max_iter": 1}, {"tol": 0.0, "max_iter": 20}, {"reg_covar": 0.0},
    ],
    ids=str,
)  # fmt: skip
def test_whatever_the_way_fixed_parts_are_held_to_the_bit(arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = fixed(**arguments).fit(X)
    assert_fixed(model)
    for report in model.reports_:
        assert (np.diff(report.trace) >= -1e-12).all() or model.reg_covar > 0.0


def test_a_sample_of_many_rows_holds_them_too():
    model = fixed(acceleration="sample", tol=1e-3).fit(data(n=210_000))
    assert any("random sample" in note for note in model.report_.notes)
    assert_fixed(model)


def test_row_weights_and_single_precision():
    model = fixed().fit(X.astype(np.float32), sample_weight=np.linspace(0.5, 2.0, len(X)))
    np.testing.assert_array_equal(model.mixture_.means[0], [0.0, 6.0])
    assert model.mixture_.weights[1] == 0.3


@pytest.mark.parametrize("name", FAMILIES)
def test_means_are_fixed_for_every_family(name):
    model = em.GaussianMixture(
        3, covariance_type=name, fix={"means": "all"}, means_init=CENTERS[[2, 0, 1]],
        reg_covar=0.0, tol=1e-7, max_iter=1000, random_state=0,
    ).fit(X)  # fmt: skip
    np.testing.assert_array_equal(model.means_, CENTERS[[2, 0, 1]])
    assert (np.diff(model.lower_bounds_) >= -1e-12).all()
    np.testing.assert_allclose(model.weights_, 1.0 / 3.0, atol=0.05)
    assert model.n_parameters_ == 2 + FAMILIES[name].n_parameters(3, 2)


@pytest.mark.parametrize("name", FAMILIES)
def test_with_everything_fixed_the_density_is_the_given_one(name):
    family = FAMILIES[name]
    truth = em.GaussianMixture(3, covariance_type=name, random_state=0).fit(X)
    model = em.GaussianMixture(
        3, covariance_type=name, fix=dict.fromkeys(("weights", "means", "covariances"), True),
        weights_init=truth.weights_, means_init=truth.means_, precisions_init=truth.precisions_,
    ).fit(X)  # fmt: skip
    assert model.n_parameters_ == 0
    assert model.n_iter_ == 2
    np.testing.assert_array_equal(model.weights_, truth.weights_)
    np.testing.assert_array_equal(model.means_, truth.means_)
    np.testing.assert_allclose(model.covariances_, truth.covariances_, rtol=1e-9, atol=1e-12)
    assert model.bic(X) == pytest.approx(-2.0 * model.score(X) * len(X))
    assert family.structure.array_shape(3, 2) == model.covariances_.shape


@pytest.mark.parametrize("name", ["EEI", "EVI", "EEV", "EVE", "VEE", "VVE"])
def test_the_free_covariances_follow_the_family_among_themselves(name):
    """A held one has a volume, a shape and axes of its own."""
    family = FAMILIES[name]
    given = np.full(family.structure.array_shape(3, 2), NAN)
    given[1] = [0.5, 4.0] if family.structure is Structure.DIAGONAL else [[0.5, 0.2], [0.2, 4.0]]
    model = em.GaussianMixture(
        3, covariance_type=name, fix={"covariances": [1]}, precisions_init=given, random_state=0,
        means_init=CENTERS, max_iter=500,
    ).fit(X)  # fmt: skip
    mixture = model.mixture_
    np.testing.assert_allclose(model.precisions_[1], given[1], rtol=1e-12)
    free = mixture.covariances()[[0, 2]]
    values = np.linalg.eigvalsh(free)
    if name[0] == "E":
        volumes = np.linalg.det(free)
        assert volumes[0] == pytest.approx(volumes[1], rel=1e-9)
        assert abs(volumes[0] - np.linalg.det(mixture.covariances()[1])) > 0.05
    if name[1] == "E":
        np.testing.assert_allclose(values[0] / values[0, 0], values[1] / values[1, 0], rtol=1e-9)
    if name[2] == "E":
        np.testing.assert_allclose(free[0] @ free[1], free[1] @ free[0], atol=1e-9)
    assert model.n_parameters_ == 2 + 6 + family.n_parameters(2, 2)


@pytest.mark.parametrize("letter", ["E", "V"])
def test_one_feature(letter):
    """E stores a variance each, so that one can be held while the others share theirs."""
    rows = np.concatenate([X[:, :1], X[:, :1] + 20.0])
    model = em.GaussianMixture(
        4, covariance_type=letter, fix={"covariances": [0]}, precisions_init=[4.0, NAN, NAN, NAN],
        means_init=[[0.0], [6.0], [20.0], [26.0]], random_state=0,
    ).fit(rows)  # fmt: skip
    assert model.covariances_[0] == 0.25
    others = set(model.covariances_[1:].tolist())
    assert len(others) == (1 if letter == "E" else 3)
    assert 0.25 not in others
    assert model.n_parameters_ == 3 + 4 + len(others)


# weights


@pytest.mark.parametrize("name", ["VVV", "EEE", "VII", "EVE"])
def test_equal_weights(name):
    model = em.GaussianMixture(
        3, covariance_type=name, equal_weights=True, reg_covar=0.0, random_state=0
    ).fit(X[np.r_[:90, 0:90:3, 0:90:3]])
    np.testing.assert_array_equal(model.weights_, np.full(3, 1.0 / 3.0))
    assert (np.diff(model.lower_bounds_) >= -1e-12).all()
    assert model.n_parameters_ == 6 + FAMILIES[name].n_parameters(3, 2)


def test_min_weight_is_a_floor():
    rows = X[np.r_[0:90:3, 1, 2, 4, 5, 7, 8, 10, 11]]
    free = em.GaussianMixture(3, random_state=0, reg_covar=1e-2).fit(rows)
    least = em.GaussianMixture(3, random_state=0, reg_covar=1e-2, min_weight=0.2).fit(rows)
    assert free.weights_.min() < 0.15
    assert least.weights_.min() == 0.2
    assert least.weights_.sum() == pytest.approx(1.0, rel=1e-12)
    assert least.n_parameters_ == free.n_parameters_
    assert least.score(rows) < free.score(rows)


def test_a_floor_that_is_never_reached_changes_nothing():
    plain = em.GaussianMixture(3, random_state=0).fit(X)
    floor = em.GaussianMixture(3, random_state=0, min_weight=0.01).fit(X)
    np.testing.assert_array_equal(plain.means_, floor.means_)
    np.testing.assert_array_equal(plain.lower_bounds_, floor.lower_bounds_)


def test_defaults_hold_nothing():
    empty = em.GaussianMixture(3, random_state=0, fix={"means": []}).fit(X)
    plain = em.GaussianMixture(3, random_state=0).fit(X)
    np.testing.assert_array_equal(empty.means_, plain.means_)


# starts


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
def test_components_of_the_start_are_matched_to_the_means(order):
    given = CENTERS[order] + 0.3
    given[1] = NAN
    model = em.GaussianMixture(3, means_init=given, random_state=0, max_iter=200).fit(X)
    np.testing.assert_allclose(model.means_, CENTERS[order], atol=0.5)


@pytest.mark.parametrize("moment", Moment)
def test_matching_is_in_units_of_each_feature(moment):
    """The second feature has large numbers that say nothing."""
    means = np.array([[0.0, 100.0], [1.0, 900.0], [2.0, -900.0], [3.0, 0.0]])
    n, center = np.array([9.0, 12.0, 5.0, 1.0]), means + 0.5
    within = np.diag([1e-2, 1e10])
    s1 = n[:, None] * (means - center)
    s2 = n[:, None, None] * (within + 0.25 * np.ones((2, 2)))
    if moment is Moment.DIAGONAL:
        s2 = np.diagonal(s2, axis1=1, axis2=2)
    elif moment is Moment.POOLED:
        s2 = s2.sum(axis=0)
    start = SufficientStatistics(n, s1, s2, center, 0.0, 0.0, n.sum(), 27, moment)
    wanted = np.array([[2.1, 890.0], NO_MEAN, [0.1, -890.0], [1.1, 5.0]])
    given = given_parameters((None, wanted, None), Structure.FULL, 4, 2)
    order = match(start, given)
    np.testing.assert_array_equal(order, [2, 3, 0, 1])
    turned = reordered(start, order)
    np.testing.assert_array_equal(turned.means(), start.means()[order])
    if moment is Moment.POOLED:
        np.testing.assert_allclose(turned.scatter(), start.scatter())
    else:
        np.testing.assert_array_equal(turned.scatter(), start.scatter()[order])


@pytest.mark.parametrize("bad", [0.0, np.inf, NAN])
def test_a_start_without_numbers_is_matched_to_something(bad):
    n, s = np.array([bad, 1.0]), np.full((2, 2), bad)
    start = SufficientStatistics(n, s, s, np.zeros((2, 2)), 0.0, 0.0, 1.0, 1, Moment.DIAGONAL)
    given = given_parameters((None, [[1.0, 1.0], NO_MEAN], None), Structure.DIAGONAL, 2, 2)
    assert sorted(match(start, given)) == [0, 1]


def test_numbers_of_a_users_start_are_kept():
    """Component 1 is given where the rows labelled 2 lie: the others stay what they were called."""
    labels = np.arange(90) % 3
    arguments = {"means_init": [NO_MEAN, [0.0, 6.0], NO_MEAN], "max_iter": 0}
    model = em.GaussianMixture(3, init_params=labels, **arguments).fit(X)
    np.testing.assert_allclose(model.means_[[0, 2]], CENTERS[[0, 2]], atol=0.5)
    drawn = em.GaussianMixture(3, random_state=0, **arguments).fit(X)
    np.testing.assert_allclose(drawn.means_[[0, 2]].sum(axis=0), CENTERS[1], atol=0.5)


def test_components_are_matched_to_fixed_covariances_or_weights():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 0.2, (30, 2)), rng.normal(9, 2.0, (60, 2))])
    narrow, wide = EYE / 0.04, EYE / 4.0
    for first, second in [(narrow, wide), (wide, narrow)]:
        model = em.GaussianMixture(
            2, fix={"covariances": True}, precisions_init=[first, second], random_state=0
        ).fit(rows)
        narrow_one = 0 if first is narrow else 1
        np.testing.assert_allclose(model.means_[narrow_one], [0.0, 0.0], atol=0.2)
    for weights in ([0.33, 0.67], [0.67, 0.33]):
        model = em.GaussianMixture(
            2, fix={"weights": True}, weights_init=weights, random_state=0
        ).fit(rows)
        np.testing.assert_allclose(model.means_[np.argmin(weights)], [0.0, 0.0], atol=0.2)


def test_parts_that_are_given_and_not_fixed_are_where_the_fit_begins():
    model = em.GaussianMixture(
        3, weights_init=[NAN, 0.5, NAN], means_init=[[50.0, 50.0], NO_MEAN, NO_MEAN],
        precisions_init=[EYE, NO_MATRIX, NO_MATRIX], max_iter=0, random_state=0,
    ).fit(X)  # fmt: skip
    np.testing.assert_array_equal(model.means_[0], [50.0, 50.0])
    np.testing.assert_array_equal(model.covariances_[0], EYE)
    assert model.weights_[1] == 0.5
    assert model.weights_.sum() == pytest.approx(1.0)
    assert np.isfinite(model.means_).all()


@pytest.mark.parametrize("name", ["EEE", "VVI", "VII"])
def test_all_nan_is_nothing(name):
    shape = FAMILIES[name].structure.array_shape(3, 2)
    nothing = em.GaussianMixture(
        3, covariance_type=name, random_state=0, means_init=np.full((3, 2), NAN),
        weights_init=np.full(3, NAN), precisions_init=np.full(shape, NAN),
    ).fit(X)  # fmt: skip
    plain = em.GaussianMixture(3, covariance_type=name, random_state=0).fit(X)
    np.testing.assert_array_equal(nothing.means_, plain.means_)


def test_given_parameters_stay_where_the_start_left_a_component_empty():
    labels = np.arange(90) % 2  # of three
    model = em.GaussianMixture(
        3, init_params=labels, means_init=[NO_MEAN, NO_MEAN, [3.0, 3.0]], max_iter=0
    ).fit(X)
    np.testing.assert_array_equal(model.means_[2], [3.0, 3.0])


# with a noise component, whose weight is one more


BOX = Box(np.zeros(2), np.eye(2), np.full(2, 20.0))


def noisy(weights, wishes=None, name="VVV"):
    inference = MaximumLikelihood(FAMILIES[name], 0.0, BOX)
    structure = FAMILIES[name].structure
    given = given_parameters((weights, None, None), structure, 3, 2, noise=True)
    return given, holding(inference, wishes or Wishes(), given)


@pytest.mark.parametrize(
    ("given", "weights", "noise"),
    [
        ([0.2, 0.3, 0.5], [0.18, 0.27, 0.45], 0.1),  # nothing is left: the noise keeps its own
        ([0.2, 0.3, 0.1], [0.2, 0.3, 0.1], 0.4),
        ([NAN, 0.5, NAN], [0.25, 0.5, 0.125], 0.125),  # in the model's proportions 2 : 1 : 1
        (None, [0.2, 0.6, 0.1], 0.1),
    ],
)
def test_given_weights_and_noise(given, weights, noise):
    parameters, _ = noisy(given)
    covariance = covariance_of(np.stack([EYE] * 3), Structure.FULL, 3, 2)
    model = Parameters(np.array([0.2, 0.6, 0.1]), CENTERS, covariance, np.array(0.1))
    out = parameters.over(model)
    np.testing.assert_allclose(out.weights, weights)
    assert float(out.noise) == pytest.approx(noise)


def test_fixed_weights_leave_a_part_to_the_noise():
    for weights in ([0.2, 0.3, 0.5], [0.2, 0.3, 0.6]):
        with pytest.raises(ValueError, match=r"leaves nothing for the noise|must sum to 1"):
            noisy(weights, Wishes({"weights": "all"}))
    _, inference = noisy([0.2, 0.3, 0.4], Wishes({"weights": "all"}))
    weights, noise = inference.held.proportions(np.array([9.0, 1.0, 5.0]), np.array(2.0))
    np.testing.assert_array_equal(weights, [0.2, 0.3, 0.4])
    assert float(noise) == pytest.approx(0.1)
    assert inference.n_held() == 3


def test_a_start_with_noise_begins_at_what_is_fixed():
    """The noise is the last of a start's statistics, and is never matched to anything."""
    given, inference = noisy([0.3, NAN, NAN], Wishes({"weights": [0]}))

    ready = Prepared(MemorySource(X), STARTS["kmeans"], BOX, 9.0, float(len(X) + 9))
    random = np.random.RandomState(0)
    beginning = Beginning(MemorySource(X), ENGINES["numpy"], 3, inference.moment, 0.0, random)
    (start,) = first_steps(beginning, inference, ready, given, 1)
    assert start.weights[0] == 0.3
    assert float(start.noise) == pytest.approx(0.7 * 9.0 / (9.0 + 60.0), rel=0.1)
    (report,) = run(MemorySource(X), ENGINES["numpy"], [Task(inference, start, 1e-9, 50)])
    assert report.mixture.weights[0] == 0.3
    assert (np.diff(report.trace) >= -1e-12).all()


def test_one_component():
    for arguments in ({"fix": {"weights": [0]}, "weights_init": [1.0]}, {"min_weight": 0.5},
                      {"equal_weights": True}):  # fmt: skip
        model = em.GaussianMixture(1, **arguments).fit(X)
        assert model.weights_.tolist() == [1.0]
        assert model.n_parameters_ == 5
        np.testing.assert_allclose(model.means_, [X.mean(axis=0)])


# order, warm starts, callbacks, copies


def test_sorted_by_weight_the_numbers_of_fix_are_those_that_were_given():
    plain = fixed().fit(X)
    order = np.argsort(-plain.weights_)
    model = fixed(order="weight").fit(X)
    np.testing.assert_array_equal(model.weights_, plain.weights_[order])
    assert_fixed(model, order=np.argsort(order))


@pytest.mark.parametrize("order", ["fitted", "weight"])
def test_a_warm_start_goes_on(order):
    rows = X - 0.6 * CENTERS[np.arange(90) % 3]  # groups that overlap
    arguments = {"means_init": [[0.0, 2.4], NO_MEAN, [2.4, 0.0]], "order": order, "tol": 1e-14}
    model = fixed(**arguments, warm_start=True, max_iter=3, acceleration=None)
    with pytest.warns(ConvergenceWarning):
        model.fit(rows)
    before = model.lower_bound_
    with pytest.warns(ConvergenceWarning):
        model.fit(rows)
    assert model.lower_bounds_[0] >= before
    whole = fixed(**arguments, max_iter=6, acceleration=None)
    with pytest.warns(ConvergenceWarning):
        whole.fit(rows)
    np.testing.assert_allclose(model.means_, whole.means_, rtol=1e-12, atol=1e-12)


def test_a_warm_start_that_has_converged_ends_at_once():
    model = fixed(order="weight", warm_start=True).fit(X)
    model.fit(X)
    assert model.n_iter_ == 1


def test_a_warm_start_with_other_fixed_parts_takes_them():
    model = fixed(warm_start=True).fit(X)
    model.set_params(means_init=[[0.0, 5.5], NO_MEAN, [6.5, 0.0]], weights_init=[NAN, 0.4, NAN])
    model.fit(X)
    np.testing.assert_array_equal(model.means_[[0, 2]], [[0.0, 5.5], [6.5, 0.0]])
    assert model.weights_[1] == 0.4
    plain = em.GaussianMixture(3, random_state=0, warm_start=True).fit(X)
    plain.set_params(equal_weights=True).fit(X)
    np.testing.assert_array_equal(plain.weights_, np.full(3, 1.0 / 3.0))


def test_callbacks_see_the_fixed_parts():
    seen = []

    class Watch:
        def setup(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(
            self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
        ):
            if fitted_estimator is not None:
                seen.append((fitted_estimator.means_[0].tolist(), fitted_estimator.n_parameters_))
            return False

    model = fixed().set_callbacks(Watch()).fit(X)
    assert len(seen) >= model.n_iter_
    assert {(tuple(mean), count) for mean, count in seen} == {((0.0, 6.0), 9)}


def test_copies_and_files(tmp_path):
    model = fixed().fit(X)
    assert clone(model).get_params()["fix"] == FIX
    assert_fixed(clone(model).fit(X))
    assert_fixed(pickle.loads(pickle.dumps(model)))
    model.save(tmp_path / "model.json")
    assert_fixed(em.GaussianMixture.load(tmp_path / "model.json"))


# components without rows, and collapsed ones


def test_a_component_that_is_fixed_far_from_all_rows_does_not_end_the_fit():
    arguments = {
        "fix": {"means": [1], "covariances": [1]},
        "means_init": [NO_MEAN, [1e3, 1e3]],
        "precisions_init": [NO_MATRIX, EYE],
        "random_state": 0,
    }
    model = em.GaussianMixture(2, **arguments).fit(X)
    assert model.converged_
    assert model.weights_[1] == 0.0
    np.testing.assert_allclose(model.means_[0], X.mean(axis=0))
    assert (model.predict(X) == 0).all()
    assert em.GaussianMixture(2, **arguments, min_weight=0.1).fit(X).weights_[1] == 0.1


def test_a_mean_that_is_fixed_far_from_all_rows_ends_it():
    with pytest.warns(em.FitWarning, match=r"component 1 \(count 0\): no row is assigned to it"):
        em.GaussianMixture(
            2, fix={"means": [1], "weights": True}, weights_init=[0.5, 0.5],
            means_init=[NO_MEAN, [1e3, 1e3]], precisions_init=[EYE, EYE], reg_covar=0.0,
            init_params=np.arange(90) % 1,
        ).fit(X)  # fmt: skip


def test_a_collapse_names_the_component_of_the_user():
    rows = np.concatenate([X, np.full((5, 2), 30.0)])
    labels = np.append(np.arange(90) % 3, np.full(5, 3))
    with pytest.raises(em.FitFailed, match=r"component 3 \(count 5\)"):
        em.GaussianMixture(
            4, fix={"covariances": [0, 1]}, precisions_init=[EYE, EYE, NO_MATRIX, NO_MATRIX],
            init_params=labels, reg_covar=0.0,
        ).fit(rows)  # fmt: skip


# sentences

MEANS = {"means_init": CENTERS}
WEIGHTS = {"weights_init": [0.2, 0.3, 0.5]}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"fix": {"mean": [0]}}, "fix has the key 'mean': its keys are 'weights', 'means'"),
        ({"fix": ["means"]}, "'fix' parameter"),
        ({"fix": {"means": [3]}, **MEANS}, r"contains 3, but components are numbered from 0 to 2"),
        ({"fix": {"means": [-1]}, **MEANS}, r"contains -1, but components"),
        ({"fix": {"means": [1, 1]}, **MEANS}, r"contains 1 twice"),
        ({"fix": {"means": [True, 2]}, **MEANS}, r"contains True: expected a list of component"),
        ({"fix": {"means": [True, False, True]}, **MEANS}, r"contains True"),
        ({"fix": {"means": np.ones(3, dtype=bool)}, **MEANS}, r"contains (np\.)?True"),
        ({"fix": {"means": [1.0]}, **MEANS}, r"contains 1\.0: expected a list"),
        ({"fix": {"means": False}, **MEANS}, r"fix\['means'\] is False: expected a list"),
        ({"fix": {"means": 1}, **MEANS}, r"fix\['means'\] is 1: expected a list"),
        ({"fix": {"means": "every"}, **MEANS}, r"fix\['means'\] is 'every': expected"),
        ({"fix": {"means": None}, **MEANS}, r"fix\['means'\] is None: expected"),
        ({"fix": {"means": [1]}}, r"holds component\(s\) 1, but means_init does not say"),
        (
            {"fix": {"means": "all"}, "means_init": [[0, 0], NO_MEAN, NO_MEAN]},
            r"holds component\(s\) 1, 2, but means_init",
        ),
        ({"fix": {"weights": [0]}}, "but weights_init does not say at what"),
        ({"fix": {"covariances": [0]}}, "but precisions_init does not say at what"),
        (
            {"fix": {"covariances": [0]}, "precisions_init": EYE, "covariance_type": "tied"},
            r"EEE has one covariance matrix .* must name all of them or none, not \[0\] of 3",
        ),
        ({"fix": {"weights": [0]}, "equal_weights": True, **WEIGHTS}, "equal_weights=True says"),
        ({"equal_weights": True, **WEIGHTS}, "leave weights_init and fix"),
        ({"equal_weights": "yes"}, "'equal_weights' parameter"),
        ({"min_weight": 0.4}, r"min_weight=0.4 for each of 3 .* below 1 / 3"),
        ({"min_weight": -0.1}, "'min_weight' parameter"),
        ({"min_weight": NAN}, "'min_weight' parameter"),
        ({"min_weight": 0.25, **WEIGHTS}, "contains 0.2, which is below min_weight=0.25"),
        (
            {"fix": {"weights": [0, 1]}, "weights_init": [0.7, 0.3, 0.0]},
            "fixed weights sum to 1, which leaves nothing for the other components",
        ),
        (
            {"fix": {"weights": [0]}, "weights_init": [0.8, NAN, NAN], "min_weight": 0.15},
            "leaves less than min_weight=0.15 for each of the 2 others",
        ),
        (
            {"fix": {"weights": [0]}, "weights_init": [0.0, NAN, NAN]},
            "fixed weight must be positive, but one is 0",
        ),
        ({"weights_init": [0.7, 0.6, NAN]}, r"must sum to less than 1, .* their sum 1\.3"),
        ({"weights_init": [-0.1, 0.6, NAN]}, r"their minimum is -0\.1"),
        ({"weights_init": [np.inf, 0.1, NAN]}, "weights that leave a part"),
        ({"weights_init": [0.5, NAN]}, r"weights have shape \(2,\), expected \(3,\)"),
        ({"means_init": [[0, NAN], [1, 1], [2, 2]]}, "means of component 0 are NaN in part"),
        ({"means_init": [[0, NAN]]}, r"means have shape \(1, 2\), expected \(3, 2\)"),
        ({"means_init": [[0, np.inf], NO_MEAN, [2, 2]]}, "means contain NaN or infinite"),
        (
            {"precisions_init": [EYE, [[1.0, NAN], [NAN, 1.0]], EYE]},
            "precisions of component 1 are NaN in part",
        ),
        (
            {"precisions_init": [NO_MATRIX, EYE, -EYE]},
            "precisions must be positive definite; number 2 is not",
        ),
        (
            {"precisions_init": [[1.0, NAN], [NAN, 1.0]], "covariance_type": "tied"},
            "precisions contain NaN",
        ),
    ],
)
def test_a_clear_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence) as failure:
        em.GaussianMixture(3, **arguments).fit(X)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    "arguments", [{"fix": {"means": [0]}}, {"equal_weights": True}, {"min_weight": 0.1}]
)
@pytest.mark.parametrize(
    "open_", [{"n_components": "auto"}, {"covariance_type": "auto"},
              {"n_components": "auto", "criterion": "mml"}],
)  # fmt: skip
def test_a_choice_cannot_honour_them(arguments, open_):
    (name,) = arguments
    model = em.GaussianMixture(**{"n_components": 2, **open_}, **arguments)
    with pytest.raises(em.DataError, match=rf"^{name}=.*leave {name} out\.$"):
        model.fit(X)


def test_status_of_the_documented_case():
    assert fixed().fit(X).report_.status is Status.CONVERGED
