"""Rows with missing values in one compiled pass get what they get a pattern at a time."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np
import pytest

from ellimix.engines import ENGINES
from ellimix.engines.compiled_patterns import MOST_COVARIANCES, STRIDE, compiled_patterns
from ellimix.engines.incomplete import IncompleteEngine
from ellimix.engines.patterns import patterns_of
from ellimix.records import Block, Detail, Factor, Moment, Potentials, stack
from ellimix.sources.memory import MemorySource
from engine_problems import assert_same_sums, every_factor, every_moment
from problems import random_potentials, random_rows

SIZES = (1, 2, 3, 5, 6, 8, 9, 16, 17, 20)
every_size = pytest.mark.parametrize("d", SIZES)
K = 3


def holes(rng, n, d, rate=0.3):
    """Which cells are missing: at random, all of some rows, and the same of many."""
    missing = rng.random((n, d)) < rate
    missing[:5] = True
    missing[n // 2 :] = np.arange(d) == d // 2
    return missing


def problem(d, n=2 * STRIDE + 7, rate=0.3, offset=0.0):
    rng = np.random.default_rng([d, n])
    rows = random_rows(rng, n, d, offset)
    rows[holes(rng, n, d, rate)] = np.nan
    return rng, rows


def with_flat(rng, potentials):
    """One more potential: a constant."""
    d = potentials.center.shape[-1]
    factor = potentials.factor
    return replace(
        potentials,
        offset=np.append(potentials.offset, -0.3 * d),
        center=np.append(potentials.center, rng.standard_normal((1, d)), axis=0),
        factor=np.concatenate([factor, np.zeros_like(factor[:1])]),
        flat=rng.uniform(-1.0, 1.0, d),
    )


def slow(rows, weight, detail, index, potentials):
    """Statistics and log-potentials (k, n), a pattern at a time."""
    patterns = patterns_of(rows, weight, detail, index)
    joint = np.full((potentials.offset.size, rows.shape[0]), np.nan)
    for pattern in patterns:
        joint[:, pattern.index] = pattern.log_joint(potentials)
    return reduce(lambda a, b: a + b, [p.statistics(potentials) for p in patterns]), joint


def assert_same(rows, potentials, weight=None, detail=None, index=None):
    if index is None:
        index = np.flatnonzero(np.isnan(rows).any(axis=1))
    fast = compiled_patterns(rows, weight, detail, index)
    expected, joint = slow(rows, weight, detail, index, potentials)
    assert_same_sums(fast.statistics(potentials), expected)
    np.testing.assert_array_equal(np.sort(fast.index), index)
    found = fast.log_joint(potentials)
    np.testing.assert_allclose(found, joint[:, fast.index], rtol=1e-12, atol=1e-12 * rows.shape[1])


@every_moment
@every_factor
@every_size
def test_one_pass_is_all_patterns(d, shape, moment):
    rng, rows = problem(d)
    weight = rng.gamma(2.0, size=rows.shape[0]) * (rng.random(rows.shape[0]) > 0.1)
    assert_same(rows, random_potentials(rng, K, d, shape, moment), weight)


@every_factor
def test_without_weights_and_far_from_the_origin(shape):
    rng, rows = problem(6, offset=1e6)
    assert_same(rows, random_potentials(rng, K, 6, shape, Moment.FULL, 1e6))


@every_moment
@pytest.mark.parametrize("shape", [Factor.DIAGONAL, Factor.FULL])
@pytest.mark.parametrize("d", [1, 4, 18])
def test_a_flat_potential(d, shape, moment):
    rng, rows = problem(d)
    potentials = with_flat(rng, random_potentials(rng, K, d, shape, moment))
    assert_same(rows, potentials)


@every_factor
@pytest.mark.parametrize("d", [1, 4, 18])
def test_a_prior_counts_in_whole_rows_too(d, shape):
    rng, rows = problem(d, rate=0.1)
    n = rows.shape[0]
    prior = np.where(rng.random((n, K)) < 0.4, -np.inf, rng.standard_normal((n, K)))
    prior[np.arange(n), rng.integers(K, size=n)] = 0.0
    potentials = random_potentials(rng, K, d, shape, Moment.FULL)
    assert_same(rows, potentials, None, Detail(prior=prior), np.arange(n))


@every_factor
def test_a_row_that_no_component_may_have_belongs_to_all_alike(shape):
    rng, rows = problem(3, n=20)
    prior = np.zeros((20, K))
    prior[4] = -np.inf
    potentials = random_potentials(rng, K, 3, shape, Moment.FULL)
    fast = compiled_patterns(rows, None, Detail(prior=prior), np.arange(20))
    expected, _ = slow(rows, None, Detail(prior=prior), np.arange(20), potentials)
    found = fast.statistics(potentials)
    assert found.loglik == expected.loglik == -np.inf
    np.testing.assert_allclose(found.n, expected.n, rtol=1e-12)


@every_moment
@every_factor
def test_stacked_fits_get_what_each_gets_alone(shape, moment):
    rng, rows = problem(5)
    each = [random_potentials(rng, K, 5, shape, moment) for _ in range(3)]
    together = Potentials(
        *(np.stack([getattr(p, name) for p in each]) for name in ("offset", "center", "factor")),
        shape,
        moment,
    )
    fast = compiled_patterns(rows, None, None, np.flatnonzero(np.isnan(rows).any(axis=1)))
    found, expected = fast.statistics(together), stack([fast.statistics(p) for p in each])
    for name in ("n", "s1", "s2", "loglik", "entropy", "center"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert (found.weight, found.rows) == (expected.weight, expected.rows)
    alone = np.stack([fast.log_joint(p) for p in each])
    np.testing.assert_array_equal(fast.log_joint(together), alone)


@pytest.mark.parametrize("shape", [Factor.SHARED, Factor.FULL])
def test_each_row_lacks_something_else(shape):
    d = 8
    bits = np.arange(1, 2**d)[:, None] >> np.arange(d) & 1
    rng = np.random.default_rng(0)
    rows = random_rows(rng, 2**d - 1, d)
    rows[bits.astype(bool)] = np.nan
    assert_same(rows, random_potentials(rng, K, d, shape, Moment.FULL))


def test_rows_that_lack_much_end_a_tile_early():
    d = 40
    rng = np.random.default_rng(0)
    rows = random_rows(rng, 60, d)
    rows[rng.random((60, d)) < 0.8] = np.nan
    fast = compiled_patterns(rows, None, None, np.arange(60))
    assert fast.tiles.shape[0] > 1
    assert (fast.tiles[:, 3] <= MOST_COVARIANCES).all()
    assert fast.tiles[:, 0].sum() == 60
    assert_same(rows, random_potentials(rng, K, d, Factor.FULL, Moment.FULL))


@every_factor
def test_nothing_observed_leaves_the_model_as_it_is(shape):
    """Its log-likelihood is log sum pi, its expected moments are the components' own."""
    d, rng = 4, np.random.default_rng(0)
    potentials = random_potentials(rng, K, d, shape, Moment.FULL)
    square = potentials.factor
    if shape is Factor.DIAGONAL:
        square = square[:, :, None] * np.eye(d)
    precision = square @ np.swapaxes(square, -1, -2)
    covariance = np.broadcast_to(np.linalg.inv(precision), (K, d, d))
    log_det = np.broadcast_to(np.linalg.slogdet(precision)[1], (K,))
    weights = rng.dirichlet(np.ones(K))
    offset = np.log(weights) - 0.5 * (d * np.log(2.0 * np.pi) - log_det)
    found = compiled_patterns(np.full((11, d), np.nan), None, None, np.arange(11)).statistics(
        replace(potentials, offset=offset)
    )
    assert found.loglik == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(found.n, 11.0 * weights, rtol=1e-12)
    np.testing.assert_allclose(found.s1, 0.0, atol=1e-12)
    np.testing.assert_allclose(
        found.s2, 11.0 * weights[:, None, None] * covariance, rtol=1e-11, atol=1e-12
    )


@pytest.mark.parametrize("rate", [0.05, 0.4])
def test_strongly_correlated_features(rate):
    """Factors with a condition number of 1e5: errors grow with it, and no faster."""
    d, rng = 6, np.random.default_rng(3)
    axes = np.linalg.qr(rng.standard_normal((d, d)))[0]
    scales = np.geomspace(1e-5, 1.0, d)
    precision = (axes / scales**2) @ axes.T
    lower = np.linalg.cholesky(precision[::-1, ::-1])
    factor = lower[::-1, ::-1] / np.array([1.0, 1.5, 2.0])[:, None, None]
    rows = rng.standard_normal((300, d)) @ (axes * scales).T
    rows[rng.random(rows.shape) < rate] = np.nan
    potentials = Potentials(np.zeros(K), np.zeros((K, d)), factor, Factor.FULL, Moment.FULL)
    index = np.flatnonzero(np.isnan(rows).any(axis=1))
    found = compiled_patterns(rows, None, None, index).statistics(potentials)
    expected, _ = slow(rows, None, None, index, potentials)
    np.testing.assert_allclose(found.n, expected.n, rtol=1e-9)
    np.testing.assert_allclose(found.s2, expected.s2, atol=1e-9 * np.abs(expected.s2).max())
    assert found.loglik == pytest.approx(expected.loglik, rel=1e-9)


def test_rows_of_single_precision_are_computed_in_double():
    rng, rows = problem(5)
    single = rows.astype(np.float32)
    potentials = random_potentials(rng, K, 5, Factor.FULL, Moment.FULL)
    index = np.flatnonzero(np.isnan(rows).any(axis=1))
    found = compiled_patterns(single, None, None, index).statistics(potentials)
    expected = compiled_patterns(single.astype(float), None, None, index).statistics(potentials)
    assert_same_sums(found, expected, 0.0)


@every_factor
@every_moment
def test_threads_change_no_bit(shape, moment):
    rng, rows = problem(4, n=3000)
    potentials = random_potentials(rng, K, 4, shape, moment)
    engine = IncompleteEngine(ENGINES["numba"])
    sums = []
    for threads in (1, 4):
        source = MemorySource(rows, tile=400, threads=threads).placed(engine)
        (found,) = source.reduce(lambda b: tuple(engine.step([potentials])(b)))
        sums.append(found)
    for name in ("n", "s1", "s2", "loglik", "entropy"):
        np.testing.assert_array_equal(getattr(sums[0], name), getattr(sums[1], name))


@every_moment
@every_factor
def test_the_engine_around_compiled_passes_is_the_one_around_numpy(shape, moment):
    rng, rows = problem(7, rate=0.05)
    block = Block(rows, rng.gamma(2.0, size=rows.shape[0]))
    potentials = random_potentials(rng, K, 7, shape, moment)
    fast, plain = (IncompleteEngine(ENGINES[name]) for name in ("numba", "numpy"))
    assert_same_sums(fast.e_step(potentials, block), plain.e_step(potentials, block))
    np.testing.assert_allclose(
        fast.log_joint(potentials, block), plain.log_joint(potentials, block), rtol=1e-11
    )


def test_whole_rows_stay_with_the_other_engine():
    rng, rows = problem(4)
    whole = np.flatnonzero(~np.isnan(rows).any(axis=1))
    engine = ENGINES["numba"]
    around = IncompleteEngine(engine)
    parts = around.place(Block(rows, None))
    potentials = random_potentials(rng, K, 4, Factor.FULL, Moment.FULL)
    np.testing.assert_array_equal(parts.index, whole)
    alone = engine.e_step(potentials, Block(rows[whole], None))
    assert parts.whole is not None
    among = engine.e_step(potentials, parts.whole)
    for name in ("n", "s1", "s2", "loglik", "entropy"):
        np.testing.assert_array_equal(getattr(among, name), getattr(alone, name))
