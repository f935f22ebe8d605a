"""Volumes, shapes and orientations, against their definitions; each family against its letters."""

import numpy as np
import pytest
from matplotlib import pyplot
from scipy.linalg import subspace_angles
from scipy.stats import norm

import ellimix as em
from ellimix.covariance import FAMILIES
from ellimix.plots import CovarianceDisplay
from ellimix.plots.colors import style
from ellimix.plots.covariance import PALE, PLACES, example
from ellimix.plots.scene import Image, Line, Points, Text

X = em.datasets.iris()[0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def model():
    return em.GaussianMixture(3, covariance_type="VVV", random_state=0).fit(X)


def marks(panel, kind):
    return [mark for mark in panel.marks if isinstance(mark, kind)]


def test_ellipses_are_centred_and_one_standard_deviation_wide(model):
    panel = CovarianceDisplay.of(model, X, features=(0, 2)).panels[0]
    for k, line in enumerate(marks(panel, Line)):
        own = model.covariances_[k][np.ix_([0, 2], [0, 2])]
        length = np.einsum("ij,jk,ik->i", line.xy, np.linalg.inv(own), line.xy)
        np.testing.assert_allclose(length, 1.0)
        assert line.color == style(k)[0]
    assert (panel.x.label, panel.y.label) == ("x0, from the mean", "x2, from the mean")


def test_volumes_shapes_and_angles_are_those_of_the_eigenvalues(model):
    _, volumes, shapes, angles = CovarianceDisplay.of(model).panels
    for k, (point, line) in enumerate(
        zip(marks(volumes, Points), marks(shapes, Line), strict=True)
    ):
        covariance = model.covariances_[k]
        volume = np.linalg.det(covariance) ** 0.25
        np.testing.assert_allclose(point.xy, [[volume, k]])
        values = np.sort(np.linalg.svd(covariance)[1])[::-1]
        np.testing.assert_allclose(line.xy[:, 1], values / volume)
        assert np.prod(line.xy[:, 1]) == pytest.approx(1.0)
    (image,) = marks(angles, Image)
    first = [np.linalg.svd(covariance)[0][:, :1] for covariance in model.covariances_]
    for i in range(3):
        for j in range(3):
            wanted = np.rad2deg(subspace_angles(first[i], first[j])[0])
            assert image.cells[i, j] == pytest.approx(wanted, abs=1e-5)
    written = {text.at: text.words for text in marks(angles, Text)}
    assert written[0.0, 2.0] == f"{image.cells[2, 0]:.0f}"
    assert len(written) == 6


@pytest.mark.parametrize("name", FAMILIES)
def test_an_example_has_what_its_letters_say_and_no_more(name):
    covariances = example(name)
    values, vectors = np.linalg.eigh(covariances)
    volumes = np.sqrt(values.prod(axis=1))
    ratios = values[:, 1] / values[:, 0]
    assert (np.ptp(volumes) < 1e-12) == (name[0] == "E")
    assert (np.ptp(ratios) < 1e-12) == (name[1] in "EI")
    assert (abs(ratios - 1.0).max() < 1e-12) == (name[1] == "I")
    off = np.abs(covariances[:, 0, 1])
    assert (off.max() < 1e-12) == (name[2] == "I")
    if name[2] != "I":
        cosine = np.abs(np.einsum("ij,ij->i", vectors[:, :, 1], np.roll(vectors[:, :, 1], 1, 0)))
        assert (cosine.min() > 1.0 - 1e-9) == (name[2] == "E")


def test_each_family_is_a_panel_and_the_own_one_is_in_colour(model):
    for subject, options, count in (("VEV", {}, 2), (model, {"show": "families"}, 4)):
        scene = CovarianceDisplay.of(subject, **options)
        own = "VEV" if subject == "VEV" else "VVV"
        assert len(scene.drawn) == 14
        for panel, (name, family) in zip(scene.panels, FAMILIES.items(), strict=True):
            lines = marks(panel, Line)
            assert (lines[0].color != PALE) == (name == own)
            for line, place, covariance in zip(lines, PLACES, example(name), strict=True):
                away = line.xy - place
                length = np.einsum("ij,jk,ik->i", away, np.linalg.inv(covariance), away)
                np.testing.assert_allclose(length, 1.0)
                assert (np.abs(line.xy[:, 0]) < panel.x.limits[1]).all()
                assert (np.abs(line.xy[:, 1]) < panel.y.limits[1]).all()
            parameters = family.n_parameters(3, count)
            plural = "" if parameters == 1 else "s"
            assert marks(panel, Text)[1].words == f"{parameters} parameter{plural}"
            assert name in panel.title
        assert scene.title == f"covariance families: {own}, {FAMILIES[own].words}"
    assert "VVV (full)" in [p.title for p in CovarianceDisplay.of("EII").panels]
    assert CovarianceDisplay.of("tied").title.startswith("covariance families: EEE")


def test_one_feature_has_curves_and_variances():
    model = em.GaussianMixture(2, random_state=0).fit(X[:, 2:3])
    curves, volumes = CovarianceDisplay.of(model).panels
    deviation = np.sqrt(model.covariances_.ravel())
    for line, s in zip(marks(curves, Line), deviation, strict=True):
        np.testing.assert_allclose(line.xy[:, 1], norm.pdf(line.xy[:, 0], 0.0, s), atol=1e-12)
    got = [point.xy[0, 0] for point in marks(volumes, Points)]
    np.testing.assert_allclose(got, deviation**2)


def test_round_components_have_no_first_axis():
    round_ = em.GaussianMixture(2, covariance_type="VII", random_state=0).fit(X)
    scene = CovarianceDisplay.of(round_)
    titles = [panel.title for panel in scene.panels]
    assert titles == ["One standard deviation", "Volumes", "Shapes"]
    assert scene.notes == ("2 components are round along the two longest axes: no first axis.",)
    one = em.GaussianMixture(1).fit(X)
    assert len(CovarianceDisplay.of(one).panels) == 3
    assert CovarianceDisplay.of(one).notes == ()


def test_families_show_in_the_numbers():
    equal = em.GaussianMixture(3, covariance_type="EEV", random_state=0).fit(X)
    _, volumes, shapes, _ = CovarianceDisplay.of(equal).panels
    values = [point.xy[0, 0] for point in marks(volumes, Points)]
    np.testing.assert_allclose(values, values[0])
    lines = [line.xy[:, 1] for line in marks(shapes, Line)]
    np.testing.assert_allclose(lines, np.tile(lines[0], (3, 1)))


def test_an_axis_of_variances_is_logarithmic_where_they_differ_much():
    for ratio, scale in ((3.0, "linear"), (300.0, "log")):
        values = [1.0, ratio]
        mixture = em.Mixture.from_parameters([0.5, 0.5], np.zeros((2, 2)), values, "VII")
        axis = CovarianceDisplay.of(mixture).panels[1].x
        assert axis.scale == scale
        assert axis.limits[0] < 1.0 < ratio < axis.limits[1]


def test_twenty_components_and_those_of_no_weight():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(21, 3, 3))
    weights = np.append(np.full(20, 0.99999 / 20), 0.00001)
    covariances = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(3)
    mixture = em.Mixture.from_parameters(weights, rng.normal(size=(21, 3)), covariances)
    scene = CovarianceDisplay.of(mixture)
    assert [len(marks(scene.panels[0], Line)), len(marks(scene.panels[1], Points))] == [20, 20]
    assert marks(scene.panels[3], Image)[0].cells.shape == (20, 20)
    assert not marks(scene.panels[3], Text)
    assert "1 component has nearly no weight: not drawn." in scene.notes


def test_what_cannot_be_drawn_is_said(model):
    with pytest.raises(em.DataError, match=r"the name of a covariance family \(EII, VII.*'VVX'"):
        em.plot("VVX", kind="covariance")
    for options in ({"X": X}, {"features": (0, 1)}, {"show": "components"}):
        with pytest.raises(em.DataError, match="The name of a family has no rows and no"):
            em.plot("VEV", kind="covariance", **options)
    with pytest.raises(em.DataError, match='show is "components" or "families", but 3 came'):
        em.plot(model, kind="covariance", show=3)
    with pytest.raises(em.DataError, match="draws examples: leave features out"):
        em.plot(model, kind="covariance", show="families", features=(0, 1))
    with pytest.raises(em.DataError, match=r"expected \(n, 4\)"):
        em.plot(model, X[:, :1], "covariance")
