"""Where noise is uniform, and which rows begin as noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ortho_group

from ellimix.errors import DataError
from ellimix.starts import noise
from ellimix.starts.noise import box_of, cleaned

# where noise is uniform


def tilted(n=100, d=3, seed=0):
    """Rows that fill a turned box, long in one direction."""
    rng = np.random.default_rng(seed)
    axes = ortho_group.rvs(d, random_state=seed)
    return (rng.random((n, d)) * 10.0 ** -np.arange(d)) @ axes.T + 5.0


def inside(box, rows, slack=1e-9):
    return (np.abs((rows - box.middle) @ box.axes) <= box.sides / 2 * (1 + slack)).all()


def touched(box, rows):
    """Whether rows lie on both faces of every side."""
    u = (rows - box.middle) @ box.axes
    ends = np.stack([-u.min(axis=0), u.max(axis=0)])
    np.testing.assert_allclose(ends, np.stack([box.sides / 2] * 2), rtol=1e-9)


@pytest.mark.parametrize("d", [2, 3, 6])
def test_the_box_is_the_smaller_of_two_around_the_data(d):
    rows = tilted(d=d)
    box, plain = box_of(rows, None, True), box_of(rows, None, False)
    np.testing.assert_array_equal(plain.axes, np.eye(d))
    np.testing.assert_allclose(plain.sides, np.ptp(rows, axis=0))
    for one in (box, plain):
        assert inside(one, rows)
        touched(one, rows)
        np.testing.assert_allclose(one.axes.T @ one.axes, np.eye(d), atol=1e-12)
    axes = np.linalg.eigh(np.cov(rows.T))[1]
    assert box.log_volume == pytest.approx(np.log(np.ptp(rows @ axes, axis=0)).sum(), rel=1e-9)
    assert box.log_volume < plain.log_volume - 1.0


def test_the_box_along_the_features_wins_where_it_is_smaller_and_of_equals():
    square = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.6]])
    np.testing.assert_array_equal(box_of(square, None, True).axes, np.eye(2))
    cross = np.array([[-2.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # axes are the features
    np.testing.assert_array_equal(box_of(cross, None, True).axes, np.eye(2))
    line = np.random.default_rng(0).standard_normal((9, 1))
    np.testing.assert_array_equal(box_of(line, None, True).axes, np.eye(1))


@pytest.mark.parametrize("seed", range(3))
def test_data_in_a_flat_have_the_box_along_the_features(seed):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((50, 2)) @ rng.standard_normal((2, 3))
    np.testing.assert_array_equal(box_of(rows, None, True).axes, np.eye(3))
    few = rng.standard_normal((3, 5))
    np.testing.assert_array_equal(box_of(few, None, True).axes, np.eye(5))


@pytest.mark.parametrize("chunk", [7, 1 << 16])
def test_a_weight_of_the_box_is_a_repetition_and_order_does_not_matter(monkeypatch, chunk):
    monkeypatch.setattr(noise, "CHUNK", chunk)
    rows = tilted()
    count = np.random.default_rng(1).integers(0, 4, 100)
    rows[0], count[0] = 1e6, 0  # a far row that does not count
    box = box_of(rows, count.astype(float), True)
    repeated = np.repeat(rows, count, axis=0)
    for other in (repeated, repeated[::-1]):
        same = box_of(other, None, True)
        np.testing.assert_allclose(box.sides, same.sides, rtol=1e-9)
        np.testing.assert_allclose(box.axes, same.axes, atol=1e-9)
        np.testing.assert_allclose(box.middle, same.middle, rtol=1e-9)


def test_missing_values_are_passed_over():
    rows = np.array([[0.0, np.nan], [2.0, 1.0], [np.nan, 4.0]])
    box = box_of(rows, None, False)
    assert box.sides.tolist() == [2.0, 3.0]
    assert box.middle.tolist() == [1.0, 2.5]


@pytest.mark.parametrize("shift", [0.0, 1e8])
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_units_and_offsets_of_the_box(scale, shift):
    rows = tilted()
    box, plain = box_of((rows + shift) * scale, None, True), box_of(rows, None, True)
    np.testing.assert_allclose(box.sides / scale, plain.sides, rtol=1e-4 if shift else 1e-9)


def test_single_precision_rows_have_the_same_box():
    rows = tilted().astype(np.float32)
    box = box_of(rows, None, True)
    assert box.sides.dtype == np.float64
    np.testing.assert_allclose(box.sides, box_of(rows.astype(float), None, True).sides)


def test_columns_that_cannot_be():
    rows = tilted()
    constant = np.column_stack([rows, np.full(100, 7.0)])
    with pytest.raises(DataError, match=r"Column\(s\) 3 have no two different values"):
        box_of(constant, None, True)
    with pytest.raises(DataError, match=r"Column\(s\) 0, 1, 2 have no two"):
        box_of(rows, np.arange(100) == 5.0, True)
    rows[:, 1] = np.where(np.arange(100) % 2, 1e308, -1e308)
    with pytest.raises(DataError, match=r"range of column\(s\) 1 is beyond"):
        box_of(rows, None, True)


# which rows begin as noise


def cluttered(share, seed=0, n=600, d=2):
    """Two Gaussians in a square of clutter, and which rows are clutter."""
    rng = np.random.default_rng(seed)
    m = int(n * share)
    clutter = rng.uniform(-5.0, 5.0, (m, d))
    centers = np.array([[-2.0] * d, [2.0] * d])
    rows = centers[rng.integers(2, size=n - m)] + 0.4 * rng.standard_normal((n - m, d))
    order = rng.permutation(n)
    return np.concatenate([clutter, rows])[order], order < m


def clean(rows, weight=None, seed=0):
    return cleaned(rows, weight, np.random.RandomState(seed))


def k_th_distances(rows, count):
    """Of each row to its K-th nearest other row, with copies of rows written out."""
    spread = (rows - np.average(rows, axis=0, weights=count)) / np.sqrt(
        np.average((rows - np.average(rows, axis=0, weights=count)) ** 2, axis=0, weights=count)
    )
    k = min(12, max(1, count.sum() // 10))
    every = np.repeat(spread, count, axis=0)
    out = []
    for row in spread:
        distance = np.sort(np.sqrt(((every - row) ** 2).sum(axis=1)))
        out.append(distance[min(k, distance.size - 1)])  # the first is the row itself
    return np.array(out)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("d", [2, 3, 6])
def test_clutter_is_found_and_clusters_stay(share, d):
    recall, false = [], []
    for seed in range(4):
        rows, clutter = cluttered(share, seed, d=d)
        found = clean(rows)
        recall.append(found[clutter].mean())
        false.append(found[~clutter].mean())
    assert np.mean(recall) > (0.85 if d == 2 else 0.95)
    assert np.mean(false) < (0.2 if d == 2 else 0.12)


@pytest.mark.parametrize("seed", range(5))
def test_distances_to_neighbours_are_those_of_a_slow_search(seed):
    rng = np.random.default_rng(seed)
    rows, _ = cluttered(0.5, seed, n=int(rng.integers(5, 200)))
    count = rng.integers(1, 30 if seed % 2 else 3, rows.shape[0])
    places, group = noise._places(rows, count.astype(float))
    ours = places.own_distances()[group]
    np.testing.assert_allclose(ours, k_th_distances(rows, count), rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_a_weight_is_a_repetition_and_the_order_of_rows_does_not_matter(seed):
    rows, _ = cluttered(0.4, seed)
    count = np.random.default_rng(seed).integers(0, 4, rows.shape[0])
    ours = clean(rows, count.astype(float))
    assert not ours[count == 0].any()
    repeated = clean(np.repeat(rows, count, axis=0))
    np.testing.assert_array_equal(repeated, np.repeat(ours, count))
    order = np.random.default_rng(seed).permutation(rows.shape[0])
    np.testing.assert_array_equal(clean(rows[order]), clean(rows)[order])
    np.testing.assert_array_equal(clean(rows, np.ones(rows.shape[0])), clean(rows))


def test_small_weights_do_not_make_rows_fewer():
    rows, _ = cluttered(0.4)
    np.testing.assert_array_equal(clean(rows, np.full(600, 1e-3)), clean(rows))


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_units_do_not_matter(scale):
    rows, _ = cluttered(0.4)
    np.testing.assert_array_equal(clean(rows * [scale, 1.0] + [0.0, 3.0]), clean(rows))


def test_constant_columns_do_not_matter():
    rows, _ = cluttered(0.4)
    np.testing.assert_array_equal(clean(np.column_stack([rows, np.ones(600)])), clean(rows))


def test_rows_that_are_repeated_often_are_no_noise():
    rows, clutter = cluttered(0.4)
    rows[~clutter] = np.round(rows[~clutter] / 4.0) * 4.0  # a few places with many rows each
    found = clean(rows)
    assert not found[~clutter].any()
    assert found[clutter].mean() > 0.8


@pytest.mark.parametrize("d", [1, 2, 40, 300])
def test_some_rows_are_noise_and_some_are_not(d):
    rng = np.random.default_rng(d)
    for rows in (
        rng.standard_normal((400, d)),
        rng.random((400, d)),
        rng.standard_cauchy((400, d)),
        rng.standard_normal((400, d)) * np.where(np.arange(400) < 2, 1e8, 1.0)[:, None],
    ):
        found = clean(rows)
        assert found.any()
        assert (~found).sum() >= min(d + 1, 399)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 12, 13])
def test_few_rows(n):
    rows = np.random.default_rng(n).standard_normal((n, 2))
    assert (~clean(rows)).sum() >= min(n, 3)
    same = np.repeat(rows[:1], n, axis=0)
    assert not clean(same).any()


def test_equally_dense_places_have_no_noise():
    grid = np.arange(20.0) % 2
    assert not clean(grid[:, None]).any()


@pytest.mark.parametrize("weighted", [False, True])
def test_of_many_rows_a_sample_s_densities_decide(monkeypatch, weighted):
    rows, clutter = cluttered(0.5, n=6000)
    weight = np.random.default_rng(0).integers(0, 3, 6000).astype(float) if weighted else None
    counted = np.ones(6000, dtype=bool) if weight is None else weight > 0.0
    every = clean(rows, weight)
    monkeypatch.setattr(noise, "TREE_ROWS", 1000)
    few = clean(rows, weight)
    assert not few[~counted].any()
    for found in (every, few):
        assert found[clutter & counted].mean() > 0.85
        assert found[~clutter & counted].mean() < 0.15
    assert (few != every)[counted].mean() < 0.1
    np.testing.assert_array_equal(few, clean(rows, weight))
    assert (clean(rows, weight, seed=1) != few).any()


def test_single_precision_rows():
    rows, _ = cluttered(0.5)
    single = rows.astype(np.float32)
    np.testing.assert_array_equal(clean(single), clean(single.astype(float)))
