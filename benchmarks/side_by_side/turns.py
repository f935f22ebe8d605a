"""The time of an iteration, of two tools that take turns.

An iteration's time is (T(high) - T(low)) / (high - low), so that set-up, compilation and the
closing E-step cancel. `high` is each tool's own, found by a trial, so that the difference is long
enough to time.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np

from side_by_side.agreement import Parameters
from side_by_side.processes import Process, ToolFailed
from side_by_side.shapes import Shape
from side_by_side.tools import Tool

LOW: Final = 2


@final
class Worker:
    """A tool on a problem: a process, and how many iterations of it are timed."""

    def __init__(self, tool: Tool, process: Process, folder: Path, shape: Shape) -> None:
        self._process, self._folder, self._shape = process, folder, shape
        self._most, self._recompiles = tool.most, tool.recompiles
        self.high = LOW

    def run(self, iterations: int) -> tuple[float, int]:
        """Seconds of a fit, and the iterations it did: a few tools stop at a fixed point."""
        answer = self._process.ask(f"run {iterations}")
        return answer["seconds"], answer["iterations"]

    def parameters(self) -> Parameters:
        """The last fit's parameters."""
        path = self._folder / "parameters.f64"
        self._process.ask(f"save {path}")
        k, d = self._shape.k, self._shape.d
        weights, means, covariances = np.split(np.fromfile(path), [k, k + k * d])
        shape = self._shape.covariance_shape()
        return Parameters(weights, means.reshape(k, d), covariances.reshape(shape))

    def warm_up(self, target: float) -> None:
        """Wait for the worker, and find the `high` that takes `target` seconds more than `LOW`."""
        self.run(LOW)
        low, _ = self._quickest(LOW, target)
        count, per_iteration = 2, 0.0
        while LOW + count <= self._most:
            seconds, done = self._quickest(LOW + count, target)
            per_iteration = max(seconds - low, 1e-9) / max(done - LOW, 1)
            if seconds - low > target / 4 or done < LOW + count:
                break
            count *= 4
        self.high = LOW + int(np.clip(target / per_iteration, 2, self._most - LOW))
        if self._recompiles:
            self.run(self.high)

    def _quickest(self, iterations: int, target: float) -> tuple[float, int]:
        """Of two runs; a long one, unless it may have compiled, is taken as it is."""
        first = self.run(iterations)
        if first[0] > target and not self._recompiles:
            return first
        return min(first, self.run(iterations))

    def iteration(self) -> float:
        """Seconds of one iteration."""
        low, fewer = self.run(LOW)
        high, more = self.run(self.high)
        if more <= fewer:
            raise ToolFailed(f"stopped after {more} of {self.high} iterations")
        return (high - low) / (more - fewer)


@dataclass(frozen=True)
class Pairs:
    """Seconds of an iteration of ours and of a peer, taken in turn."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """Theirs by ours, pair by pair."""
        return sorted(b / a for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def ratio(self) -> float:
        """Their median."""
        return statistics.median(self.ratios)


def in_turn(ours: Worker, theirs: Worker, pairs: int) -> Pairs:
    """Ours, theirs, ours, theirs ..."""
    times = [(ours.iteration(), theirs.iteration()) for _ in range(pairs)]
    taken = Pairs(tuple(a for a, _ in times), tuple(b for _, b in times))
    if min(statistics.median(taken.ours), statistics.median(taken.theirs), taken.ratio) <= 0.0:
        raise ToolFailed("times vary by more than the iterations take")
    return taken
