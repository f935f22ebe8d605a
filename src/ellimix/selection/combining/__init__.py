"""Components are not clusters: components of a mixture merged into clusters.

A cluster that is no Gaussian takes several Gaussians to fit. Rules say which of them belong
together; see `RULES`.
"""

from __future__ import annotations

from ellimix.selection.combining.merging import combine
from ellimix.selection.combining.rules import RULES
from ellimix.selection.combining.tree import ClusterTree

__all__ = ["RULES", "ClusterTree", "combine"]
