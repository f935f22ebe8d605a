"""Those who watch a fit: what `verbose` prints, in scikit-learn's words."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from ellimix.em import Fits, Observer, Progress
from ellimix.escaping import Move
from ellimix.selection.annihilation import Standing


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


def all_of(observers: Sequence[Observer]) -> Observer | None:
    """One observer for several, all of which see every iteration."""
    if not observers:
        return None
    return lambda fits: sum(observer(fits) for observer in observers) > 0


def print_moves(moves: Sequence[Move]) -> None:
    """A line for each move of the best fit."""
    for move in moves:
        print(f"Move: {move.note}")
