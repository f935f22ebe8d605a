"""Parquet, Feather and CSV files, read some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from ellimix.errors import DataError
from ellimix.sources.arrow import ArrowColumns, chosen_columns, chunk_of, kind_of_column
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
from ellimix.sources.reading import Chunk

FEATHER: Final = (".feather", ".arrow", ".ipc")
BATCH_BYTES: Final = 4 << 20  # of a batch that is decoded at once
MOST_BATCH, FEWEST_BATCH = 1 << 17, 1 << 10  # rows of it
READAHEAD: Final = 2  # batches
TEXT_BYTES: Final = 4 << 20  # of a CSV file that are parsed at once
TEXT_VALUE: Final = 4  # bytes of a float64 by those of its text, at most
PACKED: Final = 1032  # times that deflate makes text smaller, at most


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class ArrowFiles(ArrowColumns):
    """Files of one format and the same columns, one after another.

    Parameters
    ----------
    paths : tuple of Path
    layout : Layout or None
        Of text files.
    largest : int
        Bytes of the largest row group, or of a batch.
    columns, kinds, weights, where, filter, n_rows :
        As for `ArrowColumns`.
    """

    paths: tuple[Path, ...]
    layout: Layout | None = None
    largest: int = BATCH_BYTES

    @property
    def guessed_bytes(self) -> int | None:
        """Of text: a number and what parts it from the next take two characters at least."""
        if self.layout is None:
            return None
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
    filter_of(where, schema, name)  # what is wrong with it is told before the first pass
    chosen = chosen_columns(schema, columns, weights, name)
    kinds = tuple(kind_of_column(schema, column, name) for column in chosen)
    found = ArrowFiles(
        paths=tuple(paths),
        columns=chosen,
        kinds=kinds,
        weights=weights,
        where=name,
        filter=where,
        layout=layout,
    )
    if kind_of(first) not in PARQUET:
        return found
    counts, largest = zip(*(_parquet_size(path) for path in paths), strict=True)
    rows = None if where is not None else sum(counts)
    return replace(found, n_rows=rows, largest=max(largest))


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
