"""Hierarchical agglomeration: against its slow twin, and what every tree has to be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.linalg import eigh

import ellimix as em
import naive
from ellimix.covariance import FAMILIES
from ellimix.engines import ENGINES
from ellimix.errors import DataError
from ellimix.records import Moment
from ellimix.sources.memory import MemorySource
from ellimix.starts import Beginning, SourceTree, Tree, hierarchical, tree
from ellimix.starts.agglomeration import VVV, Clusters, agglomerate, log_determinants
from ellimix.starts.hierarchical import MODELS
from ellimix.starts.pooled import agglomerate_pooled, metric_root
from ellimix.starts.scalings import SCALINGS

every_model = pytest.mark.parametrize("model", list(MODELS))
every_scaling = pytest.mark.parametrize("scaling", list(SCALINGS))
seeds = pytest.mark.parametrize("seed", range(4))


def clumps(seed, n=60, d=3, k=3):
    """Rows of k clusters of different shapes that overlap a little."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    shapes = rng.normal(size=(k, d, d))
    centers = 4.0 * rng.normal(size=(k, d))
    return centers[labels] + np.einsum("ni,nij->nj", rng.normal(size=(n, d)), shapes[labels])


def same_partitions(left: Tree, right: Tree, order=None, up_to=None):
    order = np.arange(left.n_rows) if order is None else order
    for k in range(1, (up_to or left.n_rows) + 1):
        a, b = left.labels(k)[order], right.labels(k)
        assert len({*zip(a.tolist(), b.tolist(), strict=True)}) == k


# the twin


@every_model
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_every_merge_is_the_cheapest(model, seed, d, weighted):
    rng = np.random.default_rng(seed)
    rows = clumps(seed, n=13, d=d)
    rows = rows[rng.permutation(np.r_[np.arange(13), 2, 2, 5])]  # some of them more than once
    weight = rng.uniform(1.0, 3.0, 16) if weighted else np.ones(16)
    grown = tree(rows, weight, model=model, scaling="VARS")
    merges, costs = naive.agglomerate(rows, weight, model)
    assert grown.distinct == 13
    assert [tuple(pair) for pair in grown.merges[3:].tolist()] == merges
    np.testing.assert_allclose(grown.costs[3:], costs, rtol=1e-7, atol=1e-9)


@every_model
def test_packing_the_arrays_changes_nothing(model, monkeypatch):
    rows = clumps(5, n=80)
    packed = tree(rows, model=model)
    for module in ("agglomeration", "pooled"):
        monkeypatch.setattr(f"ellimix.starts.{module}.SHRINK", -1.0)
    kept = tree(rows, model=model)
    assert np.array_equal(packed.merges, kept.merges)
    np.testing.assert_allclose(packed.costs, kept.costs, rtol=1e-12)


@pytest.mark.parametrize("at_once", [1, 1000])
def test_bounds_of_old_costs_lose_no_pair(at_once, monkeypatch):
    rows = clumps(6, n=150, d=4)
    grown = tree(rows, model="EEE", scaling="STD")
    monkeypatch.setattr("ellimix.starts.pooled.AT_ONCE", at_once)
    assert np.array_equal(tree(rows, model="EEE", scaling="STD").merges, grown.merges)


@seeds
def test_ward_is_that_of_scipy(seed):
    rows = clumps(seed, n=100)
    grown = tree(rows, model="EII", scaling="VARS")
    steps = linkage(rows, "ward")
    np.testing.assert_allclose(grown.costs, steps[:, 2] ** 2 / 2.0, rtol=1e-9)
    cuts = cut_tree(steps)
    for k in range(1, 101):
        pairs = {*zip(grown.labels(k).tolist(), cuts[:, 100 - k].tolist(), strict=True)}
        assert len(pairs) == k


def test_log_determinants():
    rng = np.random.default_rng(0)
    matrices = np.stack([np.cov(rng.normal(size=(9, 5)).T) for _ in range(7)])
    expected = np.linalg.slogdet(matrices)[1]
    np.testing.assert_allclose(log_determinants(matrices.transpose(1, 2, 0)), expected, rtol=1e-12)
    flat = np.diag([1.0, 0.0, 2.0])[:, :, None]
    assert log_determinants(flat).tolist() == [-np.inf]


@seeds
@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_the_metric_is_what_a_merge_costs(seed, rank):
    """The determinant lemma at any rank, and a metric that only grows."""
    rng = np.random.default_rng(seed)
    part, v, total = rng.normal(size=(3, rank)), rng.normal(size=3), 7.0
    within = part @ part.T
    after = within + np.outer(v, v)

    def value(w):
        return np.linalg.det(w / total) + np.trace(w) / total

    root = metric_root(within, total, 1.0)
    assert (v @ root) @ (v @ root) == pytest.approx(value(after) - value(within), rel=1e-9)
    later = metric_root(after, total, 1.0)
    least = eigh(later @ later.T, root @ root.T, eigvals_only=True)[0]
    assert least == pytest.approx(1.0, rel=1e-9)  # along v itself it stays as it is


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e3, 1e6, 1e20])
def test_any_units_give_a_tree(unit):
    rows = clumps(14) * unit
    for model in MODELS:
        for scaling in SCALINGS:
            assert tree(rows, model=model, scaling=scaling).labels(3).max() == 2


# what every tree is


@every_model
@every_scaling
def test_cuts_are_nested_and_numbered_by_first_rows(model, scaling):
    grown = tree(clumps(1, n=40), model=model, scaling=scaling)
    finer = grown.labels(40)
    assert finer.tolist() == list(range(40))
    for k in range(39, 0, -1):
        labels = grown.labels(k)
        assert labels.max() == k - 1
        assert list(dict.fromkeys(labels.tolist())) == list(range(k))
        assert len({*zip(labels.tolist(), finer.tolist(), strict=True)}) == k + 1
        finer = labels


@every_model
@every_scaling
def test_the_order_of_the_rows_does_not_matter(model, scaling):
    rows = clumps(2)
    order = np.random.default_rng(0).permutation(60)
    before = tree(rows, model=model, scaling=scaling)
    same_partitions(before, tree(rows[order], model=model, scaling=scaling), order)


@every_model
def test_sphered_rows_know_no_affine_map(model):
    rows = clumps(3)
    mapped = rows @ np.random.default_rng(3).normal(size=(3, 3)) + [1e3, -5.0, 0.0]
    same_partitions(
        tree(rows, model=model, scaling="SPH"), tree(mapped, model=model, scaling="SPH")
    )


@every_model
@pytest.mark.parametrize("scaling", ["STD", "SPH", "PCR", "SVD"])
def test_standardised_rows_know_no_units(model, scaling):
    rows = clumps(3)
    units = np.array([1e-150, 1.0, 1e150])
    same_partitions(
        tree(rows, model=model, scaling=scaling), tree(rows * units, model=model, scaling=scaling)
    )


def regular_clusters(rows, size=6):
    """A first stage without flat clusters: each has `size` rows."""
    groups = rows.reshape(-1, size, rows.shape[1])
    scatter = np.stack([np.cov(g.T, bias=True) * size for g in groups], axis=2)
    m, d = groups.shape[0], rows.shape[1]
    means = np.ascontiguousarray(groups.mean(axis=1).T)
    trace = np.einsum("iim->m", scatter)
    return Clusters(np.arange(m), np.full(m, float(size)), means, trace, scatter, np.full(m, d))


def test_without_their_traces_vvv_and_eee_are_affine():
    rows = np.random.default_rng(4).normal(size=(120, 3)) + np.repeat(
        np.random.default_rng(5).normal(size=(20, 3)), 6, axis=0
    )
    mapped = rows @ np.array([[3.0, 1.0, 0.0], [0.0, 0.2, 0.5], [1.0, 0.0, 40.0]])
    for grow in (
        lambda clusters: agglomerate(clusters, VVV(1.0, alpha=0.0, beta=0.0)),
        lambda clusters: agglomerate_pooled(clusters, beta=0.0),
    ):
        before, after = grow(regular_clusters(rows)), grow(regular_clusters(mapped))
        assert np.array_equal(before[0], after[0])


@pytest.mark.parametrize("offset", [1e6, 1e8])
def test_an_offset_costs_few_digits(offset):
    rows = np.round(clumps(7) * 2.0**12) / 2.0**12  # so that the moved rows are exact
    same_partitions(tree(rows), tree(rows + offset))


# weights and equal rows


@every_model
@every_scaling
def test_a_weight_of_two_is_the_row_twice(model, scaling):
    rows, weight = clumps(8, n=30), np.random.default_rng(8).integers(1, 4, 30)
    repeated = np.repeat(np.arange(30), weight)
    single = tree(rows, weight.astype(float), model=model, scaling=scaling)
    many = tree(rows[repeated], model=model, scaling=scaling)
    assert many.distinct == 30
    for k in range(1, 31):
        assert np.array_equal(single.labels(k)[repeated], many.labels(k))
    np.testing.assert_allclose(many.costs[-29:], single.costs, rtol=1e-7, atol=1e-12)


def test_small_weights_are_shares():
    rows, weight = clumps(9), np.random.default_rng(9).uniform(0.5, 2.0, 60)
    expected = tree(rows, weight / weight.mean())
    assert np.array_equal(tree(rows, weight / weight.sum()).merges, expected.merges)


def test_equal_rows_are_merged_first():
    rows = np.array([[1.0, 0.0], [5.0, 1.0], [1.0, -0.0], [2.0, 7.0], [5.0, 1.0], [1.0, 0.0]])
    grown = tree(rows)
    assert grown.merges[:3].tolist() == [[0, 2], [1, 4], [0, 5]]
    assert grown.labels(3).tolist() == [0, 1, 0, 2, 1, 0]
    assert grown.representatives().tolist() == [0, 1, 3]
    assert not grown.costs[:3].any()


@every_model
@every_scaling
def test_rows_that_are_all_equal_or_lie_in_a_flat(model, scaling):
    same = tree(np.ones((5, 2)), model=model, scaling=scaling)
    assert same.distinct == 1
    assert not same.labels(1).any()
    x = np.sort(np.random.default_rng(1).normal(size=30)) + np.repeat([0.0, 50.0], 15)
    line = np.column_stack([x, 2.0 * x, np.full(30, 3.0)])
    grown = tree(line, model=model, scaling=scaling)
    assert grown.labels(2).tolist() == [0] * 15 + [1] * 15


# the start


def begin(source, k, moment=Moment.FULL, seed=0):
    return Beginning(source, ENGINES["numpy"], k, moment, 0.0, np.random.RandomState(seed))


def test_one_tree_serves_every_number_of_components():
    source = MemorySource(clumps(10))
    grown = SourceTree.of(source, np.random.RandomState(0))
    for k in range(1, 6):
        ours = grown.statistics(begin(source, k))
        alone = hierarchical.Hierarchical().statistics(begin(source, k))
        assert np.array_equal(ours.s2, alone.s2)
        assert ours.n.tolist() == np.bincount(grown.tree.labels(k)).tolist()


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_rows_outside_the_sample_go_to_the_cluster_that_holds_them(weighted):
    """A tight cluster beside a broad one: distance to the means alone would cut the broad one."""
    rng = np.random.default_rng(11)
    truth = np.repeat([0, 1], 500)
    rows = np.where(truth[:, None] == 0, 10.0, 0.05) * rng.normal(size=(1000, 2))
    rows[truth == 1] += [30.0, 0.0]
    weight = rng.integers(0, 3, 1000).astype(float) if weighted else None
    source = MemorySource(rows, weight)
    grown = SourceTree.of(source, np.random.RandomState(0), sample_rows=100)
    assert grown.sampled
    assert grown.index.size == 100
    if weight is not None:
        assert weight[grown.index].min() > 0.0
    counts = np.sort(grown.statistics(begin(source, 2)).n)
    expected = np.sort(np.bincount(truth, weight))
    np.testing.assert_allclose(counts, expected, atol=5.0)


@pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.value)
def test_clusters_of_single_rows_begin_with_the_average_covariance(moment):
    rows = np.vstack([clumps(12, n=40, k=1), [[100.0] * 3]])
    sums = begin(MemorySource(rows), 2, moment)
    sums = hierarchical.Hierarchical().statistics(sums)
    assert sums.n.tolist() == [40.0, 1.0]
    if moment is Moment.POOLED:
        own = np.cov(rows[:40].T, bias=True) * 40.0
        np.testing.assert_allclose(sums.scatter(), own * 42.0 / 41.0, rtol=1e-12)
    else:
        np.testing.assert_allclose(sums.scatter()[1], sums.scatter()[0] / 41.0, rtol=1e-12)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_every_family_begins_here(family):
    rows, _ = em.datasets.faithful()
    model = em.GaussianMixture(3, covariance_type=family, init_params="hierarchical").fit(rows)
    assert model.report_.start == "hierarchical"
    assert model.report_.sound


def test_more_components_than_distinct_rows():
    rows = np.repeat([[0.0, 0.0], [1.0, 5.0], [4.0, 1.0]], 4, axis=0)
    sums = hierarchical.Hierarchical().statistics(begin(MemorySource(rows), 5))
    assert sums.n.tolist() == [4.0, 4.0, 4.0, 0.0, 0.0]
    assert np.isfinite(sums.s2).all()


def test_what_cannot_be_done_is_said(monkeypatch):
    rows = clumps(13, n=10)
    with pytest.raises(DataError, match=r"Unknown criterion 'VEV'\. Use one of EII, VII, EEE, VVV"):
        tree(rows, model="VEV")
    with pytest.raises(DataError, match=r"Unknown scaling 'log'\. Use one of VARS"):
        tree(rows, scaling="log")
    for k in (0, 11):
        with pytest.raises(DataError, match=f"10 rows has cuts into 1 to 10 clusters, not {k}"):
            tree(rows).labels(k)
    with pytest.raises(DataError, match="out of range for an agglomeration"):
        tree(rows * 1e200, scaling="VARS")
    with pytest.raises(DataError, match="11 components need 11 rows"):
        hierarchical.Hierarchical().statistics(begin(MemorySource(rows), 11))
    monkeypatch.setattr(hierarchical, "MOST_ROWS", 9)
    with pytest.raises(DataError, match="10 distinct rows are more than the 9"):
        tree(rows)
