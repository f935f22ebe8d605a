"""Moves out of local optima: components merged, deleted, born or exchanged where the bound rises.

EM and its variational twin only climb. A fit in which two components share a cluster while a third
one spans two others is an optimum that no E-step leaves, and more starts help less the more
components there are. Moves do (Ueda et al. 2000; Hughes & Sudderth 2013): the converged fit is
changed by a component or two, the change is run a few passes, and kept only if the objective is
then higher than that of the fit itself, which runs beside it as many passes. So the objective never
falls, and what a loose `tol` left open is not taken for a move's gain.

All changes of a round run in lockstep: a round reads the rows as often as one short fit does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from ellimix.em import run
from ellimix.engines.base import Engine
from ellimix.engines.incomplete import suited
from ellimix.errors import RowsLost, Status
from ellimix.flights import Observer, Task
from ellimix.inference.base import Inference, Parameters, with_noise, without_noise
from ellimix.proposals import KINDS, Parts, Proposal, proposals
from ellimix.records import Moment, SufficientStatistics
from ellimix.report import FitReport
from ellimix.sources.base import Source
from ellimix.sources.threads import one_blas_thread

ROUNDING = 1e-10  # of the objective per unit of weight: a smaller gain is none
FIRST_PASSES = 4  # of all proposals
PASSES = 12  # of those that are best after the first ones
SHORTLIST = 3  # of each kind
ENDS = (Status.INTERRUPTED, Status.LOST, Status.STOPPED)


@final
@dataclass(frozen=True)
class Move:
    """A change that was kept.

    Parameters
    ----------
    kind : str
        One of `ellimix.proposals.KINDS`.
    components : tuple of int
        The components concerned, numbered as they were before this move.
    gain : float
        By how much the objective rose, in nats, until the changed fit had converged.
    deed : str
        The same as a sentence begins.
    """

    kind: str
    components: tuple[int, ...]
    gain: float
    deed: str

    @property
    def note(self) -> str:
        """One sentence."""
        return f"{self.deed}: bound +{self.gain:.6g} nats."


def escape(
    source: Source,
    engine: Engine,
    report: FitReport,
    inference: Inference,
    tol: float,
    max_iter: int,
    random: np.random.RandomState,
    *,
    rounds: int = 100,
    most: int | None = None,
    acceleration: str | None = None,
    observe: Observer | None = None,
) -> tuple[FitReport, tuple[Move, ...]]:
    """Move a fit until no change of a component raises its objective.

    Parameters
    ----------
    source : Source
    engine : Engine
        Those of the fit.
    report : FitReport
        How the fit ended; one that is not sound is given back as it is.
    inference : Inference
        With an objective that compares between starts: `VariationalBayes`, or `MaximumLikelihood`,
        where components cannot be empty and exchanges are the only moves.
    tol : float
        As of the fit, for each run to convergence (nats per unit of row weight).
    max_iter : int
        For each run to convergence.
    random : RandomState
        For directions in which components are cut.
    rounds : int, default 100
        The most moves. Each raises the objective, so that there is an end without a limit.
    most : int, optional
        The most pairs that a round tries to merge, and components that it tries to delete; by
        default k of each.
    acceleration : str, optional
        A name in `ellimix.acceleration.ACCELERATORS`, for the runs to convergence.
    observe : callable, optional
        Called after every iteration of these runs with the `Fits`; returns whether to stop.

    Returns
    -------
    report : FitReport
        Its trace is that of the fit and of the runs after each move. The passes that moves were
        tried in leave no entry. Its notes say which moves were made.
    moves : tuple of Move

    Notes
    -----
    With sticks (a Dirichlet process) components are also ordered by descending counts, which raises
    the bound by itself. ``Ctrl-C`` ends the moves with the best fit so far, and its status says so.

    References
    ----------
    N. Ueda, R. Nakano, Z. Ghahramani, G. E. Hinton: SMEM algorithm for mixture models. Neural
    Computation 12 (2000), 2109-2128.
    M. C. Hughes, E. B. Sudderth: Memoized online variational inference for Dirichlet process
    mixture models. NIPS 26 (2013).

    Examples
    --------
    Three clusters, and a start in which one component has two of them:

    >>> import numpy as np
    >>> from ellimix.em import Task, run
    >>> from ellimix.engines import ENGINES
    >>> from ellimix.escaping import escape
    >>> from ellimix.inference.mixing import Dirichlet
    >>> from ellimix.inference.normal_wishart import NormalWishart
    >>> from ellimix.inference.pointed import RULES
    >>> from ellimix.inference.variational import VariationalBayes
    >>> from ellimix.records import Moment
    >>> from ellimix.sources.memory import MemorySource
    >>> from ellimix.starts import Beginning, Given
    >>> random = np.random.RandomState(0)
    >>> rows = random.normal(size=(300, 1)) + np.repeat([0.0, 20.0, 40.0], 100)[:, None]
    >>> labels = np.repeat([0, 0, 1], 100)
    >>> labels[250:] = 2
    >>> source, engine = MemorySource(rows), ENGINES["numpy"]
    >>> prior = NormalWishart(rows.mean(axis=0), 1.0, 1.0, np.cov(rows.T).reshape(1, 1))
    >>> bayes = VariationalBayes(RULES["full"], Dirichlet(0.01), prior)
    >>> beginning = Beginning(source, engine, 3, Moment.FULL, 0.0, random)
    >>> start = Given(np.eye(3)[labels]).statistics(beginning)
    >>> (stuck,) = run(source, engine, [Task(bayes, start, 1e-6, 500)])
    >>> report, moves = escape(source, engine, stuck, bayes, 1e-6, 500, random)
    >>> report.objective > stuck.objective, np.sort(report.mixture.weights).round(2)
    (True, array([0.33, 0.33, 0.33]))
    """
    if not report.sound or report.mixture is None or report.status in ENDS:
        return report, ()
    engine = suited(engine, source)
    work = _Work(
        source.placed(engine),
        engine,
        inference,
        tol,
        max_iter,
        random,
        most,
        acceleration,
        observe,
        report.mixture.feature_names,
    )
    moves: list[Move] = []
    try:
        while len(moves) < rounds:
            report, move = _round(work, report)
            if move is None:
                break
            moves.append(move)
            if report.status in ENDS:
                break
    except KeyboardInterrupt:
        report = _ended(report, Status.INTERRUPTED)
    except RowsLost:
        report = _ended(report, Status.LOST)
    return replace(report, notes=(*report.notes, *(move.note for move in moves))), tuple(moves)


@final
@dataclass(frozen=True, eq=False)
class _Work:
    """What every round needs."""

    source: Source
    engine: Engine
    inference: Inference
    tol: float
    max_iter: int
    random: np.random.RandomState
    most: int | None
    acceleration: str | None
    observe: Observer | None
    names: tuple[str, ...] | None

    def few(
        self, starts: Sequence[SufficientStatistics | Parameters], passes: int
    ) -> list[FitReport]:
        """So many passes of each, exactly: with tol 0 none ends earlier.

        Raises
        ------
        KeyboardInterrupt, RowsLost
            As nothing that is under way here is worth to be kept.
        """
        tasks = [Task(self.inference, start, 0.0, passes) for start in starts]
        reports = run(self.source, self.engine, tasks, feature_names=self.names)
        if any(report.status is Status.INTERRUPTED for report in reports):
            raise KeyboardInterrupt
        if lost := [report for report in reports if report.status is Status.LOST]:
            raise RowsLost(lost[0].message)
        return reports

    def on(self, reports: Sequence[FitReport]) -> list[FitReport]:
        """Each of them to its end; one that fails on the way is kept as it was."""
        tasks = [
            Task(
                self.inference,
                _model(report),
                self.tol,
                self.max_iter,
                report.objective,
                acceleration=self.acceleration,
            )
            for report in reports
        ]
        ends = run(self.source, self.engine, tasks, self.observe, self.names)
        return [_joined(*pair) for pair in zip(reports, ends, strict=True)]

    def statistics(self, model: Parameters) -> SufficientStatistics:
        """Those of one pass over the model."""
        potentials = self.inference.potentials(model)
        if potentials.moment is Moment.POOLED:  # a sum over components shows none of them
            potentials = replace(potentials, moment=Moment.FULL)
        with one_blas_thread():
            (statistics,) = self.source.reduce(self.engine.step([potentials]))
        return statistics

    def proposed(self, model: Parameters) -> tuple[list[Proposal], list[SufficientStatistics]]:
        """Changes of a model, and the statistics from which they start."""
        own, noise, box = self.statistics(model), 0.0, self.inference.box
        if box is not None:
            own, count = without_noise(own, own.moment)
            noise = float(count)
        parts = Parts.of(own)
        sticks = model.hyper is not None and model.hyper.concentration.shape[-1] == 2
        most = parts.n.size if self.most is None else self.most
        made = proposals(parts, sticks, not self.inference.minds_empty, most, self.random)
        if box is None:
            return made, [p.parts.statistics(self.inference.moment, own) for p in made]
        starts = [p.parts.statistics(own.moment, own) for p in made]
        return made, [with_noise(start, noise, box.middle) for start in starts]


def _round(work: _Work, fit: FitReport) -> tuple[FitReport, Move | None]:
    """The fit after the best move; where none raises the objective, as it went on meanwhile."""
    made, starts = work.proposed(_model(fit))
    first = work.few([_model(fit), *starts], FIRST_PASSES)
    chosen = _shortlist(made, first[1:])
    tried = _few_more(work, [first[0], *(first[i + 1] for i in chosen)])
    best = _best(tried, fit, ROUNDING * abs(fit.objective))
    if best is not None:
        (end,) = work.on([tried[best]])
    else:  # slow ones: a gain below tol is what the stopping rule leaves open
        tried = work.on(tried)
        best = _best(tried, fit, max(work.tol, ROUNDING * abs(fit.objective)))
        if best is None:
            return (_longer(fit, tried[0]) if tried[0].sound else fit), None
        end = tried[best]
    proposal = made[chosen[best - 1]]
    gain = (end.objective - fit.objective) * float(starts[0].weight)
    return _longer(fit, end), Move(proposal.kind, proposal.components, gain, proposal.deed)


def _few_more(work: _Work, reports: Sequence[FitReport]) -> list[FitReport]:
    """PASSES more of each."""
    ends = work.few([_model(report) for report in reports], PASSES)
    return [_joined(*pair) for pair in zip(reports, ends, strict=True)]


def _shortlist(made: Sequence[Proposal], reports: Sequence[FitReport]) -> list[int]:
    """The best few of each kind, by number: a birth needs longer to pay than a merge."""
    chosen: list[int] = []
    for kind in KINDS:
        own = [i for i, p in enumerate(made) if p.kind == kind and reports[i].sound]
        chosen += sorted(own, key=lambda i: -reports[i].objective)[:SHORTLIST]
    return chosen


def _best(tried: Sequence[FitReport], fit: FitReport, margin: float) -> int | None:
    """The best of all but the first, which is the fit itself gone on, if it is clearly better."""
    stay = max(fit.objective, tried[0].objective) if tried[0].sound else fit.objective
    better = [i for i in range(1, len(tried)) if tried[i].sound]
    best = max(better, key=lambda i: tried[i].objective, default=None)
    return best if best is not None and tried[best].objective > stay + margin else None


def _joined(before: FitReport, after: FitReport) -> FitReport:
    """What comes after, with the trace from before it; a failure leaves what was before."""
    if not (after.sound and after.trace):
        kept = after.status if after.status in ENDS else before.status
        return _ended(before, kept)
    steps: tuple[str, ...] = ()
    if before.steps or after.steps:
        steps = (*_steps(before), *_steps(after))
    return replace(
        after,
        trace=(*before.trace, *after.trace),
        steps=steps,
        start=before.start,
        notes=before.notes,
    )


def _longer(fit: FitReport, after: FitReport) -> FitReport:
    """A fit that goes on with what came of it or of a move: the trace has only what is above it."""
    above = np.asarray(after.trace) > fit.objective
    first = int(above.argmax()) if above.any() else above.size
    entries = [i for i, step in enumerate(after.steps) if step != "rejected"]  # of the trace
    steps = after.steps[entries[first] :] if first < len(entries) else ()
    return _joined(fit, replace(after, trace=after.trace[first:], steps=steps))


def _steps(report: FitReport) -> tuple[str, ...]:
    return report.steps or ("em",) * len(report.trace)


def _ended(report: FitReport, status: Status) -> FitReport:
    message = f"{status.sentence} {status.remedy}".strip()
    return report if report.status is status else replace(report, status=status, message=message)


def _model(report: FitReport) -> Parameters:
    if report.mixture is None:
        raise ValueError("A fit without a mixture cannot go on.")
    return report.mixture.parameters
