"""What users say of rows besides their values, checked and made a `Detail`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError
from ellimix.records import Array, Detail, Rows
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource

SYMMETRIC = 1e-8  # relative difference of two halves of a covariance matrix
NEGATIVE = -1e-10  # relative to the largest eigenvalue: a smaller one is rounding


class Known(TypedDict, total=False):
    """What may be known of n rows besides their values; each may be left out or None.

    ::

        mask         (n, p) bool: True where a value is missing, besides those that are NaN
        errors       variances of the measurement errors, (p,) or (n, p), or covariances (n, p, p)
        projections  (n, p, d): the values are projections of points of d features
        lower, upper bounds, a number, (p,) or (n, p): of the values that are NaN
        labels       (n,) integers: the row's component, or -1 where it is not known
        allowed      (n, k) bool, or numbers >= 0 with which the components' weights are multiplied
    """

    mask: Any
    errors: Any
    projections: Any
    lower: Any
    upper: Any
    labels: Any
    allowed: Any


NAMES: Final = tuple(Known.__annotations__)


def check_names(known: Mapping[str, Any]) -> None:
    """Raise TypeError for a keyword that is none of them."""
    for name in known:
        if name not in NAMES:
            raise TypeError(
                f"Unexpected argument {name!r}. What may be known of rows is {', '.join(NAMES)}."
            )


def described(
    rows: Rows, known: Known, k: int | None, noise: bool = False
) -> tuple[Rows, Detail | None]:
    """Rows with NaN where a value is not known exactly, and what else is known of them.

    Parameters
    ----------
    rows : ndarray of shape (n, p)
    known : Known
    k : int or None
        Number of components; None where labels and allowed components cannot be told yet.
    noise : bool
        Whether there is a noise component besides.

    Raises
    ------
    DataError
        An array has another shape, or values that make no sense; the sentence says which.
    """
    check_names(known)
    if known.get("mask") is not None:
        rows = _masked(rows, known["mask"])
    rows, lower, upper = _bounds(rows, known.get("lower"), known.get("upper"))
    errors = _errors(known.get("errors"), rows)
    projections = _projections(known.get("projections"), rows)
    labels, allowed, prior = known.get("labels"), known.get("allowed"), None
    if k is not None:
        prior = prior_of(labels, allowed, rows.shape[0], k, noise)
    elif allowed is not None:
        raise DataError("allowed needs a given number of components: it has a column for each.")
    elif labels is not None:
        checked_labels(labels, rows.shape[0], None)
    detail = Detail(prior, errors, projections, lower, upper)
    nothing = all(part is None for part in (prior, errors, projections, lower))
    return rows, None if nothing else detail


def prior_of(labels: Any, allowed: Any, n: int, k: int, noise: bool = False) -> Array | None:
    """Logarithms of the rows' priors on the components, (n, k) or, with noise, (n, k + 1).

    Parameters
    ----------
    labels : array-like of shape (n,) or None
    allowed : array-like of shape (n, k), or (n, k + 1) with the noise last, or None
        With k columns a row may be noise where it may be every component.
    n, k : int
    noise : bool
    """
    if labels is None and allowed is None:
        return None
    width = k + noise
    prior = np.ones((n, width))
    if allowed is not None:
        prior = _allowed(allowed, n, k, noise)
    if labels is not None:
        given = checked_labels(labels, n, k)
        known = np.flatnonzero(given >= 0)
        kept = prior[known, given[known]]
        prior[known] = 0.0
        prior[known, given[known]] = kept
    stuck = np.asarray(~(prior > 0.0).any(axis=1))
    if stuck.any():
        row = int(np.argmax(stuck))
        raise DataError(
            f"Row {row} may belong to no component by labels and allowed: "
            "allow each row at least one."
        )
    if (prior == 1.0).all():
        return None
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(prior))


def checked_labels(labels: Any, n: int, k: int | None) -> NDArray[np.intp]:
    """Labels (n,) as integers from -1 on, below k where that is given."""
    given = np.asarray(labels)
    if given.shape != (n,):
        raise DataError(f"labels have shape {given.shape}, expected ({n},): one a row.")
    whole = given.dtype.kind in "iu" or (
        given.dtype.kind == "f" and bool((given == np.floor(given)).all())
    )
    most = np.inf if k is None else k - 1
    if not whole or (given.size and (given.min() < -1 or given.max() > most)):
        last = "the number of components less 1" if k is None else f"{k - 1}"
        raise DataError(
            f"Labels must be integers from 0 to {last}, or -1 where a row's component is not "
            f"known, but they are {_some(given)}."
        )
    return given.astype(np.intp)


def counted(source: MemorySource) -> tuple[MemorySource, int]:
    """The source with weight 0 for rows of which nothing is observed, and how many those are.

    Such a row says nothing of the parameters: under any of them its likelihood is 1. A row whose
    component is told counts, though.
    """
    if not source.incomplete:
        return source, 0
    nothing = np.asarray(np.isnan(source.rows).all(axis=1))
    detail = source.detail
    if detail is not None and nothing.any():
        if detail.lower is not None and detail.upper is not None:
            nothing &= ~((detail.lower > -np.inf) | (detail.upper < np.inf)).any(axis=1)
        if detail.prior is not None:
            nothing &= (detail.prior == detail.prior[:, :1]).all(axis=1)
    if not nothing.any():
        return source, 0
    weight = source.weights
    if not (weight[~nothing] > 0.0).any():
        raise DataError("No row that counts has anything observed: all values are missing.")
    lost = int(np.count_nonzero(nothing & (weight > 0.0)))
    return replace(source, weight=np.where(nothing, 0.0, weight), layouts=None), lost


def missing_share(source: MemorySource | OutsideSource) -> Array:
    """Of each column's values, in rows that count, the share that is NaN: (p,)."""
    if isinstance(source, OutsideSource):
        return source.told.missing_share
    if not source.incomplete:
        return np.zeros(source.rows.shape[1])
    return np.asarray(source.weights @ np.isnan(source.rows) / source.total_weight)


def check_columns(source: MemorySource, names: Sequence[str] | None) -> None:
    """Raise `DataError` for columns of which no row that counts says anything."""
    if not source.incomplete:
        return
    seen = ~np.isnan(source.rows)
    detail = source.detail
    if detail is not None and detail.lower is not None and detail.upper is not None:
        seen |= (detail.lower > -np.inf) | (detail.upper < np.inf)
    if source.weight is not None:
        seen &= source.weight[:, None] > 0.0
    empty = np.flatnonzero(np.asarray(~seen.any(axis=0)))
    if empty.size:
        shown = ", ".join(str(j) if names is None else repr(names[j]) for j in empty[:6])
        raise DataError(
            f"Every value is missing in column(s) {shown}: leave them out, nothing is known there."
        )


def _some(values: NDArray[Any]) -> str:
    distinct = np.unique(values.astype(str))
    shown = ", ".join(distinct[:6])
    return f"{shown}, ..." if distinct.size > 6 else shown


def _allowed(allowed: Any, n: int, k: int, noise: bool) -> Array:
    given = _numbers(allowed, "allowed")
    shapes = [(n, k), (n, k + 1)] if noise else [(n, k)]
    if given.shape not in shapes:
        expected = " or ".join(map(str, shapes))
        raise DataError(f"allowed has shape {given.shape}, expected {expected}.")
    if not np.isfinite(given).all() or (given < 0.0).any():
        raise DataError("allowed must be True or False, or finite numbers that are not negative.")
    if noise and given.shape[1] == k:
        free = np.asarray((given > 0.0).all(axis=1))
        given = np.concatenate([given, free[:, None].astype(np.float64)], axis=1)
    return given.copy()


def _masked(rows: Rows, mask: Any) -> Rows:
    missing = np.asarray(mask)
    if missing.shape != rows.shape or missing.dtype.kind != "b":
        raise DataError(
            f"mask has shape {missing.shape} and type {missing.dtype}, expected {rows.shape} and "
            "bool: True where a value is missing."
        )
    out = rows.copy()
    out[missing] = np.nan
    return out


def _bounds(rows: Rows, lower: Any, upper: Any) -> tuple[Rows, Array | None, Array | None]:
    """Rows, and bounds of their cells that are NaN; both None where no cell has one."""
    if lower is None and upper is None:
        return rows, None, None
    hole = np.isnan(rows)
    low = _bound(lower, "lower", rows.shape, -np.inf)
    high = _bound(upper, "upper", rows.shape, np.inf)
    wrong = hole & ((low > high) | (low == np.inf) | (high == -np.inf))
    if wrong.any():
        i, j = (int(x[0]) for x in np.nonzero(wrong))
        raise DataError(
            f"In row {i}, column {j}, lower is {low[i, j]:g} and upper {high[i, j]:g}: "
            "lower must not be above upper."
        )
    exact = hole & (low == high)
    if exact.any():
        rows = rows.copy()
        rows[exact] = low[exact]
        hole = hole & ~exact
    low, high = np.where(hole, low, -np.inf), np.where(hole, high, np.inf)
    if not (hole & ((low > -np.inf) | (high < np.inf))).any():
        return rows, None, None
    return rows, low, high


def _bound(values: Any, what: str, shape: tuple[int, ...], none: float) -> Array:
    if values is None:
        return np.full(shape, none)
    given = _numbers(values, what)
    if given.shape not in ((), (shape[1],), shape):
        raise DataError(
            f"{what} has shape {given.shape}, expected a number, ({shape[1]},) or {shape}."
        )
    return np.broadcast_to(np.where(np.isnan(given), none, given), shape)


def _errors(errors: Any, rows: Rows) -> Array | None:
    """Variances (n, p) or covariances (n, p, p); None where all are 0."""
    if errors is None:
        return None
    n, p = rows.shape
    given = _numbers(errors, "errors")
    if given.shape not in ((p,), (n, p), (n, p, p)):
        raise DataError(
            f"errors have shape {given.shape}, expected variances of shape ({p},) or ({n}, {p}), "
            f"or covariances of shape ({n}, {p}, {p})."
        )
    if given.ndim == 1:
        given = np.broadcast_to(given, (n, p))
    nothing = np.isnan(rows)  # the error of a missing value is nothing that one could know
    if given.ndim == 2:
        given = np.where(nothing & ~np.isfinite(given), 0.0, given)
        _check_variances(given)
    else:
        either = nothing[:, :, None] | nothing[:, None, :]
        given = np.where(either & ~np.isfinite(given), 0.0, given)
        _check_covariances(given)
    return given if given.any() else None


def _check_variances(values: Array) -> None:
    wrong = ~((values >= 0.0) & (values < np.inf))
    if wrong.any():
        i, j = (int(x[0]) for x in np.nonzero(wrong))
        raise DataError(
            f"The error variance of row {i}, column {j} is {values[i, j]:g}: variances must be "
            "finite and not negative (they are squares of standard errors)."
        )


def _check_covariances(values: Array) -> None:
    sizes = np.abs(values).max(axis=(1, 2), initial=0.0)
    wrong = ~np.isfinite(sizes)
    turned = np.abs(values - np.swapaxes(values, 1, 2)).max(axis=(1, 2), initial=0.0)
    wrong |= turned > SYMMETRIC * sizes
    if not wrong.any():
        least = np.linalg.eigvalsh(values)[:, 0]
        wrong = least < NEGATIVE * sizes
    if wrong.any():
        raise DataError(
            f"The error covariance of row {int(np.argmax(wrong))} is not a covariance: each must "
            "be finite, symmetric and without negative eigenvalues."
        )


def _projections(projections: Any, rows: Rows) -> Array | None:
    if projections is None:
        return None
    n, p = rows.shape
    given = _numbers(projections, "projections")
    if given.ndim != 3 or given.shape[:2] != (n, p) or given.shape[2] == 0:
        raise DataError(
            f"projections have shape {given.shape}, expected ({n}, {p}, d): one matrix a row, "
            "from the d features of the mixture to the row's values."
        )
    if not np.isfinite(given).all():
        raise DataError("projections must be finite numbers.")
    return given


def _numbers(values: Any, what: str) -> Array:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{what} is not an array of numbers.") from None
