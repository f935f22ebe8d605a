"""Engines by name, and the rule that chooses one. A new engine is one file and one line here."""

from __future__ import annotations

from ellimix.engines.base import Engine, Posterior
from ellimix.engines.choice import ENGINES, NAMES, choose
from ellimix.engines.numpy_engine import NumpyEngine

__all__ = ["ENGINES", "NAMES", "Engine", "NumpyEngine", "Posterior", "choose"]
