"""What is done to the rows before an agglomeration. A new scaling is one function and one line.

Criteria of clusters with a common scale are not invariant to the columns' units; Scrucca & Raftery
(2015, section 3) compare these transformations as starts of EM. All act on the centred rows, which
no criterion tells from the rows themselves; means, variances and singular values are of the
weighted rows, a weight of 2 being the row twice, and variances have the divisor n - 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from ellimix.records import Array

# a singular value below this share of the largest is one of rounding: that direction is left out
SINGULAR = 1e-12

Scaling = Callable[[Array, Array], Array]


def as_is(rows: Array, weight: Array) -> Array:
    """The rows (n, d), centred."""
    # twice: after the first time, the offset of the data costs no digits
    centred = rows - weight @ rows / weight.sum()
    return np.asarray(centred - weight @ centred / weight.sum())


def standardised(rows: Array, weight: Array) -> Array:
    """Columns of mean 0 and variance 1; a column without spread is 0."""
    centred = as_is(rows, weight)
    largest = np.abs(centred).max(axis=0)
    centred = centred / np.where(largest > 0.0, largest, 1.0)  # squares of these stay in range
    deviation = np.sqrt(weight @ centred**2 / max(weight.sum() - 1.0, 0.5))
    return np.asarray(centred / np.where(deviation > 0.0, deviation, 1.0))


def sphered(rows: Array, weight: Array) -> Array:
    """Principal components of the standardised columns, each of variance 1."""
    turned, singular = _axes(standardised(rows, weight), weight)
    return np.asarray(turned / singular * np.sqrt(max(weight.sum() - 1.0, 0.5)))


def principal_components(rows: Array, weight: Array) -> Array:
    """Principal components of the centred columns."""
    return _axes(as_is(rows, weight), weight)[0]


def correlation_components(rows: Array, weight: Array) -> Array:
    """Principal components of the standardised columns."""
    return _axes(standardised(rows, weight), weight)[0]


def root_sphered(rows: Array, weight: Array) -> Array:
    """Principal components of the standardised columns over the roots of the singular values.

    With Z = U D V^T the standardised rows, Z V D^(-1/2) = U D^(1/2): halfway, on a logarithmic
    scale, between the components and sphered ones (Scrucca & Raftery 2015, section 3, "scaled
    SVD").
    """
    turned, singular = _axes(standardised(rows, weight), weight)
    return turned / np.sqrt(singular)


def _axes(centred: Array, weight: Array) -> tuple[Array, Array]:
    """The rows in their principal axes (n, p), and the p singular values that are not 0."""
    weighted = np.sqrt(weight)[:, None] * centred
    _, singular, axes = np.linalg.svd(weighted, full_matrices=False)
    keep = singular > SINGULAR * singular[0]
    return centred @ axes[keep].T, singular[keep]


SCALINGS: Final[dict[str, Scaling]] = {
    "VARS": as_is,
    "STD": standardised,
    "SPH": sphered,
    "PCS": principal_components,
    "PCR": correlation_components,
    "SVD": root_sphered,
}
