"""How a pass runs over blocks on one machine: threads, and sums in order of the blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from functools import reduce as fold
from typing import TypeVar

from ellimix.records import Block, SufficientStatistics
from ellimix.sources.threads import pool

T = TypeVar("T")

AHEAD = 4  # blocks in work or waiting for a thread, for each thread


def in_turn(blocks: Iterable[Block], step: Callable[[Block], T], threads: int) -> Iterator[T]:
    """``step`` of every block, in order; a few blocks ahead of the reader at most.

    Blocks are taken from the iterable by the caller's thread, while others compute: so the next
    ones of a file are read and decoded meanwhile.
    """
    if threads <= 1:
        yield from map(step, blocks)
        return
    waiting: deque[Future[T]] = deque()
    workers = pool(threads)
    try:
        for block in blocks:
            waiting.append(workers.submit(step, block))
            while waiting and waiting[0].done():
                yield waiting.popleft().result()
            if len(waiting) >= AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        wait(waiting)


def added(parts: Iterable[Iterable[SufficientStatistics]]) -> tuple[SufficientStatistics, ...]:
    """The sums of several groups of statistics, added in order."""
    return fold(_add, (tuple(sums) for sums in parts))


def _add(
    left: tuple[SufficientStatistics, ...], right: tuple[SufficientStatistics, ...]
) -> tuple[SufficientStatistics, ...]:
    return tuple(a + b for a, b in zip(left, right, strict=True))
