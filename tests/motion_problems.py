"""Three groups of rows, and eight starts of which the last ends in a local optimum."""

from __future__ import annotations

import numpy as np

import ellimix as em

GROUPS = em.Mixture.from_parameters(
    [0.4, 0.3, 0.3], [[0.0, 0.0], [12.0, 2.0], [12.0, -4.0]], np.ones(3), "VII"
)
ROWS = GROUPS.sample(300, rng=1)[0]
STUCK = 7  # the start


def eight_starts() -> em.Record:
    """The record of a fit whose starts are single rows."""
    recorder = em.Recorder()
    model = em.GaussianMixture(
        3, n_init=8, init_params="random_from_data", tol=1e-6, max_iter=500, random_state=0
    )
    model.set_callbacks(recorder).fit(ROWS)
    return recorder.record
