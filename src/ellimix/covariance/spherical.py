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
        k, d = scatter.shape
        return spherical(np.full(k, scatter.sum() / (n.sum() * d)), d, n)

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
        return spherical(scatter.mean(axis=1) / n, scatter.shape[1], n)

    def n_parameters(self, k: int, d: int) -> int:
        """A variance each."""
        return k
