"""A table larger than memory: fitted from Parquet files, beside rows in memory and scikit-learn.

    python benchmarks/files.py --rows 100000000 --folder /tmp/rows --memory-rows 10000000

Writes rows of 10 float32 features from a mixture of 16 components, a million at a time (a file
each), unless the folder holds them. Then, each in a process of its own:

- passes of EM with 16 full covariances over the files, and over rows in memory: rows a second,
- a whole fit from the files: time, passes, peak memory, log-likelihood,
- scikit-learn's fit of the rows that its memory allows (`--sklearn-rows`).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

D, K, PIECE = 10, 16, 1_000_000


def write(folder: Path, rows: int) -> None:
    """The table, a million rows a file."""
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir(parents=True, exist_ok=True)
    means = np.random.default_rng(0).normal(size=(K, D)) * 2.0
    for number in range(-(-rows // PIECE)):
        path = folder / f"part-{number:05d}.parquet"
        if path.exists():
            continue
        rng = np.random.default_rng([1, number])
        x = means[rng.integers(K, size=PIECE)] + rng.normal(size=(PIECE, D))
        columns = {f"x{j}": x[:, j].astype(np.float32) for j in range(D)}
        beside = path.with_suffix(".tmp")
        parquet.write_table(
            pa.table(columns), beside, use_dictionary=False, compression="none",
            row_group_size=1 << 18,
        )  # fmt: skip
        beside.rename(path)


def files_of(folder: Path, rows: int) -> list[str]:
    """As many files as hold so many rows."""
    return [str(path) for path in sorted(folder.glob("part-*.parquet"))[: -(-rows // PIECE)]]


def start() -> dict[str, object]:
    """One start for passes: near the truth, so that responsibilities are as in a fit."""
    means = np.random.default_rng(0).normal(size=(K, D)) * 2.0
    return {
        "means_init": means + 0.3,
        "weights_init": np.full(K, 1 / K),
        "precisions_init": np.array([np.eye(D)] * K),
    }


def passes(folder: Path, rows: int, where: str, repeats: int) -> dict[str, float]:
    """Rows a second of a pass: (time of 6 passes - time of 2) / 4, the median of some."""
    import ellimix as em

    stream = em.rows(files_of(folder, rows), memory=0)
    X = stream if where == "files" else stream.loaded().rows
    rates = []
    for _ in range(repeats):
        spent = [_timed(em, X, n) for n in (2, 6)]
        rates.append(4 * rows / (spent[1] - spent[0]))
    return {"rows_per_second": float(np.median(rates)), "peak_mib": peak()}


def _timed(em: object, X: object, iterations: int) -> float:
    begun = time.perf_counter()
    em.GaussianMixture(K, max_iter=iterations, tol=0.0, **start()).fit(X)  # type: ignore[attr-defined]
    return time.perf_counter() - begun


def whole(folder: Path, rows: int) -> dict[str, float | str]:
    """A fit with default arguments."""
    import ellimix as em

    begun = time.perf_counter()
    model = em.GaussianMixture(K, random_state=0).fit(em.rows(files_of(folder, rows), memory=0))
    return {
        "seconds": time.perf_counter() - begun,
        "iterations": model.n_iter_,
        "log_likelihood_per_row": model.lower_bound_,
        "notes": " ".join(model.report_.notes),
        "peak_mib": peak(),
    }


def sklearn(folder: Path, rows: int) -> dict[str, float]:
    """scikit-learn's fit with default arguments."""
    from sklearn.mixture import GaussianMixture

    import ellimix as em

    X = em.rows(files_of(folder, rows), memory=0).loaded().rows
    begun = time.perf_counter()
    model = GaussianMixture(K, random_state=0).fit(X)
    return {
        "seconds": time.perf_counter() - begun,
        "iterations": model.n_iter_,
        "log_likelihood_per_row": float(model.lower_bound_),
        "peak_mib": peak(),
    }


def peak() -> float:
    """Peak memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def alone(job: str, arguments: argparse.Namespace, rows: int) -> dict[str, object]:
    """A job in a process of its own."""
    command = [
        sys.executable, __file__, "--job", job, "--folder", str(arguments.folder),
        "--rows", str(rows), "--repeats", str(arguments.repeats),
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, object] = json.loads(done.stdout)
    print(f"{job} ({rows:,} rows): {found}", flush=True)
    return found


def main() -> None:
    """All of it, or one job."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--memory-rows", type=int, default=10_000_000)
    parser.add_argument("--sklearn-rows", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/.rows"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--job", choices=["passes-files", "passes-memory", "whole", "sklearn"])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    folder, rows = arguments.folder, arguments.rows
    if arguments.job is None:
        write(folder, max(rows, arguments.memory_rows))
        inside = alone("passes-memory", arguments, arguments.memory_rows)
        outside = alone("passes-files", arguments, arguments.memory_rows)
        ratio = float(outside["rows_per_second"]) / float(inside["rows_per_second"])  # type: ignore[arg-type]
        print(f"files / memory, rows a second: {ratio:.2f}")
        alone("whole", arguments, rows)
        if arguments.sklearn_rows:
            alone("sklearn", arguments, arguments.sklearn_rows)
            alone("whole", arguments, arguments.sklearn_rows)
        return
    if arguments.job == "whole":
        print(json.dumps(whole(folder, rows)))
    elif arguments.job == "sklearn":
        print(json.dumps(sklearn(folder, rows)))
    else:
        where = arguments.job.removeprefix("passes-")
        print(json.dumps(passes(folder, rows, where, arguments.repeats)))


if __name__ == "__main__":
    main()
