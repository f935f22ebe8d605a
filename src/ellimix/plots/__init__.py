"""Pictures of mixtures, by matplotlib (``pip install 'ellimix[plots]'``)."""

from __future__ import annotations

from ellimix.plots.clusters import clusters
from ellimix.plots.combining import entropy_plot, merge_tree
from ellimix.plots.normal import posterior_plot
from ellimix.plots.posterior import posterior_intervals_plot
from ellimix.plots.selection import selection_plot, slope_plot

__all__ = [
    "clusters",
    "entropy_plot",
    "merge_tree",
    "posterior_intervals_plot",
    "posterior_plot",
    "selection_plot",
    "slope_plot",
]
