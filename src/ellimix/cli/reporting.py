"""``ellimix report``: the search of ``ellimix fit``, and a page on what it found."""

from __future__ import annotations

import shlex
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from ellimix.cli.choice import Asked
from ellimix.cli.jobs import AUTO, FitOptions, asked_for, check_components, fit_table
from ellimix.cli.outside import estimator_of, is_plain, opened, table_of
from ellimix.cli.places import check_places
from ellimix.cli.watching import pass_bar
from ellimix.estimators.opened import for_model
from ellimix.estimators.search import GaussianMixtureSearch
from ellimix.persist import write_beside
from ellimix.plots.canvas import use_files_only
from ellimix.reporting import Subject, check_wanted, report_page
from ellimix.reporting.calls import Call, literal, python_call
from ellimix.reporting.looking import look
from ellimix.reporting.subject import of_estimator
from ellimix.sources.memory import MemorySource
from ellimix.sources.tables import Table, read_table

OUT: Final = Path("report.html")


def report_file(options: FitOptions, console: Console) -> str:
    """Read, search, write, say so: in this order, so that a refusal writes nothing.

    Parameters
    ----------
    options : FitOptions
        `out` is the page.
    console : Console

    Returns
    -------
    str
        The page.
    """
    out = options.out or OUT
    check_places(out)
    check_components(options.components)
    use_files_only()
    check_wanted(out)
    table = _table(options)
    subject = _outside(options) if table is None else _inside(table, options)
    page = report_page(subject)
    write_beside(out, lambda name: Path(name).write_text(page, encoding="utf-8"))
    for text in (
        f"{options.data}: {subject.look.total:,} rows, {subject.mixture.n_features} columns",
        _model(subject),
        f"Wrote the report to {out}",
    ):
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    return page


def _table(options: FitOptions) -> Table | None:
    """The rows, or None where they are to be read in every pass."""
    if is_plain(options):
        return read_table(Path(options.data), options.columns, options.weights)
    return table_of(options)


def _model(subject: Subject) -> str:
    """The model in words, and among what it was chosen."""
    choice = subject.summary.choice
    return subject.mixture.words + (f", {choice.words}" if choice and choice.words else "")


def _outside(options: FitOptions) -> Subject:
    """A fit by passes over files, and what there is to report of it."""
    model = estimator_of(options)
    with pass_bar() as tell, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what fits warn of stands in the report
        given = opened(options)
        stream = given if tell is None else given.watched(tell)
        model.fit(stream)
        source = for_model(model, stream).source()
        subject = of_estimator(model, source, model.summary(stream))
    return replace(subject, calls=_calls(options, model))


def _inside(table: Table, options: FitOptions) -> Subject:
    """The search of ``ellimix fit``, and what there is to report of it."""
    summary = fit_table(table, options)
    found = summary.found
    return Subject(
        summary.mixture,
        summary.numbers,
        look(summary.mixture, MemorySource(table.rows, table.weight)),
        found.cells,
        found.criterion,
        found.best_index,
        calls=_calls(options, _search(options)),
        remarks=table.ignored,
        numbers=np.flatnonzero(table.kept),
    )


def _search(options: FitOptions) -> GaussianMixtureSearch:
    """The same search in Python."""
    asked = asked_for(options.components, options.covariance, options.seed)
    return GaussianMixtureSearch(
        asked.families,
        options.components,
        noise=options.noise,
        prior=None if options.prior == Asked.prior else options.prior,
        random_state=options.seed,
    )


def _calls(options: FitOptions, estimator: Any) -> tuple[Call, ...]:
    """What was typed, and the same in Python."""
    words = ["ellimix", "report", str(options.data)]
    given: tuple[tuple[str, object, object], ...] = (
        ("--components", options.components, None),
        ("--covariance", options.covariance, AUTO),
        ("--columns", None if options.columns is None else ",".join(options.columns), None),
        ("--weights", options.weights, None),
        ("--prior", options.prior, FitOptions.prior),
        ("--seed", options.seed, FitOptions.seed),
        ("--out", str(options.out or OUT), str(OUT)),
    )
    for name, value, default in given:
        if value != default:
            words += [name, str(value)]
    words += ["--noise"] * options.noise
    arguments = [literal(str(options.data))]
    if options.columns is not None:
        arguments.append(f"columns={literal([*options.columns])}")
    if options.weights is not None:
        arguments.append(f"weights={literal(options.weights)}")
    data = f"em.rows({', '.join(arguments)})"
    command = Call("On the command line", (shlex.join(words),))
    return command, python_call(estimator, data=data)
