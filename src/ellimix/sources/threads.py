"""How many threads a pass may use, and the BLAS threads that it holds meanwhile.

Ours run over tiles; BLAS runs inside a tile with one thread. Two levels would oversubscribe the
machine, and BLAS's own split would change the last bits of sums with the number of cores.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController

__all__ = ["available_threads", "one_blas_thread", "one_thread", "pool"]


def available_threads() -> int:
    """Cores that this process may use, or fewer where a limit says so.

    Limits are ``OMP_NUM_THREADS`` and those that threadpoolctl set on BLAS or OpenMP: joblib's
    workers have one or the other, so that fits run in parallel do not crowd the machine.
    """
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


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # a forked child has none of the threads


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


def one_thread() -> AbstractContextManager[object]:
    """Context in which BLAS and OpenMP use one thread each: for work too small to share.

    Two threads on tiny inputs wait for each other, many times longer on a busy machine.
    """
    context: AbstractContextManager[object] = _late_controller().limit(limits=1)
    return context
