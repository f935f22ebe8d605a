"""Fits that lose components, one after the other, and the lengths of their messages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, final

import numpy as np

from ellimix.density.mixture import Mixture
from ellimix.em import Fits, Task, run
from ellimix.engines.base import Engine
from ellimix.errors import DegenerateFit, Status
from ellimix.inference.base import Parameters
from ellimix.inference.message_length import MessageLength
from ellimix.records import SufficientStatistics
from ellimix.report import FitReport
from ellimix.sources.base import Source
from ellimix.sources.threads import one_blas_thread

# Change of the message length, in units of a component's price, below which a fit with one number
# of components has come to its end. A price is tens of nats whatever n is, so a tolerance a row
# would be far too loose for many rows. From 0.1 down to 0.005 prices choices become no better: the
# smaller, the more small clumps of rows are found that pay for themselves, and with 20,000
# overlapping rows there are 860 passes for 250.
STILL: Final = 0.05
ACCELERATION: Final = "auto"
# So many of the least probable components are taken out on trial, for so many iterations each. The
# paper takes out the least probable one. Where two components share a group between them, a third
# that has a small group to itself may be that one: of 10 data sets of 20,000 rows from the paper's
# four overlapping components, 7 then ended 14 to 33 nats above the message length that EM reaches
# from the truth, and none does with trials, in fewer passes. Another than the least probable goes
# only where that saves a component's price: else small clumps of rows, which save a few nats, are
# kept for too long. Five candidates or 10 iterations do no better.
CANDIDATES: Final = 3
TRIAL: Final = 3
_ASKED: Final = frozenset({Status.STOPPED, Status.INTERRUPTED})


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """Where a shrinking fit stands after an iteration, for those who watch it."""

    n_components: int
    length: float  # of the message, in nats, at the last E-step
    passes: int  # over the rows, so far


Watch = Callable[[Standing], bool]  # True asks to stop


@final
@dataclass(frozen=True, eq=False)
class Stage:
    """The passes made with one number of components.

    Parameters
    ----------
    report : FitReport
        How that fit went. Its status is ``converged`` or ``max_iter``, after which one of the least
        probable components was taken out; ``annihilated``, ``collapsed`` or ``empty``, where one
        went by itself; ``stopped``, ``interrupted`` or ``overflow``, which end the run.
    trace : tuple of float
        Message length in nats at each E-step, of the parameters before that iteration's M-step.
    """

    report: FitReport
    trace: tuple[float, ...]

    @property
    def n_components(self) -> int:
        """Number of components."""
        return 0 if self.report.mixture is None else self.report.mixture.n_components

    @property
    def status(self) -> Status:
        """How it ended."""
        return self.report.status

    @property
    def settled(self) -> bool:
        """Whether the fit came to an end with all its components, and may be chosen.

        One that was about to lose a component may not: on its way out its weight goes to 0, and
        the formula's logarithm with it.
        """
        return self.report.sound and bool(self.trace)

    @property
    def length(self) -> float:
        """Message length at the last E-step, in nats; inf where there was none."""
        return self.trace[-1] if self.trace else math.inf


@final
@dataclass
class Shrinking:
    """One fit on its way from many components to few: what it runs with, and its stages so far."""

    source: Source
    engine: Engine
    inference: MessageLength
    max_iter: int
    start: str = ""
    feature_names: tuple[str, ...] | None = None
    watch: Watch | None = None
    stages: list[Stage] = field(default_factory=list)
    passes: int = 0
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False  # between two stages

    def run(self, start: Parameters, least: int) -> None:
        """Stage after stage, from `start` down to `least` components."""
        model: Parameters | None = start
        while model is not None and model.weights.size >= least:
            report = self.fit(model, self.still)
            self.stages.append(Stage(report, self.in_nats(report)))
            ended = report.status in _ASKED or report.status is Status.OVERFLOW
            model = None if ended else self._without_one(report)

    @property
    def still(self) -> float:
        """Change of the message length, in nats, below which a stage ends."""
        return STILL * self.inference.price(self.source.n_features)

    def fit(self, start: Parameters, still: float, previous: float = -np.inf) -> FitReport:
        """One fit, until its message changes by less than `still` nats."""
        inference, before, watch = self.inference, self.passes, self.watch

        def observe(fits: Fits) -> bool:
            self.passes += 1
            if watch is None:
                return False
            trace = fits[0].trace
            length = -trace[-1] * inference.weight if trace else math.inf
            return watch(Standing(start.weights.size, length, self.passes))

        tol = still / inference.weight
        task = Task(inference, start, tol, self.max_iter, previous, self.start, ACCELERATION)
        (report,) = run(self.source, self.engine, [task], observe, self.feature_names)
        self.passes = before + report.n_iter
        return report

    def statistics(self, model: Parameters) -> SufficientStatistics:
        """One pass over the rows under a model."""
        self.passes += 1
        with one_blas_thread():
            (out,) = self.source.reduce(self.engine.step([self.inference.potentials(model)]))
        return out

    def in_nats(self, report: FitReport) -> tuple[float, ...]:
        """The report's objectives as message lengths."""
        return tuple(-self.inference.weight * value for value in report.trace)

    def _without_one(self, report: FitReport) -> Parameters | None:
        """The model to go on from; None where no component is left.

        At most one component goes between two passes: its rows are then shared out anew, and may
        save another one. That is what the paper's component-wise EM is for, with an E-step after
        every component's M-step; here a pass serves all components, and one more pass is made for
        each one that goes.
        """
        mixture = report.mixture
        if mixture is None or mixture.n_components == 1:
            return None
        if report.status is Status.ANNIHILATED and report.counts is not None:
            dead = int(np.argmin(report.counts))
        elif report.status.failed:
            dead = self._collapsed(mixture.parameters)
        else:
            return self._least_missed(mixture)
        return without(mixture, dead)

    def _least_missed(self, mixture: Mixture) -> Parameters | None:
        """The model without one of its least probable components: the one that others replace best.

        Found by a few iterations without each of them, in the same passes; in doubt the least
        probable one goes. None where these were interrupted.
        """
        few = np.argsort(mixture.weights, kind="stable")[:CANDIDATES]
        starts = [without(mixture, int(dead)) for dead in few]
        if len(starts) == 1 or mixture.n_components == 2:
            return starts[0]
        tasks = [Task(self.inference, start, 0.0, TRIAL) for start in starts]
        reports = run(self.source, self.engine, tasks)
        self.passes += max(report.n_iter for report in reports)
        if any(report.status is Status.INTERRUPTED for report in reports):
            self.interrupted = True
            return None
        lengths = [self.in_nats(r)[-1] if r.sound else math.inf for r in reports]
        lengths[0] -= self.inference.price(mixture.n_features)
        best = reports[int(np.argmin(lengths))]
        return starts[0] if best.mixture is None or not best.sound else best.mixture.parameters

    def _collapsed(self, model: Parameters) -> int:
        """The component to take out after a collapse: the smallest of those that the M-step names.

        Where it names none (a covariance that all share), or finds none on a second look, the
        smallest of all.
        """
        statistics = self.statistics(model)
        concerned = np.arange(model.weights.size)
        cause = "its M-step failed"
        try:
            self.inference.update(statistics, model)
        except DegenerateFit as failure:
            cause = failure.cause
            if failure.components:
                concerned = np.array(failure.components)
        dead = int(concerned[np.argmin(statistics.n[concerned])])
        self.notes.append(
            f"With {model.weights.size} components one of count {statistics.n[dead]:.6g} collapsed "
            f"and was taken out: {cause}."
        )
        return dead


def without(mixture: Mixture, dead: int) -> Parameters:
    """The mixture's parameters without one of its components."""
    left = mixture.ordered(np.delete(np.arange(mixture.n_components), dead)).parameters
    return Parameters(left.weights / left.weights.sum(), left.means, left.covariance)
