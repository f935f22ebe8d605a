"""Pictures of mixtures, by matplotlib (``pip install 'ellimix[plots]'``)."""

from __future__ import annotations

from ellimix.plots.clusters import clusters
from ellimix.plots.selection import selection_plot, slope_plot

__all__ = ["clusters", "selection_plot", "slope_plot"]
