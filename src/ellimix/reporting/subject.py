"""What a report is about: a model, its numbers, its rows, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from ellimix.density.mixture import Mixture
from ellimix.errors import Status
from ellimix.estimators.search import GaussianMixtureSearch
from ellimix.report import FitReport
from ellimix.reporting.calls import (
    Call,
    command_call,
    python_call,
    restored_call,
    stream_call,
)
from ellimix.reporting.looking import Look, look
from ellimix.reporting.streams import Stream, stream_of
from ellimix.selection.annihilation import Annihilation
from ellimix.selection.cells import Cell
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource
from ellimix.summary.names import distinct, sentence
from ellimix.summary.summary import Summary

NAME_WIDTH: Final = 40
SOUND: Final = (Status.CONVERGED.value, Status.UPDATED.value)  # ends that call for no caution
SAME: Final = 1e-6  # relative: sums of one model over the same rows


@final
@dataclass(frozen=True, eq=False)
class Subject:
    """What a report is about.

    Parameters
    ----------
    mixture : Mixture
    summary : Summary
        Of the rows of the report.
    look : Look
        At these rows.
    cells : tuple of Cell
        Of the search that chose the model; empty where none did.
    criterion : str
        By which it did.
    best_index : int
        Which cell it is.
    runs : tuple of Annihilation
        Of a choice by message length, the shortest first.
    reports : tuple of FitReport
        One for each start of the fit; empty where they are not known.
    stream : Stream or None
    calls : tuple of Call
    remarks : tuple of str
        What there is to say of the rows, in sentences.
    numbers : ndarray of shape (n,) or None
        Numbers that rows have where they are from; None where these are their places, from 0.
    fitted : estimator or None
        For pictures of how the fit went.
    """

    mixture: Mixture
    summary: Summary
    look: Look
    cells: tuple[Cell, ...] = ()
    criterion: str = "bic"
    best_index: int = 0
    runs: tuple[Annihilation, ...] = ()
    reports: tuple[FitReport, ...] = ()
    stream: Stream | None = None
    calls: tuple[Call, ...] = ()
    remarks: tuple[str, ...] = ()
    numbers: NDArray[np.intp] | None = None
    fitted: Any = None

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names as they are shown."""
        return distinct(self.mixture.names, NAME_WIDTH)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a careful reader should know first, each sentence once."""
        said = (*self.remarks, *self.summary.warnings)
        fit = self.summary.fit
        if fit is not None and fit.status not in SOUND:
            said = (*said, fit.message)
        return tuple(dict.fromkeys(map(self.said, said)))

    @property
    def best(self) -> Cell | None:
        """The cell of the model that was chosen."""
        return self.cells[self.best_index] if self.cells else None

    def said(self, text: str) -> str:
        """A sentence with the names in it as they are shown."""
        return sentence(text, self.mixture.names, self.names)

    def component(self, k: int) -> str:
        """A component's number, or noise."""
        return "noise" if k >= self.mixture.n_components else str(k)

    def row(self, place: int) -> int:
        """The number of a row where it is from."""
        return place if self.numbers is None else int(self.numbers[place])


def of_estimator(
    estimator: Any,
    source: MemorySource | OutsideSource,
    summary: Summary,
    given: Sequence[str] = (),
) -> Subject:
    """What a report on a fitted estimator is about.

    Parameters
    ----------
    estimator : GaussianMixture, BayesianGaussianMixture or GaussianMixtureSearch
    source : MemorySource or OutsideSource
        The rows.
    summary : Summary
        Of the estimator and these rows.
    given : sequence of str
        What else is known of the rows, by the names of the arguments.
    """
    mixture: Mixture = estimator.mixture_
    found = look(mixture, source)
    summary = _with_rows(summary, found)
    search, runs = _choice(estimator)
    known = summary.fit is not None
    reports = () if search is not None or not known else tuple(vars(estimator)["reports_"])
    stream = stream_of(estimator)
    chosen: dict[str, Any] = {}
    if search is not None and known:
        chosen = {
            "cells": search.cells_,
            "criterion": search.criterion_,
            "best_index": search.best_index_,
        }
    return Subject(
        mixture,
        summary,
        found,
        **chosen,
        runs=runs if known else (),
        reports=reports,
        stream=stream,
        calls=_calls(estimator, given, summary, stream),
        remarks=_remarks(estimator, summary, found),
        fitted=estimator if reports else None,
    )


def _calls(
    estimator: Any, given: Sequence[str], summary: Summary, stream: Stream | None
) -> tuple[Call, ...]:
    """How the model is made again."""
    if summary.fit is None or (stream is not None and not stream.batches):
        return (restored_call(estimator),)
    posterior = summary.posterior
    seen = 1 if posterior is None else posterior.n_batches or 1
    if stream is not None or seen > 1:
        return (stream_call(estimator, estimator.n_batches_),)
    return python_call(estimator, given), command_call(estimator, given)


def _with_rows(summary: Summary, found: Look) -> Summary:
    """The summary with the number of rows, which a pass over rows outside of memory counts."""
    if summary.rows is None:
        return summary
    return replace(summary, rows=replace(summary.rows, n_rows=found.total))


def _choice(
    estimator: Any,
) -> tuple[GaussianMixtureSearch | None, tuple[Annihilation, ...]]:
    """The search that chose a model, or the runs of annihilation that did."""
    if isinstance(estimator, GaussianMixtureSearch):
        return estimator, ()
    search = vars(estimator).get("search_")
    if isinstance(search, tuple):
        return None, search
    return search, ()


def _remarks(estimator: Any, summary: Summary, found: Look) -> tuple[str, ...]:
    out = []
    scores, rows = vars(estimator).get("scores_"), summary.rows
    if summary.fit is not None and rows is not None and scores is not None:
        same = np.isclose(scores.weight, rows.weight, rtol=SAME) and np.isclose(
            scores.log_likelihood, rows.log_likelihood, rtol=SAME
        )
        if not same:
            out.append(
                "The rows of this report are not those of the fit: likelihood, criteria and counts "
                "are of the rows here, the choice and the starts of the others."
            )
    if found.outside:
        out.append(
            f"For this report two passes were made over all {found.total:,} rows: one for the "
            f"sums, and one for the least certain rows and the {found.n_drawn:,} that are drawn."
        )
    return tuple(out)
