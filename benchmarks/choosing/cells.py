"""Every cell of the search on real data: another tool's BIC beside mclust's.

BIC has the sign of scikit-learn: smaller is better. A cell is a family and a number of components.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from choosing.tools import Cell, Choice

SAME: Final = 0.01
MUCH: Final = 1.0
SPHERICAL, DIAGONAL = ("EII", "VII"), ("EEI", "VEI", "EVI", "VVI")
ELLIPSOIDAL = ("EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV")
# the name that a single component's family goes by
SINGLE: Final = {
    family: group[0] for group in (SPHERICAL, DIAGONAL, ELLIPSOIDAL) for family in group
}
HEADER: Final = (
    "| data | cells of mclust | as good | better by > 1 | worse | worse, set aside | set aside "
    "| only here | mclust chooses | {tool} chooses | BIC, mclust - {tool} |\n"
    f"|---|{'---:|' * 7}---|---|---:|"
)


@dataclass(frozen=True)
class Compared:
    """A tool's table against mclust's on one data set.

    Parameters
    ----------
    name : str
        The data, with its shape.
    theirs, found : Choice
        mclust's and the tool's.
    pairs : tuple of (Cell, Cell)
        mclust's cell and the tool's, where mclust has a value and the tool tried the family.
    alone : int
        Cells that are ok here, and for which mclust has no value.
    """

    name: str
    theirs: Choice
    found: Choice
    pairs: tuple[tuple[Cell, Cell], ...]
    alone: int

    @property
    def as_good(self) -> int:
        """Cells with a BIC that is mclust's, to 0.01, or smaller."""
        return sum(loss(pair) <= SAME for pair in self.pairs)

    @property
    def better(self) -> int:
        """Cells with a BIC smaller by more than 1."""
        return sum(loss(pair) < -MUCH for pair in self.pairs)

    @property
    def worse(self) -> list[tuple[Cell, Cell]]:
        """Cells with a greater BIC, or with none."""
        return [pair for pair in self.pairs if loss(pair) > SAME]

    @property
    def set_aside(self) -> int:
        """Cells that the tool would not choose."""
        return sum(not ours.ok for _, ours in self.pairs)

    def line(self) -> str:
        """A line of the table."""
        cells = [
            self.name,
            len(self.pairs),
            self.as_good,
            self.better,
            len(self.worse),
            sum(not ours.ok for _, ours in self.worse),
            self.set_aside,
            self.alone,
            self.theirs.model,
            self.found.model,
            f"{self.theirs.bic - self.found.bic:.3f}",
        ]
        return f"| {' | '.join(map(str, cells))} |"

    def losses(self) -> list[str]:
        """A line for each worse cell."""
        return [
            f"{self.name} {theirs.family},{theirs.n_components}: mclust {theirs.bic:.3f}, "
            f"here {'none' if ours.bic is None else format(ours.bic, '.3f')}"
            f"{'' if ours.bic is None else f' ({loss((theirs, ours)):+.3f})'}, {ours.status}"
            f"{': ' if ours.reason else ''}{ours.reason}"
            for theirs, ours in sorted(self.worse, key=loss)
        ]


def loss(pair: tuple[Cell, Cell]) -> float:
    """The tool's BIC minus mclust's; infinite where the tool has none."""
    theirs, ours = pair
    assert theirs.bic is not None
    return np.inf if ours.bic is None else ours.bic - theirs.bic


def compared(name: str, theirs: Choice, found: Choice) -> Compared:
    """The two tables side by side; the families that are equal for one component count once."""
    here, there = once(found), once(theirs)
    several = {family for family, _ in found.cells}
    single = {SINGLE[family] for family in several}
    pairs = []
    for at, cell in there.items():
        if cell.bic is not None and at[0] in (single if at[1] == 1 else several):
            missing = Cell(*at, None, "missing", "not in the table")
            pairs.append((cell, here.get(at, missing)))
    alone = sum(cell.ok and (at not in there or there[at].bic is None) for at, cell in here.items())
    return Compared(name, theirs, found, tuple(pairs), alone)


def once(choice: Choice) -> dict[tuple[str, int], Cell]:
    """The table's cells, for one component the best of each shape under the simplest name."""
    kept: dict[tuple[str, int], Cell] = {}
    for (family, k), cell in choice.cells.items():
        at = (SINGLE[family] if k == 1 else family), k
        if at not in kept or cell.rank < kept[at].rank:
            kept[at] = cell
    return kept


def total(results: Sequence[Compared]) -> str:
    """The table's last line."""
    chosen = sum(r.theirs.model == r.found.model for r in results)
    better = sum(r.found.bic < r.theirs.bic - SAME for r in results)
    worse = sum(r.found.bic > r.theirs.bic + SAME for r in results)
    cells = [
        f"all {len(results)}",
        *(
            sum(of(r) for r in results)
            for of in (
                lambda r: len(r.pairs),
                lambda r: r.as_good,
                lambda r: r.better,
                lambda r: len(r.worse),
                lambda r: sum(not ours.ok for _, ours in r.worse),
                lambda r: r.set_aside,
                lambda r: r.alone,
            )
        ),
        "",
        f"the same {chosen} times",
        f"better {better}, worse {worse}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def mclust_line(name: str, choice: Choice) -> str:
    """What mclust found, for a table of mclust alone."""
    known = sum(cell.bic is not None for cell in choice.cells.values())
    return (
        f"| {name} | {known} of {len(choice.cells)} | {choice.model} | {choice.bic:.3f} "
        f"| {choice.seconds:.3g} |"
    )
