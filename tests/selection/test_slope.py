"""The slope heuristic on curves whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ellimix.errors import DataError
from ellimix.selection.cells import Verdict
from ellimix.selection.criteria import order, values
from ellimix.selection.slope import FEWEST_POINTS, slope_heuristic, slope_of
from fitted_cells import made


def curve(true: int, slope: float, noise: float, seed: int, most: int = 20, step: int = 6):
    """Numbers of parameters and log-likelihoods of 1 to `most` components; bias up to `true`."""
    random = np.random.default_rng(seed)
    k = np.arange(1, most + 1)
    p = step * k - 1
    return p, slope * p - 60.0 * np.maximum(true - k, 0) ** 1.3 + noise * random.normal(size=most)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(1, 10), st.floats(0.3, 3.0), st.integers(0, 10**6))
def test_the_true_dimension_is_found(true, slope, seed):
    p, value = curve(true, slope, noise=0.4 * slope, seed=seed)
    found = slope_heuristic(p, value)
    assert found.chosen == true - 1
    assert found.slope == pytest.approx(slope, rel=0.2)


def test_the_penalty_is_twice_the_slope():
    p, value = curve(5, 0.8, noise=1.0, seed=3)
    found = slope_heuristic(p, value)
    assert found.chosen == np.argmin(-value + 2.0 * found.slope * p)


def test_lines_are_medians_of_pairs():
    p, value = curve(4, 0.7, noise=2.0, seed=1, most=12)
    found = slope_heuristic(p, value)
    for q, slope in zip(found.n_points, found.slopes, strict=True):
        pairs = [
            (value[j] - value[i]) / (p[j] - p[i])
            for i in range(12 - q, 12)
            for j in range(i + 1, 12)
        ]
        assert slope == pytest.approx(np.median(pairs))
    assert found.n_points.tolist() == list(range(FEWEST_POINTS, 13))
    start, stop = found.plateau
    assert len(set(found.choices[start:stop])) == 1
    assert found.chosen == found.choices[start]
    place = found.n_points.tolist().index(found.fitted)
    assert start <= place < stop
    assert found.slope == found.slopes[place]


def test_a_bad_fit_among_the_complex_ones_does_not_mislead():
    p, value = curve(4, 0.7, noise=0.2, seed=1)
    broken = value.copy()
    broken[[13, 17]] -= 40.0  # poor local maxima
    assert slope_heuristic(p, broken).chosen == 3
    assert slope_heuristic(p, broken).slope == pytest.approx(0.7, rel=0.2)


@pytest.mark.parametrize("constant", [-1e6, 7.0, 1e5])
def test_a_constant_changes_nothing(constant):
    p, value = curve(6, 0.9, noise=1.0, seed=2)
    one, other = slope_heuristic(p, value), slope_heuristic(p, value + constant)
    assert one.slope == pytest.approx(other.slope, rel=1e-8)
    assert (one.chosen, one.fitted, one.plateau) == (other.chosen, other.fitted, other.plateau)
    assert other.intercept - one.intercept == pytest.approx(constant, rel=1e-8)


def test_order_of_the_models_does_not_matter_and_the_likeliest_of_a_size_counts():
    p, value = curve(5, 0.8, noise=0.5, seed=5)
    turned = np.random.default_rng(0).permutation(20)
    found = slope_heuristic(p, value)
    assert turned[slope_heuristic(p[turned], value[turned]).chosen] == found.chosen
    worse = slope_heuristic(np.tile(p, 2), np.concatenate([value - 3.0, value]))
    assert worse.chosen == found.chosen + 20
    assert (worse.models >= 20).all()
    assert worse.slope == found.slope


@pytest.mark.parametrize(
    ("p", "value", "words"),
    [
        (np.arange(9), np.arange(9.0), "but got 9: search more"),
        (np.arange(30) % 5, np.arange(30.0), "but got 5: search more"),
        (np.arange(20), -np.arange(20.0), "grows with the number of parameters"),
        (np.arange(20), np.full(20, 3.0), "grows with the number of parameters"),
        (np.arange(20), np.full(20, np.nan), "needs finite numbers"),
        (np.arange(20), np.zeros(19), "one of each a model"),
    ],
)
def test_refusals(p, value, words):
    with pytest.raises(DataError, match=words):
        slope_heuristic(p, value)


def test_a_choice_that_never_settles_is_refused():
    """A concave curve: each line is steeper than the last and chooses another model."""
    p = np.arange(1, 17)
    with pytest.raises(DataError, match="finds no slope"):
        slope_heuristic(p, -((17.0 - p) ** 2))


def test_cells_that_are_not_ok_take_no_part():
    p, value = curve(4, 0.8, noise=0.3, seed=7)
    cells = [made("VVV", k + 1, value[k]) for k in range(20)]
    assert [cell.n_parameters for cell in cells] == p.tolist()
    spoiled = [made("VVV", 30, 1e5, verdict=Verdict.SPURIOUS), *cells]
    found = slope_of(spoiled)
    assert found.names[found.chosen] == "VVV, 4"
    assert found.chosen == 4
    assert found.slope == slope_of(cells).slope
    assert set(found.models) == set(range(1, 21))
    expected = [-2.0 * c.log_likelihood + 4.0 * found.slope * c.n_parameters for c in spoiled]
    np.testing.assert_allclose(values(spoiled, "slope"), expected)
    assert order(spoiled, "slope")[0] == found.chosen
    with pytest.raises(DataError, match="but got 9"):
        values([replace(c, verdict=Verdict.SPURIOUS) for c in cells[9:]] + cells[:9], "slope")
