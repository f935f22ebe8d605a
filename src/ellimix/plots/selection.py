"""Pictures of a search: a criterion over the number of components, and the slope heuristic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance import FAMILIES
from ellimix.errors import DataError
from ellimix.plots.canvas import MARKERS, PALETTE, integer_ticks, new_axes
from ellimix.records import Array
from ellimix.selection.cells import Cell
from ellimix.selection.criteria import CRITERIA, order, values
from ellimix.selection.slope import Slope

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A kind of family has its own dashes, and in it no colour and marker comes twice.
DASHES = {"spherical": ":", "diagonal": "--", "shared": "-", "full": "-"}
# Values are drawn up to the upper quartile and so many distances between the quartiles; and all of
# them, where that is no more than so many times as high.
FENCE, ENOUGH = 1.0, 1.6
BELOW, ABOVE = 0.17, 0.05  # of the height: room for the best cell's name, and for a marker
ROOM = 0.6  # of the height of the line, below it
CARET = 6  # matplotlib's marker of a caret that points up, from below


def selection_plot(search: Any, criterion: str = "bic", ax: Axes | None = None) -> Axes:
    """Draw a criterion over the number of components, a line for each covariance family.

    The best cell is ringed and named. Cells that are not ok are drawn hollow and interrupt their
    family's line. Where some cells are much worse than the rest, as one spherical component often
    is, the axis ends where the others can be told apart, and says how many lie above.

    Parameters
    ----------
    search : fitted search, or sequence of Cell
        An object with its cells in ``cells_``, or the cells.
    criterion : str, default "bic"
        A name in `ellimix.selection.criteria.CRITERIA`.
    ax : matplotlib Axes, optional
        By default the axes of a new figure. The legend stands to their right.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    DataError
        No cell that is ok has a finite value; or as `ellimix.selection.criteria.values`.
    """
    cells: Sequence[Cell] = tuple(getattr(search, "cells_", search))
    value = values(cells, criterion)
    ok = np.array([cell.ok for cell in cells], dtype=bool) & np.isfinite(value)
    if not ok.any():
        raise DataError(f"No cell is ok and has a finite {criterion}: there is nothing to draw.")
    limits = _limits(value[ok])
    ax = new_axes() if ax is None else ax
    best = int(order(cells, criterion)[0])
    names = _families(cells, np.where(ok, value, np.inf))
    for depth, name in enumerate(names):
        _family(ax, name, cells, value, limits, 3.0 - depth / len(names))
    _ring(ax, cells[best].n_components, value[best])
    _name(ax, cells, best, value[best])
    ax.set_ylim(*limits)
    sizes = [c.n_components for c, v in zip(cells, value, strict=True) if not np.isnan(v)]
    ax.set_xlim(min(sizes) - 0.4, max(sizes) + 0.4)
    integer_ticks(ax)
    ax.set_xlabel("\n".join(["number of components", *_notes(cells, value, ok, limits)]))
    ax.set_ylabel(f"{criterion} (smaller is better)")
    words = CRITERIA[criterion].words
    ax.set_title(words[0].upper() + words[1:], fontsize=11)
    ax.legend(
        title="best first", loc="upper left", bbox_to_anchor=(1.01, 1.02), fontsize="small",
        frameon=False, handlelength=3.2, borderaxespad=0.0,
    )  # fmt: skip
    return ax


def slope_plot(result: Slope, ax: Axes | None = None) -> Axes:
    """Draw log-likelihoods over numbers of parameters, with the line of the slope heuristic.

    The models that the line was put through are filled, the chosen one is ringed. The heuristic
    can be trusted where the filled ones lie along the line. Models that are much worse lie below
    the axis, which says how many.

    Parameters
    ----------
    result : Slope
    ax : matplotlib Axes, optional
        By default the axes of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtra
        matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import ellimix as em
    >>> from ellimix.selection.slope import slope_heuristic
    >>> p = np.arange(5, 65, 5)
    >>> ax = em.plots.slope_plot(slope_heuristic(p, 0.7 * p - 40.0 * np.maximum(20 - p, 0)))
    >>> ax.get_title()
    'Slope 0.7 nats a parameter, through 8 of 12 models'
    """
    ax = new_axes() if ax is None else ax
    p, gain = result.n_parameters, result.log_likelihood
    used = np.arange(p.size) >= p.size - result.fitted
    line = result.intercept + result.slope * p
    place = int(np.flatnonzero(result.models == result.chosen)[0])
    style: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 5, "zorder": 3}
    ax.plot(p[used], gain[used], color=PALETTE[0], label="in the line", **style)
    ax.plot(p[~used], gain[~used], mfc="white", color=PALETTE[0], label="not in the line", **style)
    ax.plot(p, line, color=PALETTE[3], lw=1.4, zorder=2, label="line")
    chosen = result.names[result.chosen] if result.names else f"{p[place]:g} parameters"
    _ring(ax, p[place], gain[place], f"chosen: {chosen}")
    ax.legend(loc="lower right", fontsize="small")
    low, high = min(gain[place], line[0]), max(gain.max(), line[-1])
    height = high - low
    low -= ROOM * height
    ax.set_ylim(low, high + ABOVE * height)
    below = int((gain < low).sum())
    note = [f"{below} of {p.size} models lie below"] if below else []
    ax.set_xlabel("\n".join(["number of parameters", *note]))
    ax.set_ylabel("log-likelihood (nats)")
    ax.set_title(
        f"Slope {result.slope:.3g} nats a parameter, through {result.fitted} of {p.size} models",
        fontsize=11,
    )
    return ax


def _limits(value: Array) -> tuple[float, float]:
    """The range of the vertical axis, from the values of the cells that are ok."""
    best, worst = float(value.min()), float(value.max())
    lower, upper = np.quantile(value, [0.25, 0.75])
    fence = float(upper + FENCE * (upper - lower))
    top = worst if worst - best <= ENOUGH * (fence - best) or fence <= best else fence
    height = (top - best) or max(abs(best), 1.0) * 1e-3
    return best - BELOW * height, top + ABOVE * height


def _families(cells: Sequence[Cell], value: Array) -> list[str]:
    """The families, by the best value of their cells that are ok."""
    best = {name: np.inf for name in FAMILIES if any(c.family == name for c in cells)}
    for cell, v in zip(cells, value, strict=True):
        best[cell.family] = min(best[cell.family], float(v))
    return sorted((name for name in best if best[name] < np.inf), key=lambda name: best[name])


def _family(
    ax: Axes,
    name: str,
    cells: Sequence[Cell],
    value: Array,
    limits: tuple[float, float],
    depth: float,
) -> None:
    """A family's line, and its cells that are not ok: hollow, at the edge where they lie below."""
    color, marker, dashes = _style(name)
    mine = [
        (c.n_components, c.ok, v)
        for c, v in zip(cells, value, strict=True)
        if c.family == name and not np.isnan(v)
    ]
    k, ok, v = (np.array(column) for column in zip(*sorted(mine), strict=True))
    every = np.arange(k[0], k[-1] + 1)
    line = np.full(every.size, np.nan)  # a gap where a cell is missing or not ok
    line[k[ok] - k[0]] = v[ok]
    common: dict[str, Any] = {"color": color, "zorder": depth}
    ax.plot(every, line, marker=marker, ls=dashes, lw=1.4, markersize=5, label=name, **common)
    below = v < limits[0]
    hollow: dict[str, Any] = {"ls": "none", "markerfacecolor": "white", "markersize": 6, **common}
    ax.plot(k[~ok & ~below], v[~ok & ~below], marker=marker, **hollow)
    fallen = k[~ok & below]
    if fallen.size:  # an empty line that is not clipped counts as at the figure's corner
        edge = np.full(fallen.size, limits[0])
        ax.plot(fallen, edge, marker=CARET, clip_on=False, **hollow)


def _style(name: str) -> tuple[str, str, str]:
    """Colour, marker and dashes of a family: never those of another."""
    place = list(FAMILIES).index(name)
    dashes = DASHES[FAMILIES[name].structure.value]
    return PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)], dashes


def _ring(ax: Axes, x: float, y: float, label: str = "_best") -> None:
    ax.plot(
        [x], [y], marker="o", ls="none", markersize=14, markerfacecolor="none",
        markeredgecolor="black", markeredgewidth=1.6, zorder=4, label=label,
    )  # fmt: skip


def _name(ax: Axes, cells: Sequence[Cell], best: int, value: float) -> None:
    """The best cell's name, below its ring, where nothing else is drawn."""
    sizes = [cell.n_components for cell in cells if not np.isnan(cell.log_likelihood)]
    k = cells[best].n_components
    number = f"{value:,.1f}" if abs(value) >= 1000.0 else f"{value:.4g}"
    side = "left" if k == min(sizes) else "right" if k == max(sizes) else "center"
    side = "center" if min(sizes) == max(sizes) else side
    ax.annotate(
        f"{cells[best].name}, {k}: {number}",
        (k, value),
        xytext=({"left": -7, "center": 0, "right": 7}[side], -11),
        textcoords="offset points",
        ha=side,
        va="top",
        fontsize=10,
        fontweight="bold",
        zorder=5,
    ).set_in_layout(False)  # else narrow axes would shrink until they vanish


def _notes(
    cells: Sequence[Cell], value: Array, ok: NDArray[np.bool_], limits: tuple[float, float]
) -> list[str]:
    """What the picture does not show, or shows otherwise, in a few words each."""
    drawn = {cell.family for cell, good in zip(cells, ok, strict=True) if good}
    above = int((value > limits[1]).sum())
    hollow = sum(
        not cell.ok and cell.family in drawn and v <= limits[1]
        for cell, v in zip(cells, value, strict=True)
    )
    missing = len(cells) - above - hollow - int((value[ok] <= limits[1]).sum())
    parts = [
        (above, f"{above} of {len(cells)} cells lie above"),
        (hollow, f"{hollow} hollow: never chosen"),
        (missing, f"{missing} without a value"),
    ]
    return [words for count, words in parts if count]
