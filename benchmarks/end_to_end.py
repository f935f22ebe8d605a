"""Time of `fit(X)` with default settings, from rows to convergence, ours and scikit-learn's.

    python benchmarks/end_to_end.py            all data
    python benchmarks/end_to_end.py --quick    small data only

Both find their own start, in the time. Each library has a process of its own; for seed after seed
they take turns, and the ratio is the median of the pairs' ratios. The two may end in different
optima, so the mean log-likelihood of the rows stands beside the time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA

import ellimix as em
from problems import mixture_rows
from side_by_side.environment import Environments
from side_by_side.processes import Process
from side_by_side.tables import duration
from side_by_side.tools import WORKERS, InPython, tools

HERE = Path(__file__).parent
LIBRARIES = ("ellimix", "sklearn")


@dataclass(frozen=True)
class Data:
    """Rows, made when they are wanted, and how many components to fit."""

    name: str
    k: int
    rows: Callable[[], np.ndarray]


def digits() -> np.ndarray:
    return PCA(41, random_state=0).fit_transform(load_digits().data)


SMALL = [
    Data("iris", 3, lambda: load_iris().data),
    Data("Old Faithful", 2, lambda: np.asarray(em.datasets.faithful()[0])),
    Data("digits, 41 principal components", 10, digits),
]
LARGE = [
    Data("mixture of 8", 8, lambda: mixture_rows(100_000, 4, 8)),
    Data("mixture of 16", 16, lambda: mixture_rows(1_000_000, 10, 16)),
]


def compare(python: Path, data: Data, seeds: int, limit: float) -> str:
    """A line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        rows = data.rows()
        np.save(Path(folder) / "rows.npy", rows)
        beginning = [str(python), str(WORKERS / "whole_fit.py")]
        commands = [[*beginning, library, folder, str(data.k)] for library in LIBRARIES]
        with Process(commands[0], limit) as ours, Process(commands[1], limit) as theirs:
            ours.ready(), theirs.ready()
            first, _ = ours.ask("run 0"), theirs.ask("run 0")
            turns = [[p.ask(f"run {seed}") for p in (ours, theirs)] for seed in range(seeds)]
    ratio = statistics.median(b["seconds"] / a["seconds"] for a, b in turns)
    middle = [
        {key: statistics.median(answer[key] for answer in answers) for key in answers[0]}
        for answers in zip(*turns, strict=True)
    ]
    shape = f"{len(rows):,} x {rows.shape[1]}, K = {data.k} ({data.name})"
    cells = [shape, *(duration(m["seconds"]) for m in middle), f"{ratio:.3g}"]
    cells += [f"{m['score']:.4f}" for m in middle] + [f"{m['iterations']:g}" for m in middle]
    return f"| {' | '.join([*cells, duration(first['seconds'])])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds of one fit at most")
    arguments = parser.parse_args()
    ours, _ = tools(HERE.parent, torch="")
    assert isinstance(ours.launcher, InPython)
    requirements = (*ours.launcher.requirements, "scikit-learn")
    python = Environments(HERE / ".peers").python(ours.launcher.environment, requirements)
    print(
        "| data | ellimix | scikit-learn | scikit-learn / ellimix | log-likelihood a row: ellimix "
        "| scikit-learn | iterations: ellimix | scikit-learn | ellimix, first fit of a process |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    for data in SMALL if arguments.quick else SMALL + LARGE:
        print(compare(python, data, arguments.seeds, arguments.limit), flush=True)


if __name__ == "__main__":
    main()
