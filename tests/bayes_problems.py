"""One prior and some rows of each kind, and the twin that every formula must equal."""

from __future__ import annotations

import numpy as np
from scipy import stats

from ellimix.bayes import MultivariateNormal, Normal, NormalMean

PRIORS = {
    "mean": NormalMean(1.0, 2.0, 3.0),
    "normal": Normal(1.0, 0.7, 4.5, 6.0),
    "multivariate": MultivariateNormal([1.0, -2.0], 0.7, 5.5, [[6.0, 1.5], [1.5, 2.0]]),
}


def batch(kind: str, n: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    if kind == "multivariate":
        return random.normal(size=(n, 2)) @ [[1.5, 0.4], [0.0, 0.8]] + [0.5, -1.0]
    return random.normal(0.5, 1.5, n)


def numbers(posterior) -> np.ndarray:
    """All of a posterior's numbers, in a row."""
    if isinstance(posterior, NormalMean):
        return np.array([posterior.location, posterior.variance, posterior.noise_variance])
    parts = (posterior.location, posterior.kappa, posterior.degrees, posterior.scale)
    return np.concatenate([np.ravel(part) for part in parts])


def log_likelihood(kind: str, rows, parameters, weight=None) -> float:
    """Sum over rows of w log p(x | mean, variance), by SciPy."""
    w = np.ones(len(rows)) if weight is None else weight
    mean, variance = parameters
    if kind == "multivariate":
        return float(w @ np.atleast_1d(stats.multivariate_normal(mean, variance).logpdf(rows)))
    return float(w @ stats.norm(mean, np.sqrt(variance)).logpdf(rows))


def log_density(posterior, mean, variance) -> float:
    """A posterior's own log density, of whichever parameters it has."""
    if isinstance(posterior, NormalMean):
        return float(posterior.log_density(mean))
    return float(posterior.log_density(mean, variance))
