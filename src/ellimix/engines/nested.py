"""A normal in a box of two or three cells: integrals over one cell of what is known of the rest.

Gauss-Legendre rules on panels. Where the integrand counts is looked for, box by box: it is
log-concave, and its logarithm's curvature is at most -1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ellimix.engines.interval import (
    NEGLIGIBLE,
    Truncated,
    interval,
    mixed,
    normalised,
    rule,
)
from ellimix.records import Array

FEW_NODES = 8  # of the rule for one cell, where the integrand is only looked for
SEARCH_POINTS = 13
DESCENTS = 12


class Effort(NamedTuple):
    """How closely to look for where an integrand counts, and nodes of each panel there."""

    searches: int
    halvings: int
    nodes: int


TWO, TWO_STEEP = Effort(2, 6, 10), Effort(5, 6, 14)
OUTER, OUTER_STEEP = Effort(2, 4, 6), Effort(2, 5, 6)
INNER, INNER_STEEP = Effort(1, 4, 7), Effort(2, 5, 7)
ROUGH = Effort(1, 2, 3)


def two(
    root: Array, lower: Array, upper: Array, effort: Effort = TWO, steep: bool = False
) -> Truncated:
    """Two cells: an integral over z_0 of what is in closed form for z_1.

    The integrand is log-concave; where it is steep, for strong correlations, it has steps where a
    bound of the second cell begins to count. Panels end there, and seven standard deviations of z_1
    further inside.
    """
    slope = root[1, 0] / root[1, 1]
    low, high = lower[0] / root[0, 0], upper[0] / root[0, 0]
    low1, high1 = lower[1] / root[1, 1], upper[1] / root[1, 1]
    start, best, stop = _region(slope, low, high, low1, high1, effort)
    steps = [(slope, low1, high1)] if steep else []
    z, share = _paneled(start, best, stop, steps, effort.nodes)
    inner = interval(low1 - slope * z, high1 - slope * z)
    total, share = normalised(inner.log_probability - 0.5 * z * z, share)
    return mixed(z[None], inner.mean[None], inner.covariance[None, None], total, share)


def two_steep(root: Array, lower: Array, upper: Array) -> Truncated:
    """Two cells with a strong correlation."""
    return two(root, lower, upper, TWO_STEEP, steep=True)


def three(
    root: Array,
    lower: Array,
    upper: Array,
    effort: tuple[Effort, Effort] = (OUTER, INNER),
    steep: bool = False,
) -> Truncated:
    """Three cells: the same integral of what `two` says of the others."""
    slopes, own = root[1:, 0], root[1:, 1:]
    outer, inner = effort

    def given(z: Array, how: Effort) -> Truncated:
        """Of the last two cells, for each of g points of each box."""
        g, m = z.shape
        shift = slopes[:, None] * z
        below, above = ((b[1:, None] - shift).reshape(2, g * m) for b in (lower, upper))
        every = np.broadcast_to(own[:, :, None], (2, 2, g, m)).reshape(2, 2, g * m)
        found = two(every, below, above, how, steep)
        return Truncated(*(x.reshape(*x.shape[:-1], g, m) for x in found))

    def value(z: Array) -> Array:
        return np.asarray(given(z, ROUGH).log_probability - 0.5 * z * z)

    low, high = lower[0] / root[0, 0], upper[0] / root[0, 0]
    here = np.clip(_nearest(root, lower, upper), low, high)
    mean = given(here[None], ROUGH).mean[:, 0]
    last = mean[1] / own[1, 1]
    first = (mean[0] - own[1, 0] * last) / own[0, 0]
    rise = slopes[0] * first + slopes[1] * last - here
    start, stop = _around(here, rise, low, high)
    start, best, stop = _narrowed(value, start, stop, outer)
    steps = []
    if steep:
        for j in (1, 2):
            spread = np.sqrt((root[j, 1:] ** 2).sum(axis=0))
            steps.append((root[j, 0] / spread, lower[j] / spread, upper[j] / spread))
    z, share = _paneled(start, best, stop, steps, outer.nodes)
    rest = given(z, inner)
    total, share = normalised(rest.log_probability - 0.5 * z * z, share)
    return mixed(z[None], rest.mean, rest.covariance, total, share)


def three_steep(root: Array, lower: Array, upper: Array) -> Truncated:
    """Three cells with strong correlations."""
    return three(root, lower, upper, (OUTER_STEEP, INNER_STEEP), steep=True)


def _nearest(root: Array, lower: Array, upper: Array) -> Array:
    """First coordinate of about the z nearest to 0 in the box, by descent along the cells."""
    c = lower.shape[0]
    inverse = np.linalg.inv(np.moveaxis(root, -1, 0))
    precision = np.moveaxis(np.swapaxes(inverse, 1, 2) @ inverse, 0, -1)
    y = np.clip(0.0, lower, upper)
    for j in list(range(c)) * DESCENTS:
        pull = np.einsum("im,im->m", precision[j], y) - precision[j, j] * y[j]
        y[j] = np.clip(-pull / precision[j, j], lower[j], upper[j])
    return np.asarray(y[0] / root[0, 0])


def _paneled(
    start: Array,
    best: Array,
    stop: Array,
    steps: Sequence[tuple[Array, Array, Array]],
    nodes: int,
) -> tuple[Array, Array]:
    """Points (g, m) and widths that they stand for: panels shorter near the top and at steps.

    A step is where ``slope * z`` comes to a bound: slope, lower and upper.
    """
    breaks = [best]
    breaks += [best + part * (end - best) for end in (start, stop) for part in (0.15, 0.45, 1.0)]
    with np.errstate(divide="ignore", invalid="ignore"):
        for slope, low, high in steps:
            at = [bound / slope for bound in (low, low + 7.0, high - 7.0, high)]
            breaks += [np.clip(np.where(np.isnan(x), best, x), start, stop) for x in at]
    ends = np.sort(np.stack(breaks), axis=0)
    widths = np.diff(ends, axis=0)[:, None]
    s, weight = (x[:, None] for x in rule(nodes))
    m = ends.shape[1]
    return (ends[:-1, None] + widths * s).reshape(-1, m), (widths * weight).reshape(-1, m)


def _region(
    slope: Array, low: Array, high: Array, low1: Array, high1: Array, effort: Effort
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
    start, stop = _around(here, rise, low, high)
    return _narrowed(value, start, stop, effort)


def _around(here: Array, rise: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """What counts lies between, if the logarithm rises so steeply here."""
    start = np.maximum(low, here - 9.0 + 1.1 * np.minimum(rise, 0.0))
    return start, np.minimum(high, here + 9.0 + 1.1 * np.maximum(rise, 0.0))


def _narrowed(
    value: Callable[[Array], Array], start: Array, stop: Array, effort: Effort
) -> tuple[Array, Array, Array]:
    """An interval cut to where a concave function is within 40 of its top, which is about `best`.

    A few grids, each where the one before it counts, and then its end cells, halved.
    """
    grid = np.linspace(0.0, 1.0, SEARCH_POINTS)[:, None]
    each = np.arange(start.size)
    for _ in range(effort.searches):
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
    for _ in range(effort.halvings):
        middle = 0.5 * (outer + inner)
        inside = value(middle) > floor
        inner, outer = np.where(inside, middle, inner), np.where(inside, outer, middle)
    return outer[0], best, outer[1]
