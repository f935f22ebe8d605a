"""Pictures: what is in them, not how they look."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

import ellimix as em
from ellimix.plots import ClustersDisplay, crowds
from ellimix.plots.clusters import MOST_POINTS, separation
from ellimix.plots.colors import PALETTE, blend
from ellimix.plots.scene import Image, Points
from ellimix.plots.views import plane

mpl.use("Agg")
IRIS = em.datasets.iris()[0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def outlines(ax):
    """The ellipses' polylines, three a component."""
    return [line.get_xydata() for line in ax.lines if line.get_marker() in ("None", "")]


def test_three_ellipses_a_component():
    """The outline of s sigmas satisfies (x - mu)^T Sigma^-1 (x - mu) = s^2, and is closed."""
    model = em.GaussianMixture(3, random_state=0).fit(IRIS[:, :2])
    ax = em.plots.clusters(model, IRIS[:, :2])
    ellipses = outlines(ax)
    assert len(ellipses) == 9
    for at, corners in enumerate(ellipses):
        k, sigma = at // 3, at % 3 + 1
        z = (corners - model.means_[k]) @ model.precisions_cholesky_[k]
        np.testing.assert_allclose(np.einsum("ij,ij->i", z, z), sigma**2, rtol=1e-9)
        np.testing.assert_array_equal(corners[0], corners[-1])
    drawn = sum(len(points.get_offsets()) for points in ax.collections)
    assert drawn == 150 + 3  # a cross at each mean
    np.testing.assert_array_equal(ax.collections[-1].get_offsets(), model.means_)


def test_colours_are_blended_and_sizes_say_how_certain():
    model = em.GaussianMixture(3, random_state=0).fit(IRIS[:, :2])
    ax = em.plots.clusters(model, IRIS[:, :2])
    shares = model.predict_proba(IRIS[:, :2])
    names = [mpl.colors.to_rgb(PALETTE[k]) for k in range(3)]
    for k, points in enumerate(ax.collections[:3]):
        mine = shares[model.predict(IRIS[:, :2]) == k]
        wanted = sum(mine[:, [j]] * names[j] for j in range(3))
        np.testing.assert_allclose(points.get_facecolor()[:, :3], wanted, atol=1e-12)
        order = np.argsort(mine.max(axis=1), kind="stable")
        assert (np.diff(points.get_sizes()[order]) >= -1e-12).all()
        assert np.ptp(points.get_sizes()) > 0.0


def test_the_plane_shows_what_is_there():
    """Points and ellipses are the rows' and the covariances' exact projections."""
    model = em.GaussianMixture(3, random_state=0).fit(IRIS)
    basis = plane(model.mixture_).basis
    ax = em.plots.clusters(model, IRIS, features="plane")
    drawn = np.concatenate([points.get_offsets() for points in ax.collections[:3]])
    order = np.argsort(model.predict(IRIS), kind="stable")
    np.testing.assert_allclose(drawn, (IRIS @ basis)[order], rtol=1e-12)
    for k, corners in enumerate(outlines(ax)[::3]):
        seen = basis.T @ model.covariances_[k] @ basis
        z = corners - model.means_[k] @ basis
        np.testing.assert_allclose(np.einsum("ij,ij->i", z @ np.linalg.inv(seen), z), 1.0)
    assert ax.get_xlabel().startswith("discriminant 1 (")


def test_features_by_name():
    table = pd.DataFrame(IRIS, columns=["a", "b", "$c_1", "d" * 60])
    model = em.GaussianMixture(3, random_state=0).fit(table)
    ax = em.plots.clusters(model, table, features=("$c_1", "d" * 60))
    assert ax.get_xlabel() == r"\$c_1"
    assert len(ax.get_ylabel()) < 30
    points = np.concatenate([p.get_offsets() for p in ax.collections[:3]])
    np.testing.assert_array_equal(np.sort(points, axis=0), np.sort(IRIS[:, 2:], axis=0))
    with pytest.raises(em.DataError, match="X has the column 'b' where the model has 'a'"):
        em.plots.clusters(model, table[["b", "a", *table.columns[2:]]])
    one = em.plots.clusters(model, table, features="a")
    assert (one.get_xlabel(), one.get_ylabel()) == ("a", "density")
    x, total = one.lines[-1].get_data()
    assert np.trapezoid(total, x) == pytest.approx(1.0, abs=5e-3)
    for wrong in ("z", ("a", "a"), (0, 4), (True, 0), (), (0, 1, 2), 2.5, ("a", None)):
        with pytest.raises(em.DataError, match=r"one or two different columns.*0 to 3.*\(a, b"):
            em.plots.clusters(model, table, features=wrong)


def test_without_rows_the_ellipses_are_drawn():
    model = em.GaussianMixture(2, random_state=0).fit(IRIS[:, 2:])
    ax = em.plot(model).ax_
    assert ax.get_title() == "2 components, VVV"
    assert len(outlines(ax)) == 6
    assert len(ax.get_legend().get_texts()) == 2


def test_components_that_no_row_needs_are_noted_and_not_drawn():
    rows = em.datasets.faithful()[0]
    model = em.BayesianGaussianMixture(8, random_state=0, max_iter=500).fit(rows)
    assert model.n_components_effective_ == 2
    display = em.plot(model, rows)
    assert len(outlines(display.ax_)) == 6
    assert len(display.ax_.get_legend().get_texts()) == 2
    assert sum(len(c.get_offsets()) for c in display.ax_.collections) == 272 + 2
    assert display.scene_.notes == ("6 components have nearly no weight, and no ellipse.",)
    assert em.plot(model, rows, "pairs").scene_.notes == display.scene_.notes


def test_rows_of_a_component_with_little_weight_are_drawn():
    weights = [0.999, 0.001]
    mixture = em.Mixture.from_parameters(weights, [[0.0, 0.0], [50.0, 0.0]], [1.0, 1.0], "VII")
    rows = np.array([[0.0, 0.0], [50.0, 0.0], [50.0, np.nan]])
    scene = ClustersDisplay.of(mixture, rows)
    clouds = [m for m in scene.panels[0].marks if isinstance(m, Points) and m.label]
    np.testing.assert_array_equal(np.concatenate([cloud.xy for cloud in clouds]), rows[:2])


def test_twenty_components_have_their_own_looks_and_a_legend_outside():
    rng = np.random.default_rng(0)
    means = rng.uniform(-30.0, 30.0, (20, 2))
    mixture = em.Mixture.from_parameters(np.full(20, 0.05), means, np.full(20, 1.0), "VII")
    rows = mixture.sample(2000, 0)[0]
    display = em.plot(mixture, rows)
    clouds = [m for m in display.scene_.panels[0].marks if isinstance(m, Points) and m.label]
    assert len({(cloud.swatch, cloud.marker) for cloud in clouds}) == 20
    assert display.scene_.panels[0].legend.place == "outside"
    display.figure_.canvas.draw()
    renderer = display.figure_.canvas.get_renderer()
    box = display.ax_.get_legend().get_window_extent(renderer)
    assert box.x0 > display.ax_.get_window_extent(renderer).x1
    assert box.x1 <= display.figure_.bbox.x1


def test_a_million_rows_are_an_image(tmp_path):
    model = em.GaussianMixture(3, random_state=0).fit(IRIS[:, 2:])
    rows = model.sample(1_000_000)[0]
    rows[::1000, 0] = np.nan
    display = em.plot(model, rows)
    (image,) = [m for m in display.scene_.panels[0].marks if isinstance(m, Image)]
    (picture,) = display.ax_.images
    assert picture.get_array().shape == image.cells.shape
    assert display.ax_.get_title() == "3 components, VVV; 1,000,000 rows, binned"
    ticks = [line for line in display.ax_.lines if line.get_marker() == "_"]
    np.testing.assert_array_equal(
        np.sort(np.concatenate([t.get_ydata() for t in ticks])), np.sort(rows[::1000, 1])
    )
    display.figure_.savefig(tmp_path / "million.svg")
    assert (tmp_path / "million.svg").stat().st_size < 500_000
    points = em.plot(model, rows[1:99_999])  # 20,000 of them, one by one
    points.figure_.savefig(tmp_path / "points.svg")
    assert (tmp_path / "points.svg").stat().st_size < 500_000


def test_cells_are_counts_and_mean_colours():
    """The image, against a loop over its rows."""
    mixture = em.Mixture.from_parameters([0.5, 0.5], [[0.0, 0.0], [2.0, 1.0]], [1.0, 0.5], "VII")
    rows = mixture.sample(400, 0)[0]
    limits = (-2.0, 4.0), (-2.0, 3.0)  # some rows lie outside
    image = crowds._image(mixture, rows, rows, limits, 5)
    count, color = np.zeros((5, 5)), np.zeros((5, 5, 3))
    for row, mixed in zip(rows, blend(mixture.responsibilities(rows), 2), strict=True):
        i, j = int(np.floor(row[1] + 2.0)), int(np.floor((row[0] + 2.0) / 1.2))
        if 0 <= i < 5 and 0 <= j < 5:
            count[i, j] += 1.0
            color[i, j] += mixed
    assert count.sum() < 400
    some = count > 0.0
    np.testing.assert_allclose(image.cells[some][:, :3], color[some] / count[some, None])
    assert (image.cells[~some] == 0.0).all()
    alpha = image.cells[..., 3]
    assert alpha.max() == pytest.approx(1.0)
    assert alpha[some].min() >= crowds.FAINT
    order = np.argsort(count[some], kind="stable")
    assert (np.diff(alpha[some][order]) >= 0.0).all()


def test_rows_are_counted_in_cells_from_a_hundred_thousand_on():
    mixture = em.Mixture.from_parameters([1.0], [[0.0, 0.0]], [1.0], "VII")
    rows = mixture.sample(crowds.MANY, 0)[0]
    scene = ClustersDisplay.of(mixture, rows)
    assert isinstance(scene.panels[0].marks[0], Image)
    assert scene.panels[0].title.endswith("100,000 rows, binned")
    scene = ClustersDisplay.of(mixture, rows[1:])
    assert isinstance(scene.panels[0].marks[0], Points)


def test_the_features_that_separate_best_are_drawn():
    model = em.GaussianMixture(3, random_state=0).fit(IRIS)
    best = np.argsort(-separation(model.mixture_))[:2]
    ax = em.plots.clusters(model, IRIS)
    assert {ax.get_xlabel(), ax.get_ylabel()} == {f"x{j}" for j in best}
    ax = em.plots.clusters(model, IRIS, features=(1, 0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x1", "x0")
    with pytest.raises(ValueError, match="two different columns, by number from 0 to 3"):
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
    assert len(ax.collections[0].get_offsets()) == MOST_POINTS
    assert "20,000 of 20,001 rows drawn" in ax.get_title()


def test_rows_with_holes_are_points_or_ticks():
    rows = IRIS[:, 2:].copy()
    rows[::10, 0] = np.nan
    rows[3::25, 1] = np.nan
    rows[5] = np.nan
    model = em.GaussianMixture(2, random_state=0).fit(rows)
    ax = em.plots.clusters(model, rows)
    whole = rows[~np.isnan(rows).any(axis=1)]
    drawn = np.concatenate([points.get_offsets() for points in ax.collections[:2]])
    np.testing.assert_array_equal(np.sort(drawn, axis=0), np.sort(whole, axis=0))
    ticks = [line for line in ax.lines if line.get_marker() in ("|", "_")]
    for marker, own, other in (("|", 0, 1), ("_", 1, 0)):
        values = np.concatenate(
            [np.asarray(t.get_data()[own]) for t in ticks if t.get_marker() == marker]
        )
        alone = rows[np.isnan(rows[:, other]) & ~np.isnan(rows[:, own]), own]
        np.testing.assert_array_equal(np.sort(values), np.sort(alone))
    # in the colour of the component that what is observed points to
    colors = {mpl.colors.to_rgb(PALETTE[k]): k for k in range(2)}
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
    points = ax.collections[2]
    assert len(points.get_offsets()) == (model.predict(rows) == -1).sum() > 0
    shares = model.predict_proba(rows)[model.predict(rows) == -1]
    sure = points.get_facecolor()[shares[:, 2].argmax(), :3]
    assert np.ptp(sure) < 0.01
    assert points.get_sizes().max() < 0.6 * ax.collections[0].get_sizes().max()
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
