"""Splits and merges in the statistics of a fit, against slow ones."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from ellimix.attempts.moves import exchanges, merged, merges, splits


def fits(m=3, k=4, d=3, seed=0):
    rng = np.random.default_rng(seed)
    n = rng.uniform(3.0, 20.0, (m, k))
    means = rng.normal(size=(m, k, d)) * 3.0
    root = rng.normal(size=(m, k, d, d))
    return n, means, n[..., None, None] * (root @ np.swapaxes(root, -1, -2))


def whole(n, means, scatter):
    """Count, mean and scatter of all components of one fit together."""
    total = n.sum()
    mean = n @ means / total
    apart = means - mean
    return total, mean, scatter.sum(axis=0) + np.einsum("k,ki,kj->ij", n, apart, apart)


@pytest.mark.parametrize("move", [splits, lambda *s: merges(*s, 3), lambda *s: exchanges(*s, 2)])
def test_a_move_keeps_what_all_rows_sum_to(move):
    start = fits()
    moved = move(*start)
    for i in range(3):
        before = whole(*(part[i] for part in start))
        for j in range(moved[0].shape[1]):
            after = whole(*(part[i, j] for part in moved))
            for a, b in zip(after, before, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-9)


def test_a_split_cuts_along_the_longest_axis():
    n, means, scatter = np.array([[10.0]]), np.zeros((1, 1, 2)), np.zeros((1, 1, 2, 2))
    scatter[0, 0] = 10.0 * np.diag([9.0, 1.0])
    counts, centers, within = splits(n, means, scatter)
    np.testing.assert_allclose(counts, [[[5.0, 5.0]]])
    np.testing.assert_allclose(np.abs(centers[0, 0, :, 0]), 3.0 * np.sqrt(2.0 / np.pi))
    np.testing.assert_allclose(centers[0, 0, :, 1], 0.0, atol=1e-12)
    np.testing.assert_allclose(within[0, 0, 0] / 5.0, np.diag([9.0 * (1.0 - 2.0 / np.pi), 1.0]))


def test_a_split_is_that_of_rows_cut_through_their_mean():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(200_000, 2)) * [4.0, 1.0]
    n, means = np.array([[float(len(rows))]]), rows.mean(axis=0)[None, None]
    scatter = np.cov(rows.T, bias=True)[None, None] * len(rows)
    counts, centers, within = splits(n, means, scatter)
    for side in (0, 1):
        half = rows[(rows[:, 0] > 0) == (centers[0, 0, side, 0] > 0)]
        np.testing.assert_allclose(centers[0, 0, side], half.mean(axis=0), atol=0.05)
        found = within[0, 0, side] / counts[0, 0, side]
        np.testing.assert_allclose(found, np.cov(half.T, bias=True), atol=0.1)


def test_merges_are_exact_and_the_cheapest_come_first():
    n, means, scatter = fits(1, 5, 2, seed=2)
    pairs = np.array(list(combinations(range(5), 2)))
    count, mean, within = merged(n, means, scatter, pairs)
    for p, (i, j) in enumerate(pairs):
        pair = [part[0, [i, j]] for part in (n, means, scatter)]
        for a, b in zip((count[0, p], mean[0, p], within[0, p]), whole(*pair), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    # two components that coincide, among others that are far apart
    far = np.array([[[0.0, 0.0], [90.0, 0.0], [0.0, 0.1], [0.0, 90.0]]])
    unit = np.tile(10.0 * np.eye(2), (1, 4, 1, 1))
    counts, centers, _ = merges(np.full((1, 4), 10.0), far, unit, 2)
    assert counts.shape == (1, 2, 3)
    np.testing.assert_allclose(counts[0, 0], [10.0, 10.0, 20.0])
    np.testing.assert_allclose(centers[0, 0, -1], [0.0, 0.05])


def test_merges_do_not_depend_on_the_columns_units():
    n, means, scatter = fits(2, 5, 3, seed=3)
    scale = np.array([1e-6, 1.0, 1e5])
    plain = merges(n, means, scatter, 4)
    scaled = merges(n, means * scale, scatter * np.outer(scale, scale), 4)
    np.testing.assert_allclose(scaled[1], plain[1] * scale, rtol=1e-9)


def test_two_components_merge_into_one_and_three_make_one_exchange():
    n, means, scatter = fits(2, 2, 2, seed=4)
    counts, _, _ = merges(n, means, scatter, 3)
    np.testing.assert_allclose(counts[:, 0, 0], n.sum(axis=1))
    assert exchanges(*fits(2, 3, 2), 3)[0].shape == (2, 3, 3)
