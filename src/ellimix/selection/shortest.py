"""The shortest message of several annihilations, among fits that the guard lets pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

from ellimix.report import FitReport
from ellimix.selection.annihilation import Annihilation
from ellimix.selection.grain import observation, resolutions
from ellimix.selection.guard import Guard
from ellimix.sources.base import Source


@final
@dataclass(frozen=True, eq=False)
class Shortest:
    """The fit that was chosen.

    Parameters
    ----------
    report : FitReport
    length : float
        Its message length, in nats.
    run : Annihilation
        The run that it is of.
    reasons : tuple of str
        Why it is not to be trusted, in sentences: not empty only where that holds for all.
    """

    report: FitReport
    length: float
    run: Annihilation
    reasons: tuple[str, ...]


def shortest(runs: Sequence[Annihilation], source: Source, guard: Guard) -> Shortest:
    """The fit with the shortest message that the guard lets pass, of all stages of all runs.

    A message is short, too, where a component sits on rows with equal values: its density grows
    without end, and the formula knows of no rounding.

    Parameters
    ----------
    runs : sequence of Annihilation
        Of several families, over the same rows.
    source : Source
        The rows.
    guard : Guard

    Returns
    -------
    Shortest
        The shortest of all where the guard lets none pass.
    """
    resolution, observed = resolutions(source), observation(source)
    fits = sorted((fit for run in runs for fit in _fits(run)), key=lambda fit: fit.length)
    first: Shortest | None = None
    for fit in fits:
        mixture, counts = fit.report.mixture, fit.report.counts
        if mixture is None or counts is None:
            continue
        reasons = guard.judge(mixture, counts / observed, resolution)
        if not reasons:
            return fit
        first = first or replace(fit, reasons=tuple(reason.sentence for reason in reasons))
    if first is None:
        raise AssertionError("an annihilation has a fit")
    return first


def _fits(run: Annihilation) -> Iterator[Shortest]:
    """The chosen fit of a run, which went on to its end, and those of its other stages."""
    yield Shortest(run.report, run.length, run, ())
    for stage in run.stages:
        if stage.settled and stage.n_components != run.n_components:
            yield Shortest(stage.report, stage.length, run, ())
