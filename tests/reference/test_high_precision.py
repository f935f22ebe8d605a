"""The library's iterates against EM in 50-digit arithmetic (`exact`), for all 14 families.

Two problems: two components that begin from responsibilities, and three that begin from
parameters, with row weights.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

from ellimix import FitReport, Mixture
from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Structure
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.errors import Status
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.sources.memory import MemorySource
from ellimix.starts import Beginning, Given
from exact import State, first_state, given_state, iterate, relative_error

LAST = 25
LEAST_DIGITS = {1: 12.0, LAST: 10.0}
STARTS = ("responsibilities", "parameters")


class Problem(NamedTuple):
    """Rows with weights, and responsibilities to begin from; all exact binary fractions."""

    rows: np.ndarray
    row_weight: np.ndarray
    responsibilities: np.ndarray


@cache
def problem(start: str) -> Problem:
    """Overlapping groups of rows of different shapes."""
    random = np.random.default_rng(60 if start == "responsibilities" else 8)
    first = random.normal(size=(9, 2)) @ np.array([[1.0, 0.6], [0.0, 0.5]])
    second = random.normal(size=(9, 2)) @ np.array([[0.7, -0.5], [0.0, 1.1]]) + [2.5, 1.0]
    if start == "responsibilities":
        rows, row_weight = np.concatenate([first, second]), np.ones(18)
    else:
        third = random.normal(size=(8, 2)) @ np.array([[0.5, 0.3], [0.0, 0.8]]) + [0.5, 2.75]
        rows = np.concatenate([first, second, third])
        row_weight = random.choice([0.5, 1.0, 1.25, 2.0], size=26)
    share = np.where(np.arange(18) < 9, 0.75, 0.25) + random.integers(-12, 13, 18) / 64
    responsibilities = np.stack([share, 1.0 - share], axis=1)
    return Problem(np.round(rows * 256) / 256, row_weight, responsibilities)


def start_mixture(family: str) -> Mixture:
    """Three components to begin from, in the family's shape."""
    matrix = np.array([[1.5, 0.25], [0.25, 1.0]])
    covariances = {
        Structure.SPHERICAL: np.full(3, 1.25),
        Structure.DIAGONAL: np.tile([1.5, 1.0], (3, 1)),
        Structure.SHARED: matrix,
        Structure.FULL: np.tile(matrix, (3, 1, 1)),
    }[FAMILIES[family].structure]
    means = [[0.25, 0.0], [2.0, 1.5], [0.0, 3.0]]
    return Mixture.from_parameters([0.375, 0.375, 0.25], means, covariances, family)


@cache
def trajectory(family: str, start: str) -> list[State]:
    """The exact parameters after 1, 2, ... iterations."""
    rows, row_weight, responsibilities = problem(start)
    if start == "responsibilities":
        begin = first_state(family, rows, row_weight, responsibilities)
    else:
        mixture = start_mixture(family)
        begin = given_state(mixture.weights, mixture.means, mixture.covariances())
    states = iterate(family, rows, row_weight, begin)
    return [next(states) for _ in range(LAST)]


def fitted(family: str, start: str, iterations: int) -> FitReport:
    """The library's side."""
    rows, row_weight, responsibilities = problem(start)
    source = MemorySource(rows, row_weight if start == "parameters" else None)
    engine, inference = ENGINES["numpy"], MaximumLikelihood(FAMILIES[family])
    if start == "parameters":
        begin = start_mixture(family).parameters
    else:
        begin = Given(responsibilities).statistics(
            Beginning(source, engine, 2, inference.family.moment, 0.0, np.random.RandomState(0))
        )
    (report,) = run(source, engine, [Task(inference, begin, 0.0, iterations)])
    return report


def errors(family: str, start: str, iterations: int) -> dict[str, float]:
    """Relative error of each array of parameters, and of the log-likelihood."""
    report = fitted(family, start, iterations)
    mixture = report.mixture
    exact = trajectory(family, start)[iterations - 1]
    arrays = exact.arrays()
    ours = {
        "weights": mixture.weights,
        "means": mixture.means,
        "covariances": mixture.covariances(),
    }
    out = {name: relative_error(ours[name], arrays[name]) for name in arrays}
    out["log-likelihood"] = relative_error(
        np.array([report.objective]), np.array([exact.log_likelihood])
    )
    return out


@pytest.mark.parametrize("iterations", [1, LAST])
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_iterates_have_the_exact_digits(family: str, start: str, iterations: int) -> None:
    for name, error in errors(family, start, iterations).items():
        assert error <= 10.0 ** -LEAST_DIGITS[iterations], f"{name}: relative error {error:.2g}"


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_trace_is_the_exact_log_likelihood(family: str, start: str) -> None:
    report = fitted(family, start, LAST)
    assert report.status is Status.MAX_ITER
    exact = [float(state.log_likelihood) for state in trajectory(family, start)]
    np.testing.assert_allclose(report.trace, exact, rtol=1e-12)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_exact_log_likelihood_rises(family: str, start: str) -> None:
    """A wrong M-step on the exact side would show here."""
    values = [state.log_likelihood for state in trajectory(family, start)]
    assert all(after > before for before, after in pairwise(values))
    assert values[-1] - values[0] > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_iterates_still_move(family: str) -> None:
    """The last iterates differ from the first: 25 iterations test more than one."""
    states = trajectory(family, "responsibilities")
    first, last = (states[i].arrays()["covariances"].astype(float) for i in (0, -1))
    assert relative_error(first, last) > 1e-3
