"""How far a pass over rows outside of memory is, told from time to time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Final, final

from ellimix.records import Block

EVERY: Final = 0.25  # seconds between two reports


@final
@dataclass(frozen=True, slots=True)
class PassProgress:
    """How far a pass is.

    Parameters
    ----------
    number : int
        Of the pass, from 1: the first one looks at the rows and draws the sample.
    done : int
        Rows that were read.
    total : int or None
        All rows, where it is known how many there are.
    seconds : float
        Since the pass began.
    ended : bool

    Examples
    --------
    >>> from ellimix.sources.watching import PassProgress
    >>> half = PassProgress(2, 500, 1000, 10.0)
    >>> half.share, half.rate, half.left
    (0.5, 50.0, 10.0)
    """

    number: int
    done: int
    total: int | None
    seconds: float
    ended: bool = False

    @property
    def share(self) -> float | None:
        """Of the rows; None where their number is not known."""
        if self.ended:
            return 1.0
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def rate(self) -> float:
        """Rows a second; 0 before the first."""
        return self.done / self.seconds if self.seconds > 0.0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds to go, as fast as so far; None where that is not known."""
        if self.ended:
            return 0.0
        if self.total is None or not self.rate > 0.0:
            return None
        return max(0.0, (self.total - self.done) / self.rate)


Tell = Callable[[PassProgress], None]


@final
class Meter:
    """Counts passes, and the rows of each.

    Parameters
    ----------
    tell : callable
        Gets the `PassProgress` now and then during a pass, and at its end.
    every : float
        Seconds between two calls, at least.
    """

    def __init__(self, tell: Tell, every: float = EVERY) -> None:
        self._tell, self._every = tell, every
        self.passes = 0

    def over(self, blocks: Iterable[Block], total: int | None) -> Iterator[Block]:
        """The blocks of a pass, counted as they are taken."""
        self.passes += 1
        began = last = perf_counter()
        number, done = self.passes, 0
        for block in blocks:
            yield block
            done += block.rows.shape[0]
            now = perf_counter()
            if now - last >= self._every:
                last = now
                self._tell(PassProgress(number, done, total, now - began))
        self._tell(PassProgress(number, done, total, perf_counter() - began, True))
