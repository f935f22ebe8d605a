"""scikit-learn's GaussianMixture."""

from __future__ import annotations

from sklearn.mixture import GaussianMixture

from protocol import Fitted, Job, serve


def prepare(job: Job):
    def fit(iterations: int):
        return GaussianMixture(
            job.k,
            covariance_type=job.kind,
            weights_init=job.weights,
            means_init=job.means,
            precisions_init=job.precisions,
            tol=0.0,
            reg_covar=0.0,
            max_iter=iterations,
        ).fit(job.rows)

    def read(model) -> Fitted:
        return Fitted(model.n_iter_, model.weights_, model.means_, model.covariances_)

    return fit, read


serve(prepare, "scikit-learn")
