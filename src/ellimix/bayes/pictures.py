"""The way from a posterior to its picture, which is drawn further up."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def drawn(prior: Any, posterior: Any, data: Any, sample_weight: Any, axes: Any) -> tuple[Axes, ...]:
    """`ellimix.plots.posterior_plot`, looked up when it is wanted."""
    plots = import_module("ellimix.plots")
    out: tuple[Axes, ...] = plots.posterior_plot(
        prior, posterior, data, sample_weight=sample_weight, axes=axes
    )
    return out
