"""A picture of the slope heuristic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ellimix.plots.canvas import PALETTE, new_axes
from ellimix.selection.slope import Slope

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ABOVE = 0.05  # of the height: room for a marker
ROOM = 0.6  # of the height of the line, below it


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
    ax.plot(
        p[place], gain[place], marker="o", ls="none", markersize=14, markerfacecolor="none",
        markeredgecolor="black", markeredgewidth=1.6, zorder=4, label=f"chosen: {chosen}",
    )  # fmt: skip
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
