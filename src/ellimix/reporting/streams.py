"""What a report needs of a stream's record, ``stream_`` of an estimator that followed one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ellimix.records import Array


class Batch(Protocol):
    """One batch of a stream."""

    @property
    def number(self) -> int:
        """From 1 on."""
        ...

    @property
    def rows(self) -> int:
        """How many it has."""
        ...

    @property
    def step(self) -> float:
        """How far the running sums went towards its own, between 0 and 1."""
        ...

    @property
    def fit(self) -> float:
        """Mean log-density of its rows under the model before it, in nats."""
        ...

    @property
    def expected(self) -> float | None:
        """What that was to be if nothing had changed."""
        ...

    @property
    def z(self) -> float | None:
        """Their difference in standard errors."""
        ...

    @property
    def misfits(self) -> float | None:
        """Share of its rows that fit badly."""
        ...

    @property
    def moved(self) -> Array:
        """How far each component's mean went, in standard deviations, (k,); NaN where it died."""
        ...

    @property
    def births(self) -> tuple[int, ...]:
        """Components that it brought."""
        ...

    @property
    def deaths(self) -> tuple[int, ...]:
        """Components that it ended."""
        ...

    @property
    def components(self) -> int:
        """How many there are after it."""
        ...


class Stream(Protocol):
    """How a stream went."""

    @property
    def batches(self) -> Sequence[Batch]:
        """The last ones, in order."""
        ...

    @property
    def limit(self) -> float:
        """|z| beyond which a batch is strange."""
        ...

    @property
    def total(self) -> float:
        """All z together, as a standard normal number."""
        ...

    @property
    def strange(self) -> Sequence[Batch]:
        """The batches that were not what the model before them led to expect."""
        ...

    @property
    def drifted(self) -> bool:
        """Whether the stream has changed."""
        ...


def stream_of(estimator: Any) -> Stream | None:
    """The record of the stream that an estimator followed; None where it followed none."""
    try:
        stream: Stream = estimator.stream_
    except AttributeError:
        return None
    return stream
