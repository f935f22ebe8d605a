"""scikit-learn's callbacks, and Ctrl-C."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from sklearn.callback import ProgressBar

import ellimix as em

IRIS = em.datasets.iris()[0]


class Recorder:
    """Keeps what it sees; stops or interrupts after some iterations."""

    def __init__(self, stop_after=None, interrupt_after=None):
        self.stop_after, self.interrupt_after = stop_after, interrupt_after
        self.scores, self.begun, self.ended, self.tasks = [], 0, 0, []

    def setup(self, estimator, context):
        self.tasks.append("setup")

    def teardown(self, estimator, context):
        self.tasks.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.begun += 1

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.ended += 1
        if context.task_name != "iteration" or fitted_estimator is None:
            return False
        assert fitted_estimator.predict(X).shape == (len(X),)
        self.metadata = metadata
        self.scores.append(fitted_estimator.score(X))
        if self.interrupt_after == len(self.scores):
            raise KeyboardInterrupt
        return self.stop_after == len(self.scores)


def test_a_fitted_estimator_at_each_iteration():
    recorder = Recorder()
    model = em.GaussianMixture(3, random_state=0, reg_covar=0.0).set_callbacks(recorder).fit(IRIS)
    assert len(recorder.scores) == model.n_iter_
    assert (np.diff(recorder.scores) > -1e-12).all()
    assert recorder.scores[-1] == model.score(IRIS)
    assert recorder.begun == recorder.ended == model.n_iter_ + 1
    assert recorder.tasks == ["setup", "teardown"]


def test_weights_reach_callbacks():
    recorder = Recorder()
    weight = np.ones(150)
    em.GaussianMixture(2, random_state=0).set_callbacks(recorder).fit(IRIS, sample_weight=weight)
    assert recorder.metadata["sample_weight"] is weight


@pytest.mark.parametrize("n_init", [1, 3])
def test_a_callback_can_stop_early(n_init):
    recorder = Recorder(stop_after=3)
    model = em.GaussianMixture(3, random_state=0, tol=0.0, n_init=n_init)
    model.set_callbacks(recorder).fit(IRIS)
    assert model.n_iter_ == 3
    assert model.report_.status is em.Status.STOPPED
    assert recorder.begun == recorder.ended


def test_interrupt_keeps_the_best_so_far():
    recorder = Recorder(interrupt_after=4)
    model = em.GaussianMixture(3, random_state=0, tol=0.0).set_callbacks(recorder)
    with pytest.warns(em.FitWarning, match="interrupted"):
        model.fit(IRIS)
    assert model.report_.status is em.Status.INTERRUPTED
    assert model.n_iter_ == 4
    assert not model.converged_
    assert np.isfinite(model.score(IRIS))
    assert model.labels_.shape == (150,)


def test_interrupt_before_anything_is_fitted_is_raised(monkeypatch):
    import sklearn.cluster

    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(sklearn.cluster.KMeans, "fit", interrupted)
    model = em.GaussianMixture(3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(IRIS)
    assert not hasattr(model, "mixture_")


class Watcher(Recorder):
    """Keeps the estimators that it gets, as iterations begin and end."""

    def __init__(self):
        super().__init__()
        self.at_first, self.at_last = [], []

    def on_fit_task_begin(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "iteration":
            self.at_first.append(fitted_estimator)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "iteration":
            self.at_last.append(fitted_estimator)


def test_an_iteration_begins_with_what_the_one_before_left():
    watcher = Watcher()
    options = {"n_init": 3, "init_params": "random_from_data", "random_state": 0}
    model = em.GaussianMixture(3, **options).set_callbacks(watcher).fit(IRIS)
    assert len(watcher.at_first) == len(watcher.at_last) > 2
    start = watcher.at_first[0]
    assert (start.n_iter_, start.lower_bound_, start.lower_bounds_) == (0, -np.inf, [])
    again = em.GaussianMixture(3, max_iter=0, **options).fit(IRIS)
    for ours, theirs in zip(start.reports_, again.reports_, strict=True):
        np.testing.assert_array_equal(ours.mixture.means, theirs.mixture.means)
    for before, now in zip(watcher.at_last[:-1], watcher.at_first[1:], strict=True):
        np.testing.assert_array_equal(before.means_, now.means_)
        assert [r.trace for r in before.reports_] == [r.trace for r in now.reports_]
    last = watcher.at_last[-1]
    assert [r.trace for r in last.reports_] == [r.trace for r in model.reports_]
    assert [r.message for r in last.reports_] == [r.message for r in model.reports_]
    assert last.report_.trace == model.report_.trace


def test_progress_bar(capsys):
    em.GaussianMixture(3, random_state=0).set_callbacks(ProgressBar()).fit(IRIS)
    assert "GaussianMixture" in capsys.readouterr().out


def test_the_interface_is_touched_in_one_module():
    found = []
    for path in Path(em.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn.callb"):
                found.append(path.name)
    assert found == ["callbacks.py"]
