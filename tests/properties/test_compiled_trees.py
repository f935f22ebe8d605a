"""The compiled agglomeration: the merges of the plain one, ties and all, and the same costs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import ellimix as em
from ellimix.engines import ENGINES
from ellimix.errors import DataError, MissingExtra
from ellimix.records import Moment
from ellimix.sources.memory import MemorySource
from ellimix.starts import Beginning, SourceTree, hierarchical, tree
from ellimix.starts.hierarchical import FAST, MODELS
from ellimix.starts.kernels import compiler
from ellimix.starts.scalings import SCALINGS

every_model = pytest.mark.parametrize("model", list(MODELS))
every_scaling = pytest.mark.parametrize("scaling", list(SCALINGS))


def random_rows(n, d, seed=0):
    rng = np.random.default_rng(seed)
    centers = 3.0 * rng.normal(size=(4, d))
    return centers[rng.integers(4, size=n)] + rng.normal(size=(n, d)) @ rng.normal(size=(d, d))


def grid():
    """Rows whose distances are nearly all ties."""
    axes = np.meshgrid(np.arange(7.0), np.arange(5.0), np.arange(3.0))
    return np.stack(axes, axis=-1).reshape(-1, 3)


def with_a_constant():
    rows = random_rows(40, 3)
    rows[:, 1] = 2.5
    return rows


DATA = {
    "iris": lambda: em.datasets.iris()[0],
    "faithful": lambda: em.datasets.faithful()[0][:150],
    "grid": grid,
    "random": lambda: random_rows(130, 4),
    "constant": with_a_constant,
    "line": lambda: np.outer(random_rows(30, 1)[:, 0], [1.0, 2.0, -1.0]) + 3.0,
    "repeated": lambda: np.round(random_rows(120, 2)),
}


def same(rows, weight=None, *, model, scaling="SVD", rtol=1e-10):
    plain = tree(rows, weight, model=model, scaling=scaling)
    fast = tree(rows, weight, model=model, scaling=scaling, fast=True)
    np.testing.assert_array_equal(fast.merges, plain.merges)
    np.testing.assert_allclose(
        fast.costs, plain.costs, rtol=rtol, atol=rtol * np.abs(plain.costs).max(initial=0.0)
    )
    assert (fast.model, fast.scaling, fast.distinct) == (model, scaling, plain.distinct)


@every_model
@every_scaling
@pytest.mark.parametrize("data", list(DATA))
def test_the_compiled_tree_is_the_plain_one(model, scaling, data):
    same(DATA[data](), model=model, scaling=scaling)


@every_model
@pytest.mark.parametrize("d", range(1, 9))
def test_with_any_number_of_features_and_weights(model, d):
    rows = random_rows(70, d, seed=d)
    rows[50:] = rows[:20]
    weight = np.random.default_rng(d).uniform(0.2, 3.0, 70)
    same(rows, weight, model=model)
    same(rows, weight, model=model, scaling="VARS")


@every_model
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 63, 64, 65, 66, 129])
def test_with_few_rows_and_about_a_block(model, n):
    same(random_rows(n, 2, seed=n), model=model)


@every_model
@pytest.mark.parametrize("unit", [1e-60, 1e-12, 1e12, 1e42])
def test_determinants_out_of_range_are_taken_by_logarithms(model, unit):
    """Products of 7 squares of 1e-60 or 1e42 leave double precision."""
    rows = random_rows(60, 7) * unit
    if model == "EEE" and unit == 1e42:  # its criterion is the determinant itself
        for fast in (False, True):
            with pytest.raises(DataError, match="out of range for an agglomeration"):
                tree(rows, model=model, scaling="VARS", fast=fast)
    else:
        same(rows, model=model, scaling="VARS")


def test_a_determinant_out_of_range_on_the_way_counts_beside_the_trace():
    """The first pivot is 1e-282, the determinant is of the trace's size."""
    same(random_rows(60, 3) * [1e-141, 1e141, 1e141], model="VVV", scaling="VARS")


@pytest.mark.parametrize("fast", [False, True])
@every_model
def test_rows_out_of_range_are_refused(model, fast):
    with pytest.raises(DataError, match="out of range for an agglomeration"):
        tree(random_rows(20, 3) * 1e160, model=model, scaling="VARS", fast=fast)


@pytest.mark.parametrize("fast", [False, True])
@every_model
def test_rounding_decides_no_tie(model, fast):
    """A rotation changes the last digits of all distances, and no merge."""
    rows, rng = grid()[:60], np.random.default_rng(0)
    expected = tree(rows, model=model, scaling="VARS", fast=fast).merges
    for _ in range(3):
        rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        turned = tree(rows @ rotation + 100.0, model=model, scaling="VARS", fast=fast)
        assert np.array_equal(turned.merges, expected)


def test_every_criterion_is_compiled():
    assert list(FAST) == list(MODELS)


# who asks for it


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_a_compiled_engine_begins_with_the_compiled_tree(name, monkeypatch):
    calls = []

    def counted(rows, n, t):
        calls.append(n.size)
        return MODELS["VVV"](rows, n, t)

    monkeypatch.setitem(FAST, "VVV", counted)
    engine, rows = ENGINES[name], random_rows(50, 2)
    random = np.random.RandomState(0)
    beginning = Beginning(MemorySource(rows), engine, 2, Moment.FULL, 0.0, random)
    hierarchical.Hierarchical().statistics(beginning)
    assert calls == ([50] if engine.compiled else [])


def test_a_tree_of_a_source_is_compiled_where_it_is_asked_for():
    source = MemorySource(random_rows(90, 3))
    fast, plain = (
        SourceTree.of(source, np.random.RandomState(1), sample_rows=60, fast=fast)
        for fast in (True, False)
    )
    assert np.array_equal(fast.index, plain.index)
    assert np.array_equal(fast.tree.merges, plain.tree.merges)
    assert not np.array_equal(fast.tree.costs, plain.tree.costs)  # rounding: it is another code


def test_without_being_asked_for_it_nothing_is_compiled():
    code = (
        "import sys, numpy as np, ellimix as em\n"
        "rows = np.random.default_rng(0).normal(size=(50, 2))\n"
        "em.GaussianMixture(2, init_params='hierarchical', engine='numpy').fit(rows)\n"
        "print('numba' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_without_numba_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    for made in (compiler._pairs, compiler._pooled):
        made.cache_clear()
    for model in MODELS:
        with pytest.raises(MissingExtra, match="pip install numba"):
            tree(random_rows(9, 2), model=model, fast=True)
