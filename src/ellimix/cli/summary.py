"""What a fit found, as tables in the terminal and as a dictionary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable

from ellimix.density.mixture import UNCERTAIN, Mixture, Scores
from ellimix.report import FitReport
from ellimix.selection import criteria
from ellimix.selection import table as tables
from ellimix.selection.search import Found
from ellimix.sources.memory import MemorySource
from ellimix.sources.tables import Table

CELL = 18  # characters that a mean and its deviation need at most
MARGIN = 28  # and what stands to the left of them in a row of a component


@dataclass(frozen=True)
class Summary:
    """A fit and everything that the command line says of it."""

    mixture: Mixture
    scores: Scores
    report: FitReport
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
        scores = mixture.score_rows(source)
        return cls(mixture, scores, report, found, table, data, files, reg_covar)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        return self.table.names

    @property
    def bic(self) -> float:
        """BIC, smaller is better."""
        s = self.scores
        return criteria.bic(s.log_likelihood, self.mixture.n_parameters, s.weight)

    @property
    def icl(self) -> float:
        """ICL, smaller is better."""
        s = self.scores
        p = self.mixture.n_parameters
        return criteria.icl(s.log_likelihood, p, s.weight, s.classification)

    def components(self) -> list[dict[str, Any]]:
        """Weight, count, means and standard deviations of each component."""
        deviations = np.sqrt(self.mixture.variances())
        return [
            {
                "component": k,
                "weight": float(weight),
                "count": float(weight * self.scores.weight),
                "mean": dict(zip(self.names, map(float, self.mixture.means[k]), strict=True)),
                "standard_deviation": dict(zip(self.names, map(float, deviations[k]), strict=True)),
            }
            for k, weight in enumerate(self.mixture.weights)
        ]

    def notes(self) -> tuple[str, ...]:
        """What was left out, and what a careful reader should know of the fit."""
        return (*self.table.ignored, *self.found.said, *self.report.warnings())

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        report, found = self.report, self.found
        return {
            "data": self.data,
            "n_rows": int(self.table.rows.shape[0]),
            "n_features": self.mixture.n_features,
            "feature_names": list(self.names),
            "family": found.best.name,
            "family_in_words": self.mixture.family.words,
            "n_components": self.mixture.n_components,
            "log_likelihood": self.scores.log_likelihood,
            "n_parameters": self.mixture.n_parameters,
            "bic": self.bic,
            "icl": self.icl,
            "uncertain_rows": self.scores.uncertain,
            "status": report.status.value,
            "n_iter": report.n_iter,
            "start": report.start,
            "reg_covar": self.reg_covar,
            "components": self.components(),
            "cells": tables.plain(tables.rows(found.cells, found.criterion)),
            "notes": list(self.notes()),
            "files": self.files,
        }


def print_summary(summary: Summary, console: Console) -> None:
    """The summary as text."""
    mixture, scores = summary.mixture, summary.scores
    n = summary.table.rows.shape[0]
    weighted = "" if summary.table.weight is None else f", total weight {scores.weight:,.6g}"
    plural = "" if mixture.n_components == 1 else "s"
    say = _plain(console)
    say(f"{summary.data}: {n:,} rows{weighted}, {mixture.n_features} columns")
    say(
        f"Mixture of {mixture.n_components} Gaussian component{plural}, {mixture.family.words} "
        f"({summary.found.best.name}){_chosen(summary)}\n"
    )
    say(
        f"  log-likelihood {scores.log_likelihood:,.3f}    parameters {mixture.n_parameters}\n"
        f"  BIC {summary.bic:,.3f}    ICL {summary.icl:,.3f}    (smaller is better)\n"
    )
    for table in _tables(summary, console.width):
        console.print(table)
    share = scores.uncertain / scores.weight
    what = "rows" if summary.table.weight is None else "of the weight"
    say(
        f"Uncertain {what}: {scores.uncertain:,.6g} ({share:.1%}), whose most probable component "
        f"has a probability below {UNCERTAIN}."
    )
    for note in summary.notes():
        say(f"Note: {note}")
    for what, path in summary.files.items():
        say(f"Wrote the {what} to {path}")


def _plain(console: Console) -> Any:
    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    return say


def _chosen(summary: Summary) -> str:
    """Among how many the model was chosen, and how far behind the next one is."""
    found = summary.found
    if len(found.cells) == 1:
        return ""
    families = {cell.name for cell in found.cells}
    sizes = sorted({cell.n_components for cell in found.cells})
    parts = []
    if len(families) > 1:
        parts.append(f"{len(families)} families")
    if len(sizes) > 1:
        parts.append(f"{sizes[0]} to {sizes[-1]} components")
    name = found.criterion.upper()
    text = f", chosen by {name} among {' and '.join(parts)}"
    first, second = criteria.order(found.cells, found.criterion)[:2]
    runner_up = found.cells[second]
    if runner_up.ok:
        values = criteria.values(found.cells, found.criterion)
        gap = float(values[second] - values[first])
        size, family = str(runner_up.n_components), runner_up.name
        which = " ".join([family] * (len(families) > 1) + [size] * (len(sizes) > 1))
        text += f" (next: {which}, {name} {gap:,.1f} higher)"
    return text


def _tables(summary: Summary, width: int) -> list[RichTable]:
    """Components as rows where that fits the width; else as columns, several tables if need be."""
    if MARGIN + CELL * summary.mixture.n_features <= width:
        return [_by_component(summary)]
    left = max(map(len, summary.names)) + 1
    parts, columns = summary.components(), max(1, (width - left) // CELL)
    groups = (parts[i : i + columns] for i in range(0, len(parts), columns))
    return [_by_feature(group, summary.names) for group in groups]


def _by_component(summary: Summary) -> RichTable:
    """A row a component; means with standard deviations behind ±."""
    table = RichTable("component", box=None, pad_edge=False, header_style="bold")
    for heading in ("weight", "count", *summary.names):
        table.add_column(heading, justify="right", no_wrap=True)
    for part in summary.components():
        table.add_row(
            str(part["component"]),
            f"{part['weight']:.3f}",
            f"{part['count']:,.1f}",
            *(_spread(part, name) for name in summary.names),
        )
    return table


def _by_feature(parts: list[dict[str, Any]], names: tuple[str, ...]) -> RichTable:
    """A column a component, for many features."""
    table = RichTable("", box=None, pad_edge=False, header_style="bold")
    for part in parts:
        heading = f"component {part['component']}"
        table.add_column(heading, justify="right", min_width=CELL - 2, no_wrap=True)
    table.add_row("weight", *(f"{part['weight']:.3f}" for part in parts))
    table.add_row("count", *(f"{part['count']:,.1f}" for part in parts))
    for name in names:
        table.add_row(name, *(_spread(part, name) for part in parts))
    return table


def _spread(part: dict[str, Any], name: str) -> str:
    return f"{part['mean'][name]:.4g} ± {part['standard_deviation'][name]:.3g}"
