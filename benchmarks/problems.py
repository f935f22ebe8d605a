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


def start(rows: np.ndarray, k: int, kind: str, seed: int = 1) -> dict[str, np.ndarray]:
    """The same weights, means and precisions for every library."""
    rng = np.random.default_rng(seed)
    d = rows.shape[1]
    variance = rows[:10_000].var(axis=0).mean()
    eye = np.eye(d) / variance
    precisions = {
        "full": np.repeat(eye[None], k, axis=0),
        "tied": eye,
        "diag": np.full((k, d), 1.0 / variance),
        "spherical": np.full(k, 1.0 / variance),
    }[kind]
    return {
        "weights_init": np.full(k, 1.0 / k),
        "means_init": rows[np.sort(rng.choice(len(rows), k, replace=False))].copy(),
        "precisions_init": precisions,
    }
