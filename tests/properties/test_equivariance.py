"""Whole fits follow the data: units, rotations, orders, offsets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ellimix import GaussianMixture
from ellimix.covariance import FAMILIES
from ellimix.records import Block
from fit_problems import (
    DIAGONAL,
    ENGINE,
    LINEAR,
    ROTATED,
    Problem,
    close,
    drawn,
    few,
    fits,
    same_fit,
    seeds,
    sound,
    sound_problem,
    wild,
)

# -- equivariance ----------------------------------------------------------------------------------


def changed(problem: Problem, rows: np.ndarray) -> Problem:
    return replace(problem, rows=rows)


@few
@given(problem=sound(), seed=seeds)
def test_translation(problem: Problem, seed: int) -> None:
    """Numbers on a grid, so that the shifted rows are exact."""
    grid = changed(problem, np.round(problem.rows * 2.0**20) / 2.0**20)
    shift = np.random.default_rng(seed).integers(-1024, 1025, size=problem.rows.shape[1])
    before = fits(grid, reg_covar=1e-3)
    for family, report in fits(changed(grid, grid.rows + shift), reg_covar=1e-3).items():
        same_fit(report, before[family], shift=shift)


@few
@given(problem=sound(), power=st.floats(-6.0, 6.0))
def test_a_common_scale(problem: Problem, power: float) -> None:
    scale, before = 10.0**power, fits(problem, reg_covar=1e-3)
    scaled = fits(changed(problem, problem.rows * scale), reg_covar=1e-3 * scale**2)
    for family, report in scaled.items():
        same_fit(report, before[family], scale * np.eye(problem.rows.shape[1]))


@few
@given(problem=sound(least_features=2), seed=seeds)
def test_rotation(problem: Problem, seed: int) -> None:
    d = problem.rows.shape[1]
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    before = fits(problem, ROTATED, reg_covar=1e-3)
    for family, report in fits(
        changed(problem, problem.rows @ turn.T), ROTATED, reg_covar=1e-3
    ).items():
        same_fit(report, before[family], turn)


@few
@given(problem=sound(least_features=2), seed=seeds)
def test_each_column_in_its_own_unit(problem: Problem, seed: int) -> None:
    names = (*DIAGONAL, *LINEAR)
    scale = 10.0 ** np.random.default_rng(seed).uniform(-4.0, 4.0, size=problem.rows.shape[1])
    before = fits(problem, names)
    for family, report in fits(changed(problem, problem.rows * scale), names).items():
        # in units of 1 again, so that every column counts alike in the comparison
        covariances = report.mixture.covariances() / np.outer(scale, scale)
        close(covariances, before[family].mixture.covariances())
        close(report.mixture.means / scale, before[family].mixture.means)
        close(report.mixture.weights, before[family].mixture.weights)
        jacobian = np.log(scale).sum()
        close(np.array(report.trace) + jacobian, np.array(before[family].trace))


@few
@given(problem=sound(least_features=2), seed=seeds)
def test_any_linear_map(problem: Problem, seed: int) -> None:
    random, d = np.random.default_rng(seed), problem.rows.shape[1]
    first_turn, second_turn = np.linalg.qr(random.normal(size=(2, d, d)))[0]
    matrix = first_turn @ np.diag(random.uniform(0.2, 5.0, size=d)) @ second_turn
    before = fits(problem, LINEAR)
    for family, report in fits(changed(problem, problem.rows @ matrix.T), LINEAR).items():
        same_fit(report, before[family], matrix)


@few
@given(problem=sound(), seed=seeds)
def test_the_order_of_the_rows_does_not_matter(problem: Problem, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(problem.rows.shape[0])
    moved = Problem(problem.rows[order], None, problem.start[order], problem.k)
    before = fits(problem)
    for family, report in fits(moved).items():
        same_fit(report, before[family])


@pytest.mark.parametrize(("family", "seed"), [("VVE", 45), ("VVE", 84), ("EVE", 45)])
def test_rounding_does_not_choose_among_minima(family: str, seed: int) -> None:
    """The common axes come out of a step in an order that must not depend on rounding."""
    problem = sound_problem(66, 4, 3, seed)
    order = np.random.default_rng(seed).permutation(66)
    moved = Problem(problem.rows[order], None, problem.start[order], 3)
    same_fit(fits(moved, (family,))[family], fits(problem, (family,))[family])


@few
@given(problem=sound(), seed=seeds)
def test_permuted_labels_permute_the_components(problem: Problem, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(problem.k)
    renamed = Problem(problem.rows, None, np.argsort(order)[problem.start], problem.k)
    before = fits(problem)
    for family, report in fits(renamed).items():
        same_fit(report, before[family], order=order)


@few
@given(problem=wild(), seed=seeds)
def test_the_objective_does_not_depend_on_the_order_of_components(
    problem: Problem, seed: int
) -> None:
    block = Block(problem.rows, problem.weight)
    order = np.random.default_rng(seed).permutation(problem.k)
    for report in fits(problem, max_iter=3).values():
        if report.mixture is None:
            continue
        before = ENGINE.e_step(report.mixture.potentials, block)
        after = ENGINE.e_step(report.mixture.ordered(order).potentials, block)
        assert after.loglik == pytest.approx(before.loglik, rel=1e-12, abs=1e-12)
        np.testing.assert_allclose(after.n, before.n[order], rtol=1e-10, atol=1e-12)


# -- offset and scale, from k-means ----------------------------------------------------------------


def by_kmeans(problem: Problem, family: str, rows: np.ndarray, reg_covar: float) -> GaussianMixture:
    model = GaussianMixture(
        problem.k, covariance_type=family, reg_covar=reg_covar, max_iter=500, random_state=0
    )
    return model.fit(rows)


@pytest.mark.parametrize("family", FAMILIES)
@settings(drawn, max_examples=6)
@given(problem=sound())
def test_an_offset_of_1e8(family: str, problem: Problem) -> None:
    offset = problem.rows + 1e8
    centred = by_kmeans(problem, family, offset - 1e8, 1e-6)
    moved = by_kmeans(problem, family, offset, 1e-6)
    np.testing.assert_array_equal(moved.labels_, centred.labels_)
    assert moved.n_iter_ == centred.n_iter_
    assert moved.lower_bound_ == pytest.approx(centred.lower_bound_, rel=1e-9)
    np.testing.assert_allclose(moved.weights_, centred.weights_, atol=1e-7)
    np.testing.assert_allclose(moved.means_ - 1e8, centred.means_, atol=1e-7)
    np.testing.assert_allclose(
        moved.mixture_.covariances(), centred.mixture_.covariances(), atol=1e-6
    )


@pytest.mark.parametrize("scale", [1e-12, 1e12])
@pytest.mark.parametrize("family", FAMILIES)
@settings(drawn, max_examples=4)
@given(problem=sound())
def test_any_unit(family: str, scale: float, problem: Problem) -> None:
    d = problem.rows.shape[1]
    before = by_kmeans(problem, family, problem.rows, 1e-6)
    scaled = by_kmeans(problem, family, problem.rows * scale, 1e-6 * scale**2)
    np.testing.assert_array_equal(scaled.labels_, before.labels_)
    assert scaled.n_iter_ == before.n_iter_
    jacobian = d * np.log(scale)
    assert scaled.lower_bound_ + jacobian == pytest.approx(before.lower_bound_, rel=1e-9)
    close(scaled.means_ / scale, before.means_)
    close(scaled.mixture_.covariances() / scale**2, before.mixture_.covariances())
