"""Where a noise component is uniform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.records import Array


@final
@dataclass(frozen=True, eq=False)
class Box:
    """A box, perhaps turned: the points ``middle + axes @ u`` with |u_j| <= sides_j / 2.

    Parameters
    ----------
    middle : ndarray of shape (d,)
    axes : ndarray of shape (d, d)
        Orthonormal columns.
    sides : ndarray of shape (d,)
        Positive side lengths along them.
    """

    middle: Array
    axes: Array
    sides: Array

    @property
    def log_volume(self) -> float:
        """Logarithm of the volume."""
        return float(np.log(self.sides).sum())

    @property
    def log_sides(self) -> Array:
        """Logarithms of side lengths along the features, (d,), with the volume as their sum.

        Those of the box itself where it is not turned. A turned box has no constant density in
        fewer features; the lengths of the box around it, all shrunk alike to its volume, stand in.
        """
        around = np.log(np.abs(self.axes) @ self.sides)
        return np.asarray(around - (around.sum() - self.log_volume) / around.size)

    def covariance(self) -> Array:
        """Covariance of the uniform distribution in the box, (d, d)."""
        return np.asarray((self.axes * self.sides**2 / 12.0) @ self.axes.T)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Points of the uniform distribution in the box, (n, d)."""
        inside = (rng.random((n, self.sides.size)) - 0.5) * self.sides
        return np.asarray(self.middle + inside @ self.axes.T)
