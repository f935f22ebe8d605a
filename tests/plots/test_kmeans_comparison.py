"""k-means beside the mixture, against scikit-learn's k-means and distances by loops."""

from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import pyplot
from sklearn.cluster import KMeans

import ellimix as em
from ellimix.plots import KMeansDisplay
from ellimix.plots.colors import PALETTE
from ellimix.plots.kmeans_comparison import MOST_POINTS, nearest
from ellimix.plots.scene import Bars, Line, Points
from ellimix.plots.views import plane

SKEW = np.array([[0.6, -0.64], [-0.41, 0.85]])
RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(c, 1.0, (100, 2)) for c in ([-2, -9], [4.5, 1.8], [1, 5.0])]) @ SKEW
IRIS = em.datasets.iris()[0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def model():
    return em.GaussianMixture(3, random_state=0).fit(X)


def marks(panel, kind):
    return [mark for mark in panel.marks if isinstance(mark, kind)]


def in_order(rows):
    return rows[np.lexsort(rows.T)]


def clouds(panel):
    """Rows by cluster: what has a legend's entry."""
    return [mark for mark in marks(panel, Points) if mark.label]


def test_circles_reach_the_farthest_row_of_their_cluster(model):
    given = KMeans(3, n_init=1, random_state=0).fit(X)
    left = KMeansDisplay.of(model, X, kmeans=given).panels[0]
    by_center = {tuple(c.round(6)): j for j, c in enumerate(given.cluster_centers_)}
    crosses = marks(left, Points)[-1].xy
    assert {tuple(c.round(6)) for c in crosses} == set(by_center)
    for line in marks(left, Line):
        center = line.xy[:-1].mean(axis=0)
        j = by_center[tuple(center.round(6))]
        farthest = max(np.linalg.norm(row - center) for row in X[given.labels_ == j])
        np.testing.assert_allclose(np.linalg.norm(line.xy - center, axis=1), farthest)
    assert left.equal  # and so they look like circles


def test_rows_are_in_their_clusters_in_the_colour_of_the_likest_component(model):
    given = KMeans(3, n_init=1, random_state=0).fit(X)
    scene = KMeansDisplay.of(model, X, kmeans=given)
    label = model.predict(X)
    matched = [np.mean(np.array(p)[given.labels_] == label) for p in permutations(range(3))]
    best = list(permutations(range(3)))[int(np.argmax(matched))]
    assert scene.title.startswith(f"{max(matched):.0%} of 300 rows have the same cluster")
    for k, cloud in enumerate(clouds(scene.panels[0])):
        assert cloud.color == PALETTE[k]
        mine = X[given.labels_ == best.index(k)]
        np.testing.assert_array_equal(cloud.xy[np.lexsort(cloud.xy.T)], mine[np.lexsort(mine.T)])
        assert cloud.label == f"{k} ({len(mine) / 300:.0%})"
    (right,) = scene.panels[1:]
    assert sum(len(cloud.xy) for cloud in clouds(right)) == 300
    assert right.x.limits == scene.panels[0].x.limits


def test_by_default_it_is_k_means_with_as_many_clusters(model):
    scene = KMeansDisplay.of(model, X)
    own = KMeans(3, n_init=1, random_state=np.random.RandomState(0)).fit(X)
    crosses = marks(scene.panels[0], Points)[-1].xy
    np.testing.assert_allclose(
        crosses[np.lexsort(crosses.T)],
        own.cluster_centers_[np.lexsort(own.cluster_centers_.T)],
        atol=1e-8,
    )


def test_labels_and_centers_are_taken_too(model):
    given = KMeans(3, n_init=1, random_state=0).fit(X)
    wanted = [c.xy for c in clouds(KMeansDisplay.of(model, X, kmeans=given).panels[0])]
    others = (given.labels_, given.cluster_centers_, SimpleNamespace(
        cluster_centers_=given.cluster_centers_), given.labels_ * 10 + 3)  # fmt: skip
    for kmeans in others:
        got = [c.xy for c in clouds(KMeansDisplay.of(model, X, kmeans=kmeans).panels[0])]
        for one, other in zip(wanted, got, strict=True):
            np.testing.assert_array_equal(one, other)
    for wrong in (given.labels_[:-1], np.zeros((3, 5)), "kmeans", object(), np.empty((0, 2))):
        with pytest.raises(em.DataError, match="kmeans is 300 labels, one for each row, centers"):
            em.plot(model, X, "kmeans_comparison", kmeans=wrong)
    with pytest.raises(em.DataError, match="kmeans has numbers that are not finite"):
        em.plot(model, X, "kmeans_comparison", kmeans=np.full((3, 2), np.nan))


def test_labels_are_taken_as_they_are(model):
    halves = (np.arange(300) % 2).astype(int)  # no partition by nearest centers
    scene = KMeansDisplay.of(model, X, kmeans=halves)
    drawn = [mark.xy for mark in clouds(scene.panels[0])]
    assert sorted(map(len, drawn)) == [150, 150]
    crosses = marks(scene.panels[0], Points)[-1].xy
    wanted = np.stack([X[halves == j].mean(axis=0) for j in (0, 1)])
    np.testing.assert_allclose(in_order(crosses), in_order(wanted))
    behind = SimpleNamespace(cluster_centers_=np.zeros((2, 7)), labels_=halves)
    assert len(clouds(KMeansDisplay.of(model, X, kmeans=behind).panels[0])) == 2


def test_components_of_no_weight_have_no_cluster():
    rows = em.datasets.faithful()[0]
    bayes = em.BayesianGaussianMixture(8, random_state=0, max_iter=500).fit(rows)
    scene = KMeansDisplay.of(bayes, rows)
    assert len(clouds(scene.panels[0])) == bayes.n_components_effective_ == 2
    assert scene.title.endswith("the mixture of 2 components")


def test_another_number_of_clusters_has_colours_of_its_own(model):
    given = KMeans(5, n_init=1, random_state=0).fit(X)
    left = KMeansDisplay.of(model, X, kmeans=given).panels[0]
    assert len({cloud.color for cloud in clouds(left)}) == 5
    few = KMeansDisplay.of(model, X, kmeans=KMeans(2, n_init=1, random_state=0).fit(X))
    assert len(clouds(few.panels[0])) == 2


def test_a_ball_in_a_plane_is_its_shadow():
    model = em.GaussianMixture(3, random_state=0).fit(IRIS)
    given = KMeans(3, n_init=1, random_state=0).fit(IRIS)
    left = KMeansDisplay.of(model, IRIS, features="plane", kmeans=given).panels[0]
    basis = plane(model.mixture_).basis
    for line in marks(left, Line):
        center = line.xy[:-1].mean(axis=0)
        j = np.abs(given.cluster_centers_ @ basis - center).sum(axis=1).argmin()
        rows = IRIS[given.labels_ == j]
        # the shadow's outline: rows at one distance from the center, seen along the plane
        away = (line.xy - center) @ np.linalg.inv(basis.T @ basis) @ basis.T
        radius = np.linalg.norm(away, axis=1)
        np.testing.assert_allclose(radius, radius[0])
        inside = (rows @ basis - center) @ np.linalg.inv(basis.T @ basis) @ basis.T
        assert np.linalg.norm(inside, axis=1).max() == pytest.approx(radius[0])
    assert not left.equal


def test_units_that_differ_are_noted_and_rows_stay_in_sight():
    rows = em.datasets.faithful()[0]
    model = em.GaussianMixture(2, random_state=0).fit(rows)
    scene = KMeansDisplay.of(model, rows)
    assert "The axes have different units" in scene.notes[0]
    left = scene.panels[0]
    assert not left.equal
    low, high = left.x.limits
    assert high - low < 2.0 * np.ptp(rows[:, 0])


def test_one_feature_has_the_reach_of_each_cluster():
    rows = IRIS[:, 2:3]
    model = em.GaussianMixture(2, random_state=0).fit(rows)
    given = KMeans(2, n_init=1, random_state=0).fit(rows)
    left, right = KMeansDisplay.of(model, rows, kmeans=given).panels
    reach = sorted(tuple(line.xy[:, 0]) for line in marks(left, Line) if line.label)
    wanted = sorted(
        (rows[given.labels_ == j].min(), rows[given.labels_ == j].max()) for j in (0, 1)
    )
    np.testing.assert_allclose(reach, wanted)
    centers = sorted(float(point.xy[0, 0]) for point in marks(left, Points))
    np.testing.assert_allclose(centers, np.sort(given.cluster_centers_.ravel()))
    assert len(marks(left, Bars)) == len(marks(right, Bars)) == 1


def test_holes_noise_and_many_rows():
    rows = np.concatenate([IRIS[:, 2:], RNG.uniform(0.0, 7.0, (30, 2))])
    model = em.GaussianMixture(2, noise=True, random_state=0).fit(rows)
    holes = rows.copy()
    holes[::20, 0] = np.nan
    scene = KMeansDisplay.of(model, holes)
    assert scene.notes[0].startswith("9 rows have missing values: no panel has them")
    assert sum(len(c.xy) for c in clouds(scene.panels[0])) == 171
    assert clouds(scene.panels[1])[-1].label.startswith("noise")
    numbers = model.predict(holes[~np.isnan(holes).any(axis=1)])
    assert (numbers == -1).any()  # and they are in no cluster of the same number
    assert not scene.title.startswith("100%")
    with pytest.raises(em.DataError, match="rows without missing values, and X has none"):
        em.plot(model, np.full((3, 2), np.nan), "kmeans_comparison")
    many = model.sample(3 * MOST_POINTS)[0]
    scene = KMeansDisplay.of(model, many)
    assert sum(len(c.xy) for c in clouds(scene.panels[0])) == MOST_POINTS
    assert "5,000 of 15,000 rows drawn." in scene.notes


def test_nearest_is_the_least_distance_far_from_the_origin_too():
    rows, centers = RNG.normal(size=(500, 3)) + 1e7, RNG.normal(size=(6, 3)) + 1e7
    slow = [int(np.argmin([np.linalg.norm(row - c) for c in centers])) for row in rows]
    assert nearest(rows, centers).tolist() == slow


def test_one_component_and_no_rows(model):
    one = em.GaussianMixture(1).fit(X)
    scene = KMeansDisplay.of(one, X)
    assert scene.title.startswith("100% of 300 rows have the same cluster")
    assert scene.title.endswith("1 component")
    with pytest.raises(em.DataError, match="'kmeans_comparison' draws rows, but none came"):
        em.plot(model, kind="kmeans_comparison")
