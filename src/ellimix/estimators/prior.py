"""From what a user says of priors, and from the rows where nothing is said, to priors."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from ellimix.completion import without_prior
from ellimix.covariance import parse
from ellimix.covariance.base import Structure
from ellimix.covariance.triangular import precision_factors
from ellimix.density.checks import covariance_of
from ellimix.em import Task, run
from ellimix.engines import Engine
from ellimix.errors import DataError
from ellimix.inference.base import Parameters
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.inference.mixing import WEIGHT_PRIORS, StickBreaking, WeightPrior
from ellimix.inference.normal_wishart import NormalWishart, Rule
from ellimix.inference.process import UncertainProcess
from ellimix.records import Array
from ellimix.sources.memory import MemorySource

TOL, MOST = 1e-6, 200  # of the one Gaussian that is fitted to rows with holes
FLOOR = 1e-6  # of its variances, relative to those of the rows filled in


def normal_wishart(
    estimator: Any, rule: Rule, source: MemorySource, whole: MemorySource, engine: Engine
) -> NormalWishart:
    """The prior of means and precisions.

    Parameters
    ----------
    estimator : BayesianGaussianMixture
    rule : Rule
    source : MemorySource
        The rows.
    whole : MemorySource
        The same filled in.
    engine : Engine

    Raises
    ------
    DataError
        A prior is none.
    """
    d = source.n_features
    degrees = estimator.degrees_of_freedom_prior
    degrees = float(d) if degrees is None else float(degrees)
    if not degrees > rule.least_degrees(d):
        raise DataError(
            "The parameter 'degrees_of_freedom_prior' should be greater than "
            f"{rule.least_degrees(d):g}, but got {degrees:.3f}. With fewer degrees the prior of "
            f"the precisions of {d} features is no distribution."
        )
    precision = estimator.mean_precision_prior
    mean, scatter = estimator.mean_prior, estimator.covariance_prior
    if mean is None or scatter is None:
        middle, spread = moments(source, whole, engine)
    mean = middle if mean is None else _mean(mean, d)
    if scatter is None:
        scatter = _default(spread, rule.family.structure, float(estimator.reg_covar))
    else:
        scatter = _scatter(scatter, rule.family.structure, d)
    return NormalWishart(mean, 1.0 if precision is None else float(precision), degrees, scatter)


def checked_concentration(given: Any, k: int) -> float | tuple[float, float]:
    """The number, or the shape and rate of its gamma distribution; for None 1 / k."""
    if given is None:
        return 1.0 / k
    if isinstance(given, Real):
        return float(given)
    array = _numbers(given, "weight_concentration_prior")
    if array.shape != (2,) or not (array > 0.0).all():
        raise DataError(
            f"weight_concentration_prior is {given!r}: it must be a positive number, or shape and "
            "rate of a gamma distribution, both positive."
        )
    return float(array[0]), float(array[1])


def weight_prior(kind: str, concentration: float | tuple[float, float]) -> WeightPrior:
    """The prior of the weights.

    Raises
    ------
    DataError
        The concentration of a Dirichlet distribution has a prior.
    """
    if isinstance(concentration, float):
        return WEIGHT_PRIORS[kind](concentration)
    if WEIGHT_PRIORS[kind] is not StickBreaking:
        raise DataError(
            "weight_concentration_prior is two numbers, and a Dirichlet distribution needs one: "
            "the posterior of its concentration has no closed form. Use "
            'weight_concentration_prior_type="dirichlet_process".'
        )
    return UncertainProcess(*concentration)


def moments(source: MemorySource, whole: MemorySource, engine: Engine) -> tuple[Array, Array]:
    """Mean (d,) and covariance (d, d) of the rows, with n - 1 in the denominator.

    n is the weight of the rows: a weight of 2 is the row twice. Weights that sum to less than 2
    say nothing of how many rows there are: then it is n / 2. Of rows with holes, errors or the
    like, the maximum likelihood estimate of one Gaussian, times n / (n - 1).
    """
    rows = np.asarray(whole.rows, dtype=np.float64)
    weight = source.weights
    total = float(weight.sum())
    used = weight > 0.0
    mean = (weight[used] @ rows[used]) / total
    away = rows[used] - mean
    scatter = (away.T * weight[used]) @ away
    # of equal rows the mean's rounding is no spread
    scatter[:, np.ptp(rows[used], axis=0) == 0.0] = 0.0
    scatter[np.ptp(rows[used], axis=0) == 0.0] = 0.0
    freedom = max(total - 1.0, 0.5 * total)
    known = without_prior(source)
    if not known.incomplete:
        return mean, scatter / freedom
    found = _one_gaussian(known, engine, mean, scatter / total)
    if found is None:
        return mean, scatter / freedom
    return found.means[0], found.covariance.values[0] * (total / freedom)


def _one_gaussian(
    source: MemorySource, engine: Engine, mean: Array, covariance: Array
) -> Parameters | None:
    """The one Gaussian that is most likely given what is known of the rows."""
    floor = FLOOR * float(np.trace(covariance)) / mean.size
    if not floor > 0.0:
        return None
    begun = covariance + floor * np.eye(mean.size)
    start = Parameters(
        np.ones(1), mean[None], covariance_of(begun[None], Structure.FULL, 1, mean.size)
    )
    task = Task(MaximumLikelihood(parse("VVV"), floor), start, TOL, MOST)
    (report,) = run(source, engine, [task])
    return report.mixture.parameters if report.sound and report.mixture is not None else None


def _mean(given: Any, d: int) -> Array:
    mean = _numbers(given, "mean_prior")
    if mean.shape != (d,):
        raise DataError(
            f"The parameter 'mean_prior' should have the shape of ({d},), but got {mean.shape}: "
            "one number a feature."
        )
    return mean


def _scatter(given: Any, structure: Structure, d: int) -> Array:
    """An inverse scale in the structure's shape."""
    shape = structure.array_shape(1, d)
    shape = shape if structure is Structure.SHARED else shape[1:]
    scatter = _numbers(given, "covariance_prior")
    if scatter.shape != shape:
        raise DataError(
            f"The parameter 'covariance_prior' should have the shape of {shape}, but got "
            f"{scatter.shape}: {_WORDS[structure]}."
        )
    if scatter.ndim < 2:
        if not (scatter > 0.0).all():
            raise DataError(
                f"covariance_prior must be positive, but its smallest number is {scatter.min():g}."
            )
        return scatter
    if not np.allclose(scatter, scatter.T, rtol=1e-6, atol=1e-9 * np.abs(scatter).max()):
        raise DataError("covariance_prior must be symmetric.")
    if _singular(scatter):
        raise DataError(
            "covariance_prior must be positive definite: its smallest eigenvalue is "
            f"{np.linalg.eigvalsh(scatter)[0]:g}."
        )
    return scatter


_WORDS = {
    Structure.SPHERICAL: "one number",
    Structure.DIAGONAL: "one number a feature",
    Structure.SHARED: "a matrix",
    Structure.FULL: "a matrix",
}


def _default(spread: Array, structure: Structure, floor: float) -> Array:
    """The rows' covariance in the structure's shape; with the floor where it is singular."""
    if structure is Structure.SPHERICAL:
        scatter = np.asarray(np.trace(spread) / spread.shape[0])
    elif structure is Structure.DIAGONAL:
        scatter = np.diagonal(spread).copy()
    else:
        scatter = spread
    if not _singular(scatter):
        return scatter
    scatter = scatter + (floor if scatter.ndim < 2 else floor * np.eye(spread.shape[0]))
    if _singular(scatter):
        raise DataError(
            "The covariance of the rows is singular and no prior by itself: give covariance_prior, "
            "raise reg_covar, or drop columns that others determine."
        )
    return scatter


def _singular(scatter: Array) -> bool:
    if scatter.ndim < 2:
        return not bool((scatter > 0.0).all())
    with np.errstate(invalid="ignore", divide="ignore"):
        return bool(precision_factors(scatter)[1])


def _numbers(given: Any, what: str) -> Array:
    try:
        array = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{what} is not an array of numbers.") from None
    if not np.isfinite(array).all():
        raise DataError(f"{what} contains NaN or infinite numbers.")
    return array


def check_same(estimator: Any, rule: Rule) -> None:
    """Raise ValueError where the last fit's posterior is of another kind."""
    old, hyper = estimator.mixture_.rule, estimator.mixture_.parameters.hyper
    columns = 2 if estimator.weight_concentration_prior_type == "dirichlet_process" else 1
    if old is None or hyper is None:
        raise ValueError(
            "warm_start=True goes on from the last fit's posterior, and parameters that were "
            "assigned have none. Set warm_start=False to begin anew."
        )
    if old.name != rule.name or hyper.concentration.shape[-1] != columns:
        raise ValueError(
            f"warm_start=True goes on from the last fit's posterior, which is {old.name!r}; "
            f"now {rule.name!r} with a {estimator.weight_concentration_prior_type} is asked for. "
            "Set warm_start=False to begin anew."
        )
