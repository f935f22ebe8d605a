"""Films: what is in their scenes and in the page, not how they look."""

from __future__ import annotations

import base64
import json
import re
from itertools import pairwise

import numpy as np
import pytest

import ellimix as em
from ellimix.plots.colors import blend
from ellimix.plots.motion.film import Film, film_of, iterations_shown
from ellimix.plots.motion.page import UNITS, packed
from ellimix.plots.motion.principal import principal_plane
from ellimix.plots.motion.stage import MOST_POINTS
from ellimix.plots.scene import Axis, Bars, Line, Panel, Points, Rug, Scene, Text
from motion_problems import ROWS, STUCK, eight_starts

IRIS, IRIS_NAMES = em.datasets.iris()
FAITHFUL = em.datasets.faithful()[0]


def recorded(model, X):
    recorder = em.Recorder()
    model.set_callbacks(recorder).fit(X)
    return recorder.record


def film(record, X, features=None, start=None, frames=120, fps=6.0):
    return film_of(record, X, features, start, frames, fps)


def marks(scene, kind, panel=0):
    return [mark for mark in scene.panels[panel].marks if isinstance(mark, kind)]


@pytest.fixture(scope="module")
def faithful():
    return recorded(em.GaussianMixture(2, random_state=0, tol=1e-6), FAITHFUL)


@pytest.fixture(scope="module")
def stuck():
    return eight_starts()


# -- which iterations ------------------------------------------------------------------------------


@pytest.mark.parametrize("n_iter", [1, 5, 119, 120, 121, 400, 12_345])
@pytest.mark.parametrize("frames", [2, 3, 50, 120])
def test_frames_are_dense_at_first_and_include_both_ends(n_iter, frames):
    shown = iterations_shown(n_iter, frames)
    assert (shown[0], shown[-1]) == (0, n_iter)
    assert len(shown) <= frames
    gaps = np.diff(shown)
    assert (gaps > 0).all()
    if n_iter < frames:
        assert shown == list(range(n_iter + 1))
    elif frames >= 50:
        assert len(shown) >= 0.95 * frames
        assert (gaps[: frames // 10] == 1).all()
        assert (np.diff(gaps) >= -1).all()  # growing, to rounding


def test_a_long_fit_says_what_is_left_out(stuck):
    n_iter = stuck.trajectories[STUCK].n_iter
    reel = film(stuck, ROWS, start=STUCK, frames=10)
    assert len(reel.scenes) == len(reel.iterations) <= 10
    assert reel.iterations[-1] == n_iter
    said = f"{len(reel.scenes)} of {n_iter + 1} states shown"
    assert all(said in scene.notes[1] for scene in reel.scenes)
    whole = film(stuck, ROWS, start=STUCK)
    assert not any("states shown" in note for note in whole.scenes[0].notes)


# -- what a frame shows ----------------------------------------------------------------------------


def test_a_frame_shows_the_rows_under_its_mixture(faithful):
    reel = film(faithful, FAITHFUL)
    fit = faithful.best
    assert len(reel.scenes) == fit.n_iter + 1
    for i, scene in zip(reel.iterations, reel.scenes, strict=True):
        cloud, means = marks(scene, Points)
        np.testing.assert_array_equal(cloud.xy, FAITHFUL)
        expected = blend(fit.mixtures[i].responsibilities(FAITHFUL), 2)
        np.testing.assert_array_equal(cloud.color, expected)
        np.testing.assert_array_equal(means.xy, fit.means[i])
        assert [text.words for text in marks(scene, Text)] == ["0", "1"]
    first, last = (marks(reel.scenes[i], Points)[0].color for i in (0, -1))
    assert np.abs(first - last).max() > 0.1


def test_ellipses_are_those_of_the_iteration(faithful):
    for i, scene in enumerate(film(faithful, FAITHFUL).scenes):
        mixture, lines = faithful.best.mixtures[i], marks(scene, Line)
        for k in range(2):
            way, *rings = lines[3 * k : 3 * k + 3]
            np.testing.assert_array_equal(way.xy, faithful.best.means[: i + 1, k])
            precision = np.linalg.inv(mixture.covariances()[k])
            for sigma, ring in zip((1.0, 2.0), rings, strict=True):
                away = ring.xy - mixture.means[k]
                lengths = np.einsum("ij,jk,ik->i", away, precision, away)
                np.testing.assert_allclose(lengths, sigma**2, rtol=1e-9)


def test_the_curve_grows_by_the_objective_of_what_is_shown(faithful):
    fit = faithful.best
    for i, scene in enumerate(film(faithful, FAITHFUL).scenes):
        (line,), (head,) = marks(scene, Line, 1), marks(scene, Points, 1)
        known = min(i, fit.n_iter - 1)  # that of the last mixture is known to no pass
        np.testing.assert_array_equal(line.xy[:, 1], fit.trace[: known + 1])
        np.testing.assert_array_equal(line.xy[:, 0], np.arange(known + 1))
        np.testing.assert_array_equal(head.xy, line.xy[-1:])
        shown = fit.mixtures[known].log_density(FAITHFUL).mean()
        assert head.xy[0, 1] == pytest.approx(shown, rel=1e-12)


def test_all_frames_have_the_same_axes_and_what_does_not_move_is_the_same_object(faithful):
    scenes = film(faithful, FAITHFUL).scenes
    for one, other in pairwise(scenes):
        for a, b in zip(one.panels, other.panels, strict=True):
            assert (a.x.limits, a.y.limits) == (b.x.limits, b.y.limits)
        assert (one.title, one.notes) == (other.title, other.notes)
        assert marks(one, Points)[0].xy is marks(other, Points)[0].xy


def test_titles(faithful):
    titles = [scene.panels[0].title for scene in film(faithful, FAITHFUL).scenes]
    n_iter = faithful.best.n_iter
    assert titles[0] == "the start"
    assert titles[1] == f"iteration 1 of {n_iter}"
    assert titles[-1] == f"iteration {n_iter} of {n_iter}, converged"


def test_one_feature_is_a_histogram_with_densities():
    X = FAITHFUL[:, :1]
    record = recorded(em.GaussianMixture(2, random_state=0), X)
    scenes = film(record, X).scenes
    bars = marks(scenes[0], Bars)
    assert all(marks(scene, Bars)[0] is bars[0] for scene in scenes)
    assert (bars[0].width * bars[0].height).sum() == pytest.approx(1.0)
    for i, scene in enumerate(scenes):
        *parts, total = (line.xy for line in marks(scene, Line))
        at = parts[0][:, :1]
        expected = np.exp(record.best.mixtures[i].log_joint(at))
        np.testing.assert_allclose(np.column_stack([part[:, 1] for part in parts]), expected)
        np.testing.assert_allclose(total[:, 1], expected.sum(axis=1))
        (cloud,) = marks(scene, Points)
        np.testing.assert_array_equal(cloud.xy[:, 0], X[:, 0])
        assert (cloud.xy[:, 1] < 0.0).all()  # a strip below the histogram
        assert cloud.xy[:, 1].min() > scene.panels[0].y.limits[0]


def test_iris_is_seen_in_its_principal_plane():
    record = recorded(em.GaussianMixture(3, random_state=0), IRIS)
    view = principal_plane(IRIS, tuple(IRIS_NAMES))
    scores = (IRIS - IRIS.mean(axis=0)) @ view.basis
    spread = np.linalg.svd(IRIS - IRIS.mean(axis=0), compute_uv=False)[:2]
    np.testing.assert_allclose(np.linalg.norm(scores, axis=0), spread, rtol=1e-10)
    np.testing.assert_allclose(view.basis.T @ view.basis, np.eye(2), atol=1e-12)
    scene = film(record, IRIS).scenes[-1]
    np.testing.assert_allclose(marks(scene, Points)[0].xy, IRIS @ view.basis)
    mixture, (_, ring, _) = record.best.mixtures[-1], marks(scene, Line)[:3]
    precision = np.linalg.inv(view.basis.T @ mixture.covariances()[0] @ view.basis)
    away = ring.xy - mixture.means[0] @ view.basis
    lengths = np.einsum("ij,jk,ik->i", away, precision, away)
    np.testing.assert_allclose(lengths, 1.0, rtol=1e-9)


@pytest.mark.parametrize(("features", "columns"), [((0, 3), [0, 3]), (("x2", "x1"), [2, 1])])
def test_two_features_can_be_chosen(features, columns):
    record = recorded(em.GaussianMixture(3, random_state=0), IRIS)
    scene = film(record, IRIS, features=features).scenes[0]
    np.testing.assert_array_equal(marks(scene, Points)[0].xy, IRIS[:, columns])
    labels = scene.panels[0].x.label, scene.panels[0].y.label
    assert labels == tuple(f"x{j}" for j in columns)


def test_one_of_several_features_is_a_histogram_with_marginal_densities():
    record = recorded(em.GaussianMixture(3, random_state=0), IRIS)
    scene = film(record, IRIS, features=(2,)).scenes[-1]
    mixture = record.best.mixtures[-1]
    *parts, _ = (line.xy for line in marks(scene, Line))
    for k, part in enumerate(parts):
        variance = mixture.covariances()[k, 2, 2]
        away = part[:, 0] - mixture.means[k, 2]
        density = np.exp(-0.5 * away**2 / variance) / np.sqrt(2.0 * np.pi * variance)
        np.testing.assert_allclose(part[:, 1], mixture.weights[k] * density, atol=1e-12)


def test_the_plane_that_separates():
    record = recorded(em.GaussianMixture(3, random_state=0), IRIS)
    scene = film(record, IRIS, features="plane").scenes[0]
    assert scene.panels[0].x.label.startswith("discriminant 1")


def test_noise_is_a_colour_too():
    model = em.GaussianMixture(2, noise=True, random_state=0)
    record = recorded(model, FAITHFUL)
    scene = film(record, FAITHFUL).scenes[-1]
    expected = blend(record.best.mixtures[-1].responsibilities(FAITHFUL), 2)
    np.testing.assert_array_equal(marks(scene, Points)[0].color, expected)


def test_rows_with_missing_values_are_left_out_and_counted():
    X = IRIS.copy()
    X[:7, 0], X[5:12, 2] = np.nan, np.nan
    record = recorded(em.GaussianMixture(2, random_state=0), X)
    plane = film(record, X).scenes[0]
    assert len(marks(plane, Points)[0].xy) == 138
    assert "138 of 150 rows drawn, 12 have missing values" in plane.notes[0]
    other = film(record, X, features=(0, 1)).scenes[0]
    assert len(marks(other, Points)[0].xy) == 143
    X[:, 3] = np.nan
    with pytest.raises(em.errors.DataError, match="0 of 150 rows are without missing values"):
        film(record, X)
    with pytest.raises(em.errors.DataError, match="No row of X has values in all that is shown"):
        film(record, X, features=(0, 3))


def test_many_rows_are_thinned_and_said():
    rows = np.random.default_rng(0).normal(size=(MOST_POINTS + 1, 2))
    record = recorded(em.GaussianMixture(2, tol=1e3, random_state=0), rows)
    scene = film(record, rows).scenes[0]
    assert len(marks(scene, Points)[0].xy) == MOST_POINTS
    assert "5,000 of 5,001 rows drawn" in scene.notes[0]


# -- local optima ----------------------------------------------------------------------------------


def test_a_bad_start_ends_in_a_local_optimum(stuck):
    fit = stuck.trajectories[STUCK]
    assert fit.status is em.Status.CONVERGED
    assert fit.objective < stuck.best.objective - 0.25
    centers = fit.means[-1][np.argsort(fit.means[-1][:, 0])]
    assert np.linalg.norm(centers[2] - [12.0, -1.0]) < 0.5  # one component has two groups
    reel = film(stuck, ROWS, start=STUCK)
    (reference,) = (line for line in marks(reel.scenes[0], Line, 1) if line.dash == "dash")
    assert (reference.xy[:, 1] == stuck.best.objective).all()
    top = reel.scenes[0].panels[1].y.limits[1]
    assert top > stuck.best.objective
    assert reel.scenes[0].title == "3 components, VVV; start 7"


def test_means_to_start_from_can_be_bad_on_purpose():
    bad = {"means_init": [[-1.0, 0.0], [1.0, 0.0], [12.0, -1.0]], "precisions_init": [1.0] * 3}
    options = {"covariance_type": "VII", "tol": 1e-6, "random_state": 0}
    stuck = recorded(em.GaussianMixture(3, weights_init=[1 / 3] * 3, **bad, **options), ROWS)
    best = em.GaussianMixture(3, n_init=5, **options).fit(ROWS)
    np.testing.assert_array_equal(stuck.best.means[0], bad["means_init"])
    assert stuck.best.objective < best.lower_bound_ - 0.5


def test_a_first_objective_that_is_far_below_is_off_the_axis(stuck):
    """Components of single rows give the rows between them no density to speak of."""
    assert stuck.best.trace[0] < -1e4
    scene = film(stuck, ROWS).scenes[0]
    low, high = scene.panels[1].y.limits
    assert low > -20.0
    assert "the first objective lies far below the axis" in scene.notes[1]
    assert high > stuck.best.objective


# -- the page --------------------------------------------------------------------------------------


def unpacked(packed_film, number):
    """Places of a mark as shares of the panel."""
    _, offset, count = packed_film["marks"][number][:3]
    places = np.frombuffer(base64.b64decode(packed_film["places"]), "<i2").reshape(-1, 2)
    return places[offset // 2 : offset // 2 + count] / UNITS


def test_what_is_packed_is_what_the_scenes_show(faithful):
    reel = film(faithful, FAITHFUL)
    page = packed(reel)
    colors = np.frombuffer(base64.b64decode(page["colors"]), "u1").reshape(-1, 3)
    for frame, scene in zip(page["frames"], reel.scenes, strict=True):
        for (title, numbers), panel in zip(frame, scene.panels, strict=True):
            assert title == panel.title
            (left, right), (bottom, top) = panel.x.limits, panel.y.limits
            for number, mark in zip(numbers, panel.marks, strict=True):
                kind, *entries = page["marks"][number]
                assert kind == type(mark).__name__.lower()
                if kind in ("line", "points"):
                    share = (mark.xy - [left, bottom]) / [right - left, top - bottom]
                    np.testing.assert_allclose(unpacked(page, number), share, atol=0.51 / UNITS)
                if kind == "points" and not isinstance(mark.color, str):
                    ours = colors[entries[2] // 3 : entries[2] // 3 + len(mark.xy)]
                    np.testing.assert_allclose(ours / 255.0, mark.color, atol=0.51 / 255.0)


def test_what_does_not_move_is_packed_once():
    X = FAITHFUL[:, :1]
    page = packed(film(recorded(em.GaussianMixture(2, random_state=0), X), X))
    assert sum(mark[0] == "bars" for mark in page["marks"]) == 1
    clouds = {tuple(mark[1:3]) for mark in page["marks"] if mark[0] == "points" and mark[2] > 1}
    assert len(clouds) == 1


def test_lines_that_grow_are_packed_once(faithful):
    reel = film(faithful, FAITHFUL)
    page = packed(reel)
    n, rings = faithful.best.n_iter + 1, 2 * 2 * 37  # two outlines of two components
    ways, curve = 2 * n, n - 1
    dots, numbers, heads = 2 * n, 2 * n, n - 1  # the first head is where the curve begins
    places = np.frombuffer(base64.b64decode(page["places"]), "<i2").size / 2
    assert places == len(FAITHFUL) + n * rings + ways + curve + dots + numbers + heads


def test_what_is_far_away_is_packed_four_panels_away():
    sides = Axis(limits=(0.0, 1.0))
    line = Line(np.array([[0.5, 0.25], [1e9, -1e9], [-3.0, 3.5]]))
    reel = Film((Scene((Panel((line,), x=sides, y=sides),)),), (0,), 6.0)
    expected = [[0.5, 0.25], [32767 / UNITS, -32767 / UNITS], [-3.0, 3.5]]
    np.testing.assert_allclose(unpacked(packed(reel), 0), expected, atol=1e-12)


@pytest.mark.parametrize(
    "mark",
    [
        Points(np.zeros((1, 2)), marker="+"),
        Bars(np.zeros(1), np.ones(1), np.ones(1), horizontal=True),
        Rug(np.zeros(1)),
    ],
    ids=lambda mark: type(mark).__name__,
)
def test_what_the_player_cannot_draw_is_refused(mark):
    sides = Axis(limits=(0.0, 1.0))
    with pytest.raises(em.errors.DataError, match=r"write a \.gif"):
        packed(Film((Scene((Panel((mark,), x=sides, y=sides),)),), (0,), 6.0))


def test_texts_are_escaped(tmp_path):
    pandas = pytest.importorskip("pandas")
    evil = "</script><script>alert(1)</script>", "<img src=x onerror=alert(2)> & \"'"
    model = em.GaussianMixture(2, random_state=0)
    path = tmp_path / "em.html"
    em.animate(model, pandas.DataFrame(FAITHFUL, columns=evil), path)
    text = path.read_text(encoding="utf-8")
    assert text.count("<script") == 2  # the data's and the player's
    assert text.count("</script>") == 2
    assert "<img" not in text
    (data,) = re.findall(r'<script id="film" type="application/json">(.*?)</script>', text)
    labels = [json.loads(data)["panels"][0][axis]["label"] for axis in "xy"]
    assert labels[0].startswith("</script><scr")


def test_the_page_needs_nothing_else(tmp_path):
    path = tmp_path / "em.html"
    em.animate(em.GaussianMixture(2, random_state=0), FAITHFUL, path)
    text = path.read_text(encoding="utf-8")
    page = re.sub(r"<script id=.film.*?</script>", "", text, flags=re.DOTALL)
    assert 5_000 < len(page) < len(text)
    assert not re.search(r"https?:|@import|url\(|src=|fetch|XMLHttp|import\(", page)
    assert "default-src 'none'" in page


def test_a_page_of_100_iterations_and_5000_rows_is_small(tmp_path):
    rows = np.random.default_rng(0).normal(size=(6000, 2))
    model = em.GaussianMixture(6, max_iter=100, tol=0.0, random_state=0)
    path = tmp_path / "em.html"
    with pytest.warns(UserWarning, match="did not converge"):
        record = em.animate(model, rows, path)
    assert record.best.n_iter == 100
    assert path.stat().st_size < 3_000_000


# -- what is played --------------------------------------------------------------------------------


def test_an_estimator_is_fitted_by_its_clone(tmp_path):
    model = em.GaussianMixture(2, random_state=0)
    record = em.animate(model, FAITHFUL, tmp_path / "em.html")
    assert not hasattr(model, "mixture_")
    assert not hasattr(model, "_skl_callbacks")
    fitted = em.GaussianMixture(2, random_state=0).fit(FAITHFUL)
    assert record.best.trace == tuple(fitted.lower_bounds_)
    mixture = fitted.mixture_
    again = em.animate(fitted, FAITHFUL, tmp_path / "em.html")
    assert fitted.mixture_ is mixture
    assert again.best.trace == record.best.trace


def test_an_estimators_own_record_is_played(tmp_path):
    weight = np.linspace(0.1, 2.0, 272)
    recorder = em.Recorder()
    model = em.GaussianMixture(2, random_state=0).set_callbacks(recorder)
    model.fit(FAITHFUL, sample_weight=weight)
    played = em.animate(model, FAITHFUL, tmp_path / "em.html")
    assert played.best.trace == tuple(model.lower_bounds_)  # with the weights
    em.GaussianMixture(3, random_state=0).set_callbacks(recorder).fit(FAITHFUL)
    with pytest.warns(em.FitWarning, match="not the one that the estimator has"):
        other = em.animate(model, FAITHFUL, tmp_path / "em.html")  # its record is gone
    assert other.best.trace != tuple(model.lower_bounds_)
    assert recorder.record.best.mixtures[-1].n_components == 3  # the clone has its own recorder


def test_a_posterior_is_played(tmp_path):
    model = em.BayesianGaussianMixture(4, random_state=0, max_iter=200)
    record = em.animate(model, FAITHFUL, tmp_path / "em.html")
    assert record.objective == "evidence lower bound per row"
    assert "evidence lower bound" in (tmp_path / "em.html").read_text(encoding="utf-8")


def test_components_of_nearly_no_weight_have_no_ellipse():
    model = em.BayesianGaussianMixture(5, random_state=0, max_iter=300)
    record = recorded(model, FAITHFUL)
    scenes = film(record, FAITHFUL).scenes
    first, last = ([text.words for text in marks(scenes[i], Text)] for i in (0, -1))
    assert first == ["0", "1", "2", "3", "4"]
    assert last == [str(k) for k in np.flatnonzero(model.weights_ > 0.002)]
    assert len(last) == 2
    assert len(marks(scenes[-1], Line)) == 3 * 2
    np.testing.assert_array_equal(
        marks(scenes[-1], Points)[1].xy, model.means_[model.weights_ > 0.002]
    )
    assert "none of nearly no weight" in scenes[0].notes[0]


def test_an_interrupted_fit_is_played_as_far_as_it_went(tmp_path, monkeypatch):
    from ellimix import em as loop

    iterate, seen = loop._iterate, []

    def interrupted(*arguments):
        seen.append(None)
        if len(seen) == 3:
            raise KeyboardInterrupt
        iterate(*arguments)

    monkeypatch.setattr(loop, "_iterate", interrupted)
    with pytest.warns(em.FitWarning, match="interrupted"):
        record = em.animate(em.GaussianMixture(3, tol=0.0), FAITHFUL, tmp_path / "em.html")
    assert record.best.n_iter == 2
    assert record.best.status is em.Status.INTERRUPTED
    assert "iteration 2 of 2, interrupted" in (tmp_path / "em.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"path": "em.avi"}, "'em.avi': the name must end in .gif, .mp4, .html"),
        ({"path": "em"}, "the name must end in"),
        ({"frames": 1}, "frames is 1: it must be a whole number of 2 or more"),
        ({"frames": 2.5}, "frames is 2.5"),
        ({"fps": 0}, "fps is 0: it must be above 0"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"start": 8}, "start is 8, and 8 fit"),
        ({"start": -1}, "start is -1"),
        ({"X": ROWS[:, :1]}, r"X has shape \(300, 1\), expected \(300, 2\)|expected \(n, 2\)"),
        ({"X": "rows"}, "not an array of numbers"),
        ({"features": (0, 0)}, "different columns"),
        ({"features": (0, 2)}, r"\(0, 2\) came"),
        ({"model": em.datasets}, "iterations of a module cannot be recorded"),
        ({"model": em.GaussianMixture}, "iterations of a GaussianMixture cannot be recorded: it"),
        ({"model": em.GaussianMixture("auto")}, "record a fit of the model that was chosen"),
        ({"model": em.GaussianMixture(2, max_iter=0)}, "max_iter is at least 1"),
    ],
    ids=str,
)
def test_bad_input_gets_a_sentence(stuck, tmp_path, change, sentence):
    arguments = {"model": stuck, "X": ROWS, "path": "em.html", **change}
    arguments["path"] = tmp_path / arguments["path"]
    with pytest.raises(em.errors.DataError, match=sentence):
        em.animate(**arguments)
    assert not list(tmp_path.iterdir())
