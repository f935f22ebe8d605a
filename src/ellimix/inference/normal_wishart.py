"""Posteriors of means and precisions: normal-Wishart, and what it becomes for simpler families.

The prior is mu_k | Lambda_k ~ N(m_0, (beta_0 Lambda_k)^-1) and Lambda_k ~ W(nu_0, C_0^-1), with
inverse scale C_0 (Bishop 2006, section 10.2). With counts n_k, means x_k and scatter S_k of the
rows, and

    T_k = S_k + n_k beta_0 / (beta_0 + n_k) (x_k - m_0)(x_k - m_0)^T,

the posterior of "full" has degrees nu_0 + n_k and inverse scale C_0 + T_k (eq. 10.60 to 10.63).
A `Rule` says what takes its place for another covariance. There are three kinds.

**scikit-learn's** full, tied, diag and spherical are four approximations to the posterior of one
model, that of full covariances with a precision matrix each. The last three restrict q(Lambda_k),
and the best q within the restriction, which minimises the sum over k of
KL(q || W(nu_0 + n_k, (C_0 + T_k)^-1)), is

    diag        a diagonal scale matrix     nu_0 + n_k    C_0 + diag(T_k)
    spherical   a multiple of I             nu_0 + n_k    c_0 + tr(T_k) / d
    tied        the same for all k          nu_0 + n / k  C_0 + sum_k T_k / k

which are scikit-learn's formulas, with the digammas of full matrices that it has. (For a fixed nu
the scale is where the derivative is 0, and there the derivative with respect to nu is
(nu - nu*) (psi_d'(nu/2) / 4 - d / (2 nu)) with a positive second factor.) So they are no posteriors
of diagonal, spherical or shared covariances, but their bounds are bounds, never fall, and compare
with each other where C_0 is the same.

**Conjugate posteriors** of six families: a precision matrix each (VVV, the same as full) or one for
all (EEE); for axis-parallel families each precision has a gamma distribution. nu counts the rows
that a precision is estimated from, nu_0 of them before the data:

    VVI  EEI    tau_kj ~ Gamma(nu / 2,   C_j / 2)
    VII  EII    tau_k  ~ Gamma(d nu / 2, d c / 2)

where the families with E have one for all k. With one feature all of these are W(nu, 1/c).

**Point estimates** for the other eight families, where no conjugate prior is known: see
`ellimix.inference.pointed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol, final

import numpy as np
from scipy.special import digamma, gammaln

from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Covariance, Family, Structure, diagonal, full, shared, spherical
from ellimix.inference.base import Parameters
from ellimix.records import Array, Moment


@final
@dataclass(frozen=True, eq=False)
class NormalWishart:
    """A prior on each component's mean and precision: the same for all, or each its own.

    Parameters
    ----------
    mean : ndarray of shape (d,) or (k, d)
        m_0.
    mean_precision : float or ndarray of shape (k,)
        beta_0 > 0: how many rows the prior mean counts for.
    degrees : float or ndarray of shape (k,)
        nu_0, of Wishart distributions above d - 1, of gamma distributions above 0.
    scatter : ndarray
        C_0, the inverse scale. A positive definite matrix (d, d), a diagonal (d,) or a number (),
        as the family's structure is; with an axis of length k in front, of each component.

    Examples
    --------
    Two components of the family VII, the second with a prior that says more:

    >>> import numpy as np
    >>> from ellimix.covariance.base import Structure
    >>> from ellimix.inference.normal_wishart import NormalWishart
    >>> prior = NormalWishart(np.zeros(3), np.array([1.0, 9.0]), np.array([1.0, 9.0]), np.ones(2))
    >>> prior.n_components(Structure.SPHERICAL), prior.log_det(Structure.SPHERICAL)
    (2, array([0., 0.]))
    """

    mean: Array
    mean_precision: float | Array
    degrees: float | Array
    scatter: Array

    @property
    def n_features(self) -> int:
        """d."""
        return int(self.mean.shape[-1])

    def each_scatter(self, structure: Structure) -> bool:
        """Whether C_0 has an axis of components."""
        return self.scatter.ndim > _N_AXES[structure]

    def n_components(self, structure: Structure) -> int | None:
        """k, where the prior says something of each component; None where it is symmetric."""
        found = set(self.mean.shape[:-1])
        found |= set(np.shape(self.mean_precision)) | set(np.shape(self.degrees))
        if self.each_scatter(structure):
            found.add(self.scatter.shape[0])
        if len(found) > 1:
            raise ValueError(f"A prior of {' and of '.join(map(str, sorted(found)))} components.")
        return found.pop() if found else None

    def log_det(self, structure: Structure) -> float | Array:
        """log |C_0|; (k,) where it is of each component."""
        d = self.n_features
        match structure:
            case Structure.SPHERICAL:
                out = d * np.log(self.scatter)
            case Structure.DIAGONAL:
                out = np.log(self.scatter).sum(axis=-1)
            case Structure.SHARED | Structure.FULL:
                out = np.linalg.slogdet(self.scatter)[1]
        return float(out) if out.ndim == 0 else np.asarray(out)

    def traces(self, covariance: Covariance) -> Array:
        """tr(C_0 Sigma_k^-1), (..., k)."""
        k, d = covariance.log_det.shape[-1], self.n_features
        each = self.each_scatter(covariance.structure)
        precisions = covariance.precisions()
        match covariance.structure:
            case Structure.SPHERICAL:
                return np.asarray(d * self.scatter * precisions)
            case Structure.DIAGONAL:
                if each:
                    return np.asarray((precisions * self.scatter).sum(axis=-1))
                return np.asarray(precisions @ self.scatter)
            case Structure.SHARED:
                if each:
                    return np.asarray(np.einsum("kij,...ij->...k", self.scatter, precisions))
                one = np.einsum("ij,...ij->...", self.scatter, precisions)
                return np.asarray(one[..., None].repeat(k, axis=-1))
            case Structure.FULL:
                axes = "kij,...kij->...k" if each else "ij,...kij->...k"
                return np.asarray(np.einsum(axes, self.scatter, precisions))


_N_AXES: Final = {
    Structure.SPHERICAL: 0,
    Structure.DIAGONAL: 1,
    Structure.SHARED: 2,
    Structure.FULL: 2,
}


class Law(Protocol):
    """A distribution of precisions, as a function of degrees nu (...,) with d features."""

    def log_gamma(self, degrees: Array, d: int) -> Array:
        """Logarithm of the gamma functions in its constant."""
        ...

    def digamma(self, degrees: Array, d: int) -> Array:
        """Twice the derivative of `log_gamma`: E log|Lambda| without the scale's part."""
        ...

    def width(self, d: int) -> int:
        """In how many features one precision is counted."""
        ...

    def least(self, d: int) -> float:
        """Degrees must be above this."""
        ...


@final
@dataclass(frozen=True)
class Wishart:
    """Of matrices (d, d)."""

    def log_gamma(self, degrees: Array, d: int) -> Array:
        """log Gamma_d(nu/2), without the power of pi."""
        halves = 0.5 * (np.asarray(degrees)[..., None] - np.arange(d))
        return np.asarray(gammaln(halves).sum(axis=-1))

    def digamma(self, degrees: Array, d: int) -> Array:
        """sum_i psi((nu - i) / 2), i from 0 (Bishop 2006, eq. 10.65)."""
        halves = 0.5 * (np.asarray(degrees)[..., None] - np.arange(d))
        return np.asarray(digamma(halves).sum(axis=-1))

    def width(self, d: int) -> int:
        """1."""
        return 1

    def least(self, d: int) -> float:
        """d - 1."""
        return d - 1.0


@final
@dataclass(frozen=True)
class GammaEach:
    """Of a precision a feature, Gamma(nu/2, C_j/2) each."""

    def log_gamma(self, degrees: Array, d: int) -> Array:
        """d log Gamma(nu/2)."""
        return np.asarray(d * gammaln(0.5 * degrees))

    def digamma(self, degrees: Array, d: int) -> Array:
        """d psi(nu/2)."""
        return np.asarray(d * digamma(0.5 * degrees))

    def width(self, d: int) -> int:
        """1."""
        return 1

    def least(self, d: int) -> float:
        """0."""
        return 0.0


@final
@dataclass(frozen=True)
class GammaOne:
    """Of one precision for all features, Gamma(d nu/2, d c/2)."""

    def log_gamma(self, degrees: Array, d: int) -> Array:
        """log Gamma(d nu/2)."""
        return np.asarray(gammaln(0.5 * d * degrees))

    def digamma(self, degrees: Array, d: int) -> Array:
        """d psi(d nu/2)."""
        return np.asarray(d * digamma(0.5 * d * degrees))

    def width(self, d: int) -> int:
        """d."""
        return d

    def least(self, d: int) -> float:
        """0."""
        return 0.0


class Sharing(Enum):
    """Which rows a component's precision is estimated from."""

    OWN = "own"
    MEAN = "mean"  # independent precisions with the same distribution: 1/k of all rows
    ALL = "all"  # one precision: all rows


class Rule(Protocol):
    """What a posterior of the components' means and precisions is, and how it comes about."""

    @property
    def name(self) -> str:
        """The name in the registry."""
        ...

    @property
    def family(self) -> Family:
        """The covariance family."""
        ...

    def posterior(
        self, n: Array, scatter: Array, prior: NormalWishart, previous: Covariance | None
    ) -> tuple[Covariance, Array, Array]:
        """Covariances, mean precisions and degrees, from counts and T_k of the module's text."""
        ...

    def correction(self, degrees: Array, d: int) -> Array:
        """E[log |Lambda_k|] + log |E[Lambda_k]^-1| <= 0, (..., k)."""
        ...

    def divergence(self, model: Parameters, prior: NormalWishart) -> Array:
        """KL(q || p) of means and precisions in nats, (...,)."""
        ...

    def least_degrees(self, d: int) -> float:
        """nu_0 must be above this."""
        ...

    def check(self, prior: NormalWishart) -> None:
        """Raise `ValueError` where a prior cannot be of this rule."""
        ...


@final
@dataclass(frozen=True)
class Conjugate:
    """Variational means and precisions (see the module's text).

    Parameters
    ----------
    name : str
    family : Family
    law : Law
    sharing : Sharing
    """

    name: str
    family: Family
    law: Law
    sharing: Sharing

    def posterior(
        self, n: Array, scatter: Array, prior: NormalWishart, previous: Covariance | None
    ) -> tuple[Covariance, Array, Array]:
        """Bishop (2006), eq. 10.60 to 10.63, with what is shared summed first."""
        k = n.shape[-1]
        count, pooled = n, scatter
        if self.sharing is not Sharing.OWN:
            count = np.add.reduce(n, axis=-1)[..., None].repeat(k, axis=-1)
            if self.family.moment is not Moment.POOLED:
                pooled = np.add.reduce(scatter, axis=-2)[..., None, :].repeat(k, axis=-2)
        if self.sharing is Sharing.MEAN:
            count, pooled = count / k, pooled / k
        before = prior.degrees
        if self.sharing is Sharing.MEAN and np.ndim(before):
            before = float(np.mean(before))
        degrees = before + count
        return _covariance(self.family, degrees, pooled, prior), prior.mean_precision + n, degrees

    def correction(self, degrees: Array, d: int) -> Array:
        """From E[log |Lambda|] (Bishop 2006, eq. 10.65; or that of gamma variables)."""
        logs = np.log(0.5 * self.law.width(d) * degrees)
        return np.asarray(self.law.digamma(degrees, d) - d * logs)

    def divergence(self, model: Parameters, prior: NormalWishart) -> Array:
        """Of the means given the precisions, plus that of the precisions."""
        if model.hyper is None:
            raise ValueError("These parameters are those of no posterior: hyper is None.")
        d = prior.n_features
        nu, beta = model.hyper.degrees, model.hyper.mean_precision
        ratio = prior.mean_precision / beta
        means = 0.5 * (d * (ratio - 1.0 - np.log(ratio)))
        means = means + 0.5 * prior.mean_precision * model.covariance.lengths(
            model.means - prior.mean
        )
        # log|C| - log|C_0| of the inverse scales, times nu_0 / 2; the digammas; and the traces
        log_det = prior.log_det(self.family.structure)
        volume = model.covariance.log_det + d * np.log(nu) - log_det
        gammas = self.law.log_gamma(nu, d) - self.law.log_gamma(np.asarray(prior.degrees), d)
        digammas = 0.5 * (nu - prior.degrees) * self.law.digamma(nu, d)
        precisions = 0.5 * prior.degrees * volume + digammas - gammas
        precisions = precisions + 0.5 * (prior.traces(model.covariance) - nu * d)
        if self.sharing is Sharing.ALL:
            precisions = precisions[..., :1]
        return np.asarray(means.sum(axis=-1) + precisions.sum(axis=-1))

    def least_degrees(self, d: int) -> float:
        """Where the prior is no distribution any more."""
        return self.law.least(d)

    def check(self, prior: NormalWishart) -> None:
        """Raise `ValueError` where there is one precision, and a prior of it for each component."""
        structure = self.family.structure
        prior.n_components(structure)
        if self.sharing is Sharing.ALL and (
            np.ndim(prior.degrees) or prior.each_scatter(structure)
        ):
            raise ValueError(
                f"{self.name} has one covariance for all components: its prior has one number of "
                "degrees and one scatter, not one for each."
            )


def _covariance(family: Family, degrees: Array, scatter: Array, prior: NormalWishart) -> Covariance:
    """E[Lambda]^-1 = (C_0 + T) / nu in the family's structure."""
    d = prior.n_features
    match family.structure:
        case Structure.SPHERICAL:
            mean = np.add.reduce(scatter, axis=-1) / d
            return spherical((prior.scatter + mean) / degrees, d, degrees)
        case Structure.DIAGONAL:
            return diagonal((prior.scatter + scatter) / degrees[..., None], degrees)
        case Structure.SHARED:
            each = prior.each_scatter(Structure.SHARED)
            before = prior.scatter.mean(axis=0) if each else prior.scatter
            return shared((before + scatter) / degrees[..., :1, None], degrees)
        case Structure.FULL:
            return full((prior.scatter + scatter) / degrees[..., None, None], degrees)


_CONJUGATE: Final = (
    Conjugate("full", FAMILIES["VVV"], Wishart(), Sharing.OWN),
    Conjugate("tied", FAMILIES["EEE"], Wishart(), Sharing.MEAN),
    Conjugate("diag", FAMILIES["VVI"], Wishart(), Sharing.OWN),
    Conjugate("spherical", FAMILIES["VII"], Wishart(), Sharing.OWN),
    Conjugate("VVV", FAMILIES["VVV"], Wishart(), Sharing.OWN),
    Conjugate("EEE", FAMILIES["EEE"], Wishart(), Sharing.ALL),
    Conjugate("VVI", FAMILIES["VVI"], GammaEach(), Sharing.OWN),
    Conjugate("EEI", FAMILIES["EEI"], GammaEach(), Sharing.ALL),
    Conjugate("VII", FAMILIES["VII"], GammaOne(), Sharing.OWN),
    Conjugate("EII", FAMILIES["EII"], GammaOne(), Sharing.ALL),
)
CONJUGATE: Final[dict[str, Rule]] = {rule.name: rule for rule in _CONJUGATE}
