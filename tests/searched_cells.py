"""What tests of searches share: rows with holes, and two searches that found the same."""

from __future__ import annotations

import numpy as np


def holed(rows, share=0.1, seed=0):
    """The rows with holes at random; each keeps a value."""
    rng = np.random.default_rng(seed)
    holes = rng.random(rows.shape) < share
    holes[np.arange(len(rows)), rng.integers(rows.shape[1], size=len(rows))] = False
    return np.where(holes, np.nan, rows)


def assert_same_cells(one, other, rtol):
    assert one.best_index == other.best_index
    for a, b in zip(one.cells, other.cells, strict=True):
        assert a.verdict is b.verdict
        np.testing.assert_allclose(a.log_likelihood, b.log_likelihood, rtol=rtol)
        np.testing.assert_allclose(a.entropy, b.entropy, rtol=rtol, atol=1e-5)
        assert a.weight == b.weight
