"""How many threads a pass may use, and the BLAS threads that it holds meanwhile.

Ours run over tiles; BLAS runs inside a tile with one thread. Two levels would oversubscribe the
machine, and BLAS's own split would change the last bits of sums with the number of cores.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import cache
from threading import Lock
from typing import final

from threadpoolctl import ThreadpoolController

__all__ = ["available_threads", "one_blas_thread", "one_core", "one_thread", "pool"]

_alone: ContextVar[bool] = ContextVar("ellimix_one_core", default=False)


def available_threads() -> int:
    """Cores that this process may use, or fewer where a limit says so.

    Limits are ``OMP_NUM_THREADS`` and those that threadpoolctl set on BLAS or OpenMP: joblib's
    workers have one or the other, so that fits run in parallel do not crowd the machine. Inside
    `one_core` it is 1.
    """
    if _alone.get():
        return 1
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if asked.isdigit() and int(asked) > 0:
        cores = min(cores, int(asked))
    limits: list[int | None] = [library.num_threads for library in _controller().lib_controllers]
    return min([cores, *(limit for limit in limits if limit)])


_pools: dict[int, ThreadPoolExecutor] = {}


def pool(threads: int) -> ThreadPoolExecutor:
    """Threads that stay: starting some for every pass costs more than a small pass."""
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads, thread_name_prefix="ellimix")
    return _pools[threads]


@final
class _Held:
    """BLAS at one thread for as long as some thread of this process wants it.

    The limit is the process's: of threads that overlap the first one sets it and the last one lifts
    it. Were each to restore what it found, the limit of one would outlast the other. A thread kept
    for it does both: threadpoolctl lets only that thread lift a limit which set it.
    """

    def __init__(self) -> None:
        self._lock, self._holders = Lock(), 0
        self._keeper: ThreadPoolExecutor | None = None
        self._limit: AbstractContextManager[object] | None = None

    def take(self) -> None:
        with self._lock:
            if self._keeper is None:
                self._keeper = ThreadPoolExecutor(1, thread_name_prefix="ellimix-blas")
            if self._holders == 0:
                self._limit = self._keeper.submit(one_blas_thread).result()
            self._holders += 1

    def give(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0 and self._limit is not None and self._keeper is not None:
                self._keeper.submit(self._limit.__exit__, None, None, None).result()
                self._limit = None


_blas = _Held()


def _forked() -> None:
    """A forked child has none of the threads, nor what they held."""
    global _blas  # noqa: PLW0603
    _pools.clear()
    _blas = _Held()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # scans the loaded libraries: once is enough


@cache
def _late_controller() -> ThreadpoolController:
    # OpenMP comes with scikit-learn's clustering, which is loaded late, and after it nothing more
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[object]:
    """Context in which BLAS uses one thread."""
    context: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return context


@contextmanager
def one_core() -> Iterator[None]:
    """Context in which this thread uses no others: for a task among many that run at once."""
    token, held = _alone.set(True), _blas
    held.take()
    try:
        yield
    finally:
        held.give()
        _alone.reset(token)


def one_thread() -> AbstractContextManager[object]:
    """Context in which BLAS and OpenMP use one thread each: for work too small to share.

    Two threads on tiny inputs wait for each other, many times longer on a busy machine.
    """
    context: AbstractContextManager[object] = _late_controller().limit(limits=1)
    return context
