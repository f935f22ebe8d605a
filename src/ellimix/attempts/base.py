"""Many fits from given statistics to their ends: what is asked for, and what comes back.

A search over models makes a thousand small fits. Here a fit is no more than arrays: the statistics
that its first M-step gets, and those of its last pass, always with full second moments about the
components' means, so that any family can go on from them, and components can be split and merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import Covariance, Family, Structure
from ellimix.errors import Status
from ellimix.inference.base import Parameters
from ellimix.records import Array, Moment, SufficientStatistics

Start = tuple[Array, Array, Array]  # counts (k,), means (k, d), scatter (k, d, d)


@final
@dataclass(frozen=True, eq=False)
class Attempts:
    """Fits of one family and number of components, to be run.

    Parameters
    ----------
    family : Family
    n : ndarray of shape (m, k)
        Counts of the start.
    means : ndarray of shape (m, k, d)
    scatter : ndarray of shape (m, k, d, d)
        Scatter about those means.
    names : tuple of str
        Where each start came from.
    target : float
        An objective, in nats: fits that will clearly stay below it may be given up.
    noise_n : ndarray of shape (m,) or None
        Counts of the noise component, where there is one.
    """

    family: Family
    n: Array
    means: Array
    scatter: Array
    names: tuple[str, ...]
    target: float = -np.inf
    noise_n: Array | None = None


@final
@dataclass(frozen=True, eq=False)
class Ended:
    """The same fits at their ends.

    Parameters
    ----------
    family : Family
    n, means, scatter : ndarray
        Of the last pass, as in `Attempts`; anything for a fit without one.
    weights : ndarray of shape (m, k)
        Mixing proportions of the model that the last pass was made with.
    center : ndarray of shape (m, k, d)
        Its means.
    factor : ndarray of shape (m, k, d, d)
        Its upper triangular precision factors.
    log_det : ndarray of shape (m, k)
        Its log-determinants.
    objective : ndarray of shape (m,)
        Its log-likelihood, with a prior plus the log-prior, in nats; -inf for a fit without a sound
        end.
    entropy : ndarray of shape (m,)
        Its classification entropy, in nats.
    passes : ndarray of shape (m,), int
        Passes over the rows.
    status : tuple of Status
    given_up : ndarray of shape (m,), bool
        Fits that ended because they would not have reached the target.
    names : tuple of str
        Where each start came from.
    component : ndarray of shape (m,), int
        The component that ended the fit; -1 for none in particular.
    noise_n : ndarray of shape (m,) or None
        Counts of the noise component, where there is one.
    noise : ndarray of shape (m,) or None
        Its weight in the model that the last pass was made with.
    log_prior : ndarray of shape (m,) or None
        Log-prior of that model, in nats, where there is a prior.
    """

    family: Family
    n: Array
    means: Array
    scatter: Array
    weights: Array
    center: Array
    factor: Array
    log_det: Array
    objective: Array
    entropy: Array
    passes: NDArray[np.int64]
    status: tuple[Status, ...]
    given_up: NDArray[np.bool_]
    names: tuple[str, ...]
    component: NDArray[np.int64]
    noise_n: Array | None = None
    noise: Array | None = None
    log_prior: Array | None = None

    @property
    def log_likelihood(self) -> Array:
        """Log-likelihood of the model of the last pass, (m,), in nats."""
        return self.objective if self.log_prior is None else self.objective - self.log_prior

    def model(self, index: int) -> Parameters:
        """The model of one fit with a sound end."""
        return models_of(self.family.structure, [(self, index)]).at(0)

    def statistics(self, index: int) -> SufficientStatistics:
        """The statistics of one fit's last pass, without those of a noise component."""
        value, entropy = float(self.log_likelihood[index]), float(self.entropy[index])
        whole = whole_statistics(self.n[index], self.means[index], self.scatter[index])
        return replace(whole, loglik=value, entropy=entropy)


class Runner(Protocol):
    """A way to run attempts over the rows of one source."""

    @property
    def compiled(self) -> bool:
        """Whether fits are compiled from first pass to last: each then costs a fiftieth."""
        ...

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
        """Run all of them.

        Parameters
        ----------
        attempts : sequence of Attempts
        tolerance : float
            A fit has converged when no more than so many nats, in all, seem still to be gained.
        max_iter : int
            Passes at most.
        judged : int, optional
            Passes after which fits that will not reach their target may be given up.
        careful : bool
            Whether first M-steps that may end in local minima (EVE, VVE) are made from many starts.
        accelerated : bool
            Whether slow fits are helped by SQUAREM from the first passes on: for those that are
            near their ends. On the way it may lead to another local maximum.
        stop : callable, optional
            Asked now and then: once it says so, no further fit is begun.
        """
        ...


def whole_statistics(n: Array, means: Array, scatter: Array) -> SufficientStatistics:
    """The record of counts (k,), means (k, d) and scatter (k, d, d) about them."""
    away, total = np.zeros_like(means), float(n.sum())
    return SufficientStatistics(n, away, scatter, means, 0.0, 0.0, total, 0, Moment.FULL)


def stacked(starts: Iterable[Start]) -> Start:
    """Starts of one number of components as (m, k), (m, k, d) and (m, k, d, d)."""
    n, means, scatter = (np.stack(part) for part in zip(*starts, strict=True))
    return n, means, scatter


def models_of(structure: Structure, fits: Sequence[tuple[Ended, int]]) -> Parameters:
    """The models of fits with sound ends, of one structure and number of components, stacked."""
    weights, center, factor, log_det = (
        np.stack([getattr(ended, name)[i] for ended, i in fits])
        for name in ("weights", "center", "factor", "log_det")
    )
    noise = [None if ended.noise is None else float(ended.noise[i]) for ended, i in fits]
    return Parameters(
        weights,
        center,
        _covariance(structure, factor, log_det),
        None if None in noise else np.array(noise, dtype=np.float64),
    )


def _covariance(structure: Structure, factor: Array, log_det: Array) -> Covariance:
    """The record from square precision factors (m, k, d, d)."""
    match structure:
        case Structure.SPHERICAL:
            own = factor[..., 0, 0]
            return Covariance(structure, 1.0 / own**2, own, log_det)
        case Structure.DIAGONAL:
            own = factor.diagonal(0, -2, -1)
            return Covariance(structure, 1.0 / own**2, own, log_det)
        case Structure.SHARED:
            own = factor[:, 0]
        case Structure.FULL:
            own = factor
    half = np.linalg.inv(own)  # F is upper triangular, and Sigma = F^-T F^-1
    return Covariance(structure, np.swapaxes(half, -1, -2) @ half, own, log_det)
