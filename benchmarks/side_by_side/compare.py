"""One shape: ours and each peer in turn, their agreement, and the machine's matrix product."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

from side_by_side.agreement import Parameters, distance, mean_log_likelihood
from side_by_side.environment import Environments, Unavailable
from side_by_side.processes import Process, ToolFailed
from side_by_side.shapes import Shape
from side_by_side.tools import Tool
from side_by_side.turns import Pairs, Worker, in_turn

AGREE_AFTER: Final = 5
"""Iterations after which parameters and log-likelihoods are compared."""

PRODUCT: Final = 2.0 * 1500**3
"""Floating-point operations of an iteration of workers/dgemm.py."""


@dataclass(frozen=True)
class Agreement:
    """Of a tool with ours in float64, from the same start after the same number of iterations."""

    parameters: float
    log_likelihood: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether both are within the tool's tolerance (not so for NaN)."""
        return max(self.parameters, self.log_likelihood) <= self.tolerance


@dataclass(frozen=True)
class Outcome:
    """A peer on a shape: its times beside ours, or the reason why there are none."""

    shape: Shape
    tool: str
    dtype: str
    pairs: Pairs | None = None
    agreement: Agreement | None = None
    reason: str | None = None


@dataclass(frozen=True)
class ShapeResult:
    """All of a shape: ours, the peers, and floating-point operations a second."""

    shape: Shape
    outcomes: tuple[Outcome, ...]
    alone: tuple[float, ...]
    ours_agreement: Agreement | None = None
    product_rate: float | None = None

    @property
    def seconds(self) -> float:
        """Of an iteration of ours: the median over all turns, with each peer and alone."""
        beside = [t for outcome in self.outcomes if outcome.pairs for t in outcome.pairs.ours]
        return statistics.median([*self.alone, *beside])

    @property
    def share(self) -> float | None:
        """Nominal operations a second of ours, as a share of the matrix product's."""
        flops = self.shape.nominal_flops
        if flops is None or self.product_rate is None:
            return None
        return flops / self.seconds / self.product_rate


@final
class Bench:
    """Tools got ready once; then shape after shape."""

    def __init__(
        self,
        environments: Environments,
        ours: Tool,
        peers: Sequence[Tool],
        product: Tool,
        *,
        pairs: int,
        target: float,
        limit: float,
    ) -> None:
        self._ours, self._peers, self._product = ours, peers, product
        self._pairs, self._target, self._limit = pairs, target, limit
        self.versions: dict[str, dict[str, str]] = {}
        self.missing: dict[str, str] = {}
        self._commands: dict[str, list[str]] = {}
        for tool in (ours, product, *peers):
            try:
                self._commands[tool.name] = tool.launcher.prepare(environments)
            except Unavailable as error:
                self.missing[tool.name] = str(error)
        for tool in (ours, product):
            if tool.name in self.missing:
                raise SystemExit(f"{tool.name}: {self.missing[tool.name]}")

    def compare(self, shape: Shape) -> ShapeResult:
        """Time a shape."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shape.write(folder)
            expected = self._expected(folder, shape)
            with self._worker(self._ours, folder, shape) as ours:
                agreement = self._agreement(self._ours, ours, folder, shape, expected)
                ours.warm_up(self._target)
                alone = tuple(ours.iteration() for _ in range(self._pairs))
                before = self._rate(folder, shape)
                outcomes = tuple(
                    self._outcome(peer, ours, folder, shape, expected) for peer in self._peers
                )
                rate = statistics.mean([before, self._rate(folder, shape)])
        return ShapeResult(shape, outcomes, alone, agreement, rate)

    def _outcome(
        self, peer: Tool, ours: Worker, folder: Path, shape: Shape, expected: Parameters
    ) -> Outcome:
        empty = Outcome(shape, peer.name, peer.dtype(shape))
        reason = self.missing.get(peer.name) or peer.refusal(shape)
        if reason is not None:
            return replace(empty, reason=reason)
        try:
            with self._worker(peer, folder, shape) as theirs:
                agreement = self._agreement(peer, theirs, folder, shape, expected)
                theirs.warm_up(self._target)
                pairs = in_turn(ours, theirs, self._pairs)
        except ToolFailed as error:
            return replace(empty, reason=str(error))
        return replace(empty, pairs=pairs, agreement=agreement)

    @contextmanager
    def _worker(self, tool: Tool, folder: Path, shape: Shape) -> Iterator[Worker]:
        command = [*self._commands[tool.name], str(folder), tool.dtype(shape)]
        with Process([*command, *tool.launcher.arguments(shape)], self._limit) as process:
            self.versions[tool.name] = process.ready()
            yield Worker(tool, process, folder, shape)

    def _expected(self, folder: Path, shape: Shape) -> Parameters:
        """Ours in float64."""
        with self._worker(self._ours, folder, replace(shape, dtype="float64")) as worker:
            worker.run(AGREE_AFTER)
            return worker.parameters()

    def _agreement(
        self, tool: Tool, worker: Worker, folder: Path, shape: Shape, expected: Parameters
    ) -> Agreement | None:
        if not tool.given_start or (shape.missing and tool.own_steps):
            return None
        worker.run(AGREE_AFTER)
        found = worker.parameters()
        score, wanted = (mean_log_likelihood(folder, p, shape.kind) for p in (found, expected))
        return Agreement(
            distance(found, expected, shape.kind),
            abs(score - wanted) / abs(wanted),
            tool.tolerance[tool.dtype(shape)],
        )

    def _rate(self, folder: Path, shape: Shape) -> float:
        """Operations a second of the matrix product."""
        with self._worker(self._product, folder, shape) as worker:
            worker.warm_up(self._target)
            return PRODUCT / min(worker.iteration() for _ in range(3))


def run(
    bench: Bench, shapes: Sequence[Shape], finished: Callable[[ShapeResult], None]
) -> Iterator[ShapeResult]:
    """Each shape in turn; `finished` is told as they come."""
    for shape in shapes:
        result = bench.compare(shape)
        finished(result)
        yield result
