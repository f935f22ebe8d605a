"""Rows outside of memory, as an estimator's fit takes them: looked at once, or loaded if few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from ellimix.engines import choose
from ellimix.errors import DataError
from ellimix.estimators.beginning import held_rows, sample_seed
from ellimix.estimators.methods import MixtureMethods
from ellimix.estimators.opened import for_model, opened, with_rows
from ellimix.estimators.preparing import checked_source
from ellimix.estimators.verbose import PassPrinter
from ellimix.report import FitReport
from ellimix.sources.knowledge import Known
from ellimix.sources.memory import MemorySource
from ellimix.sources.opening import RowStream, is_stream
from ellimix.sources.outside import OutsideSource

MOST = 9  # components that are taken to be tried, for what is held in memory
CHOOSING_ROWS = 100_000  # of the sample that a model is chosen on


@final
@dataclass(frozen=True)
class Wanted:
    """What a fit wants of rows that are not in memory.

    Parameters
    ----------
    k : int or None
        Number of components; None where it is to be chosen.
    by_row : str
        An argument of the estimator that has a value for each row; empty without one.
    sample : callable
        From the number of features, rows of the sample that starts are made on.
    begun : bool
        Whether the rows come after others.
    seed : int or None
        Of the sample; None for one from the estimator's own.
    printer : PassPrinter or None
        Who prints how far passes are.
    """

    k: int | None
    by_row: str
    sample: Callable[[int], int]
    begun: bool = False
    seed: int | None = None
    printer: PassPrinter | None = None


def source_of(
    estimator: MixtureMethods, X: Any, sample_weight: Any, known: Known, wanted: Wanted
) -> tuple[MemorySource | OutsideSource, tuple[str, ...]]:
    """The rows of a fit, wherever they are, and what there is to say of them.

    Raises
    ------
    DataError
        Something is said of rows one by one, which are not in memory.
    """
    if not is_stream(X):
        return checked_source(estimator, X, sample_weight, known, wanted.k, wanted.begun)
    stream = opened(X, sample_weight)
    if wanted.begun:
        stream = for_model(estimator, stream)
    if wanted.printer is not None:
        stream = stream.watched(wanted.printer.tell)
    source = stream.source()
    if not stream.small:
        d, item = stream.n_features, stream.reader.dtype.itemsize
        size = held_rows(wanted.sample(d), d, item)
        if wanted.printer is not None:
            k = wanted.k or MOST
            engine = choose(estimator.engine, source.n_rows, d, k, True)
            wanted.printer.starting(source.where, d, source.pass_bytes(engine, k, size))
        seed = sample_seed(estimator) if wanted.seed is None else wanted.seed
        source = source.looked_at(size, seed)
        if source.rows_bytes > stream.memory:
            check_by_column(wanted.by_row, known, sample_weight)
            return source, outside_notes(estimator, stream, source)
    table = source.loaded()
    weight = sample_weight
    if source.has_weights or with_rows(sample_weight):
        weight = table.weight
    names = stream.feature_names
    return checked_source(estimator, table.rows, weight, known, wanted.k, wanted.begun, names)


def check_by_column(by_row: str, known: Known, sample_weight: Any) -> None:
    """Raise `DataError` for what is said of single rows: they are not in memory."""
    said = [name for name, value in known.items() if value is not None]
    said += [by_row] if by_row else []
    if sample_weight is not None and not with_rows(sample_weight):
        said.append("sample_weight")
    if said:
        raise DataError(
            f"{', '.join(said)} has a value for each row, and these rows are not in memory: name a "
            "column of weights (rows(..., weights=NAME)), load the rows (rows(..., "
            "memory='8 GiB')), or fit a part of them."
        )


def outside_notes(
    estimator: MixtureMethods, stream: RowStream, source: OutsideSource
) -> tuple[str, ...]:
    """What there is to say of the rows; the estimator gets their columns."""
    survey = source.told
    empty = np.flatnonzero(survey.lacking >= survey.weight)
    names = stream.feature_names
    if empty.size:
        shown = ", ".join(str(j) if names is None else repr(names[j]) for j in empty[:6])
        raise DataError(
            f"Every value is missing in column(s) {shown}: leave them out, nothing is known there."
        )
    estimator.n_features_in_ = stream.n_features
    estimator.__dict__.pop("feature_names_in_", None)
    if names is not None:
        estimator.feature_names_in_ = np.array(names, dtype=object)
    if not survey.nothing:
        return ()
    return (f"{survey.nothing:,} row(s) have nothing observed and count for nothing.",)


def rows_that_count(source: MemorySource | OutsideSource) -> int:
    """Rows with a positive weight."""
    if isinstance(source, OutsideSource):
        return source.told.counted
    return source.n_rows if source.weight is None else int(np.count_nonzero(source.weight))


def with_passes(report: FitReport, source: MemorySource | OutsideSource) -> FitReport:
    """The report with how many passes were made over rows outside of memory."""
    if not isinstance(source, OutsideSource):
        return report
    note = (
        f"{2 + report.n_iter} passes were made over all {source.n_rows:,} rows: one to look at "
        f"them and draw a sample of {source.sample.n_rows:,}, one in each iteration, and one to "
        "score them."
    )
    return replace(report, notes=(*report.notes, note))
