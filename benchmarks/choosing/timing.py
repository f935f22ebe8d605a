"""Seconds of the whole default search, of tools that take turns in one run.

Each has a process of its own; the first call, which compiles and loads, stands apart. Beside the
clock's seconds stand the processor's, which other programs on the machine change less.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from choosing.tools import Choice, Chooser, ToolFailed
from problems import mixture_rows
from side_by_side.tables import duration


@dataclass(frozen=True)
class Timed:
    """A tool's calls on one data set: the first of its process, and the later ones."""

    first: float
    later: tuple[float, ...]
    cpu: tuple[float, ...]
    choice: Choice


def simulated() -> dict[str, np.ndarray]:
    """Larger rows than the real ones, with components that overlap."""
    return {
        "mixture of 5": mixture_rows(2_000, 6, 5, separation=0.5),
        "mixture of 6": mixture_rows(10_000, 4, 6, separation=0.5),
    }


def header(choosers: Sequence[Chooser]) -> str:
    """The table's first two lines: the first tool is the one that the others are divided by."""
    names = [str(chooser.setting) for chooser in choosers]
    cells = ["data", *names]
    cells += [f"{name} / {names[0]}" for name in names[1:]]
    cells += [f"{name}, processor" for name in names]
    cells += [f"{name} / {names[0]}, processor" for name in names[1:]]
    cells += [f"{name} chooses" for name in names] + [f"{name}, first call" for name in names]
    return f"| {' | '.join(cells)} |\n|---|{'---:|' * (len(cells) - 1)}"


def in_turn(choosers: Sequence[Chooser], rows: np.ndarray, pairs: int) -> list[Timed | None]:
    """First, second, ..., first, second ...; None for a tool that failed."""
    first = [_call(chooser, rows) for chooser in choosers]
    later = [[_call(chooser, rows) for chooser in choosers] for _ in range(pairs)]
    return [
        None
        if choice is None or any(turn[at] is None for turn in later)
        else Timed(
            choice.seconds,
            tuple(turn[at].seconds for turn in later),
            tuple(turn[at].cpu for turn in later),
            choice,
        )
        for at, choice in enumerate(first)
    ]


def line(name: str, timed: Sequence[Timed | None]) -> str:
    """A line of the table; a ratio is the median of the turns' ratios."""
    cells = [name]
    for clock in (lambda t: t.later, lambda t: t.cpu):
        cells += ["—" if t is None else duration(statistics.median(clock(t))) for t in timed]
        cells += [_ratio(timed[0], other, clock) for other in timed[1:]]
    cells += ["—" if t is None else f"{t.choice.model} {t.choice.bic:.3f}" for t in timed]
    cells += ["—" if t is None else duration(t.first) for t in timed]
    return f"| {' | '.join(cells)} |"


def _ratio(
    ours: Timed | None, theirs: Timed | None, clock: Callable[[Timed], Sequence[float]]
) -> str:
    if ours is None or theirs is None:
        return "—"
    ratios = [b / a for a, b in zip(clock(ours), clock(theirs), strict=True)]
    return f"{statistics.median(ratios):.3g}"


def _call(chooser: Chooser, rows: np.ndarray) -> Choice | None:
    try:
        return chooser.choose(rows)
    except ToolFailed:
        return None
