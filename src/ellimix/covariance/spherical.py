"""Spherical families: Sigma_k = lambda_k I."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.covariance.base import Covariance, Structure, spherical
from ellimix.records import Array, Moment


@final
@dataclass(frozen=True)
class EII:
    """Sigma_k = lambda I (Celeux & Govaert 1995, section 2.3)."""

    name: str = "EII"
    words: str = "spherical, equal volume"
    structure: Structure = Structure.SPHERICAL
    moment: Moment = Moment.DIAGONAL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """One variance: the pooled scatter per feature."""
        d = scatter.shape[-1]
        pooled = scatter.sum(axis=(-2, -1)) / (np.add.reduce(n, axis=-1) * d)
        return spherical(pooled[..., None].repeat(n.shape[-1], axis=-1), d, n)

    def n_parameters(self, k: int, d: int) -> int:
        """One variance."""
        return 1


@final
@dataclass(frozen=True)
class VII:
    """Sigma_k = lambda_k I; scikit-learn's ``spherical``."""

    name: str = "VII"
    words: str = "spherical, varying volume"
    structure: Structure = Structure.SPHERICAL
    moment: Moment = Moment.DIAGONAL

    def m_step(self, n: Array, scatter: Array, previous: Covariance | None) -> Covariance:
        """A variance each: the mean over features."""
        d = scatter.shape[-1]
        return spherical(np.add.reduce(scatter, axis=-1) / (n * d), d, n)

    def n_parameters(self, k: int, d: int) -> int:
        """A variance each."""
        return k
