"""Annihilation by minimum message length: formula, monotone stages, choices, and bad input."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ellimix.covariance import FAMILIES
from ellimix.covariance.base import full
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.errors import DataError, DegenerateFit, FitFailed, Status
from ellimix.inference.base import Parameters, stack
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.inference.message_length import MessageLength
from ellimix.records import Moment, SufficientStatistics
from ellimix.records import stack as stack_statistics
from ellimix.selection.annihilation import annihilate
from ellimix.selection.covering import covering, most_components, padded
from ellimix.selection.shrinking import Shrinking
from ellimix.sources.memory import MemorySource
from ellimix.starts import Beginning, Given
from naive import covariance_matrices

ENGINE = ENGINES["numpy"]
# Figueiredo & Jain's four components, with weights 0.3, 0.3, 0.3, 0.1
MEANS = np.array([[-4.0, -4.0], [-4.0, -4.0], [2.0, 2.0], [-1.0, -6.0]])
OVERLAPPING = np.array(
    [[[1, 0.5], [0.5, 1]], [[6, -2], [-2, 6]], [[2, -1], [-1, 2]], [[0.125, 0], [0, 0.125]]]
)
# what a component brings besides its mean, and what all share, from the families' definitions
COVARIANCES = {
    "EII": lambda d: (0, 1),
    "VII": lambda d: (1, 0),
    "EEI": lambda d: (0, d),
    "VEI": lambda d: (1, d - 1),
    "EVI": lambda d: (d - 1, 1),
    "VVI": lambda d: (d, 0),
    "EEE": lambda d: (0, d * (d + 1) // 2),
    "VEE": lambda d: (1, d * (d + 1) // 2 - 1),
    "EVE": lambda d: (d - 1, 1 + d * (d - 1) // 2),
    "VVE": lambda d: (d, d * (d - 1) // 2),
    "EEV": lambda d: (d * (d - 1) // 2, d),
    "VEV": lambda d: (1 + d * (d - 1) // 2, d - 1),
    "EVV": lambda d: (d * (d + 1) // 2 - 1, 1),
    "VVV": lambda d: (d * (d + 1) // 2, 0),
}


def shrunk(rows, family="VVV", weight=None, seed=0, engine=ENGINE, **arguments):
    options = {"most": 15, "reg_covar": 1e-6, "tol": 1e-3, "max_iter": 1000, **arguments}
    random = np.random.RandomState(seed)
    return annihilate(
        MemorySource(rows, weight), engine, FAMILIES[family], random=random, **options
    )


def groups(seed, n=600, d=2, separation=8.0):
    """Three groups, well apart."""
    rng = np.random.default_rng(seed)
    centers = separation * np.eye(3, max(d, 3))[:, :d]
    return centers[np.arange(n) % 3] + rng.standard_normal((n, d))


def overlapping(seed, n=1000):
    """Two components with one mean, one apart, and a small dense one upon the tail of others."""
    rng = np.random.default_rng(seed)
    label = rng.choice(4, size=n, p=[0.3, 0.3, 0.3, 0.1])
    noise = rng.standard_normal((n, 2))
    return MEANS[label] + np.einsum("nij,nj->ni", np.linalg.cholesky(OVERLAPPING)[label], noise)


def naive_length(mixture, rows, weight, own, shared):
    """Eq. 15 term by term, with the densities by inverses and determinants."""
    k, d = mixture.means.shape
    covariances = covariance_matrices(mixture.covariance, k, d)
    n = math.fsum(weight)
    length = own / 2 * math.fsum(math.log(n * p / 12) for p in mixture.weights)
    length += k / 2 * math.log(n / 12) + k * (own + 1) / 2
    length += shared / 2 * math.log(n / 12) + shared / 2
    for row, w in zip(rows, weight, strict=True):
        density = 0.0
        for p, mean, covariance in zip(mixture.weights, mixture.means, covariances, strict=True):
            z = row - mean
            norm = math.sqrt((2 * math.pi) ** d * np.linalg.det(covariance))
            density += p * math.exp(-0.5 * z @ np.linalg.inv(covariance) @ z) / norm
        length -= w * math.log(density)
    return length


@pytest.mark.parametrize("name", FAMILIES)
def test_parameters_are_shared_out(name):
    for d in range(1, 6):
        own, shared = COVARIANCES[name](d)
        inference = MessageLength(FAMILIES[name], 100.0)
        assert inference.own_parameters(d) == d + own
        assert inference.shared_parameters(d) == shared
        for k in range(1, 8):  # affine in K: the two numbers say it all
            assert FAMILIES[name].n_parameters(k, d) == k * own + shared


@pytest.mark.parametrize("name", FAMILIES)
def test_the_length_is_the_formula_and_stages_are_monotone(name):
    rng = np.random.default_rng(3)
    rows = groups(3, n=240, separation=5.0)
    weight = rng.uniform(0.5, 2.0, len(rows))
    found = shrunk(rows, name, weight, most=8, reg_covar=0.0, tol=1e-6)
    d = rows.shape[1]
    own, shared = COVARIANCES[name](d)
    expected = naive_length(found.mixture, rows, weight, own + d, shared)
    assert found.length == pytest.approx(expected, rel=1e-12)
    assert found.log_likelihood == pytest.approx(weight @ found.mixture.log_density(rows))
    assert found.length <= min(found.lengths.values()) + 1e-9
    assert [stage.n_components for stage in found.stages] == list(range(8, 0, -1))
    for stage in found.stages:
        assert np.diff(stage.trace).max(initial=0.0) <= 1e-9 * abs(stage.length)
    assert len(found.trace) <= found.passes
    assert found.mixture.weights.sum() == pytest.approx(1.0)
    assert len(found.mixture.weights) == found.n_components


def statistics(rows, labels, family, weight=None):
    source = MemorySource(rows, weight)
    k = int(labels.max()) + 1
    random = np.random.RandomState(0)
    return Given(labels).statistics(
        Beginning(source, ENGINE, k, FAMILIES[family].moment, 0.0, random)
    )


def test_the_m_step_takes_half_the_parameters_from_every_count():
    rows = np.random.default_rng(0).standard_normal((100, 2))
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    inference = MessageLength(FAMILIES["VVV"], 100.0)
    model = inference.update(statistics(rows, labels, "VVV"), None)
    expected = np.array([47.5, 27.5, 17.5])
    np.testing.assert_allclose(model.weights, expected / expected.sum(), rtol=1e-14)
    plain = MaximumLikelihood(FAMILIES["VVV"]).update(statistics(rows, labels, "VVV"), None)
    np.testing.assert_array_equal(model.covariance.values, plain.covariance.values)
    # weights maximise sum_k n_k log p_k - N/2 sum_k log p_k: no neighbour is better
    n = np.array([50.0, 30.0, 20.0])

    def gain(p):
        return n @ np.log(p) - 2.5 * np.log(p).sum()

    for step in np.random.default_rng(1).normal(scale=1e-3, size=(50, 3)):
        other = np.abs(model.weights + step)
        assert gain(other / other.sum()) < gain(model.weights)


@pytest.mark.parametrize(
    ("counts", "dead"),
    [((93, 5, 2), 2), ((94, 3, 3), 1), ((61, 26, 13), 2), ((50, 30, 20), None), ((100,), None)],
)
def test_the_smallest_component_dies_alone(counts, dead):
    """At n_k <= N/2 = 2.5, or at n p_k <= 12 where there are others."""
    rows = np.random.default_rng(0).standard_normal((100, 2))
    own = statistics(rows, np.repeat(np.arange(len(counts)), counts), "VVV")
    inference = MessageLength(FAMILIES["VVV"], 100.0)
    if dead is None:
        assert inference.update(own, None).weights.min() * 100.0 > 12.0 or len(counts) == 1
        return
    with pytest.raises(DegenerateFit, match="half the number of its parameters") as failure:
        inference.update(own, None)
    assert failure.value.status is Status.ANNIHILATED
    assert failure.value.components == (dead,)
    assert failure.value.status.failed


def test_stacked_fits_get_what_each_gets_alone():
    rows = groups(1, n=90)
    inference = MessageLength(FAMILIES["VEE"], 90.0)
    labels = [np.arange(90) % 3, np.arange(90) // 30, (np.arange(90) + 1) // 31]
    each = [statistics(rows, label, "VEE") for label in labels]
    models = [inference.update(own, None) for own in each]
    together = inference.update(stack_statistics(each), None)
    for place, model in enumerate(models):
        np.testing.assert_allclose(together.at(place).weights, model.weights)
        assert inference.penalty(together)[place] == pytest.approx(inference.penalty(model))
    assert inference.penalty(stack(models)).shape == (3,)


def test_components_of_weight_0_take_nothing():
    rows = groups(2, n=90)
    inference = MessageLength(FAMILIES["VVI"], 90.0)
    two = inference.update(statistics(rows, np.arange(90) % 2, "VVI"), None)
    three = inference.update(statistics(rows, np.arange(90) % 3, "VVI"), None)
    padded_weights = Parameters(np.append(two.weights, 0.0), three.means, three.covariance)
    assert inference.penalty(padded_weights) == pytest.approx(inference.penalty(two))


@pytest.mark.parametrize("name", ["VVV", "EEE", "VII", "EVE"])
def test_three_groups_are_three(name):
    chosen = [shrunk(groups(seed, d=3), name, seed=seed).n_components for seed in range(10)]
    assert sum(k == 3 for k in chosen) >= 9, chosen


def from_the_truth(rows):
    """Message length that EM reaches from the parameters that made `overlapping` rows."""
    covariance = full(OVERLAPPING.copy(), np.ones(4))
    truth = Parameters(np.array([0.3, 0.3, 0.3, 0.1]), MEANS, covariance)
    inference = MessageLength(FAMILIES["VVV"], float(len(rows)), 1e-6)
    task = Task(inference, truth, 1e-9, 3000, acceleration="auto")
    (report,) = run(MemorySource(rows), ENGINES["numba"], [task])
    return -report.objective * len(rows)


@pytest.mark.parametrize("n", [1000, 20000])
def test_overlapping_components_are_found(n):
    """No message is longer than the one that EM reaches from the truth."""
    pytest.importorskip("numba")
    engine = ENGINES["numba"]
    for seed in range(5):
        rows = overlapping(seed, n)
        found = shrunk(rows, seed=seed, most=25, tol=1e-9, engine=engine)
        assert found.length <= from_the_truth(rows) + 0.1
        assert 4 in found.lengths
        assert found.lengths[4] < found.lengths[3] - 20.0
        assert found.n_components == 4
        order = np.lexsort(found.mixture.means.T)
        np.testing.assert_allclose(found.mixture.means[order][-1], [2.0, 2.0], atol=0.3)


def test_one_group_is_one():
    """With 400 rows a clump of 14 pays for itself in one of five seeds."""
    draws = [np.random.default_rng(seed).standard_normal((2000, 3)) for seed in range(10)]
    chosen = [shrunk(rows, seed=seed).n_components for seed, rows in enumerate(draws)]
    assert sum(k == 1 for k in chosen) >= 9, chosen


def shrunk_from(rows, labels, weight=None, engine=ENGINE, family="VVV"):
    """The stages from given labels: nothing is drawn."""
    source = MemorySource(rows, weight).placed(engine)
    total = float(len(rows) if weight is None else weight.sum())
    start = MaximumLikelihood(FAMILIES[family], 1e-6).update(
        statistics(rows, labels, family, weight), None
    )
    shrinking = Shrinking(source, engine, MessageLength(FAMILIES[family], total, 1e-6), 1000)
    shrinking.run(start, 1)
    return shrinking


def test_an_interrupt_between_stages_keeps_the_best(monkeypatch):
    calls = []

    def interrupted(source, engine, tasks, *rest):
        reports = run(source, engine, tasks, *rest)
        calls.append(len(tasks))
        if len(tasks) > 1:
            return [replace(report, status=Status.INTERRUPTED) for report in reports]
        return reports

    monkeypatch.setattr("ellimix.selection.shrinking.run", interrupted)
    found = shrunk(groups(0), most=4, tol=1e-9)
    assert found.status is Status.INTERRUPTED
    assert max(calls) == 3
    assert calls[-1] > 1  # nothing more is run
    assert found.stages[-1].settled


@pytest.mark.parametrize("family", ["VVV", "EEE"])
def test_weights_are_repeated_rows(family):
    rows = groups(5, n=150)
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(150) % 8)
    times = rng.integers(1, 4, 150)
    weighted = shrunk_from(rows, labels, times.astype(float), family=family)
    repeated = shrunk_from(np.repeat(rows, times, axis=0), np.repeat(labels, times), family=family)
    assert [s.status for s in weighted.stages] == [s.status for s in repeated.stages]
    for one, other in zip(weighted.stages, repeated.stages, strict=True):
        np.testing.assert_allclose(one.trace, other.trace, rtol=1e-9)


def test_rows_of_weight_0_change_nothing():
    rows = groups(5, n=150)
    labels = np.arange(150) % 8
    more = np.concatenate([rows, rows[:40] + 100.0])
    weight = np.append(np.ones(150), np.zeros(40))
    plain = shrunk_from(rows, labels)
    padded_rows = shrunk_from(more, np.append(labels, labels[:40]), weight)
    for one, other in zip(plain.stages, padded_rows.stages, strict=True):
        np.testing.assert_allclose(one.trace, other.trace, rtol=1e-9)


def test_engines_and_float32_agree():
    pytest.importorskip("numba")
    rows = groups(6, n=900, d=3) + 3.0
    weight = np.random.default_rng(0).uniform(0.5, 1.5, 900)
    plain = shrunk(rows, weight=weight)
    compiled = shrunk(rows, weight=weight, engine=ENGINES["numba"])
    single = shrunk(rows.astype(np.float32), weight=weight, engine=ENGINES["numba"])
    assert plain.n_components == compiled.n_components == single.n_components == 3
    assert compiled.length == pytest.approx(plain.length, rel=1e-6)
    assert single.length == pytest.approx(plain.length, rel=1e-5)


def test_a_tighter_tolerance_goes_on_from_the_chosen_stage():
    rows = overlapping(0)
    loose, tight = shrunk(rows, tol=1e-3), shrunk(rows, tol=1e-10)
    assert tight.lengths == loose.lengths
    assert tight.passes > loose.passes
    assert tight.length < loose.length
    price = MessageLength(FAMILIES["VVV"], 1000.0).price(2)
    assert price == pytest.approx(2.5 * math.log(1000 / 12))
    assert loose.length - tight.length < price
    trace = np.array(tight.report.trace)
    assert (np.diff(trace) >= -1e-12).all()
    assert tight.report.n_iter == max(len(tight.report.steps), len(trace))


def test_collapsed_components_are_taken_out_and_noted():
    """Rows that are copies of few points: components shrink onto them without a floor."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((6, 2))
    rows = np.concatenate([np.repeat(points, 25, axis=0), rng.standard_normal((300, 2)) + 9.0])
    found = shrunk(rows, most=14, reg_covar=0.0)
    assert any("collapsed" in note for note in found.notes)
    assert any(stage.status is Status.COLLAPSED for stage in found.stages)
    assert [stage.n_components for stage in found.stages] == list(range(14, 0, -1))
    assert found.report.sound
    assert np.isfinite(found.length)


def test_too_many_cells_are_halved():
    rows = np.repeat(np.random.default_rng(0).standard_normal((20, 2)), 2, axis=0)
    start, notes = covering(
        MemorySource(rows), ENGINE, FAMILIES["VVV"], 20, 0.0, np.random.RandomState(0)
    )
    assert start.weights.size == 10
    assert "20 components: it began with 10" in notes[0]
    with pytest.raises(FitFailed, match="below least"):
        shrunk(rows, most=20, least=15, reg_covar=0.0)


@pytest.mark.parametrize("moment", Moment)
def test_padding_adds_rows_of_the_covariance_within(moment):
    """Two more rows and a half a cell, here as weighted rows about each cell's mean."""
    rng = np.random.default_rng(4)
    rows, labels, d = rng.standard_normal((40, 2)), np.arange(40) % 3, 2
    family = {Moment.DIAGONAL: "VVI", Moment.POOLED: "EEE", Moment.FULL: "VVV"}[moment]
    means = np.stack([rows[labels == j].mean(axis=0) for j in range(3)])
    within = sum(np.cov(rows[labels == j].T, bias=True) * (labels == j).sum() for j in range(3))
    root = np.linalg.cholesky(within / 40) * math.sqrt(d)
    extra = [m + sign * column for m in means for column in root.T for sign in (1, -1)]
    everything = np.concatenate([rows, extra])
    all_labels = np.append(labels, np.repeat(np.arange(3), 4))
    weight = np.append(np.ones(40), np.full(12, 0.75))  # 4 * 0.75 = d + 1 in a cell
    expected = statistics(everything, all_labels, family, weight)
    own: SufficientStatistics = padded(statistics(rows, labels, family))
    np.testing.assert_allclose(own.n, expected.n)
    np.testing.assert_allclose(own.means(), expected.means())
    np.testing.assert_allclose(own.scatter(), expected.scatter())


def test_most_by_default():
    family = FAMILIES["VVV"]
    assert most_components(1e6, 10**6, family, 5) == 30
    assert most_components(200.0, 200, family, 5) == 10  # 20 parameters each
    assert most_components(0.5, 50, family, 2) == 1
    assert most_components(1e6, 7, family, 2) == 7
    found = shrunk(groups(0, n=100), most=None)
    assert found.stages[0].n_components == 20


def test_least_is_where_it_ends():
    found = shrunk(groups(0), least=2, most=6)
    assert [stage.n_components for stage in found.stages] == [6, 5, 4, 3, 2]
    only = shrunk(groups(0), least=3, most=3)
    assert only.n_components == 3
    assert len(only.stages) == 1


def test_progress_sees_every_pass_and_may_stop():
    seen = []

    def watch(standing):
        seen.append(standing)
        return standing.n_components == 5

    found = shrunk(groups(0), most=8, progress=watch)
    assert found.status is Status.STOPPED
    assert (np.diff([s.passes for s in seen]) >= 1).all()
    assert [s.n_components for s in seen] == sorted((s.n_components for s in seen), reverse=True)
    assert tuple(s.length for s in seen) == found.trace
    assert found.n_components >= 5
    assert shrunk(groups(0), most=8).status is Status.CONVERGED


def test_the_same_seed_repeats():
    first, again = shrunk(groups(7)), shrunk(groups(7))
    assert first.trace == again.trace
    np.testing.assert_array_equal(first.mixture.means, again.mixture.means)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"most": 3, "least": 4}, ValueError, "most = 3 down to least = 4"),
        ({"least": 0}, ValueError, "least = 0"),
        ({"max_iter": 0}, ValueError, "max_iter is 0"),
        ({"most": 601}, DataError, "601 components need 601 rows"),
    ],
)
def test_bad_input_is_one_sentence(arguments, error, words):
    with pytest.raises(error, match=words):
        shrunk(groups(0), **arguments)


def test_rows_of_weight_0_are_not_counted():
    weight = np.append(np.ones(20), np.zeros(580))
    with pytest.raises(DataError, match="21 components need 21 rows to start from, but 20 count"):
        shrunk(groups(0), weight=weight, most=21)


def test_rows_that_pay_for_nothing():
    rows = np.random.default_rng(0).standard_normal((6, 5))
    with pytest.raises(FitFailed, match="do not pay for its parameters"):
        shrunk(rows, most=1)
    with pytest.raises(FitFailed, match="no spread"):
        shrunk(np.ones((50, 2)), most=5, reg_covar=0.0)
