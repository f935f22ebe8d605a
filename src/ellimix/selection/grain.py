"""The grain of the rows: the grid on which a column's values lie, and what one observation weighs.

Measured values are rounded. Rows that tie in a column give a component somewhere to shrink to, and
no component is really narrower than the rounding error, whose variance is step^2 / 12 along a
column (Sheppard 1898) and at least so much in every direction.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ellimix.records import Array, Block
from ellimix.sources.base import Source

SAMPLE_ROWS: Final = 50_000  # evenly spaced ones of more: enough to see a grid
LOW: Final = (
    0.1  # quantile over the tied rows: two values that nearly coincide say little of the rest
)
ROUNDING: Final = 64.0  # units in the last place of the largest value: no gap at all

EXACT: Final = 2.0**53  # whole numbers up to here are exact


def resolutions(source: Source) -> Array:
    """The step of the grid on which each column's values lie.

    A low quantile, over the rows that tie in a column, of the gap between their value and the
    nearest other one. Rows without a tie say nothing: between the values of a continuous column
    are small gaps by chance. Values off the grid may make the step too fine, never too coarse.

    Parameters
    ----------
    source : Source
        At most 50,000 evenly spaced rows are looked at.

    Returns
    -------
    ndarray of shape (d,)
        0 for a column without ties, and for one with a single value. Missing values say nothing.

    Examples
    --------
    >>> import ellimix as em
    >>> from ellimix.selection.grain import resolutions
    >>> from ellimix.sources.memory import MemorySource
    >>> resolutions(MemorySource(em.datasets.iris()[0])).round(6)
    array([0.1, 0.1, 0.1, 0.1])
    """
    n = source.n_rows
    index = np.arange(n) if n <= SAMPLE_ROWS else np.linspace(0, n - 1, SAMPLE_ROWS).astype(np.intp)
    taken = source.take(index)
    rows, eps = np.asarray(taken, dtype=np.float64), float(np.finfo(taken.dtype).eps)
    return np.array([_step(column, eps) for column in rows.T])


def _step(column: Array, eps: float) -> float:
    """The step of one column's grid, by the values that are observed."""
    column = column[~np.isnan(column)]
    if not column.size:
        return 0.0
    values, counts = np.unique(column, return_counts=True)
    near = np.diff(values) <= ROUNDING * eps * max(abs(values[0]), abs(values[-1]))
    group = np.concatenate([[0], np.cumsum(~near)])
    counts = np.bincount(group, weights=counts)
    first = values[np.concatenate([[True], ~near])]
    if first.size < 2 or counts.max() < 2:
        return 0.0
    gaps = np.diff(first)
    nearest = np.minimum(np.append(gaps, np.inf), np.append(np.inf, gaps))
    tied = counts > 1
    order = np.argsort(nearest[tied])
    share = np.cumsum(counts[tied][order])
    return float(nearest[tied][order][np.searchsorted(share, LOW * share[-1])])


def observation(source: Source) -> float:
    """What one observation weighs: counts divided by it are in rows.

    Whole-numbered weights are repetitions: then it is the greatest common divisor of the total
    weights of all distinct rows, so 2 where every row is there twice, and 1 as a rule. Other
    weights are relative, and it is their mean.

    Parameters
    ----------
    source : Source

    Returns
    -------
    float
        Positive.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.selection.grain import observation
    >>> from ellimix.sources.memory import MemorySource
    >>> rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> observation(MemorySource(rows)), observation(MemorySource(np.repeat(rows, 3, axis=0)))
    (1.0, 3.0)
    >>> observation(MemorySource(rows, np.array([0.01, 0.03])))
    0.02
    """
    keys, weights = [], []
    for block in source.blocks():
        keys.append(_keys(block))
        weights.append(np.ones(keys[-1].size) if block.weight is None else block.weight)
    key, weight = np.concatenate(keys), np.concatenate(weights)
    key, weight = key[weight > 0.0], weight[weight > 0.0]
    if weight.sum() > EXACT or not (weight == np.floor(weight)).all():
        return float(weight.mean())
    group: NDArray[np.intp] = np.unique(key, return_inverse=True)[1]
    totals = np.bincount(group, weights=weight).astype(np.int64)
    return float(np.gcd.reduce(totals))


def _keys(block: Block) -> Array:
    """A number for each row, the same for rows of which the same is known."""
    random = np.random.default_rng(0)  # its numbers tell rows apart
    detail = block.detail
    known = [] if detail is None else [getattr(detail, field.name) for field in fields(detail)]
    key = np.zeros(block.rows.shape[0])
    for part in (block.rows, *known):
        if part is None:
            continue
        values = part.reshape(key.size, -1)
        finite = np.isfinite(values)
        mix = random.uniform(1.0, 2.0, values.shape[1])
        if finite.all():
            key += (values * mix).sum(axis=1)
            continue
        key += (np.where(finite, values, 0.0) * mix).sum(axis=1)
        kind = np.isnan(values) + 2.0 * (values == np.inf) + 3.0 * (values == -np.inf)
        key += (kind * random.uniform(1.0, 2.0, values.shape[1])).sum(axis=1)
    return key
