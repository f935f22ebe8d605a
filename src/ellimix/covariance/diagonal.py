"""Diagonal families: Sigma_k = lambda_k A_k, axes along the coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.covariance.base import Covariance, Structure, collapsed, diagonal
from ellimix.covariance.volumes import log_volumes_of_variances
from ellimix.records import Array, Moment


@final
@dataclass(frozen=True)
class EEI:
    """Sigma_k = lambda A: one diagonal matrix."""

    name: str = "EEI"
    words: str = "diagonal, equal volume and shape"
    structure: Structure = Structure.DIAGONAL
    moment: Moment = Moment.DIAGONAL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """Pooled variances."""
        pooled = scatter.sum(axis=0) / n.sum()
        return diagonal(np.broadcast_to(pooled, scatter.shape).copy(), n)

    def n_parameters(self, k: int, d: int) -> int:
        """A variance a feature."""
        return d


@final
@dataclass(frozen=True)
class VEI:
    """Sigma_k = lambda_k A: proportional diagonal matrices."""

    name: str = "VEI"
    words: str = "diagonal, varying volume, equal shape"
    structure: Structure = Structure.DIAGONAL
    moment: Moment = Moment.DIAGONAL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """Newton's method on the log-volumes (see `ellimix.covariance.volumes`)."""
        log_volume = log_volumes_of_variances(n, scatter, previous)
        volume = np.exp(log_volume)
        shape = (scatter / volume[:, None]).sum(axis=0) / n.sum()
        return diagonal(volume[:, None] * shape, n)

    def n_parameters(self, k: int, d: int) -> int:
        """k volumes and a shape."""
        return k + d - 1


@final
@dataclass(frozen=True)
class EVI:
    """Sigma_k = lambda A_k: diagonal matrices of one determinant."""

    name: str = "EVI"
    words: str = "diagonal, equal volume, varying shape"
    structure: Structure = Structure.DIAGONAL
    moment: Moment = Moment.DIAGONAL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """Each component's own shape, with the volumes averaged."""
        return diagonal(equal_volume(scatter, n), n)

    def n_parameters(self, k: int, d: int) -> int:
        """One volume and k shapes."""
        return 1 + k * (d - 1)


@final
@dataclass(frozen=True)
class VVI:
    """Sigma_k diagonal, free; scikit-learn's ``diag``."""

    name: str = "VVI"
    words: str = "diagonal, varying volume and shape"
    structure: Structure = Structure.DIAGONAL
    moment: Moment = Moment.DIAGONAL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """Each component's own variances."""
        return diagonal(scatter / n[:, None], n)

    def n_parameters(self, k: int, d: int) -> int:
        """A variance a feature and component."""
        return k * d


def equal_volume(scatter: Array, n: Array) -> Array:
    """Variances (k, d) of the components' own shapes and one volume (Celeux & Govaert 1995).

    Geometric means are taken in logarithms: a product of d variances overflows early.
    """
    flat = ~(scatter > 0.0)
    if flat.any():
        raise collapsed(np.asarray(flat.any(axis=1)), n, "its rows have no spread along some axis")
    log_scatter = np.log(scatter)
    log_mean = log_scatter.mean(axis=1, keepdims=True)
    volume = np.exp(log_mean).sum() / n.sum()
    variances: Array = volume * np.exp(log_scatter - log_mean)
    return variances
