"""From what was given to the starts of an estimator's fits."""

from __future__ import annotations

from ellimix.errors import DegenerateFit
from ellimix.estimators.assuming import expected_parameters, pseudo_of
from ellimix.estimators.given import GivenParameters
from ellimix.estimators.matching import match, reordered
from ellimix.estimators.preparing import Prepared
from ellimix.flights import filled
from ellimix.inference.base import Parameters
from ellimix.inference.held import Held
from ellimix.inference.posterior import Estimation
from ellimix.records import SufficientStatistics
from ellimix.starts import Beginning, Given
from ellimix.starts.constrained import Constrained


def first_steps(
    beginning: Beginning,
    inference: Estimation,
    ready: Prepared,
    given: GivenParameters,
    n_starts: int,
) -> list[SufficientStatistics | Parameters]:
    """What each fit begins from; the starts draw from one stream, one after another.

    Where components are told apart by what was given, but not all of it was, or by a prior, those
    of the start are numbered so that they come nearest to it; unless the start is the user's own
    array, or follows labels: their numbers mean something.
    """
    if given.complete and inference.box is None:
        return [given.alone()] * n_starts
    drawn = [ready.start.statistics(beginning) for _ in range(n_starts)]
    if not isinstance(ready.start, Given | Constrained):
        expected = expected_parameters(pseudo_of(inference))
        if not given.empty:
            drawn = [_numbered(statistics, given, inference.held) for statistics in drawn]
        elif not expected.empty:
            drawn = [reordered(statistics, match(statistics, expected)) for statistics in drawn]
    drawn = [ready.with_noise(statistics) for statistics in drawn]
    if given.empty:
        return [*drawn]
    return [_mixed(statistics, given, inference) for statistics in drawn]


def _numbered(
    statistics: SufficientStatistics, given: GivenParameters, held: Held | None
) -> SufficientStatistics:
    """The start's statistics with its components in the order that suits what was given."""
    placed = given.placed
    if held is None and (placed.all() or not placed.any()):
        return statistics  # as scikit-learn: means that are all given take the start's numbers
    return reordered(statistics, match(statistics, given))


def _mixed(
    statistics: SufficientStatistics, given: GivenParameters, inference: Estimation
) -> SufficientStatistics | Parameters:
    try:
        model = given.over(inference.update(filled(statistics)[0], None))
    except DegenerateFit:
        return statistics  # the loop meets the same failure and turns it into a status
    return model if inference.held is None else inference.held.imposed(model)
