"""Pictures of mixtures: by matplotlib (``pip install 'ellimix[plots]'``), or by plotly."""

from __future__ import annotations

from ellimix.plots.clusters import ClustersDisplay, clusters
from ellimix.plots.combining import entropy_plot, merge_tree
from ellimix.plots.convergence import ConvergenceDisplay
from ellimix.plots.covariance import CovarianceDisplay
from ellimix.plots.density import DensityDisplay
from ellimix.plots.display import Display
from ellimix.plots.kinds import BACKENDS, KINDS, plot
from ellimix.plots.kmeans_comparison import KMeansDisplay
from ellimix.plots.normal import posterior_plot
from ellimix.plots.pairs import PairsDisplay
from ellimix.plots.posterior import posterior_intervals_plot
from ellimix.plots.profile import ProfileDisplay
from ellimix.plots.responsibilities import ResponsibilitiesDisplay
from ellimix.plots.samples import SamplesDisplay
from ellimix.plots.scene import Scene
from ellimix.plots.selection import SelectionDisplay, selection_plot
from ellimix.plots.slope import slope_plot
from ellimix.plots.uncertainty import UncertaintyDisplay

__all__ = [
    "BACKENDS",
    "KINDS",
    "ClustersDisplay",
    "ConvergenceDisplay",
    "CovarianceDisplay",
    "DensityDisplay",
    "Display",
    "KMeansDisplay",
    "PairsDisplay",
    "ProfileDisplay",
    "ResponsibilitiesDisplay",
    "SamplesDisplay",
    "Scene",
    "SelectionDisplay",
    "UncertaintyDisplay",
    "clusters",
    "entropy_plot",
    "merge_tree",
    "plot",
    "posterior_intervals_plot",
    "posterior_plot",
    "selection_plot",
    "slope_plot",
]
