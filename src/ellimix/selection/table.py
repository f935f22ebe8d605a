"""A search's cells as a table: plain rows, text, HTML, or a pandas DataFrame."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final, final

import numpy as np

from ellimix.errors import DataError, MissingExtra
from ellimix.records import Array
from ellimix.selection.cells import Cell, Verdict
from ellimix.selection.criteria import CRITERIA, Context, named, order, values
from ellimix.selection.weights import model_weights

if TYPE_CHECKING:
    from pandas import DataFrame

Row = dict[str, object]

# criteria that every table has: they need nothing but the cells
ALWAYS: Final = ("bic", "aic", "aicc", "icl", "sabic", "nec")
# of a comparison; the criterion's own name heads its column
COLUMNS: Final = (
    "rank", "family", "k", "parameters", "log-likelihood", "criterion", "difference", "weight",
    "agreed", "status",
)  # fmt: skip
WITH_N: Final = ("bic", "icl", "sabic", "aicc")  # criteria with the number of rows in them
WORDS: Final = ("family", "status")  # to the left


def rows(cells: Sequence[Cell], criterion: str = "bic") -> list[Row]:
    """One mapping a cell, in the cells' order, of plain Python numbers and words.

    Parameters
    ----------
    cells : sequence of Cell
    criterion : str, default "bic"
        A name in `CRITERIA`.

    Returns
    -------
    list of dict
        family (E or V for one feature), n_components, log_likelihood (nats), n_parameters; the
        criteria bic, aic, aicc, icl, sabic and nec; `criterion`, the chosen one's value, and
        criterion_name; difference, to the best cell that is ok; weight, exp(-difference / 2) as a
        share among the cells that are ok, NaN for a criterion that is not on the scale of
        -2 log L (nec); status, reason; start, n_starts, n_agreed. NaN where there is no number.
        All criteria: smaller is better.

    Raises
    ------
    DataError
        As `criteria.values`.
    """
    cells, chosen = tuple(cells), values(cells, criterion)
    context = Context(cells)
    difference, weight = _compared(cells, chosen, named(criterion).deviance)
    return [
        {
            "family": cell.name,
            "n_components": int(cell.n_components),
            "log_likelihood": float(cell.log_likelihood),
            "n_parameters": int(cell.n_parameters),
            **{name: CRITERIA[name].value(cell, context) for name in ALWAYS},
            "criterion": float(chosen[i]),
            "criterion_name": criterion,
            "difference": float(difference[i]),
            "weight": float(weight[i]),
            "status": cell.verdict.value,
            "reason": cell.reason,
            "start": cell.report.start if cell.report is not None else "",
            "n_starts": int(cell.starts),
            "n_agreed": int(cell.agreed),
        }
        for i, cell in enumerate(cells)
    ]


def plain(rows: Sequence[Row]) -> list[Row]:
    """The same for JSON, which knows no NaN and no infinity: None stands for them."""
    return [
        {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in row.items()
        }
        for row in rows
    ]


def frame(cells: Sequence[Cell], criterion: str = "bic") -> DataFrame:
    """The same as a pandas DataFrame, a row a cell.

    Raises
    ------
    MissingExtra
        pandas is not installed.
    DataError
        As `rows`.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtra("pandas", "pandas") from None
    return pd.DataFrame(rows(cells, criterion))


@final
@dataclass(frozen=True)
class Comparison:
    """The best cells of a search, as text or HTML.

    Parameters
    ----------
    rows : tuple of dict
        As `rows` gives them, best first.
    criterion : str
    counts : tuple of (str, int)
        How many cells of all have each status.
    n : float or None
        What stands for the number of rows in the criterion, where that is another number.
    """

    rows: tuple[Row, ...]
    criterion: str
    counts: tuple[tuple[str, int], ...]
    n: float | None = None

    @property
    def title(self) -> str:
        """What is compared, and by which sign."""
        words = CRITERIA[self.criterion].words
        return f"Models by {self.criterion} ({words}): smaller is better."

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not in the table, in sentences."""
        total = sum(count for _, count in self.counts)
        stand = ", ".join(f"{count} {word}" for word, count in self.counts)
        notes = [f"{len(self.rows)} of {total} cells ({stand}). Log-likelihoods are in nats."]
        if any(row["status"] != Verdict.OK.value for row in self.rows):
            notes.append("A cell that is not ok is never chosen, whatever its value.")
        if self.n is not None:
            notes.append(
                f"n in {self.criterion.upper()}: {self.n:,.6g}, the sum of the weights of rows "
                "with something observed."
            )
        return tuple(notes)

    def __str__(self) -> str:
        lines = [
            _head(self.criterion),
            *([str(i), *texts(row, _number)] for i, row in enumerate(self.rows, 1)),
        ]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            "  ".join(
                text.ljust(width) if name in WORDS else text.rjust(width)
                for name, text, width in zip(COLUMNS, line, widths, strict=True)
            ).rstrip()
            for line in lines
        ]
        return "\n".join([self.title, "", *table, "", *self.notes])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in _head(self.criterion))
        body = "".join(
            f'<tr title="{escape(str(row["reason"]))}">'
            + "".join(f"<td>{escape(text)}</td>" for text in [str(i), *texts(row, _number)])
            + "</tr>"
            for i, row in enumerate(self.rows, 1)
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return (
            f"<table><caption>{escape(self.title)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>{notes}"
        )


def compare(
    cells: Sequence[Cell], criterion: str = "bic", top: int = 10, n_rows: int | None = None
) -> Comparison:
    """The best cells by a criterion; those that are not ok come after all that are.

    Parameters
    ----------
    cells : sequence of Cell
    criterion : str, default "bic"
        A name in `CRITERIA`.
    top : int, default 10
        Cells to show at most.
    n_rows : int, optional
        Number of rows: where the criterion has another n, by weights or by rows with nothing
        observed, that is said.

    Returns
    -------
    Comparison
        `print` shows it as text, a notebook as HTML.

    Raises
    ------
    DataError
        `top` is not a positive whole number; or as `rows`.
    """
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
        raise DataError(f"top is {top!r}, expected a whole number from 1.")
    table = rows(cells, criterion)
    best = tuple(table[i] for i in order(cells, criterion)[:top])
    found = Counter(cell.verdict.value for cell in cells)
    counts = tuple((v.value, found[v.value]) for v in Verdict if found[v.value])
    n = cells[0].weight if n_rows is not None and criterion in WITH_N else n_rows
    return Comparison(best, criterion, counts, None if n == n_rows else n)


def _compared(cells: Sequence[Cell], chosen: Array, deviance: bool) -> tuple[Array, Array]:
    """Differences to the best cell that is ok, and weights among those that are, (m,) each."""
    ok = np.array([cell.ok for cell in cells], dtype=bool)
    among = np.where(ok & np.isfinite(chosen), chosen, np.inf)
    best = among.min(initial=np.inf)
    difference = chosen - best if math.isfinite(best) else np.full(chosen.shape, np.nan)
    weight = model_weights(among) if deviance else np.full(chosen.shape, np.nan)
    return difference, weight


def _head(criterion: str) -> list[str]:
    return [criterion if name == "criterion" else name for name in COLUMNS]


def texts(row: Row, number: Callable[[object], str]) -> list[str]:
    """The cells of a row of a table of models, with log-likelihoods and criteria by `number`."""
    return [
        str(row["family"]),
        str(row["n_components"]),
        str(row["n_parameters"]),
        number(row["log_likelihood"]),
        number(row["criterion"]),
        number(row["difference"]),
        _share(row["weight"]),
        f"{row['n_agreed']}/{row['n_starts']}",
        str(row["status"]),
    ]


def _number(value: object) -> str:
    number = float(str(value))
    return "-" if math.isnan(number) else f"{number:.3f}"


def _share(value: object) -> str:
    number = float(str(value))
    if math.isnan(number):
        return "-"
    return "<0.001" if 0.0 < number < 0.0005 else f"{number:.3f}"
