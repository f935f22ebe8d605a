"""The rows of a search: in order, once each, a sample of many; their grid and their floor."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from ellimix.records import Array, Detail
from ellimix.selection.grain import resolutions
from ellimix.sources.memory import MemorySource

# With more rows than this, the steps run on a random sample of so many, and the best fit of each
# cell goes on over all rows.
SAMPLE_ROWS = 2_000
FEW_TIMES = 2  # with no more than so many times as many, the steps run on all of them
FLOOR = 1e-8


def in_order(source: MemorySource) -> MemorySource:
    """The distinct rows that count, sorted by their columns, with their weights.

    So nothing depends on how they came, and a row that is there twice is a row of weight 2. Missing
    values come last, and two of them are equal. Rows of which something else is known are sorted by
    that, too, and stay as many as they are.
    """
    rows = np.asarray(source.rows, dtype=np.float64) + 0.0  # -0 is 0
    weight = source.weights
    plain = MemorySource(rows, weight, None, source.threads, detail=source.detail)
    if source.weight is not None:
        plain = plain.part(np.flatnonzero(weight > 0.0))
    plain = plain.part(_order(plain))
    rows, weight = np.asarray(plain.rows, dtype=np.float64), np.asarray(plain.weight)
    new = np.ones(rows.shape[0], dtype=np.bool_)
    if source.detail is None:
        new[1:] = _different(rows[1:], rows[:-1])
        rows, weight = rows[new], np.add.reduceat(weight, np.flatnonzero(new))
    unweighted = source.weight is None and bool(new.all())
    return replace(plain, rows=rows, weight=None if unweighted else weight)


def _order(source: MemorySource) -> NDArray[np.intp]:
    """The order by all that is known of the rows, their columns first."""
    weight = np.asarray(source.weight)
    keys = [column for part in _known(source.detail) for column in part.reshape(weight.size, -1).T]
    return np.lexsort((weight, *keys[::-1], *source.rows.T[::-1]))


def _known(detail: Detail | None) -> list[Array]:
    if detail is None:
        return []
    parts = [getattr(detail, field.name) for field in fields(detail)]
    return [part for part in parts if part is not None]


def _different(rows: Array, others: Array) -> NDArray[np.bool_]:
    """Which rows are not equal; two missing values are."""
    apart = rows != others
    return np.asarray((apart & ~(np.isnan(rows) & np.isnan(others))).any(axis=1))


def sampled(source: MemorySource, random: np.random.RandomState) -> MemorySource:
    """A random sample of many rows; few rows as they are."""
    if source.n_rows <= FEW_TIMES * SAMPLE_ROWS:
        return source
    return source.part(np.sort(random.choice(source.n_rows, size=SAMPLE_ROWS, replace=False)))


def floor_of(source: MemorySource) -> float:
    """A variance floor for rows with a constant column; 0 for others.

    Of incomplete rows, by the values that are observed. The values of projections are no features.
    """
    if source.detail is not None and source.detail.projections is not None:
        return 0.0
    columns = [x[~np.isnan(x)] for x in np.asarray(source.rows, dtype=np.float64).T]
    spread = np.array([np.ptp(x) if x.size else 0.0 for x in columns])
    if spread.all() or not spread.any():
        return 0.0
    variances = [np.var(x) for x, wide in zip(columns, spread, strict=True) if wide > 0.0]
    return FLOOR * float(min(variances))


def grid_of(source: MemorySource) -> Array:
    """The step of the grid of each column: `resolutions`, of the rows that count.

    0 where values were measured with errors, which are what tells how narrow a component may be.
    """
    detail = source.detail
    if detail is not None and (detail.errors is not None or detail.projections is not None):
        return np.zeros(source.n_features)
    counted = source.weight is None or bool((source.weight > 0.0).all())
    if not counted:
        source = source.part(np.flatnonzero(np.asarray(source.weight) > 0.0))
    return resolutions(source)
