"""Problems for the families' contracts."""

from __future__ import annotations

import numpy as np

from ellimix.covariance import FAMILIES
from naive import covariance_matrices
from problems import counts_and_scatter, pooled


def problem(name, k, d, seed=0):
    rng = np.random.default_rng([seed, k, d])
    return rng, *counts_and_scatter(rng, k, d, FAMILIES[name].moment)


def m_step(name, n, scatter, previous=None):
    """The family's M-step from the components' own scatter, also where it takes their sum."""
    family = FAMILIES[name]
    return family.m_step(n, pooled(scatter, family.moment), previous)


def solved(name, n, scatter, previous=None):
    """The M-step's covariances, (k, d, d)."""
    d = scatter.shape[1]
    return covariance_matrices(m_step(name, n, scatter, previous), n.size, d)


def same(left, right, tolerance=1e-9):
    scale = np.abs(right).max()
    np.testing.assert_allclose(left / scale, right / scale, rtol=tolerance, atol=tolerance)
