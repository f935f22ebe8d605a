"""Rows drawn from a model, against its own draws and moments; pictures pixel by pixel."""

import numpy as np
import pytest
from matplotlib import pyplot

import ellimix as em
from ellimix.plots import SamplesDisplay
from ellimix.plots.samples import GREY, MOST_POINTS, mosaic
from ellimix.plots.scene import Bars, Image, Points, Rug
from ellimix.plots.views import plane

X = em.datasets.iris()[0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def model():
    return em.GaussianMixture(3, random_state=0).fit(X)


def marks(panel, kind):
    return [mark for mark in panel.marks if isinstance(mark, kind)]


def rows_in(panel):
    """Rows as drawn: clouds with a legend's entry."""
    return np.concatenate([mark.xy for mark in marks(panel, Points) if mark.label])


def in_order(rows):
    return rows[np.lexsort(rows.T)]


def test_data_and_draws_are_on_the_same_axes(model):
    scene = SamplesDisplay.of(model, X, features=(2, 3), n=400, random_state=7)
    data, own = scene.panels
    np.testing.assert_array_equal(in_order(rows_in(data)), in_order(X[:, 2:]))
    drawn = model.mixture_.sample(400, 7)[0]
    np.testing.assert_array_equal(in_order(rows_in(own)), in_order(drawn[:, 2:]))
    assert (data.x.limits, data.y.limits) == (own.x.limits, own.y.limits)
    assert (data.title, own.title) == ("data: 150 rows", "model: 400 rows")
    assert scene.title == "data, and drawn from 3 components, VVV"
    for panel in scene.panels:
        low, high = panel.x.limits
        assert low < rows_in(panel)[:, 0].min() < rows_in(panel)[:, 0].max() < high


def test_as_many_are_drawn_as_there_are_rows_and_a_thousand_without(model):
    assert len(rows_in(SamplesDisplay.of(model, X).panels[1])) == 150
    (alone,) = SamplesDisplay.of(model).panels
    assert len(rows_in(alone)) == 1000
    assert alone.title == "3 components, VVV; model: 1,000 rows"
    mixture = em.Mixture.from_parameters([1.0], [[0.0, 0.0]], [1.0], "VII")
    many = mixture.sample(2 * MOST_POINTS, 0)[0]
    data, own = SamplesDisplay.of(mixture, many).panels
    assert len(rows_in(data)) == len(rows_in(own)) == MOST_POINTS
    assert data.title == "data: 5,000 of 10,000 rows drawn"
    huge = np.tile(many, (20, 1))
    assert SamplesDisplay.of(mixture, huge).panels[0].title == "data: 5,000 of 200,000 rows drawn"


def test_a_plane_and_holes(model):
    holes = X.copy()
    holes[::10, 2] = np.nan
    scene = SamplesDisplay.of(model, holes, features=(2, 3))
    (ticks,) = (
        np.sort(np.concatenate([r.values for r in marks(scene.panels[0], Rug)])),
    )  # fmt: skip
    np.testing.assert_array_equal(ticks, np.sort(holes[::10, 3]))
    assert not marks(scene.panels[1], Rug)
    basis = plane(model.mixture_).basis
    own = SamplesDisplay.of(model, X, features="plane").panels[1]
    drawn = model.mixture_.sample(150, 0)[0] @ basis
    np.testing.assert_allclose(in_order(rows_in(own)), in_order(drawn))


def test_one_feature_has_the_same_bars_twice():
    values = X[:, 2:3]
    model = em.GaussianMixture(2, random_state=0).fit(values)
    data, own = SamplesDisplay.of(model, values, n=3000).panels
    (first,), (second,) = marks(data, Bars), marks(own, Bars)
    np.testing.assert_array_equal(first.start, second.start)
    edges = np.append(first.start, first.start[-1] + first.width[-1])
    wanted = np.histogram(values, edges, density=True)[0]
    np.testing.assert_allclose(first.height, wanted)
    drawn = model.mixture_.sample(3000, 0)[0]
    np.testing.assert_allclose(second.height, np.histogram(drawn, edges, density=True)[0])
    assert data.y.limits == own.y.limits
    assert data.y.limits[1] > max(first.height.max(), second.height.max())


def test_noise_is_drawn_too():
    rows = np.concatenate([X[:, 2:], np.random.default_rng(0).uniform(0.0, 7.0, (30, 2))])
    model = em.GaussianMixture(2, noise=True, random_state=0).fit(rows)
    own = SamplesDisplay.of(model, rows, n=500).panels[1]
    assert len(rows_in(own)) == 500
    assert [m.label for m in marks(own, Points) if m.label][-1].startswith("noise")


# -- pictures ------------------------------------------------------------------------------------


def test_a_mosaic_has_every_picture_in_its_place():
    pictures = np.arange(5 * 2 * 3, dtype=float).reshape(5, 2, 3)
    whole = mosaic(pictures, (0.0, 1.0))[::-1]  # from above to below
    across = int(np.ceil(np.sqrt(5 * 2 / 3)))
    for at, picture in enumerate(pictures):
        i, j = divmod(at, across)
        np.testing.assert_array_equal(whole[3 * i : 3 * i + 2, 4 * j : 4 * j + 3], picture)
    assert np.isnan(whole).sum() == whole.size - pictures.size
    colored = np.random.default_rng(0).uniform(-1.0, 3.0, (2, 4, 4, 3))
    shown = mosaic(colored, (0.0, 2.0))[::-1]
    np.testing.assert_allclose(shown[:4, :4, :3], np.clip(colored[0] / 2.0, 0.0, 1.0))
    assert set(np.unique(shown[..., 3])) == {0.0, 1.0}


def test_pictures_are_rows_of_the_data_and_of_the_model():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 6)) + np.arange(6.0)
    model = em.GaussianMixture(2, random_state=0).fit(rows)
    display = em.plot(model, rows, "samples", shape=(2, 3), n=9)
    data, own = display.scene_.panels
    assert (data.title, own.title) == ("data: 9 of 300 rows drawn", "model: 9 pictures")
    (image,) = marks(data, Image)
    lines = {tuple(row) for row in rows}
    top = image.cells[::-1]
    assert tuple(top[:2, :3].ravel()) in lines  # left to right, above to below
    assert image.limits[1] > image.limits[0]
    assert image.scale == GREY
    assert marks(own, Image)[0].limits == image.limits
    drawn = model.mixture_.sample(9, np.random.default_rng(0))[0]
    got = marks(own, Image)[0].cells
    np.testing.assert_allclose(np.sort(got[~np.isnan(got)]), np.sort(drawn.ravel()))
    assert not display.ax_.axison
    masked = np.ma.filled(display.ax_.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(masked, image.cells)


def test_inverse_makes_pixels():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 2))
    model = em.GaussianMixture(1).fit(rows)
    loadings = rng.normal(size=(2, 12))
    scene = SamplesDisplay.of(model, rows, shape=(3, 4), n=4, inverse=lambda z: z @ loadings)
    cells = marks(scene.panels[1], Image)[0].cells
    drawn = model.mixture_.sample(4, np.random.default_rng(0))[0] @ loadings
    np.testing.assert_allclose(np.sort(cells[~np.isnan(cells)]), np.sort(drawn.ravel()))
    colors = SamplesDisplay.of(model, shape=(2, 2, 3), n=5, inverse=lambda z: z @ loadings)
    (panel,) = colors.panels
    assert marks(panel, Image)[0].cells.shape[2] == 4
    assert panel.title == "1 component, VVV; model: 5 pictures"
    holes = rows.copy()
    holes[:3, 0] = np.nan
    noted = SamplesDisplay.of(model, holes, shape=(1, 2))
    assert noted.notes == ("3 rows have missing values, and no picture.",)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shape": (8, 8)}, "Rows of 4 features cannot be pictures of 8 x 8 = 64 numbers"),
        ({"shape": (8,)}, r"shape is the lines and columns of a picture, such as \(8, 8\)"),
        ({"shape": (2, 2, 4)}, "shape is the lines and columns"),
        ({"shape": (2.0, 2)}, "shape is the lines and columns"),
        ({"shape": 4}, "shape is the lines and columns"),
        ({"shape": (2, 2), "features": (0, 1)}, "leave out features, or shape"),
        ({"shape": (2, 2), "inverse": 3}, "inverse is a function from rows to pixels, but 3"),
        ({"shape": (2, 2), "inverse": lambda z: z[:, :3]}, r"What inverse gives, of shape \(1"),
        ({"shape": (2, 2), "inverse": lambda z: z * np.nan}, "pixels that are not finite"),
        ({"shape": (2, 2), "n": 2_000_000}, "more than 4,000,000 pixels: choose a smaller n"),
        ({"inverse": abs}, "pass the pictures' shape, too"),
        ({"n": 0}, "n is a whole number of at least 1, but 0 came"),
        ({"random_state": None}, "random_state is a whole number of at least 0, but None"),
    ],
)
def test_options_that_do_not_fit_are_said(model, options, sentence):
    with pytest.raises(em.DataError, match=sentence):
        em.plot(model, X, "samples", **options)


def test_rows_of_which_nothing_is_seen_are_said(model):
    nothing = np.full((3, 4), np.nan)
    with pytest.raises(em.DataError, match="No row of X has a value in x2, x3: there is nothing"):
        em.plot(model, nothing, "samples", features=(2, 3))
