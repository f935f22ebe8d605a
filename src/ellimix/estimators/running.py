"""How an estimator comes by its mixture: rows checked, fits run in lockstep, the best kept."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self, Unpack, final

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ellimix.em import Observer, Task, run
from ellimix.engines import Engine
from ellimix.engines.incomplete import suited
from ellimix.errors import DataError, FitWarning, Status
from ellimix.estimators.beginning import Begun, begun, by_row, sample_size
from ellimix.estimators.callbacks import FitCallbacks
from ellimix.estimators.fitted import FittedMixture
from ellimix.estimators.outcome import best_of, best_so_far
from ellimix.estimators.outside import Wanted, rows_that_count, source_of, with_passes
from ellimix.estimators.tasks import engine_of
from ellimix.estimators.verbose import VerboseObserver, all_of
from ellimix.report import FitReport
from ellimix.sources.knowledge import Known
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource

MakeTasks = Callable[[MemorySource, Engine], list[Task]]


@final
@dataclass(frozen=True, eq=False)
class Asked:
    """What `fit` was given.

    Parameters
    ----------
    X : array-like
        The rows as they were given.
    source : MemorySource or OutsideSource
        The same rows, checked; those outside of memory after a look at all of them.
    sample_weight : array-like of shape (n,) or None
    known : Known
        What else is known of the rows, as it was given.
    notes : tuple of str
        What there is to say of the rows.
    later : callable or None
        What makes the fits to run of rows that come after others; None for a fit that is new.
    """

    X: Any
    source: MemorySource | OutsideSource
    sample_weight: Any
    known: Known
    notes: tuple[str, ...]
    later: MakeTasks | None = None


class RunningMixture(FittedMixture):
    """Abstract base of the estimators whose `fit` runs the loop."""

    n_components: Any
    tol: float
    reg_covar: float
    max_iter: int
    n_init: int
    init_params: Any
    random_state: Any
    warm_start: bool
    verbose: int
    verbose_interval: int
    engine: str
    acceleration: str | None

    def fit_predict(
        self, X: Any, y: Any = None, sample_weight: Any = None, **known: Unpack[Known]
    ) -> NDArray[np.int64]:
        """Fit the mixture and return `labels_`. Parameters and errors as for `fit`."""
        labels: NDArray[np.int64] = self.fit(X, y, sample_weight=sample_weight, **known).labels_
        return labels

    @abstractmethod
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **known: Any) -> Self:
        """Fit the mixture to what is known of the rows."""

    @abstractmethod
    def _tasks(self, source: MemorySource, engine: Engine) -> list[Task]:
        """The fits to run: one a start, or one that goes on from the last fit."""

    def _moved(
        self, best: FitReport, source: MemorySource | OutsideSource, engine: Engine, task: Task
    ) -> FitReport:
        """What becomes of the best fit; `task` is one like its own."""
        return best

    def _most_iterations(self) -> int:
        """For callbacks."""
        return self.max_iter

    def _choose(self, asked: Asked) -> bool:
        """Choose a model where something is open, and say whether that was so."""
        return False

    def _size(self) -> int | None:
        """The number of components; None where it is to be chosen."""
        return int(self.n_components)

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, known: Known, later: MakeTasks | None = None
    ) -> Self:
        """What `fit` does, or an update by rows that come later."""
        self._check_order(known)
        begun = later is not None
        wanted = Wanted(self._size(), by_row(self), self._sample_rows, begun)
        source, notes = source_of(self, X, sample_weight, known, wanted)
        if not begun:
            self._check_size(source)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        callbacks = FitCallbacks(
            self,
            {"X": X, "y": y, "metadata": metadata},
            self._most_iterations(),
            partial(best_so_far, self, source.dtype),
        )
        asked = Asked(X, source, sample_weight, known, notes, later)
        if not self._choose(asked):
            self._run(asked, callbacks)
        callbacks.finish()
        return self

    def _check_order(self, known: Known) -> None:
        told = any(known.get(name) is not None for name in ("labels", "allowed"))
        if told and self.order == "weight":
            raise DataError(
                'order="weight" renumbers the components, and labels or allowed say which is '
                'which: use order="fitted".'
            )

    def _sample_rows(self, d: int) -> int:
        """Rows of the sample that starts are made on where rows are not in memory."""
        return sample_size(self, d)

    def _tolerance(self, source: MemorySource | OutsideSource) -> float:
        """When a fit of these rows has converged."""
        return float(self.tol)

    def _check_size(self, source: MemorySource | OutsideSource) -> None:
        usable = rows_that_count(source)
        k = self._size()
        if k is not None and usable < k:
            raise DataError(
                f"Expected n_samples >= n_components but got n_components = {k}, n_samples = "
                f"{usable}" + (" with a positive weight" if source.weighted else "")
            )

    def _run(self, asked: Asked, callbacks: FitCallbacks) -> None:
        """Fit the model that was asked for, from all starts, and keep the best."""
        engine = engine_of(self, asked.source)
        source = asked.source.placed(suited(engine, asked.source))
        observers: list[Observer] = [callbacks.observe] if callbacks.listening else []
        if asked.later is None:
            first = begun(self, source, engine)
        elif isinstance(source, MemorySource):
            first = Begun(tuple(asked.later(source, engine)))
        else:
            raise DataError(
                "partial_fit takes a batch of rows in memory: pass rows(...).loaded(), or the "
                "blocks of a file one after another."
            )
        tasks = [replace(task, notes=(*asked.notes, *task.notes)) for task in first.tasks]
        if self.verbose:
            verbose = VerboseObserver(int(self.verbose), self.verbose_interval, len(tasks))
            observers.append(verbose.observe)
        reports = run(source, engine, tasks, all_of(observers), self._names())
        best = best_of(reports, source, engine, bounded=self._bounded)
        best = with_passes(self._moved(best, source, engine, tasks[0]), source)
        self._keep(best, [*reports, *first.others], source, engine)
        self._warn()

    def _warn(self) -> None:
        """Warn where there is something to know of the fit."""
        report = self.report_
        if report.status is Status.MAX_ITER and self.max_iter > 0:
            warnings.warn(report.message, ConvergenceWarning, stacklevel=7)
        elif report.status in (Status.INTERRUPTED, Status.LOST) or report.status.failed:
            warnings.warn(report.message, FitWarning, stacklevel=7)
