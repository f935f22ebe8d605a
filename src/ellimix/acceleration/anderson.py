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
    is made - D_g c with c = argmin |f - D_f c|^2 + ridge |D_f|^2 |c|^2.

    Parameters
    ----------
    order : int
        Differences at most; so many, and one more, pairs are kept.
    ridge : float
    """

    order: int = 8
    ridge: float = 1e-12
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
        # by singular values: a Gram matrix would square the range of the rates
        left, size, right = np.linalg.svd(by_residual, full_matrices=False)
        moved = size[:, 0] > 0.0
        lift = np.where(moved, self.ridge * size[:, 0] ** 2, 1.0)[:, None]
        damped = size / (size**2 + lift)
        along = damped * (right @ residual[:, -1, :, None])[..., 0]
        coefficients = (left @ along[..., None])[..., 0]
        vector = made[:, -1] - (coefficients[:, None, :] @ by_made)[:, 0]
        return Proposal(vector, moved, np.zeros(moved.shape, dtype=bool))
