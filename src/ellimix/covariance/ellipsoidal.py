"""Ellipsoidal families that need no eigenvectors: EEE, VEE, EVV, VVV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.covariance.base import (
    Covariance,
    Structure,
    from_factor,
    full,
    log_determinant,
    shared,
    singular,
)
from ellimix.covariance.triangular import precision_factors
from ellimix.covariance.volumes import log_volumes_of_matrices
from ellimix.records import Array, Moment


@final
@dataclass(frozen=True)
class EEE:
    """Sigma_k = Sigma: one matrix for all; scikit-learn's ``tied``."""

    name: str = "EEE"
    words: str = "ellipsoidal, equal volume, shape and orientation"
    structure: Structure = Structure.SHARED
    moment: Moment = Moment.POOLED

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """The pooled covariance."""
        return shared(scatter / np.add.reduce(n, axis=-1)[..., None, None], n)

    def n_parameters(self, k: int, d: int) -> int:
        """One symmetric matrix."""
        return d * (d + 1) // 2


@final
@dataclass(frozen=True)
class VEE:
    """Sigma_k = lambda_k C: proportional matrices."""

    name: str = "VEE"
    words: str = "ellipsoidal, varying volume, equal shape and orientation"
    structure: Structure = Structure.FULL
    moment: Moment = Moment.FULL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """Newton's method on the log-volumes (see `ellimix.covariance.volumes`)."""
        volume = np.exp(log_volumes_of_matrices(n, scatter, previous))[..., None, None]
        total = np.add.reduce(n, axis=-1)[..., None, None]
        common = shared(np.add.reduce(scatter / volume, axis=-3) / total, n)
        return from_factor(
            volume * common.values[..., None, :, :],
            common.factor[..., None, :, :] / np.sqrt(volume),
        )

    def n_parameters(self, k: int, d: int) -> int:
        """k volumes and a matrix of determinant 1."""
        return k + d * (d + 1) // 2 - 1


@final
@dataclass(frozen=True)
class EVV:
    """Sigma_k = lambda C_k with |C_k| = 1: one volume."""

    name: str = "EVV"
    words: str = "ellipsoidal, equal volume, varying shape and orientation"
    structure: Structure = Structure.FULL
    moment: Moment = Moment.FULL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """Each component's own matrix, with the volumes averaged."""
        factor, bad = precision_factors(scatter)
        if bad.any():
            raise singular(scatter, bad, n)
        log_mean = log_determinant(factor) / scatter.shape[-1]
        volume = np.add.reduce(np.exp(log_mean), axis=-1) / np.add.reduce(n, axis=-1)
        scale = (volume[..., None] / np.exp(log_mean))[..., None, None]
        return from_factor(scatter * scale, factor / np.sqrt(scale))

    def n_parameters(self, k: int, d: int) -> int:
        """One volume and k matrices of determinant 1."""
        return 1 + k * (d * (d + 1) // 2 - 1)


@final
@dataclass(frozen=True)
class VVV:
    """Sigma_k free; scikit-learn's ``full``."""

    name: str = "VVV"
    words: str = "ellipsoidal, varying volume, shape and orientation"
    structure: Structure = Structure.FULL
    moment: Moment = Moment.FULL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """Each component's own covariance."""
        return full(scatter / n[..., None, None], n)

    def n_parameters(self, k: int, d: int) -> int:
        """A symmetric matrix each."""
        return k * d * (d + 1) // 2
