"""Accelerators of EM: coordinates, the safeguard, the rule, groups of fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerated import accelerated, part, stacked
from ellimix.acceleration import ACCELERATORS, SHAPES, Accelerator
from ellimix.acceleration.anderson import Anderson
from ellimix.acceleration.points import coordinates, decode, encode, point_at
from ellimix.acceleration.rules import Always, Settled
from ellimix.acceleration.squarem import Squarem
from ellimix.covariance import FAMILIES
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import Block, Factor, Moment, SufficientStatistics
from fit_problems import Problem, first, seeds, some, sound_problem

shapes = st.sampled_from(list(Factor))
sizes = st.integers(1, 4)
MOMENTS = {shape: moment for moment, shape in SHAPES.items()}
every = pytest.mark.parametrize("name", tuple(ACCELERATORS))


def some_statistics(shape, m, k, d, seed):
    """Statistics of m fits, from random rows and responsibilities."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(m, 30, d)) * np.exp(random.normal(size=d)) + random.normal(size=d)
    share = random.dirichlet(np.ones(k), size=(m, 30))
    center = random.normal(size=(m, k, d))
    away = rows[:, :, None, :] - center[:, None]
    if shape is Factor.DIAGONAL:
        s2 = np.einsum("mnk,mnki->mki", share, away**2)
    else:
        s2 = np.einsum("mnk,mnki,mnkj->mkij", share, away, away)
        s2 = s2.sum(axis=1) if shape is Factor.SHARED else s2
    s1 = np.einsum("mnk,mnki->mki", share, away)
    n, moment = share.sum(axis=1), MOMENTS[shape]
    return SufficientStatistics(n, s1, s2, center, 0.0, 0.0, 30.0, 30, moment)


def about_means(s, shape):
    """Counts, means and scatter."""
    means = s.center + s.s1 / s.n[..., None]
    if shape is Factor.DIAGONAL:
        return s.n, means, s.s2 - s.s1**2 / s.n[..., None]
    products = s.s1[..., :, None] * s.s1[..., None, :] / s.n[..., None, None]
    return s.n, means, s.s2 - (products.sum(axis=-3) if shape is Factor.SHARED else products)


# -- coordinates -----------------------------------------------------------------------------------


@some
@given(shapes, sizes, sizes, sizes, seeds)
def test_points_hold_all_of_the_statistics(shape, m, k, d, seed):
    s = some_statistics(shape, m, k, d, seed)
    points, sound = encode(s, shape)
    assert sound.all()
    back = about_means(decode(points, s), shape)
    for ours, expected in zip(back, about_means(s, shape), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-11)


@some
@given(shapes, sizes, sizes, sizes, seeds)
def test_coordinates_and_points_are_inverse(shape, m, k, d, seed):
    reference, _ = encode(some_statistics(shape, m, k, d, seed), shape)
    points, _ = encode(some_statistics(shape, m, k, d, seed + 1), shape)
    vector = coordinates(points, reference)
    back = point_at(vector, reference)
    for name in ("n", "means", "root"):
        ours, expected = getattr(back, name), getattr(points, name)
        np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(coordinates(reference, reference), 0.0, atol=1e-12)
    # every vector is a point
    anywhere = np.random.default_rng(seed).normal(size=vector.shape)
    there = point_at(anywhere, reference)
    ours = coordinates(there, reference)
    np.testing.assert_allclose(ours[..., k:], anywhere[..., k:], rtol=1e-7, atol=1e-9)
    # logarithms of counts hold up to a constant: the total is given
    log_n = (ours - anywhere)[..., :k] / np.sqrt(reference.n / reference.n.sum(-1, keepdims=True))
    np.testing.assert_allclose(log_n, log_n[..., :1] + np.zeros(k), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(there.n.sum(axis=-1), reference.n.sum(axis=-1))


@some
@given(shapes, sizes, sizes, seeds)
def test_length_is_the_divergence_of_complete_data(shape, k, d, seed):
    """Twice the Kullback-Leibler divergence between close mixtures with known labels."""
    reference, _ = encode(some_statistics(shape, 1, k, d, seed), shape)
    random = np.random.default_rng(seed)
    zero = coordinates(reference, reference)
    vector = 1e-4 * random.normal(size=zero.shape)
    near = point_at(vector, reference)

    def pieces(points):
        root = points.root[0]
        if shape is Factor.DIAGONAL:
            root = root[:, :, None] * np.eye(d)
        return points.n[0] / points.n[0].sum(), points.means[0], np.broadcast_to(root, (k, d, d))

    p, m, root = pieces(reference)
    p2, m2, root2 = pieces(near)
    divergence = p @ np.log(p / p2)
    for j in range(k):
        inverse = np.linalg.inv(root2[j] @ root2[j].T)
        sigma = root[j] @ root[j].T
        shift = m2[j] - m[j]
        log_det = np.linalg.slogdet(inverse @ sigma)[1]
        trace = np.trace(inverse @ sigma) - d
        divergence += p[j] * 0.5 * (trace + shift @ inverse @ shift - log_det)
    # the counts' coordinates have a direction that changes nothing: their sum
    change = coordinates(near, reference)
    np.testing.assert_allclose(2.0 * divergence, (change**2).sum(), rtol=5e-3, atol=1e-14)


@some
@given(shapes, sizes, sizes, seeds)
def test_shifts_scales_and_triangular_maps_leave_coordinates_alone(shape, k, d, seed):
    random = np.random.default_rng(seed)
    scale = np.exp(random.normal(size=d))
    matrix = np.diag(scale)
    if shape is not Factor.DIAGONAL:
        matrix = matrix + np.tril(random.normal(size=(d, d)), -1)
    shift = 10.0 * random.normal(size=d)

    def mapped(s):
        s2 = s.s2 * scale**2 if shape is Factor.DIAGONAL else matrix @ s.s2 @ matrix.T
        return replace(s, s1=s.s1 @ matrix.T, s2=s2, center=s.center @ matrix.T + shift)

    records = [some_statistics(shape, 1, k, d, seed + i) for i in range(2)]
    before = coordinates(*(encode(s, shape)[0] for s in records))
    after = coordinates(*(encode(mapped(s), shape)[0] for s in records))
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("shape", list(Factor))
def test_singular_statistics_have_no_point(shape):
    s = some_statistics(shape, 3, 2, 2, 0)
    flat = s.s2.copy()
    flat[1] = 0.0
    assert list(encode(replace(s, s1=0.0 * s.s1, s2=flat), shape)[1]) == [True, False, True]
    empty = s.n.copy()
    empty[2, 0] = 0.0
    points, sound = encode(replace(s, n=empty), shape)
    assert list(sound) == [True, True, False]
    assert np.isfinite(points.root).all()


# -- methods ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Squarem(last_cap=1e9, first_cap=1e9), Anderson()])
def test_methods_find_the_limit_of_a_linear_iteration(method):
    """One rate for SQUAREM; as many rates as it has differences for Anderson."""
    rates = np.array([[0.99, 0.99, 0.99]]) if isinstance(method, Squarem) else [[0.99, 0.9, 0.5]]
    steps = np.arange(method.window + 1)[:, None, None] * 1.0
    path = (np.array(rates) ** steps * np.array([1.0, -2.0, 3.0])).swapaxes(0, 1)
    newest = path[:, -1:]
    pairs = path[:, :-1] - newest, path[:, 1:] - newest
    depth = np.array([method.window])
    proposal = method.propose(*pairs, depth, np.array([method.first_cap]))
    assert proposal.worthwhile.all()
    error = np.abs(proposal.vector + newest[:, 0]).max()
    assert error < 1e-2 * np.abs(newest).max()


# -- whole runs ------------------------------------------------------------------------------------


def slow_problem(family, seed=3, k=3, d=2, n=300, weighted=True, apart=1.2):
    """Groups that overlap: EM is slow."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(n, d)) + apart * (np.arange(n) % k)[:, None]
    weight = random.exponential(size=n) + 0.1 if weighted else None
    labels = np.where(random.random(n) < 0.3, random.integers(k, size=n), np.arange(n) % k)
    problem = Problem(rows, weight, labels, k)
    return MaximumLikelihood(FAMILIES[family]), first(family, problem), Block(rows, weight)


@every
@pytest.mark.parametrize("family", tuple(FAMILIES))
def test_the_objective_never_falls(name, family):
    inference, start, block = slow_problem(family)
    (run,) = accelerated(ACCELERATORS[name], inference, [start], [block], 0.0, 60)
    assert run.passes == 60
    assert (np.diff(run.kept) >= -1e-12).all()
    if name != "auto":
        assert run.trials > 0


@every
@pytest.mark.parametrize("family", ["EII", "VVI", "EEE", "VVV"])
def test_fits_together_are_fits_alone(name, family):
    problems = [slow_problem(family, seed) for seed in range(3)]
    inference = problems[0][0]
    starts, blocks = [p[1] for p in problems], [p[2] for p in problems]
    together = accelerated(ACCELERATORS[name], inference, starts, blocks, 1e-7, 80)
    for run, start, block in zip(together, starts, blocks, strict=True):
        (alone,) = accelerated(ACCELERATORS[name], inference, [start], [block], 1e-7, 80)
        assert (alone.passes, alone.rejected) == (run.passes, run.rejected)
        np.testing.assert_allclose(run.objective, alone.objective, rtol=1e-12)
        np.testing.assert_allclose(run.model.means, alone.model.means, rtol=1e-9, atol=1e-9)


def plain(inference, start, block, tol, max_iter):
    """EM without help, by a rule that never allows anything."""
    never = Accelerator(Squarem(), Settled(largest=0.0))
    (run,) = accelerated(never, inference, [start], [block], tol, max_iter)
    assert run.trials == 0
    return run


@pytest.mark.parametrize("seed", range(3))
def test_fewer_passes_to_no_lower_a_maximum(seed):
    problem = slow_problem("VVV", seed, k=2, n=200, apart=1.8)
    slow = plain(*problem, 1e-8, 3000)
    inference, start, block = problem
    (run,) = accelerated(ACCELERATORS["auto"], inference, [start], [block], 1e-8, 3000)
    assert run.ended == slow.ended == "converged"
    assert run.trials > 0
    assert run.passes < slow.passes
    assert run.objective >= slow.objective - 1e-7


@every
def test_the_order_of_rows_and_the_units_of_columns_do_not_matter(name):
    inference, start, block = slow_problem("VVV", 1, k=2)
    order = np.random.default_rng(0).permutation(block.rows.shape[0])
    scale, shift = np.array([100.0, 0.01]), np.array([5.0, -3.0])
    rows = block.rows[order] * scale + shift
    squares = scale[:, None] * scale[None, :]
    center = start.center * scale + shift
    moved = replace(start, s1=start.s1 * scale, s2=start.s2 * squares, center=center)
    accelerator = ACCELERATORS[name]
    (before,) = accelerated(accelerator, inference, [start], [block], 0.0, 30)
    block = Block(rows, block.weight[order])
    (after,) = accelerated(accelerator, inference, [moved], [block], 0.0, 30)
    jacobian = np.log(scale).sum()
    np.testing.assert_allclose(np.array(after.kept) + jacobian, before.kept, rtol=1e-7)


def with_a_thin_component(family):
    """A component of two rows in three features, which such a family takes."""
    random = np.random.default_rng(5)
    rows = np.concatenate([random.normal(size=(80, 3)), [[60.0, 0, 0], [60.0, 1, 0]]])
    labels = np.repeat([0, 1, 2], [40, 40, 2])
    start = first(family, Problem(rows, None, labels, 3))
    inference = MaximumLikelihood(FAMILIES[family])
    return accelerated(ACCELERATORS["squarem"], inference, [start], [Block(rows, None)], 0.0, 20)[0]


@pytest.mark.parametrize("family", ["EEI", "VEE"])
def test_nothing_is_tried_where_a_scatter_is_singular(family):
    """A scatter each: that component's has no coordinates."""
    run = with_a_thin_component(family)
    assert run.trials == 0
    assert run.passes == 20
    assert (np.diff(run.kept) >= -1e-12).all()


def test_a_pooled_scatter_has_coordinates_where_one_component_has_none():
    run = with_a_thin_component("EEE")
    assert run.trials > 0
    assert (np.diff(run.kept) >= -1e-12).all()


def test_a_degenerate_trial_is_refused():
    accelerator, k, d = Accelerator(Squarem(), Always()), 3, 2
    memory = accelerator.begin(2, k, d, SHAPES[Moment.DIAGONAL])
    s = some_statistics(Factor.DIAGONAL, 2, k, d, 0)
    for i in range(3):
        mild = replace(s, center=s.center + 0.5**i)
        advice = accelerator.advance(memory, mild, np.array([0.1 * i, 0.2 * i]), 1e-9)
        memory = advice.memory
    assert advice.trial.all()
    again = accelerator.refuse(advice, mild, np.array([True, False]))
    assert list(again.trial) == [False, True]
    np.testing.assert_array_equal(part(again.statistics, 0).s2, mild.s2[0])
    np.testing.assert_array_equal(part(again.statistics, 1).s2, advice.statistics.s2[1])
    assert again.memory.cap[0] < advice.memory.cap[0]


@every
def test_a_rejected_trial_is_taken_back(name):
    """The objective falls after the trial: on with the EM step from before it."""
    accelerator = ACCELERATORS[name]
    s = some_statistics(Factor.FULL, 1, 2, 2, 0)
    memory = accelerator.begin(1, 2, 2, Factor.FULL)
    objective, gain, i = 0.0, 1e-4, 0
    while not memory.trial[0]:
        at = replace(s, center=s.center + 0.9**i)
        advice = accelerator.advance(memory, at, np.array([objective]), 0.0)
        memory, i = advice.memory, i + 1
        objective += gain if i > 1 else 1.0
        gain *= 0.9
        assert i < 20
    worse = accelerator.advance(memory, s, np.array([-1.0]), 0.0)
    assert worse.rejected[0]
    assert not worse.trial[0]
    assert worse.gain[0] == np.inf
    assert not worse.converged[0]
    assert worse.memory.objective[0] == memory.objective[0]
    ours, expected = about_means(worse.statistics, Factor.FULL), about_means(at, Factor.FULL)
    for left, right in zip(ours, expected, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12)


def test_the_rule_waits_on_plateaus():
    """Random responsibilities: all components alike, and small gains at first."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(300, 2)) + 4.0 * (np.arange(300) % 3)[:, None]
    start = first("EEE", Problem(rows, None, random.dirichlet(np.ones(3), size=300), 3))
    block, inference = Block(rows, None), MaximumLikelihood(FAMILIES["EEE"])
    (run,) = accelerated(ACCELERATORS["auto"], inference, [start], [block], 0.0, 12)
    slow = plain(inference, start, block, 0.0, 12)
    assert run.trials == 0
    assert run.kept == slow.kept


def test_statistics_with_and_without_a_leading_axis():
    problem = sound_problem(60, 2, 2, 0)
    one = first("VVV", problem)
    alone, both = encode(one, Factor.FULL), encode(stacked([one, one]), Factor.FULL)
    np.testing.assert_array_equal(both[0].root[1], alone[0].root)
    assert both[1].shape == (2,)
    assert alone[1].shape == ()
