"""Data, priors and passes for tests of variational Bayes."""

from __future__ import annotations

import numpy as np

from ellimix.covariance.base import Structure
from ellimix.engines import ENGINES
from ellimix.inference.mixing import WEIGHT_PRIORS
from ellimix.inference.normal_wishart import NormalWishart
from ellimix.inference.pointed import RULES
from ellimix.inference.variational import VariationalBayes
from ellimix.sources.memory import MemorySource
from ellimix.starts.base import Beginning, from_responsibilities

NUMPY = ENGINES["numpy"]


def clouds(seed=0, n=60, d=3, groups=3):
    """Groups of rows with covariances of their own."""
    rng = np.random.default_rng(seed)
    parts = [
        rng.normal(size=(n // groups, d)) @ rng.normal(size=(d, d)) + 4.0 * i for i in range(groups)
    ]
    return np.concatenate(parts)


def scatter_for(rule, X):
    """The rows' covariance in the shape of the rule's priors."""
    covariance = np.atleast_2d(np.cov(X.T))
    match rule.family.structure:
        case Structure.SPHERICAL:
            return np.asarray(np.trace(covariance) / covariance.shape[0])
        case Structure.DIAGONAL:
            return np.diagonal(covariance).copy()
        case _:
            return covariance


def bayes_for(name, X, weights="dirichlet_process", concentration=0.3, reg_covar=0.0, **prior):
    """An inference with a prior off the data's middle, so that no term vanishes."""
    rule, d = RULES[name], X.shape[1]
    own = {
        "mean": np.nanmean(X, axis=0) + 0.3,
        "mean_precision": 0.7,
        "degrees": d + 0.5,
        "scatter": scatter_for(rule, X[~np.isnan(X).any(axis=1)]),
    }
    given = NormalWishart(**(own | prior))
    return VariationalBayes(rule, WEIGHT_PRIORS[weights](concentration), given, reg_covar)


def first(bayes, X, responsibilities, weight=None):
    """Statistics under responsibilities (n, k)."""
    source = MemorySource(X, weight).placed(NUMPY)
    beginning = Beginning(source, NUMPY, responsibilities.shape[1], bayes.moment, 0.0, None)
    return from_responsibilities(beginning, lambda b: responsibilities[b.start : b.stop])


def passed(bayes, model, source):
    """Statistics of one pass, and the bound of the model that it was made over."""
    (statistics,) = source.reduce(NUMPY.step([bayes.potentials(model)]))
    return statistics, statistics.loglik + bayes.penalty(model)
