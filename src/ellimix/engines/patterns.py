"""Rows with missing values: coordinates integrated out of the potentials, a pattern at a time.

With precision P = F F^T, missing coordinates m and observed ones o, the integral of exp(potential)
over x_m is a potential in x_o again. Its precision is the Schur complement of P_mm, and

    x_m | x_o ~ N(c_m - P_mm^-1 P_mo (x_o - c_o), P_mm^-1)

(Ghahramani & Jordan 1994, section 3). All of it comes from one QR factorisation of F^T with the
missing columns first: the triangle's first block is a root of P_mm, its last one the new factor.
No precision is inverted and none is formed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.engines.numpy_engine import log_potentials, soft, sums
from ellimix.records import Array, Detail, Factor, Moment, Potentials, Rows, SufficientStatistics

LOG_2PI = float(np.log(2.0 * np.pi))


@final
@dataclass(frozen=True)
class Integrated:
    """Potentials of the observed coordinates, and what they say of the missing ones.

    Parameters
    ----------
    potentials : Potentials
    regression : ndarray of shape (..., k, m, o) or None
        E[x_m] - c_m = regression @ (x_o - c_o); None where it is 0, for diagonal factors.
    spread : ndarray of shape (..., k, m, m) or (..., k, m)
        Covariance of x_m given x_o; (..., k, m) for diagonal factors.
    """

    potentials: Potentials
    regression: Array | None
    spread: Array


def integrated(potentials: Potentials, missing: NDArray[np.bool_]) -> Integrated:
    """The potentials with some coordinates integrated out.

    Parameters
    ----------
    potentials : Potentials
    missing : ndarray of shape (d,), bool
    """
    m, o = np.flatnonzero(missing), np.flatnonzero(~missing)
    flat = potentials.flat
    if flat is not None:
        gaussian = integrated(without_flat(potentials), missing)
        return _with_flat(gaussian, potentials, o, float(flat[m].sum()))
    offset, center = potentials.offset + 0.5 * m.size * LOG_2PI, potentials.center[..., o]
    factor = potentials.factor
    if potentials.shape is Factor.DIAGONAL:
        own = factor[..., m]
        rest = replace(
            potentials,
            offset=offset - np.log(own).sum(axis=-1),
            center=center,
            factor=factor[..., o],
        )
        return Integrated(rest, None, 1.0 / own**2)
    order = np.concatenate([m, o[::-1]])
    turned = np.swapaxes(factor, -1, -2)[..., order]
    triangle = np.asarray(np.linalg.qr(turned, mode="r"), dtype=np.float64)
    k, r = m.size, triangle[..., : m.size, : m.size]
    # reversed twice, so that the new factor is upper triangular as the old one
    new = np.swapaxes(triangle[..., k:, k:][..., ::-1, ::-1], -1, -2)
    determinant = np.log(np.abs(np.diagonal(r, axis1=-2, axis2=-1))).sum(axis=-1)
    inverse = np.asarray(np.linalg.inv(r), dtype=np.float64)
    regression = -inverse @ triangle[..., :k, k:][..., ::-1]
    spread = inverse @ np.swapaxes(inverse, -1, -2)
    if potentials.shape is Factor.SHARED:
        determinant, regression, spread = (
            determinant[..., None],
            regression[..., None, :, :],
            spread[..., None, :, :],
        )
    rest = replace(potentials, offset=offset - determinant, center=center, factor=new)
    return Integrated(rest, regression, spread)


def without_flat(potentials: Potentials) -> Potentials:
    """The potentials without the last, flat one."""
    square = potentials.shape is Factor.FULL
    factor = potentials.factor[..., :-1, :, :] if square else potentials.factor[..., :-1, :]
    return replace(
        potentials,
        offset=potentials.offset[..., :-1],
        center=potentials.center[..., :-1, :],
        factor=factor,
        flat=None,
    )


def _with_flat(
    own: Integrated,
    potentials: Potentials,
    o: NDArray[np.intp],
    log_sides: float,
) -> Integrated:
    """The same with the flat potential, which only loses the sides of its box."""
    one = own.potentials
    flat = potentials.flat
    rest = replace(
        one,
        offset=np.concatenate([one.offset, potentials.offset[..., -1:] + log_sides], axis=-1),
        center=potentials.center[..., o],
        factor=_padded(one.factor, -2 if one.shape is Factor.DIAGONAL else -3),
        flat=None if flat is None else flat[o],
    )
    if own.regression is None:
        return Integrated(rest, None, _padded(own.spread, -2))
    return Integrated(rest, _padded(own.regression, -3), _padded(own.spread, -3))


def _padded(values: Array, axis: int) -> Array:
    """One more entry of zeros at the end of an axis."""
    zero = np.zeros_like(np.take(values, [0], axis=axis))
    return np.concatenate([values, zero], axis=axis)


@final
@dataclass(frozen=True)
class Pattern:
    """Rows that lack the same coordinates.

    Parameters
    ----------
    missing : ndarray of shape (d,), bool
    columns : ndarray of shape (o, n), float64
        The observed coordinates.
    weight : ndarray of shape (n,) or None
    prior : ndarray of shape (k, n) or None
        See `Detail.prior`.
    index : ndarray of shape (n,)
        Which rows of the block these are.
    """

    missing: NDArray[np.bool_]
    columns: Array
    weight: Array | None
    prior: Array | None
    index: NDArray[np.intp]

    def log_joint(self, potentials: Potentials) -> Array:
        """The log-potentials of the rows, (..., k, n)."""
        return self.joint(integrated(potentials, self.missing).potentials)

    def joint(self, potentials: Potentials) -> Array:
        """The same from potentials of the observed coordinates."""
        out = log_potentials(potentials, self.columns)
        return out if self.prior is None else out + self.prior

    def statistics(self, potentials: Potentials) -> SufficientStatistics:
        """Expected sums of the whole rows, given what is observed of them."""
        own = integrated(potentials, self.missing)
        log_total, share, entropy = soft(self.joint(own.potentials))
        loglik, disorder, total = weighted_totals(log_total, entropy, share, self.weight)
        moment = potentials.moment
        diagonal = own.regression is None and moment is Moment.DIAGONAL
        kind = Moment.DIAGONAL if diagonal else Moment.FULL
        n, s1, s2 = sums(share, self.columns, own.potentials.center, kind)
        s1, s2 = _expanded(own, self.missing, n, s1, s2, kind)
        return SufficientStatistics(
            n,
            s1,
            wanted(s2, kind, moment),
            potentials.center,
            loglik,
            disorder,
            total,
            int(self.index.size),
            moment,
        )


def weighted_totals(
    log_total: Array, entropy: Array, share: Array, weight: Array | None
) -> tuple[float | Array, float | Array, float]:
    """Log-likelihood, entropy and total weight; `share` (..., k, n) is weighted in place."""
    loglik, disorder, total = log_total, entropy, float(log_total.shape[-1])
    if weight is not None:
        share *= weight
        # a row of weight 0 counts for nothing, even where its log-likelihood is not finite
        loglik = np.where(weight > 0.0, log_total, 0.0) * weight
        disorder, total = entropy * weight, float(weight.sum())
    if share.ndim == 2:
        return float(loglik.sum()), float(disorder.sum()), total
    return loglik.sum(axis=-1), disorder.sum(axis=-1), total


def wanted(s2: Array, kind: Moment, moment: Moment) -> Array:
    """A second moment of the kind wanted, from the diagonal or whole one that was made."""
    if moment is kind:
        return s2
    if moment is Moment.POOLED:
        return np.asarray(s2.sum(axis=-3))
    return np.diagonal(s2, axis1=-2, axis2=-1)


def _expanded(
    own: Integrated, missing: NDArray[np.bool_], n: Array, s1: Array, s2: Array, kind: Moment
) -> tuple[Array, Array]:
    """Sums over whole rows from those over their observed coordinates."""
    m, o = np.flatnonzero(missing), np.flatnonzero(~missing)
    d = missing.size
    first = np.zeros((*n.shape, d))
    first[..., o] = s1
    if kind is Moment.DIAGONAL:
        second = np.zeros((*n.shape, d))
        second[..., o], second[..., m] = s2, n[..., None] * own.spread
        return first, second
    second = np.zeros((*n.shape, d, d))
    second[..., o[:, None], o] = s2
    if own.regression is None:
        second[..., m, m] = n[..., None] * own.spread
        return first, second
    across = own.regression @ s2
    first[..., m] = (own.regression @ s1[..., None])[..., 0]
    second[..., m[:, None], o] = across
    second[..., o[:, None], m] = np.swapaxes(across, -1, -2)
    within = across @ np.swapaxes(own.regression, -1, -2)
    second[..., m[:, None], m] = within + n[..., None, None] * own.spread
    return first, second


def patterns_of(
    rows: Rows, weight: Array | None, detail: Detail | None, index: NDArray[np.intp]
) -> list[Pattern]:
    """Some rows of a block by what they lack, patterns with fewer missing values first."""
    part = rows[index]
    missing = np.isnan(part)
    packed = np.packbits(missing, axis=1)
    _, first, group = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(group.ravel()))
    prior = None if detail is None else detail.prior
    out = []
    for number, own in enumerate(np.split(order, ends[:-1])):
        lacks = missing[first[number]]
        which = index[own]
        out.append(
            Pattern(
                lacks,
                np.ascontiguousarray(part[own][:, ~lacks].T, dtype=np.float64),
                None if weight is None else weight[which],
                None if prior is None else np.ascontiguousarray(prior[which].T),
                which,
            )
        )
    return out
