"""Where rows are uncertain, against densities by scipy."""

import numpy as np
import pytest
from matplotlib import pyplot
from scipy.stats import multivariate_normal, norm

import ellimix as em
from ellimix.plots import UncertaintyDisplay
from ellimix.plots.crowds import CELLS, MANY
from ellimix.plots.scene import Band, Image, Line, Points, Rug
from ellimix.plots.uncertainty import GRID, MOST_POINTS, SCALE, colors_of, uncertainty
from ellimix.plots.views import plane

IRIS = em.datasets.iris()[0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def model():
    return em.GaussianMixture(3, random_state=0).fit(IRIS)


def by_scipy(weights, means, covariances, at):
    """1 minus the largest responsibility."""
    parts = [
        w * multivariate_normal(m, c).pdf(at)
        for w, m, c in zip(weights, means, covariances, strict=True)
    ]
    joint = np.stack([np.atleast_1d(part) for part in parts], axis=1)
    return 1.0 - (joint / joint.sum(axis=1, keepdims=True)).max(axis=1)


def marks(panel, kind):
    return [mark for mark in panel.marks if isinstance(mark, kind)]


def test_rows_are_placed_coloured_and_sized_by_their_uncertainty(model):
    scene = UncertaintyDisplay.of(model, IRIS, features=(2, 3))
    wanted = by_scipy(model.weights_, model.means_, model.covariances_, IRIS)
    (cloud,) = marks(scene.panels[0], Points)
    order = np.argsort(wanted, kind="stable")
    top = scene.panels[0].color_bar.limits[1]
    assert top == 0.5
    # rows of equal place in the order may be exchanged: compare as sets of places and colours
    got = np.column_stack([cloud.xy, cloud.color, cloud.size])
    area = 8.0 + 52.0 * np.minimum(2.0 * wanted, 1.0)
    expected = np.column_stack([IRIS[:, 2:], colors_of(wanted, top), area])
    np.testing.assert_allclose(
        got[np.lexsort(got.T.round(6))], expected[np.lexsort(expected.T.round(6))], atol=1e-6
    )
    assert (np.diff(cloud.size) >= 0.0).all()  # the least certain on top
    np.testing.assert_array_equal(cloud.xy[-1], IRIS[order[-1], 2:])


def test_the_background_integrates_the_other_features_out(model):
    panel = UncertaintyDisplay.of(model, IRIS, features=(2, 3)).panels[0]
    image = panel.marks[0]
    x = np.linspace(*image.x, GRID + 1)
    y = np.linspace(*image.y, GRID + 1)
    at = np.stack(np.meshgrid((x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2), axis=-1)
    wanted = by_scipy(
        model.weights_, model.means_[:, 2:], model.covariances_[:, 2:, 2:], at.reshape(-1, 2)
    )
    np.testing.assert_allclose(image.cells.ravel(), wanted, atol=1e-9)
    assert image.x == panel.x.limits
    assert image.limits == panel.color_bar.limits


def test_the_background_of_a_plane_is_the_projected_mixture(model):
    image = UncertaintyDisplay.of(model, IRIS, features="plane").panels[0].marks[0]
    basis = plane(model.mixture_).basis
    covariances = basis.T @ model.covariances_ @ basis
    place = 30 * GRID + 70
    x, y = np.linspace(*image.x, GRID + 1), np.linspace(*image.y, GRID + 1)
    at = [(x[70] + x[71]) / 2, (y[30] + y[31]) / 2]
    wanted = by_scipy(model.weights_, model.means_ @ basis, covariances, at)
    assert image.cells.ravel()[place] == pytest.approx(wanted[0], abs=1e-9)


def test_rows_are_sorted_and_those_below_are_counted():
    rows = em.datasets.faithful()[0]
    model = em.GaussianMixture(3, random_state=0).fit(rows)
    display = em.plot(model, rows, "uncertainty")
    ax = display.axes_[1]
    wanted = np.sort(1.0 - model.predict_proba(rows).max(axis=1))[::-1]
    share, height = ax.lines[0].get_data()
    np.testing.assert_allclose(height, wanted, atol=1e-12)
    np.testing.assert_allclose(share, np.arange(1, 273) / 272)
    below = int((model.predict_proba(rows).max(axis=1) < 0.9).sum())
    assert 20 < below < 250
    assert ax.get_title() == f"{below} of 272 rows ({below / 272:.0%}) below 0.9"
    (band,) = marks(display.scene_.panels[1], Band)
    np.testing.assert_array_equal(band.upper, height)


def test_one_feature_is_a_curve_with_rows_at_their_heights(model):
    scene = UncertaintyDisplay.of(model, IRIS, features=2)
    (curve,) = marks(scene.panels[0], Line)
    parts = model.weights_ * norm.pdf(
        curve.xy[:, :1], model.means_[:, 2], np.sqrt(model.covariances_[:, 2, 2])
    )
    wanted = 1.0 - (parts / parts.sum(axis=1, keepdims=True)).max(axis=1)
    np.testing.assert_allclose(curve.xy[:, 1], wanted, atol=1e-9)
    (cloud,) = marks(scene.panels[0], Points)
    own = by_scipy(model.weights_, model.means_, model.covariances_, IRIS)
    np.testing.assert_allclose(np.sort(cloud.xy[:, 1]), np.sort(own), atol=1e-9)
    assert "Curve: by this feature alone" in scene.notes[0]
    alone = em.GaussianMixture(2, random_state=0).fit(IRIS[:, 2:3])
    scene = UncertaintyDisplay.of(alone, IRIS[:, 2:3])
    (curve,), (cloud,) = (marks(scene.panels[0], kind) for kind in (Line, Points))
    np.testing.assert_allclose(cloud.xy[:, 1], np.interp(*cloud.xy.T[:1], *curve.xy.T), atol=5e-3)
    assert scene.notes == ()


def test_rows_with_holes_are_ticks_and_count_on_the_right():
    rows = em.datasets.faithful()[0].copy()
    rows[::9, 0] = np.nan
    rows[4::11, 1] = np.nan
    rows[7] = np.nan
    model = em.GaussianMixture(3, random_state=0).fit(rows)
    scene = UncertaintyDisplay.of(model, rows)
    rugs = marks(scene.panels[0], Rug)
    values = np.sort(np.concatenate([rug.values for rug in rugs if rug.along == "y"]))
    hole = np.isnan(rows[:, 0]) & ~np.isnan(rows[:, 1])
    np.testing.assert_array_equal(values, np.sort(rows[hole, 1]))
    unsure = [r for r in rugs if r.color == SCALE[2] and r.along == "y"]
    sure = model.predict_proba(rows[hole]).max(axis=1) >= 0.9
    np.testing.assert_array_equal(np.sort(unsure[0].values), np.sort(rows[hole][~sure, 1]))
    (cloud,) = marks(scene.panels[0], Points)
    assert len(cloud.xy) == (~np.isnan(rows).any(axis=1)).sum()
    assert " of 272 rows" in scene.panels[1].title


def test_many_rows_are_cells_of_mean_uncertainty():
    weights, means = [0.5, 0.5], [[0.0, 0.0], [2.0, 1.0]]
    mixture = em.Mixture.from_parameters(weights, means, [1.0, 0.5], "VII")
    rows = mixture.sample(MANY, 0)[0]
    panel = UncertaintyDisplay.of(mixture, rows).panels[0]
    _, image = marks(panel, Image)
    found = 1.0 - mixture.responsibilities(rows).max(axis=1)
    top = panel.color_bar.limits[1]
    column, row = (
        np.clip((v - lo) / (hi - lo) * CELLS, 0, CELLS - 1).astype(int)
        for v, (lo, hi) in zip(rows.T, (image.x, image.y), strict=True)
    )
    for i, j in [(row[0], column[0]), (row[999], column[999])]:
        here = (row == i) & (column == j)
        wanted = colors_of(np.array([found[here].mean()]), top)[0]
        np.testing.assert_allclose(image.cells[i, j], [*wanted, 1.0], atol=1e-9)
    filled = np.zeros((CELLS, CELLS), dtype=bool)
    filled[row, column] = True
    np.testing.assert_array_equal(image.cells[..., 3] > 0.0, filled)
    assert panel.title == f"{MANY:,} rows, binned"


def test_of_some_thousands_the_least_certain_are_drawn():
    mixture = em.Mixture.from_parameters([0.5, 0.5], [[0.0, 0.0], [3.0, 0.0]], [1.0, 1.0], "VII")
    rows = mixture.sample(3 * MOST_POINTS, 0)[0]
    panel = UncertaintyDisplay.of(mixture, rows).panels[0]
    (cloud,) = marks(panel, Points)
    assert len(cloud.xy) == MOST_POINTS == len(np.unique(cloud.xy, axis=0))
    worst = np.argsort(uncertainty(mixture, rows))[-MOST_POINTS // 2 :]
    drawn = {tuple(row) for row in cloud.xy}
    assert all(tuple(row) in drawn for row in rows[worst])
    assert panel.title == "5,000 of 15,000 rows drawn"


def test_one_component_is_certain_and_noise_counts():
    rows = IRIS[:, 2:]
    one = UncertaintyDisplay.of(em.GaussianMixture(1).fit(rows), rows)
    assert one.panels[1].title == "0 of 150 rows (0%) below 0.9"
    assert (one.panels[0].marks[0].cells == 0.0).all()
    clutter = np.random.default_rng(0).uniform(0.0, 7.0, size=(30, 2))
    mixed = np.concatenate([rows, clutter])
    noisy = em.GaussianMixture(2, noise=True, random_state=0).fit(mixed)
    curve = marks(UncertaintyDisplay.of(noisy, mixed).panels[1], Line)[0]
    wanted = np.sort(1.0 - noisy.predict_proba(mixed).max(axis=1))[::-1]
    np.testing.assert_allclose(curve.xy[:, 1], wanted, atol=1e-12)
    notes = UncertaintyDisplay.of(noisy, mixed, features="plane").notes
    assert "The grey has no noise component." in notes


def test_it_needs_rows(model):
    with pytest.raises(em.DataError, match="'uncertainty' draws rows, but none came: pass X"):
        em.plot(model, kind="uncertainty")
    with pytest.raises(em.DataError, match="but X has none"):
        em.plot(model, IRIS[:0], "uncertainty")
    with pytest.raises(em.DataError, match=r"X has shape \(150, 2\), expected \(n, 4\)"):
        em.plot(model, IRIS[:, :2], "uncertainty")
