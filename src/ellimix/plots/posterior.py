"""What a posterior says of the weights: bars with credible intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ellimix.density.posterior import MixturePosterior
from ellimix.plots.canvas import PALETTE, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "0.15"
MANY = 12  # components, above which names are drawn small


def posterior_intervals_plot(
    posterior: Any,
    *,
    level: float = 0.9,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the expected weights as horizontal bars, with their central credible intervals.

    The thin line of a bar is the interval of the level that is asked for, the thick one that of
    50 %. A component that no row needs has a short bar whose interval begins at 0.

    Parameters
    ----------
    posterior : MixturePosterior, or a fitted estimator with ``posterior_``
    level : float, default 0.9
        The probability inside of each interval.
    names : sequence of str, optional
        The components' names; by default their numbers.
    ax : matplotlib Axes, optional
        By default the axes of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    ValueError
        `level` is not between 0 and 1, or there are not as many names as components.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> model = em.BayesianGaussianMixture(5, max_iter=500, random_state=0).fit(X)
    >>> ax = em.plots.posterior_intervals_plot(model)
    >>> ax.get_title()
    'Weights of 5 components'
    """
    own: MixturePosterior = getattr(posterior, "posterior_", posterior)
    k, weights = own.n_components, own.parameters.weights
    names = [str(j) for j in range(k)] if names is None else names
    if len(names) != k:
        raise ValueError(f"There are {len(names)} names for {k} components: pass one for each.")
    outer, inner = own.interval(level).weights, own.interval(0.5).weights
    ax = new_axes() if ax is None else ax
    y = np.arange(k)
    ax.barh(y, weights, 0.66, color=PALETTE[5], edgecolor="none", label="expected weight")
    for ends, width, share in ((outer, 1.4, level), (inner, 4.5, 0.5)):
        words = f"{100.0 * share:g} % credible interval"
        ax.hlines(y, ends[:, 0], ends[:, 1], color=INK, lw=width, label=words, zorder=3)
    ax.set_yticks(y, names, fontsize="small" if k > MANY else "medium")
    ax.set_ylim(k - 0.4, -0.6)  # the first component on top
    ax.set_xlim(0.0, min(1.0, 1.06 * float(max(outer.max(), weights.max()))))
    ax.set_xlabel("weight")
    ax.set_ylabel("component")
    ax.set_title(f"Weights of {k} component{'' if k == 1 else 's'}", fontsize=11)
    ax.grid(axis="x", color="0.92")
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return ax
