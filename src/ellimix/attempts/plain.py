"""Attempts by the one loop, in lockstep: one pass over the rows serves all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from ellimix.attempts.base import Attempts, Ended, whole_statistics
from ellimix.covariance.base import Covariance, Structure, eigen
from ellimix.em import Task, run
from ellimix.engines.base import Engine
from ellimix.engines.incomplete import suited
from ellimix.errors import DegenerateFit
from ellimix.inference.base import Parameters, noise_moment, plug_in, with_noise, without_noise
from ellimix.inference.box import Box
from ellimix.inference.posterior import Estimation, MaximumAPosteriori, assuming
from ellimix.inference.pseudo_data import Assumed
from ellimix.records import Array, Moment, SufficientStatistics
from ellimix.report import FitReport
from ellimix.sources.base import Source
from ellimix.sources.threads import one_blas_thread

# The last gain that a fit may make, relative to what may still be gained: EM's gains shrink
# slowly where components overlap.
LAST = 0.1
COMMON_AXES = ("EVE", "VVE")  # families whose first M-step is made from many starts


@final
@dataclass(frozen=True)
class PlainRunner:
    """Runs fits by `ellimix.em.run`, from any source and with any engine.

    Parameters
    ----------
    source : Source
    engine : Engine
    reg_covar : float
        The variance floor.
    weight : float
        Sum of the row weights.
    box : Box or None
        Where a noise component is uniform; None without one.
    prior : Assumed or None
        The prior of all fits; None for maximum likelihood.
    """

    source: Source
    engine: Engine
    reg_covar: float
    weight: float
    compiled: bool = False
    box: Box | None = None
    prior: Assumed | None = None

    def run(
        self,
        attempts: Sequence[Attempts],
        *,
        tolerance: float,
        max_iter: int,
        judged: int | None = None,
        careful: bool = True,
        accelerated: bool = False,
        stop: Callable[[], bool] | None = None,
    ) -> list[Ended]:
        """Run all of them; see `Runner`.

        None is given up, since a pass serves the others anyway. Those that have settled and are
        slow are helped in any case (`ellimix.acceleration`): that leads nowhere else.
        """
        tol = LAST * tolerance / self.weight
        tasks = [
            Task(
                inference,
                first_step(inference, whole_start(group, i, self.box), careful),
                tol,
                max_iter,
                name=name,
                acceleration="auto",
            )
            for group in attempts
            for inference in (self._inference(group),)
            for i, name in enumerate(group.names)
        ]
        observe = None if stop is None else lambda _: stop()
        reports = iter(run(self.source, self.engine, tasks, observe))
        grouped = [[next(reports) for _ in group.names] for group in attempts]
        found = iter(self._last_pass([r for own in grouped for r in own if r.sound]))
        return [
            _ended(group, own, found, self._inference(group))
            for group, own in zip(attempts, grouped, strict=True)
        ]

    def _inference(self, group: Attempts) -> Estimation:
        return assuming(group.family, group.n.shape[1], self.reg_covar, self.box, self.prior)

    def _last_pass(self, reports: list[FitReport]) -> list[SufficientStatistics]:
        """Statistics with whole second moments under the fits' last parameters."""
        if not reports:
            return []
        potentials = [
            plug_in(report.mixture.parameters, Moment.FULL, self.box)
            for report in reports
            if report.mixture is not None
        ]
        engine = suited(self.engine, self.source)
        with one_blas_thread():
            return list(self.source.placed(engine).reduce(engine.step(potentials)))


def first_step(
    inference: Estimation, start: SufficientStatistics, careful: bool
) -> SufficientStatistics | Parameters:
    """The start; in a hurry, for EVE and VVE, the model of a first M-step from pooled axes."""
    if careful or inference.family.name not in COMMON_AXES:
        return start
    own = start if inference.box is None else without_noise(start, Moment.FULL)[0]
    k, d = own.means().shape
    nothing, axes = np.ones((k, d, d)), eigen(own.scatter().sum(axis=0))[1]
    before = Covariance(Structure.FULL, nothing, nothing, np.zeros(k), axes)
    try:
        return inference.update(start, Parameters(own.n, own.center, before))
    except DegenerateFit:
        return start  # the loop says which component and why


def whole_start(group: Attempts, index: int, box: Box | None = None) -> SufficientStatistics:
    """What the first M-step of one of the attempts gets."""
    scatter, moment = group.scatter[index], group.family.moment
    whole = whole_statistics(group.n[index], group.means[index], scatter)
    if box is not None:
        moment = noise_moment(moment)
    if moment is not Moment.FULL:
        diagonal = scatter.diagonal(0, 1, 2)
        s2 = diagonal if moment is Moment.DIAGONAL else scatter.sum(axis=0)
        whole = replace(whole, s2=s2, moment=moment)
    if box is None or group.noise_n is None:
        return whole
    return with_noise(whole, float(group.noise_n[index]), box.middle)


def _ended(
    group: Attempts,
    reports: list[FitReport],
    found: Iterator[SufficientStatistics],
    inference: Estimation,
) -> Ended:
    """A group's fits, with the statistics of the sound ones' last pass, in order."""
    m, k, d = group.means.shape
    zero = np.zeros((m, k))
    noisy = group.noise_n is not None
    out = Ended(
        group.family,
        zero,
        np.zeros((m, k, d)),
        np.zeros((m, k, d, d)),
        zero.copy(),
        np.zeros((m, k, d)),
        np.zeros((m, k, d, d)),
        zero.copy(),
        np.full(m, -np.inf),
        np.zeros(m),
        np.array([report.n_iter for report in reports], dtype=np.int64),
        tuple(report.status for report in reports),
        np.zeros(m, dtype=np.bool_),
        group.names,
        np.full(m, -1, dtype=np.int64),
        np.zeros(m) if noisy else None,
        np.zeros(m) if noisy else None,
        np.zeros(m) if isinstance(inference, MaximumAPosteriori) else None,
    )
    for i, report in enumerate(reports):
        if report.sound:
            _keep(out, i, report, next(found), inference)
    return out


def _keep(
    out: Ended,
    index: int,
    report: FitReport,
    found: SufficientStatistics,
    inference: Estimation,
) -> None:
    mixture = report.mixture
    if mixture is None or not np.isfinite(found.loglik):
        return
    d = mixture.n_features
    if out.noise_n is not None and out.noise is not None:
        found, out.noise_n[index] = without_noise(found, Moment.FULL)
        out.noise[index] = mixture.noise_weight
    out.n[index] = found.n
    count = np.where(found.n > 0.0, found.n, 1.0)[:, None]
    shift = found.s1 / count
    out.means[index] = found.center + shift
    out.scatter[index] = found.s2 - found.s1[:, :, None] * shift[:, None, :]
    out.weights[index], out.center[index] = mixture.weights, mixture.means
    out.factor[index] = whole_factor(mixture.covariance, d)
    out.log_det[index] = mixture.covariance.log_det
    out.objective[index], out.entropy[index] = found.loglik, found.entropy
    if out.log_prior is not None:
        out.log_prior[index] = inference.penalty(mixture.parameters)
        out.objective[index] += out.log_prior[index]


def whole_factor(covariance: Covariance, d: int) -> Array:
    """Precision factors as square matrices (k, d, d), whatever the family."""
    factor, k = covariance.factor, covariance.log_det.size
    match covariance.structure:
        case Structure.SPHERICAL:
            return np.asarray(factor[:, None, None] * np.eye(d))
        case Structure.DIAGONAL:
            return np.asarray(factor[:, :, None] * np.eye(d))
        case Structure.SHARED:
            return np.broadcast_to(factor, (k, d, d))
        case Structure.FULL:
            return factor
