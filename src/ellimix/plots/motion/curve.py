"""The objective, as it grows beside the components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.plots.scene import Axis, Line, Mark, Panel, Points, Text
from ellimix.records import Array
from ellimix.trajectories import Record, Trajectory

COLOR = "#262626"
OTHERS = "#8C8C8C"
MARGIN = 0.06  # of the range, above and below
ABYSS = 100.0  # a first objective so many times further below than the next is off the axis


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """The trace of a fit: point i is the objective of mixture i.

    Parameters
    ----------
    points : ndarray of shape (n_iter, 2)
    words : str
        What the objective is.
    behind : tuple of Mark
        What does not change: where the best of several starts ended.
    y : tuple of two floats
        The limits of the vertical axis.
    below : int
        How many of the first points lie under it.
    """

    points: Array
    words: str
    behind: tuple[Mark, ...]
    y: tuple[float, float]
    below: int

    @classmethod
    def of(cls, record: Record, fit: Trajectory) -> Curve:
        """The curve of one of a record's fits."""
        trace = np.array(fit.trace)
        best = max(other.objective for other in record.trajectories)
        several = len(record.trajectories) > 1
        high = max(float(trace.max()), best if several else -np.inf)
        below = _first_shown(trace, high)
        low = float(trace[below:].min())
        margin = MARGIN * (high - low) or max(abs(high), 1.0) * 1e-3
        x = np.arange(trace.size, dtype=np.float64)
        behind: tuple[Mark, ...] = ()
        if several:
            ends = np.array([[0.0, best], [float(trace.size), best]])
            words = f"best of {len(record.trajectories)} starts"
            behind = (
                Line(ends, color=OTHERS, width=1.2, dash="dash"),
                Text((0.0, best), words, OTHERS, align="left", vertical="top", offset=(4.0, -3.0)),
            )
        limits = low - margin, high + margin
        return cls(np.column_stack([x, trace]), record.objective, behind, limits, below)

    @property
    def note(self) -> str:
        """What of the curve is not shown, in a sentence; empty where all is."""
        if not self.below:
            return ""
        one = self.below == 1
        words = "objective lies" if one else f"{self.below} objectives lie"
        return f"the first {words} far below the axis"

    def panel(self, iteration: int) -> Panel:
        """The curve up to a mixture. That of the last one is known to no pass of the fit."""
        seen = self.points[: iteration + 1]
        marks = (
            *self.behind,
            Line(seen, color=COLOR, width=1.6),
            Points(seen[-1:], color=COLOR, size=36.0),
        )
        last = float(len(self.points))
        value = f"{seen[-1, 1]:.5g}".replace("-", "\N{MINUS SIGN}")
        x = Axis("iteration", (-0.03 * last, 1.03 * last), whole=True)
        return Panel(
            marks, f"{self.words}: {value} nats", x, Axis(f"{self.words}, nats", self.y), grid=True
        )


def _first_shown(trace: Array, high: float) -> int:
    """Where the axis begins: a start of components of single rows lies millions of nats below."""
    first = 0
    while first + 1 < trace.size and high - trace[first] > ABYSS * (high - trace[first + 1]) > 0.0:
        first += 1
    return first
