"""A fit to rows with errors: to a line with a number of iterations one line of JSON answers.

    python worker.py FOLDER

FOLDER holds rows.npy (n, d), errors.npy (n, d, d), weights.npy, means.npy and covariances.npy. An
answer is {"seconds": ..., "parameters": [...]}, weights, means and covariances in turn.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Problem:
    """Rows, the covariances of their errors, and the start."""

    rows: np.ndarray
    errors: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @property
    def precisions(self) -> np.ndarray:
        return np.linalg.inv(self.covariances)

    @classmethod
    def read(cls, folder: Path) -> Problem:
        names = ("rows", "errors", "weights", "means", "covariances")
        return cls(*(np.load(folder / f"{name}.npy") for name in names))


def serve(fit: Callable[[Problem, int], tuple[Any, Any, Any]]) -> None:
    """Answer lines until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    warnings.simplefilter("ignore")
    problem = Problem.read(Path(sys.argv[1]))
    for line in sys.stdin:
        began = time.perf_counter()
        parameters = fit(problem, int(line))
        seconds = time.perf_counter() - began
        flat = np.concatenate([np.asarray(part, dtype=np.float64).ravel() for part in parameters])
        print(
            json.dumps({"seconds": seconds, "parameters": flat.tolist()}), file=answers, flush=True
        )
