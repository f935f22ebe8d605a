"""A picture as a record, before any backend draws it.

A kind of picture makes a `Scene`; a backend (`canvas.py` by matplotlib, `interactive.py` by plotly)
draws one. Texts are plain: a backend escapes what it would read as markup. Marks are drawn in
their order, the later on top. Lengths on the page are in points (1/72 inch), areas in points
squared, colours are hexadecimal strings, or RGB or RGBA arrays between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from ellimix.plots.colors import SEQUENTIAL
from ellimix.records import Array

Color = str | Array
Dash = Literal["solid", "dash", "dot", "dashdot"]
Bounds = tuple[float, float]
INK = "#262626"  # nearly black


@final
@dataclass(frozen=True, eq=False)
class Points:
    """Points: clouds, crosses and rings.

    Parameters
    ----------
    xy : ndarray of shape (m, 2), or (m, 3) in a 3-D panel
    color : str, or ndarray of shape (m, 3) or (m, 4)
    size : float, or ndarray of shape (m,)
        Area of the marker, as matplotlib's `s`.
    marker : {"o", "s", "^", "D", "v", "P", "X", "+", "x"}
        "+" and "x" are crosses of thin lines.
    label : str
        The legend's words; none where empty.
    key : str
        Colour of the legend's entry, where `color` is an array.
    hollow : bool
        Outlines alone: rings.
    width : float
        Of the lines of crosses and rings.
    opacity : float
    """

    xy: Array
    color: Color = INK
    size: float | Array = 16.0
    marker: str = "o"
    label: str = ""
    key: str = INK
    hollow: bool = False
    width: float = 1.4
    opacity: float = 1.0

    @property
    def swatch(self) -> str:
        """The colour of the legend's entry."""
        return self.color if isinstance(self.color, str) else self.key


@final
@dataclass(frozen=True, eq=False)
class Line:
    """A polyline; NaN makes a gap.

    Parameters
    ----------
    xy : ndarray of shape (m, 2), or (m, 3) in a 3-D panel
        For an outline, the last point is the first again.
    color : str
    width : float
    dash : {"solid", "dash", "dot", "dashdot"}
    label : str
    opacity : float
    marker : str
        Filled markers at the corners, as those of `Points`; none where empty.
    """

    xy: Array
    color: str = INK
    width: float = 1.5
    dash: Dash = "solid"
    label: str = ""
    opacity: float = 1.0
    marker: str = ""


@final
@dataclass(frozen=True, eq=False)
class Band:
    """What lies between two curves over x, (m,) each."""

    x: Array
    lower: Array
    upper: Array
    color: str = INK
    label: str = ""
    opacity: float = 0.2


@final
@dataclass(frozen=True, eq=False)
class Bars:
    """Bars, or a histogram.

    Parameters
    ----------
    start : ndarray of shape (m,)
        The lower ends along the axis that they stand on.
    width : ndarray of shape (m,)
    height : ndarray of shape (m,)
    base : ndarray of shape (m,), optional
        Where they begin, for stacked bars; by default 0.
    color, edge : str
    horizontal : bool
        They stand on the vertical axis.
    """

    start: Array
    width: Array
    height: Array
    base: Array | None = None
    color: str = "#d9d9d9"
    edge: str = "#b3b3b3"
    label: str = ""
    opacity: float = 1.0
    horizontal: bool = False


@final
@dataclass(frozen=True, eq=False)
class Image:
    """A grid of colours, or of numbers with a colour scale; row 0 is at the bottom.

    Parameters
    ----------
    cells : ndarray of shape (rows, columns), or (rows, columns, 4) with RGBA between 0 and 1
    x, y : tuple of two floats
        From the outer edge of the first cell to that of the last.
    scale : tuple of str
        Colours from low to high.
    limits : tuple of two floats, optional
        The numbers at the ends of the scale.
    """

    cells: Array
    x: Bounds
    y: Bounds
    scale: tuple[str, ...] = SEQUENTIAL
    limits: Bounds | None = None


@final
@dataclass(frozen=True, eq=False)
class Contours:
    """Contours of z at evenly spaced levels, filled or as lines.

    Parameters
    ----------
    x, y : ndarray of shape (columns,), (rows,)
    z : ndarray of shape (rows, columns)
    low, high : float
        The first and the last level.
    count : int
        Number of levels.
    scale : tuple of str
        Colours from low to high; one for lines of one colour.
    """

    x: Array
    y: Array
    z: Array
    low: float
    high: float
    count: int = 10
    scale: tuple[str, ...] = SEQUENTIAL
    filled: bool = False
    width: float = 1.0
    opacity: float = 1.0

    @property
    def levels(self) -> Array:
        """The levels, (count,)."""
        return np.linspace(self.low, self.high, self.count)


@final
@dataclass(frozen=True, eq=False)
class Surface:
    """A surface over a grid, in a 3-D panel: x (columns,), y (rows,), z (rows, columns)."""

    x: Array
    y: Array
    z: Array
    scale: tuple[str, ...] = SEQUENTIAL
    limits: Bounds | None = None
    opacity: float = 1.0


@final
@dataclass(frozen=True, eq=False)
class Text:
    """Words at a point, moved by `offset` points on the page."""

    at: tuple[float, float]
    words: str
    color: str = INK
    size: float = 9.0
    bold: bool = False
    align: Literal["left", "center", "right"] = "center"
    vertical: Literal["bottom", "middle", "top"] = "middle"
    offset: tuple[float, float] = (0.0, 0.0)


@final
@dataclass(frozen=True, eq=False)
class Rug:
    """Ticks at one axis, for values of which the other is missing. The panel has limits."""

    values: Array
    along: Literal["x", "y"] = "x"
    color: str = INK
    opacity: float = 0.7


Mark = Points | Line | Band | Bars | Image | Contours | Surface | Text | Rug


@final
@dataclass(frozen=True, eq=False)
class Axis:
    """An axis of a panel.

    Parameters
    ----------
    label : str
    limits : tuple of two floats, optional
        The first at the left or the bottom. By default, what is drawn.
    scale : {"linear", "log"}
    ticks : ndarray of shape (m,), optional
        Where ticks are; none where it is empty.
    names : tuple of m str, optional
        What stands at the ticks.
    whole : bool
        Ticks at whole numbers alone.
    upright : bool
        What stands at the ticks is written from below to above: names along x that are many.
    """

    label: str = ""
    limits: Bounds | None = None
    scale: Literal["linear", "log"] = "linear"
    ticks: Array | None = None
    names: tuple[str, ...] | None = None
    whole: bool = False
    upright: bool = False


@final
@dataclass(frozen=True, eq=False)
class Legend:
    """The legend of the marks with a label. "best" is inside, "outside" right of the panel."""

    title: str = ""
    place: Literal["best", "outside", "center"] = "best"
    columns: int = 1


@final
@dataclass(frozen=True, eq=False)
class ColorBar:
    """A colour bar: its label, the numbers at its ends, its colours from low to high."""

    label: str
    limits: Bounds
    scale: tuple[str, ...] = SEQUENTIAL


@final
@dataclass(frozen=True, eq=False)
class Panel:
    """One pair of axes, or three, and what is drawn there.

    Parameters
    ----------
    marks : tuple of Mark
    title : str
    x, y, z : Axis
        `z` is for a 3-D panel.
    legend : Legend, optional
    color_bar : ColorBar, optional
    equal : bool
        A unit is as long along x as along y.
    grid : bool
        Fine lines at the ticks.
    framed : bool
        Whether axes are drawn; a panel without may hold a legend alone.
    solid : bool
        A 3-D panel.
    """

    marks: tuple[Mark, ...]
    title: str = ""
    x: Axis = Axis()
    y: Axis = Axis()
    z: Axis = Axis()
    legend: Legend | None = None
    color_bar: ColorBar | None = None
    equal: bool = False
    grid: bool = False
    framed: bool = True
    solid: bool = False

    def __post_init__(self) -> None:
        rug = any(isinstance(mark, Rug) for mark in self.marks)
        if rug and (self.x.limits is None or self.y.limits is None):
            raise ValueError("A panel with a Rug has limits along x and y.")
        if not self.solid and any(isinstance(mark, Surface) for mark in self.marks):
            raise ValueError("A Surface needs a panel with solid=True.")


@final
@dataclass(frozen=True, eq=False)
class Scene:
    """A whole picture.

    Parameters
    ----------
    panels : tuple of Panel or None
        Row by row; None leaves its place empty.
    columns : int
    title : str
        Above all panels; a picture with one panel has the title there.
    notes : tuple of str
        What the picture does not show, a line each, below all panels.
    panel_size : tuple of two floats, optional
        Width and height of a panel, in inches.
    """

    panels: tuple[Panel | None, ...]
    columns: int = 1
    title: str = ""
    notes: tuple[str, ...] = ()
    panel_size: tuple[float, float] | None = None

    @property
    def rows(self) -> int:
        """Number of rows of panels."""
        return -(-len(self.panels) // self.columns)

    @property
    def drawn(self) -> tuple[Panel, ...]:
        """The panels, without the empty places."""
        return tuple(panel for panel in self.panels if panel is not None)

    @property
    def figure_size(self) -> tuple[float, float]:
        """Width and height of the whole picture, in inches."""
        single = len(self.panels) == 1
        width, height = self.panel_size or ((6.4, 4.8) if single else (4.8, 3.6))
        return width * self.columns, height * self.rows
