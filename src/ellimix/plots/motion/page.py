"""Films as one HTML file: what the player draws, packed."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError
from ellimix.plots.motion.film import Film
from ellimix.plots.pages import page
from ellimix.plots.scene import Bars, Bounds, Line, Mark, Panel, Points, Text
from ellimix.records import Array

UNITS = 8192.0  # of a panel's width or height: places are whole numbers of them
FURTHEST = 32767.0  # 4 panels away, where everything further is drawn


def write_page(film: Film, path: str) -> None:
    """Write a film as a page with a player, which needs no other file and no network.

    Raises
    ------
    MissingExtra
        jinja2 is not installed.
    """
    first = film.scenes[0]
    text = page(
        "ellimix.plots.motion",
        "player.html",
        title=first.title,
        notes=first.notes,
        film=packed(film),
        frames=len(film.scenes),
    )
    Path(path).write_text(text, encoding="utf-8")


def packed(film: Film) -> dict[str, Any]:
    """The film in JSON's terms.

    Returns
    -------
    dict
        ``panels``: labels and limits. ``frames``: for each frame and panel, its title and the
        numbers of its ``marks``. A mark's first entry is its kind; places are an offset and a
        count into ``places``, pairs of 16-bit numbers in 1/8192 of a panel, and colours that vary
        an offset into ``colors``, three bytes each. Both are in base64.
    """
    store = _Store()
    frames = [
        [
            [panel.title, [store.mark(mark, panel) for mark in panel.marks]]
            for panel in scene.drawn
        ]
        for scene in film.scenes
    ]  # fmt: skip
    return {
        "panels": [_panel(panel) for panel in film.scenes[0].drawn],
        "frames": frames,
        "iterations": list(film.iterations),
        "fps": film.fps,
        "units": UNITS,
        "marks": store.marks,
        "places": store.places.text(),
        "colors": store.colors.text(),
    }


class _Arrays:
    """Arrays end to end; one that comes again is not kept twice."""

    def __init__(self, kind: str) -> None:
        self._kind, self._parts, self._size = kind, [b""], 0
        self._known: dict[Any, int] = {}
        self._held: list[object] = []  # so that no other object gets the same id

    def place(self, array: Array, key: tuple[object, ...], make: Callable[[], Array]) -> int:
        """The offset, in entries, of what `make` makes of an array."""
        known = id(array), *key
        if known not in self._known:
            values = np.ascontiguousarray(make()).astype(self._kind)
            self._held.append(array)
            self._known[known] = self._size
            self._parts.append(values.tobytes())
            self._size += values.size
        return self._known[known]

    def text(self) -> str:
        return base64.b64encode(b"".join(self._parts)).decode("ascii")


class _Store:
    """Marks by number."""

    def __init__(self) -> None:
        self.marks: list[list[Any]] = []
        self.places, self.colors = _Arrays("<i2"), _Arrays("u1")
        self._known: dict[tuple[int, tuple[object, ...]], int] = {}
        self._held: list[Mark] = []

    def mark(self, mark: Mark, panel: Panel) -> int:
        """The number of a mark in a panel."""
        sides = _limits(panel)
        known = id(mark), sides
        if known not in self._known:
            pack = _MARKS.get(type(mark))
            if pack is None:
                raise DataError(f"The player draws no {type(mark).__name__}: write a .gif.")
            self._known[known] = len(self.marks)
            self._held.append(mark)
            self.marks.append(pack(self, mark, sides))
        return self._known[known]

    def put(self, xy: Array, sides: tuple[Bounds, Bounds]) -> list[int]:
        """Offset and count of places."""
        whole = _whole(xy)
        return [self.places.place(whole, sides, lambda: _units(whole, sides)), len(xy)]


def _whole(xy: Array) -> Array:
    """The array whose first rows these are: lines that grow are packed once."""
    base = xy.base
    if not isinstance(base, np.ndarray) or base.shape[1:] != xy.shape[1:]:
        return xy
    same = base.dtype == xy.dtype and base.strides == xy.strides
    return base if same and base.ctypes.data == xy.ctypes.data else xy


def _limits(panel: Panel) -> tuple[Bounds, Bounds]:
    if panel.x.limits is None or panel.y.limits is None:
        raise DataError("The player needs panels with limits along x and y.")
    return panel.x.limits, panel.y.limits


def _units(xy: Array, sides: tuple[Bounds, Bounds]) -> NDArray[np.float64]:
    """Places in units of the panel, from its lower left corner."""
    (left, right), (bottom, top) = sides
    share = (xy - [left, bottom]) / [right - left, top - bottom]
    return np.asarray(np.clip(np.rint(UNITS * share), -FURTHEST, FURTHEST))


def _panel(panel: Panel) -> dict[str, Any]:
    x, y = _limits(panel)
    return {
        "x": {"label": panel.x.label, "limits": x, "whole": panel.x.whole},
        "y": {"label": panel.y.label, "limits": y, "whole": panel.y.whole},
        "grid": panel.grid,
    }


def _points(store: _Store, mark: Points, sides: tuple[Bounds, Bounds]) -> list[Any]:
    if mark.marker != "o" or mark.hollow or not isinstance(mark.size, float):
        raise DataError("The player draws points as discs of one size: write a .gif.")
    color: str | int
    if isinstance(mark.color, str):
        color = mark.color
    else:
        shades = mark.color
        color = store.colors.place(shades, (), lambda: np.rint(255.0 * shades[:, :3]))
    return ["points", *store.put(mark.xy, sides), color, mark.size, mark.opacity]


def _line(store: _Store, mark: Line, sides: tuple[Bounds, Bounds]) -> list[Any]:
    return ["line", *store.put(mark.xy, sides), mark.color, mark.width, mark.dash, mark.opacity]


def _bars(store: _Store, mark: Bars, sides: tuple[Bounds, Bounds]) -> list[Any]:
    """By their lower left and upper right corners, in turn."""
    if mark.horizontal:
        raise DataError("The player draws upright bars alone: write a .gif.")
    base = np.zeros(len(mark.start)) if mark.base is None else mark.base
    low = np.column_stack([mark.start, base])
    high = low + np.column_stack([mark.width, mark.height])
    corners = np.stack([low, high], axis=1).reshape(-1, 2)
    return ["bars", *store.put(corners, sides), mark.color, mark.edge, mark.opacity]


def _text(store: _Store, mark: Text, sides: tuple[Bounds, Bounds]) -> list[Any]:
    at = np.array([mark.at])
    style = [mark.color, mark.size, mark.bold, mark.align, mark.vertical, list(mark.offset)]
    return ["text", store.put(at, sides)[0], mark.words, *style]


_MARKS: Final[Mapping[type, Callable[[_Store, Any, tuple[Bounds, Bounds]], list[Any]]]] = (
    MappingProxyType({Points: _points, Line: _line, Bars: _bars, Text: _text})
)
