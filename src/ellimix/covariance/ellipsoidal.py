"""Ellipsoidal families that need no eigenvectors: EEE, VEE, EVV, VVV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.covariance.base import (
    Covariance,
    Structure,
    cholesky,
    collapsed,
    from_factor,
    full,
    precision_factor,
    shared,
    why_singular,
)
from ellimix.covariance.volumes import log_volumes_of_matrices
from ellimix.records import Array, Moment


@final
@dataclass(frozen=True)
class EEE:
    """Sigma_k = Sigma: one matrix for all; scikit-learn's ``tied``."""

    name: str = "EEE"
    words: str = "ellipsoidal, equal volume, shape and orientation"
    structure: Structure = Structure.SHARED
    moment: Moment = Moment.FULL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """The pooled covariance."""
        return shared(scatter.sum(axis=0) / n.sum(), n)

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
        volume = np.exp(log_volumes_of_matrices(n, scatter, previous))
        common = shared((scatter / volume[:, None, None]).sum(axis=0) / n.sum(), n)
        return from_factor(
            volume[:, None, None] * common.values,
            common.factor / np.sqrt(volume)[:, None, None],
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
        chol, bad = cholesky(scatter)
        if bad.any():
            worst = int(np.argmax(bad))
            raise collapsed(bad, n, why_singular(scatter[worst], float(n[worst])))
        log_root = np.log(np.diagonal(chol, axis1=1, axis2=2)).mean(axis=1)
        log_volume = np.log(np.exp(2.0 * log_root).sum() / n.sum())
        scale = np.exp(log_volume / 2.0 - log_root)[:, None, None]
        return from_factor(scatter * scale**2, precision_factor(chol * scale))

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
        return full(scatter / n[:, None, None], n)

    def n_parameters(self, k: int, d: int) -> int:
        """A symmetric matrix each."""
        return k * d * (d + 1) // 2
