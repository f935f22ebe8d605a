"""The lines of choosing/tools.py for workers in Python."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

Cell = tuple[str, int, float | None, str, str]


@dataclass(frozen=True)
class Request:
    """Rows (n, d); None is the tool's own default. `extra` is the tool's own setting."""

    rows: np.ndarray
    most: int | None
    seed: int
    extra: str | None


@dataclass(frozen=True)
class Found:
    """What a search chose, and its table: (family, components, BIC, status, reason) a cell."""

    family: str
    n_components: int
    bic: float
    cells: list[Cell]
    labels: np.ndarray


def serve(search: Callable[[Request], Callable[[], Found]], *packages: str) -> None:
    """Answer lines until the input ends. The search is timed, what reads its result is not."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    warnings.simplefilter("ignore")

    def answer(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=answers, flush=True)

    answer({"ready": {name: metadata.version(name) for name in (*packages, "numpy")}})
    for line in sys.stdin:
        _, path, n, d, most, seed, extra = line.split()
        request = Request(
            np.load(path).reshape(int(n), int(d)),
            None if most == "-" else int(most),
            int(seed),
            None if extra == "-" else extra,
        )
        began, used = time.perf_counter(), time.process_time()
        try:
            read = search(request)
        except ValueError as error:
            answer({"error": str(error)})
            continue
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        found = read()
        content = {
            "seconds": seconds,
            "cpu": cpu,
            "family": found.family,
            "n_components": found.n_components,
            "bic": found.bic,
            "cells": [
                (family, k, None if bic is None or not np.isfinite(bic) else bic, status, reason)
                for family, k, bic, status, reason in found.cells
            ],
            "labels": [int(label) for label in found.labels],
        }
        answer(content)
