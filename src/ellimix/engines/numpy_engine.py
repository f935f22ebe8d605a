"""The NumPy engine: three factor shapes times two second moments, a tile at a time.

Everything is float64 inside, also for float32 rows: a tile is converted as it is read. The
arrays of a tile are laid out (k, n), so that a component's row is contiguous.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.records import Array, Block, Factor, Moment, Potentials, SufficientStatistics


@final
@dataclass(frozen=True)
class NumpyEngine:
    """The reference engine: no dependency but NumPy."""

    name: str = "numpy"

    def log_joint(self, potentials: Potentials, block: Block) -> Array:
        """The k log-potentials of each row, (n, k)."""
        return np.ascontiguousarray(_log_potentials(potentials, _float64(block)).T)

    def e_step(self, potentials: Potentials, block: Block) -> SufficientStatistics:
        """Responsibilities, log-likelihood and sums of one block."""
        rows = _float64(block)
        log_joint = _log_potentials(potentials, rows)
        log_total, share = normalise(log_joint)
        weight = block.weight
        if weight is not None:
            share_weighted = share * weight
            # a row of weight 0 counts for nothing, even where its log-likelihood is not finite
            counted = np.where(weight > 0.0, log_total, 0.0)
            loglik = float(weight @ counted)
        else:
            share_weighted = share
            loglik = float(log_total.sum())
        n, s1, s2 = _sums(share_weighted, rows, potentials.center, potentials.moment)
        entropy = _entropy(share, share_weighted)
        total = float(weight.sum()) if weight is not None else float(rows.shape[0])
        return SufficientStatistics(
            n, s1, s2, potentials.center, loglik, entropy, total, rows.shape[0]
        )

    def accumulate(
        self, responsibilities: Array, block: Block, center: Array, moment: Moment
    ) -> SufficientStatistics:
        """Sums of one block under given responsibilities (n, k)."""
        rows = _float64(block)
        share = np.ascontiguousarray(responsibilities.T, dtype=np.float64)
        total = float(rows.shape[0])
        if block.weight is not None:
            share = share * block.weight
            total = float(block.weight.sum())
        n, s1, s2 = _sums(share, rows, center, moment)
        return SufficientStatistics(n, s1, s2, center, 0.0, 0.0, total, rows.shape[0])


def normalise(log_joint: Array) -> tuple[Array, Array]:
    """Log-sum-exp over components (n,) and responsibilities (k, n) of log-potentials (k, n).

    A row that is infinitely unlikely under every component (farther than about 1e154 standard
    deviations from each) has log-likelihood -inf and equal responsibilities, not NaN.
    """
    if log_joint.shape[1] == 0:
        return np.zeros(0), np.zeros_like(log_joint)
    top = log_joint.max(axis=0)
    lost = ~np.isfinite(top)
    if lost.any():
        log_joint = np.where(lost, 0.0, log_joint)
    share = np.exp(log_joint - np.where(lost, 0.0, top))
    total = share.sum(axis=0)
    share /= total
    log_total = np.where(lost, -np.inf, top + np.log(total))
    return log_total, share


def _float64(block: Block) -> Array:
    return np.asarray(block.rows, dtype=np.float64)


def _log_potentials(potentials: Potentials, rows: Array) -> Array:
    """(k, n)."""
    out = np.empty((potentials.offset.size, rows.shape[0]))
    with np.errstate(over="ignore", invalid="ignore"):
        _DISTANCES[potentials.shape](potentials, rows, out)
        out *= -0.5
        out += potentials.offset[:, None]
    out[np.isnan(out)] = -np.inf  # inf - inf: beyond the range of double precision
    return out


def _diagonal(potentials: Potentials, rows: Array, out: Array) -> None:
    for k, center in enumerate(potentials.center):
        z = rows - center
        z *= potentials.factor[k]
        np.einsum("ij,ij->i", z, z, out=out[k])


def _full(potentials: Potentials, rows: Array, out: Array) -> None:
    for k, center in enumerate(potentials.center):
        z = (rows - center) @ potentials.factor[k]
        np.einsum("ij,ij->i", z, z, out=out[k])


def _shared(potentials: Potentials, rows: Array, out: Array) -> None:
    # Rows are whitened once, not once a component, about the centers' mean: whitening raw rows
    # would lose the digits that an offset of the data takes.
    middle = potentials.center.mean(axis=0)
    white = (rows - middle) @ potentials.factor
    white_centers = (potentials.center - middle) @ potentials.factor
    for k, center in enumerate(white_centers):
        z = white - center
        np.einsum("ij,ij->i", z, z, out=out[k])


_DISTANCES = {Factor.DIAGONAL: _diagonal, Factor.SHARED: _shared, Factor.FULL: _full}


def _sums(share: Array, rows: Array, center: Array, moment: Moment) -> tuple[Array, Array, Array]:
    """n (k,), s1 (k, d) and s2 for weighted responsibilities (k, n)."""
    k, d = center.shape
    n = share.sum(axis=1)
    s1 = np.empty((k, d))
    s2 = np.empty((k, d) if moment is Moment.DIAGONAL else (k, d, d))
    with np.errstate(over="ignore", invalid="ignore"):
        for j in range(k):
            z = rows - center[j]
            s1[j] = share[j] @ z
            # the square root keeps the product symmetric to the bit (one syrk), and the square of
            # a far row of weight 0 from overflowing
            z *= np.sqrt(share[j])[:, None]
            if moment is Moment.DIAGONAL:
                np.einsum("ij,ij->j", z, z, out=s2[j])
            else:
                s2[j] = z.T @ z
    return n, s1, s2


def _entropy(share: Array, share_weighted: Array) -> float:
    log_share = np.log(share, out=np.zeros_like(share), where=share > 0.0)
    return -float(np.vdot(share_weighted, log_share)) + 0.0
