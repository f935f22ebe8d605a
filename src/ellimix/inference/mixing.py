"""Priors on the weights of a mixture, and what a posterior over them expects.

A posterior is an array of concentrations: (..., k, 1) of a Dirichlet distribution, or (..., k, 2)
of independent beta distributions of the sticks v_k, with pi_k = v_k prod_{j<k} (1 - v_j). Its last
axis says which of the two it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, final

import numpy as np
from scipy.special import betaln, digamma, gammaln

from ellimix.records import Array


class WeightPrior(Protocol):
    """A prior on the weights."""

    @property
    def concentration(self) -> float:
        """What it takes one number to say."""
        ...

    def posterior(self, n: Array) -> Array:
        """Concentrations of the best q(pi), given counts (..., k)."""
        ...

    def divergence(self, concentration: Array) -> Array:
        """KL(q(pi) || p(pi)) in nats, (...,)."""
        ...


@final
@dataclass(frozen=True)
class Dirichlet:
    """A symmetric Dirichlet distribution (Bishop 2006, eq. 10.39).

    Parameters
    ----------
    concentration : float
        alpha_0 > 0, of each component: below 1 it favours weights near 0.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.inference.mixing import Dirichlet, expected_weights
    >>> expected_weights(Dirichlet(1.0).posterior(np.array([3.0, 1.0]))).round(3)
    array([0.667, 0.333])
    """

    concentration: float

    def posterior(self, n: Array) -> Array:
        """alpha_0 + n_k (eq. 10.58), (..., k, 1)."""
        return np.asarray((self.concentration + n)[..., None])

    def divergence(self, concentration: Array) -> Array:
        """From log C(alpha) - log C(alpha_0) + sum (alpha_k - alpha_0) E[log pi_k]."""
        alpha, prior = concentration[..., 0], self.concentration
        k = alpha.shape[-1]
        constant = gammaln(alpha.sum(axis=-1)) - gammaln(alpha).sum(axis=-1)
        before = gammaln(k * prior) - k * gammaln(prior)
        logs = expected_log_weights(concentration)
        return np.asarray(constant - before + ((alpha - prior) * logs).sum(axis=-1))


@final
@dataclass(frozen=True)
class StickBreaking:
    """A Dirichlet process (Blei & Jordan 2006): v_k ~ Beta(1, gamma), for k without end.

    No row is assigned to a component beyond the k-th, so that the sticks beyond have their prior:
    the posterior is over all of them, and its divergence is that of the first k. What they leave of
    the unit interval belongs to the components beyond.

    Parameters
    ----------
    concentration : float
        gamma > 0: the larger, the more components.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.inference.mixing import StickBreaking
    >>> StickBreaking(0.5).posterior(np.array([3.0, 1.0]))
    array([[4. , 1.5],
           [2. , 0.5]])
    """

    concentration: float

    def posterior(self, n: Array) -> Array:
        """(1 + n_k, gamma + sum_{j>k} n_j), (..., k, 2) (Blei & Jordan 2006, eq. 18 to 19)."""
        after = np.zeros_like(n)
        after[..., :-1] = np.cumsum(n[..., ::-1], axis=-1)[..., -2::-1]
        return np.stack([1.0 + n, self.concentration + after], axis=-1)

    def divergence(self, concentration: Array) -> Array:
        """The sum of the sticks' divergences from Beta(1, gamma)."""
        a, b = concentration[..., 0], concentration[..., 1]
        prior, total = self.concentration, digamma(a + b)
        constant = betaln(1.0, prior) - betaln(a, b)
        logs = (a - 1.0) * (digamma(a) - total) + (b - prior) * (digamma(b) - total)
        return np.asarray((constant + logs).sum(axis=-1))


WEIGHT_PRIORS: Final[dict[str, type[Dirichlet] | type[StickBreaking]]] = {
    "dirichlet_distribution": Dirichlet,
    "dirichlet_process": StickBreaking,
}


def expected_log_weights(concentration: Array) -> Array:
    """E[log pi_k], (..., k) (Bishop 2006, eq. 10.66; Blei & Jordan 2006, section 3.2)."""
    if concentration.shape[-1] == 1:
        alpha = concentration[..., 0]
        return np.asarray(digamma(alpha) - digamma(alpha.sum(axis=-1))[..., None])
    a, b = concentration[..., 0], concentration[..., 1]
    total = digamma(a + b)
    rest = np.zeros_like(a)
    rest[..., 1:] = np.cumsum(digamma(b) - total, axis=-1)[..., :-1]
    return np.asarray(digamma(a) - total + rest)


def log_normaliser(concentration: Array) -> Array:
    """log Z with density prod / Z, (...,): of the Dirichlet, or of all beta distributions."""
    if concentration.shape[-1] == 1:
        alpha = concentration[..., 0]
        return np.asarray(gammaln(alpha).sum(axis=-1) - gammaln(alpha.sum(axis=-1)))
    return np.asarray(betaln(concentration[..., 0], concentration[..., 1]).sum(axis=-1))


def expected_weights(concentration: Array) -> Array:
    """E[pi_k], (..., k); those of sticks divided by their sum, to be weights of k components."""
    if concentration.shape[-1] == 1:
        alpha = concentration[..., 0]
        return np.asarray(alpha / alpha.sum(axis=-1, keepdims=True))
    a, b = concentration[..., 0], concentration[..., 1]
    rest = np.ones_like(a)
    rest[..., 1:] = np.cumprod(b / (a + b), axis=-1)[..., :-1]
    weights = a / (a + b) * rest
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
