"""Pictures of a search: criteria over the number of components, and the best models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance import FAMILIES
from ellimix.errors import DataError
from ellimix.plots.colors import MARKERS, PALETTE
from ellimix.plots.display import Display
from ellimix.plots.scene import Axis, Bars, Dash, Legend, Line, Mark, Panel, Points, Scene, Text
from ellimix.plots.subject import mixture_of, rows_of, whole_number
from ellimix.records import Array
from ellimix.selection.cells import Cell
from ellimix.selection.criteria import CRITERIA, order, values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

USUAL = ("bic", "aic", "icl")
# A kind of family has its own dashes, and in it no colour and marker comes twice.
DASHES: dict[str, Dash] = {"spherical": "dot", "diagonal": "dash", "shared": "solid"}
# Values are drawn up to the upper quartile and so many distances between the quartiles; and all of
# them, where that is no more than so many times as high.
FENCE, ENOUGH = 1.0, 1.6
BELOW, ABOVE = 0.17, 0.05  # of the height: room for the best cell's name, and for a marker
EDGE = 0.025  # of the height: where a cell stands that lies below the axis
RING = 196.0  # its area


def selection_plot(search: Any, criterion: str = "bic", ax: Axes | None = None) -> Axes:
    """Draw a criterion over the number of components, a line for each covariance family.

    This is the kind "selection" with one criterion, ``top=0`` and matplotlib.

    Parameters
    ----------
    search : fitted search, or sequence of Cell
        An object with its cells in ``cells_``, or the cells.
    criterion : str, default "bic"
        A name in `ellimix.selection.criteria.CRITERIA`.
    ax : matplotlib Axes, optional
        By default the axes of a new figure. The legend stands to their right.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    DataError
        No cell that is ok has a finite value; or as `ellimix.selection.criteria.values`.
    """
    return SelectionDisplay.from_estimator(search, criterion=criterion, top=0, ax=ax).ax_


def selection_scene(
    model: Any, X: Any = None, *, criterion: str | Sequence[str] | None = None, top: int = 10
) -> Scene:
    """Criteria over the number of components, a line for each covariance family.

    The best cell is ringed and named. Cells that are not ok are drawn hollow and interrupt their
    family's line. Where some cells are much worse than the rest, as one spherical component often
    is, the axis ends where the others can be told apart, and a note says how many lie above. The
    last panel has the best models by the first criterion, and by how much each is worse than the
    best.

    Parameters
    ----------
    model : fitted search, or sequence of Cell
        A `GaussianMixtureSearch`, a `GaussianMixture` that made one ("auto"), or the cells.
    X : array-like of shape (n, d), optional
        Not needed: the search knows what it found.
    criterion : str or sequence of str, optional
        Names in `ellimix.selection.criteria.CRITERIA`, a panel each; by default bic, aic and icl,
        and first the one that chose.
    top : int, default 10
        Models in the last panel; 0 leaves it out.

    Returns
    -------
    Scene

    Raises
    ------
    DataError
        The model is no fitted search; no cell that is ok has a finite value; `top` is negative; or
        as `ellimix.selection.criteria.values`.
    """
    cells = cells_of(model)
    if X is not None and hasattr(model, "mixture_"):
        rows_of(mixture_of(model), X)
    shown = whole_number("top", top, least=0)
    names = _criteria(model, criterion)
    tables = [_Table.of(cells, name) for name in names]
    right = min(2, len(tables)) - 1
    by = f"best {tables[right].name} first"
    legend = Legend("best first" if len(tables) == 1 else by, "outside")
    panels = [_curves(table, legend if at == right else None) for at, table in enumerate(tables)]
    if shown:
        panels.append(_differences(tables[0], shown))
    notes = [
        f"{table.name}: {note}." if len(tables) > 1 else f"{note}."
        for table in tables
        for note in table.notes()
    ]
    columns = right + 1
    size = None if len(panels) == 1 else (5.2, 4.0) if columns > 1 else (6.4, 4.0)
    return Scene(tuple(panels), columns, notes=tuple(notes), panel_size=size)


def cells_of(model: Any) -> tuple[Cell, ...]:
    """The cells of a fitted search, or the cells themselves.

    Raises
    ------
    DataError
        It has none.
    """
    if isinstance(model, Sequence) and all(isinstance(cell, Cell) for cell in model):
        return tuple(model)
    found = getattr(model, "cells_", None) or getattr(
        getattr(model, "search_", None), "cells_", None
    )
    if found is None:
        mixture_of(model)  # it may not be fitted, or be no model at all
        raise DataError(
            f"A {type(model).__name__} has no other models to compare with: the kind "
            f"'{SelectionDisplay.name}' takes a fitted GaussianMixtureSearch."
        )
    return tuple(found)


def _criteria(model: Any, asked: str | Sequence[str] | None) -> tuple[str, ...]:
    """Names of the criteria, each once."""
    if asked is None:
        search = model if hasattr(model, "criterion_") else getattr(model, "search_", None)
        own = getattr(search, "criterion_", None)
        return tuple(dict.fromkeys(name for name in (own, *USUAL) if name))
    names = (asked,) if isinstance(asked, str) else tuple(asked)
    if not names:
        raise DataError("criterion is empty: name one or several, or leave it out.")
    return tuple(dict.fromkeys(names))


@final
@dataclass(frozen=True, eq=False)
class _Table:
    """A criterion's values of all cells."""

    cells: tuple[Cell, ...]
    name: str
    value: Array
    ok: NDArray[np.bool_]
    ranks: NDArray[np.intp]  # of the cells that are ok, best first
    limits: tuple[float, float]

    @classmethod
    def of(cls, cells: tuple[Cell, ...], name: str) -> _Table:
        value = values(cells, name)
        ok = np.array([cell.ok for cell in cells], dtype=bool) & np.isfinite(value)
        if not ok.any():
            raise DataError(f"No cell is ok and has a finite {name}: there is nothing to draw.")
        ranks = np.array([at for at in order(cells, name) if ok[at]], dtype=np.intp)
        return cls(cells, name, value, ok, ranks, _limits(value[ok]))

    def families(self) -> list[str]:
        """Those with cells that are ok, by the best of them."""
        return list(dict.fromkeys(self.cells[at].family for at in self.ranks))

    def family(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_], Array]:
        """Numbers of components, whether ok, and values of a family's cells that have one."""
        mine = [
            (cell.n_components, ok, value)
            for cell, ok, value in zip(self.cells, self.ok, self.value, strict=True)
            if cell.family == name and not np.isnan(value)
        ]
        k, ok, value = (np.array(column) for column in zip(*sorted(mine), strict=True))
        return k, ok, value

    def sizes(self) -> NDArray[np.int64]:
        """Numbers of components of the cells that have a value."""
        return np.array([c.n_components for c in self.cells])[~np.isnan(self.value)]

    def notes(self) -> list[str]:
        """What the picture does not show, or shows otherwise, in a few words each."""
        drawn, limit = {*self.families()}, self.limits[1]
        above = int((self.value > limit).sum())
        hollow = sum(
            not ok and cell.family in drawn and value <= limit
            for cell, ok, value in zip(self.cells, self.ok, self.value, strict=True)
        )
        missing = len(self.cells) - above - hollow - int((self.value[self.ok] <= limit).sum())
        parts = [
            (above, f"{above} of {len(self.cells)} cells lie above"),
            (hollow, f"{hollow} hollow, never chosen"),
            (missing, f"{missing} without a value"),
        ]
        return [words for count, words in parts if count]


def _limits(value: Array) -> tuple[float, float]:
    """The range of the vertical axis, from the values of the cells that are ok."""
    best, worst = float(value.min()), float(value.max())
    lower, upper = np.quantile(value, [0.25, 0.75])
    fence = float(upper + FENCE * (upper - lower))
    top = worst if worst - best <= ENOUGH * (fence - best) or fence <= best else fence
    height = (top - best) or max(abs(best), 1.0) * 1e-3
    return best - BELOW * height, top + ABOVE * height


def _curves(table: _Table, legend: Legend | None) -> Panel:
    best = int(table.ranks[0])
    at = (float(table.cells[best].n_components), float(table.value[best]))
    marks: list[Mark] = []
    for name in table.families():
        marks += _family(table, name)
    marks += [Points(np.array([at]), "#000000", RING, hollow=True, width=1.6), _name(table, at)]
    sizes = table.sizes()
    words = CRITERIA[table.name].words
    return Panel(
        tuple(marks), words[0].upper() + words[1:],
        Axis("number of components", (sizes.min() - 0.4, sizes.max() + 0.4), whole=True),
        Axis(f"{table.name} (smaller is better)", table.limits), legend=legend,
    )  # fmt: skip


def _family(table: _Table, name: str) -> Iterator[Mark]:
    """A family's line, and its cells that are not ok: hollow, at the edge where they lie below."""
    color, marker, dash = looks(name)
    k, ok, value = table.family(name)
    every = np.arange(k[0], k[-1] + 1)
    line = np.full(every.size, np.nan)  # a gap where a cell is missing or not ok
    line[k[ok] - k[0]] = value[ok]
    yield Line(np.column_stack([every, line]), color, 1.4, dash, name, marker=marker)
    low, high = table.limits
    shown = ~ok & (value >= low) & (value <= high)
    if shown.any():
        yield Points(np.column_stack([k, value])[shown], color, 36.0, marker, hollow=True)
    fallen = k[~ok & (value < low)]
    if fallen.size:
        edge = np.full(fallen.size, low + EDGE * (high - low))
        yield Points(np.column_stack([fallen, edge]), color, 36.0, "v", hollow=True)


def looks(name: str) -> tuple[str, str, Dash]:
    """Colour, marker and dashes of a family: never those of another."""
    place = list(FAMILIES).index(name)
    dash = DASHES.get(FAMILIES[name].structure.value, "solid")
    return PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)], dash


def _name(table: _Table, at: tuple[float, float]) -> Text:
    """The best cell's name, below its ring, where nothing else is drawn."""
    cell, sizes = table.cells[int(table.ranks[0])], table.sizes()
    k, value = at
    number = f"{value:,.1f}" if abs(value) >= 1000.0 else f"{value:.4g}"
    words = f"{cell.name}, {cell.n_components}: {number}"
    below: dict[str, Any] = {"color": "#000000", "size": 10.0, "bold": True, "vertical": "top"}
    if k == sizes.min() < sizes.max():
        return Text(at, words, align="left", offset=(-7.0, -11.0), **below)
    if k == sizes.max() > sizes.min():
        return Text(at, words, align="right", offset=(7.0, -11.0), **below)
    return Text(at, words, offset=(0.0, -11.0), **below)


def _differences(table: _Table, top: int) -> Panel:
    """How much worse than the best the best models are."""
    shown = table.ranks[:top]
    worse = table.value[shown] - table.value[shown[0]]
    rank = np.arange(shown.size, dtype=np.float64)
    names = tuple(f"{table.cells[at].name}, {table.cells[at].n_components}" for at in shown)
    numbers = [
        Text((float(w), float(r)), f"{w:,.1f}" if w else "best", size=8.5, align="left",
             offset=(4.0, 0.0))
        for w, r in zip(worse, rank, strict=True)
    ]  # fmt: skip
    bars = Bars(rank - 0.35, np.full(rank.size, 0.7), worse, color=PALETTE[5], horizontal=True)
    room = 1.18 * (float(worse.max()) or 1.0)
    return Panel(
        (bars, *numbers), f"The best of {int(table.ok.sum())} models",
        Axis(f"{table.name}, difference to the best", (0.0, room)),
        Axis(limits=(rank.size - 0.4, -0.6), ticks=rank, names=names),
    )  # fmt: skip


@final
class SelectionDisplay(Display):
    """Criteria of a search over the number of components. Options: see `scene`.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> search = em.GaussianMixtureSearch(["EEE", "VVV"], range(1, 5), random_state=0).fit(X)
    >>> display = em.plots.SelectionDisplay.from_estimator(search)
    >>> [ax.get_title() for ax in display.axes_][2:]
    ['Integrated completed likelihood', 'The best of 8 models']
    """

    name = "selection"
    scene = staticmethod(selection_scene)
