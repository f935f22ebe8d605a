"""Attempts by the compiled loop: a fit is one call, and fits share the threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ellimix.attempts.base import Attempts, Ended
from ellimix.attempts.compiler import End, e_step, whole_fits
from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Structure
from ellimix.covariance.kernels.compiler import m_step
from ellimix.engines.kernels import compiler as passes
from ellimix.engines.numba_engine import Layout, NumbaEngine
from ellimix.errors import Status
from ellimix.records import Array, Block
from ellimix.sources.memory import MemorySource
from ellimix.sources.threads import available_threads, pool

_CODES = {name: code for code, name in enumerate(FAMILIES)}
_STATUS = {
    End.CONVERGED: Status.CONVERGED,
    End.MAX_ITER: Status.MAX_ITER,
    End.COLLAPSED: Status.COLLAPSED,
    End.EMPTY: Status.EMPTY,
    End.OVERFLOW: Status.OVERFLOW,
    End.HOPELESS: Status.STOPPED,
}
_FAILED = (End.COLLAPSED, End.EMPTY, End.OVERFLOW)
MANY = 8  # groups a thread from which each is one piece of work
FEW = 2  # fits in a piece otherwise


@final
@dataclass(frozen=True)
class CompiledRunner:
    """Runs fits over rows that are laid out once.

    Parameters
    ----------
    layout : Layout
    d : int
        Number of features.
    reg_covar : float
        The variance floor.
    threads : int
    """

    layout: Layout
    d: int
    reg_covar: float
    threads: int

    @classmethod
    def of(cls, source: MemorySource, reg_covar: float) -> CompiledRunner:
        """A runner over all rows of a source."""
        rows = np.asarray(source.rows, dtype=np.float64)
        layout = NumbaEngine().place(Block(rows, source.weight))
        return cls(layout, source.n_features, reg_covar, source.threads or available_threads())

    def run(
        self,
        attempts: Sequence[Attempts],
        *,
        tolerance: float,
        max_iter: int,
        judged: int | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> list[Ended]:
        """Run all of them; see `Runner`."""
        limits = tolerance, max_iter, max_iter if judged is None else judged
        ended = [_prepared(group) for group in attempts]
        whole = len(attempts) >= MANY * self.threads
        pieces = [
            (group, state, part)
            for group, state in zip(attempts, ended, strict=True)
            for part in _parts(len(group.names), whole)
        ]
        # the long ones first, so that threads end together
        pieces.sort(key=lambda piece: -piece[0].n.shape[1] * (piece[2].stop - piece[2].start))
        waiting = deque(pieces)

        def work() -> None:
            while True:
                try:
                    piece = waiting.popleft()  # two threads never get the same
                except IndexError:
                    return
                if stop is not None and stop():
                    return
                self._run(*piece, *limits)

        others = min(self.threads, len(pieces)) - 1
        futures = [pool(others).submit(work) for _ in range(others)]
        try:
            work()
        finally:
            waiting.clear()
            wait(futures)
        for future in futures:
            future.result()
        return [self._ended(g, state) for g, state in zip(attempts, ended, strict=True)]

    def _run(
        self,
        group: Attempts,
        state: _State,
        part: slice,
        tolerance: float,
        max_iter: int,
        judged: int,
    ) -> None:
        diagonal = _diagonal(group)
        width = self.layout.x.shape[1]
        size, where = passes.places(width, "diagonal" if diagonal else "full", 64)
        places = np.diag(where) if diagonal else np.ascontiguousarray(where)
        full_size, full_places = passes.places(width, "full", 64)
        whole_fits(diagonal)(
            e_step(diagonal, width),
            e_step(False, width),
            m_step(),
            self.layout.x,
            self.layout.weight,
            self.layout.rows,
            places,
            size,
            full_places,
            full_size,
            _CODES[group.family.name],
            self.reg_covar,
            tolerance,
            max_iter,
            judged,
            group.target,
            *(array[part] for array in state.arrays),
        )

    def _ended(self, group: Attempts, state: _State) -> Ended:
        ends = [End(code) for code in state.outcome[:, 0].tolist()]
        log_likelihood, entropy = state.totals[:, 0].copy(), state.totals[:, 1]
        failed = [end in _FAILED for end in ends]
        log_likelihood[failed] = -np.inf
        return Ended(
            group.family,
            state.n,
            state.means,
            state.scatter,
            state.shares,
            state.center,
            state.factor,
            state.log_det,
            log_likelihood,
            entropy,
            state.outcome[:, 1],
            tuple(_STATUS[end] for end in ends),
            np.array([end is End.HOPELESS for end in ends], dtype=np.bool_),
            group.names,
            state.outcome[:, 2],
        )


@final
@dataclass(frozen=True, eq=False)
class _State:
    """The arrays that the compiled loop reads and writes."""

    n: Array
    means: Array
    scatter: Array
    shares: Array
    center: Array
    factor: Array
    log_det: Array
    totals: Array
    outcome: Any

    @property
    def arrays(self) -> tuple[Any, ...]:
        return (
            *(self.n, self.means, self.scatter, self.shares, self.center),
            *(self.factor, self.log_det, self.totals, self.outcome),
        )


def _prepared(group: Attempts) -> _State:
    m, k, d = group.means.shape
    return _State(
        np.array(group.n, dtype=np.float64, order="C"),
        np.array(group.means, dtype=np.float64, order="C"),
        np.array(group.scatter, dtype=np.float64, order="C"),
        np.zeros((m, k)),
        np.zeros((m, k, d)),
        np.zeros((m, k, d, d)),
        np.zeros((m, k)),
        np.full((m, 2), -np.inf),
        np.full((m, 3), [End.HOPELESS, 0, -1], dtype=np.int64),  # not begun
    )


def _parts(m: int, whole: bool) -> Iterator[slice]:
    size = m if whole else FEW
    return (slice(first, min(first + size, m)) for first in range(0, m, size))


def _diagonal(group: Attempts) -> bool:
    return group.family.structure in (Structure.SPHERICAL, Structure.DIAGONAL)
