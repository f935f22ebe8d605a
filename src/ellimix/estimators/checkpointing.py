"""An estimator's checkpoints: written while it fits, and gone on from."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from ellimix.checkpoint import Checkpoint, Saved, check_same, read, short, write
from ellimix.em import Fits, Observer, Task, go_on
from ellimix.engines import Engine
from ellimix.errors import CheckpointError, DataError, FitWarning
from ellimix.estimators.verbose import all_of
from ellimix.flights import FitsState
from ellimix.freezing import frozen
from ellimix.report import FitReport
from ellimix.selection.outside import Run
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource

if TYPE_CHECKING:
    from ellimix.estimators.methods import MixtureMethods

MINUTE: Final = 60.0
SILENT: Final = ("verbose", "verbose_interval")  # arguments that change nothing of a fit


@final
@dataclass(frozen=True, eq=False)
class Keeping:
    """What a fit was told of checkpoints.

    Parameters
    ----------
    checkpoint : Checkpoint
    of : dict
        What the fit is of, as far as it is known.
    saved : Saved or None
        What it goes on from.
    resume : bool
    """

    checkpoint: Checkpoint
    of: Mapping[str, Any]
    saved: Saved | None
    resume: bool

    @classmethod
    def asked(cls, estimator: MixtureMethods, checkpoint: Any, resume: bool) -> Self | None:
        """From the arguments of a fit; None without a checkpoint.

        Raises
        ------
        CheckpointError
            The checkpoint is damaged or of another model, or that of a fit that has not ended and
            would be lost.
        DataError
            `resume` without a checkpoint.
        """
        if checkpoint is None:
            if resume:
                raise DataError("resume=True needs checkpoint=, the file to go on from.")
            return None
        if not isinstance(checkpoint, Checkpoint):
            if not isinstance(checkpoint, str | PathLike):
                kind = type(checkpoint).__name__
                raise DataError(f"checkpoint is a {kind}: pass a path or a Checkpoint.")
            checkpoint = Checkpoint(checkpoint)
        of = model_of(estimator)
        saved = read(checkpoint)
        if not resume:
            if saved is not None and saved.fits.running:
                raise CheckpointError(
                    f"{saved.origin} is the checkpoint of a fit that has not ended, after "
                    f"{saved.fits.passes} passes: pass resume=True to go on from it, or remove it."
                )
            saved = None
        if saved is not None:
            check_same(saved, of)
        return cls(checkpoint, of, saved, resume)

    @property
    def seed(self) -> int | None:
        """The seed of the sample, where it is known."""
        return None if self.saved is None else self.saved.seed

    @property
    def note(self) -> str:
        """What there is to say of how the fit began."""
        if self.saved is None:
            missing = f"There was no checkpoint {self.checkpoint.file}: the fit began anew."
            return missing if self.resume else ""
        origin, passes = self.saved.origin, self.saved.fits.passes
        return f"The fit went on from {origin}, after {passes} passes over the rows."

    def of_rows(
        self, source: MemorySource | OutsideSource, names: tuple[str, ...] | None
    ) -> Keeping:
        """The same with what is known of the rows.

        Raises
        ------
        CheckpointError
            The checkpoint is of other rows.
        """
        rows = rows_of(source, names)
        if self.saved is not None:
            check_same(self.saved, rows)
        return replace(self, of={**self.of, **rows})

    def keeper(
        self,
        source: MemorySource | OutsideSource,
        others: tuple[FitReport, ...],
        random: Any,
    ) -> Keeper:
        """The observer that writes; `random` is what the estimator's random_state is."""
        told = None
        if isinstance(random, np.random.RandomState):
            told = random_parts(random)
        seed = source.told.seed if isinstance(source, OutsideSource) else None
        began = None if self.saved is None else self.saved.fits
        return Keeper(self.checkpoint, self.of, others, seed, told, began)


def run_kept(
    source: MemorySource | OutsideSource,
    engine: Engine,
    fits: Fits,
    observers: Sequence[Observer],
    names: tuple[str, ...] | None,
    keeper: Keeper | None,
    announce: Callable[[Fits], object] | None = None,
) -> list[FitReport]:
    """Run fits to their ends, and keep how far they are. Errors as for `ellimix.em.run`."""
    if keeper is None:
        return go_on(source, engine, fits, all_of(observers), names, announce)
    keeper.begin(fits)
    try:
        observers = [*observers, keeper.observe]
        return go_on(source, engine, fits, all_of(observers), names, announce)
    finally:
        keeper.close()


def searched(keeping: Keeping, source: OutsideSource) -> Run:
    """What runs the last fits of a search over all rows, and keeps how far they are.

    The search before that is made anew when it is gone on with: it must lead to the same fits.
    """

    def go(
        placed: OutsideSource,
        engine: Engine,
        tasks: Sequence[Task],
        observe: Observer | None,
        names: tuple[str, ...] | None,
    ) -> list[FitReport]:
        models = {"models that the sample leads to": short(frozen(tuple(tasks)))}
        here = keeping.of_rows(source, names)
        here = replace(here, of={**here.of, **models})
        fits = Fits(tasks)
        if here.saved is not None:
            check_same(here.saved, models)
            fits = Fits.resumed(here.saved.fits)
        observers = [] if observe is None else [observe]
        return run_kept(placed, engine, fits, observers, names, here.keeper(source, (), None))

    return go


@final
class Keeper:
    """Writes checkpoints of the fits that it observes.

    Parameters
    ----------
    checkpoint : Checkpoint
    of, others, seed, random :
        As for `Saved`.
    written : FitsState or None
        What is in the file now.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        of: Mapping[str, Any],
        others: tuple[FitReport, ...],
        seed: int | None,
        random: tuple[Any, ...] | None,
        written: FitsState | None = None,
    ) -> None:
        self._checkpoint = checkpoint
        self._of, self._others, self._seed, self._random = of, others, seed, random
        self._written, self._last = written, written
        self._time, self._failing = monotonic(), False

    def begin(self, fits: Fits) -> None:
        """Write the first one, before any pass, unless the fits come from a file."""
        self._last = self._written
        if self._written is None:
            self._last = fits.state()
            self._write()

    def observe(self, fits: Fits) -> bool:
        """Write where that is due; never asks to stop."""
        self._last = fits.state()
        if self._due(self._last):
            self._write()
        return False

    def close(self) -> None:
        """Write the last iteration that was seen, where that was not done."""
        if self._last is not None and self._last is not self._written:
            self._write()

    def _due(self, state: FitsState) -> bool:
        if not state.running:
            return True
        passes, minutes = self._checkpoint.every_passes, self._checkpoint.every_minutes
        before = -1 if self._written is None else self._written.passes
        if passes is not None and state.passes - before >= passes:
            return True
        return minutes is not None and monotonic() - self._time >= minutes * MINUTE

    def _write(self) -> None:
        state = self._last
        if state is None:
            raise AssertionError("there is something to write")
        saved = Saved(self._of, state, self._others, self._seed, self._random)
        self._time = monotonic()
        try:
            write(self._checkpoint, saved)
        except OSError as error:
            if not self._failing:
                self._warn(error)
            self._failing = True
        else:
            self._written, self._failing = state, False

    def _warn(self, error: OSError) -> None:
        there = self._checkpoint.file.exists() or self._checkpoint.previous.exists()
        older = "the one before is whole" if there else "there is none yet"
        reason = error.strerror or str(error)
        warnings.warn(
            f"The checkpoint {self._checkpoint.file} could not be written ({reason}); {older}, and "
            "the fit goes on. Make room, or make the folder writable.",
            FitWarning,
            stacklevel=2,
        )


def model_of(estimator: MixtureMethods) -> dict[str, Any]:
    """What an estimator fits: its kind, and its arguments in short."""
    given = estimator.get_params(deep=False)
    kept = {name: short(value) for name, value in given.items() if name not in SILENT}
    return {"estimator": type(estimator).__name__, **kept}


def rows_of(source: MemorySource | OutsideSource, names: tuple[str, ...] | None) -> dict[str, Any]:
    """What rows a fit is of: how many, their columns, and a digest.

    Of rows outside of memory that is of their sample, whose keys depend on the seed, and of the
    smallest and largest values; of others, of all of them and what else is known.
    """
    if isinstance(source, OutsideSource):
        survey = source.told
        parts: tuple[Any, ...] = (survey.index, survey.sample, survey.sample_weight)
        parts += (survey.low, survey.high)
    else:
        parts = (source.rows, source.weight, source.detail)
    return {
        "number of rows": source.n_rows,
        "columns": source.n_features if names is None else ", ".join(names),
        "type of values": str(np.dtype(source.dtype)),
        "values": short(parts),
    }


def random_parts(random: np.random.RandomState) -> tuple[Any, ...]:
    """A generator's state: its key, place, and the normal number that it may hold."""
    name, *rest = random.get_state(legacy=True)
    return (str(name), *rest)


def recalled(random: Any, saved: Saved) -> None:
    """Bring a generator that a fit was given to where it stood."""
    if isinstance(random, np.random.RandomState) and saved.random is not None:
        random.set_state(saved.random)
