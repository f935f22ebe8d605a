"""The posterior of some rows as the prior of the next, and a prior that fades.

Every posterior of `ellimix.inference.normal_wishart` has the form of its prior, so it can be the
prior of the next rows. In natural parameters

    beta,    beta m,    nu,    C + beta m m^T

an update is an addition: for one component the posterior after many batches is that of all rows
at once. With several components it is not quite, since the rows of a batch are assigned for good
when the next one comes (streaming variational Bayes: Broderick et al. 2013).

Old rows count less where the posterior is raised to a power f (a power prior: Ibrahim & Chen 2000)
and what is lost returns to a base prior: q^f p^(1 - f), whose natural parameters are f times those
of the posterior plus 1 - f times those of the base. The scatter then is

    f C + (1 - f) C_0 + f (1 - f) beta beta_0 / (f beta + (1 - f) beta_0) (m - m_0)(m - m_0)^T,

which is written so because C + beta m m^T would lose the digits of C where m is far from 0.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from ellimix.covariance.base import Structure
from ellimix.inference.base import Parameters
from ellimix.inference.mixing import WeightPrior
from ellimix.inference.normal_wishart import Conjugate, NormalWishart, Rule, Sharing
from ellimix.records import Array


@final
class Priors(NamedTuple):
    """A prior of all parameters of a mixture.

    Parameters
    ----------
    weights : Dirichlet, StickBreaking or UncertainProcess
    components : NormalWishart
    """

    weights: WeightPrior
    components: NormalWishart


def posterior_as_prior(parameters: Parameters, rule: Rule, weight_prior: WeightPrior) -> Priors:
    """The posterior of one fit, as the prior of the rows that come next.

    Parameters
    ----------
    parameters : Parameters
        Of one fit, as `VariationalBayes.update` gave them.
    rule : Rule
    weight_prior : Dirichlet, StickBreaking or UncertainProcess
        By which they came about.

    Returns
    -------
    Priors
        Where a Dirichlet process has an uncertain concentration, the weights' prior is the exact
        posterior of sticks and concentration given the counts, not the factorised one: else the
        concentration would be settled by the first rows.

    Raises
    ------
    ValueError
        The parameters are those of no posterior, or means and covariances are point estimates,
        which do not tell how many rows they rest on.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.inference.mixing import Dirichlet
    >>> from ellimix.inference.normal_wishart import NormalWishart
    >>> from ellimix.inference.pointed import RULES
    >>> from ellimix.inference.updating import posterior_as_prior
    >>> from ellimix.inference.variational import VariationalBayes
    >>> from ellimix.records import Moment, SufficientStatistics
    >>> prior = NormalWishart(np.zeros(1), 1.0, 1.0, np.ones((1, 1)))
    >>> bayes = VariationalBayes(RULES["full"], Dirichlet(1.0), prior)
    >>> n, center, s2 = np.array([8.0]), np.array([[9.0]]), np.array([[[2.0]]])
    >>> rows = SufficientStatistics(n, 0.0 * center, s2, center, 0.0, 0.0, 8.0, 8, Moment.FULL)
    >>> weights, components = posterior_as_prior(
    ...     bayes.update(rows, None), bayes.rule, bayes.weight_prior
    ... )
    >>> weights.concentration, components.mean_precision, components.degrees
    (array([9.]), array([9.]), array([9.]))
    """
    hyper = parameters.hyper
    if hyper is None:
        raise ValueError("These parameters are those of no posterior: hyper is None.")
    known = conjugate(rule)
    values, degrees = parameters.covariance.values, hyper.degrees
    structure = parameters.covariance.structure
    shared = known.sharing is Sharing.ALL or structure is Structure.SHARED
    if shared and structure is not Structure.SHARED:
        values = values[0]
    counts: float | Array = float(degrees[0]) if shared else degrees
    scatter = values * np.reshape(counts, np.shape(counts) + (1,) * (values.ndim - np.ndim(counts)))
    components = NormalWishart(parameters.means, hyper.mean_precision, counts, np.asarray(scatter))
    return Priors(weight_prior.after(hyper.concentration), components)


def forgotten(prior: Priors, factor: float, base: Priors, rule: Rule) -> Priors:
    """A prior to the power `factor`, times the base prior to the power 1 - `factor`.

    What n rows have said then counts as factor * n rows, and after many batches of n rows as those
    of about n / (1 - factor).

    Parameters
    ----------
    prior : Priors
        Such as `posterior_as_prior` gives.
    factor : float
        In (0, 1]; with 1 nothing is forgotten.
    base : Priors
        What is returned to.
    rule : Rule
        What both are priors of.

    Raises
    ------
    ValueError
        `factor` is not in (0, 1], or the two priors of the weights are not of one kind.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.inference.mixing import Dirichlet
    >>> from ellimix.inference.normal_wishart import NormalWishart
    >>> from ellimix.inference.pointed import RULES
    >>> from ellimix.inference.updating import Priors, forgotten
    >>> base = Priors(Dirichlet(1.0), NormalWishart(np.zeros(1), 1.0, 1.0, np.ones((1, 1))))
    >>> known = Priors(Dirichlet(9.0), NormalWishart(np.ones(1), 9.0, 9.0, np.ones((1, 1))))
    >>> weights, components = forgotten(known, 0.5, base, RULES["full"])
    >>> weights.concentration, components.mean_precision, components.mean, components.scatter
    (5.0, 5.0, array([0.9]), array([[1.45]]))
    """
    if not 0.0 < factor <= 1.0:
        raise ValueError(f"forget is {factor}: it must be above 0, and 1 to forget nothing.")
    known = conjugate(rule)
    if factor == 1.0:
        return prior
    own, other = prior.components, base.components
    rest = 1.0 - factor
    precision = factor * own.mean_precision + rest * other.mean_precision
    share = np.asarray(factor * own.mean_precision / precision)
    away = own.mean - other.mean
    mean = other.mean + share[..., None] * away
    between = _between(known, np.asarray(share * rest * other.mean_precision), away)
    scatter = np.asarray(factor * own.scatter + rest * other.scatter + between)
    degrees = factor * own.degrees + rest * other.degrees
    weights = prior.weights.faded(factor, base.weights)
    return Priors(weights, NormalWishart(mean, precision, degrees, scatter))


def conjugate(rule: Rule) -> Conjugate:
    """The rule, as one whose posterior has the form of the prior.

    Raises
    ------
    ValueError
        Its means and covariances are point estimates.
    """
    if not isinstance(rule, Conjugate):
        raise ValueError(
            f"Means and covariances of the family {rule.name} are point estimates, which do not "
            "tell how many rows they rest on: they are no prior of the rows that come next. Use "
            "full, tied, diag, spherical, VVV, EEE, VVI, VII, EEI or EII."
        )
    return rule


def _between(rule: Conjugate, amount: Array, away: Array) -> Array:
    """amount_k away_k away_k^T in the structure of a scatter; summed where that is of all."""
    if rule.sharing is Sharing.ALL and away.ndim == 1:
        raise ValueError(
            f"{rule.name} has one covariance for all components: the prior that is forgotten must "
            "say of how many, by a mean for each."
        )
    match rule.family.structure:
        case Structure.SPHERICAL:
            out = amount * (away**2).mean(axis=-1)
        case Structure.DIAGONAL:
            out = amount[..., None] * away**2
        case Structure.SHARED | Structure.FULL:
            out = amount[..., None, None] * away[..., :, None] * away[..., None, :]
    if rule.sharing is Sharing.ALL:
        out = out.sum(axis=0)
    return np.asarray(out)
