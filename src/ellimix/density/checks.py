"""Parameters from outside (arrays, files) checked before they become a mixture."""

from __future__ import annotations

import numpy as np

from ellimix.covariance import parse
from ellimix.covariance.base import Covariance, Family, Structure, from_factor
from ellimix.covariance.triangular import cholesky, precision_factor
from ellimix.inference.base import Parameters
from ellimix.records import Array


def checked_parameters(
    weights: object, means: object, covariances: object, family: str
) -> tuple[Parameters, Family]:
    """Sound parameters and their family, or a ValueError that says what is wrong."""
    mean = _numbers(means, "means", 2)
    k, d = mean.shape
    if k == 0 or d == 0:
        raise ValueError(f"means have shape {mean.shape}: at least one component and feature.")
    weight = checked_weights(weights, k)
    parsed = parse(family, d)
    return Parameters(weight, mean, covariance_of(covariances, parsed.structure, k, d)), parsed


def checked_means(means: object, k: int, d: int) -> Array:
    """Means of a known shape, (k, d)."""
    mean = _numbers(means, "means", 2)
    if mean.shape != (k, d):
        raise ValueError(f"means have shape {mean.shape}, expected {(k, d)}.")
    return mean


def checked_weights(weights: object, k: int) -> Array:
    """Mixing proportions (k,), divided by their sum."""
    weight = _numbers(weights, "weights", 1)
    if weight.shape != (k,):
        raise ValueError(f"weights have shape {weight.shape}, expected ({k},).")
    total = weight.sum()
    if (weight < 0.0).any() or not abs(total - 1.0) <= 1e-6:
        raise ValueError(
            f"weights must not be negative and must sum to 1, but their minimum is "
            f"{weight.min():.6g} and their sum {total:.6g}."
        )
    # weights that sum to 1 as well as doubles can are kept to the bit
    return weight if abs(total - 1.0) <= k * np.finfo(float).eps else weight / total


def covariance_of(covariances: object, structure: Structure, k: int, d: int) -> Covariance:
    """Covariances in a structure's shape, with their precision factors."""
    values = _shaped(covariances, "covariances", structure, k, d)
    if structure in (Structure.SPHERICAL, Structure.DIAGONAL):
        _check_positive(values, "covariances")
        return _from_variances(values, 1.0 / np.sqrt(values), structure, d)
    chol = _cholesky(values, "covariances")
    return _from_matrices(values, precision_factor(chol), structure, k)


def covariance_of_precisions(
    precisions: object, structure: Structure, k: int, d: int
) -> Covariance:
    """Covariances from precisions (inverse covariances) in a structure's shape."""
    values = _shaped(precisions, "precisions", structure, k, d)
    if structure in (Structure.SPHERICAL, Structure.DIAGONAL):
        _check_positive(values, "precisions")
        return _from_variances(1.0 / values, np.sqrt(values), structure, d)
    # P = F F^T with F upper triangular: the Cholesky factor of the flipped matrix, flipped back
    flipped = (values if values.ndim == 3 else values[None])[:, ::-1, ::-1]
    factor = _cholesky(flipped, "precisions")[:, ::-1, ::-1]
    return covariance_of_factor(factor if values.ndim == 3 else factor[0], structure, k, d)


def covariance_of_factor(factor: object, structure: Structure, k: int, d: int) -> Covariance:
    """Covariances from precision factors F (precision = F F^T) in a structure's shape."""
    values = _shaped(factor, "precision factors", structure, k, d, symmetric=False)
    if structure in (Structure.SPHERICAL, Structure.DIAGONAL):
        _check_positive(values, "precision factors")
        return _from_variances(1.0 / values**2, values, structure, d)
    wide = values if values.ndim == 3 else values[None]
    if not (np.diagonal(wide, axis1=1, axis2=2) > 0.0).all() or np.tril(wide, -1).any():
        raise ValueError("precision factors must be upper triangular with a positive diagonal.")
    inverse = precision_factor(np.swapaxes(wide, 1, 2))  # F^-1, upper triangular
    sigma = np.swapaxes(inverse, 1, 2) @ inverse
    return _from_matrices(sigma if values.ndim == 3 else sigma[0], wide, structure, k)


def _from_variances(values: Array, factor: Array, structure: Structure, d: int) -> Covariance:
    log_var = -2.0 * np.log(factor)
    log_det = d * log_var if structure is Structure.SPHERICAL else log_var.sum(axis=1)
    return Covariance(structure, values, factor, log_det)


def _from_matrices(values: Array, factor: Array, structure: Structure, k: int) -> Covariance:
    """`factor` is (k, d, d), or (1, d, d) where it is shared."""
    if structure is Structure.FULL:
        return from_factor(values, factor)
    one = from_factor(values[None] if values.ndim == 2 else values, factor)
    return Covariance(structure, values, factor[0], np.repeat(one.log_det, k))


def _numbers(values: object, what: str, ndim: int) -> Array:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{what} are not an array of numbers.") from None
    if array.ndim != ndim:
        raise ValueError(f"{what} have {array.ndim} dimension(s), expected {ndim}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{what} contain NaN or infinite numbers.")
    return array


def _shaped(
    values: object, what: str, structure: Structure, k: int, d: int, symmetric: bool = True
) -> Array:
    shape = structure.array_shape(k, d)
    array = _numbers(values, what, len(shape))
    if array.shape != shape:
        raise ValueError(f"{what} have shape {array.shape}, expected {shape}.")
    if symmetric and structure in (Structure.SHARED, Structure.FULL):
        size = np.abs(array).max(initial=0.0)
        if not np.allclose(array, np.swapaxes(array, -1, -2), rtol=1e-6, atol=1e-9 * size):
            raise ValueError(f"{what} must be symmetric.")
    return array


def _check_positive(values: Array, what: str) -> None:
    if not (values > 0.0).all():
        raise ValueError(f"{what} must be positive, but the smallest is {values.min():.6g}.")


def _cholesky(values: Array, what: str) -> Array:
    chol, bad = cholesky(values if values.ndim == 3 else values[None])
    if bad.any():
        raise ValueError(f"{what} must be positive definite; number {int(np.argmax(bad))} is not.")
    return chol
