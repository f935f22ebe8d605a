"""Each mark that a scene can hold, as both backends draw it."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot

from drawn_scenes import in_figure, on_axes
from ellimix.errors import DataError
from ellimix.plots import canvas, interactive
from ellimix.plots import scene as s

mpl.use("Agg")
RNG = np.random.default_rng(0)
GRID = np.linspace(0.0, 1.0, 7)
XY = RNG.random((20, 2))
HOSTILE = "<b>$a_b & $\\frac"
FLAT = s.Panel(
    (
        s.Image(RNG.random((4, 5, 4)), (-1.0, 2.0), (0.0, 3.0)),
        s.Contours(GRID, GRID[:5], np.add.outer(GRID[:5], GRID), 0.2, 1.4, 5, filled=True),
        s.Contours(GRID, GRID[:5], np.add.outer(GRID[:5], GRID), 0.2, 1.4, 4, scale=("#000000",)),
        s.Bars(GRID[:-1], np.diff(GRID), np.arange(1.0, 7.0), label="bars"),
        s.Bars(GRID[:-1], np.diff(GRID), np.arange(1.0, 7.0), horizontal=True, base=np.ones(6)),
        s.Band(GRID, GRID - 0.1, GRID + 0.2, label="band"),
        s.Points(XY, RNG.random((20, 3)), RNG.random(20) * 9.0 + 1.0, "s", "cloud", "#0072B2"),
        s.Points(XY[:3], "#D55E00", 80.0, hollow=True, label="ring"),
        s.Points(XY[3:6], marker="+"),
        s.Points(XY, RNG.random((20, 4)), opacity=0.5),
        s.Points(np.empty((0, 2)), label="nowhere"),
        s.Line(
            np.array([[0.0, 0.0], [np.nan, np.nan], [1.0, 2.0]]), dash="dot", label="_" + HOSTILE
        ),
        s.Line(XY[:5], "#D55E00", dash="dash", label="marked", marker="^"),
        s.Rug(XY[:5, 0]),
        s.Rug(XY[:4, 1], "y", "#009E73"),
        s.Text((0.5, 0.5), HOSTILE, bold=True, align="left", offset=(3.0, -4.0)),
    ),
    title=HOSTILE,
    x=s.Axis(HOSTILE, (-1.0, 2.0)),
    y=s.Axis("y", (0.0, 7.0), ticks=np.array([0.0, 2.0]), names=("none", HOSTILE)),
    legend=s.Legend(HOSTILE),
    color_bar=s.ColorBar("bar", (0.0, 3.0)),
)
SOLID = s.Panel(
    (
        s.Points(RNG.random((9, 3)), RNG.random((9, 4)), label="cloud", key="#0072B2"),
        s.Line(RNG.random((4, 3)), label="line"),
        s.Surface(GRID, GRID[:4], RNG.random((4, 7))),
    ),
    title="solid",
    z=s.Axis("z", (0.0, 1.0)),
    legend=s.Legend(place="outside"),
    solid=True,
)
PLAIN = s.Panel(
    (s.Image(RNG.random((3, 2)), (0.0, 2.0), (0.0, 3.0)),), equal=True, grid=True, framed=False
)
LOG = s.Panel((s.Line(np.exp(XY)),), x=s.Axis("x", (1.0, 10.0), "log"), y=s.Axis(whole=True))
SCENES = {
    "flat": s.Scene((FLAT,), notes=(HOSTILE, "a second line")),
    "solid": s.Scene((SOLID,)),
    "several": s.Scene((FLAT, None, SOLID, PLAIN, LOG), 2, HOSTILE, ("note",), (3.0, 2.5)),
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.mark.parametrize("name", SCENES)
def test_matplotlib_draws_every_mark(name):
    scene = SCENES[name]
    axes = canvas.draw(scene)
    for panel, ax in zip(scene.drawn, axes, strict=True):
        on_axes(panel, ax)
    figure = axes[0].figure
    np.testing.assert_allclose(figure.get_size_inches(), scene.figure_size)
    assert figure.get_supxlabel().startswith(canvas.escaped(scene.notes[0]) if scene.notes else "")
    figure.canvas.draw()  # hostile words are no formulas


@pytest.mark.parametrize("name", SCENES)
def test_plotly_draws_every_mark(name):
    scene = SCENES[name]
    figure = interactive.figure(scene)
    in_figure(scene, figure)
    page = figure.to_html(include_plotlyjs=False)
    assert "<b>$a" not in page.replace("\\u003c", "<")


def test_words_are_shown_as_they_are():
    ax = canvas.draw(SCENES["flat"])[0]
    ax.figure.canvas.draw()
    assert ax.title._preprocess_math(ax.title.get_text()) == (HOSTILE, False)
    assert (
        interactive.figure(SCENES["flat"]).layout.title.text
        == "&lt;b&gt;&#36;a_b &amp; &#36;\\frac"
    )


def test_later_marks_lie_on_top():
    ax = canvas.draw(s.Scene((s.Panel((s.Points(XY), s.Line(XY), s.Points(XY))),)))[0]
    cloud, other = ax.collections
    assert cloud.get_zorder() < ax.lines[0].get_zorder() < other.get_zorder()


def test_given_axes_are_drawn_on():
    figure, axes = pyplot.subplots(1, 2)
    several = s.Scene((LOG, LOG), 2, notes=("said",))
    assert canvas.draw(several, axes) == tuple(axes)
    assert axes[0].get_xlabel() == "x\nsaid"
    assert not figure.get_supxlabel()
    with pytest.raises(DataError, match="has 2 panels, but ax is 1 axes: pass one for each"):
        canvas.draw(several, axes[0])
    with pytest.raises(DataError, match='pass axes with projection="3d"'):
        canvas.draw(s.Scene((SOLID,)), axes[0])
    solid = pyplot.figure().add_subplot(projection="3d")
    with pytest.raises(DataError, match="pass axes with two dimensions"):
        canvas.draw(s.Scene((LOG,)), solid)


def test_axes_are_what_the_record_says():
    flat, _, solid = canvas.draw(SCENES["several"])[:3]
    assert [t.get_text() for t in flat.get_yticklabels()] == ["none", canvas.escaped(HOSTILE)]
    assert solid is not None
    log = canvas.draw(s.Scene((LOG,)))[0]
    assert (log.get_xscale(), log.get_yscale()) == ("log", "linear")
    layout = interactive.figure(s.Scene((LOG,))).layout
    assert layout.xaxis.type == "log"
    np.testing.assert_allclose(layout.xaxis.range, [0.0, 1.0])
    upright = s.Panel((s.Line(XY),), x=s.Axis(ticks=GRID[:2], names=("a", "b"), upright=True))
    ax = canvas.draw(s.Scene((upright,)))[0]
    assert [t.get_rotation() for t in ax.get_xticklabels()] == [90.0, 90.0]
    layout = interactive.figure(s.Scene((upright,), notes=("note",))).layout
    assert layout.xaxis.tickangle == -90
    lying = s.Panel((s.Line(XY),), x=s.Axis(ticks=GRID[:2], names=("a", "b")))
    other = interactive.figure(s.Scene((lying,), notes=("note",))).layout
    assert layout.annotations[0].yshift < other.annotations[0].yshift  # below the names
    plain = canvas.draw(s.Scene((PLAIN,)))[0]
    assert plain.get_aspect() == 1.0
    assert not plain.axison
    layout = interactive.figure(s.Scene((PLAIN,))).layout
    assert (layout.yaxis.scaleanchor, layout.xaxis.visible) == ("x", False)


def test_a_color_bar_between_panels_has_room():
    bar = s.Panel((s.Line(XY),), color_bar=s.ColorBar("bar", (0.0, 1.0)))
    plain = s.Panel((s.Line(XY),))
    gaps = [
        interactive.figure(s.Scene(panels, 2)).layout.xaxis2.domain[0]
        - interactive.figure(s.Scene(panels, 2)).layout.xaxis.domain[1]
        for panels in ((bar, plain), (plain, bar))
    ]
    assert gaps[0] > 1.5 * gaps[1]


def test_panels_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="Rug has limits"):
        s.Panel((s.Rug(GRID),), x=s.Axis(limits=(0.0, 1.0)))
    with pytest.raises(ValueError, match="solid=True"):
        s.Panel((s.Surface(GRID, GRID, np.zeros((7, 7))),))


def test_many_points_are_left_to_the_graphics_card():
    many = np.zeros((interactive.MANY + 1, 2))
    kinds = [
        interactive.figure(s.Scene((s.Panel((s.Points(xy),)),))).data[0].type
        for xy in (many, many[1:])
    ]
    assert kinds == ["scattergl", "scatter"]
