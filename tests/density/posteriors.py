"""Random posteriors, by rule."""

import numpy as np

from ellimix.density.checks import covariance_of
from ellimix.density.posterior import MixturePosterior
from ellimix.inference.base import Hyperparameters, Parameters
from ellimix.inference.mixing import expected_weights
from ellimix.inference.normal_wishart import CONJUGATE
from ellimix.inference.pointed import RULES
from problems import random_spd

CASES = tuple(RULES)
EXACT = tuple(CONJUGATE)
POINTS = tuple(name for name in RULES if name not in CONJUGATE)
EQUAL = ("tied", "EEE", "EEI", "EII")  # one distribution of precisions for all components


def random_posterior(
    name, k, d, seed, concentration=None, degrees=None, covariances=None, names=None
):
    rng = np.random.default_rng(seed)
    rule = RULES[name]
    sigma = random_spd(rng, d, k, 0.7)
    if name in EQUAL:
        sigma[:] = sigma[0]
    values = {
        "full": sigma,
        "shared": sigma[0],
        "diagonal": np.diagonal(sigma, axis1=1, axis2=2),
        "spherical": sigma[:, 0, 0],
    }[rule.family.structure.value]
    values = values if covariances is None else covariances
    covariance = covariance_of(values, rule.family.structure, k, d)
    if concentration is None:
        concentration = rng.uniform(2.0, 9.0, (k, 1))
    nu, precision = rng.uniform(d + 7.0, d + 19.0, k), rng.uniform(3.0, 12.0, k)
    if name in EQUAL:
        nu[:] = nu[0]
    if degrees is not None:
        nu[:] = degrees
    if name in POINTS:
        nu[:], precision[:] = np.inf, np.inf
    hyper = Hyperparameters(concentration, precision, nu)
    means = rng.standard_normal((k, d)) * 2.0
    weights = expected_weights(concentration)
    return MixturePosterior(Parameters(weights, means, covariance, None, hyper), rule, names)
