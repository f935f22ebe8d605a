"""Properties of whole fits: monotone, equivariant, and the same alone as together."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from ellimix import FitReport, GaussianMixture, Mixture
from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Structure
from ellimix.em import Progress, Task, run
from ellimix.engines import ENGINES
from ellimix.errors import Status
from ellimix.inference.base import Parameters
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import Block, SufficientStatistics
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


# -- the likelihood never falls --------------------------------------------------------------------


@some
@given(problem=wild())
def test_the_likelihood_never_falls(problem: Problem) -> None:
    tasks = [task(name, problem, max_iter=30) for name in FAMILIES]
    roots: list[list[float]] = [[] for _ in tasks]

    def watch(progress: Sequence[Progress]) -> bool:
        for seen, one in zip(roots, progress, strict=True):
            seen.append(condition_root(one.model))
        return False

    reports = run(MemorySource(problem.rows, problem.weight), ENGINE, tasks, watch)
    for report, seen in zip(reports, roots, strict=True):
        ends_well_or_says_why(report)
        trace = np.array(report.trace)
        assert np.isfinite(trace).all()
        falls = trace[:-1] - trace[1:]
        roots_until = np.maximum.accumulate(seen)[: falls.size]
        allowed = 1e-10 * (1.0 + np.abs(trace[:-1])) + rounding(roots_until)
        assert (falls <= allowed).all(), f"{report.start} falls by {falls.max():.3g}"


def condition_root(model: Parameters | None) -> float:
    """Square root of the largest condition number; axes along the coordinates lose no digits."""
    if model is None or model.covariance.structure in (Structure.SPHERICAL, Structure.DIAGONAL):
        return 1.0
    return float(np.max(np.linalg.cond(model.covariance.factor)))


def rounding(root: np.ndarray) -> np.ndarray:
    """What double precision hides of the log-likelihood, nats a row.

    Whitened rows lose the digits of the root. The scatter loses those of the condition number;
    where the likelihood is greatest that counts squared. Below 1e10 both are under 2e-10.
    """
    eps = np.finfo(float).eps
    return 8.0 * eps * root + (eps * root**2) ** 2


def ends_well_or_says_why(report: FitReport) -> None:
    assert report.status.failed or report.status is Status.MAX_ITER
    assert len(report.message.split()) > 5
    assert report.message.endswith(".")
    if report.mixture is not None:
        covariance = report.mixture.covariance
        arrays = (covariance.values, covariance.factor, covariance.log_det)
        for array in (report.mixture.weights, report.mixture.means, *arrays):
            assert np.isfinite(array).all()


def test_most_of_these_problems_can_be_fitted() -> None:
    """Else the test above would look at empty traces."""
    cases = [wild_problem(30, 2, 3, kind, True, seed) for kind in KINDS for seed in range(4)]
    ends = [report.n_iter >= 10 for one in cases for report in fits(one, max_iter=10).values()]
    assert 0.5 < np.mean(ends) < 1.0


# -- row weights -----------------------------------------------------------------------------------


def estimator(family: str, problem: Problem, parameters: bool, reg_covar: float) -> GaussianMixture:
    """Twelve iterations from the labels, or from parameters."""
    init: dict[str, object] = {"init_params": problem.start}
    if parameters:
        k, d = problem.k, problem.rows.shape[1]
        structure = FAMILIES[family].structure
        ones = np.ones(structure.array_shape(k, d))
        full = structure in (Structure.FULL, Structure.SHARED)
        init = {
            "weights_init": np.full(k, 1.0 / k),
            "means_init": 4.0 * np.arange(k)[:, None] + np.zeros((k, d)),
            "precisions_init": ones * np.eye(d) if full else ones,
        }
    return GaussianMixture(
        problem.k, covariance_type=family, tol=0.0, max_iter=12, reg_covar=reg_covar, **init
    )


def fitted(model: GaussianMixture, *args: np.ndarray, **options: object) -> GaussianMixture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*args, **options)


def numbers(model: GaussianMixture, rows: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    methods = (model.score, model.bic, model.aic, model.icl)
    return np.array([method(rows, sample_weight=weight) for method in methods])


@some
@given(
    problem=sound(), family=family_names, seed=seeds, parameters=st.booleans(), floor=st.booleans()
)
def test_integer_weights_are_repeated_rows(
    problem: Problem, family: str, seed: int, parameters: bool, floor: bool
) -> None:
    times = np.random.default_rng(seed).integers(0, 4, size=problem.rows.shape[0])
    again = np.repeat(np.arange(times.size), times)
    long = Problem(problem.rows[again], None, problem.start[again], problem.k)
    reg_covar = 1e-2 if floor else 0.0
    repeated = fitted(estimator(family, long, parameters, reg_covar), long.rows)
    weighted = fitted(
        estimator(family, problem, parameters, reg_covar), problem.rows, sample_weight=times
    )
    same_fit(weighted.report_, repeated.report_)
    close(numbers(weighted, problem.rows, times), numbers(repeated, long.rows, None))


@few
@given(problem=sound(), seed=seeds, far=st.sampled_from([1.0, 1e6, 1e200]))
def test_rows_of_weight_zero_are_no_rows(problem: Problem, seed: int, far: float) -> None:
    random = np.random.default_rng(seed)
    weight = np.where(random.random(problem.rows.shape[0]) < 0.2, 0.0, 1.5)
    counted = weight > 0.0
    rows = np.where(counted[:, None], problem.rows, far * random.normal(size=problem.rows.shape))
    kept = Problem(problem.rows[counted], weight[counted], problem.start[counted], problem.k)
    without = fits(kept)
    for family, report in fits(Problem(rows, weight, problem.start, problem.k)).items():
        same_fit(report, without[family])


@few
@given(problem=sound(), seed=seeds, power=st.integers(-60, 60))
def test_the_unit_of_the_weights_does_not_matter(problem: Problem, seed: int, power: int) -> None:
    weight = np.random.default_rng(seed).uniform(0.5, 2.0, size=problem.rows.shape[0])
    before = fits(Problem(problem.rows, weight, problem.start, problem.k))
    scaled = fits(Problem(problem.rows, weight * 10.0**power, problem.start, problem.k))
    for family, report in scaled.items():
        same_fit(report, before[family])


# -- equivariance ----------------------------------------------------------------------------------


def changed(problem: Problem, rows: np.ndarray) -> Problem:
    return replace(problem, rows=rows)


@few
@given(problem=sound(), seed=seeds)
def test_translation(problem: Problem, seed: int) -> None:
    """Numbers on a grid, so that the shifted rows are exact."""
    grid = changed(problem, np.round(problem.rows * 2.0**20) / 2.0**20)
    shift = np.random.default_rng(seed).integers(-1024, 1025, size=problem.rows.shape[1])
    before = fits(grid, reg_covar=1e-3)
    for family, report in fits(changed(grid, grid.rows + shift), reg_covar=1e-3).items():
        same_fit(report, before[family], shift=shift)


@few
@given(problem=sound(), power=st.floats(-6.0, 6.0))
def test_a_common_scale(problem: Problem, power: float) -> None:
    scale, before = 10.0**power, fits(problem, reg_covar=1e-3)
    scaled = fits(changed(problem, problem.rows * scale), reg_covar=1e-3 * scale**2)
    for family, report in scaled.items():
        same_fit(report, before[family], scale * np.eye(problem.rows.shape[1]))


@few
@given(problem=sound(least_features=2), seed=seeds)
def test_rotation(problem: Problem, seed: int) -> None:
    d = problem.rows.shape[1]
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    before = fits(problem, ROTATED, reg_covar=1e-3)
    for family, report in fits(
        changed(problem, problem.rows @ turn.T), ROTATED, reg_covar=1e-3
    ).items():
        same_fit(report, before[family], turn)


@few
@given(problem=sound(least_features=2), seed=seeds)
def test_each_column_in_its_own_unit(problem: Problem, seed: int) -> None:
    names = (*DIAGONAL, *LINEAR)
    scale = 10.0 ** np.random.default_rng(seed).uniform(-4.0, 4.0, size=problem.rows.shape[1])
    before = fits(problem, names)
    for family, report in fits(changed(problem, problem.rows * scale), names).items():
        # in units of 1 again, so that every column counts alike in the comparison
        covariances = report.mixture.covariances() / np.outer(scale, scale)
        close(covariances, before[family].mixture.covariances())
        close(report.mixture.means / scale, before[family].mixture.means)
        close(report.mixture.weights, before[family].mixture.weights)
        jacobian = np.log(scale).sum()
        close(np.array(report.trace) + jacobian, np.array(before[family].trace))


@few
@given(problem=sound(least_features=2), seed=seeds)
def test_any_linear_map(problem: Problem, seed: int) -> None:
    random, d = np.random.default_rng(seed), problem.rows.shape[1]
    first_turn, second_turn = np.linalg.qr(random.normal(size=(2, d, d)))[0]
    matrix = first_turn @ np.diag(random.uniform(0.2, 5.0, size=d)) @ second_turn
    before = fits(problem, LINEAR)
    for family, report in fits(changed(problem, problem.rows @ matrix.T), LINEAR).items():
        same_fit(report, before[family], matrix)


@few
@given(problem=sound(), seed=seeds)
def test_the_order_of_the_rows_does_not_matter(problem: Problem, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(problem.rows.shape[0])
    moved = Problem(problem.rows[order], None, problem.start[order], problem.k)
    before = fits(problem)
    for family, report in fits(moved).items():
        same_fit(report, before[family])


@pytest.mark.parametrize(("family", "seed"), [("VVE", 45), ("VVE", 84), ("EVE", 45)])
def test_rounding_does_not_choose_among_minima(family: str, seed: int) -> None:
    """The common axes come out of a step in an order that must not depend on rounding."""
    problem = sound_problem(66, 4, 3, seed)
    order = np.random.default_rng(seed).permutation(66)
    moved = Problem(problem.rows[order], None, problem.start[order], 3)
    same_fit(fits(moved, (family,))[family], fits(problem, (family,))[family])


@few
@given(problem=sound(), seed=seeds)
def test_permuted_labels_permute_the_components(problem: Problem, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(problem.k)
    renamed = Problem(problem.rows, None, np.argsort(order)[problem.start], problem.k)
    before = fits(problem)
    for family, report in fits(renamed).items():
        same_fit(report, before[family], order=order)


@few
@given(problem=wild(), seed=seeds)
def test_the_objective_does_not_depend_on_the_order_of_components(
    problem: Problem, seed: int
) -> None:
    block = Block(problem.rows, problem.weight)
    order = np.random.default_rng(seed).permutation(problem.k)
    for report in fits(problem, max_iter=3).values():
        if report.mixture is None:
            continue
        before = ENGINE.e_step(report.mixture.potentials, block)
        after = ENGINE.e_step(report.mixture.ordered(order).potentials, block)
        assert after.loglik == pytest.approx(before.loglik, rel=1e-12, abs=1e-12)
        np.testing.assert_allclose(after.n, before.n[order], rtol=1e-10, atol=1e-12)


# -- offset and scale, from k-means ----------------------------------------------------------------


def by_kmeans(problem: Problem, family: str, rows: np.ndarray, reg_covar: float) -> GaussianMixture:
    model = GaussianMixture(
        problem.k, covariance_type=family, reg_covar=reg_covar, max_iter=500, random_state=0
    )
    return model.fit(rows)


@pytest.mark.parametrize("family", FAMILIES)
@settings(drawn, max_examples=6)
@given(problem=sound())
def test_an_offset_of_1e8(family: str, problem: Problem) -> None:
    offset = problem.rows + 1e8
    centred = by_kmeans(problem, family, offset - 1e8, 1e-6)
    moved = by_kmeans(problem, family, offset, 1e-6)
    np.testing.assert_array_equal(moved.labels_, centred.labels_)
    assert moved.n_iter_ == centred.n_iter_
    assert moved.lower_bound_ == pytest.approx(centred.lower_bound_, rel=1e-9)
    np.testing.assert_allclose(moved.weights_, centred.weights_, atol=1e-7)
    np.testing.assert_allclose(moved.means_ - 1e8, centred.means_, atol=1e-7)
    np.testing.assert_allclose(
        moved.mixture_.covariances(), centred.mixture_.covariances(), atol=1e-6
    )


@pytest.mark.parametrize("scale", [1e-12, 1e12])
@pytest.mark.parametrize("family", FAMILIES)
@settings(drawn, max_examples=4)
@given(problem=sound())
def test_any_unit(family: str, scale: float, problem: Problem) -> None:
    d = problem.rows.shape[1]
    before = by_kmeans(problem, family, problem.rows, 1e-6)
    scaled = by_kmeans(problem, family, problem.rows * scale, 1e-6 * scale**2)
    np.testing.assert_array_equal(scaled.labels_, before.labels_)
    assert scaled.n_iter_ == before.n_iter_
    jacobian = d * np.log(scale)
    assert scaled.lower_bound_ + jacobian == pytest.approx(before.lower_bound_, rel=1e-9)
    close(scaled.means_ / scale, before.means_)
    close(scaled.mixture_.covariances() / scale**2, before.mixture_.covariances())


# -- lockstep --------------------------------------------------------------------------------------


def collapsing(problem: Problem) -> Task:
    """A component that begins from one row has no spread."""
    start = np.zeros(problem.rows.shape[0], dtype=int)
    start[0] = 1
    return task("VVV", Problem(problem.rows, problem.weight, start, 2))


def same_bits(ours: FitReport, alone: FitReport) -> None:
    assert (ours.status, ours.message, ours.trace) == (alone.status, alone.message, alone.trace)
    for array, other in zip(bits(ours.mixture), bits(alone.mixture), strict=True):
        np.testing.assert_array_equal(array, other)


def bits(mixture: Mixture | None) -> tuple[np.ndarray, ...]:
    if mixture is None:
        return ()
    model: Parameters = mixture.parameters
    covariance = model.covariance
    return (model.weights, model.means, covariance.values, covariance.factor, covariance.log_det)


@few
@given(problem=wild(), tile=st.sampled_from([None, 16]), threads=st.sampled_from([1, 3]))
def test_fits_together_are_fits_alone(problem: Problem, tile: int | None, threads: int) -> None:
    source = MemorySource(problem.rows, problem.weight, tile, threads)
    tasks = [task(name, problem, 3 + i) for i, name in enumerate(FAMILIES)]
    tasks.insert(5, collapsing(problem))
    together = run(source, ENGINE, tasks)
    assert together[5].status is Status.COLLAPSED
    for one, report in zip(tasks, together, strict=True):
        same_bits(report, run(source, ENGINE, [one])[0])
