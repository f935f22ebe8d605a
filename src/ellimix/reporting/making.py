"""A report: its sections in order, as one page that refers to nothing outside."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

from ellimix.errors import DataError
from ellimix.plots.canvas import check_installed
from ellimix.plots.pages import check, page
from ellimix.reporting import again, choosing, describing
from ellimix.reporting.drifting import drift
from ellimix.reporting.parts import Report, shown
from ellimix.reporting.pictures import pictures
from ellimix.reporting.subject import Subject, of_estimator
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource
from ellimix.summary.records import RowNumbers
from ellimix.summary.summary import Summary

PACKAGE = "ellimix.reporting"


def check_wanted(path: str | PathLike[str] | None) -> None:
    """Before any work: packages and the folder are there.

    Raises
    ------
    MissingExtra
        jinja2 or matplotlib is not installed.
    DataError
        There is no such folder, or `path` is one.
    """
    check()
    check_installed()
    if path is None:
        return
    place = Path(path)
    if not place.parent.is_dir():
        raise DataError(f"There is no folder {place.parent} to write {place.name} to.")
    if place.is_dir():
        raise DataError(f"{place} is a folder: name a file in it.")


def estimator_page(
    estimator: Any,
    source: MemorySource | OutsideSource,
    summary: Summary,
    given: Sequence[str] = (),
) -> str:
    """The report on a fitted estimator, as HTML: see `ellimix.reporting.subject.of_estimator`."""
    return report_page(of_estimator(estimator, source, summary, given))


def report_page(subject: Subject) -> str:
    """The report on a subject, as HTML.

    Raises
    ------
    MissingExtra
        jinja2 or matplotlib is not installed.
    """
    style = files(PACKAGE).joinpath("page.css").read_text(encoding="utf-8")
    return page(PACKAGE, "page.html", report=shown(report(subject)), style=style)


def report(subject: Subject) -> Report:
    """The report on a subject, before it is a page."""
    drawn = pictures(subject)
    sections = (
        choosing.choice(subject, drawn),
        describing.views(drawn),
        describing.model(subject),
        describing.profiles(subject, drawn),
        describing.doubtful(subject, drawn),
        choosing.starts(subject, drawn),
        choosing.aside(subject),
        drift(subject),
        again.again(subject),
        again.versions(),
    )
    return Report(
        subject.summary.title,
        _lead(subject),
        subject.warnings,
        tuple(section for section in sections if section is not None),
    )


def _lead(subject: Subject) -> str:
    """The model and the rows, in a sentence."""
    rows, d = subject.summary.rows, subject.mixture.n_features
    if rows is None:
        raise AssertionError("a report has rows")
    return (
        f"{subject.summary.words}, of {rows.n_rows:,} row{'s' * (rows.n_rows != 1)} and {d} "
        f"feature{'s' * (d != 1)}{_weighed(rows)}."
    )


def _weighed(rows: RowNumbers) -> str:
    return "" if rows.weight == rows.n_rows else f" (total weight {rows.weight:,.6g})"
