"""Portions: the cut goes by shape alone, and one that travels is laid out where it arrives."""

from __future__ import annotations

import pickle
import sys
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ellimix.engines.incomplete import IncompleteEngine
from ellimix.errors import DataError
from ellimix.records import Factor, Moment
from ellimix.sources.memory import MemorySource
from ellimix.sources.portions import Making, Picked, Portion, added, grouped, made
from engine_problems import every_engine
from problems import random_potentials, random_rows


def problem(n=1000, d=3, holes=0.0):
    rng = np.random.default_rng(5)
    rows = random_rows(rng, n, d)
    rows[rng.random(rows.shape) < holes] = np.nan
    rows[:, 0] = np.where(np.isnan(rows).all(axis=1), 0.0, rows[:, 0])
    return rng, rows, rng.gamma(2.0, size=n)


def assert_same(left, right, rtol=1e-12):
    for field in fields(left):
        if field.name != "moment":
            a, b = getattr(left, field.name), getattr(right, field.name)
            scale = max(float(np.abs(b).max()), 1.0)
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


@settings(max_examples=60, deadline=None, database=None)
@given(counts=st.lists(st.integers(0, 9), max_size=30), least=st.integers(0, 25))
def test_groups_cover_the_parts_in_order_and_are_large_enough(counts, least):
    groups = grouped(counts, least)
    flat = [i for first, last in groups for i in range(first, last)]
    assert flat == list(range(len(flat)))
    assert sum(counts[len(flat) :]) == 0  # what is left out has no rows
    for first, last in groups[:-1]:
        assert sum(counts[first:last]) >= least
        assert sum(counts[first : last - 1]) < least or last - first == 1


@every_engine
@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_a_portion_that_travelled_gives_the_same_bits(engine, holes):
    rng, rows, weight = problem(holes=holes)
    engine = IncompleteEngine(engine) if holes else engine
    potentials = random_potentials(rng, 3, 3, Factor.FULL, Moment.FULL)
    step = engine.step([potentials])
    portion = Portion(rows, weight, 40, 384).placed(engine)
    (before,) = added([step(block) for block in portion.blocks()])
    there = pickle.loads(pickle.dumps(portion))
    (after,) = added([step(block) for block in there.blocks()])
    assert_same(after, before, 0.0)
    assert (there.layouts is None) == (portion.layouts is None)
    assert [block.start for block in there.blocks()] == [40, 424, 808]
    (whole,) = MemorySource(rows, weight, 384).placed(engine).reduce(step)
    assert_same(before, whole)


def test_a_portion_says_how_large_it_is():
    _, rows, weight = problem()
    assert sys.getsizeof(Portion(rows, weight, 0, 100)) >= rows.nbytes + weight.nbytes


def test_a_portion_travels_without_its_layout():
    from ellimix.engines import ENGINES

    _, rows, _ = problem()
    portion = Portion(rows, None, 0, 192).placed(ENGINES["numba"])
    assert portion.layouts is not None
    assert len(pickle.dumps(portion)) < 1.1 * rows.nbytes


def making(counts, picked=None, blank=True):
    picked = picked or Picked(None, None, np.dtype(float), "the rows")
    return Making(picked, 7, counts, 4, blank, None)


def test_parts_are_put_together_with_their_weights():
    _, rows, weight = problem(10)
    rows[2] = np.nan
    portion = made([rows[:3], rows[3:]], [weight[:3], weight[3:]], making((3, 7)))
    np.testing.assert_array_equal(portion.rows, rows)
    expected = weight.copy()
    expected[2] = 0.0
    np.testing.assert_array_equal(portion.weight, expected)
    assert [block.start for block in portion.blocks()] == [7, 11, 15]
    raw = made([rows[:3], rows[3:]], [weight[:3], weight[3:]], making((3, 7), blank=False))
    np.testing.assert_array_equal(raw.weight, weight)
    assert made([rows[3:]], [], making((7,))).weight is None


def test_what_is_masked_is_missing():
    values = np.ma.masked_array([[1, 2], [3, 4]], mask=[[False, True], [False, False]])
    portion = made([values], [], making((2,)))
    np.testing.assert_array_equal(portion.rows, [[1.0, np.nan], [3.0, 4.0]])


def test_columns_and_weights_are_picked_from_an_array():
    values = np.arange(12).reshape(3, 4)
    picked = Picked((3, 0), 1, np.dtype(np.float32), "the rows")
    portion = made([values], [], making((3,), picked))
    np.testing.assert_array_equal(portion.rows, values[:, [3, 0]])
    np.testing.assert_array_equal(portion.weight, values[:, 1])
    assert portion.rows.dtype == np.float32


def test_parts_that_changed():
    _, rows, weight = problem(10)
    with pytest.raises(DataError, match="had 9 rows, and now 10: rows must not change"):
        made([rows], [], making((9,)))
    with pytest.raises(DataError, match=r"has 10 rows and weights of shape \(9,\): cut the"):
        made([rows], [weight[1:]], making((10,)))
