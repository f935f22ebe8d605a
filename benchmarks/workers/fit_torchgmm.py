"""torchgmm: mixtures in PyTorch Lightning, on the CPU. It takes means only as a start."""

from __future__ import annotations

import logging

import torch
from torchgmm.bayes import GaussianMixture

from protocol import Fitted, Job, serve

for name in ("pytorch_lightning", "lightning.pytorch"):
    logging.getLogger(name).setLevel(logging.ERROR)


def prepare(job: Job):
    rows, means = torch.from_numpy(job.rows), torch.from_numpy(job.means)

    def fit(iterations: int):
        trainer = {
            "max_epochs": iterations,
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "enable_checkpointing": False,
            "enable_model_summary": False,
            "logger": False,
        }
        return GaussianMixture(
            job.k,
            covariance_type=job.kind,
            init_means=means,
            convergence_tolerance=0.0,
            trainer_params=trainer,
        ).fit(rows)

    def read(model) -> Fitted:
        fitted = model.model_
        return Fitted(None, fitted.component_probs, fitted.means, fitted.covariances)

    return fit, read


serve(prepare, "torchgmm", "torch")
