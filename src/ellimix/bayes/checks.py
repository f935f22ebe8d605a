"""Parameters from outside, checked: a clear sentence for each that makes no sense."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ellimix.records import Array

LARGEST = 1e140  # of a value: its square, times a count, is still a double
LEAST_CHI2 = 1e-250  # of a draw: with next to no degrees of freedom it would be 0, its inverse inf
SMALLEST = 4.0 * np.finfo(np.float64).eps  # eigenvalue of a scale matrix with unit diagonal


def number(value: Any, name: str) -> float:
    """A finite number."""
    out = _float(value, name)
    if not math.isfinite(out):
        raise ValueError(f"{name} is {out}: pass a finite number.")
    return out


def location(value: Any, name: str) -> float:
    """A number whose square is a double too."""
    out = number(value, name)
    if abs(out) > LARGEST:
        raise ValueError(f"{name} is {out:.6g}: its square is no double, rescale.")
    return out


def positive(value: Any, name: str, *, infinite: bool = False) -> float:
    """A number above 0, which may be infinite where that has a meaning."""
    out = _float(value, name)
    if not out > 0.0 or (math.isinf(out) and not infinite):
        kind = "positive number" if infinite else "positive, finite number"
        raise ValueError(f"{name} is {out:.6g}: pass a {kind}.")
    return out


def probability(value: Any, name: str) -> float:
    """A number strictly between 0 and 1."""
    out = _float(value, name)
    if not 0.0 < out < 1.0:
        raise ValueError(f"{name} is {out:.6g}: pass a probability between 0 and 1.")
    return out


def share(value: Any, name: str) -> float:
    """A number from 0 to 1."""
    out = _float(value, name)
    if not 0.0 <= out <= 1.0:
        raise ValueError(f"{name} is {out:.6g}: pass a number from 0 to 1.")
    return out


def count(value: Any, name: str) -> int:
    """A whole number, 0 or more."""
    out = _float(value, name)
    if not out >= 0.0 or not out.is_integer():
        raise ValueError(f"{name} is {out:.6g}: pass a whole number, 0 or more.")
    return int(out)


def shape_of_normal(kappa: Any, degrees: Any, d: int, *, improper: bool) -> tuple[float, float]:
    """kappa and the degrees of freedom of a normal-inverse-Wishart distribution of d features."""
    rows, nu = number(kappa, "kappa"), number(degrees, "degrees")
    if rows < 0.0 or (rows == 0.0 and not improper):
        raise ValueError(
            f"kappa is {rows:.6g}: pass a positive number, the rows that the prior mean is worth."
        )
    least = -1.0 if improper else d - 1.0
    if nu < least or (nu == least and not improper):
        above = f"{least:.6g} or more" if improper else f"more than d - 1 = {least:.6g}"
        raise ValueError(f"degrees is {nu:.6g}: with {d} feature{'s'[: d > 1]} pass {above}.")
    return rows, nu


def vector(values: Any, name: str) -> Array:
    """Finite numbers (d,), read-only."""
    out = _array(values, name)
    if out.ndim != 1 or out.size == 0:
        raise ValueError(f"{name} has shape {out.shape}: pass one number a feature, (d,).")
    if (np.abs(out) > LARGEST).any():
        raise ValueError(f"{name} holds a value above {LARGEST:.6g}: rescale.")
    return out


def scale_matrix(values: Any, d: int, *, improper: bool, name: str = "scale") -> Array:
    """A symmetric matrix (d, d), positive definite unless it may be improper; read-only."""
    out = _array(values, name)
    if out.shape != (d, d):
        raise ValueError(
            f"{name} has shape {out.shape}, but mean has {d} number{'s'[: d > 1]}: pass ({d}, {d})."
        )
    size = np.sqrt(np.abs(np.diagonal(out)))
    if (np.abs(out - out.T) > 1e-9 * np.outer(size, size)).any():
        raise ValueError(f"{name} is not symmetric: pass a symmetric, positive definite matrix.")
    out = 0.5 * (out + out.T)
    least = smallest_eigenvalue(out)
    if least < -1e-9 or (not improper and least < SMALLEST * d):
        raise ValueError(
            f"{name} is not positive definite: pass a symmetric matrix with positive eigenvalues."
        )
    out.setflags(write=False)
    return out


def feature(value: Any, d: int) -> int:
    """A column."""
    j = count(value, "feature")
    if j >= d:
        raise ValueError(f"feature is {j}: pass a column from 0 to {d - 1}.")
    return j


def smallest_eigenvalue(scale: Array) -> float:
    """Of the matrix brought to unit diagonal, so that the features' units do not matter.

    0 or less where a diagonal element is.
    """
    diagonal = np.diagonal(scale)
    if not (diagonal > 0.0).all():
        return -1.0 if (diagonal < 0.0).any() or scale[diagonal == 0.0].any() else 0.0
    unit = 1.0 / np.sqrt(diagonal)
    return float(np.linalg.eigvalsh(unit[:, None] * scale * unit)[0])


def prior_of(prior: object, posterior: object) -> None:
    """Raise ValueError unless both are of one kind."""
    if type(prior) is not type(posterior):
        name, wanted = type(prior).__name__, type(posterior).__name__
        raise ValueError(f"prior is a {name}: this posterior came from a {wanted}, pass that.")


def _float(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r}: pass a number.") from None


def _array(values: Any, name: str) -> Array:
    try:
        out = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is not an array of numbers.") from None
    if not np.isfinite(out).all():
        raise ValueError(f"{name} holds a value that is not finite: pass finite numbers.")
    out.setflags(write=False)
    return out
