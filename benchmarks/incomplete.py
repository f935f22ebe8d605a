"""Missing values: a fit to what was observed, beside filling in first and fitting then.

    python benchmarks/incomplete.py                    20 seeds a share, about five minutes
    python benchmarks/incomplete.py --seeds 4 --shares 0.3
    python benchmarks/incomplete.py --choose           K and family by BIC, for all
    python benchmarks/incomplete.py --bayes            a variational posterior, for all

Cells of iris are removed at random. Ours is one call, `GaussianMixture.fit` on the rows with NaN;
the others fill in by column means, scikit-learn's IterativeImputer or KNNImputer and give the
filled rows to the same `GaussianMixture`: the same number of components, family, variance floor,
number of starts and tolerance for all, so that only the treatment of the holes differs.

Two measures: the mean log-density, in nats, of all 150 true rows, and the root mean square error of
the filled cells, in standard deviations of their columns (ours by `impute`, the conditional mean).
Differences are paired over the seeds, with their standard errors; positive is better for ours.

The last table asks how far the parameters from rows with holes are from those of the whole rows, in
standard errors of the latter, from bootstrap samples of the rows: the share within 1 and 2 of them.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

import ellimix as em

ROWS = np.asarray(em.datasets.iris()[0], dtype=float)
SPREAD = ROWS.std(axis=0)
OURS = "ellimix, as it is"
FILLERS: dict[str, Callable[[], object]] = {
    "column means": SimpleImputer,
    "IterativeImputer": lambda: IterativeImputer(max_iter=100, random_state=0),
    "KNNImputer": KNNImputer,
}


@dataclass(frozen=True)
class Setting:
    """What all tools have in common."""

    n_components: int
    family: str
    floor: float
    n_init: int

    def __str__(self) -> str:
        return f"{self.family},{self.n_components}, floor {self.floor:g}, n_init {self.n_init}"

    def model(self, seed: int) -> em.GaussianMixture:
        return em.GaussianMixture(
            self.n_components,
            covariance_type=self.family,
            reg_covar=self.floor,
            n_init=self.n_init,
            tol=1e-5,
            max_iter=1000,
            random_state=seed,
        )


@dataclass(frozen=True)
class Choice:
    """K and family by BIC, with the search's own starts and its guard."""

    def __str__(self) -> str:
        return "chosen by BIC: VVV, VEV, EEE, VVI, K 1 to 4"

    def model(self, seed: int) -> em.GaussianMixtureSearch:
        return em.GaussianMixtureSearch(
            ["VVV", "VEV", "EEE", "VVI"], range(1, 5), random_state=seed
        )


@dataclass(frozen=True)
class Bayes:
    """A variational posterior of at most six components with full covariances."""

    def __str__(self) -> str:
        return "variational posterior, at most 6 components, concentration 0.01"

    def model(self, seed: int) -> em.BayesianGaussianMixture:
        return em.BayesianGaussianMixture(
            n_components=6, weight_concentration_prior=0.01, max_iter=2000, random_state=seed
        )


@dataclass(frozen=True)
class Score:
    """Of one seed: mean log-density of the true rows, and the error of the filled cells."""

    log_density: float
    error: float


def with_holes(share: float, seed: int) -> np.ndarray:
    """The rows without a share of their cells, drawn without replacement."""
    rng = np.random.default_rng(seed)
    out = ROWS.copy()
    out.flat[rng.permutation(out.size)[: round(share * out.size)]] = np.nan
    return out


def error(filled: np.ndarray, holes: np.ndarray) -> float:
    missing = np.isnan(holes)
    return float(np.sqrt(np.mean(((filled - ROWS) / SPREAD)[missing] ** 2)))


def scores(setting: Setting | Choice | Bayes, share: float, seed: int) -> dict[str, Score]:
    """Every tool's score."""
    holes = with_holes(share, seed)
    model = setting.model(seed).fit(holes)
    out = {OURS: Score(model.score(ROWS), error(model.impute(holes), holes))}
    for name, filler in FILLERS.items():
        filled = filler().fit_transform(holes)
        model = setting.model(seed).fit(filled)
        out[name] = Score(model.score(ROWS), error(filled, holes))
    return out


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def compare(setting: Setting | Choice | Bayes, shares: list[float], seeds: int) -> None:
    """The table of one setting."""
    print(f"\n{setting}, {seeds} seeds\n")
    print("| missing | tool | log-density | median | ours better by | error | ours better by |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for share in shares:
        found: dict[str, list[Score]] = defaultdict(list)
        for seed in range(seeds):
            for name, score in scores(setting, share, seed).items():
                found[name].append(score)
        density = {n: np.array([s.log_density for s in each]) for n, each in found.items()}
        errors = {n: np.array([s.error for s in each]) for n, each in found.items()}
        for name in found:
            gains = ["", ""]
            if name != OURS:
                pairs = (density[OURS] - density[name], errors[name] - errors[OURS])
                gains = ["{:.3f} ± {:.3f}".format(*mean_and_error(pair)) for pair in pairs]
            print(
                f"| {share:.0%} | {name} | {density[name].mean():.3f} "
                f"| {np.median(density[name]):.3f} | {gains[0]} "
                f"| {errors[name].mean():.3f} | {gains[1]} |",
                flush=True,
            )


def theta(model: em.GaussianMixture, means: np.ndarray) -> np.ndarray:
    """Its parameters in the order of the components whose means are given, the nearest first."""
    distance = np.linalg.norm(model.means_[None] - means[:, None], axis=2)
    order = [int(i) for i in distance.argmin(axis=1)]
    if len(set(order)) < len(order):
        return np.full(len(order) * (1 + 4 + 10), np.nan)
    upper = np.triu_indices(means.shape[1])
    covariances = model.covariances_[order][:, upper[0], upper[1]]
    return np.concatenate([model.weights_[order], model.means_[order].ravel(), covariances.ravel()])


def recovery(shares: list[float], seeds: int, replicates: int = 200) -> None:
    """Parameters from rows with holes beside those of whole rows."""
    setting = Setting(3, "VVV", 1e-6, 10)
    whole = setting.model(0).fit(ROWS)
    known = theta(whole, whole.means_)
    rng = np.random.default_rng(0)
    start = {
        "weights_init": whole.weights_,
        "means_init": whole.means_,
        "precisions_init": whole.precisions_,
    }
    drawn = []
    for _ in range(replicates):
        sample = ROWS[rng.integers(len(ROWS), size=len(ROWS))]
        again = setting.model(0).set_params(**start, n_init=1).fit(sample)
        drawn.append(theta(again, whole.means_))
    samples = np.array(drawn)
    samples = samples[~np.isnan(samples).any(axis=1)]
    # a spread that outlying samples do not decide: half the distance of the middle 68 %
    errors = (np.quantile(samples, 0.84, axis=0) - np.quantile(samples, 0.16, axis=0)) / 2
    print(f"\nVVV,3: parameters within standard errors, {len(samples)} bootstrap samples\n")
    print("| missing | within 1 s.e. | within 2 s.e. | components apart | seeds |")
    print("|---:|---:|---:|---:|---:|")
    for share in shares:
        found = np.array(
            [
                theta(setting.model(seed).fit(with_holes(share, seed)), whole.means_)
                for seed in range(seeds)
            ]
        )
        matched = ~np.isnan(found).any(axis=1)
        apart = np.abs(found[matched] - known) / errors
        print(
            f"| {share:.0%} | {np.mean(apart < 1):.1%} | {np.mean(apart < 2):.1%} "
            f"| {(~matched).sum()} | {seeds} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--shares", default="0.1,0.3,0.5")
    parser.add_argument("--floors", default="1e-6,1e-3,1e-2")
    parser.add_argument("--families", default="VVV,EEE")
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--bayes", action="store_true")
    arguments = parser.parse_args()
    shares = [float(share) for share in arguments.shares.split(",")]
    # single fits that end at the limit of iterations or lose a component count as they are
    warnings.simplefilter("ignore")
    if arguments.choose or arguments.bayes:
        compare(Choice() if arguments.choose else Bayes(), shares, arguments.seeds)
        return
    for family in arguments.families.split(","):
        for floor in arguments.floors.split(","):
            compare(Setting(3, family, float(floor), arguments.starts), shares, arguments.seeds)
    recovery([share for share in shares if share < 0.5], arguments.seeds)


if __name__ == "__main__":
    main()
