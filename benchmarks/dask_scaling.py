"""Rows a second on Dask with one and with two workers, and what a pass costs besides its work.

    python benchmarks/dask_scaling.py
    python benchmarks/dask_scaling.py --rows 8000000 --passes 15

Workers have one thread each and are processes of this machine, so it needs two free cores. Passes
over the same rows alternate between the two clusters; ratios are of neighbours, and the figures are
medians. The overhead is a pass over 100 chunks that are so small that their work is nothing: put
together, as small chunks are, and with a task for each.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

import ellimix as em
from ellimix.engines import ENGINES
from ellimix.sources import dask_source

ENGINE = ENGINES["numba"]
CHUNKS, SMALL = 100, 500  # chunks, and rows of one, for the overhead


def mixture(k, d):
    rng = np.random.default_rng(0)
    means = rng.normal(scale=4.0, size=(k, d))
    return em.GaussianMixture.from_parameters(np.full(k, 1.0 / k), means, np.stack([np.eye(d)] * k))


def table(n, d, k, chunks):
    """Rows that each worker makes itself, the same ones each time."""
    means = np.asarray(mixture(k, d).means_)

    def made(block_info=None):
        place = block_info[None]
        rng = np.random.default_rng(place["chunk-location"][0])
        (first, last), _ = place["array-location"]
        which = rng.integers(k, size=last - first)
        return rng.normal(size=(last - first, d)) + means[which]

    return da.map_blocks(made, chunks=((n // chunks,) * chunks, (d,)), dtype=float, meta=means[:0])


def placed(client, x):
    """The source, with all rows on this client's workers, and its one pass as a function."""
    with client.as_current():
        source = em.rows(x, memory=0).source().placed(ENGINE)
        source.reduce(ENGINE.step([mixture(2, x.shape[1]).mixture_.potentials]))
        held = client.has_what()
    print(
        "portions on each worker:",
        *(sum("rows" in str(key) for key in keys) for keys in held.values()),
    )

    def run(step):
        with client.as_current():
            start = time.perf_counter()
            source.reduce(step)
            return time.perf_counter() - start

    return run


def scaling(one, two, arguments):
    n, d, k = arguments.rows, arguments.features, arguments.components
    x = table(n, d, k, 40)
    step = ENGINE.step([mixture(k, d).mixture_.potentials])
    runs = placed(one, x), placed(two, x)
    for run in runs:
        run(step), run(step)  # the first pass also waits for rows
    pairs = [[run(step) for run in runs] for _ in range(arguments.passes)]
    for name, times in zip(("1 worker ", "2 workers"), zip(*pairs, strict=True), strict=True):
        print(f"{name}: {n / statistics.median(times) / 1e6:8.2f} million rows a second")
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"2 workers: {ratio:.2f} times the rows a second ({n:,} x {d}, K = {k}, full)")


def overhead(two, arguments):
    d, k = 2, 3
    x = table(CHUNKS * SMALL, d, k, CHUNKS)
    step = ENGINE.step([mixture(k, d).mixture_.potentials])
    for name, values in (("put together", dask_source.PORTION_VALUES), ("a task for each", 1)):
        dask_source.PORTION_VALUES = values
        run = placed(two, x)
        run(step), run(step)
        times = [run(step) for _ in range(arguments.passes)]
        print(
            f"a pass over {CHUNKS} chunks of {SMALL} rows, {name}: "
            f"{1e3 * statistics.median(times):.1f} ms, at best {1e3 * min(times):.1f} ms"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--components", type=int, default=16)
    parser.add_argument("--passes", type=int, default=9)
    arguments = parser.parse_args()
    print(f"load of this machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    options = {"threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        LocalCluster(n_workers=1, **options) as first,
        LocalCluster(n_workers=2, **options) as second,
        Client(first, set_as_default=False) as one,
        Client(second, set_as_default=False) as two,
    ):
        scaling(one, two, arguments)
        overhead(two, arguments)
    print(f"load of this machine after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
