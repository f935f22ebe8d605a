"""What an accelerator remembers of a group of fits, and what a method and a rule are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from ellimix.acceleration.points import Points
from ellimix.covariance.triangular import NDArrayBool
from ellimix.records import Array, SufficientStatistics

Index = NDArray[np.intp]


@final
@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of m fits with the same k, d and second moment; all arrays begin with m.

    A *pair* is a point s and the point that a pass made of it: the statistics under the
    M-step's model of s. A *trial* is a point that an accelerator made, not a pass.

    Parameters
    ----------
    made : Points of shape (m, h)
        The second points of the last h pairs, the newest last; only the last `depth` count.
    given : Points of shape (m, h)
        Their first points.
    depth : ndarray of int, shape (m,)
    source : Points of shape (m,)
        The point whose model goes into the next pass.
    known : ndarray of bool, shape (m,)
        Whether `source` is a point: singular statistics are not.
    trial : ndarray of bool, shape (m,)
        Whether it is a trial.
    objective : ndarray of shape (m,)
        Objective per unit weight of the last model that was kept.
    first : ndarray of shape (m,)
        That of the first one.
    gain : ndarray of shape (m,)
        By how much the last EM step raised it; NaN where the last step was none.
    settled : ndarray of bool, shape (m,)
        Whether the rule has found the fit's convergence linear.
    helped : ndarray of bool, shape (m,)
        Whether a trial has been kept.
    cap : ndarray of shape (m,)
        The longest step that the method may take now, in its own units.
    """

    made: Points
    given: Points
    depth: NDArray[np.int64]
    source: Points
    known: NDArrayBool
    trial: NDArrayBool
    objective: Array
    first: Array
    gain: Array
    settled: NDArrayBool
    helped: NDArrayBool
    cap: Array

    def take(self, index: Index) -> Memory:
        """The memory of some of the fits: the others have ended."""
        return Memory(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def forgotten(self, which: NDArrayBool) -> Memory:
        """The memory without the pairs and gains of some fits: as before their first pass."""
        if not which.any():
            return self
        return replace(
            self,
            depth=np.where(which, 0, self.depth),
            known=self.known & ~which,
            gain=np.where(which, np.nan, self.gain),
        )

    def pushed(self, points: Points, which: NDArrayBool) -> Memory:
        """The memory with a new pair (source, points) of some fits."""
        i = np.flatnonzero(which)
        given, made = (
            old.put((i, slice(None, -1)), old[i, 1:]).put((i, -1), new[i])
            for old, new in ((self.given, self.source), (self.made, points))
        )
        depth = np.where(which, np.minimum(self.depth + 1, made.n.shape[1]), self.depth)
        return replace(self, given=given, made=made, depth=depth)


@final
@dataclass(frozen=True, slots=True)
class Proposal:
    """What a method proposes for some fits.

    Parameters
    ----------
    vector : ndarray of shape (m, p)
        Trials in coordinates about the newest points.
    worthwhile : ndarray of bool, shape (m,)
        False where the trial would be hardly more than the EM step.
    capped : ndarray of bool, shape (m,)
        Where the step was shortened to the cap: it may grow.
    """

    vector: Array
    worthwhile: NDArrayBool
    capped: NDArrayBool


class Method(Protocol):
    """How trials come from pairs."""

    @property
    def window(self) -> int:
        """Number of pairs it remembers."""
        ...

    @property
    def needed(self) -> int:
        """Number of pairs it needs."""
        ...

    @property
    def chains(self) -> bool:
        """Whether the pass over an accepted trial gives a pair that it uses."""
        ...

    @property
    def first_cap(self) -> float:
        """The cap before anything is known."""
        ...

    @property
    def last_cap(self) -> float:
        """The cap's limit."""
        ...

    def propose(self, given: Array, made: Array, depth: NDArray[np.int64], cap: Array) -> Proposal:
        """Trials of m fits, from coordinates (m, h, p) of their pairs about the newest point."""
        ...


class Rule(Protocol):
    """When to accelerate."""

    @property
    def from_gain(self) -> float:
        """Gain per unit weight above which no fit is ever ready: before that, nothing is kept."""
        ...

    def ready(self, memory: Memory, gain: Array) -> tuple[NDArrayBool, NDArrayBool]:
        """Which fits may try now, and the new `settled`.

        Parameters
        ----------
        memory : Memory
            With the objective after the last pass, and the gain of the EM step before that.
        gain : ndarray of shape (m,)
            Gain of the last EM step; NaN after a trial.
        """
        ...


@final
@dataclass(frozen=True, slots=True)
class Advice:
    """What the loop does next, for m fits.

    Parameters
    ----------
    memory : Memory
    statistics : SufficientStatistics
        With leading axis m: what the next M-step gets.
    trial : ndarray of bool, shape (m,)
        Where that is a trial, its M-step may raise `DegenerateFit`: then ask `refuse`.
    rejected : ndarray of bool, shape (m,)
        Where the pass just made was over a trial that is worse than what was before. Its model is
        to be dropped: the model before it is the best, and is `previous` for the next M-step.
    gain : ndarray of shape (m,)
        By how much an EM step has just raised the objective; infinite where the last step was none.
    converged : ndarray of bool, shape (m,)
        Where that is less than tol, in absolute value; than a part of tol for fits that had help.
    """

    memory: Memory
    statistics: SufficientStatistics
    trial: NDArrayBool
    rejected: NDArrayBool
    gain: Array
    converged: NDArrayBool
