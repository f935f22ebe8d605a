"""Data and starts for the benchmarks: drawn in place, so that making them leaves no peak."""

from __future__ import annotations

import numpy as np


def mixture_rows(n: int, d: int, k: int, seed: int = 0, separation: float = 1.0) -> np.ndarray:
    """Rows of a mixture of k components with unit covariances, (n, d)."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(scale=2.0 * separation, size=(k, d))
    rows = np.empty((n, d))
    rng.standard_normal(out=rows)
    size = -(-n // k)
    for j, center in enumerate(centers):
        rows[j * size : (j + 1) * size] += center
    return rows


def row_weights(n: int, seed: int = 2) -> np.ndarray:
    """Weights of rows, (n,), between 1/2 and 3/2."""
    return np.random.default_rng(seed).uniform(0.5, 1.5, size=n)


def start(rows: np.ndarray, k: int, kind: str, seed: int = 1) -> dict[str, np.ndarray]:
    """The same weights, means and covariances for every library, in scikit-learn's shapes."""
    rng = np.random.default_rng(seed)
    d = rows.shape[1]
    variance = rows[:10_000].var(axis=0, dtype=np.float64).mean()
    covariances = {
        "full": np.repeat(variance * np.eye(d)[None], k, axis=0),
        "tied": variance * np.eye(d),
        "diag": np.full((k, d), variance),
        "spherical": np.full(k, variance),
    }[kind]
    return {
        "weights": np.full(k, 1.0 / k),
        "means": rows[np.sort(rng.choice(len(rows), k, replace=False))].astype(np.float64),
        "covariances": covariances,
    }
