"""What a backend drew of a scene, compared with the scene, mark by mark."""

import base64
import io

import matplotlib as mpl
import numpy as np
from matplotlib import image as images
from matplotlib.contour import QuadContourSet
from matplotlib.patches import Rectangle

from ellimix.plots import scene as s
from ellimix.plots.canvas import escaped
from ellimix.plots.interactive import SYMBOLS
from ellimix.plots.interactive import escaped as html_escaped


def on_axes(panel, ax):
    """The axes hold each mark of the panel, in order."""
    marks, d = panel.marks, 3 if panel.solid else 2
    lines = [line for line in ax.lines if line.get_marker() not in ("|", "_")]
    for mark, line in zip(only(marks, s.Line), lines, strict=True):
        data = line.get_data_3d() if d == 3 else line.get_data()
        np.testing.assert_array_equal(np.column_stack(data), mark.xy)
        assert line.get_color() == mark.color
        assert line.get_marker() == (mark.marker or "None")
    clouds = [
        c for c in ax.collections if type(c).__name__ in ("PathCollection", "Path3DCollection")
    ]
    points = [mark for mark in only(marks, s.Points) if len(mark.xy)]
    for mark, cloud in zip(points, clouds, strict=True):
        at = np.column_stack(cloud._offsets3d) if d == 3 else cloud.get_offsets()
        np.testing.assert_array_equal(at, mark.xy)
        size = np.broadcast_to(mark.size, len(mark.xy))
        np.testing.assert_allclose(np.broadcast_to(cloud.get_sizes(), len(size)), size)
        wanted = mpl.colors.to_rgba_array(mark.color)
        faces = cloud.get_edgecolor() if mark.hollow else cloud.get_facecolor()
        if d == 2:  # in 3-D the far ones are drawn paler
            alpha = wanted[:, 3] * mark.opacity
            np.testing.assert_allclose(*np.broadcast_arrays(faces[:, 3], alpha), atol=1e-12)
            np.testing.assert_allclose(
                *np.broadcast_arrays(faces[:, :3], wanted[:, :3]), atol=1e-12
            )
        assert cloud.get_rasterized()
    for mark, picture in zip(only(marks, s.Image), ax.images, strict=True):
        np.testing.assert_array_equal(picture.get_array(), mark.cells)
        assert tuple(picture.get_extent()) == (*mark.x, *mark.y)
        assert picture.origin == "lower"
    contours = [c for c in ax.collections if isinstance(c, QuadContourSet)]
    for mark, found in zip(only(marks, s.Contours), contours, strict=True):
        np.testing.assert_allclose(found.levels, mark.levels)
        assert found.filled == mark.filled
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    for mark in only(marks, s.Bars):
        mine, bars = bars[: len(mark.start)], bars[len(mark.start) :]
        up, along = ("width", "y") if mark.horizontal else ("height", "x")
        np.testing.assert_allclose([getattr(b, f"get_{up}")() for b in mine], mark.height)
        np.testing.assert_allclose([getattr(b, f"get_{along}")() for b in mine], mark.start)
    assert not bars
    ticks = [line for line in ax.lines if line.get_marker() in ("|", "_")]
    for mark, line in zip(only(marks, s.Rug), ticks, strict=True):
        assert line.get_marker() == {"x": "|", "y": "_"}[mark.along]
        np.testing.assert_array_equal(line.get_data()["xy".index(mark.along)], mark.values)
    texts = [text.get_text() for text in ax.texts]
    assert texts == [escaped(mark.words) for mark in only(marks, s.Text)]
    assert len(only(marks, s.Surface)) == sum(
        type(c).__name__ == "Poly3DCollection" for c in ax.collections
    )
    assert ax.get_title() == escaped(panel.title)
    assert ax.get_xlabel().split("\n")[0] == escaped(panel.x.label)
    assert ax.get_ylabel() == escaped(panel.y.label)
    for axis, got in ((panel.x, ax.get_xlim()), (panel.y, ax.get_ylim())):
        if axis.limits is not None:
            np.testing.assert_allclose(got, axis.limits)
    entries = [m.label for m in marks if getattr(m, "label", "")] if panel.legend else []
    legend = ax.get_legend()
    shown = [] if legend is None else [text.get_text() for text in legend.get_texts()]
    assert shown == [escaped(label) for label in entries]


def in_figure(scene, figure):
    """The plotly figure holds each mark of the scene, in order."""
    traces = list(figure.data)
    for panel in scene.drawn:
        for mark in panel.marks:
            traces = _taken(panel, mark, traces, figure)
        if panel.color_bar is not None:
            bar = traces.pop(0).marker
            assert (bar.cmin, bar.cmax) == panel.color_bar.limits
            assert bar.colorbar.title.text == html_escaped(panel.color_bar.label)
    assert not traces
    words = [html_escaped(mark.words) for p in scene.drawn for mark in only(p.marks, s.Text)]
    notes = [note.text for note in figure.layout.annotations if note.xref != "paper"]  # no titles
    written = [note.removeprefix("<b>").removesuffix("</b>") for note in notes]
    assert written == words


def _taken(panel, mark, traces, figure):
    """The traces that are left once those of a mark are compared."""
    names = "xyz" if panel.solid else "xy"
    if isinstance(mark, s.Text):
        return traces
    trace, *rest = traces
    match mark:
        case s.Points():
            if mark.label:  # the legend's entry goes first
                assert list(trace.x) == [None]
                assert trace.name == html_escaped(mark.label)
                assert trace.showlegend == (panel.legend is not None)
                trace, *rest = rest
            at = np.column_stack([getattr(trace, name) for name in names])
            np.testing.assert_array_equal(at, mark.xy)
            size = np.sqrt(mark.size) * 96.0 / 72.0
            np.testing.assert_allclose(trace.marker.size, size)
            if isinstance(mark.color, str):
                assert trace.marker.color == mark.color
            else:
                got = np.array([_numbers(color) for color in trace.marker.color])
                wanted = mark.color[:, :3]
                assert len(got) == len(wanted)
                if mark.color.shape[1] == 4:
                    np.testing.assert_allclose(got[:, 3], mark.color[:, 3], atol=1e-3)
                if len(got):
                    np.testing.assert_allclose(got[:, :3], wanted, atol=0.5 / 255 + 1e-9)
        case s.Line():
            at = np.column_stack([getattr(trace, name) for name in names])
            np.testing.assert_array_equal(at, mark.xy)
            mode = "lines+markers" if mark.marker else "lines"
            assert (trace.mode, trace.line.color) == (mode, mark.color)
            if mark.marker and not panel.solid:
                assert trace.marker.symbol == SYMBOLS[mark.marker]
        case s.Band():
            np.testing.assert_array_equal(trace.y, [*mark.lower, *mark.upper[::-1]])
        case s.Bars():
            up = trace.x if mark.horizontal else trace.y
            np.testing.assert_array_equal(up, mark.height)
            np.testing.assert_array_equal(trace.width, mark.width)
        case s.Image() if mark.cells.ndim == 3:
            pictures = [p for p in figure.layout.images if p.x == mark.x[0] and p.y == mark.y[1]]
            data = base64.b64decode(pictures[0].source.split(",")[1])
            decoded = images.imread(io.BytesIO(data), format="png")
            np.testing.assert_allclose(decoded[::-1], mark.cells, atol=0.5 / 255 + 1e-6)
            assert pictures[0].sizex == mark.x[1] - mark.x[0]
        case s.Image():
            np.testing.assert_array_equal(trace.z, mark.cells)
        case s.Contours():
            np.testing.assert_array_equal(trace.z, mark.z)
            levels = np.arange(len(mark.levels)) * trace.contours.size + trace.contours.start
            np.testing.assert_allclose(levels, mark.levels)
            assert trace.contours.end == mark.high
        case s.Surface():
            np.testing.assert_array_equal(trace.z, mark.z)
        case s.Rug():
            np.testing.assert_array_equal(getattr(trace, mark.along), mark.values)
    return rest


def only(marks, kind):
    """The marks of one kind."""
    return [mark for mark in marks if isinstance(mark, kind)]


def _numbers(color):
    """Red, green, blue, alpha of plotly's colour."""
    if color.startswith("#"):
        return mpl.colors.to_rgba(color)
    r, g, b, alpha = (float(n) for n in color.removeprefix("rgba(").removesuffix(")").split(","))
    return r / 255.0, g / 255.0, b / 255.0, alpha
