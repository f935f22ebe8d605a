"""The kind "selection": several criteria, and the best models' differences."""

import numpy as np
import pytest
from matplotlib import pyplot

import ellimix as em
from ellimix.covariance import FAMILIES
from ellimix.plots import SelectionDisplay
from ellimix.plots.scene import Bars, Line, Points, Text
from ellimix.plots.selection import looks
from ellimix.selection.cells import Verdict
from fitted_cells import made, unfit

X = em.datasets.faithful()[0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def search():
    return em.GaussianMixtureSearch(["EEE", "VII", "VVV"], [1, 2, 3, 4], random_state=0).fit(X)


def marks(panel, kind):
    return [mark for mark in panel.marks if isinstance(mark, kind)]


def test_each_criterion_is_a_panel_with_the_search_s_own_numbers(search):
    scene = SelectionDisplay.of(search, X)
    assert [p.y.label.split()[0] for p in scene.panels[:3]] == ["bic", "aic", "icl"]
    for panel, name in zip(scene.panels[:3], ("bic", "aic", "icl"), strict=True):
        lines = marks(panel, Line)
        assert {line.label for line in lines} == {"EEE", "VII", "VVV"}
        for line in lines:
            own = {r["n_components"]: r[name] for r in search.results_ if r["family"] == line.label}
            assert line.xy.tolist() == [[k, own[k]] for k in sorted(own)]
        best = min(search.results_, key=lambda row: row[name])
        (ring,) = marks(panel, Points)
        assert ring.xy.tolist() == [[best["n_components"], best[name]]]
        assert marks(panel, Text)[0].words.startswith(f"{best['family']}, {best['n_components']}: ")
    assert [panel.legend is not None for panel in scene.panels] == [False, True, False, False]


def test_bars_are_differences_to_the_best(search):
    panel = SelectionDisplay.of(search, criterion="icl", top=4).panels[-1]
    (bars,) = marks(panel, Bars)
    ranked = sorted(search.results_, key=lambda row: row["icl"])[:4]
    np.testing.assert_allclose(bars.height, [row["icl"] - ranked[0]["icl"] for row in ranked])
    assert panel.y.names == tuple(f"{row['family']}, {row['n_components']}" for row in ranked)
    words = [text.words for text in marks(panel, Text)]
    assert words == ["best", *(f"{height:,.1f}" for height in bars.height[1:])]
    assert panel.title == "The best of 12 models"
    top, bottom = panel.y.limits[::-1]
    assert top < 0.0 < bottom  # the best is at the top


@pytest.mark.filterwarnings("ignore:The runner-up:ellimix.FitWarning")
def test_the_criterion_that_chose_comes_first():
    cv = em.GaussianMixtureSearch("EEE", range(1, 8), criterion="cv", random_state=0).fit(X)
    scene = SelectionDisplay.of(cv)
    labels = [panel.y.label.split()[0] for panel in scene.panels[:-1]]
    assert labels == ["cv", "bic", "aic", "icl"]
    assert scene.panels[-1].x.label == "cv, difference to the best"
    held_out = [-2.0 * cell.held_out for cell in cv.cells_]
    assert marks(scene.panels[0], Line)[0].xy[:, 1].tolist() == held_out


def test_notes_name_their_criterion():
    cells = [made(name, k, -600.0 + 5.0 * k) for name in FAMILIES for k in range(1, 5)]
    cells += [unfit("VVV", 5), made("VVV", 6, -520.0, verdict=Verdict.SPURIOUS)]
    several = SelectionDisplay.of(cells, criterion=["bic", "aic"]).notes
    assert "bic: 1 without a value." in several
    assert "aic: 1 without a value." in several
    assert "aic: 1 hollow, never chosen." in several
    assert "1 without a value." in SelectionDisplay.of(cells, criterion="bic").notes


def test_families_look_different():
    found = {looks(name) for name in FAMILIES}
    assert len(found) == 14 == len({look[:2] for look in found})
    assert len({(color, dash) for color, _, dash in found}) == 14


def test_a_search_inside_of_an_estimator_is_drawn():
    model = em.GaussianMixture("auto", covariance_type="EEE", random_state=0).fit(X)
    direct = SelectionDisplay.of(model.search_)
    inside = SelectionDisplay.of(model)
    for one, other in zip(direct.panels[0].marks, inside.panels[0].marks, strict=True):
        assert type(one) is type(other)
        if isinstance(one, Line):
            np.testing.assert_array_equal(one.xy, other.xy)


def test_the_search_s_own_method_draws_the_same(search):
    ax = search.plot("aic")
    scene = SelectionDisplay.of(search, criterion="aic", top=0)
    assert len(scene.panels) == 1
    for line, mark in zip(ax.lines, marks(scene.panels[0], Line), strict=True):
        np.testing.assert_array_equal(np.column_stack(line.get_data()), mark.xy)


def test_what_cannot_be_drawn_is_said(search):
    one = em.GaussianMixture(2, random_state=0).fit(X)
    for model in (one, one.mixture_):
        with pytest.raises(em.DataError, match="has no other models to compare with: the kind"):
            em.plot(model, X, "selection")
    with pytest.raises(em.DataError, match="Unknown criterion 'BIC'"):
        em.plot(search, X, "selection", criterion="BIC")
    with pytest.raises(em.DataError, match="criterion is empty"):
        em.plot(search, X, "selection", criterion=())
    for top in (-1, 2.5, True):
        with pytest.raises(em.DataError, match="top is a whole number of at least 0, but"):
            em.plot(search, X, "selection", top=top)
    with pytest.raises(em.DataError, match=r"X has shape \(272, 1\), expected \(n, 2\)"):
        em.plot(search, X[:, :1], "selection")
    with pytest.raises(em.DataError, match="nothing to draw"):
        SelectionDisplay.of([])
