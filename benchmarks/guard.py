"""The guard against spurious components: what it prevents, and what it marks in error.

    python benchmarks/guard.py                 6 data sets a line, about ten minutes on one core
    python benchmarks/guard.py --sets 2        fewer
    python benchmarks/guard.py --seed 1        others

Each data set is fitted by many families, numbers of components and starts, with the floor of
scikit-learn (1e-6). Among the fits BIC chooses, once of all and once of those that the guard leaves
unmarked. Whether a choice is false is judged by what no search sees: 4,000 further rows of the
same distribution (not rounded, where the data are), beside a reference: the best of the fits with
one component where the data have one, else the fit that starts from the true labels. A choice is
false where it promises more than the reference and keeps less: its log-likelihood of the rows it
was fitted to is higher, its mean log-likelihood of the further rows lower by more than 0.1 nats. So
several components for a uniform or heavy-tailed cloud are no error where they describe it.

"good" are the fits whose log-likelihood of the further rows is no lower than the reference's, and
the share of them that the guard marks in error.

An alarm is a reference that the guard marks. "small" is a genuine cluster of few rows: 10 more than
features, a tenth as wide as the others along one axis ("flat") or along all ("tight").
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ellimix.covariance import FAMILIES
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.report import FitReport
from ellimix.selection.criteria import bic
from ellimix.selection.grain import observation, resolutions
from ellimix.selection.guard import Guard, Reason
from ellimix.sources.memory import MemorySource
from ellimix.starts import STARTS, Beginning, Given

ENGINE = ENGINES["numba"]
FLOOR, TOL, LIMIT = 1e-6, 1e-5, 200
NAMES = ("VII", "EEE", "VVI", "EEV", "VEV", "EVV", "VVV")
SIZES = (2, 4, 7)
N_STARTS = 8
NEW_ROWS, LOSS = 4000, 0.1


@dataclass(frozen=True)
class Data:
    """Rows, their true labels, and further rows of the same distribution."""

    rows: np.ndarray
    labels: np.ndarray
    new: np.ndarray


@dataclass(frozen=True)
class Setting:
    """A distribution to draw from: a cloud of one component, or clusters."""

    kind: str
    n: int
    d: int
    k: int = 1
    step: float = 0.0

    def __str__(self) -> str:
        grid = f", steps of {self.step:g}" if self.step else ""
        return f"{self.kind} {self.n} x {self.d}{grid}"

    def draw(self, rng: np.random.Generator) -> Data:
        draw = cloud if self.k == 1 else clusters
        data = draw(self, rng)
        if self.step:
            return Data(np.round(data.rows / self.step) * self.step, data.labels, data.new)
        return data


def cloud(setting: Setting, rng: np.random.Generator) -> Data:
    n, d = setting.n + NEW_ROWS, setting.d
    rows = {
        "normal": lambda: rng.normal(size=(n, d)),
        "uniform": lambda: rng.uniform(-2.0, 2.0, size=(n, d)),
        "t, 4 d.f.": lambda: rng.standard_t(4, size=(n, d)),
    }[setting.kind]()
    return Data(rows[: setting.n], np.zeros(setting.n, dtype=int), rows[setting.n :])


def clusters(setting: Setting, rng: np.random.Generator) -> Data:
    n, d, k = setting.n, setting.d, setting.k
    counts = rng.multinomial(n, np.full(k, 1.0 / k))
    widths = np.exp(rng.uniform(np.log(0.3), 0.0, size=(k, d)))
    if setting.kind in ("small tight", "small flat"):
        counts[0] = d + 10
        widths[0] *= 0.1 if setting.kind == "small tight" else np.where(np.arange(d) == 0, 0.1, 1.0)
    spread = 1.5 if setting.kind == "overlapping" else 3.0
    centers = rng.normal(scale=spread, size=(k, d))
    axes = [np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(k)]

    def draw(of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = [
            centers[j] + (rng.normal(size=(m, d)) * widths[j]) @ axes[j].T for j, m in enumerate(of)
        ]
        return np.concatenate(rows), np.repeat(np.arange(k), of)

    rows, labels = draw(counts)
    return Data(rows, labels, draw(rng.multinomial(NEW_ROWS, counts / counts.sum()))[0])


CLOUDS = [
    Setting("normal", 31, 1),
    Setting("normal", 31, 2),
    Setting("normal", 31, 3),
    Setting("normal", 60, 4),
    Setting("normal", 80, 6),
    Setting("normal", 150, 3),
    Setting("uniform", 60, 3),
    Setting("t, 4 d.f.", 60, 3),
    Setting("normal", 60, 3, step=0.25),
    Setting("normal", 150, 1, step=0.5),
]
CLUSTERS = [
    Setting("overlapping", 150, 2, 3),
    Setting("overlapping", 150, 4, 3),
    Setting("apart", 150, 4, 3, step=0.1),
    Setting("apart", 100, 1, 2),
    Setting("small tight", 150, 2, 3),
    Setting("small tight", 150, 4, 3),
    Setting("small flat", 150, 2, 3),
    Setting("small flat", 150, 4, 3),
]


@dataclass(frozen=True)
class Fit:
    """A fit, its BIC, what the guard says, and its mean log-likelihood of new rows."""

    report: FitReport
    family: str
    k: int
    bic: float
    reasons: tuple[Reason, ...]
    log_likelihood: float
    held_out: float

    def false(self, reference: Fit) -> bool:
        """Whether it promises more than the reference and keeps less."""
        more = self.log_likelihood > reference.log_likelihood
        return more and self.held_out < reference.held_out - LOSS


def fitted(data: Data, setting: Setting, guard: Guard, seed: int) -> tuple[list[Fit], Fit]:
    """All fits of a search, and the reference."""
    source = MemorySource(data.rows, threads=1)
    k = setting.k
    names = ("EII", "VII") if setting.d == 1 else NAMES
    tasks = [*search_tasks(source, names, seed), *reference_tasks(source, names, data, k)]
    resolution, unit = resolutions(source), observation(source)
    fits: list[Fit | None] = []
    for report in run(source, ENGINE, [task for _, task in tasks]):
        mixture = report.mixture
        if not report.sound or mixture is None or report.counts is None:
            fits.append(None)  # degenerate: no search would choose it
            continue
        loglik = report.objective * setting.n
        found = guard.judge(mixture, report.counts / unit, resolution)
        fits.append(
            Fit(
                report,
                mixture.family.name,
                mixture.n_components,
                bic(loglik, mixture.n_parameters, setting.n),
                found,
                loglik,
                float(mixture.log_density(data.new).mean()),
            )
        )
    reference = [
        fit for (true, _), fit in zip(tasks, fits, strict=True) if true and fit is not None
    ]
    return [fit for fit in fits if fit is not None], min(reference, key=lambda fit: fit.bic)


def search_tasks(
    source: MemorySource, names: tuple[str, ...], seed: int
) -> Iterator[tuple[bool, Task]]:
    starts = ["hierarchical", "kmeans", *["random_from_data"] * (N_STARTS - 2)]
    for name in names:
        inference = MaximumLikelihood(FAMILIES[name], FLOOR)
        for k in SIZES:
            for number, start in enumerate(starts):
                random = np.random.RandomState(1000 * seed + number)
                moment = inference.family.moment
                beginning = Beginning(source, ENGINE, k, moment, FLOOR, random)
                statistics = STARTS[start].statistics(beginning)
                yield False, Task(inference, statistics, TOL, LIMIT, acceleration="auto")


def reference_tasks(
    source: MemorySource, names: tuple[str, ...], data: Data, k: int
) -> Iterator[tuple[bool, Task]]:
    used = names if k == 1 else ("VII",) if source.n_features == 1 else ("VVV",)
    random = np.random.RandomState(0)
    for name in used:
        inference = MaximumLikelihood(FAMILIES[name], FLOOR)
        beginning = Beginning(source, ENGINE, k, inference.family.moment, FLOOR, random)
        statistics = Given(data.labels).statistics(beginning)
        yield True, Task(inference, statistics, TOL, LIMIT, acceleration="auto")


@dataclass
class Line:
    """Counts of what happened on the data sets of one setting."""

    sets: int = 0
    fits: int = 0
    marked: int = 0
    good: int = 0
    good_marked: int = 0
    false_all: int = 0
    false_guarded: int = 0
    alarms: int = 0

    def add(self, fits: list[Fit], reference: Fit) -> None:
        left = [fit for fit in fits if not fit.reasons] or [reference]
        good = [fit for fit in fits if fit.held_out >= reference.held_out]
        self.sets += 1
        self.fits += len(fits)
        self.marked += sum(bool(fit.reasons) for fit in fits)
        self.good += len(good)
        self.good_marked += sum(bool(fit.reasons) for fit in good)
        self.false_all += min(fits, key=lambda fit: fit.bic).false(reference)
        self.false_guarded += min(left, key=lambda fit: fit.bic).false(reference)
        self.alarms += bool(reference.reasons)

    def __iadd__(self, other: Line) -> Line:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def __str__(self) -> str:
        return (
            f"{self.sets:5} {self.fits:7} {_share(self.marked, self.fits):>8} "
            f"{self.false_all:8} {self.false_guarded:8} {self.alarms:7} {self.good:6} "
            f"{_share(self.good_marked, self.good):>8}"
        )


def _share(part: int, whole: int) -> str:
    return f"{100.0 * part / whole:.1f} %" if whole else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    begin = time.perf_counter()
    print(f"{'':34} {'':5} {'':7} {'':8} {'false choices':>17} {'':7} {'good fits':>15}")
    print(
        f"{'data':34} {'sets':>5} {'fits':>7} {'marked':>8} {'of all':>8} {'guarded':>8} "
        f"{'alarms':>7} {'':>6} {'marked':>8}"
    )
    for title, settings in (("one cloud", CLOUDS), ("clusters", CLUSTERS)):
        total = Line()
        for setting in settings:
            line = Line()
            for number in range(arguments.sets):
                rng = np.random.default_rng([arguments.seed, number, setting.n, setting.d])
                line.add(*fitted(setting.draw(rng), setting, Guard(), number))
            print(f"{setting!s:34} {line}", flush=True)
            total += line
        print(f"{title:34} {total}\n")
    print(f"{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
