"""Maximum a posteriori: maximum likelihood with the pseudo-data of a prior."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from ellimix.covariance.base import Covariance, Family, Structure
from ellimix.covariance.triangular import NDArrayBool
from ellimix.inference.base import (
    Parameters,
    noise_moment,
    outer_sums,
    plug_in,
    without_noise,
)
from ellimix.inference.box import Box
from ellimix.inference.held import TINY, Held
from ellimix.inference.likelihood import (
    MaximumLikelihood,
    check_sums,
    pseudo_scatter,
    without_rounding,
)
from ellimix.inference.pseudo_data import Assumed, PseudoData
from ellimix.records import Array, Moment, Potentials, SufficientStatistics


@final
@dataclass(frozen=True)
class MaximumAPosteriori:
    """Weights, means and covariances that maximise the expected log-likelihood plus log-prior.

    A component for whose mean and covariance there is a prior needs no rows: without any it has
    the prior's mode. Its weight may then be 0, where no prior says that it is more.

    Parameters
    ----------
    family : Family
    prior : PseudoData
    reg_covar : float
        eps >= 0, a floor as in `MaximumLikelihood`: eps times all rows and pseudo-rows of a
        component on the diagonal of its scatter. With 0 the objective never falls.
    box : Box, optional
        Where a noise component is uniform, which is then the last of the statistics.
    held : Held, optional
        Parts that are not estimated, and what is demanded of the weights. No prior moves what is
        held.
    """

    family: Family
    prior: PseudoData
    reg_covar: float = 0.0
    box: Box | None = None
    held: Held | None = None

    @property
    def moment(self) -> Moment:
        """The second moment that the M-step needs."""
        return self.family.moment if self.box is None else noise_moment(self.family.moment)

    @property
    def minds_empty(self) -> bool:
        """Yes: a component without rows would begin with weight 0 and never gain any."""
        return True

    def update(self, statistics: SufficientStatistics, previous: Parameters | None) -> Parameters:
        """The M-step (Fraley & Raftery 2007), for stacked statistics each fit's own.

        Raises
        ------
        DegenerateFit
            As in `MaximumLikelihood`, where the prior leaves it possible.
        """
        count = None
        total = np.add.reduce(statistics.n, axis=-1)[..., None]
        if self.box is not None:
            statistics, count = without_noise(statistics, self.family.moment)
        check_sums(statistics, total, self.determined())
        means, scatter = self._moments(statistics)
        before = previous.covariance if previous is not None else None
        n = statistics.n + self.prior.powers
        if self.reg_covar > 0.0:
            floor = pseudo_scatter(self.reg_covar * n, means.shape[-1], statistics.moment)
            scatter = scatter + floor
        weights, noise = self._proportions(statistics.n, count)
        if self.held is None:
            covariance = self.family.m_step(n, scatter, before)
        else:
            covariance = self.held.m_step(self.family, n, scatter, before)
        return Parameters(weights, means, covariance, noise)

    def determined(self) -> NDArrayBool:
        """The components that need no rows of their own, (k,)."""
        prior, held = self.prior, self.held
        if held is None:
            return prior.determined(self.family)
        placed = held.placed | (prior.shrinkage > 0.0)
        known = replace(prior, shrinkage=np.where(placed, 1.0, 0.0))
        return known.determined(self.family) | (placed & held.shaped)

    def _proportions(self, n: Array, noise: Array | None) -> tuple[Array, Array | None]:
        counts = n + self.prior.weights
        clutter = None if noise is None else noise + self.prior.noise
        if self.held is not None:
            return self.held.proportions(counts, clutter)
        total = np.add.reduce(counts, axis=-1)
        if clutter is None:
            return counts / total[..., None], None
        total = total + clutter
        return counts / total[..., None], clutter / total

    def _moments(self, statistics: SufficientStatistics) -> tuple[Array, Array]:
        """Means, and scatter about them with that of the prior."""
        prior, moment = self.prior, statistics.moment
        n, kappa = np.maximum(statistics.n, TINY), prior.shrinkage
        positive = replace(statistics, n=n)
        own = positive.means()
        scatter = without_rounding(positive.scatter(), n, own, moment)
        means = own + (kappa / (n + kappa))[..., None] * (prior.mean - own)
        if self.held is not None:
            means = np.where(self.held.placed[:, None], self.held.means, means)
        scatter = scatter + outer_sums(n, own - means, moment)
        scatter = scatter + outer_sums(np.broadcast_to(kappa, n.shape), means - prior.mean, moment)
        given = prior.scatter.sum(axis=0) if moment is Moment.POOLED else prior.scatter
        return means, scatter + given

    def potentials(self, model: Parameters) -> Potentials:
        """The log-densities of the weighted components."""
        return plug_in(model, self.moment, self.box)

    def penalty(self, model: Parameters) -> float | Array:
        """Log-density of the prior, in nats, up to a constant that depends on the prior alone."""
        prior, covariance = self.prior, model.covariance
        value = _weighted_logs(prior.weights, model.weights)
        if model.noise is not None:
            value = value + _weighted_logs(np.array([prior.noise]), model.noise[..., None])
        spread = np.add.reduce(prior.powers * covariance.log_det, axis=-1)
        spread = spread + np.add.reduce(
            prior.shrinkage * covariance.lengths(model.means - prior.mean), axis=-1
        )
        spread = spread + _traces(covariance, prior.scatter)
        out = np.asarray(value - 0.5 * spread)
        return float(out) if out.ndim == 0 else out

    def n_held(self) -> int:
        """How many of the mixture's parameters are not estimated."""
        return 0 if self.held is None else self.held.n_parameters(self.family, self.box is not None)


Estimation = MaximumLikelihood | MaximumAPosteriori  # of one point, of which parts may be held


def estimation(
    family: Family, reg_covar: float, box: Box | None, prior: PseudoData | None
) -> Estimation:
    """Maximum likelihood, or maximum a posteriori where there is a prior."""
    if prior is None:
        return MaximumLikelihood(family, reg_covar, box)
    return MaximumAPosteriori(family, prior, reg_covar, box)


def assuming(
    family: Family, k: int, reg_covar: float, box: Box | None, assumed: Assumed | None
) -> Estimation:
    """The same for k components, where a prior may be known for any number of them."""
    prior = None if assumed is None else assumed.of(family, k, box is not None)
    return estimation(family, reg_covar, box, prior)


def _weighted_logs(amount: Array, share: Array) -> Array:
    """Sum of amount log(share) (...,); nothing where the amount is 0."""
    counted = np.where(amount > 0.0, share, 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.add.reduce(amount * np.log(counted), axis=-1))


def _traces(covariance: Covariance, scatter: Array) -> Array:
    """Sum over components of tr Sigma_k^-1 S_k, (...,)."""
    factor = covariance.factor
    match covariance.structure:
        case Structure.SPHERICAL:
            each = factor**2 * scatter.sum(axis=-1)
            return np.asarray(np.add.reduce(each, axis=-1))
        case Structure.DIAGONAL:
            return np.asarray(np.einsum("...kj,kj->...", factor**2, scatter))
        case Structure.SHARED:
            return np.asarray(np.einsum("...ij,...ij->...", factor, scatter.sum(axis=0) @ factor))
        case Structure.FULL:
            return np.asarray(np.einsum("...kij,...kij->...", factor, scatter @ factor))
