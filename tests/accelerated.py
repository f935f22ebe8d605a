"""EM of a group of fits with an accelerator: the loop as plain as it can be."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ellimix.acceleration import SHAPES, Accelerator
from ellimix.acceleration.accelerator import STRICTER
from ellimix.engines import ENGINES
from ellimix.errors import DegenerateFit
from ellimix.inference.base import Inference, Parameters
from ellimix.records import Block, SufficientStatistics

ENGINE = ENGINES["numpy"]
ARRAYS = ("n", "s1", "s2", "center")


@dataclass
class Run:
    """How one fit went."""

    model: Parameters  # the best
    objective: float = -np.inf
    passes: int = 0
    trials: int = 0
    rejected: int = 0
    refused: int = 0
    ended: str = ""
    kept: list[float] = field(default_factory=list)  # objectives, without those of rejected trials
    plain: list[tuple[int, float, float]] = field(
        default_factory=list
    )  # passes, objective, gain to stop at


def stacked(records: list[SufficientStatistics]) -> SufficientStatistics:
    """Statistics with a leading axis."""
    arrays = {name: np.stack([getattr(r, name) for r in records]) for name in ARRAYS}
    return replace(records[0], **arrays)


def part(record: SufficientStatistics, i: int) -> SufficientStatistics:
    """One fit's statistics of a stack."""
    return replace(record, **{name: getattr(record, name)[i] for name in ARRAYS})


def accelerated(
    accelerator: Accelerator,
    inference: Inference,
    starts: list[SufficientStatistics],
    blocks: list[Block],
    tol: float,
    max_iter: int,
) -> list[Run]:
    """Fits with one inference, each from its start, each on its rows, until all have ended."""
    runs = [Run(inference.update(start, None)) for start in starts]
    models = [run.model for run in runs]  # what the next pass is made over
    k, d = models[0].means.shape
    memory = accelerator.begin(len(runs), k, d, SHAPES[inference.family.moment])
    alive = np.arange(len(runs))
    while alive.size:
        sums = [ENGINE.e_step(inference.potentials(models[i]), blocks[i]) for i in alive]
        objective = np.array(
            [
                (s.loglik + inference.penalty(models[i])) / s.weight
                for s, i in zip(sums, alive, strict=True)
            ]
        )
        statistics = stacked(sums)
        advice = accelerator.advance(memory, statistics, objective, tol)
        going = np.ones(alive.size, dtype=bool)
        refused = np.zeros(alive.size, dtype=bool)
        for j, i in enumerate(alive):
            run = runs[i]
            run.passes += 1
            if advice.rejected[j]:
                run.rejected += 1
            else:
                run.model, run.objective = models[i], float(objective[j])
                run.kept.append(run.objective)
            gain = abs(float(advice.gain[j]))
            if np.isfinite(gain):
                stricter = STRICTER if advice.memory.helped[j] else 1.0
                run.plain.append((run.passes, run.objective, gain / stricter))
            run.trials += int(advice.trial[j])
            try:
                models[i] = inference.update(part(advice.statistics, j), run.model)
            except DegenerateFit:
                refused[j] = True
        failed = refused & ~advice.trial
        if refused.any():
            advice = accelerator.refuse(advice, statistics, refused & ~failed)
        for j in np.flatnonzero(refused & ~failed):
            runs[alive[j]].refused += 1
            try:
                models[alive[j]] = inference.update(
                    part(advice.statistics, j), runs[alive[j]].model
                )
            except DegenerateFit:
                failed[j] = True
        for j, i in enumerate(alive):
            run = runs[i]
            if failed[j]:
                run.ended = "degenerate"
            elif advice.converged[j]:
                run.ended = "converged"
            elif run.passes >= max_iter:
                run.ended = "max_iter"
            going[j] = not run.ended
        memory = advice.memory.take(np.flatnonzero(going))
        alive = alive[going]
    return runs
