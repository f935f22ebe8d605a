"""Recorder: the callback that keeps every iteration of a fit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np
from sklearn.base import clone

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError, FitWarning
from ellimix.estimators.callbacks import callbacks_of
from ellimix.report import FitReport
from ellimix.trajectories import Record, Trajectory

if TYPE_CHECKING:
    from ellimix.estimators.running import RunningMixture

NOTHING = (
    "Nothing has been recorded: pass a Recorder to set_callbacks of an estimator whose max_iter is "
    'at least 1, and call fit. A choice of the model ("auto") makes fits of many models and '
    "announces no iterations: record a fit of the model that was chosen."
)


class _Start:
    """What has been seen of one start."""

    def __init__(self, report: FitReport) -> None:
        self._mixtures: list[Mixture] = [] if report.mixture is None else [report.mixture]
        self._trace: list[float] = []
        self._last = report

    def see(self, report: FitReport) -> None:
        """Keep an iteration, unless the fit has ended before it."""
        if report.mixture is not None and report.n_iter > len(self._trace):
            self._mixtures.append(report.mixture)
            self._trace.append(report.objective)
        self._last = report

    def trajectory(self) -> Trajectory | None:
        """The fit so far; None where the start itself was degenerate."""
        last = self._last
        if not self._mixtures:
            return None
        mixtures, trace = tuple(self._mixtures), tuple(self._trace)
        return Trajectory(mixtures, trace, last.start, last.status, last.message)


@final
class Recorder:
    """A callback that keeps every iteration of a fit, of all its starts.

    It follows scikit-learn's callback protocol: pass it to ``set_callbacks`` of a `GaussianMixture`
    or a `BayesianGaussianMixture`. It holds the fit that began last, in this process, and so it can
    be read while that goes on. A Ctrl-C leaves what came before it. Each iteration of each
    start takes as much memory as the fitted mixture.

    Notes
    -----
    What comes before the first iteration over all rows is not seen (``acceleration="sample"``), nor
    what comes after the last (``moves=True``).

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> recorder = em.Recorder()
    >>> model = em.GaussianMixture(2, random_state=0).set_callbacks(recorder).fit(X)
    >>> fit = recorder.record.best
    >>> fit.n_iter == model.n_iter_, fit.trace == tuple(model.lower_bounds_)
    (True, True)
    >>> fit.means.shape, bool((fit.means[-1] == model.means_).all())
    ((5, 2, 2), True)
    >>> fit.movement().max(axis=1).round(3)
    array([0.15 , 0.048, 0.008, 0.002])
    """

    def __init__(self) -> None:
        self._root: Any = None
        self._starts: list[_Start] = []
        self._chosen = 0
        self._by_weight = False
        self._objective = ""

    @property
    def record(self) -> Record:
        """The fit so far.

        Raises
        ------
        DataError
            Nothing has been recorded.
        """
        fits = [start.trajectory() for start in self._starts]
        if self._chosen >= len(fits) or fits[self._chosen] is None:
            raise DataError(NOTHING)
        chosen = sum(fit is not None for fit in fits[: self._chosen])
        usable = [self._numbered(fit) for fit in fits if fit is not None]
        return Record(tuple(usable), chosen, self._objective)

    def holds(self, mixture: Mixture) -> bool:
        """Whether the fit that was recorded ended with this mixture."""
        if not self._starts:
            return False
        last = self.record.best.mixtures[-1]
        return last.means.shape == mixture.means.shape and bool(
            (last.means == mixture.means).all() and (last.weights == mixture.weights).all()
        )

    def _numbered(self, fit: Trajectory) -> Trajectory:
        """With the component numbers that the estimator has, the same in all iterations."""
        return fit.ordered(fit.mixtures[-1].weight_order()) if self._by_weight else fit

    # -- scikit-learn's protocol -----------------------------------------------------------------

    def setup(self, estimator: RunningMixture, context: Any) -> None:
        """Forget the fit before."""
        check_records(estimator)
        self._root, self._starts, self._chosen = context, [], 0
        self._by_weight = estimator.order == "weight"
        self._objective = estimator._objective_words()

    def teardown(self, estimator: RunningMixture, context: Any) -> None:
        """Let go of the fit's tasks."""
        if context is self._root:
            self._root = None

    def on_fit_task_begin(
        self,
        estimator: RunningMixture,
        context: Any,
        *,
        fitted_estimator: RunningMixture | None = None,
    ) -> None:
        """Keep what the starts gave, before the first iteration."""
        if self._own(context) and not self._starts and fitted_estimator is not None:
            self._starts = [_Start(report) for report in fitted_estimator.reports_]
            self._choose(fitted_estimator)

    def on_fit_task_end(
        self,
        estimator: RunningMixture,
        context: Any,
        *,
        fitted_estimator: RunningMixture | None = None,
    ) -> bool:
        """Keep an iteration, or how the fit ended; never asks to stop."""
        if self._own(context) and self._starts and fitted_estimator is not None:
            for start, report in zip(self._starts, fitted_estimator.reports_, strict=True):
                start.see(report)
            self._choose(fitted_estimator)
        return False

    def _own(self, context: Any) -> bool:
        """Whether a task is of the fit that began last: clones share a callback."""
        return self._root is not None and self._root in (context, context.parent)

    def _choose(self, fitted: RunningMixture) -> None:
        """Note which fit is the best: it has that trace, or, before moves, its beginning."""
        self._chosen = place_of(fitted.report_, fitted.reports_)


def place_of(best: FitReport, reports: Sequence[FitReport]) -> int:
    """Which of the fits was kept: its report may have been renumbered since, or gone on from."""
    same = [
        place
        for place, report in enumerate(reports)
        if report.mixture is not None and best.trace[: len(report.trace)] == report.trace
    ]
    return max(same, key=lambda place: len(reports[place].trace))


def check_records(estimator: object) -> None:
    """Raise `DataError` where an estimator's iterations cannot be recorded."""
    if not hasattr(estimator, "_objective_words") or isinstance(estimator, type):
        name = estimator.__name__ if isinstance(estimator, type) else type(estimator).__name__
        raise DataError(
            f"The iterations of a {name} cannot be recorded: it takes a GaussianMixture(...) or a "
            "BayesianGaussianMixture(...)."
        )


def record_of(estimator: Any, X: Any) -> Record:
    """The record of an estimator's fit, by its own recorder or by a second fit like the first.

    Parameters
    ----------
    estimator : GaussianMixture or BayesianGaussianMixture
        Where a `Recorder` is among its callbacks and has the fit that made its mixture, that is
        the record. Otherwise a clone is fitted to the rows, without the estimator's callbacks.
    X : array-like of shape (n, d)

    Raises
    ------
    DataError
        It is another object, or chooses a model ("auto").

    Warns
    -----
    FitWarning
        The estimator is fitted, and the clone's fit is not the same.
    """
    check_records(estimator)
    old: Mixture | None = vars(estimator).get("mixture_")
    for callback in callbacks_of(estimator):
        if isinstance(callback, Recorder) and old is not None and callback.holds(old):
            return callback.record
    if not estimator._most_iterations():
        raise DataError(NOTHING)
    recorder = Recorder()
    copy = clone(estimator).set_callbacks(recorder)
    copy.fit(X)
    if old is not None and not _alike(old, copy.mixture_):
        warnings.warn(
            "The fit was made again to record it, and is not the one that the estimator has: set "
            "random_state, pass the rows that it was fitted to, or record the fit itself by "
            "set_callbacks(Recorder()).",
            FitWarning,
            stacklevel=3,
        )
    return recorder.record


def _alike(one: Mixture, other: Mixture) -> bool:
    """Whether two mixtures are the same to rounding."""
    if one.means.shape != other.means.shape:
        return False
    scale = np.sqrt(np.diagonal(one.total_covariance()))
    away = np.abs(one.means - other.means) / scale
    return bool(away.max() < 1e-6 and np.allclose(one.weights, other.weights, atol=1e-6))
