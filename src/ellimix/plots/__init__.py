"""Pictures of mixtures, by matplotlib (``pip install 'ellimix[plots]'``)."""

from __future__ import annotations

from ellimix.plots.clusters import clusters

__all__ = ["clusters"]
