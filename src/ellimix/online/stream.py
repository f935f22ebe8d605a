"""A stream: a model, the running sums that it comes from, and what a batch does to them.

A batch is judged under the model before it, may bring components, adds its sums by a step
(`ellimix.online.steps`), may see components off, and ends with one M-step over the running sums.
These are kept per unit of row weight, about the means. The M-step gets them scaled to the number of
rows that they rest on, so that a prior counts for what it is worth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from ellimix.density.mixture import Mixture
from ellimix.engines.base import Engine
from ellimix.errors import DataError, DegenerateFit, FitFailed
from ellimix.inference.base import Parameters
from ellimix.inference.held import components
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.inference.posterior import Estimation
from ellimix.online.birth import Born, born, own_parameters, suspicious
from ellimix.online.misfit import Judgement, judged
from ellimix.online.passing import e_step
from ellimix.online.report import BatchReport, StreamReport
from ellimix.online.steps import Online, rests_on
from ellimix.online.sums import (
    Order,
    about_means,
    blended,
    concatenated,
    empty,
    reordered,
    scaled,
    without,
)
from ellimix.records import Array, Moment, SufficientStatistics
from ellimix.sources.memory import MemorySource

Mask = NDArray[np.bool_]


@final
@dataclass(frozen=True, eq=False)
class Stream:
    """Where a stream stands.

    Parameters
    ----------
    sums : SufficientStatistics
        Running sums per unit of row weight, with a noise component's, about the means.
    rests : float
        On how many rows they rest.
    seen : float
        Weight of all rows so far.
    number : int
        Batches so far.
    report : StreamReport
    """

    sums: SufficientStatistics
    rests: float
    seen: float
    number: int
    report: StreamReport

    @property
    def statistics(self) -> SufficientStatistics:
        """The running sums of as many rows as they rest on."""
        return replace(scaled(self.sums, self.rests), weight=self.rests)

    def reordered(self, order: Order) -> Stream:
        """The stream with its Gaussian components in another order."""
        rest = np.arange(order.size, self.sums.n.size)
        return replace(self, sums=reordered(self.sums, np.concatenate([order, rest])))


def begun(
    sums: SufficientStatistics, rows: int, weight: float, fit: float, k: int, step: float = 1.0
) -> Stream:
    """A stream after its first batch, which was fitted.

    Parameters
    ----------
    sums : SufficientStatistics
        Of that batch, at the fitted parameters.
    rows, weight, fit
        As in `BatchReport`.
    k : int
        Components, without noise.
    step : float
    """
    nothing = np.zeros(k)
    first = BatchReport(1, rows, weight, step, fit, None, None, None, nothing, (), (), k)
    unit = about_means(scaled(sums, 1.0 / float(sums.n.sum())))
    return Stream(unit, weight, weight, 1, StreamReport((first,)))


def unfounded(mixture: Mixture, moment: Moment) -> Stream:
    """A stream before its first batch, at parameters that rest on no rows: they were given.

    The first batch then is assigned by them, and what they are is its sums alone.

    Parameters
    ----------
    mixture : Mixture
    moment : Moment
        Of the inference.
    """
    sums = empty(mixture.potentials.center, moment)
    return Stream(sums, np.inf, 0.0, 0, StreamReport(()))


class Advanced(NamedTuple):
    """What a batch leaves."""

    stream: Stream
    mixture: Mixture
    judgement: Judgement


def advanced(
    stream: Stream,
    online: Online,
    mixture: Mixture,
    inference: Estimation,
    source: MemorySource,
    engine: Engine,
) -> Advanced:
    """The stream and the model after one batch more.

    Parameters
    ----------
    stream : Stream
    online : Online
    mixture : Mixture
        The model before the batch.
    inference : Estimation
        The one that made it.
    source : MemorySource
        The batch.
    engine : Engine

    Raises
    ------
    DataError
        Births or deaths are asked for, and parts are held or have a prior, or rows have labels.
    FitFailed
        A component is left without rows or with a singular covariance, or a row is out of range.
    """
    _check_open(online, inference, source)
    model, k, number = mixture.parameters, mixture.n_components, stream.number + 1
    judgement = judged(mixture, source, stream.rests, online.misfit, number)
    new = _births(online, judgement, model, inference, source, engine, number)
    if new is not None:
        model, sums = new.parameters, _with_room(stream.sums, new, k)
    else:
        sums = stream.sums
    weight = source.total_weight
    seen = stream.seen + weight
    step = 1.0 if stream.seen == 0.0 else online.step(weight, seen)
    rests = rests_on(stream.rests, step, weight)
    found = e_step(source, engine, inference.potentials(model))
    sums = blended(sums, scaled(found, 1.0 / weight), step)
    gone = np.zeros(model.weights.size, dtype=bool)
    if online.death:
        gone = _fading(sums.n[: gone.size], rests, inference, k, source.n_features)
    if gone.any():
        sums, rests = _lightened(sums, gone, rests)
        model = _survivors(model, ~gone)
    after = _updated(inference, scaled(sums, rests), model, online)
    unit = about_means(scaled(sums, 1.0 / float(sums.n.sum())))
    births = tuple(range(k - int(gone[:k].sum()), after.weights.size))
    moved = _moved(mixture.parameters, after, gone[:k])
    batch = BatchReport(
        number, source.n_rows, weight, step, judgement.fit, judgement.expected, judgement.z,
        judgement.misfits, moved, births, tuple(int(i) for i in np.flatnonzero(gone)),
        after.weights.size,
    )  # fmt: skip
    gone_on = Stream(unit, rests, seen, number, stream.report.after(batch))
    return Advanced(gone_on, replace(mixture, parameters=after), judgement)


def _check_open(online: Online, inference: Estimation, source: MemorySource) -> None:
    if not (online.birth or online.death):
        return
    if not isinstance(inference, MaximumLikelihood) or inference.held is not None:
        raise DataError(
            "birth and death change the number of components, and fixed parts or a prior say what "
            "each of them is: use Online(birth=False, death=False)."
        )
    if source.detail is not None and source.detail.prior is not None:
        raise DataError(
            "birth and death renumber the components, and labels or allowed say which is which: "
            "use Online(birth=False, death=False)."
        )


def _births(
    online: Online,
    judgement: Judgement,
    model: Parameters,
    inference: Estimation,
    source: MemorySource,
    engine: Engine,
    seed: int,
) -> Born | None:
    if not online.birth:
        return None
    least = own_parameters(inference, *model.means.shape) + 1
    if not suspicious(judgement, least):
        return None
    return born(judgement, model, inference, source, engine, seed)


def _with_room(sums: SufficientStatistics, new: Born, k: int) -> SufficientStatistics:
    """The running sums with new components that have none yet, before a noise component."""
    place = empty(new.parameters.means[k:], sums.moment)
    whole = concatenated([sums, place])
    numbers = np.arange(whole.n.size)
    return reordered(
        whole, np.concatenate([numbers[:k], numbers[-new.count :], numbers[k : -new.count]])
    )


def _fading(n: Array, rests: float, inference: Estimation, k: int, d: int) -> Mask:
    """Which of the k old components rest on fewer rows than they have parameters; never all."""
    gone = n * rests < own_parameters(inference, n.size, d)
    gone[k:] = False
    if gone.all():
        gone[np.argmax(n)] = False
    return np.asarray(gone)


def _lightened(
    sums: SufficientStatistics, gone: Mask, rests: float
) -> tuple[SufficientStatistics, float]:
    """The sums without the components that go, which take their rows along."""
    every = np.concatenate([gone, np.zeros(sums.n.size - gone.size, dtype=bool)])
    left = float(sums.n[~every].sum() / sums.n.sum())
    return without(sums, every), rests * left


def _survivors(model: Parameters, kept: Mask) -> Parameters:
    index = np.flatnonzero(kept)
    covariance = components(model.covariance, index)
    return replace(
        model, weights=model.weights[index], means=model.means[index], covariance=covariance
    )


def _updated(
    inference: Estimation, sums: SufficientStatistics, before: Parameters, online: Online
) -> Parameters:
    try:
        return inference.update(sums, before)
    except DegenerateFit as failure:
        hint = "" if online.death else " With Online(death=True) it would have been let go before."
        raise FitFailed(
            f"The batch leaves no sound model, and the one before it was kept. {failure}{hint}"
        ) from None


def _moved(before: Parameters, after: Parameters, gone: Mask) -> Array:
    """Distances (k,) between old and new means, in standard deviations; NaN for who is gone."""
    stayed = np.flatnonzero(~gone)
    away = np.zeros_like(before.means)
    away[stayed] = after.means[: stayed.size] - before.means[stayed]
    return np.where(gone, np.nan, np.sqrt(before.covariance.lengths(away)))
