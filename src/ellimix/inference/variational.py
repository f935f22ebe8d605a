"""Variational Bayes: a posterior over weights, means and precisions, and a bound of the evidence.

q(z) q(pi) prod_k q(mu_k, Lambda_k) is raised towards the posterior coordinate by coordinate (Bishop
2006, section 10.2). An engine sees nothing of it: the E-step of any such q has the potentials

    E[log pi_k] + 1/2 E[log |Lambda_k|] - d/2 log 2 pi - d / (2 beta_k)
        - 1/2 (x - m_k)^T E[Lambda_k] (x - m_k)                        (eq. 10.46, 10.64 to 10.66),

and the sum over the rows of the logarithm of their sum is the expected log-likelihood plus the
entropy of the best q(z). So

    loglik - KL(q(pi) || p(pi)) - sum_k KL(q(mu_k, Lambda_k) || p(mu_k, Lambda_k))

is the evidence lower bound, at the q(theta) that the pass was made with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from ellimix.covariance.base import Family, Structure
from ellimix.inference.base import LOG_2PI, Hyperparameters, Parameters, outer_sums
from ellimix.inference.held import TINY
from ellimix.inference.likelihood import check_range, pseudo_scatter
from ellimix.inference.mixing import (
    WeightPrior,
    expected_log_weights,
    expected_weights,
    log_normaliser,
)
from ellimix.inference.normal_wishart import NormalWishart, Rule, Wishart
from ellimix.records import Array, Moment, Potentials, SufficientStatistics


@final
@dataclass(frozen=True, eq=False)
class VariationalBayes:
    """The best posterior of a factorised form.

    Parameters
    ----------
    rule : Rule
        One of `ellimix.inference.pointed.RULES`: what the posterior of means and precisions is.
    weight_prior : Dirichlet, StickBreaking or UncertainProcess
    prior : NormalWishart
        The same of each component, or of each its own: so a posterior is the prior of what comes
        next (`ellimix.inference.updating`).
    reg_covar : float
        eps >= 0, added as pseudo-scatter eps n_k I to that of the rows, as in `MaximumLikelihood`.
        With 0 the bound never falls; a floor is no prior.

    Examples
    --------
    Eight rows, and one of two components without any: it returns to the prior.

    >>> import numpy as np
    >>> from ellimix.inference.mixing import Dirichlet
    >>> from ellimix.inference.normal_wishart import NormalWishart
    >>> from ellimix.inference.pointed import RULES
    >>> from ellimix.inference.variational import VariationalBayes
    >>> from ellimix.records import Moment, SufficientStatistics
    >>> prior = NormalWishart(np.zeros(1), 1.0, 1.0, np.ones((1, 1)))
    >>> bayes = VariationalBayes(RULES["full"], Dirichlet(1.0), prior)
    >>> n, center = np.array([8.0, 0.0]), np.array([[9.0], [0.0]])
    >>> s2 = np.array([[[2.0]], [[0.0]]])
    >>> rows = SufficientStatistics(n, 0.0 * center, s2, center, 0.0, 0.0, 8.0, 8, Moment.FULL)
    >>> model = bayes.update(rows, None)
    >>> model.weights, model.means[:, 0], model.hyper.degrees
    (array([0.9, 0.1]), array([8., 0.]), array([9., 1.]))
    """

    rule: Rule
    weight_prior: WeightPrior
    prior: NormalWishart
    reg_covar: float = 0.0
    box: None = None  # no noise component

    def __post_init__(self) -> None:
        """Raise `ValueError` where the prior does not suit the rule."""
        self.rule.check(self.prior)

    @property
    def family(self) -> Family:
        """The covariance family."""
        return self.rule.family

    @property
    def moment(self) -> Moment:
        """The second moment that the update needs."""
        return self.rule.family.moment

    @property
    def minds_empty(self) -> bool:
        """No: a component without rows returns to the prior."""
        return False

    def update(self, statistics: SufficientStatistics, previous: Parameters | None) -> Parameters:
        """The best q(theta) given responsibilities (Bishop 2006, eq. 10.58 to 10.63).

        Raises
        ------
        DegenerateFit
            The statistics overflowed, or the prior's part is lost in rounding and a covariance is
            singular.
        """
        check_range(statistics)
        n, prior = statistics.n, self.prior
        filled = replace(statistics, n=np.maximum(n, TINY))  # where n is 0 the sums are
        away = statistics.center - prior.mean + statistics.s1 / filled.n[..., None]
        precision = prior.mean_precision + n
        means = prior.mean + (n / precision)[..., None] * away
        scatter = filled.scatter() + outer_sums(
            n * prior.mean_precision / precision, away, self.moment
        )
        if self.reg_covar > 0.0:
            amount = self.reg_covar * n
            scatter = scatter + pseudo_scatter(amount, means.shape[-1], self.moment)
        before = previous.covariance if previous is not None else None
        covariance, mean_precision, degrees = self.rule.posterior(n, scatter, prior, before)
        concentration = self.weight_prior.posterior(n)
        return Parameters(
            expected_weights(concentration),
            means,
            covariance,
            None,
            Hyperparameters(
                concentration, mean_precision, degrees, self.weight_prior.process(concentration)
            ),
        )

    def potentials(self, model: Parameters) -> Potentials:
        """What the posterior expects of each component's log-density."""
        return expected_potentials(model, self.rule)

    def penalty(self, model: Parameters) -> float | Array:
        """-KL(q(theta) || p(theta)) in nats, constants and all; of points, their log prior."""
        if model.hyper is None:
            raise ValueError("These parameters are those of no posterior: hyper is None.")
        out = -self.weight_prior.divergence(model.hyper.concentration)
        out = out - self.rule.divergence(model, self.prior)
        return float(out) if out.ndim == 0 else out

    def n_held(self) -> int:
        """None: every parameter is estimated."""
        return 0


def expected_potentials(model: Parameters, rule: Rule) -> Potentials:
    """The potentials of a posterior's E-step (Bishop 2006, eq. 10.46).

    Parameters
    ----------
    model : Parameters
        With `hyper`.
    rule : Rule
        The one by which it came about.
    """
    hyper, covariance = model.hyper, model.covariance
    if hyper is None:
        raise ValueError("These parameters are those of no posterior: hyper is None.")
    d = model.means.shape[-1]
    expected = rule.correction(hyper.degrees, d) - covariance.log_det - d / hyper.mean_precision
    offset = expected_log_weights(hyper.concentration) + 0.5 * (expected - d * LOG_2PI)
    factor = covariance.factor
    if covariance.structure is Structure.SPHERICAL:
        factor = factor[..., None].repeat(d, axis=-1)
    shape = covariance.structure.factor
    return Potentials(offset, model.means, factor, shape, rule.family.moment)


def without_constants(model: Parameters, entropy: float) -> float:
    """The number that scikit-learn calls the lower bound.

    Given responsibilities and the best posterior for them, most terms of the bound are constant.
    What scikit-learn keeps is, for its four rules, the bound less a constant of the data and the
    priors, and without `reg_covar`, exactly: it never falls, and its changes are the bound's.

    Parameters
    ----------
    model : Parameters
        Of one fit, as `VariationalBayes.update` gave them under one of scikit-learn's names.
    entropy : float
        Of the responsibilities that the update got, over all rows: - sum w r log r, in nats.

    Returns
    -------
    float
        In nats.
    """
    if model.hyper is None:
        raise ValueError("These parameters are those of no posterior: hyper is None.")
    d, concentration = model.means.shape[-1], model.hyper.concentration
    nu, beta = model.hyper.degrees, model.hyper.mean_precision
    # log Z of the Wishart distributions, less its part of pi
    scale = -0.5 * nu * (model.covariance.log_det + d * np.log(nu))
    volumes = scale + 0.5 * nu * d * np.log(2.0) + Wishart().log_gamma(nu, d)
    return float(
        entropy + volumes.sum() + log_normaliser(concentration) - 0.5 * d * np.log(beta).sum()
    )
