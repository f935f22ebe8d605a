"""When to accelerate: always, or once the fit has settled on its way to one maximum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.acceleration.base import Memory
from ellimix.covariance.triangular import NDArrayBool
from ellimix.records import Array


@final
@dataclass(frozen=True)
class Always:
    """From the first step on. The path may lead to another local maximum than EM's own."""

    @property
    def from_gain(self) -> float:
        """Any."""
        return np.inf

    def ready(self, memory: Memory, gain: Array) -> tuple[NDArrayBool, NDArrayBool]:
        """Every fit."""
        return np.ones(gain.shape, dtype=bool), memory.settled


@final
@dataclass(frozen=True)
class Settled:
    """Once EM's own convergence is linear, and little is left to gain.

    Two successive gains g1, g2 of EM steps with ratio q = g2 / g1 < 1 tell what is left, if the
    convergence is linear: g2 q / (1 - q). A fit is settled when this is a small share of what it
    has gained since its first iteration, the gain is small in itself, and q is not so small that
    EM is quick without help. Gains that grow again end it: the fit was on a plateau, from which
    EM shall find its own way.

    The numbers were chosen so that fits end at EM's own maximum: in 800 random problems none ended
    lower (`benchmarks/acceleration.py`, four seeds). With `slowest` 0.5 one did, with `share` 0.1
    one in a hundred.

    Parameters
    ----------
    share : float
        Of the rise since the first iteration that may be left.
    largest : float
        Gain, in nats per unit weight, above which nothing is tried.
    slowest : float
        Ratio q from which it is worthwhile to begin.
    """

    share: float = 0.01
    largest: float = 1e-3
    slowest: float = 0.7

    @property
    def from_gain(self) -> float:
        """The largest gain at which something is tried."""
        return self.largest

    def ready(self, memory: Memory, gain: Array) -> tuple[NDArrayBool, NDArrayBool]:
        """Fits with two gains that say so, and after a trial those that were settled before."""
        known = (memory.gain > 0.0) & (gain > 0.0) & np.isfinite(memory.gain)
        ratio = np.divide(gain, memory.gain, out=np.ones_like(gain), where=known)
        falling = known & (ratio < 1.0) & (gain <= self.largest)
        settled = memory.settled & ~(known & ~falling)
        rise = np.where(known, memory.objective - memory.first, 0.0)
        near = falling & (gain * ratio <= self.share * rise * (1.0 - ratio))
        begins = near & (settled | (ratio >= self.slowest))
        unknown = np.isnan(gain) | np.isnan(memory.gain)
        return begins | (settled & unknown), settled | begins
