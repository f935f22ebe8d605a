"""What a fit found, as tables in the terminal and as a dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable

from ellimix.density.mixture import UNCERTAIN, Mixture
from ellimix.errors import Status
from ellimix.selection import table as tables
from ellimix.selection.search import Found
from ellimix.sources.memory import MemorySource
from ellimix.sources.tables import ASSUMED, Table, percent
from ellimix.summary.making import Origin, choice_of, starts_of_cell, summarise
from ellimix.summary.records import Estimation, RowNumbers
from ellimix.summary.summary import Summary

CELL = 18  # characters that a mean and its deviation need at most
MOST_COLUMNS = 12  # shown with their missing values
MARGIN = 28  # and what stands to the left of them in a row of a component


@dataclass(frozen=True)
class FileSummary:
    """A fit and everything that the command line says of it."""

    mixture: Mixture
    numbers: Summary
    rows: RowNumbers
    found: Found
    table: Table
    data: str
    files: dict[str, str]
    reg_covar: float

    @classmethod
    def of(
        cls,
        found: Found,
        table: Table,
        source: MemorySource,
        data: str,
        files: dict[str, str],
        reg_covar: float,
    ) -> Self:
        """The summary of the best cell, its components by descending weight."""
        if found.best.report is None or found.best.report.mixture is None:
            raise AssertionError("the best cell has a mixture")
        report = found.best.report.by_weight()
        mixture = found.best.report.mixture.by_weight()
        origin = Origin(
            Estimation("maximum likelihood" if found.prior is None else "maximum a posteriori"),
            report,
            starts_of_cell(found.best),
            mixture.score_rows(source, counts=True),
            table.missing,
            choice_of(found.cells, found.criterion),
            said=found.said,
        )
        numbers = summarise(mixture, origin)
        if numbers.rows is None:
            raise AssertionError("there are rows")
        return cls(mixture, numbers, numbers.rows, found, table, data, files, reg_covar)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        return self.table.names

    @property
    def noise(self) -> dict[str, float] | None:
        """Weight and count of the noise component, where there is one."""
        noise = self.numbers.noise
        if noise is None:
            return None
        return {"weight": noise.weight, "count": noise.weight * self.rows.weight}

    def components(self) -> list[dict[str, Any]]:
        """Weight, count, means and standard deviations of each component."""
        return components_of(self.numbers, self.names, self.rows.weight)

    def notes(self) -> tuple[str, ...]:
        """What was left out, and what a careful reader should know of the fit."""
        return (*notes_of(self.table), *self.remarks())

    def remarks(self) -> tuple[str, ...]:
        """The notes on the search and the fit."""
        fit, said = self.numbers.fit, self.numbers.warnings
        if fit is None or fit.status == Status.CONVERGED.value:
            return said
        return (*said, fit.message)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        rows, found, fit = self.rows, self.found, self.numbers.fit
        if fit is None:
            raise AssertionError("there is a fit")
        return {
            "data": self.data,
            "n_rows": int(self.table.rows.shape[0]),
            "n_features": self.mixture.n_features,
            "feature_names": list(self.names),
            "family": found.best.name,
            "family_in_words": self.mixture.family.words,
            "n_components": self.mixture.n_components,
            "log_likelihood": rows.log_likelihood,
            "n_parameters": self.mixture.n_parameters,
            "bic": rows.bic,
            "icl": rows.icl,
            "uncertain_rows": rows.uncertain,
            "status": fit.status,
            "n_iter": fit.n_iter,
            "start": fit.start,
            "reg_covar": self.reg_covar,
            "components": self.components(),
            "noise": self.noise,
            "missing": missing_of(self.table),
            "cells": tables.plain(tables.rows(found.cells, found.criterion)),
            "notes": list(self.notes()),
            "files": self.files,
        }


def components_of(numbers: Summary, names: tuple[str, ...], weight: float) -> list[dict[str, Any]]:
    """Weight, count, means and standard deviations of each component, for JSON."""
    return [
        {
            "component": c.number,
            "weight": c.weight,
            "count": c.weight * weight,
            "mean": dict(zip(names, c.means, strict=True)),
            "standard_deviation": dict(zip(names, c.standard_deviations, strict=True)),
        }
        for c in numbers.components
    ]


def print_summary(summary: FileSummary, console: Console) -> None:
    """The summary as text."""
    mixture, rows, table = summary.mixture, summary.rows, summary.table
    n = table.rows.shape[0]
    weighted = "" if table.weight is None else f", total weight {rows.weight:,.6g}"
    say = _plain(console)
    say(f"{summary.data}: {n:,} rows{weighted}, {mixture.n_features} columns")
    if table.missing.any():
        print_missing(table, console)
    say(f"{model_of(summary.found)}\n")
    say(
        f"  log-likelihood {rows.log_likelihood:,.3f}    parameters {mixture.n_parameters}\n"
        f"  BIC {rows.bic:,.3f}    ICL {rows.icl:,.3f}    (smaller is better)\n"
    )
    for part in _tables(summary, console.width):
        console.print(part)
    share = rows.uncertain / rows.weight
    what = "rows" if table.weight is None else "of the weight"
    say(
        f"Uncertain {what}: {rows.uncertain:,.6g} ({share:.1%}), whose most probable component "
        f"has a probability below {UNCERTAIN}."
    )
    for note in (*table.ignored, *summary.remarks()):  # what is missing stands above
        say(f"Note: {note}")
    for what, path in summary.files.items():
        say(f"Wrote the {what} to {path}")


def _plain(console: Console) -> Any:
    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    return say


def print_missing(table: Table, console: Console) -> None:
    """What is missing, and what is assumed of it; by column where there are several."""
    say, shares = _plain(console), table.missing
    lacking = np.flatnonzero(shares)
    where = f" (all in {table.names[lacking[0]]})" if lacking.size == 1 < shares.size else ""
    say(f"{percent(shares.mean())} of the cells are missing{where}, {ASSUMED}\n")
    if lacking.size == 1:
        return
    shown = RichTable("column", box=None, pad_edge=False, header_style="bold")
    for heading in ("missing", "share"):
        shown.add_column(heading, justify="right", no_wrap=True)
    counts = np.isnan(table.rows).sum(axis=0)
    worst = lacking[np.argsort(-counts[lacking], kind="stable")]
    for j in worst[:MOST_COLUMNS]:
        shown.add_row(table.names[j], f"{counts[j]:,}", percent(shares[j]))
    console.print(shown)
    if lacking.size > MOST_COLUMNS:
        say(f"and {lacking.size - MOST_COLUMNS} more columns with fewer")
    say("")


def missing_of(table: Table) -> dict[str, float]:
    """Share of missing values by column, for JSON."""
    return dict(zip(table.names, map(float, table.missing), strict=True))


def notes_of(table: Table) -> tuple[str, ...]:
    """What was left out of a table, and what is missing."""
    return (*table.ignored, table.about_missing) if table.about_missing else table.ignored


def model_of(found: Found) -> str:
    """The best model in words, among how many it was chosen, and how far behind the next one is."""
    if found.best.mixture is None:
        raise AssertionError("the best cell has a mixture")
    choice = choice_of(found.cells, found.criterion).words
    return found.best.mixture.words + (f", {choice}" if choice else "")


def _tables(summary: FileSummary, width: int) -> list[RichTable]:
    """Components as rows where that fits the width; else as columns, several tables if need be."""
    if MARGIN + CELL * summary.mixture.n_features <= width:
        return [_by_component(summary)]
    left = max(map(len, summary.names)) + 1
    parts, columns = summary.components(), max(1, (width - left) // CELL)
    groups = (parts[i : i + columns] for i in range(0, len(parts), columns))
    tables = [_by_feature(group, summary.names) for group in groups]
    if summary.noise is not None:
        tables.append(_noise_alone(summary.noise))
    return tables


def _by_component(summary: FileSummary) -> RichTable:
    """A row a component; means with standard deviations behind ±."""
    table = RichTable("component", box=None, pad_edge=False, header_style="bold")
    for heading in ("weight", "count", *summary.names):
        table.add_column(heading, justify="right", no_wrap=True)
    for part in summary.components():
        table.add_row(
            str(part["component"]),
            *_amount(part),
            *(_spread(part, name) for name in summary.names),
        )
    if summary.noise is not None:
        table.add_row("noise", *_amount(summary.noise))
    return table


def _noise_alone(noise: Mapping[str, Any]) -> RichTable:
    """The noise component, which has no features to set in a column."""
    table = RichTable("", box=None, pad_edge=False, header_style="bold")
    for heading in ("weight", "count"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row("noise", *_amount(noise))
    return table


def _by_feature(parts: list[dict[str, Any]], names: tuple[str, ...]) -> RichTable:
    """A column a component, for many features."""
    table = RichTable("", box=None, pad_edge=False, header_style="bold")
    for part in parts:
        heading = f"component {part['component']}"
        table.add_column(heading, justify="right", min_width=CELL - 2, no_wrap=True)
    weights, counts = zip(*map(_amount, parts), strict=True)
    table.add_row("weight", *weights)
    table.add_row("count", *counts)
    for name in names:
        table.add_row(name, *(_spread(part, name) for part in parts))
    return table


def _amount(part: Mapping[str, Any]) -> tuple[str, str]:
    """Weight and count."""
    return f"{part['weight']:.3f}", f"{part['count']:,.1f}"


def _spread(part: Mapping[str, Any], name: str) -> str:
    return f"{part['mean'][name]:.4g} ± {part['standard_deviation'][name]:.3g}"
