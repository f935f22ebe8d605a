"""pomegranate: mixtures in PyTorch, on the CPU; a masked tensor where values are missing."""

from __future__ import annotations

import torch
from pomegranate.distributions import Normal
from pomegranate.gmm import GeneralMixtureModel

from protocol import Fitted, Job, serve


def prepare(job: Job):
    rows, weights, means, covariances = map(
        torch.from_numpy, (job.rows, job.weights, job.means, job.covariances)
    )
    row_weights = None if job.row_weights is None else torch.from_numpy(job.row_weights)
    torch.set_default_dtype(rows.dtype)  # its sums are of the default dtype
    observed = ~torch.isnan(rows)
    if not observed.all():
        rows = torch.masked.masked_tensor(torch.nan_to_num(rows), observed)

    def fit(iterations: int):
        components = [
            Normal(mean.clone(), covariance.clone(), covariance_type=job.kind)
            for mean, covariance in zip(means, covariances, strict=True)
        ]
        model = GeneralMixtureModel(
            components, priors=weights.clone(), max_iter=iterations, tol=-1e300
        )
        return model.fit(rows, sample_weight=row_weights)

    def read(model) -> Fitted:
        parts = model.distributions
        return Fitted(
            None,
            model.priors.detach(),
            torch.stack([part.means.detach() for part in parts]),
            torch.stack([part.covs.detach() for part in parts]),
        )

    return fit, read


serve(prepare, "pomegranate", "torch")
