"""Rows with errors, projections and intervals: equal to slow twins, and to simpler paths."""

from dataclasses import replace
from functools import reduce
from itertools import combinations

import numpy as np
import pytest

import naive_known
from ellimix.engines import ENGINES
from ellimix.engines.conditional import conditional
from ellimix.engines.incomplete import IncompleteEngine
from ellimix.engines.patterns import patterns_of
from ellimix.engines.uncertain import uncertain_of
from ellimix.errors import DataError
from ellimix.records import Block, Detail, Factor, Moment
from engine_problems import assert_same_sums, every_factor, every_moment, row_weights
from known_problems import KINDS, potentials_for, random_known, random_prior, with_flat
from problems import random_rows

EXACT, BY_GRID = 1e-11, 2e-8  # without and with intervals: the twin's grid
ENGINE = IncompleteEngine(ENGINES["numpy"])

pairs = [(kind,) for kind in KINDS] + [
    pair for pair in combinations(KINDS, 2) if pair != ("errors", "full errors")
]
every_pair = pytest.mark.parametrize("kinds", pairs, ids=" + ".join)


def tolerance(kinds):
    return BY_GRID if "intervals" in kinds else EXACT


def statistics(potentials, rows, weight, detail):
    """Sums over all rows, by the one path."""
    parts = uncertain_of(Block(rows, weight, detail=detail), np.arange(rows.shape[0]))
    index = np.sort(np.concatenate([part.index for part in parts]))
    np.testing.assert_array_equal(index, np.arange(rows.shape[0]))
    return reduce(lambda a, b: a + b, (part.statistics(potentials) for part in parts))


def assert_conditional(potentials, rows, detail, limit):
    fast = conditional(potentials, rows, detail)
    slow = naive_known.conditional(potentials, rows, detail)
    np.testing.assert_allclose(fast.log_joint, slow[0], rtol=limit, atol=limit)
    np.testing.assert_allclose(fast.mean, slow[1], rtol=limit, atol=20 * limit)
    np.testing.assert_allclose(fast.covariance, slow[2], rtol=limit, atol=20 * limit)
    np.testing.assert_array_equal(fast.covariance, np.swapaxes(fast.covariance, -1, -2))


@every_pair
@every_factor
def test_conditional(kinds, shape):
    rng = np.random.default_rng(1)
    potentials = potentials_for(rng, shape, Moment.FULL)
    assert_conditional(potentials, *random_known(rng, kinds), tolerance(kinds))


@every_pair
@pytest.mark.parametrize("shape", [Factor.DIAGONAL, Factor.FULL], ids=["diagonal", "full"])
def test_conditional_with_noise(kinds, shape):
    rng = np.random.default_rng(2)
    potentials = with_flat(potentials_for(rng, shape, Moment.FULL))
    assert_conditional(potentials, *random_known(rng, kinds), tolerance(kinds))


@pytest.mark.parametrize("cells", [2, 3])
@pytest.mark.parametrize("kinds", [("intervals",), ("full errors", "intervals")], ids=" + ".join)
def test_intervals_in_several_cells(kinds, cells):
    rng = np.random.default_rng(3)
    potentials = potentials_for(rng, Factor.FULL, Moment.FULL, k=2)
    rows, detail = random_known(rng, kinds, n=8, d=3, cells=cells)
    limit = BY_GRID if cells == 2 else 1e-2
    assert_conditional(potentials, rows, detail, limit)


@every_pair
@every_factor
@every_moment
def test_sums(kinds, shape, moment):
    rng = np.random.default_rng(4)
    potentials = potentials_for(rng, shape, moment)
    rows, detail = random_known(rng, kinds)
    detail = replace(detail, prior=random_prior(rng, 12, 3))
    weight = row_weights(rng, 12)
    fast = statistics(potentials, rows, weight, detail)
    slow = naive_known.statistics(potentials, rows, weight, detail)
    assert_same_sums(fast, slow, 10 * tolerance(kinds))


@every_pair
@pytest.mark.parametrize("moment", [Moment.DIAGONAL, Moment.FULL], ids=["diagonal", "full"])
def test_sums_with_noise(kinds, moment):
    rng = np.random.default_rng(5)
    shape = Factor.DIAGONAL if moment is Moment.DIAGONAL else Factor.FULL
    potentials = with_flat(potentials_for(rng, shape, moment))
    rows, detail = random_known(rng, kinds)
    detail = replace(detail, prior=random_prior(rng, 12, 4))
    fast = statistics(potentials, rows, None, detail)
    slow = naive_known.statistics(potentials, rows, None, detail)
    assert_same_sums(fast, slow, 10 * tolerance(kinds))


@pytest.mark.parametrize("kinds", [("errors", "missing"), ("projections",), ("intervals",)])
def test_stacked_fits_are_each_fit(kinds):
    rng = np.random.default_rng(6)
    fits = [with_flat(potentials_for(rng, Factor.FULL, Moment.FULL)) for _ in range(2)]
    middle = fits[0].center[-1]
    for fit in fits:
        fit.center[-1] = middle
    both = replace(
        fits[0],
        **{name: np.stack([getattr(f, name) for f in fits]) for name in ("offset", "center")},
        factor=np.stack([f.factor for f in fits]),
    )
    rows, detail = random_known(rng, kinds)
    together, joint = statistics(both, rows, None, detail), conditional(both, rows, detail)
    for number, fit in enumerate(fits):
        assert_same_sums(together.at(number), statistics(fit, rows, None, detail))
        for whole, one in zip(joint, conditional(fit, rows, detail), strict=True):
            np.testing.assert_allclose(whole[number], one, rtol=1e-12, atol=1e-12)


@every_factor
@every_moment
@pytest.mark.parametrize("offset", [0.0, 1e6], ids=["centered", "offset"])
def test_without_errors_as_patterns(shape, moment, offset):
    rng = np.random.default_rng(7)
    n = 200
    potentials = potentials_for(rng, shape, moment)
    potentials = replace(potentials, center=potentials.center + offset)
    rows = random_rows(rng, n, 3, offset)
    rows[rng.random(rows.shape) < 0.3] = np.nan
    rows = rows[~np.isnan(rows).all(axis=1)]
    n = rows.shape[0]
    weight, prior = row_weights(rng, n), random_prior(rng, n, 3)
    parts = patterns_of(rows, weight, Detail(prior=prior), np.arange(n))
    expected = reduce(lambda a, b: a + b, (part.statistics(potentials) for part in parts))
    free = Detail(
        prior=prior, lower=np.full(rows.shape, -np.inf), upper=np.full(rows.shape, np.inf)
    )
    for detail in (
        Detail(prior=prior, errors=np.zeros((n, 3))),
        Detail(prior=prior, errors=np.zeros((n, 3, 3))),
        Detail(prior=prior, projections=np.broadcast_to(np.eye(3), (n, 3, 3))),
        free,
    ):
        assert_same_sums(statistics(potentials, rows, weight, detail), expected)


def test_a_narrow_interval_is_a_known_cell():
    rng = np.random.default_rng(8)
    potentials = potentials_for(rng, Factor.FULL, Moment.FULL)
    rows, detail = random_known(rng, ("errors",))
    known = conditional(potentials, rows, detail)
    width = 1e-5
    for cells in ([0], [0, 2]):
        lower, upper = np.full(rows.shape, -np.inf), np.full(rows.shape, np.inf)
        lower[:, cells] = rows[:, cells] - width / 2
        upper[:, cells] = rows[:, cells] + width / 2
        hidden = rows.copy()
        hidden[:, cells] = np.nan
        narrow = conditional(potentials, hidden, replace(detail, lower=lower, upper=upper))
        log_density = narrow.log_joint - len(cells) * np.log(width)
        np.testing.assert_allclose(log_density, known.log_joint, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(narrow.mean, known.mean, atol=1e-8)
        np.testing.assert_allclose(narrow.covariance, known.covariance, atol=1e-8)
    lower = np.where(np.isnan(hidden), rows, -np.inf)
    upper = np.where(np.isnan(hidden), rows, np.inf)
    point = conditional(potentials, hidden, replace(detail, lower=lower, upper=upper))
    for one, other in zip(point, known, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_known():
    rng = np.random.default_rng(9)
    potentials = with_flat(potentials_for(rng, Factor.FULL, Moment.FULL))
    rows, detail = np.full((2, 3), np.nan), Detail(errors=np.full((2, 3), np.nan))
    found = conditional(potentials, rows, detail)
    assert_conditional(potentials, rows, detail, EXACT)
    np.testing.assert_allclose(found.log_joint[-1], np.log(0.3))
    np.testing.assert_allclose(found.mean, potentials.center[:, None].repeat(2, axis=1))


def test_far_rows_are_impossible_not_nan():
    rng = np.random.default_rng(10)
    potentials = potentials_for(rng, Factor.FULL, Moment.FULL)
    rows = np.full((1, 3), 1e200)
    found = conditional(potentials, rows, Detail(errors=np.ones((1, 3))))
    assert (found.log_joint == -np.inf).all()
    assert np.isfinite(found.mean).all()
    assert np.isfinite(found.covariance).all()
    twice = Detail(projections=np.ones((1, 2, 3)))  # the same point measured twice, without errors
    assert (conditional(potentials, rows[:, :2], twice).log_joint == -np.inf).all()


def test_bounds_the_wrong_way_round():
    rng = np.random.default_rng(11)
    potentials = potentials_for(rng, Factor.FULL, Moment.FULL)
    rows = np.array([[np.nan, 0.0, 0.0]])
    detail = Detail(lower=np.array([[2.0, 0, 0]]), upper=np.array([[1.0, 0, 0]]))
    with pytest.raises(DataError, match=r"row 0, column 0 are 2 and 1"):
        conditional(potentials, rows, detail)


def test_mixed_rows_in_one_block():
    """Whole rows, patterns and uncertain rows through the engine: the sum of all three."""
    rng = np.random.default_rng(12)
    n = 60
    potentials = potentials_for(rng, Factor.FULL, Moment.FULL)
    rows, detail = random_known(rng, ("intervals", "missing"), n=n)
    rows[20:][np.isnan(rows[20:]).all(axis=1), 0] = 0.0
    rows[:20], detail.lower[:20], detail.upper[:20] = random_rows(rng, 20, 3), -np.inf, np.inf
    weight = row_weights(rng, n)
    block = Block(rows, weight, detail=detail)
    expected = naive_known.statistics(potentials, rows, weight, detail)
    assert_same_sums(ENGINE.e_step(potentials, block), expected, 10 * BY_GRID)
    joint = naive_known.conditional(potentials, rows, detail)[0]
    np.testing.assert_allclose(ENGINE.log_joint(potentials, block), joint.T, atol=BY_GRID)
    found = ENGINE.posterior(potentials, block, True)
    np.testing.assert_array_equal(found.labels, joint.argmax(axis=0))
    np.testing.assert_allclose(found.responsibilities.sum(axis=1), 1.0)
