"""Passes and maxima of accelerated EM against plain EM, from the same starts.

    python benchmarks/acceleration.py                  200 random problems, tol 1e-6
    python benchmarks/acceleration.py --tol 1e-10      the same, to the end
    python benchmarks/acceleration.py --seed 1         200 others
    python benchmarks/acceleration.py --large          200,000 x 10, 16 overlapping components

A problem is drawn from its seed and number alone: 200 to 2,000 rows of 1 to 6 features about 1 to 7
centers, which lie apart by half a width to six widths; a quarter of them with tails of Student's t;
a quarter with row weights; 2 to 6 components of a family with a cheap M-step; k-means or random
responsibilities as the start; a variance floor or none. Problems in which plain EM itself ends
otherwise than converged (a singular component, the limit of iterations) have nothing to compare
with and are left out; the last line says how many.

A fit ends lower or higher where its mean log-likelihood is off that of plain EM by more than
1e-9 of it and 10 tol. Passes are those over the rows, rejected trials included. A ratio is the
passes of plain EM by those of the accelerated fit: of the sums, of the sums over problems with the
same end, the median, and the least. A fit that ends higher has often left a plateau on which plain
EM stopped, and has gone on for that.

The exit status is 1 where a fit with "auto" ends lower than plain EM, or not converged.

On large data, from the k-means start with one seed and with the compiled engine, seconds are those
of a whole `fit`. "sample" begins on a sample of the rows where all rows are ten times as many
(`ellimix.sampling`): of 16 components in 10 features that is so for 200,000 rows with diagonal
covariances, and from 528,000 rows on with full ones (--shape 600000,10,16). The passes on the
sample are in the seconds, and the last column says how many they were.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import ellimix as em
from ellimix.acceleration import ACCELERATORS
from problems import mixture_rows
from side_by_side.tables import duration

LIMIT = 20_000  # iterations
SLOW = ("EVE", "VVE")  # their M-steps search for the common axes
# VVV and EEE are what most fits use, so they are drawn twice as often
FAMILIES = [*(name for name in em.FAMILIES if name not in SLOW), "VVV", "EEE"]


@dataclass(frozen=True)
class Problem:
    """Rows (n, d), their weights (n,) or None, and the fit's settings but for its acceleration."""

    rows: np.ndarray
    weight: np.ndarray | None
    settings: dict[str, Any]


@dataclass(frozen=True)
class End:
    """How a fit ended: mean log-likelihood of the rows in nats, and what its passes were."""

    objective: float
    passes: int
    kinds: Counter[str]
    converged: bool


@dataclass(frozen=True)
class Comparison:
    """A fit and plain EM's, from the same start."""

    number: int
    plain: End
    fast: End
    tol: float

    @property
    def ratio(self) -> float:
        return self.plain.passes / self.fast.passes

    @property
    def difference(self) -> float:
        """By how much the fit ends higher; 0 where that is within what is allowed."""
        difference = self.fast.objective - self.plain.objective
        allowed = 1e-9 * abs(self.plain.objective) + 10.0 * self.tol
        return difference if abs(difference) > allowed else 0.0


def problem(seed: int, number: int) -> Problem:
    """Problem of this number in the set of this seed."""
    random = np.random.default_rng([seed, number])
    n, d, k = (int(random.integers(*ends)) for ends in ((200, 2001), (1, 7), (2, 7)))
    true_k = max(1, k + int(random.integers(-1, 2)))  # a component too many, too few, or neither
    separation = np.exp(random.uniform(np.log(0.5), np.log(6.0)))
    center = separation * random.normal(size=(true_k, d))
    axes = np.linalg.qr(random.normal(size=(true_k, d, d)))[0]
    axes *= np.exp(random.uniform(-0.7, 0.7, size=(true_k, 1, d)))
    label = random.choice(true_k, size=n, p=random.dirichlet(np.full(true_k, 4.0)))
    rows = center[label] + (axes[label] @ random.normal(size=(n, d, 1)))[..., 0]
    if random.random() < 0.25:
        rows = rows + 0.3 * random.standard_t(3, size=(n, d))
    weight = 0.01 + random.exponential(size=n) if random.random() < 0.25 else None
    settings: dict[str, Any] = {
        "n_components": k,
        "covariance_type": FAMILIES[random.integers(len(FAMILIES))],
        "reg_covar": 0.0 if random.random() < 0.5 else 1e-6,
        "init_params": "kmeans",
        "random_state": number,
    }
    if random.random() < 0.5:
        settings["init_params"] = random.dirichlet(np.ones(k), size=n)
    return Problem(rows, weight, settings)


def end(problem: Problem, acceleration: str | None, tol: float) -> End:
    """Fit a problem; a fit without parameters ends at -inf."""
    model = em.GaussianMixture(
        **problem.settings, tol=tol, max_iter=LIMIT, engine="numpy", acceleration=acceleration
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(problem.rows, sample_weight=problem.weight)
        except em.FitFailed:
            return End(-np.inf, 0, Counter(), converged=False)
    report = model.report_
    return End(model.lower_bound_, report.n_iter, Counter(report.steps), model.converged_)


def compared(seed: int, number: int, tol: float) -> Iterator[tuple[str, Comparison]]:
    """A comparison for each accelerator; none where plain EM did not converge."""
    drawn = problem(seed, number)
    plain = end(drawn, None, tol)
    if plain.converged:
        for name in ACCELERATORS:
            yield name, Comparison(number, plain, end(drawn, name, tol), tol)


def line(name: str, group: Sequence[Comparison]) -> str:
    """An accelerator's line of the table."""
    sound = [c for c in group if c.fast.converged]
    lower = [c for c in sound if c.difference < 0.0]
    higher = [c for c in sound if c.difference > 0.0]
    passes, level = _passes(sound), _passes([c for c in sound if c.difference == 0.0])
    ratios = [c.ratio for c in sound]
    kinds = sum((c.fast.kinds for c in sound), Counter())
    cells = [
        *(f"{number:,}" for number in passes),
        *(f"{plain / fast:.2f}" if fast else "" for plain, fast in (passes, level)),
        *(f"{pick(ratios):.2f}" if ratios else "" for pick in (statistics.median, min)),
        f"{kinds['accelerated'] + kinds['rejected']:,}",
        f"{kinds['rejected']:,}",
        *(_off(part) for part in (lower, higher)),
        f"{len(group) - len(sound)}",
    ]
    return f"| `{name}` | {' | '.join(cells)} |"


def _passes(part: Sequence[Comparison]) -> tuple[int, int]:
    """Passes of plain EM, and of the fits."""
    return sum(c.plain.passes for c in part), sum(c.fast.passes for c in part)


def _off(part: Sequence[Comparison]) -> str:
    if not part:
        return "0"
    return f"{len(part)} (at most {max(abs(c.difference) for c in part):.1e})"


def random_problems(seed: int, n_problems: int, tol: float) -> bool:
    """Print the table; whether every fit with "auto" ended, and none lower."""
    groups: dict[str, list[Comparison]] = {name: [] for name in ACCELERATORS}
    for number in range(n_problems):
        for name, comparison in compared(seed, number, tol):
            groups[name].append(comparison)
    used = len(groups["auto"])
    if not used:
        print(f"Plain EM converged in none of {n_problems} problems.")
        return True
    print(
        "| acceleration | passes of plain EM | passes | ratio | ratio, same end | median | least "
        f"| trials | rejected | lower | higher | did not converge |\n|---|{'---:|' * 11}"
    )
    for name, group in groups.items():
        print(line(name, group))
    print(f"\n{used} problems, tol {tol:g}, seed {seed}; left out: {n_problems - used}.")
    bad = [c for c in groups["auto"] if c.difference < 0.0 or not c.fast.converged]
    for c in bad:
        print(
            f'"auto" on problem {c.number}: {c.fast.objective:.10f} after {c.fast.passes} passes, '
            f"plain EM {c.plain.objective:.10f} after {c.plain.passes}"
        )
    return not bad


def large(n: int, d: int, k: int, separation: float, tol: float) -> None:
    """Print the table of a fit whose passes cost, k-means start and start on a sample included."""
    rows = mixture_rows(n, d, k, separation=separation)
    print(
        "| covariance | acceleration | passes over all rows | seconds | mean log-likelihood "
        "| start |\n|---|---|---:|---:|---:|---|"
    )
    for family in ("full", "diag"):
        settings = {"covariance_type": family, "tol": tol, "random_state": 0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # kernels are compiled, and k-means is loaded, before the clock runs
            em.GaussianMixture(k, **settings, max_iter=1, engine="numba").fit(rows[: 10 * d * k])
            for name in (None, "auto", "squarem", "sample"):
                model = em.GaussianMixture(
                    k, **settings, max_iter=LIMIT, engine="numba", acceleration=name
                )
                begun = time.perf_counter()
                model.fit(rows)
                seconds = time.perf_counter() - begun
                cells = [family, f"`{name}`", f"{model.n_iter_:,}", duration(seconds)]
                cells += [f"{model.lower_bound_:.7f}", " ".join(model.report_.notes) or "all rows"]
                print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\n{n:,} x {d}, K = {k}, separation {separation:g}, tol {tol:g}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2026, help="of the set of problems")
    parser.add_argument("--tol", type=float, default=1e-6)
    parser.add_argument("--large", action="store_true", help="large data in place of the problems")
    parser.add_argument("--shape", default="200000,10,16", help="n,d,K of the large data")
    parser.add_argument("--separation", type=float, default=0.3, help="of the large data's centers")
    arguments = parser.parse_args()
    if arguments.large:
        n, d, k = map(int, arguments.shape.split(","))
        large(n, d, k, arguments.separation, arguments.tol)
    elif not random_problems(arguments.seed, arguments.problems, arguments.tol):
        sys.exit(1)


if __name__ == "__main__":
    main()
