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

    def posterior(self, n: Array) -> Array:
        """Concentrations of the best q(pi), given counts (..., k)."""
        ...

    def divergence(self, concentration: Array) -> Array:
        """KL(q || p) in nats, (...,): of the weights, and of what their prior depends on."""
        ...

    def process(self, concentration: Array) -> Array | None:
        """Shape and rate (..., 2) of the best q(gamma), given the sticks'; None: it is known."""
        ...

    def after(self, concentration: Array) -> WeightPrior:
        """The prior of the rows that come next, given the concentrations of one fit."""
        ...

    def faded(self, factor: float, base: WeightPrior) -> WeightPrior:
        """The prior to the power `factor`, times another of its kind to 1 - `factor`."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Dirichlet:
    """A Dirichlet distribution, symmetric or not (Bishop 2006, eq. 10.39).

    Parameters
    ----------
    concentration : float or ndarray of shape (k,)
        alpha_0 > 0, of each component: below 1 it favours weights near 0.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.inference.mixing import Dirichlet, expected_weights
    >>> expected_weights(Dirichlet(1.0).posterior(np.array([3.0, 1.0]))).round(3)
    array([0.667, 0.333])
    """

    concentration: float | Array

    def posterior(self, n: Array) -> Array:
        """alpha_0 + n_k (eq. 10.58), (..., k, 1)."""
        return np.asarray((self.concentration + n)[..., None])

    def divergence(self, concentration: Array) -> Array:
        """From log C(alpha) - log C(alpha_0) + sum (alpha_k - alpha_0) E[log pi_k]."""
        alpha, prior = concentration[..., 0], self.concentration
        k = alpha.shape[-1]
        constant = gammaln(alpha.sum(axis=-1)) - gammaln(alpha).sum(axis=-1)
        if isinstance(prior, np.ndarray):
            before = gammaln(prior.sum()) - gammaln(prior).sum()
        else:
            before = gammaln(k * prior) - k * gammaln(prior)
        logs = expected_log_weights(concentration)
        return np.asarray(constant - before + ((alpha - prior) * logs).sum(axis=-1))

    def process(self, concentration: Array) -> None:
        """None."""

    def after(self, concentration: Array) -> Dirichlet:
        """Which has these concentrations."""
        return Dirichlet(concentration[:, 0])

    def faded(self, factor: float, base: WeightPrior) -> Dirichlet:
        """A Dirichlet distribution with concentrations between those of the two."""
        if not isinstance(base, Dirichlet):
            raise other_kind(self, base)
        mixed = factor * self.concentration + (1.0 - factor) * base.concentration
        return Dirichlet(mixed)


@final
@dataclass(frozen=True, eq=False)
class StickBreaking:
    """A Dirichlet process (Blei & Jordan 2006): v_k ~ Beta(1, gamma), for k without end.

    No row is assigned to a component beyond the k-th, so that the sticks beyond have their prior:
    the posterior is over all of them, and its divergence is that of the first k. What they leave of
    the unit interval belongs to the components beyond.

    Parameters
    ----------
    concentration : float or ndarray of shape (k, 2)
        gamma > 0: the larger, the more components. Or the two parameters of each of the first k
        sticks, v_j ~ Beta(a_j, b_j): what rows before these have made of them.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.inference.mixing import StickBreaking
    >>> StickBreaking(0.5).posterior(np.array([3.0, 1.0]))
    array([[4. , 1.5],
           [2. , 0.5]])
    """

    concentration: float | Array

    def posterior(self, n: Array) -> Array:
        """(1 + n_k, gamma + sum_{j>k} n_j), (..., k, 2) (Blei & Jordan 2006, eq. 18 to 19)."""
        first, second = self._sticks()
        return np.stack([first + n, second + beyond(n)], axis=-1)

    def divergence(self, concentration: Array) -> Array:
        """The sum of the sticks' divergences from Beta(1, gamma)."""
        a, b = concentration[..., 0], concentration[..., 1]
        first, second = self._sticks()
        total = digamma(a + b)
        constant = betaln(first, second) - betaln(a, b)
        logs = (a - first) * (digamma(a) - total) + (b - second) * (digamma(b) - total)
        return np.asarray((constant + logs).sum(axis=-1))

    def process(self, concentration: Array) -> None:
        """None: gamma is known."""

    def after(self, concentration: Array) -> StickBreaking:
        """Whose sticks have these parameters."""
        return StickBreaking(concentration)

    def faded(self, factor: float, base: WeightPrior) -> StickBreaking:
        """Sticks with parameters between those of the two."""
        if not isinstance(base, StickBreaking):
            raise other_kind(self, base)
        if np.ndim(self.concentration) == np.ndim(base.concentration):
            mixed = factor * self.concentration + (1.0 - factor) * base.concentration
            return StickBreaking(mixed)
        own = np.stack(np.broadcast_arrays(*self._sticks()), axis=-1)
        other = np.stack(np.broadcast_arrays(*base._sticks()), axis=-1)
        return StickBreaking(factor * own + (1.0 - factor) * other)

    def _sticks(self) -> tuple[float | Array, float | Array]:
        """Both parameters of their prior."""
        if isinstance(self.concentration, np.ndarray):
            return self.concentration[:, 0], self.concentration[:, 1]
        return 1.0, self.concentration


def other_kind(one: WeightPrior, other: WeightPrior) -> ValueError:
    """For two priors of which no power and product is one of them."""
    names = type(one).__name__, type(other).__name__
    return ValueError(f"Priors of the weights are of two kinds: {names[0]} and {names[1]}.")


def beyond(n: Array) -> Array:
    """sum_{j>k} n_j, (..., k): the rows that went past a stick."""
    after = np.zeros_like(n)
    after[..., :-1] = np.cumsum(n[..., ::-1], axis=-1)[..., -2::-1]
    return after


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
