"""The problems that are timed, in named sets."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from problems import mixture_rows, row_weights, start


@dataclass(frozen=True)
class Shape:
    """n rows of d features, k components, a covariance type, a precision, a share of holes."""

    n: int
    d: int
    k: int
    kind: str = "full"
    weighted: bool = False
    dtype: str = "float64"
    missing: float = 0.0

    def __str__(self) -> str:
        extras = " weighted" * self.weighted + " float32" * (self.dtype == "float32")
        if self.missing:
            extras += f" {self.missing:.0%} missing"
        return f"{self.n:,} x {self.d}, K = {self.k} {self.kind}{extras}"

    @property
    def nominal_flops(self) -> float | None:
        """Of an iteration: 2 n k d^2 with one factor each, 8 n k d if diagonal; None for others."""
        if self.missing:
            return None
        per_row = {"full": 2 * self.d**2, "diag": 8 * self.d}.get(self.kind)
        return None if per_row is None else float(self.n) * self.k * per_row

    def covariance_shape(self) -> tuple[int, ...]:
        k, d = self.k, self.d
        return {"full": (k, d, d), "tied": (d, d), "diag": (k, d), "spherical": (k,)}[self.kind]

    def write(self, folder: Path) -> None:
        """The problem's files, as `workers/protocol.py` says."""
        rows = mixture_rows(self.n, self.d, self.k).astype(self.dtype)
        for name, array in start(rows, self.k, self.kind).items():
            np.save(folder / f"{name}.npy", array)
        if self.missing:
            rows[np.random.default_rng(3).random(rows.shape) < self.missing] = np.nan
        np.save(folder / "rows.npy", rows)
        if self.weighted:
            np.save(folder / "row_weights.npy", row_weights(self.n).astype(self.dtype))
        (folder / "job.json").write_text(json.dumps({"kind": self.kind}))


QUICK: Final = [
    Shape(150, 4, 3),
    Shape(10_000, 2, 4),
    Shape(10_000, 5, 8, "tied"),
    Shape(10_000, 5, 8, "diag"),
    Shape(10_000, 5, 8, "spherical"),
    Shape(10_000, 5, 8, weighted=True),
    Shape(10_000, 5, 8, dtype="float32"),
]
TABLE: Final = [
    Shape(150, 4, 3),
    Shape(10_000, 2, 4),
    Shape(1_000_000, 2, 8),
    Shape(1_000_000, 10, 16),
    Shape(200_000, 32, 16),
    Shape(100_000, 64, 32),
    Shape(20_000, 128, 16),
    Shape(1_000_000, 10, 16, "diag"),
    Shape(100_000, 64, 64, "diag"),
]
WIDE: Final = [
    *(Shape(200_000, d, 8) for d in (1, 3, 5, 7, 16)),
    Shape(100_000, 24, 8),
    Shape(100_000, 48, 8),
    *(Shape(200_000, 5, k) for k in (1, 2, 3, 64, 256)),
    Shape(1_000, 5, 3),
    Shape(100_000, 10, 16),
    Shape(10_000_000, 2, 4),
    Shape(1_000_000, 10, 16, "tied"),
    Shape(100_000, 64, 32, "tied"),
    Shape(1_000_000, 10, 16, "spherical"),
    Shape(100_000, 64, 64, "spherical"),
    Shape(1_000_000, 10, 16, weighted=True),
    Shape(1_000_000, 10, 16, "diag", weighted=True),
    Shape(1_000_000, 10, 16, dtype="float32"),
    Shape(200_000, 32, 16, dtype="float32"),
    Shape(1_000_000, 10, 16, "diag", dtype="float32"),
]
MISSING: Final = [
    Shape(10_000, 8, 8, missing=0.1),
    Shape(100_000, 8, 8, missing=0.1),
    Shape(10_000, 8, 8, "diag", missing=0.1),
    Shape(100_000, 8, 8, "diag", missing=0.1),
]
SETS: Final = {"quick": QUICK, "table": TABLE, "wide": WIDE, "missing": MISSING}


def shapes(name: str, dtype: str) -> list[Shape]:
    """A set, in the precision asked for; without repeats."""
    chosen = SETS[name]
    if dtype == "float32":
        chosen = [replace(shape, dtype=dtype) for shape in chosen]
    return list(dict.fromkeys(chosen))
