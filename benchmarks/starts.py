"""The k-means start on a sample of the rows against k-means on all of them.

    python benchmarks/starts.py                 20 seeds, all data
    python benchmarks/starts.py --seeds 3       fewer
    python benchmarks/starts.py --quick         5 seeds, one kind of data

Above `SAMPLE_ROWS` rows the start "kmeans" clusters a random sample of so many rows, with a few of
Lloyd's iterations. The other side is `sklearn.cluster.KMeans(k, n_init=1)` on all rows, whose
labels are the start. From both, EM with the default acceleration goes on to the same tolerance,
which is strict enough for the path to end; what is left between the two is the maximum it leads to.

The rows are the same for all seeds, the starts are not. Seconds are of the start alone, from rows
to the statistics that the first M-step gets (median over the seeds); log-likelihoods are means over
the rows, in nats, after EM.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.cluster import KMeans

import ellimix as em
from ellimix.engines import ENGINES
from ellimix.records import Moment
from ellimix.sources.memory import MemorySource
from ellimix.starts import STARTS, Beginning, Given
from ellimix.starts.kmeans import SAMPLE_ROWS
from problems import mixture_rows
from side_by_side.tables import duration

LIMIT = 5_000  # iterations
FLOOR = 1e-6
ENGINE = ENGINES["numba"]


@dataclass(frozen=True)
class Data:
    """The shape of the data, and how far apart its components are."""

    n: int
    d: int
    k: int
    separation: float

    def __str__(self) -> str:
        return f"{self.n:,} x {self.d}, K = {self.k}, separation {self.separation:g}"

    def rows(self) -> np.ndarray:
        return mixture_rows(self.n, self.d, self.k, separation=self.separation)


DATA = [
    *(Data(100_000, 10, 16, separation) for separation in (1.0, 0.5, 0.3)),
    Data(100_000, 2, 8, 1.0),
    Data(50_000, 32, 16, 0.5),
]
QUICK = [Data(50_000, 4, 8, 1.0)]


@dataclass(frozen=True)
class Result:
    """A start and the EM after it."""

    seconds: float
    passes: int
    objective: float


def on_sample(given: Beginning) -> tuple[float, Any]:
    """Seconds of the start "kmeans", and the start as `init_params`."""
    begun = time.perf_counter()
    STARTS["kmeans"].statistics(given)
    return time.perf_counter() - begun, "kmeans"


def on_all_rows(given: Beginning) -> tuple[float, Any]:
    """Seconds of k-means on all rows, and its labels."""
    begun = time.perf_counter()
    model = KMeans(given.k, n_init=1, random_state=given.random)
    labels = model.fit(given.source.rows).labels_
    Given(labels).statistics(given)
    return time.perf_counter() - begun, labels


def beginning(rows: np.ndarray, k: int, seed: int) -> Beginning:
    """What a start of full covariances gets to work with."""
    source = MemorySource(rows).placed(ENGINE)
    return Beginning(source, ENGINE, k, Moment.FULL, FLOOR, np.random.RandomState(seed))


def result(
    start: Callable[[Beginning], tuple[float, Any]],
    rows: np.ndarray,
    data: Data,
    seed: int,
    tol: float,
) -> Result:
    """The start with this seed, and EM from it."""
    seconds, init_params = start(beginning(rows, data.k, seed))
    model = em.GaussianMixture(
        data.k,
        init_params=init_params,
        random_state=seed,
        tol=tol,
        reg_covar=FLOOR,
        max_iter=LIMIT,
        engine=ENGINE.name,
    ).fit(rows)
    return Result(seconds, model.n_iter_, model.lower_bound_)


def compare(data: Data, seeds: int, tol: float) -> str:
    """A line of the table; the two take turns, seed after seed."""
    rows = data.rows()
    on_sample(beginning(rows, data.k, 0))  # kernels are compiled before the clock runs
    turns = [
        [result(start, rows, data, seed, tol) for start in (on_sample, on_all_rows)]
        for seed in range(seeds)
    ]
    sides = list(zip(*turns, strict=True))
    seconds = [statistics.median(r.seconds for r in side) for side in sides]
    cells = [
        *(duration(s) for s in seconds),
        f"{statistics.median(theirs.seconds / ours.seconds for ours, theirs in turns):.3g}",
        *(f"{statistics.mean(r.objective for r in side):.5f}" for side in sides),
        *(f"{min(r.objective for r in side):.5f}" for side in sides),
        *(f"{statistics.mean(r.passes for r in side):.0f}" for side in sides),
    ]
    return f"| {data} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5 seeds, one kind of data")
    parser.add_argument("--seeds", type=int, help="seeds of the starts, by default 20")
    parser.add_argument("--tol", type=float, default=1e-6)
    arguments = parser.parse_args()
    seeds = arguments.seeds or (5 if arguments.quick else 20)
    print(
        "| data | start: sample | all rows | all rows / sample | mean log-likelihood: sample "
        "| all rows | worst: sample | all rows | passes of EM: sample | all rows |\n"
        f"|---|{'---:|' * 9}"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for data in QUICK if arguments.quick else DATA:
            print(compare(data, seeds, arguments.tol), flush=True)
    print(f"\n{seeds} seeds, tol {arguments.tol:g}; a sample has {SAMPLE_ROWS:,} rows.")


if __name__ == "__main__":
    main()
