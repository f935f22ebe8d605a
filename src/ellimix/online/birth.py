"""Components that a batch brings: found among the rows that fit badly, judged by the whole batch.

Rows that fit badly (`ellimix.online.misfit`) come in every batch; more of them than the model leads
to expect are a reason to look. One to three components are fitted to them, and then to the whole
batch beside the components that there are, whose means and covariances are held while all weights
are free. They are born where they raise the batch's log-likelihood, over that of the old components
with free weights, by more than half their number of parameters times log n: where BIC, for this
batch, would rather have them. That is an exact fit of a restricted model (`inference.held`), for
all families.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from ellimix.covariance.base import Covariance, Structure, free_parameters
from ellimix.em import run
from ellimix.engines.base import Engine
from ellimix.errors import DegenerateFit
from ellimix.flights import Task
from ellimix.inference.base import Parameters
from ellimix.inference.held import Held
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.inference.posterior import Estimation
from ellimix.online.misfit import DRAWN, Judgement
from ellimix.report import FitReport
from ellimix.sources.memory import MemorySource
from ellimix.starts import STARTS, Beginning

MOST = 3  # components that one batch may bring
ERRORS = 3.0  # standard errors beyond what is expected, from which rows that fit badly are a reason
TOL, MAX_ITER = 1e-4, 50  # of the fits that decide


@final
@dataclass(frozen=True, eq=False)
class Born:
    """The model with new components, which come after the old ones.

    Parameters
    ----------
    parameters : Parameters
        The old weights, and a noise component's, are as they were, less the share of the new.
    count : int
        How many are new.
    gain : float
        By how much they raise the batch's log-likelihood beyond their cost, in nats.
    """

    parameters: Parameters
    count: int
    gain: float


def own_parameters(inference: Estimation, k: int, d: int) -> int:
    """How many parameters one component more brings, its weight among them."""
    family = inference.family
    return free_parameters(family, k + 1, d) - free_parameters(family, k, d)


def suspicious(judgement: Judgement, least: int) -> bool:
    """Whether so many rows fit badly that something new may be among them.

    Parameters
    ----------
    judgement : Judgement
    least : int
        How many it takes at least.
    """
    n, found, usual = judgement.whole, judgement.bad.size, judgement.usual
    variance = n * usual * (1.0 - usual) * (1.0 + n / DRAWN)
    return found >= least and found > n * usual + ERRORS * math.sqrt(variance)


def born(
    judgement: Judgement,
    model: Parameters,
    inference: Estimation,
    source: MemorySource,
    engine: Engine,
    seed: int,
) -> Born | None:
    """The components that a batch brings; None where it does not pay for any.

    Parameters
    ----------
    judgement : Judgement
        Of the batch under the model.
    model : Parameters
        Before the batch.
    inference : Estimation
        Without a prior and without parts that are held.
    source : MemorySource
        The batch, without labels.
    engine : Engine
    seed : int
        Of the starts.
    """
    k, d = model.means.shape
    each = own_parameters(inference, k, d)
    misfits = source.part(judgement.bad)
    tasks = [Task(_holding(inference, model, k), model, TOL, MAX_ITER)]
    for count in range(1, MOST + 1):
        if judgement.bad.size < count * (each + 1):
            break
        guess = _guess(inference, model, misfits, engine, count, seed)
        if guess is not None:
            whole = _joined(model, guess, misfits.total_weight / source.total_weight)
            tasks.append(Task(_holding(inference, whole, k), whole, TOL, MAX_ITER))
    before, *after = run(source, engine, tasks)
    found = [_judged(before, report, k, each, source.total_weight) for report in after]
    sound = [new for new in found if new is not None and new.gain > 0.0]
    if not sound:
        return None
    best = max(sound, key=lambda new: new.gain)
    return replace(best, parameters=_beside(model, best.parameters, k))


def _judged(before: FitReport, after: FitReport, k: int, each: int, weight: float) -> Born | None:
    """What a fit with new components gains; None where it ended degenerate."""
    if after.mixture is None or not after.sound:
        return None
    count = after.mixture.n_components - k
    gain = weight * (after.objective - (before.objective if before.usable else -np.inf))
    return Born(after.mixture.parameters, count, gain - 0.5 * count * each * math.log(weight))


def _guess(
    inference: Estimation,
    model: Parameters,
    misfits: MemorySource,
    engine: Engine,
    count: int,
    seed: int,
) -> Parameters | None:
    """Components of the rows that fit badly; a shared covariance stays the model's."""
    family, floor = inference.family, inference.reg_covar
    beginning = Beginning(misfits, engine, count, family.moment, floor, np.random.RandomState(seed))
    try:
        start = STARTS["hierarchical"].statistics(beginning)
        held = None
        if family.structure is Structure.SHARED:
            shape = (count, model.means.shape[1])
            known = replace(model.covariance, log_det=model.covariance.log_det[:1].repeat(count))
            free = np.full(count, np.nan)
            held = Held(free, np.full(shape, np.nan), known, np.ones(count, dtype=bool))
        return MaximumLikelihood(family, floor, None, held).update(start, None)
    except DegenerateFit:
        return None


def _joined(model: Parameters, new: Parameters, share: float) -> Parameters:
    """The old components and the new ones, which get a share of the weight together."""
    share = min(share, 0.5)
    rest = 1.0 - share
    noise = None if model.noise is None else np.asarray(rest * model.noise)
    return Parameters(
        np.concatenate([rest * model.weights, share * new.weights]),
        np.concatenate([model.means, new.means]),
        _covariances(model.covariance, new.covariance),
        noise,
    )


def _covariances(old: Covariance, new: Covariance) -> Covariance:
    log_det = np.concatenate([old.log_det, new.log_det])
    if old.structure is Structure.SHARED:
        return replace(old, log_det=log_det)
    values = np.concatenate([old.values, new.values])
    factor = np.concatenate([old.factor, new.factor])
    return Covariance(old.structure, values, factor, log_det, old.orientation)


def _holding(inference: Estimation, model: Parameters, k: int) -> MaximumLikelihood:
    """The inference with the first k components held but for their weights."""
    many, d = model.means.shape
    means = np.full((many, d), np.nan)
    means[:k] = model.means[:k]
    shared = model.covariance.structure is Structure.SHARED
    shaped = (np.arange(many) < k) | shared
    held = Held(np.full(many, np.nan), means, model.covariance, shaped)
    return MaximumLikelihood(inference.family, inference.reg_covar, inference.box, held)


def _beside(model: Parameters, fitted: Parameters, k: int) -> Parameters:
    """The old model, with the new components of a fit and their share of the weight."""
    share = float(fitted.weights[k:].sum())
    noise = None if model.noise is None else np.asarray((1.0 - share) * model.noise)
    weights = np.concatenate([(1.0 - share) * model.weights, fitted.weights[k:]])
    covariance = replace(fitted.covariance, orientation=model.covariance.orientation)
    return Parameters(weights, fitted.means, covariance, noise)
