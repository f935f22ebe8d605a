"""What every start promises: statistics of the whole data under responsibilities of its own."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from sklearn.cluster import KMeans

import naive
from ellimix.engines import ENGINES
from ellimix.errors import DataError
from ellimix.records import Moment
from ellimix.sources.memory import MemorySource
from ellimix.starts import STARTS, Beginning, Given, kmeans

ENGINE = ENGINES["numpy"]
SINGLE_ROWS = ("k-means++", "random_from_data")
DRAWS_NOTHING = ("hierarchical",)  # where it needs no sample
FLOOR = 1e-6
K, N = 3, 60

every_start = pytest.mark.parametrize("name", list(STARTS))
single_rows = pytest.mark.parametrize("name", SINGLE_ROWS)
SECOND = {Moment.DIAGONAL: (K, 2), Moment.POOLED: (2, 2), Moment.FULL: (K, 2, 2)}
every_moment = pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.value)
weighting = pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])


def clusters(seed=0, n=N, d=2, offset=0.0):
    """Rows of three clusters far apart, and the cluster of each."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(K, size=n)
    labels[:K] = np.arange(K)
    centers = 20.0 * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])[:, :d] + offset
    return centers[labels] + rng.standard_normal((n, d)), labels


def row_weights(seed=0, n=N, zeros=0):
    """Positive weights, the first few of them zero."""
    weight = np.random.default_rng(seed).uniform(0.5, 2.0, n)
    weight[:zeros] = 0.0
    return weight


def begin(start, rows, weight=None, k=K, moment=Moment.FULL, floor=0.0, seed=0, tile=None):
    """A start's statistics; `start` is a name or a start."""
    start = STARTS[start] if isinstance(start, str) else start
    random = np.random.RandomState(seed)
    source = MemorySource(rows, weight, tile, threads=1)
    return start.statistics(Beginning(source, ENGINE, k, moment, floor, random))


def numbers(statistics):
    """All that it sums."""
    named = [field.name for field in fields(statistics) if field.name != "moment"]
    return [np.asarray(getattr(statistics, name)) for name in named]


def one_hot(labels, k=K):
    return np.array([[float(label == j) for j in range(k)] for label in labels])


def assert_shared_out(statistics, rows, shares, weight=None):
    """The statistics are those of the rows under these responsibilities."""
    weight = np.ones(rows.shape[0]) if weight is None else weight
    for k in range(statistics.n.size):
        w = weight * shares[:, k]
        mean = naive.weighted_mean(rows, w)
        assert statistics.n[k] == pytest.approx(w.sum(), rel=1e-12)
        np.testing.assert_allclose(statistics.means()[k], mean, rtol=1e-12, atol=1e-12)
    expected = naive.scatter(shares, rows, weight, statistics.moment)
    np.testing.assert_allclose(statistics.scatter(), expected, rtol=1e-9, atol=1e-8)


def assert_adds_up(statistics, rows, weight=None):
    """Counts, means and scatter within and between components add up to those of all rows."""
    weight = np.ones(rows.shape[0]) if weight is None else weight
    n, means, scatter = statistics.n, statistics.means(), statistics.scatter()
    mean, covariance = naive.weighted_mean(rows, weight), naive.weighted_covariance(rows, weight)
    assert n.sum() == pytest.approx(weight.sum(), rel=1e-12)
    assert statistics.weight == pytest.approx(weight.sum(), rel=1e-12)
    assert statistics.rows == rows.shape[0]
    np.testing.assert_allclose(n @ means / n.sum(), mean, rtol=1e-10, atol=1e-10)
    between = (means - mean).T @ (n[:, None] * (means - mean))
    total = covariance * n.sum()
    if statistics.moment is Moment.DIAGONAL:
        between, total = np.diagonal(between), np.diagonal(total)
    within = scatter if statistics.moment is Moment.POOLED else scatter.sum(axis=0)
    np.testing.assert_allclose(within + between, total, rtol=1e-10, atol=1e-9)


# every start


def test_the_registry_goes_by_name():
    assert set(STARTS) == {"kmeans", "k-means++", "random_from_data", "random", "hierarchical"}
    assert all(start.name == name for name, start in STARTS.items())


@weighting
@every_moment
@every_start
@pytest.mark.parametrize("floor", [0.0, FLOOR])
def test_statistics_are_of_all_rows_or_of_one_row_each(name, moment, weighted, floor):
    rows, _ = clusters()
    weight = row_weights() if weighted else None
    for seed in range(3):
        sums = begin(name, rows, weight, moment=moment, floor=floor, seed=seed)
        assert sums.s2.shape == SECOND[moment]
        assert sums.loglik == sums.entropy == 0.0
        if floor > 0.0 and name in SINGLE_ROWS:
            assert sums.n.tolist() == [1.0] * K
            assert not sums.scatter().any()
            assert sums.weight == sums.rows == K
        else:
            assert_adds_up(sums, rows, weight)


@weighting
@every_start
@pytest.mark.parametrize("floor", [0.0, FLOOR])
def test_means_lie_among_the_rows_and_differ(name, weighted, floor):
    rows, _ = clusters()
    for seed in range(5):
        sums = begin(name, rows, row_weights() if weighted else None, floor=floor, seed=seed)
        means = sums.means()
        assert (means >= rows.min(axis=0)).all()
        assert (means <= rows.max(axis=0)).all()
        assert len({tuple(mean) for mean in means}) == K


@every_start
@pytest.mark.parametrize("floor", [0.0, FLOOR])
def test_the_random_state_decides(name, floor):
    rows, _ = clusters()
    first, again, other = (begin(name, rows, floor=floor, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(*pair) for pair in zip(numbers(first), numbers(again), strict=True))
    assert np.array_equal(first.means(), other.means()) == (name in DRAWS_NOTHING)


@every_start
@pytest.mark.parametrize("floor", [0.0, FLOOR])
def test_the_cut_into_tiles_does_not_matter(name, floor):
    rows, _ = clusters()
    whole, cut = (begin(name, rows, row_weights(), floor=floor, tile=t) for t in (None, 7))
    for left, right in zip(numbers(whole), numbers(cut), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-9)


@every_start
@pytest.mark.parametrize("floor", [0.0, FLOOR])
def test_rows_of_weight_zero_are_never_chosen(name, floor):
    rows, _ = clusters()
    rows[:20] = 1e7
    weight = row_weights(zeros=20)
    for seed in range(10):
        sums = begin(name, rows, weight, floor=floor, seed=seed)
        assert (np.abs(sums.means()) < 100.0).all()
        if not (floor > 0.0 and name in SINGLE_ROWS):
            assert sums.n.sum() == pytest.approx(weight.sum(), rel=1e-12)
            assert np.abs(sums.scatter()).max() < 1e5


@every_start
@pytest.mark.parametrize("far", [1e7, 1e30, 1e200])
def test_a_far_first_row_of_weight_zero_costs_no_digits(name, far):
    rows, _ = clusters()
    weight = row_weights(zeros=1)
    rows[0] = far
    assert_adds_up(begin(name, rows, weight), rows, weight)


@every_moment
@every_start
def test_an_offset_of_the_data_costs_no_digits(name, moment):
    rows, _ = clusters(offset=1e6)
    sums = begin(name, rows, row_weights(), moment=moment)
    lower = begin(name, rows - 1e6, row_weights(), moment=moment)
    np.testing.assert_allclose(sums.n, lower.n, rtol=1e-9)
    np.testing.assert_allclose(sums.scatter(), lower.scatter(), rtol=1e-6, atol=1e-6)


@every_start
def test_rows_may_be_float32(name):
    rows, _ = clusters()
    sums = begin(name, rows.astype(np.float32))
    assert sums.n.dtype == sums.s1.dtype == sums.s2.dtype == np.float64
    assert_adds_up(sums, rows.astype(np.float32).astype(np.float64))


@every_start
def test_one_component_has_all_rows(name):
    rows, _ = clusters()
    weight = row_weights()
    assert_shared_out(begin(name, rows, weight, k=1), rows, np.ones((N, 1)), weight)


# single rows


@weighting
@single_rows
def test_single_rows_are_distinct_rows_that_count(name, weighted):
    rows, _ = clusters()
    weight = row_weights(zeros=20) if weighted else None
    usable = {tuple(row) for row in (rows[20:] if weighted else rows)}
    for seed in range(10):
        means = begin(name, rows, weight, k=8, floor=FLOOR, seed=seed).means()
        chosen = {tuple(mean) for mean in means}
        assert len(chosen) == 8
        assert chosen <= usable


@weighting
@single_rows
def test_without_a_floor_every_row_goes_to_the_nearest_chosen_one(name, weighted):
    rows, _ = clusters()
    weight = row_weights(zeros=5) if weighted else None
    for seed in range(3):
        chosen = begin(name, rows, weight, floor=FLOOR, seed=seed).means()
        sums = begin(name, rows, weight, floor=0.0, seed=seed)
        nearest = [int(np.argmin([((row - c) ** 2).sum() for c in chosen])) for row in rows]
        assert_shared_out(sums, rows, one_hot(nearest), weight)


def test_k_means_plus_plus_spreads_its_rows():
    rows, labels = clusters()
    found = 0
    for seed in range(20):
        means = begin("k-means++", rows, floor=FLOOR, seed=seed).means()
        found += len({labels[np.argmin(((rows - m) ** 2).sum(axis=1))] for m in means}) == K
    assert found >= 18


@single_rows
def test_single_rows_are_drawn_in_proportion_to_their_weights(name):
    rows, weight = np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 1.0, 3.0])
    drawn = [
        begin(name, rows, weight, k=1, floor=FLOOR, seed=seed).means()[0, 0] for seed in range(400)
    ]
    assert set(drawn) == {1.0, 2.0}
    assert np.mean(np.array(drawn) == 2.0) == pytest.approx(0.75, abs=0.1)


@weighting
def test_random_rows_need_as_many_rows_as_components(weighted):
    rows, _ = clusters(n=6)
    weight = row_weights(n=6, zeros=2) if weighted else None
    count = 4 if weighted else 6
    assert begin("random_from_data", rows, weight, k=count, floor=FLOOR).n.size == count
    with pytest.raises(DataError, match=rf"{count + 1} components need {count + 1} rows.*{count} "):
        begin("random_from_data", rows, weight, k=count + 1)


# k-means


@weighting
@every_moment
def test_k_means_has_the_clusters_of_scikit_learn(moment, weighted):
    rows = np.random.default_rng(1).standard_normal((N, 2))  # no clear clusters: all must agree
    weight = row_weights() if weighted else None
    for seed in range(3):
        model = KMeans(K, n_init=1, random_state=np.random.RandomState(seed))
        labels = model.fit(rows, sample_weight=weight).labels_
        sums = begin("kmeans", rows, weight, moment=moment, seed=seed)
        assert_shared_out(sums, rows, one_hot(labels), weight)


def test_k_means_of_fewer_distinct_rows_than_clusters_is_quiet():
    rows = np.repeat([[0.0, 0.0], [1.0, 1.0]], 5, axis=0)
    sums = begin("kmeans", rows)
    assert sums.n.sum() == 10.0
    assert np.isfinite(sums.s2).all()


@weighting
def test_k_means_of_a_sample_gives_the_sample_s_statistics(monkeypatch, weighted):
    rows, labels = clusters(n=200)
    weight = row_weights(n=200, zeros=50) if weighted else None
    monkeypatch.setattr(kmeans, "SAMPLE_ROWS", 50)
    for seed in range(3):
        sums = begin("kmeans", rows, weight, seed=seed)
        assert sums.rows == 50
        assert sums.n.sum() == pytest.approx(sums.weight)
        order = np.array([np.argmin(((rows - mean) ** 2).sum(axis=1)) for mean in sums.means()])
        if len({*labels[order]}) == K:  # k-means may end in a poor local minimum
            for mean, cluster in zip(sums.means(), labels[order], strict=True):
                own = rows[labels == cluster]
                assert np.abs(mean - own.mean(axis=0)).max() < 4.0 * own.std() / np.sqrt(10)
            return
    pytest.fail("k-means never found three clusters far apart")


def test_k_means_sees_no_more_rows_than_the_sample(monkeypatch):
    seen = []
    fit = KMeans.fit

    def spy(self, X, y=None, sample_weight=None):
        seen.append((X.copy(), sample_weight))
        return fit(self, X, y, sample_weight)

    monkeypatch.setattr(KMeans, "fit", spy)
    monkeypatch.setattr(kmeans, "SAMPLE_ROWS", 40)
    rows, _ = clusters(n=200)
    weight = row_weights(n=200, zeros=50)
    begin("kmeans", rows, weight)
    ((sample, sample_weight),) = seen
    weight_of = {tuple(row): w for row, w in zip(rows, weight, strict=True)}
    assert sample.shape == (40, 2)
    assert len({tuple(row) for row in sample}) == 40
    assert [weight_of[tuple(row)] for row in sample] == sample_weight.tolist()
    assert sample_weight.min() > 0.0


@weighting
@pytest.mark.parametrize("floor", [0.0, FLOOR])
def test_k_means_plus_plus_of_a_sample_chooses_rows_that_count(monkeypatch, weighted, floor):
    rows, _ = clusters(n=200)
    weight = row_weights(n=200, zeros=50) if weighted else None
    usable = {tuple(row) for row in (rows[50:] if weighted else rows)}
    monkeypatch.setattr(kmeans, "SAMPLE_ROWS", 50)
    for seed in range(5):
        sums = begin("k-means++", rows, weight, floor=floor, seed=seed)
        if floor == 0.0:
            assert_adds_up(sums, rows, weight)
        else:
            assert {tuple(mean) for mean in sums.means()} <= usable


# random responsibilities


@weighting
@every_moment
def test_random_responsibilities_are_normalised_uniform_draws(moment, weighted):
    rows, _ = clusters()
    weight = row_weights() if weighted else None
    drawn = np.random.RandomState(5).uniform(size=(N, K))
    drawn /= drawn.sum(axis=1, keepdims=True)
    sums = begin("random", rows, weight, moment=moment, seed=5, tile=7)
    assert_shared_out(sums, rows, drawn, weight)


def test_random_responsibilities_leave_the_state_where_one_draw_would():
    rows, _ = clusters()
    ours, theirs = np.random.RandomState(2), np.random.RandomState(2)
    STARTS["random"].statistics(
        Beginning(MemorySource(rows, tile=7), ENGINE, K, Moment.FULL, 0.0, ours)
    )
    theirs.uniform(size=(N, K))
    assert ours.uniform() == theirs.uniform()


# given


@weighting
@every_moment
@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint16, np.float64])
def test_given_labels(moment, weighted, dtype):
    rows, labels = clusters()
    weight = row_weights() if weighted else None
    sums = begin(Given(labels.astype(dtype)), rows, weight, moment=moment, tile=7)
    assert_shared_out(sums, rows, one_hot(labels), weight)


@weighting
@every_moment
def test_given_responsibilities(moment, weighted):
    rows, _ = clusters()
    weight = row_weights() if weighted else None
    shares = np.random.default_rng(3).dirichlet(np.ones(K), size=N)
    sums = begin(Given(shares), rows, weight, moment=moment, tile=7)
    assert_shared_out(sums, rows, shares, weight)
    slow = naive.accumulate(shares, rows, weight, sums.center, moment)
    for left, right in zip(numbers(sums), numbers(slow), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-9)


@every_moment
@pytest.mark.parametrize("offset", [1e6, 1e8])
def test_components_far_from_one_another_keep_their_digits(moment, offset):
    rows, labels = clusters()
    rows += offset * labels[:, None]
    assert_shared_out(begin(Given(labels), rows, moment=moment), rows, one_hot(labels))


@every_moment
def test_a_label_that_no_row_has_leaves_an_empty_component(moment):
    rows, labels = clusters()
    sums = begin(Given(np.where(labels == 1, 0, labels)), rows, moment=moment)
    assert sums.n[1] == 0.0
    assert moment is Moment.POOLED or not sums.s2[1].any()
    for array in numbers(sums):
        assert np.isfinite(array).all()


@pytest.mark.parametrize("shape", [(N - 1,), (N, K + 1), (N - 1, K), (N, K, 1), (K, N), ()])
def test_given_values_of_another_shape(shape):
    rows, _ = clusters()
    with pytest.raises(DataError) as caught:
        begin(Given(np.zeros(shape, dtype=int)), rows)
    for expected in (shape, (N,), (N, K)):
        assert str(expected) in str(caught.value)


@pytest.mark.parametrize("wrong", [-1, K, 0.5, np.nan, np.inf])
def test_labels_out_of_range(wrong):
    rows, labels = clusters()
    values = labels.astype(type(wrong))
    values[4] = wrong
    with pytest.raises(DataError, match="integers from 0 to 2"):
        begin(Given(values), rows)


@pytest.mark.parametrize("wrong", [[0.5, 0.5, 0.5], [-0.5, 1.0, 0.5], [0.0, 0.0, np.nan], [0] * 3])
def test_responsibilities_that_are_none(wrong):
    rows, labels = clusters()
    values = one_hot(labels)
    values[4] = wrong
    with pytest.raises(DataError, match=r"not be negative.*sum to 1"):
        begin(Given(values), rows)
