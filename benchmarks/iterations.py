"""Time of an EM iteration, ours and scikit-learn's, in turn in one run.

    python benchmarks/iterations.py            the table of the README
    python benchmarks/iterations.py --quick    small shapes only

From the same start, with tol = 0, an iteration's time is (T(high) - T(low)) / (high - low): the
set-up and the last E-step cancel. The two libraries take turns, and the ratio is the median of the
pairs' ratios, so that a machine that slows down slows both. The log-likelihoods must agree.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings

import numpy as np
from sklearn.mixture import GaussianMixture as Theirs

import ellimix as em
from problems import mixture_rows, start

SHAPES = [
    (150, 4, 3, "full"),
    (10_000, 2, 4, "full"),
    (100_000, 10, 16, "full"),
    (1_000_000, 10, 16, "full"),
    (100_000, 32, 16, "full"),
    (20_000, 64, 16, "full"),
    (100_000, 10, 16, "tied"),
    (100_000, 10, 16, "diag"),
    (100_000, 10, 16, "spherical"),
    (20_000, 50, 50, "diag"),
]


def seconds(estimator: type, rows: np.ndarray, iterations: int, arguments: dict) -> tuple:
    model = estimator(max_iter=iterations, tol=0.0, **arguments)
    began = time.perf_counter()
    model.fit(rows)
    return time.perf_counter() - began, model.lower_bound_


def iteration(estimator: type, rows: np.ndarray, arguments: dict, low: int, high: int) -> tuple:
    fast, _ = seconds(estimator, rows, low, arguments)
    slow, bound = seconds(estimator, rows, high, arguments)
    return (slow - fast) / (high - low), bound


def compare(n: int, d: int, k: int, kind: str, pairs: int) -> None:
    rows = mixture_rows(n, d, k)
    arguments = {"n_components": k, "covariance_type": kind, **start(rows, k, kind)}
    high = 102 if n * k <= 200_000 else 7 if n * k * d <= 50_000_000 else 4
    ours, theirs = [], []
    for _ in range(pairs):
        mine, bound = iteration(em.GaussianMixture, rows, arguments, 2, high)
        other, expected = iteration(Theirs, rows, arguments, 2, high)
        np.testing.assert_allclose(bound, expected, rtol=1e-8)
        ours.append(mine)
        theirs.append(other)
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    print(
        f"| {n:,} x {d}, K = {k} {kind} | {1e3 * statistics.median(ours):.3g} ms "
        f"| {1e3 * statistics.median(theirs):.3g} ms | {ratio:.1f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| shape | ellimix | scikit-learn | scikit-learn / ellimix |\n|---|---|---|---|")
    for n, d, k, kind in SHAPES:
        if not arguments.quick or n * d * k <= 1_000_000:
            compare(n, d, k, kind, arguments.pairs)


if __name__ == "__main__":
    main()
