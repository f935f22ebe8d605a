"""Stacked fits get what each would get alone, over the whole registry of families."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product

import numpy as np
import pytest

from ellimix.covariance import FAMILIES, Structure
from ellimix.covariance.base import from_axes, stack_covariances
from ellimix.errors import DegenerateFit
from ellimix.inference.base import Parameters
from ellimix.inference.base import stack as stack_parameters
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import Moment, SufficientStatistics, stack
from family_problems import problem, same
from naive import expected_loglik
from problems import counts_and_scatter, pooled, random_axes, random_spd

SIZES = tuple(product((1, 2, 3, 4), (1, 2, 3, 5)))  # (k, d)
FEW, MANY = 3, 40  # fits: matrices are factorised in turn, or together
every_family = pytest.mark.parametrize("name", tuple(FAMILIES))
every_size = pytest.mark.parametrize(("k", "d"), SIZES)
every_moment = pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.value)
stacks = pytest.mark.parametrize("fits", [FEW, MANY])


def statistics(rng, k, d, moment, rows=0):
    """Of random rows, under random responsibilities, about random centers."""
    rows = rows or 30 * k * d
    x = rng.standard_normal((rows, d)) @ random_spd(rng, d, 1, 1.0)[0] + 3.0
    share, center = rng.dirichlet(np.full(k, 0.5), size=rows), rng.standard_normal((k, d))
    z = x[:, None, :] - center
    s2 = np.einsum("nk,nki,nkj->kij", share, z, z)
    if moment is Moment.DIAGONAL:
        s2 = np.diagonal(s2, axis1=1, axis2=2).copy()
    s1 = np.einsum("nk,nki->ki", share, z)
    loglik, entropy = rng.standard_normal(2)
    return SufficientStatistics(
        share.sum(axis=0),
        s1,
        pooled(s2, moment),
        center,
        float(loglik),
        float(entropy),
        float(rows),
        rows,
        moment,
    )


def assert_same_record(left, right, tolerance=0.0):
    """Field by field, and theirs: to the tolerance of an array's largest entry, or of 1 in logs."""
    for name in (field.name for field in fields(left)):
        a, b = getattr(left, name), getattr(right, name)
        if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
            assert np.shape(a) == np.shape(b)
            scale = np.abs(b).max(initial=1.0 if name == "log_det" else np.finfo(float).tiny)
            np.testing.assert_allclose(a / scale, b / scale, rtol=0.0, atol=tolerance)
        elif hasattr(b, "__dataclass_fields__"):
            assert_same_record(a, b, tolerance)
        elif isinstance(b, float):
            assert a == pytest.approx(b, rel=tolerance, abs=0.0)
        else:
            assert a is b or a == b


# the M-step


@stacks
@every_size
@every_family
def test_the_m_step_of_a_stack_is_that_of_its_fits(name, k, d, fits):
    rng, *_ = problem(name, k, d)
    family = FAMILIES[name]
    if fits == MANY and name in ("EVE", "VVE"):
        fits = 8  # the first step is slow
    before = [None] * fits
    for _ in range(2):
        pairs = [counts_and_scatter(rng, k, d, family.moment) for _ in range(fits)]
        pairs = [(n, pooled(scatter, family.moment)) for n, scatter in pairs]
        n, scatter = (np.stack(parts) for parts in zip(*pairs, strict=True))
        previous = None if before[0] is None else stack_covariances(before)
        together = family.m_step(n, scatter, previous)
        alone = [family.m_step(*pair, b) for pair, b in zip(pairs, before, strict=True)]
        for i, expected in enumerate(alone):
            assert_same_record(together.at(i), expected, 1e-13)
        assert together.structure is family.structure
        assert together.values.shape == (fits, *family.structure.array_shape(k, d))
        before = alone


@every_family
def test_more_axes_than_one(name):
    rng, *_ = problem(name, 3, 2)
    family = FAMILIES[name]
    pairs = [counts_and_scatter(rng, 3, 2, family.moment) for _ in range(6)]
    n = np.stack([n for n, _ in pairs])
    scatter = pooled(np.stack([scatter for _, scatter in pairs]), family.moment)
    flat = family.m_step(n, scatter, None)
    deep = family.m_step(n.reshape(2, 3, 3), scatter.reshape(2, 3, *scatter.shape[1:]), None)
    for i, j in product(range(2), range(3)):
        assert_same_record(deep.at(i).at(j), flat.at(3 * i + j), 1e-13)


@pytest.mark.parametrize("fits", [2, MANY])
@every_family
def test_one_degenerate_fit_is_the_stacks_exception(name, fits):
    rng, *_ = problem(name, 3, 2)
    family = FAMILIES[name]
    pairs = [counts_and_scatter(rng, 3, 2, family.moment) for _ in range(fits)]
    pairs[1][1][:] = 0.0
    pairs = [(n, pooled(scatter, family.moment)) for n, scatter in pairs]
    with pytest.raises(DegenerateFit) as alone:
        family.m_step(*pairs[1], None)
    with pytest.raises(DegenerateFit) as together:
        family.m_step(*(np.stack(parts) for parts in zip(*pairs, strict=True)), None)
    assert together.value.status is alone.value.status
    assert together.value.components == alone.value.components
    assert together.value.counts == alone.value.counts
    assert together.value.cause == alone.value.cause


@pytest.mark.parametrize("name", ["VEI", "VEE", "VEV"])
def test_fits_that_arrive_early_rest(name):
    """Volumes that are found at once beside some that take many steps, in either order."""
    rng, *_ = problem(name, 4, 3)
    family = FAMILIES[name]
    hard = counts_and_scatter(rng, 4, 3, family.moment, log_condition=6.0)
    easy = hard[0], hard[1][:1] * (hard[0] / hard[0][0]).reshape(-1, *(1,) * (hard[1].ndim - 1))
    for pairs in ([hard, easy], [easy, hard], [easy, easy]):
        together = family.m_step(*(np.stack(parts) for parts in zip(*pairs, strict=True)), None)
        for i, pair in enumerate(pairs):
            assert_same_record(together.at(i), family.m_step(*pair, None), 1e-13)


@pytest.mark.parametrize("d", [2, 3, 6])
@pytest.mark.parametrize("name", ["EVE", "VVE"])
def test_common_axes_from_anywhere(name, d):
    """Most first steps of Newton's method do not descend: such fits go on alone."""
    rng, *_ = problem(name, 4, d)
    pairs = [counts_and_scatter(rng, 4, d, Moment.FULL, log_condition=4.0) for _ in range(12)]
    n, scatter = (np.stack(parts) for parts in zip(*pairs, strict=True))
    axes = np.broadcast_to(random_axes(rng, d, 12)[:, None], scatter.shape)
    variances = np.exp(rng.standard_normal((12, 1, d))).repeat(4, axis=1)
    before = from_axes(axes, variances, n, common=True)
    together = FAMILIES[name].m_step(n, scatter, before)
    for i, pair in enumerate(pairs):
        old, new = (expected_loglik(*pair, record.at(i).values) for record in (before, together))
        alone = FAMILIES[name].m_step(*pair, before.at(i))
        assert new >= old
        assert new == pytest.approx(expected_loglik(*pair, alone.values), rel=1e-12)


def test_the_tied_covariance_needs_the_pooled_scatter_only():
    _, n, scatter = problem("EEE", 3, 4)
    ours = FAMILIES["EEE"].m_step(n, scatter.sum(axis=0), None)
    same(ours.values, scatter.sum(axis=0) / n.sum(), 1e-15)
    assert FAMILIES["EEE"].moment is Moment.POOLED


# inference


@pytest.mark.parametrize("floor", [0.0, 1e-3])
@pytest.mark.parametrize("fits", [FEW, MANY])
@pytest.mark.parametrize(("k", "d"), [(1, 1), (2, 2), (3, 3), (4, 2)])
@every_family
def test_update_and_potentials_of_a_stack_are_those_of_its_fits(name, k, d, fits, floor):
    rng = np.random.default_rng([k, d])
    inference = MaximumLikelihood(FAMILIES[name], floor)
    if fits == MANY and name in ("EVE", "VVE"):
        fits = 8
    before = [None] * fits
    for _ in range(2):
        parts = [statistics(rng, k, d, inference.family.moment) for _ in range(fits)]
        previous = None if before[0] is None else stack_parameters(before)
        together = inference.update(stack(parts), previous)
        assert inference.penalty(together) == 0.0
        potentials = inference.potentials(together)
        before = [inference.update(s, b) for s, b in zip(parts, before, strict=True)]
        for i, alone in enumerate(before):
            assert_same_record(together.at(i), alone, 1e-12)
            own = inference.potentials(alone)
            for field in ("offset", "center", "factor"):
                left, right = getattr(potentials, field)[i], getattr(own, field)
                assert left.shape == right.shape
                same(left, right, 1e-12)
            assert (potentials.shape, potentials.moment) == (own.shape, own.moment)


@every_family
def test_an_empty_or_infinite_fit_is_the_stacks_exception(name):
    rng = np.random.default_rng(0)
    inference = MaximumLikelihood(FAMILIES[name])
    good, bad = (statistics(rng, 3, 2, inference.family.moment) for _ in range(2))
    for broken in (
        replace(bad, n=bad.n * [1.0, 0.0, 1.0]),
        replace(bad, s1=bad.s1 * np.array([[1.0], [1.0], [np.inf]])),
        replace(bad, s2=np.full_like(bad.s2, np.inf)),
    ):
        with pytest.raises(DegenerateFit) as alone:
            inference.update(broken, None)
        with pytest.raises(DegenerateFit) as together:
            inference.update(stack([good, broken]), None)
        assert str(together.value) == str(alone.value)


# statistics


@every_moment
def test_stack_and_at_are_inverse(moment):
    rng = np.random.default_rng(1)
    parts = [statistics(rng, 3, 2, moment, rows=40) for _ in range(4)]
    together = stack(parts)
    assert (together.weight, together.rows) == (40.0, 40)
    for i, part in enumerate(parts):
        assert_same_record(together.at(i), part)
    keep = np.array([True, False, True, True])
    for index in (slice(1, None), keep, np.array([3, 0])):
        some = together.at(index)
        chosen = np.arange(4)[index]
        assert_same_record(some, stack([parts[i] for i in chosen]))
    with pytest.raises(ValueError, match="no fit axis"):
        parts[0].at(0)


def test_different_weights_and_rows_are_kept_apart():
    rng = np.random.default_rng(2)
    parts = [statistics(rng, 2, 2, Moment.FULL, rows) for rows in (20, 30)]
    together = stack(parts)
    assert together.weight.tolist() == [20.0, 30.0]
    assert together.rows.tolist() == [20, 30]
    for i, part in enumerate(parts):
        assert_same_record(together.at(i), part)


@every_moment
def test_sums_of_stacks_are_stacks_of_sums(moment):
    rng = np.random.default_rng(3)
    left = [statistics(rng, 2, 3, moment) for _ in range(3)]
    right = [replace(statistics(rng, 2, 3, moment), center=part.center) for part in left]
    expected = stack([a + b for a, b in zip(left, right, strict=True)])
    assert_same_record(stack(left) + stack(right), expected)


def test_what_does_not_belong_together():
    rng = np.random.default_rng(4)
    diagonal, full = (statistics(rng, 2, 2, m) for m in (Moment.DIAGONAL, Moment.POOLED))
    with pytest.raises(ValueError, match="different centers"):
        diagonal + statistics(rng, 2, 2, Moment.DIAGONAL)
    with pytest.raises(ValueError, match="diagonal and a pooled second moment"):
        diagonal + replace(full, center=diagonal.center)
    with pytest.raises(ValueError, match="different second moments"):
        stack([diagonal, full])


@every_moment
def test_means_and_scatter_of_a_stack(moment):
    rng = np.random.default_rng(5)
    parts = [statistics(rng, 3, 3, moment) for _ in range(5)]
    together = stack(parts)
    same(together.means(), np.stack([part.means() for part in parts]), 1e-15)
    same(together.scatter(), np.stack([part.scatter() for part in parts]), 1e-15)


@pytest.mark.parametrize(("k", "d"), [(1, 1), (2, 2), (3, 3), (4, 2)])
def test_pooled_is_the_sum_of_full(k, d):
    full = statistics(np.random.default_rng(6), k, d, Moment.FULL)
    one = replace(full, s2=full.s2.sum(axis=0), moment=Moment.POOLED)
    same(one.scatter(), full.scatter().sum(axis=0), 1e-13)


def with_empty(part, which):
    """The same without the rows of some components."""
    left = ~which
    s2 = part.s2
    if part.moment is not Moment.POOLED:
        s2 = s2 * left.reshape(-1, *(1,) * (s2.ndim - 1))
    return replace(part, n=part.n * left, s1=part.s1 * left[:, None], s2=s2)


@every_moment
def test_broad_components_of_a_stack(moment):
    rng = np.random.default_rng(7)
    which = np.array([[False, True, False], [True, True, False], [False, False, False]])
    parts = [with_empty(statistics(rng, 3, 2, moment), w) for w in which]
    together = stack(parts).with_broad(which, 0.1)
    for i, (part, w) in enumerate(zip(parts, which, strict=True)):
        assert_same_record(together.at(i), part.with_broad(w, 0.1), 1e-15)
        np.testing.assert_array_equal(together.at(i).n[~w], part.n[~w])


def test_broad_components_pooled_are_the_sum_of_full_ones():
    which = np.array([False, True, False])
    full = with_empty(statistics(np.random.default_rng(8), 3, 2, Moment.FULL), which)
    one = replace(full, s2=full.s2.sum(axis=0), moment=Moment.POOLED)
    broad, expected = one.with_broad(which, 0.1), full.with_broad(which, 0.1)
    same(broad.s2, expected.s2.sum(axis=0), 1e-14)
    same(broad.s1, expected.s1, 1e-15)
    # all rows, about their mean, with a small weight
    total = full.n.sum()
    middle = (full.n[:, None] * full.center + full.s1).sum(axis=0) / total
    assert expected.n[1] == pytest.approx(0.1 / 3 * total)
    same(expected.means()[1], middle, 1e-12)
    about = np.zeros((2, 2))
    for j in (0, 2):
        mean = full.center[j] + full.s1[j] / full.n[j]
        about += full.s2[j] - np.outer(full.s1[j], full.s1[j]) / full.n[j]
        about += full.n[j] * np.outer(mean - middle, mean - middle)
    same(expected.scatter()[1], 0.1 / 3 * about, 1e-12)
    with pytest.raises(ValueError, match="with rows cannot be replaced"):
        one.with_broad(~which, 0.1)


# parameters


def test_parameters_with_and_without_common_axes():
    rng = np.random.default_rng(9)
    inference = MaximumLikelihood(FAMILIES["VVE"])
    first = inference.update(statistics(rng, 2, 3, Moment.FULL), None)
    second = replace(first, covariance=replace(first.covariance, orientation=None))
    together = stack_parameters([first, second])
    assert_same_record(together.at(0), first)
    assert_same_record(together.at(1), second)
    assert together.at(np.array([1, 1])).covariance.orientation is None
    later = [statistics(rng, 2, 3, Moment.FULL) for _ in range(2)]
    updated = inference.update(stack(later), together)
    assert_same_record(updated.at(1), inference.update(later[1], second), 1e-13)


def test_covariances_that_do_not_belong_together():
    _, n, scatter = problem("VVI", 2, 2)
    one = FAMILIES["VVI"].m_step(n, scatter, None)
    other = replace(one, structure=Structure.SHARED)
    with pytest.raises(ValueError, match="different structures"):
        stack_covariances([one, other])
    with pytest.raises(ValueError, match="no fit axis"):
        one.at(0)
    with pytest.raises(ValueError, match="no fit axis"):
        Parameters(n / n.sum(), np.zeros((2, 2)), one).at(0)
