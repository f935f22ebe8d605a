"""The machine's matrix product through NumPy's BLAS: an iteration is one product of SIZE x SIZE."""

from __future__ import annotations

import numpy as np

from protocol import Fitted, Job, serve

SIZE = 1500


def prepare(job: Job):
    left = np.random.default_rng(0).standard_normal((SIZE, SIZE)).astype(job.dtype)
    right, product = left.T.copy(), np.empty_like(left)

    def fit(iterations: int):
        for _ in range(iterations):
            np.matmul(left, right, out=product)

    return fit, lambda _model: Fitted(None, [], [], [])


serve(prepare)
