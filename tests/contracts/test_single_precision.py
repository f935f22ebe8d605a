"""Float32 rows in the compiled engine: how far its sums are from those of the same rows in float64.

The bounds are stated for rows in units of a component's standard deviation, where log-potentials
are of the order of 10; one rounding in float32 is 6e-8.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ellimix.engines import ENGINES
from ellimix.records import Factor, Moment
from ellimix.sources.memory import MemorySource
from problems import random_potentials

COMPILED, PLAIN = ENGINES["numba"], ENGINES["numpy"]
ROWS, COMPONENTS = 200_000, 4
BOUND = 1e-6
PASSES = (
    (Factor.FULL, Moment.FULL),
    (Factor.SHARED, Moment.POOLED),
    (Factor.DIAGONAL, Moment.DIAGONAL),
)
every_pass = pytest.mark.parametrize(
    ("shape", "moment"), PASSES, ids=[shape.value for shape, _ in PASSES]
)


def problem(d, shape, moment, offset=0.0, n=ROWS, scale=1.0):
    """Potentials and float32 rows, in units of `scale`."""
    rng = np.random.default_rng(d)
    potentials = random_potentials(rng, COMPONENTS, d, shape, moment)
    near = potentials.center[rng.integers(COMPONENTS, size=n)]
    rows = (near + rng.standard_normal((n, d)) + offset) * scale
    center = (potentials.center + offset) * scale
    return replace(potentials, center=center, factor=potentials.factor / scale), rows.astype("f4")


def in_both(potentials, rows, weight=None):
    """Sums of the float32 rows, and of the same rows as float64 by the other engine."""
    out = []
    for engine, values in ((COMPILED, rows), (PLAIN, rows.astype(np.float64))):
        source = MemorySource(values, weight).placed(engine)
        (sums,) = source.reduce(engine.step([potentials]))
        out.append(sums)
    return out


def assert_close(single, double, bound=BOUND):
    """Counts, means, variances and the log-likelihood a row."""
    np.testing.assert_allclose(single.n, double.n, rtol=bound)
    pooled, n = double.moment is Moment.POOLED, double.n
    each = n.sum() if pooled else n[:, None] if double.s2.ndim == 2 else n[:, None, None]
    ours, exact = single.scatter() / each, double.scatter() / each
    variances = exact
    if double.moment is not Moment.DIAGONAL:
        variances = np.diagonal(exact, axis1=-2, axis2=-1)
    deviation = np.sqrt(variances)
    assert np.max(np.abs(single.means() - double.means()) / deviation) < bound
    unit = deviation[..., None] * deviation[..., None, :]
    if double.moment is Moment.DIAGONAL:
        unit = variances
    assert np.max(np.abs(ours - exact) / unit) < bound
    assert abs(single.loglik - double.loglik) < bound * double.weight
    assert abs(single.entropy - double.entropy) < bound * double.weight


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("d", [2, 10])
@every_pass
def test_errors_of_many_rows(shape, moment, d, offset):
    """An offset costs the rows digits before they come here, and the sums none."""
    assert_close(*in_both(*problem(d, shape, moment, offset)))


@pytest.mark.parametrize("d", [2, 10])
@every_pass
def test_weighted_rows(shape, moment, d):
    potentials, rows = problem(d, shape, moment, n=20_000)
    weight = np.random.default_rng(0).gamma(2.0, size=20_000)
    assert_close(*in_both(potentials, rows, weight))


@pytest.mark.parametrize("scale", [1e-18, 1e-12, 1e-6, 1e6, 1e12, 1e17])
@every_pass
def test_units_of_the_rows(shape, moment, scale):
    """Squares of numbers up to 1e18 are numbers in float32, too."""
    assert_close(*in_both(*problem(3, shape, moment, n=2000, scale=scale)))


@pytest.mark.parametrize("power", [-30, -10, 10, 30])
@every_pass
def test_units_of_the_weights(shape, moment, power):
    potentials, rows = problem(3, shape, moment, n=2000)
    weight = np.random.default_rng(0).gamma(2.0, size=2000) * 10.0**power
    assert_close(*in_both(potentials, rows, weight))


@pytest.mark.parametrize("scale", [1e-22, 1e20, 1e30])
@every_pass
def test_units_whose_squares_float32_does_not_hold(shape, moment, scale):
    with np.errstate(all="ignore"):
        assert_close(*in_both(*problem(3, shape, moment, n=2000, scale=scale)))


@pytest.mark.parametrize("power", [-50, 50])
@every_pass
def test_weights_that_float32_does_not_hold(shape, moment, power):
    potentials, rows = problem(3, shape, moment, n=2000)
    weight = np.random.default_rng(0).gamma(2.0, size=2000) * 10.0**power
    with np.errstate(all="ignore"):
        assert_close(*in_both(potentials, rows, weight))
