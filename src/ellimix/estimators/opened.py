"""Rows given by a path or the like, for a model that has its columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ellimix.errors import DataError
from ellimix.sources.dask import is_dask
from ellimix.sources.memory import MemorySource
from ellimix.sources.opening import RowStream, rows


class Columned(Protocol):
    """An estimator that knows the columns it was fitted to."""

    n_features_in_: int

    def _names(self) -> tuple[str, ...] | None: ...


def opened(X: Any, sample_weight: Any) -> RowStream:
    """Rows that were given by a path or the like, with the weights that are there."""
    return rows(X, weights=sample_weight if with_rows(sample_weight) else None)


def with_rows(sample_weight: Any) -> bool:
    """Whether row weights are where the rows are: in a column, or in partitions like theirs."""
    return isinstance(sample_weight, str) or is_dask(sample_weight)


def for_model(estimator: Columned, stream: RowStream) -> RowStream:
    """The rows with the columns of a fitted estimator, in its order.

    Raises
    ------
    DataError
        The rows have other columns.
    """
    names = estimator._names()
    if names is not None and stream.feature_names is not None:
        return stream.with_columns(names)
    if stream.n_features != estimator.n_features_in_:
        raise DataError(
            f"{stream.reader.where} has {stream.n_features} columns, and the model "
            f"{estimator.n_features_in_}: choose them with columns= of rows(...)."
        )
    return stream


def in_memory(stream: RowStream) -> MemorySource:
    """The rows in memory, where they may be.

    Raises
    ------
    DataError
        They take more than they may, or perhaps do.
    """
    if not stream.small:
        raise DataError(
            f"This needs all rows in memory, and {stream.reader.where} may take more than it is "
            "allowed: pass rows(..., memory='8 GiB').loaded() or a part of the rows."
        )
    return stream.loaded()


def check_unsaid(known: Mapping[str, Any]) -> None:
    """Raise `DataError` for what is said of single rows, which are not in memory."""
    said = [name for name, value in known.items() if value is not None]
    if said:
        raise DataError(
            f"{', '.join(said)} has a value for each row, and these rows are not in memory: load "
            "them, or a part of them."
        )
