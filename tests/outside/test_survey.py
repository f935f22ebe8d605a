"""One look at all rows: surveys add, and the sample depends on the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ellimix.errors import DataError
from ellimix.records import Block
from ellimix.sources.memory import MemorySource
from ellimix.sources.survey import draw, keys_of, surveyed


def problem(n, seed=0, holes=True, weighted=True):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, 3)) * [1.0, 10.0, 0.1]
    if holes:
        rows[rng.random(rows.shape) < 0.3] = np.nan
    weight = rng.integers(0, 3, size=n).astype(float) if weighted else None
    return rows, weight


@settings(max_examples=50, deadline=None, database=None)
@given(
    n=st.integers(2, 200),
    cut=st.integers(0, 200),
    size=st.integers(1, 60),
    holes=st.booleans(),
    weighted=st.booleans(),
)
def test_surveys_of_parts_add_to_that_of_the_whole(n, cut, size, holes, weighted):
    rows, weight = problem(n, n, holes, weighted)
    cut = min(max(cut, 1), n - 1)
    parts = [
        surveyed(Block(rows[a:b], None if weight is None else weight[a:b], a), size, 5)
        for a, b in ((0, cut), (cut, n))
    ]
    found, whole = parts[1] + parts[0], surveyed(Block(rows, weight), size, 5)
    counts = np.ones(n, bool) if weight is None else weight > 0
    counts &= ~np.isnan(rows).all(axis=1)
    w = np.ones(n) if weight is None else weight
    for survey in (found, whole):
        assert survey.rows == n
        assert survey.counted == counts.sum()
        assert survey.weight == pytest.approx(w[counts].sum())
        np.testing.assert_allclose(survey.lacking, w[counts] @ np.isnan(rows[counts]))
        assert survey.keys.size == min(size, counts.sum())
        assert (np.diff(survey.keys.astype(object)) > 0).all()
        assert np.array_equal(survey.sample, rows[survey.index], equal_nan=True)
        assert np.array_equal(survey.sample_weight, w[survey.index])
    assert np.array_equal(found.index, whole.index)
    expected = draw(MemorySource(rows, weight), size, 5) if counts.any() else None
    if expected is not None:
        drawn = whole.drawn()
        assert np.array_equal(drawn.rows, expected.rows, equal_nan=True)
        assert weight is None or np.array_equal(drawn.weight, expected.weight)
    for j in range(3):
        seen = rows[counts, j][~np.isnan(rows[counts, j])]
        assert whole.low[j] == min(seen, default=np.inf)
        assert whole.high[j] == max(seen, default=-np.inf)


def test_every_row_is_drawn_as_often():
    n, size, draws = 50, 10, 4000
    counts = np.zeros(n)
    for seed in range(draws):
        counts[np.argsort(keys_of(np.arange(n), seed))[:size]] += 1
    assert stats.chisquare(counts).pvalue > 1e-3
    # and pairs of neighbours together as often as any
    together = np.zeros(n - 1)
    for seed in range(draws):
        chosen = np.zeros(n, bool)
        chosen[np.argsort(keys_of(np.arange(n), seed))[:size]] = True
        together += chosen[1:] & chosen[:-1]
    assert stats.chisquare(together).pvalue > 1e-3


def test_known_smaller_keys_leave_candidates_out():
    rows, _ = problem(500, holes=False)
    whole = surveyed(Block(rows, None), 20, 1)
    bound = np.sort(keys_of(np.arange(500), 1))[10]
    fewer = surveyed(Block(rows, None), 20, 1, bound)
    assert np.array_equal(fewer.index, whole.index[:10])


@pytest.mark.parametrize(
    ("row", "weight", "said"),
    [
        ([1.0, np.inf, 0.0], 1.0, "Row 12 of here has an infinite value in column 1"),
        ([1.0, 2.0, 0.0], -1.0, "Row 12 of here has the weight -1"),
        ([1.0, 2.0, 0.0], np.nan, "Row 12 of here has the weight nan"),
    ],
)
def test_values_that_cannot_be_used_are_told_with_their_row(row, weight, said):
    rows, weights = np.zeros((5, 3)), np.ones(5)
    rows[2], weights[2] = row, weight
    with pytest.raises(DataError, match=said):
        surveyed(Block(rows, weights, 10), 3, 0, None, "here")
