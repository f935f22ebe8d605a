"""The NumPy engine: three factor shapes times two second moments, a tile at a time.

Everything is float64 inside, also for float32 rows: a tile is converted as it is read, and laid out
(d, n): all inner loops then run over the rows of the tile, also where d is small. What belongs to
components is laid out (k, n).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import final

import numpy as np

from ellimix.engines.base import Posterior, Step
from ellimix.records import Array, Block, Factor, Moment, Potentials, SufficientStatistics

# Values in a tile: 512 KiB of float64. Smaller ones fit a core's cache better, but then threads
# spend their time handing the interpreter to each other (measured: 1 << 13 to 1 << 17).
TILE_VALUES = 1 << 16
FEWEST_ROWS, MOST_ROWS = 256, 16384  # in a tile, however many features
GROUP_VALUES = 1 << 15  # values of residuals made at once: of many components where rows are few

LOWEST = -750.0  # exp of it is 0: what lies below need not be told from it, and -inf would be NaN


@final
@dataclass(frozen=True)
class NumpyEngine:
    """The reference engine: no dependency but NumPy."""

    name: str = "numpy"
    compiled: bool = False

    def block_rows(self, d: int) -> int:
        """Rows in a tile."""
        return int(np.clip(TILE_VALUES // max(d, 1), FEWEST_ROWS, MOST_ROWS))

    def place(self, block: Block) -> None:
        """Nothing: tiles are converted as they are read."""

    def step(self, potentials: Sequence[Potentials]) -> Step:
        """Statistics of a block for each of several groups of fits."""

        def run(block: Block) -> list[SufficientStatistics]:
            columns = _columns(block)
            return [_e_step(p, block, columns) for p in potentials]

        return run

    def e_step(self, potentials: Potentials, block: Block) -> SufficientStatistics:
        """Responsibilities, log-likelihood and sums of one block."""
        return _e_step(potentials, block, _columns(block))

    def log_joint(self, potentials: Potentials, block: Block) -> Array:
        """The k log-potentials of each row, (n, k)."""
        return np.ascontiguousarray(log_potentials(potentials, _columns(block)).T)

    def posterior(self, potentials: Potentials, block: Block, full: bool) -> Posterior:
        """Log-density, best component and, if `full`, all responsibilities of each row."""
        log_joint = log_potentials(potentials, _columns(block))
        labels = log_joint.argmax(axis=0)
        log_total, share, entropy = soft(log_joint)
        certainty = share.max(axis=0)
        every = np.ascontiguousarray(share.T) if full else None
        return Posterior(log_total, labels, certainty, entropy, every)

    def accumulate(
        self, responsibilities: Array, block: Block, center: Array, moment: Moment
    ) -> SufficientStatistics:
        """Sums of one block under given responsibilities (n, k)."""
        share = np.ascontiguousarray(responsibilities.T, dtype=np.float64)
        rows = block.rows.shape[0]
        total = float(rows)
        if block.weight is not None:
            share = share * block.weight
            total = float(block.weight.sum())
        n, s1, s2 = sums(share, _columns(block), center, moment)
        return SufficientStatistics(n, s1, s2, center, 0.0, 0.0, total, rows, moment)


def normalise(log_joint: Array) -> tuple[Array, Array]:
    """Log-sum-exp over components (n,) and responsibilities (k, n) of log-potentials (k, n).

    A row that is infinitely unlikely under every component (farther than about 1e154 standard
    deviations from each) has log-likelihood -inf and equal responsibilities, not NaN.
    """
    log_total, share, _ = soft(log_joint)
    return log_total, share


def soft(log_joint: Array) -> tuple[Array, Array, Array]:
    """What `normalise` gives, and the entropy of each row's responsibilities, in nats (..., n)."""
    if log_joint.shape[-1] == 0:
        empty = np.zeros((*log_joint.shape[:-2], 0))
        return empty, np.zeros_like(log_joint), empty
    top = log_joint.max(axis=-2)
    lost = None
    if not np.isfinite(top).all():
        lost = ~np.isfinite(top)
        log_joint = np.where(lost[..., None, :], 0.0, log_joint)
        below = log_joint - np.where(lost, 0.0, top)[..., None, :]
    else:
        below = log_joint - top[..., None, :]
    np.maximum(below, LOWEST, out=below)
    share = np.exp(below)
    total = share.sum(axis=-2)
    share /= total[..., None, :]
    log_sum = np.log(total)
    # -sum r log r with log r = below - log_sum
    entropy = log_sum - np.einsum("...kn,...kn->...n", share, below)
    log_total = top + log_sum if lost is None else np.where(lost, -np.inf, top + log_sum)
    return log_total, share, entropy


def _e_step(potentials: Potentials, block: Block, columns: Array) -> SufficientStatistics:
    weight = block.weight
    log_total, share, entropy = soft(log_potentials(potentials, columns))
    rows = block.rows.shape[0]
    loglik: float | Array
    disorder: float | Array
    if weight is None:
        loglik, disorder, total = log_total.sum(axis=-1), entropy.sum(axis=-1), float(rows)
    else:
        share *= weight
        # a row of weight 0 counts for nothing, even where its log-likelihood is not finite
        loglik = np.where(weight > 0.0, log_total, 0.0) @ weight
        disorder, total = entropy @ weight, float(weight.sum())
    if potentials.offset.ndim == 1:
        loglik, disorder = float(loglik), float(disorder)
    center, moment = potentials.center, potentials.moment
    n, s1, s2 = sums(share, columns, center, moment)
    return SufficientStatistics(n, s1, s2, center, loglik, disorder, total, rows, moment)


def _columns(block: Block) -> Array:
    """The rows of a block as float64 (d, n)."""
    return np.ascontiguousarray(block.rows.T, dtype=np.float64)


def _groups(components: int, columns: Array) -> Iterator[slice]:
    """Components taken together: many where rows are few, one where they fill the cache."""
    size = max(1, GROUP_VALUES // max(1, columns.size))
    for first in range(0, components, size):
        yield slice(first, min(first + size, components))


def log_potentials(potentials: Potentials, columns: Array) -> Array:
    """(..., k, n)."""
    *lead, k, d = potentials.center.shape
    fits = prod(lead)  # not -1: d is 0 where all coordinates are integrated out
    center = potentials.center.reshape(fits * k, d)
    out = np.empty((center.shape[0], columns.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        if potentials.shape is Factor.SHARED:
            _shared(potentials, columns, out.reshape(fits, k, out.shape[1]))
        elif potentials.shape is Factor.DIAGONAL:
            _diagonal(center, potentials.factor.reshape(fits * k, d), columns, out)
        else:
            _full(center, potentials.factor.reshape(fits * k, d, d), columns, out)
        out *= -0.5
        out += potentials.offset.reshape(-1, 1)
        # inf - inf: beyond the range of double precision
        if np.isnan(out.sum()):
            out[np.isnan(out)] = -np.inf
    return out.reshape(*lead, k, out.shape[1])


def _diagonal(center: Array, factor: Array, columns: Array, out: Array) -> None:
    for group in _groups(center.shape[0], columns):
        z = columns - center[group, :, None]
        z *= factor[group, :, None]
        np.einsum("gdn,gdn->gn", z, z, out=out[group])


def _full(center: Array, factor: Array, columns: Array, out: Array) -> None:
    whitening = np.swapaxes(factor, 1, 2)
    for group in _groups(center.shape[0], columns):
        white = whitening[group] @ (columns - center[group, :, None])
        np.einsum("gdn,gdn->gn", white, white, out=out[group])


def _shared(potentials: Potentials, columns: Array, out: Array) -> None:
    # Rows are whitened once a fit, not once a component, about the centers' mean: whitening raw
    # rows would lose the digits that an offset of the data takes.
    *lead, k, d = potentials.center.shape
    centers = potentials.center.reshape(prod(lead), k, d)
    fits = zip(centers, potentials.factor.reshape(prod(lead), d, d), out, strict=True)
    for center, factor, distances in fits:
        middle = center.mean(axis=0)
        white = factor.T @ (columns - middle[:, None])
        white_centers = (center - middle) @ factor
        for group in _groups(k, columns):
            z = white - white_centers[group, :, None]
            np.einsum("gdn,gdn->gn", z, z, out=distances[group])


def sums(share: Array, columns: Array, center: Array, moment: Moment) -> tuple[Array, Array, Array]:
    """n (..., k), s1 (..., k, d) and s2 for weighted responsibilities (..., k, n)."""
    *lead, k, d = center.shape
    about = center.reshape(prod(lead) * k, d)
    flat = share.reshape(about.shape[0], share.shape[-1])
    s1 = np.empty((flat.shape[0], d))
    diagonal = moment is Moment.DIAGONAL
    s2 = np.empty((flat.shape[0], d) if diagonal else (flat.shape[0], d, d))
    root = np.sqrt(flat)
    with np.errstate(over="ignore", invalid="ignore"):
        for group in _groups(flat.shape[0], columns):
            z = columns - about[group, :, None]
            np.matmul(z, flat[group, :, None], out=s1[group, :, None])
            # the square root keeps the product symmetric to the bit (one syrk), and the square of
            # a far row of weight 0 from overflowing
            z *= root[group, None, :]
            if diagonal:
                np.einsum("gdn,gdn->gd", z, z, out=s2[group])
            else:
                np.matmul(z, np.swapaxes(z, 1, 2), out=s2[group])
    s2 = s2.reshape(*lead, k, *s2.shape[1:])
    if moment is Moment.POOLED:
        s2 = s2.sum(axis=-3)
    return flat.sum(axis=1).reshape(*lead, k), s1.reshape(*lead, k, d), s2
