"""Tables from files: numeric rows with NaN where a value is missing, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError
from ellimix.records import Array
from ellimix.sources.files import is_empty, is_numeric, numbers, read_file

MOST_NAMED = 8  # columns named in a message
ASSUMED = (
    "taken as missing at random: whether a value is missing may depend on what is observed in its "
    "row, and on nothing else."
)


@final
@dataclass(frozen=True)
class Table:
    """Numeric rows, and what was left out to get them.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        NaN where a value is missing. No row is all NaN.
    names : tuple of str
        Names of the columns.
    weight : ndarray of shape (n,) or None
    kept : ndarray of bool of shape (n_file,)
        Which rows of the file these are.
    ignored : tuple of str
        Sentences: what was left out, and how to keep it.
    """

    rows: Array
    names: tuple[str, ...]
    weight: Array | None
    kept: NDArray[np.bool_]
    ignored: tuple[str, ...]

    @property
    def missing(self) -> Array:
        """Share of the rows in which each column's value is missing, (d,)."""
        share: Array = np.isnan(self.rows).mean(axis=0)
        return share

    @property
    def about_missing(self) -> str:
        """How much is missing, most of it where, and what is assumed; empty where nothing is."""
        shares = self.missing
        if not shares.any():
            return ""
        worst = [j for j in np.argsort(-shares, kind="stable") if shares[j] > 0.0]
        named = ", ".join(f"{self.names[j]} {percent(shares[j])}" for j in worst[:MOST_NAMED])
        more = f" and {len(worst) - MOST_NAMED} more columns" if len(worst) > MOST_NAMED else ""
        return f"{percent(shares.mean())} of the cells are missing ({named}{more}), {ASSUMED}"

    def whole(self) -> Array:
        """The rows of the file, (n_file, d), with NaN for those that are not kept."""
        out = np.full((self.kept.size, len(self.names)), np.nan)
        out[self.kept] = self.rows
        return out


def read_table(
    path: Path,
    columns: Sequence[str] | None = None,
    weights: str | None = None,
    empty: bool = False,
) -> Table:
    r"""Read the numeric columns of a file.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv`` or ``.txt`` (comma, semicolon or tab; gzip too), ``.parquet``, ``.npy``.
    columns : sequence of str, optional
        The columns to use; by default all numeric ones.
    weights : str, optional
        A column of non-negative row weights; not one of the columns used. Rows without one are
        left out.
    empty : bool
        Whether a column may have no value at all: not where a model is fitted to it.

    Raises
    ------
    DataError
        No such file, an unknown format, a file without rows or numeric columns, a column that does
        not exist or is not numeric, infinite values (a hole would hide that they are extreme), no
        row with anything observed.
    MissingExtra
        pyarrow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from ellimix.sources.tables import read_table
    >>> path = Path(tempfile.mkdtemp()) / "x.csv"
    >>> _ = path.write_text("name,a,b\nu,1,2\nv,NA,4\nw,,\n")
    >>> table = read_table(path)
    >>> table.rows
    array([[ 1.,  2.],
           [nan,  4.]])
    >>> table.ignored[-1]
    'Left out 1 of 3 rows, with nothing observed in a, b.'
    """
    found = read_file(path).columns
    weight_values = _asked(found, [weights], path)[0] if weights is not None else None
    chosen, ignored = _choose(found, columns, weights, path, empty)
    values = np.column_stack([numbers(found[name]) for name in chosen]).astype(np.float64)
    _check_finite(values, chosen, path)
    seen: NDArray[np.bool_] = np.asarray(~np.isnan(values).all(axis=1))
    kept = seen
    if weights is not None and weight_values is not None:
        _check_finite(weight_values[:, None], [weights], path)
        known = np.asarray(~np.isnan(weight_values))
        kept = seen & known
        if not known.all():
            ignored.append(
                f"Left out {int((~known).sum())} of {known.size} rows, without a weight in "
                f"{weights!r}."
            )
    if not kept.any():
        also = "" if weights is None else f", and a weight in {weights!r}"
        raise DataError(f"{path} has no row with anything observed in {_listed(chosen)}{also}.")
    if not seen.all():
        ignored.append(
            f"Left out {int((~seen).sum())} of {seen.size} rows, with nothing observed in "
            f"{_listed(chosen)}."
        )
    weight = None if weight_values is None else weight_values[kept].astype(np.float64)
    table = Table(values[kept], tuple(chosen), weight, kept, tuple(ignored))
    if not empty and (table.missing == 1.0).any():
        blank = [name for name, share in zip(chosen, table.missing, strict=True) if share == 1.0]
        raise DataError(f"No row that counts has a value in the column(s) {_listed(blank)}.")
    return table


def percent(share: float) -> str:
    """A share in percent.

    Examples
    --------
    >>> from ellimix.sources.tables import percent
    >>> percent(0.1234), percent(0.0001)
    ('12.3%', '<0.1%')
    """
    return "<0.1%" if 0.0 < share < 0.0005 else f"{share:.1%}"


def _choose(
    found: dict[str, Any],
    columns: Sequence[str] | None,
    weights: str | None,
    path: Path,
    empty: bool,
) -> tuple[list[str], list[str]]:
    """Names of the columns to use, and sentences on the rest."""
    if columns is not None:
        if weights in columns:
            raise DataError(f"The column {weights!r} cannot be both a feature and the weights.")
        if len(set(columns)) != len(columns):
            raise DataError("A column was named twice.")
        _asked(found, columns, path, empty)
        return list(columns), []
    rest = [name for name in found if name != weights]
    index = [name for name in rest if not name.strip() and _counts_rows(found[name])]
    rest = [name for name in rest if name not in index]
    blank = [] if empty else [name for name in rest if is_empty(found[name])]
    text = [name for name in rest if name not in blank and not _usable(found[name], empty)]
    chosen = [name for name in rest if name not in blank and name not in text]
    if not chosen:
        raise DataError(f"{path} has no numeric column; its columns are {_listed(list(found))}.")
    ignored = []
    if text:
        ignored.append(
            f"Left out the column(s) {_listed(text)}, which do not hold numbers. "
            "To keep one, write its values as numbers."
        )
    if blank:
        ignored.append(f"Left out the column(s) {_listed(blank)}, in which every value is missing.")
    if index:
        ignored.append("Left out a column without a name that counts the rows.")
    return chosen, ignored


def _asked(
    found: dict[str, Any], names: Sequence[str], path: Path, empty: bool = False
) -> list[Array]:
    """Columns that the user named, as numbers."""
    for name in names:
        if name not in found:
            raise DataError(f"{path} has no column {name!r}; it has {_listed(list(found))}.")
        if not empty and is_empty(found[name]):
            raise DataError(f"Every value in the column {name!r} of {path} is missing.")
        if not _usable(found[name], empty):
            raise DataError(f"The column {name!r} of {path} does not hold numbers.")
    return [numbers(found[name]).astype(np.float64) for name in names]


def _usable(column: Any, empty: bool) -> bool:
    return is_numeric(column) or (empty and is_empty(column))


def _check_finite(values: Array, names: Sequence[str], path: Path) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        j = int(np.argmax(infinite.any(axis=0)))
        raise DataError(
            f"{path} has {int(infinite[:, j].sum())} infinite value(s) in {names[j]!r}: leave out "
            "those rows, or leave the cells empty if nothing is known of them."
        )


def _counts_rows(column: Any) -> bool:
    if not is_numeric(column):
        return False
    values = numbers(column)
    return bool((np.diff(values) == 1).all())


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
