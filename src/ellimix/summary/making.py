"""From a mixture, and what is known of its rows and its fit, to the numbers of a summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from ellimix.covariance import name_for
from ellimix.density.mixture import Mixture, Scores
from ellimix.density.posterior import MixturePosterior
from ellimix.errors import Status
from ellimix.records import Array
from ellimix.report import FitReport, shape_numbers
from ellimix.selection import criteria
from ellimix.selection.board import SAME, likeness
from ellimix.selection.cells import Cell
from ellimix.summary.records import (
    Choice,
    Component,
    Ends,
    Estimation,
    FitNumbers,
    Noise,
    PosteriorNumbers,
    RowNumbers,
    Starts,
)
from ellimix.summary.summary import Summary

ALIKE: Final = 0.01  # nats within which two fits came to the same end, if `tol` is no coarser


def components_of(
    mixture: Mixture, scores: Scores | None, level: float | None = None
) -> tuple[Component, ...]:
    """One record a component.

    Parameters
    ----------
    mixture : Mixture
    scores : Scores or None
        Of some rows, with counts.
    level : float, optional
        Of the credible intervals; None where there is no posterior.
    """
    k, d = mixture.means.shape
    counts, assigned = _sums(scores, k)
    deviations = np.sqrt(mixture.variances())
    volume = np.exp(mixture.covariance.log_det / d)
    condition, _ = shape_numbers(mixture)
    weights: list[Ends | None] = [None] * k
    means: list[tuple[Ends | None, ...] | None] = [None] * k
    if level is not None:
        found = MixturePosterior.of(mixture).interval(level)
        weights = [_ends(own) for own in found.weights]
        means = [tuple(_ends(ends) for ends in own) for own in found.means]
    return tuple(
        Component(
            j,
            float(mixture.weights[j]),
            counts[j],
            assigned[j],
            float(volume[j]),
            float(condition[j]),
            tuple(map(float, mixture.means[j])),
            tuple(map(float, deviations[j])),
            weights[j],
            means[j],
        )
        for j in range(k)
    )


def noise_of(mixture: Mixture, scores: Scores | None) -> Noise | None:
    """The noise component, where there is one."""
    if mixture.box is None:
        return None
    k = mixture.n_components
    counts, assigned = _sums(scores, k + 1)
    return Noise(mixture.noise_weight, counts[k], assigned[k])


def row_numbers(mixture: Mixture, scores: Scores, missing: Array) -> RowNumbers:
    """What a scoring pass says; `missing` is (d,), shares."""
    p, n, fit = mixture.n_parameters, scores.weight, scores.log_likelihood
    plain = mixture.parameters.hyper is None
    return RowNumbers(
        n_rows=scores.rows,
        weight=n,
        log_likelihood=fit,
        bic=criteria.bic(fit, p, n) if plain else None,
        aic=criteria.aic(fit, p) if plain else None,
        icl=criteria.icl(fit, p, n, scores.classification) if plain else None,
        entropy=max(0.0, scores.entropy / n),  # of one component it is -0 or rounding
        uncertain=scores.uncertain,
        missing=tuple(map(float, missing)),
    )


def fit_numbers(report: FitReport, starts: Starts | None) -> FitNumbers:
    """How a fit went."""
    return FitNumbers(
        report.status.value, report.message, report.n_iter, report.start, report.engine, starts
    )


def starts_of(
    best: FitReport, reports: Sequence[FitReport], weight: float, tol: float
) -> Starts | None:
    """How many of several starts ended where the best did.

    Parameters
    ----------
    best : FitReport
        The fit that was kept; moves may have raised it above all starts.
    reports : sequence of FitReport
        One a start.
    weight : float
        Sum of the row weights.
    tol : float
        The fits stopped where their mean objective changed by less, in nats: what is nearer than
        that cannot be told apart.

    Returns
    -------
    Starts or None
        None where no start is sound.
    """
    ends = np.array([report.objective for report in reports if report.sound])
    if not ends.size:
        return None
    tolerance = max(ALIKE, tol * weight)
    top = min(best.objective, float(ends.max()))
    agreed = int(np.count_nonzero(np.abs(ends - top) * weight <= tolerance))
    return Starts(len(reports), agreed, tolerance)


def choice_of(cells: Sequence[Cell], criterion: str) -> Choice:
    """Among what the best of some cells was chosen."""
    families = tuple(dict.fromkeys(cell.name for cell in cells))
    sizes = tuple(sorted({cell.n_components for cell in cells}))
    order = criteria.order(cells, criterion)
    runner_up, gap = None, None
    if len(cells) > 1 and cells[order[1]].ok:
        second = cells[order[1]]
        values = criteria.values(cells, criterion)
        gap = float(values[order[1]] - values[order[0]])
        which = [second.name] * (len(families) > 1)
        which += [str(second.n_components)] * (len(sizes) > 1)
        runner_up = " ".join(which)
    return Choice(criterion, len(cells), families, sizes, runner_up, gap)


def starts_of_cell(cell: Cell) -> Starts:
    """How many fits of a search's cell reached its best."""
    return Starts(cell.starts, cell.agreed, SAME * likeness(cell.weight))


def posterior_numbers(
    mixture: Mixture,
    level: float,
    lower_bound: float | None,
    with_rows: int | None,
    n_batches: int | None = None,
    n_seen: float | None = None,
) -> PosteriorNumbers | None:
    """What a posterior says; None for a mixture that carries none."""
    if mixture.rule is None or mixture.parameters.hyper is None:
        return None
    effective = MixturePosterior.of(mixture).effective()
    return PosteriorNumbers(lower_bound, effective, with_rows, level, n_batches, n_seen)


def warnings_of(report: FitReport, said: Sequence[str] = ()) -> tuple[str, ...]:
    """What a careful reader should know, each sentence once, but for how the fit ended."""
    ended = report.message if report.status is not Status.CONVERGED else None
    return tuple(dict.fromkeys(text for text in (*said, *report.warnings()) if text != ended))


def _sums(scores: Scores | None, width: int) -> tuple[list[float | None], list[float | None]]:
    if scores is None:
        return [None] * width, [None] * width
    assigned: list[float | None] = [*map(float, scores.assigned)]
    if scores.counts is None:
        return [None] * width, assigned
    return [*map(float, scores.counts)], assigned


def _ends(pair: Array) -> Ends | None:
    return None if np.isnan(pair).any() else (float(pair[0]), float(pair[1]))


@final
@dataclass(frozen=True, eq=False)
class Origin:
    """Where a mixture comes from, and what is known of its rows.

    Parameters
    ----------
    estimation : Estimation
    report : FitReport or None
        Of its fit.
    starts : Starts or None
    scores : Scores or None
        Of the rows to speak of, with counts.
    missing : ndarray of shape (d,) or None
        Shares of their missing values.
    choice : Choice or None
    posterior : PosteriorNumbers or None
    said : tuple of str
        What a careful reader should know besides what the report says.
    """

    estimation: Estimation
    report: FitReport | None = None
    starts: Starts | None = None
    scores: Scores | None = None
    missing: Array | None = None
    choice: Choice | None = None
    posterior: PosteriorNumbers | None = None
    said: tuple[str, ...] = ()


def summarise(mixture: Mixture, origin: Origin, title: str = "Gaussian mixture") -> Summary:
    """The summary of a mixture.

    Parameters
    ----------
    mixture : Mixture
    origin : Origin
    title : str
    """
    report, scores, posterior = origin.report, origin.scores, origin.posterior
    shares = np.zeros(mixture.n_features) if origin.missing is None else origin.missing
    said = warnings_of(report, origin.said) if report is not None else origin.said
    return Summary(
        title=title,
        words=mixture.words,
        family=name_for(mixture.family, mixture.n_features),
        n_components=mixture.n_components,
        feature_names=mixture.names,
        n_parameters=mixture.n_parameters,
        estimation=origin.estimation,
        components=components_of(mixture, scores, None if posterior is None else posterior.level),
        noise=noise_of(mixture, scores),
        rows=None if scores is None else row_numbers(mixture, scores, shares),
        fit=None if report is None else fit_numbers(report, origin.starts),
        posterior=posterior,
        choice=origin.choice,
        warnings=said,
        lacking=_lacking(mixture, origin),
    )


def _lacking(mixture: Mixture, origin: Origin) -> tuple[str, ...]:
    """What cannot be said, and what to do."""
    out = []
    if origin.scores is None:
        out.append(
            "The rows: log-likelihood, criteria, entropy and counts need some. Pass them: "
            "summary(X)."
        )
    if origin.report is None:
        out.append(
            "How the mixture was fitted: whoever made it from parameters knows, and a file keeps "
            "nothing else."
        )
    elif mixture.parameters.hyper is not None:
        out.append(
            "BIC, AIC and ICL: they are for parameters at a maximum of the likelihood. The "
            "evidence lower bound takes their place."
        )
    return tuple(out)
