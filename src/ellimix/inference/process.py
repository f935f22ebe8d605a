"""A Dirichlet process whose concentration has a gamma prior.

The number of components that a process with concentration gamma fills grows with gamma, so its
value matters. With gamma ~ Gamma(s, r) it is estimated (Escobar & West 1995; Blei & Jordan 2006,
section 6). Sticks beyond the k-th have no rows: given gamma they keep their prior Beta(1, gamma),
so that the form of the posterior is

    q(gamma) prod_{j<=k} q(v_j) prod_{j>k} p(v_j | gamma)

and what lies beyond k has no divergence. The first k sticks have, all of them, for none ends the
unit interval. With p(v | gamma) = gamma (1 - v)^(gamma - 1) and t_j = E[log(1 - v_j)] the best are

    q(v_j)   = Beta(1 + n_j, E[gamma] + sum_{l>j} n_l)
    q(gamma) = Gamma(s + k, r - sum_{j<=k} t_j).

Blei & Jordan have k - 1 for k, since they end the interval with the k-th stick. Each of the two
lines needs the other; together they have one solution, a number found by Newton's method at every
update. To alternate instead is slow where most sticks are unused: an unused stick says
t_j = -1 / E[gamma], which is no news, so that each round moves E[gamma] by a share 1 / k or less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, final

import numpy as np
from scipy.special import betaln, digamma, gammaln, logsumexp, polygamma

from ellimix.inference.mixing import WeightPrior, beyond, other_kind
from ellimix.records import Array

STEPS: Final = 200  # of Newton's method or halving: 60 halve any interval of logarithms to rounding
EPS: Final = 4.0 * float(np.finfo(np.float64).eps)
SMALLEST: Final = 1e-290
NODES: Final = np.polynomial.legendre.leggauss(16)
NEGLIGIBLE: Final = 1e-18


@final
@dataclass(frozen=True, eq=False)
class UncertainProcess:
    """A Dirichlet process with concentration gamma ~ Gamma(shape, rate).

    Parameters
    ----------
    shape, rate : float
        s > 0 and r > 0: the prior mean of gamma is s / r, its variance s / r^2.
    earlier : ndarray of shape (k,), optional
        Counts n_j of rows before these, which the sticks have seen. The prior is then the exact
        posterior of sticks and gamma given those counts,
        p(gamma) prod_j p(v_j | gamma) v_j^n_j (1 - v_j)^(sum_{l>j} n_l) / Z.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.inference.process import UncertainProcess
    >>> prior = UncertainProcess(1.0, 1.0)
    >>> sticks = prior.posterior(np.array([60.0, 40.0, 0.0, 0.0]))
    >>> shape, rate = prior.process(sticks)
    >>> float(round(shape / rate, 2)), sticks[:, 1].round(2)
    (0.35, array([40.35,  0.35,  0.35,  0.35]))
    """

    shape: float
    rate: float
    earlier: Array | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` where the prior is none."""
        if not (0.0 < self.shape < np.inf and 0.0 < self.rate < np.inf):
            raise ValueError(
                f"The gamma prior of a concentration has shape {self.shape:g} and rate "
                f"{self.rate:g}: both must be positive numbers."
            )

    def posterior(self, n: Array) -> Array:
        """Both parameters of each stick (..., k, 2), at the best q(gamma)."""
        total = n if self.earlier is None else n + self.earlier
        after = beyond(total)
        mean = _expected(total, after, self.shape, self.rate)
        return np.stack([1.0 + total, mean[..., None] + after], axis=-1)

    def process(self, concentration: Array) -> Array:
        """Shape and rate of q(gamma), (..., 2)."""
        a, b = concentration[..., 0], concentration[..., 1]
        rate = self.rate + (digamma(a + b) - digamma(b)).sum(axis=-1)
        return np.stack([np.full_like(rate, self.shape + a.shape[-1]), rate], axis=-1)

    def divergence(self, concentration: Array) -> Array:
        """KL of q(gamma), and what q(gamma) expects of the sticks' from Beta(1, gamma)."""
        a, b = concentration[..., 0], concentration[..., 1]
        k = a.shape[-1]
        known = np.zeros(k) if self.earlier is None else self.earlier
        process = self.process(concentration)
        shape, rate = process[..., 0], process[..., 1]
        mean, log_mean = shape / rate, digamma(shape) - np.log(rate)
        own = (shape - self.shape) * digamma(shape) - gammaln(shape) + gammaln(self.shape)
        own = own + self.shape * np.log(rate / self.rate) + mean * (self.rate - rate)
        total, second = digamma(a + b), mean[..., None] + beyond(known)
        logs = (a - 1.0 - known) * (digamma(a) - total) + (b - second) * (digamma(b) - total)
        sticks = (logs - betaln(a, b)).sum(axis=-1) - k * log_mean
        return np.asarray(own + sticks + self._log_evidence)

    def after(self, concentration: Array) -> UncertainProcess:
        """Which has seen the counts that made the sticks so."""
        return replace(self, earlier=concentration[:, 0] - 1.0)

    def faded(self, factor: float, base: WeightPrior) -> UncertainProcess:
        """With that share of the earlier counts; the prior of gamma must be the same."""
        if not isinstance(base, UncertainProcess):
            raise other_kind(self, base)
        if (self.shape, self.rate) != (base.shape, base.rate):
            raise ValueError("Two priors of the concentration: shape and rate must be the same.")
        if self.earlier is None and base.earlier is None:
            return self
        own, other = (0.0 if p.earlier is None else p.earlier for p in (self, base))
        return replace(self, earlier=np.asarray(factor * own + (1.0 - factor) * other))

    @cached_property
    def _log_evidence(self) -> float:
        """log Z, the probability of the earlier counts: an integral over log gamma."""
        return 0.0 if self.earlier is None else _log_evidence(self.earlier, self.shape, self.rate)


def _expected(n: Array, after: Array, shape: float, rate: float) -> Array:
    """E[gamma] at the joint optimum of q(gamma) and the sticks, (...,).

    It solves g (r + sum_j psi(1 + n_j + g + c_j) - psi(g + c_j)) = s + k with c_j the rows beyond
    j. The left side grows with g. A stick without rows beyond has g / g = 1 in its term, which is
    taken from both sides: with few sticks used and a small s, all would be lost in it.
    """
    last = after == 0.0
    goal = np.asarray(shape + np.count_nonzero(~last, axis=-1))
    start = np.maximum(after + last, SMALLEST)

    def whole(g: Array) -> Array:
        return np.asarray(rate + (digamma(g + after + 1.0 + n) - digamma(g + start)).sum(axis=-1))

    def excess(t: Array) -> tuple[Array, Array]:
        """log of the left side over the right, and its derivative, at g = exp(t)."""
        g = np.exp(t)[..., None]
        factor = whole(g)
        bend = polygamma(1, g + after + 1.0 + n) - polygamma(1, g + start)
        return t + np.log(factor / goal), 1.0 + g[..., 0] * bend.sum(axis=-1) / factor

    return np.exp(_root(excess, np.log(goal / whole(np.zeros(1))), np.log(goal / rate)))


def _root(excess: Callable[[Array], tuple[Array, Array]], low: Array, high: Array) -> Array:
    """Where an increasing function is 0, between `low` and `high`: Newton's method, or halving."""
    t = 0.5 * (low + high)
    for _ in range(STEPS):
        value, slope = excess(t)
        low, high = np.where(value < 0.0, t, low), np.where(value < 0.0, high, t)
        with np.errstate(divide="ignore", invalid="ignore"):
            there = t - value / slope
        there = np.where((there >= low) & (there <= high), there, 0.5 * (low + high))
        step, t = np.abs(there - t), there
        if (step <= EPS * np.maximum(np.abs(t), 1.0)).all():
            break
    return t


def _log_evidence(n: Array, shape: float, rate: float) -> float:
    """log of the integral of p(gamma) prod_j gamma B(1 + n_j, gamma + c_j).

    Over log gamma. Left of `low` the integrand is a power of gamma to rounding, whose integral is
    known; right of `high` is less than 1e-20 of all, as of the distribution Gamma(s + k, r), since
    B falls as gamma grows.
    """
    k, after = n.size, beyond(n)
    slope = shape + np.count_nonzero(after)
    used = after[after > 0.0]
    smallest = min(float(used.min()), 1.0) if used.size else 1.0
    scale = rate + (digamma(1.0 + n + after + 1.0) - digamma(np.maximum(after, 1.0))).sum()
    low = np.log(NEGLIGIBLE * smallest / scale)
    high = np.log((shape + k + 60.0 + 12.0 * np.sqrt(shape + k)) / rate)
    width = min(0.25, 1.0 / np.sqrt(shape + k))
    edges = np.linspace(low, high, int(np.ceil((high - low) / width)) + 1)
    half = 0.5 * np.diff(edges)[:, None]
    t = (edges[:-1, None] + half * (1.0 + NODES[0])).ravel()
    logs = np.log(half * NODES[1]).ravel()

    def integrand(t: Array) -> Array:
        g = np.exp(t)
        sticks = sum(betaln(1.0 + own, g + past) for own, past in zip(n, after, strict=True))
        return np.asarray((shape + k) * t - rate * g + sticks)

    tail = integrand(np.array([low])) - np.log(slope)
    constant = shape * np.log(rate) - gammaln(shape)
    return float(constant + logsumexp(np.concatenate([tail, integrand(t) + logs])))
