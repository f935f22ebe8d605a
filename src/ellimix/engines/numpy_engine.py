"""The NumPy engine: three factor shapes times two second moments, a tile at a time.

Everything is float64 inside, also for float32 rows: a tile is converted as it is read, and laid out
(d, n): all inner loops then run over the rows of the tile, also where d is small. What belongs to
components is laid out (k, n).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.records import Array, Block, Factor, Moment, Potentials, SufficientStatistics

LOWEST = -750.0  # exp of it is 0: what lies below need not be told from it, and -inf would be NaN


@final
@dataclass(frozen=True)
class NumpyEngine:
    """The reference engine: no dependency but NumPy."""

    name: str = "numpy"

    def log_joint(self, potentials: Potentials, block: Block) -> Array:
        """The k log-potentials of each row, (n, k)."""
        return np.ascontiguousarray(_log_potentials(potentials, _columns(block)).T)

    def e_step(self, potentials: Potentials, block: Block) -> SufficientStatistics:
        """Responsibilities, log-likelihood and sums of one block."""
        columns, weight = _columns(block), block.weight
        log_total, share, entropy = _soft(_log_potentials(potentials, columns))
        rows = block.rows.shape[0]
        if weight is None:
            loglik, disorder, total = float(log_total.sum()), float(entropy.sum()), float(rows)
        else:
            share *= weight
            # a row of weight 0 counts for nothing, even where its log-likelihood is not finite
            loglik = float(weight @ np.where(weight > 0.0, log_total, 0.0))
            disorder, total = float(weight @ entropy), float(weight.sum())
        center, moment = potentials.center, potentials.moment
        n, s1, s2 = _sums(share, columns, center, moment)
        return SufficientStatistics(n, s1, s2, center, loglik, disorder, total, rows, moment)

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
        n, s1, s2 = _sums(share, _columns(block), center, moment)
        return SufficientStatistics(n, s1, s2, center, 0.0, 0.0, total, rows, moment)


def normalise(log_joint: Array) -> tuple[Array, Array]:
    """Log-sum-exp over components (n,) and responsibilities (k, n) of log-potentials (k, n).

    A row that is infinitely unlikely under every component (farther than about 1e154 standard
    deviations from each) has log-likelihood -inf and equal responsibilities, not NaN.
    """
    log_total, share, _ = _soft(log_joint)
    return log_total, share


def _soft(log_joint: Array) -> tuple[Array, Array, Array]:
    """What `normalise` gives, and the entropy of each row's responsibilities, in nats (n,)."""
    if log_joint.shape[1] == 0:
        return np.zeros(0), np.zeros_like(log_joint), np.zeros(0)
    top = log_joint.max(axis=0)
    lost = ~np.isfinite(top)
    if lost.any():
        log_joint = np.where(lost, 0.0, log_joint)
        below = np.maximum(log_joint - np.where(lost, 0.0, top), LOWEST)
    else:
        below = np.maximum(log_joint - top, LOWEST)
    share = np.exp(below)
    total = share.sum(axis=0)
    share /= total
    log_sum = np.log(total)
    # -sum r log r with log r = below - log_sum
    entropy = log_sum - np.einsum("kn,kn->n", share, below)
    return np.where(lost, -np.inf, top + log_sum), share, entropy


def _columns(block: Block) -> Array:
    """The rows of a block as float64 (d, n)."""
    return np.ascontiguousarray(block.rows.T, dtype=np.float64)


def _log_potentials(potentials: Potentials, columns: Array) -> Array:
    """(k, n)."""
    out = np.empty((potentials.offset.size, columns.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        _DISTANCES[potentials.shape](potentials, columns, out)
        out *= -0.5
        out += potentials.offset[:, None]
    out[np.isnan(out)] = -np.inf  # inf - inf: beyond the range of double precision
    return out


def _diagonal(potentials: Potentials, columns: Array, out: Array) -> None:
    z = np.empty_like(columns)
    for k, center in enumerate(potentials.center):
        np.subtract(columns, center[:, None], out=z)
        z *= potentials.factor[k][:, None]
        np.einsum("dn,dn->n", z, z, out=out[k])


def _full(potentials: Potentials, columns: Array, out: Array) -> None:
    z, white = np.empty_like(columns), np.empty_like(columns)
    for k, center in enumerate(potentials.center):
        np.subtract(columns, center[:, None], out=z)
        np.matmul(potentials.factor[k].T, z, out=white)
        np.einsum("dn,dn->n", white, white, out=out[k])


def _shared(potentials: Potentials, columns: Array, out: Array) -> None:
    # Rows are whitened once, not once a component, about the centers' mean: whitening raw rows
    # would lose the digits that an offset of the data takes.
    middle = potentials.center.mean(axis=0)
    white = potentials.factor.T @ (columns - middle[:, None])
    white_centers = (potentials.center - middle) @ potentials.factor
    z = np.empty_like(columns)
    for k, center in enumerate(white_centers):
        np.subtract(white, center[:, None], out=z)
        np.einsum("dn,dn->n", z, z, out=out[k])


_DISTANCES = {Factor.DIAGONAL: _diagonal, Factor.SHARED: _shared, Factor.FULL: _full}


def _sums(
    share: Array, columns: Array, center: Array, moment: Moment
) -> tuple[Array, Array, Array]:
    """n (k,), s1 (k, d) and s2 for weighted responsibilities (k, n)."""
    k, d = center.shape
    n = share.sum(axis=1)
    s1 = np.empty((k, d))
    s2 = np.zeros(_moment_shape(moment, k, d))
    root = np.sqrt(share)
    z = np.empty_like(columns)
    with np.errstate(over="ignore", invalid="ignore"):
        for j in range(k):
            np.subtract(columns, center[j][:, None], out=z)
            np.matmul(z, share[j], out=s1[j])
            # the square root keeps the product symmetric to the bit (one syrk), and the square of
            # a far row of weight 0 from overflowing
            z *= root[j]
            if moment is Moment.DIAGONAL:
                np.einsum("dn,dn->d", z, z, out=s2[j])
            elif moment is Moment.POOLED:
                s2 += z @ z.T
            else:
                np.matmul(z, z.T, out=s2[j])
    return n, s1, s2


def _moment_shape(moment: Moment, k: int, d: int) -> tuple[int, ...]:
    return {Moment.DIAGONAL: (k, d), Moment.POOLED: (d, d), Moment.FULL: (k, d, d)}[moment]
