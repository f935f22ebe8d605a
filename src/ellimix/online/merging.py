"""Two models in one: components matched, sums added, one M-step.

Sums of different rows add. Where both E-steps were made under the same parameters, as at the sites
of a federated fit, their sum is that of one E-step over all rows, and the merged model that of one
EM iteration over them: exact. Models that were fitted apart have assigned their rows by their own
parameters. Which component is whose is then settled by matching, and the merged model is what one
M-step makes of those assignments: an approximation, a good one where the models agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError, DegenerateFit, FitFailed
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.online.sums import Order, grouped
from ellimix.records import Array, SufficientStatistics


@final
@dataclass(frozen=True, eq=False)
class Part:
    """What is to be merged.

    Parameters
    ----------
    statistics : SufficientStatistics
        Without noise.
    mixture : Mixture
        The model that they make.
    """

    statistics: SufficientStatistics
    mixture: Mixture


def bhattacharyya(one: Mixture, other: Mixture) -> Array:
    """Bhattacharyya distances between the components of two mixtures, (k, l).

    D = 1/8 (m - m')^T S^-1 (m - m') + 1/2 log(|S| / sqrt(|S_1| |S_2|)), S = (S_1 + S_2) / 2
    (Fukunaga 1990, section 3.4). 0 for equal components.
    """
    middle = 0.5 * (one.covariances()[:, None] + other.covariances()[None])
    away = one.means[:, None] - other.means[None]
    apart = np.einsum("klj,klj->kl", away, np.linalg.solve(middle, away[..., None])[..., 0])
    between = np.linalg.slogdet(middle)[1]
    logs = one.covariance.log_det[:, None] + other.covariance.log_det[None]
    return np.asarray(apart / 8.0 + 0.5 * (between - 0.5 * logs))


def assigned(one: Mixture, other: Mixture, limit: float) -> Order:
    """To which component of `one` each of the `other` goes, (l,); new numbers for those left over.

    The assignment with the least sum of distances (the Hungarian method); a pair that is further
    apart than `limit` is none.
    """
    distances = bhattacharyya(one, other)
    here, there = linear_sum_assignment(distances)
    near = distances[here, there] <= limit
    slot = np.full(other.n_components, -1, dtype=np.intp)
    slot[there[near]] = here[near]
    alone = slot < 0
    slot[alone] = one.n_components + np.arange(int(alone.sum()))
    return slot


def in_order(one: Mixture, other: Mixture, limit: float) -> Order:
    """Component j goes to component j."""
    if one.n_components != other.n_components:
        raise DataError(
            f'match="order" adds component j to component j, but there are {one.n_components} and '
            f'{other.n_components}: use match="assign".'
        )
    return np.arange(other.n_components)


def side_by_side(one: Mixture, other: Mixture, limit: float) -> Order:
    """All components stay what they are."""
    return one.n_components + np.arange(other.n_components)


Match = Callable[[Mixture, Mixture, float], NDArray[np.intp]]
MATCHES: Final[dict[str, Match]] = {
    "assign": assigned,
    "order": in_order,
    "concatenate": side_by_side,
}


def merged(
    one: Part, other: Part, match: Match, limit: float, inference: MaximumLikelihood
) -> Part:
    """Both in one: the components of `one` first, then those of `other` that match none.

    Raises
    ------
    FitFailed
        The M-step meets a component without rows or with a singular covariance.
    """
    slot = match(one.mixture, other.mixture, limit)
    here = np.arange(one.mixture.n_components)
    k = int(max(here.size, slot.max() + 1))
    return modelled(grouped([one.statistics, other.statistics], [here, slot], k), inference)


def modelled(statistics: SufficientStatistics, inference: MaximumLikelihood) -> Part:
    """Sums with the model that they make."""
    try:
        parameters = inference.update(statistics, None)
    except DegenerateFit as failure:
        raise FitFailed(f"The sums make no sound model. {failure}") from None
    return Part(statistics, Mixture(parameters, inference.family))
