"""How narrow components are, relative to the whole mixture or to a grid; of many fits at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import Covariance, Structure
from ellimix.inference.base import Parameters
from ellimix.inference.box import Box
from ellimix.records import Array

Mask = NDArray[np.bool_]


def _total(parameters: Parameters, box: Box | None) -> Array:
    """Covariance of the whole mixture, (m, d, d), with that of the noise in its box."""
    weights, means, values = parameters.weights, parameters.means, parameters.covariance.values
    d = means.shape[-1]
    middle, noise = weights[:, None] @ means, parameters.noise
    if box is not None and noise is not None:
        middle = middle + noise[:, None, None] * box.middle
    shift = means - middle
    between: Array = np.swapaxes(shift * weights[..., None], -1, -2) @ shift
    if box is not None and noise is not None:
        away = box.middle - middle
        between += noise[:, None, None] * (box.covariance() + np.swapaxes(away, -1, -2) @ away)
    match parameters.covariance.structure:
        case Structure.SPHERICAL:
            within = (weights * values).sum(axis=1)
            return np.asarray(between + within[:, None, None] * np.eye(d))
        case Structure.DIAGONAL:
            return np.asarray(between + (weights[:, None] @ values) * np.eye(d))
        case Structure.SHARED:
            return between + (values if noise is None else (1.0 - noise)[:, None, None] * values)
        case Structure.FULL:
            flat = values.reshape(*weights.shape, d * d)
            return np.asarray(between + (weights[:, None] @ flat).reshape(-1, d, d))


def _relative_precisions(
    covariance: Covariance, scale: Array, above: float, which: Mask | None = None
) -> Array:
    """Eigenvalues of scale Sigma_k^-1, (m, k, d), descending; 0 where none is above a bound.

    They are those of F^T scale F, without an inverse. The largest is at most its Frobenius norm,
    which is small for most components: they need no eigenvalues. With `which` (m, k) only those
    components do, and others may have 0.
    """
    factor = covariance.factor
    match covariance.structure:
        case Structure.SPHERICAL | Structure.DIAGONAL:
            if covariance.structure is Structure.SPHERICAL:
                factor = factor[..., None]
            along = factor**2 * np.diagonal(scale, axis1=-2, axis2=-1)[..., None, :]
            return np.sort(along, axis=-1)[..., ::-1]
        case Structure.SHARED:
            factor = factor[:, None]
    product: Array = np.swapaxes(factor, -1, -2) @ scale[..., None, :, :] @ factor
    out = np.zeros((*product.shape[:2], product.shape[-1]))
    some: Mask = np.einsum("...ij,...ij->...", product, product) > above**2
    if which is not None:
        some &= which.any(axis=1, keepdims=True) if some.shape[1] == 1 else which
    if some.any():
        out[some] = np.linalg.eigvalsh(product[some])[:, ::-1]
    k = covariance.log_det.shape[-1]
    return np.broadcast_to(out, (out.shape[0], k, out.shape[-1]))


def relative_widths(
    parameters: Parameters, below: float, which: Mask | None = None, box: Box | None = None
) -> Array:
    """Standard deviations relative to the whole mixture's, (m, k, d), ascending.

    1 where none of a component is below the bound, or it is not in `which`. A noise component,
    uniform in `box`, is part of the whole.
    """
    total = _total(parameters, box)
    found = _relative_precisions(parameters.covariance, total, below**-2, which)
    return 1.0 / np.sqrt(np.where(found > 0.0, found, 1.0))


def widths_in_steps(covariance: Covariance, resolution: Array, below: float) -> Array:
    """Smallest standard deviation over that of the rounding error, (m, k); inf above a bound."""
    rounding = np.diag(resolution**2 / 12.0)[None]
    largest = _relative_precisions(covariance, rounding, below**-2)[..., 0]
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / np.sqrt(largest))


def eigenvalue_ratios(covariance: Covariance, k: int) -> tuple[Mask, Array]:
    """Which components have the smallest eigenvalue (m, k), and the largest over it (m,)."""
    values: Array = covariance.values
    low = high = values
    match covariance.structure:
        case Structure.SPHERICAL:
            pass
        case Structure.DIAGONAL:
            low, high = values.min(axis=-1), values.max(axis=-1)
        case _:
            eigenvalues: Array = np.asarray(np.linalg.eigvalsh(values))
            low, high = eigenvalues[..., 0], eigenvalues[..., -1]
            if covariance.structure is Structure.SHARED:
                low, high = low[:, None].repeat(k, axis=1), high[:, None]
    smallest = low.min(axis=-1)
    return low == smallest[:, None], high.max(axis=-1) / np.maximum(smallest, np.finfo(float).tiny)
