"""Tables from files: CSV, Parquet and NumPy files as numeric rows, with what was left out.

pyarrow is imported here and nowhere else (``pip install 'ellimix[cli]'``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError, MissingExtra
from ellimix.records import Array

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", "#N/A", "-")
MOST_NAMED = 8  # columns named in a message


@dataclass(frozen=True)
class Table:
    """Numeric rows without gaps, and what was left out to get them.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
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


def read_table(
    path: Path, columns: Sequence[str] | None = None, weights: str | None = None
) -> Table:
    """Read the numeric columns of a file.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv`` or ``.txt`` (comma, semicolon or tab; gzip too), ``.parquet``, ``.npy``.
    columns : sequence of str, optional
        The columns to use; by default all numeric ones.
    weights : str, optional
        A column of non-negative row weights; not one of the columns used.

    Raises
    ------
    DataError
        No such file, an unknown format, a file without rows or numeric columns, a column that does
        not exist or is not numeric, no row without missing values.
    MissingExtra
        pyarrow is not installed.
    """
    found = _read(path)
    if not found or not len(next(iter(found.values()))):
        raise DataError(f"{path} has no rows.")
    weight_values = _asked(found, [weights], path)[0] if weights is not None else None
    chosen, ignored = _choose(found, columns, weights, path)
    values = np.column_stack([_numeric(found[name]) for name in chosen]).astype(np.float64)
    checked = values if weight_values is None else np.column_stack([values, weight_values])
    kept: NDArray[np.bool_] = np.asarray(np.isfinite(checked).all(axis=1))
    if not kept.any():
        raise DataError(
            f"{path} has no row without missing values in {_listed(chosen)}: "
            "leave out columns with --columns, or fill the values in."
        )
    if not kept.all():
        ignored.append(_about_rows(kept, checked, chosen))
    weight = None if weight_values is None else weight_values[kept].astype(np.float64)
    return Table(values[kept], tuple(chosen), weight, kept, tuple(ignored))


def _read(path: Path) -> dict[str, Any]:
    """Columns by name, as pyarrow arrays or NumPy arrays."""
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty.")
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    kind = suffixes[-1] if suffixes else ""
    readers = {".npy": _read_npy, ".parquet": _read_parquet, ".pq": _read_parquet}
    readers |= dict.fromkeys((".csv", ".tsv", ".txt"), _read_csv)
    if kind not in readers:
        raise DataError(f"{path} is of an unknown format: use .csv, .tsv, .parquet or .npy.")
    return readers[kind](path)


def _read_npy(path: Path) -> dict[str, Any]:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path} cannot be read as a NumPy array: {error}") from None
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiu":
        raise DataError(
            f"{path} holds a {array.ndim}-dimensional array of {array.dtype}: "
            "a table of numbers has one or two dimensions."
        )
    return {f"x{j}": column for j, column in enumerate(np.atleast_2d(array.T))}


def _read_parquet(path: Path) -> dict[str, Any]:
    pyarrow = _pyarrow()
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {_short(error)}") from None
    return {name: table.column(name) for name in table.column_names}


def _read_csv(path: Path) -> dict[str, Any]:
    pyarrow = _pyarrow()
    from pyarrow import csv

    with pyarrow.input_stream(str(path), compression="detect") as stream:
        head = stream.read(1 << 16).decode("utf-8", errors="replace")
    first = head.lstrip("\ufeff").splitlines()[0] if head.strip() else ""
    delimiter = next((mark for mark in "\t;" if mark in first), ",")
    names = [field.strip().strip("\"'") for field in first.split(delimiter)]
    headless = all(map(_is_number, names))
    convert = csv.ConvertOptions(
        null_values=list(MISSING),
        strings_can_be_null=True,
        decimal_point="," if delimiter == ";" and _decimal_commas(head) else ".",
    )
    read = csv.ReadOptions(autogenerate_column_names=headless)
    parse = csv.ParseOptions(delimiter=delimiter)
    try:
        table = csv.read_csv(path, read_options=read, parse_options=parse, convert_options=convert)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as CSV: {_short(error)}") from None
    if headless:
        table = table.rename_columns([f"x{j}" for j in range(table.num_columns)])
    return dict(zip(table.column_names, table.columns, strict=True))


def _decimal_commas(head: str) -> bool:
    second = [*head.splitlines(), "", ""][1]
    fields = [field.strip().strip('"') for field in second.split(";")]
    return any("," in field and _is_number(field.replace(",", ".")) for field in fields)


def _choose(
    found: dict[str, Any], columns: Sequence[str] | None, weights: str | None, path: Path
) -> tuple[list[str], list[str]]:
    """Names of the columns to use, and sentences on the rest."""
    if columns is not None:
        if weights in columns:
            raise DataError(f"The column {weights!r} cannot be both a feature and the weights.")
        if len(set(columns)) != len(columns):
            raise DataError("A column was named twice.")
        _asked(found, columns, path)
        return list(columns), []
    rest = [name for name in found if name != weights]
    index = [name for name in rest if not name.strip() and _counts_rows(found[name])]
    text = [name for name in rest if name not in index and not _is_numeric(found[name])]
    chosen = [name for name in rest if name not in index and name not in text]
    if not chosen:
        raise DataError(f"{path} has no numeric column; its columns are {_listed(list(found))}.")
    ignored = []
    if text:
        ignored.append(
            f"Left out the column(s) {_listed(text)}, which do not hold numbers. "
            "To keep one, write its values as numbers."
        )
    if index:
        ignored.append("Left out a column without a name that counts the rows.")
    return chosen, ignored


def _asked(found: dict[str, Any], names: Sequence[str], path: Path) -> list[Array]:
    """Columns that the user named, as numbers."""
    for name in names:
        if name not in found:
            raise DataError(f"{path} has no column {name!r}; it has {_listed(list(found))}.")
        if not _is_numeric(found[name]):
            raise DataError(f"The column {name!r} of {path} does not hold numbers.")
    return [_numeric(found[name]).astype(np.float64) for name in names]


def _about_rows(kept: NDArray[np.bool_], values: Array, names: list[str]) -> str:
    missing = (~np.isfinite(values)).sum(axis=0)
    worst = int(np.argmax(missing[: len(names)])) if missing[: len(names)].any() else None
    sentence = f"Left out {int((~kept).sum())} of {kept.size} rows with missing values."
    if worst is None:
        return sentence
    return (
        f"{sentence} Most ({int(missing[worst])}) are missing in {names[worst]!r}: to keep those "
        "rows, leave that column out with --columns, or fill the values in."
    )


def _is_numeric(column: Any) -> bool:
    if isinstance(column, np.ndarray):
        return True
    pyarrow = _pyarrow()
    kind = column.type
    numeric = (
        pyarrow.types.is_integer(kind)
        or pyarrow.types.is_floating(kind)
        or pyarrow.types.is_decimal(kind)
    )
    return bool(numeric) and column.null_count < len(column)


def _numeric(column: Any) -> NDArray[Any]:
    """Numbers, with NaN for missing ones."""
    if isinstance(column, np.ndarray):
        return column
    pyarrow = _pyarrow()
    values: NDArray[Any] = column.cast(pyarrow.float64()).to_numpy()
    return values


def _counts_rows(column: Any) -> bool:
    if not _is_numeric(column):
        return False
    values = _numeric(column)
    return bool((np.diff(values) == 1).all())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _short(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise MissingExtra("pyarrow", "cli") from None
    return pyarrow
