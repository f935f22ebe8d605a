"""Parallel coordinates, against moments of the mixture."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

import ellimix as em
from ellimix.plots import ProfileDisplay
from ellimix.plots.colors import style
from ellimix.plots.scene import Band, Line, Text
from ellimix.plots.views import separation

X = em.datasets.iris()[0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def model():
    return em.GaussianMixture(3, random_state=0).fit(X)


def marks(scene, kind):
    return [mark for mark in scene.panels[0].marks if isinstance(mark, kind)]


def test_means_and_bands_in_standard_deviations_of_the_mixture(model):
    scene = ProfileDisplay.of(model)
    mean = model.weights_ @ model.means_
    deviation = np.sqrt(np.diagonal(model.mixture_.total_covariance()))
    own = np.sqrt(np.diagonal(model.covariances_, axis1=1, axis2=2))
    for k, (line, band) in enumerate(zip(marks(scene, Line), marks(scene, Band), strict=True)):
        assert line.label == f"{k} ({model.weights_[k]:.0%})"
        assert (line.color, band.color) == (style(k)[0], style(k)[0])
        np.testing.assert_allclose(line.xy[:, 1], (model.means_[k] - mean) / deviation)
        low, high = model.means_[k] - own[k], model.means_[k] + own[k]
        np.testing.assert_allclose(band.lower, (low - mean) / deviation)
        np.testing.assert_allclose(band.upper, (high - mean) / deviation)
    low, high = scene.panels[0].y.limits
    assert all(low < b.lower.min() and b.upper.max() < high for b in marks(scene, Band))


def test_rows_are_lines_in_the_colours_of_their_components(model):
    rows = X[::3].copy()
    rows[4, 1] = np.nan
    scene = ProfileDisplay.of(model, rows, features=[3, 1])
    behind = [line for line in marks(scene, Line) if not line.label]
    label = model.predict(rows)
    mean = model.weights_ @ model.means_
    deviation = np.sqrt(np.diagonal(model.mixture_.total_covariance()))
    for k, line in zip(np.unique(label), behind, strict=True):
        assert line.color == style(int(k))[0]
        wanted = ((rows - mean) / deviation)[label == k][:, [3, 1]]
        parts = line.xy.reshape(-1, 3, 2)
        np.testing.assert_allclose(parts[:, :2, 1], wanted)  # a gap where a value is missing
        assert np.isnan(parts[:, 2]).all()
        assert (parts[:, :2, 0] == [0.0, 1.0]).all()
    assert scene.panels[0].x.names == ("x3", "x1")
    assert scene.panels[0].title.endswith("; 50 rows")


def test_original_units_have_their_numbers_at_the_ends(model):
    scene = ProfileDisplay.of(model, X, units="original")
    own = np.sqrt(np.diagonal(model.covariances_, axis1=1, axis2=2))
    drawn = np.concatenate([X, model.means_ - own, model.means_ + own])
    low, high = drawn.min(axis=0), drawn.max(axis=0)
    line = next(line for line in marks(scene, Line) if line.label)
    np.testing.assert_allclose(line.xy[:, 1], (model.means_[0] - low) / (high - low))
    words = [text.words for text in marks(scene, Text)]
    assert words == [f"{end:.3g}" for pair in zip(low, high, strict=True) for end in pair]


def test_of_many_features_those_that_separate_best_are_drawn():
    rng = np.random.default_rng(0)
    means = np.stack([np.zeros(40), rng.permutation(40) / 10.0])
    names = tuple(f"feature number {j}" for j in range(40))
    mixture = em.Mixture.from_parameters([0.5, 0.5], means, np.ones((2, 40)), "VVI", names)
    scene = ProfileDisplay.of(mixture)
    best = np.sort(np.argsort(means[1])[10:])
    assert scene.panels[0].x.names == tuple(names[j] for j in best)
    np.testing.assert_array_equal(np.sort(np.argsort(separation(mixture))[10:]), best)
    assert scene.panels[0].x.upright
    (note,) = scene.notes
    assert note.startswith("30 of 40 features are drawn: those of which the largest share of the")
    display = em.plot(mixture, kind="profile")
    display.figure_.canvas.draw()
    boxes = [t.get_window_extent() for t in display.ax_.get_xticklabels()]
    assert all(a.x1 <= b.x0 for a, b in pairwise(boxes))
    with pytest.raises(em.DataError, match="A profile of 31 features cannot be drawn: choose 1 to"):
        em.plot(mixture, kind="profile", features=range(31))


def test_names_are_the_columns_and_stand_on_end_where_they_are_long(model):
    table = pd.DataFrame(X, columns=["sepal length", "sepal width", "petal length", "petal width"])
    named = em.GaussianMixture(3, random_state=0).fit(table)
    axis = ProfileDisplay.of(named, table).panels[0].x
    assert axis.names == tuple(table.columns)
    assert not axis.upright
    assert ProfileDisplay.of(named, features=["petal width"]).panels[0].x.names == ("petal width",)


def test_one_feature_has_bands_of_some_width_and_noise_has_none():
    rng = np.random.default_rng(0)
    rows = np.concatenate([X[:, 2:3], rng.uniform(-10.0, 20.0, (30, 1))])
    model = em.GaussianMixture(2, noise=True, random_state=0).fit(rows)
    scene = ProfileDisplay.of(model, rows)
    assert all(np.ptp(band.x) > 0.5 for band in marks(scene, Band))
    assert "The noise component has no profile." in scene.notes
    w = model.weights_ / model.weights_.sum()
    mean = w @ model.means_[:, 0]
    deviation = np.sqrt(w @ (model.covariances_[:, 0, 0] + (model.means_[:, 0] - mean) ** 2))
    lines = [line for line in marks(scene, Line) if line.label]
    got = [line.xy[0, 1] for line in lines]
    np.testing.assert_allclose(got, (model.means_[:, 0] - mean) / deviation)
    low, high = scene.panels[0].y.limits
    beyond = ((rows - mean) / deviation < low) | ((rows - mean) / deviation > high)
    assert f"{beyond.sum()} of the rows drawn go beyond the axis." in scene.notes


def test_twenty_components_and_those_of_no_weight():
    rng = np.random.default_rng(0)
    weights = np.append(np.full(20, 0.99999 / 20), 0.00001)
    means = rng.normal(0.0, 5.0, (21, 4))
    mixture = em.Mixture.from_parameters(weights, means, np.ones(21), "VII")
    scene = ProfileDisplay.of(mixture, mixture.sample(1000, 0)[0])
    labelled = [line for line in marks(scene, Line) if line.label]
    assert len({(line.color, line.marker) for line in labelled}) == 20
    assert scene.panels[0].legend.place == "outside"
    assert "1 component has nearly no weight, and no profile." in scene.notes
    assert "200 of 1,000 rows drawn" in scene.panels[0].title


def test_bad_options_are_said(model):
    with pytest.raises(em.DataError, match='units is "standard" or "original", but \'cm\' came'):
        em.plot(model, X, "profile", units="cm")
    with pytest.raises(em.DataError, match="different columns, by number from 0 to 3"):
        em.plot(model, X, "profile", features=[0, 7])
