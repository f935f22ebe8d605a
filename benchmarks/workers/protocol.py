"""What a worker is: one process, one library, one problem; it fits when it is told to.

    python worker.py FOLDER float64|float32

FOLDER holds rows.npy, weights.npy, means.npy, covariances.npy (scikit-learn's shapes), job.json
and, for weighted rows, row_weights.npy. On standard input come lines, to each of which one line of
JSON answers on standard output:

    run ITERATIONS    fits from the start; {"seconds": ..., "iterations": ...}
    save FILE         writes the last fit's weights, means, covariances: float64, C order, in turn

The first line out, {"ready": {package: version}}, says that imports and data are there. This file
runs in the peers' environments: NumPy and the standard library only.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Job:
    """The problem: rows (n, d), their weights (n,) or None, and the start, all of one dtype."""

    rows: np.ndarray
    row_weights: np.ndarray | None
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    kind: str
    dtype: np.dtype

    @classmethod
    def read(cls, folder: Path, dtype: str) -> Job:
        def array(name: str) -> np.ndarray:
            return np.ascontiguousarray(np.load(folder / f"{name}.npy"), dtype=dtype)

        kind = json.loads((folder / "job.json").read_text())["kind"]
        weighted = (folder / "row_weights.npy").exists()
        return cls(
            array("rows"),
            array("row_weights") if weighted else None,
            array("weights"),
            array("means"),
            array("covariances"),
            kind,
            np.dtype(dtype),
        )

    @property
    def k(self) -> int:
        return len(self.weights)

    @property
    def precisions(self) -> np.ndarray:
        """Inverse covariances, inverted in float64."""
        wide = self.covariances.astype(np.float64)
        inverse = np.linalg.inv(wide) if self.kind in ("full", "tied") else 1.0 / wide
        return inverse.astype(self.dtype)


@dataclass(frozen=True)
class Fitted:
    """Parameters after a fit, and how many iterations it really did (None: it does not tell)."""

    iterations: int | None
    weights: Any
    means: Any
    covariances: Any


Fit = Callable[[int], Any]
Read = Callable[[Any], Fitted]


def serve(prepare: Callable[[Job], tuple[Fit, Read]], *packages: str) -> None:
    """Answer lines until the input ends. `prepare` gives fit(iterations) -> model, read(model)."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    warnings.simplefilter("ignore")
    fit, read = prepare(Job.read(Path(sys.argv[1]), sys.argv[2]))

    def answer(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=answers, flush=True)

    answer({"ready": {name: metadata.version(name) for name in (*packages, "numpy")}})
    fitted = None
    for line in sys.stdin:
        command, argument = line.split(maxsplit=1)
        if command == "run":
            began = time.perf_counter()
            model = fit(int(argument))
            seconds = time.perf_counter() - began
            fitted = read(model)
            done = int(argument) if fitted.iterations is None else int(fitted.iterations)
            answer({"seconds": seconds, "iterations": done})
        else:
            parameters = (fitted.weights, fitted.means, fitted.covariances)
            flat = [np.asarray(array, dtype=np.float64).ravel() for array in parameters]
            np.concatenate(flat).tofile(argument.strip())
            answer({"saved": argument.strip()})
