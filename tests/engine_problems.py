"""Problems for the tests of engines, and when sums count as equal."""

from __future__ import annotations

import numpy as np
import pytest

import naive
from ellimix.engines import ENGINES
from ellimix.records import Block, Factor, Moment
from problems import random_potentials, random_rows

TOLERANCE = 1e-12
COMPILED32 = 2e-6  # float32 rows are computed in float32 by the compiled engine: 2^-24 is 6e-8
OFFSET = 1e6

every_engine = pytest.mark.parametrize("engine", list(ENGINES.values()), ids=list(ENGINES))
every_factor = pytest.mark.parametrize("shape", list(Factor), ids=lambda shape: shape.value)
every_moment = pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.value)
anywhere = pytest.mark.parametrize("offset", [0.0, OFFSET], ids=["centered", "offset"])
weighting = pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])


def tolerance_of(engine, dtype):
    return COMPILED32 if engine.name == "numba" and dtype == np.float32 else TOLERANCE


def case(shape, moment, n=30, k=3, d=3, offset=0.0, seed=0):
    """A generator, potentials and rows."""
    rng = np.random.default_rng([seed, n, k, d])
    potentials = random_potentials(rng, k, d, shape, moment, offset)
    return rng, potentials, random_rows(rng, n, d, offset)


def row_weights(rng, n, weighted=True):
    """Weights with a tenth of zeros, or None."""
    return rng.gamma(2.0, size=n) * (rng.random(n) > 0.1) if weighted else None


def random_shares(rng, n, k):
    return rng.dirichlet(np.ones(k), size=n)


def assert_same_sums(fast, slow, tolerance=TOLERANCE):
    """To 1e-12 of the size of what is summed: sums of either sign may cancel."""
    k, d = slow.s1.shape
    np.testing.assert_allclose(fast.n, slow.n, rtol=tolerance, atol=tolerance * slow.weight)
    if slow.moment is Moment.DIAGONAL:
        trace = slow.s2.sum(axis=1)
    else:
        trace = np.trace(slow.s2, axis1=-2, axis2=-1)
    size = np.max(trace) if k else 0.0
    size1 = np.sqrt(size * max(slow.weight, 1.0))
    np.testing.assert_allclose(fast.s1, slow.s1, rtol=tolerance, atol=tolerance * size1)
    np.testing.assert_allclose(fast.s2, slow.s2, rtol=tolerance, atol=tolerance * size)
    assert fast.s1.shape == (k, d)
    assert fast.loglik == pytest.approx(slow.loglik, rel=tolerance, abs=tolerance * slow.weight)
    assert fast.entropy == pytest.approx(slow.entropy, rel=tolerance, abs=tolerance * slow.weight)
    assert fast.weight == pytest.approx(slow.weight, rel=tolerance)
    assert fast.rows == slow.rows
    assert fast.moment is slow.moment
    np.testing.assert_array_equal(fast.center, slow.center)
    for array in (fast.n, fast.s1, fast.s2):
        assert array.dtype == np.float64


def assert_e_step(engine, potentials, rows, weight=None):
    fast = engine.e_step(potentials, Block(rows, weight))
    tolerance = tolerance_of(engine, rows.dtype)
    assert_same_sums(fast, naive.e_step(potentials, rows, weight), tolerance)
