"""Rows with missing values or a prior in one compiled pass, whatever they lack.

They are sorted by what they lack and laid out in tiles. See `ellimix.engines.kernels.integrate`
for how coordinates are integrated out; float32 rows become float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.engines.kernels import compiler
from ellimix.engines.numba_engine import _aligned, _padded, _statistics, _width
from ellimix.engines.patterns import LOG_2PI, wanted
from ellimix.records import (
    Array,
    Detail,
    Factor,
    Moment,
    Potentials,
    Rows,
    SufficientStatistics,
)

STRIDE = compiler.STRIDE
# Vectors of conditional covariances in a tile, for each component: a tile of rows that lack much
# ends early, so that the memory of a pass is bounded.
MOST_COVARIANCES = 2048

Integers = NDArray[np.int64]


@final
@dataclass(frozen=True)
class CompiledPatterns:
    """Rows sorted by what they lack; a `Part` of a block.

    Parameters
    ----------
    index : ndarray of shape (n,)
        Which rows of the block these are, in their order here.
    x : ndarray of shape (tiles, width, STRIDE)
        NaN for what is missing.
    weight : ndarray of shape (tiles, STRIDE)
        0 for padding.
    half : ndarray of shape (tiles, STRIDE)
        log(2 pi) / 2 for each missing coordinate.
    prior : ndarray of shape (tiles, k, STRIDE), or of shape (0, 0, 0)
    tiles : ndarray of shape (tiles, 4)
    groups : ndarray of shape (groups, 4)
        See `missing.square_pass`.
    lists : ndarray of shape (slots, lanes)
        Missing coordinates of the rows of groups, in descending order.
    starts : ndarray of shape (slots,)
        The smallest of them, down to a whole vector.
    features : int
        d.
    total : float
        Sum of the row weights.
    """

    index: NDArray[np.intp]
    x: Array
    weight: Array
    half: Array
    prior: Array
    tiles: Integers
    groups: Integers
    lists: Integers
    starts: Integers
    features: int
    total: float

    def log_joint(self, potentials: Potentials) -> Array:
        """The log-potentials of the rows, (..., k, n)."""
        one = _grouped(potentials)
        joint = np.empty((*one.offset.shape, self.index.size))
        self._pass(one, joint)
        return joint if one is potentials else joint[0]

    def statistics(self, potentials: Potentials) -> SufficientStatistics:
        """Expected sums of the whole rows, given what is observed of them."""
        one = _grouped(potentials)
        moment, center, d = one.moment, one.center, self.features
        sums, spread, totals = self._pass(one, np.empty((0, 0, 0)))
        kind = Moment.DIAGONAL if moment is Moment.DIAGONAL else Moment.FULL
        _, where = compiler.places(self.x.shape[1], kind.value, 64)
        n, s1, s2 = _statistics(sums, where, d, center, center, kind)
        s2 = wanted(s2 + _added(spread, one, kind), kind, moment)
        rows = int(self.index.size)
        loglik, entropy = totals[:, 0], totals[:, 1]
        if one is potentials:
            return SufficientStatistics(
                n, s1, s2, center, loglik, entropy, self.total, rows, moment
            )
        return SufficientStatistics(
            n[0],
            s1[0],
            s2[0],
            potentials.center,
            float(loglik[0]),
            float(entropy[0]),
            self.total,
            rows,
            moment,
        )

    def _pass(self, potentials: Potentials, joint: Array) -> tuple[Array, Array, Array]:
        """Sums, conditional covariances or shares of rows that lack a coordinate, and totals."""
        width, kind = self.x.shape[1], potentials.moment
        name = "diagonal" if kind is Moment.DIAGONAL else "full"
        m, k = potentials.offset.shape
        size, _ = compiler.places(width, name, 64)
        sums, totals = np.zeros((m, k, size)), np.zeros((m, 2))
        offset = np.array(potentials.offset, order="C")
        flat = potentials.flat
        run = compiler.missing_pass(potentials.shape.value, name, width)
        if potentials.shape is Factor.DIAGONAL:
            spread = np.zeros((m, k, width))
            run(
                *(self.x, self.weight, self.prior, self.tiles),
                *(_padded(potentials.center, float), _padded(potentials.factor, float), offset),
                *(_padded(_missing_terms(potentials), float), joint, sums, spread, totals),
            )
            return sums, spread, totals
        center, factor = _whole(potentials)
        spread = np.zeros((m, k, factor.shape[-1] + 1, factor.shape[-1] + 1))
        run(
            *(self.x, self.weight, self.half, self.prior),
            *(self.tiles, self.groups, self.lists, self.starts),
            *(center, factor, offset, np.zeros(0) if flat is None else np.array(flat)),
            *(joint, sums, spread, totals),
        )
        return sums, spread, totals


def _grouped(potentials: Potentials) -> Potentials:
    """Potentials with a fit axis; the very same where they have one."""
    if potentials.offset.ndim == 2:
        return potentials
    return Potentials(
        potentials.offset[None],
        potentials.center[None],
        potentials.factor[None],
        potentials.shape,
        potentials.moment,
        potentials.flat,
    )


def _missing_terms(potentials: Potentials) -> Array:
    """What a missing coordinate adds to a log-potential with a diagonal factor, (m, k, d)."""
    with np.errstate(divide="ignore"):
        out = 0.5 * LOG_2PI - np.log(np.abs(potentials.factor))
    if potentials.flat is not None:
        out[:, -1] = potentials.flat
    return out


def _whole(potentials: Potentials) -> tuple[Array, Array]:
    """Centers and square factors, padded with zeros to whole vectors and one more row."""
    m, k, d = potentials.center.shape
    lanes = compiler.precision(64).lanes
    width = -(-_width(d) // lanes) * lanes
    center = np.zeros((m, k, width + 1))
    center[..., :d] = potentials.center
    shared = potentials.shape is Factor.SHARED
    factor = np.zeros((m, 1 if shared else k, width + 1, width))
    factor[..., :d, :d] = potentials.factor[:, None] if shared else potentials.factor
    return center, factor


def _added(spread: Array, potentials: Potentials, kind: Moment) -> Array:
    """Conditional covariances, summed with responsibilities, (m, k, d) or (m, k, d, d)."""
    d = potentials.center.shape[-1]
    if potentials.shape is Factor.DIAGONAL:
        factor = potentials.factor
        variance = np.zeros_like(factor)
        np.divide(1.0, factor**2, out=variance, where=factor != 0.0)
        own = spread[..., :d] * variance
        return own if kind is Moment.DIAGONAL else own[..., None] * np.eye(d)
    half = spread[..., :d, :d]
    if kind is Moment.DIAGONAL:
        return np.diagonal(half, axis1=-2, axis2=-1)
    return np.tril(half) + np.swapaxes(np.tril(half, -1), -1, -2)


def compiled_patterns(
    rows: Rows, weight: Array | None, detail: Detail | None, index: NDArray[np.intp]
) -> CompiledPatterns:
    """Some rows of a block, laid out for compiled passes.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Those of the whole block, NaN for a missing value.
    weight : ndarray of shape (n,) or None
    detail : Detail or None
        Only its prior is looked at.
    index : ndarray
        Which rows; at least one.
    """
    part = np.asarray(rows[index], dtype=np.float64)
    missing = np.isnan(part)
    counts, order = _sorted(missing)
    part, missing, counts, index = part[order], missing[order], counts[order], index[order]
    lanes, d = compiler.precision(64).lanes, part.shape[1]
    width = -(-_width(d) // lanes) * lanes
    groups, lists = _groups(missing, counts, lanes, width)
    tiles = _tiles(groups, index.size, lanes)
    source = np.minimum(np.arange(STRIDE), tiles[:, :1] - 1) + tiles[:, 2:3]
    real = np.arange(STRIDE) < tiles[:, :1]
    x = _aligned((tiles.shape[0], _width(d), STRIDE), np.float64)
    x[:, :d], x[:, d:] = np.swapaxes(part[source], 1, 2), 0.0
    given = np.ones(index.size) if weight is None else weight[index]
    prior = np.zeros((0, 0, 0))
    if detail is not None and detail.prior is not None:
        prior = np.ascontiguousarray(np.swapaxes(detail.prior[index][source], 1, 2))
    return CompiledPatterns(
        index,
        x,
        np.where(real, given[source], 0.0),
        np.asarray(0.5 * LOG_2PI * counts[source], dtype=np.float64),
        prior,
        tiles,
        groups,
        lists,
        lists.min(axis=1) // lanes * lanes,
        d,
        float(given.sum()),
    )


def _sorted(missing: NDArray[np.bool_]) -> tuple[Integers, NDArray[np.intp]]:
    """How much each row lacks, and the order by that and then by the largest coordinates."""
    counts = missing.sum(axis=1)
    packed = np.packbits(missing[:, ::-1], axis=1)
    return counts, np.lexsort([*packed.T[::-1], counts])


def _groups(
    missing: NDArray[np.bool_], counts: Integers, lanes: int, width: int
) -> tuple[Integers, Integers]:
    """Groups of `lanes` sorted rows, and the lists of those that do not share the one before."""
    n, d = missing.shape
    number = -(-n // lanes)
    source = np.minimum(np.arange(number * lanes), n - 1).reshape(number, lanes)
    change = np.append(False, (missing[1:] != missing[:-1]).any(axis=1))
    pattern = np.cumsum(change)[source]
    alike = pattern[:, 0] == pattern[:, -1]
    again = np.zeros(number, dtype=np.bool_)
    again[1:] = alike[1:] & alike[:-1] & (pattern[1:, 0] == pattern[:-1, 0])
    slots = counts[source].max(axis=1)
    groups = np.zeros((number, 4), dtype=np.int64)
    groups[:, 0], groups[:, 1] = slots, alike.astype(np.int64) + again
    most = int(slots.max())
    own = source[~again]
    descending = d - 1 - np.argsort(~missing[own.ravel(), ::-1], axis=1, kind="stable")[:, :most]
    descending[np.arange(most) >= counts[own.ravel(), None]] = width
    each = np.swapaxes(descending.reshape(own.shape[0], lanes, most), 1, 2)
    lists = np.ascontiguousarray(each[np.arange(most) < slots[~again, None]], dtype=np.int64)
    ends = np.cumsum(np.where(again, 0, slots))
    # a group that shares the lists of the one before has the same place
    groups[:, 2] = np.where(again, 0, ends - slots)
    leader = np.maximum.accumulate(np.where(again, 0, np.arange(number)))
    groups[:, 2] = groups[leader, 2]
    return groups, lists.reshape(-1, lanes)


def _tiles(groups: Integers, n: int, lanes: int) -> Integers:
    """Tiles of at most STRIDE rows; places of covariances within them are written to `groups`.

    A tile's first group shares nothing with one of the tile before.
    """
    out: list[tuple[int, int, int, int]] = []
    first, used = 0, 0
    for g, (slots, alike, _, _) in enumerate(groups.tolist()):
        size = 0 if alike == 2 else slots * (slots + 1) // 2
        if g > first and ((g - first) * lanes == STRIDE or used + size > MOST_COVARIANCES):
            out.append(((g - first) * lanes, first, first * lanes, used))
            first, used = g, 0
        if g == first and alike == 2:
            groups[g, 1], size = 1, slots * (slots + 1) // 2
        groups[g, 3] = used if groups[g, 1] != 2 else groups[g - 1, 3]
        used += size
    out.append((n - first * lanes, first, first * lanes, used))
    return np.array(out, dtype=np.int64)
