"""Weights of a mixture under a posterior: Dirichlet-distributed, or a stick broken in turn.

A posterior is an array of concentrations, as in `ellimix.inference.mixing`: (k, 1) of a Dirichlet
distribution, (k, 2) of the beta distributions of k breaks.
"""

from __future__ import annotations

import numpy as np

from ellimix.records import Array


def draw_weights(concentration: Array, n: int, rng: np.random.Generator) -> Array:
    """Draws of the weights, (n, k).

    What sticks leave to the components beyond the k-th is left out: the weights of each draw are
    divided by their sum.
    """
    k = len(concentration)
    if concentration.shape[1] == 1:
        gammas = rng.standard_gamma(concentration[:, 0], (n, k))
        total = gammas.sum(axis=1, keepdims=True)
        # concentrations near 0 can make all of them underflow
        if not (total > 0.0).all():
            return rng.dirichlet(concentration[:, 0], n)
        return np.asarray(gammas / total)
    breaks = rng.beta(concentration[:, 0], concentration[:, 1], (n, k))
    return sticks(breaks)


def sticks(breaks: Array) -> Array:
    """Weights v_k prod_{j<k} (1 - v_j), divided by their sum, from breaks v (..., k)."""
    left = np.ones_like(breaks)
    left[..., 1:] = np.cumprod(1.0 - breaks[..., :-1], axis=-1)
    weights = breaks * left
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def modal_weights(concentration: Array, mean: Array) -> Array:
    """Where the density of the weights, or of the sticks' breaks, is largest."""
    a = np.maximum(concentration - 1.0, 0.0)
    if concentration.shape[1] == 1:
        return np.asarray(a[:, 0] / a.sum() if a.any() else mean)
    total = a.sum(axis=1)
    if not (a[:, 0] > 0.0).any():
        return mean
    expected = concentration[:, 0] / concentration.sum(axis=1)
    return sticks(np.where(total > 0.0, a[:, 0] / np.where(total > 0.0, total, 1.0), expected))
