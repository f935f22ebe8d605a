"""The kind "density": what is drawn is the density, by other means."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from scipy.integrate import trapezoid
from scipy.stats import gaussian_kde, multivariate_normal

import ellimix as em
from ellimix.plots.density import log_density
from ellimix.plots.scene import Bars, Contours, Line, Points, Surface
from ellimix.plots.views import plane

mpl.use("Agg")
IRIS = em.datasets.iris()[0]
X = em.datasets.faithful()[0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def marks(display, kind):
    return [mark for mark in display.scene_.panels[0].marks if isinstance(mark, kind)]


def naive(model, basis, at):
    """Log-density of the mixture seen through a basis, by scipy, component by component."""
    parts = [
        w * multivariate_normal(m @ basis, basis.T @ s @ basis).pdf(at)
        for w, m, s in zip(model.weights_, model.means_, model.covariances_, strict=True)
    ]
    return np.log(np.sum(parts, axis=0))


def at_grid(mark):
    return np.stack(np.meshgrid(mark.x, mark.y), axis=-1).reshape(-1, 2)


def test_contours_are_those_of_the_log_density():
    model = em.GaussianMixture(2, random_state=0).fit(X)
    display = em.plot(model, X, "density")
    filled, lines = marks(display, Contours)
    wanted = model.score_samples(at_grid(filled)).reshape(filled.z.shape)
    np.testing.assert_allclose(filled.z, wanted, rtol=1e-12)
    assert filled.z.max() == filled.high
    assert np.diff(filled.levels) == pytest.approx(1.0)
    assert (filled.filled, lines.filled) == (True, False)
    points = marks(display, Points)[0]
    np.testing.assert_array_equal(points.xy, X)
    bar = display.scene_.panels[0].color_bar
    assert (bar.label, bar.limits) == ("log-density (nats)", (filled.low, filled.high))


def test_the_density_itself_integrates_to_one():
    model = em.GaussianMixture(2, random_state=0).fit(X)
    filled, _ = marks(em.plot(model, X, "density", log=False), Contours)
    total = trapezoid(trapezoid(filled.z, filled.x, axis=1), filled.y)
    assert total == pytest.approx(1.0, abs=0.02)
    assert filled.low > 0.0
    assert filled.high == filled.z.max()


@pytest.mark.parametrize("features", [(0, 3), (2, 1)])
def test_other_features_are_integrated_out(features):
    model = em.GaussianMixture(3, random_state=0).fit(IRIS)
    filled = marks(em.plot(model, IRIS, "density", features=features), Contours)[0]
    basis = np.eye(4)[:, list(features)]
    np.testing.assert_allclose(filled.z.ravel(), naive(model, basis, at_grid(filled)), atol=1e-8)


def test_a_plane_has_the_density_of_the_projected_mixture():
    model = em.GaussianMixture(3, random_state=0).fit(IRIS)
    display = em.plot(model, IRIS, "density", features="plane")
    filled = marks(display, Contours)[0]
    basis = plane(model.mixture_).basis
    np.testing.assert_allclose(filled.z.ravel(), naive(model, basis, at_grid(filled)), atol=1e-8)
    np.testing.assert_allclose(marks(display, Points)[0].xy, IRIS @ basis)


def test_a_surface_has_the_same_heights():
    model = em.GaussianMixture(2, random_state=0).fit(X)
    flat = marks(em.plot(model, X, "density", log=False), Contours)[0]
    display = em.plot(model, X, "density", surface=True)
    (surface,) = marks(display, Surface)
    np.testing.assert_array_equal(surface.z, flat.z)
    (points,) = marks(display, Points)
    np.testing.assert_array_equal(points.xy[:, :2], X)
    assert (points.xy[:, 2] == surface.limits[0]).all()
    deep = marks(em.plot(model, X, "density", surface=True, log=True), Surface)[0]
    assert deep.z.min() == deep.limits[0] == pytest.approx(deep.z.max() - 12.0)


def test_noise_counts_but_in_a_plane():
    rows = np.concatenate([IRIS, np.random.default_rng(0).uniform(0.0, 8.0, (40, 4))])
    model = em.GaussianMixture(3, noise=True, random_state=0).fit(rows)
    two = np.full((3, 4), np.nan)
    two[:, :2] = [[5.0, 3.0], [6.0, 2.0], [1.0, 7.0]]
    display = em.plot(model, rows, "density", features=(0, 1))
    from ellimix.plots.views import seen

    got = log_density(model.mixture_, seen(model.mixture_, (0, 1)), two[:, :2])
    np.testing.assert_allclose(got, model.score_samples(two), rtol=1e-12)
    assert not display.scene_.notes
    bare = em.plot(model, rows, "density", features="plane")
    assert bare.scene_.notes == ("The noise component is left out.",)
    assert bare.figure_.get_supxlabel() == "The noise component is left out."
    filled = marks(bare, Contours)[0]
    basis = plane(model.mixture_).basis
    np.testing.assert_allclose(filled.z.ravel(), naive(model, basis, at_grid(filled)), atol=1e-8)


def test_one_feature_has_curves_bars_and_a_kernel_estimate():
    values = X[:, 1:].copy()
    values[::50] = np.nan
    model = em.GaussianMixture(2, random_state=0).fit(values)
    display = em.plot(model, values, "density")
    *parts, total, kernel = marks(display, Line)
    known = values[~np.isnan(values)]
    at = total.xy[:, 0]
    np.testing.assert_allclose(np.log(total.xy[:, 1]), model.score_samples(at[:, None]))
    np.testing.assert_allclose(sum(part.xy[:, 1] for part in parts), total.xy[:, 1])
    np.testing.assert_allclose(kernel.xy[:, 1], gaussian_kde(known)(kernel.xy[:, 0]))
    (bars,) = marks(display, Bars)
    assert (bars.height * bars.width).sum() == pytest.approx(1.0)
    inside = np.histogram(known, [*bars.start, bars.start[-1] + bars.width[-1]], density=True)[0]
    np.testing.assert_allclose(bars.height, inside)
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels[-2:] == ["mixture", "kernel estimate"]
    assert "266 of 272 rows drawn" in display.ax_.get_title()


def test_one_of_many_features_is_its_marginal():
    model = em.GaussianMixture(3, random_state=0).fit(IRIS)
    *_, total, _ = marks(em.plot(model, IRIS, "density", features="x1"), Line)
    own = np.eye(4)[:, [1]]
    np.testing.assert_allclose(np.log(total.xy[:, 1]), naive(model, own, total.xy[:, 0]), atol=1e-8)
    with pytest.raises(em.DataError, match="surface and log need two"):
        em.plot(model, IRIS, "density", features=1, surface=True)


def test_rows_of_one_value_and_outliers_have_bars_too():
    mixture = em.Mixture.from_parameters([1.0], [[0.0]], [1.0], "V")
    same = em.plot(mixture, np.full((9, 1), 3.0), "density")
    (bars,) = marks(same, Bars)
    assert (bars.height * bars.width).sum() == pytest.approx(1.0)
    assert [line.label for line in marks(same, Line)] == ["0 (100%)", "mixture"]
    far = np.append(np.linspace(0.0, 1.0, 10_000), 1e9)[:, None]
    (bars,) = marks(em.plot(mixture, far, "density"), Bars)
    assert len(bars.start) <= 200


def test_at_most_five_thousand_points_lie_over_a_density():
    mixture = em.Mixture.from_parameters([1.0], [[0.0, 0.0]], [1.0], "VII")
    display = em.plot(mixture, mixture.sample(6000, 0)[0], "density")
    assert len(marks(display, Points)[0].xy) == 5000
    assert display.ax_.get_title() == "density of 1 component, VII; 5,000 of 6,000 rows drawn"
    assert em.plot(mixture, kind="density").ax_.get_title() == "density of 1 component, VII"
