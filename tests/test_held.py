"""Held parts and bounded weights: the M-step, and fits that it is part of."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

import ellimix as em
from ellimix.compiled import compiled_host
from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Structure
from ellimix.density.checks import covariance_of
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.errors import DegenerateFit, Status
from ellimix.inference.base import Parameters, with_noise
from ellimix.inference.base import stack as stack_parameters
from ellimix.inference.box import Box
from ellimix.inference.held import Held, shares
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import Moment, SufficientStatistics, stack
from ellimix.sources.memory import MemorySource
from fit_problems import few, first, seeds, some, sound_problem
from naive import covariance_matrices

K, D = 4, 2
every_family = pytest.mark.parametrize("name", FAMILIES)
MEANS = np.array([[0.5, 0.0], [3.0, 5.0], [7.0, 9.0], [12.0, 11.0]])
WEIGHTS = np.array([0.2, 0.3, 0.15, 0.35])

# weights, means and covariances that are held
CASES = {
    "means": ([], [0, 2], []),
    "all means": ([], [0, 1, 2, 3], []),
    "weights": ([1, 3], [], []),
    "all weights": ([0, 1, 2, 3], [], []),
    "covariances": ([], [], [1]),
    "all covariances": ([], [], [0, 1, 2, 3]),
    "mixed": ([1], [0, 2], [0, 3]),
    "a component": ([2], [2], [2]),
    "all": ([0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]),
    "equal": ("equal", [0], [2]),
    "least": ("least", [1], [1]),
    "least and weights": ("least", [], []),
}
every_case = pytest.mark.parametrize("case", CASES)


def given_covariance(family, k=K, d=D):
    """Covariances that are not those of a family but for their structure."""
    turned = np.random.default_rng(5).normal(size=(k, d, d))
    values = turned @ np.swapaxes(turned, 1, 2) + np.eye(d)
    shapes = {
        Structure.SPHERICAL: values[:, 0, 0],
        Structure.DIAGONAL: np.diagonal(values, axis1=1, axis2=2),
        Structure.SHARED: values[0],
        Structure.FULL: values,
    }
    return covariance_of(shapes[family.structure], family.structure, k, d)


def held_of(name, case):
    family = FAMILIES[name]
    weights, means, covariances = CASES[case]
    own = np.full(K, np.nan)
    if not isinstance(weights, str):
        own[weights] = WEIGHTS[weights]
    if case == "least and weights":
        own[0] = 0.3
    placed = np.full((K, D), np.nan)
    placed[means] = MEANS[means]
    if family.structure is Structure.SHARED and len(covariances) < K:
        covariances = []
    shaped = np.zeros(K, dtype=bool)
    shaped[covariances] = True
    given = given_covariance(family) if shaped.any() else None
    least = 0.15 if weights == "least" else 0.0
    return Held(own, placed, given, shaped, weights == "equal", least)


def inference_of(name, case, floor=0.0, box=None):
    return MaximumLikelihood(FAMILIES[name], floor, box, held_of(name, case))


def problem_of(seed, n=80):
    return sound_problem(n, D, K, seed)


def cluttered(seed):
    problem, rng = problem_of(seed, 70), np.random.default_rng(seed)
    rows = np.concatenate([problem.rows, rng.uniform(-14.0, 26.0, size=(10, D))])
    return replace(problem, rows=rows, start=np.append(problem.start, np.arange(10) % K))


# weights


def brute_force_shares(n, rest, least):
    """Every set of components at their bounds; the best of those that are allowed."""
    best, value = None, -np.inf
    for chosen in itertools.product([False, True], repeat=n.size):
        bound = np.array(chosen)
        pi = np.where(bound, least, 0.0)
        if not bound.all() and n[~bound].sum() > 0.0:
            pi[~bound] = n[~bound] / n[~bound].sum() * (rest - least[bound].sum())
        if abs(pi.sum() - rest) > 1e-9 or (pi < least * (1.0 - 1e-12)).any():
            continue
        if (pi[n > 0.0] == 0.0).any():
            continue
        logs = [count * math.log(p) if count else 0.0 for count, p in zip(n, pi, strict=True)]
        if math.fsum(logs) > value:
            best, value = pi, math.fsum(logs)
    return best


@some
@given(seeds, st.integers(1, 5), st.floats(0.0, 0.99), st.booleans())
def test_shares_are_the_best_of_all_sets_of_bounds(seed, k, tight, noise):
    rng = np.random.default_rng(seed)
    n = rng.exponential(size=k) ** 4
    n[rng.random(k) < 0.2] = 0.0
    n[rng.integers(k)] = 1.0
    rest = rng.uniform(0.1, 1.0)
    least = np.full(k, tight * rest / k)
    if noise:
        least[-1] = 0.0
    ours = shares(n, rest, least)
    np.testing.assert_allclose(ours, brute_force_shares(n, rest, least), rtol=1e-9, atol=1e-15)
    assert (ours >= least).all()
    assert ours.sum() == pytest.approx(rest, rel=1e-12)


def test_shares_of_a_stack_are_those_of_its_fits():
    rng = np.random.default_rng(0)
    n = rng.exponential(size=(50, 4)) ** 3
    least = np.full(4, 0.12)
    together = shares(n, 0.8, least)
    np.testing.assert_array_equal(together, [shares(row, 0.8, least) for row in n])


def test_without_counts_shares_are_equal():
    np.testing.assert_array_equal(shares(np.zeros(4), 0.8, np.zeros(4)), np.full(4, 0.2))
    np.testing.assert_allclose(shares(np.array([5e-324, 0.0]), 1.0, np.full(2, 0.2)), [0.8, 0.2])


@pytest.mark.parametrize("noise", [None, 3.0, 0.0, 500.0])
@pytest.mark.parametrize("case", ["weights", "least", "equal", "least and weights"])
def test_proportions_against_a_numerical_maximum(case, noise):
    held, n = held_of("VVV", case), np.array([50.0, 1.0, 20.0, 10.0])
    weights, clutter = held.proportions(n, None if noise is None else np.array(noise))
    ours = weights if noise is None else np.append(weights, clutter)
    counts = n if noise is None else np.append(n, noise)
    assert ours.sum() == pytest.approx(1.0, rel=1e-12)
    conditions = [{"type": "eq", "fun": lambda p: p.sum() - 1.0}]
    if held.equal_weights:
        conditions += [{"type": "eq", "fun": lambda p, i=i: p[i] - p[0]} for i in (1, 2, 3)]
    bounds = [(max(held.min_weight, 1e-12), 1.0)] * K + [(1e-12, 1.0)] * (noise is not None)
    for j in np.flatnonzero(~np.isnan(held.weights)):
        bounds[j] = (held.weights[j], held.weights[j])
    loss = lambda p: -(counts * np.log(np.maximum(p, 1e-300))).sum() / counts.sum()  # noqa: E731
    found = minimize(
        loss, np.full(counts.size, 1.0 / counts.size), bounds=bounds, constraints=conditions,
        method="SLSQP", options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    assert loss(ours) <= found.fun + 1e-9
    np.testing.assert_allclose(ours, found.x, atol=2e-4)


# the M-step against rows and loops


def responsibilities(seed, n=60):
    rng = np.random.default_rng(seed)
    rows = MEANS[np.arange(n) % K] + rng.normal(size=(n, D)) @ np.array([[1.0, 0.4], [0.0, 0.8]])
    return rows, rng.dirichlet(np.full(K, 0.5), size=n)


def statistics_of(rows, r, moment, center=None):
    """Sums by loops over rows and components."""
    k, d = r.shape[1], rows.shape[1]
    center = np.zeros((k, d)) if center is None else center
    n, s1, s2 = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    for i, j in np.ndindex(*r.shape):
        z = rows[i] - center[j]
        n[j] += r[i, j]
        s1[j] += r[i, j] * z
        s2[j] += r[i, j] * np.outer(z, z)
    if moment is Moment.DIAGONAL:
        s2 = np.diagonal(s2, axis1=1, axis2=2).copy()
    elif moment is Moment.POOLED:
        s2 = s2.sum(axis=0)
    return SufficientStatistics(n, s1, s2, center, 0.0, 0.0, r.sum(), len(rows), moment)


def naive_update(family, held, rows, r):
    """Means, scatter about them and the family over the free components, by loops."""
    means = np.empty((K, D))
    scatter = np.zeros((K, D, D))
    for j in range(K):
        free = np.isnan(held.means[j]).all()
        means[j] = (r[:, j] @ rows) / r[:, j].sum() if free else held.means[j]
        for i, row in enumerate(rows):
            scatter[j] += r[i, j] * np.outer(row - means[j], row - means[j])
    if family.moment is Moment.DIAGONAL:
        scatter = np.diagonal(scatter, axis1=1, axis2=2).copy()
    free, n = ~held.shaped, r.sum(axis=0)
    sigma = np.empty((K, D, D))
    if held.covariance is not None:
        sigma[:] = covariance_matrices(held.covariance, K, D)
    if free.any():
        part = scatter[free].sum(axis=0) if family.moment is Moment.POOLED else scatter[free]
        sigma[free] = covariance_matrices(family.m_step(n[free], part, None), free.sum(), D)
    return means, sigma


@every_case
@every_family
def test_the_m_step_is_that_of_loops_over_rows(name, case):
    inference = inference_of(name, case)
    rows, r = responsibilities(1)
    means, sigma = naive_update(FAMILIES[name], inference.held, rows, r)
    for center in (None, MEANS):
        model = inference.update(statistics_of(rows, r, inference.moment, center), None)
        np.testing.assert_allclose(model.means, means, rtol=1e-10)
        ours = covariance_matrices(model.covariance, K, D)
        np.testing.assert_allclose(ours, sigma, rtol=1e-7, atol=1e-9)
        _, log_det = np.linalg.slogdet(ours)
        np.testing.assert_allclose(model.covariance.log_det, log_det, atol=1e-9)


def expected(rows, r, weights, means, sigma):
    """The expected complete-data log-likelihood."""
    value = 0.0
    for j in range(len(means)):
        z = np.linalg.solve(np.linalg.cholesky(sigma[j]), (rows - means[j]).T)
        _, log_det = np.linalg.slogdet(sigma[j])
        value += r[:, j] @ (np.log(weights[j]) - 0.5 * (log_det + (z**2).sum(axis=0)))
    return value


def covariances_from(name, free, x):
    """Unconstrained numbers to covariance matrices of the free components, by family."""
    count = int(free)
    if name == "EII":
        return np.repeat(np.exp(x[:1])[:, None, None] * np.eye(D), count, axis=0)
    if name == "VII":
        return np.exp(x[:count])[:, None, None] * np.eye(D)
    if name == "EEI":
        return np.repeat(np.diag(np.exp(x[:D]))[None], count, axis=0)
    if name == "EVI":
        return np.exp(x[0]) * np.array([np.diag(np.exp([a, -a])) for a in x[1 : 1 + count]])
    if name == "VEI":
        shape = np.diag(np.exp([x[0], -x[0]]))
        return np.exp(x[1 : 1 + count])[:, None, None] * shape
    if name == "VVI":
        return np.array([np.diag(np.exp(v)) for v in x[: D * count].reshape(count, D)])
    root = lambda v: np.array([[np.exp(v[0]), 0.0], [v[1], np.exp(v[2])]])  # noqa: E731
    full = lambda v: root(v) @ root(v).T  # noqa: E731
    if name == "EEE":
        return np.repeat(full(x[:3])[None], count, axis=0)
    if name == "VEE":
        return np.exp(np.append(0.0, x[3 : 2 + count]))[:, None, None] * full(x[:3])
    axes = lambda t: np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])  # noqa: E731
    turned = lambda t, u: axes(t) @ np.diag(np.exp(u)) @ axes(t).T  # noqa: E731
    if name == "EEV":
        return np.array([turned(t, x[:2]) for t in x[2 : 2 + count]])
    if name == "VEV":
        turns, sizes = x[1 : 1 + count], x[1 + count : 1 + 2 * count]
        pairs = zip(turns, sizes, strict=True)
        return np.array([turned(t, [s + x[0], s - x[0]]) for t, s in pairs])
    if name == "EVE":
        return np.array([turned(x[0], [x[1] + a, x[1] - a]) for a in x[2 : 2 + count]])
    if name == "VVE":
        return np.array([turned(x[0], u) for u in x[1 : 1 + 2 * count].reshape(count, 2)])
    if name == "EVV":
        shapes = x[1 : 1 + 2 * count].reshape(count, 2)
        return np.exp(x[0]) * np.array([turned(t, [a, -a]) for t, a in shapes])
    return np.array([full(v) for v in x[: 3 * count].reshape(count, 3)])


@pytest.mark.parametrize("case", ["mixed", "a component", "all means"])
@every_family
def test_no_numerical_search_finds_better_free_parameters(name, case):
    inference = inference_of(name, case)
    held, (rows, r) = inference.held, responsibilities(2, 40)
    model = inference.update(statistics_of(rows, r, inference.moment), None)
    ours = covariance_matrices(model.covariance, K, D)
    best = expected(rows, r, model.weights, model.means, ours)
    free_means, free = ~held.placed, ~held.shaped

    def loss(x):
        means, sigma = model.means.copy(), ours.copy()
        cut = D * free_means.sum()
        means[free_means] = x[:cut].reshape(-1, D)
        sigma[free] = covariances_from(name, free.sum(), x[cut:])
        return -expected(rows, r, model.weights, means, sigma)

    rng = np.random.default_rng(3)
    located = model.means[free_means].ravel()
    bounds = [(-20.0, 20.0)] * located.size + [(-7.0, 7.0)] * 12
    options = {"maxiter": 1000, "maxfun": 100_000, "ftol": 1e-13}
    for _ in range(40):
        start = np.append(located, rng.normal(size=12))
        found = minimize(loss, start, method="L-BFGS-B", bounds=bounds, options=options).fun
        assert best >= -found - 1e-6
        if best <= -found + 0.5:
            return
    raise AssertionError("The search has never come near, so it says nothing.")


# fits


def fitted(name, case, problem, acceleration=None, max_iter=25, engine="numpy", box=None, floor=0):
    inference = inference_of(name, case, floor, box)
    start = first(name, problem)
    if box is not None:
        start = with_noise(first("VVI" if start.s2.ndim == 2 and start.moment is Moment.DIAGONAL
                                 else "VVV", problem), 5.0, box.middle)  # fmt: skip
    task = Task(inference, start, 0.0, max_iter, acceleration=acceleration)
    source = MemorySource(problem.rows, problem.weight)
    (report,) = run(source, ENGINES[engine], [task])
    return inference.held, report


def assert_held(held, mixture):
    """To the bit."""
    weighted = ~np.isnan(held.weights)
    np.testing.assert_array_equal(mixture.weights[weighted], held.weights[weighted])
    np.testing.assert_array_equal(mixture.means[held.placed], held.means[held.placed])
    assert (mixture.weights >= held.min_weight).all()
    if held.equal_weights:
        assert len(set(mixture.weights.tolist())) == 1
    assert mixture.weights.sum() + mixture.noise_weight == pytest.approx(1.0, rel=1e-12)
    if held.covariance is None:
        return
    for field in ("values", "factor"):
        ours, wanted = getattr(mixture.covariance, field), getattr(held.covariance, field)
        which = ... if mixture.covariance.structure is Structure.SHARED else held.shaped
        np.testing.assert_array_equal(ours[which], wanted[which])
    shaped = held.shaped
    np.testing.assert_array_equal(
        mixture.covariance.log_det[shaped], held.covariance.log_det[shaped]
    )


def assert_monotone(report):
    trace = np.array(report.trace)
    assert len(trace) > 1
    assert (np.diff(trace) >= -1e-10 * (1.0 + np.abs(trace[:-1]))).all()


@pytest.mark.parametrize("acceleration", [None, "squarem", "anderson"])
@every_case
@every_family
def test_fits_are_monotone_and_hold_to_the_bit(name, case, acceleration):
    held, report = fitted(name, case, problem_of(7), acceleration)
    assert report.status is Status.MAX_ITER
    assert_monotone(report)
    assert_held(held, report.mixture)


@few
@given(seeds, st.sampled_from(tuple(CASES)), st.sampled_from(tuple(FAMILIES)))
def test_fits_are_monotone_wherever_they_begin(seed, case, name):
    held, report = fitted(name, case, problem_of(seed))
    assert_monotone(report)
    assert_held(held, report.mixture)


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("all weights", "all")])
@every_family
def test_with_noise(name, case):
    box = Box(np.array([6.0, 6.0]), np.eye(2), np.array([40.0, 40.0]))
    held, report = fitted(name, case, cluttered(3), box=box)
    assert report.status is Status.MAX_ITER
    assert_monotone(report)
    assert_held(held, report.mixture)
    assert report.mixture.noise_weight > 0.0


@every_case
@every_family
def test_a_stack_is_what_its_fits_are(name, case):
    inference = inference_of(name, case)
    parts = [
        statistics_of(*responsibilities(seed, 40), inference.moment) for seed in range(3)
    ]  # fmt: skip
    before = None
    alone = [None] * 3
    for _ in range(2):
        together = inference.update(stack(parts), before)
        alone = [inference.update(s, b) for s, b in zip(parts, alone, strict=True)]
        before = stack_parameters(alone)
        for i, own in enumerate(alone):
            ours = together.at(i)
            np.testing.assert_allclose(ours.weights, own.weights, rtol=1e-12)
            np.testing.assert_allclose(ours.means, own.means, rtol=1e-12)
            for field in ("values", "factor", "log_det"):
                left, right = (getattr(p.covariance, field) for p in (ours, own))
                np.testing.assert_allclose(left, right, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("case", ["means", "mixed", "least"])
@pytest.mark.parametrize("name", ["VVV", "EEE", "EVE", "VEI"])
def test_the_compiled_engine_holds_the_same(name, case):
    pytest.importorskip("numba")
    held, plain = fitted(name, case, problem_of(11))
    _, fast = fitted(name, case, problem_of(11), engine="numba")
    assert_held(held, fast.mixture)
    np.testing.assert_allclose(fast.trace, plain.trace, rtol=1e-9)


def test_the_compiled_moments_are_not_those_of_held_means():
    pytest.importorskip("numba")
    inference = inference_of("VVV", "means")
    statistics = stack([statistics_of(*responsibilities(4), Moment.FULL)])
    plain = inference.update(statistics, None)
    with compiled_host(True):
        fast = inference.update(statistics, None)
    np.testing.assert_array_equal(fast.means, plain.means)
    np.testing.assert_allclose(fast.covariance.values, plain.covariance.values, rtol=1e-12)


# components without rows


def lost(name, which, **parts):
    """Statistics in which one component has no rows, and an inference."""
    family = FAMILIES[name]
    rows, r = responsibilities(0)
    r[:, which] = 0.0
    held = replace(
        Held(np.full(K, np.nan), np.full((K, D), np.nan), None, np.zeros(K, dtype=bool)), **parts
    )
    return MaximumLikelihood(family, 0.0, None, held), statistics_of(rows, r, family.moment)


@every_family
def test_a_component_that_is_held_may_be_empty(name):
    family = FAMILIES[name]
    placed = np.full((K, D), np.nan)
    placed[2] = MEANS[2]
    shaped = np.arange(K) == 2
    if family.structure is Structure.SHARED:
        shaped = np.ones(K, dtype=bool)
    inference, statistics = lost(
        name, 2, means=placed, shaped=shaped, covariance=given_covariance(family)
    )
    model = inference.update(statistics, None)
    assert model.weights[2] == 0.0
    np.testing.assert_array_equal(model.means[2], MEANS[2])
    assert np.isfinite(covariance_matrices(model.covariance, K, D)).all()
    rows = responsibilities(0)[0]
    task = Task(inference, statistics, 0.0, 5)
    (report,) = run(MemorySource(rows), ENGINES["numpy"], [task])
    assert report.status is Status.MAX_ITER
    least = replace(inference, held=replace(inference.held, min_weight=0.1))
    assert least.update(statistics, None).weights[2] == 0.1


@pytest.mark.parametrize("parts", [{"min_weight": 0.1}, {"equal_weights": True}])
@every_family
def test_a_component_without_rows_has_no_mean(name, parts):
    inference, statistics = lost(name, 2, **parts)
    with pytest.raises(DegenerateFit, match=r"component 2 \(count 0\): no row") as failure:
        inference.update(statistics, None)
    assert failure.value.status is Status.EMPTY


@every_family
def test_a_held_mean_is_enough_where_all_share_one_covariance(name):
    placed = np.full((K, D), np.nan)
    placed[2] = MEANS[2]
    inference, statistics = lost(name, 2, means=placed)
    if name in ("EII", "EEI", "EEE"):
        others = [0, 1, 3]
        rest = inference.update(statistics, None)
        n, rows = statistics.n[others], responsibilities(0)
        r = rows[1][:, others]
        small = statistics_of(rows[0], r, FAMILIES[name].moment)
        alone = MaximumLikelihood(FAMILIES[name]).update(small, None)
        left, right = rest.covariance.log_det[:3], alone.covariance.log_det
        np.testing.assert_allclose(left, right, rtol=1e-12)
        np.testing.assert_allclose(rest.weights[others], n / n.sum())
    else:
        with pytest.raises(DegenerateFit, match="component 2"):
            inference.update(statistics, None)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name[0] == "V" or name == "EVV"])
def test_a_singular_component_has_its_own_number(name):
    """The family's M-step sees three of the four; the message speaks of the four."""
    rows = np.random.default_rng(0).normal(size=(43, 2))
    labels = np.append(np.arange(40) % 3, [3, 3, 3])
    labels[labels == 2], labels[40:] = 9, 2  # component 2 has three equal rows
    labels[labels == 9] = 3
    rows[40:] = 1.0
    family = FAMILIES[name]
    held = replace(held_of(name, "covariances"), shaped=np.arange(K) == 1)
    statistics = statistics_of(rows, np.eye(K)[labels], family.moment)
    with pytest.raises(DegenerateFit, match=r"component 2 \(count 3\)"):
        MaximumLikelihood(family, 0.0, None, held).update(statistics, None)


# parameters that are counted


def naive_count(name, held, noise):
    free = np.isnan(held.weights).sum() + noise
    weights = noise if held.equal_weights else max(0, free - 1)
    own = (~held.shaped).sum()
    covariances = FAMILIES[name].n_parameters(own, D) if own else 0
    return weights + D * (~held.placed).sum() + covariances


@every_case
@every_family
def test_what_was_estimated_is_counted(name, case):
    held, report = fitted(name, case, problem_of(1), max_iter=2)
    assert report.mixture.n_parameters == naive_count(name, held, 0)
    if case not in ("all", "all weights"):
        box = Box(np.array([6.0, 6.0]), np.eye(2), np.array([40.0, 40.0]))
        held, report = fitted(name, case, problem_of(1), max_iter=2, box=box)
        assert report.mixture.n_parameters == naive_count(name, held, 1)


def test_everything_held_leaves_no_parameter():
    assert fitted("VVV", "all", problem_of(1), max_iter=2)[1].mixture.n_parameters == 0


def test_files_keep_how_many_parameters_were_held(tmp_path):
    mixture = fitted("VVV", "mixed", problem_of(1), max_iter=2)[1].mixture
    em.save(mixture, tmp_path / "held.json")
    assert em.load(tmp_path / "held.json").n_parameters == mixture.n_parameters
    text = (tmp_path / "held.json").read_text()
    field = f'"n_held": {mixture.n_held}'
    older = text.replace(f",\n {field}", "")
    assert "n_held" not in older
    (tmp_path / "older.json").write_text(older)
    assert em.load(tmp_path / "older.json").n_held == 0
    for wrong in ("-1", "1000", "true", "1.0", '"3"', "null"):
        (tmp_path / "wrong.json").write_text(text.replace(field, f'"n_held": {wrong}'))
        with pytest.raises(em.errors.ModelFileError, match="n_held must be an integer from 0 to"):
            em.load(tmp_path / "wrong.json")


# imposing


@every_case
@every_family
def test_imposed_parameters_are_allowed_and_stay(name, case):
    held = held_of(name, case)
    start = MaximumLikelihood(FAMILIES[name]).update(
        statistics_of(*responsibilities(9), FAMILIES[name].moment), None
    )
    once = held.imposed(start)
    assert held.allows(once.weights)
    assert_held(held, em.Mixture(once, FAMILIES[name]))
    free = ~held.shaped
    if free.any():
        before, after = (covariance_matrices(p.covariance, K, D)[free] for p in (start, once))
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(once.means[~held.placed], start.means[~held.placed])
    assert isinstance(once, Parameters)
