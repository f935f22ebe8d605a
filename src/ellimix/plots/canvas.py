"""matplotlib, imported here and nowhere else: figures, and scenes drawn on them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, Any

import numpy as np

from ellimix.errors import DataError, MissingExtra
from ellimix.persist import write_beside
from ellimix.plots import scene as s
from ellimix.plots.colors import MARKERS, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "MARKERS", "PALETTE", "as_svg", "check_format", "check_installed", "draw", "film",
    "integer_ticks", "new_axes", "new_grid", "new_row", "save_figure", "use_files_only",
]  # fmt: skip

LINE_MARKER = 5.0  # diameter of the markers of a line, in points
DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
RUG = 0.012  # where ticks for rows with one value lie, as a share of the axes
THIN = ("+", "x")  # markers of lines
ENTRIES = 15  # of a legend in one column
SHARPNESS = 100.0  # dots an inch of a film


def check_installed() -> None:
    """Raise `MissingExtra` where matplotlib is not installed."""
    try:
        import matplotlib as mpl  # noqa: F401
    except ImportError:
        raise MissingExtra("matplotlib", "plots") from None


def new_axes() -> Axes:
    """Axes of a new figure."""
    return new_row(1)[0]


def new_row(count: int) -> tuple[Axes, ...]:
    """Axes of a new figure, side by side."""
    return new_grid(1, count)


def new_grid(rows: int, columns: int) -> tuple[Axes, ...]:
    """Axes of a new figure, row after row."""
    height = 4.2 if rows == 1 else 3.2 * rows
    size = (6.4, 4.8) if rows == columns == 1 else (4.8 * columns, height)
    return tuple(_new_figure(size).subplots(rows, columns, squeeze=False).ravel())


def draw(scene: s.Scene, ax: Any = None) -> tuple[Axes, ...]:
    """Draw a scene on a new figure, or on given axes.

    Parameters
    ----------
    scene : Scene
    ax : matplotlib Axes, or a sequence of them, optional
        One for each panel; by default those of a new figure.

    Returns
    -------
    tuple of Axes
        One for each panel that is not an empty place.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    DataError
        There are not as many axes as panels, or a 3-D panel gets axes of two dimensions.
    """
    axes = _on_new_figure(scene) if ax is None else _given(scene, ax)
    for panel, place in zip(scene.drawn, axes, strict=True):
        _panel(place, panel)
    notes = "\n".join(escaped(note) for note in scene.notes)
    if notes and ax is None:
        axes[0].figure.supxlabel(notes, fontsize="small", color="0.35")
    elif notes:
        axes[0].set_xlabel("\n".join([axes[0].get_xlabel(), notes]))
    return axes


def escaped(words: str) -> str:
    """Words that matplotlib takes as they are: no formulas, no hidden legend entries."""
    words = words.replace("$", r"\$")
    return f" {words}" if words.startswith("_") else words


def _new_figure(size: tuple[float, float]) -> Figure:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise MissingExtra("matplotlib", "plots") from None
    return pyplot.figure(figsize=size, layout="constrained")


def _on_new_figure(scene: s.Scene) -> tuple[Axes, ...]:
    figure = _new_figure(scene.figure_size)
    if scene.rows > 1:  # an axis' label stands apart from the title below it
        figure.set_layout_engine("constrained", h_pad=0.09)
    if scene.title:
        figure.suptitle(escaped(scene.title), fontsize=12)
    return tuple(
        figure.add_subplot(
            scene.rows, scene.columns, at, projection="3d" if panel.solid else None
        )
        for at, panel in enumerate(scene.panels, start=1)
        if panel is not None
    )  # fmt: skip


def _given(scene: s.Scene, ax: Any) -> tuple[Axes, ...]:
    axes = tuple(np.atleast_1d(np.asarray(ax, dtype=object)).ravel())
    if len(axes) != len(scene.drawn):
        raise DataError(
            f"The picture has {len(scene.drawn)} panels, but ax is {len(axes)} axes: "
            "pass one for each, or none."
        )
    for panel, place in zip(scene.drawn, axes, strict=True):
        if panel.solid != hasattr(place, "get_zlim"):
            wanted = 'projection="3d"' if panel.solid else "two dimensions"
            raise DataError(f"ax has the wrong number of dimensions: pass axes with {wanted}.")
    return axes


def _panel(ax: Axes, panel: s.Panel) -> None:
    for order, mark in enumerate(panel.marks):
        _MARKS[type(mark)](ax, mark, 2.0 + order / len(panel.marks))
    if panel.title:
        ax.set_title(escaped(panel.title), fontsize=11)
    for name, axis in (("x", panel.x), ("y", panel.y), ("z", panel.z))[: 3 if panel.solid else 2]:
        _axis(ax, name, axis)
    if panel.equal:
        ax.set_aspect("equal")
    if panel.grid:
        ax.grid(color="0.92")
        ax.set_axisbelow(True)
    if not panel.framed:
        ax.set_axis_off()
    if panel.legend is not None:
        _legend(ax, panel, panel.legend)
    if panel.color_bar is not None:
        _color_bar(ax, panel.color_bar)


def _axis(ax: Any, name: str, axis: s.Axis) -> None:
    put: Callable[[str], Callable[..., Any]] = lambda what: getattr(ax, f"set_{name}{what}")  # noqa: E731
    put("label")(escaped(axis.label), **({"labelpad": 10.0} if name == "z" else {}))
    if axis.scale != "linear":
        put("scale")(axis.scale)
    if axis.limits is not None:
        put("lim")(*axis.limits)
    if axis.whole:
        _whole_numbers(getattr(ax, f"{name}axis"))
    if axis.upright:
        ax.tick_params(axis=name, labelrotation=90.0)
    if axis.ticks is not None:
        put("ticks")(axis.ticks, None if axis.names is None else [*map(escaped, axis.names)])


def _points(ax: Any, mark: s.Points, order: float) -> None:
    if not len(mark.xy):
        return
    color: Any = mark.color
    alpha: float | None = mark.opacity
    if not isinstance(color, str) and color.shape[1] == 4:
        color, alpha = color * [1.0, 1.0, 1.0, mark.opacity], None
    edged = mark.hollow or mark.marker in THIN
    colors = {"facecolors": "none", "edgecolors": color} if mark.hollow else {"c": color}
    ax.scatter(
        *mark.xy.T, s=mark.size, marker=mark.marker, alpha=alpha, zorder=order,
        linewidths=mark.width if edged else 0.0, rasterized=True, **colors,
    )  # fmt: skip


def _line(ax: Any, mark: s.Line, order: float) -> None:
    ax.plot(
        *mark.xy.T, color=mark.color, lw=mark.width, ls=DASHES[mark.dash], alpha=mark.opacity,
        zorder=order, marker=mark.marker or None, markersize=LINE_MARKER,
    )  # fmt: skip


def _band(ax: Any, mark: s.Band, order: float) -> None:
    ax.fill_between(
        mark.x, mark.lower, mark.upper, color=mark.color, alpha=mark.opacity, linewidth=0,
        zorder=order,
    )  # fmt: skip


def _bars(ax: Any, mark: s.Bars, order: float) -> None:
    base = np.zeros(len(mark.start)) if mark.base is None else mark.base
    style = {"color": mark.color, "edgecolor": mark.edge, "alpha": mark.opacity, "zorder": order}
    if mark.horizontal:
        ax.barh(mark.start, mark.height, mark.width, left=base, align="edge", lw=0.6, **style)
    else:
        ax.bar(mark.start, mark.height, mark.width, bottom=base, align="edge", lw=0.6, **style)


def _image(ax: Any, mark: s.Image, order: float) -> None:
    low, high = mark.limits or (None, None)
    ax.imshow(
        mark.cells, origin="lower", extent=(*mark.x, *mark.y), aspect="auto", zorder=order,
        cmap=_scale(mark.scale), vmin=low, vmax=high, interpolation="nearest",
    )  # fmt: skip


def _contours(ax: Any, mark: s.Contours, order: float) -> None:
    contours = ax.contourf if mark.filled else ax.contour
    width = {} if mark.filled else {"linewidths": mark.width}
    contours(
        mark.x, mark.y, mark.z, levels=mark.levels, cmap=_scale(mark.scale), alpha=mark.opacity,
        zorder=order, vmin=mark.low, vmax=mark.high, **width,
    )  # fmt: skip


def _surface(ax: Any, mark: s.Surface, order: float) -> None:
    low, high = mark.limits or (None, None)
    ax.plot_surface(
        *np.meshgrid(mark.x, mark.y), mark.z, cmap=_scale(mark.scale), vmin=low, vmax=high,
        rcount=100, ccount=100, alpha=mark.opacity, linewidth=0, antialiased=True, rasterized=True,
        zorder=order,
    )  # fmt: skip


def _text(ax: Any, mark: s.Text, order: float) -> None:
    ax.annotate(
        escaped(mark.words), mark.at, xytext=mark.offset, textcoords="offset points",
        ha=mark.align, va={"middle": "center"}.get(mark.vertical, mark.vertical),
        fontsize=mark.size, color=mark.color, fontweight="bold" if mark.bold else "normal",
        zorder=order + 2.0,
    ).set_in_layout(False)  # fmt: skip


def _rug(ax: Any, mark: s.Rug, order: float) -> None:
    at = np.full(len(mark.values), RUG)
    along = mark.along == "x"
    ax.plot(
        *((mark.values, at) if along else (at, mark.values)), ls="", marker="|" if along else "_",
        color=mark.color, markersize=7, alpha=mark.opacity, rasterized=True, zorder=order,
        transform=ax.get_xaxis_transform() if along else ax.get_yaxis_transform(),
    )  # fmt: skip


_MARKS: dict[type, Callable[[Any, Any, float], None]] = {
    s.Points: _points, s.Line: _line, s.Band: _band, s.Bars: _bars, s.Image: _image,
    s.Contours: _contours, s.Surface: _surface, s.Text: _text, s.Rug: _rug,
}  # fmt: skip


def _legend(ax: Axes, panel: s.Panel, legend: s.Legend) -> None:
    marks: list[Any] = [mark for mark in panel.marks if getattr(mark, "label", "")]
    place: dict[str, Any] = {"loc": legend.place}
    if legend.place == "outside":
        place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.02), "frameon": False}
    columns = max(legend.columns, 1 + (len(marks) - 1) // ENTRIES)
    ax.legend(
        [_key(mark) for mark in marks], [escaped(mark.label) for mark in marks],
        title=escaped(legend.title) or None, fontsize="small", ncols=columns, **place,
    )  # fmt: skip


def _key(mark: Any) -> Any:
    """What stands in a legend for a mark."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    match mark:
        case s.Points():
            face = "none" if mark.hollow else mark.swatch
            edge = mark.width if mark.hollow or mark.marker in THIN else 0.0
            return Line2D(
                [], [], ls="", marker=mark.marker, markersize=6.5, markerfacecolor=face,
                markeredgecolor=mark.swatch, markeredgewidth=edge,
            )  # fmt: skip
        case s.Line():
            return Line2D(
                [], [], color=mark.color, lw=mark.width, ls=DASHES[mark.dash],
                marker=mark.marker or None, markersize=LINE_MARKER,
            )  # fmt: skip
        case _:
            return Patch(color=mark.color, alpha=mark.opacity)


def _color_bar(ax: Axes, bar: s.ColorBar) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    mapped = ScalarMappable(Normalize(*bar.limits), _scale(bar.scale))
    ax.figure.colorbar(mapped, ax=ax, label=escaped(bar.label), pad=0.02)


def _scale(colors: Sequence[str]) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    two = colors if len(colors) > 1 else [*colors, *colors]
    return LinearSegmentedColormap.from_list("", list(two))


def integer_ticks(ax: Axes) -> None:
    """Ticks of the horizontal axis at whole numbers alone."""
    _whole_numbers(ax.xaxis)


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins="auto", integer=True, min_n_ticks=1))


def check_format(path: Path) -> str:
    """The picture format of a file name. Raises ValueError where matplotlib does not know it."""
    from matplotlib.backend_bases import FigureCanvasBase

    name = path.suffix.lstrip(".").lower() or "png"
    if name not in FigureCanvasBase.get_supported_filetypes():
        raise ValueError(f"Pictures cannot be written as '.{name}': use .png, .svg or .pdf.")
    return name


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a file, beside and then renamed, and close it."""
    from matplotlib import pyplot

    name = check_format(path)
    write_beside(path, lambda beside: figure.savefig(beside, dpi=150, format=name))
    pyplot.close(figure)


def film(
    scenes: Sequence[s.Scene], path: str, writer: str, fps: float, hold: int, **settings: str
) -> None:
    """Write scenes of the same panels, title and notes to a file, one after the other.

    Parameters
    ----------
    scenes : sequence of Scene
    path : str
    writer : {"pillow", "ffmpeg"}
        matplotlib's.
    fps : float
        Scenes a second.
    hold : int
        For how many more the last one stays.
    **settings
        Of matplotlib's animations, such as ``ffmpeg_path``.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    DataError
        The program that writes the film failed.
    """
    try:
        from matplotlib import animation, pyplot, rc_context
    except ImportError:
        raise MissingExtra("matplotlib", "plots") from None
    chosen: Any = {f"animation.{name}": value for name, value in settings.items()}
    axes = draw(scenes[0])
    figure: Any = axes[0].figure
    writers: Any = animation.writers
    try:
        with rc_context(chosen):
            shots = writers[writer](fps=fps)
            with shots.saving(figure, path, SHARPNESS):
                shots.grab_frame()
                figure.set_layout_engine("none")  # nothing shall jump, and layouts take long
                for scene in scenes[1:]:
                    for place in axes:
                        place.clear()
                    draw(replace(scene, notes=()), axes)
                    shots.grab_frame()
                for _ in range(hold):
                    shots.grab_frame()
    except CalledProcessError as error:
        raise DataError(f"The film could not be written: {writer} said {error}.") from None
    finally:
        pyplot.close(figure)


def use_files_only() -> None:
    """Draw without a screen (for the command line)."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise MissingExtra("matplotlib", "plots") from None
    mpl.use("Agg")


def as_svg(scene: s.Scene, sharpness: float = SHARPNESS) -> str:
    """A scene as SVG, with words as text; the same at each call.

    Parameters
    ----------
    scene : Scene
    sharpness : float
        Dots an inch of what is drawn point by point.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    check_installed()
    from matplotlib import pyplot, rc_context

    chosen: Any = {"svg.fonttype": "none", "svg.hashsalt": "ellimix"}
    text = StringIO()
    with rc_context(chosen), warnings.catch_warnings():
        # whoever shows the text has letters that matplotlib's font lacks
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure: Any = draw(scene)[0].figure
        try:
            nobody: Any = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            figure.savefig(text, format="svg", dpi=sharpness, metadata=nobody)
        finally:
            pyplot.close(figure)
    return text.getvalue()
