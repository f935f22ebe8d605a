"""Instructions of an EM iteration, counted: a guard against regressions that knows no clock.

    python benchmarks/instructions.py             count, and compare with instructions.json
    python benchmarks/instructions.py --update    count, and write instructions.json

Small fits run under Valgrind's Callgrind, on one thread. Counting is on only while `fit` runs, by
Callgrind's client requests from a few lines of C that are compiled here; so imports and compilation
do not count. An iteration's count is (I(high) - I(low)) / (high - low) of two fits. Counts hold for
the versions and the processor they were taken with: with others they are shown, not compared. The
exit status is 1 where a count has grown by more than TOLERANCE.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import numpy as np

TOLERANCE: Final = 0.02
LOW: Final = 2
HIGH: Final = 12
STORED: Final = Path(__file__).with_suffix(".json")
SWITCH: Final = """
#include <valgrind/callgrind.h>
void start(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void stop(const char *name) { CALLGRIND_DUMP_STATS_AT(name); CALLGRIND_STOP_INSTRUMENTATION; }
"""


@dataclass(frozen=True)
class Job:
    """A fit of k components to n rows of d features by an engine."""

    engine: str
    kind: str
    n: int
    d: int
    k: int

    def __str__(self) -> str:
        return f"{self.engine}: {self.n} x {self.d}, K = {self.k} {self.kind}"


def jobs() -> Iterator[Job]:
    """Each engine on shapes that take each of its ways."""
    for engine in ("numpy", "numba"):
        yield Job(engine, "full", 150, 4, 3)
        yield Job(engine, "full", 4_000, 5, 8)
        yield Job(engine, "full", 2_000, 32, 4)
        yield Job(engine, "tied", 4_000, 5, 8)
        yield Job(engine, "diag", 4_000, 5, 8)


def count(switch: Path) -> None:
    """Inside Callgrind: each job's two fits, with a dump of the counts after each."""
    import ellimix as em
    from problems import mixture_rows, start

    library = ctypes.CDLL(str(switch))
    gc.disable()
    warnings.simplefilter("ignore")
    for number, job in enumerate(jobs()):
        rows = mixture_rows(job.n, job.d, job.k)
        begin = start(rows, job.k, job.kind)
        covariances = begin["covariances"]
        inverse = np.linalg.inv(covariances) if job.kind in ("full", "tied") else 1 / covariances
        for iterations in (LOW, LOW, HIGH):  # the first one loads and compiles
            model = em.GaussianMixture(
                job.k,
                covariance_type=job.kind,
                weights_init=begin["weights"],
                means_init=begin["means"],
                precisions_init=inverse,
                tol=0.0,
                reg_covar=0.0,
                max_iter=iterations,
                engine=job.engine,
            )
            library.start()
            model.fit(rows)
            library.stop(f"{number} {iterations}".encode())


def measure() -> dict[str, float]:
    """Instructions of an iteration, by job."""
    for program in ("valgrind", "cc"):
        if shutil.which(program) is None:
            raise SystemExit(f"There is no {program}: instructions cannot be counted here.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, switch, out = folder / "switch.c", folder / "switch.so", folder / "counts"
        source.write_text(SWITCH)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", switch, source], check=True)
        tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
        command = [*tool, sys.executable, __file__, "--inside", str(switch)]
        one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
        environment = os.environ | one | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(
            command, env=environment, stderr=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        found: dict[str, float] = {}
        for path in sorted(folder.glob("counts.*"), key=lambda path: int(path.suffix[1:])):
            text = path.read_text()
            label = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
            total = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
            if label and total:
                found[label[1]] = float(total[1])  # of two fits with LOW, the second stays
    return {
        str(job): (found[f"{number} {HIGH}"] - found[f"{number} {LOW}"]) / (HIGH - LOW)
        for number, job in enumerate(jobs())
    }


def versions() -> dict[str, str]:
    """What counts depend on besides the code."""
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True)
    numpy_simd = np.show_config(mode="dicts")["SIMD Extensions"]["found"]  # type: ignore[index]
    return {
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "scipy": metadata.version("scipy"),
        "numba": metadata.version("numba"),
        "scikit-learn": metadata.version("scikit-learn"),
        "valgrind": valgrind.stdout.strip().removeprefix("valgrind-"),
        "processor": f"{platform.machine()} {numpy_simd[-1] if numpy_simd else ''}".strip(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        count(arguments.inside)
        return
    here, counts = versions(), measure()
    if arguments.update:
        content = {"versions": here, "instructions": {name: round(c) for name, c in counts.items()}}
        STORED.write_text(json.dumps(content, indent=2) + "\n")
    stored = json.loads(STORED.read_text())
    grown = []
    print("| job | instructions an iteration | stored | change |\n|---|---:|---:|---:|")
    for name, number in counts.items():
        old = stored["instructions"].get(name)
        change = None if old is None else number / old - 1.0
        cells = ("not stored", "") if change is None else (f"{old:,}", f"{100 * change:+.2f} %")
        print(f"| {name} | {number:,.0f} | {' | '.join(cells)} |")
        if change is not None and change > TOLERANCE:
            grown.append(name)
    if stored["versions"] != here:
        print(f"\nNot compared: stored with {stored['versions']}, here are {here}.")
    elif grown:
        raise SystemExit("\nMore instructions than stored: " + "; ".join(grown))


if __name__ == "__main__":
    main()
