"""The heat map, against responsibilities from densities by scipy."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib import pyplot
from scipy.stats import multivariate_normal

import ellimix as em
from ellimix.plots import ResponsibilitiesDisplay, crowds
from ellimix.plots.responsibilities import averaged
from ellimix.plots.scene import Image, Line, Text

X = em.datasets.iris()[0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def model():
    return em.GaussianMixture(4, random_state=0).fit(X)


def marks(scene, kind):
    return [mark for mark in scene.panels[0].marks if isinstance(mark, kind)]


def shown(scene):
    """The heat map from above to below, as on the page."""
    (image,) = marks(scene, Image)
    assert image.y[0] > image.y[1] == 0.0  # the first row of cells is at n, the axis' lower end
    assert scene.panels[0].y.limits == image.y
    return image.cells[::-1]


def test_rows_go_by_component_and_then_by_certainty(model):
    parts = zip(model.weights_, model.means_, model.covariances_, strict=True)
    joint = np.stack([w * multivariate_normal(m, c).pdf(X) for w, m, c in parts], axis=1)
    wanted = joint / joint.sum(axis=1, keepdims=True)
    cells = shown(ResponsibilitiesDisplay.of(model, X))
    label, certainty = cells.argmax(axis=1), cells.max(axis=1)
    assert (np.diff(label) >= 0).all()
    assert all((np.diff(certainty[label == k]) <= 0.0).all() for k in range(4))
    np.testing.assert_allclose(
        cells[np.lexsort(cells.T.round(7))], wanted[np.lexsort(wanted.T.round(7))], atol=1e-7
    )


def test_borders_and_counts_are_those_of_the_labels(model):
    scene = ResponsibilitiesDisplay.of(model, X)
    counts = np.bincount(model.predict(X), minlength=4)
    borders = [line.xy[0, 1] for line in marks(scene, Line)]
    assert borders == np.cumsum(counts)[:-1].tolist()
    assert [text.words for text in marks(scene, Text)] == [str(count) for count in counts]
    axis = scene.panels[0].x
    assert (axis.ticks.tolist(), axis.names) == ([0, 1, 2, 3], ("0", "1", "2", "3"))


def test_lines_are_means_of_neighbours(model):
    every = shown(ResponsibilitiesDisplay.of(model, X))
    scene = ResponsibilitiesDisplay.of(model, X, lines=50)
    np.testing.assert_allclose(shown(scene), every.reshape(50, 3, 4).mean(axis=1))
    assert scene.notes == ("A line is the mean of 3 rows.",)
    uneven = ResponsibilitiesDisplay.of(model, X, lines=40)
    assert uneven.notes == ("A line is the mean of about 3.75 rows.",)
    np.testing.assert_allclose(shown(uneven).sum(axis=1), 1.0)
    starts = np.floor(np.linspace(0, 150, 41)).astype(int)
    slow = [every[a:b].mean(axis=0) for a, b in pairwise(starts)]
    np.testing.assert_allclose(averaged(every, 40), slow)


def test_many_rows_are_a_subset_and_said():
    mixture = em.Mixture.from_parameters([0.5, 0.5], [[0.0], [3.0]], [1.0, 1.0], "VII")
    rows = mixture.sample(crowds.MANY + 1000, 0)[0]
    scene = ResponsibilitiesDisplay.of(mixture, rows)
    assert scene.panels[0].title == "2 components, VII; 100,000 of 101,000 rows drawn"
    cells = shown(scene)
    assert cells.shape == (1000, 2)
    share = mixture.responsibilities(rows).mean(axis=0)
    np.testing.assert_allclose(cells.mean(axis=0), share, atol=1e-3)


def test_noise_is_the_last_column_and_holes_are_rows_too():
    rng = np.random.default_rng(0)
    rows = np.concatenate([X[:, 2:], rng.uniform(0.0, 7.0, (30, 2))])
    rows[::17, 0] = np.nan
    model = em.GaussianMixture(2, noise=True, random_state=0).fit(rows)
    scene = ResponsibilitiesDisplay.of(model, rows)
    assert scene.panels[0].x.names == ("0", "1", "noise")
    np.testing.assert_allclose(
        shown(scene).sum(axis=0), model.predict_proba(rows).sum(axis=0), rtol=1e-12
    )


def test_one_component_is_one_column():
    scene = ResponsibilitiesDisplay.of(em.GaussianMixture(1).fit(X[:, :1]), X[:, :1])
    assert (shown(scene) == 1.0).all()
    assert not marks(scene, Line)


def test_what_it_needs_is_said(model):
    with pytest.raises(em.DataError, match="'responsibilities' draws rows, but none came"):
        em.plot(model, kind="responsibilities")
    for lines in (0, 2.5, True, "many"):
        with pytest.raises(em.DataError, match="lines is a whole number of at least 1, but"):
            em.plot(model, X, "responsibilities", lines=lines)
