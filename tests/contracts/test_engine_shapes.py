"""Engines at the sizes where a compiled pass takes another path, against plain loops.

A tile has 192 rows, a vector 4, 8 or 16 of them. Kernels are made for each number of features up
to 16 and for all multiples of 4 above; sums stay in registers up to 5 features, come in blocks up
to 16 and in squares of 4 above. A pass for one factor and a pooled moment takes components by
fours.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import naive
from ellimix.engines import ENGINES
from ellimix.records import Block, Factor, Moment, Potentials
from engine_problems import (
    TOLERANCE,
    assert_same_sums,
    every_engine,
    every_factor,
    every_moment,
    random_shares,
    row_weights,
    tolerance_of,
)
from problems import random_potentials, random_rows

COMPILED = ENGINES["numba"]
SMALL = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 16)  # features with kernels of their own
LARGE = (17, 18, 20, 21, 33, 50)
COMPONENTS = (1, 2, 3, 4, 5, 9)
ROWS = (1, 7, 8, 9, 15, 16, 17, 47, 48, 49, 95, 96, 97, 191, 192, 193, 400)

every_type = pytest.mark.parametrize("dtype", [np.float64, np.float32])
# each with a pass of its own, and the two that mix them
PASSES = (
    (Factor.FULL, Moment.FULL),
    (Factor.SHARED, Moment.POOLED),
    (Factor.DIAGONAL, Moment.DIAGONAL),
)
every_pass = pytest.mark.parametrize(
    ("shape", "moment"), PASSES, ids=[shape.value for shape, _ in PASSES]
)


@cache
def problem(shape, n, k, d, weighted=True):
    """Potentials, rows that float32 holds exactly, weights, and what plain loops make of them."""
    rng = np.random.default_rng([n, k, d])
    potentials = random_potentials(rng, k, d, shape, Moment.FULL)
    rows = random_rows(rng, n, d).astype(np.float32).astype(np.float64)
    weight = row_weights(rng, n, weighted)
    return potentials, rows, weight, naive.e_step(potentials, rows, weight)


def as_moment(slow, moment):
    """The statistics with another second moment."""
    if moment is Moment.FULL:
        return slow
    if moment is Moment.POOLED:
        return replace(slow, s2=slow.s2.sum(axis=0), moment=moment)
    return replace(slow, s2=np.diagonal(slow.s2, axis1=1, axis2=2), moment=moment)


def assert_naive(engine, shape, moment, dtype, n, k, d, weighted=True):
    potentials, rows, weight, slow = problem(shape, n, k, d, weighted)
    block = Block(rows.astype(dtype), weight)
    fast = engine.e_step(replace(potentials, moment=moment), block)
    assert_same_sums(fast, as_moment(slow, moment), tolerance_of(engine, dtype))


# sizes


@pytest.mark.parametrize("d", SMALL + LARGE)
@every_type
@every_engine
def test_any_number_of_features(engine, dtype, d):
    assert_naive(engine, Factor.FULL, Moment.FULL, dtype, 193, 3, d)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 8, 16, *LARGE])
@every_engine
def test_any_number_of_features_with_one_factor(engine, d):
    assert_naive(engine, Factor.SHARED, Moment.POOLED, np.float64, 193, 3, d)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 7, *LARGE])
@every_engine
def test_any_number_of_features_with_diagonal_factors(engine, d):
    assert_naive(engine, Factor.DIAGONAL, Moment.DIAGONAL, np.float64, 193, 3, d)


@pytest.mark.parametrize("d", [3, 7, 18])
@every_moment
@every_factor
@every_type
@every_engine
def test_any_factor_with_any_moment(engine, dtype, shape, moment, d):
    assert_naive(engine, shape, moment, dtype, 97, 4, d)


@pytest.mark.parametrize("n", ROWS)
@every_pass
@every_type
@every_engine
def test_any_number_of_rows(engine, dtype, shape, moment, n):
    for d in (3, 7, 18):
        assert_naive(engine, shape, moment, dtype, n, 2, d, weighted=n % 2 == 1)


@pytest.mark.parametrize("k", COMPONENTS)
@every_pass
@every_type
@every_engine
def test_any_number_of_components(engine, dtype, shape, moment, k):
    for d in (3, 7, 18):
        assert_naive(engine, shape, moment, dtype, 49, k, d)


@pytest.mark.parametrize("d", [3, 7, 17, 33])
@every_moment
@every_type
@every_engine
def test_sums_under_given_responsibilities(engine, dtype, moment, d):
    rng = np.random.default_rng(d)
    rows, weight = random_rows(rng, 193, d).astype(dtype), row_weights(rng, 193)
    shares, center = random_shares(rng, 193, 3), rng.standard_normal((3, d))
    fast = engine.accumulate(shares, Block(rows, weight), center, moment)
    slow = naive.accumulate(shares, rows, weight, center, moment)
    assert_same_sums(fast, slow, tolerance_of(engine, dtype))


# what a mixture says of each row


@pytest.mark.parametrize(
    ("n", "k", "d"), [(1, 3, 3), (193, 1, 3), (193, 5, 17), (400, 2, 3), (97, 9, 18), (47, 3, 33)]
)
@every_factor
@every_type
@every_engine
def test_log_densities_and_posterior(engine, dtype, shape, n, k, d):
    potentials, rows, weight, _ = problem(shape, n, k, d)
    tolerance = tolerance_of(engine, dtype)
    joint = naive.log_joint(potentials, rows)
    block = Block(rows.astype(dtype), weight)
    scale = np.abs(joint).max(axis=1)
    error = np.abs(engine.log_joint(potentials, block) - joint)
    assert (error <= tolerance * scale[:, None]).all()
    said = engine.posterior(potentials, block, full=True)
    density = [naive.log_sum_exp(values) for values in joint.tolist()]
    np.testing.assert_allclose(said.density, density, rtol=tolerance, atol=tolerance)
    share = naive.responsibilities(joint)
    # an error of a log-potential is a relative one of a responsibility
    assert (np.abs(said.responsibilities - share) <= tolerance * (1.0 + scale[:, None])).all()
    assert (np.abs(said.certainty - share.max(axis=1)) <= tolerance * (1.0 + scale)).all()
    disorder = np.array([naive.entropy(row[None]) for row in share])
    # -r log r moves by |log r| + 1 times what r moves by, summed over the components
    assert (np.abs(said.entropy - disorder) <= 4 * k * tolerance * (1.0 + scale)).all()
    clear = np.sort(joint, axis=1)[:, -2:]
    clear = clear[:, 0] < clear[:, -1] - 4.0 * tolerance * scale if k > 1 else np.ones(n, bool)
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(said.labels[clear], joint.argmax(axis=1)[clear])
    assert (said.density.shape, said.labels.shape, said.certainty.shape) == ((n,),) * 3
    assert said.density.dtype == said.certainty.dtype == said.responsibilities.dtype == np.float64
    brief = engine.posterior(potentials, block, full=False)
    assert brief.responsibilities is None
    for field in ("density", "labels", "certainty", "entropy"):
        np.testing.assert_array_equal(getattr(brief, field), getattr(said, field))


@pytest.mark.parametrize("d", [3, 18])
@every_factor
@every_engine
def test_posterior_of_equal_components_and_far_rows(engine, shape, d):
    potentials, rows, _, _ = problem(shape, 17, 3, d)
    same = replace(
        potentials,
        offset=np.zeros(3),
        center=np.zeros((3, d)),
        factor=potentials.factor[[0] * 3] if shape is not Factor.SHARED else potentials.factor,
    )
    far = rows.copy()
    far[[4, 16]] = 1e200
    said = engine.posterior(same, Block(far, None), full=True)
    assert not said.labels.any()  # the first of equals
    np.testing.assert_allclose(said.responsibilities, 1.0 / 3.0, rtol=TOLERANCE)
    np.testing.assert_allclose(said.certainty, 1.0 / 3.0, rtol=TOLERANCE)
    np.testing.assert_allclose(said.entropy, np.log(3.0), rtol=TOLERANCE)
    assert (said.density == -np.inf).tolist() == [i in (4, 16) for i in range(17)]


# several fits in one pass


def stacked(parts):
    arrays = [
        np.stack([getattr(p, name) for p in parts]) for name in ("offset", "center", "factor")
    ]
    return Potentials(*arrays, parts[0].shape, parts[0].moment)


@pytest.mark.parametrize("fits", [1, 2, 5])
@pytest.mark.parametrize("d", [3, 7, 18])
@every_moment
@every_factor
@every_type
@every_engine
def test_fits_in_one_pass_are_fits_alone(engine, dtype, shape, moment, d, fits):
    """In the compiled engine to the bit, else to rounding."""
    rng = np.random.default_rng([fits, d])
    parts = [random_potentials(rng, 3, d, shape, moment) for _ in range(fits)]
    rows, weight = random_rows(rng, 200, d).astype(dtype), row_weights(rng, 200)
    block = Block(rows, weight)
    other = random_potentials(rng, 2, d, Factor.DIAGONAL, Moment.DIAGONAL)
    together, beside = engine.step([stacked(parts), other])(block)
    assert together.n.shape == (fits, 3)
    assert together.loglik.shape == together.entropy.shape == (fits,)
    bits = engine is COMPILED
    for i, part in enumerate(parts):
        assert_same_numbers(together.at(i), engine.e_step(part, block), bits)
    assert_same_numbers(beside, engine.e_step(other, block), bits)


def assert_same_numbers(left, right, bits):
    if not bits:
        return assert_same_sums(left, right, 1e-14)
    for name in ("n", "s1", "s2", "center"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
    for name in ("loglik", "entropy", "weight", "rows", "moment"):
        assert getattr(left, name) == getattr(right, name)
    return None


# responsibilities that are 0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("order", ["mixed", "sorted"])
@pytest.mark.parametrize("d", [12, 33])
@every_pass
@every_engine
def test_components_far_apart(engine, shape, moment, d, order, weighted):
    """Most responsibilities are 0; in sorted rows there are tiles without a row of a component."""
    potentials, rows, weight, slow = far_apart(shape, d, order, weighted)
    joint = naive.log_joint(potentials, rows)
    assert (naive.responsibilities(joint) == 0.0).mean() > 0.7
    fast = engine.e_step(replace(potentials, moment=moment), Block(rows, weight))
    assert_same_sums(fast, as_moment(slow, moment))
    # a component's own sums, to the digits of its own size
    np.testing.assert_allclose(fast.n, slow.n, rtol=TOLERANCE)
    own = np.sqrt(np.diagonal(slow.s2, axis1=1, axis2=2) * slow.n[:, None])
    assert (np.abs(fast.s1 - slow.s1) <= 1e-11 * own).all()


@cache
def far_apart(shape, d, order, weighted):
    rng = np.random.default_rng(d)
    counts = np.array([230, 60, 3, 90, 17])  # some many, some few in a tile
    labels = np.repeat(np.arange(5), counts)
    if order == "mixed":
        rng.shuffle(labels)
    potentials = random_potentials(rng, 5, d, shape, Moment.FULL)
    center = potentials.center + 60.0 * np.arange(5)[:, None]
    potentials = replace(potentials, center=center)
    rows = center[labels] + rng.standard_normal((labels.size, d))
    weight = row_weights(rng, labels.size, weighted)
    if weighted:
        weight[np.flatnonzero(labels == 2)[0]] = 0.0
    return potentials, rows, weight, naive.e_step(potentials, rows, weight)


@pytest.mark.parametrize("d", [12, 33])
@every_pass
@every_engine
def test_a_component_that_no_row_is_near(engine, shape, moment, d):
    potentials, rows, weight, _ = problem(shape, 49, 3, d)
    center = potentials.center.copy()
    center[1] = 1e4
    away = replace(potentials, center=center, moment=moment)
    sums = engine.e_step(away, Block(rows, weight))
    assert sums.n[1] == 0.0
    assert not sums.s1[1].any()
    assert moment is Moment.POOLED or not sums.s2[1].any()
    assert_same_sums(sums, naive.e_step(away, rows, weight))


# what sums do under changes of the rows


@pytest.mark.parametrize("d", [3, 7, 18])
@every_pass
@every_type
@every_engine
def test_whole_weights_are_repeated_rows(engine, dtype, shape, moment, d):
    potentials, rows, _, _ = problem(shape, 193, 3, d)
    potentials, rows = replace(potentials, moment=moment), rows.astype(dtype)
    times = np.random.default_rng(d).integers(0, 4, size=193)
    weighted = engine.e_step(potentials, Block(rows, times.astype(float)))
    repeated = engine.e_step(potentials, Block(np.repeat(rows, times, axis=0), None))
    assert repeated.weight == weighted.weight == times.sum()
    assert_same_sums(weighted, replace(repeated, rows=193), tolerance_of(engine, dtype))


@pytest.mark.parametrize("d", [3, 7, 18])
@every_pass
@every_type
@every_engine
def test_the_order_of_the_rows_does_not_matter(engine, dtype, shape, moment, d):
    potentials, rows, weight, _ = problem(shape, 193, 3, d)
    potentials, rows = replace(potentials, moment=moment), rows.astype(dtype)
    order = np.random.default_rng(d).permutation(193)
    before = engine.e_step(potentials, Block(rows, weight))
    after = engine.e_step(potentials, Block(rows[order], weight[order]))
    assert_same_sums(after, before, tolerance_of(engine, dtype))


@pytest.mark.parametrize("d", [3, 7, 18])
@every_pass
@every_engine
def test_sums_follow_the_rows_under_affine_maps(engine, shape, moment, d):
    """x -> A x + b, with A diagonal or lower triangular: the factor stays what it was."""
    potentials, rows, weight, _ = problem(shape, 193, 3, d)
    potentials = replace(potentials, moment=moment)
    rng = np.random.default_rng(d)
    matrix = np.diag(np.exp(rng.uniform(-3.0, 3.0, d)))
    if shape is not Factor.DIAGONAL:
        matrix = matrix @ (np.eye(d) + np.tril(rng.standard_normal((d, d)) / d, -1))
    shift = 100.0 * rng.standard_normal(d)
    inverse = np.linalg.inv(matrix)
    factor = (
        potentials.factor * np.diagonal(inverse)
        if shape is Factor.DIAGONAL
        else inverse.T @ potentials.factor
    )
    center = potentials.center @ matrix.T + shift
    mapped = replace(potentials, center=center, factor=factor)
    before = engine.e_step(potentials, Block(rows, weight))
    after = engine.e_step(mapped, Block(rows @ matrix.T + shift, weight))
    back = after.s2 @ inverse.T**2 if moment is Moment.DIAGONAL else inverse @ after.s2 @ inverse.T
    undone = replace(after, s1=after.s1 @ inverse.T, s2=back, center=before.center)
    assert_same_sums(undone, before, 1e-10)
