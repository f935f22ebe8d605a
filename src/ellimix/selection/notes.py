"""What a careful reader should know of a search, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ellimix.records import Array
from ellimix.selection import criteria
from ellimix.selection.cells import Cell
from ellimix.sources.memory import MemorySource

EQUAL = 1e-7  # relative: two fits of one model
CLOSE = 2.0  # a difference of BIC under which the evidence is weak (Kass & Raftery 1995)


def about(
    cells: Sequence[Cell],
    best: int,
    criterion: str,
    source: MemorySource,
    feature_names: tuple[str, ...] | None,
) -> tuple[str, ...]:
    """The notes: a close runner-up, K at the edge of the grid, columns that tell nothing."""
    return (
        *_close(cells, best, criterion),
        *_edge(cells, best),
        *_columns(source, feature_names),
    )


def _close(cells: Sequence[Cell], best: int, criterion: str) -> Iterator[str]:
    values = criteria.values(cells, criterion)
    for i in criteria.order(cells, criterion):
        cell = cells[i]
        if not cell.ok or i == best or _same(cell, cells[best]):
            continue
        gap = float(values[i] - values[best])
        if gap < CLOSE:
            yield (
                f"The runner-up, {cell.name} with K = {cell.n_components}, is only {gap:.2g} "
                f"behind in {criterion.upper()}: the data hardly tell the two apart."
            )
        return


def _same(cell: Cell, other: Cell) -> bool:
    """Whether two cells are the same model, as families of one kind are with one component."""
    return (
        cell.n_components == other.n_components
        and cell.n_parameters == other.n_parameters
        and abs(cell.log_likelihood - other.log_likelihood) < EQUAL * abs(other.log_likelihood)
    )


def _edge(cells: Sequence[Cell], best: int) -> Iterator[str]:
    tried = sorted({cell.n_components for cell in cells})
    k = cells[best].n_components
    if len(tried) > 1 and k == tried[-1]:
        yield f"K = {k} is the largest that was tried: more components may be better still."
    elif len(tried) > 1 and k == tried[0] > 1:
        yield f"K = {k} is the smallest that was tried: fewer components may be better still."


def _columns(source: MemorySource, feature_names: tuple[str, ...] | None) -> Iterator[str]:
    rows = np.asarray(source.rows, dtype=np.float64)
    if source.weight is not None:
        rows = rows[source.weight > 0.0]
    if source.detail is not None and source.detail.projections is not None:
        return  # the columns are no features
    names = feature_names or tuple(f"x{j}" for j in range(rows.shape[1]))
    columns = [column[~np.isnan(column)] for column in rows.T]
    flat = [name for name, x in zip(names, columns, strict=True) if x.size and np.ptp(x) == 0.0]
    if flat:
        yield f"The column(s) {', '.join(flat)} are constant and tell no groups apart."
    numbered = [name for name, column in zip(names, columns, strict=True) if _identifies(column)]
    if numbered:
        yield (
            f"The column(s) {', '.join(numbered)} number the rows and look like an id: "
            "leave them out unless the order means something."
        )


def _identifies(column: Array) -> bool:
    """Whether a column counts the rows: whole numbers without a gap or a repetition."""
    if column.size < 10 or not (column == np.floor(column)).all():
        return False
    return bool((np.diff(np.sort(column)) == 1.0).all())
