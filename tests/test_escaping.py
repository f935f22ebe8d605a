"""Moves out of local optima: the bound never falls, and fits that are stuck are repaired."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from sklearn.datasets import make_blobs

import ellimix as em
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.engines.incomplete import suited
from ellimix.errors import Status
from ellimix.escaping import escape
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.inference.mixing import Dirichlet, StickBreaking, expected_log_weights
from ellimix.inference.normal_wishart import NormalWishart
from ellimix.inference.pointed import RULES
from ellimix.inference.variational import VariationalBayes
from ellimix.proposals import Parts, proposals
from ellimix.records import Detail, Moment
from ellimix.sources.memory import MemorySource
from ellimix.starts import STARTS, Beginning, Given

ENGINE = ENGINES["numpy"]
ROUNDING = 1e-9
TOL = 1e-7
PRIORS = {"distribution": Dirichlet(0.05), "process": StickBreaking(0.5)}


def clusters(n=300, k=3, d=2, apart=8.0, seed=0):
    """Rows in k clusters of about the same size, with their labels."""
    random = np.random.RandomState(seed)
    angle = 2 * np.pi * np.arange(k) / k
    means = np.zeros((k, d))
    means[:, 0], means[:, 1 % d] = apart * np.cos(angle), apart * np.sin(angle) + np.arange(k)
    labels = np.arange(n) % k
    return means[labels] + random.normal(size=(n, d)), labels


def bayes_of(rows, rule="full", weights="distribution", floor=0.0):
    d = rows.shape[1]
    diagonal = np.nanvar(rows, axis=0)
    scatter = {"SPHERICAL": diagonal.mean(), "DIAGONAL": diagonal}.get(
        RULES[rule].family.structure.name, np.diag(diagonal)
    )
    prior = NormalWishart(np.nanmean(rows, axis=0), 1.0, d + 1.0, np.asarray(scatter))
    return VariationalBayes(RULES[rule], PRIORS[weights], prior, floor)


def start_of(source, inference, given, k):
    random = np.random.RandomState(0)
    start = given if isinstance(given, Given) else STARTS[given]
    beginning = Beginning(source, ENGINE, k, inference.moment, 1.0, random)
    return start.statistics(beginning)


def fitted(source, inference, given, k, tol=TOL, max_iter=2000):
    task = Task(inference, start_of(source, inference, given, k), tol, max_iter)
    return run(source, ENGINE, [task])[0]


def moved(source, inference, report, seed=0, tol=TOL, **options):
    random = np.random.RandomState(seed)
    return escape(source, ENGINE, report, inference, tol, 2000, random, **options)


def bound(source, inference, report):
    """The bound of the report's own parameters, in nats per unit of weight."""
    model = report.mixture.parameters
    engine = suited(ENGINE, source)
    (s,) = source.placed(engine).reduce(engine.step([inference.potentials(model)]))
    return float((s.loglik + inference.penalty(model)) / s.weight)


def stuck_labels(labels):
    """Two components on the first cluster, one on the other two."""
    given = np.where(labels == 0, 0, 2)
    given[np.flatnonzero(labels == 0)[::2]] = 1
    return given


@pytest.mark.parametrize("weights", PRIORS)
@pytest.mark.parametrize("rule", RULES)
def test_bound_never_falls_and_no_optimum_is_left_by_moves_again(rule, weights):
    rows, _ = clusters(k=4, seed=1)
    source, inference = MemorySource(rows), bayes_of(rows, rule, weights)
    before = fitted(source, inference, "random_from_data", 7, tol=1e-5, max_iter=200)
    after, moves = moved(source, inference, before, tol=1e-5)
    steps = np.diff(after.trace)
    assert (steps >= -ROUNDING * np.abs(after.objective)).all()
    assert after.trace[: len(before.trace)] == before.trace
    assert after.objective >= before.objective - ROUNDING
    assert all(move.gain > 0 for move in moves)
    assert after.notes == tuple(move.note for move in moves)
    assert bound(source, inference, after) >= after.objective - ROUNDING


@pytest.mark.parametrize("weights", PRIORS)
@pytest.mark.parametrize("rule", ["full", "tied", "diag", "spherical", "EEE", "VVI", "EVE"])
@pytest.mark.parametrize("k", [3, 5])
def test_two_on_one_and_one_on_two_is_repaired(rule, weights, k):
    rows, labels = clusters()
    source, inference = MemorySource(rows), bayes_of(rows, rule, weights)
    start = Given(np.eye(k)[stuck_labels(labels)])
    stuck = fitted(source, inference, start, k)
    planted = fitted(source, inference, Given(np.eye(k)[labels]), k)
    assert stuck.objective < planted.objective - 0.05  # else there is nothing to repair
    after, moves = moved(source, inference, stuck)
    assert moves
    assert after.objective >= planted.objective - 1e-5
    found = after.mixture.score_rows(source, ENGINE).labels
    assert len({(a, b) for a, b in zip(found, labels, strict=True)}) == 3


def test_a_birth_finds_the_third_cluster():
    rows, labels = clusters()
    source, inference = MemorySource(rows), bayes_of(rows)
    stuck = fitted(source, inference, Given(np.eye(4)[np.minimum(labels, 1)]), 4)
    assert (stuck.counts > 1.0).sum() == 2
    after, moves = moved(source, inference, stuck)
    assert [move.kind for move in moves] == ["birth"]
    assert np.sort(after.counts).round() == pytest.approx([0, 100, 100, 100])


@pytest.mark.parametrize("k", [3, 4, 5])
def test_likelihood_is_repaired_by_exchanges_alone(k):
    rows, labels = clusters(n=400, k=k)
    source, inference = MemorySource(rows), MaximumLikelihood(RULES["VVV"].family, 1e-6)
    given = stuck_labels(np.minimum(labels, 2)) if k == 3 else None
    if given is None:
        given = np.where(labels <= 1, 0, labels)  # one on the first two, and two on the last
        given[np.flatnonzero(labels == k - 1)[::2]] = 1
    stuck = fitted(source, inference, Given(given), k)
    planted = fitted(source, inference, Given(labels), k)
    assert stuck.objective < planted.objective - 0.05
    after, moves = moved(source, inference, stuck)
    assert {move.kind for move in moves} == {"exchange"}
    assert after.objective >= planted.objective - 1e-5
    assert after.mixture.weights.min() > 0.1


def test_noise_keeps_its_component():
    rows, labels = clusters()
    rows = np.concatenate([rows, np.random.RandomState(1).uniform(-20, 20, size=(40, 2))])
    estimator = em.GaussianMixture(3, noise=True, random_state=0).fit(rows)
    inference = estimator._inference()
    source = MemorySource(rows)
    given = np.append(stuck_labels(labels), np.full(40, 3))
    center = np.array([rows[given == j].mean(axis=0) for j in range(3)] + [inference.box.middle])
    engine_block = next(iter(source.blocks()))
    start = ENGINE.accumulate(np.eye(4)[given], engine_block, center, Moment.FULL)
    (stuck,) = run(source, ENGINE, [Task(inference, start, TOL, 2000)])
    after, moves = moved(source, inference, stuck)
    assert len(moves) >= 1
    assert after.objective >= estimator.lower_bound_ - 1e-4
    assert 0.05 < after.mixture.noise_weight < 0.2


def test_sticks_in_descending_order_have_the_higher_bound():
    rows, labels = clusters(n=600)
    kept = np.random.RandomState(0).uniform(size=600) < np.array([0.2, 0.5, 1.0])[labels]
    rows, rank = rows[kept], labels[kept]  # the sizes of the clusters ascend with their labels
    ascending, descending = np.eye(5)[2 + rank], np.eye(5)[2 - rank]
    source, inference = MemorySource(rows), bayes_of(rows, weights="process")
    best = fitted(source, inference, Given(descending), 5)
    worst = fitted(source, inference, Given(ascending), 5)
    assert worst.objective < best.objective - 0.01
    after, moves = moved(source, inference, worst)
    assert [move.kind for move in moves] == ["order"]
    assert (np.diff(after.counts) <= ROUNDING).all()
    assert after.objective == pytest.approx(best.objective, abs=1e-6)
    assert moved(source, inference, best)[1] == ()
    # a Dirichlet distribution has no order
    inference = bayes_of(rows)
    same = fitted(source, inference, Given(ascending), 5)
    assert moved(source, inference, same)[1] == ()


def test_the_order_of_sticks_is_best_when_it_descends():
    """Of all orders, for fixed counts: the bound of the weights alone."""
    n, prior = np.array([30.0, 12.0, 5.0, 1.0]), StickBreaking(0.7)
    evidence = {}
    for order in permutations(range(4)):
        c = prior.posterior(n[list(order)])
        evidence[order] = n[list(order)] @ expected_log_weights(c) - prior.divergence(c)
    assert max(evidence, key=evidence.get) == (0, 1, 2, 3)
    assert min(evidence, key=evidence.get) == (3, 2, 1, 0)


@pytest.mark.parametrize("weights", PRIORS)
def test_deterministic(weights):
    rows, _ = clusters(n=200, k=5, apart=4.0)
    source, inference = MemorySource(rows), bayes_of(rows, weights=weights)
    before = fitted(source, inference, "random_from_data", 8, tol=1e-4)
    one, moves = moved(source, inference, before, seed=3)
    other, same = moved(source, inference, before, seed=3)
    assert one.trace == other.trace
    assert moves == same
    np.testing.assert_array_equal(one.mixture.means, other.mixture.means)


@pytest.mark.parametrize("weights", PRIORS)
def test_weights_are_repetition(weights):
    rows, labels = clusters(n=150, k=4, apart=4.0)
    times = 1 + np.arange(150) % 3
    repeated = rows.repeat(times, axis=0)
    inference = bayes_of(repeated, weights=weights)
    given = stuck_labels(np.minimum(labels, 2))
    once = MemorySource(rows, times.astype(float))
    often = MemorySource(repeated)
    ends = []
    for source, start in ((once, given), (often, given.repeat(times))):
        before = fitted(source, inference, Given(np.eye(6)[start]), 6)
        ends.append(moved(source, inference, before))
    (one, moves), (other, same) = ends
    assert moves
    assert [(m.kind, m.components) for m in moves] == [(m.kind, m.components) for m in same]
    assert one.objective == pytest.approx(other.objective, abs=1e-9)
    np.testing.assert_allclose([m.gain for m in moves], [m.gain for m in same], rtol=1e-4)


@pytest.mark.parametrize("weights", PRIORS)
@pytest.mark.parametrize("rule", ["full", "EEE", "diag"])
def test_rows_with_holes(weights, rule):
    rows, labels = clusters(n=300, d=3)
    hole = np.random.RandomState(2).uniform(size=rows.shape) < 0.1
    hole[hole.all(axis=1)] = False
    whole = MemorySource(rows)
    inference = bayes_of(rows, rule, weights)
    source = MemorySource(np.where(hole, np.nan, rows))
    # begun from whole rows: what a start makes of holes is not what is asked here
    begun = start_of(whole, inference, Given(np.eye(5)[stuck_labels(labels)]), 5)
    (stuck,) = run(source, ENGINE, [Task(inference, begun, TOL, 2000)])
    begun = start_of(whole, inference, Given(np.eye(5)[labels]), 5)
    (planted,) = run(source, ENGINE, [Task(inference, begun, TOL, 2000)])
    after, moves = moved(source, inference, stuck)
    assert moves
    assert after.objective >= planted.objective - 1e-5
    assert bound(source, inference, after) >= after.objective - ROUNDING


@pytest.mark.parametrize("rule", ["full", "EEE", "diag"])
def test_engines_agree(rule):
    pytest.importorskip("numba")
    rows, labels = clusters()
    source, inference = MemorySource(rows), bayes_of(rows, rule, "process")
    before = fitted(source, inference, Given(np.eye(5)[stuck_labels(labels)]), 5)
    one, moves = moved(source, inference, before)
    random = np.random.RandomState(0)
    other, same = escape(source, ENGINES["numba"], before, inference, TOL, 2000, random)
    assert [move.deed for move in moves] == [move.deed for move in same]
    assert one.objective == pytest.approx(other.objective, abs=1e-8)


def test_accelerated_runs_count_their_passes():
    rows, labels = clusters(n=600, apart=2.5)
    source, inference = MemorySource(rows), bayes_of(rows)
    start = start_of(source, inference, Given(np.eye(4)[0 * labels]), 4)
    (before,) = run(source, ENGINE, [Task(inference, start, 1e-9, 2000, acceleration="auto")])
    after, moves = moved(source, inference, before, tol=1e-9, acceleration="auto")
    assert moves
    assert "accelerated" in after.steps
    assert len(after.steps) - after.steps.count("rejected") == len(after.trace)
    assert (np.diff(after.trace) >= -ROUNDING).all()


def test_known_labels_are_kept():
    rows, labels = clusters()
    prior = np.zeros((300, 3))
    prior[:30] = np.log(np.eye(3)[2 - labels[:30]] + 1e-300)
    source = MemorySource(rows, detail=Detail(prior=np.where(prior < -600, -np.inf, prior)))
    inference = bayes_of(rows, weights="process")
    before = fitted(source, inference, Given(2 - labels), 3)
    after, _ = moved(source, inference, before)
    found = after.mixture.score_rows(MemorySource(rows), ENGINE).labels
    np.testing.assert_array_equal(found, 2 - labels)


def test_fits_that_cannot_be_moved_are_given_back():
    rows, labels = clusters()
    source, inference = MemorySource(rows), bayes_of(rows)
    report = fitted(source, inference, Given(labels), 3)
    assert moved(source, inference, replace(report, status=Status.STOPPED))[0].status is (
        Status.STOPPED
    )
    failed = replace(report, mixture=None, status=Status.COLLAPSED, trace=())
    assert moved(source, inference, failed) == (failed, ())
    one = fitted(source, inference, Given(np.zeros(300, dtype=int)), 1)
    after, moves = moved(source, inference, one)
    assert moves == ()
    assert after.objective == pytest.approx(one.objective)


def two_on_six():
    """A fit of two components, and eight free ones, to six clusters."""
    rows, labels = clusters(n=240, k=6)
    source, inference = MemorySource(rows), bayes_of(rows)
    return source, inference, fitted(source, inference, Given(np.eye(10)[labels // 3]), 10)


def test_rounds_limit_moves():
    source, inference, before = two_on_six()
    _, moves = moved(source, inference, before)
    assert len(moves) > 1
    assert moved(source, inference, before, rounds=1)[1] == moves[:1]
    after, none = moved(source, inference, before, rounds=0)
    assert (after.trace, after.notes, none) == (before.trace, before.notes, ())


@pytest.mark.parametrize("after_passes", [1, 3, 8, 25, 45, 60])
def test_interrupted_moves_keep_the_best_so_far(after_passes, monkeypatch):
    source, inference, before = two_on_six()
    whole, _ = moved(source, inference, before)
    reduce, passes = MemorySource.reduce, []

    def interrupted(self, step):
        passes.append(1)
        if len(passes) == after_passes:
            raise KeyboardInterrupt
        return reduce(self, step)

    monkeypatch.setattr(MemorySource, "reduce", interrupted)
    after, moves = moved(source, inference, before)
    monkeypatch.undo()
    if len(passes) < after_passes:
        pytest.fail("the moves took fewer passes than this test thinks")
    assert after.status is Status.INTERRUPTED
    assert before.objective - ROUNDING <= after.objective <= whole.objective + ROUNDING
    assert after.notes == tuple(move.note for move in moves)
    assert bound(source, inference, after) >= after.objective - ROUNDING


def test_an_observer_stops_the_moves():
    rows, labels = clusters(n=600, apart=2.5)  # near enough for slow ends
    source, inference = MemorySource(rows), bayes_of(rows)
    before = fitted(source, inference, Given(np.eye(4)[0 * labels]), 4)
    after, moves = moved(source, inference, before, tol=1e-13, observe=lambda _: True)
    assert after.status is Status.STOPPED
    assert len(moves) == 1
    assert after.objective > before.objective


@pytest.mark.parametrize("full", [True, False])
def test_parts_are_the_statistics_of_rows(full):
    """Merges are exact; a cut keeps count, mean and scatter of the whole."""
    random = np.random.RandomState(0)
    rows, labels = random.normal(size=(60, 3)) * [1, 5, 2], np.arange(60) % 4

    def parts_of(labels):
        n = np.bincount(labels, minlength=4).astype(float)
        means = np.array(
            [rows[labels == j].mean(axis=0) if n[j] else means_of[j] for j in range(4)]
        )
        away = [rows[labels == j] - means[j] for j in range(4)]
        scatter = np.array([a.T @ a if full else (a**2).sum(axis=0) for a in away])
        return Parts(n, means, scatter)

    means_of = np.array([rows[labels == j].mean(axis=0) for j in range(4)])
    parts = parts_of(labels)
    merged, exact = parts.merged(1, 3), parts_of(np.where(labels == 3, 1, labels))
    np.testing.assert_allclose(merged.n, exact.n)
    np.testing.assert_allclose(merged.means, exact.means)
    np.testing.assert_allclose(merged.scatter, exact.scatter, atol=1e-12)
    fewer = parts.without(3)
    for a in (fewer.longest(0, fewer.units()), fewer.anywhere(0, random.normal(size=3))):
        again = fewer.cut(0, 3, a).merged(0, 3)
        np.testing.assert_allclose(again.n, fewer.n)
        np.testing.assert_allclose(again.means[:3], fewer.means[:3])
        np.testing.assert_allclose(again.scatter, fewer.scatter, atol=1e-12)
        halves = fewer.cut(0, 3, a).scatter[[0, 3]]
        least = np.linalg.eigvalsh(halves).min() if full else halves.min()
        assert least > 0


def test_a_cut_has_the_moments_of_the_halves_of_a_gaussian():
    random = np.random.RandomState(0)
    root = np.array([[2.0, 0.0], [1.0, 0.5]])
    rows = random.normal(size=(400_000, 2)) @ root.T
    normal = np.array([1.0, -2.0])
    covariance = root @ root.T
    a = covariance @ normal / np.sqrt(normal @ covariance @ normal)
    parts = Parts(np.array([1.0, 0.0]), np.zeros((2, 2)), np.stack([covariance, 0 * covariance]))
    cut = parts.cut(0, 1, a)
    upper = rows[rows @ normal > 0]
    np.testing.assert_allclose(cut.means[1], upper.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(cut.scatter[1] / cut.n[1], np.cov(upper.T), atol=0.04)


def test_proposals_without_sense_are_not_made():
    random = np.random.RandomState(0)
    parts = Parts(np.array([5.0, 0.0, 3.0]), np.eye(3, 2), np.ones((3, 2)))
    made = proposals(parts, False, True, 10, random)
    assert {p.kind for p in made} == {"merge", "delete", "birth"}
    assert all(1 not in p.components for p in made)  # it has no rows
    alone = Parts(np.array([5.0]), np.zeros((1, 2)), np.ones((1, 2)))
    assert proposals(alone, False, True, 10, random) == []
    kept = proposals(parts, True, False, 10, random)
    assert all(p.kind in ("order", "exchange") for p in kept)
    for p in proposals(parts, True, True, 10, random):
        assert (np.diff(p.parts.n) <= 0).all()
        assert p.parts.n.sum() <= 8.0


@pytest.mark.parametrize("kind", ["dirichlet_process", "dirichlet_distribution"])
def test_estimator(kind):
    rows, labels = clusters()
    options = {"weight_concentration_prior_type": kind, "random_state": 0, "max_iter": 500}
    options |= {"init_params": np.eye(5)[stuck_labels(labels)], "n_components": 5}
    plain = em.BayesianGaussianMixture(**options).fit(rows)
    moving = em.BayesianGaussianMixture(**options, moves=True).fit(rows)
    assert (plain.weights_ > 0.05).sum() == 2
    assert moving.lower_bound_ > plain.lower_bound_ + 0.05
    assert moving.report_.notes
    assert "bound +" in moving.report_.notes[0]
    assert moving.lower_bounds_[: plain.n_iter_] == plain.lower_bounds_
    assert np.sort(moving.weights_)[-3:] == pytest.approx([1 / 3] * 3, abs=0.01)
    again = em.BayesianGaussianMixture(**options, moves=True).fit(rows)
    np.testing.assert_array_equal(again.means_, moving.means_)


def test_estimator_says_its_moves(capsys):
    rows, labels = clusters()
    options = {"init_params": np.eye(3)[np.minimum(labels, 1)], "max_iter": 500, "verbose": 1}
    em.BayesianGaussianMixture(3, moves=True, **options).fit(rows)
    assert "Move: " in capsys.readouterr().out
    em.BayesianGaussianMixture(3, **options).fit(rows)
    assert "Move: " not in capsys.readouterr().out
    with pytest.raises(ValueError, match="moves"):
        em.BayesianGaussianMixture(moves="yes").fit(rows)


@pytest.mark.parametrize("kind", ["dirichlet_process", "dirichlet_distribution"])
@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize("gamma", [1e-5, 1e-2])
def test_seven_of_ten_components_are_let_go(kind, moves, gamma):
    rows, labels = clusters()
    options = {"weight_concentration_prior_type": kind, "weight_concentration_prior": gamma}
    model = em.BayesianGaussianMixture(10, max_iter=2000, random_state=0, moves=moves, **options)
    model.fit(rows)
    held = model.report_.counts > 0.5
    assert held.sum() == 3
    pairs = {(a, b) for a, b in zip(model.labels_, labels, strict=True)}
    assert len(pairs) == 3
    # what is let go is the prior's
    prior = model.mean_precision_prior_, model.degrees_of_freedom_prior_
    np.testing.assert_allclose(model.mean_precision_[~held], prior[0], atol=0.01)
    np.testing.assert_allclose(model.degrees_of_freedom_[~held], prior[1], atol=0.01)


def test_concentration_changes_the_answer_where_the_start_hid_it():
    """The data of scikit-learn's issue 8632."""
    random = np.random.RandomState(3)
    spread = [random.gamma(1.5) for _ in range(10)]
    rows, _ = make_blobs(n_samples=500, centers=10, random_state=random, cluster_std=spread)
    found = {}
    for moves in (False, True):
        for gamma in (1e-5, 1e5):
            options = {"weight_concentration_prior": gamma, "moves": moves}
            model = em.BayesianGaussianMixture(10, max_iter=1000, random_state=0, **options)
            model.fit(rows)
            found[moves, gamma] = np.unique(model.labels_).size, model.lower_bound_
    assert found[False, 1e-5][0] == found[False, 1e5][0] == 8
    assert found[True, 1e-5][0] < found[True, 1e5][0] < 8
    for gamma in (1e-5, 1e5):
        assert found[True, gamma][1] > found[False, gamma][1] + 0.01
