"""Colours, outlines and planes, against what they are by definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import eigh

import ellimix as em
from ellimix.plots.colors import MARKERS, PALETTE, blend, components, rgb, sizes, style
from ellimix.plots.ellipses import outline
from ellimix.plots.frames import frame
from ellimix.plots.labels import short
from ellimix.plots.views import plane, view

IRIS = em.datasets.iris()[0]


def mixture(k, d, seed=0, shared=False):
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(1 if shared else k, d, d)) * np.exp(rng.normal(size=d))[:, None]
    covariances = np.broadcast_to(roots @ np.swapaxes(roots, 1, 2) + 0.1 * np.eye(d), (k, d, d))
    weights = rng.dirichlet(np.full(k, 5.0))
    return em.Mixture.from_parameters(weights, 3.0 * rng.normal(size=(k, d)), covariances)


def test_looks_are_distinct_for_fifty_six_components():
    assert len({style(k) for k in range(56)}) == 56 == len(PALETTE) * len(MARKERS)
    assert style(56) == style(0)


def test_a_certain_row_has_its_components_colour():
    np.testing.assert_array_equal(blend(np.eye(4), 3), components(3))
    np.testing.assert_allclose(blend(np.eye(3), 3), [rgb(PALETTE[k]) for k in range(3)])
    grey = components(3)[3]
    assert grey[0] == grey[1] == grey[2]


@given(st.integers(1, 9), st.integers(0, 99))
def test_blends_lie_between_the_colours(k, seed):
    shares = np.random.default_rng(seed).dirichlet(np.ones(k + 1), 7)
    colors = blend(shares, k)
    for row, color in zip(shares, colors, strict=True):
        wanted = np.sum([row[j] * components(k)[j] for j in range(k + 1)], axis=0)
        np.testing.assert_allclose(color, wanted, atol=1e-12)
    area = sizes(shares, 10.0)
    assert ((area >= 3.0 - 1e-9) & (area <= 10.0)).all()
    np.testing.assert_array_equal(sizes(np.ones((3, 1)), 10.0), 10.0)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_outlines_are_level_sets(sigma):
    covariance = np.array([[2.0, -1.2], [-1.2, 1.5]])
    corners = outline(np.array([1.0, 2.0]), covariance, sigma)
    z = corners - [1.0, 2.0]
    np.testing.assert_allclose(np.einsum("ij,ij->i", z @ np.linalg.inv(covariance), z), sigma**2)
    flat = outline(np.zeros(2), np.array([[1.0, 1.0], [1.0, 1.0]]))
    np.testing.assert_allclose(flat[:, 0], flat[:, 1], atol=1e-12)


@pytest.mark.parametrize(("k", "d"), [(3, 3), (4, 6), (9, 4)])
def test_the_plane_solves_fishers_problem(k, d):
    own = mixture(k, d)
    shift = own.means - own.weights @ own.means
    between = (shift.T * own.weights) @ shift
    within = np.tensordot(own.weights, own.covariances(), 1)
    values = eigh(between, within, eigvals_only=True)[::-1][:2]
    basis = plane(own).basis
    np.testing.assert_allclose(basis.T @ within @ basis, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(basis.T @ between @ basis, np.diag(values), atol=1e-8 * values[0])


def test_the_plane_follows_the_features():
    """In other units and turned, the same rows are seen, up to signs."""
    own, rng = mixture(4, 5), np.random.default_rng(1)
    turn = rng.normal(size=(5, 5)) * 10.0 ** np.arange(-2, 3)
    covariances = turn.T @ own.covariances() @ turn
    other = em.Mixture.from_parameters(own.weights, own.means @ turn, covariances)
    rows = own.sample(50, 0)[0]
    first, second = plane(own).of(rows), plane(other).of(rows @ turn)
    signs = np.sign((first * second).sum(axis=0))
    np.testing.assert_allclose(first, second * signs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("k", [1, 2])
def test_directions_that_means_leave_open(k, shared):
    """Two means span a line, one nothing: the plane is still one of unit variance within."""
    own = mixture(k, 5, shared=shared)
    within = np.tensordot(own.weights, own.covariances(), 1)
    basis = plane(own).basis
    np.testing.assert_allclose(basis.T @ within @ basis, np.eye(2), atol=1e-9)
    if k == 2:
        line = np.linalg.solve(within, own.means[1] - own.means[0])
        cosine = line @ within @ basis[:, 0] / np.sqrt(line @ within @ line)
        assert abs(cosine) == pytest.approx(1.0)
    if k == 1:  # nothing differs: the principal plane of the correlation
        scale = np.sqrt(np.diagonal(within))
        _, vectors = np.linalg.eigh(within / np.outer(scale, scale))
        loads = basis * scale[:, None]
        top = vectors[:, ::-1][:, :2]
        np.testing.assert_allclose(top @ (top.T @ loads), loads, atol=1e-8)


def test_two_components_of_one_mean_are_told_apart_by_their_shapes():
    covariances = np.array([np.eye(4), np.diag([1.0, 1.0, 9.0, 1.0])])
    own = em.Mixture.from_parameters([0.5, 0.5], np.zeros((2, 4)), covariances)
    basis = plane(own).basis
    assert np.abs(basis[:, 0]).argmax() == 2
    assert np.abs(basis[[0, 1, 3], 0]).max() < 1e-9


def test_views_by_number_name_and_default():
    model = em.GaussianMixture(3, random_state=0).fit(IRIS)
    own = model.mixture_
    assert view(own).features == (2, 3)
    assert view(own, ("x3", 0)).features == (3, 0)
    assert view(own, np.array([1, 2])).features == (1, 2)
    assert view(own, 1).features == view(own, "x1").features == (1,)
    with pytest.raises(em.DataError, match="one feature: there is no plane"):
        view(em.Mixture.from_parameters([1.0], [[0.0]], [1.0], "V"), "plane")
    np.testing.assert_array_equal(
        view(own, (3, 0)).covariances(own), own.covariances()[:, [3, 0]][:, :, [3, 0]]
    )


def test_frames_hold_rows_and_ellipses():
    own = mixture(3, 2)
    rows = np.array([[100.0, np.nan], [np.nan, np.nan], [0.0, -70.0]])
    x, y = frame(own, view(own), rows)
    assert x[1] > 100.0
    assert y[0] < -70.0
    for k in range(3):
        corners = outline(own.means[k], own.covariances()[k], 3.0)
        assert (corners > [x[0], y[0]]).all()
        assert (corners < [x[1], y[1]]).all()


def test_names_are_one_short_line():
    assert short("a\tb\n c\u0007") == "a b c "
    assert len(short("x" * 300)) <= 28
    assert short(3) == "3"
