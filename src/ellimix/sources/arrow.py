"""Rows that pyarrow reads: Parquet, Feather, CSV, and whatever gives an Arrow C stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError
from ellimix.records import Array
from ellimix.sources.files import (
    MISSING,
    PARQUET,
    TEXT,
    Layout,
    kind_of,
    layout_of,
    pyarrow,
    short,
)
from ellimix.sources.filters import filter_of
from ellimix.sources.reading import Chunk, float_type

FEATHER: Final = (".feather", ".arrow", ".ipc")
BATCH_BYTES: Final = 4 << 20  # of a batch that is decoded at once
MOST_BATCH, FEWEST_BATCH = 1 << 17, 1 << 10  # rows of it
READAHEAD: Final = 2  # batches
TEXT_BYTES: Final = 4 << 20  # of a CSV file that are parsed at once
TEXT_VALUE: Final = 4  # bytes of a float64 by those of its text, at most
PACKED: Final = 1032  # times that deflate makes text smaller, at most


@final
@dataclass(frozen=True, eq=False)
class ArrowFiles:
    """Files of one format and the same columns, one after another.

    Parameters
    ----------
    paths : tuple of Path
    columns : tuple of str
        The features, in order.
    kinds : tuple of dtype
        Of the columns.
    weights : str or None
        The column of row weights.
    where : str
        What messages call the rows.
    filter : object or None
        Which rows count: what `filter_of` understands.
    n_rows : int or None
    layout : Layout or None
        Of text files.
    largest : int
        Bytes of the largest row group, or of a batch.
    """

    paths: tuple[Path, ...]
    columns: tuple[str, ...]
    kinds: tuple[np.dtype[Any], ...]
    weights: str | None
    where: str
    filter: Any = None
    n_rows: int | None = None
    layout: Layout | None = None
    largest: int = BATCH_BYTES

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.columns

    @property
    def n_features(self) -> int:
        """Number of columns, d."""
        return len(self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 where all columns are, else float64."""
        return float_type(list(self.kinds))

    @property
    def weighted(self) -> bool:
        """Whether there is a column of row weights."""
        return self.weights is not None

    @property
    def most_bytes(self) -> int | None:
        """No fewer bytes than all rows take in memory."""
        if self.n_rows is not None:
            return self.n_rows * self.n_features * self.dtype.itemsize
        if self.layout is None:
            return None
        # a number and what parts it from the next take two characters at least
        sizes = ((path.stat().st_size, path.suffix.lower() == ".gz") for path in self.paths)
        return sum(TEXT_VALUE * size * (PACKED if packed else 1) for size, packed in sizes)

    @property
    def working_bytes(self) -> int:
        """About what reading holds: a row group as it is stored, decoded, and in batches."""
        return 3 * self.largest + READAHEAD * BATCH_BYTES

    def chunks(self, size: int) -> Iterator[Chunk]:
        """The rows of all files, in order of the files."""
        for path in self.paths:
            try:
                yield from self._file(path)
            except (pyarrow().ArrowException, OSError) as error:
                reason = short(error) if path.exists() else "it is no longer there"
                raise DataError(
                    f"{path} cannot be read on: {reason}. Mend or remove the file, or leave "
                    "it out; the other files were read up to it."
                ) from None

    def with_columns(self, names: tuple[str, ...]) -> ArrowFiles:
        """The same rows with other columns."""
        schema = schema_of(self.paths[0], self.layout)
        kinds = tuple(kind_of_column(schema, name, self.where) for name in names)
        return replace(self, columns=names, kinds=kinds)

    def by_file(self) -> dict[Path, ArrowFiles]:
        """A reader for each file."""
        alone = {path: replace(self, paths=(path,), where=str(path)) for path in self.paths}
        if self.n_rows is None:
            return alone
        counts = {path: _parquet_size(path)[0] for path in self.paths}
        return {path: replace(own, n_rows=counts[path]) for path, own in alone.items()}

    def _file(self, path: Path) -> Iterator[Chunk]:
        wanted = [*self.columns, *([self.weights] if self.weights else [])]
        batches = (
            _text_batches(path, self.layout, wanted)
            if self.layout is not None
            else self._fragments(path, wanted)
        )
        for batch in batches:
            if batch.num_rows:
                yield chunk_of(batch, self.columns, self.weights, str(path))

    def _fragments(self, path: Path, wanted: list[str]) -> Iterator[Any]:
        """Batches of the parts of a file that may hold rows that count."""
        dataset = pyarrow("dataset").dataset(path, format=_format(path))
        for name in wanted:
            if name not in dataset.schema.names:
                raise DataError(f"{path} has no column {name!r}, which {self.paths[0]} has.")
            kind_of_column(dataset.schema, name, str(path))
        rows = int(np.clip(BATCH_BYTES // (8 * len(wanted)), FEWEST_BATCH, MOST_BATCH))
        expression = filter_of(self.filter, dataset.schema, self.where)
        for part in _parts(dataset, path, expression):
            scanner = part.scanner(
                columns=wanted,
                filter=expression,
                batch_size=rows,
                batch_readahead=READAHEAD,
                use_threads=True,
                fragment_scan_options=_scan_options(path),
            )
            yield from scanner.to_batches()


@final
@dataclass(frozen=True, eq=False)
class ArrowStream:
    """Rows of an object that gives an Arrow C stream, anew as often as it is asked.

    Parameters
    ----------
    origin : object
        With a method ``__arrow_c_stream__``.
    columns, kinds, weights, where, filter :
        As for `ArrowFiles`.
    """

    origin: Any
    columns: tuple[str, ...]
    kinds: tuple[np.dtype[Any], ...]
    weights: str | None
    where: str
    filter: Any = None
    n_rows: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.columns

    @property
    def n_features(self) -> int:
        """Number of columns, d."""
        return len(self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 where all columns are, else float64."""
        return float_type(list(self.kinds))

    @property
    def weighted(self) -> bool:
        """Whether there is a column of row weights."""
        return self.weights is not None

    @property
    def most_bytes(self) -> int | None:
        """No fewer bytes than all rows take in memory, where their number is known."""
        if self.n_rows is None:
            return None
        return self.n_rows * self.n_features * self.dtype.itemsize

    @property
    def working_bytes(self) -> int:
        """About what reading holds in memory at once: batches are of the object's own size."""
        return 2 * BATCH_BYTES

    def chunks(self, size: int) -> Iterator[Chunk]:
        """The rows in the order of the stream."""
        arrow = pyarrow()
        try:
            reader = _reader_of(self.origin)
            expression = filter_of(self.filter, reader.schema, self.where)
            for batch in reader:
                kept = batch if expression is None else batch.filter(expression)
                if kept.num_rows:
                    yield chunk_of(kept, self.columns, self.weights, self.where)
        except arrow.ArrowException as error:
            raise DataError(f"{self.where} cannot be read on: {short(error)}") from None

    def with_columns(self, names: tuple[str, ...]) -> ArrowStream:
        """The same rows with other columns."""
        schema = stream_schema(self.origin)
        kinds = tuple(kind_of_column(schema, name, self.where) for name in names)
        return replace(self, columns=names, kinds=kinds)


def open_files(
    paths: Sequence[Path],
    columns: Sequence[str] | None,
    weights: str | None,
    where: Any,
    name: str,
) -> ArrowFiles:
    """The reader of some files of one format.

    Raises
    ------
    DataError
        A file cannot be read, there is no such column, or none holds numbers.
    """
    first = paths[0]
    layout = layout_of(first) if kind_of(first) in TEXT else None
    if layout is not None and where is not None:
        raise DataError("where= needs Parquet, Feather or an Arrow stream: text has no types yet.")
    schema = schema_of(first, layout)
    chosen = chosen_columns(schema, columns, weights, name)
    kinds = tuple(kind_of_column(schema, column, name) for column in chosen)
    found = ArrowFiles(tuple(paths), chosen, kinds, weights, name, where, layout=layout)
    if kind_of(first) not in PARQUET:
        return found
    counts, largest = zip(*(_parquet_size(path) for path in paths), strict=True)
    rows = None if where is not None else sum(counts)
    return replace(found, n_rows=rows, largest=max(largest))


def open_stream(
    origin: Any, columns: Sequence[str] | None, weights: str | None, where: Any
) -> ArrowStream:
    """The reader of an object with an Arrow C stream."""
    name = f"the {type(origin).__name__}"
    schema = stream_schema(origin)
    chosen = chosen_columns(schema, columns, weights, name)
    kinds = tuple(kind_of_column(schema, column, name) for column in chosen)
    known = getattr(origin, "num_rows", None) if where is None else None
    return ArrowStream(
        origin, chosen, kinds, weights, name, where, known if isinstance(known, int) else None
    )


def stream_schema(origin: Any) -> Any:
    """The schema of an object with an Arrow C stream, without reading rows."""
    if hasattr(origin, "__arrow_c_schema__"):
        return pyarrow().schema(origin)
    return _reader_of(origin).schema


def gives_stream(origin: Any) -> bool:
    """Whether an object gives an Arrow stream: of itself, or as a pyarrow Dataset."""
    return hasattr(origin, "__arrow_c_stream__") or hasattr(origin, "get_fragments")


def _reader_of(origin: Any) -> Any:
    """A new reader of an object's rows."""
    if hasattr(origin, "get_fragments"):
        return origin.scanner(batch_readahead=READAHEAD, fragment_readahead=1).to_reader()
    return pyarrow().RecordBatchReader.from_stream(origin)


def schema_of(path: Path, layout: Layout | None) -> Any:
    """The columns of a file and their types."""
    arrow = pyarrow()
    try:
        if layout is not None:
            with _opened_text(path, layout) as stream:
                return stream.schema
        return pyarrow("dataset").dataset(path, format=_format(path)).schema
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read: {short(error)}") from None


def chosen_columns(
    schema: Any, columns: Sequence[str] | None, weights: str | None, where: str
) -> tuple[str, ...]:
    """The columns that were named, or all that hold numbers, less that of the weights."""
    if weights is not None:
        kind_of_column(schema, weights, where)
    if columns is not None:
        named = tuple(columns)
        if not named or len(set(named)) != len(named) or weights in named:
            raise DataError(
                f"columns are {', '.join(named) or 'none'}: name each once, and not that of the "
                "weights."
            )
        for column in named:
            kind_of_column(schema, column, where)
        return named
    chosen = tuple(f.name for f in schema if f.name != weights and _numeric(f.type))
    if not chosen:
        raise DataError(f"{where} has no column of numbers; it has {', '.join(schema.names)}.")
    return chosen


def kind_of_column(schema: Any, name: str, where: str) -> np.dtype[Any]:
    """The NumPy type of a column of numbers."""
    if name not in schema.names:
        raise DataError(f"{where} has no column {name!r}; it has {', '.join(schema.names)}.")
    kind = schema.field(name).type
    if not _numeric(kind):
        raise DataError(
            f"The column {name!r} of {where} holds {kind}, not numbers: leave it out with columns=."
        )
    single = pyarrow().types.is_float32(kind)
    return np.dtype(np.float32 if single else np.float64)


def chunk_of(batch: Any, columns: tuple[str, ...], weights: str | None, where: str) -> Chunk:
    """A batch's columns as arrays, with NaN for what is missing."""
    values = tuple(_array(batch.column(name)) for name in columns)
    weight: Array | None = None
    if weights is not None:
        weight = np.asarray(_array(batch.column(weights)), dtype=np.float64)
        if np.isnan(weight).any():
            raise DataError(f"A row of {where} has no weight in {weights!r}: give each one, or 0.")
    return Chunk(values, weight)


def _array(column: Any) -> NDArray[Any]:
    types = pyarrow().types
    if types.is_decimal(column.type) or types.is_null(column.type):
        column = column.cast(pyarrow().float64())
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _numeric(kind: Any) -> bool:
    types = pyarrow().types
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return bool(number)


def _parts(dataset: Any, path: Path, expression: Any) -> Iterator[Any]:
    """The row groups of a Parquet file, the whole of another one.

    Scanned one by one: a scan of many row groups decodes up to a gigabyte ahead of a slow reader.
    """
    for fragment in dataset.get_fragments(filter=expression):
        if kind_of(path) in PARQUET:
            yield from fragment.split_by_row_group(filter=expression)
        else:
            yield fragment


def _scan_options(path: Path) -> Any:
    """For Parquet: by default all of a file's bytes would be held before they are decoded."""
    if kind_of(path) not in PARQUET:
        return None
    return pyarrow("dataset").ParquetFragmentScanOptions(pre_buffer=False)


def _format(path: Path) -> str:
    return "parquet" if kind_of(path) in PARQUET else "feather"


def _parquet_size(path: Path) -> tuple[int, int]:
    """Rows of a Parquet file, and bytes of its largest row group."""
    arrow = pyarrow()
    try:
        data = pyarrow("parquet").read_metadata(path)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {short(error)}") from None
    groups = [data.row_group(i).total_byte_size for i in range(data.num_row_groups)]
    return int(data.num_rows), int(max(groups, default=0))


def _opened_text(path: Path, layout: Layout, wanted: Sequence[str] | None = None) -> Any:
    """A CSV file, read a piece at a time; `wanted` columns as float64."""
    arrow, csv = pyarrow(), pyarrow("csv")
    convert = csv.ConvertOptions(
        null_values=list(MISSING),
        strings_can_be_null=True,
        decimal_point="," if layout.decimal_comma else ".",
    )
    if wanted is not None:
        convert.include_columns = list(wanted)
        convert.column_types = dict.fromkeys(wanted, arrow.float64())
    read = csv.ReadOptions(block_size=TEXT_BYTES)
    if not layout.header:
        read.column_names = [f"x{j}" for j in range(_width(path, layout))]
    parse = csv.ParseOptions(delimiter=layout.delimiter)
    return csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert)


def _text_batches(path: Path, layout: Layout | None, wanted: list[str]) -> Iterator[Any]:
    if layout is None:
        raise AssertionError("text has a layout")
    with _opened_text(path, layout, wanted) as stream:
        yield from stream


def _width(path: Path, layout: Layout) -> int:
    """Number of columns of a text file without a header."""
    with pyarrow().input_stream(str(path), compression="detect") as stream:
        line = stream.read(1 << 16).decode("utf-8", errors="replace").splitlines()[0]
    return int(line.count(layout.delimiter)) + 1
