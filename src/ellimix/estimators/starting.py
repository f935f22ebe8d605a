"""From an estimator's constructor arguments to the starts of its fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ellimix.density.checks import checked_means, checked_weights, covariance_of_precisions
from ellimix.errors import DegenerateFit
from ellimix.estimators.preparing import Prepared
from ellimix.inference.base import Inference, Parameters
from ellimix.records import Array, SufficientStatistics
from ellimix.starts.base import Beginning


@dataclass(frozen=True)
class GivenParameters:
    """What `weights_init`, `means_init` and `precisions_init` say; None where a start decides."""

    weights: Any = None
    means: Any = None
    precisions: Any = None

    @property
    def complete(self) -> bool:
        """Whether no start is needed."""
        return not any(part is None for part in (self.weights, self.means, self.precisions))

    @property
    def empty(self) -> bool:
        """Whether nothing was given."""
        return all(part is None for part in (self.weights, self.means, self.precisions))

    def checked(self, inference: Inference, k: int, d: int) -> GivenParameters:
        """The same in float64, or a ValueError that names the argument."""
        try:
            weights = None if self.weights is None else checked_weights(self.weights, k)
            means = None if self.means is None else checked_means(self.means, k, d)
            precisions = self.precisions
            if precisions is not None:
                structure = inference.family.structure
                precisions = covariance_of_precisions(precisions, structure, k, d)
        except ValueError as error:
            raise ValueError(f"weights_init, means_init or precisions_init: {error}") from None
        return GivenParameters(weights, means, precisions)

    def over(self, model: Parameters | None, noise: Array | None) -> Parameters:
        """`model` with what was given in place of its own parameters.

        The weights that were given share what `noise`, the noise component's weight, leaves.
        """
        if model is not None and model.noise is not None:
            noise = model.noise
        weights = self.weights if model is None or self.weights is not None else model.weights
        if self.weights is not None and noise is not None:
            weights = self.weights * (1.0 - noise)
        means = self.means if model is None or self.means is not None else model.means
        covariance = self.precisions
        if model is not None and covariance is None:
            covariance = model.covariance
        return Parameters(weights, means, covariance, noise)


def first_steps(
    beginning: Beginning,
    inference: Inference,
    ready: Prepared,
    given: GivenParameters,
    n_starts: int,
) -> list[SufficientStatistics | Parameters]:
    """What each fit begins from; the starts draw from one stream, one after another."""
    if given.complete:
        return [given.over(None, ready.noise_share)] * n_starts
    drawn = [ready.with_noise(ready.start.statistics(beginning)) for _ in range(n_starts)]
    if given.empty:
        return [*drawn]
    return [_mixed(statistics, given, inference) for statistics in drawn]


def _mixed(
    statistics: SufficientStatistics, given: GivenParameters, inference: Inference
) -> SufficientStatistics | Parameters:
    try:
        return given.over(inference.update(statistics, None), None)
    except DegenerateFit:
        return statistics  # the loop meets the same failure and turns it into a status
