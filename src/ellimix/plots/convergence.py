"""How a fit went: the objective by iteration, and how far the means moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ellimix.errors import DataError
from ellimix.plots.clusters import MANY
from ellimix.plots.colors import NOISE, PALETTE, style
from ellimix.plots.display import Display
from ellimix.plots.scene import Axis, Bounds, Dash, Legend, Line, Mark, Panel, Points, Scene
from ellimix.plots.subject import mixture_of, rows_of
from ellimix.records import Array
from ellimix.report import FitReport

MARGIN = 0.05  # of the height, below and above
ABYSS = 100.0  # a first objective so many times further below than the next is off the axis
KEPT = PALETTE[0]
RECORD = "How far the means moved is not known: set_callbacks(Recorder()) before fit records it."
STILL = 1e-12  # standard deviations: the least movement on a logarithmic axis


@final
@dataclass(frozen=True, eq=False)
class Fits:
    """What is drawn of the fits of all starts.

    Parameters
    ----------
    traces : tuple of ndarray
        Objectives, (n_iter,) each, in nats per unit of row weight.
    failed : tuple of bool
    chosen : int
        Which of them was kept.
    start : str
        Name of its start.
    words : str
        What the objective is.
    movement : ndarray of shape (n_iter, k), optional
        How far each iteration of the fit that was kept moved the means, where that is known.
    """

    traces: tuple[Array, ...]
    failed: tuple[bool, ...]
    chosen: int
    start: str
    words: str
    movement: Array | None = None

    @property
    def best(self) -> Array:
        """The trace of the fit that was kept."""
        return self.traces[self.chosen]


def convergence_scene(model: Any, X: Any = None) -> Scene:
    """The objective by iteration, of all starts, and how far the means moved.

    The objective at i is that of the parameters after i iterations, as the E-step that follows
    finds it. Where the first one lies a hundred times further below than the next the axis begins
    at the next. Where the iterations were recorded, the second panel has the length of each mean's
    step, in standard deviations of its component along the way that it went.

    Parameters
    ----------
    model : fitted estimator, search, Recorder or Record
        Of a search, the fit of its best model.
    X : array-like of shape (n, d), optional
        Not needed: the fit knows how it went.

    Returns
    -------
    Scene

    Raises
    ------
    DataError
        The model is not fitted, or does not know how it was fitted, as a mixture does not.
    """
    fits = _fits(model)
    if X is not None and hasattr(model, "mixture_"):
        rows_of(mixture_of(model), X)
    notes = [*_notes(fits), *([RECORD] if fits.movement is None else [])]
    panels = [_objectives(fits)]
    if fits.movement is not None:
        panels.append(_movement(fits.movement))
    size = None if len(panels) == 1 else (5.4, 4.2)
    return Scene(tuple(panels), len(panels), notes=tuple(notes), panel_size=size)


def _fits(model: Any) -> Fits:
    """The fits of a model or of a record."""
    record = getattr(model, "record", model)
    if hasattr(record, "trajectories"):
        return _of_record(record)
    mixture = mixture_of(model)
    fitted = getattr(model, "best_", model)
    best = getattr(fitted, "report_", None)
    if not isinstance(best, FitReport) or not best.trace:
        raise DataError(
            f"This {type(model).__name__} does not know how its fit went: pass a fitted "
            "estimator, or the record of a fit."
        )
    for callback in getattr(fitted, "_skl_callbacks", ()):
        if hasattr(callback, "holds") and callback.holds(mixture):
            return _of_record(callback.record)
    reports = [report for report in getattr(fitted, "reports_", ()) if report.trace]
    at = place(best, reports)
    reports = [best if here == at else report for here, report in enumerate(reports)]
    if at is None:
        reports, at = [*reports, best], len(reports)
    return Fits(
        tuple(np.array(report.trace) for report in reports),
        tuple(report.status.failed for report in reports),
        at, best.start, _words(fitted),
    )  # fmt: skip


def _words(fitted: Any) -> str:
    """What the objective is."""
    if isinstance(getattr(fitted, "search_", None), tuple):
        return "minus the message length per row"
    if fitted.mixture_.rule is not None:
        return "evidence lower bound per row"
    own = "mean log-likelihood"
    return f"{own} and log-prior" if getattr(fitted, "log_prior_", 0.0) else own


def place(best: FitReport, reports: Sequence[FitReport]) -> int | None:
    """Which fit was kept: its report may have been renumbered since, or gone on from."""
    same = [
        at for at, report in enumerate(reports) if best.trace[: len(report.trace)] == report.trace
    ]
    return max(same, key=lambda at: len(reports[at].trace), default=None)


def _of_record(record: Any) -> Fits:
    """The fits that a recorder saw."""
    some = [(at, fit) for at, fit in enumerate(record.trajectories) if fit.trace]
    if not record.best.trace:
        raise DataError("The record has no iteration of the fit that was kept: nothing to draw.")
    return Fits(
        tuple(np.array(fit.trace) for _, fit in some),
        tuple(bool(fit.status.failed) for _, fit in some),
        [at for at, _ in some].index(record.chosen),
        record.best.start, record.objective, np.asarray(record.best.movement()),
    )  # fmt: skip


def _first_shown(trace: Array, high: float) -> int:
    """Where the axis begins: a start of components of single rows lies millions of nats below."""
    first = 0
    while first + 1 < trace.size and high - trace[first] > ABYSS * (high - trace[first + 1]) > 0.0:
        first += 1
    return first


def _limits(fits: Fits) -> Bounds:
    high = max(float(trace.max()) for trace in fits.traces)
    low = min(float(trace[_first_shown(trace, high) :].min()) for trace in fits.traces)
    margin = MARGIN * (high - low) or max(abs(high), 1.0) * 1e-3
    return low - margin, high + margin


def _notes(fits: Fits) -> list[str]:
    out = []
    below = sum(int((trace < _limits(fits)[0]).sum()) for trace in fits.traces)
    if below:
        out.append(f"{below} objective{' lies' if below == 1 else 's lie'} far below the axis.")
    failed = sum(fits.failed)
    if failed:
        out.append(f"Dotted: {failed} of {len(fits.traces)} fits failed.")
    return out


def _objectives(fits: Fits) -> Panel:
    others = [at for at in range(len(fits.traces)) if at != fits.chosen]
    marks: list[Mark] = []
    for at in others:
        label = f"other starts ({len(others)})" if at == others[0] else ""
        dash: Dash = "dot" if fits.failed[at] else "solid"
        xy = _points(fits.traces[at])
        marks += [Line(xy, NOISE, 1.1, dash, label), Points(xy[-1:], NOISE, 14.0)]
    kept = _points(fits.best)
    words = f"kept ({fits.start})" if fits.start else "kept"
    last = f"{kept[-1, 1]:.6g} nats".replace("-", "\N{MINUS SIGN}")
    marks += [
        Line(kept, KEPT, 2.0, label=words if others else ""), Points(kept[-1:], KEPT, 36.0),
    ]  # fmt: skip
    longest = max(trace.size for trace in fits.traces)
    count = f"{fits.best.size} iteration{'' if fits.best.size == 1 else 's'}"
    return Panel(
        tuple(marks), f"{count}{' of the fit that was kept' if others else ''}: {last}",
        Axis("iteration", (-0.03 * longest, max(1.03 * (longest - 1), 1.0)), whole=True),
        Axis(f"{fits.words} (nats)", _limits(fits)), legend=Legend() if others else None, grid=True,
    )  # fmt: skip


def _points(trace: Array) -> Array:
    return np.column_stack([np.arange(trace.size, dtype=np.float64), trace])


def _movement(movement: Array) -> Panel:
    """Steps of the means, on a logarithmic axis; a mean that stands still has a gap."""
    n, k = movement.shape
    shown = np.where(movement > STILL, movement, np.nan)
    marker = "o" if n <= 30 else ""
    iteration = np.arange(1.0, n + 1.0)
    marks = tuple(
        Line(np.column_stack([iteration, shown[:, j]]), style(j)[0], 1.5, label=str(j),
             marker=style(j)[1] if marker else "")
        for j in range(k)
    )  # fmt: skip
    known = shown[~np.isnan(shown)]
    limits = (float(known.min()) / 1.5, float(known.max()) * 1.5) if known.size else (0.1, 1.0)
    return Panel(
        marks, "Steps of the means", Axis("iteration", (0.4, n + 0.6), whole=True),
        Axis("step (standard deviations)", limits, "log"),
        legend=Legend("component", "best" if k <= MANY else "outside"), grid=True,
    )  # fmt: skip


@final
class ConvergenceDisplay(Display):
    """The objective by iteration, of all starts. It has no options.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> model = em.GaussianMixture(2, n_init=3, random_state=0).fit(X)
    >>> em.plots.ConvergenceDisplay.from_estimator(model).ax_.get_title()
    '4 iterations of the fit that was kept: ...nats'
    """

    name = "convergence"
    scene = staticmethod(convergence_scene)
