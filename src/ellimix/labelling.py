"""Labels, responsibilities and log-densities of rows, written to files block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from ellimix.density.mixture import Mixture
from ellimix.engines.numpy_engine import normalise
from ellimix.errors import DataError
from ellimix.persist import write_beside
from ellimix.sources.files import PARQUET, TEXT, kind_of, pyarrow
from ellimix.sources.opening import RowStream, rows

FORMATS: Final = (*PARQUET, *TEXT)


@final
@dataclass(frozen=True)
class Written:
    """What was written.

    Parameters
    ----------
    files : tuple of Path
    rows : int
    blank : int
        Rows with nothing observed, whose cells are empty.
    """

    files: tuple[Path, ...]
    rows: int
    blank: int


def write_labels(model: Any, X: Any, out: str | PathLike[str]) -> Written:
    """Write each row's label, responsibilities and log-density, in the order of the rows.

    Parameters
    ----------
    model : Mixture or fitted estimator
    X : what `ellimix.rows` takes
        Files, Arrow streams, arrays on disk, functions. Memory stays bounded by a block.
    out : path-like
        A file, ``.parquet``, ``.csv`` or ``.tsv``, which is written beside and renamed; or a
        folder, that gets a Parquet file for each file of `X`, of the same name. It is made if it
        is not there.

    Returns
    -------
    Written

    Raises
    ------
    DataError
        `out` is of another format, or a folder for rows that are in no files; `X` does not have the
        model's columns.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> model = em.GaussianMixture(2, random_state=0).fit(em.datasets.path("faithful"))
    >>> out = Path(tempfile.mkdtemp()) / "labels.csv"
    >>> em.write_labels(model, em.datasets.path("faithful"), out).rows
    272
    >>> out.read_text().splitlines()[0]
    'label,responsibility_0,responsibility_1,log_density'
    """
    mixture: Mixture = getattr(model, "mixture_", model)
    stream, place = of_model(mixture, rows(X)), Path(out)
    if kind_of(place) in FORMATS and not place.is_dir():
        return _to_file(mixture, stream, place)
    if place.suffix and not place.is_dir():
        raise DataError(f"Labels cannot be written to {place}: use .parquet, .csv or a folder.")
    parts = stream.by_file()
    if parts is None:
        raise DataError(f"{stream.reader.where} is no file: name a file to write the labels to.")
    place.mkdir(parents=True, exist_ok=True)
    done = [
        _to_file(mixture, part, place / f"{name}.parquet") for name, part in _named(parts).items()
    ]
    return Written(
        tuple(path for one in done for path in one.files),
        sum(one.rows for one in done),
        sum(one.blank for one in done),
    )


def of_model(mixture: Mixture, stream: RowStream) -> RowStream:
    """The rows with a mixture's columns, in its order.

    Raises
    ------
    DataError
        The rows have other columns.
    """
    if mixture.feature_names is not None and stream.feature_names is not None:
        return stream.with_columns(mixture.feature_names)
    if stream.n_features != mixture.n_features:
        raise DataError(
            f"{stream.reader.where} has {stream.n_features} columns, and the model "
            f"{mixture.n_features}: choose them with columns= of rows(...)."
        )
    return stream


def header(mixture: Mixture) -> list[str]:
    """Names of the columns that are written."""
    parts = [str(k) for k in range(mixture.n_components)] + ["noise"] * (mixture.box is not None)
    return ["label", *(f"responsibility_{name}" for name in parts), "log_density"]


def _named(parts: dict[Path, RowStream]) -> dict[str, RowStream]:
    """Names for the files to write: those of the files that were read, told apart by a number."""
    out: dict[str, RowStream] = {}
    for path, part in parts.items():
        name = path.name.split(".")[0]
        number, own = 1, name
        while own in out:
            number += 1
            own = f"{name}-{number}"
        out[own] = part
    return out


def _to_file(mixture: Mixture, stream: RowStream, place: Path) -> Written:
    counts = {"rows": 0, "blank": 0}

    def write(name: str) -> None:
        batches = _batches(mixture, stream, counts)
        _write(batches, header(mixture), name, kind_of(place))

    write_beside(place, write)
    return Written((place,), counts["rows"], counts["blank"])


def _batches(mixture: Mixture, stream: RowStream, counts: dict[str, int]) -> Iterator[Any]:
    """What is written, a block at a time."""
    arrow, names = pyarrow(), header(mixture)
    for block in stream.source().in_large_blocks():
        log_joint = mixture.log_joint(block.rows)
        density, shares = normalise(log_joint.T)
        labels = log_joint.argmax(axis=1)
        labels[labels == mixture.n_components] = -1
        blank = np.isnan(block.rows).all(axis=1)
        counts["rows"] += blank.size
        counts["blank"] += int(blank.sum())
        columns = [labels, *shares, density]
        mask = blank if blank.any() else None
        yield arrow.record_batch([arrow.array(x, mask=mask) for x in columns], names=names)


def _write(batches: Iterator[Any], names: list[str], name: str, kind: str) -> None:
    arrow = pyarrow()
    types = [arrow.int64(), *(arrow.float64() for _ in names[1:])]
    schema = arrow.schema(list(zip(names, types, strict=True)))
    if kind in PARQUET:
        with pyarrow("parquet").ParquetWriter(name, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        return
    csv = pyarrow("csv")
    mark = "\t" if kind == ".tsv" else ","
    options = csv.WriteOptions(delimiter=mark, include_header=False)
    packed = name.lower().endswith(".gz")
    with arrow.output_stream(name, compression="gzip" if packed else None) as file:
        file.write((mark.join(names) + "\n").encode())  # pyarrow would put quotes around names
        with csv.CSVWriter(file, schema, write_options=options) as writer:
            for batch in batches:
                writer.write_batch(batch)
