"""Fewer passes to the same maximum: accelerators of EM, by name.

``ACCELERATORS`` is the registry: a new one is a method with a rule, and one line here.

Examples
--------
>>> from ellimix.acceleration import ACCELERATORS
>>> ACCELERATORS["auto"].rule
Settled(share=0.01, largest=0.001, slowest=0.7)
"""

from __future__ import annotations

from typing import Final

from ellimix.acceleration.accelerator import Accelerator
from ellimix.acceleration.anderson import Anderson
from ellimix.acceleration.base import Advice, Memory
from ellimix.acceleration.points import SHAPES
from ellimix.acceleration.rules import Always, Settled
from ellimix.acceleration.squarem import Squarem

__all__ = ["ACCELERATORS", "SHAPES", "Accelerator", "Advice", "Memory"]

ACCELERATORS: Final = {
    "auto": Accelerator(Squarem(), Settled()),
    "squarem": Accelerator(Squarem(), Always()),
    "anderson": Accelerator(Anderson(), Always()),
}
