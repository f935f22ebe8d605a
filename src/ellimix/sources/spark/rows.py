"""Some columns of a Spark DataFrame, and how they are packed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
from pyspark.sql.classic.dataframe import DataFrame

from ellimix.errors import DataError
from ellimix.sources.files import pyarrow
from ellimix.sources.partitions import PackedRows, Piece, PiecedColumns, pieces_of
from ellimix.sources.reading import Chunk, float_type
from ellimix.sources.spark.columns import Answer, column_function
from ellimix.sources.spark.jobs import WHERE, asked_of

if TYPE_CHECKING:
    from ellimix.sources.spark.source import SparkSource

NUMBERS: Final = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal")
PACKED: Final = "piece binary, weight binary"
# What `predict` and its like add, by kind and number of axes: named as Spark's own models do.
ADDED: Final = {("i", 1): "prediction", ("f", 2): "probability", ("f", 1): "log_density"}


@final
@dataclass(frozen=True, eq=False)
class SparkRows(PiecedColumns):
    """A reader of some columns of a Spark DataFrame.

    Parameters
    ----------
    origin : pyspark.sql.DataFrame
        With the rows that count.
    columns : tuple of str
        The features, in order.
    dtype : dtype
    weights : str or None
        The column of row weights.
    """

    origin: Any
    columns: tuple[str, ...]
    dtype: np.dtype[Any]
    weights: str | None

    @property
    def where(self) -> str:
        """What messages call the rows."""
        return WHERE

    @property
    def packed(self) -> PackedRows:
        """The reader of packed partitions, without pieces."""
        return PackedRows(self.columns, self.dtype, self.weights, self.where)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """The rows in order, brought to this process a partition at a time."""
        yield from replace(self.packed, pieces=pieces_here(self, self.partitions())).chunks(size)

    def partitions(self) -> Any:
        """The RDD of packed pieces, partition by partition; nothing runs yet."""
        kind = "float" if self.dtype == np.float32 else "double"
        wanted = [_column(self.origin, name).cast(kind) for name in self.columns]
        if self.weights is not None:
            wanted.append(_column(self.origin, self.weights).cast("double"))
        wanted = [column.alias(f"c{j}") for j, column in enumerate(wanted)]  # names may hold dots
        pack = partial(packed_batches, weighted=self.weighted, dtype=self.dtype)
        with asked_of(self.origin):
            found = self.origin.select(*wanted).mapInArrow(pack, PACKED).rdd
        return found.map(as_bytes)

    def with_columns(self, names: tuple[str, ...]) -> SparkRows:
        """The same rows with other columns."""
        return replace(self, columns=names, dtype=_dtype(self.origin, names))

    def source(self) -> SparkSource:
        """The source that passes run over, on the cluster."""
        from ellimix.sources.spark.source import SparkSource  # which is one of these rows

        return SparkSource(reader=self)

    def answered(self, answer: Answer) -> Any:
        """The DataFrame with one column more: what `answer` says of each row.

        Nothing is computed before the column is asked for.

        Parameters
        ----------
        answer : callable
            From rows (n, d): integers (n,), or numbers (n,) or (n, k).

        Raises
        ------
        DataError
            The DataFrame has a column of that name.
        """
        one = np.asarray(answer(np.zeros((1, self.n_features), self.dtype)))
        name = ADDED[one.dtype.kind, one.ndim]
        if name in self.origin.columns:
            raise DataError(
                f"{WHERE} has a column {name!r} already: add the answers under another name, with "
                "withColumn(NAME, ellimix.spark_udf(model)(*columns))."
            )
        kind = "float" if self.dtype == np.float32 else "double"
        given = [_column(self.origin, column).cast(kind) for column in self.columns]
        with asked_of(self.origin):
            return self.origin.withColumn(name, column_function(answer, one)(*given))


def open_spark(origin: Any, columns: Sequence[str] | None, weights: Any, where: Any) -> SparkRows:
    """The reader of a Spark DataFrame.

    Parameters
    ----------
    origin : pyspark.sql.DataFrame
    columns : sequence of str, optional
        The features; by default all columns of numbers.
    weights : str, optional
        The column of row weights.
    where : str or pyspark.sql.Column, optional
        Which rows count: a condition as in Spark SQL.

    Raises
    ------
    DataError
        It is no DataFrame of a session in this process, its session has ended, or a column does
        not exist or holds no numbers.
    """
    if not isinstance(origin, DataFrame):
        kind = type(origin)
        raise DataError(
            f"Rows cannot be read from a {kind.__module__}.{kind.__name__}: pass a DataFrame of a "
            "Spark session in this process. Rows of Spark Connect can be written to Parquet and "
            "read from there; of pandas on Spark, pass X.to_spark()."
        )
    if origin.sparkSession.sparkContext._jsc is None:
        raise DataError("The session of the Spark DataFrame has ended: make both anew.")
    if where is not None:
        with asked_of(origin, f"where={where!r} of"):
            origin = origin.where(where)
    if len(set(origin.columns)) != len(origin.columns):
        raise DataError(f"{WHERE} has two columns of one name: rename one with toDF(...).")
    if weights is not None:
        _dtype(origin, (weights,))
    chosen = _chosen(origin, columns, weights)
    return SparkRows(origin, chosen, _dtype(origin, chosen), weights)


def packed_batches(batches: Iterable[Any], weighted: bool, dtype: np.dtype[Any]) -> Iterator[Any]:
    """Arrow batches with a piece in each row, from batches of numbers; runs in Spark's workers."""
    arrow = pyarrow()
    for batch in batches:
        if not batch.num_rows:
            continue
        columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
        for values, weight in pieces_of(columns, weighted, dtype):
            parts = [arrow.array([part], arrow.binary()) for part in (values, weight)]
            yield arrow.RecordBatch.from_arrays(parts, names=["piece", "weight"])


def as_bytes(row: Piece) -> Piece:
    """A row's pieces as Python's bytes: as they come from the JVM they are slow to unpack."""
    return tuple(None if part is None else bytes(part) for part in row)


def pieces_here(reader: SparkRows, partitions: Any) -> Iterator[Piece]:
    """All pieces, brought to this process a partition at a time."""
    with asked_of(reader.origin):
        yield from partitions.toLocalIterator()


def _chosen(origin: Any, columns: Sequence[str] | None, weights: str | None) -> tuple[str, ...]:
    """The columns that were named, or all that hold numbers, less that of the weights."""
    if columns is None:
        numbers = [name for name, kind in origin.dtypes if _is_number(kind) and name != weights]
        if not numbers:
            raise DataError(
                f"{WHERE} has no column of numbers; it has {', '.join(origin.columns)}."
            )
        return tuple(numbers)
    named = tuple(columns)
    if not named or len(set(named)) != len(named) or weights in named:
        raise DataError(
            f"columns are {', '.join(map(str, named)) or 'none'}: name each once, and not that of "
            "the weights."
        )
    return named


def _dtype(origin: Any, columns: tuple[str, ...]) -> np.dtype[Any]:
    """float32 where all columns are, else float64."""
    kinds = dict(origin.dtypes)
    for name in columns:
        if name not in kinds:
            raise DataError(f"{WHERE} has no column {name!r}; it has {', '.join(kinds)}.")
        if not _is_number(kinds[name]):
            vectors = " Take it apart with pyspark.ml.functions.vector_to_array."
            raise DataError(
                f"The column {name!r} of {WHERE} holds {kinds[name]}, not numbers: leave it out "
                f"with columns=.{vectors if kinds[name] == 'vector' else ''}"
            )
    single = [np.dtype(np.float32 if kinds[name] == "float" else np.float64) for name in columns]
    return float_type(single)


def _is_number(kind: str) -> bool:
    return kind.partition("(")[0] in NUMBERS


def _column(frame: Any, name: str) -> Any:
    """A column whose name may hold dots."""
    escaped = name.replace("`", "``")
    return frame[f"`{escaped}`"]
