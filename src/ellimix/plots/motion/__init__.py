"""EM in motion: what a fit did, iteration by iteration, as a film."""

from __future__ import annotations

from ellimix.plots.motion.animation import animate

__all__ = ["animate"]
