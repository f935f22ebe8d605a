"""Anderson acceleration: the combination of the last steps whose residual is smallest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.acceleration.base import Proposal
from ellimix.records import Array


@final
@dataclass(frozen=True)
class Anderson:
    """Anderson (1965), with regularised least squares and restarts (Henderson & Varadhan 2019).

    With f = made - given, D_f and D_g the differences of f and of made over the pairs, the trial
    is made - D_g c with c = argmin |f - D_f c|^2 + ridge tr(D_f^T D_f) |c|^2.

    Parameters
    ----------
    order : int
        Differences at most; so many, and one more, pairs are kept.
    ridge : float
    """

    order: int = 8
    ridge: float = 1e-10
    needed: int = 2
    chains: bool = True
    first_cap: float = np.inf
    last_cap: float = np.inf

    @property
    def window(self) -> int:
        """Pairs for so many differences."""
        return self.order + 1

    def propose(self, given: Array, made: Array, depth: NDArray[np.int64], cap: Array) -> Proposal:
        """Trials from the last `depth` pairs of each fit."""
        residual = made - given
        # differences that are too old count 0: their coefficients become 0, too
        old = np.arange(self.order)[None, :] < self.order + 1 - depth[:, None]
        by_residual = np.where(old[:, :, None], 0.0, np.diff(residual, axis=1))
        by_made = np.where(old[:, :, None], 0.0, np.diff(made, axis=1))
        gram = by_residual @ np.swapaxes(by_residual, 1, 2)
        size = np.trace(gram, axis1=1, axis2=2)
        moved = size > 0.0
        lift = np.where(moved, self.ridge * size, 1.0)[:, None, None] * np.eye(self.order)
        right = by_residual @ residual[:, -1, :, None]
        coefficients = np.linalg.solve(gram + lift, right)[..., 0]
        vector = made[:, -1] - (coefficients[:, None, :] @ by_made)[:, 0]
        return Proposal(vector, moved, np.zeros(moved.shape, dtype=bool))
