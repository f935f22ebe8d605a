"""Whether two tools did the same: distance of parameters, and log-likelihood in float64."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from scipy.linalg import cho_factor, solve_triangular
from scipy.special import logsumexp

AT_MOST: Final = 100_000
"""Rows that a log-likelihood is taken over; of more, so many evenly spaced ones."""


@dataclass(frozen=True)
class Parameters:
    """Weights (k,), means (k, d) and covariances in scikit-learn's shape of a covariance type."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def matrices(self) -> np.ndarray:
        """Covariances as (k, d, d)."""
        k, d = self.means.shape
        if self.covariances.ndim == 3:
            return self.covariances
        if self.covariances.shape == (k,):
            return self.covariances[:, None, None] * np.eye(d)
        return self.covariances[:, None, :] * np.eye(d)

    def for_kind(self, kind: str) -> Parameters:
        """Of tied covariances, a copy for each component."""
        if kind != "tied":
            return self
        copies = np.repeat(self.covariances[None], len(self.weights), axis=0)
        return Parameters(self.weights, self.means, copies)


def distance(found: Parameters, expected: Parameters, kind: str) -> float:
    """The largest difference: weights relative, means and covariances in standard deviations."""
    a, b = found.for_kind(kind), expected.for_kind(kind)
    wanted = b.matrices()
    deviations = np.sqrt(np.diagonal(wanted, axis1=1, axis2=2))
    scale = deviations[:, :, None] * deviations[:, None, :]
    differences = (
        (a.weights - b.weights) / b.weights,
        (a.means - b.means) / deviations,
        (a.matrices() - wanted) / scale,
    )
    return max(float(np.abs(part).max()) for part in differences)


def mean_log_likelihood(folder: Path, parameters: Parameters, kind: str) -> float:
    """Of a problem's rows, weighted where they are, in nats a row; in float64."""
    rows = np.load(folder / "rows.npy", mmap_mode="r")
    step = -(-len(rows) // AT_MOST)
    sample = np.asarray(rows[::step], dtype=np.float64)
    path = folder / "row_weights.npy"
    row_weights = np.load(path)[::step].astype(np.float64) if path.exists() else None
    mixture = parameters.for_kind(kind)
    missing = np.isnan(sample)
    patterns, which = np.unique(missing, axis=0, return_inverse=True)
    density = np.empty(len(sample))
    for j, lacks in enumerate(patterns):
        own = which.ravel() == j
        density[own] = log_density(sample[np.ix_(own, ~lacks)], mixture, ~lacks)
    return float(np.average(density, weights=row_weights))


def log_density(rows: np.ndarray, mixture: Parameters, features: np.ndarray) -> np.ndarray:
    """Of rows of some of the features, (n,), under the mixture's margin."""
    joint = np.empty((len(mixture.weights), len(rows)))
    parts = zip(mixture.weights, mixture.means, mixture.matrices(), strict=True)
    for j, (weight, mean, covariance) in enumerate(parts):
        factor, _ = cho_factor(covariance[np.ix_(features, features)], lower=True)
        white = solve_triangular(np.tril(factor), (rows - mean[features]).T, lower=True)
        constant = np.log(weight) - np.log(np.diag(factor)).sum()
        joint[j] = constant - 0.5 * np.einsum("ij,ij->j", white, white)
    joint -= 0.5 * features.sum() * np.log(2.0 * np.pi)
    return np.asarray(logsumexp(joint, axis=0))
