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

The second table is of genuine clusters by their rows above the number of features, down to 2, in
fits of VVV, VEV and VVI (V with one feature) from the true labels: how many of the fits that kept
the cluster (its count to 1.5 rows) are marked.

The third is of chance groups that were sought on purpose: the rows nearest to hyperplanes through d
rows of a Gaussian cloud, the thinnest of 1,500 for each number of rows. EM from there in VVV; those
that BIC prefers to one component, what the largest such group has, and how many are marked. The
last column is the logarithm of the odds against the group's widths over that of the number of such
groups, for those with at least d + 1 rows.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.special import gammaln

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
GUARD = Guard()
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


def fit_labels(rows: np.ndarray, labels: list[np.ndarray], k: int, names: tuple[str, ...]):
    """Reports of the fits from labels, a list for each family."""
    source, random = MemorySource(rows, threads=1), np.random.RandomState(0)
    tasks = []
    for name in names:
        inference = MaximumLikelihood(FAMILIES[name])
        beginning = Beginning(source, ENGINE, k, inference.family.moment, 0.0, random)
        for given in labels:
            start = Given(given).statistics(beginning)
            tasks.append(Task(inference, start, TOL, LIMIT, acceleration="auto"))
    return run(source, ENGINE, tasks)


def genuine(sets: int, seed: int) -> None:
    print(f"{'rows above d':>14} {'kept':>6} {'marked':>8}   (by kind)")
    for extra in (2, 4, 6, 8, 10, 20, 40):
        kept, kinds = 0, []
        for number in range(sets):
            for d in (1, 2, 4, 7):
                for tight, flat in ((1.0, 1.0), (0.1, 1.0), (1.0, 0.05)):
                    rng = np.random.default_rng([seed, number, extra, d])
                    rows, labels = with_small(rng, d, d + extra, tight, flat)
                    names = ("VII",) if d == 1 else ("VVV", "VEV", "VVI")
                    step = resolutions(MemorySource(rows))
                    for report in fit_labels(rows, [labels], 3, names):
                        if report.sound and abs(report.counts[0] - d - extra) < 1.5:
                            kept += 1
                            found = GUARD.judge(report.mixture, report.counts, step)
                            kinds += [tuple(sorted({reason.kind.value for reason in found}))]
        marked = Counter(kind for kind in kinds if kind)
        shares = ", ".join(f"{' + '.join(kind)} {count}" for kind, count in marked.items())
        share = _share(marked.total(), kept)
        print(f"{extra:14} {kept:6} {share:>8}   {shares}", flush=True)
    print()


def with_small(
    rng: np.random.Generator, d: int, small: int, tight: float, flat: float
) -> tuple[np.ndarray, np.ndarray]:
    """A small cluster and two others."""
    counts = np.array([small, *rng.integers(d + 20, 150, size=2)])
    scale = np.exp(rng.uniform(np.log(0.3), 0.0, size=(3, d)))
    scale[0] *= tight
    scale[0, 0] *= flat
    axes = np.linalg.qr(rng.normal(size=(3, d, d)))[0]
    centers = rng.normal(size=(3, d)) * rng.choice([1.0, 2.0, 4.0])
    labels = np.repeat(np.arange(3), counts)
    noise = rng.normal(size=(labels.size, d)) * scale[labels]
    return centers[labels] + np.einsum("nd,ned->ne", noise, axes[labels]), labels


def sought(seed: int) -> None:
    print(f"{'n x d':>9} {'better':>7} {'marked':>7} {'rows':>6} {'width':>9} {'odds':>13}")
    for n in (40, 100, 300):
        for d in (1, 2, 3, 4, 6):
            rng = np.random.default_rng([seed, n, d])
            rows = rng.normal(size=(n, d))
            groups = [g for size in range(d + 1, d + 10) for g in thinnest(rows, size, rng)]
            labels = [np.isin(np.arange(n), group).astype(int) for group in groups]
            name = ("VII",) if d == 1 else ("VVV",)
            (one,) = fit_labels(rows, [np.zeros(n, dtype=int)], 1, name)
            better, limit = {}, _bic(one, n)
            for report in fit_labels(rows, labels, 2, name):
                if report.sound and _bic(report, n) < limit:
                    better[round(report.objective, 6)] = report
            print(f"{n:5} x {d} {_sought_line(list(better.values()))}", flush=True)
    print()


def thinnest(rows: np.ndarray, size: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """The thinnest few of the groups of so many rows that are nearest to random hyperplanes."""
    found, d = [], rows.shape[1]
    for _ in range(1500):
        through = rows[rng.choice(len(rows), d, replace=False)]
        middle = through.mean(axis=0)
        normal = np.linalg.svd(through - middle)[2][-1]
        near = np.argpartition(np.abs((rows - middle) @ normal), size - 1)[:size]
        group = rows[near] - rows[near].mean(axis=0)
        width = np.linalg.svd(group, compute_uv=False)[-1]
        found.append((width, tuple(sorted(near.tolist()))))
    return [near for _, near in sorted(set(found))[:4]]


def _sought_line(reports: list[FitReport]) -> str:
    marked, rows, widths, odds = 0, [0.0], [0.0], []
    for report in reports:
        d, count = report.mixture.n_features, float(report.counts.min())
        marked += bool(GUARD.judge(report.mixture, report.counts, np.zeros(d)))
        k = int(report.counts.argmin())
        total = report.mixture.total_covariance()
        values = eigh(report.mixture.covariances()[k], total, eigvals_only=True)
        s = np.minimum(np.sqrt(values), 1.0)
        rows.append(count)
        widths.append(float(s[0]))
        if count >= d + 1:
            powers = count - d + 2.0 * np.arange(d)
            odds.append(float(-powers @ np.log(s)) / _log_groups(report.n_rows, count))
    span = f"{min(odds):.2f} to {max(odds):.2f}" if odds else "-"
    return f"{len(reports):7} {marked:7} {max(rows):6.1f} {max(widths):9.2g} {span:>13}"


def _log_groups(n: int, count: float) -> float:
    return float(gammaln(n + 1.0) - gammaln(count + 1.0) - gammaln(n - count + 1.0))


def _bic(report: FitReport, n: int) -> float:
    return bic(report.objective * n, report.mixture.n_parameters, n)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=("search", "genuine", "sought"), help="by default all")
    parser.add_argument("--sets", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    begin = time.perf_counter()
    if arguments.part in (None, "genuine"):
        genuine(arguments.sets, arguments.seed)
    if arguments.part in (None, "sought"):
        sought(arguments.seed)
    if arguments.part in (None, "search"):
        search(arguments.sets, arguments.seed)
    print(f"{time.perf_counter() - begin:.0f} s")


def search(sets: int, seed: int) -> None:
    print(f"{'':34} {'':5} {'':7} {'':8} {'false choices':>17} {'':7} {'good fits':>15}")
    print(
        f"{'data':34} {'sets':>5} {'fits':>7} {'marked':>8} {'of all':>8} {'guarded':>8} "
        f"{'alarms':>7} {'':>6} {'marked':>8}"
    )
    for title, settings in (("one cloud", CLOUDS), ("clusters", CLUSTERS)):
        total = Line()
        for setting in settings:
            line = Line()
            for number in range(sets):
                rng = np.random.default_rng([seed, number, setting.n, setting.d])
                line.add(*fitted(setting.draw(rng), setting, GUARD, number))
            print(f"{setting!s:34} {line}", flush=True)
            total += line
        print(f"{title:34} {total}\n")


if __name__ == "__main__":
    main()
