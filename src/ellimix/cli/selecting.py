"""``ellimix select``: the models of a search, best first."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from ellimix.cli.choice import Asked, chosen
from ellimix.cli.places import check_picture, check_places, picture_of, write_picture
from ellimix.cli.summary import missing_of, notes_of
from ellimix.density.mixture import Mixture
from ellimix.persist import save
from ellimix.selection import table as tables
from ellimix.selection.cells import Cell
from ellimix.selection.criteria import CRITERIA, named, order
from ellimix.selection.search import Found
from ellimix.selection.table import Comparison, texts
from ellimix.sources.memory import MemorySource
from ellimix.sources.tables import Table, read_table

WIDE = 92  # columns of a terminal from which the table is set with wider gaps


@dataclass(frozen=True)
class SelectOptions:
    """The options of ``ellimix select``."""

    data: Path
    asked: Asked
    columns: tuple[str, ...] | None = None
    weights: str | None = None
    top: int = 10
    out: Path | None = None
    plot: Path | None = None
    json: bool = False


def select_file(options: SelectOptions, console: Console) -> Found:
    """Read, search, write, print: in this order, so that a refusal writes nothing."""
    check_places(options.out, options.plot)
    named(options.asked.criterion)
    if options.plot is not None:
        check_picture(options.plot)
    table = read_table(options.data, options.columns, options.weights)
    found = chosen(table, MemorySource(table.rows, table.weight), options.asked)
    comparison = tables.compare(
        found.cells, found.criterion, options.top, n_rows=table.rows.shape[0]
    )
    if options.plot is not None:
        from ellimix.plots import selection_plot

        picture = picture_of(lambda: selection_plot(found.cells, criterion=found.criterion))
        write_picture(picture, options.plot)
    if options.out is not None:
        save(_mixture(found.best), options.out)
    if options.json:
        print(json.dumps(_as_dict(found, table, options), indent=2, allow_nan=False))
    else:
        _print(found, comparison, table, options, console)
    return found


def command_of(best: Cell, options: SelectOptions) -> str:
    """The command that fits the chosen model alone."""
    words = ["ellimix", "fit", str(options.data), "--components", str(best.n_components)]
    words += ["--covariance", best.name]
    if options.columns is not None:
        words += ["--columns", ",".join(options.columns)]
    if options.weights is not None:
        words += ["--weights", options.weights]
    if options.asked.noise:
        words += ["--noise"]
    if options.asked.prior != Asked.prior:
        words += ["--prior", options.asked.prior]
    return shlex.join(words)


def _mixture(cell: Cell) -> Mixture:
    if cell.report is None or cell.report.mixture is None:
        raise AssertionError("the best cell has a mixture")
    return cell.report.mixture.by_weight()


def _files(options: SelectOptions) -> dict[str, str]:
    places = {"model": options.out, "plot": options.plot}
    return {what: str(path) for what, path in places.items() if path is not None}


def _as_dict(found: Found, table: Table, options: SelectOptions) -> dict[str, Any]:
    rows = tables.rows(found.cells, found.criterion)
    return {
        "data": str(options.data),
        "n_rows": int(table.rows.shape[0]),
        "n_features": int(table.rows.shape[1]),
        "feature_names": list(table.names),
        "criterion": found.criterion,
        "best": tables.plain([rows[found.best_index]])[0],
        "cells": tables.plain([rows[i] for i in order(found.cells, found.criterion)]),
        "missing": missing_of(table),
        "notes": [*notes_of(table), *found.said],
        "seconds": found.seconds,
        "command": command_of(found.best, options),
        "files": _files(options),
    }


def _print(
    found: Found,
    comparison: Comparison,
    table: Table,
    options: SelectOptions,
    console: Console,
) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    n, d = table.rows.shape
    say(f"{options.data}: {n:,} rows, {d} columns")
    say(f"{comparison.title}\n")
    console.print(_table(comparison, console.width))
    say("")
    for note in comparison.notes:
        say(note)
    best = found.best
    plural = "" if best.n_components == 1 else "s"
    mixture = _mixture(best)
    noise = "" if mixture.box is None else f" and noise ({mixture.noise_weight:.1%})"
    words = mixture.family.words
    say(f"\nBest: {best.name}, {words}, with {best.n_components} component{plural}{noise}")
    for note in (*notes_of(table), *found.said):
        say(f"Note: {note}")
    for what, path in _files(options).items():
        say(f"Wrote the {what} to {path}")
    say("To fit this model alone (--out writes it to a file, here, too):")
    say(f"  {command_of(best, options)}")


def _table(comparison: Comparison, width: int) -> RichTable:
    gap = (0, 2, 0, 0) if width >= WIDE else (0, 1, 0, 0)
    table = RichTable(box=None, pad_edge=False, padding=gap, header_style="bold")
    name = comparison.criterion.upper() if comparison.criterion in CRITERIA else "value"
    headings = ("#", "family", "K", "params", "log-lik.", name, "diff.", "weight", "agreed")
    for heading in headings:
        left = heading == "family"
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for place, row in enumerate(comparison.rows, 1):
        style = "bold" if place == 1 else "" if row["status"] == "ok" else "dim"
        table.add_row(str(place), *texts(row, _number), style=style)
    return table


def _number(value: object) -> str:
    number = float(str(value))
    if math.isnan(number):
        return "-"
    return f"{number:,.3f}" if abs(number) < 1e5 else f"{number:,.1f}"
