"""Sources laid out for an engine: neither the layout nor the threads show in the sums."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import naive
from ellimix.engines import ENGINES
from ellimix.records import Block, Factor, Moment
from ellimix.sources import memory
from ellimix.sources.memory import MemorySource
from engine_problems import assert_same_sums, every_engine, row_weights, tolerance_of
from problems import random_potentials, random_rows

ROWS = 1000
TILE = 192  # the compiled engine's
every_type = pytest.mark.parametrize("dtype", [np.float64, np.float32])
# the kinds of passes, with few and with many features
CASES = (
    (Factor.FULL, Moment.FULL, 3),
    (Factor.FULL, Moment.FULL, 18),
    (Factor.SHARED, Moment.POOLED, 3),
    (Factor.DIAGONAL, Moment.DIAGONAL, 18),
)
every_case = pytest.mark.parametrize(
    ("shape", "moment", "d"), CASES, ids=[f"{shape.value}-{d}" for shape, _, d in CASES]
)


def problem(shape, moment, d, dtype=np.float64):
    rng = np.random.default_rng(d)
    potentials = [random_potentials(rng, k, d, shape, moment) for k in (3, 2)]
    return potentials, random_rows(rng, ROWS, d).astype(dtype), row_weights(rng, ROWS)


def assert_identical(left, right):
    for ours, theirs in zip(left, right, strict=True):
        for name in ("n", "s1", "s2", "center"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        for name in ("loglik", "entropy", "weight", "rows", "moment"):
            assert getattr(ours, name) == getattr(theirs, name)


@pytest.mark.parametrize("tile", [TILE, 2 * TILE, 200, 100, 7, None])
@every_case
@every_type
@every_engine
def test_threads_give_exactly_the_same_bits(engine, dtype, shape, moment, d, tile):
    potentials, rows, weight = problem(shape, moment, d, dtype)
    step = engine.step(potentials)
    one = MemorySource(rows, weight, tile, threads=1).placed(engine).reduce(step)
    for threads in (2, 4):
        placed = MemorySource(rows, weight, tile, threads).placed(engine)
        assert_identical(placed.reduce(step), one)
        assert_identical(placed.reduce(step), one)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("tile", [TILE, 200, None])
@every_case
@every_type
@every_engine
def test_laid_out_once_or_in_every_pass(
    monkeypatch, engine, dtype, shape, moment, d, tile, weighted
):
    potentials, rows, weight = problem(shape, moment, d, dtype)
    source = MemorySource(rows, weight if weighted else None, tile, 2)
    step = engine.step(potentials)
    once = source.placed(engine)
    assert (once.layouts is None) == (engine.name == "numpy")
    monkeypatch.setattr(memory, "LAYOUT_BYTES", 0)
    every_time = source.placed(engine)
    assert every_time.layouts is None
    assert_identical(once.reduce(step), every_time.reduce(step))
    said = [engine.posterior(potentials[0], block, full=True) for block in once.blocks()]
    again = [engine.posterior(potentials[0], block, full=True) for block in every_time.blocks()]
    for ours, theirs in zip(said, again, strict=True):
        for name in ("density", "labels", "certainty", "entropy", "responsibilities"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


@every_case
@every_type
@every_engine
def test_the_cut_shows_in_the_rounding_only(engine, dtype, shape, moment, d):
    potentials, rows, weight = problem(shape, moment, d, dtype)
    slow = [naive.e_step(p, rows[:400], weight[:400]) for p in potentials]
    for tile in (TILE, 100, 7):
        placed = MemorySource(rows[:400], weight[:400], tile).placed(engine)
        for ours, theirs in zip(placed.reduce(engine.step(potentials)), slow, strict=True):
            assert_same_sums(ours, theirs, tolerance_of(engine, dtype))


@every_engine
def test_placed_twice_is_placed_once(engine):
    _, rows, weight = problem(*CASES[0])
    placed = MemorySource(rows, weight, threads=2).placed(engine)
    assert placed.placed(engine) is placed
    assert placed.placed_for == engine.name
    assert (placed.n_rows, placed.n_features, placed.dtype) == (ROWS, 3, rows.dtype)
    for other in ENGINES.values():
        moved = placed.placed(other)
        assert moved.placed_for == other.name
        assert moved.threads == 2
        assert (moved.layouts is None) == (other.name == "numpy")


@every_engine
def test_rows_stay_where_they_are(engine):
    _, rows, weight = problem(*CASES[0])
    before = rows.copy()
    placed = MemorySource(rows, weight).placed(engine)
    assert placed.rows is rows
    assert placed.weight is weight
    np.testing.assert_array_equal(rows, before)
    index = np.array([3, 0, 999])
    np.testing.assert_array_equal(placed.take(index), rows[index])


@pytest.mark.parametrize("d", [10, 17])
@every_type
@every_engine
def test_a_layout_is_one_copy_at_most(engine, dtype, d):
    """And a weight a row; above 16 features the layout has a multiple of 4."""
    rows = np.random.default_rng(0).standard_normal((40_000, d)).astype(dtype)
    MemorySource(rows[:500]).placed(engine)  # what is compiled and loaded is not counted
    tracemalloc.start()
    try:
        placed = MemorySource(rows, threads=1).placed(engine)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    width = d if d <= 16 else -(-d // 4) * 4
    copy = rows.nbytes * (width + 1) / d
    assert kept < (1.02 * copy if placed.layouts is not None else 50_000)
    assert peak < (1.1 * copy if placed.layouts is not None else 50_000)


@every_engine
def test_a_pass_over_rows_that_are_not_laid_out_takes_little_memory(monkeypatch, engine):
    monkeypatch.setattr(memory, "LAYOUT_BYTES", 0)
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((400_000, 10))
    step = engine.step([random_potentials(rng, 16, 10, Factor.FULL, Moment.FULL)])
    MemorySource(rows[:500], threads=1).placed(engine).reduce(step)
    tracemalloc.start()
    try:
        MemorySource(rows, threads=1).placed(engine).reduce(step)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.25 * rows.nbytes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), [(1, 3), (191, 3), (192, 1), (1000, 17)])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_that_lie_column_by_column_are_laid_out_the_same(dtype, n, d, weighted):
    rng = np.random.default_rng(n)
    rows = rng.normal(size=(n, d)).astype(dtype)
    weight = rng.gamma(2.0, size=n) if weighted else None
    engine = ENGINES["numba"]
    expected = engine.place(Block(rows, weight))
    room = np.empty((d, n + 7), dtype).T
    room[:n] = rows
    for turned in (np.asfortranarray(rows), room[:n]):
        found = engine.place(Block(turned, weight))
        for name in ("x", "weight", "shift", "rows", "total"):
            assert np.array_equal(getattr(found, name), getattr(expected, name)), name
