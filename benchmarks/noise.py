"""A noise component: two Gaussians in uniform clutter, ours beside mclust and the Bayes rule.

    python benchmarks/noise.py                 10 seeds a share

Rows of two Gaussians, and others that are uniform in a square around them. The adjusted Rand
index is with the labels that the rows were drawn with, over all rows, clutter as a group of its
own. "true parameters" is the Bayes rule: the mixture the rows were drawn from, with the uniform
density of the square; no one can do better on average. mclust 6 gets the rows that NNclean of R's
prabclus takes for noise (Byers & Raftery 1998; 10 neighbours), VVV with two components, from an R
that has both (Debian: r-cran-mclust, r-cran-prabclus). scikit-learn has no noise component: its
labels are those of two or of three Gaussians, the third for the clutter.

Differences are paired over the seeds, with their standard errors; positive is better for ours.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from scipy.stats import multivariate_normal
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

import ellimix as em

HERE = Path(__file__).parent
HALF = 10.0  # of the square's side
PROPORTIONS = np.array([0.6, 0.4])
MEANS = np.array([[-3.0, -1.5], [3.0, 2.0]])
COVARIANCES = np.array([[[1.0, 0.6], [0.6, 0.8]], [[0.5, -0.2], [-0.2, 1.5]]])
OURS = "ellimix, noise=True"


@dataclass(frozen=True)
class Drawn:
    """Rows, the labels they were drawn with (-1 for clutter), and the share of clutter."""

    rows: np.ndarray
    labels: np.ndarray
    share: float


@dataclass(frozen=True)
class Found:
    """Labels, the weight of the noise and the seconds that it took."""

    labels: np.ndarray
    weight: float
    seconds: float


def draw(n: int, share: float, seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=n, p=[*((1.0 - share) * PROPORTIONS), share])
    labels[labels == 2] = -1
    rows = rng.uniform(-HALF, HALF, size=(n, 2))
    for k in range(2):
        own = labels == k
        rows[own] = rng.multivariate_normal(MEANS[k], COVARIANCES[k], size=int(own.sum()))
    return Drawn(rows, labels, share)


def bayes(drawn: Drawn) -> Found:
    """The rule of the true parameters."""
    inside = (np.abs(drawn.rows) <= HALF).all(axis=1)
    densities = [
        (1.0 - drawn.share) * weight * multivariate_normal(mean, covariance).pdf(drawn.rows)
        for weight, mean, covariance in zip(PROPORTIONS, MEANS, COVARIANCES, strict=True)
    ]
    densities.append(drawn.share * inside / (2.0 * HALF) ** 2)
    best = np.argmax(densities, axis=0)
    return Found(np.where(best == 2, -1, best), drawn.share, 0.0)


def ours(drawn: Drawn) -> Found:
    began = time.perf_counter()
    model = em.GaussianMixture(2, noise=True, tol=1e-5, max_iter=1000, random_state=0)
    model.fit(drawn.rows)
    return Found(model.labels_, model.noise_weight_, time.perf_counter() - began)


def without(k: int) -> Callable[[Drawn], Found]:
    def fit(drawn: Drawn) -> Found:
        began = time.perf_counter()
        model = GaussianMixture(k, n_init=10, tol=1e-5, max_iter=1000, random_state=0)
        labels = model.fit_predict(drawn.rows)
        return Found(labels, 0.0, time.perf_counter() - began)

    return fit


class Mclust:
    """R's mclust and prabclus in a process of their own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            ["Rscript", str(HERE / "workers" / "noise_mclust.R")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.versions = self._line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("R has not both mclust and prabclus, or its process ended.")
        return line.strip()

    def __call__(self, drawn: Drawn) -> Found:
        path = Path(self._folder.name) / "rows"
        np.ascontiguousarray(drawn.rows).tofile(path)
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path} {len(drawn.rows)} 2 2 10\n")
        self._process.stdin.flush()
        first, *rest = self._line().split()
        if first == "failed":
            print("mclust: " + " ".join(rest))
            return Found(np.zeros(len(drawn.rows)), np.nan, np.nan)
        return Found(np.array(rest[1:], dtype=int), float(rest[0]), float(first))


def table(tools: dict[str, Callable[[Drawn], Found]], n: int, shares: list[float], seeds: int):
    print("| clutter | tool | adjusted Rand index | ours better by | weight of the noise | time |")
    print("|---:|---|---:|---:|---:|---:|")
    for share in shares:
        rand: dict[str, list[float]] = defaultdict(list)
        found: dict[str, list[Found]] = defaultdict(list)
        for seed in range(seeds):
            drawn = draw(n, share, seed)
            for name, tool in tools.items():
                answer = tool(drawn)
                found[name].append(answer)
                rand[name].append(adjusted_rand_score(drawn.labels, answer.labels))
        for name in tools:
            gain = np.subtract(rand[OURS], rand[name])
            spread = gain.std(ddof=1) / np.sqrt(seeds)
            better = "" if name == OURS else f"{gain.mean():.3f} ± {spread:.3f}"
            weight = np.mean([each.weight for each in found[name]])
            seconds = np.median([each.seconds for each in found[name]])
            print(
                f"| {share:.0%} | {name} | {np.mean(rand[name]):.3f} | {better} "
                f"| {f'{weight:.3f}' if weight else '—'} "
                f"| {f'{1000 * seconds:.0f} ms' if seconds else '—'} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--shares", default="0.25,0.5,0.75")
    parser.add_argument("--rows", type=int, default=1000)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # a fit that ends at the limit of iterations counts as it is
    shares = [float(share) for share in arguments.shares.split(",")]
    tools = {
        "true parameters": bayes,
        OURS: ours,
        "scikit-learn, K = 2": without(2),
        "scikit-learn, K = 3": without(3),
    }
    if shutil.which("Rscript") is None:
        table(tools, arguments.rows, shares, arguments.seeds)
        print("\nNot run: mclust, for there is no R here.")
        return
    with Mclust() as mclust:
        tools["mclust, NNclean"] = mclust
        table(tools, arguments.rows, shares, arguments.seeds)
        print(f"\nmclust and prabclus: {mclust.versions}")


if __name__ == "__main__":
    main()
