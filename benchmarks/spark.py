"""Rows of a Spark DataFrame: passes by cores, and whole fits beside Spark MLlib's GaussianMixture.

    python benchmarks/spark.py [--rows N] [--features D] [--components K] [--seeds S] [--cores 1 2]

Each number of cores is a process with a session of its own, local[cores]. Both fit the same
DataFrame. MLlib's is cached as vectors before its clock runs; ours is read and packed within its
time. Log-likelihoods are a row's, in nats, of the fitted parameters on all rows, by one function.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

PASSES = 10  # timed, after two that are not


def overlapping_rows(n: int, d: int, k: int, seed: int = 0) -> np.ndarray:
    """Rows of k overlapping Gaussians with correlated features."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(k, d)) * 2.0
    mixing = rng.normal(size=(k, d, d)) / np.sqrt(d) + np.eye(d)
    labels = rng.integers(k, size=n)
    noise = rng.normal(size=(n, d))
    out = means[labels]
    for j in range(k):
        out[labels == j] += noise[labels == j] @ mixing[j]
    return out


def session(cores: int):
    """A quiet local session."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    found = (
        SparkSession.builder.master(f"local[{cores}]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.memory", "4g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    found.sparkContext.setLogLevel("OFF")
    return found


def clock(call, times: int = 1) -> float:
    """Seconds of a call, on average."""
    begin = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - begin) / times


def passes(sdf, X: np.ndarray, k: int) -> None:
    """Seconds of a pass on the cluster and in memory, and what a pass without rows takes."""
    import ellimix as em
    from ellimix.engines import ENGINES
    from ellimix.sources.memory import MemorySource

    n = X.shape[0]
    engine = ENGINES["numba"]
    rng = np.random.default_rng(1)
    mixture = em.Mixture.from_parameters(
        np.full(k, 1.0 / k), X[rng.choice(n, k, replace=False)], np.array([np.cov(X.T)] * k)
    )
    step = engine.step([mixture.potentials])
    begin = time.perf_counter()
    source = em.rows(sdf).source().looked_at(20_000, 0).placed(engine)
    print(f"  read, packed, looked at: {time.perf_counter() - begin:6.2f} s")
    clock(lambda: source.reduce(step), 2)
    took = clock(lambda: source.reduce(step), PASSES)
    context = sdf.sparkSession.sparkContext
    parts = source.held.pieces.getNumPartitions()
    empty = context.parallelize(range(parts), parts)
    clock(lambda: empty.mapPartitions(list).collect(), 2)
    job = clock(lambda: empty.mapPartitions(list).collect(), PASSES)
    memory = MemorySource(X, threads=context.defaultParallelism).placed(engine)
    clock(lambda: memory.reduce(step))
    own = clock(lambda: memory.reduce(step), PASSES)
    print(f"  a pass: {took:6.3f} s, {n / took:12,.0f} rows/s, {parts} partitions")
    print(f"  in memory, as many threads: {own:6.3f} s, {n / own:12,.0f} rows/s")
    print(f"  a job of as many empty tasks: {job:6.3f} s")


def fits(sdf, X: np.ndarray, k: int, seeds: int) -> None:
    """Whole fits, ours and MLlib's."""
    from pyspark.ml.clustering import GaussianMixture
    from pyspark.ml.feature import VectorAssembler

    import ellimix as em

    warnings.simplefilter("ignore")
    vectors = VectorAssembler(inputCols=sdf.columns, outputCol="features").transform(sdf)
    vectors = vectors.select("features").persist()
    vectors.count()
    for seed in range(seeds):
        begin = time.perf_counter()
        model = em.GaussianMixture(k, random_state=seed, tol=1e-5, max_iter=100)
        model.fit(em.rows(sdf, memory=0))
        took = time.perf_counter() - begin
        print(f"  seed {seed}: ellimix {took:8.1f} s, {model.score(X):.5f}, {model.n_iter_} passes")
        begin = time.perf_counter()
        peer = GaussianMixture(k=k, seed=seed, maxIter=100).fit(vectors)
        took = time.perf_counter() - begin
        found = peer.gaussiansDF.collect()
        means = [row["mean"].toArray() for row in found]
        covariances = [row["cov"].toArray() for row in found]
        mixture = em.Mixture.from_parameters(peer.weights, means, covariances)
        score = float(mixture.log_density(X).mean())
        print(f"  seed {seed}: MLlib   {took:8.1f} s, {score:.5f}, {peer.summary.numIter} passes")


def one(arguments: argparse.Namespace, path: Path) -> None:
    """All of one number of cores."""
    cores = arguments.cores[0]
    sdf = session(cores).read.parquet(str(path)).repartition(2 * cores)
    X = np.load(path.with_suffix(".npy"))
    print(f"local[{cores}], {X.shape[0]:,} x {X.shape[1]}, k = {arguments.components}", flush=True)
    warnings.simplefilter("ignore")
    passes(sdf, X, arguments.components)
    if arguments.seeds:
        fits(sdf, X, arguments.components, arguments.seeds)


def main() -> None:
    """Each number of cores in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--components", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.path is not None:
        one(arguments, arguments.path)
        return
    import pandas as pd

    X = overlapping_rows(arguments.rows, arguments.features, arguments.components)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]).to_parquet(path)
        np.save(path.with_suffix(".npy"), X)
        for cores in arguments.cores:
            given = [*sys.argv[1:], "--path", str(path), "--cores", str(cores)]
            subprocess.run([sys.executable, __file__, *given], check=True)


if __name__ == "__main__":
    main()
