"""Truncated normals: against arbitrary precision, dense grids and each other."""

from __future__ import annotations

from itertools import product

import mpmath as mp
import numpy as np
import pytest

import naive_known
from ellimix.engines import truncated
from ellimix.engines.truncated import box, interval, rectangle
from problems import random_spd

INF = np.inf
ENDS = (-INF, -1e5, -300.0, -40.0, -6.0, -5.0, -4.9, -1.0, 0.0, 0.2, 2.0, 8.0, 100.0)
WIDTHS = (1e-9, 1e-3, 0.5, 2.0, 2.99, 3.01, 6.0, 30.0, INF)


def exact_interval(low, high):
    """Log-probability, mean and variance, in 80 digits."""
    with mp.workdps(80):
        a, b, root = mp.mpf(low), mp.mpf(high), mp.sqrt(2)
        if b > 0:  # mirrored: erfc keeps its digits in the upper tail
            p = (mp.erfc(a / root) - mp.erfc(b / root)) / 2
        else:
            p = (mp.erfc(-b / root) - mp.erfc(-a / root)) / 2
        at_a, at_b = (mp.npdf(x) if mp.isfinite(x) else mp.mpf(0) for x in (a, b))
        mean = (at_a - at_b) / p
        ends = [x * y for x, y in ((a, at_a), (-b, at_b)) if mp.isfinite(x)]
        variance = 1 + sum(ends) / p - mean**2
        return float(mp.log(p)), float(mean), float(variance)


def bounds_of(end, width):
    return (-INF, width) if end == -INF else (end, end + width)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("mirrored", [False, True])
def test_interval(end, mirrored):
    for width in WIDTHS:
        low, high = bounds_of(end, width)
        low, high = (-high, -low) if mirrored else (low, high)
        log_probability, mean, variance = exact_interval(low, high)
        found = interval(np.array(low), np.array(high))
        assert found.log_probability == pytest.approx(log_probability, rel=1e-13, abs=1e-13)
        assert found.covariance == pytest.approx(variance, rel=1e-11)
        rounding = 4e-16 * abs(mean)
        assert abs(found.mean - mean) < 1e-12 * np.sqrt(variance) + rounding


def test_interval_does_not_depend_on_its_neighbours():
    every = np.array([bounds_of(*pair) for pair in product(ENDS, WIDTHS)]).T
    together = interval(*every)
    for i in range(every.shape[1]):
        alone = interval(*every[:, i])
        assert [float(x) for x in alone] == [float(x[i]) for x in together]


def test_interval_without_width():
    at = np.array([-1e5, -7.0, 0.0, 3.0])
    found = interval(at, at)
    assert (found.log_probability == -INF).all()
    np.testing.assert_array_equal(found.mean, at)
    np.testing.assert_array_equal(found.covariance, 0.0)


def test_interval_beyond_double_precision():
    found = interval(np.array([1e200]), np.array([INF]))
    assert found.log_probability == -INF
    assert found.mean == 1e200
    assert found.covariance >= 0.0


@pytest.mark.parametrize("c", [2, 5])
def test_independent_cells_are_each_cell(c):
    rng = np.random.default_rng(c)
    mean, variance = rng.standard_normal((2, 7, c))
    variance = np.exp(variance)
    lower = rng.standard_normal((7, c)) - 1.0
    upper = lower + rng.gamma(1.0, size=(7, c))
    found = rectangle(mean, variance[:, None] * np.eye(c), lower, upper)
    sd = np.sqrt(variance)
    each = interval((lower - mean) / sd, (upper - mean) / sd)
    np.testing.assert_allclose(found.log_probability, each.log_probability.sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(found.mean, mean + sd * each.mean, rtol=1e-12, atol=1e-13)
    spread = (variance * each.covariance)[:, None] * np.eye(c)
    np.testing.assert_allclose(found.covariance, spread, rtol=1e-12, atol=1e-15)


def random_boxes(rng, c, count, correlation, spread):
    """Boxes with bounds on either side or both; correlations between all cells alike."""
    sign = rng.choice([-1.0, 1.0], (count, c)) if c == 2 else np.ones((count, c))
    scale = np.exp(rng.standard_normal((count, c))) * sign
    corr = np.full((c, c), correlation) + (1.0 - correlation) * np.eye(c)
    covariance = corr * scale[:, :, None] * scale[:, None, :]
    at = rng.standard_normal((count, c)) * spread * abs(scale)
    kind = rng.integers(3, size=(count, c))
    width = np.exp(2.0 * rng.standard_normal((count, c))) * abs(scale)
    lower, upper = np.where(kind == 0, -INF, at), np.where(kind == 1, INF, at + width)
    return np.linalg.cholesky(covariance), lower, upper


def two_cells_on_a_grid(root, lower, upper):
    """The same integral over the first cell, with 20000 nodes where it counts."""

    def log_density(z):
        low, high = ((b[1] - root[1, 0] * z) / root[1, 1] for b in (lower, upper))
        inner = interval(low, high)
        return inner.log_probability - 0.5 * z * z - 0.5 * np.log(2 * np.pi), inner

    start, stop = (float(np.clip(b[0] / root[0, 0], -400.0, 400.0)) for b in (lower, upper))
    for _ in range(4):
        grid = np.linspace(start, stop, 4001)
        counts = np.flatnonzero((value := log_density(grid)[0]) > value.max() - 45.0)
        start, stop = grid[max(counts[0] - 1, 0)], grid[min(counts[-1] + 1, 4000)]
    z, weight = naive_known.nodes(start, stop, 2500)
    value, inner = log_density(z)
    mass = weight * np.exp(value - value.max())
    share = mass / mass.sum()
    mean = np.array([share @ z, share @ inner.mean])
    shift = z - mean[0], inner.mean - mean[1]
    cross = share @ (shift[0] * shift[1])
    last = share @ (shift[1] ** 2 + inner.covariance)
    covariance = np.array([[share @ shift[0] ** 2, cross], [cross, last]])
    return np.log(mass.sum()) + value.max(), mean, covariance


@pytest.mark.parametrize("spread", [1.0, 8.0])
@pytest.mark.parametrize("correlation", [0.3, 0.8, 0.9, 0.99, 0.999])
def test_two_cells(correlation, spread):
    rng = np.random.default_rng([int(1000 * correlation), int(spread)])
    root, lower, upper = random_boxes(rng, 2, 25, correlation, spread)
    found = box(*(np.ascontiguousarray(np.moveaxis(x, 0, -1)) for x in (root, lower, upper)))
    for i in range(25):
        log_probability, mean, covariance = two_cells_on_a_grid(root[i], lower[i], upper[i])
        sd = np.sqrt(np.diagonal(covariance))
        limit = 1e-8
        assert abs(found.log_probability[i] - log_probability) < limit
        assert (abs(found.mean[:, i] - mean) < limit * sd + 1e-13 * abs(mean)).all()
        assert (abs(found.covariance[..., i] - covariance) < 5 * limit * np.outer(sd, sd)).all()


def test_two_cells_by_the_orthant_formula():
    """P(y >= 0) = 1/4 + arcsin(rho) / 2 pi for a centered normal."""
    for rho in (-0.99999, -0.9, -0.2, 0.0, 0.5, 0.95, 0.99999):
        covariance = np.array([[1.0, rho], [rho, 1.0]])
        found = rectangle(np.zeros(2), covariance, np.zeros(2), np.full(2, INF))
        expected = 0.25 + np.arcsin(rho) / (2.0 * np.pi)
        assert np.exp(found.log_probability) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("c", [3, 4, 6])
def test_more_cells_by_equal_correlation(c):
    """With correlation 1/2 all boxes below 0 have probability 1 / (c + 1)."""
    covariance = 0.5 * np.ones((c, c)) + 0.5 * np.eye(c)
    found = rectangle(np.zeros(c), covariance, np.full(c, -INF), np.zeros(c))
    assert np.exp(found.log_probability) == pytest.approx(1.0 / (c + 1), rel=MORE_CELLS)
    # all cells are alike
    np.testing.assert_allclose(found.mean, found.mean.mean(), rtol=3 * MORE_CELLS)


MORE_CELLS = 1e-2


@pytest.mark.parametrize("c", [1, 2, 3, 5])
@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_covariances_are_of_a_truncated_normal(c, spread):
    """Symmetric, positive semi-definite, not above the whole normal's; means are in the box."""
    rng = np.random.default_rng([c, int(spread)])
    count = 40
    covariance = random_spd(rng, c, count)
    lower = rng.standard_normal((count, c)) * spread
    width = np.exp(3.0 * rng.standard_normal((count, c)))
    upper = np.where(rng.random((count, c)) < 0.3, INF, lower + width)
    found = rectangle(np.zeros((count, c)), covariance, lower, upper)
    assert (found.log_probability <= 1e-12).all()
    np.testing.assert_array_equal(found.covariance, np.swapaxes(found.covariance, 1, 2))
    size = np.trace(covariance, axis1=1, axis2=2)[:, None]
    assert (np.linalg.eigvalsh(found.covariance) >= -1e-12 * size).all()
    # (the variance of a log-concave density on a line is at most that of the normal)
    over = np.linalg.eigvalsh(covariance - found.covariance)
    assert (over >= (-1e-8 if c <= 2 else -0.5) * size).all()
    slack = 1e-9 * (1.0 + abs(lower))
    assert (found.mean >= lower - slack).all()
    assert (found.mean <= upper + slack).all()


@pytest.mark.parametrize("c", [2, 3])
def test_smooth_in_the_parameters(c):
    """The gradient of the log-probability in the mean is precision (E y - mean), by definition."""
    rng = np.random.default_rng(c)
    covariance = random_spd(rng, c, 1, 0.7)[0]
    lower, upper = -np.full(c, 0.7), np.full(c, INF)
    mean, h = rng.standard_normal(c), 1e-4
    steps = mean + h * np.concatenate([np.eye(c), -np.eye(c)])
    value = rectangle(steps, covariance, lower, upper).log_probability
    numeric = (value[:c] - value[c:]) / (2.0 * h)
    inside = rectangle(mean, covariance, lower, upper)
    analytic = np.linalg.solve(covariance, inside.mean - mean)
    np.testing.assert_allclose(numeric, analytic, atol=1e-5 if c == 2 else 2e-2)


def test_boxes_are_taken_in_batches(monkeypatch):
    rng = np.random.default_rng(0)
    root, lower, upper = random_boxes(rng, 3, 50, 0.5, 1.0)
    args = [np.ascontiguousarray(np.moveaxis(x, 0, -1)) for x in (root, lower, upper)]
    whole = box(*args)
    monkeypatch.setattr(truncated, "BATCH_VALUES", 1)
    for one, other in zip(box(*args), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
