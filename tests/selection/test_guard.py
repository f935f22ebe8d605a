"""The guard against spurious components."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from scipy.linalg import eigh

import ellimix as em
from ellimix.covariance import FAMILIES
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.inference.base import stack
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.selection.grain import observation, resolutions
from ellimix.selection.guard import Guard, Kind
from ellimix.sources.memory import MemorySource
from ellimix.starts import STARTS, Beginning, Given
from problems import random_rows, random_spd

ENGINE = ENGINES["numpy"]
REFERENCE = Path(__file__).parents[1] / "reference"


def table(name):
    return np.loadtxt(REFERENCE / f"{name}.csv", delimiter=",", skiprows=1, ndmin=2)


def fit(rows, family, k, labels=None, weight=None, floor=0.0):
    """A fit from labels, or from the hierarchical start; it must have ended well."""
    source, inference = MemorySource(rows, weight), MaximumLikelihood(FAMILIES[family], floor)
    random = np.random.RandomState(0)
    start = STARTS["hierarchical"] if labels is None else Given(np.asarray(labels))
    beginning = Beginning(source, ENGINE, k, inference.family.moment, floor, random)
    (report,) = run(source, ENGINE, [Task(inference, start.statistics(beginning), 1e-9, 3000)])
    assert report.sound, report.message
    return report


def judged(rows, report, guard=None, weight=None):
    source = MemorySource(rows, weight)
    counts = report.counts / observation(source)
    return (guard or Guard()).judge(report.mixture, counts, resolutions(source))


def kinds(reasons):
    return {(reason.component, reason.kind) for reason in reasons}


def mixture(weights, means, covariances, family="VVV", names=None):
    return em.Mixture.from_parameters(weights, means, covariances, family, names)


# one constructed example a rule


def two(family, d=3):
    """Two wide clusters of a family, means apart."""
    shape = {"EII": (2,), "VII": (2,), "VVI": (2, d), "EEE": (d, d)}.get(family, (2, d, d))
    full = shape[-2:] == (d, d) and family not in ("EII", "VII", "VVI")
    values = np.broadcast_to(np.eye(d) if full else 1.0, shape).copy()
    return mixture([0.9, 0.1], [[0.0] * d, [3.0] * d], values, family)


NEEDS = "rows) has fewer rows than the 4 that its own"


@pytest.mark.parametrize(
    ("family", "count", "enough", "sentence"),
    [
        ("VVV", 3.9, 4.0, f"(3.9 {NEEDS} covariance of 3 features needs"),
        ("EVV", 3.9, 4.0, f"(3.9 {NEEDS} covariance of 3 features needs"),
        ("EEV", 3.2, 4.0, f"(3.2 {NEEDS} axes in 3 features need"),
        ("VEV", 3.2, 4.0, f"(3.2 {NEEDS} axes in 3 features need"),
        ("VVI", 2.0, 3.0, "(2 rows) has too few rows for a spread of its own"),
        ("VII", 2.0, 3.0, "(2 rows) has too few rows for a spread of its own"),
        ("EEE", 1.0, 2.0, "(1 row) is an outlier and no cluster"),
        ("EII", 1.0, 2.0, "(1 row) is an outlier and no cluster"),
    ],
)
def test_a_component_needs_rows_for_what_it_has_of_its_own(family, count, enough, sentence):
    (reason,) = Guard().judge(two(family), [96.0, count])
    assert (reason.component, reason.kind, reason.count) == (1, Kind.FEW, count)
    assert reason.value == count < reason.limit
    assert reason.sentence == "component 1 " + sentence
    assert Guard().judge(two(family), [96.0, enough]) == ()


def test_few_rows_in_a_flat_are_what_chance_finds_and_many_are_not():
    thin = np.diag([1.0, 4e-4, 1.0])
    names = ("a", "b", "c")
    m = mixture([0.9, 0.1], [[0.0] * 3] * 2, [np.eye(3), thin], names=names)
    (reason,) = Guard().judge(m, [94.0, 6.0], np.zeros(3))
    assert (reason.component, reason.kind) == (1, Kind.CHANCE)
    assert reason.sentence == (
        "component 1 (6 rows) is 47 times thinner than the data along b, as so few rows are by "
        "chance"
    )
    assert Guard().judge(m, [92.0, 8.0], np.zeros(3)) == ()  # as many as chance rarely finds
    tight = mixture([0.9, 0.1], [[0.0] * 3] * 2, [np.eye(3), 1e-3 * np.eye(3)])
    assert Guard().judge(tight, [94.0, 6.0], np.zeros(3)) == ()  # narrow all around: no chance
    assert Guard(chance=9).judge(m, [92.0, 8.0], np.zeros(3)) != ()
    assert Guard(narrow=0.01).judge(m, [94.0, 6.0], np.zeros(3)) == ()


def test_chance_groups_that_were_sought_are_marked():
    """The rows nearest to planes through rows: BIC prefers them to the truth of one component."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(60, 3))
    one = fit(rows, "VVV", 1)
    bic = {k: -2 * r.objective * 60 + r.mixture.n_parameters * np.log(60)
           for k, r in [(1, one)]}  # fmt: skip
    planes = []
    for _ in range(3000):
        through = rows[rng.choice(60, 3, replace=False)]
        normal = np.linalg.svd(through - through.mean(axis=0))[2][-1]
        distance = np.abs((rows - through.mean(axis=0)) @ normal)
        near = np.argsort(distance)[:6]
        planes.append((distance[near].max(), tuple(sorted(near))))
    better = 0
    for _, near in sorted(set(planes))[:5]:
        labels = np.zeros(60, dtype=int)
        labels[list(near)] = 1
        report = fit(rows, "VVV", 2, labels)
        gain = bic[1] + 2 * report.objective * 60 - report.mixture.n_parameters * np.log(60)
        if gain > 0:
            better += 1
            assert judged(rows, report)
    assert better  # else the test shows nothing
    assert judged(rows, one) == ()


def test_a_spike_on_tied_values_is_told_by_the_grid():
    """Ten eruptions after waits of equal length: the likelihood grows as a component shrinks."""
    rows, _ = em.datasets.faithful()
    values, counts = np.unique(rows[:, 1], return_counts=True)
    tied = rows[:, 1] == values[np.argmax(counts)]
    report = fit(rows, "VVV", 3, np.where(tied, 2, rows[:, 1] > 65), floor=1e-6)
    spike = int(np.argmin(report.mixture.variances()[:, 1]))
    assert report.counts[spike] > 9.0
    reasons = judged(rows, report)
    assert kinds(reasons) == {(spike, Kind.SPIKE)}
    rows_there = f"{report.counts[spike]:,.0f}"
    assert reasons[0].sentence == (
        f"component {spike} ({rows_there} rows) is a spike on tied values: it is narrower than "
        "the data's grid along x1"
    )
    # without the grid its width alone tells
    (thin,) = Guard().judge(report.mixture, report.counts)
    assert (thin.component, thin.kind) == (spike, Kind.THIN)
    assert thin.value < 1e-3
    assert thin.sentence.endswith("times thinner than the data along x1")


def test_far_clusters_are_narrow_and_genuine():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) + 1e5])
    report = fit(rows, "VVV", 2, np.repeat([0, 1], 60))
    assert report.diagnostics()[0].relative_width < 1e-3
    assert judged(rows, report) == ()


def test_a_bound_on_the_ratio_of_eigenvalues_is_optional():
    m = mixture([0.5, 0.5], np.zeros((2, 2)), [np.diag([4.0, 1.0]), np.diag([1.0, 0.02])])
    counts, grid = [50.0, 50.0], np.zeros(2)
    assert Guard().judge(m, counts, grid) == ()
    assert Guard(max_ratio=200.1).judge(m, counts, grid) == ()
    (reason,) = Guard(max_ratio=100.0).judge(m, counts, grid)
    assert (reason.component, reason.kind) == (1, Kind.RATIO)
    assert reason.value == pytest.approx(200.0)
    assert reason.sentence == (
        "component 1 (50 rows) has an eigenvalue 200 times smaller than the largest, above the "
        "bound of 100"
    )
    for family, values in (("VII", [9.0, 1.0]), ("VVI", [[1.0, 9.0], [2.0, 3.0]])):
        m = mixture([0.5, 0.5], np.zeros((2, 2)), values, family)
        assert Guard(max_ratio=9.1).judge(m, counts, grid) == ()
        assert len(Guard(max_ratio=8.9).judge(m, counts, grid)) == 1
    shared = mixture([0.5, 0.5], np.zeros((2, 2)), np.diag([9.0, 1.0]), "EEE")
    assert len(Guard(max_ratio=8.9).judge(shared, counts, grid)) == 2


def test_wrong_counts_are_refused():
    with pytest.raises(ValueError, match="one number for each of the 2 components"):
        Guard().judge(two("VVV"), [1.0, 2.0, 3.0])


# fits that are fine stay unmarked


FINE = [
    *(("iris", family, k) for family, k in (("VEV", 2), ("VVV", 2), ("VVV", 3), ("VEV", 3))),
    ("faithful", "EEE", 3),
    ("faithful", "VVV", 2),
    ("diabetes", "VVV", 3),
    ("acidity", "EII", 2),
    ("acidity", "VII", 3),
]


def rows_of(name):
    if name in ("iris", "faithful"):
        return getattr(em.datasets, name)()[0]
    return table(name)


@pytest.mark.parametrize(("name", "family", "k"), FINE)
def test_what_mclust_chooses_is_not_marked(name, family, k):
    rows = rows_of(name)
    report = fit(rows, family, k)
    assert judged(rows, report) == ()
    assert Guard().judge(report.mixture, report.counts) == ()
    source = MemorySource(np.repeat(rows, 2, axis=0))
    assert observation(source) == 2.0 * observation(MemorySource(rows))
    assert Guard().judge(report.mixture, 2.0 * report.counts, resolutions(source)) == ()


@pytest.mark.parametrize("family", ["EVE", "VVE", "EEV", "EVV"])
def test_iris_from_the_species_is_not_marked(family):
    rows = rows_of("iris")
    assert judged(rows, fit(rows, family, 3, np.repeat([0, 1, 2], 50))) == ()


def test_one_point_components_of_an_equal_covariance_do_not_win():
    """31 trees: with one covariance for all, each row far from the rest is worth a component."""
    rows = table("trees")
    distance = np.linalg.norm((rows - rows.mean(axis=0)) / rows.std(axis=0), axis=1)
    labels = np.zeros(31, dtype=int)
    labels[np.argsort(-distance)[:3]] = [1, 2, 3]
    reasons = judged(rows, fit(rows, "EEE", 4, labels))
    assert reasons
    assert {reason.kind for reason in reasons} == {Kind.FEW}


# what must not change the verdict


def spurious(rng, d=3, n=80, flat=6):
    """Rows of one cloud with a flat of a few, and the fit that has a component there."""
    rows = rng.normal(size=(n, d))
    rows[:flat, 0] = 0.3 + 1e-3 * rng.normal(size=flat)
    return rows, (np.arange(n) < flat).astype(int)


@pytest.mark.parametrize("family", ["VVV", "EVV", "VEV", "VVI", "VII"])
def test_units_and_the_order_of_rows_change_nothing(family):
    rng = np.random.default_rng(1)
    rows, labels = spurious(rng)
    unit = np.ones(3) if family in ("VII", "VEV") else np.array([1e-3, 1.0, 1e4])
    before = judged(rows, fit(rows, family, 2, labels))
    order = rng.permutation(len(rows))
    after = judged(rows[order] * unit, fit(rows[order] * unit, family, 2, labels[order]))
    assert kinds(before) == kinds(after)
    assert [r.value for r in before] == pytest.approx([r.value for r in after], rel=1e-3)
    if family == "VVV":
        assert kinds(before) == {(1, Kind.CHANCE)}


def test_affine_maps_change_nothing():
    rng = np.random.default_rng(2)
    rows, labels = spurious(rng)
    image = rows @ rng.normal(size=(3, 3)) + [5.0, -20.0, 300.0]
    before = judged(rows, fit(rows, "VVV", 2, labels))
    after = judged(image, fit(image, "VVV", 2, labels))
    assert kinds(before) == kinds(after) == {(1, Kind.CHANCE)}
    assert before[0].value == pytest.approx(after[0].value, rel=1e-3)


def test_duplicates_and_weights_change_nothing():
    rng = np.random.default_rng(4)
    rows, labels = spurious(rng)
    once = judged(rows, fit(rows, "VVV", 2, labels))
    assert kinds(once) == {(1, Kind.CHANCE)}
    twice = np.repeat(rows, 2, axis=0)
    again = judged(twice, fit(twice, "VVV", 2, np.repeat(labels, 2)))
    assert [r.sentence for r in again] == [r.sentence for r in once]
    for weight in (np.full(80, 2.0), np.full(80, 0.01)):
        weighted = judged(rows, fit(rows, "VVV", 2, labels, weight), weight=weight)
        assert [r.sentence for r in weighted] == [r.sentence for r in once]


def test_a_discrete_column_is_data_until_a_component_shrinks_onto_a_value():
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1], 100)
    counted = rng.binomial(4, np.where(labels, 0.8, 0.2))
    rows = np.column_stack([counted.astype(float), rng.normal(size=200) + 4.0 * labels])
    for family in ("VVV", "VVI", "EEE"):
        assert judged(rows, fit(rows, family, 2, labels)) == ()
    on_two = rows[:, 0] == 2.0
    report = fit(rows, "VVI", 2, on_two.astype(int), floor=1e-6)
    assert (1, Kind.SPIKE) in kinds(judged(rows, report))


# the numbers, against slow twins


def random_mixture(rng, family, k, d):
    values = {
        "VII": np.exp(rng.uniform(-5.0, 1.0, k)),
        "VVI": rng.uniform(0.001, 2.0, (k, d)),
        "EEE": random_spd(rng, d, 1, 4.0)[0],
        "VVV": random_spd(rng, d, k, 4.0),
    }[family]
    return mixture(rng.dirichlet(np.full(k, 3.0)), 2 * rng.normal(size=(k, d)), values, family)


def twin(m, counts, grid, guard):
    """The rules again, a component at a time, with dense generalised eigenvalues."""
    marked, d, n = set(), m.n_features, sum(counts)
    axis_aligned = m.family.name in ("VII", "VVI")
    total = m.total_covariance()
    for k, (c, covariance) in enumerate(zip(counts, m.covariances(), strict=True)):
        if axis_aligned:
            s = np.sort(np.sqrt(np.diagonal(covariance) / np.diagonal(total)))
        else:
            s = np.sqrt(eigh(covariance, total, eigvals_only=True))
        need = {"VVV": d + 1 if d > 1 else 2.5, "EEE": 1.5}.get(m.family.name, 2.5)
        if c < need:
            marked.add((k, Kind.FEW))
        own = m.family.name == "VVV"
        groups = sum(np.log((n - i) / (c - i)) for i in range(int(c)))  # of whole counts
        powers = [max(c - d + 2 * j, 0) if own else c - 1 for j in range(d)]
        odds = sum(p * np.log(1 / x) for p, x in zip(powers, s, strict=True) if x < 1)
        limit = d + guard.chance if own or d == 1 else guard.group
        suspect = need <= c < limit and s[0] < guard.narrow and m.family.name != "EEE"
        if suspect and odds < guard.odds * groups:
            marked.add((k, Kind.CHANCE))
        rounding = np.diag(grid**2 / 12.0)
        if axis_aligned:
            steps = np.sqrt((np.diagonal(covariance) / np.diagonal(rounding)).min())
        else:
            steps = np.sqrt(eigh(covariance, rounding, eigvals_only=True)[0])
        if steps < guard.spike:
            marked.add((k, Kind.SPIKE))
    return marked


@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize("family", ["VII", "VVI", "EEE", "VVV"])
def test_verdicts_of_many_fits_are_those_of_a_slow_twin(family, d):
    rng = np.random.default_rng([d, *family.encode()])
    guard = Guard(narrow=0.3)
    mixtures = [random_mixture(rng, family, 3, d) for _ in range(60)]
    counts = rng.integers(1, 14, size=(60, 3)).astype(float)
    counts[:, 0] += 50
    grid = np.full(d, 0.2)
    parameters = stack([m.parameters for m in mixtures])
    found = guard.verdicts(FAMILIES[family], counts, parameters, grid)
    seen = set()
    for i, m in enumerate(mixtures):
        expected = twin(m, counts[i], grid, guard)
        seen |= {kind for _, kind in expected}
        assert {(k, kind) for kind, mark in found.marks.items()
                for k in np.flatnonzero(mark[i])} == expected  # fmt: skip
        assert found.spurious[i] == bool(expected)
        assert kinds(guard.judge(m, counts[i], grid)) == expected
    assert Kind.FEW in seen
    assert (Kind.CHANCE in seen) == (family != "EEE")


def test_a_thousand_fits_take_milliseconds():
    rows = rows_of("iris")
    report = fit(rows, "VVV", 3)
    parameters = stack([report.mixture.parameters] * 1000)
    counts = np.repeat(report.counts[None], 1000, axis=0)
    grid, times = resolutions(MemorySource(rows)), []
    for _ in range(5):
        begin = perf_counter()
        Guard().verdicts(report.mixture.family, counts, parameters, grid)
        times.append(perf_counter() - begin)
    assert min(times) < 0.2  # measured: 0.005; the limit leaves room for a busy machine


# the grain


def test_steps_of_grids():
    rng = np.random.default_rng(6)
    x = rng.normal(size=400)
    off = np.round(x, 1)
    off[:3] += [0.04, 0.05, 0.06]  # a few values off the grid
    columns = {
        "continuous": (x, 0.0),
        "rounded": (np.round(x, 1), 0.1),
        "shifted": (1e6 + np.round(x, 1), 0.1),
        "whole": (np.round(10 * x), 1.0),
        "binary": ((x > 0) * 3.0, 3.0),
        "constant": (np.ones(400), 0.0),
        "mostly rounded": (off, 0.1),
    }
    rows = np.column_stack([values for values, _ in columns.values()])
    expected = [step for _, step in columns.values()]
    found = resolutions(MemorySource(rows))
    np.testing.assert_allclose(found[:-1], expected[:-1], atol=1e-6)
    assert 0.039 < found[-1] < 0.101  # too fine if anything
    doubled = resolutions(MemorySource(np.repeat(x, 2)[:, None]))
    assert 0.0 < doubled[0] < x.std() / 1000.0  # the gaps of continuous values are small
    narrow = resolutions(MemorySource(np.round(x, 1).astype(np.float32)[:, None]))
    np.testing.assert_allclose(narrow, 0.1, rtol=1e-5)


def test_grid_of_many_rows_is_seen_in_a_sample():
    x = np.round(np.random.default_rng(7).normal(size=(120_000, 1)), 2)
    np.testing.assert_allclose(resolutions(MemorySource(x)), 0.01, rtol=1e-9)


def test_what_an_observation_weighs():
    rng = np.random.default_rng(8)
    rows = random_rows(rng, 30, 2)
    assert observation(MemorySource(rows)) == 1.0
    assert observation(MemorySource(rows[rng.integers(30, size=30)])) == 1.0  # a bootstrap sample
    assert observation(MemorySource(np.tile(rows, (3, 1)), tile=7)) == 3.0
    whole = np.array([4.0, 6.0] * 15)
    assert observation(MemorySource(rows, whole)) == 2.0
    assert observation(MemorySource(np.repeat(rows, 4, axis=0), np.repeat(whole / 2, 4))) == 4.0
    assert observation(MemorySource(rows, 0.01 * whole)) == pytest.approx(0.05)
    assert observation(MemorySource(rows, np.full(30, 1e200))) == pytest.approx(1e200)
    without = np.where(np.arange(30) < 10, 0.0, 0.5)  # weight 0 is no row
    assert observation(MemorySource(rows, without)) == 0.5
