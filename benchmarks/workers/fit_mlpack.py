"""mlpack's gmm_train. It draws its own start, from a fixed seed."""

from __future__ import annotations

from mlpack import gmm_train

from protocol import Fitted, Job, serve


def prepare(job: Job):
    def fit(iterations: int):
        return gmm_train(
            gaussians=job.k,
            input_=job.rows,
            max_iterations=iterations,
            tolerance=0.0,
            kmeans_max_iterations=1,
            diagonal_covariance=job.kind == "diag",
            no_force_positive=True,
            seed=1,
            copy_all_inputs=False,
        )

    def read(_model) -> Fitted:
        return Fitted(None, [], [], [])

    return fit, read


serve(prepare, "mlpack")
