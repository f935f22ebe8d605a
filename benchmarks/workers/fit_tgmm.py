"""tgmm: mixtures in PyTorch, on the CPU."""

from __future__ import annotations

import torch
from tgmm import GaussianMixture

from protocol import Fitted, Job, serve


def prepare(job: Job):
    rows = torch.from_numpy(job.rows)
    row_weights = None if job.row_weights is None else torch.from_numpy(job.row_weights)

    def fit(iterations: int):
        return GaussianMixture(
            n_components=job.k,
            n_features=job.rows.shape[1],
            covariance_type=job.kind,
            init_weights=torch.from_numpy(job.weights),
            init_means=torch.from_numpy(job.means),
            init_covariances=torch.from_numpy(job.covariances),
            tol=1e-300,  # 0 is refused
            reg_covar=0.0,
            max_iter=iterations,
            device="cpu",
        ).fit(rows, sample_weight=row_weights)

    def read(model) -> Fitted:
        return Fitted(model.n_iter_, model.weights_, model.means_, model.covariances_)

    return fit, read


serve(prepare, "tgmm", "torch")
