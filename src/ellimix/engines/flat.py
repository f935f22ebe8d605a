"""What is known of a row, if it is noise: uniform in a box, as far as it was measured."""

from __future__ import annotations

import numpy as np

from ellimix.engines.known import Known
from ellimix.records import Array, Potentials


def flat_log_joint(potentials: Potentials, known: Known) -> Array:
    """Logarithm of the noise's weight times its density, (..., n).

    What is measured counts as uniform in the box, or in the extents of the box's projections, and
    as independent. A known cell has the density 1 / side, wherever it is; an interval the share of
    the side that it takes; errors are not looked at.
    """
    weight = potentials.offset[..., -1] + _log_sides(potentials).sum()
    e, c = known.values.shape[0], known.lower.shape[0]
    middle, sides = _measured(potentials, known)
    own = np.zeros(known.index.size)
    own -= np.log(sides[:e]).sum(axis=0)
    if c:
        low, high = _overlap(known, middle[e:], sides[e:])
        with np.errstate(divide="ignore"):
            own += np.log((high - low) / sides[e:]).sum(axis=0)
    return np.asarray(weight[..., None] + own)


def flat_moments(potentials: Potentials, known: Known) -> tuple[Array, Array]:
    """Mean (d, n) and covariance (d, d, n) of x.

    Known cells are what they are, give or take their errors; intervals are uniform in their overlap
    with the box, missing cells in its side. Of projections nothing is concluded: x is uniform in
    the box.
    """
    n = known.index.size
    box, sides = _middle(potentials), np.exp(_log_sides(potentials))
    d = sides.size
    mean = np.repeat(box[:, None], n, axis=1)
    variance = np.repeat(sides[:, None] ** 2 / 12.0, n, axis=1)
    covariance = np.zeros((d, d, n))
    index = np.arange(d)
    if known.projections is None:
        e = known.values.shape[0]
        exact, between = known.cells[:e], known.cells[e:]
        mean[exact], variance[exact] = known.values, 0.0
        low, high = _overlap(known, box[between][:, None], sides[between][:, None])
        mean[between], variance[between] = 0.5 * (low + high), (high - low) ** 2 / 12.0
        errors = known.errors
        if errors is not None and errors.ndim == 3:
            covariance[known.cells[:, None], known.cells] = errors
        elif errors is not None:
            variance[known.cells] += errors
    covariance[index, index] += variance
    return mean, covariance


def _log_sides(potentials: Potentials) -> Array:
    if potentials.flat is None:
        raise ValueError("These potentials have no flat one.")
    return potentials.flat


def _middle(potentials: Potentials) -> Array:
    """The box's middle, the same for all fits."""
    return np.asarray(potentials.center[..., -1, :].reshape(-1, potentials.center.shape[-1])[0])


def _measured(potentials: Potentials, known: Known) -> tuple[Array, Array]:
    """Middles and sides of the box of what is measured, (p, 1) or (p, n)."""
    middle, sides = _middle(potentials), np.exp(_log_sides(potentials))
    if known.projections is None:
        return middle[known.cells][:, None], sides[known.cells][:, None]
    extent = np.einsum("pin,i->pn", np.abs(known.projections), sides)
    return np.einsum("pin,i->pn", known.projections, middle), extent


def _overlap(known: Known, middle: Array, sides: Array) -> tuple[Array, Array]:
    """Intervals cut to the box; of no length where they are beside it."""
    low, high = middle - 0.5 * sides, middle + 0.5 * sides
    return np.clip(known.lower, low, high), np.clip(known.upper, low, high)
