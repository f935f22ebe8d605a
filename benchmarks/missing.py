"""What missing values cost: passes and whole fits against the same rows without holes.

    python benchmarks/missing.py                  passes, all data
    python benchmarks/missing.py --fits           whole fits as well
    python benchmarks/missing.py --quick          small data
    python benchmarks/missing.py --threads 1      so many threads (default 1)

Cells are missing at random, each with the same probability. The two sides take turns, pair after
pair, and a ratio is the median of the pairs' ratios: what else the machine does hits both. A pass
is one E-step over all rows with the compiled engine, rows laid out before the clock runs; the
parameters are near those of the mixture that the rows were drawn from, whose components overlap.

A whole fit is the loop from the same statistics for the same number of iterations on both sides,
laying out included.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ellimix.covariance import FAMILIES
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.engines.base import Engine
from ellimix.engines.incomplete import suited
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import Block, Potentials, SufficientStatistics
from ellimix.sources.memory import MemorySource
from problems import mixture_rows
from side_by_side.tables import duration

RATES = (0.01, 0.1, 0.3)
ITERATIONS = 20
SEPARATION = 0.5
ENGINE = ENGINES["numba"]


@dataclass(frozen=True)
class Data:
    """The shape of the data and the covariance family."""

    n: int
    d: int
    k: int
    family: str

    def __str__(self) -> str:
        return f"{self.n:,} x {self.d}, K = {self.k}, {self.family}"

    def rows(self) -> np.ndarray:
        return mixture_rows(self.n, self.d, self.k, separation=SEPARATION)


DATA = [
    Data(100_000, 8, 8, "VVV"),
    Data(100_000, 8, 8, "EEE"),
    Data(100_000, 8, 8, "VVI"),
    Data(20_000, 32, 8, "VVV"),
    Data(20_000, 32, 8, "EEE"),
    Data(20_000, 32, 8, "VVI"),
    Data(100_000, 2, 4, "VVV"),
]
QUICK = [Data(10_000, 4, 3, "VVV")]


@dataclass(frozen=True)
class Side:
    """Something to time, and what it is called."""

    name: str
    run: Callable[[], object]


def with_holes(rows: np.ndarray, rate: float) -> np.ndarray:
    """The rows with a share of the cells NaN."""
    out = rows.copy()
    out[np.random.default_rng(1).random(rows.shape) < rate] = np.nan
    return out


def patterns(rows: np.ndarray) -> int:
    """How many different sets of features rows lack."""
    return len(np.unique(np.packbits(np.isnan(rows), axis=1), axis=0))


def beginning(data: Data, rows: np.ndarray) -> SufficientStatistics:
    """Statistics under the components that the rows were drawn from, with a tenth of the others."""
    label = np.minimum(np.arange(data.n) // -(-data.n // data.k), data.k - 1)
    share = np.full((data.n, data.k), 0.1 / data.k)
    share[np.arange(data.n), label] += 0.9
    center = np.repeat(rows.mean(axis=0)[None], data.k, axis=0)
    return ENGINE.accumulate(share, Block(rows, None), center, inference(data).moment)


def inference(data: Data) -> MaximumLikelihood:
    """Of the data's family, without a floor."""
    return MaximumLikelihood(FAMILIES[data.family])


def pass_over(rows: np.ndarray, given: Potentials, threads: int) -> Side:
    """One E-step over rows that are laid out."""
    source = MemorySource(rows, threads=threads)
    engine: Engine = suited(ENGINE, source)
    source = source.placed(engine)
    return Side("pass", lambda: source.reduce(lambda block: tuple(engine.step([given])(block))))


def whole_fit(data: Data, rows: np.ndarray, start: SufficientStatistics, threads: int) -> Side:
    """A fit of so many iterations, from an array to a fitted model."""
    task = Task(inference(data), start, tol=0.0, max_iter=ITERATIONS)
    return Side("fit", lambda: run(MemorySource(rows, threads=threads), ENGINE, [task]))


def paired(one: Side, others: list[Side], pairs: int) -> tuple[float, list[tuple[float, float]]]:
    """Median seconds of one side; of each other one those, and the median of its ratios to it."""
    for side in (one, *others):
        side.run()  # compiled, and warm
    times: list[list[float]] = []
    for _ in range(pairs):
        turn = []
        for side in (one, *others):
            begun = time.perf_counter()
            side.run()
            turn.append(time.perf_counter() - begun)
        times.append(turn)
    middle = [statistics.median(column) for column in zip(*times, strict=True)]
    ratios = [
        statistics.median(turn[number] / turn[0] for turn in times)
        for number in range(1, len(others) + 1)
    ]
    return middle[0], list(zip(middle[1:], ratios, strict=True))


def line(data: Data, what: str, first: float, rest: list[tuple[float, float]]) -> str:
    """A line of the table."""
    cells = [str(data), what, duration(first)]
    cells += [f"{duration(seconds)} ({ratio:.2f}x)" for seconds, ratio in rest]
    return f"| {' | '.join(cells)} |"


def compare(data: Data, pairs: int, threads: int, fits: bool) -> None:
    """Print the lines of one kind of data."""
    rows = data.rows()
    holes = [with_holes(rows, rate) for rate in RATES]
    start = beginning(data, rows)
    given = inference(data).potentials(inference(data).update(start, None))
    passes = [pass_over(some, given, threads) for some in (rows, *holes)]
    print(line(data, "pass", *paired(passes[0], passes[1:], pairs)), flush=True)
    if fits:
        whole = [whole_fit(data, some, start, threads) for some in (rows, *holes)]
        found = paired(whole[0], whole[1:], max(3, pairs // 4))
        print(line(data, f"fit, {ITERATIONS} iterations", *found), flush=True)
    # Peers that take missing values get their lines here, on the same rows and in the same turns:
    # a `Side` whose `run` makes one of their passes or fits.


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--fits", action="store_true")
    parser.add_argument("--pairs", type=int, default=21)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    print(f"| data | | complete | {' | '.join(f'{100 * rate:g} % missing' for rate in RATES)} |")
    print(f"|---|---|{'---:|' * (1 + len(RATES))}")
    used = QUICK if arguments.quick else DATA
    for data in used:
        compare(data, arguments.pairs, arguments.threads, arguments.fits)
    counts = [
        f"{d} features " + ", ".join(f"{patterns(with_holes(rows, rate)):,}" for rate in RATES)
        for d, rows in {data.d: data.rows() for data in used}.items()
    ]
    print(f"\nPatterns of missing values: {'; '.join(counts)}.")


if __name__ == "__main__":
    main()
