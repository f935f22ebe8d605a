"""Starts by name. A new start is one file and one line here."""

from __future__ import annotations

from typing import Final

from ellimix.starts.base import Beginning, Start
from ellimix.starts.dendrogram import Tree
from ellimix.starts.hierarchical import Hierarchical, SourceTree, tree
from ellimix.starts.kmeans import KMeans, KMeansPlusPlus
from ellimix.starts.labels import Given
from ellimix.starts.random import RandomResponsibilities, RandomRows

__all__ = ["STARTS", "Beginning", "Given", "SourceTree", "Start", "Tree", "tree"]

STARTS: Final[dict[str, Start]] = {
    start.name: start
    for start in (
        KMeans(),
        KMeansPlusPlus(),
        RandomRows(),
        RandomResponsibilities(),
        Hierarchical(),
    )
}
