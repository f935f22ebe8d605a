"""Rows with errors, projections or intervals (placeholder while it is being written)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ellimix.records import Block


def uncertain_of(block: Block, index: NDArray[np.intp]) -> list[Any]:
    """Parts of a block."""
    raise NotImplementedError
