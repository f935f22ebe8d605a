"""Rows of three columns for tests of rows outside of memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

NAMES = ("a", "b", "c")
ROWS = 5_000


def blobs(n=ROWS, d=3, k=3, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(k, d)) * 5.0
    return (means[rng.integers(k, size=n)] + rng.normal(size=(n, d))).astype(dtype)


def table(X, weight=None, names=NAMES):
    columns = {name: X[:, j] for j, name in enumerate(names)}
    columns = {name: pa.array(x, from_pandas=True) for name, x in columns.items()}
    if weight is not None:
        columns["w"] = weight
    return pa.table(columns)
