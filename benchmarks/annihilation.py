"""The number of components in one run, against a fit for every number.

    python benchmarks/annihilation.py                200,000 x 5, 8 true components
    python benchmarks/annihilation.py --quick        20,000 x 5

One side is `annihilate` from 30 components down to 1, by message length. The other fits every
K = 1..15 from one k-means start each, all in the same passes, and takes the smallest BIC. Both use
the numba engine, full covariances and the same tolerance. Sides take turns,
seed after seed; data differ between seeds.

On one core, 200,000 x 5: both chose 8 in three seeds of three; one run took 4.4 s and 331 to 399
passes, the search 5.4 s and 120 to 145 passes, of 15 fits each (1.2 times as long). BIC of the one
run was between 1.8 lower and 42 higher. Most of its passes are made with more components than are
needed, where EM is slow.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass

import numpy as np

from ellimix.covariance import FAMILIES
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.selection.annihilation import annihilate
from ellimix.selection.criteria import bic
from ellimix.sources.memory import MemorySource
from ellimix.starts import STARTS, Beginning
from problems import mixture_rows

ENGINE = ENGINES["numba"]
FAMILY = FAMILIES["VVV"]
FLOOR, LIMIT, MOST, SEARCHED = 1e-6, 5_000, 30, range(1, 16)
TOL = 1e-6


@dataclass(frozen=True)
class Result:
    """What a side chose, and what that took."""

    chosen: int
    seconds: float
    passes: int
    bic: float


def shrunk(rows: np.ndarray, seed: int) -> Result:
    """One run of annihilation."""
    begun = time.perf_counter()
    found = annihilate(
        MemorySource(rows),
        ENGINE,
        FAMILY,
        most=MOST,
        reg_covar=FLOOR,
        tol=TOL,
        max_iter=LIMIT,
        random=np.random.RandomState(seed),
    )
    seconds = time.perf_counter() - begun
    value = bic(found.log_likelihood, found.mixture.n_parameters, len(rows))
    return Result(found.n_components, seconds, found.passes, value)


def searched(rows: np.ndarray, seed: int) -> Result:
    """A fit for every number of components, in lockstep."""
    begun, random = time.perf_counter(), np.random.RandomState(seed)
    source = MemorySource(rows).placed(ENGINE)
    inference = MaximumLikelihood(FAMILY, FLOOR)
    start = STARTS["kmeans"]
    tasks = [
        Task(
            inference,
            start.statistics(Beginning(source, ENGINE, k, FAMILY.moment, FLOOR, random)),
            TOL,
            LIMIT,
            acceleration="auto",
        )
        for k in SEARCHED
    ]
    reports = [report for report in run(source, ENGINE, tasks) if report.sound]
    n = len(rows)
    values = [bic(r.objective * n, r.mixture.n_parameters, n) for r in reports]
    best = int(np.argmin(values))
    seconds = time.perf_counter() - begun
    passes = max(report.n_iter for report in reports)
    return Result(reports[best].mixture.n_components, seconds, passes, values[best])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20,000 rows")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--separation", type=float, default=1.0)
    arguments = parser.parse_args()
    n, d, k = 20_000 if arguments.quick else 200_000, 5, 8
    warm = mixture_rows(2_000, d, k)
    shrunk(warm, 0), searched(warm, 0)  # kernels are compiled before the clock runs
    print("| seed | K: one run | K: every K | BIC: one run - every K | seconds | | passes | |")
    print(f"|{'---:|' * 8}")
    ratios = []
    for seed in range(arguments.seeds):
        rows = mixture_rows(n, d, k, seed=seed, separation=arguments.separation)
        one, every = shrunk(rows, seed), searched(rows, seed)
        ratios.append(every.seconds / one.seconds)
        print(
            f"| {seed} | {one.chosen} | {every.chosen} | {one.bic - every.bic:.1f} "
            f"| {one.seconds:.2f} | {every.seconds:.2f} | {one.passes} | {every.passes} |",
            flush=True,
        )
    print(f"\nSeconds, every K / one run: {statistics.median(ratios):.3g} (median).")
    print(f"{n:,} x {d}, true K {k}, separation {arguments.separation:g}.")


if __name__ == "__main__":
    main()
