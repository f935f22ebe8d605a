"""Whole fits: the likelihood never falls, weights are repetition, fits together are fits alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from ellimix import FitReport, GaussianMixture, Mixture
from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Structure
from ellimix.em import Progress, Task, run
from ellimix.errors import Status
from ellimix.inference.base import Parameters
from ellimix.sources.memory import MemorySource
from fit_problems import (
    ENGINE,
    KINDS,
    Problem,
    close,
    family_names,
    few,
    fits,
    same_fit,
    seeds,
    some,
    sound,
    task,
    wild,
    wild_problem,
)

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
