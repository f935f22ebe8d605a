"""Simulations with a known number of components, family and labels."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from sklearn.metrics import adjusted_rand_score

import ellimix as em
from choosing.overlap import Truth, average, largest, with_overlap
from choosing.tools import Choice
from side_by_side.tables import duration

LEVELS: Final = (0.001, 0.01, 0.05)
FEATURES: Final = (1, 2, 4, 6, 10)
ONE_FEATURE: Final = ("EII", "VII")
MOST_MANY: Final = 18  # numbers of components tried where there are many


@dataclass(frozen=True)
class Case:
    """What a problem is like; `most` is the largest K that is tried, None the usual 9."""

    n: int
    d: int
    k: int
    family: str
    level: float
    taken: str  # "average" or "largest": which overlap of the pairs is at the level
    balanced: bool
    scaled: bool
    seed: int
    most: int | None


@dataclass(frozen=True)
class Problem:
    """Rows (n, d), the labels they were drawn with, and the mixture they were drawn from."""

    case: Case
    truth: Truth
    rows: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Score:
    """What a tool made of a problem. `bic` of another tool on the same rows may be smaller."""

    tool: str
    case: Case
    family: str
    n_components: int
    bic: float
    rand: float  # adjusted Rand index with the true labels
    seconds: float
    cpu: float  # seconds of the processor

    @property
    def right_size(self) -> bool:
        return self.n_components == self.case.k

    @property
    def right(self) -> bool:
        """The number of components and the family (of the scaled columns)."""
        return self.right_size and self.family == self.case.family


def cases(
    sizes: Sequence[int], features: Sequence[int], seeds: int, *, many: bool
) -> Iterator[Case]:
    """For each d, level and seed a case; the rest of it is drawn. `many` is 6 ... 14 components."""
    families = list(em.FAMILIES)
    for seed in range(seeds):
        for d in features:
            for level in LEVELS:
                rng = np.random.default_rng([seed, d, round(1e4 * level), many])
                n = int(rng.choice(sizes))
                fits = n // (4 * (d + 1))  # rows for a covariance each
                smallest, greatest = (6, 14) if many else (2, 6)
                k = int(rng.integers(smallest, max(min(greatest, fits), smallest) + 1))
                yield Case(
                    n,
                    d,
                    k,
                    str(rng.choice(ONE_FEATURE if d == 1 else families)),
                    level,
                    "average" if k <= 6 and rng.random() < 0.5 else "largest",
                    bool(rng.random() < 0.5),
                    bool(rng.random() < 0.5),
                    seed,
                    MOST_MANY if many else None,
                )


def problem(case: Case) -> Problem:
    """The case's rows, shuffled."""
    rng = np.random.default_rng([case.seed, case.n, case.d, case.k, round(1e4 * case.level)])
    shares = np.ones(case.k) if case.balanced else rng.uniform(1.0, 5.0, size=case.k)
    weights = shares / shares.sum()
    of = average if case.taken == "average" else largest
    truth = with_overlap(case.family, weights, case.d, case.level, of, rng)
    if case.scaled:
        truth = truth.scaled(10.0 ** rng.uniform(-3.0, 3.0, size=case.d))
    while True:
        labels = rng.choice(case.k, size=case.n, p=weights)
        if np.bincount(labels, minlength=case.k).min() > min(case.d, 4):
            break
    rows = truth.sample(labels, rng)
    return Problem(replace(case, family=truth.family), truth, rows, labels)


def score(tool: str, problem: Problem, choice: Choice) -> Score:
    """A choice beside the truth."""
    rand = float(adjusted_rand_score(problem.labels, choice.labels))
    found = choice.family, choice.n_components
    return Score(tool, problem.case, *found, choice.bic, rand, choice.seconds, choice.cpu)


def from_labels(problem: Problem) -> Score | None:
    """EM of the true family from the true labels: what there is to find; None where it fails."""
    case = problem.case
    model = em.GaussianMixture(
        case.k,
        covariance_type=case.family,
        init_params=problem.labels,
        reg_covar=0.0,
        tol=1e-8,
        max_iter=5_000,
    )
    try:
        model.fit(problem.rows)
    except em.FitFailed:
        return None
    rand = float(adjusted_rand_score(problem.labels, model.predict(problem.rows)))
    bic = float(model.bic(problem.rows))
    return Score(LABELLED, case, case.family, case.k, bic, rand, np.nan, np.nan)


LABELLED: Final = "EM from the true labels"
GROUPS: Final[dict[str, Callable[[Case], str]]] = {
    "overlap": lambda case: f"{case.level:g}",
    "features": lambda case: f"d = {case.d}",
    "rows": lambda case: f"n = {case.n}",
    "weights": lambda case: "balanced" if case.balanced else "unbalanced",
    "columns": lambda case: "badly scaled" if case.scaled else "as drawn",
    "components": lambda case: f"K = {case.k}" if case.k <= 6 else "K > 6",
    "volume": lambda case: f"{case.family[0]}**",
    "shape": lambda case: f"*{case.family[1]}*",
    "axes": lambda case: f"**{case.family[2]}",
}


def table(scores: Sequence[Score]) -> str:
    """A line for each tool, over all problems.

    The gap is a BIC minus the smallest of the tools' on the same rows, in nats; the smallest may
    be of a spurious maximum.
    """
    best: dict[Case, float] = {}
    for s in scores:
        if s.tool != LABELLED:
            best[s.case] = min(best.get(s.case, np.inf), s.bic)
    lines = [
        "| tool | problems | right K | K too small | K too large | right K and family "
        "| adjusted Rand index | BIC above the best of the tools: median | mean | seconds: median "
        "| mean | of the processor: median | mean |\n|---|" + "---:|" * 12
    ]
    for tool, group in grouped(scores, lambda s: s.tool).items():
        gaps = [s.bic - best[s.case] for s in group if s.case in best]
        clocks = [[s.seconds for s in group], [s.cpu for s in group]]
        cells = [
            tool,
            str(len(group)),
            share(s.right_size for s in group),
            share(s.n_components < s.case.k for s in group),
            share(s.n_components > s.case.k for s in group),
            share(s.right for s in group),
            f"{statistics.mean(s.rand for s in group):.3f}",
            f"{statistics.median(gaps):.2f}" if gaps else "—",
            f"{statistics.mean(gaps):.2f}" if gaps else "—",
            *(
                "—" if tool == LABELLED else duration(of(clock))
                for clock in clocks
                for of in (statistics.median, statistics.mean)
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def by_group(scores: Sequence[Score]) -> str:
    """Right K, right K and family, and adjusted Rand index of each tool, kind by kind."""
    tools = list(dict.fromkeys(s.tool for s in scores))
    cells = ["right K / and family / adjusted Rand index", "problems", *tools]
    lines = [f"| {' | '.join(cells)} |", f"|---|{'---:|' * (1 + len(tools))}"]
    for kind, of in GROUPS.items():
        for name, group in sorted(grouped(scores, lambda s, of=of: of(s.case)).items()):
            sides = grouped(group, lambda s: s.tool)
            cells = [f"{kind}: {name}", str(len({s.case for s in group}))]
            for tool in tools:
                own = sides.get(tool, [])
                cells.append(
                    f"{share(s.right_size for s in own)} / {share(s.right for s in own)} / "
                    f"{statistics.mean(s.rand for s in own):.2f}"
                    if own
                    else "—"
                )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def grouped(scores: Sequence[Score], of: Callable[[Score], str]) -> dict[str, list[Score]]:
    """The scores by a name."""
    groups: dict[str, list[Score]] = {}
    for s in scores:
        groups.setdefault(of(s), []).append(s)
    return groups


def share(hits: Any) -> str:
    """In per cent."""
    counted = list(hits)
    return f"{100 * sum(counted) / len(counted):.0f} %"


def record(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Every score, for a file."""
    return [asdict(s) for s in scores]
