"""Rows wherever they are: what `fit` takes besides arrays, and how it is told apart."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Final, Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError, MissingExtra
from ellimix.records import Rows
from ellimix.sources.arrays import mapped, open_arrays
from ellimix.sources.arrow_files import FEATHER, open_files
from ellimix.sources.arrow_streams import gives_stream, open_stream
from ellimix.sources.calls import open_call
from ellimix.sources.dask import is_dask
from ellimix.sources.dask_rows import open_dask
from ellimix.sources.files import PARQUET, TEXT, kind_of
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource
from ellimix.sources.reading import Reader
from ellimix.sources.stream import StreamSource
from ellimix.sources.watching import Meter, PassProgress, Tell

MEMORY: Final = "256 MiB"
TINY: Final = "1 MiB"  # of rows on other machines: more stay there
UNITS: Final = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9,
                "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}  # fmt: skip
FORMATS: Final = (*PARQUET, *FEATHER, *TEXT, ".npy")


@runtime_checkable
class Distant(Reader, Protocol):
    """A reader of rows that stay on other machines: it has a source of its own."""

    def source(self) -> OutsideSource:
        """The source that a pass runs over."""
        ...

    def answered(self, answer: Callable[[Rows], NDArray[Any]]) -> Any:
        """What `answer` says of the rows, which stays where they are, too."""
        ...


@runtime_checkable
class ByFile(Protocol):
    """A reader of several files, which can be read one by one."""

    def by_file(self) -> dict[Path, Any]:
        """A reader for each file."""
        ...


WILD: Final = "*?["
TABLES: Final = ("pandas", "polars")  # in memory: scikit-learn's checks know them
SPARK: Final = "pyspark"
ON_DISK: Final = ("h5py", "zarr")


@final
@dataclass(frozen=True)
class Asked:
    """What `rows` was asked for besides the origin."""

    columns: tuple[Any, ...] | None = None
    weights: Any = None
    where: Any = None


@final
@dataclass(frozen=True, eq=False)
class RowStream:
    """Rows outside of memory, or of a size that is not known: what `rows` returns.

    Pass it to `fit`, `predict`, `score`, `bic` and their like in place of an array.

    Parameters
    ----------
    reader : Reader
    memory : int
        Rows that take no more bytes than this are read into memory once.
    threads : int or None
        Threads of a pass.
    tell : tuple of callable
        Who is told how far a pass is; see `watched`.
    """

    reader: Reader
    memory: int
    threads: int | None = None
    tell: tuple[Tell, ...] = ()

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the columns, where they have some."""
        return self.reader.names

    @property
    def n_features(self) -> int:
        """Number of columns, d."""
        return self.reader.n_features

    @property
    def n_rows(self) -> int | None:
        """Number of rows, where it is known without reading them."""
        return self.reader.n_rows

    @property
    def small(self) -> bool:
        """Whether all rows are known to fit the memory that they may take."""
        size = self.reader.most_bytes
        return size is not None and size <= self.memory

    @property
    def distant(self) -> Distant | None:
        """The reader, where rows stay on other machines."""
        return self.reader if isinstance(self.reader, Distant) else None

    def source(self) -> OutsideSource:
        """The source that a pass runs over."""
        meter = Meter(self._told) if self.tell else None
        if self.distant is not None:
            return replace(self.distant.source(), meter=meter)
        return StreamSource(reader=self.reader, threads=self.threads, meter=meter)

    def watched(self, tell: Tell) -> RowStream:
        """The same rows, with someone who is told how far each pass over them is.

        Parameters
        ----------
        tell : callable
            Gets a `PassProgress` four times a second at most, and at the end of a pass: the pass,
            rows done and all rows, rows a second, seconds left.

        Examples
        --------
        >>> import ellimix as em
        >>> seen = []
        >>> stream = em.rows(em.datasets.path("faithful"), memory=0).watched(seen.append)
        >>> model = em.GaussianMixture(2, random_state=0).fit(stream)
        >>> seen[-1].number == 1 + model.n_iter_ + 1, seen[-1].done, seen[-1].left
        (True, 272, 0.0)
        """
        return replace(self, tell=(*self.tell, tell))

    def _told(self, progress: PassProgress) -> None:
        for tell in self.tell:
            tell(progress)

    def loaded(self) -> MemorySource:
        """All rows in memory."""
        return self.source().loaded()

    def with_columns(self, names: tuple[str, ...]) -> RowStream:
        """The same rows with these columns."""
        return replace(self, reader=self.reader.with_columns(names))

    def by_file(self) -> dict[Path, RowStream] | None:
        """The rows of each file by itself; None where they are in no files."""
        if not isinstance(self.reader, ByFile):
            return None
        return {
            path: replace(self, reader=reader) for path, reader in self.reader.by_file().items()
        }

    def __repr__(self) -> str:
        n = "" if self.n_rows is None else f"{self.n_rows:,} rows, "
        names = self.feature_names
        shown = "" if names is None else f": {', '.join(names[:8])}"
        more = "" if names is None or len(names) <= 8 else f" and {len(names) - 8} more"
        return f"<{self.reader.where}, {n}{self.n_features} columns{shown}{more}>"


def rows(
    origin: Any,
    *,
    columns: Sequence[Any] | None = None,
    weights: Any = None,
    where: Any = None,
    memory: int | str | None = None,
    threads: int | None = None,
) -> RowStream:
    """Rows of files, arrays on disk, Dask, Spark, Arrow streams or functions, for `fit`.

    Parameters
    ----------
    origin : object
        - A path, a pattern such as ``"data/*.parquet"``, a folder, or several paths: Parquet,
          Feather (Arrow IPC), CSV and TSV (also .gz), or .npy, which is mapped into memory.
        - An object with an Arrow C stream: a DuckDB relation, a polars or pandas table, a
          pyarrow Table or Dataset.
        - A zarr or HDF5 array, or a memory map: anything with ``shape`` (n, d), ``dtype`` and
          slices of rows.
        - A Dask array or dataframe; it stays on its cluster.
        - A Spark DataFrame: passes run on its cluster (``pip install 'ellimix[spark]'``).
        - A function without arguments that returns an iterable of arrays (m, d), or of pairs of
          an array and row weights; it is called once a pass.
    columns : sequence of str or int, optional
        The features, in order; by default all columns of numbers.
    weights : str or int, optional
        The column of row weights, which is then no feature. Of Dask collections also an array or
        series of weights, in the same partitions.
    where : str, sequence of triples, or pyarrow expression, optional
        Which rows count: ``"year >= 2020 and kind == 'a'"``, or ``[("year", ">=", 2020)]``. Row
        groups of Parquet files that cannot hold such rows are not read. Of a Spark DataFrame, a
        condition as in Spark SQL, or a Column.
    memory : int or str, optional
        Rows that take no more are read into memory once, and then are as an array. By default
        ``"256 MiB"``, and ``"1 MiB"`` for rows on other machines. With 0 they are read anew in
        every pass, or stay where they are, however few they are.
    threads : int, optional
        Threads of a pass; by default the cores that this process may use. Not for Dask and
        Spark, whose workers have their own.

    Returns
    -------
    RowStream

    Raises
    ------
    DataError
        There is no such file, its format is not known, a column does not exist or holds no
        numbers, or the origin can be read once only (a generator, an open reader).
    MissingExtra
        pyarrow is not installed, and the rows need it.

    Examples
    --------
    >>> import ellimix as em
    >>> stream = em.rows(em.datasets.path("faithful"), columns=["waiting"])
    >>> stream.n_features, stream.feature_names
    (1, ('waiting',))
    >>> model = em.GaussianMixture(2, random_state=0, order="weight").fit(stream)
    >>> model.means_.round(0)
    array([[80.],
           [55.]])
    """
    if isinstance(origin, RowStream):
        given = (columns, weights, where)
        if any(part is not None for part in given):
            raise DataError("The rows are opened already: pass columns, weights and where there.")
        return origin
    asked = Asked(None if columns is None else tuple(columns), weights, where)
    for suits, opened in OPENERS:
        if suits(origin):
            found = RowStream(opened(origin, asked), 0, threads)
            if found.distant is not None and threads is not None:
                raise DataError("threads is the cluster's: give its workers as many, and leave it.")
            own = MEMORY if found.distant is None else TINY
            return replace(found, memory=bytes_of(own if memory is None else memory))
    raise DataError(
        f"Rows cannot be read from a {type(origin).__name__}: pass an array, a path, an object "
        "with an Arrow C stream, an array on disk, or a function that returns blocks of rows."
    )


def is_stream(X: Any) -> bool:
    """Whether rows are given by something else than an array or table in memory."""
    if isinstance(X, RowStream):
        return True
    if isinstance(X, np.ndarray):
        return isinstance(X, np.memmap) and X.ndim == 2
    home = type(X).__module__.split(".")[0]
    if home in TABLES:
        return False
    return (
        is_dask(X)
        or _is_spark(X)
        or _is_path(X)
        or _is_once(X)
        or gives_stream(X)
        or home in ON_DISK
        or _is_function(X)
    )


def bytes_of(size: int | str) -> int:
    """A number of bytes, from a number or text such as ``"512 MiB"``.

    Examples
    --------
    >>> from ellimix.sources.opening import bytes_of
    >>> bytes_of("1.5 GiB"), bytes_of(0)
    (1610612736, 0)
    """
    found = re.fullmatch(r"\s*([0-9.]+)\s*([A-Za-z]*)\s*", str(size))
    if found is None or found[2].upper() not in UNITS:
        raise DataError(f"{size!r} is no size in bytes: pass a number, or text such as '512 MiB'.")
    return int(float(found[1]) * UNITS[found[2].upper()])


def files_of(origin: Any) -> list[Path]:
    """The files that a path, a pattern, a folder or several of them name, sorted.

    Raises
    ------
    DataError
        There is none, or they are of several formats.
    """
    several = isinstance(origin, list | tuple)
    found = [path for one in (origin if several else [origin]) for path in _named(one)]
    kinds = {kind_of(path) for path in found}
    if unknown := sorted(kinds - set(FORMATS)):
        raise DataError(
            f"{origin} is of an unknown format ({', '.join(unknown) or 'no suffix'}): use "
            f"{', '.join(FORMATS)}."
        )
    if len(kinds) > 1:
        raise DataError(f"{origin} names files of several formats: {', '.join(sorted(kinds))}.")
    return found


def _named(origin: Any) -> list[Path]:
    text = str(origin)
    path = Path(text)
    if path.is_dir():
        found = [p for p in path.rglob("*") if p.is_file() and kind_of(p) in FORMATS]
        found = [p for p in found if not any(part[0] in "._" for part in p.parts if part != "..")]
        if not found:
            raise DataError(f"The folder {path} holds no file of {', '.join(FORMATS)}.")
        return sorted(found)
    if any(mark in text for mark in WILD) and not path.exists():
        found = sorted(Path(name) for name in glob.glob(text, recursive=True))
        if not found:
            raise DataError(f"No file is named {text}.")
        return found
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty.")
    return [path]


def _open_paths(origin: Any, asked: Asked) -> Reader:
    paths = files_of(origin)
    name = str(paths[0]) if len(paths) == 1 else f"{paths[0].parent} ({len(paths)} files)"
    if kind_of(paths[0]) == ".npy":
        if asked.where is not None:
            raise DataError("where= needs columns with names: .npy files have none.")
        arrays, labels = [mapped(path) for path in paths], [str(path) for path in paths]
        return open_arrays(arrays, labels, asked.columns, asked.weights, name)
    return open_files(paths, asked.columns, asked.weights, asked.where, name)


def _open_stream(origin: Any, asked: Asked) -> Reader:
    return open_stream(origin, asked.columns, asked.weights, asked.where)


def _open_array(origin: Any, asked: Asked) -> Reader:
    if asked.where is not None:
        raise DataError("where= needs columns with names: an array has none.")
    name = f"the {type(origin).__name__}"
    return open_arrays([origin], [name], asked.columns, asked.weights, name)


def _open_call(origin: Any, asked: Asked) -> Reader:
    if any(part is not None for part in (asked.columns, asked.weights, asked.where)):
        raise DataError(
            "A function gives its blocks as they are: choose columns, rows and weights in it."
        )
    return open_call(origin)


def _open_dask(origin: Any, asked: Asked) -> Reader:
    if asked.where is not None:
        raise DataError("where= is for files: filter with Dask itself, ddf[ddf.year > 2020].")
    return open_dask(origin, asked.columns, asked.weights)


def _open_spark(origin: Any, asked: Asked) -> Reader:
    try:
        from ellimix.sources.spark.rows import open_spark
    except ModuleNotFoundError as error:  # pyspark comes without pandas and pyarrow
        raise MissingExtra(str(error.name), "spark") from error
    return open_spark(origin, asked.columns, asked.weights, asked.where)


def _refuse_once(origin: Any, _: Asked) -> Reader:
    raise DataError(
        f"A {type(origin).__name__} can be read once, and a fit reads rows many times: pass a "
        "function that makes it anew, such as lambda: blocks(), or write the rows to a file."
    )


def _is_once(origin: Any) -> bool:
    return isinstance(origin, Iterator) or type(origin).__name__ == "RecordBatchReader"


def _is_path(origin: Any) -> bool:
    if isinstance(origin, list | tuple):
        return bool(origin) and all(isinstance(one, str | PathLike) for one in origin)
    return isinstance(origin, str | PathLike)


def _is_spark(origin: Any) -> bool:
    return type(origin).__module__.split(".")[0] == SPARK


def _is_array(origin: Any) -> bool:
    sliced = (
        hasattr(origin, "shape") and hasattr(origin, "dtype") and hasattr(origin, "__getitem__")
    )
    return sliced and len(origin.shape) == 2


def _is_function(origin: Any) -> bool:
    return callable(origin) and not isinstance(origin, type) and not hasattr(origin, "shape")


# In this order: what suits first.
OPENERS: Final[list[tuple[Callable[[Any], bool], Callable[[Any, Asked], Reader]]]] = [
    (is_dask, _open_dask),
    (_is_path, _open_paths),
    (_is_spark, _open_spark),  # has an Arrow stream, too, which would bring all rows here
    (_is_once, _refuse_once),
    (gives_stream, _open_stream),
    (_is_array, _open_array),
    (_is_function, _open_call),
]
