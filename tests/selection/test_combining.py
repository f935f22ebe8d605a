"""Components merged into clusters: each rule against its definition, and what must not matter."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import accumulate, combinations

import numpy as np
import pytest
from scipy.cluster.hierarchy import is_monotonic, is_valid_linkage
from scipy.integrate import quad
from scipy.special import expit

import ellimix as em
import naive
from ellimix.selection.combining import RULES, posteriors
from ellimix.selection.combining.base import Clusters, Pair, stopped
from ellimix.selection.combining.elbow import two_segments
from ellimix.selection.combining.entropy import ONE_MODE
from ellimix.selection.combining.posteriors import Posteriors
from ellimix.selection.combining.ridgeline import ratio
from ellimix.sources.memory import MemorySource

EVERY = list(RULES)


def problem(seed, n=150, k=5, d=2):
    """An overlapping mixture, rows of it, and row weights."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(k, d, d)) * 0.6
    covariances = roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(d)
    mixture = em.Mixture.from_parameters(
        rng.dirichlet(np.full(k, 4.0)), rng.normal(size=(k, d)) * 2.0, covariances
    )
    return mixture, mixture.sample(n, rng)[0], rng.uniform(0.2, 3.0, size=n)


def sets_of_merges(tree):
    """The components of the two clusters of each merge."""
    members = [{j} for j in range(tree.n_components)]
    out = []
    for a, b in tree.merges:
        out.append({frozenset(members[a]), frozenset(members[b])})
        members.append(members[a] | members[b])
    return out


# -- slow twins: the value of a pair from its definition ------------------------------------------


def shares_of(mixture, rows, groups):
    joint = naive.log_joint(mixture.potentials, rows)
    share = naive.responsibilities(joint)
    return np.array([[math.fsum(r[j] for j in group) for group in groups] for r in share])


def moments_of(mixture, group):
    w = [float(mixture.weights[j]) for j in group]
    mean = sum(x * mixture.means[j] for x, j in zip(w, group, strict=True)) / sum(w)
    covariance = sum(
        x * (mixture.covariances()[j] + np.outer(mixture.means[j] - mean, mixture.means[j] - mean))
        for x, j in zip(w, group, strict=True)
    )
    return sum(w), mean, covariance / sum(w)


def slow_entropy(mixture, rows, weight, groups, a, b):
    joined = [g for i, g in enumerate(groups) if i not in (a, b)] + [groups[a] + groups[b]]
    before, after = (shares_of(mixture, rows, g) for g in (groups, joined))
    return naive.entropy(before, weight) - naive.entropy(after, weight)


def slow_bhattacharyya(mixture, rows, weight, groups, a, b):
    (_, m, s), (_, o, t) = (moments_of(mixture, groups[g]) for g in (a, b))
    middle = (s + t) / 2.0
    apart = (m - o) @ np.linalg.inv(middle) @ (m - o) / 8.0
    spread = math.log(np.linalg.det(middle) / math.sqrt(np.linalg.det(s) * np.linalg.det(t)))
    return math.exp(-apart - spread / 2.0)


def slow_demp(mixture, rows, weight, groups, a, b):
    share = shares_of(mixture, rows, groups)
    rates = []
    for of, to in ((a, b), (b, a)):
        taken = total = 0.0
        for i in range(len(rows)):
            total += weight[i] * share[i, of]
            if max(range(len(groups)), key=lambda g, i=i: share[i, g]) == to:
                taken += weight[i] * share[i, of]
        rates.append(taken / total)
    return max(rates)


def slow_ridgeline(mixture, rows, weight, groups, a, b):
    """Deepest valley on a dense grid along the ridgeline, beside the higher peaks."""
    (p, m, s), (q, o, t) = (moments_of(mixture, groups[g]) for g in (a, b))
    si, ti = np.linalg.inv(s), np.linalg.inv(t)
    density = []
    for alpha in expit(np.linspace(-25.0, 25.0, 2501)):
        x = np.linalg.solve((1 - alpha) * si + alpha * ti, (1 - alpha) * si @ m + alpha * ti @ o)
        one = p / math.sqrt(np.linalg.det(s)) * math.exp(-(x - m) @ si @ (x - m) / 2.0)
        two = q / math.sqrt(np.linalg.det(t)) * math.exp(-(x - o) @ ti @ (x - o) / 2.0)
        density.append(one + two)
    before = list(accumulate(density, max))
    after = list(accumulate(density[::-1], max))[::-1]
    return min(f / min(x, y) for f, x, y in zip(density, before, after, strict=True))


SLOW = {
    "entropy": (slow_entropy, 1e-9),
    "bhattacharyya": (slow_bhattacharyya, 1e-9),
    "demp": (slow_demp, 1e-9),
    "ridgeline": (slow_ridgeline, 2e-4),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rule", EVERY)
def test_every_merge_is_the_best_pair_by_definition(rule, seed):
    """At each step all pairs are tried from scratch, and the tree's own is the best of them."""
    mixture, rows, weight = problem(seed, n=60, k=4)
    tree = em.combine(mixture, rows, rule=rule, weight=weight)
    value, tolerance = SLOW[rule]
    groups = [[j] for j in range(4)]
    for i, merge in enumerate(sets_of_merges(tree)):
        pairs = list(combinations(range(len(groups)), 2))
        values = [value(mixture, rows, weight, groups, a, b) for a, b in pairs]
        chosen = next(
            j
            for j, (a, b) in enumerate(pairs)
            if {frozenset(groups[a]), frozenset(groups[b])} == merge
        )
        assert tree.values[i] == pytest.approx(values[chosen], rel=tolerance, abs=tolerance)
        assert values[chosen] >= max(values) - tolerance * (1.0 + abs(max(values)))
        a, b = pairs[chosen]
        groups = [g for j, g in enumerate(groups) if j not in (a, b)] + [groups[a] + groups[b]]


@pytest.mark.parametrize("rule", EVERY)
def test_entropy_and_rows_of_every_number_of_clusters(rule):
    mixture, rows, weight = problem(7)
    tree = em.combine(mixture, rows, rule=rule, weight=weight)
    merges = sets_of_merges(tree)
    for g in range(1, 6):
        labels = tree.labels_of_components(g)
        groups = [np.flatnonzero(labels == c).tolist() for c in range(g)]
        share = shares_of(mixture, rows, groups)
        assert tree.entropy[g - 1] == pytest.approx(naive.entropy(share, weight), abs=1e-9)
        if g > 1:
            merged = [c for c in range(g) if frozenset(groups[c]) in merges[5 - g]]
            assert len(merged) == 2
            concerned = math.fsum(weight[i] * share[i, c] for c in merged for i in range(len(rows)))
            assert tree.rows[5 - g] == pytest.approx(concerned)
    assert tree.entropy[0] == 0.0
    if rule == "entropy":
        np.testing.assert_allclose(np.diff(tree.entropy)[::-1], tree.values, atol=1e-9)


# -- the ridgeline ratio is about the density in the whole space ----------------------------------


def pass_height(density, peaks):
    """The lowest point of the best path between two cells of a grid, flooded from the top."""
    shape = density.shape
    order = np.argsort(density, axis=None)[::-1]
    root = np.full(density.size, -1)

    def find(cell):
        while root[cell] != cell:
            root[cell] = root[root[cell]]
            cell = root[cell]
        return cell

    for cell in order:
        root[cell] = cell
        row, column = divmod(int(cell), shape[1])
        for r in range(max(row - 1, 0), min(row + 2, shape[0])):
            for c in range(max(column - 1, 0), min(column + 2, shape[1])):
                other = r * shape[1] + c
                if root[other] >= 0:
                    root[find(other)] = find(cell)
        if all(root[p] >= 0 for p in peaks) and find(peaks[0]) == find(peaks[1]):
            return density.flat[cell]
    raise AssertionError("the grid is connected")


@pytest.mark.parametrize(
    ("weights", "mean", "first", "second"),
    [
        ([0.5, 0.5], [3.0, 0.0], np.eye(2), np.eye(2)),
        ([0.2, 0.8], [3.0, 1.0], [[1.0, 0.4], [0.4, 0.7]], [[0.6, -0.2], [-0.2, 0.9]]),
        ([0.6, 0.4], [2.0, 3.0], [[1.2, 0.5], [0.5, 0.6]], [[0.4, 0.0], [0.0, 1.5]]),
    ],
)
def test_ratio_is_the_pass_between_the_peaks_of_the_plane(weights, mean, first, second):
    """Ray & Lindsay's theorem and the code at once: flooding a dense grid knows no ridgeline."""
    mixture = em.Mixture.from_parameters(weights, [[0.0, 0.0], mean], [first, second])
    x, y = np.linspace(-2.0, 5.0, 281), np.linspace(-2.0, 5.0, 281)
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(mixture.log_density(grid)).reshape(281, 281)
    near = [np.square(grid - m).sum(axis=1) < 0.7 for m in mixture.means]
    peaks = [int(np.where(where, density.ravel(), 0.0).argmax()) for where in near]
    expected = pass_height(density, peaks) / density.flat[peaks].min()
    assert expected < 0.95  # else there would be nothing to compare
    tree = em.combine(mixture, mixture.sample(10, 0)[0], rule="ridgeline")
    assert tree.values[0] == pytest.approx(expected, rel=2e-3)


def test_two_normals_have_two_modes_from_two_deviations_on():
    for apart, modes in ((1.99, 1), (2.01, 2)):
        pair = Pair(np.array([apart / math.sqrt(2.0)]), np.array([0.5]), np.array([0.5, 0.5]))
        assert (ratio(pair) < 1.0) == (modes == 2)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_ratio_of_very_different_widths(scale):
    """In one dimension, against a grid that is dense about both means."""
    mixture = em.Mixture.from_parameters(
        [0.3, 0.7], [[0.0], [4.0 * scale]], [scale**2, 1e-4 * scale**2], family="V"
    )
    x = scale * np.concatenate([np.linspace(-1.0, 4.1, 200_001), np.linspace(3.9, 4.1, 200_001)])
    f = np.exp(mixture.log_density(np.sort(x)[:, None]))
    around = np.minimum(np.maximum.accumulate(f), np.maximum.accumulate(f[::-1])[::-1])
    tree = em.combine(mixture, [[0.0], [scale]], rule="ridgeline")
    assert tree.values[0] == pytest.approx((f / around).min(), rel=1e-4)


@pytest.mark.parametrize("rule", EVERY)
def test_an_affine_map_changes_nothing(rule):
    mixture, rows, weight = problem(11)
    A, b = np.array([[2.0, 1.0], [-1e3, 3e3]]), np.array([5.0, -40.0])
    moved = em.Mixture.from_parameters(
        mixture.weights, mixture.means @ A.T + b, A @ mixture.covariances() @ A.T
    )
    one = em.combine(mixture, rows, rule=rule, weight=weight)
    two = em.combine(moved, rows @ A.T + b, rule=rule, weight=weight)
    np.testing.assert_array_equal(one.merges, two.merges)
    np.testing.assert_allclose(one.values, two.values, rtol=1e-6, atol=1e-8)
    assert one.n_clusters == two.n_clusters


# -- known examples --------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", EVERY)
def test_two_overlapping_and_one_far(rule):
    mixture = em.Mixture.from_parameters(
        [0.25, 0.5, 0.25], [[0.0, 0.0], [14.0, 0.0], [1.2, 0.5]], [1.0, 1.0, 1.0], "VII"
    )
    tree = em.combine(mixture, mixture.sample(600, 0)[0], rule=rule)
    assert tree.n_clusters == 2
    np.testing.assert_array_equal(tree.labels_of_components(), [0, 1, 0])
    np.testing.assert_array_equal(tree.merges, [[0, 2], [1, 3]])


@pytest.mark.parametrize("k", [2, 3, 4, 6])
@pytest.mark.parametrize("rule", EVERY)
def test_far_components_stay_and_equal_ones_become_one(rule, k):
    far = em.Mixture.from_parameters(
        np.full(k, 1 / k), 20.0 * np.arange(k)[:, None], np.ones(k), "V"
    )
    assert em.combine(far, far.sample(50 * k, 0)[0], rule=rule).n_clusters == k
    same = em.Mixture.from_parameters(np.full(k, 1 / k), np.zeros((k, 1)), np.ones(k), "V")
    assert em.combine(same, same.sample(50 * k, 0)[0], rule=rule).n_clusters == 1


@pytest.mark.parametrize("rule", EVERY)
def test_equal_components_merge_first(rule):
    mixture = em.Mixture.from_parameters(
        [0.3, 0.2, 0.3, 0.2], [[3.0], [0.0], [7.0], [3.0]], [1.0, 1.0, 1.0, 1.0], "V"
    )
    tree = em.combine(mixture, mixture.sample(500, 1)[0], rule=rule)
    np.testing.assert_array_equal(tree.merges[0], [0, 3])


def test_a_cross_is_two_clusters_by_entropy():
    """As in section 4.1 of the paper: two crosses and two blobs, six components."""
    long, wide = np.diag([4.0, 0.05]), np.diag([0.05, 4.0])
    mixture = em.Mixture.from_parameters(
        [0.2, 0.2, 0.15, 0.15, 0.15, 0.15],
        [[-8.0, 8.0], [8.0, 8.0], [-8.0, -8.0], [-8.0, -8.0], [8.0, -8.0], [8.0, -8.0]],
        [np.eye(2), np.eye(2), long, wide, long, wide],
    )
    tree = em.combine(mixture, mixture.sample(2000, 0)[0])
    assert tree.n_clusters == 4
    np.testing.assert_array_equal(tree.labels_of_components(), [0, 1, 2, 2, 3, 3])
    assert tree.elbow().at + 1 == 4


def test_the_limit_of_one_mode_is_what_it_says():
    """Mean entropy of two equal normals two standard deviations apart."""

    def integrand(x):
        p = 1.0 / (1.0 + math.exp(-2.0 * x))
        density = math.exp(-0.5 * (x - 1.0) ** 2) + math.exp(-0.5 * (x + 1.0) ** 2)
        uncertain = -(p * math.log(p) + (1.0 - p) * math.log1p(-p))
        return density / (2.0 * math.sqrt(2.0 * math.pi)) * uncertain

    assert quad(integrand, -15.0, 15.0)[0] == pytest.approx(ONE_MODE, abs=5e-4)


# -- what must not matter --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rule", EVERY)
def test_order_of_components_changes_names_only(rule, seed):
    mixture, rows, weight = problem(seed, k=6)
    order = np.random.default_rng(seed).permutation(6)
    one = em.combine(mixture, rows, rule=rule, weight=weight)
    two = em.combine(mixture.ordered(order), rows, rule=rule, weight=weight)
    np.testing.assert_allclose(one.values, two.values, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one.entropy, two.entropy, rtol=1e-9, atol=1e-9)
    assert one.n_clusters == two.n_clusters
    renamed = [
        {frozenset(int(order[j]) for j in part) for part in merge} for merge in sets_of_merges(two)
    ]
    assert renamed == sets_of_merges(one)


@pytest.mark.parametrize("rule", EVERY)
def test_a_weight_of_two_is_the_row_twice(rule):
    mixture, rows, _ = problem(3)
    times = np.random.default_rng(0).integers(0, 4, size=len(rows))
    weighted = em.combine(mixture, rows, rule=rule, weight=times.astype(float))
    repeated = em.combine(mixture, np.repeat(rows, times, axis=0), rule=rule)
    np.testing.assert_array_equal(weighted.merges, repeated.merges)
    for name in ("values", "rows", "entropy"):
        np.testing.assert_allclose(
            getattr(weighted, name), getattr(repeated, name), rtol=1e-9, atol=1e-9
        )
    assert weighted.n_clusters == repeated.n_clusters


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("rule", EVERY)
def test_blocks_give_what_rows_in_memory_give(rule, keep, monkeypatch):
    mixture, rows, weight = problem(5)
    whole = em.combine(mixture, rows, rule=rule, weight=weight)
    if not keep:
        monkeypatch.setattr(posteriors, "KEPT_BYTES", 0)
    source = MemorySource(rows, weight, tile=7, threads=2)
    found = Posteriors(mixture, source)
    found.total(((0, 1), (2,), (3,), (4,)), lambda shares, weight: weight @ shares)
    assert bool(found.kept) == keep
    blocks = em.combine(mixture, source, rule=rule)
    np.testing.assert_array_equal(whole.merges, blocks.merges)
    for name in ("values", "rows", "entropy"):
        np.testing.assert_allclose(getattr(whole, name), getattr(blocks, name), rtol=1e-10)


def test_one_pass_where_responsibilities_are_kept(monkeypatch):
    """Rows are scored once for all merges, and k times where nothing may be kept."""
    mixture, rows, _ = problem(5)
    engine = posteriors.choose("numpy", 1, 2, 5, True)
    calls = []

    class Counting:
        def posterior(self, *arguments):
            calls.append(1)
            return engine.posterior(*arguments)

    monkeypatch.setattr(posteriors, "choose", lambda *arguments: Counting())
    em.combine(mixture, rows)
    assert len(calls) == 1
    calls.clear()
    monkeypatch.setattr(posteriors, "KEPT_BYTES", 0)
    em.combine(mixture, rows)
    assert len(calls) == 5


@pytest.mark.parametrize("rule", EVERY)
def test_single_precision_rows(rule):
    mixture, rows, _ = problem(6)
    rows = rows.astype(np.float32)
    single = em.combine(mixture, rows, rule=rule)
    double = em.combine(mixture, rows.astype(np.float64), rule=rule)
    np.testing.assert_array_equal(single.merges, double.merges)
    np.testing.assert_allclose(single.values, double.values, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["EII", "VII", "EEI", "VVI", "EEE", "VVV"])
@pytest.mark.parametrize("rule", EVERY)
def test_every_structure_of_covariances(rule, family):
    X = em.datasets.iris()[0]
    mixture = em.GaussianMixture(4, covariance_type=family, random_state=0).fit(X).mixture_
    full = em.Mixture.from_parameters(mixture.weights, mixture.means, mixture.covariances())
    one, two = (em.combine(m, X, rule=rule) for m in (mixture, full))
    np.testing.assert_array_equal(one.merges, two.merges)
    np.testing.assert_allclose(one.values, two.values, rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("rule", EVERY)
def test_a_component_without_rows(rule):
    """Responsibilities of 0 to the last digit give no NaN, and the far component stays last."""
    mixture = em.Mixture.from_parameters(
        [0.5, 0.4, 0.1], [[0.0], [1.0], [1e6]], [1.0, 1.0, 1.0], "V"
    )
    tree = em.combine(mixture, np.linspace(-3.0, 4.0, 50)[:, None], rule=rule)
    for numbers in (tree.values, tree.heights, tree.rows, tree.entropy, tree.linkage()):
        assert np.isfinite(numbers).all()
    np.testing.assert_array_equal(tree.merges, [[0, 1], [2, 3]])


# -- the record ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", EVERY)
def test_one_component_is_one_cluster(rule):
    mixture = em.Mixture.from_parameters([1.0], [[0.0, 0.0]], [1.0], "VII")
    tree = em.combine(mixture, [[0.0, 1.0], [1.0, 0.0]], rule=rule)
    assert (tree.n_clusters, tree.n_components) == (1, 1)
    np.testing.assert_array_equal(tree.labels_of_components(), [0])
    np.testing.assert_array_equal(tree.entropy, [0.0])
    assert tree.merges.shape == (0, 2)
    assert tree.linkage().shape == (0, 4)
    assert tree.elbow() is None
    np.testing.assert_array_equal(tree.responsibilities(np.ones((3, 1))), np.ones((3, 1)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rule", EVERY)
def test_cuts_are_nested_and_the_linkage_is_sound(rule, seed):
    mixture, rows, _ = problem(seed, k=8)
    tree = em.combine(mixture, rows, rule=rule)
    assert is_valid_linkage(tree.linkage())
    assert is_monotonic(tree.linkage())
    finer = np.arange(8)
    for g in range(8, 0, -1):
        labels = tree.labels_of_components(g)
        first = [int(np.flatnonzero(labels == c)[0]) for c in range(g)]
        assert first == sorted(first)
        assert len({(a, b) for a, b in zip(finer, labels, strict=True)}) == finer.max() + 1
        finer = labels


def test_responsibilities_are_sums_of_columns():
    mixture, rows, _ = problem(2)
    tree = em.combine(mixture, rows, n_clusters=3)
    share = mixture.responsibilities(rows)
    labels = tree.labels_of_components()
    expected = np.stack([share[:, labels == c].sum(axis=1) for c in range(3)], axis=1)
    np.testing.assert_allclose(tree.responsibilities(share), expected, rtol=1e-14)
    np.testing.assert_allclose(tree.responsibilities(share, 1), np.ones((150, 1)))
    np.testing.assert_array_equal(tree.responsibilities(share, 5), share)
    with pytest.raises(em.DataError, match=r"pass an array of shape \(n, 5\)"):
        tree.responsibilities(share[:, 1:])


@pytest.mark.parametrize("rule", EVERY)
def test_a_number_of_clusters_only_cuts(rule):
    mixture, rows, _ = problem(8)
    auto = em.combine(mixture, rows, rule=rule)
    for g in range(1, 6):
        asked = em.combine(mixture, rows, rule=rule, n_clusters=g)
        assert asked.n_clusters == g
        np.testing.assert_array_equal(asked.merges, auto.merges)
        np.testing.assert_array_equal(asked.labels_of_components(), auto.labels_of_components(g))


@pytest.mark.parametrize("rule", EVERY)
def test_thresholds_stop_at_the_first_merge_below(rule):
    mixture, rows, _ = problem(9)
    tree = em.combine(mixture, rows, rule=rule)
    worth = tree.values / tree.rows if rule == "entropy" else tree.values
    for threshold in (0.0, 0.02, 0.1, 0.3, 1.0):
        made = 0
        while made < 4 and worth[made] >= threshold:
            made += 1
        found = em.combine(mixture, rows, rule=rule, threshold=threshold)
        assert found.n_clusters == 5 - made
    default = em.combine(mixture, rows, rule=rule, threshold=RULES[rule].threshold)
    if rule != "entropy":
        assert default.n_clusters == tree.n_clusters


@pytest.mark.parametrize("seed", range(5))
def test_two_segments_are_the_best_of_all_breaks(seed):
    rng = np.random.default_rng(seed)
    x, y = np.cumsum(rng.uniform(0.1, 2.0, size=9)), rng.normal(size=9)
    best = (math.inf, 0, None)
    for at in range(1, 8):
        lines = [np.polyfit(x[: at + 1], y[: at + 1], 1), np.polyfit(x[at:], y[at:], 1)]
        parts = [
            y[: at + 1] - np.polyval(lines[0], x[: at + 1]),
            y[at:] - np.polyval(lines[1], x[at:]),
        ]
        best = min(best, (sum(float(p @ p) for p in parts), at, lines), key=lambda fit: fit[0])
    fit = two_segments(x, y)
    assert fit.at == best[1]
    assert fit.residual == pytest.approx(best[0])
    for line, expected in zip((fit.left, fit.right), best[2], strict=True):
        np.testing.assert_allclose(line, expected, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(line.at(x), np.polyval(expected, x), rtol=1e-8, atol=1e-10)


def test_elbow_by_rows():
    mixture, rows, weight = problem(4, k=6)
    tree = em.combine(mixture, rows, weight=weight)
    x = [0.0]
    for merged in tree.rows[::-1]:
        x.append(x[-1] + merged)
    np.testing.assert_allclose(tree.merged_rows(), x)
    assert tree.elbow("rows") == two_segments(np.array(x), tree.entropy)
    assert tree.elbow() == two_segments(np.arange(1.0, 7.0), tree.entropy)
    with pytest.raises(ValueError, match="'clusters' or 'rows', not 'n'"):
        tree.elbow("n")


def test_stopped_counts_what_is_left():
    assert stopped(np.array([0.5, 0.1, 0.4]), 0.2) == 3
    assert stopped(np.array([0.5, 0.1, 0.4]), 0.0) == 1
    assert stopped(np.array([0.5, 0.1, 0.4]), 0.6) == 4
    assert stopped(np.empty(0), 0.6) == 1


def test_moments_of_clusters():
    mixture, rows, _ = problem(1)
    clusters = Clusters(mixture, ((0, 3), (1,), (2, 4)), Posteriors(mixture, MemorySource(rows)))
    for g, members in enumerate(clusters.members):
        for found, expected in zip(
            (part[g] for part in clusters.moments), moments_of(mixture, list(members)), strict=True
        ):
            np.testing.assert_allclose(found, expected)
    pair = clusters.pair(0, 1)
    swapped = replace(clusters, members=clusters.members[::-1]).pair(2, 1)
    assert ratio(pair) == pytest.approx(ratio(swapped), rel=1e-9)


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "nonsense"}, "no rule 'nonsense' for merging: use one of entropy, bhatt"),
        ({"n_clusters": 0}, "n_clusters is 0: 5 components make 1 to 5 clusters"),
        ({"n_clusters": 6}, "n_clusters is 6"),
        ({"n_clusters": 2.0}, "n_clusters is 2.0"),
        ({"n_clusters": True}, "n_clusters is True"),
        ({"n_clusters": "all"}, "n_clusters is 'all'"),
        ({"threshold": -0.1}, "threshold is -0.1: pass a number from 0 to 1"),
        ({"threshold": math.nan}, "threshold is nan"),
        ({"threshold": "low"}, "threshold is 'low'"),
        ({"weight": np.ones(3)}, "pass one weight a row"),
        ({"weight": -np.ones(150)}, "not negative"),
    ],
)
def test_bad_arguments(arguments, message):
    mixture, rows, _ = problem(0)
    with pytest.raises(ValueError, match=message):
        em.combine(mixture, rows, **arguments)


def test_bad_rows():
    mixture, rows, _ = problem(0)
    with pytest.raises(em.DataError, match="have 1 features, but the mixture has 2"):
        em.combine(mixture, rows[:, :1])
    with pytest.raises(em.DataError, match="have 1 features, but the mixture has 2"):
        em.combine(mixture, MemorySource(rows[:, :1].copy()))
    with pytest.raises(em.DataError, match="1 dimensions"):
        em.combine(mixture, rows[0])
    with pytest.raises(em.DataError, match="no rows"):
        em.combine(mixture, rows[:0])
    rows[3, 1] = np.nan
    with pytest.raises(em.DataError, match="NaN or infinite"):
        em.combine(mixture, rows)
    with pytest.raises(ValueError, match="a source has the weights"):
        em.combine(mixture, MemorySource(rows), weight=np.ones(len(rows)))
    with pytest.raises(TypeError, match="not of a GaussianMixture"):
        em.combine(em.GaussianMixture(), rows)
