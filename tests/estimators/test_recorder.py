"""Recorder: each iteration of each start, as the fits themselves say it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

import ellimix as em

IRIS = em.datasets.iris()[0]
FAITHFUL = em.datasets.faithful()[0]


def recorded(model, X=IRIS, **known):
    recorder = em.Recorder()
    model.set_callbacks(recorder).fit(X, **known)
    return recorder.record


def assert_same_mixture(one, other):
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.means, other.means)
    np.testing.assert_array_equal(one.covariances(), other.covariances())


@pytest.mark.parametrize("family", ["full", "tied", "diag", "spherical", "VEV"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_each_iteration_is_that_of_a_fit_with_so_many(family):
    options = {"covariance_type": family, "random_state": 3, "init_params": "random_from_data"}
    model = em.GaussianMixture(3, max_iter=9, tol=0.0, **options)
    fit = recorded(model).best
    assert len(fit.mixtures) == fit.n_iter + 1 == 10
    assert fit.trace == tuple(model.lower_bounds_)
    assert fit.status is model.report_.status is em.Status.MAX_ITER
    for i, mixture in enumerate(fit.mixtures):
        shorter = em.GaussianMixture(3, max_iter=i, tol=0.0, **options).fit(IRIS)
        assert_same_mixture(mixture, shorter.mixture_)
        assert shorter.lower_bound_ == (fit.trace[i - 1] if i else -np.inf)
        if i < fit.n_iter:  # an entry of the trace is the objective of the mixture before
            assert fit.trace[i] == pytest.approx(mixture.log_density(IRIS).mean(), rel=1e-12)


def test_all_starts_are_recorded():
    options = {"init_params": "random_from_data", "random_state": 1, "reg_covar": 1e-3}
    model = em.GaussianMixture(3, n_init=6, **options)
    record = recorded(model)
    assert len(record.trajectories) == len(model.reports_) == 6
    for fit, report in zip(record.trajectories, model.reports_, strict=True):
        assert (fit.trace, fit.status, fit.message) == (
            report.trace,
            report.status,
            report.message,
        )
        assert_same_mixture(fit.mixtures[-1], report.mixture)
    assert len({fit.n_iter for fit in record.trajectories}) > 1  # some end before others
    assert record.best.objective == max(r.objective for r in model.reports_) == model.lower_bound_
    assert record.objective == "mean log-likelihood"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_numbers_of_components_are_those_of_the_model():
    options = {"init_params": "random_from_data", "random_state": 0, "max_iter": 20}
    plain = recorded(em.GaussianMixture(4, **options)).best
    model = em.GaussianMixture(4, order="weight", **options)
    fit = recorded(model).best
    assert_same_mixture(fit.mixtures[-1], model.mixture_)
    order = plain.mixtures[-1].weight_order()
    assert not (order == np.arange(4)).all()
    np.testing.assert_array_equal(fit.means, plain.means[:, order])
    np.testing.assert_array_equal(fit.weights, plain.weights[:, order])
    for ours, theirs in zip(fit.mixtures, plain.mixtures, strict=True):
        np.testing.assert_array_equal(ours.means, theirs.means[order])


def test_movement_is_in_standard_deviations():
    fit = recorded(em.GaussianMixture(3, random_state=0)).best
    movement = fit.movement()
    assert movement.shape == (fit.n_iter, 3)
    covariances = fit.mixtures[2].covariances()
    for k in range(3):
        away = fit.means[2, k] - fit.means[1, k]
        expected = np.sqrt(away @ np.linalg.solve(covariances[k], away))
        assert movement[1, k] == pytest.approx(expected, rel=1e-9)
    scaled = recorded(em.GaussianMixture(3, random_state=0, reg_covar=1e-2), 100.0 * IRIS).best
    np.testing.assert_allclose(scaled.movement(), movement, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("acceleration", ["squarem", "anderson"])
def test_passes_of_an_accelerated_fit(acceleration):
    model = em.GaussianMixture(
        3, acceleration=acceleration, tol=1e-9, max_iter=500, random_state=0, reg_covar=1e-3
    )
    fit = recorded(model).best
    assert fit.n_iter == model.n_iter_
    kept = [
        value
        for value, step in zip(fit.trace, model.report_.steps, strict=True)
        if step != "rejected"
    ]
    assert kept == model.lower_bounds_
    assert_same_mixture(fit.mixtures[-1], model.mixture_)


def test_a_posterior_is_recorded():
    model = em.BayesianGaussianMixture(4, random_state=0, max_iter=300)
    record = recorded(model, FAITHFUL)
    assert record.objective == "evidence lower bound per row"
    assert record.best.trace == tuple(model.lower_bounds_)
    assert (np.diff(record.best.trace) > -1e-12).all()
    last = record.best.mixtures[-1]
    np.testing.assert_array_equal(
        last.responsibilities(FAITHFUL), model.mixture_.responsibilities(FAITHFUL)
    )


def test_of_moves_the_fit_before_them_is_recorded():
    options = {"max_iter": 1000, "random_state": 0}
    before = em.BayesianGaussianMixture(10, **options).fit(IRIS)
    model = em.BayesianGaussianMixture(10, moves=True, **options)
    fit = recorded(model).best
    assert len(model.lower_bounds_) > len(before.lower_bounds_)
    assert fit.trace == tuple(before.lower_bounds_)


def test_a_prior_is_in_the_objective():
    model = em.GaussianMixture(2, prior="default", random_state=0)
    record = recorded(model, FAITHFUL)
    assert record.objective == "mean log-likelihood and log-prior"
    assert record.best.trace == tuple(model.lower_bounds_)


def test_a_degenerate_start_leaves_the_others():
    """A start that fails on the way keeps its iterations; one that fails at once has none."""
    rows = np.repeat([[0.0], [1.0], [5.0]], 20, axis=0) + 1e-3 * np.arange(60.0)[:, None]
    rows[:20] = 0.0
    model = em.GaussianMixture(
        3, n_init=4, reg_covar=0.0, init_params="random_from_data", random_state=0
    )
    recorder = em.Recorder()
    with pytest.warns(em.FitWarning):
        model.set_callbacks(recorder).fit(rows)
    record = recorder.record
    usable = [report for report in model.reports_ if report.mixture is not None]
    assert [fit.status for fit in record.trajectories] == [report.status for report in usable]
    assert [fit.message for fit in record.trajectories] == [report.message for report in usable]
    assert any(fit.status.failed for fit in record.trajectories)
    assert record.best.trace == tuple(model.lower_bounds_)


class Interrupts:
    """A callback that is interrupted at the end of an iteration."""

    def __init__(self, after):
        self.after = after

    def setup(self, estimator, context):
        self.ended = 0

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.ended += 1
        if self.ended == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("first", [True, False])
def test_an_interrupt_keeps_what_came_before(first):
    recorder = em.Recorder()
    both = (recorder, Interrupts(4)) if first else (Interrupts(4), recorder)
    model = em.GaussianMixture(3, random_state=0, tol=0.0).set_callbacks(*both)
    with pytest.warns(em.FitWarning, match="interrupted"):
        model.fit(IRIS)
    fit = recorder.record.best
    assert fit.n_iter == model.n_iter_ == 4
    assert fit.status is em.Status.INTERRUPTED
    assert_same_mixture(fit.mixtures[-1], model.mixture_)


def test_a_warm_start_goes_on_from_the_last_mixture():
    model = em.GaussianMixture(3, random_state=0, warm_start=True, tol=1e-2).fit(IRIS)
    before = model.mixture_
    fit = recorded(model.set_params(tol=1e-5)).best
    assert fit.start == "warm"
    assert_same_mixture(fit.mixtures[0], before)
    assert fit.n_iter == model.n_iter_ > 1


def test_an_update_by_a_batch_goes_on_from_the_posterior():
    recorder = em.Recorder()
    model = em.BayesianGaussianMixture(2, random_state=0).set_callbacks(recorder)
    before = model.partial_fit(FAITHFUL[:200]).mixture_
    assert recorder.record.best.start == "kmeans"
    model.partial_fit(FAITHFUL[200:])
    fit = recorder.record.best
    assert fit.start == "posterior"
    assert_same_mixture(fit.mixtures[0], before)
    assert_same_mixture(fit.mixtures[-1], model.mixture_)


def test_a_recorder_holds_the_fit_that_began_last():
    recorder = em.Recorder()
    model = em.GaussianMixture(3, random_state=0).set_callbacks(recorder).fit(IRIS)
    first = recorder.record
    copy = clone(model).set_params(n_components=2).fit(IRIS)  # a clone has the same callbacks
    assert recorder.record.best.trace == tuple(copy.lower_bounds_)
    assert first.best.trace == tuple(model.lower_bounds_)
    again = pickle.loads(pickle.dumps(recorder))
    assert again.record.best.trace == recorder.record.best.trace


def test_names_of_the_columns():
    pandas = pytest.importorskip("pandas")
    X, names = em.datasets.faithful()
    record = recorded(em.GaussianMixture(2, random_state=0), pandas.DataFrame(X, columns=names))
    assert record.names == tuple(names)


def test_nothing_recorded():
    recorder = em.Recorder()
    with pytest.raises(em.errors.DataError, match="Nothing has been recorded"):
        _ = recorder.record
    model = em.GaussianMixture("auto", criterion="mml", covariance_type="VVV", random_state=0)
    model.set_callbacks(recorder).fit(FAITHFUL)
    with pytest.raises(em.errors.DataError, match="of the model that was chosen"):
        _ = recorder.record


def test_only_mixtures_are_recorded():
    model = LogisticRegression()
    if not hasattr(model, "set_callbacks"):
        pytest.skip("LogisticRegression of this scikit-learn takes no callbacks")
    model.set_callbacks(em.Recorder())
    with pytest.raises(
        em.errors.DataError, match="iterations of a LogisticRegression cannot be recorded"
    ):
        model.fit(IRIS, np.arange(150) % 2)


def test_a_record_has_the_fit_that_was_kept():
    fit = recorded(em.GaussianMixture(2, random_state=0)).best
    with pytest.raises(em.errors.DataError, match="1 fits has no fit 1"):
        em.Record((fit,), 1, "mean log-likelihood")
