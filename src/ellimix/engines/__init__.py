"""Engines by name. A new engine is one file and one line here."""

from __future__ import annotations

from typing import Final

from ellimix.engines.base import Engine
from ellimix.engines.numpy_engine import NumpyEngine

__all__ = ["ENGINES", "Engine", "NumpyEngine"]

ENGINES: Final[dict[str, Engine]] = {"numpy": NumpyEngine()}
