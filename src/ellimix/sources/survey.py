"""What one look at all rows tells before a fit: how many there are, what is missing, and a sample.

The sample holds the rows with the smallest keys, where a row's key is a hash of its number and a
seed. So it is a simple random sample without replacement, drawn in one pass of unknown length in
bounded memory; it does not depend on blocks, threads or machines; and surveys of parts add up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError
from ellimix.records import Array, Block, Rows
from ellimix.sources.memory import MemorySource

Keys = NDArray[np.uint64]

# Steele, Lea & Flood (2014), "Fast splittable pseudorandom number generators": the finalizer of
# SplitMix64, a bijection of 64 bits, so that no two rows have one key.
GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
SHIFTS: Final = (np.uint64(30), np.uint64(27), np.uint64(31))


@final
@dataclass(frozen=True, eq=False)
class Survey:
    """What was seen of some rows. Surveys of different rows add.

    Parameters
    ----------
    size : int
        Rows that the sample holds at most.
    rows : int
        Number of rows, whether they count or not.
    counted : int
        Rows with a positive weight and something observed.
    nothing : int
        Rows with a positive weight and nothing observed.
    weight : float
        Sum of the weights of the rows that count.
    lacking : ndarray of shape (d,)
        Sum of the weights of rows that count and lack a column's value.
    low, high : ndarray of shape (d,)
        Smallest and largest values of the rows that count.
    keys : ndarray of shape (s,), uint64
        Of the rows in the sample, ascending.
    index : ndarray of shape (s,)
        Their numbers.
    sample : ndarray of shape (s, d)
    sample_weight : ndarray of shape (s,)
    weighted : bool
        Whether rows came with weights.
    seed : int
        Of the sample.
    """

    size: int
    rows: int
    counted: int
    nothing: int
    weight: float
    lacking: Array
    low: Array
    high: Array
    keys: Keys
    index: NDArray[np.int64]
    sample: Rows
    sample_weight: Array
    weighted: bool
    seed: int = 0

    def __add__(self, other: Survey) -> Survey:
        keys = np.concatenate([self.keys, other.keys])
        order = np.argsort(keys, kind="stable")[: self.size]
        return Survey(
            self.size,
            self.rows + other.rows,
            self.counted + other.counted,
            self.nothing + other.nothing,
            self.weight + other.weight,
            self.lacking + other.lacking,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            keys[order],
            np.concatenate([self.index, other.index])[order],
            np.concatenate([self.sample, other.sample])[order],
            np.concatenate([self.sample_weight, other.sample_weight])[order],
            self.weighted or other.weighted,
            self.seed,
        )

    @property
    def incomplete(self) -> bool:
        """Whether values are missing."""
        return bool(self.lacking.any()) or self.nothing > 0

    @property
    def missing_share(self) -> Array:
        """Of each column's values, by weight, the share that is missing, (d,)."""
        return self.lacking / self.weight

    def drawn(self, threads: int | None = None) -> MemorySource:
        """The sample in the order of the rows, with their weights where there are some."""
        order = np.argsort(self.index)
        weight = self.sample_weight[order] if self.weighted else None
        return MemorySource(self.sample[order], weight, threads=threads)


def surveyed(
    block: Block, size: int, seed: int, below: np.uint64 | None = None, where: str = ""
) -> Survey:
    """The survey of one block.

    Parameters
    ----------
    block : Block
        `start` is the number of its first row.
    size : int
        Rows that the sample holds at most.
    seed : int
    below : uint64, optional
        Keys from here on are in no sample: that many smaller ones are known.
    where : str
        What the rows are from, for messages.

    Raises
    ------
    DataError
        A value is infinite, or a weight is negative, infinite or not a number.
    """
    rows, n = block.rows, block.rows.shape[0]
    weight = np.ones(n) if block.weight is None else block.weight
    low, high = rows.min(axis=0), rows.max(axis=0)  # NaN where one is missing
    lacking, counts = np.zeros(rows.shape[1]), np.ones(n, dtype=np.bool_)
    nothing = 0
    if block.weight is not None or not (np.isfinite(low).all() and np.isfinite(high).all()):
        _check(rows, weight, block.start, where)
        missing = np.isnan(rows)
        blank = np.asarray(missing.all(axis=1))
        counts = (weight > 0.0) & ~blank
        nothing = int((blank & (weight > 0.0)).sum())
        lacking = np.asarray(weight[counts] @ missing[counts], dtype=np.float64)
        has = ~missing & counts[:, None]
        low = np.min(rows, axis=0, initial=np.inf, where=has)
        high = np.max(rows, axis=0, initial=-np.inf, where=has)
    chosen, keys = _chosen(np.flatnonzero(counts) + block.start, size, seed, below)
    return Survey(
        size,
        n,
        int(counts.sum()),
        nothing,
        float(weight[counts].sum()),
        lacking,
        low.astype(np.float64),
        high.astype(np.float64),
        keys,
        chosen,
        rows[chosen - block.start].copy(order="C"),
        weight[chosen - block.start],
        block.weight is not None,
        seed,
    )


def _chosen(
    index: NDArray[np.int64], size: int, seed: int, below: np.uint64 | None
) -> tuple[NDArray[np.int64], Keys]:
    """Which of the rows have the smallest keys, and those, ascending."""
    keys = keys_of(index, seed)
    if below is not None:
        may = keys < below
        index, keys = index[may], keys[may]
    if keys.size > size:
        smallest = np.argpartition(keys, size - 1)[:size]
        index, keys = index[smallest], keys[smallest]
    order = np.argsort(keys)
    return index[order], keys[order]


def keys_of(index: NDArray[np.integer], seed: int) -> Keys:
    """The keys of rows by their numbers, uniform on 64 bits.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.sources.survey import keys_of
    >>> keys = keys_of(np.arange(100_000), seed=1)
    >>> np.unique(keys).size, round(float(keys.mean() / 2.0**64), 2)
    (100000, 0.5)
    """
    with np.errstate(over="ignore"):
        start = _mixed(np.asarray([seed], dtype=np.uint64) * GOLDEN + GOLDEN)
        return _mixed((index.astype(np.uint64) + np.uint64(1)) * GOLDEN ^ start)


def draw(source: MemorySource, size: int, seed: int) -> MemorySource:
    """The sample that a survey of these rows would hold, with all that is known of them."""
    counts = np.ones(source.n_rows, dtype=np.bool_)
    if source.weight is not None:
        counts = source.weight > 0.0
    if source.incomplete:
        counts &= ~np.isnan(source.rows).all(axis=1)
    index = np.flatnonzero(counts)
    if index.size > size:
        keys = keys_of(index, seed)
        index = np.sort(index[np.argpartition(keys, size - 1)[:size]])
    part = source.part(index)
    return replace(part, threads=source.threads)


def _mixed(values: Keys) -> Keys:
    values = (values ^ (values >> SHIFTS[0])) * FIRST
    values = (values ^ (values >> SHIFTS[1])) * SECOND
    mixed: Keys = values ^ (values >> SHIFTS[2])
    return mixed


def _check(rows: Rows, weight: Array, start: int, where: str) -> None:
    """Raise `DataError` for infinite values and weights that make no sense."""
    of = f" of {where}" if where else ""
    infinite = np.isinf(rows)
    if infinite.any():
        i, j = (int(x[0]) for x in np.nonzero(infinite))
        raise DataError(
            f"Row {start + i:,}{of} has an infinite value in column {j} (counted from 0): leave "
            "such rows out, or make the value missing if nothing is known of it."
        )
    wrong = ~((weight >= 0.0) & (weight < np.inf))
    if wrong.any():
        i = int(np.argmax(wrong))
        raise DataError(
            f"Row {start + i:,}{of} has the weight {weight[i]:g}: weights must be finite and not "
            "negative; remove or mend such rows."
        )
