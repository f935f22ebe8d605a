"""Sections on how the model was chosen, how its fits went, and what was set aside."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from ellimix.reporting.parts import Bullets, Part, Prose, Section, Table
from ellimix.reporting.subject import Subject
from ellimix.selection import criteria, table
from ellimix.selection.criteria import CRITERIA
from ellimix.selection.notes import CLOSE
from ellimix.summary import numbers

TOP: Final = 10  # models in the table
MOST_CELLS: Final = 60  # in the table of those that were set aside
MOST_STARTS: Final = 30
# of differences of BIC: Kass & Raftery (1995), section 3.2
EVIDENCE: Final = ((CLOSE, "weak"), (6.0, "positive"), (10.0, "strong"), (math.inf, "very strong"))
HEAD: Final = ("rank", "family", "K", "parameters", "log-likelihood")
REST: Final = ("difference", "weight", "agreed", "status")


def choice(subject: Subject, drawn: Mapping[str, Part]) -> Section:
    """Why this model: against what it was compared, and how far ahead it is."""
    title = "The choice, and why"
    if subject.runs:
        return Section("choice", title, _by_length(subject))
    best = subject.best
    if best is None:
        return Section("choice", title, (Prose(_given(subject)),))
    if len(subject.cells) == 1:
        text = (
            f"One model was fitted, {best.name} with K = {best.n_components}: family and number "
            "of components were given, and nothing was compared."
        )
        return Section("choice", title, (Prose(text), _models(subject)))
    pictures = (drawn["selection"],) if "selection" in drawn else ()
    return Section(
        "choice", title, (Prose(_why(subject)), *_cautions(subject), _models(subject), *pictures)
    )


def _given(subject: Subject) -> str:
    posterior = subject.summary.posterior
    if posterior is not None and posterior.with_rows is not None:
        k = subject.mixture.n_components
        return (
            f"Of at most {k} components, {posterior.with_rows} have at least one row: the "
            "posterior lets the others go. The family was given, and models were not compared."
        )
    return (
        f"{subject.summary.family} with K = {subject.mixture.n_components} was given: models were "
        "not compared here. em.select(X) compares covariance families and numbers of components."
    )


def _why(subject: Subject) -> str:
    best, chosen = subject.best, subject.summary.choice
    if best is None or chosen is None:
        raise AssertionError("there is a search")
    name = subject.criterion.upper()
    value = criteria.values(subject.cells, subject.criterion)[subject.best_index]
    text = (
        f"{best.name} with K = {best.n_components} has the smallest {name}, "
        f"{numbers.nats(float(value))}, of {len(subject.cells)} models that were compared "
        f"({CRITERIA[subject.criterion].words}; smaller is better)."
    )
    if chosen.gap is None or chosen.runner_up is None:
        return f"{text} No other one may be chosen."
    text += f" The next one, {chosen.runner_up}, is {numbers.nats(chosen.gap)} behind"
    if subject.criterion != "bic":
        return f"{text}."
    words = next(word for limit, word in EVIDENCE if chosen.gap < limit)
    return f"{text}: {words} evidence against it (Kass & Raftery 1995)."


def _cautions(subject: Subject) -> tuple[Part, ...]:
    """What to be careful with: a close runner-up, and K at the edge of those tried."""
    best, chosen = subject.best, subject.summary.choice
    if best is None or chosen is None:
        raise AssertionError("there is a search")
    out = []
    if chosen.gap is not None and chosen.gap < CLOSE:
        out.append(
            f"The runner-up is within {CLOSE:g}: the data hardly tell the two models apart. Look "
            "at both before you build on either."
        )
    sizes, k = chosen.sizes, best.n_components
    if len(sizes) > 1 and k == sizes[-1]:
        out.append(f"K = {k} is the largest that was tried: try more components.")
    elif len(sizes) > 1 and k == sizes[0] > 1:
        out.append(f"K = {k} is the smallest that was tried: try fewer components.")
    return (Bullets(tuple(out), caution=True),) if out else ()


def _models(subject: Subject) -> Table:
    found = table.compare(subject.cells, subject.criterion, TOP, subject.look.total)
    name = subject.criterion.upper()
    rows = tuple(
        (str(place), *table.texts(row, _number)) for place, row in enumerate(found.rows, 1)
    )
    caption = f"The best models by {name}. {' '.join(found.notes)}"
    return Table(caption, (*HEAD, name, *REST), rows, ("family", "status"))


def _number(value: object) -> str:
    number = float(str(value))
    return "-" if math.isnan(number) else numbers.nats(number)


def _by_length(subject: Subject) -> tuple[Part, ...]:
    """The choice by message length: the numbers of components of each family's run."""
    best = subject.runs[0]
    text = (
        f"K = {best.mixture.n_components} has the shortest message, {numbers.nats(best.length)} "
        "nats (minimum message length, by annihilation of components)."
    )
    rows = tuple(
        (
            run.mixture.family.name,
            str(run.mixture.n_components),
            numbers.nats(run.length),
            numbers.nats(run.log_likelihood),
            str(run.passes),
        )
        for run in subject.runs
    )
    head = ("family", "K", "message length", "log-likelihood", "passes")
    return Prose(text), Table("The shortest message of each family, in nats.", head, rows)


def starts(subject: Subject, drawn: Mapping[str, Part]) -> Section | None:
    """Which starts agreed; None where nothing is known of the fit."""
    fit = subject.summary.fit
    if fit is None:
        return None
    passes = "1 pass" if fit.n_iter == 1 else f"{fit.n_iter:,} passes"
    text = f"The fit ended with the status {fit.status} after {passes}, from the start {fit.start}."
    if fit.starts is not None and fit.starts.n > 1:
        text += (
            f" {fit.starts.agreed} of {fit.starts.n} starts ended within "
            f"{fit.starts.tolerance:.3g} nats of the best, in all rows together."
        )
    elif fit.starts is not None:
        text += " There was one start: whether others would end in the same optimum is not known."
    pictures = (drawn["convergence"],) if "convergence" in drawn else ()
    return Section("starts", "Starts that agreed", (Prose(text), *_starts(subject), *pictures))


def _starts(subject: Subject) -> tuple[Part, ...]:
    fit, reports = subject.summary.fit, subject.reports
    if not reports or fit is None or fit.starts is None:
        return ()
    sound = [report.objective for report in reports if report.sound]
    scores = subject.fitted.scores_.weight
    top = min(subject.fitted.report_.objective, max(sound, default=math.inf))
    rows = []
    for number, report in enumerate(reports[:MOST_STARTS]):
        behind = (top - report.objective) * scores
        agreed = report.sound and abs(behind) <= fit.starts.tolerance
        rows.append(
            (
                str(number),
                report.start,
                report.status.value,
                f"{report.n_iter:,}",
                numbers.nats(report.objective),
                numbers.nats(behind + 0.0) if report.sound else "-",
                "yes" if agreed else "no",
            )
        )
    more = len(reports) - MOST_STARTS
    caption = (
        "Each start's end: its objective in nats per unit of row weight, and how far that is "
        "behind the best in nats of all rows."
    )
    caption += f" {more:,} more are not shown." if more > 0 else ""
    head = ("start", "kind", "status", "passes", "objective", "behind", "agreed")
    return (Table(caption, head, tuple(rows), ("kind", "status", "agreed")),)


def aside(subject: Subject) -> Section | None:
    """Cells of a search that are degenerate; None without a search."""
    cells = subject.cells
    if not cells:
        return None
    title = "Degenerate models"
    noted = sorted((cell for cell in cells if cell.reason), key=lambda cell: cell.ok)
    ok = sum(cell.ok for cell in cells)
    text = f"{ok} of {len(cells)} models are ok and could be chosen."
    if not noted:
        return Section("degenerate", title, (Prose(text),))
    rows = tuple(
        (cell.name, str(cell.n_components), cell.verdict.value, subject.said(cell.reason))
        for cell in noted[:MOST_CELLS]
    )
    more = len(noted) - MOST_CELLS
    caption = (
        "What was found degenerate, and why: a model that is not ok is never chosen, whatever its "
        "criterion; one that is ok may have had a better fit set aside."
    )
    caption += f" {more:,} more are not shown." if more > 0 else ""
    shown = Table(caption, ("family", "K", "status", "why"), rows, ("family", "status", "why"))
    return Section("degenerate", title, (Prose(text), shown))
