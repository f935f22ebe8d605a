"""Families whose M-step works on eigenvectors: EEV, VEV, EVE, VVE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.covariance.base import Covariance, Structure, eigen, from_axes
from ellimix.covariance.diagonal import equal_volume, of_one_shape
from ellimix.covariance.orientation import (
    EqualVolumes,
    OwnVolumes,
    common_orientation,
    in_axes,
)
from ellimix.covariance.volumes import log_volumes_of_variances
from ellimix.records import Array, Moment


@final
@dataclass(frozen=True)
class EEV:
    """Sigma_k = lambda D_k A D_k^T: one volume and shape, turned."""

    name: str = "EEV"
    words: str = "ellipsoidal, equal volume and shape, varying orientation"
    structure: Structure = Structure.FULL
    moment: Moment = Moment.FULL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """Own eigenvectors, pooled eigenvalues, matched by rank."""
        spread, axes = _principal(scatter)
        pooled = np.add.reduce(spread, axis=-2) / np.add.reduce(n, axis=-1)[..., None]
        return from_axes(axes, pooled[..., None, :].repeat(n.shape[-1], axis=-2), n)

    def n_parameters(self, k: int, d: int) -> int:
        """d eigenvalues and k orientations."""
        return d + k * d * (d - 1) // 2


@final
@dataclass(frozen=True)
class VEV:
    """Sigma_k = lambda_k D_k A D_k^T: one shape, scaled and turned."""

    name: str = "VEV"
    words: str = "ellipsoidal, varying volume, equal shape, varying orientation"
    structure: Structure = Structure.FULL
    moment: Moment = Moment.FULL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """Own eigenvectors; volumes by Newton's method on the eigenvalues."""
        spread, axes = _principal(scatter)
        volume = np.exp(log_volumes_of_variances(n, spread, previous))
        return from_axes(axes, of_one_shape(volume, spread, n), n)

    def n_parameters(self, k: int, d: int) -> int:
        """k volumes, a shape and k orientations."""
        return k + d - 1 + k * d * (d - 1) // 2


@final
@dataclass(frozen=True)
class EVE:
    """Sigma_k = lambda D A_k D^T: common axes, one volume."""

    name: str = "EVE"
    words: str = "ellipsoidal, equal volume and orientation, varying shape"
    structure: Structure = Structure.FULL
    moment: Moment = Moment.FULL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """Common axes by plane rotations, then shapes with the volumes averaged."""
        axes = common_orientation(EqualVolumes(), n, scatter, previous)
        return from_axes(*_along(axes, equal_volume(in_axes(scatter, axes), n)), n, common=True)

    def n_parameters(self, k: int, d: int) -> int:
        """One volume, k shapes and an orientation."""
        return 1 + k * (d - 1) + d * (d - 1) // 2


@final
@dataclass(frozen=True)
class VVE:
    """Sigma_k = lambda_k D A_k D^T: common axes (common principal components)."""

    name: str = "VVE"
    words: str = "ellipsoidal, varying volume and shape, equal orientation"
    structure: Structure = Structure.FULL
    moment: Moment = Moment.FULL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """Common axes by plane rotations, then each component's variances along them."""
        axes = common_orientation(OwnVolumes(), n, scatter, previous)
        return from_axes(*_along(axes, in_axes(scatter, axes) / n[..., None]), n, common=True)

    def n_parameters(self, k: int, d: int) -> int:
        """k d variances and an orientation."""
        return k * d + d * (d - 1) // 2


def _principal(scatter: Array) -> tuple[Array, Array]:
    """Eigenvalues (..., k, d), not below 0, ascending, and eigenvectors (..., k, d, d)."""
    values, vectors = eigen(scatter)
    return np.maximum(values, 0.0), vectors


def _along(axes: Array, variances: Array) -> tuple[Array, Array]:
    return np.broadcast_to(axes[..., None, :, :], (*variances.shape, axes.shape[-1])), variances
