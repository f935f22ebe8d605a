"""Workers that take turns, and the time of an iteration.

An iteration's time is (T(high) - T(low)) / (high - low), so that set-up, compilation and the
closing E-step cancel. `high` is each tool's own, found by a trial, so that the difference is long
enough to time. A worker whose turn it is not is stopped (SIGSTOP): threads that wait in a spin take
no core.
"""

from __future__ import annotations

import json
import os
import select
import signal
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, final

import numpy as np

from side_by_side.agreement import Parameters
from side_by_side.environment import last_line
from side_by_side.shapes import Shape
from side_by_side.tools import Tool

LOW: Final = 2
MOST: Final = 5_000


class ToolFailed(Exception):
    """A worker that ended, or did not answer in time; the message is the reason."""


@final
class Worker:
    """One process of a tool on one problem, stopped between requests."""

    def __init__(self, tool: Tool, command: list[str], folder: Path, shape: Shape, limit: float):
        self._shape, self._limit, self._folder = shape, limit, folder
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed in __exit__)
        self._process = subprocess.Popen(
            [*command, str(folder), tool.dtype(shape), *tool.launcher.arguments(shape)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self.high = LOW
        self.versions: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._errors.close()

    def run(self, iterations: int) -> tuple[float, int]:
        """Seconds of a fit, and the iterations it did: a few tools stop at a fixed point."""
        answer = self._ask(f"run {iterations}")
        return answer["seconds"], answer["iterations"]

    def parameters(self) -> Parameters:
        """The last fit's parameters."""
        path = self._folder / "parameters.f64"
        self._ask(f"save {path}")
        k, d = self._shape.k, self._shape.d
        weights, means, covariances = np.split(np.fromfile(path), [k, k + k * d])
        shape = self._shape.covariance_shape()
        return Parameters(weights, means.reshape(k, d), covariances.reshape(shape))

    def warm_up(self, target: float) -> None:
        """Wait for the worker, and find the `high` that takes `target` seconds more than `LOW`."""
        low, _ = self.run(LOW)
        low = min(low, self.run(LOW)[0])
        count, took = 2, 0.0
        while count < MOST:
            seconds, done = self.run(LOW + count)
            took = seconds - low
            if took > target / 4 or done < LOW + count:
                break
            count *= 4
        per_iteration = max(took, 1e-9) / count
        self.high = LOW + int(np.clip(target / per_iteration, 2, MOST))
        self.run(self.high)  # tools that compile for each number of iterations

    def iteration(self) -> float:
        """Seconds of one iteration."""
        low, fewer = self.run(LOW)
        high, more = self.run(self.high)
        if more <= fewer:
            raise ToolFailed(f"stopped after {more} of {self.high} iterations")
        return (high - low) / (more - fewer)

    def start(self) -> None:
        """Wait until imports and data are there."""
        self.versions = self._answer()["ready"]

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        os.kill(self._process.pid, signal.SIGCONT)
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ToolFailed(self._last_words()) from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line, until = b"", time.monotonic() + self._limit
        while not line.endswith(b"\n"):
            left = max(until - time.monotonic(), 0.0)
            if not select.select([self._process.stdout], [], [], left)[0]:
                raise ToolFailed(f"over {self._limit:g} s")
            part = os.read(self._process.stdout.fileno(), 1 << 16)
            if not part:
                raise ToolFailed(self._last_words())
            line += part
        os.kill(self._process.pid, signal.SIGSTOP)
        return dict(json.loads(line))

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        return last_line(self._errors.read())


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
    return Pairs(tuple(a for a, _ in times), tuple(b for _, b in times))
