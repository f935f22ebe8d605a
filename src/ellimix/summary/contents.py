"""What a summary says and in which order: the same for all formats."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from ellimix.density.mixture import UNCERTAIN
from ellimix.errors import Status
from ellimix.sources.tables import ASSUMED, percent
from ellimix.summary import names, numbers
from ellimix.summary.parts import Document, Facts, Grid, Layout, Notes, Part
from ellimix.summary.records import Component, Noise, RowNumbers, Starts

if TYPE_CHECKING:
    from ellimix.summary.summary import Summary

SMALLER: Final = "smaller is better"
FEW: Final = 6  # features that stand beside a component where the width is not given
CELL: Final = 16  # letters of a mean with its deviation, and the gap before it
BESIDE: Final = 52  # letters of what else is said of a component
NAMED: Final = 8  # features named with what they miss


def document(summary: Summary, layout: Layout) -> Document:
    """All parts of a summary.

    Parameters
    ----------
    summary : Summary
    layout : Layout
    """
    shown = names.distinct(summary.feature_names, layout.name_width)
    components, fewer = _components(summary, layout.max_components)
    features, less = _features(summary, layout.max_features)
    titles = [shown[j] for j in features]

    def said(text: str) -> str:
        return names.sentence(text, summary.feature_names, shown)

    parts: list[Part] = [Facts(_facts(summary, shown, said)), Facts(_numbers(summary), brief=True)]
    parts += _tables(summary, components, features, titles, layout)
    if summary.posterior is not None:
        parts.append(_intervals(components, features, titles, summary.posterior.level))
    groups = ("Left out", (*fewer, *less)), ("Warnings", summary.warnings)
    for title, sentences in (*groups, ("Not known", summary.lacking)):
        if sentences:
            parts.append(Notes(title, tuple(map(said, sentences))))
    return Document(summary.title, tuple(parts))


def _facts(
    summary: Summary, shown: Sequence[str], said: Callable[[str], str]
) -> tuple[tuple[str, str], ...]:
    """What is said in words."""
    how, rows, fit = summary.estimation, summary.rows, summary.fit
    held = f"; {_many(how.n_held, 'parameter')} held" if how.n_held else ""
    pairs = [("Model", summary.words), ("Estimation", how.method + held)]
    if how.prior is not None:
        pairs.append(("Prior", how.prior))
    if summary.choice is not None and summary.choice.words:
        pairs.append(("Choice", summary.choice.words))
    if rows is not None:
        pairs.append(("Rows", _rows(rows, summary)))
        if any(rows.missing):
            pairs.append(("Missing", _missing(rows.missing, shown)))
    if fit is not None:
        passes = "1 pass" if fit.n_iter == 1 else f"{fit.n_iter:,} passes"
        went = f"{fit.status} after {passes}; start {fit.start}, engine {fit.engine}"
        ended = "" if fit.status == Status.CONVERGED.value else f". {fit.message}"
        pairs.append(("Fit", said(went + ended)))
        if fit.starts is not None:
            pairs.append(("Starts", _starts(fit.starts)))
    return tuple(pairs)


def _rows(rows: RowNumbers, summary: Summary) -> str:
    plural = "" if rows.n_rows == 1 else "s"
    text = f"{rows.n_rows:,} row{plural}"
    if not math.isclose(rows.weight, rows.n_rows, rel_tol=1e-12):
        text += f", total weight {numbers.total(rows.weight)}"
    d = len(summary.feature_names)
    text += f", {d} feature" + "s" * (d != 1)
    posterior = summary.posterior
    if posterior is not None and posterior.n_batches is not None and posterior.n_batches > 1:
        seen = numbers.total(posterior.n_seen or 0.0)
        text += f"; the last of {posterior.n_batches} batches with a total weight of {seen}"
    return text


def _missing(shares: Sequence[float], shown: Sequence[str]) -> str:
    worst = [j for j in np.argsort(-np.array(shares), kind="stable") if shares[j] > 0.0]
    named = ", ".join(f"{shown[j]} {percent(shares[j])}" for j in worst[:NAMED])
    more = f" and {len(worst) - NAMED} more features" if len(worst) > NAMED else ""
    whole = percent(float(np.mean(shares)))
    return f"{whole} of the values ({named}{more}), {ASSUMED.removesuffix('.')}"


def _starts(starts: Starts) -> str:
    if starts.n == 1:
        return "1; whether others would end in the same optimum is not known"
    near = f"{starts.tolerance:.3g} nats"
    return f"{starts.agreed} of {starts.n} ended within {near} of the best"


def _numbers(summary: Summary) -> tuple[tuple[str, str], ...]:
    """What is said in numbers."""
    rows, posterior = summary.rows, summary.posterior
    pairs: list[tuple[str, str]] = []
    if posterior is not None:
        if posterior.lower_bound is not None:
            bound = f"{numbers.nats(posterior.lower_bound)} nats"
            pairs.append(("Evidence lower bound", bound))
        pairs.append(("Effective components", f"{posterior.effective:.2f}"))
        if posterior.with_rows is not None:
            pairs.append(("Components with rows", str(posterior.with_rows)))
    if rows is not None:
        pairs.append(("Log-likelihood", f"{numbers.nats(rows.log_likelihood)} nats"))
    pairs.append(("Parameters", f"{summary.n_parameters:,}"))
    if rows is None:
        return tuple(pairs)
    for name, value in (("BIC", rows.bic), ("AIC", rows.aic), ("ICL", rows.icl)):
        if value is not None:
            pairs.append((name, f"{numbers.nats(value)} ({SMALLER})"))
    most = math.log(summary.n_components + (summary.noise is not None))
    pairs.append(("Mean entropy", f"{numbers.entropy(rows.entropy)} of {most:.4f} nats"))
    share = rows.uncertain / rows.weight
    uncertain = f"{numbers.total(rows.uncertain)} ({percent(share)}), below {UNCERTAIN:g}"
    pairs.append(("Uncertain rows", uncertain))
    return tuple(pairs)


def _components(
    summary: Summary, most: int | None
) -> tuple[tuple[Component, ...], tuple[str, ...]]:
    """Components to show, in their order, and what is to be said of the others."""
    every, said = summary.components, []
    kept = every
    if summary.posterior is not None:
        alive = tuple(c for c in every if c.count is None or c.count >= 1.0)
        kept = alive or every
        if len(kept) < len(every):
            said.append(f"{_many(len(every) - len(kept), 'component')} with less than one row.")
    if most is not None and len(kept) > most:
        by_weight = sorted(kept, key=lambda c: -c.weight)
        largest = numbers.share(by_weight[most].weight)
        said.append(
            f"{_many(len(kept) - most, 'component')} with the smallest weights, at most {largest}: "
            "max_components=None shows all."
        )
        kept = tuple(sorted(by_weight[:most], key=lambda c: c.number))
    return kept, tuple(said)


def _features(summary: Summary, most: int | None) -> tuple[list[int], tuple[str, ...]]:
    """Features to show, in their order, and what is to be said of the others.

    Where there are more than fit, those along which components lie apart: the variance between
    components is the largest share of the whole.
    """
    d = len(summary.feature_names)
    if most is None or d <= most:
        return list(range(d)), ()
    weight = np.array([c.weight for c in summary.components])
    weight = weight / weight.sum()
    means = np.array([c.means for c in summary.components])
    within = weight @ np.array([c.standard_deviations for c in summary.components]) ** 2
    between = weight @ (means - weight @ means) ** 2
    apart = np.argsort(-between / (between + within), kind="stable")[:most]
    least = "" if len(summary.components) == 1 else ", along which components differ least"
    text = f"{_many(d - most, 'feature')}{least}: max_features=None shows all."
    return sorted(map(int, apart)), (text,)


def _many(n: int, what: str) -> str:
    return f"{n:,} {what}" + "s" * (n != 1)


def _tables(
    summary: Summary,
    components: Sequence[Component],
    features: Sequence[int],
    titles: Sequence[str],
    layout: Layout,
) -> list[Part]:
    """The components: a row each, with the means if there is room, which else get a table."""
    beside = _beside(titles, layout.width)
    head = ["component", "weight", "count", "assigned", "volume", "condition"]
    known = summary.rows is not None
    if not known:
        head = [name for name in head if name not in ("count", "assigned")]
    rows = [[str(c.number), *_amount(c, known), *_shape(c)] for c in components]
    if beside:
        head += titles
        for row, component in zip(rows, components, strict=True):
            row += [_spread(component, j) for j in features]
    if summary.noise is not None:
        row = ["noise", *_amount(summary.noise, known)]
        rows.append(row + [""] * (len(head) - len(row)))
    caption = "Components" + ", with means ± standard deviations" * beside
    tables: list[Part] = [Grid(caption, tuple(head), tuple(map(tuple, rows)))]
    if not beside:
        heads = ("feature", *(str(c.number) for c in components))
        lines = (
            (title, *(_spread(c, j) for c in components))
            for title, j in zip(titles, features, strict=True)
        )
        caption = "Means ± standard deviations, by component"
        tables.append(Grid(caption, heads, tuple(lines)))
    return tables


def _beside(titles: Sequence[str], width: int | None) -> bool:
    """Whether a row has room for a component's means, too."""
    if width is None:
        return len(titles) <= FEW
    return BESIDE + sum(max(CELL, names.columns(t) + 2) for t in titles) <= width


def _amount(part: Component | Noise, known: bool) -> list[str]:
    counts = [numbers.count(part.count), numbers.count(part.assigned)] if known else []
    return [numbers.share(part.weight), *counts]


def _shape(component: Component) -> list[str]:
    return [numbers.size(component.volume), numbers.size(component.condition)]


def _spread(component: Component, j: int) -> str:
    return numbers.spread(component.means[j], component.standard_deviations[j])


def _intervals(
    components: Sequence[Component], features: Sequence[int], titles: Sequence[str], level: float
) -> Grid:
    """Credible intervals of weights and means, a column a component."""
    rows = [("weight", *(numbers.interval(c.weight_interval) for c in components))]
    for title, j in zip(titles, features, strict=True):
        ends = (None if c.mean_intervals is None else c.mean_intervals[j] for c in components)
        rows.append((f"mean {title}", *map(numbers.interval, ends)))
    caption = f"{100.0 * level:g} % credible intervals, by component"
    return Grid(caption, ("parameter", *(str(c.number) for c in components)), tuple(rows))
