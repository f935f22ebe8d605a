"""gmmx: mixtures in JAX, float32, on the CPU."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from gmmx import EMFitter, GaussianMixtureModelJax

from protocol import Fitted, Job, serve


def prepare(job: Job):
    rows = jnp.asarray(job.rows)
    start = GaussianMixtureModelJax.from_squeezed(
        means=job.means,
        covariances=job.covariances,
        weights=job.weights,
        covariance_type=job.kind,
    )

    def fit(iterations: int):
        fitter = EMFitter(max_iter=iterations, tol=-1.0, reg_covar=0.0)
        return jax.block_until_ready(fitter.fit(rows, start))  # it returns before it has fitted

    def read(model) -> Fitted:
        mixture = model.gmm
        return Fitted(
            int(model.n_iter),
            np.asarray(mixture.weights_numpy),
            np.asarray(mixture.means_numpy),
            np.asarray(mixture.covariances.values_numpy),
        )

    return fit, read


serve(prepare, "gmmx", "jax")
