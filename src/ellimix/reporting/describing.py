"""Sections on the model itself, its clusters one by one, and the rows that are in doubt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from ellimix.density.mixture import UNCERTAIN
from ellimix.plots.profile import standard
from ellimix.plots.views import separation
from ellimix.reporting.looking import CERTAIN, Doubt
from ellimix.reporting.parts import Fragment, Part, Prose, Section, Table
from ellimix.reporting.subject import Subject
from ellimix.summary import numbers
from ellimix.summary.records import Component

MOST_FEATURES: Final = 30  # in the tables of the summary
MOST_COMPONENTS: Final = 40
TELLING: Final = 3  # features of a cluster's profile
MOST_VALUES: Final = 8  # features in the table of rows


def model(subject: Subject) -> Section:
    """The summary: its warnings stand above all sections."""
    alone = replace(subject.summary, warnings=())
    html = alone.to_html(style=False, max_features=MOST_FEATURES, max_components=MOST_COMPONENTS)
    return Section("model", "The model in numbers", (Fragment(html),))


def views(drawn: Mapping[str, Part]) -> Section:
    """The pictures of rows and components."""
    found = tuple(drawn[name] for name in ("clusters", "pairs") if name in drawn)
    return Section("pictures", "The rows and the model", found)


def profiles(subject: Subject, drawn: Mapping[str, Part]) -> Section:
    """What sets each component apart."""
    title = "Clusters, one by one"
    pictures = (drawn["profile"],) if "profile" in drawn else ()
    every = subject.summary.components
    if len(every) == 1:
        text = "There is one component: nothing to tell apart."
        return Section("clusters", title, (Prose(text), *pictures))
    kept = [c for c in every if subject.summary.posterior is None or (c.count or 0.0) >= 1.0]
    kept = sorted(kept, key=lambda c: -c.weight)[:MOST_COMPONENTS] or list(every)
    rows = [
        (str(c.number), numbers.share(c.weight), numbers.count(c.assigned), _telling(subject, c))
        for c in sorted(kept, key=lambda c: c.number)
    ]
    noise = subject.summary.noise
    if noise is not None:
        where = "anywhere in the rows' range"
        rows.append(("noise", numbers.share(noise.weight), numbers.count(noise.assigned), where))
    caption = (
        "What sets each component apart: the features whose means lie furthest from the mean of "
        "the whole mixture, in its standard deviations; behind, mean and standard deviation."
    )
    left = len(every) - len(kept)
    if left:
        caption += f" {left} component{'s' * (left != 1)} with little weight are not shown."
    head = ("component", "weight", "assigned", "set apart by")
    shown = Table(caption, head, tuple(rows), ("set apart by",))
    return Section("clusters", title, (shown, *pictures))


def _telling(subject: Subject, component: Component) -> str:
    middle, deviation = standard(subject.mixture)
    shift = (np.array(component.means) - middle) / deviation
    furthest = np.argsort(-np.abs(shift), kind="stable")[:TELLING]
    return "; ".join(
        f"{subject.names[j]} {shift[j]:+.1f} "
        f"({numbers.spread(component.means[j], component.standard_deviations[j])})"
        for j in map(int, furthest)
    )


def doubtful(subject: Subject, drawn: Mapping[str, Part]) -> Section:
    """The rows whose component is least certain."""
    title = "Doubtful rows"
    pictures = (drawn["uncertainty"],) if "uncertainty" in drawn else ()
    found, rows = subject.look, subject.summary.rows
    if not found.doubts:
        text = f"No row is in doubt: each one's component has a probability of {CERTAIN:g} or more."
        return Section("doubtful", title, (Prose(text), *pictures))
    said = (
        f"Of {found.counted:,} rows, {found.uncertain:,} have no component of a probability of "
        f"{CERTAIN:g} or more"
    )
    if rows is not None:
        weighted = not math.isclose(rows.weight, found.counted, rel_tol=1e-12)
        below = numbers.total(rows.uncertain)
        what = "a weight of " + below if weighted else below
        said += f", and {what} none of {UNCERTAIN:g}"
    parts = (Prose(f"{said}."), _doubts(subject), *pictures)
    return Section("doubtful", title, parts)


def _doubts(subject: Subject) -> Table:
    doubts = subject.look.doubts
    features = _features(subject)
    head = ("row", "most probable", "second", *(subject.names[j] for j in features))
    rows = tuple(
        (
            f"{subject.row(doubt.row):,}",
            *(_probable(subject, pair) for pair in (doubt.best, doubt.second)),
            *_values(doubt, features),
        )
        for doubt in doubts
    )
    n, d = len(doubts), subject.mixture.n_features
    first = f"The {n} least certain rows" if n > 1 else "The least certain row"
    caption = f"{first}, with the two most probable components; rows are counted from 0."
    if not features:
        caption += " Their values are projections, and not shown."
    elif len(features) < d:
        caption += (
            f" Of {d} features, the {len(features)} along which the components lie apart most."
        )
    return Table(caption, head, rows, ())


def _features(subject: Subject) -> tuple[int, ...]:
    """The features in the table, in their order; none where rows are projections."""
    if subject.look.drawn is None:
        return ()
    best = np.argsort(-separation(subject.mixture), kind="stable")[:MOST_VALUES]
    return tuple(sorted(int(j) for j in best))


def _values(doubt: Doubt, features: tuple[int, ...]) -> tuple[str, ...]:
    values = (doubt.values[j] for j in features)
    return tuple("missing" if math.isnan(value) else numbers.mean(value) for value in values)


def _probable(subject: Subject, pair: tuple[int, float]) -> str:
    number, share = pair
    return f"{subject.component(number)} ({numbers.share(share)})"
