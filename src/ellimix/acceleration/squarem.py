"""SQUAREM: squared extrapolation from two EM steps (Varadhan & Roland 2008)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.acceleration.base import Proposal
from ellimix.records import Array

SHORT = 1.01  # a step of length 1 is two EM steps


@final
@dataclass(frozen=True)
class Squarem:
    """Scheme S3: s' = s0 - 2 a r + a^2 v with r = s1 - s0, v = s2 - 2 s1 + s0, a = -|r| / |v|.

    Along a direction in which EM shrinks the error by the factor c a step, s' has
    (1 + |a| (c - 1))^2 of it: never less than nothing, so that no direction changes its sign.
    The cap grows and shrinks by the factor 4, as in their section 6, but not beyond 8: on random
    problems that leaves 1 trial in 300 to be rejected, without a limit it is 1 in 6, and takes
    fewer passes (with more at tolerances near 1e-10 of very slow fits, where steps are longest).
    """

    window: int = 2
    needed: int = 2
    chains: bool = False
    first_cap: float = 4.0
    last_cap: float = 8.0

    def propose(self, given: Array, made: Array, depth: NDArray[np.int64], cap: Array) -> Proposal:
        """Trials from the last two pairs, (s0, s1) and (s1, s2)."""
        r = made[:, -2] - given[:, -2]
        v = made[:, -1] - given[:, -1] - r
        length, bend = np.linalg.norm(r, axis=1), np.linalg.norm(v, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):  # a straight path: as far as allowed
            free = np.where(length > 0.0, length / bend, 0.0)
        capped = free > cap
        step = np.maximum(np.where(capped, cap, free), 1.0)
        start = given[:, -2]
        vector = start + 2.0 * step[:, None] * r + step[:, None] ** 2 * v
        return Proposal(vector, step > SHORT, capped)
