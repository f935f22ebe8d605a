"""pyGMMis: missing values as values with very large errors; a pool of processes."""

from __future__ import annotations

import pygmmis

from protocol import Fitted, Job, serve


def prepare(job: Job):
    k, d = job.means.shape

    def fit(iterations: int):
        model = pygmmis.GMM(K=k, D=d)
        model.amp[:], model.mean[:], model.covar[:] = job.weights, job.means, job.covariances
        pygmmis.fit(model, job.rows, init_method="none", tol=-1e300, maxiter=iterations)
        return model

    def read(model) -> Fitted:
        return Fitted(None, model.amp, model.mean, model.covar)

    return fit, read


serve(prepare, "pygmmis")
