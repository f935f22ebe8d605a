"""oneDAL's EM, through daal4py: scikit-learn-intelex does not patch GaussianMixture."""

from __future__ import annotations

import daal4py
import numpy as np

from protocol import Fitted, Job, serve


def prepare(job: Job):
    storage = {} if job.kind == "full" else {"covarianceStorage": "diagonal"}
    algorithm = {
        "nComponents": job.k,
        "fptype": "double" if job.dtype == np.float64 else "float",
        "accuracyThreshold": 1e-300,  # 0 is refused
        **storage,
    }
    d = job.rows.shape[1]

    def fit(iterations: int):
        covariances = [c.copy().reshape(d if job.kind == "full" else 1, d) for c in job.covariances]
        return daal4py.em_gmm(maxIterations=iterations, **algorithm).compute(
            job.rows, job.weights.reshape(1, -1), job.means, covariances
        )

    def read(model) -> Fitted:
        done = int(np.ravel(model.nIterations)[0])
        return Fitted(done, model.weights, model.means, np.stack(model.covariances))

    return fit, read


serve(prepare, "scikit-learn-intelex", "daal")
