"""BIC against seconds: what a search finds in the time that it takes.

The gap of a setting on a problem is its BIC minus the smallest that any setting found on the same
rows (smaller is better). That smallest may be of a spurious maximum, which a search that sets such
fits aside does not choose.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt

from choosing.tools import Setting
from side_by_side.chart import COLORS, MARKERS
from side_by_side.tables import duration

BUDGETS: Final = ("0.05", "0.1", "0.3", "1", "3", "10")
N_INIT: Final = ("1", "3", "10", "30")
NEAR: Final = 0.1
APART: Final = 1.3  # between labelled points: factor in time
FLOOR: Final = 1e-2  # of the picture's logarithmic axis


@dataclass(frozen=True)
class Found:
    """What a setting found on a problem."""

    setting: Setting
    problem: str
    bic: float
    seconds: float


@dataclass(frozen=True)
class Point:
    """A setting over all problems that every setting answered."""

    setting: Setting
    seconds: float  # geometric mean
    mean: float
    median: float
    near: float  # share of problems within 0.1 of the best known
    problems: int


def points(found: Sequence[Found]) -> list[Point]:
    """One for each setting, on the problems that all of them have an answer to."""
    settings = list(dict.fromkeys(f.setting for f in found))
    answers = {(f.setting, f.problem): f for f in found}
    names = [
        name
        for name in dict.fromkeys(f.problem for f in found)
        if all((setting, name) in answers for setting in settings)
    ]
    best = {name: min(answers[setting, name].bic for setting in settings) for name in names}
    drawn = []
    for setting in settings if names else ():
        own = [answers[setting, name] for name in names]
        gaps = [f.bic - best[f.problem] for f in own]
        drawn.append(
            Point(
                setting,
                statistics.geometric_mean(f.seconds for f in own),
                statistics.mean(gaps),
                statistics.median(gaps),
                sum(gap <= NEAR for gap in gaps) / len(gaps),
                len(names),
            )
        )
    return drawn


def table(drawn: Sequence[Point]) -> str:
    """A line for each setting."""
    cells = [
        "setting",
        "problems",
        "seconds, geometric mean",
        "BIC above the best known: mean",
        "median",
        "within 0.1 of the best known",
    ]
    lines = [f"| {' | '.join(cells)} |", f"|---|{'---:|' * (len(cells) - 1)}"]
    lines += [
        f"| {p.setting} | {p.problems} | {duration(p.seconds)} | {p.mean:.2f} | {p.median:.2f} "
        f"| {100 * p.near:.0f} % |"
        for p in drawn
    ]
    return "\n".join(lines)


def draw(drawn: Sequence[Point], path: Path) -> None:
    """Write the picture; its format is the file's ending."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for number, tool in enumerate(dict.fromkeys(p.setting.tool for p in drawn)):
        own = sorted((p for p in drawn if p.setting.tool == tool), key=lambda p: p.seconds)
        axes.plot(
            [p.seconds for p in own],
            [max(p.mean, FLOOR) for p in own],
            marker=MARKERS[number],
            color=COLORS[number],
            label=str(Setting(tool)),
        )
        last = 0.0
        for p in own:
            if p.seconds < APART * last:  # the search was over before the budget was
                continue
            last = p.seconds
            axes.annotate(
                p.setting.words,
                (p.seconds, max(p.mean, FLOOR)),
                (4, 4),
                textcoords="offset points",
                fontsize=8,
            )
    axes.margins(x=0.12)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.set_xlabel("seconds of the search, geometric mean")
    axes.set_ylabel("BIC above the best known, mean")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
