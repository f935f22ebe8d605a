"""Record: fits iteration by iteration, from what the start gave to the end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError, Status
from ellimix.records import Array


@final
@dataclass(frozen=True, eq=False)
class Trajectory:
    """One fit, iteration by iteration.

    Parameters
    ----------
    mixtures : tuple of Mixture
        n_iter + 1 of them: what the start gave, and what each iteration left. Without acceleration,
        mixture i is that of a fit with ``max_iter=i``.
    trace : tuple of float
        n_iter objectives, in nats per unit of row weight, as in ``lower_bounds_``: entry i is what
        iteration i + 1 found in its E-step, which is the objective of mixture i. The pass over an
        accelerator's trial is an iteration, too; one that was rejected repeats the entry before.
    start : str
        Name of the start.
    status : Status
        How the fit ended; ``RUNNING`` where the record was read on the way.
    message : str
        The same in a sentence.
    """

    mixtures: tuple[Mixture, ...]
    trace: tuple[float, ...]
    start: str
    status: Status
    message: str

    @property
    def n_iter(self) -> int:
        """Iterations: passes over the rows."""
        return len(self.trace)

    @property
    def objective(self) -> float:
        """The last entry of the trace; -inf before the first iteration."""
        return self.trace[-1] if self.trace else -np.inf

    @property
    def weights(self) -> Array:
        """Mixing proportions, (n_iter + 1, k)."""
        return np.stack([mixture.weights for mixture in self.mixtures])

    @property
    def means(self) -> Array:
        """Means, (n_iter + 1, k, d)."""
        return np.stack([mixture.means for mixture in self.mixtures])

    def movement(self) -> Array:
        """How far each iteration moved each mean, (n_iter, k).

        In standard deviations of the component, along the way that the mean went: Mahalanobis
        lengths under the covariances that the iteration left. They depend on no units.
        """
        pairs = zip(self.mixtures[:-1], self.mixtures[1:], strict=True)
        lengths = [new.covariance.lengths(new.means - old.means) for old, new in pairs]
        return np.sqrt(np.array(lengths).reshape(self.n_iter, -1))

    def ordered(self, order: NDArray[np.intp]) -> Trajectory:
        """The same with the components of every mixture in another order."""
        return replace(self, mixtures=tuple(m.ordered(order) for m in self.mixtures))


@final
@dataclass(frozen=True, eq=False)
class Record:
    """The fits of all starts, iteration by iteration, as a `Recorder` saw them.

    Parameters
    ----------
    trajectories : tuple of Trajectory
        One for each start whose first M-step gave parameters, in the order of `reports_`.
    chosen : int
        The place of the fit that was kept.
    objective : str
        What the traces are, in words, such as "mean log-likelihood".

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> recorder = em.Recorder()
    >>> model = em.GaussianMixture(2, n_init=3, random_state=0).set_callbacks(recorder).fit(X)
    >>> record = recorder.record
    >>> [trajectory.n_iter for trajectory in record.trajectories]
    [4, 4, 4]
    >>> record.best.means.shape
    (5, 2, 2)
    """

    trajectories: tuple[Trajectory, ...]
    chosen: int
    objective: str

    def __post_init__(self) -> None:
        count = len(self.trajectories)
        if not 0 <= self.chosen < count:
            raise DataError(f"A record of {count} fits has no fit {self.chosen} to have been kept.")

    @property
    def best(self) -> Trajectory:
        """The fit that was kept."""
        return self.trajectories[self.chosen]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns; x0, x1, ... where they have none."""
        return self.best.mixtures[-1].names
