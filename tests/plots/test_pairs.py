"""The kind "pairs": each panel is the right pair of features."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from scipy.stats import norm

import ellimix as em
from ellimix.plots import PairsDisplay
from ellimix.plots.scene import Bars, Image, Line, Points

mpl.use("Agg")
IRIS = em.datasets.iris()[0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def model():
    return em.GaussianMixture(3, random_state=0).fit(IRIS)


def only(panel, kind):
    return [mark for mark in panel.marks if isinstance(mark, kind)]


def test_panels_below_the_diagonal_are_pairs(model):
    scene = PairsDisplay.of(model, IRIS)
    assert (scene.columns, scene.rows) == (4, 4)
    for i in range(4):
        for j in range(4):
            panel = scene.panels[4 * i + j]
            if j > i:
                assert (panel is None) != ((i, j) == (0, 3))
            elif j < i:
                clouds = [p for p in only(panel, Points) if p.label]
                drawn = np.concatenate([cloud.xy for cloud in clouds])
                order = np.argsort(model.predict(IRIS), kind="stable")
                np.testing.assert_array_equal(drawn, IRIS[order][:, [j, i]])
                first = only(panel, Line)[0].xy - model.means_[0, [j, i]]
                inverse = np.linalg.inv(model.covariances_[0][np.ix_([j, i], [j, i])])
                np.testing.assert_allclose(np.einsum("ij,ij->i", first @ inverse, first), 1.0)
    assert [panel.x.label for panel in scene.panels[12:]] == ["x0", "x1", "x2", "x3"]
    assert [scene.panels[4 * i].y.label for i in range(4)] == ["", "x1", "x2", "x3"]
    legend = scene.panels[3]
    assert not legend.framed
    assert [mark.label.split()[0] for mark in legend.marks] == ["0", "1", "2"]


def test_the_diagonal_is_the_features_density(model):
    scene = PairsDisplay.of(model, IRIS)
    for j in range(4):
        *parts, total = only(scene.panels[5 * j], Line)
        at = total.xy[:, 0]
        for k, part in enumerate(parts):
            law = norm(model.means_[k, j], np.sqrt(model.covariances_[k, j, j]))
            np.testing.assert_allclose(part.xy[:, 1], model.weights_[k] * law.pdf(at), atol=1e-9)
        (bars,) = only(scene.panels[5 * j], Bars)
        assert (bars.height * bars.width).sum() == pytest.approx(1.0)


def test_panels_share_their_axes(model):
    scene = PairsDisplay.of(model, IRIS)
    for j in range(4):
        column = {scene.panels[4 * i + j].x.limits for i in range(j, 4)}
        row = {scene.panels[4 * j + i].y.limits for i in range(j)}
        assert len(column | row) == 1


def test_chosen_features(model):
    scene = PairsDisplay.of(model, IRIS, features=("x3", 0))
    assert [panel.x.label for panel in scene.panels[2:]] == ["x3", "x0"]
    alone = PairsDisplay.of(model, IRIS, features=[2])
    assert len(alone.panels) == 1
    assert alone.panels[0].legend is not None
    for wrong in ((0, 0), (0, 9), ("sepal",)):
        with pytest.raises(em.DataError, match="0 to 3"):
            PairsDisplay.of(model, IRIS, features=wrong)


def test_more_than_eight_features_are_to_be_chosen_from():
    rows = np.random.default_rng(0).normal(size=(60, 9))
    model = em.GaussianMixture(1).fit(rows)
    with pytest.raises(em.DataError) as caught:
        em.plot(model, rows, "pairs")
    assert str(caught.value) == (
        "Pairs of 9 features cannot be drawn: choose 1 to 8 of the 9 with features=."
    )
    assert PairsDisplay.of(model, rows, features=range(8)).columns == 8


def test_many_rows_are_thinned_or_counted():
    mixture = em.Mixture.from_parameters([1.0], [[0.0, 0.0]], [1.0], "VII")
    rows = mixture.sample(100_001, 0)[0]
    few = PairsDisplay.of(mixture, rows[:4000])
    assert len(only(few.panels[2], Points)[0].xy) == 3000
    assert few.title == "1 component, VII; 3,000 of 4,000 rows drawn"
    many = PairsDisplay.of(mixture, rows)
    assert len(only(many.panels[2], Image)) == 1
    assert many.title == "1 component, VII; 100,000 of 100,001 rows drawn, binned"


def test_holes_are_ticks_and_rows_of_none_are_nowhere(model):
    rows = IRIS.copy()
    rows[0, 0] = np.nan
    rows[1] = np.nan
    rows[2, 1:] = np.nan
    display = em.plot(model, rows, "pairs")
    assert "149 of 150 rows drawn" in display.scene_.title
    panel = display.scene_.panels[4]  # x1 against x0
    drawn = sum(len(p.xy) for p in only(panel, Points) if p.label)
    assert drawn == 147
