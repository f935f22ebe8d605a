"""Measurement errors: what a fit recovers that knows of them, and the time of an iteration.

    python benchmarks/deconvolution.py             20 seeds; astroML gets its own environment
    python benchmarks/deconvolution.py --no-time   the recovery only

Points of two Gaussians in two dimensions were measured with errors that differ from point to
point, correlated, with standard deviations between 0.3 and 1.5 where the components' own, along
their axes, are between 0.4 and 1.2. "plain" ignores the errors, "deconvolved" is
`fit(X, errors=...)`, "without errors" is the fit to the points themselves, which no one has. The
variance ratio is the mean over components and axes of fitted to true variances, along the true
principal axes; the divergence is the Kullback-Leibler divergence of the fitted mixture from the
true one in nats, the mean over 100,000 points of the latter. Means over the seeds, with their
standard errors.

The second table is an iteration of ours beside one of astroML's XDGMM from the same parameters:
(T(high) - T(low)) / (high - low), the median of five turns, each in one process and thread. The
parameters agree to 1e-9, or the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np

import ellimix as em
from side_by_side.environment import Environments

HERE = Path(__file__).parent
WEIGHTS = [0.6, 0.4]
MEANS = np.array([[0.0, 0.0], [2.5, 1.5]])
COVARIANCES = np.array([[[1.0, 0.6], [0.6, 0.7]], [[0.4, -0.2], [-0.2, 0.9]]])
TRUTH = em.Mixture.from_parameters(WEIGHTS, MEANS, COVARIANCES)


def measured(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, what was measured of them, and the errors' covariances."""
    rng = np.random.default_rng(seed)
    points, _ = TRUTH.sample(n, rng)
    scales = np.exp(rng.uniform(np.log(0.3), np.log(1.5), size=(n, 2)))
    errors = scales[:, :, None] * scales[:, None, :]
    correlation = rng.uniform(-0.8, 0.8, size=n)
    errors[:, 0, 1] *= correlation
    errors[:, 1, 0] *= correlation
    noise = np.linalg.cholesky(errors) @ rng.normal(size=(n, 2, 1))
    return points, points + noise[..., 0], errors


def variance_ratio(model: em.GaussianMixture) -> float:
    """Fitted variances along the true axes, in true variances; components by the nearest means."""
    ratios = []
    for mean, covariance in zip(MEANS, COVARIANCES, strict=True):
        nearest = np.linalg.norm(model.means_ - mean, axis=1).argmin()
        true, axes = np.linalg.eigh(covariance)
        ratios += list(np.diag(axes.T @ model.covariances_[nearest] @ axes) / true)
    return float(np.mean(ratios))


def recovery(n: int, seeds: int) -> None:
    truth, _ = TRUTH.sample(100_000, 12345)
    known = TRUTH.log_density(truth)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for seed in range(seeds):
        points, values, errors = measured(n, seed)
        for name, rows, told in (
            ("without errors", points, {}),
            ("plain", values, {}),
            ("deconvolved", values, {"errors": errors}),
        ):
            model = em.GaussianMixture(2, tol=1e-7, max_iter=5000, n_init=3, random_state=seed)
            model.fit(rows, **told)
            divergence = float(np.mean(known - model.mixture_.log_density(truth)))
            found[name].append((variance_ratio(model), divergence))
    print(f"{n} points, {seeds} seeds\n")
    print("| fit | variances, fitted / true | divergence from the truth |")
    print("|---|---:|---:|")
    for name, each in found.items():
        values = np.array(each)
        mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(seeds)
        print(
            f"| {name} | {mean[0]:.3f} ± {error[0]:.3f} | {mean[1]:.4f} ± {error[1]:.4f} |",
            flush=True,
        )


class Worker:
    """A fit in another process: `ask` runs it for some iterations."""

    def __init__(self, python: Path, worker: str, folder: Path) -> None:
        script = HERE / "workers" / worker
        self._process = subprocess.Popen(
            [str(python), str(script), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, iterations: int) -> tuple[float, np.ndarray]:
        """Seconds, and the parameters in turn."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{iterations}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("A worker ended: its message stands above.")
        answer = json.loads(line)
        return answer["seconds"], np.array(answer["parameters"])

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def timing(sizes: list[int], turns: int) -> bool:
    """The second table; whether the parameters agree."""
    python = Environments(HERE / ".peers").python("deconvolution", ("astroML",))
    agree = True
    print("\n| points | ellimix | astroML | ratio | parameters apart |\n|---:|---:|---:|---:|---:|")
    for n in sizes:
        _, values, errors = measured(n, 0)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            np.save(folder / "rows.npy", values)
            np.save(folder / "errors.npy", errors)
            np.save(folder / "weights.npy", np.array([0.5, 0.5]))
            np.save(folder / "means.npy", MEANS + 0.5)
            np.save(folder / "covariances.npy", np.repeat(np.eye(2)[None], 2, axis=0))
            pair = {
                "ellimix": Worker(Path(sys.executable), "deconvolve_ellimix.py", folder),
                "astroML": Worker(python, "deconvolve_astroml.py", folder),
            }
            apart = float(np.abs(np.subtract(*(each.ask(10)[1] for each in pair.values()))).max())
            seconds = defaultdict(list)
            for _ in range(turns):
                for tool, worker in pair.items():
                    low, high = worker.ask(2)[0], worker.ask(12)[0]
                    seconds[tool].append((high - low) / 10)
            for worker in pair.values():
                worker.end()
        ratio = np.median(np.divide(seconds["astroML"], seconds["ellimix"]))
        ours, other = (1e3 * np.median(seconds[tool]) for tool in ("ellimix", "astroML"))
        agree &= apart < 1e-9
        print(
            f"| {n:,} | {ours:.3g} ms | {other:.3g} ms | {ratio:.1f}x | {apart:.0e} |", flush=True
        )
    return agree


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--sizes", default="300,3000,30000")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--no-time", action="store_true")
    parser.add_argument("--no-recovery", action="store_true")
    arguments = parser.parse_args()
    if not arguments.no_recovery:
        recovery(arguments.points, arguments.seeds)
    if not arguments.no_time:
        sizes = [int(size) for size in arguments.sizes.split(",")]
        if not timing(sizes, arguments.turns):
            raise SystemExit(1)


if __name__ == "__main__":
    main()
