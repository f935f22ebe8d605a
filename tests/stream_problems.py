"""Streams for tests."""

from __future__ import annotations

import numpy as np

import ellimix as em


def batch(rng, centers, n=200, weights=None):
    """Rows of unit spheres about centers."""
    middle = np.asarray(centers, dtype=float)
    labels = rng.choice(len(middle), size=n, p=weights)
    return middle[labels] + rng.standard_normal((n, middle.shape[1]))


def followed(batches, model=None, online=None, **arguments):
    """A model after a stream."""
    model = em.GaussianMixture(2, random_state=0) if model is None else model
    for number, rows in enumerate(batches):
        weight = arguments.get("sample_weight")
        own = {} if weight is None else {"sample_weight": weight[number]}
        model.partial_fit(rows, online=online, **own)
    return model


def by_place(model):
    """Means in order of the first feature."""
    return model.means_[np.argsort(model.means_[:, 0])]
