"""`ellimix fit` for files that are larger than memory, many files, and fits on a cluster."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rich.console import Console

from ellimix.cli.places import check_picture, check_places, picture_of, write_picture
from ellimix.cli.summary import components_of
from ellimix.cli.watching import kept, pass_bar
from ellimix.engines import NAMES, choose
from ellimix.errors import DataError
from ellimix.estimators.beginning import held_rows
from ellimix.estimators.outside import CHOOSING_ROWS
from ellimix.estimators.verbose import as_bytes
from ellimix.sources.dask_files import cluster, frame_of
from ellimix.sources.files import PARQUET, TEXT, kind_of
from ellimix.sources.memory import MemorySource
from ellimix.sources.opening import MEMORY, RowStream, files_of, rows
from ellimix.sources.tables import Table

if TYPE_CHECKING:
    from ellimix.cli.jobs import FitOptions

DASK: Final = "dask"
ENGINES: Final = ("auto", *NAMES, DASK)
SMALL: Final = 64 << 20  # bytes of a file that is read whole, however it is packed
MOST_TRIED: Final = 9  # components, where their number is open
DRAWN: Final = 20_000  # rows in the picture
STARTS, MOST, TOLERANCE = 5, 1000, 1e-5  # of a model of which all is given


@dataclass(frozen=True)
class Outside:
    """Options of rows outside of memory, and of long fits.

    Parameters
    ----------
    where : str or None
        Which rows count.
    memory : str or None
        Rows that take no more are read into memory once.
    scheduler : str or None
        Address of Dask's.
    checkpoint : Path or None
    resume : bool
    """

    where: str | None = None
    memory: str | None = None
    scheduler: str | None = None
    checkpoint: Path | None = None
    resume: bool = False


def check_outside(options: FitOptions) -> None:
    """Before any work: options that do not go together.

    Raises
    ------
    DataError
        An engine that is not there, or an option that would do nothing.
    """
    asked = options.outside
    kept(asked.checkpoint, asked.resume)
    if options.engine not in ENGINES:
        raise DataError(f"--engine is {options.engine!r}: expected {', '.join(ENGINES)}.")
    if asked.scheduler is not None and options.engine != DASK:
        raise DataError("--scheduler is Dask's: it needs --engine dask.")
    if options.engine == DASK and asked.where is not None:
        raise DataError("--where does not go with --engine dask: filter the rows with Dask.")


def table_of(options: FitOptions) -> Table | None:
    """The table of a few files that are small; None where rows are to be read in every pass.

    A single small file is left to `ellimix.sources.tables.read_table`, which says more of it.
    """
    stream = opened(options)
    if options.engine == DASK or options.outside.checkpoint is not None or not stream.small:
        return None
    source: MemorySource = stream.loaded()
    seen = np.asarray(~np.isnan(source.rows).all(axis=1))
    names = stream.feature_names or tuple(f"x{j}" for j in range(stream.n_features))
    weight = None if source.weight is None else source.weight[seen]
    ignored: tuple[str, ...] = ()
    if not seen.all():
        ignored = (f"Left out {int((~seen).sum()):,} rows, with nothing observed.",)
    values = np.asarray(source.rows[seen], dtype=np.float64)
    return Table(values, names, weight, seen, ignored)


def is_plain(options: FitOptions) -> bool:
    """Whether the data are one small file and nothing asks for more than reading it."""
    asked, path = options.outside, Path(options.data)
    if options.engine == DASK or asked.checkpoint is not None or asked.where is not None:
        return False
    if not path.is_file() or kind_of(path) not in (*TEXT, *PARQUET, ".npy"):
        return not path.exists() and not any(mark in str(path) for mark in "*?[")
    size = path.stat().st_size
    return size == 0 or (asked.memory is None and size <= SMALL)


def opened(options: FitOptions) -> RowStream:
    """The rows of the files that were named."""
    asked = options.outside
    memory = MEMORY if asked.memory is None else asked.memory
    return rows(
        str(options.data),
        columns=options.columns,
        weights=options.weights,
        where=asked.where,
        memory=0 if asked.checkpoint is not None else memory,
    )


def fit_outside(options: FitOptions, console: Console) -> Any:
    """Fit rows that are read in every pass, write, print; the fitted estimator."""
    check_places(options.out, options.plot, options.outside.checkpoint)
    if options.plot is not None:
        check_picture(options.plot)
    model = estimator_of(options)
    with _rows(options) as given, pass_bar() as tell, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what fits warn of stands in the summary
        stream = given if tell is None else given.watched(tell)
        if options.engine != DASK:
            say_bound(stream, options)
        try:
            model.fit(stream, **kept(options.outside.checkpoint, options.outside.resume))
        except DataError:
            if options.out is not None and hasattr(model, "mixture_"):
                model.save(options.out)
            raise
        if options.plot is not None:
            _draw(model, stream, options.plot)
    if options.out is not None:
        model.save(options.out)
    _print(model, options, console)
    return model


def say_bound(stream: RowStream, options: FitOptions) -> None:
    """Before the start, on standard error: how much memory the fit holds, whatever its rows."""
    source, d, k = stream.source(), stream.n_features, options.components or MOST_TRIED
    size = held_rows(CHOOSING_ROWS, d, stream.reader.dtype.itemsize)
    engine = choose(options.engine, source.n_rows, d, k, True)
    bound = as_bytes(source.pass_bytes(engine, k, size))
    print(
        f"Rows of {d} columns from {source.where}, read anew in every pass: about {bound} of "
        "memory, however many rows there are.",
        file=sys.stderr,
    )


@contextmanager
def _rows(options: FitOptions) -> Iterator[RowStream]:
    """The rows, on the cluster where Dask was asked for."""
    if options.engine != DASK:
        yield opened(options)
        return
    with cluster(options.outside.scheduler):
        frame = frame_of(files_of(str(options.data)))
        yield rows(frame, columns=options.columns, weights=options.weights, memory=0)


def estimator_of(options: FitOptions) -> Any:
    """The estimator that fits rows outside of memory; not fitted yet."""
    from ellimix.estimators.gaussian_mixture import GaussianMixture

    engine = "auto" if options.engine == DASK else options.engine
    common: dict[str, Any] = {
        "covariance_type": options.covariance,
        "engine": engine,
        "noise": options.noise,
        "order": "weight",
        "prior": None if options.prior == "none" else options.prior,
        "random_state": options.seed,
    }
    k = "auto" if options.components is None else options.components
    if "auto" in (k, options.covariance):
        return GaussianMixture(k, **common)
    return GaussianMixture(k, n_init=STARTS, max_iter=MOST, tol=TOLERANCE, **common)


def _draw(model: Any, stream: RowStream, path: Path) -> None:
    """The clusters, with the rows of a sample."""
    from ellimix.plots import clusters

    names = getattr(model, "feature_names_in_", None)
    source = (stream if names is None else stream.with_columns(tuple(names))).source()
    sample = source.looked_at(DRAWN, 0).sample
    write_picture(picture_of(lambda: clusters(model, sample.rows)), path)


def _print(model: Any, options: FitOptions, console: Console) -> None:
    summary = model.summary()
    files = {"model": options.out, "plot": options.plot}
    written = {what: str(path) for what, path in files.items() if path is not None}
    if options.json:
        print(json.dumps({**_as_dict(model, options), "files": written}, indent=2, allow_nan=False))
        return
    console.print(summary.to_text(console.width), highlight=False, markup=False, soft_wrap=True)
    for what, path in written.items():
        line = f"Wrote the {what} to {path}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _as_dict(model: Any, options: FitOptions) -> dict[str, Any]:
    """What JSON has of a fit, by the names that it has them by for a small file."""
    summary, report, mixture = model.summary(), model.report_, model.mixture_
    rows_, weight = summary.rows, mixture.noise_weight
    return {
        "data": str(options.data),
        "n_rows": rows_.n_rows,
        "n_features": mixture.n_features,
        "feature_names": list(mixture.names),
        "family": model.covariance_type_,
        "family_in_words": mixture.family.words,
        "n_components": mixture.n_components,
        "log_likelihood": rows_.log_likelihood,
        "n_parameters": mixture.n_parameters,
        "bic": rows_.bic,
        "icl": rows_.icl,
        "uncertain_rows": rows_.uncertain,
        "status": report.status.value,
        "n_iter": report.n_iter,
        "start": report.start,
        "components": components_of(summary, mixture.names, rows_.weight),
        "noise": {"weight": weight, "count": weight * rows_.weight} if mixture.box else None,
        "notes": list(report.notes),
    }
