"""Problems for the properties of whole fits, and how two fits are compared."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import Phase, settings
from hypothesis import strategies as st

from ellimix import FitReport
from ellimix.covariance import FAMILIES
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.errors import Status
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import SufficientStatistics
from ellimix.sources.memory import MemorySource
from ellimix.starts import Beginning, Given

DIAGONAL = ("EEI", "VEI", "EVI", "VVI")
ROTATED = tuple(name for name in FAMILIES if name not in DIAGONAL)
LINEAR = ("EEE", "VEE", "EVV", "VVV")
KINDS = ("separated", "overlapping", "heavy", "correlated", "discrete")
ROUNDING = 1e-9
ENGINE = ENGINES["numpy"]

# problems are drawn as seeds: there is nothing in them to shrink
drawn = settings(deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
few = settings(drawn, max_examples=20)
some = settings(drawn, max_examples=60)
family_names = st.sampled_from(tuple(FAMILIES))
seeds = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Problem:
    """Rows, row weights or None, a start (labels or responsibilities) and k."""

    rows: np.ndarray = field(repr=False)
    weight: np.ndarray | None = field(repr=False)
    start: np.ndarray = field(repr=False)
    k: int
    made: str = ""  # the call that makes the same problem


def wild_problem(n: int, d: int, k: int, kind: str, weighted: bool, seed: int) -> Problem:
    """Anything that a user may bring, from random responsibilities."""
    made = f"wild_problem({n}, {d}, {k}, {kind!r}, {weighted}, {seed})"
    random = np.random.default_rng(seed)
    spread = {"separated": 8.0, "overlapping": 1.5}.get(kind, 3.0)
    rows = random.normal(size=(n, d)) + spread * random.normal(size=(k, d))[np.arange(n) % k]
    if kind == "heavy":
        rows = rows + random.standard_t(1.5, size=(n, d)) ** 3
    if kind == "correlated":
        rows = rows @ (np.ones((d, d)) + 10.0 ** -random.integers(0, 5) * np.eye(d))
    if kind == "discrete":
        rows[:, : 1 + d // 2] = np.round(rows[:, : 1 + d // 2])
    weight = random.exponential(size=n) + 1e-3 if weighted else None
    return Problem(rows, weight, random.dirichlet(np.full(k, 0.8), size=n), k, made)


def sound_problem(n: int, d: int, k: int, seed: int) -> Problem:
    """Groups that show, begun from their labels with a few of them wrong: well conditioned."""
    made = f"sound_problem({n}, {d}, {k}, {seed})"
    random = np.random.default_rng(seed)
    labels = np.arange(n) % k
    turns = np.linalg.qr(random.normal(size=(k, d, d)))[0] * random.uniform(0.5, 1.5, (k, 1, d))
    centers = 4.0 * np.arange(k)[:, None] + random.normal(size=(k, d))
    rows = centers[labels] + np.einsum("nij,nj->ni", turns[labels], random.normal(size=(n, d)))
    start = np.where(random.random(n) < 0.1, random.integers(k, size=n), labels)
    return Problem(rows, None, start, k, made)


def wild() -> st.SearchStrategy[Problem]:
    small = st.integers(1, 4)
    kinds = st.sampled_from(KINDS)
    return st.builds(wild_problem, st.integers(8, 60), small, small, kinds, st.booleans(), seeds)


def sound(least_features: int = 1) -> st.SearchStrategy[Problem]:
    features, components = st.integers(least_features, 4), st.integers(1, 3)
    return st.builds(sound_problem, st.integers(40, 70), features, components, seeds)


def task(family: str, problem: Problem, max_iter: int = 12, reg_covar: float = 0.0) -> Task:
    inference = MaximumLikelihood(FAMILIES[family], reg_covar)
    return Task(inference, first(family, problem), 0.0, max_iter, name=family)


def first(family: str, problem: Problem) -> SufficientStatistics:
    return Given(problem.start).statistics(
        Beginning(
            MemorySource(problem.rows, problem.weight),
            ENGINE,
            problem.k,
            FAMILIES[family].moment,
            0.0,
            np.random.RandomState(0),
        )
    )


def fits(
    problem: Problem,
    names: tuple[str, ...] = tuple(FAMILIES),
    max_iter: int = 12,
    reg_covar: float = 0.0,
) -> dict[str, FitReport]:
    """Families fitted from the problem's start, a fixed number of iterations."""
    source = MemorySource(problem.rows, problem.weight)
    tasks = [task(name, problem, max_iter, reg_covar) for name in names]
    return dict(zip(names, run(source, ENGINE, tasks), strict=True))


def close(ours: np.ndarray, expected: np.ndarray, size: float | None = None) -> None:
    """Equal to 1e-9 of the expected array's norm, or of `size`."""
    size = float(np.linalg.norm(expected)) if size is None else size
    error = float(np.linalg.norm(np.asarray(ours) - expected))
    assert error <= ROUNDING * size, f"off by {error:.3g}, of {size:.3g}"


def same_fit(
    ours: FitReport,
    before: FitReport,
    matrix: np.ndarray | None = None,
    shift: np.ndarray | float = 0.0,
    order: np.ndarray | None = None,
) -> None:
    """`ours` is `before` after rows x -> A x + b, components in another order."""
    assert ours.status is before.status is Status.MAX_ITER
    old, new, d = before.mixture, ours.mixture, before.mixture.n_features
    order = np.arange(old.n_components) if order is None else order
    matrix = np.eye(d) if matrix is None else matrix
    covariances = (matrix @ old.covariances() @ matrix.T)[order]
    close(new.weights, old.weights[order])
    spread = float(np.linalg.norm(old.means @ matrix.T)) + float(np.sqrt(np.trace(covariances[0])))
    close(new.means, (old.means @ matrix.T + shift)[order], spread)
    for matrix_new, matrix_old in zip(new.covariances(), covariances, strict=True):
        close(matrix_new, matrix_old)
    jacobian = float(np.linalg.slogdet(matrix)[1])
    close(np.array(ours.trace) + jacobian, np.array(before.trace), 1.0 + abs(before.objective))
