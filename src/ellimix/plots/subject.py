"""What is drawn: the mixture of a model, and the rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.plots.labels import short
from ellimix.records import Array


def mixture_of(model: Any) -> Mixture:
    """The mixture of a fitted estimator or search, or the mixture itself.

    Raises
    ------
    DataError
        The model is not fitted, or has no mixture.
    """
    if isinstance(model, Mixture):
        return model
    found = getattr(model, "mixture_", None)
    if isinstance(found, Mixture):
        return found
    name = type(model).__name__
    if hasattr(model, "fit") and not isinstance(model, type):
        raise DataError(f"This {name} is not fitted: call its fit(X) before it is drawn.")
    raise DataError(f"A {name} cannot be drawn: pass a fitted estimator of ellimix or a Mixture.")


def rows_of(mixture: Mixture, X: Any) -> Array:
    """The rows as an array, (n, d), NaN where values are missing; (0, d) where X is None.

    Raises
    ------
    DataError
        `X` is not numbers, has another width or other column names than the model, or infinite
        values.
    """
    d = mixture.n_features
    if X is None:
        return np.empty((0, d))
    columns = [*map(str, getattr(X, "columns", ()))]
    if mixture.feature_names and len(columns) == d and columns != [*mixture.feature_names]:
        expected, came = next(
            (own, other)
            for own, other in zip(mixture.feature_names, columns, strict=True)
            if own != other
        )
        raise DataError(
            f"X has the column {short(came)!r} where the model has {short(expected)!r}: pass the "
            "columns that it was fitted to, in their order."
        )
    try:
        rows = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"X is not an array of numbers: pass the rows as an array of shape (n, {d})."
        ) from None
    if rows.ndim != 2 or rows.shape[1] != d:
        raise DataError(f"X has shape {rows.shape}, expected (n, {d}) for this model.")
    if np.isinf(rows).any():
        count = int(np.isinf(rows).any(axis=1).sum())
        raise DataError(
            f"X has infinite values in {count:,} rows: remove them, or set them to NaN."
        )
    return rows


def needed(mixture: Mixture, X: Any, kind: str) -> Array:
    """The rows as `rows_of`, for a kind that draws nothing without.

    Raises
    ------
    DataError
        There are none, or what `rows_of` raises.
    """
    rows = rows_of(mixture, X)
    if not len(rows):
        came = "none came" if X is None else "X has none"
        raise DataError(f"The kind '{kind}' draws rows, but {came}: pass X, of shape (n, d).")
    return rows


def whole_number(name: str, value: Any, least: int = 1) -> int:
    """An option that is a whole number. Raises DataError where it is not, or is too small."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise DataError(f"{name} is a whole number of at least {least}, but {value!r} came.")
    return int(value)
