"""Parts of a mixture that are held, and the M-step over what is left.

The expected complete-data log-likelihood is a sum: over the weights, and, component by component,
over means and covariances. So what is held in one place does not change what is best in another,
but for three things. The free weights share what the held ones leave. The scatter is taken about
the mean that the component has, and that is the held one,

    W_k + n_k (m_k - mu_k)(m_k - mu_k)^T    with m_k the mean of its rows.

And a component whose covariance is held is not among those over which a family's volume, shape or
orientation is common: the others have theirs in common among themselves, and the held one may have
another. A free mean is best at m_k whatever the covariance. Every M-step is thus still the exact
maximiser, and the log-likelihood never falls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import Covariance, Family, Structure
from ellimix.errors import DegenerateFit
from ellimix.inference.base import Parameters
from ellimix.records import Array, Moment, SufficientStatistics

TINY = float(np.finfo(np.float64).tiny)


@final
@dataclass(frozen=True, eq=False)
class Held:
    """What the M-step leaves as it is, and what it demands of the weights.

    Parameters
    ----------
    weights : ndarray of shape (k,)
        Held weights; NaN where the weight is free.
    means : ndarray of shape (k, d)
        Held means; rows of NaN where the mean is free.
    covariance : Covariance or None
        Of one fit's k components; what it says of those whose covariance is free is never read.
        None where no covariance is held.
    shaped : ndarray of shape (k,), bool
        Whose covariance is held. All or none where the structure has one matrix for all.
    equal_weights : bool
        Whether all k weights are the same. No weight is held then.
    min_weight : float
        Every weight is at least this.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.inference.held import Held
    >>> free = np.full((3, 2), np.nan)
    >>> held = Held(np.array([0.4, np.nan, np.nan]), free, None, np.zeros(3, dtype=bool))
    >>> held.proportions(np.array([10.0, 20.0, 40.0]), None)[0]
    array([0.4, 0.2, 0.4])
    """

    weights: Array
    means: Array
    covariance: Covariance | None
    shaped: NDArray[np.bool_]
    equal_weights: bool = False
    min_weight: float = 0.0

    @property
    def placed(self) -> NDArray[np.bool_]:
        """Whose mean is held, (k,)."""
        return ~np.isnan(self.means[:, 0])

    def determined(self, family: Family) -> NDArray[np.bool_]:
        """The components that need no rows of their own, (k,): mean and covariance are known.

        Held both, or the mean is, and the family has one covariance for all.
        """
        one_for_all = family.n_parameters(2, 2) == family.n_parameters(1, 2)
        return self.placed & (self.shaped | one_for_all)

    # -- the M-step ------------------------------------------------------------------------------

    def proportions(self, n: Array, noise: Array | None) -> tuple[Array, Array | None]:
        """The weights that maximise sum n_k log pi_k under what is demanded of them.

        Parameters
        ----------
        n : ndarray of shape (..., k)
            Counts.
        noise : ndarray of shape (...,) or None
            That of the noise component, whose weight is free.

        Returns
        -------
        weights : ndarray of shape (..., k)
        noise : ndarray of shape (...,) or None
        """
        if self.equal_weights:
            return self._equal(n, noise)
        k = n.shape[-1]
        least = np.full(k, self.min_weight)
        counts, weights = n, self.weights
        if noise is not None:
            counts = np.concatenate([n, noise[..., None]], axis=-1)
            weights, least = np.append(weights, np.nan), np.append(least, 0.0)
        free = np.isnan(weights)
        out = np.broadcast_to(weights, counts.shape).copy()
        if free.any():
            rest = 1.0 - float(weights[~free].sum())
            out[..., free] = shares(counts[..., free], rest, least[free])
        return (out, None) if noise is None else (out[..., :k], out[..., k])

    def _equal(self, n: Array, noise: Array | None) -> tuple[Array, Array | None]:
        """One weight for all: what is left to choose is how much the noise has.

        G log s + N log(1 - s), with the counts G of the Gaussian components and N of the noise, is
        concave in s: its maximum over s >= k min_weight is G / (G + N) or the bound.
        """
        k = n.shape[-1]
        if noise is None:
            return np.full(n.shape, 1.0 / k), None
        gaussian = np.add.reduce(n, axis=-1)
        share = np.maximum(gaussian / (gaussian + noise), k * self.min_weight)
        rest = np.minimum(noise / (gaussian + noise), 1.0 - k * self.min_weight)
        return np.repeat((share / k)[..., None], k, axis=-1), rest

    def moments(self, statistics: SufficientStatistics) -> tuple[Array, Array]:
        """Means, and scatter about them, of the shapes in the statistics.

        A component without rows has its center for a mean, and no scatter.
        """
        n = np.maximum(statistics.n, TINY)
        positive = replace(statistics, n=n)
        means, scatter = positive.means(), positive.scatter()
        placed = self.placed
        if not placed.any():
            return means, scatter
        given = np.where(placed[:, None], self.means, 0.0)
        # exactly s1 / n where the center is the held mean, as it is from the second pass on
        shift = (statistics.center - given) + statistics.s1 / n[..., None]
        shift = np.where(placed[:, None], shift, 0.0)
        means = np.where(placed[:, None], given, means)
        match statistics.moment:
            case Moment.DIAGONAL:
                between = n[..., None] * shift**2
            case Moment.POOLED:
                between = np.einsum("...k,...ki,...kj->...ij", n, shift, shift)
            case Moment.FULL:
                outer = shift[..., :, None] * shift[..., None, :]
                between = n[..., None, None] * outer
        return means, scatter + between

    def m_step(
        self, family: Family, n: Array, scatter: Array, previous: Covariance | None
    ) -> Covariance:
        """The family's M-step over the components whose covariance is free, and the held ones.

        Raises
        ------
        DegenerateFit
            As the family's, with the components' own numbers.
        """
        if self.covariance is None:
            return family.m_step(n, scatter, previous)
        free = np.flatnonzero(~self.shaped)
        if free.size == 0:
            return _spread(self.covariance, n.shape[:-1])
        axis = -2 if family.moment is Moment.DIAGONAL else -3
        before = None if previous is None else components(previous, free)
        counts, part = np.take(n, free, axis=-1), np.take(scatter, free, axis=axis)
        try:
            own = family.m_step(counts, part, before)
        except DegenerateFit as failure:
            numbers = tuple(int(free[i]) for i in failure.components)
            raise replace(failure, components=numbers) from None
        return _joined(own, self.covariance, free)

    # -- outside the M-step ----------------------------------------------------------------------

    def imposed(self, model: Parameters) -> Parameters:
        """One fit's parameters with the held parts in place of their own.

        What is demanded of the weights is met by those nearest in proportion: the model's own
        stand for the counts.
        """
        weights, noise = self.proportions(model.weights, model.noise)
        means = np.where(self.placed[:, None], self.means, model.means)
        covariance = model.covariance
        if self.covariance is not None:
            covariance = replaced(covariance, self.covariance, self.shaped)
        return Parameters(weights, means, covariance, noise)

    def allows(self, weights: Array) -> bool:
        """Whether weights (k,) are what is demanded of them, to the bit."""
        held = ~np.isnan(self.weights)
        right = np.array_equal(weights[held], self.weights[held])
        equal = not self.equal_weights or bool((weights == weights[0]).all())
        return right and equal and bool((weights >= self.min_weight).all())

    def n_parameters(self, family: Family, noise: bool) -> int:
        """How many of the mixture's parameters are not estimated.

        Parameters
        ----------
        family : Family
        noise : bool
            Whether there is a noise component, whose weight is free.
        """
        k, d = self.means.shape
        weights = k if noise else k - 1
        if self.equal_weights:
            free_weights = int(noise)
        else:
            free_weights = max(0, int(np.isnan(self.weights).sum()) + noise - 1)
        free = int((~self.shaped).sum())
        own = family.n_parameters(free, d) if free else 0
        covariances = family.n_parameters(k, d) - own
        return int(weights - free_weights + d * self.placed.sum() + covariances)


def shares(n: Array, rest: float, least: Array) -> Array:
    """The pi that maximise sum n_k log pi_k where they sum to `rest` and pi_k >= least_k.

    The function is concave, so the conditions of Karush, Kuhn and Tucker decide: there is one
    t > 0 with pi_k = max(least_k, n_k / t). Begin with t as if no bound mattered, and put those at
    their bounds whose n_k / t is below. They have n_k < t least_k, so that without them

        t' = (S - sum n_k) / (R - sum least_k) > (S - t sum least_k) / (R - sum least_k) = t,

    where t = S / R: t only grows, who is at the bound stays there, and after at most k rounds no
    one else comes below. (Water filling: pi_k is raised to its ground where it would dry up.)

    Parameters
    ----------
    n : ndarray of shape (..., k)
        Not negative. Where those that are not at a bound are all 0 everything is a maximiser: they
        get equal parts.
    rest : float
        R > sum of `least`.
    least : ndarray of shape (k,)

    Returns
    -------
    ndarray of shape (..., k)

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.inference.held import shares
    >>> shares(np.array([0.0, 30.0, 70.0]), 1.0, np.full(3, 0.1))
    array([0.1 , 0.27, 0.63])
    """
    bound = np.zeros(n.shape, dtype=bool)
    while True:
        counts = np.where(bound, 0.0, n)
        mass = np.add.reduce(counts, axis=-1)[..., None]
        counts = np.where(mass > 0.0, counts, ~bound)
        mass = np.add.reduce(counts, axis=-1)[..., None]
        mass = np.where(mass > 0.0, mass, 1.0)  # all at their bounds, by rounding
        spare = rest - np.add.reduce(np.where(bound, least, 0.0), axis=-1)[..., None]
        out = np.where(bound, least, counts / mass * spare)
        short = ~bound & (out < least)
        if not short.any():
            return out
        bound |= short


def components(covariance: Covariance, index: NDArray[np.intp]) -> Covariance:
    """The covariances of some components, in that order; one matrix for all stays what it is."""
    log_det = np.take(covariance.log_det, index, axis=-1)
    if covariance.structure is Structure.SHARED:
        return replace(covariance, log_det=log_det)
    axis = _AXES[covariance.structure]
    values = np.take(covariance.values, index, axis=axis)
    factor = np.take(covariance.factor, index, axis=axis)
    return replace(covariance, values=values, factor=factor, log_det=log_det)


_AXES = {Structure.SPHERICAL: -1, Structure.DIAGONAL: -2, Structure.FULL: -3}


def replaced(covariance: Covariance, given: Covariance, which: NDArray[np.bool_]) -> Covariance:
    """One fit's covariances with the given ones for the components in `which` (k,).

    One matrix for all is replaced or not.
    """
    if which.all():
        return given
    free = np.flatnonzero(~which)
    return _joined(components(covariance, free), given, free) if which.any() else covariance


def _joined(own: Covariance, given: Covariance, free: NDArray[np.intp]) -> Covariance:
    """Covariances of the components `free`, (..., f), and those of one fit for all others."""
    k = given.log_det.shape[-1]
    held = np.delete(np.arange(k), free)
    other = _spread(components(given, held), own.log_det.shape[:-1])
    order = np.argsort(np.concatenate([free, held]))
    axis = _AXES[own.structure]

    def join(one: Array, two: Array, along: int) -> Array:
        return np.take(np.concatenate([one, two], axis=along), order, axis=along)

    return Covariance(
        own.structure,
        join(own.values, other.values, axis),
        join(own.factor, other.factor, axis),
        join(own.log_det, other.log_det, -1),
        own.orientation,
    )


def _spread(covariance: Covariance, lead: tuple[int, ...]) -> Covariance:
    """One fit's covariances, the same for each fit of a stack."""

    def each(array: Array) -> Array:
        return np.broadcast_to(array, (*lead, *array.shape)).copy()

    orientation = None if covariance.orientation is None else each(covariance.orientation)
    return Covariance(
        covariance.structure,
        each(covariance.values),
        each(covariance.factor),
        each(covariance.log_det),
        orientation,
    )
