"""Results as a picture: how many times ours a peer takes, and our share of the matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from side_by_side.compare import ShapeResult
from side_by_side.tables import percent

# Okabe & Ito (2008) and two darker ones; the marker tells peers apart as well.
COLORS: Final = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#888888",
    "#661100",
)
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "<", ">")


def draw(results: Sequence[ShapeResult], peers: Sequence[str], path: Path) -> None:
    """Write the picture; its format is the file's ending."""
    height = 1.6 + 0.32 * len(results)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, height), sharey=True, width_ratios=[3, 1], layout="constrained"
    )
    _ratios(left, results, peers)
    _shares(right, results)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _ratios(axes: Axes, results: Sequence[ShapeResult], peers: Sequence[str]) -> None:
    for number, peer in enumerate(peers):
        points = [
            (outcome.pairs, row)
            for row, result in enumerate(results)
            for outcome in result.outcomes
            if outcome.tool == peer and outcome.pairs is not None
        ]
        if not points:
            continue
        ratios = [pairs.ratio for pairs, _ in points]
        shift = 0.5 * ((number + 0.5) / len(peers) - 0.5)  # apart within a row
        spread = [
            [pairs.ratio - pairs.ratios[0] for pairs, _ in points],
            [pairs.ratios[-1] - pairs.ratio for pairs, _ in points],
        ]
        axes.errorbar(
            ratios,
            [row + shift for _, row in points],
            xerr=spread,
            fmt=MARKERS[number % len(MARKERS)],
            color=COLORS[number % len(COLORS)],
            markersize=6,
            elinewidth=1,
            label=peer,
        )
    axes.axvline(1.0, color="0.3", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(results)), [str(result.shape) for result in results])
    axes.invert_yaxis()
    axes.grid(axis="both", color="0.9")
    axes.set_axisbelow(True)
    axes.set_xlabel("time of an EM iteration, times ours (range of the pairs)")
    if axes.get_legend_handles_labels()[0]:
        axes.figure.legend(loc="outside upper center", ncols=5, frameon=False)


def _shares(axes: Axes, results: Sequence[ShapeResult]) -> None:
    known = [(row, result.share) for row, result in enumerate(results) if result.share is not None]
    axes.barh([row for row, _ in known], [100 * s for _, s in known], color="0.55", height=0.6)
    for row, share in known:
        axes.annotate(percent(share), (100 * share, row), (3, 0),
                      textcoords="offset points", va="center", fontsize=8)  # fmt: skip
    axes.set_xlim(0, max([100 * share for _, share in known], default=1) * 1.2)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.set_xlabel("% of dgemm's flops")
