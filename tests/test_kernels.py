"""The exponential and the logarithm of the compiled engine, against arbitrary precision."""

from __future__ import annotations

from functools import cache

import mpmath
import numpy as np
import pytest
from numba import njit

from ellimix.engines.kernels import compiler
from ellimix.engines.kernels.softmax import NEGLIGIBLE, exponential, logarithm

FUNCTIONS = {"exp": exponential, "log": logarithm}
# In units in the last place. Measured on 6 million points each: 1.14 and 1.08 for exp, 1.95 and
# 1.92 for log in float64 and float32.
BOUNDS = {"exp": 1.2, "log": 2.0}
POINTS = 20_000
LANES = 16  # of any vector, at most

every_type = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@cache
def compiled(name, bits):
    """The function of each number of an array whose length is a multiple of 16."""

    def emit(e, arguments):
        to, values, count = arguments[:3]

        def body(i, _):
            e.store(FUNCTIONS[name](e, e.load(values, i)), to, i)
            return []

        e.loop(0, count, e.lanes, [], body)

    kernel = compiler._kernel(emit, bits)

    @njit(error_model="numpy")
    def run(values, out):
        kernel(out.ctypes.data, values.ctypes.data, values.size, 0, 0, 0, 0, 0)

    return run


def values_of(name, x):
    size = -(-x.size // LANES) * LANES
    padded = np.full(size, x[-1])
    padded[: x.size] = x
    out = np.full_like(padded, np.nan)
    compiled(name, x.itemsize * 8)(padded, out)
    return out[: x.size]


def units_off(name, x):
    """Errors in units in the last place."""
    ours = values_of(name, x)
    function = getattr(mpmath, name)
    out = np.empty(x.size)
    with mpmath.workdps(40):
        for i, (value, our) in enumerate(zip(x.tolist(), ours.tolist(), strict=True)):
            exact = function(mpmath.mpf(value))
            unit = float(np.spacing(np.abs(x.dtype.type(exact))))
            out[i] = abs(float(mpmath.mpf(our) - exact)) / unit
    return out


def points(name, dtype):
    rng = np.random.default_rng(0)
    if name == "exp":
        near = -np.exp(rng.uniform(-40.0, np.log(60.0), POINTS))
        x = [np.linspace(-60.0, 0.0, POINTS), -60.0 * rng.random(POINTS), near]
    else:
        near = 1.0 + np.exp(rng.uniform(-30.0, 0.0, POINTS))
        wide = np.exp(rng.uniform(0.0, np.log(1e6), POINTS))
        x = [np.linspace(1.0, 1e6, POINTS), wide, near]
    x = np.concatenate(x).astype(dtype)
    return x[x > NEGLIGIBLE] if name == "exp" else x


@every_type
@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_a_few_units_in_the_last_place(name, dtype):
    off = units_off(name, points(name, dtype))
    assert off.max() <= BOUNDS[name]
    assert np.median(off) < 0.5


@every_type
def test_known_values(dtype):
    ones = values_of("exp", np.array([0.0, -0.0, -1e-30], dtype))
    assert ones.tolist() == [1.0, 1.0, 1.0]
    assert values_of("log", np.array([1.0], dtype)).tolist() == [0.0]


@every_type
def test_negligible_is_nothing(dtype):
    lowest = -float(np.finfo(dtype).max)
    below = np.array([NEGLIGIBLE, np.nextafter(dtype(NEGLIGIBLE), dtype(-100.0)), lowest], dtype)
    assert values_of("exp", below).tolist() == [0.0] * 3
    assert values_of("exp", -np.geomspace(60.0, 1e30, 1000).astype(dtype)).max() == 0.0
    above = np.nextafter(dtype(NEGLIGIBLE), dtype(0.0))
    assert values_of("exp", np.array([above])) == pytest.approx(np.exp(NEGLIGIBLE), rel=1e-5)


@every_type
def test_powers_of_two(dtype):
    """Where the exponent changes: no jump, no wrong power."""
    powers = np.arange(1, 20)
    around = np.array([[2.0**p * (1.0 + s * 2.0**-20) for s in (-1, 0, 1)] for p in powers])
    x = around.ravel().astype(dtype)
    np.testing.assert_allclose(values_of("log", x), np.log(x), rtol=4 * np.finfo(dtype).eps)
    steps = np.log(2.0) * (0.5 - np.arange(1, 86))  # where the nearest power changes
    near = (steps[:, None] * (1.0 + 1e-7 * np.arange(-3, 4))).ravel().astype(dtype)
    near = near[near > NEGLIGIBLE]
    exact = np.exp(near.astype(np.float64))
    np.testing.assert_allclose(values_of("exp", near), exact, rtol=2 * np.finfo(dtype).eps)


def test_functions_of_compiled_code_have_names_of_their_own():
    """numba's numbers repeat from process to process: names must tell what functions do."""
    from ellimix.compiled import inline
    from ellimix.engines.kernels import compiler

    def scaled(x):
        return FACTOR * x  # noqa: F821

    one, other, again = (inline(scaled, {"FACTOR": f}).py_func.__name__ for f in (2.0, 3.0, 2.0))
    assert one == again != other
    named = {
        compiler._scoring(shape, d, bits)["POTENTIALS"].py_func.__name__
        for shape in ("diagonal", "full")
        for d in (3, 4, 20)
        for bits in (32, 64)
    }
    assert len(named) == 12
