"""``ellimix report``: the search of ``ellimix fit``, and a page on what it found."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from ellimix.cli.choice import Asked
from ellimix.cli.jobs import AUTO, FitOptions, asked_for, check_components, fit_table
from ellimix.cli.places import check_places
from ellimix.cli.summary import FileSummary, model_of
from ellimix.estimators.search import GaussianMixtureSearch
from ellimix.persist import write_beside
from ellimix.plots.canvas import use_files_only
from ellimix.reporting import Subject, check_wanted, report_page
from ellimix.reporting.calls import Call, literal, python_call
from ellimix.reporting.looking import look
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
    table = read_table(options.data, options.columns, options.weights)
    summary = fit_table(table, options)
    page = report_page(_subject(summary, table, options))
    write_beside(out, lambda name: Path(name).write_text(page, encoding="utf-8"))
    for text in (
        f"{options.data}: {table.rows.shape[0]:,} rows, {table.rows.shape[1]} columns",
        model_of(summary.found),
        f"Wrote the report to {out}",
    ):
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    return page


def _subject(summary: FileSummary, table: Table, options: FitOptions) -> Subject:
    found = summary.found
    return Subject(
        summary.mixture,
        summary.numbers,
        look(summary.mixture, MemorySource(table.rows, table.weight)),
        found.cells,
        found.criterion,
        found.best_index,
        calls=_calls(options),
        remarks=table.ignored,
        numbers=np.flatnonzero(table.kept),
    )


def _calls(options: FitOptions) -> tuple[Call, ...]:
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
    asked = asked_for(options.components, options.covariance, options.seed)
    search = GaussianMixtureSearch(
        asked.families,
        options.components,
        noise=options.noise,
        prior=None if options.prior == Asked.prior else options.prior,
        random_state=options.seed,
    )
    arguments = [literal(str(options.data))]
    if options.columns is not None:
        arguments.append(f"columns={literal([*options.columns])}")
    if options.weights is not None:
        arguments.append(f"weights={literal(options.weights)}")
    data = f"em.rows({', '.join(arguments)})"
    command = Call("On the command line", (shlex.join(words),))
    return command, python_call(search, data=data)
