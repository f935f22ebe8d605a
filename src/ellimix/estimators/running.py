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

from ellimix.em import Fits, Observer, Task
from ellimix.engines import Engine
from ellimix.engines.incomplete import suited
from ellimix.errors import BrokenOff, DataError, FitWarning, Status
from ellimix.estimators.beginning import Begun, begun, by_row, sample_size
from ellimix.estimators.callbacks import FitCallbacks
from ellimix.estimators.checkpointing import Keeper, Keeping, recalled, run_kept
from ellimix.estimators.fitted import FittedMixture
from ellimix.estimators.outcome import Ended, best_of, best_so_far, broken_off, ended_by
from ellimix.estimators.outside import Wanted, rows_that_count, source_of, with_passes
from ellimix.estimators.tasks import engine_of
from ellimix.estimators.verbose import PassPrinter, VerboseObserver
from ellimix.report import FitReport
from ellimix.sources.knowledge import Known
from ellimix.sources.memory import MemorySource
from ellimix.sources.opening import is_stream
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
    keeping : Keeping or None
        What it was told of checkpoints.
    printer : PassPrinter or None
        Who prints how far passes over rows outside of memory are.
    """

    X: Any
    source: MemorySource | OutsideSource
    sample_weight: Any
    known: Known
    notes: tuple[str, ...]
    later: MakeTasks | None = None
    keeping: Keeping | None = None
    printer: PassPrinter | None = None


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

    @abstractmethod
    def _remember(self, task: Task) -> None:
        """Keep what answers need to know of a fit: its prior."""

    def _moved(
        self, best: FitReport, source: MemorySource | OutsideSource, engine: Engine, task: Task
    ) -> FitReport:
        """What becomes of the best fit; `task` is one like its own."""
        return best

    def _most_iterations(self) -> int:
        """For callbacks."""
        return self.max_iter

    def _objective_words(self) -> str:
        """What `lower_bound_` is, for pictures."""
        return "mean log-likelihood"

    def _choose(self, asked: Asked) -> bool:
        """Choose a model where something is open, and say whether that was so."""
        return False

    def _size(self) -> int | None:
        """The number of components; None where it is to be chosen."""
        return int(self.n_components)

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        known: Known,
        later: MakeTasks | None = None,
        keeping: Keeping | None = None,
    ) -> Self:
        """What `fit` does, or an update by rows that come later."""
        self._check_order(known)
        begun, seed = later is not None, None if keeping is None else keeping.seed
        printer = PassPrinter() if self.verbose and is_stream(X) else None
        wanted = Wanted(self._size(), by_row(self), self._sample_rows, begun, seed, printer)
        source, notes = source_of(self, X, sample_weight, known, wanted)
        if not begun:
            self._check_size(source)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        arguments = {"X": X, "y": y, "metadata": metadata}
        callbacks = FitCallbacks(self, arguments, self._most_iterations())
        if keeping is not None:
            keeping = keeping.of_rows(source, self._names())
        asked = Asked(X, source, sample_weight, known, notes, later, keeping, printer)
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
        observers: list[Observer] = []
        announce = None
        if callbacks.listening:
            attributes = partial(best_so_far, self, source, engine)
            observers.append(partial(callbacks.observe, attributes))
            announce = partial(callbacks.begin, attributes)
        fits, others = self._begun(asked, source, engine)
        if asked.printer is not None and isinstance(source, OutsideSource):
            asked.printer.fitting()
            observers.append(asked.printer.observe)
        elif self.verbose:
            verbose = VerboseObserver(int(self.verbose), self.verbose_interval, len(fits))
            observers.append(verbose.observe)
        ended = self._gone_on(asked, source, engine, fits, others, observers, announce)
        best = ended.best
        if asked.keeping is not None and asked.keeping.note:
            best = replace(best, notes=(*best.notes, asked.keeping.note))
        best = with_passes(best, source)
        broken: DataError | None = ended.broken
        kept = best, [*ended.reports, *others], source, engine
        try:
            self._keep(*kept, broken is None)
        except DataError as error:  # in the pass that tells what missing values call for
            broken = error
            self._keep(*kept, False)
        if broken is not None:
            raise broken_off(broken, self.report_, asked.keeping)
        self._warn()

    def _begun(
        self, asked: Asked, source: MemorySource | OutsideSource, engine: Engine
    ) -> tuple[Fits, tuple[FitReport, ...]]:
        """The fits to run over all rows, from their starts or a checkpoint, and other reports."""
        saved = None if asked.keeping is None else asked.keeping.saved
        if saved is not None:
            fits = Fits.resumed(saved.fits)
            self._remember(fits.tasks[0])
            recalled(self.random_state, saved)
            return fits, saved.others
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
        return Fits(tasks), first.others

    def _gone_on(
        self,
        asked: Asked,
        source: MemorySource | OutsideSource,
        engine: Engine,
        fits: Fits,
        others: tuple[FitReport, ...],
        observers: list[Observer],
        announce: Callable[[Fits], object] | None,
    ) -> Ended:
        """The fits run to their ends, and the best of them."""
        keeper: Keeper | None = None
        broken: DataError | None = None
        if asked.keeping is not None:
            keeper = asked.keeping.keeper(source, others, self.random_state)
        try:
            reports = run_kept(source, engine, fits, observers, self._names(), keeper, announce)
        except BrokenOff as error:
            broken, reports = error, error.reports
        if broken is None:
            try:
                best = best_of(reports, source, engine, bounded=self._bounded)
            except DataError as error:  # in the pass that compares them where values are missing
                broken = error
        if broken is not None:
            return Ended(best_of(reports, source, engine, bounded=True), reports, broken)
        try:
            best = self._moved(best, source, engine, fits.tasks[0])
        except DataError as error:
            return Ended(ended_by(best, Status.BROKEN_OFF), reports, error)
        return Ended(best, reports)

    def _warn(self) -> None:
        """Warn where there is something to know of the fit."""
        report = self.report_
        if report.status is Status.MAX_ITER and self.max_iter > 0:
            warnings.warn(report.message, ConvergenceWarning, stacklevel=7)
        elif report.status is Status.INTERRUPTED or report.status.failed:
            warnings.warn(report.message, FitWarning, stacklevel=7)
