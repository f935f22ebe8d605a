"""What a search knows so far: the solutions of each family and number of components."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.attempts.base import Attempts, Ended, Start, models_of, stacked
from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Family, free_parameters
from ellimix.inference.box import Box
from ellimix.inference.pseudo_data import Assumed
from ellimix.records import Array
from ellimix.selection.criteria import bic
from ellimix.selection.guard import Guard

Key = tuple[str, int]  # family, number of components

# Up to so many rows a nat is a nat. With more, fits that differ by one differ in ever less that
# matters, and EM takes ever longer to tell them apart.
LIKE_ROWS = 500.0
NEAR = 0.5  # nats below the best of a fit that may end above it
CLOSE = 4  # such fits that are kept, with the best; fewer of many rows, in proportion
LITTLE = 0.01  # nats by which a fit on the way must be better
APART = 5e-3  # nats between two fits that are not the same
DISTINCT = 0.003  # of all rows: a difference of counts that tells partitions apart
SAME = 0.1  # nats within which two fits are on the way to the same optimum


@final
@dataclass(frozen=True, eq=False, slots=True)
class Solution:
    """One fit of a stack."""

    ended: Ended
    index: int

    @property
    def objective(self) -> float:
        """What fits of a cell are compared by, in nats: the log-likelihood plus the log-prior."""
        return float(self.ended.objective[self.index])

    @property
    def log_likelihood(self) -> float:
        """In nats."""
        return float(self.ended.log_likelihood[self.index])

    @property
    def start(self) -> Start:
        """What another fit may go on from: counts, means and scatter."""
        i = self.index
        return self.ended.n[i], self.ended.means[i], self.ended.scatter[i]

    def like(self, other: Solution) -> bool:
        """Whether it is about the same fit: as good, and with the same counts."""
        if abs(self.objective - other.objective) > APART:
            return False
        mine, its = np.sort(self.start[0]), np.sort(other.start[0])
        return bool(np.abs(mine - its).max() <= DISTINCT * mine.sum())

    @property
    def noise_n(self) -> float | None:
        """The noise component's count, where there is one."""
        return None if self.ended.noise_n is None else float(self.ended.noise_n[self.index])

    @property
    def name(self) -> str:
        """Where its start came from."""
        return self.ended.names[self.index]


@final
@dataclass(eq=False, slots=True)
class Entry:
    """What is known of one cell."""

    best: Solution | None = None  # of those that the guard lets pass
    close: list[Solution] = field(default_factory=list)  # fits that may end above it
    spurious: Solution | None = None
    failure: Ended | None = None  # fits of which none had a sound end
    ends: list[float] = field(default_factory=list)  # objectives of runs to their ends

    @property
    def value(self) -> float:
        """The best objective, in nats; -inf where there is none."""
        return -np.inf if self.best is None else self.best.objective

    def agreed(self, scale: float) -> int:
        """Runs that reached the best optimum."""
        return int(sum(abs(end - self.value) <= SAME * scale for end in self.ends))


def likeness(weight: float) -> float:
    """How many nats count as one for rows of that weight."""
    return max(1.0, weight / LIKE_ROWS)


@final
@dataclass(frozen=True, eq=False)
class Setting:
    """What a board must know of the rows.

    Parameters
    ----------
    guard : Guard
    resolution : ndarray of shape (d,) or None
        Steps of the columns' grids.
    observation : float
        What a row weighs (see `ellimix.selection.grain`).
    n_features : int
    weight : float
        Sum of the row weights.
    box : Box or None
        Where a noise component is uniform; None without one.
    clutter : float
        Weight of the rows that starts leave to the noise, relative to that of the others.
    prior : Assumed or None
        The prior of all fits; None for maximum likelihood.
    """

    guard: Guard
    resolution: Array | None
    observation: float
    n_features: int
    weight: float
    box: Box | None = None
    clutter: float = 0.0
    prior: Assumed | None = None

    def bounded(self, family: Family, k: int) -> bool:
        """Whether a prior keeps the covariances of a model away from singular ones."""
        return self.prior is not None and self.prior.of(family, k, self.box is not None).bounded

    def n_parameters(self, key: Key) -> int:
        """Free parameters of a cell's models."""
        family, k = key
        return free_parameters(FAMILIES[family], k, self.n_features) + (self.box is not None)

    def overfull(self, key: Key) -> bool:
        """Whether a cell's models have too many parameters for the rows; one component may."""
        if key[1] == 1:
            return False
        rows = self.weight / self.observation
        return self.guard.overfull(rows, self.n_features, self.n_parameters(key))

    @property
    def scale(self) -> float:
        """How many nats count as one: with more rows than `LIKE_ROWS` each counts for less."""
        return likeness(self.weight)


@final
class Board:
    """The solutions so far."""

    def __init__(
        self, families: Sequence[Family], components: Sequence[int], setting: Setting
    ) -> None:
        self.families = tuple(families)
        self.components = tuple(sorted(set(components)))
        self.setting = setting
        self._entries: dict[Key, Entry] = {
            (family.name, k): Entry() for family in self.families for k in self.components
        }

    def __getitem__(self, key: Key) -> Entry:
        return self._entries[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._entries)

    def emptied(self, setting: Setting) -> Board:
        """A board of the same cells over other rows, of which nothing is known yet."""
        return Board(self.families, self.components, setting)

    def bic(self, key: Key) -> float:
        """BIC of a cell's best fit; inf where there is none that may be chosen."""
        best = self[key].best
        if best is None or self.setting.overfull(key):
            return np.inf
        return bic(best.log_likelihood, self.setting.n_parameters(key), self.setting.weight)

    def attempts(self, family: Family, starts: Iterable[tuple[str, Start]]) -> Attempts | None:
        """Partitions of one number of components as a group, with the cell's best as target.

        They leave to a noise component, where there is one, its share of the rows.
        """
        named = list(starts)
        if not named:
            return None
        names = tuple(name for name, _ in named)
        whole = stacked(start for _, start in named)
        clutter = self.setting.clutter * whole[0].sum(axis=1)
        return self.group(family, whole, names, None if self.setting.box is None else clutter)

    def group(
        self, family: Family, starts: Start, names: tuple[str, ...], noise_n: Array | None
    ) -> Attempts:
        """Stacked starts as a group, with the cell's best as target."""
        target = self._entries[family.name, starts[0].shape[1]].value
        return Attempts(family, *starts, names, target, noise_n)

    def add(self, ended: Sequence[Ended], *, last: bool = False) -> set[Key]:
        """Take up what runs found; the cells whose best solution got better.

        Before the `last` runs, those to the cells' ends, a fit that is better by next to nothing is
        the same one, a few passes further.
        """
        ahead = [(group, self._ahead(group, last)) for group in ended]
        picks = [(group, which) for group, which in ahead if which.size]
        first = self._marked([(group, int(which[0])) for group, which in picks])
        better = set()
        for (group, which), marked in zip(picks, first, strict=True):
            if self._take(group, which, marked):
                better.add((group.family.name, group.n.shape[1]))
        return better

    def _ahead(self, group: Ended, last: bool) -> NDArray[np.intp]:
        """The fits that are better than the best so far, best first: others change nothing."""
        entry = self._entries[group.family.name, group.n.shape[1]]
        value = group.objective
        found = np.isfinite(value)
        if not found.any():
            entry.failure = entry.failure or group
            return np.empty(0, dtype=np.intp)
        entry.ends += value[found & ~group.given_up].tolist()
        self._keep_close(entry, group)
        least = 0.0 if last else LITTLE * self.setting.scale
        which = np.flatnonzero(value > entry.value + least)
        return which[np.argsort(-value[which], kind="stable")]

    def _take(self, group: Ended, which: NDArray[np.intp], marked: bool) -> bool:
        """Take the first of these fits that the guard lets pass, which knows of the first one."""
        entry = self._entries[group.family.name, group.n.shape[1]]
        place = 0
        if marked:
            if entry.spurious is None or (group.objective[which[0]] > entry.spurious.objective):
                entry.spurious = Solution(group, int(which[0]))
            rest = self._marked([(group, int(i)) for i in which[1:]])
            if all(rest):
                return False
            place = 1 + rest.index(False)
        best = Solution(group, int(which[place]))
        better = best.objective > entry.value + SAME * self.setting.scale
        entry.best = best
        return better

    def _keep_close(self, entry: Entry, group: Ended) -> None:
        """Remember fits that are not far below the best: on the way none has quite ended."""
        value, scale = group.objective, self.setting.scale
        best = max(entry.value, float(value.max()))
        near = np.flatnonzero((value > best - NEAR * scale) & ~group.given_up)
        if not near.size:
            return
        found = [Solution(group, int(i)) for i in near]
        found += [s for s in entry.close if s.objective > best - NEAR * scale]
        entry.close.clear()
        for solution in sorted(found, key=lambda s: -s.objective):
            if not any(solution.like(other) for other in entry.close):
                entry.close.append(solution)
        del entry.close[max(1, round(CLOSE / scale)) :]

    def _marked(self, fits: Sequence[tuple[Ended, int]]) -> list[bool]:
        """Whether the guard marks each of these fits: those of a kind are judged together."""
        setting, guard = self.setting, self.setting.guard
        kinds: dict[object, list[int]] = {}
        for place, (group, _) in enumerate(fits):
            family, k = group.family, group.n.shape[1]
            kind = (k, family.structure, guard.kind(family, setting.n_features))
            kinds.setdefault(kind, []).append(place)
        out = np.zeros(len(fits), dtype=np.bool_)
        for places in kinds.values():
            own, family = [fits[place] for place in places], fits[places[0]][0].family
            counts = np.stack([group.n[i] for group, i in own]) / setting.observation
            factor = np.stack([group.factor[i] for group, i in own])
            clear = guard.clearly_sound(family, counts, factor, setting.resolution)
            doubtful = np.flatnonzero(~clear)
            if doubtful.size:
                models = models_of(family.structure, [own[i] for i in doubtful])
                found = guard.verdicts(
                    family, counts[doubtful], models, setting.resolution, setting.box
                )
                out[np.asarray(places)[doubtful]] = found.spurious
        return out.tolist()
