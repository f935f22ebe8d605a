"""Which fits a search runs, in what order: the ones that promise most first.

1  trees       every family and K from the cuts of hierarchical agglomerations, and from k-means of
               the sphered rows where these are many
2  exchange    each family from the fits of other families with the same K; from its own with K - 1,
               each component cut in two; from its own with K + 1, the cheapest merges
3  again       step 2 from what became better, until nothing does
4  moves       the best cells: a merge and a split at once (Ueda et al. 2000), and short runs from
               random rows (Biernacki, Celeux & Govaert 2003), the best of which go on
5  ends        every cell's best fit, as far as it goes

Families that do not depend on the columns' units take starts from one another alone, so that
neither do their results; the others take starts from all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.attempts.base import Attempts, Ended, Runner, Start, stacked
from ellimix.attempts.moves import exchanges, merges, splits, units
from ellimix.covariance.base import Family
from ellimix.records import Array
from ellimix.selection.board import DISTINCT, Board, Key, Solution

# families whose fits do not change when a column's unit does
UNIT_FREE = frozenset(("EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVV", "VVV"))

# criterion and scaling of each agglomeration, by name: mclust's first
TREES = {
    f"tree {model} {scaling}": (model, scaling)
    for model, scaling in (
        ("VVV", "SVD"),
        ("EEE", "STD"),
        ("VII", "SPH"),
        ("VII", "VARS"),
        ("VVV", "VARS"),
    )
}
# partitions that depend on the columns' units
OWN_UNITS = frozenset(name for name, (_, scaling) in TREES.items() if scaling == "VARS")

SHORT = 5  # passes of a short run
JUDGED = 10  # passes after which a run that is not going to be the best is given up
MANY = 2.0  # scale from which fits are helped to their ends: before, EM itself takes little time
MERGES = 2  # pairs that are tried
ROUNDS = 8  # of step 2 at most
KEPT = 3  # short runs of a cell that go on to their ends
ALIKE = 1e-3  # nats between short runs that are on the same way

Move = Callable[[Array, Array, Array, Array], Start]  # the last: the columns' units


@final
@dataclass(frozen=True, eq=False)
class Effort:
    """How much a search does.

    Parameters
    ----------
    tolerance : float
        Nats that a cell's best fit may still have to gain in the end, over 500 rows; over
        more rows, more (`Setting.scale`).
    rough : float
        The same of fits on the way there.
    max_iter : int
        Passes of a fit at most.
    on_the_way : int
        Passes of a fit on the way: the best fits go on later.
    rounds : int
        Of exchanges between families and numbers of components.
    cells : int
        Cells that step 4 works on.
    random : int
        Random short runs of each of them.
    trees : int
        Agglomerations to begin from, in the order of `TREES`.
    """

    tolerance: float = 1e-3
    rough: float = 0.05
    max_iter: int = 1000
    on_the_way: int = 60
    rounds: int = ROUNDS
    cells: int = 12
    random: int = 12
    trees: int = len(TREES)


# Where fits are not compiled each costs fifty times as much: the first partitions and one exchange.
LIGHT = Effort(rounds=1, cells=3, random=3, trees=1)


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
        self.scale = board.setting.scale

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

    def to_the_end(self, keys: Iterable[Key]) -> set[Key]:
        """Some cells' best fits, as far as they go."""
        return self.go_on(self.board, keys)

    def go_on(self, board: Board, keys: Iterable[Key]) -> set[Key]:
        """The best fits of some cells of a board, perhaps of other rows, as far as they go.

        Also those that are close to the best.
        """
        groups = []
        for family, k in self._cells(keys):
            entry = board[family.name, k]
            if entry.best is not None:
                fits = [entry.best, *(s for s in entry.close if not s.like(entry.best))]
                names = tuple(fit.name for fit in fits)
                starts = stacked(fit.start for fit in fits)
                groups.append(Attempts(family, *starts, names, noise_n=_noise(fits)))
        return self._run(groups, self.effort.tolerance, self.effort.max_iter, None, True)

    def exchange(self, changed: set[Key]) -> set[Key]:
        """Every cell from its neighbours that changed, all at once.

        From other families' fits with the same number of components, from the splits of its own
        family's fit with one component less, and from the merges of that with one more.
        """
        return self._short_then_whole(
            _joined(
                [
                    *self._nested(changed),
                    *self._moves(changed, "split", splits),
                    *self._moves(changed, "merge", _cheapest),
                ]
            )
        )

    def moves(self, keys: Sequence[Key]) -> set[Key]:
        """The fits of some cells, with two components merged and another one split."""
        several = {key for key in keys if key[1] > 2}
        return self._short_then_whole(self._moves(several, "split and merge", _exchanged))

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
        return self._run(some, self.effort.rough, self.effort.on_the_way, JUDGED, careful)

    def _run(
        self,
        groups: list[Attempts],
        tolerance: float,
        most: int,
        judged: int | None,
        careful: bool,
    ) -> set[Key]:
        if not groups or self.stop():
            return set()
        ended = self.runner.run(
            groups,
            tolerance=tolerance * self.scale,
            max_iter=most,
            judged=judged,
            careful=careful,
            accelerated=judged is None and self.scale > MANY,
            stop=self.stop,
        )
        return self.board.add(ended, last=judged is None)

    def _short_then_whole(self, groups: Iterable[Attempts | None]) -> set[Key]:
        """Short runs, of which the best few of each cell go on."""
        some = [group for group in groups if group is not None]
        if not some or self.stop():
            return set()
        short = self.runner.run(
            some,
            tolerance=self.effort.rough * self.scale,
            max_iter=SHORT,
            careful=False,
            stop=self.stop,
        )
        return self._whole(self._promising(ended) for ended in short)

    def _promising(self, ended: Ended) -> Attempts | None:
        value, use = ended.objective, list[int]()
        # equal to rounding is equal, and then the first counts
        for i in np.argsort(-np.round(value, 5), kind="stable").tolist():
            if len(use) == KEPT or not np.isfinite(value[i]):
                break
            if not use or value[use[-1]] - value[i] > ALIKE:
                use.append(i)
        if not use:
            return None
        names = tuple(ended.names[i] for i in use)
        starts = ended.n[use], ended.means[use], ended.scatter[use]
        noise_n = None if ended.noise_n is None else ended.noise_n[use]
        return self.board.group(ended.family, starts, names, noise_n)

    # -- looking up --------------------------------------------------------------------------

    def _sources(self, k: int, among: set[Key]) -> list[tuple[Family, Solution]]:
        """The best fits of k components of the cells among these."""
        found = []
        for family in self.board.families:
            key = family.name, k
            solution = self.board[key].best if key in among else None
            if solution is not None:
                found.append((family, solution))
        return found

    def _nested(self, changed: set[Key]) -> list[Attempts]:
        """Starts from the fits of other families with the same number of components."""
        groups: list[Attempts] = []
        for k in self._descending():
            donors = self._sources(k, changed)
            if not donors:
                continue
            n, means, scatter = stacked(solution.start for _, solution in donors)
            counts = np.sort(n, axis=1)
            apart = np.abs(counts[:, None] - counts).max(axis=2)
            alike = apart <= DISTINCT * counts[0].sum()
            for family in self.board.families:
                use = self._donors(family, donors, alike)
                if use:
                    names = tuple(f"nested {donors[i][0].name}" for i in use)
                    starts = n[use], means[use], scatter[use]
                    noise_n = _noise([donors[i][1] for i in use])
                    groups.append(self.board.group(family, starts, names, noise_n))
        return groups

    def _moves(self, changed: set[Key], name: str, move: Move) -> list[Attempts]:
        """Starts by a move from the fits that changed, where the search has such cells."""
        groups: list[Attempts] = []
        for k in self._descending():
            sources = self._sources(k, changed)
            if not sources or (name == "merge" and k == 1):
                continue
            n, means, scatter = stacked(solution.start for _, solution in sources)
            free = np.array([[family.name in UNIT_FREE] for family, _ in sources])
            scale = np.where(free, units(n, means, scatter), 1.0)
            n, means, scatter = move(n, means, scatter, scale)
            if n.shape[2] in self.board.components:
                names = (name,) * n.shape[1]
                groups += [
                    self.board.group(
                        family, (n[i], means[i], scatter[i]), names, _noise([fit] * len(names))
                    )
                    for i, (family, fit) in enumerate(sources)
                ]
        return groups

    def _donors(
        self,
        family: Family,
        donors: Sequence[tuple[Family, Solution]],
        alike: NDArray[np.bool_],
    ) -> list[int]:
        """Which fits a family starts from: other families', those that are `alike` once.

        Partitions with the same counts are taken for the same one.
        """
        free, use = family.name in UNIT_FREE, list[int]()
        for i, (donor, _) in enumerate(donors):
            if donor is family or (free and donor.name not in UNIT_FREE):
                continue
            if not alike[i, use].any():
                use.append(i)
        return use

    def _cells(self, keys: Iterable[Key]) -> list[tuple[Family, int]]:
        named = {family.name: family for family in self.board.families}
        return [(named[name], k) for name, k in keys]

    def _descending(self) -> list[int]:
        return sorted(self.board.components, reverse=True)


def _joined(groups: Sequence[Attempts]) -> list[Attempts]:
    """Groups of the same cell as one."""
    cells: dict[Key, list[Attempts]] = {}
    for group in groups:
        cells.setdefault((group.family.name, group.n.shape[1]), []).append(group)
    return [
        own[0]
        if len(own) == 1
        else Attempts(
            own[0].family,
            np.concatenate([group.n for group in own]),
            np.concatenate([group.means for group in own]),
            np.concatenate([group.scatter for group in own]),
            tuple(name for group in own for name in group.names),
            own[0].target,
            _all_noise(own),
        )
        for own in cells.values()
    ]


def _noise(fits: Sequence[Solution]) -> Array | None:
    """The noise component's counts in some fits, where there is one: moves leave them as is."""
    counts = [fit.noise_n for fit in fits]
    return None if None in counts else np.array(counts, dtype=np.float64)


def _all_noise(groups: Sequence[Attempts]) -> Array | None:
    counts = [group.noise_n for group in groups if group.noise_n is not None]
    return np.concatenate(counts) if counts else None


def _cheapest(n: Array, means: Array, scatter: Array, _: Array) -> Start:
    return merges(n, means, scatter, MERGES)


def _exchanged(n: Array, means: Array, scatter: Array, scale: Array) -> Start:
    return exchanges(n, means, scatter, MERGES, scale)
