"""Those who watch a fit: what `verbose` prints, in scikit-learn's words."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Final

from ellimix.em import Fits, Observer, Progress
from ellimix.escaping import Move
from ellimix.selection.annihilation import Standing
from ellimix.sources.watching import PassProgress

PATIENCE: Final = 5.0


def print_step(step: str, share: float) -> None:
    """A step of a search, and the share of the work that lies behind it."""
    print(f"Search: {share:4.0%}  {step}")


class StandingPrinter:
    """Prints the progress of an annihilation.

    Parameters
    ----------
    family : str
    interval : int
        Iterations between prints.
    """

    def __init__(self, family: str, interval: int) -> None:
        self._family, self._interval, self._seen = family, interval, 0

    def observe(self, standing: Standing) -> bool:
        """Print where the run stands; never asks to stop."""
        self._seen += 1
        if self._seen % self._interval == 0:
            print(
                f"{self._family}: iteration {self._seen}, {standing.n_components} components, "
                f"message length {standing.length:.3f} nats"
            )
        return False


class VerboseObserver:
    """Prints the progress of fits.

    Parameters
    ----------
    verbose : int
        1 prints iterations, 2 also times and changes of the objective.
    interval : int
        Iterations between prints.
    n_starts : int
    """

    def __init__(self, verbose: int, interval: int, n_starts: int) -> None:
        self._verbose, self._interval, self._many = verbose, interval, n_starts > 1
        self._began = self._last = perf_counter()
        self._seen: set[int] = set()
        for start in range(n_starts):
            print(f"Initialization {start}")

    def observe(self, fits: Fits) -> bool:
        """Print what happened in the last iteration; never asks to stop."""
        now = perf_counter()
        for number, fit in enumerate(fits):
            if number in self._seen:
                continue
            if fit.trace and len(fit.trace) % self._interval == 0:
                print(self._iteration(number, fit, now - self._last))
            if not fit.running:
                self._seen.add(number)
                print(self._ending(number, fit, now - self._began))
        if any(fit.trace and len(fit.trace) % self._interval == 0 for fit in fits):
            self._last = now
        return False

    def _name(self, number: int) -> str:
        return f"Initialization {number}" if self._many else "Initialization"

    def _iteration(self, number: int, fit: Progress, lapse: float) -> str:
        line = f"  Iteration {len(fit.trace)}"
        if self._many:
            line = f"  Initialization {number}: iteration {len(fit.trace)}"
        if self._verbose < 2:
            return line
        return f"{line}\t time lapse {lapse:.5f}s\t ll change {fit.change:.5f}"

    def _ending(self, number: int, fit: Progress, lapse: float) -> str:
        word = "converged" if fit.status.value == "converged" else "did not converge"
        line = f"{self._name(number)} {word}."
        if self._verbose < 2 or not fit.trace:
            return line
        return f"{line} time lapse {lapse:.5f}s\t lower bound {fit.trace[-1]:.5f}."


class PassPrinter:
    """Prints how far passes over rows outside of memory are, and what they bring.

    Parameters
    ----------
    patience : float
        Seconds of a pass before anything is said of it, and between two lines of it.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience, self._next = patience, (0, 0.0)  # the pass, and when to speak of it
        self._fitting, self._line = False, ""
        self._seen: set[int] = set()

    def starting(self, where: str, n_features: int, held: int) -> None:
        """Print what a fit will hold in memory."""
        print(
            f"Rows of {n_features} columns from {where}, read anew in every pass: about "
            f"{as_bytes(held)} of memory, however many rows there are."
        )

    def fitting(self) -> None:
        """From here on each pass is followed by `observe`."""
        self._fitting = True

    def tell(self, progress: PassProgress) -> None:
        """Print how far a pass is, where it takes long, and that it has ended."""
        if progress.ended:
            self._line = (
                f"Pass {progress.number}: {progress.done:,} rows in {progress.seconds:.1f} s "
                f"({progress.rate:,.0f} rows/s)"
            )
            if not self._fitting:
                print(self._line)
            return
        if self._next[0] != progress.number:
            self._next = progress.number, self._patience
        if progress.seconds < self._next[1]:
            return
        self._next = progress.number, progress.seconds + self._patience
        print(f"Pass {progress.number}: {_how_far(progress)}, {progress.rate:,.0f} rows/s", end="")
        print("" if progress.left is None else f", {as_time(progress.left)} left", flush=True)

    def observe(self, fits: Fits) -> bool:
        """Print the pass just made with the best objective; never asks to stop."""
        traced = [fit for fit in fits if fit.trace]
        if traced:
            best = max(traced, key=lambda fit: fit.trace[-1])
            change = f", change {best.change:.3g}" if len(best.trace) > 1 else ""
            print(f"{self._line}, objective {best.trace[-1]:.6f}{change}", flush=True)
        for number, fit in enumerate(fits):
            if not fit.running and number not in self._seen:
                self._seen.add(number)
                print(f"Initialization {number}: {fit.status.value}.")
        self._fitting = fits.running
        return False


def _how_far(progress: PassProgress) -> str:
    if progress.share is None or progress.total is None:
        return f"{progress.done:,} rows so far"
    return f"{progress.share:.0%} of {progress.total:,} rows"


def as_time(seconds: float) -> str:
    """Seconds as text.

    Examples
    --------
    >>> from ellimix.estimators.verbose import as_time
    >>> as_time(7.4), as_time(200.0), as_time(9000.0)
    ('7 s', '3 min 20 s', '2 h 30 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def as_bytes(size: int) -> str:
    """A number of bytes as text.

    Examples
    --------
    >>> from ellimix.estimators.verbose import as_bytes
    >>> as_bytes(300_000), as_bytes(3_000_000_000)
    ('1 MiB', '2.8 GiB')
    """
    if size < 1 << 30:
        return f"{max(1, round(size / (1 << 20)))} MiB"
    return f"{size / (1 << 30):.1f} GiB"


def all_of(observers: Sequence[Observer]) -> Observer | None:
    """One observer for several, all of which see every iteration."""
    if not observers:
        return None
    return lambda fits: sum(observer(fits) for observer in observers) > 0


def print_moves(moves: Sequence[Move]) -> None:
    """A line for each move of the best fit."""
    for move in moves:
        print(f"Move: {move.note}")
