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
        pooled = np.add.reduce(scatter, axis=-2) / np.add.reduce(n, axis=-1)[..., None]
        return diagonal(pooled[..., None, :].repeat(n.shape[-1], axis=-2), n)

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
        return diagonal(of_one_shape(np.exp(log_volume), scatter, n), n)

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
        return diagonal(scatter / n[..., None], n)

    def n_parameters(self, k: int, d: int) -> int:
        """A variance a feature and component."""
        return k * d


def equal_volume(scatter: Array, n: Array) -> Array:
    """Variances (..., k, d) of own shapes and one volume a fit (Celeux & Govaert 1995).

    Geometric means are taken in logarithms: a product of d variances overflows early.
    """
    flat = ~(scatter > 0.0)
    if flat.any():
        raise collapsed(np.asarray(flat.any(axis=-1)), n, "its rows have no spread along some axis")
    log_scatter = np.log(scatter)
    log_mean = np.add.reduce(log_scatter, axis=-1, keepdims=True) / scatter.shape[-1]
    volume = np.add.reduce(np.exp(log_mean), axis=-2) / np.add.reduce(n, axis=-1)[..., None]
    variances: Array = volume[..., None] * np.exp(log_scatter - log_mean)
    return variances


def of_one_shape(volume: Array, scatter: Array, n: Array) -> Array:
    """Variances (..., k, d) of given volumes (..., k) and the best common shape."""
    pooled = np.add.reduce(scatter / volume[..., None], axis=-2)
    shape = pooled / np.add.reduce(n, axis=-1)[..., None]
    variances: Array = volume[..., None] * shape[..., None, :]
    return variances
