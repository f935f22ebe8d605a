"""A multivariate normal truncated to a box: its probability and first two moments.

With one cell they are in closed form, or one Gauss-Legendre rule where that form cancels: far in
a tail and between bounds close together. Independent cells are that, cell by cell. Two cells are an
integral over the first, of what is in closed form for the second, by Gauss-Legendre rules on four
panels. More cells are separated variables (Genz 1992, equations 3 to 6) on a fixed lattice: the
same points for all rows and in all passes, so that the result is a smooth function of the
parameters.

Errors, measured against mpmath and against far finer rules (see the tests): one cell 1e-12 relative
to the truncated standard deviation; two cells 1e-9, for correlations up to 0.999; three cells and
more about 1e-3, which `lattice_error` estimates for given boxes.

Inside, arrays are laid out cells first and boxes last: (c, m), (c, c, m).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri_exp

from ellimix.records import Array

LOG_ROOT_2PI = 0.5 * float(np.log(2.0 * np.pi))
NEGLIGIBLE = 40.0  # nats below the highest density: e^-40 is 4e-18
TAIL = -5.0  # beyond it the closed form loses digits of the variance
NARROW = 3.0  # standard deviations: between bounds closer than this it loses some, too
NODES, FEW_NODES = 24, 8  # of the rule for one cell; few where only the region is looked for
PANEL_NODES, STEEP_NODES = 10, 14  # of each of six panels for two cells, of ten where it is steep
STEEP = 1.5  # ratio of what the second cell takes from the first to its own standard deviation
SEARCH_POINTS, SEARCHES, STEEP_SEARCHES, HALVINGS = 13, 2, 5, 6
POINTS = 509  # of the lattice
BATCH_VALUES = 1 << 17  # in each array of a batch of boxes: 1 MiB


class Truncated(NamedTuple):
    """A normal in boxes: natural logarithm of the probability, mean and covariance."""

    log_probability: Array
    mean: Array
    covariance: Array


Method = Callable[[Array, Array, Array], Truncated]


def rectangle(mean: Array, covariance: Array, lower: Array, upper: Array) -> Truncated:
    """Probability of boxes under multivariate normals, and the moments inside.

    Parameters
    ----------
    mean : ndarray of shape (..., c)
    covariance : ndarray of shape (..., c, c)
        Positive definite.
    lower, upper : ndarray of shape (..., c)
        Bounds, -inf and inf where there are none. A box without width has probability 0, and the
        limits of the moments.

    Returns
    -------
    Truncated
        ``log_probability (...)``, natural logarithm; ``mean (..., c)`` and ``covariance
        (..., c, c)`` of the normal within the box. The covariance is symmetric and has no negative
        eigenvalue but by rounding.

    References
    ----------
    Genz (1992), Numerical computation of multivariate normal probabilities, equations 3 to 6.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.engines.truncated import rectangle
    >>> inside = rectangle(np.zeros(1), np.eye(1), np.zeros(1), np.full(1, np.inf))
    >>> float(np.exp(inside.log_probability)), inside.mean.round(6)
    (0.5, array([0.797885]))
    """
    c = mean.shape[-1]
    lead = np.broadcast_shapes(
        mean.shape[:-1], covariance.shape[:-2], lower.shape[:-1], upper.shape[:-1]
    )

    def last(values: Array, cells: int) -> Array:
        """Boxes last."""
        own = values.shape[values.ndim - cells :]
        flat = np.broadcast_to(values, (*lead, *own)).reshape(-1, *own)
        return np.ascontiguousarray(np.moveaxis(flat, 0, -1))

    middle = last(mean, 1)
    root = last(np.asarray(np.linalg.cholesky(covariance)), 2)
    inside = box(root, last(lower, 1) - middle, last(upper, 1) - middle)
    first = middle + np.einsum("abm,bm->am", root, inside.mean)
    half = np.einsum("abm,bcm->acm", root, inside.covariance)
    second = np.einsum("acm,bcm->abm", half, root)
    second = 0.5 * (second + second.swapaxes(0, 1))
    return Truncated(
        inside.log_probability.reshape(lead),
        np.moveaxis(first, -1, 0).reshape(*lead, c),
        np.moveaxis(second, -1, 0).reshape(*lead, c, c),
    )


def box(root: Array, lower: Array, upper: Array) -> Truncated:
    """The same for standard normal z with ``lower <= root @ z <= upper``: moments of z.

    Parameters
    ----------
    root : ndarray of shape (c, c, m)
        Lower triangular with a positive diagonal.
    lower, upper : ndarray of shape (c, m)

    Returns
    -------
    Truncated
        Of shapes (m,), (c, m) and (c, c, m).
    """
    c, m = lower.shape
    diagonal = root[np.arange(c), np.arange(c)]
    if c == 1:
        own = interval(lower[0] / diagonal[0], upper[0] / diagonal[0])
        return Truncated(own.log_probability, own.mean[None], own.covariance[None, None])
    below = np.tril_indices(c, -1)
    together = (root[below] != 0.0).any(axis=0)
    parts: list[tuple[Method, NDArray[np.bool_], int]] = [(_independent, ~together, c)]
    if c == 2:
        steep = np.abs(root[1, 0]) > STEEP * root[1, 1]
        parts += [(_two, together & ~steep, 6 * PANEL_NODES), (_steep, steep, 10 * STEEP_NODES)]
    else:
        parts += [(_lattice, together, c * POINTS)]
    out = Truncated(np.empty(m), np.empty((c, m)), np.empty((c, c, m)))
    for method, boxes, points in parts:
        which, size = np.flatnonzero(boxes), max(1, BATCH_VALUES // points)
        for start in range(0, which.size, size):
            part = which[start : start + size]
            own = method(root[..., part], lower[:, part], upper[:, part])
            for whole, value in zip(out, own, strict=True):
                whole[..., part] = value
    return out


def interval(lower: Array, upper: Array, nodes: int = NODES) -> Truncated:
    """A standard normal between bounds, number by number: the covariance is the variance.

    Parameters
    ----------
    lower, upper : ndarray of shape (...)
    nodes : int
        Of the rule where the closed form would cancel.
    """
    lower, upper = np.broadcast_arrays(lower, upper)
    shape = lower.shape
    with np.errstate(invalid="ignore", over="ignore"):
        swap = (lower + upper > 0.0).ravel()  # mirrored, so that the end nearer to 0 is the upper
        low, high = lower.ravel(), upper.ravel()
        near, far = np.where(swap, -low, high), np.where(swap, -high, low)
        plain = (near >= TAIL) & (near - far > NARROW)
    if plain.all():
        found = _closed(far, near)
    elif not plain.any():
        found = _by_rule(far, near, nodes)
    else:
        found = Truncated(*(np.empty(far.size) for _ in range(3)))
        parts = (
            (plain, _closed(far[plain], near[plain])),
            (
                ~plain,
                _by_rule(far[~plain], near[~plain], nodes),
            ),
        )
        for which, part in parts:
            for whole, value in zip(found, part, strict=True):
                whole[which] = value
    mean = np.where(swap, -found.mean, found.mean)
    return Truncated(*(x.reshape(shape) for x in (found.log_probability, mean, found.covariance)))


def _closed(far: Array, near: Array) -> Truncated:
    """Bounds far apart, not both in a tail."""
    outside = ndtr(far) + ndtr(-near)
    inside = np.where(near < 0.0, ndtr(near) - ndtr(far), 1.0 - outside)
    log_probability = np.where(near < 0.0, np.log(inside), np.log1p(-np.minimum(outside, 0.75)))
    at_far, at_near = (np.exp(-0.5 * x * x - LOG_ROOT_2PI) / inside for x in (far, near))
    mean = at_far - at_near
    far_term = np.where(np.isinf(far), 0.0, far) * at_far
    near_term = np.where(np.isinf(near), 0.0, near) * at_near
    return Truncated(log_probability, mean, 1.0 + far_term - near_term - mean * mean)


def _by_rule(far: Array, near: Array, nodes: int) -> Truncated:
    """Bounds close together or both in a tail: a rule for t = near - z from 0.

    The density falls like exp(near t - t^2 / 2); where it has fallen by e^-40 the rule ends.
    """
    rate = np.maximum(-near, 0.0)
    reach = 2.0 * NEGLIGIBLE / (rate + np.hypot(rate, np.sqrt(2.0 * NEGLIGIBLE)))
    span = np.minimum(near - far, reach)
    linear, square = near * span, -0.5 * span * span
    total, first, second = np.zeros((3, far.size))
    for s, weight in zip(*_rule(nodes), strict=True):
        part = linear + square * s
        part *= s
        np.exp(part, out=part)
        part *= weight
        total += part
        part *= s
        first += part
        part *= s
        second += part
    first /= total
    second /= total
    with np.errstate(divide="ignore", over="ignore"):
        log_probability = (
            np.log(np.maximum(span, 0.0)) + np.log(total) - 0.5 * near * near - LOG_ROOT_2PI
        )
    return Truncated(log_probability, near - span * first, span**2 * (second - first * first))


@cache
def _rule(nodes: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    x, weight = np.polynomial.legendre.leggauss(nodes)
    return 0.5 * (x + 1.0), 0.5 * weight


def _independent(root: Array, lower: Array, upper: Array) -> Truncated:
    """No cell tells of another."""
    c = lower.shape[0]
    index = np.arange(c)
    diagonal = root[index, index]
    own = interval(lower / diagonal, upper / diagonal)
    covariance = np.zeros(root.shape)
    covariance[index, index] = own.covariance
    return Truncated(own.log_probability.sum(axis=0), own.mean, covariance)


def _two(root: Array, lower: Array, upper: Array, steep: bool = False) -> Truncated:
    """Two cells: an integral over z_0 of what is in closed form for z_1.

    The integrand is log-concave; where it is steep, for strong correlations, it has steps where a
    bound of the second cell begins to count. Panels end there, and seven standard deviations of z_1
    further inside.
    """
    slope = root[1, 0] / root[1, 1]
    low, high = lower[0] / root[0, 0], upper[0] / root[0, 0]
    low1, high1 = lower[1] / root[1, 1], upper[1] / root[1, 1]
    searches = STEEP_SEARCHES if steep else SEARCHES
    start, best, stop = _region(slope, low, high, low1, high1, searches)
    breaks = [best + part * (end - best) for end in (start, stop) for part in (0.15, 0.45, 1.0)]
    breaks.append(best)
    if steep:
        at = [bound / slope for bound in (low1, low1 + 7.0, high1 - 7.0, high1)]
        breaks += [np.clip(x, start, stop) for x in at]
    z, share = _paneled(breaks, STEEP_NODES if steep else PANEL_NODES)
    inner = interval(low1 - slope * z, high1 - slope * z)
    total, share = _normalised(inner.log_probability - 0.5 * z * z, share)
    return _mixed(z[None], inner, total - LOG_ROOT_2PI, share)


def _steep(root: Array, lower: Array, upper: Array) -> Truncated:
    return _two(root, lower, upper, steep=True)


def _paneled(breaks: Sequence[Array], nodes: int) -> tuple[Array, Array]:
    """Points (g, m) and widths that they stand for, between breaks (m,) in any order."""
    ends = np.sort(np.stack(breaks), axis=0)
    widths = np.diff(ends, axis=0)[:, None]
    s, weight = (x[:, None] for x in _rule(nodes))
    m = ends.shape[1]
    return (ends[:-1, None] + widths * s).reshape(-1, m), (widths * weight).reshape(-1, m)


def _region(
    slope: Array, low: Array, high: Array, low1: Array, high1: Array, searches: int
) -> tuple[Array, Array, Array]:
    """Where the integrand over z_0 counts: start, about where it is highest, stop.

    Its logarithm has curvature <= -1: from any point the top is no farther than the slope there,
    and 40 nats below are no farther than 9 from the top. The point is the box's nearest to 0.
    """
    near = np.clip(0.0, low1, high1)  # of slope z_0 + z_1
    here = np.clip(slope * near / (1.0 + slope * slope), low, high)

    def value(z: Array) -> Array:
        inner = interval(low1 - slope * z, high1 - slope * z, FEW_NODES)
        return np.asarray(inner.log_probability - 0.5 * z * z)

    rise = slope * interval(low1 - slope * here, high1 - slope * here, FEW_NODES).mean - here
    start = np.maximum(low, here - 9.0 + 1.1 * np.minimum(rise, 0.0))
    stop = np.minimum(high, here + 9.0 + 1.1 * np.maximum(rise, 0.0))
    return _narrowed(value, start, stop, searches)


def _narrowed(
    value: Callable[[Array], Array], start: Array, stop: Array, searches: int
) -> tuple[Array, Array, Array]:
    """An interval cut to where a concave function is within 40 of its top, which is about `best`.

    A few grids, each where the one before it counts, and then its end cells, halved.
    """
    grid = np.linspace(0.0, 1.0, SEARCH_POINTS)[:, None]
    each = np.arange(start.size)
    for _ in range(searches):
        z = start + (stop - start) * grid
        heights = value(z)
        floor = heights.max(axis=0) - NEGLIGIBLE
        counts = heights > floor
        first = counts.argmax(axis=0)
        last = SEARCH_POINTS - 1 - counts[::-1].argmax(axis=0)
        best = z[heights.argmax(axis=0), each]
        start, stop = (
            z[np.maximum(first - 1, 0), each],
            z[np.minimum(last + 1, SEARCH_POINTS - 1), each],
        )
    outer, inner = np.stack([start, stop]), np.stack([z[first, each], z[last, each]])
    for _ in range(HALVINGS):
        middle = 0.5 * (outer + inner)
        inside = value(middle) > floor
        inner, outer = np.where(inside, middle, inner), np.where(inside, outer, middle)
    return outer[0], best, outer[1]


def _normalised(log_density: Array, share: Array) -> tuple[Array, Array]:
    """Logarithm of the sum over points, and the points' shares of it."""
    top = log_density.max(axis=0)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        weight = np.exp(log_density - top) * share
        total = weight.sum(axis=0)
        empty = ~(total > 0.0)
        if empty.any():  # beyond double precision: probability 0, moments of all points
            weight[:, empty], log_total = 1.0, np.where(empty, -np.inf, np.log(total))
            return top + log_total, weight / weight.sum(axis=0)
        return top + np.log(total), weight / total


def _mixed(z: Array, last: Truncated, log_probability: Array, share: Array) -> Truncated:
    """Moments of points (c - 1, g, m) with shares (g, m) and those of the last cell at them."""
    points = np.concatenate([z, last.mean[None]])
    mean = np.einsum("cgm,gm->cm", points, share)
    points -= mean[:, None]
    covariance = np.einsum("agm,bgm,gm->abm", points, points, share)
    covariance[-1, -1] += np.einsum("gm,gm->m", last.covariance, share)
    return Truncated(log_probability, mean, covariance)


def _lattice(root: Array, lower: Array, upper: Array, shift: float = 0.5) -> Truncated:
    """Separated variables: each cell's quantile given those before it, the last in closed form."""
    c, m = lower.shape
    z = np.empty((c - 1, POINTS, m))
    log_weight = np.full((POINTS, m), -np.log(POINTS))
    points = _points(c - 1, shift)
    for j in range(c - 1):
        before = np.einsum("im,igm->gm", root[j, :j], z[:j])
        low, high = (lower[j] - before) / root[j, j], (upper[j] - before) / root[j, j]
        log_inside, z[j] = _quantile(low, high, points[j][:, None])
        log_weight += log_inside
    before = np.einsum("im,igm->gm", root[-1, :-1], z)
    last = interval((lower[-1] - before) / root[-1, -1], (upper[-1] - before) / root[-1, -1])
    total, share = _normalised(log_weight + last.log_probability, np.ones((1, 1)))
    return _mixed(z, last, total, share)


def _quantile(low: Array, high: Array, share: Array) -> tuple[Array, Array]:
    """Log-probability between bounds, and the point with a share of it below."""
    with np.errstate(invalid="ignore"):
        swap = low + high > 0.0
    near, far = np.where(swap, -low, high), np.where(swap, -high, low)
    log_near = log_ndtr(near)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.exp(log_ndtr(far) - log_near)
        inside = np.maximum(1.0 - ratio, 0.0)
        own = np.where(swap, 1.0 - share, share)
        z = ndtri_exp(np.minimum(log_near + np.log(ratio + own * inside), 0.0))
        narrow = near - far < 1e-4 / (1.0 + np.abs(near))  # where the density is flat
        if narrow.any():
            middle = 0.5 * (near + far)
            flat = np.log(near - far) - 0.5 * middle * middle - LOG_ROOT_2PI
            log_inside = np.where(narrow, flat, log_near + np.log(inside))
            z = np.where(narrow, far + own * (near - far), z)
        else:
            log_inside = log_near + np.log(inside)
    z = np.clip(z, far, near)
    return log_inside, np.where(swap, -z, z)


@cache
def _points(dimensions: int, shift: float) -> Array:
    """Richtmyer's lattice, folded: fractions of multiples of the primes' roots."""
    primes: list[int] = []
    candidate = 2
    while len(primes) < dimensions:
        if all(candidate % p for p in primes):
            primes.append(candidate)
        candidate += 1
    steps = np.sqrt(np.array(primes, dtype=np.float64))[:, None]
    fraction = np.modf(steps * np.arange(1, POINTS + 1) + shift)[0]
    return np.asarray(np.abs(2.0 * fraction - 1.0))
