"""Rows with errors, projections or intervals: sums expected given what is known of each row.

Everything is summed in the coordinates u of `conditional`, in which a component is standard normal,
a few rows at a time, and turned into x once a pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.engines.conditional import Frame, White, framed, given
from ellimix.engines.flat import flat_log_joint, flat_moments
from ellimix.engines.known import Known, chunks, known_of
from ellimix.engines.numpy_engine import soft
from ellimix.engines.patterns import wanted, weighted_totals, without_flat
from ellimix.records import Array, Block, Moment, Potentials, SufficientStatistics


@final
@dataclass(frozen=True)
class Uncertain:
    """Rows of a block of which the same cells are known, intervals or missing.

    Parameters
    ----------
    known : Known
    weight : ndarray of shape (n,) or None
    prior : ndarray of shape (k, n) or None
        See `Detail.prior`.
    """

    known: Known
    weight: Array | None
    prior: Array | None

    @property
    def index(self) -> NDArray[np.intp]:
        """Which rows of the block these are."""
        return self.known.index

    def log_joint(self, potentials: Potentials) -> Array:
        """The log-potentials of the rows, (..., k, n)."""
        frame = _frame(potentials)
        out = np.empty((*potentials.offset.shape, self.index.size))
        for part, known in self._parts(frame):
            out[..., part] = self._joint(potentials, known, given(frame, known), part)
        return out

    def statistics(self, potentials: Potentials) -> SufficientStatistics:
        """Expected sums, given what is known of the rows."""
        frame = _frame(potentials)
        *lead, k, d = potentials.center.shape
        n, s1, s2 = np.zeros((*lead, k)), np.zeros((*lead, k, d)), np.zeros((*lead, k, d, d))
        loglik, disorder, total = np.zeros(lead), np.zeros(lead), 0.0
        for part, known in self._parts(frame):
            white = given(frame, known)
            log_total, share, entropy = soft(self._joint(potentials, known, white, part))
            weight = None if self.weight is None else self.weight[part]
            sums = weighted_totals(log_total, entropy, share, weight)
            loglik, disorder, total = loglik + sums[0], disorder + sums[1], total + sums[2]
            n += share.sum(axis=-1)
            _add(potentials, frame, white, share, s1, s2)
            if potentials.flat is not None:
                _add_flat(potentials, known, share[..., -1, :], s1, s2)
        _color(potentials, frame, s1, s2)
        moment = potentials.moment
        return SufficientStatistics(
            n,
            s1,
            np.ascontiguousarray(wanted(s2, Moment.FULL, moment)),
            potentials.center,
            loglik if lead else float(loglik),
            disorder if lead else float(disorder),
            total,
            int(self.index.size),
            moment,
        )

    def _parts(self, frame: Frame) -> list[tuple[slice, Known]]:
        q, d = frame.center.shape
        out, start = [], 0
        for known in chunks(self.known, q, d):
            stop = start + known.index.size
            out.append((slice(start, stop), known))
            start = stop
        return out

    def _joint(self, potentials: Potentials, known: Known, white: White, part: slice) -> Array:
        *lead, k = potentials.offset.shape
        gaussians = k if potentials.flat is None else k - 1
        out = white.log_joint.reshape(*lead, gaussians, known.index.size)
        if potentials.flat is not None:
            flat = flat_log_joint(potentials, known)
            out = np.concatenate([out, flat[..., None, :]], axis=-2)
        return out if self.prior is None else out + self.prior[:, part]


def uncertain_of(block: Block, index: NDArray[np.intp]) -> list[Uncertain]:
    """Some rows of a block by what is known of them.

    Parameters
    ----------
    block : Block
    index : ndarray of shape (n,)
        Which rows.

    Raises
    ------
    DataError
        A lower bound is above its upper bound.
    """
    prior = None if block.detail is None else block.detail.prior
    return [
        Uncertain(
            known,
            None if block.weight is None else block.weight[known.index],
            None if prior is None else np.ascontiguousarray(prior[known.index].T),
        )
        for known in known_of(block.rows, block.detail, index)
    ]


def _frame(potentials: Potentials) -> Frame:
    return framed(potentials if potentials.flat is None else without_flat(potentials))


def _add(
    potentials: Potentials, frame: Frame, white: White, share: Array, s1: Array, s2: Array
) -> None:
    """Sums of the Gaussian components over some rows, in u."""
    q, d = frame.center.shape
    m = potentials.offset.shape[-1] - (potentials.flat is not None)
    own = share[..., :m, :].reshape(q, -1)
    lead = s1.shape[:-2]
    s1[..., :m, :] += (white.mean @ own[:, :, None])[..., 0].reshape(*lead, m, d)
    # the square root keeps the product symmetric to the bit
    rooted = white.mean * np.sqrt(own)[:, None]
    second = rooted @ np.swapaxes(rooted, 1, 2)
    covariance = white.covariance
    if covariance.shape[-1] == 1:
        second += covariance[..., 0] * own.sum(axis=1)[:, None, None]
    else:
        flat = covariance.reshape(q, d * d, -1)
        second += (flat @ own[:, :, None]).reshape(q, d, d)
    s2[..., :m, :, :] += second.reshape(*lead, m, d, d)


def _add_flat(potentials: Potentials, known: Known, share: Array, s1: Array, s2: Array) -> None:
    """Sums of the noise over some rows, in x."""
    mean, covariance = flat_moments(potentials, known)
    d = mean.shape[0]
    shift = mean - potentials.center[..., -1, :].reshape(-1, d)[0][:, None]
    s1[..., -1, :] += share @ shift.T
    second = shift[:, None] * shift + covariance
    s2[..., -1, :, :] += (share @ second.reshape(d * d, -1).T).reshape(*share.shape[:-1], d, d)


def _color(potentials: Potentials, frame: Frame, s1: Array, s2: Array) -> None:
    """From u to x, in place."""
    m = potentials.offset.shape[-1] - (potentials.flat is not None)
    spread = frame.spread.reshape(*potentials.offset.shape[:-1], m, *frame.spread.shape[1:])
    s1[..., :m, :] = (spread @ s1[..., :m, :, None])[..., 0]
    turned = spread @ s2[..., :m, :, :] @ np.swapaxes(spread, -1, -2)
    s2[..., :m, :, :] = 0.5 * (turned + np.swapaxes(turned, -1, -2))
