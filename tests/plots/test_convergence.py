"""How a fit went, against its reports and against fits of fewer iterations."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import pyplot
from sklearn.exceptions import ConvergenceWarning

import ellimix as em
from ellimix.errors import Status
from ellimix.plots import ConvergenceDisplay
from ellimix.plots.convergence import ABYSS, place
from ellimix.plots.scene import Line, Points

X = em.datasets.iris()[0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def model():
    options = {"init_params": "random", "random_state": 0, "tol": 1e-5, "max_iter": 300}
    return em.GaussianMixture(3, n_init=4, **options).fit(X)


def marks(panel, kind):
    return [mark for mark in panel.marks if isinstance(mark, kind)]


def trajectory(trace, movement=None, failed=False):
    """Like a fit in a record."""
    status = Status.COLLAPSED if failed else Status.CONVERGED
    return SimpleNamespace(
        trace=tuple(trace), status=status, start="random", movement=lambda: np.array(movement)
    )


def record(fits, chosen):
    return SimpleNamespace(
        trajectories=tuple(fits), chosen=chosen, best=fits[chosen], objective="log-likelihood"
    )


def test_all_starts_are_drawn_and_the_kept_one_is_on_top(model):
    display = em.plot(model, X, "convergence")
    lines = marks(display.scene_.panels[0], Line)
    kept = lines[-1]
    assert kept.xy[:, 1].tolist() == model.lower_bounds_
    assert kept.xy[:, 0].tolist() == [*range(model.n_iter_)]
    others = [report.trace for report in model.reports_ if report.trace != model.report_.trace]
    assert len(others) == 3
    assert [tuple(line.xy[:, 1]) for line in lines[:-1]] == others
    assert [line.label for line in lines] == ["other starts (3)", "", "", "kept (random)"]
    number = f"{model.lower_bound_:.6g}".replace("-", "\N{MINUS SIGN}")
    wanted = f"{model.n_iter_} iterations of the fit that was kept: {number} nats"
    assert display.ax_.get_title() == wanted
    ends = marks(display.scene_.panels[0], Points)
    np.testing.assert_array_equal(ends[-1].xy[0], kept.xy[-1])


def test_the_objective_at_i_is_that_of_the_parameters_after_i_iterations():
    options = {"covariance_type": "VVV", "init_params": "random", "random_state": 0, "tol": 0.0}
    model = em.GaussianMixture(2, max_iter=6, **options)
    with pytest.warns(ConvergenceWarning):
        model.fit(X)
    curve = marks(ConvergenceDisplay.of(model).panels[0], Line)[-1].xy
    assert len(curve) == 6
    with pytest.warns(ConvergenceWarning):
        short = em.GaussianMixture(2, max_iter=3, **options).fit(X)
    assert curve[3] == pytest.approx([3.0, short.score(X)], rel=1e-10)


def test_one_start_has_no_legend_and_what_it_is_is_named():
    model = em.GaussianMixture(2, random_state=0).fit(X)
    (panel,) = ConvergenceDisplay.of(model).panels
    assert panel.legend is None
    assert panel.y.label == "mean log-likelihood (nats)"
    bayes = em.BayesianGaussianMixture(2, random_state=0).fit(X)
    (panel,) = ConvergenceDisplay.of(bayes).panels
    assert panel.y.label == "evidence lower bound per row (nats)"
    np.testing.assert_array_equal(marks(panel, Line)[-1].xy[:, 1], bayes.lower_bounds_)
    assert any("set_callbacks(Recorder())" in note for note in ConvergenceDisplay.of(model).notes)
    prior = em.GaussianMixture(2, prior="default", random_state=0).fit(X)
    label = ConvergenceDisplay.of(prior).panels[0].y.label
    assert label == "mean log-likelihood and log-prior (nats)"


def test_a_search_is_the_fit_of_its_best():
    search = em.GaussianMixtureSearch("EEE", range(1, 6), random_state=0)
    search.fit(em.datasets.faithful()[0])
    (panel,) = ConvergenceDisplay.of(search).panels
    assert marks(panel, Line)[-1].xy[:, 1].tolist() == search.best_.lower_bounds_


def test_a_record_has_steps_of_the_means():
    steps = [[0.5, 1e-3], [0.1, 0.0], [0.01, 0.0]]
    fits = [trajectory([-4.0, -3.5]), trajectory([-4.0, -3.0, -2.9], steps)]
    scene = ConvergenceDisplay.of(record(fits, 1))
    first, second = scene.panels
    assert marks(first, Line)[-1].xy[:, 1].tolist() == [-4.0, -3.0, -2.9]
    assert first.y.label == "log-likelihood (nats)"
    for j, line in enumerate(marks(second, Line)):
        wanted = np.array(steps)[:, j]
        np.testing.assert_array_equal(line.xy[:, 1], np.where(wanted > 0.0, wanted, np.nan))
        assert line.xy[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert second.y.scale == "log"
    assert scene.notes == ()
    recorder = SimpleNamespace(record=record(fits, 1))
    np.testing.assert_array_equal(
        marks(ConvergenceDisplay.of(recorder).panels[1], Line)[0].xy, marks(second, Line)[0].xy
    )
    display = em.plot(recorder, kind="convergence")
    assert len(display.axes_) == 2
    with pytest.raises(em.DataError, match="no iteration of the fit that was kept"):
        ConvergenceDisplay.of(record([trajectory([])], 0))


def test_a_recorder_among_the_callbacks_is_used(model):
    steps = np.full((2, 3), 0.1)
    own = record([trajectory([-2.0, -1.0], steps)], 0)
    seen = SimpleNamespace(record=own, holds=lambda mixture: mixture is model.mixture_)
    other = SimpleNamespace(record=own, holds=lambda mixture: False)
    fitted = SimpleNamespace(
        mixture_=model.mixture_, report_=model.report_, reports_=model.reports_,
        _skl_callbacks=[other, seen],
    )  # fmt: skip
    assert len(ConvergenceDisplay.of(fitted).panels) == 2
    fitted._skl_callbacks = [other]
    assert len(ConvergenceDisplay.of(fitted).panels) == 1


def test_fits_that_failed_are_dotted_and_an_abyss_is_left_out():
    far = -1.0 - 50.0 * ABYSS
    fits = [trajectory([-3.0, -2.0], failed=True), trajectory([far, -3.0, -1.0], np.ones((3, 1)))]
    scene = ConvergenceDisplay.of(record(fits, 1))
    assert marks(scene.panels[0], Line)[0].dash == "dot"
    assert scene.notes == (
        "1 objective lies far below the axis.", "Dotted: 1 of 2 fits failed.",
    )  # fmt: skip
    low, high = scene.panels[0].y.limits
    assert far < low < -3.0 < -1.0 < high


def test_the_kept_fit_is_found_though_it_went_on(model):
    went_on = SimpleNamespace(trace=(*model.report_.trace, 1.0))
    assert model.reports_[place(went_on, model.reports_)].trace == model.report_.trace
    assert place(SimpleNamespace(trace=(1.0,)), model.reports_) is None


def test_what_does_not_know_its_fit_is_said(model):
    with pytest.raises(em.DataError, match="This Mixture does not know how its fit went"):
        em.plot(model.mixture_, X, "convergence")
    with pytest.raises(em.DataError, match=r"expected \(n, 4\)"):
        em.plot(model, X[:, :2], "convergence")
