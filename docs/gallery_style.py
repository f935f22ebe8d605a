"""How the gallery's pictures look: the package's colours, on paper and on screens."""

from __future__ import annotations

from typing import Any

from cycler import cycler

from ellimix.plots.canvas import PALETTE


def reset(gallery_conf: dict[str, Any], file_name: str) -> None:  # noqa: ARG001
    """Set matplotlib's defaults before an example runs; sphinx-gallery calls it."""
    from matplotlib import pyplot

    pyplot.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.titlesize": 11,
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "figure.constrained_layout.h_pad": 0.08,
            "savefig.dpi": 100,
        }
    )
