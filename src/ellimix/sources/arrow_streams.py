"""Objects that give an Arrow C stream: relations, tables, datasets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from ellimix.errors import DataError
from ellimix.sources.arrow import ArrowColumns, chosen_columns, chunk_of, kind_of_column
from ellimix.sources.arrow_files import BATCH_BYTES, READAHEAD
from ellimix.sources.files import pyarrow, short
from ellimix.sources.filters import filter_of
from ellimix.sources.reading import Chunk


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class ArrowStream(ArrowColumns):
    """Rows of an object that gives an Arrow C stream, anew as often as it is asked.

    Parameters
    ----------
    origin : object
        With a method ``__arrow_c_stream__``, or a pyarrow Dataset.
    columns, kinds, weights, where, filter, n_rows :
        As for `ArrowColumns`.
    """

    origin: Any

    @property
    def guessed_bytes(self) -> None:
        """Not known."""
        return

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


def open_stream(
    origin: Any, columns: Sequence[str] | None, weights: str | None, where: Any
) -> ArrowStream:
    """The reader of an object with an Arrow C stream."""
    name = f"the {type(origin).__name__}"
    schema = stream_schema(origin)
    filter_of(where, schema, name)
    chosen = chosen_columns(schema, columns, weights, name)
    kinds = tuple(kind_of_column(schema, column, name) for column in chosen)
    known = getattr(origin, "num_rows", None) if where is None else None
    return ArrowStream(
        origin=origin,
        columns=chosen,
        kinds=kinds,
        weights=weights,
        where=name,
        filter=where,
        n_rows=known if isinstance(known, int) else None,
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
