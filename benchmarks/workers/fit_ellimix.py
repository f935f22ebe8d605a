"""ellimix, as a user calls it."""

from __future__ import annotations

import ellimix as em
from protocol import Fitted, Job, serve


def prepare(job: Job):
    def fit(iterations: int):
        model = em.GaussianMixture(
            job.k,
            covariance_type=job.kind,
            weights_init=job.weights,
            means_init=job.means,
            precisions_init=job.precisions,
            tol=0.0,
            reg_covar=0.0,
            max_iter=iterations,
            engine="numba",
        )
        return model.fit(job.rows, sample_weight=job.row_weights)

    def read(model) -> Fitted:
        return Fitted(model.n_iter_, model.weights_, model.means_, model.covariances_)

    return fit, read


serve(prepare, "ellimix")
