"""Pictures of mixtures, by matplotlib (``pip install 'ellimix[plots]'``)."""

from __future__ import annotations

from ellimix.plots.clusters import clusters
from ellimix.plots.combining import entropy_plot, merge_tree

__all__ = ["clusters", "entropy_plot", "merge_tree"]
