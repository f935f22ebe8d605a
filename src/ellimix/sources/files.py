"""Files of columns: read as they are, and written with some values filled in.

CSV, TSV, Parquet and NumPy files. pyarrow is imported here and nowhere else
(``pip install 'ellimix[cli]'``).
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError, MissingExtra
from ellimix.records import Array

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", "#N/A", "-")
TEXT = (".csv", ".tsv", ".txt")
PARQUET = (".parquet", ".pq")


@final
@dataclass(frozen=True)
class Layout:
    """How a text file sets its columns."""

    delimiter: str
    decimal_comma: bool
    header: bool


@final
@dataclass(frozen=True)
class File:
    """A file's columns.

    Parameters
    ----------
    path : Path
    columns : dict
        By name, in order: pyarrow's, or NumPy arrays.
    layout : Layout or None
        Of a text file.
    """

    path: Path
    columns: dict[str, Any]
    layout: Layout | None = None


def read_file(path: Path) -> File:
    """Read all columns of a file.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv`` or ``.txt`` (comma, semicolon or tab; gzip too), ``.parquet``, ``.npy``.

    Raises
    ------
    DataError
        No such file, an unknown format, or no rows.
    MissingExtra
        pyarrow is not installed.
    """
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty.")
    kind = kind_of(path)
    if kind == ".npy":
        found = File(path, _read_npy(path))
    elif kind in PARQUET:
        found = File(path, _read_parquet(path))
    elif kind in TEXT:
        layout = layout_of(path)
        found = File(path, _read_text(path, layout), layout)
    else:
        raise DataError(f"{path} is of an unknown format: use .csv, .tsv, .parquet or .npy.")
    if not found.columns or not len(next(iter(found.columns.values()))):
        raise DataError(f"{path} has no rows.")
    return found


def kind_of(path: Path) -> str:
    """The format by the name: its last suffix but for ``.gz``."""
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    return suffixes[-1] if suffixes else ""


def is_numeric(column: Any) -> bool:
    """Whether a column holds numbers; one without any value does not."""
    if isinstance(column, np.ndarray):
        return True
    types = pyarrow().types
    kind = column.type
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return bool(number) and column.null_count < len(column)


def is_empty(column: Any) -> bool:
    """Whether a column has no value at all."""
    if not isinstance(column, np.ndarray):
        if column.null_count == len(column):
            return True
        if not is_numeric(column):
            return False
    return bool(np.isnan(numbers(column)).all())


def numbers(column: Any) -> NDArray[Any]:
    """A column of numbers, or of nothing, with NaN for what is missing."""
    if isinstance(column, np.ndarray):
        return column
    values: NDArray[Any] = column.cast(pyarrow().float64()).to_numpy()
    return values


def check_writable(path: Path) -> None:
    """Before any work: tables can be written by this name."""
    if kind_of(path) not in (*TEXT, *PARQUET):
        raise DataError(f"Tables cannot be written to {path}: use .csv, .tsv or .parquet.")
    if kind_of(path) in PARQUET and path.suffix.lower() == ".gz":
        raise DataError(f"{path} cannot be written: Parquet is compressed without .gz.")


def same_kind(source: File, path: Path) -> bool:
    """Whether a copy of the file, byte by byte, is what its name at `path` promises."""
    zipped = source.path.suffix.lower() == ".gz", path.suffix.lower() == ".gz"
    if zipped[0] != zipped[1]:
        return False
    if source.layout is not None:
        return kind_of(path) in TEXT and source.layout == _written(source.layout, path)
    return kind_of(source.path) in PARQUET and kind_of(path) in PARQUET


def write_filled(source: File, filled: Mapping[str, Array], like: Path, place: str) -> None:
    """Write all columns of a file, with some of their missing values filled in.

    From text to text, every other cell is written as it was read. Otherwise columns keep their
    types, but for one of integers or decimals that got a value: its numbers are then floats.

    Parameters
    ----------
    source : File
    filled : mapping of str to ndarray of shape (n,)
        For a column, values of its missing cells; those of other cells are not looked at.
    like : Path
        A name that gives the format (see `check_writable`).
    place : str
        The file to write, whatever its name.
    """
    if kind_of(like) in PARQUET:
        pyarrow("parquet").write_table(_table(source, filled), place)
        return
    layout = source.layout
    out = _written(layout or Layout(",", False, True), like)
    if layout is not None and layout.decimal_comma == out.decimal_comma:
        lines = _as_read(source, layout, filled)
    else:
        out = Layout(out.delimiter, False, True)
        lines = _as_values(source, filled)
    opened: Any = gzip.open if like.suffix.lower() == ".gz" else open
    with opened(place, "wt", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=out.delimiter, lineterminator="\n")
        if out.header:
            writer.writerow(source.columns)
        writer.writerows(lines)


def _written(layout: Layout, path: Path) -> Layout:
    """The layout of a text file of this name that holds what another held."""
    tab = kind_of(path) == ".tsv"
    if tab == (layout.delimiter == "\t") or kind_of(path) == ".txt":
        return layout
    return Layout("\t" if tab else ",", False, layout.header)


def _as_read(source: File, layout: Layout, filled: Mapping[str, Array]) -> Iterator[Sequence[str]]:
    """Lines of a text file, cell by cell as they were, with what was filled in."""
    texts = _read_text(source.path, layout, as_text=True)
    columns = []
    for name, column in texts.items():
        cells = column.to_pylist()
        if name in filled:
            for i in np.flatnonzero(np.isnan(numbers(source.columns[name]))):
                text = repr(float(filled[name][i]))
                cells[i] = text.replace(".", ",") if layout.decimal_comma else text
        columns.append(cells)
    return zip(*columns, strict=True)


def _as_values(source: File, filled: Mapping[str, Array]) -> Iterator[Sequence[Any]]:
    """Lines of values; a missing one is None, which is written as an empty cell."""
    table = _table(source, filled)
    return zip(*(_listed(column) for column in table.columns), strict=True)


def _listed(column: Any) -> list[Any]:
    """A column's values, with None where there is none."""
    return [None if value != value else value for value in column.to_pylist()]  # noqa: PLR0124


def _table(source: File, filled: Mapping[str, Array]) -> Any:
    """The columns as a pyarrow table, with what was filled in."""
    arrow = pyarrow()
    columns = {}
    for name, column in source.columns.items():
        columns[name] = column
        if name in filled:
            known = numbers(column)
            values = np.where(np.isnan(known), filled[name], known)
            kind = column.dtype if isinstance(column, np.ndarray) else column.type
            small = str(kind) in ("float", "float32", "halffloat", "float16")
            columns[name] = arrow.array(values, arrow.float32() if small else arrow.float64())
    return arrow.table(columns)


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
    arrow, parquet = pyarrow(), pyarrow("parquet")
    try:
        table = parquet.read_table(path)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {short(error)}") from None
    return _by_name(path, table.column_names, table.columns)


def layout_of(path: Path) -> Layout:
    """How a text file sets its columns, by its first lines."""
    with pyarrow().input_stream(str(path), compression="detect") as stream:
        head = stream.read(1 << 16).decode("utf-8", errors="replace")
    first = head.lstrip("\ufeff").splitlines()[0] if head.strip() else ""
    delimiter = next((mark for mark in "\t;" if mark in first), ",")
    names = [field.strip().strip("\"'") for field in first.split(delimiter)]
    commas = delimiter == ";" and _decimal_commas(head)
    return Layout(delimiter, commas, not _are_values(names))


def _read_text(path: Path, layout: Layout, as_text: bool = False) -> dict[str, Any]:
    """Columns of numbers and others; `as_text`: all as they stand in the file."""
    arrow, arrow_csv = pyarrow(), pyarrow("csv")
    convert = arrow_csv.ConvertOptions(
        null_values=[] if as_text else list(MISSING),
        strings_can_be_null=not as_text,
        decimal_point="," if layout.decimal_comma else ".",
    )
    read = arrow_csv.ReadOptions(autogenerate_column_names=not layout.header)
    parse = arrow_csv.ParseOptions(delimiter=layout.delimiter)
    options = {"read_options": read, "parse_options": parse}
    try:
        if as_text:
            with arrow_csv.open_csv(path, **options) as stream:
                names = stream.schema.names
            convert.column_types = dict.fromkeys(names, arrow.string())
        table = arrow_csv.read_csv(path, convert_options=convert, **options)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as CSV: {short(error)}") from None
    names = table.column_names if layout.header else [f"x{j}" for j in range(table.num_columns)]
    return _by_name(path, names, table.columns)


def _by_name(path: Path, names: Sequence[str], columns: Sequence[Any]) -> dict[str, Any]:
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise DataError(f"{path} has two columns named {twice!r}: give each a name of its own.")
    return dict(zip(names, columns, strict=True))


def _decimal_commas(head: str) -> bool:
    """Whether numbers have a decimal comma: by the first lines, as many cells may be empty."""
    fields = (field.strip().strip('"') for line in head.splitlines()[1:50] for field in
              line.split(";"))  # fmt: skip
    return any("," in field and _is_number(field.replace(",", ".")) for field in fields)


def _are_values(fields: Sequence[str]) -> bool:
    """Whether a first line holds values, some perhaps missing, and no names."""
    known = [field for field in fields if field not in MISSING]
    # an index without a name and columns numbered from 0, as pandas writes them
    numbered = fields[0] == "" and known == [str(j) for j in range(len(fields) - 1)]
    return bool(known) and all(map(_is_number, known)) and not numbered


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def short(error: BaseException) -> str:
    """An error's first line, as the end of a sentence."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def pyarrow(part: str = "") -> Any:
    """The package, or a module of it, or what to install."""
    try:
        import pyarrow as found
    except ImportError:
        raise MissingExtra("pyarrow", "cli") from None
    return import_module(f"pyarrow.{part}") if part else found
