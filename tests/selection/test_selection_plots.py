"""Pictures of a search: what is drawn, from the axes' own artists."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot

import ellimix as em
from ellimix.covariance import FAMILIES
from ellimix.errors import DataError
from ellimix.selection.cells import Verdict
from ellimix.selection.criteria import CRITERIA, order, values
from ellimix.selection.slope import slope_heuristic, slope_of
from fitted_cells import made, unfit

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def grid(most=6):
    """Cells of all families; one spherical component is far worse than the rest."""
    return [
        made(name, k, -600.0 - 2.0 * place - 60.0 * abs(k - 3) - 4000.0 * (name == "EII") / k**3)
        for place, name in enumerate(FAMILIES)
        for k in range(1, most + 1)
    ]


def named(ax):
    """Families' lines, by the legend's entries."""
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert set(labels) <= set(FAMILIES)
    return dict(zip(labels, ax.lines, strict=True))


def rings(ax):
    """Clouds that are outlines alone."""
    return [cloud for cloud in ax.collections if cloud.get_facecolor().size == 0]


def noted(ax):
    """What stands below the picture."""
    return ax.figure.get_supxlabel()


def test_a_line_each_family_with_its_values_best_first():
    cells = grid()
    ax = em.plots.selection_plot(cells, "aic")
    lines, value = named(ax), values(cells, "aic")
    assert set(lines) == set(FAMILIES)
    for name, line in lines.items():
        mine = [i for i, cell in enumerate(cells) if cell.family == name]
        assert line.get_xdata().tolist() == [1, 2, 3, 4, 5, 6]
        np.testing.assert_array_equal(line.get_ydata(), value[mine])
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    best = {name: min(line.get_ydata()) for name, line in lines.items()}
    assert legend == sorted(best, key=best.get)
    looks = {(x.get_color(), x.get_marker(), x.get_linestyle()) for x in lines.values()}
    assert len(looks) == len({look[:2] for look in looks}) == 14


def test_the_best_is_ringed_and_named_and_the_scale_is_readable():
    cells = grid()
    ax = em.plots.selection_plot(cells)
    best, value = order(cells, "bic")[0], values(cells, "bic")
    (ring,) = rings(ax)
    assert ring.get_sizes() == 14**2
    assert ring.get_offsets().tolist() == [[cells[best].n_components, value[best]]]
    assert ax.texts[0].get_text() == f"{cells[best].family}, 3: {value[best]:,.1f}"
    low, high = ax.get_ylim()
    above = int((value > high).sum())
    assert 0 < above < len(cells) / 4
    assert noted(ax) == f"{above} of 84 cells lie above."
    assert low < value.min()
    without = [cell for cell in cells if cell.family != "EII"]
    even = em.plots.selection_plot(without)
    assert even.get_ylim()[1] > values(without, "bic").max()  # no need to leave any out
    assert (even.get_xlabel(), noted(even)) == ("number of components", "")


def test_cells_that_are_not_ok_are_hollow_and_do_not_stretch_the_axis():
    cells = grid()
    plain = em.plots.selection_plot(cells).get_ylim()
    best = values(cells, "bic").min()
    spurious = {"verdict": Verdict.SPURIOUS}
    bad = [
        made("VVV", 8, 1e5, **spurious),
        made("VVV", 7, -620.0, **spurious),
        unfit("VVV", 9),
        unfit("VVV", 10, Verdict.SKIPPED),
    ]
    ax = em.plots.selection_plot([*cells, *bad])
    assert ax.get_ylim() == plain
    *hollow, ring = rings(ax)
    points = {tuple(point) for cloud in hollow for point in cloud.get_offsets().tolist()}
    edge = plain[0] + 0.025 * (plain[1] - plain[0])
    assert points == {(8, edge), (7, values(bad[:2], "bic")[1])}
    assert best == ring.get_offsets()[0, 1]
    assert "2 hollow, never chosen." in noted(ax)
    assert "2 without a value." in noted(ax)


def test_a_cell_that_is_not_ok_interrupts_the_line():
    cells = [made("VVV", k, -600.0 + 5 * k) for k in (1, 2, 4, 6)]
    cells.append(made("VVV", 3, -580.0, verdict=Verdict.SPURIOUS))
    line = named(em.plots.selection_plot(cells))["VVV"]
    assert np.isnan(line.get_ydata()).tolist() == [False, False, True, False, True, False]


def test_a_search_own_axes_and_one_number_of_components():
    cells = [cell for cell in grid() if cell.n_components == 3]
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for ax, criterion in zip(axes, ("icl", "aicc"), strict=True):
        assert em.plots.selection_plot(SimpleNamespace(cells_=cells), criterion, ax) is ax
        assert [x for x in ax.get_xticks() if 2.6 <= x <= 3.4] == [3]
        assert ax.get_title().lower() == CRITERIA[criterion].words.lower()
    figure.canvas.draw()
    assert all(ax.get_position().width > 0.25 for ax in axes)  # nothing crowds them out


def test_nothing_to_draw_is_an_error():
    with pytest.raises(DataError, match="nothing to draw"):
        em.plots.selection_plot([unfit("VVV", 3), made("EII", 1, -9.0, verdict=Verdict.SPURIOUS)])
    with pytest.raises(DataError, match="nothing to draw"):
        em.plots.selection_plot([made("EII", 1, -9.0, weight=3.0)], "aicc")
    with pytest.raises(DataError, match="Unknown criterion"):
        em.plots.selection_plot(grid(), "BIC")


def test_the_slope_is_drawn_through_its_points():
    cells = [made("VVV", k, 0.8 * (6 * k - 1) - 60.0 * max(4 - k, 0)) for k in range(1, 15)]
    found = slope_of(cells)
    ax = em.plots.slope_plot(found)
    labels = {line.get_label(): line for line in ax.lines}
    used, rest = labels["in the line"], labels["not in the line"]
    assert used.get_xdata().size == found.fitted
    assert sorted([*used.get_xdata(), *rest.get_xdata()]) == found.n_parameters.tolist()
    x, y = labels["line"].get_data()
    np.testing.assert_allclose(np.diff(y) / np.diff(x), found.slope)
    np.testing.assert_allclose(y, found.intercept + found.slope * x)
    ring = labels["chosen: VVV, 4"]
    assert ring.get_xdata()[0] == cells[3].n_parameters
    low, high = ax.get_ylim()
    below = int((found.log_likelihood < low).sum())
    assert 0 < below <= 3  # the models that are too small
    assert f"{below} of 14 models lie below" in ax.get_xlabel()
    assert found.log_likelihood.max() < high


def test_a_slope_without_names():
    p = np.arange(5, 65, 5)
    ax = em.plots.slope_plot(slope_heuristic(p, 0.7 * p))
    assert "chosen: 5 parameters" in {line.get_label() for line in ax.lines}
    assert ax.get_xlabel() == "number of parameters"
