"""What every source in memory promises: the cut and the threads do not show in the sums."""

from __future__ import annotations

import time
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from ellimix.engines import ENGINES
from ellimix.errors import DataError
from ellimix.records import Factor, Moment
from ellimix.sources.memory import FEWEST_ROWS, MOST_ROWS, MemorySource, block_rows
from ellimix.sources.threads import available_threads, one_blas_thread
from problems import random_potentials, random_rows

ENGINE = ENGINES["numpy"]
ROWS = 57


def problem(n=ROWS, d=3, weighted=True, seed=0):
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, n, d)
    weight = rng.gamma(2.0, size=n) * (rng.random(n) > 0.1) if weighted else None
    return rows, weight


def some_potentials(d=3, moment=Moment.FULL, seed=1):
    return random_potentials(np.random.default_rng(seed), 3, d, Factor.FULL, moment)


def e_step(potentials):
    return lambda block: (ENGINE.e_step(potentials, block),)


def numbers(statistics):
    """All that it sums."""
    named = [field.name for field in fields(statistics) if field.name != "moment"]
    return [getattr(statistics, name) for name in named]


def assert_close(left, right):
    for a, b in zip(numbers(left), numbers(right), strict=True):
        scale = max(np.abs(b).max(), 1.0)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * scale)


def assert_identical(left, right):
    for a, b in zip(numbers(left), numbers(right), strict=True):
        assert np.array_equal(a, b)


# the cut


@settings(max_examples=40, deadline=None, database=None)
@given(tile=st.integers(1, ROWS + 5), threads=st.integers(1, 4), weighted=st.booleans())
def test_any_cut_gives_the_same_sums(tile, threads, weighted):
    rows, weight = problem(weighted=weighted)
    potentials = some_potentials()
    (cut,) = MemorySource(rows, weight, tile, threads).reduce(e_step(potentials))
    assert_close(cut, naive.e_step(potentials, rows, weight))


@settings(max_examples=60, deadline=None, database=None)
@given(n=st.integers(1, 200), tile=st.integers(1, 210), weighted=st.booleans())
def test_blocks_cover_the_rows_in_order(n, tile, weighted):
    rows, weight = np.arange(2.0 * n).reshape(n, 2), np.arange(1.0, n + 1.0)
    blocks = list(MemorySource(rows, weight if weighted else None, tile).blocks())
    assert np.array_equal(np.concatenate([block.rows for block in blocks]), rows)
    assert [block.start for block in blocks] == list(range(0, n, tile))
    assert [block.stop for block in blocks] == [*range(tile, n, tile), n]
    if weighted:
        assert np.array_equal(np.concatenate([block.weight for block in blocks]), weight)
    else:
        assert all(block.weight is None for block in blocks)


@pytest.mark.parametrize("n", [1, 255, 8192, 8193, 20000])
@pytest.mark.parametrize("d", [1, 3, 40, 500])
def test_tiles_follow_from_the_shape_alone(monkeypatch, n, d):
    rows, sizes = np.broadcast_to(np.float32(0.0), (n, d)), []
    for threads in (1, 7):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, t=threads: range(t), raising=False)
        blocks = MemorySource(rows, threads=threads).blocks()
        sizes.append([block.rows.shape[0] for block in blocks])
    assert sizes[0] == sizes[1]
    assert max(sizes[0]) <= block_rows(d)
    assert FEWEST_ROWS <= block_rows(d) <= MOST_ROWS
    assert sum(sizes[0]) == n


def test_what_a_source_says_of_itself():
    rows, weight = problem()
    source = MemorySource(rows.astype(np.float32), weight)
    assert (source.n_rows, source.n_features, source.weighted) == (ROWS, 3, True)
    assert source.dtype == np.float32
    assert not MemorySource(rows).weighted
    index = np.array([5, 0, 5, 56])
    assert np.array_equal(source.take(index), rows.astype(np.float32)[index])
    assert np.shares_memory(next(source.blocks()).rows, source.rows)


# threads


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("tile", [None, 300])
def test_threads_give_exactly_the_same_bits(moment, tile, weighted):
    rows, weight = problem(20_000, weighted=weighted)
    step = e_step(some_potentials(moment=moment))
    with one_blas_thread():
        (one,) = MemorySource(rows, weight, tile, threads=1).reduce(step)
        for threads in (2, 4, None):
            (many,) = MemorySource(rows, weight, tile, threads).reduce(step)
            assert_identical(many, one)


@pytest.mark.parametrize("threads", [1, 4])
def test_results_come_in_the_order_of_the_tiles(threads):
    rows, _ = problem()

    def late_first(block):
        time.sleep(0.01 if block.start % 2 == 0 else 0.0)
        return block.start

    assert list(MemorySource(rows, tile=3, threads=threads).each(late_first)) == [*range(0, 57, 3)]


@pytest.mark.parametrize("threads", [1, 4])
def test_an_exception_in_a_step_comes_out(threads):
    rows, weight = problem()
    potentials = some_potentials()

    def fails(block):
        if block.start == 30:
            raise FloatingPointError("in the tile at 30")
        return (ENGINE.e_step(potentials, block),)

    source = MemorySource(rows, weight, tile=5, threads=threads)
    with pytest.raises(FloatingPointError, match="in the tile at 30"):
        source.reduce(fails)
    (again,) = source.reduce(e_step(potentials))  # the source is none the worse for it
    assert_close(again, naive.e_step(potentials, rows, weight))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_pass_stays_a_few_tiles_ahead_of_its_reader(threads):
    started = []
    source = MemorySource(np.zeros((1000, 1)), tile=1, threads=threads)
    results = source.each(lambda block: started.append(block.start))
    next(results)
    results.close()
    assert 1 <= len(started) <= 4 * threads


def test_one_pass_serves_many_fits():
    rows, weight = problem()
    several = [some_potentials(seed=seed) for seed in range(3)]
    source = MemorySource(rows, weight, tile=10, threads=2)
    sums = source.reduce(lambda block: [ENGINE.e_step(p, block) for p in several])
    assert len(sums) == 3
    for potentials, statistics in zip(several, sums, strict=True):
        assert_close(statistics, naive.e_step(potentials, rows, weight))


def test_available_threads_heed_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1,2")
    assert available_threads() == 1
    for value in ("", "0", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        cores = available_threads()
        assert cores >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", str(cores + 5))
    assert available_threads() == cores


# weights


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(4), r"shape \(4,\), but there are 5 rows"),
        (np.ones((5, 1)), r"shape \(5, 1\), but there are 5 rows"),
        (np.array([1.0, 1.0, -1e-300, 1.0, 1.0]), "not negative"),
        (np.array([1.0, np.nan, 1.0, 1.0, 1.0]), "finite"),
        (np.array([1.0, np.inf, 1.0, 1.0, 1.0]), "finite"),
        (np.zeros(5), "All row weights are zero"),
    ],
)
def test_weights_that_cannot_be_used(weight, message):
    with pytest.raises(DataError, match=message):
        MemorySource(np.zeros((5, 2)), weight)


def test_a_weight_of_zero_is_fine_beside_others():
    rows, weight = problem()
    weight[:50] = 0.0
    (sums,) = MemorySource(rows, weight, tile=10).reduce(e_step(some_potentials()))
    slow = naive.e_step(some_potentials(), rows[50:], weight[50:])
    assert_close(sums, replace(slow, rows=ROWS))


# the monoid


def test_statistics_about_different_centers_do_not_add():
    rows, weight = problem()
    potentials = some_potentials()
    moved = replace(potentials, center=potentials.center + 1e-9)
    block = next(MemorySource(rows, weight).blocks())
    left, right = ENGINE.e_step(potentials, block), ENGINE.e_step(moved, block)
    with pytest.raises(ValueError, match="different centers"):
        left + right
    equal = replace(left, center=left.center.copy())
    assert (left + equal).rows == 2 * ROWS


def test_addition_adds_every_field():
    rows, weight = problem()
    first, second = (
        ENGINE.e_step(some_potentials(), block)
        for block in MemorySource(rows, weight, tile=40).blocks()
    )
    total = first + second
    for name in ("n", "s1", "s2", "loglik", "entropy", "weight", "rows"):
        expected = getattr(first, name) + getattr(second, name)
        assert np.array_equal(getattr(total, name), expected)
    assert_identical(second + first, total)
