"""What can go wrong, as values with a sentence and a remedy.

::

    EllimixError
    |-- DegenerateFit       internal: ends one fit, becomes its Status, never leaves `em.run`
    |-- FitFailed           (ValueError) no fit in flight has parameters to return
    |-- ModelFileError      (ValueError) a file that is not a saved mixture
    |-- CheckpointError     (ValueError) a checkpoint that a fit cannot go on from
    |-- DataError           (ValueError) rows or columns that cannot be used
    |   |-- RowsLost        rows on other machines that cannot be had any more
    |   `-- BrokenOff       internal: rows that could not be read on, and the fits till then
    |-- ImproperPosterior   (ValueError) a quantity of a posterior that does not exist yet
    |-- BudgetSpent         (ValueError) a question that a privacy budget no longer pays for
    `-- MissingExtra        (ImportError) an optional package is not installed
    FitWarning              (UserWarning) a fit that was kept, with something to know about it

A `Status` says how a fit ended. It is a value: other fits in flight go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class Status(Enum):
    """How a fit ended; the value is the word that tables and files show."""

    RUNNING = "running"
    CONVERGED = "converged"
    MAX_ITER = "max_iter"
    COLLAPSED = "collapsed"
    EMPTY = "empty"
    ANNIHILATED = "annihilated"
    OVERFLOW = "overflow"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    UPDATED = "updated"
    BROKEN_OFF = "broken_off"

    @property
    def failed(self) -> bool:
        """Whether the fit met a degenerate component or numbers out of range."""
        return self in _FAILED

    @property
    def sentence(self) -> str:
        """What the status means, in a sentence."""
        return _SENTENCES[self]

    @property
    def remedy(self) -> str:
        """What the user can do about it; empty where nothing needs doing."""
        return _REMEDIES.get(self, "")


_FAILED: Final = frozenset({Status.COLLAPSED, Status.EMPTY, Status.ANNIHILATED, Status.OVERFLOW})

_SENTENCES: Final = {
    Status.RUNNING: "The fit has not ended.",
    Status.CONVERGED: "The objective changed by less than tol.",
    Status.MAX_ITER: "The fit did not converge: max_iter iterations passed before tol was met.",
    Status.COLLAPSED: "A component's covariance became singular.",
    Status.EMPTY: "A component lost all its rows.",
    Status.ANNIHILATED: "A component's rows do not pay for its parameters.",
    Status.OVERFLOW: "The log-likelihood is not a finite number.",
    Status.STOPPED: "A callback asked to stop.",
    Status.UPDATED: "The model was updated by a batch of rows.",
    Status.INTERRUPTED: "The fit was interrupted; the best parameters so far were kept.",
    Status.BROKEN_OFF: "The rows could not be read on; the best parameters so far were kept.",
}

_REMEDIES: Final = {
    Status.MAX_ITER: "Increase max_iter or tol, or try another start.",
    Status.COLLAPSED: (
        "Raise reg_covar, use fewer components, or a covariance family with fewer parameters."
    ),
    Status.EMPTY: "Use fewer components or another start.",
    Status.ANNIHILATED: "Use fewer components, or a covariance family with fewer parameters.",
    Status.OVERFLOW: (
        "Remove rows with extreme values or rescale the columns, and check the start's parameters."
    ),
    Status.INTERRUPTED: "Fit again with warm_start=True to go on from here.",
    Status.BROKEN_OFF: (
        "Mend the rows, and fit again with warm_start=True, or resume=True where there is a "
        "checkpoint."
    ),
}


class EllimixError(Exception):
    """Root of the exceptions that ellimix raises."""


@dataclass(eq=False)
class DegenerateFit(EllimixError):
    """One fit cannot go on. Caught by `em.run`, which turns it into the fit's status.

    Parameters
    ----------
    status : Status
        `COLLAPSED`, `EMPTY`, `ANNIHILATED` or `OVERFLOW`.
    components : tuple of int
        The components concerned, counted from 0; empty when it is not one of them in particular.
    counts : tuple of float
        Their counts (sums of responsibilities times row weights), in the same order.
    cause : str
        Why, as a clause without a full stop.
    """

    status: Status
    components: tuple[int, ...]
    counts: tuple[float, ...]
    cause: str

    def __str__(self) -> str:
        return f"{self.sentence} {self.status.remedy}"

    @property
    def sentence(self) -> str:
        """Which components, with what counts, and why."""
        if not self.components:
            return f"{self.status.sentence} {self.cause}."
        named = ", ".join(
            f"component {k} (count {count:.6g})"
            for k, count in zip(self.components, self.counts, strict=True)
        )
        return f"{self.status.sentence} {named}: {self.cause}."


class FitFailed(EllimixError, ValueError):
    """No fit has parameters to return; the message carries each fit's sentence."""


class ModelFileError(EllimixError, ValueError):
    """A file is not a mixture that ellimix saved, or not a sound one."""


class DataError(EllimixError, ValueError):
    """Rows or columns that cannot be used, with what to do instead."""


class RowsLost(DataError):
    """Rows on other machines that a pass needs and that cannot be had any more."""


class BrokenOff(DataError):
    """Rows could not be read on during fits, which had parameters: `reports` has them."""

    def __init__(self, message: str, reports: Sequence[Any]) -> None:
        super().__init__(message)
        self.reports = list(reports)


class CheckpointError(EllimixError, ValueError):
    """A file is no checkpoint, is damaged, or is that of another fit."""


class ImproperPosterior(EllimixError, ValueError):
    """A quantity of a posterior that does not exist yet, with what it takes."""


class BudgetSpent(EllimixError, ValueError):
    """A privacy budget does not pay for another answer."""


class MissingExtra(EllimixError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str | None) -> None:
        wanted = package if extra is None else f"'ellimix[{extra}]'"
        super().__init__(
            f"This needs the package '{package}', which is not installed. "
            f"Install it with: pip install {wanted}"
        )


class FitWarning(UserWarning):
    """A fit was kept, and there is something to know about it."""
