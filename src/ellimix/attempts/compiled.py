"""Attempts by the compiled loop: a step of a search is one call a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.attempts.base import Attempts, Ended
from ellimix.attempts.compiler import End, e_step, run_fits
from ellimix.covariance.kernels.compiler import CODES, m_step
from ellimix.engines.kernels import compiler as passes
from ellimix.engines.numba_engine import Layout, NumbaEngine
from ellimix.errors import Status
from ellimix.records import Array, Block
from ellimix.sources.memory import MemorySource
from ellimix.sources.threads import available_threads, pool

_STATUS = (  # by the number of the end
    *(Status.CONVERGED, Status.MAX_ITER, Status.COLLAPSED, Status.EMPTY, Status.OVERFLOW),
    *(Status.STOPPED, Status.STOPPED),
)
_FAILED = (End.COLLAPSED, End.EMPTY, End.OVERFLOW, End.UNTRIED)
# rows times components of all fits under which a second thread costs more than it saves
SMALL = 30_000
FROM_PASS, NEVER = 5, 1 << 62  # passes before the first trial of SQUAREM
PATIENCE = 0.02  # seconds after which the clock is asked again


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
    compiled: bool = True

    @classmethod
    def of(cls, source: MemorySource, reg_covar: float) -> CompiledRunner:
        """A runner over all rows of a source."""
        rows = np.asarray(source.rows, dtype=np.float64)
        layout = NumbaEngine().place(Block(rows, source.weight))
        width = layout.x.shape[1]
        for diagonal in (True, False):  # made now, so that no fit waits for them
            e_step(diagonal, width)
        run_fits()
        return cls(layout, source.n_features, reg_covar, source.threads or available_threads())

    def run(
        self,
        attempts: Sequence[Attempts],
        *,
        tolerance: float,
        max_iter: int,
        judged: int | None = None,
        careful: bool = True,
        accelerated: bool = False,
        stop: Callable[[], bool] | None = None,
    ) -> list[Ended]:
        """Run all of them; see `Runner`. A fit is one thread's: threads change no bit."""
        flat = _Flat.of(attempts, self.d)
        stopped = np.zeros(1, dtype=np.int64)
        limits = (
            self.reg_covar,
            tolerance,
            max_iter,
            max_iter if judged is None else judged,
            1 if careful else 2,
            FROM_PASS if accelerated else NEVER,
            stopped,
        )
        order = np.argsort(-flat.sizes, kind="stable")  # the long ones first
        work = int(flat.sizes.sum()) * self.layout.rows
        if work < SMALL:
            self._run(flat, order, *limits)
            return flat.ended(attempts)
        threads = min(self.threads, order.size)
        shares = [np.ascontiguousarray(order[number::threads]) for number in range(threads)]
        futures = {pool(threads).submit(self._run, flat, share, *limits) for share in shares}
        running = set(futures)
        try:
            while running:
                running = wait(running, timeout=None if stop is None else PATIENCE).not_done
                if stop is not None and stop():
                    stopped[0] = 1
        finally:
            stopped[0] = 1  # where this was interrupted: the threads end soon
            wait(running)
        for future in futures:
            future.result()
        return flat.ended(attempts)

    def _run(self, flat: _Flat, todo: NDArray[np.int64], *limits: Any) -> None:
        width = self.layout.x.shape[1]
        size, where = passes.places(width, "diagonal", 64)
        full_size, full_where = passes.places(width, "full", 64)
        run_fits()(
            e_step(True, width),
            e_step(False, width),
            m_step(),
            self.layout.x,
            self.layout.weight,
            self.layout.rows,
            np.diag(where),
            size,
            np.ascontiguousarray(full_where),
            full_size,
            *limits,
            todo,
            *flat.arrays,
        )


@final
@dataclass(frozen=True, eq=False)
class _Flat:
    """All fits of a call, one component after the other; what the compiled loop reads and writes.

    Fit f has components first[f] to first[f] + sizes[f] of the arrays.
    """

    codes: NDArray[np.int64]
    sizes: NDArray[np.int64]
    first: NDArray[np.int64]
    targets: Array
    n: Array
    means: Array
    scatter: Array
    shares: Array
    center: Array
    factor: Array
    log_det: Array
    totals: Array
    outcome: NDArray[np.int64]

    @classmethod
    def of(cls, attempts: Sequence[Attempts], d: int) -> _Flat:
        """The fits' starts."""
        counts = [len(group.names) for group in attempts]
        codes = np.repeat([CODES[group.family.name] for group in attempts], counts)
        sizes = np.repeat([group.n.shape[1] for group in attempts], counts)
        targets = np.repeat([group.target for group in attempts], counts)
        c, m = int(sizes.sum()), int(sizes.size)
        return cls(
            codes.astype(np.int64),
            sizes.astype(np.int64),
            (np.cumsum(sizes) - sizes).astype(np.int64),
            targets.astype(np.float64),
            np.concatenate([group.n.reshape(-1) for group in attempts]),
            np.concatenate([group.means.reshape(-1, d) for group in attempts]),
            np.concatenate([group.scatter.reshape(-1, d, d) for group in attempts]),
            np.zeros(c),
            np.zeros((c, d)),
            np.zeros((c, d, d)),
            np.zeros(c),
            np.full((m, 2), -np.inf),
            np.full((m, 3), [End.UNTRIED, 0, -1], dtype=np.int64),
        )

    @property
    def arrays(self) -> tuple[Any, ...]:
        """In the order of the compiled loop's arguments."""
        return (
            *(self.codes, self.sizes, self.first, self.targets, self.n, self.means, self.scatter),
            *(self.shares, self.center, self.factor, self.log_det, self.totals, self.outcome),
        )

    def ended(self, attempts: Sequence[Attempts]) -> list[Ended]:
        """The fits, in their groups."""
        codes = self.outcome[:, 0]
        status = [_STATUS[code] for code in codes.tolist()]
        log_likelihood = np.where(np.isin(codes, _FAILED), -np.inf, self.totals[:, 0])
        given_up = codes == End.HOPELESS
        out, fit, at = [], 0, 0
        for group in attempts:
            m, k, d = group.means.shape
            fits, parts = slice(fit, fit + m), slice(at, at + m * k)
            fit, at = fit + m, at + m * k
            out.append(
                Ended(
                    group.family,
                    self.n[parts].reshape(m, k),
                    self.means[parts].reshape(m, k, d),
                    self.scatter[parts].reshape(m, k, d, d),
                    self.shares[parts].reshape(m, k),
                    self.center[parts].reshape(m, k, d),
                    self.factor[parts].reshape(m, k, d, d),
                    self.log_det[parts].reshape(m, k),
                    log_likelihood[fits],
                    self.totals[fits, 1],
                    self.outcome[fits, 1],
                    tuple(status[fits]),
                    given_up[fits],
                    group.names,
                    self.outcome[fits, 2],
                )
            )
        return out
