"""Sums that outlive their pass: moved, weighted, put together, taken apart."""

from __future__ import annotations

import numpy as np
import pytest

import naive
from ellimix import FAMILIES, Mixture
from ellimix.covariance import parse
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.online.sums import (
    about_means,
    added,
    blended,
    concatenated,
    empty,
    grouped,
    recentred,
    reordered,
    scaled,
    standing_for,
    without,
)
from ellimix.records import Moment
from problems import random_member

K, D, N = 3, 2, 40
every_moment = pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.value)
every_family = pytest.mark.parametrize("name", list(FAMILIES))


def problem(seed, offset=0.0, k=K):
    """Responsibilities, rows, weights and centers."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.ones(k), N)
    rows = rng.normal(size=(N, D)) * [1.0, 3.0] + offset
    return share, rows, rng.uniform(0.2, 2.0, N), rng.normal(size=(k, D)) + offset


def close(one, other, rtol=1e-12):
    assert one.moment is other.moment
    for name in ("n", "s1", "s2", "center", "weight"):
        scale = max(np.abs(getattr(other, name)).max(), 1.0)
        got, expected = getattr(one, name), getattr(other, name)
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * scale, err_msg=name)


@every_moment
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_recentred_sums_are_those_of_a_pass_about_the_new_centers(moment, offset):
    share, rows, weight, center = problem(0, offset)
    target = center + np.random.default_rng(1).normal(size=center.shape)
    moved = recentred(naive.accumulate(share, rows, weight, center, moment), target)
    # at 1e6 the centers themselves are known to 1e-10
    close(
        moved, naive.accumulate(share, rows, weight, target, moment), 1e-12 if not offset else 1e-9
    )


@every_moment
def test_there_and_back(moment):
    share, rows, weight, center = problem(1)
    sums = naive.accumulate(share, rows, weight, center, moment)
    close(recentred(recentred(sums, center + 1.0), center), sums)
    same = recentred(sums, center.copy())
    assert np.array_equal(same.s2, sums.s2)


@every_moment
def test_stacked_sums_move_like_single_ones(moment):
    from ellimix.records import stack

    share, rows, weight, center = problem(2)
    one = naive.accumulate(share, rows, weight, center, moment)
    two = naive.accumulate(share[::-1], rows, weight, center, moment)
    both = recentred(stack([one, two]), np.stack([center + 1.0, center - 2.0]))
    close(both.at(0), recentred(one, center + 1.0))
    close(both.at(1), recentred(two, center - 2.0))


@every_moment
def test_about_means_has_no_first_moment_and_the_scatter_for_the_second(moment):
    share, rows, weight, center = problem(3)
    sums = about_means(naive.accumulate(share, rows, weight, center, moment))
    np.testing.assert_allclose(sums.s1, 0.0, atol=1e-12)
    np.testing.assert_allclose(
        sums.s2, naive.scatter(share, rows, weight, moment), rtol=1e-11, atol=1e-11
    )


@every_moment
def test_scaling_is_a_weight_for_every_row(moment):
    share, rows, weight, center = problem(4)
    sums = naive.accumulate(share, rows, weight, center, moment)
    close(scaled(sums, 2.5), naive.accumulate(share, rows, 2.5 * weight, center, moment))


@every_moment
def test_a_blend_is_one_pass_with_the_steps_as_weights(moment):
    share, rows, weight, center = problem(5)
    more, others, counts, elsewhere = problem(6)
    old = naive.accumulate(share, rows, weight, center, moment)
    new = naive.accumulate(more, others, counts, elsewhere, moment)
    together = naive.accumulate(
        np.concatenate([share, more]), np.concatenate([rows, others]),
        np.concatenate([0.7 * weight, 0.3 * counts]), elsewhere, moment,
    )  # fmt: skip
    close(blended(old, new, 0.3), together)
    everything = naive.accumulate(
        np.concatenate([share, more]), np.concatenate([rows, others]),
        np.concatenate([weight, counts]), center, moment,
    )  # fmt: skip
    close(added([old, new]), everything)


@every_moment
def test_components_that_go_take_their_rows_along(moment):
    _, rows, weight, center = problem(7)
    labels = np.arange(N) % K
    share = np.eye(K)[labels]
    gone = np.array([False, True, False])
    left = without(naive.accumulate(share, rows, weight, center, moment), gone)
    kept = labels != 1
    expected = about_means(
        naive.accumulate(share[kept][:, ~gone], rows[kept], weight[kept], center[~gone], moment)
    )
    np.testing.assert_allclose(left.n, expected.n)
    np.testing.assert_allclose(left.means(), expected.means())
    assert left.weight == pytest.approx(expected.weight)
    if moment is not Moment.POOLED:
        np.testing.assert_allclose(left.s2, expected.s2)
    else:  # the shared covariance stays what it was
        before = naive.scatter(share, rows, weight, moment) / weight.sum()
        np.testing.assert_allclose(left.scatter() / left.n.sum(), before)


@every_moment
def test_components_side_by_side_and_in_another_order(moment):
    share, rows, weight, center = problem(8, k=5)
    whole = naive.accumulate(share, rows, weight, center, moment)
    if moment is Moment.POOLED:
        room = concatenated([whole, empty(center[:1], moment)])
        np.testing.assert_allclose(room.s2, whole.s2)
        assert room.n.tolist() == [*whole.n, 0.0]
        assert reordered(whole, np.array([4, 0, 1, 2, 3])).n[0] == whole.n[4]
        return
    first, last = reordered(whole, np.arange(2)), reordered(whole, np.arange(2, 5))
    again = concatenated([first, last])
    for name in ("n", "s1", "s2", "center"):
        assert np.array_equal(getattr(again, name), getattr(whole, name))


@every_moment
def test_groups_are_sums_over_their_members(moment):
    share, rows, weight, center = problem(9)
    more, others, counts, elsewhere = problem(10, k=2)
    parts = [
        naive.accumulate(share, rows, weight, center, moment),
        naive.accumulate(more, others, counts, elsewhere, moment),
    ]
    slots = [np.array([0, 1, 0]), np.array([1, 0])]
    found = grouped(parts, slots, 2)
    joined = [np.stack([share[:, 0] + share[:, 2], share[:, 1]], axis=1), more[:, ::-1]]
    expected = naive.accumulate(
        np.concatenate(joined), np.concatenate([rows, others]),
        np.concatenate([weight, counts]), found.center, moment,
    )  # fmt: skip
    close(found, expected)
    np.testing.assert_allclose(found.s1, 0.0, atol=1e-12)


@every_family
@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_the_m_step_gives_back_the_parameters_that_sums_stand_for(name, floor):
    rng = np.random.default_rng(11)
    family = parse(name, D)
    member = random_member(rng, name, K, D).matrices()
    shape = family.structure.array_shape(K, D)
    values = {1: member[:, 0, 0], 3: member}.get(len(shape), np.diagonal(member, axis1=1, axis2=2))
    if name == "EEE":
        values = member[0]
    weights = rng.dirichlet(np.full(K, 3.0))
    model = Mixture.from_parameters(weights, rng.normal(size=(K, D)), values, name)
    inference = MaximumLikelihood(family, floor)
    sums = standing_for(model.parameters, inference.moment, 50.0, floor)
    again = Mixture(inference.update(sums, model.parameters), family)
    assert sums.weight == pytest.approx(sums.n.sum()) == pytest.approx(50.0)
    np.testing.assert_allclose(again.weights, weights)
    np.testing.assert_allclose(again.means, model.means)
    np.testing.assert_allclose(again.covariances(), model.covariances(), rtol=1e-6, atol=1e-9)
