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
