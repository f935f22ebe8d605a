"""What a variational posterior knows of precisions: Wishart distributions, gammas, or nothing.

`ellimix.inference.normal_wishart` says which rule gives which, and what degrees of freedom count.
Here they are turned into chi-squared distributions, from which all else follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import final

import numpy as np

from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Covariance, Family, Structure
from ellimix.inference.normal_wishart import Conjugate, GammaEach, GammaOne, Rule, Sharing
from ellimix.records import Array


class Kind(Enum):
    """The distribution of a component's precisions."""

    WISHART = "Wishart"  # a matrix
    GAMMA = "gamma"  # one a feature, independent
    SPHERICAL = "one gamma"  # one for all features
    POINT = "point estimate"


@final
@dataclass(frozen=True, eq=False)
class PrecisionLaw:
    """The distribution of the precisions of k components, with E[Lambda_k] = Sigma_k^-1.

    Parameters
    ----------
    kind : Kind
    shared : bool
        Whether all components have the same precision.
    covariance : Covariance
        The Sigma_k.
    degrees : ndarray of shape (k,)
        Degrees of freedom nu_k: of the Wishart distribution with scale matrix
        (nu_k Sigma_k)^-1, or of the chi-squared distribution of nu_k s lambda for a precision
        lambda with E[lambda] = 1 / s. Infinite for point estimates.
    n_features : int
    """

    kind: Kind
    shared: bool
    covariance: Covariance
    degrees: Array
    n_features: int

    @classmethod
    def of(
        cls, rule: Rule, covariance: Covariance, degrees: Array, n_features: int
    ) -> PrecisionLaw:
        """The law of a rule, from the degrees of freedom in `Hyperparameters`."""
        if not isinstance(rule, Conjugate):
            points = np.full(degrees.shape, np.inf)
            return cls(Kind.POINT, False, covariance, points, n_features)
        kind = Kind.WISHART
        if isinstance(rule.law, GammaEach):
            kind = Kind.GAMMA
        elif isinstance(rule.law, GammaOne):  # every feature counts
            kind, degrees = Kind.SPHERICAL, n_features * degrees
        return cls(kind, rule.sharing is Sharing.ALL, covariance, degrees, n_features)

    @property
    def marginal_degrees(self) -> Array:
        """Degrees of freedom of the Student t distributions that come of it, (k,).

        nu_k + 1 - d for a Wishart distribution (Bishop 2006, eq. 10.81), nu_k for gammas.
        """
        if self.kind is Kind.WISHART:
            return np.asarray(self.degrees + 1.0 - self.n_features)
        return self.degrees

    @property
    def inflation(self) -> Array:
        """What Sigma_k is multiplied with to be the scale matrix of those, (k,)."""
        if self.kind is Kind.WISHART:
            return np.asarray(self.degrees / self.marginal_degrees)
        return np.ones(self.degrees.shape)

    @cached_property
    def matrices(self) -> tuple[Array, Array]:
        """Sigma_k and their precision factors as matrices, (k, d, d); (1, d, d) where equal."""
        own, d = self.covariance, self.n_features
        match own.structure:
            case Structure.SPHERICAL:
                return own.values[:, None, None] * np.eye(d), own.factor[:, None, None] * np.eye(d)
            case Structure.DIAGONAL:
                return own.values[:, :, None] * np.eye(d), own.factor[:, :, None] * np.eye(d)
            case Structure.SHARED:
                return own.values[None], own.factor[None]
            case Structure.FULL:
                return own.values, own.factor

    def drawn_family(self, family: Family) -> Family:
        """The family of the draws.

        Where a rule takes full matrices for posteriors of simpler covariances, no draw is simple.
        """
        if self.kind is not Kind.WISHART:
            return family
        return FAMILIES["EEE" if self.shared else "VVV"]

    def sample(self, n: int, rng: np.random.Generator) -> Covariance:
        """n draws of the covariances of all components, as a stack of n fits."""
        if self.kind is Kind.POINT:
            return self._repeated(n)
        if self.kind is Kind.WISHART:
            return self._wishart(n, rng)
        one = self.shared
        factor, degrees = self.covariance.factor, self.degrees
        shape = (n, *factor.shape)
        if self.kind is Kind.GAMMA:
            degrees = degrees[:, None]
            chi = rng.chisquare(degrees[:1] if one else degrees, (n, 1, shape[2]) if one else shape)
        else:
            chi = rng.chisquare(degrees[:1] if one else degrees, (n, 1) if one else shape)
        drawn = factor * np.sqrt(np.broadcast_to(chi / degrees, shape))
        log_det = -2.0 * np.log(drawn)
        times = self.kind is Kind.SPHERICAL
        log_det = log_det * self.n_features if times else log_det.sum(axis=-1)
        return Covariance(self.covariance.structure, 1.0 / drawn**2, drawn, log_det)

    def _repeated(self, n: int) -> Covariance:
        own = self.covariance

        def again(values: Array) -> Array:
            return np.repeat(values[None], n, axis=0)

        turned = None if own.orientation is None else again(own.orientation)
        return Covariance(
            own.structure, again(own.values), again(own.factor), again(own.log_det), turned
        )

    def _wishart(self, n: int, rng: np.random.Generator) -> Covariance:
        """By Bartlett's decomposition, in the upper triangular form of our factors.

        Reversing the order of the coordinates turns his lower triangle into an upper one: its
        last diagonal element then has all degrees of freedom, the first d - 1 fewer.
        """
        d, k = self.n_features, 1 if self.shared else self.degrees.size
        nu = self.degrees[:k]
        less = np.arange(d)[::-1]
        upper = np.triu(rng.standard_normal((n, k, d, d)), 1)
        upper[..., range(d), range(d)] = np.sqrt(rng.chisquare(nu[:, None] - less, (n, k, d)))
        factor = self.matrices[1] @ upper
        factor /= np.sqrt(nu)[:, None, None]
        inverse = np.linalg.inv(factor)
        values = np.swapaxes(inverse, -1, -2) @ inverse
        log_det = -2.0 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
        if self.shared:
            log_det = np.repeat(log_det, self.degrees.size, axis=1)
            return Covariance(Structure.SHARED, values[:, 0], factor[:, 0], log_det)
        return Covariance(Structure.FULL, values, factor, log_det)

    def mode(self) -> Covariance:
        """The covariances where the density of means and covariances together is largest.

        The inverse Wishart density of Sigma has the power -(nu + d + 1) / 2 of |Sigma|, and each
        mean's normal density adds -1/2 (Fraley & Raftery 2007, section 2.1); for gammas the same
        with chi-squared distributions of one dimension.
        """
        if self.kind is Kind.POINT:
            return self.covariance
        k, d = self.degrees.size, self.n_features
        means = k if self.shared else 1
        added = {
            Kind.WISHART: d + 1 + means,
            Kind.GAMMA: 2 + means,
            Kind.SPHERICAL: 2 + means * d,
        }[self.kind]
        share = self.degrees / (self.degrees + added)
        old = self.covariance
        shared = old.structure is Structure.SHARED
        by = share[0] if shared else share.reshape(-1, *(1,) * (old.values.ndim - 1))
        return Covariance(
            old.structure,
            old.values * by,
            old.factor / np.sqrt(by),
            old.log_det + d * np.log(share),
            old.orientation,
        )


def coloured(covariance: Covariance, noise: Array) -> Array:
    """F^-T noise: standard normal noise (n, k, d) gets the covariances of the stack."""
    factor = covariance.factor
    match covariance.structure:
        case Structure.SPHERICAL:
            return np.asarray(noise / factor[..., None])
        case Structure.DIAGONAL:
            return np.asarray(noise / factor)
        case Structure.SHARED:
            factor = factor[:, None]
        case Structure.FULL:
            pass
    return np.asarray(np.linalg.solve(np.swapaxes(factor, -1, -2), noise[..., None])[..., 0])
