"""plotly, imported here and nowhere else: scenes as figures to zoom, hover and turn."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ellimix.errors import MissingExtra
from ellimix.plots import scene as s
from ellimix.plots.colors import rgb
from ellimix.records import Array

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SYMBOLS = {
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down",
    "P": "cross", "X": "x", "+": "cross-thin-open", "x": "x-thin-open",
}  # fmt: skip
SOLIDS = {"s": "square", "D": "diamond", "P": "cross", "X": "x", "+": "cross", "x": "x"}  # in 3-D
PIXEL = 96.0 / 72.0  # of a point
LINE_MARKER = 5.0  # diameter of the markers of a line, in points
MANY = 5000  # points, from which on the graphics card draws them
LETTER = 6.4  # pixels, about, of a letter of an axis
MARGIN = 0.04  # about what is drawn, as a share


def figure(scene: s.Scene) -> Figure:
    """Draw a scene.

    Parameters
    ----------
    scene : Scene

    Returns
    -------
    plotly.graph_objects.Figure
        Texts are escaped; `to_html` makes a page of it.

    Raises
    ------
    MissingExtra
        plotly is not installed.
    """
    try:
        from plotly.subplots import make_subplots
    except ImportError:
        raise MissingExtra("plotly", "interactive") from None
    cells: list[Any] = [
        None if panel is None else {"type": "scene" if panel.solid else "xy"}
        for panel in scene.panels
    ]
    cells += [None] * (scene.rows * scene.columns - len(cells))
    rows = [cells[i : i + scene.columns] for i in range(0, len(cells), scene.columns)]
    titles = [escaped(panel.title) for panel in scene.drawn]
    single = len(titles) == 1
    out = make_subplots(
        scene.rows, scene.columns, specs=rows, subplot_titles=None if single else titles,
        horizontal_spacing=(0.5 if _beside(scene) else 0.3) / (scene.columns + 1),
        vertical_spacing=0.3 / (scene.rows + 1),
    )  # fmt: skip
    width, height = scene.figure_size
    title = escaped(scene.title) or (titles[0] if single else "")
    hanging = max(map(_hanging, scene.drawn))
    notes = "<br>".join(escaped(note) for note in scene.notes)
    out.update_layout(
        template="plotly_white", width=110.0 * width, height=110.0 * height + hanging,
        title={"text": title, "x": 0.02, "font": {"size": 16}}, font={"size": 12},
        margin={"l": 60, "r": 30, "t": 60, "b": 60 + hanging + 18 * len(scene.notes)},
    )  # fmt: skip
    if notes:
        out.add_annotation(
            text=notes, xref="paper", yref="paper", x=0.5, y=0.0, yshift=-40 - hanging,
            yanchor="top", showarrow=False, font={"size": 11, "color": "#595959"},
        )  # fmt: skip
    for at, panel in enumerate(scene.panels):
        if panel is not None:
            _Drawing(out, panel, divmod(at, scene.columns), single).draw()
    return out


def _hanging(panel: s.Panel) -> int:
    """How far names that stand on end hang below a panel, in pixels."""
    names = panel.x.names or ()
    return round(LETTER * max(map(len, names), default=0)) if panel.x.upright else 0


def _beside(scene: s.Scene) -> bool:
    """Whether a legend or a colour bar stands between two panels."""
    return any(
        panel is not None and (at + 1) % scene.columns
        and (panel.color_bar is not None or (panel.legend or s.Legend()).place == "outside")
        for at, panel in enumerate(scene.panels)
    )  # fmt: skip


def escaped(words: str) -> str:
    """Words that plotly takes as they are: no tags, and no formulas between dollar signs."""
    return html.escape(words, quote=False).replace("$", "&#36;")


class _Drawing:
    """One panel on its way into a figure."""

    def __init__(self, out: Any, panel: s.Panel, cell: tuple[int, int], single: bool) -> None:
        self.out, self.panel, self.single = out, panel, single
        self.row, self.column = cell[0] + 1, cell[1] + 1
        self.place = out.get_subplot(self.row, self.column)
        self.legend = f"legend{'' if single else (cell[0] * 100 + cell[1] + 2)}"

    def draw(self) -> None:
        for mark in self.panel.marks:
            _MARKS[type(mark)](self, mark)
        self._color_bar()
        self._axes()
        if self.panel.legend is not None:
            self._legend(self.panel.legend)

    def add(self, kind: str, mark: Any, **what: Any) -> None:
        """Add a trace; `kind` is plotly's name of it."""
        label = getattr(mark, "label", "")
        shown = bool(label) and self.panel.legend is not None
        named: dict[str, Any] = {"showlegend": shown, "legend": self.legend}
        if label:
            named["name"] = escaped(label)
        if kind in UNNAMED:
            named = {}
        trace = {"type": kind, "hoverinfo": "skip" if not label else "all", **named, **what}
        self.out.add_trace(trace, row=self.row, col=self.column)

    def domain(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where the panel lies in the figure, from 0 to 1: x, y."""
        if self.panel.solid:
            return self.place.domain.x, self.place.domain.y
        return self.place.xaxis.domain, self.place.yaxis.domain

    def _axes(self) -> None:
        panel = self.panel
        settings = {name: _axis(getattr(panel, name)) for name in ("x", "y", "z")}
        if panel.solid:
            self.place.update(**{f"{name}axis": settings[name] for name in ("x", "y", "z")})
            return
        lines = {"showline": True, "linecolor": "#4D4D4D", "ticks": "outside", "zeroline": False}
        lines = lines | {"showgrid": panel.grid, "gridcolor": "#EBEBEB", "visible": panel.framed}
        self.place.xaxis.update(**lines, **settings["x"])
        self.place.yaxis.update(**lines, **settings["y"])
        if panel.equal:
            self.place.yaxis.update(scaleanchor=self.place.xaxis.plotly_name.replace("axis", ""))

    def _legend(self, legend: s.Legend) -> None:
        x, y = self.domain()
        title = {"text": escaped(legend.title)}
        place = {"x": x[1] + 0.01, "y": y[1], "xanchor": "left", "yanchor": "top"}
        if legend.place == "center":
            place = {"x": sum(x) / 2, "y": sum(y) / 2, "xanchor": "center", "yanchor": "middle"}
        elif not self.single and legend.place == "best":
            place = {"x": x[1], "y": y[1], "xanchor": "right", "yanchor": "top"}
        self.out.update_layout(
            {self.legend: {"title": title, "bgcolor": "rgba(255,255,255,0.7)", **place}}
        )

    def _color_bar(self) -> None:
        bar = self.panel.color_bar
        if bar is None:
            return
        x, y = self.domain()
        marker = {
            "color": list(bar.limits), "cmin": bar.limits[0], "cmax": bar.limits[1],
            "colorscale": _scale(bar.scale), "showscale": True, "opacity": 0.0,
            "colorbar": {
                "title": {"text": escaped(bar.label), "side": "right"}, "thickness": 14,
                "x": x[1] + 0.01, "y": sum(y) / 2, "len": y[1] - y[0],
            },
        }  # fmt: skip
        nothing: dict[str, Any] = {"x": [None, None], "y": [None, None]}
        kind = "scatter3d" if self.panel.solid else "scatter"
        if self.panel.solid:
            nothing["z"] = [None, None]
        self.add(kind, bar, mode="markers", marker=marker, **{**nothing, "showlegend": False})


UNNAMED = ("contour", "heatmap", "surface")


def _axis(axis: s.Axis) -> dict[str, Any]:
    out: dict[str, Any] = {"title": {"text": escaped(axis.label)}, "type": axis.scale}
    if axis.limits is not None:
        out["range"] = list(np.log10(axis.limits) if axis.scale == "log" else axis.limits)
    if axis.ticks is not None:
        out |= {"tickmode": "array", "tickvals": axis.ticks}
        if axis.names is not None:
            out["ticktext"] = [escaped(name) for name in axis.names]
    if axis.upright:
        out |= {"tickangle": -90}
    if axis.whole:
        out |= {"tickformat": "d"}
    return out


def _points(to: _Drawing, mark: s.Points) -> None:
    solid, thin = to.panel.solid, mark.marker in ("+", "x")
    symbol = SOLIDS.get(mark.marker, "circle") if solid else SYMBOLS[mark.marker]
    if mark.hollow and not thin:
        symbol += "-open"
    color = _color(mark.color)
    edge: dict[str, Any] = {"width": 0}
    if (mark.hollow or thin) and not solid:
        edge = {"width": mark.width * PIXEL, "color": color}
    style: dict[str, Any] = {
        "symbol": symbol, "color": color, "opacity": mark.opacity, "line": edge,
        "size": np.sqrt(mark.size) * PIXEL, "sizemode": "diameter",
    }  # fmt: skip
    kind = "scatter3d" if solid else "scattergl" if len(mark.xy) > MANY else "scatter"
    named: dict[str, Any] = {}
    if mark.label:  # else the entry would have the colour and size of the first point
        key = {**style, "color": mark.swatch, "size": 9}
        if edge["width"]:
            key["line"] = {**edge, "color": mark.swatch}
        nothing = {name: [None] for name in "xyz"[: 3 if solid else 2]}
        together = f"{to.legend} {mark.label}"
        empty = "scatter3d" if solid else "scatter"
        to.add(empty, mark, mode="markers", marker=key, legendgroup=together, **nothing)
        named = {"legendgroup": together, "showlegend": False}
    to.add(kind, mark, mode="markers", marker=style, **_coordinates(mark.xy), **named)


def _line(to: _Drawing, mark: s.Line) -> None:
    line = {"color": mark.color, "width": mark.width * PIXEL, "dash": mark.dash}
    kind = "scatter3d" if to.panel.solid else "scatter"
    look: dict[str, Any] = {"mode": "lines"}
    if mark.marker:
        symbol = (SOLIDS if to.panel.solid else SYMBOLS).get(mark.marker, "circle")
        marker = {"symbol": symbol, "size": LINE_MARKER * PIXEL, "color": mark.color}
        look = {"mode": "lines+markers", "marker": marker}
    xy = _coordinates(mark.xy)
    to.add(kind, mark, line=line, opacity=mark.opacity, connectgaps=False, **look, **xy)


def _band(to: _Drawing, mark: s.Band) -> None:
    around = {
        "x": np.concatenate([mark.x, mark.x[::-1]]),
        "y": np.concatenate([mark.lower, mark.upper[::-1]]),
    }
    fill = _rgba(mark.color, mark.opacity)
    to.add(
        "scatter", mark, mode="lines", fill="toself", fillcolor=fill, line={"width": 0}, **around
    )


def _bars(to: _Drawing, mark: s.Bars) -> None:
    style = {"color": mark.color, "line": {"color": mark.edge, "width": 0.8}}
    base = np.zeros(len(mark.start)) if mark.base is None else mark.base
    along, up = ("y", "x") if mark.horizontal else ("x", "y")
    to.out.update_layout(barmode="overlay", bargap=0)
    to.add(
        "bar", mark, orientation="h" if mark.horizontal else "v", base=base, width=mark.width,
        marker=style, opacity=mark.opacity,
        **{along: mark.start + mark.width / 2.0, up: mark.height},
    )  # fmt: skip


def _image(to: _Drawing, mark: s.Image) -> None:
    if mark.cells.ndim == 3:
        to.out.add_layout_image(
            source=png(mark.cells[::-1]), xref="x", yref="y", x=mark.x[0], y=mark.y[1],
            sizex=mark.x[1] - mark.x[0], sizey=mark.y[1] - mark.y[0], sizing="stretch",
            layer="below", row=to.row, col=to.column,
        )  # fmt: skip
        # an image alone leaves the axes without a trace, and plotly does not draw those
        to.add(
            "scatter", mark, mode="markers", x=list(mark.x), y=list(mark.y), marker={"opacity": 0}
        )
        return
    rows, columns = mark.cells.shape
    low, high = mark.limits or (float(np.nanmin(mark.cells)), float(np.nanmax(mark.cells)))
    to.add(
        "heatmap", mark, x=_centers(mark.x, columns), y=_centers(mark.y, rows), z=mark.cells,
        zmin=low, zmax=high, colorscale=_scale(mark.scale), showscale=False, hoverinfo="x+y+z",
    )  # fmt: skip


def _contours(to: _Drawing, mark: s.Contours) -> None:
    levels = mark.levels
    step = float(levels[1] - levels[0]) if len(levels) > 1 else 1.0
    contours: dict[str, Any] = {"start": mark.low, "end": mark.high, "size": step}
    contours["coloring"] = "fill" if mark.filled else "lines"
    to.add(
        "contour", mark, x=mark.x, y=mark.y, z=mark.z, contours=contours, zmin=mark.low,
        zmax=mark.high, colorscale=_scale(mark.scale), showscale=False, opacity=mark.opacity,
        line={"width": 0.0 if mark.filled else mark.width * PIXEL}, hoverinfo="x+y+z",
    )  # fmt: skip


def _surface(to: _Drawing, mark: s.Surface) -> None:
    low, high = mark.limits or (float(np.nanmin(mark.z)), float(np.nanmax(mark.z)))
    to.add(
        "surface", mark, x=mark.x, y=mark.y, z=mark.z, cmin=low, cmax=high, opacity=mark.opacity,
        colorscale=_scale(mark.scale), showscale=False, hoverinfo="x+y+z",
    )  # fmt: skip


def _text(to: _Drawing, mark: s.Text) -> None:
    words = escaped(mark.words)
    align = {"left": "left", "center": "center", "right": "right"}[mark.align]
    log = [np.log10(v) if axis.scale == "log" else v
           for v, axis in zip(mark.at, (to.panel.x, to.panel.y), strict=True)]  # fmt: skip
    to.out.add_annotation(
        x=log[0], y=log[1], text=f"<b>{words}</b>" if mark.bold else words, showarrow=False,
        xanchor=align, yanchor=mark.vertical, xshift=mark.offset[0] * PIXEL,
        yshift=mark.offset[1] * PIXEL, font={"size": mark.size * PIXEL, "color": mark.color},
        row=to.row, col=to.column,
    )  # fmt: skip


def _rug(to: _Drawing, mark: s.Rug) -> None:
    along = mark.along == "x"
    low, high = (to.panel.y if along else to.panel.x).limits or (0.0, 1.0)
    at = np.full(len(mark.values), low + 0.012 * (high - low))
    x, y = (mark.values, at) if along else (at, mark.values)
    style = {
        "symbol": "line-ns-open" if along else "line-ew-open", "size": 9, "color": mark.color,
        "line": {"width": 1.3, "color": mark.color}, "opacity": mark.opacity,
    }  # fmt: skip
    to.add("scatter", mark, mode="markers", x=x, y=y, marker=style)


_MARKS: dict[type, Callable[[_Drawing, Any], None]] = {
    s.Points: _points, s.Line: _line, s.Band: _band, s.Bars: _bars, s.Image: _image,
    s.Contours: _contours, s.Surface: _surface, s.Text: _text, s.Rug: _rug,
}  # fmt: skip


def _coordinates(xy: Array) -> dict[str, Array]:
    return dict(zip("xyz", np.ascontiguousarray(xy.T), strict=False))


def _centers(ends: s.Bounds, count: int) -> Array:
    edges = np.linspace(*ends, count + 1)
    return (edges[1:] + edges[:-1]) / 2.0


def _color(color: s.Color) -> Any:
    """A colour, or a list of them, as plotly reads it."""
    if isinstance(color, str):
        return color
    bytes_ = np.round(255.0 * color[:, :3]).astype(int)
    if color.shape[1] == 3:
        return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in bytes_]
    pairs = zip(bytes_, color[:, 3], strict=True)
    return [f"rgba({r},{g},{b},{alpha:.3f})" for (r, g, b), alpha in pairs]


def _rgba(color: str, opacity: float) -> str:
    r, g, b = np.round(255.0 * rgb(color)).astype(int)
    return f"rgba({r},{g},{b},{opacity:g})"


def _scale(colors: Sequence[str]) -> list[list[Any]]:
    two = list(colors) if len(colors) > 1 else [*colors, *colors]
    return [[at, color] for at, color in zip(np.linspace(0.0, 1.0, len(two)), two, strict=True)]


def png(cells: Array) -> str:
    """An image as a data URI: RGBA between 0 and 1, (rows, columns, 4), the top row first.

    W3C (2003), Portable Network Graphics specification: chunks of a length, a type, the data and
    their CRC-32; rows begin with a byte that names their filter.
    """
    rows, columns, _ = cells.shape
    pixels = np.round(255.0 * np.clip(cells, 0.0, 1.0)).astype(np.uint8).reshape(rows, -1)
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), pixels], axis=1).tobytes()

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, part) for name, part in parts)
    return "data:image/png;base64," + base64.b64encode(data).decode()
