"""Every registered kind, by both backends: a new one joins by its line in the registry."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot

import ellimix as em
from drawn_scenes import in_figure, on_axes
from ellimix.plots import BACKENDS, KINDS, Display, Scene
from ellimix.plots.interactive import figure

mpl.use("Agg")
X = em.datasets.faithful()[0]
# A fitted search has all that a kind may draw: a mixture, a report, cells. A kind that takes
# something else has its line here.
SUBJECTS = {}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def search():
    return em.GaussianMixtureSearch(["EEE", "VVV"], [1, 2, 3, 4], random_state=0).fit(X)


@pytest.fixture(params=KINDS)
def name(request):
    return request.param


@pytest.fixture
def subject(name, search):
    return SUBJECTS.get(name, lambda: search)()


def test_matplotlib_draws_the_scene(name, subject):
    display = em.plot(subject, X, name)
    assert type(display) is KINDS[name]
    assert isinstance(display, Display)
    assert isinstance(display.scene_, Scene)
    assert display.axes_[0] is display.ax_
    assert display.ax_.figure is display.figure_
    for panel, ax in zip(display.scene_.drawn, display.axes_, strict=True):
        on_axes(panel, ax)
    display.figure_.canvas.draw()


def test_plotly_draws_the_same_scene(name, subject):
    drawn = em.plot(subject, X, name, backend="plotly")
    in_figure(KINDS[name].of(subject, X), drawn)
    assert drawn.to_dict() is not None


def hard(which):
    """A model and rows that a picture may stumble over."""
    rng = np.random.default_rng(0)
    match which:
        case "one feature, noise and holes":
            rows = np.concatenate([X[:, :1], rng.uniform(-5.0, 15.0, (40, 1)), [[np.nan]]])
            return em.GaussianMixture(2, noise=True, random_state=0).fit(rows), rows
        case "holes and row weights":
            rows = X.copy()
            rows[::7, 0], rows[3::11, 1], rows[5] = np.nan, np.nan, np.nan
            weight = rng.uniform(0.0, 2.0, len(rows))
            return em.GaussianMixture(2, random_state=0).fit(rows, sample_weight=weight), rows
        case "one component":
            return em.GaussianMixture(1, covariance_type="EII").fit(X), X
        case "twenty components":
            means = rng.uniform(-30.0, 30.0, (20, 2))
            rows = np.repeat(means, 10, axis=0) + rng.normal(size=(200, 2))
            return em.GaussianMixture(20, covariance_type="VII", random_state=0).fit(rows), rows
        case "components of no weight":
            return em.BayesianGaussianMixture(8, random_state=0, max_iter=500).fit(X), X


@pytest.mark.parametrize(
    "which",
    [
        "one feature, noise and holes",
        "holes and row weights",
        "one component",
        "twenty components",
        "components of no weight",
    ],
)
def test_both_backends_draw_what_is_hard(name, which):
    if name == "selection":
        pytest.skip("draws searches, not models")
    model, rows = hard(which)
    display = em.plot(model, rows, name)
    for panel, ax in zip(display.scene_.drawn, display.axes_, strict=True):
        on_axes(panel, ax)
    display.figure_.canvas.draw()
    in_figure(display.scene_, figure(display.scene_))
    shown = [mark for panel in display.scene_.drawn for mark in panel.marks]
    limits = [axis.limits for p in display.scene_.drawn for axis in (p.x, p.y) if axis.limits]
    assert shown
    assert np.isfinite(limits).all()


def test_a_display_draws_again_and_on_given_axes(name, subject):
    display = KINDS[name].from_estimator(subject, X)
    first = display.axes_
    scene = display.scene_
    fresh = pyplot.figure()
    places = [
        fresh.add_subplot(1, len(scene.drawn), at + 1, projection="3d" if panel.solid else None)
        for at, panel in enumerate(scene.drawn)
    ]
    assert display.plot(places) is display
    assert display.axes_ == tuple(places) != first
    assert display.figure_ is fresh
    fewer = [*places, places[0]]
    with pytest.raises(
        em.DataError, match=rf"has {len(places)} panels, but ax is {len(fewer)} axes"
    ):
        display.plot(fewer)


def test_the_same_model_makes_the_same_scene(name, subject):
    first, second = (figure(KINDS[name].of(subject, X)).to_json() for _ in range(2))
    assert first == second


def test_options_are_keywords_with_defaults_and_said(name, subject):
    with pytest.raises(em.DataError) as caught:
        em.plot(subject, X, name, nonsense=1)
    said = str(caught.value)
    assert said.startswith(f"The kind '{name}' has no option 'nonsense'; its options are: ")
    assert all(option in said for option in KINDS[name].options())


def test_a_kind_is_documented(name):
    assert KINDS[name].name == name
    documented = KINDS[name].scene.__doc__
    for option in KINDS[name].options():
        assert f"\n    {option} : " in documented, option
    assert ">>> " in KINDS[name].__doc__
    assert KINDS[name].__name__ in em.plots.__all__


def test_what_is_not_fitted_is_said(name):
    if name in SUBJECTS:
        pytest.skip("takes something else than an estimator")
    for model in (em.GaussianMixture(2), em.BayesianGaussianMixture(2), em.GaussianMixtureSearch()):
        with pytest.raises(em.DataError, match=f"This {type(model).__name__} is not fitted: call"):
            em.plot(model, X, name)
    with pytest.raises(em.DataError, match="A str cannot be drawn: pass a fitted"):
        em.plot("model", X, name)
    with pytest.raises(em.DataError, match="cannot be drawn: pass a fitted"):
        em.plot(em.GaussianMixture, X, name)


def test_unknown_names_list_what_there_is(search):
    with pytest.raises(em.DataError) as caught:
        em.plot(search, X, "cluster")
    assert str(caught.value) == (
        f"There is no kind of picture 'cluster'; there are: {', '.join(KINDS)}."
    )
    with pytest.raises(em.DataError, match="no backend 'bokeh'; there are: matplotlib, plotly"):
        em.plot(search, X, backend="bokeh")
    with pytest.raises(em.DataError, match="no kind of picture 3"):
        em.plot(search, X, 3)
    assert tuple(BACKENDS) == ("matplotlib", "plotly")


def test_plotly_takes_no_axes(search):
    with pytest.raises(em.DataError, match='ax is for backend="matplotlib"'):
        em.plot(search, X, ax=pyplot.subplots()[1], backend="plotly")


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_fitted_can_be_drawn(backend, search):
    """A search, its best model and the mixture in it are one picture."""
    scenes = [em.plot(m, X, backend=backend) for m in (search, search.best_, search.mixture_)]
    if backend == "plotly":
        assert len({drawn.to_json() for drawn in scenes}) == 1
    else:
        assert len({figure(drawn.scene_).to_json() for drawn in scenes}) == 1
    bayes = em.BayesianGaussianMixture(2, random_state=0).fit(X)
    assert em.plot(bayes, X, backend=backend) is not None


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (X[:, :1], r"X has shape \(272, 1\), expected \(n, 2\)"),
        (X[0], r"X has shape \(2,\), expected \(n, 2\)"),
        ([["a", "b"]], "X is not an array of numbers"),
        (np.array([[1.0, np.inf], [2.0, 3.0]]), "X has infinite values in 1 row"),
    ],
)
@pytest.mark.parametrize("kind", ["clusters", "density", "pairs"])
def test_rows_that_do_not_fit_are_said(search, rows, sentence, kind):
    with pytest.raises(em.DataError, match=sentence):
        em.plot(search, rows, kind)
