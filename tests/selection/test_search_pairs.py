"""The search with each pair of what may be known of rows, and with all of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import ellimix as em

RNG = np.random.default_rng(3)
ROWS = np.stack([RNG.normal([0, 0], 1.0, (60, 2)), RNG.normal([5, 4], 0.7, (60, 2))], axis=1)
ROWS = ROWS.reshape(120, 2)  # in turn: groups 0, 1, 0, 1
TRUTH = np.arange(120) % 2
KINDS = ("holes", "labels", "errors", "bounds", "weights", "noise")


def searched(kinds):
    rng, rows, known = np.random.default_rng(5), ROWS.copy(), {}
    if "holes" in kinds:
        rows[rng.random(120) < 0.15, 0] = np.nan
    if "bounds" in kinds:
        rows[rows[:, 1] > 5.0, 1] = np.nan
        known["lower"] = [-np.inf, 5.0]
    if "labels" in kinds:
        known["labels"] = np.where(rng.random(120) < 0.2, TRUTH, -1)
    if "errors" in kinds:
        known["errors"] = rng.uniform(0.0, 0.3, rows.shape)
    if "weights" in kinds:
        known["sample_weight"] = rng.integers(1, 4, 120).astype(float)
    search = em.GaussianMixtureSearch("EEE", [2], noise="noise" in kinds, random_state=0)
    return search.fit(rows, **known), rows, known


@pytest.mark.filterwarnings("ignore:K = 2 is the largest:ellimix.errors.FitWarning")
@pytest.mark.parametrize("kinds", [*itertools.combinations(KINDS, 2), KINDS], ids="-".join)
def test_each_pair_is_searched(kinds):
    search, rows, known = searched(kinds)
    weight = known.pop("sample_weight", None)
    (cell,) = search.cells_
    assert cell.ok
    found = search.score(rows, sample_weight=weight, **known) * cell.weight
    assert found == pytest.approx(cell.log_likelihood, rel=1e-6)
    labels = known.get("labels")
    if labels is not None:
        told = labels >= 0
        np.testing.assert_array_equal(search.labels_[told], labels[told])
    right = [np.mean(search.labels_ == truth) for truth in (TRUTH, 1 - TRUTH)]
    assert max(right) > 0.8
