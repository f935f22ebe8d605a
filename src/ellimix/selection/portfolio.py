"""Which fits a search runs, in what order: the ones that promise most first.

1  trees       every family and K from the cuts of hierarchical agglomerations
2  nested      each family goes on from the fits of other families with the same K
3  splits      from K - 1: each component cut in two; from K + 1: the cheapest merges
4  again       steps 2 and 3 for what became better, until nothing does
5  moves       the best cells: a merge and a split at once (Ueda et al. 2000), and short runs from
               random rows (Biernacki, Celeux & Govaert 2003), the best of which go on

Families that do not depend on the columns' units take starts from one another alone, so that
neither do their results; the others take starts from all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.attempts.base import Attempts, Ended, Runner
from ellimix.attempts.moves import exchanges, merges, splits
from ellimix.covariance.base import Family
from ellimix.records import Array
from ellimix.selection.board import Board, Key, Solution

# families whose fits do not change when a column's unit does
UNIT_FREE = frozenset(("EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVV", "VVV"))

# partitions that depend on the columns' units
OWN_UNITS = frozenset(("tree VII VARS", "tree VVV VARS"))

SHORT = 8  # passes of a short run
JUDGED = 10  # passes after which a run that is not going to be the best is given up
MERGES = 3  # pairs that are tried
ROUNDS = 4  # of steps 2 and 3
KEPT = 2  # short runs of a cell that go on to their ends
GLANCE = 4  # passes after which another family's partition shows what it is worth
PARTITIONS = 3  # of other families that go on
DISTINCT = 0.003  # of all rows: a difference of counts that tells partitions apart
ALIKE = 1e-3  # nats between short runs that are on the same way

Start = tuple[Array, Array, Array]
Move = Callable[[Array, Array, Array], Start]


@final
@dataclass(frozen=True, eq=False)
class Effort:
    """How much a search does.

    Parameters
    ----------
    tolerance : float
        Nats that a cell's best fit may still have to gain in the end.
    rough : float
        The same of fits on the way there.
    max_iter : int
        Passes of a fit at most.
    rounds : int
        Of exchanges between families and numbers of components.
    cells : int
        Cells that step 5 works on.
    random : int
        Random short runs of each of them.
    """

    tolerance: float = 1e-3
    rough: float = 0.05
    max_iter: int = 1000
    rounds: int = ROUNDS
    cells: int = 12
    random: int = 12


@final
class Portfolio:
    """The steps, each of which returns the cells that it made better.

    Parameters
    ----------
    board : Board
    runner : Runner
    effort : Effort
    stop : callable
        Whether time is up.
    """

    def __init__(
        self,
        board: Board,
        runner: Runner,
        effort: Effort,
        stop: Callable[[], bool],
    ) -> None:
        self.board, self.runner, self.effort, self.stop = board, runner, effort, stop

    # -- steps -------------------------------------------------------------------------------

    def from_partitions(
        self, partitions: dict[str, dict[int, Start]], careful: bool = False
    ) -> set[Key]:
        """Every family from partitions, by name and number of components.

        Those that depend on the columns' units may serve only families that do, too: their names
        are in `OWN_UNITS`.
        """
        groups = []
        for k in self._descending():
            for family in self.board.families:
                starts = [
                    (name, cuts[k])
                    for name, cuts in partitions.items()
                    if k in cuts and not (name in OWN_UNITS and family.name in UNIT_FREE)
                ]
                groups.append(self.board.attempts(family, starts))
        if careful:
            return self._whole(groups, careful=True)
        return self._short_then_whole(groups)

    def to_the_end(self) -> None:
        """Every cell's best fit, as far as it goes."""
        groups = []
        for family, k in self._cells(list(self.board)):
            best = self._best(family, k)
            if best is not None:
                groups.append(self.board.attempts(family, [(best.name, best.start)]))
        self._run([g for g in groups if g is not None], self.effort.tolerance, None, True)

    def nested(self, changed: set[Key]) -> set[Key]:
        """Every family from the other families' fits with the same number of components."""
        groups: list[Attempts | None] = []
        for k in self._descending():
            donors = self._sources(k, changed)
            if not donors:
                continue
            starts = zip(*(solution.start for _, solution in donors), strict=True)
            n, means, scatter = (np.stack(part) for part in starts)
            for family in self.board.families:
                use = self._donors(family, donors, np.sort(n, axis=1))
                if use:
                    names = tuple(f"nested {donors[i][0].name}" for i in use)
                    target = self.board[family.name, k].value
                    group = Attempts(family, n[use], means[use], scatter[use], names, target)
                    groups.append(group)
        return self._short_then_whole(groups, GLANCE, PARTITIONS)

    def splits(self, changed: set[Key]) -> set[Key]:
        """Every cell whose neighbour with one component less changed, from its splits."""
        better: set[Key] = set()
        for k in sorted(self.board.components)[1:]:
            sources = self._sources(k - 1, changed | better)
            better |= self._short_then_whole(self._moved("split", sources, splits))
        return better

    def merges(self, changed: set[Key]) -> set[Key]:
        """Every cell whose neighbour with one component more changed, from its merges."""
        better: set[Key] = set()
        for k in self._descending()[1:]:
            sources = self._sources(k + 1, changed | better)
            better |= self._short_then_whole(self._moved("merge", sources, _cheap(merges)))
        return better

    def moves(self, keys: Sequence[Key]) -> set[Key]:
        """The fits of some cells, with two components merged and another one split."""
        groups: list[Attempts | None] = []
        for k in sorted({k for _, k in keys if k > 2}):
            sources = self._sources(k, set(keys))
            groups += self._moved("split and merge", sources, _cheap(exchanges))
        return self._short_then_whole(groups)

    def short_runs(self, keys: Sequence[Key], draws: Callable[[int], list[Start]]) -> set[Key]:
        """Some cells from `draws` of k rows each."""
        groups = []
        for family, k in self._cells(keys):
            if k > 1:
                starts = [("short runs", start) for start in draws(k)]
                groups.append(self.board.attempts(family, starts))
        return self._short_then_whole(groups)

    # -- running -----------------------------------------------------------------------------

    def _whole(self, groups: Iterable[Attempts | None], careful: bool = False) -> set[Key]:
        """Runs to where little is left to be gained."""
        some = [group for group in groups if group is not None]
        return self._run(some, self.effort.rough, JUDGED, careful)

    def _run(
        self, groups: list[Attempts], tolerance: float, judged: int | None, careful: bool
    ) -> set[Key]:
        if not groups or self.stop():
            return set()
        ended = self.runner.run(
            groups,
            tolerance=tolerance,
            max_iter=self.effort.max_iter,
            judged=judged,
            careful=careful,
            stop=self.stop,
        )
        return self.board.add(ended)

    def _short_then_whole(
        self, groups: Iterable[Attempts | None], passes: int = SHORT, kept: int = KEPT
    ) -> set[Key]:
        """Short runs, of which the best few of each cell go on."""
        some = [group for group in groups if group is not None]
        if not some or self.stop():
            return set()
        short = self.runner.run(
            some,
            tolerance=self.effort.rough,
            max_iter=passes,
            careful=False,
            stop=self.stop,
        )
        return self._whole(self._promising(ended, kept) for ended in short)

    def _promising(self, ended: Ended, kept: int) -> Attempts | None:
        value, use = ended.log_likelihood, list[int]()
        for i in np.argsort(-value, kind="stable").tolist():
            if len(use) == kept or not np.isfinite(value[i]):
                break
            if not use or value[use[-1]] - value[i] > ALIKE:
                use.append(i)
        if not use:
            return None
        names = tuple(ended.names[i] for i in use)
        target = self.board[ended.family.name, ended.n.shape[1]].value
        return Attempts(
            ended.family, ended.n[use], ended.means[use], ended.scatter[use], names, target
        )

    # -- looking up --------------------------------------------------------------------------

    def _sources(self, k: int, among: set[Key]) -> list[tuple[Family, Solution]]:
        """The best fits of k components of the cells among these."""
        found = []
        for family in self.board.families:
            solution = self._best(family, k)
            if solution is not None and (family.name, k) in among:
                found.append((family, solution))
        return found

    def _moved(
        self, name: str, sources: Sequence[tuple[Family, Solution]], move: Move
    ) -> list[Attempts | None]:
        """Starts by a move from fits of one number of components."""
        if not sources:
            return []
        starts = zip(*(solution.start for _, solution in sources), strict=True)
        n, means, scatter = move(*(np.stack(part) for part in starts))
        target = (self.board[family.name, n.shape[2]].value for family, _ in sources)
        names = (name,) * n.shape[1]
        return [
            Attempts(family, n[i], means[i], scatter[i], names, value)
            for i, ((family, _), value) in enumerate(zip(sources, target, strict=True))
        ]

    def _best(self, family: Family, k: int) -> Solution | None:
        key = family.name, k
        return self.board[key].best if key in self.board else None

    def _donors(
        self, family: Family, donors: Sequence[tuple[Family, Solution]], counts: Array
    ) -> list[int]:
        """Which fits a family starts from: other families', each partition once.

        Partitions with the same counts are taken for the same one.
        """
        use: list[int] = []
        for i, (donor, _) in enumerate(donors):
            own = donor.name == family.name
            units = family.name in UNIT_FREE and donor.name not in UNIT_FREE
            if own or units:
                continue
            near = DISTINCT * counts[i].sum()
            if all(np.abs(counts[i] - counts[j]).max() > near for j in use):
                use.append(i)
        return use

    def _cells(self, keys: Sequence[Key]) -> list[tuple[Family, int]]:
        named = {family.name: family for family in self.board.families}
        return [(named[name], k) for name, k in keys]

    def _descending(self) -> list[int]:
        return sorted(self.board.components, reverse=True)


def _cheap(move: Callable[[Array, Array, Array, int], Start]) -> Move:
    """A move with the cheapest merges."""
    return lambda n, means, scatter: move(n, means, scatter, MERGES)
