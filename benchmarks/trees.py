"""Model-based agglomeration: plain, compiled, and by R mclust's ``hc``.

    python benchmarks/trees.py               iris, faithful, diabetes, and 2,000 rows of 6 features
    python benchmarks/trees.py --quick       the first three

Milliseconds of one tree, the least of several, after what is compiled has been compiled; the rows
are scaled by "SVD", which is part of the time on all sides. Needs R with mclust for its
column; its EEE, which takes time of order n^3, is left out above 500 rows.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import ellimix as em
from ellimix.starts import tree
from ellimix.starts.hierarchical import MODELS
from problems import mixture_rows

DIABETES = Path(__file__).parents[1] / "tests" / "reference" / "diabetes.csv"
REPEATS = 7  # fewer where a tree takes long
ENOUGH = 3.0  # seconds

R = r"""
suppressMessages(library(mclust))
arguments <- commandArgs(trailingOnly = TRUE)
x <- as.matrix(read.csv(arguments[1], header = FALSE))
for (model in arguments[-1]) {
  least <- Inf; spent <- 0; runs <- 0
  while (runs < 2 || (spent < 2 && runs < 20)) {
    begun <- proc.time()[["elapsed"]]; many <- 0
    repeat {
      hc(x, modelName = model, use = "SVD"); many <- many + 1
      seconds <- proc.time()[["elapsed"]] - begun
      if (seconds > 0.1) break
    }
    least <- min(least, seconds / many); spent <- spent + seconds; runs <- runs + 1
  }
  cat(model, 1000 * least, "\n")
}
"""


def milliseconds(rows: np.ndarray, model: str, fast: bool) -> float:
    tree(rows, model=model, fast=fast)
    begun, times = time.perf_counter(), []
    while len(times) < 2 or (len(times) < REPEATS and time.perf_counter() - begun < ENOUGH):
        start = time.perf_counter()
        tree(rows, model=model, fast=fast)
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def mclust(rows: np.ndarray) -> dict[str, float]:
    """Milliseconds of ``hc`` by model; nothing without R or mclust."""
    if shutil.which("Rscript") is None:
        return {}
    models = [model for model in MODELS if model != "EEE" or rows.shape[0] <= 500]
    with tempfile.TemporaryDirectory() as folder:
        script, table = Path(folder) / "hc.R", Path(folder) / "rows.csv"
        script.write_text(R, encoding="utf-8")
        np.savetxt(table, rows, delimiter=",", fmt="%.17g")
        done = subprocess.run(
            ["Rscript", str(script), str(table), *models],
            capture_output=True,
            text=True,
            check=False,
        )
    return {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small data alone")
    arguments = parser.parse_args()
    data = {
        "iris": em.datasets.iris()[0],
        "faithful": em.datasets.faithful()[0],
        "diabetes": np.genfromtxt(DIABETES, delimiter=",", skip_header=1),
    }
    if not arguments.quick:
        data["2,000 rows"] = mixture_rows(2_000, 6, 5)
    print("| data | model | plain, ms | compiled, ms | mclust's hc, ms |\n|---|---|---:|---:|---:|")
    for name, rows in data.items():
        theirs = mclust(rows)
        for model in MODELS:
            ours = " | ".join(f"{milliseconds(rows, model, fast):.3g}" for fast in (False, True))
            other = f"{theirs[model]:.3g}" if model in theirs else ""
            print(f"| {name}, {rows.shape[0]} x {rows.shape[1]} | {model} | {ours} | {other} |")


if __name__ == "__main__":
    main()
