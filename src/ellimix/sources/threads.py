"""How many threads a pass may use, and the BLAS threads that it holds meanwhile.

Ours run over tiles; BLAS runs inside a tile with one thread. Two levels would oversubscribe the
machine, and BLAS's own split would change the last bits of sums with the number of cores.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController

__all__ = ["available_threads", "one_blas_thread", "one_thread"]


def available_threads() -> int:
    """Cores that this process may use, or fewer where ``OMP_NUM_THREADS`` says so."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(cores, int(asked)) if asked.isdigit() and int(asked) > 0 else cores


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # scans the loaded libraries: once is enough


def one_blas_thread() -> AbstractContextManager[object]:
    """Context in which BLAS uses one thread."""
    context: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return context


def one_thread() -> AbstractContextManager[object]:
    """Context in which BLAS and OpenMP use one thread each: for work too small to share.

    Two threads on tiny inputs wait for each other, many times longer on a busy machine.
    """
    # OpenMP libraries are loaded late: scan anew
    context: AbstractContextManager[object] = ThreadpoolController().limit(limits=1)
    return context
