"""Mixtures with a given overlap: the idea of MixSim (Maitra & Melnykov 2010), written anew.

Components i and j overlap by w(j|i) + w(i|j), where w(j|i) is the probability that a row of i has a
higher weighted density under j. Means and covariances are drawn, then the means are spread until
the average or the largest overlap of a pair is at the level asked for. The probabilities are means
over a fixed set of Sobol points, the same at every spread, so that bisection meets a steady target.
Measured with 40,000 fresh rows a component, levels of 0.01 and 0.05 are met to 10 %, and the
largest overlap at a level of 0.001 to 40 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Final

import numpy as np
from scipy.special import ndtri
from scipy.stats import ortho_group
from scipy.stats.qmc import Sobol

POINTS: Final = 14  # log2 of their number: 1.6e4, so that a level of 0.001 stands on 16 of them
TRIES: Final = 200
NEAR: Final = 0.1  # how far from the level, relatively, a mixture may be
SPREADS: Final = (1e-3, 1e4)
# what scaling the columns makes of a family whose axes were its own
SCALED: Final = {
    "EII": "EEI", "VII": "VEI", "EVE": "EVV", "VVE": "VVV", "EEV": "EVV", "VEV": "VVV",
}  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """A mixture: weights (k,), means (k, d), covariances (k, d, d), and their family."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    family: str

    @property
    def k(self) -> int:
        return len(self.weights)

    def spread(self, factor: float) -> Truth:
        """With the means farther apart."""
        return replace(self, means=factor * self.means)

    def scaled(self, scales: np.ndarray) -> Truth:
        """With the columns multiplied; the family follows."""
        covariances = self.covariances * np.outer(scales, scales)
        one = len(scales) == 1
        family = self.family if one else SCALED.get(self.family, self.family)
        return Truth(self.weights, self.means * scales, covariances, family)

    def sample(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Rows (n, d) of the components that the labels (n,) name."""
        factors = np.linalg.cholesky(self.covariances)
        noise = rng.standard_normal((len(labels), self.means.shape[1]))
        return self.means[labels] + np.einsum("nij,nj->ni", factors[labels], noise)


def covariances(family: str, k: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """(k, d, d) within the family: volumes to a factor of 10, axes to one of 10 in length."""
    equal = {letter: family[at] == "E" for at, letter in enumerate(("volume", "shape", "axes"))}
    volumes = 10.0 ** rng.uniform(-0.5, 0.5, size=k)
    shapes = 10.0 ** rng.uniform(-1.0, 1.0, size=(k, d))
    shapes /= np.exp(np.log(shapes).mean(axis=1, keepdims=True))
    if d == 1:
        axes = np.ones((k, 1, 1))
    else:
        axes = np.stack([ortho_group.rvs(d, random_state=rng) for _ in range(k)])
    if equal["volume"]:
        volumes[:] = 1.0
    if family[1] == "I":
        shapes[:] = 1.0
    elif equal["shape"]:
        shapes[:] = shapes[0]
    if family[2] == "I":
        axes[:] = np.eye(d)
    elif equal["axes"]:
        axes[:] = axes[0]
    return np.einsum("k,kia,ka,kja->kij", volumes, axes, shapes, axes)


def overlaps(truth: Truth) -> Callable[[float], np.ndarray]:
    """Of the means' spread: the matrix of w(j|i), (k, k), with zeros on its diagonal."""
    k, d = truth.means.shape
    cube = Sobol(d, scramble=True, seed=0).random_base2(POINTS)
    points = ndtri(np.clip(cube, 1e-12, 1.0 - 1e-12))
    lower = np.linalg.cholesky(truth.covariances)
    half_logdet = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    constant = np.log(truth.weights) - half_logdet
    length = (points**2).sum(axis=1)
    pairs = {}
    for i, j in permutations(range(k), 2):
        # in j's own units a row of i is turned + spread * shift
        turned = points @ np.linalg.solve(lower[j], lower[i]).T
        shift = np.linalg.solve(lower[j], truth.means[i] - truth.means[j])
        square = constant[j] - constant[i] + 0.5 * (length - (turned**2).sum(axis=1))
        pairs[i, j] = square, turned @ shift, 0.5 * shift @ shift

    def at(spread: float) -> np.ndarray:
        matrix = np.zeros((k, k))
        for (i, j), (square, linear, half) in pairs.items():
            matrix[i, j] = np.mean(square - spread * linear - spread**2 * half > 0.0)
        return matrix

    return at


def average(matrix: np.ndarray) -> float:
    """The mean overlap of a pair."""
    k = len(matrix)
    return float(matrix.sum() / (k * (k - 1) / 2))


def largest(matrix: np.ndarray) -> float:
    """The overlap of the pair that overlaps most."""
    return float((matrix + matrix.T).max())


def with_overlap(
    family: str,
    weights: np.ndarray,
    d: int,
    level: float,
    of: Callable[[np.ndarray], float],
    rng: np.random.Generator,
) -> Truth:
    """A mixture whose overlap, as `of` takes it, is at the level."""
    k = len(weights)
    for _ in range(TRIES):
        means = rng.uniform(size=(k, d))
        truth = Truth(weights, means, covariances(family, k, d, rng), family)
        matrix = overlaps(truth)
        low, high = np.log(SPREADS)
        if of(matrix(SPREADS[0])) < level:
            continue  # apart by their covariances alone
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if of(matrix(np.exp(middle))) > level else (low, middle)
        spread = float(np.exp(high))
        if abs(of(matrix(spread)) / level - 1.0) <= NEAR:
            return truth.spread(spread)
    raise RuntimeError(f"no mixture {family}, K = {k}, d = {d} with an overlap of {level}")
