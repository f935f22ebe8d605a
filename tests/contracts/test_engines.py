"""What every engine promises: its sums and log-densities equal plain loops."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

import naive
from ellimix.records import Block, Factor, Moment
from engine_problems import (
    TOLERANCE,
    anywhere,
    assert_e_step,
    assert_same_sums,
    case,
    every_engine,
    every_factor,
    every_moment,
    random_shares,
    row_weights,
    tolerance_of,
    weighting,
)

# equal to plain loops


@anywhere
@every_moment
@every_factor
@every_engine
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_log_joint(engine, shape, moment, offset, dtype):
    _, potentials, rows = case(shape, moment, offset=offset)
    rows = rows.astype(dtype)
    fast = engine.log_joint(potentials, Block(rows, None))
    assert fast.shape == (30, 3)
    assert fast.dtype == np.float64
    tolerance = tolerance_of(engine, dtype)
    np.testing.assert_allclose(fast, naive.log_joint(potentials, rows), rtol=tolerance)


@weighting
@anywhere
@every_moment
@every_factor
@every_engine
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_e_step(engine, shape, moment, offset, weighted, dtype):
    rng, potentials, rows = case(shape, moment, offset=offset)
    assert_e_step(engine, potentials, rows.astype(dtype), row_weights(rng, 30, weighted))


@pytest.mark.parametrize(("k", "d"), [*product((1, 2, 4), (1, 2, 5))])
@every_moment
@every_factor
@every_engine
def test_e_step_of_any_size(engine, shape, moment, k, d):
    rng, potentials, rows = case(shape, moment, 12, k, d)
    assert_e_step(engine, potentials, rows, row_weights(rng, 12))
    assert_e_step(engine, potentials, rows[:1])
    fast = engine.log_joint(potentials, Block(rows, None))
    np.testing.assert_allclose(fast, naive.log_joint(potentials, rows), rtol=TOLERANCE)


LAYOUTS = {
    "fortran": np.asfortranarray,
    "every second row": lambda rows: np.repeat(rows, 2, axis=0)[::2],
    "backwards": lambda rows: rows[::-1].copy()[::-1],
    "some columns": lambda rows: np.hstack([rows, rows])[:, : rows.shape[1]],
    "every second column": lambda rows: np.repeat(rows, 2, axis=1)[:, ::2],
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
@every_moment
@every_factor
@every_engine
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_layout_of_the_rows_does_not_matter(engine, shape, moment, layout, dtype):
    rng, potentials, rows = case(shape, moment)
    laid_out = LAYOUTS[layout](rows.astype(dtype))
    assert not laid_out.flags.c_contiguous
    laid_out.setflags(write=False)
    weight = np.repeat(row_weights(rng, 30), 2)[::2]
    assert_e_step(engine, potentials, laid_out, weight)
    fast = engine.log_joint(potentials, Block(laid_out, None))
    tolerance = tolerance_of(engine, dtype)
    np.testing.assert_allclose(fast, naive.log_joint(potentials, laid_out), rtol=tolerance)
    shares = np.asfortranarray(random_shares(rng, 30, 3))
    sums = engine.accumulate(shares, Block(laid_out, weight), potentials.center, moment)
    slow = naive.accumulate(shares, laid_out, weight, potentials.center, moment)
    assert_same_sums(sums, slow, tolerance)


@weighting
@anywhere
@every_moment
@every_engine
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_accumulate(engine, moment, offset, weighted, dtype):
    rng, potentials, rows = case(Factor.DIAGONAL, moment, offset=offset)
    rows, weight = rows.astype(dtype), row_weights(rng, 30, weighted)
    shares = random_shares(rng, 30, 3)
    fast = engine.accumulate(shares, Block(rows, weight), potentials.center, moment)
    slow = naive.accumulate(shares, rows, weight, potentials.center, moment)
    assert_same_sums(fast, slow, tolerance_of(engine, dtype))
    assert fast.loglik == fast.entropy == 0.0


@anywhere
@every_moment
@every_engine
def test_means_and_scatter_are_those_of_the_weighted_rows(engine, moment, offset):
    rng, potentials, rows = case(Factor.FULL, moment, offset=offset)
    weight, shares = row_weights(rng, 30), random_shares(rng, 30, 3)
    sums = engine.accumulate(shares, Block(rows, weight), potentials.center, moment)
    means, scatter = sums.means(), sums.scatter()
    for k in range(3):
        w = weight * shares[:, k]
        mean = naive.weighted_mean(rows, w)
        np.testing.assert_allclose(means[k], mean, rtol=1e-14, atol=1e-12)
    expected = naive.scatter(shares, rows, weight, moment)
    np.testing.assert_allclose(scatter, expected, rtol=1e-9, atol=1e-8)


@every_engine
def test_arguments_are_left_alone(engine):
    for shape, moment in product(Factor, Moment):
        rng, potentials, rows = case(shape, moment)
        weight, shares = row_weights(rng, 30), random_shares(rng, 30, 3)
        before = [a.copy() for a in (rows, weight, shares, potentials.center, potentials.factor)]
        engine.e_step(potentials, Block(rows, weight))
        engine.log_joint(potentials, Block(rows, weight))
        engine.accumulate(shares, Block(rows, weight), potentials.center, moment)
        after = (rows, weight, shares, potentials.center, potentials.factor)
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


# the algebra of sums


@weighting
@every_moment
@every_factor
@every_engine
def test_a_sum_of_blocks_is_the_whole(engine, shape, moment, weighted):
    rng, potentials, rows = case(shape, moment)
    weight = row_weights(rng, 30, weighted)
    parts = [
        Block(rows[a:b], None if weight is None else weight[a:b], a)
        for a, b in pairwise((0, 1, 8, 8, 25, 30))
    ]
    total = engine.e_step(potentials, parts[0])
    for part in parts[1:]:
        total = total + engine.e_step(potentials, part)
    assert_same_sums(total, naive.e_step(potentials, rows, weight))


@weighting
@every_moment
@every_factor
@every_engine
def test_no_rows_no_sums(engine, shape, moment, weighted):
    _, potentials, rows = case(shape, moment)
    empty = Block(rows[:0], np.zeros(0) if weighted else None)
    assert engine.log_joint(potentials, empty).shape == (0, 3)
    shares = np.zeros((0, 3))
    for sums in (
        engine.e_step(potentials, empty),
        engine.accumulate(shares, empty, potentials.center, moment),
    ):
        assert (sums.loglik, sums.entropy, sums.weight, sums.rows) == (0.0, 0.0, 0.0, 0)
        assert not sums.n.any()
        assert not sums.s1.any()
        assert not sums.s2.any()
        assert sums.s2.shape == ((3, 3, 3) if moment is Moment.FULL else (3, 3))
        assert sums.moment is moment


@every_moment
@every_factor
@every_engine
def test_whole_weights_are_repeated_rows(engine, shape, moment):
    rng, potentials, rows = case(shape, moment)
    times = rng.integers(0, 4, size=30)
    weighted = engine.e_step(potentials, Block(rows, times.astype(float)))
    repeated = naive.e_step(potentials, np.repeat(rows, times, axis=0))
    assert_same_sums(weighted, replace(repeated, rows=30))


@every_moment
@every_factor
@every_engine
def test_rows_of_weight_zero_count_for_nothing(engine, shape, moment):
    rng, potentials, rows = case(shape, moment)
    weight = np.zeros(30)
    nothing = engine.e_step(potentials, Block(rows, weight))
    assert (nothing.loglik, nothing.entropy, nothing.weight) == (0.0, 0.0, 0.0)
    assert not any(a.any() for a in (nothing.n, nothing.s1, nothing.s2))
    weight[:20] = rng.gamma(2.0, size=20)
    fast = engine.e_step(potentials, Block(rows, weight))
    slow = naive.e_step(potentials, rows[:20], weight[:20])
    assert_same_sums(fast, replace(slow, rows=30))


@every_engine
def test_entropy_of_known_responsibilities(engine):
    _, potentials, rows = case(Factor.SHARED, Moment.FULL, k=4)
    same = replace(potentials, center=np.zeros((4, 3)), offset=np.zeros(4))
    assert engine.e_step(same, Block(rows, None)).entropy == pytest.approx(30.0 * np.log(4.0))
    far = replace(same, center=np.arange(4.0)[:, None] * np.full(3, 1e4))
    assert engine.e_step(far, Block(rows, None)).entropy == 0.0


# the edges of double precision


@every_moment
@every_factor
@every_engine
def test_a_component_of_weight_zero_gets_nothing(engine, shape, moment):
    rng, potentials, rows = case(shape, moment)
    offset = potentials.offset.copy()
    offset[1] = -np.inf
    without = replace(potentials, offset=offset)
    assert (engine.log_joint(without, Block(rows, None))[:, 1] == -np.inf).all()
    sums = engine.e_step(without, Block(rows, None))
    assert sums.n[1] == 0.0
    assert not sums.s1[1].any()
    assert moment is Moment.POOLED or not sums.s2[1].any()
    assert_e_step(engine, without, rows, row_weights(rng, 30))


@pytest.mark.parametrize("far", [1e160, 1e200, 1.7e308])
@every_moment
@every_factor
@every_engine
def test_a_row_beyond_the_range_of_squares_gives_no_nan(engine, shape, moment, far):
    _, potentials, rows = case(shape, moment)
    rows[7] = [far, -far, 1.0]
    log_joint = engine.log_joint(potentials, Block(rows, None))
    assert (log_joint[7] == -np.inf).all()
    others = np.delete(rows, 7, axis=0)
    slow = naive.log_joint(potentials, others)
    np.testing.assert_allclose(np.delete(log_joint, 7, axis=0), slow, rtol=TOLERANCE)
    sums = engine.e_step(potentials, Block(rows, None))
    assert sums.loglik == -np.inf
    expected = naive.responsibilities(slow).sum(axis=0) + 1.0 / 3.0
    np.testing.assert_allclose(sums.n, expected, rtol=TOLERANCE)
    for number in (sums.s1, sums.s2, sums.entropy):
        assert not np.isnan(number).any()


@every_factor
@every_engine
def test_a_distance_beyond_the_range_of_numbers_gives_no_nan(engine, shape):
    _, potentials, rows = case(shape, Moment.FULL)
    center = potentials.center.copy()
    center[0], rows[3] = -1.7e308, 1.7e308
    log_joint = engine.log_joint(replace(potentials, center=center), Block(rows, None))
    assert (log_joint[3] == -np.inf).all()
    assert (log_joint[:, 0] == -np.inf).all()
    assert not np.isnan(log_joint).any()


@pytest.mark.parametrize("far", [1e200, 1.7e308])
@every_moment
@every_factor
@every_engine
def test_a_far_row_of_weight_zero_counts_for_nothing(engine, shape, moment, far):
    rng, potentials, rows = case(shape, moment)
    weight = row_weights(rng, 30)
    rows[7], weight[7] = far, 0.0
    fast = engine.e_step(potentials, Block(rows, weight))
    slow = naive.e_step(potentials, np.delete(rows, 7, axis=0), np.delete(weight, 7))
    assert_same_sums(fast, replace(slow, rows=30))
    shares = random_shares(rng, 30, 3)
    sums = engine.accumulate(shares, Block(rows, weight), potentials.center, moment)
    assert not np.isnan(sums.s2).any()


@pytest.mark.parametrize("distance", [50.0, 1e3, 1e8])
@every_factor
@every_engine
def test_a_far_row_keeps_its_log_density(engine, shape, distance):
    """exp underflows from 39 standard deviations on; log-densities must not."""
    _, potentials, rows = case(shape, Moment.FULL)
    rows[3] = distance
    assert_e_step(engine, potentials, rows)
    fast = engine.e_step(potentials, Block(rows[3:4], None))
    assert np.isfinite(fast.loglik)
    assert fast.n.sum() == pytest.approx(1.0, rel=TOLERANCE)
