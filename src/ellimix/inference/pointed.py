"""Point estimates of means and covariances beside variational weights.

For eight families no conjugate prior of the covariances is known. There q is a distribution of the
weights alone, and means and covariances are those of the largest bound

    loglik + log p(means, covariances) - KL(q(pi) || p(pi)),

the log-likelihood with the weights' E[log pi_k]. The prior of each component is the normal-Wishart
one, as a density of mu_k and Sigma_k (of the variances for axis-parallel families), restricted to
the covariances that the family allows and not normalised anew there:

    - (d/2) log(2 pi / beta_0) - 1/2 log|Sigma| - beta_0/2 (mu - m_0)^T Sigma^-1 (mu - m_0)
    - (nu_0 + d + 1)/2 log|Sigma| - 1/2 tr(C_0 Sigma^-1) - log Z(nu_0, C_0),

with nu_0 + 2 for nu_0 + d + 1 where variances are independent. Up to constants this is what
nu_0 + d + 2 (or nu_0 + 3) further rows of scatter C_0 say, with mean m_0 as beta_0 of them: so the
family's own M-step finds the maximum, or at least never lowers what it maximises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Covariance, Family, Structure
from ellimix.inference.base import LOG_2PI, Parameters
from ellimix.inference.normal_wishart import CONJUGATE, GammaEach, Law, NormalWishart, Rule, Wishart
from ellimix.records import Array, Moment

LOG_PI = float(np.log(np.pi))


@final
@dataclass(frozen=True)
class Pointed:
    """Means and covariances at the maximum, as distributions of no width.

    Their degrees and mean precisions are infinite: in that limit E[log |Lambda|] is
    log |E[Lambda]|, and d / beta is 0.

    Parameters
    ----------
    family : Family
    """

    family: Family

    @property
    def name(self) -> str:
        """The family's."""
        return self.family.name

    @property
    def law(self) -> Law:
        """Of the prior's precisions."""
        return GammaEach() if self._diagonal else Wishart()

    @property
    def _diagonal(self) -> bool:
        return self.family.structure is Structure.DIAGONAL

    def further(self, prior: NormalWishart) -> float | Array:
        """How many rows of scatter C_0 the prior of a component stands for."""
        return prior.degrees + (3.0 if self._diagonal else prior.n_features + 2.0)

    def posterior(
        self, n: Array, scatter: Array, prior: NormalWishart, previous: Covariance | None
    ) -> tuple[Covariance, Array, Array]:
        """The family's M-step, with the prior's rows."""
        count = n + self.further(prior)
        if self.family.moment is Moment.POOLED:
            raise ValueError("A family with one covariance for all has a conjugate posterior.")
        covariance = self.family.m_step(count, scatter + prior.scatter, previous)
        return covariance, np.full_like(n, np.inf), np.full_like(n, np.inf)

    def correction(self, degrees: Array, d: int) -> Array:
        """None."""
        return np.zeros_like(degrees)

    def divergence(self, model: Parameters, prior: NormalWishart) -> Array:
        """Minus the log prior of all components, in nats."""
        d, nu = prior.n_features, prior.degrees
        log_det = model.covariance.log_det
        means = 0.5 * (d * (LOG_2PI - np.log(prior.mean_precision)) + log_det)
        means = means + 0.5 * prior.mean_precision * model.covariance.lengths(
            model.means - prior.mean
        )
        # log Z of the inverse Wishart or inverse gamma distributions of scatter C_0
        constant = 0.5 * nu * (d * np.log(2.0) - prior.log_det(self.family.structure))
        constant = constant + self.law.log_gamma(np.asarray(nu), d)
        if not self._diagonal:
            constant = constant + 0.25 * d * (d - 1) * LOG_PI
        rest = 0.5 * (self.further(prior) - 1.0) * log_det
        each = means + rest + 0.5 * prior.traces(model.covariance) + constant
        return np.asarray(each.sum(axis=-1))

    def least_degrees(self, d: int) -> float:
        """Where the prior is no distribution any more."""
        return self.law.least(d)

    def check(self, prior: NormalWishart) -> None:
        """Raise `ValueError` where its parts are of different numbers of components."""
        prior.n_components(self.family.structure)


RULES: Final[dict[str, Rule]] = {
    **CONJUGATE,
    **{name: Pointed(family) for name, family in FAMILIES.items() if name not in CONJUGATE},
}
