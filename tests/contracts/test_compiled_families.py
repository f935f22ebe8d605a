"""The compiled M-steps equal the families', over the whole registry."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed: there is nothing compiled")

from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Covariance, Structure
from ellimix.covariance.kernels.compiler import compiled_m_step, m_step, work_size
from ellimix.errors import DegenerateFit
from ellimix.records import Moment
from naive import covariance_matrices, expected_loglik
from problems import as_moment, counts_and_scatter, pooled, random_axes

NAMES = tuple(FAMILIES)
SEARCHED = ("VEI", "VEE", "VEV")
TURNED = ("EVE", "VVE")
CLOSED = tuple(name for name in NAMES if name not in SEARCHED + TURNED)
DIAGONAL = NAMES[:6]
SIZES = tuple(product((1, 2, 3, 5, 9), (1, 2, 3, 4, 8)))  # (k, d)

every_family = pytest.mark.parametrize("name", NAMES)
every_size = pytest.mark.parametrize(("k", "d"), SIZES)


def problem(k, d, seed=0, log_condition=1.5):
    rng = np.random.default_rng([seed, k, d])
    return rng, *counts_and_scatter(rng, k, d, Moment.FULL, log_condition)


def slow(name, n, scatter, previous=None):
    """The family's own M-step."""
    moment = FAMILIES[name].moment
    return FAMILIES[name].m_step(n, pooled(as_moment(scatter, moment), moment), previous)


def matrices(step):
    """Covariances (k, d, d) of a compiled step."""
    inverse = np.linalg.inv(step.factor)
    return np.swapaxes(inverse, 1, 2) @ inverse


def perturbed(rng, n, scatter, size):
    """Counts and scatter as after an iteration that changed little."""
    k, d = scatter.shape[:2]
    noise = np.eye(d) + size * rng.standard_normal((k, d, d))
    return n * np.exp(size * rng.standard_normal(k)), noise @ scatter @ np.swapaxes(noise, 1, 2)


def assert_equal(name, step, record, tolerance):
    k, d = step.factor.shape[:2]
    assert step.failed == -1
    np.testing.assert_allclose(step.log_det, record.log_det, rtol=tolerance, atol=tolerance * d)
    expected = covariance_matrices(record, k, d)
    unit = np.sqrt(np.diagonal(expected, axis1=1, axis2=2))
    scale = unit[:, :, None] * unit[:, None, :]
    np.testing.assert_allclose(matrices(step) / scale, expected / scale, rtol=0, atol=tolerance)


def assert_triangular(name, step):
    assert np.isfinite(step.factor).all()
    assert (np.tril(step.factor, -1) == 0.0).all()
    assert (np.diagonal(step.factor, axis1=1, axis2=2) > 0.0).all()
    if name in DIAGONAL:
        assert (np.triu(step.factor, 1) == 0.0).all()
    roots = np.log(np.diagonal(step.factor, axis1=1, axis2=2))
    np.testing.assert_allclose(step.log_det, -2.0 * roots.sum(axis=1), rtol=1e-12, atol=1e-12)


def loss(n, scatter, step):
    """Twice the negative expected complete-data log-likelihood per unit weight."""
    along = np.swapaxes(step.factor, 1, 2) @ scatter @ step.factor
    return (n @ step.log_det + np.trace(along, axis1=1, axis2=2).sum()) / n.sum()


def slow_loss(n, scatter, record):
    k, d = scatter.shape[:2]
    return -2.0 * expected_loglik(n, scatter, covariance_matrices(record, k, d)) / n.sum()


# equal to the families


@every_size
@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_equal_the_families(name, k, d):
    _, n, scatter = problem(k, d)
    step = compiled_m_step(name, n, scatter)
    assert_triangular(name, step)
    assert_equal(name, step, slow(name, n, scatter), 1e-12)


@every_size
@pytest.mark.parametrize("name", SEARCHED)
def test_searched_volumes_equal_the_families(name, k, d):
    rng, n, scatter = problem(k, d)
    step = compiled_m_step(name, n, scatter)
    for size in (0.0, 1e-6, 1e-2, 0.3):
        assert_triangular(name, step)
        assert_equal(name, step, slow(name, n, scatter), 1e-9)
        n, scatter = perturbed(rng, n, scatter, size)
        step = compiled_m_step(name, n, scatter, step)
    assert_equal(name, step, slow(name, n, scatter), 1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", SEARCHED)
def test_volumes_far_apart(name, seed):
    rng, n, scatter = problem(6, 3, seed, log_condition=5.0)
    n *= np.exp(rng.uniform(-6.0, 6.0, 6))
    scatter *= np.exp(rng.uniform(-12.0, 12.0, 6))[:, None, None]
    step = compiled_m_step(name, n, scatter)
    assert_equal(name, step, slow(name, n, scatter), 1e-8)
    far = compiled_m_step(name, n, scatter[::-1].copy(), step)
    assert_equal(name, far, slow(name, n, scatter[::-1]), 1e-8)


@pytest.mark.parametrize("name", [name for name in NAMES if name[2] != "V" and name not in TURNED])
def test_badly_scaled_columns(name):
    """Each entry relative to its own columns' units, where the family knows them apart."""
    _, n, scatter = problem(4, 3)
    unit = np.array([1e-7, 1.0, 1e8])
    scatter = scatter * unit[:, None] * unit
    step = compiled_m_step(name, n, scatter)
    assert_equal(name, step, slow(name, n, scatter), 1e-9 if name in SEARCHED else 1e-12)


@pytest.mark.parametrize("name", ["EVV", "VVV"])
def test_badly_scaled_columns_of_free_matrices(name):
    _, n, scatter = problem(4, 3)
    unit = np.array([1e-7, 1.0, 1e8])
    scatter = scatter * unit[:, None] * unit
    assert_equal(name, compiled_m_step(name, n, scatter), slow(name, n, scatter), 1e-12)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
@every_family
def test_units_do_not_matter(name, scale):
    _, n, scatter = problem(3, 4)
    one, other = compiled_m_step(name, n, scatter), compiled_m_step(name, n, scatter * scale)
    assert one.failed == other.failed == -1
    tolerance = 1e-6 if name in TURNED else 1e-9
    np.testing.assert_allclose(
        other.factor * np.sqrt(scale), one.factor, rtol=tolerance, atol=tolerance
    )
    np.testing.assert_allclose(other.log_det - 4 * np.log(scale), one.log_det, atol=1e-9)


# common axes


@every_size
@pytest.mark.parametrize("name", TURNED)
def test_common_axes_are_as_good_as_the_families(name, k, d):
    rng, n, scatter = problem(k, d)
    step, record = compiled_m_step(name, n, scatter), slow(name, n, scatter)
    assert_triangular(name, step)
    for _ in range(3):  # a first search may end in another of several minima, so it goes first
        assert loss(n, scatter, step) <= slow_loss(n, scatter, record) + 2e-3
        n, scatter = perturbed(rng, n, scatter, 1e-3)
        began = Covariance(Structure.FULL, matrices(step), step.factor, step.log_det, step.axes[0])
        record = slow(name, n, scatter, began)
        for _ in range(100):  # a step does a few sweeps, the next one goes on
            step = compiled_m_step(name, n, scatter, step)
        assert loss(n, scatter, step) <= slow_loss(n, scatter, record) + 1e-8


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", TURNED)
def test_common_axes_with_one_plane_are_found(name, seed):
    _, n, scatter = problem(3, 2, seed, log_condition=4.0)
    best = slow_loss(n, scatter, slow(name, n, scatter))
    assert loss(n, scatter, compiled_m_step(name, n, scatter)) == pytest.approx(best, abs=1e-8)


@pytest.mark.parametrize("name", TURNED)
@pytest.mark.parametrize("d", [2, 3, 4, 6])
def test_common_axes_of_commuting_scatter_are_its_eigenvectors(name, d):
    rng = np.random.default_rng(d)
    axes = random_axes(rng, d, 1)[0]
    n, variances = rng.uniform(5.0, 50.0, 4), np.exp(rng.uniform(-3.0, 3.0, (4, d)))
    scatter = (axes * variances[:, None, :]) @ axes.T
    step = compiled_m_step(name, n, (scatter + np.swapaxes(scatter, 1, 2)) / 2.0)
    overlap = np.abs(axes.T @ step.axes[0])
    np.testing.assert_allclose(np.sort(overlap, axis=0)[-1], 1.0, atol=1e-12)


@pytest.mark.parametrize("d", [2, 3, 5, 9])
@pytest.mark.parametrize("name", SEARCHED + TURNED)
def test_a_step_from_before_never_loses_ground(name, d):
    """Whatever the scatter became, the parameters of before are no better than the new ones."""
    rng, n, scatter = problem(4, d)
    step = compiled_m_step(name, n, scatter)
    for size in (1e-8, 1e-4, 1e-2, 0.3, 1.0, 3.0):
        n, scatter = perturbed(rng, n, scatter, size)
        after = compiled_m_step(name, n, scatter, step)
        assert after.failed == -1
        assert loss(n, scatter, after) <= loss(n, scatter, step) + 1e-12
        for axes in after.axes[: {"VEV": 4}.get(name, int(name in TURNED))]:
            np.testing.assert_allclose(axes.T @ axes, np.eye(d), atol=1e-13)
        step = after


# singular scatter


@pytest.mark.parametrize("d", [1, 2, 4])
@every_family
def test_a_component_without_spread(name, d):
    _, n, scatter = problem(3, d)
    scatter[1] = 0.0
    assert_fails_alike(name, n, scatter)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
@every_family
def test_no_spread_at_all(name, value):
    step = compiled_m_step(name, np.array([3.0, 4.0]), np.full((2, 3, 3), value))
    assert 0 <= step.failed <= 2


@every_family
def test_a_component_flat_along_one_axis(name):
    rng, n, scatter = problem(3, 3)
    n[1] = 10.0
    rows = rng.standard_normal((10, 2)) @ rng.standard_normal((2, 3))
    rows[:, 2] = 0.0
    scatter[1] = rows.T @ rows
    assert_fails_alike(name, n, scatter)


@every_family
def test_all_components_flat_along_one_axis(name):
    _, n, scatter = problem(3, 3)
    scatter[:, 2], scatter[:, :, 2] = 0.0, 0.0
    assert_fails_alike(name, n, scatter)


@pytest.mark.parametrize("name", SEARCHED)
@pytest.mark.parametrize("n", [(30.0, 5.0, 5.0), (20.0, 10.0, 8.0), (12.0, 14.0, 14.0)])
def test_volumes_with_and_without_a_minimum(name, n):
    """Where d n_1 > rank(W_1) n the first volume shrinks without bound."""
    thin = np.array([[1.0, 0.0, 0.0], [1.0, 2.0, 3.0], [2.0, 2.0, 1.0]])
    scatter = thin[:, :, None] * np.eye(3)
    assert_fails_alike(name, np.array(n), scatter)


def assert_fails_alike(name, n, scatter):
    """The compiled step fails where the family's does, with one of its components."""
    step, record, failure = compiled_m_step(name, n, scatter), None, None
    try:
        record = slow(name, n, scatter)
    except DegenerateFit as caught:
        failure = caught
    if failure is not None:
        assert step.failed in (failure.components or range(n.size + 1))
        return
    assert_triangular(name, step)
    if name not in TURNED:
        assert_equal(name, step, record, 1e-9)


# the entry point


@every_family
def test_scratch_is_as_large_as_said_and_only_outputs_are_written(name):
    for k, d in SIZES:
        _, n, scatter = problem(k, d)
        size = work_size(k, d)
        work, before = np.full(size + 64, 7.0), (n.copy(), scatter.copy())
        factor, log_det = np.zeros((k, d, d)), np.zeros(k)
        volume, axes = np.zeros(k), np.zeros((k, d, d))
        code = NAMES.index(name)
        for first in (1, 0, 2):
            arrays = factor, log_det, volume, axes
            assert m_step()(code, n, scatter, *arrays, first, work[:size]) == -1
        assert (work[size:] == 7.0).all()
        np.testing.assert_array_equal(n, before[0])
        np.testing.assert_array_equal(scatter, before[1])
