"""What a search knows so far: the solutions of each family and number of components."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.attempts.base import Attempts, Ended
from ellimix.covariance.base import Family
from ellimix.records import Array
from ellimix.selection.guard import Guard

Key = tuple[str, int]  # family, number of components

SAME = 1e-2  # nats within which two fits have reached the same optimum


@final
@dataclass(frozen=True, eq=False, slots=True)
class Solution:
    """One fit of a stack."""

    ended: Ended
    index: int

    @property
    def log_likelihood(self) -> float:
        """In nats."""
        return float(self.ended.log_likelihood[self.index])

    @property
    def start(self) -> tuple[Array, Array, Array]:
        """What another fit may go on from: counts, means and scatter."""
        i = self.index
        return self.ended.n[i], self.ended.means[i], self.ended.scatter[i]

    @property
    def name(self) -> str:
        """Where its start came from."""
        return self.ended.names[self.index]


@final
@dataclass(eq=False, slots=True)
class Entry:
    """What is known of one cell."""

    best: Solution | None = None  # of those that the guard lets pass
    spurious: Solution | None = None
    failure: tuple[Ended, int] | None = None
    ends: list[float] = field(default_factory=list)  # log-likelihoods of runs to their ends

    @property
    def value(self) -> float:
        """The best log-likelihood, in nats; -inf where there is none."""
        return -np.inf if self.best is None else self.best.log_likelihood

    @property
    def agreed(self) -> int:
        """Runs that reached the best optimum."""
        return int(sum(end >= self.value - SAME for end in self.ends))


@final
class Board:
    """The solutions so far."""

    def __init__(
        self,
        families: Sequence[Family],
        components: Sequence[int],
        guard: Guard,
        resolution: Array | None,
    ) -> None:
        self.families = tuple(families)
        self.components = tuple(components)
        self._guard, self._resolution = guard, resolution
        self._entries: dict[Key, Entry] = {
            (family.name, k): Entry() for family in families for k in components
        }

    def __getitem__(self, key: Key) -> Entry:
        return self._entries[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def attempts(
        self, family: Family, starts: Iterable[tuple[str, tuple[Array, Array, Array]]]
    ) -> Attempts | None:
        """Starts of one number of components as a group, with the cell's best as target."""
        named = list(starts)
        if not named:
            return None
        n, means, scatter = (np.stack(part) for part in zip(*(s for _, s in named), strict=True))
        target = self._entries[family.name, n.shape[1]].value
        return Attempts(family, n, means, scatter, tuple(name for name, _ in named), target)

    def add(self, ended: Sequence[Ended], *, to_end: bool = True) -> set[Key]:
        """Take up what runs found; the cells whose best solution got better."""
        better = set()
        for group in ended:
            if self._add(group, to_end):
                better.add((group.family.name, group.n.shape[1]))
        return better

    def _add(self, group: Ended, to_end: bool) -> bool:
        entry = self._entries[group.family.name, group.n.shape[1]]
        value = group.log_likelihood
        found = np.isfinite(value)
        if not found.any():
            entry.failure = entry.failure or (group, 0)
            return False
        spurious = self._spurious(group, found)
        if to_end:
            entry.ends += value[found & ~group.given_up & ~spurious].tolist()
        bad = np.where(found & spurious, value, -np.inf)
        if bad.max() > (-np.inf if entry.spurious is None else entry.spurious.log_likelihood):
            entry.spurious = Solution(group, int(bad.argmax()))
        good = np.where(found & ~spurious, value, -np.inf)
        if not good.max() > entry.value:
            return False
        better = bool(good.max() > entry.value + SAME)
        entry.best = Solution(group, int(good.argmax()))
        return better

    def _spurious(self, group: Ended, found: NDArray[np.bool_]) -> NDArray[np.bool_]:
        out = np.zeros(found.size, dtype=np.bool_)
        models = group.models().at(found)
        verdicts = self._guard.verdicts(group.family, group.n[found], models, self._resolution)
        out[found] = verdicts.spurious
        return out
