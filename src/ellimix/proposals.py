"""Merges, deletes, births and exchanges of components: starts for a fit that may be stuck.

All are made from the statistics of one pass, with no further look at a row. A component without
rows is a free place: merges and deletes make one, a birth takes one. The statistics of a merge are
exact. A birth cuts a component as if it were a Gaussian, by a plane through its mean: the halves
have means +- sqrt(2 / pi) a and keep the covariance less (2 / pi) a a^T, where a = Sigma w /
sqrt(w^T Sigma w) for a plane with normal w (the moments of a half-normal distribution). Where no
place is free, an exchange merges two components and cuts a third one (Ueda et al. 2000).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from ellimix.covariance.base import eigen
from ellimix.records import Array, Moment, SufficientStatistics

HALF = 2.0 / np.pi
EMPTY = 0.5  # rows: a component with fewer is a free place
TINY = 1e-9  # of the whole data's variances: what makes a flat component's matrix regular
PAIRS_EXCHANGED = 3
DIRECTIONS = 4  # in which a component is cut: across its longest axis, the others at random

KINDS: Final = ("order", "merge", "delete", "birth", "exchange")


@final
@dataclass(frozen=True, eq=False)
class Parts:
    """What each component of a fit consists of.

    Parameters
    ----------
    n : ndarray of shape (k,)
        Counts.
    means : ndarray of shape (k, d)
    scatter : ndarray of shape (k, d) or (k, d, d)
        About the means; the diagonals alone for axis-parallel families.
    """

    n: Array
    means: Array
    scatter: Array

    @classmethod
    def of(cls, statistics: SufficientStatistics) -> Parts:
        """Those of one fit's statistics, with full or diagonal second moments."""
        n = statistics.n
        filled = replace(statistics, n=np.where(n > 0.0, n, 1.0))  # else the sums are 0
        return cls(n, filled.means(), filled.scatter())

    @property
    def diagonal(self) -> bool:
        """Whether only the diagonals of the scatter are known."""
        return self.scatter.ndim == 2

    def units(self) -> Array:
        """Standard deviations of the columns over all rows, (d,); 1 for a flat one."""
        variances = self.scatter if self.diagonal else self.scatter.diagonal(0, -2, -1)
        share = self.n / self.n.sum()
        shift = self.means - share @ self.means
        total = variances.sum(axis=0) / self.n.sum() + share @ shift**2
        return np.sqrt(np.where(total > 0.0, total, 1.0))

    def put(self, k: int, n: float, mean: Array, scatter: Array) -> Parts:
        """The same with another component in place k."""
        parts = Parts(self.n.copy(), self.means.copy(), self.scatter.copy())
        parts.n[k], parts.means[k], parts.scatter[k] = n, mean, scatter
        return parts

    def without(self, k: int) -> Parts:
        """The same with place k free."""
        return self.put(k, 0.0, self.means[k], np.zeros_like(self.scatter[k]))

    def merged(self, i: int, j: int) -> Parts:
        """The same with components i and j as one in place i, and place j free."""
        count = self.n[i] + self.n[j]
        apart, share = self.means[j] - self.means[i], self.n[j] / count
        between = self.n[i] * share * self._square(apart)
        scatter = self.scatter[i] + self.scatter[j] + between
        return self.put(i, count, self.means[i] + share * apart, scatter).without(j)

    def cut(self, i: int, j: int, a: Array) -> Parts:
        """The same with component i cut in two halves, `a` as the module's text says; j is lost."""
        shift = np.sqrt(HALF) * a
        half = 0.5 * (self.scatter[i] - self.n[i] * self._square(shift))
        upper = self.put(j, 0.5 * self.n[i], self.means[i] + shift, half)
        return upper.put(i, 0.5 * self.n[i], self.means[i] - shift, half)

    def ordered(self, order: NDArray[np.intp]) -> Parts:
        """The components in another order."""
        return Parts(self.n[order], self.means[order], self.scatter[order])

    def longest(self, i: int, units: Array) -> Array:
        """`a` of component i for a cut across its longest axis, with the columns in `units`."""
        within = self.scatter[i] / self.n[i]
        if self.diagonal:
            variances = within / units**2
            axis = int(variances.argmax())
            out = np.zeros_like(units)
            out[axis] = np.sqrt(within[axis])
            return out
        values, vectors = eigen(within / np.outer(units, units))
        axis = vectors[:, -1] * np.sign(vectors[np.abs(vectors[:, -1]).argmax(), -1])
        return np.asarray(np.sqrt(max(values[-1], 0.0)) * units * axis)

    def anywhere(self, i: int, direction: Array) -> Array:
        """`a` of component i for a cut across a direction (d,) of the component made round."""
        unit = direction / np.linalg.norm(direction)
        within = self.scatter[i] / self.n[i]
        if self.diagonal:
            return np.asarray(np.sqrt(within) * unit)
        values, vectors = eigen(within)
        return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ (vectors.T @ unit))

    def apart(self, i: int, j: int, units: Array) -> float:
        """Squared distance of two means in the covariance that both have together."""
        away = (self.means[j] - self.means[i]) / units
        scatter = (self.scatter[i] + self.scatter[j]) / (self.n[i] + self.n[j])
        if self.diagonal:
            return float((away**2 / (scatter / units**2 + TINY)).sum())
        matrix = scatter / np.outer(units, units) + TINY * np.eye(units.size)
        return float(away @ cho_solve(cho_factor(matrix, lower=True), away))

    def statistics(self, moment: Moment, like: SufficientStatistics) -> SufficientStatistics:
        """What an M-step gets, with the totals of the pass `like`."""
        s2 = self.scatter.sum(axis=0) if moment is Moment.POOLED else self.scatter
        zero = np.zeros_like(self.means)
        return replace(like, n=self.n, s1=zero, s2=s2, center=self.means, moment=moment)

    def _square(self, vector: Array) -> Array:
        return np.asarray(vector**2 if self.diagonal else np.outer(vector, vector))


@final
@dataclass(frozen=True, eq=False)
class Proposal:
    """One changed set of components.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    components : tuple of int
        The components concerned: those merged, the one deleted or cut, of an exchange the two that
        are merged and the one that is cut.
    parts : Parts
    """

    kind: str
    components: tuple[int, ...]
    parts: Parts

    @property
    def deed(self) -> str:
        """What is done, as a sentence begins."""
        named = [str(k) for k in self.components]
        match self.kind:
            case "order":
                return "Ordered the components by size"
            case "merge":
                return f"Merged components {named[0]} and {named[1]}"
            case "delete":
                return f"Deleted component {named[0]}"
            case "birth":
                return f"Split component {named[0]}"
            case _:
                return f"Merged components {named[0]} and {named[1]} and split {named[2]}"


def proposals(
    parts: Parts, sticks: bool, frees: bool, most: int, random: np.random.RandomState
) -> list[Proposal]:
    """Changes of a fit that may raise its bound.

    Parameters
    ----------
    parts : Parts
    sticks : bool
        Whether components have an order, in which larger ones belong to the front: so all
        proposals are in it, and the order itself is one.
    frees : bool
        Whether a fit may have components without rows. If not, exchanges alone are proposed.
    most : int
        The most pairs to merge (the nearest), and the most components to delete (the smallest).
    random : RandomState
        For directions of cuts.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.proposals import Parts, proposals
    >>> parts = Parts(np.array([4.0, 0.0, 4.0]), np.array([[0.0], [9.0], [1.0]]), np.ones((3, 1)))
    >>> [p.deed for p in proposals(parts, True, True, 5, np.random.RandomState(0))][:4]
    ['Ordered the components by size', 'Merged components 0 and 2', 'Deleted component 0',
     'Deleted component 2']
    """
    full = parts.n >= EMPTY if frees else parts.n > 0.0
    filled = [int(k) for k in np.flatnonzero(full)]
    free = [int(k) for k in np.flatnonzero(~full)] if frees else []
    units = parts.units()
    axes = _axes(parts, filled, units, random)
    pairs = sorted(combinations(filled, 2), key=lambda pair: parts.apart(pair[0], pair[1], units))[
        :most
    ]
    out: list[Proposal] = []
    if frees:
        out += [Proposal("merge", pair, parts.merged(*pair)) for pair in pairs]
        if len(filled) > 1:
            small = sorted(filled, key=lambda k: float(parts.n[k]))[:most]
            out += [Proposal("delete", (k,), parts.without(k)) for k in small]
        if free:
            place = min(free, key=lambda k: float(parts.n[k]))
            out += [
                Proposal("birth", (k,), parts.cut(k, place, a)) for k in filled for a in axes[k]
            ]
    if not free:
        out += _exchanges(parts, pairs[:PAIRS_EXCHANGED], axes)
    return list(_ordered(parts, out)) if sticks else out


def _axes(
    parts: Parts, filled: Iterable[int], units: Array, random: np.random.RandomState
) -> dict[int, list[Array]]:
    """For each component the cuts that are tried."""
    d = units.size
    out = {}
    for k in filled:
        out[k] = [parts.longest(k, units)]
        if d > 1:  # with one feature all cuts are the same
            out[k] += [parts.anywhere(k, random.normal(size=d)) for _ in range(DIRECTIONS - 1)]
    return out


def _exchanges(
    parts: Parts, pairs: Iterable[tuple[int, int]], axes: dict[int, list[Array]]
) -> Iterator[Proposal]:
    for i, j in pairs:
        fewer = parts.merged(i, j)
        for k in axes:
            if k not in (i, j):
                yield Proposal("exchange", (i, j, k), fewer.cut(k, j, axes[k][0]))


def _ordered(parts: Parts, made: Iterable[Proposal]) -> Iterator[Proposal]:
    """All in descending order of their counts, and this order alone if it is a new one."""
    order = _descending(parts)
    if (order != np.arange(order.size)).any():
        yield Proposal("order", (), parts.ordered(order))
    for proposal in made:
        yield replace(proposal, parts=proposal.parts.ordered(_descending(proposal.parts)))


def _descending(parts: Parts) -> NDArray[np.intp]:
    return np.argsort(-parts.n, kind="stable")
