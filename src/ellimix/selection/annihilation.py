"""The number of components found during one fit: annihilation by minimum message length.

Figueiredo & Jain (2002) begin with too many components and let a criterion take them away. The
message length (see `ellimix.inference.message_length`) charges a component for its parameters, by
its own rows: the M-step takes N/2 from every count, and a component that cannot pay dies. Once the
fit has converged its length is recorded, a component is taken out, and the fit goes on without it.
The shortest message wins. All that is one run from one start, whose place matters little:
components begin everywhere, and those that are not needed go.

The formula is made for many rows. With few, and few features, a clump of 15 rows may pay for
itself: of 20 data sets of three groups far apart (600 rows, 2 features) 18 gave 3 and two gave 4.
Every stage keeps its report, so that another criterion may choose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from ellimix.completion import completed
from ellimix.covariance.base import Family
from ellimix.density.mixture import Mixture
from ellimix.engines.base import Engine
from ellimix.engines.incomplete import suited
from ellimix.errors import DataError, FitFailed, Status
from ellimix.inference.message_length import MessageLength
from ellimix.report import FitReport
from ellimix.selection.covering import START, covering, most_components
from ellimix.selection.shrinking import Shrinking, Stage, Standing, Watch
from ellimix.sources.memory import MemorySource
from ellimix.starts.base import all_weights

__all__ = ["Annihilation", "Stage", "Standing", "annihilate"]


@final
@dataclass(frozen=True, eq=False)
class Annihilation:
    """What annihilation found.

    Parameters
    ----------
    report : FitReport
        The fit with the shortest message. Its objective is minus the message length per unit of
        row weight, its weights are those of eq. 17.
    mixture : Mixture
        Its mixture.
    length : float
        The message length of this mixture and the rows, in nats (eq. 15): smaller is better.
    log_likelihood : float
        Sum over rows of w log p(x) under this mixture, in nats.
    stages : tuple of Stage
        One for each number of components, in descending order.
    passes : int
        Passes over the rows, without those of the start.
    status : Status
        ``converged`` where the run came to its end, ``stopped`` or ``interrupted`` where it was
        asked to end earlier, ``overflow`` where a density left the range of double precision.
    notes : tuple of str
        What happened on the way, in sentences.
    """

    report: FitReport
    mixture: Mixture
    length: float
    log_likelihood: float
    stages: tuple[Stage, ...]
    passes: int
    status: Status
    notes: tuple[str, ...]

    @property
    def n_components(self) -> int:
        """The number of components that was chosen."""
        return self.mixture.n_components

    @property
    def lengths(self) -> dict[int, float]:
        """Message length in nats by number of components, of the stages that may be chosen.

        At the end of each stage, to a fraction of a component's price. A number that is missing was
        passed: a component went before the others had converged.
        """
        return {stage.n_components: stage.length for stage in self.stages if stage.settled}

    @property
    def trace(self) -> tuple[float, ...]:
        """Message length in nats at every E-step of all stages. Within a stage it never rises."""
        return tuple(length for stage in self.stages for length in stage.trace)


def annihilate(
    source: MemorySource,
    engine: Engine,
    family: Family,
    *,
    most: int | None = None,
    least: int = 1,
    reg_covar: float,
    tol: float,
    max_iter: int,
    random: np.random.RandomState,
    feature_names: tuple[str, ...] | None = None,
    progress: Watch | None = None,
) -> Annihilation:
    """Fit a mixture and find its number of components, in one run.

    Parameters
    ----------
    source : MemorySource
        Rows, with or without weights. A weight of 2 is the row twice. Not all need be known of
        them; nothing may be said of their components.
    engine : Engine
    family : Family
    most : int, optional
        Components to begin with, well above what is expected. By default 30, or n / N where that
        is fewer, with n the sum of the row weights and N the parameters of a component.
    least : int
        Where to end.
    reg_covar : float
        Variance floor, as in `GaussianMixture`.
    tol : float
        The chosen fit goes on until its message length per unit of row weight changes by less.
        Before that, at every number of components, changes end below a twentieth of a component's
        price (see `MessageLength.price`), which is a few nats for all rows together.
    max_iter : int
        Iterations at each number of components, and of the chosen fit after that.
    random : RandomState
        For the start's k-means++.
    feature_names : tuple of str, optional
    progress : callable, optional
        Called with a `Standing` after every iteration of a stage; True asks to stop, with the best
        so far.

    Returns
    -------
    Annihilation

    Raises
    ------
    ValueError
        `least` is below 1 or above `most`, or `max_iter` below 1.
    DataError
        Fewer rows count than components were asked for.
    FitFailed
        The rows pay for no number of components, or not even one has a covariance.

    References
    ----------
    Figueiredo, M. A. T. and Jain, A. K. (2002). Unsupervised learning of finite mixture models.
    IEEE Transactions on Pattern Analysis and Machine Intelligence 24(3), 381-396.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.covariance import parse
    >>> from ellimix.engines import ENGINES
    >>> from ellimix.selection.annihilation import annihilate
    >>> from ellimix.sources.memory import MemorySource
    >>> rng = np.random.default_rng(0)
    >>> rows = np.concatenate([rng.normal(m, 1.0, (200, 2)) for m in (0.0, 8.0, 16.0)])
    >>> found = annihilate(
    ...     MemorySource(rows), ENGINES["numpy"], parse("VII"), most=10,
    ...     reg_covar=1e-6, tol=1e-5, max_iter=500, random=np.random.RandomState(0),
    ... )
    >>> found.n_components
    3
    """
    plain, whole = engine, completed(source, engine)
    begun, engine = whole.placed(plain), suited(plain, source)
    placed = source.placed(engine) if source.incomplete else begun
    weight, usable = _counted(placed)
    if most is None:
        most = max(least, most_components(weight, usable, family, placed.n_features))
    _check(most, least, max_iter, usable)
    inference = MessageLength(family, weight, reg_covar)
    start, notes = covering(begun, plain, family, most, reg_covar, random)
    shrinking = Shrinking(
        placed, engine, inference, max_iter, START, feature_names, progress, notes=list(notes)
    )
    shrinking.run(start, least)
    return _chosen(shrinking, tol)


def _chosen(shrinking: Shrinking, tol: float) -> Annihilation:
    """The stage with the shortest message, run on to `tol`; of equals the one with more."""
    settled = [stage for stage in shrinking.stages if stage.settled]
    if not shrinking.stages:
        raise FitFailed(" ".join(shrinking.notes) + " That is below least: give a smaller one.")
    last = shrinking.stages[-1].report
    if not settled:
        raise FitFailed(f"No number of components was left with a fit. {last.message}")
    best = min(settled, key=lambda stage: stage.length)
    ended = Status.INTERRUPTED if shrinking.interrupted else last.status
    asked = ended in (Status.STOPPED, Status.INTERRUPTED, Status.OVERFLOW)
    report = best.report if asked else _refined(shrinking, best, tol)
    mixture = report.mixture
    if mixture is None:
        raise AssertionError("a settled stage has a mixture")
    loglik = float(shrinking.statistics(mixture.parameters).loglik)
    passed = ", ".join(str(stage.n_components) for stage in shrinking.stages if not stage.settled)
    if passed:
        shrinking.notes.append(f"A component went before the fit had settled at K = {passed}.")
    return Annihilation(
        report,
        mixture,
        shrinking.inference.length(loglik, mixture.parameters),
        loglik,
        tuple(shrinking.stages),
        shrinking.passes,
        ended if asked else Status.CONVERGED,
        tuple(shrinking.notes),
    )


def _refined(shrinking: Shrinking, best: Stage, tol: float) -> FitReport:
    """The report of the fit run on to `tol`; as it was where a component would go on the way."""
    report, weight = best.report, shrinking.inference.weight
    if tol * weight >= shrinking.still or report.mixture is None:
        return report
    more = shrinking.fit(report.mixture.parameters, tol * weight, report.objective)
    if not more.sound:
        return report
    steps: tuple[str, ...] = ()
    if report.steps or more.steps:
        before, after = (r.steps or ("em",) * len(r.trace) for r in (report, more))
        steps = (*before, *after)
    return replace(more, trace=(*report.trace, *more.trace), steps=steps)


def _counted(source: MemorySource) -> tuple[float, int]:
    """The sum of the row weights, and how many rows have one."""
    weight = all_weights(source)
    if weight is None:
        return float(source.n_rows), source.n_rows
    return float(weight.sum()), int(np.count_nonzero(weight))


def _check(most: int, least: int, max_iter: int, usable: int) -> None:
    if least < 1 or most < least:
        raise ValueError(
            f"Components go from most = {most} down to least = {least}: "
            "give least >= 1 and most >= least."
        )
    if max_iter < 1:
        raise ValueError(f"max_iter is {max_iter}: at least one iteration is needed.")
    if most > usable:
        raise DataError(
            f"{most} components need {most} rows to start from, but {usable} count: "
            "give a smaller most."
        )
