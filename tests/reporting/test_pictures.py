"""Pictures: what they show, what their captions say, and how large the page is."""

from __future__ import annotations

import base64
import re
from html import unescape

import numpy as np
import pytest

import ellimix as em
from ellimix.errors import DataError
from ellimix.reporting import pictures
from ellimix.reporting.looking import MOST_POINTS, look
from ellimix.reporting.parts import Figure, Prose
from ellimix.sources.memory import MemorySource
from report_problems import FAITHFUL, IRIS, Page, blobs, mixture_of, named, page_of, quietly, search

MEGABYTE = 1_000_000


def figures(page):
    """Accessible names of the pictures."""
    return page.captions("svg")


def test_captions_say_what_is_seen():
    page = page_of(search(IRIS, ("EEE", "VVV"), most=4), IRIS)
    found = figures(page)
    assert found == [*map(unescape, re.findall("<figcaption>(.*?)</figcaption>", page.source))]
    assert found == [
        (
            "BIC of 8 models over the number of components, of 2 covariance families: VVV with 2 "
            "is the smallest, and so the best, of those that may be chosen."
        ),
        (
            "150 rows by x2 and x3, of 4 features the two that tell the components apart best, in "
            "the colours of the 2 components, with ellipses of 1, 2 and 3 standard deviations."
        ),
        (
            "150 rows by each pair of x0, x1, x2 and x3, with the ellipses of the 2 components; on "
            "the diagonal each feature's histogram."
        ),
        (
            "Means of the 2 components over 4 features, as lines, with bands of one standard "
            "deviation; in standard deviations of the whole mixture from its mean."
        ),
        (
            "Where rows are uncertain, by x2 and x3, and how many: of the 150 rows drawn, 0 have "
            "no component of a probability of 0.9 or more."
        ),
    ]
    assert all(found["role"] == "img" for found in page.named("svg"))


def test_the_convergence_of_a_fit():
    model = mixture_of(3, n_init=3).fit(IRIS)
    page = page_of(model, IRIS)
    caption = next(text for text in figures(page) if text.startswith("The objective"))
    trace = model.report_.trace
    assert caption == (
        f"The objective by iteration, of 3 starts: the fit that was kept began at {trace[0]:.3f} "
        f"and ended at {trace[-1]:.3f} nats per unit of row weight after {len(trace)} iterations."
    )


def test_one_feature_is_a_histogram():
    model = mixture_of(2).fit(FAITHFUL[:, :1])
    page = page_of(model, FAITHFUL[:, :1])
    first = figures(page)[0]
    assert first == (
        "272 rows by x0 as a histogram, with the weighted densities of the 2 components."
    )
    assert not any("profile" in text or "pair" in text for text in figures(page))


@pytest.fixture(scope="module")
def large():
    """A million rows of 20 features in 9 components."""
    rng = np.random.default_rng(0)
    means = rng.normal(0.0, 1.0, (9, 20))
    turns = rng.normal(size=(9, 20, 25))
    covariances = turns @ turns.transpose(0, 2, 1) / 25.0
    mixture = em.Mixture.from_parameters(np.full(9, 1.0 / 9.0), means, covariances)
    X = np.concatenate([mixture.sample(100_000, seed)[0] for seed in range(10)])
    model = em.GaussianMixture.from_mixture(mixture)
    model.mixture_ = named(
        mixture, [f"a rather long name of a feature, number {j}" for j in range(20)]
    )
    return X, Page(model.to_report(X))


def test_a_million_rows_make_a_page_of_less_than_a_megabyte(large):
    _, page = large
    assert len(page.source.encode("utf-8")) < MEGABYTE
    assert len(figures(page)) == 4
    assert "5,000 of 1,000,000 rows, chosen at random, by " in figures(page)[0]
    assert "1,000 of 1,000,000 rows by each pair of " in figures(page)[1]
    assert "of the 5,000 rows drawn, " in figures(page)[3]
    assert "of 1,000,000 rows and 20 features" in page.texts[""]


def test_its_least_certain_rows_are_found_among_all(large):
    X, page = large
    assert len(X) == 1_000_000
    rows = [int(line[0].replace(",", "")) for line in page.tables["doubtful"][0][1:]]
    assert len(rows) == 15
    assert max(rows) > 100_000  # of more than the first block
    assert rows != sorted(rows)


def test_drawn_rows_are_a_random_part_of_those_that_count():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60_000, 2))
    X[::10] = np.nan
    weight = rng.integers(0, 2, len(X)).astype(float)
    weight[np.isnan(X).all(axis=1)] = 0.0
    mixture = em.Mixture.from_parameters([0.5, 0.5], [[0.0, 0.0], [1.0, 1.0]], [1.0, 1.0], "VII")
    found = look(mixture, MemorySource(X, weight))
    assert (found.total, found.counted) == (60_000, int((weight > 0).sum()))
    assert found.drawn.shape == (MOST_POINTS, 2)
    places = {tuple(row): at for at, row in enumerate(X.tolist()) if weight[at] > 0}
    at = np.array([places[tuple(row)] for row in found.drawn.tolist()])
    assert (np.diff(at) > 0).all()  # different ones, in their order
    # of a sample of 5,000 the mean of uniform places has a standard error of 245
    assert abs(at.mean() - 30_000) < 1000
    again = look(mixture, MemorySource(X, weight))
    assert np.array_equal(found.drawn, again.drawn)
    assert found.said == "5,000 of 60,000 rows, chosen at random,"


def test_few_rows_are_all_drawn():
    mixture = em.Mixture.from_parameters([1.0], [[0.0]], [1.0], "V")
    found = look(mixture, MemorySource(np.arange(7.0)[:, None]))
    assert found.drawn[:, 0].tolist() == [*range(7)]
    assert (found.said, found.doubts) == ("7 rows", ())


def test_points_are_drawn_as_pictures_in_the_page(large):
    _, page = large
    images = page.named("image")
    assert images
    for image in images:
        kind, _, data = image["href"].partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data).startswith(b"\x89PNG")


def test_what_does_not_fit_is_left_out_and_said(monkeypatch):
    model = mixture_of(3).fit(IRIS)
    whole = page_of(model, IRIS)
    monkeypatch.setattr(pictures, "ROOM", 60_000)
    page = page_of(model, IRIS)
    assert 0 < len(figures(page)) < len(figures(whole))
    assert "It would take too much room." in page.words


def test_a_scene_that_cannot_be_drawn_is_a_sentence(monkeypatch):
    def refuse(*_):
        raise DataError("There is nothing to draw.")

    broken = pictures.Picture(lambda _: True, refuse, lambda _: "")
    monkeypatch.setattr(pictures, "PICTURES", {"clusters": broken})
    page = page_of(mixture_of(2).fit(FAITHFUL), FAITHFUL)
    assert figures(page) == []
    assert "There is no picture here. There is nothing to draw." in page.texts["pictures"]


def test_pictures_are_parts_of_the_report():
    from ellimix.reporting.subject import of_estimator

    model = mixture_of(2).fit(FAITHFUL)
    source = MemorySource(FAITHFUL)
    found = pictures.pictures(of_estimator(model, source, model.summary(FAITHFUL)))
    assert [*found] == ["clusters", "uncertainty", "profile", "convergence"]
    assert all(isinstance(part, Figure) for part in found.values())
    assert not any(isinstance(part, Prose) for part in found.values())


def test_letters_that_no_font_has_are_kept():
    model = quietly(lambda: mixture_of(2).fit(FAITHFUL))
    model.mixture_ = named(model.mixture_, ["🦊 日本語", "क्षेत्र"])
    page = page_of(model, FAITHFUL)  # and no warning of matplotlib's font
    assert page.texts["pictures"].count("🦊 日本語") == 2


def test_many_components_of_features_with_long_names_fit_too():
    names = [("日本語の長い名前" * 9) + str(j) for j in range(60)]
    X = blobs(40, 60, n=1500)
    model = quietly(
        lambda: em.BayesianGaussianMixture(40, covariance_type="diag", random_state=0).fit(X)
    )
    model.mixture_ = named(model.mixture_, names)
    assert model.n_components_effective_ > 30
    page = page_of(model, X)
    assert len(page.source.encode("utf-8")) < MEGABYTE
    assert "with the smallest weights" in page.words or "features, along which" in page.words
