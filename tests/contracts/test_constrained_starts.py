"""What every start promises under a prior on the components."""

from __future__ import annotations

import numpy as np
import pytest

from ellimix.engines import ENGINES
from ellimix.errors import DataError
from ellimix.records import Moment
from ellimix.sources.memory import MemorySource
from ellimix.starts import STARTS, Beginning, constrained
from ellimix.starts.constrained import Constrained

ENGINE = ENGINES["numpy"]
K, N = 3, 120
every_start = pytest.mark.parametrize("name", list(STARTS))
CENTERS = 12.0 * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


def clusters(seed=0, n=N):
    """Rows of three clusters far apart, and the cluster of each."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % K
    return CENTERS[labels] + rng.standard_normal((n, 2)), labels


def labelled(labels, which, k=K, columns=None):
    """The prior where only these rows have their labels."""
    prior = np.zeros((labels.size, columns or k))
    for i in which:
        prior[i] = -np.inf
        prior[i, labels[i]] = 0.0
    return prior


def begin(
    name, prior, rows, weight=None, k=K, moment=Moment.FULL, seed=0, tile=None, engine=ENGINE
):
    source = MemorySource(rows, weight, tile, threads=1)
    beginning = Beginning(source, ENGINE, k, moment, 1e-6, np.random.RandomState(seed))
    return Constrained(STARTS[name], prior).statistics(beginning)


@every_start
@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0, 2]])
def test_components_come_in_the_order_of_the_labels(name, moment, order):
    rows, labels = clusters()
    named = np.array(order)[labels]
    which = [int(np.flatnonzero(named == c)[3]) for c in range(K)]
    sums = begin(name, labelled(named, which), rows, moment=moment)
    assert sums.moment is moment
    assert sums.n.tolist() == [N / K] * K
    for c in range(K):
        np.testing.assert_allclose(sums.means()[c], rows[named == c].mean(axis=0), rtol=1e-12)


@every_start
def test_a_labelled_row_stays_with_its_label_wherever_it_lies(name):
    rows, labels = clusters()
    named = labels.copy()
    wrong = np.flatnonzero(labels == 1)[:5]
    named[wrong] = 0  # rows in the middle of cluster 1
    which = [*wrong, *np.flatnonzero(labels == 0)[:20], *np.flatnonzero(labels == 2)[:3]]
    sums = begin(name, labelled(named, which), rows)
    own = np.concatenate([rows[labels == 0], rows[wrong]])
    np.testing.assert_allclose(sums.means()[0], own.mean(axis=0), rtol=1e-12)
    assert sums.n.tolist() == [N / K + 5, N / K - 5, N / K]


@every_start
def test_the_prior_is_kept_by_every_row(name):
    rng = np.random.default_rng(5)
    rows, k = rng.standard_normal((80, 2)), 4  # no clusters at all
    prior = np.where(rng.random((80, k)) < 0.4, 0.0, -np.inf)
    prior[np.arange(80), rng.integers(k, size=80)] = 0.0
    seen = np.zeros((80, k))
    for i in range(80):  # a row's own share: the counts with it, less those with weight 0
        only = np.zeros(80)
        only[i] = 1e-9
        both = [begin(name, prior, rows, np.ones(80) + w, k=k).n for w in (0.0, only)]
        seen[i] = (both[1] - both[0]) / 1e-9
    np.testing.assert_allclose(seen.sum(axis=1), 1.0, atol=1e-4)
    assert (prior[seen > 0.5] == 0.0).all()


@every_start
def test_masks_without_a_single_label_decide_the_order(name):
    rows, labels = clusters()
    prior = np.zeros((N, K))
    prior[labels == 2, 0] = -np.inf  # 0 is not cluster 2, nor 1; 1 is not cluster 0
    prior[labels == 1, 0] = -np.inf
    prior[labels == 0, 1] = -np.inf
    prior[np.flatnonzero(labels == 1)[:10], 2] = 0.0
    prior[np.flatnonzero(labels == 2)[:4], 1] = -np.inf
    prior[np.flatnonzero(labels == 2)[:4], 0] = 0.0  # not one row with a single component
    assert not ((prior == 0.0).sum(axis=1) == 1).any()
    for seed in range(3):
        sums = begin(name, prior, rows, seed=seed)
        if name in ("kmeans", "hierarchical"):
            gap = np.abs(sums.means()[:, None] - CENTERS).sum(axis=2)
            assert gap.argmin(axis=1).tolist() == [0, 1, 2]


@every_start
def test_positive_and_unlabelled_rows(name):
    rows, labels = clusters()
    named = (labels != 1).astype(int)  # cluster 1 is the positive one, and comes first
    positive = np.flatnonzero(labels == 1)[:6]
    sums = begin(name, labelled(named, positive, k=K), rows)
    np.testing.assert_allclose(sums.means()[0], rows[labels == 1].mean(axis=0), rtol=1e-12)
    assert sums.n.tolist() == [N / K] * K


@every_start
def test_more_components_than_labels(name):
    rows, labels = clusters()
    which = [int(np.flatnonzero(labels == c)[0]) for c in (2, 1)]
    named = np.where(labels == 2, 0, labels)
    sums = begin(name, labelled(named, which, k=5), rows, k=5)
    assert sums.n.sum() == N
    nearest = np.abs(sums.means()[:, None] - CENTERS).sum(axis=2).argmin(axis=1)
    assert nearest[:2].tolist() == [2, 1]
    assert (sums.n > 0.0).all()


def test_labelled_means_are_the_seeds(monkeypatch):
    monkeypatch.setattr(constrained, "ROUNDS", 0)
    rows = np.arange(10.0)[:, None]
    prior = np.zeros((10, 2))
    prior[0, 1] = prior[1, 0] = -np.inf  # 0 and 1 are labelled: all from 1 on are nearer to 1
    assert begin("kmeans", prior, rows, k=2).n.tolist() == [1.0, 9.0]
    prior[1] = 0.0  # one label: the other mean is the start's, of 0 to 4 or of 5 to 9
    assert begin("kmeans", prior, rows, k=2).n.tolist() == [4.0, 6.0]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0, 2]])
def test_means_are_matched_so_that_most_weight_is_allowed(monkeypatch, order):
    monkeypatch.setattr(constrained, "ROUNDS", 0)
    rows, labels = clusters()
    named = np.array(order)[labels]
    prior = np.where((named[:, None] + 1) % K == np.arange(K), -np.inf, 0.0)  # two of three each
    for c in range(K):  # and some rows that the wrong one of the two is not allowed
        prior[np.flatnonzero(named == c)[:9], (c + 2) % K] = -np.inf
        prior[np.flatnonzero(named == c)[:9], (c + 1) % K] = 0.0
    sums = begin("kmeans", prior, rows)
    for c in range(K):
        own = rows[named == c].mean(axis=0)
        gap = np.abs(sums.means() - own).sum(axis=1)
        assert gap.argmin() == c


def test_a_soft_prior_moves_rows_and_decides_the_order():
    rows, labels = clusters()
    prior = np.where(labels[:, None] == [1, 2, 0], np.log(0.9), np.log(0.05))
    sums = begin("kmeans", prior, rows)
    for c, own in enumerate([1, 2, 0]):
        np.testing.assert_allclose(sums.means()[c], rows[labels == own].mean(axis=0), rtol=1e-12)
    prior[0] = [-1e6, 0.0, -1e6]  # as good as a label, far from its component
    moved = begin("kmeans", prior, rows)
    assert moved.n.tolist() == [40.0, 41.0, 39.0]


@every_start
def test_rows_of_noise_are_left_out(name):
    rows, labels = clusters()
    rows[::10] = 1e4
    prior = np.zeros((N, K + 1))
    prior[::10, :K] = -np.inf
    prior[1, [1, 2]] = -np.inf  # row 1 is of cluster 1: component 0 or noise
    sums = begin(name, prior, rows)
    rest = np.arange(N) % 10 > 0
    np.testing.assert_allclose(sums.means()[0], rows[rest & (labels == 1)].mean(axis=0))
    assert sums.n.sum() == rest.sum()
    assert sums.n.shape == (K,)


@every_start
def test_a_weight_is_a_repetition(name):
    rows, labels = clusters()
    count = np.random.default_rng(4).integers(0, 3, N)
    which = [int(np.flatnonzero((labels == c) & (count > 0))[0]) for c in range(K)]
    prior = labelled(labels, which)
    ours = begin(name, prior, rows, count.astype(float))
    repeated = begin(name, np.repeat(prior, count, axis=0), np.repeat(rows, count, axis=0))
    np.testing.assert_allclose(ours.n, repeated.n, rtol=1e-12)
    np.testing.assert_allclose(ours.means(), repeated.means(), rtol=1e-9)
    np.testing.assert_allclose(ours.scatter(), repeated.scatter(), rtol=1e-9)


@every_start
def test_the_cut_into_tiles_and_single_precision_do_not_matter(name):
    rows, labels = clusters()
    prior = labelled(labels, [0, 1, 2])
    whole, cut = (begin(name, prior, rows, tile=t) for t in (None, 7))
    np.testing.assert_allclose(whole.means(), cut.means(), rtol=1e-12)
    single = begin(name, prior, rows.astype(np.float32))
    np.testing.assert_allclose(whole.means(), single.means(), rtol=1e-5, atol=1e-5)


def test_units_of_the_columns_do_not_matter_to_the_rounds():
    rows, labels = clusters()
    scale = np.array([2.0**20, 2.0**-20])
    prior = labelled(labels, [0, 1, 2])
    ours = begin("random", prior, rows * scale)
    np.testing.assert_allclose(ours.means() / scale, begin("random", prior, rows).means())


def test_draws_differ_and_the_stream_goes_on():
    rows, labels = np.random.default_rng(0).standard_normal((60, 2)), np.arange(60) % 4
    start, random = Constrained(STARTS["random_from_data"], labelled(labels, [0], k=4)), []
    stream = np.random.RandomState(1)
    for _ in range(2):
        beginning = Beginning(MemorySource(rows), ENGINE, 4, Moment.FULL, 0.0, stream)
        random.append(start.statistics(beginning).means())
    assert not np.allclose(*random)


def test_no_prior_to_speak_of_gives_the_same_as_k_means():
    rows, _ = clusters()
    sums = begin("kmeans", np.zeros((N, K)), rows, seed=2)
    beginning = Beginning(MemorySource(rows), ENGINE, K, Moment.FULL, 0.0, np.random.RandomState(2))
    plain = STARTS["kmeans"].statistics(beginning)
    np.testing.assert_allclose(sums.means(), plain.means())


def test_a_component_that_lost_its_rows_gets_a_far_one_it_is_allowed():
    rows = np.array([[0.0], [0.1], [0.2], [5.0], [0.3], [0.15]])
    prior = np.zeros((6, 3))
    prior[:5, 2] = -np.inf
    prior[:3, 1] = -np.inf  # component 2 may have the last row alone, component 1 the last three
    prior[5, :2] = -np.inf
    sums = begin("kmeans", prior, rows, k=3)
    assert sums.n.tolist() == [4.0, 1.0, 1.0]
    assert sums.means().ravel().tolist() == pytest.approx([0.15, 5.0, 0.15])


def test_constant_columns_and_columns_constant_within_clusters():
    rows, labels = clusters()
    rows = np.column_stack([rows, np.full(N, 1e6 / 3.0), labels * 1e-3])
    sums = begin("kmeans", labelled(labels, [0, 1, 2]), rows)
    assert sums.n.tolist() == [N / K] * K


def test_rows_out_of_range_leave_the_word_to_the_fit():
    rows, labels = clusters()
    rows[5] = 1e200
    sums = begin("kmeans", labelled(labels, [0, 1, 2]), rows)
    assert sums.n.sum() == N


@pytest.mark.parametrize(
    ("columns", "mend", "message"),
    [
        (2, None, r"shape \(120, 2\).*\(120, 3\), or \(120, 4\)"),
        (3, (slice(None), 1), r"component\(s\) 1: "),
        (3, (7, slice(None)), "Row 7 is allowed no component"),
        (4, (slice(None), slice(0, 3)), "All rows are labelled as noise"),
    ],
)
def test_priors_that_cannot_be(columns, mend, message):
    rows, _ = clusters()
    prior = np.zeros((N, columns))
    if mend is not None:
        prior[mend] = -np.inf
    with pytest.raises(DataError, match=message):
        begin("kmeans", prior, rows)


def test_rows_of_weight_zero_label_nothing():
    rows, labels = clusters()
    weight = np.ones(N)
    weight[0] = 0.0
    prior = labelled(labels, [0, 1, 2])
    prior[3:, 0] = -np.inf
    with pytest.raises(DataError, match=r"component\(s\) 0"):
        begin("kmeans", prior, rows, weight)
