"""Pictures: what is in them, not how they look."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.patches import Ellipse

import ellimix as em
from ellimix.plots.clusters import MOST_POINTS, separation

mpl.use("Agg")
IRIS = em.datasets.iris()[0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def test_three_ellipses_a_component():
    model = em.GaussianMixture(3, random_state=0).fit(IRIS[:, :2])
    ax = em.plots.clusters(model, IRIS[:, :2])
    ellipses = [patch for patch in ax.patches if isinstance(patch, Ellipse)]
    assert len(ellipses) == 9
    first = ellipses[0]
    axes = np.array([first.width, first.height]) / 2.0
    np.testing.assert_allclose(
        np.sort(axes**2), np.linalg.eigvalsh(model.covariances_[0]), rtol=1e-10
    )
    np.testing.assert_allclose(first.center, model.means_[0])
    drawn = sum(len(points.get_offsets()) for points in ax.collections)
    assert drawn == 150


def test_ellipses_lie_along_the_covariance():
    """The outline of one sigma satisfies (x - mu)^T Sigma^-1 (x - mu) = 1."""
    model = em.GaussianMixture(2, random_state=0).fit(IRIS[:, 2:])
    ax = em.plots.clusters(model, IRIS[:, 2:])
    for k in range(2):
        patch = [p for p in ax.patches if isinstance(p, Ellipse)][3 * k]
        outline = patch.get_patch_transform().transform(Ellipse((0, 0), 2, 2).get_path().vertices)
        z = (outline - model.means_[k]) @ model.precisions_cholesky_[k]
        corners = np.einsum("ij,ij->i", z, z)
        assert corners.min() == pytest.approx(1.0, rel=1e-6)


def test_the_features_that_separate_best_are_drawn():
    model = em.GaussianMixture(3, random_state=0).fit(IRIS)
    best = np.argsort(-separation(model.mixture_))[:2]
    ax = em.plots.clusters(model, IRIS)
    assert {ax.get_xlabel(), ax.get_ylabel()} == {f"x{j}" for j in best}
    ax = em.plots.clusters(model, IRIS, features=(1, 0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x1", "x0")
    with pytest.raises(ValueError, match="two different columns"):
        em.plots.clusters(model, IRIS, features=(1, 4))
    with pytest.raises(ValueError, match=r"expected \(n, 4\)"):
        em.plots.clusters(model, IRIS[:, :2])


def test_one_feature_is_a_histogram_with_densities():
    model = em.GaussianMixture(2, random_state=0).fit(IRIS[:, 2:3])
    ax = em.plots.clusters(model, IRIS[:, 2:3])
    assert len(ax.lines) == 3
    x, total = ax.lines[-1].get_data()
    assert np.trapezoid(total, x) == pytest.approx(1.0, abs=5e-3)
    parts = sum(line.get_ydata() for line in ax.lines[:2])
    np.testing.assert_allclose(parts, total)


def test_many_rows_are_thinned_and_said():
    rows = np.random.default_rng(0).normal(size=(MOST_POINTS + 1, 2))
    model = em.GaussianMixture(1).fit(rows)
    ax = em.plots.clusters(model, rows)
    assert sum(len(points.get_offsets()) for points in ax.collections) == MOST_POINTS
    assert "20,000 of 20,001 rows drawn" in ax.get_title()


def test_rows_with_holes_are_points_or_ticks():
    rows = IRIS[:, 2:].copy()
    rows[::10, 0] = np.nan
    rows[3::25, 1] = np.nan
    rows[5] = np.nan
    model = em.GaussianMixture(2, random_state=0).fit(rows)
    ax = em.plots.clusters(model, rows)
    whole = rows[~np.isnan(rows).any(axis=1)]
    drawn = np.concatenate([points.get_offsets() for points in ax.collections])
    np.testing.assert_array_equal(np.sort(drawn, axis=0), np.sort(whole, axis=0))
    ticks = [line for line in ax.lines if line.get_marker() in ("|", "_")]
    for marker, own, other in (("|", 0, 1), ("_", 1, 0)):
        values = np.concatenate(
            [np.asarray(t.get_data()[own]) for t in ticks if t.get_marker() == marker]
        )
        alone = rows[np.isnan(rows[:, other]) & ~np.isnan(rows[:, own]), own]
        np.testing.assert_array_equal(np.sort(values), np.sort(alone))
    # in the colour of the component that what is observed points to
    colors = {tuple(p.get_facecolor()[0][:3]): k for k, p in enumerate(ax.collections)}
    for tick in ticks:
        own = int(tick.get_marker() == "_")
        partial = np.full((len(tick.get_data()[own]), 2), np.nan)
        partial[:, own] = tick.get_data()[own]
        color = colors[mpl.colors.to_rgb(tick.get_color())]
        assert (model.predict(partial) == color).all()
    assert "149 of 150 rows drawn" in ax.get_title()
    with pytest.raises(ValueError, match="No row of X has a value in x0, x1"):
        em.plots.clusters(model, np.full((3, 2), np.nan))


def test_noise_is_grey_and_named():
    clutter = np.random.default_rng(0).uniform(0.0, 7.0, size=(30, 2))
    rows = np.concatenate([IRIS[:, 2:], clutter])
    model = em.GaussianMixture(2, noise=True, random_state=0).fit(rows)
    ax = em.plots.clusters(model, rows)
    points = ax.collections[-1]
    assert len(points.get_offsets()) == (model.predict(rows) == -1).sum() > 0
    red, green, blue = points.get_facecolor()[0][:3]
    assert red == green == blue
    assert points.get_sizes()[0] < ax.collections[0].get_sizes()[0]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[-1] == f"noise ({model.noise_weight_:.0%})"
    assert ax.get_title().startswith("2 components and noise, VVV")


def test_noise_in_one_feature_is_a_density_too():
    rows = np.concatenate([IRIS[:, 2], np.linspace(-5.0, 15.0, 40), [np.nan]])[:, None]
    model = em.GaussianMixture(2, noise=True, random_state=0).fit(rows)
    ax = em.plots.clusters(model, rows)
    assert len(ax.lines) == 4
    x, total = ax.lines[-1].get_data()
    assert np.trapezoid(total, x) == pytest.approx(1.0, abs=2e-2)
    flat = ax.lines[2].get_ydata()
    assert np.ptp(flat[flat > 0.0]) == pytest.approx(0.0, abs=1e-12)
