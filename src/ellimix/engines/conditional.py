"""What is known of a row, under each component: its log-density, and mean and covariance of x.

A row is y = R x + e with e ~ N(0, S); some cells of y are known, some to an interval, others not at
all. With x = c + G u, u standard normal and G the inverse transposed factor, and with known cells
before intervals,

    y - R c = A u + e,   A = R G,   V = A A^T + S = L L^T,   z = L^-1 (y - R c),   W = L^-1 A,

z is standard normal, too, and E[u | z] = W^T z, Cov[u | z] = I - W^T W. Known cells fix their part
of z. Intervals leave theirs in a box: it has moments of its own there (`truncated`). With T their
covariance,

    E[u | known] = W^T E[z],   Cov[u | known] = I - W_E^T W_E - W_I^T (I - T) W_I.

For cells that are all known this is Bovy, Hogg & Roweis (2011), equations 16 to 20; for intervals
without errors it is Lee & Scott (2012), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, final

import numpy as np

from ellimix.engines import triangles
from ellimix.engines.flat import flat_log_joint, flat_moments
from ellimix.engines.known import Known, chunks, known_of
from ellimix.engines.patterns import LOG_2PI, without_flat
from ellimix.engines.truncated import box
from ellimix.records import Array, Detail, Factor, Potentials, Rows


class Conditional(NamedTuple):
    """What is known of rows, under each component.

    Parameters
    ----------
    log_joint : ndarray of shape (..., k, n)
        Natural logarithms of weight times density of what is known.
    mean : ndarray of shape (..., k, n, d)
        Of x, given what is known and the component.
    covariance : ndarray of shape (..., k, n, d, d)
    """

    log_joint: Array
    mean: Array
    covariance: Array


@final
@dataclass(frozen=True)
class White:
    """The same in coordinates u with x = c + G u.

    Parameters
    ----------
    log_joint : ndarray of shape (q, n)
        For q components of all fits.
    mean : ndarray of shape (q, d, n)
    covariance : ndarray of shape (q, d, d, n), or (q, d, d, 1) where it is that of all rows
    """

    log_joint: Array
    mean: Array
    covariance: Array


@final
@dataclass(frozen=True)
class Frame:
    """Potentials of q components, whitened: all fits in one axis.

    Parameters
    ----------
    log_mass : ndarray of shape (q,)
        Logarithms of the integrals of exp(potential).
    center : ndarray of shape (q, d)
    spread : ndarray of shape (q, d, d)
        G, lower triangular: covariance = G G^T.
    """

    log_mass: Array
    center: Array
    spread: Array


def conditional(potentials: Potentials, rows: Rows, detail: Detail | None) -> Conditional:
    """What is known of rows, under each component.

    Parameters
    ----------
    potentials : Potentials
        Of one fit or of several with axes ``...`` in front. A last flat potential is noise that is
        uniform in what is measured: of its box, with side lengths ``exp(potentials.flat)`` about
        its center, or of the extents of the box's projections. An interval counts by its overlap
        with the box. With projections nothing is said of x itself but that it is in the box.
    rows : ndarray of shape (n, p)
        Measurements; NaN for a cell that is not known, or known to an interval.
    detail : Detail or None
        Errors, projections and bounds; `Detail.prior` is not looked at. An interval without width
        counts as a known cell.

    Returns
    -------
    Conditional
        A row of which nothing is known has the component's weight, mean and covariance. -inf for a
        row that is beyond double precision, or whose measurements have no density: without errors
        and linearly dependent.

    Raises
    ------
    DataError
        A lower bound is above its upper bound.

    References
    ----------
    Bovy, Hogg & Roweis (2011), Extreme deconvolution, equations 16 to 20; Lee & Scott (2012), EM
    algorithms for multivariate Gaussian mixture models with truncated and censored data, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix import Mixture
    >>> from ellimix.engines.conditional import conditional
    >>> from ellimix.records import Detail
    >>> potentials = Mixture.from_parameters([1.0], [[0.0]], [[[1.0]]]).potentials
    >>> known = conditional(potentials, np.array([[2.0]]), Detail(errors=np.ones((1, 1))))
    >>> known.mean, known.covariance
    (array([[[1.]]]), array([[[[0.5]]]]))
    """
    *lead, k, d = potentials.center.shape
    n = rows.shape[0]
    out = Conditional(
        np.empty((*lead, k, n)), np.empty((*lead, k, n, d)), np.empty((*lead, k, n, d, d))
    )
    gaussian = potentials if potentials.flat is None else without_flat(potentials)
    frame = framed(gaussian)
    own = gaussian.center.shape[:-1]
    for group in known_of(rows, detail, np.arange(n)):
        for known in chunks(group, frame.log_mass.size, d):
            white = given(frame, known)
            mean, covariance = _colored(frame, white)
            m, size = own[-1], known.index.size
            out.log_joint[..., :m, known.index] = white.log_joint.reshape(*own, size)
            out.mean[..., :m, known.index, :] = mean.reshape(*own, size, d)
            out.covariance[..., :m, known.index, :, :] = covariance.reshape(*own, size, d, d)
            if potentials.flat is not None:
                out.log_joint[..., m, known.index] = flat_log_joint(potentials, known)
                noise = flat_moments(potentials, known)
                out.mean[..., m, known.index, :] = np.moveaxis(noise[0], -1, -2)
                out.covariance[..., m, known.index, :, :] = np.moveaxis(noise[1], -1, 0)
    return out


def framed(potentials: Potentials) -> Frame:
    """Potentials without a flat one, whitened."""
    *_, k, d = potentials.center.shape
    center = potentials.center.reshape(-1, d)
    log_mass = (potentials.offset + 0.5 * d * LOG_2PI).ravel()
    factor = potentials.factor
    if potentials.shape is Factor.DIAGONAL:
        own = factor.reshape(-1, d)
        spread = np.zeros((own.shape[0], d, d))
        spread[:, np.arange(d), np.arange(d)] = 1.0 / own
        return Frame(log_mass - np.log(own).sum(axis=1), center, spread)
    square = factor.reshape(-1, d, d)
    inverse = np.asarray(np.linalg.inv(square), dtype=np.float64)
    spread = np.ascontiguousarray(np.tril(np.swapaxes(inverse, 1, 2)))
    diagonal = np.abs(np.diagonal(square, axis1=1, axis2=2))
    log_det = np.log(diagonal).sum(axis=1)
    if potentials.shape is Factor.SHARED:
        spread, log_det = np.repeat(spread, k, axis=0), np.repeat(log_det, k)
    return Frame(log_mass - log_det, center, spread)


def given(frame: Frame, known: Known) -> White:
    """What is known, of u, under each component."""
    q, d = frame.center.shape
    p, e, n = known.cells.size, known.values.shape[0], known.index.size
    log_joint = np.repeat(frame.log_mass[:, None], n, axis=1)
    identity = np.broadcast_to(np.eye(d)[:, :, None], (q, d, d, 1))
    if p == 0:
        return White(log_joint, np.zeros((q, d, n)), identity)
    across, middle = _measured(frame, known)
    root = _root(across, known)
    weights = triangles.solved(root, across)
    z = np.empty((q, p, n))
    with np.errstate(invalid="ignore", over="ignore"):
        rest = (known.values - middle[:, :e])[:, :, None]
        z[:, :e] = triangles.solved(root[:, :e, :e], rest)[:, :, 0]
        if e:
            diagonal = root[:, np.arange(e), np.arange(e)]
            log_joint -= 0.5 * np.einsum("qpn,qpn->qn", z[:, :e], z[:, :e])
            log_joint -= np.log(diagonal).sum(axis=1) + 0.5 * e * LOG_2PI
    fixed = weights[:, :e]
    covariance = identity - np.einsum("qpan,qpbn->qabn", fixed, fixed)
    if e < p:
        inside, moment = _inside(root, z, middle, known)
        log_joint += inside
        free = weights[:, e:]
        left = np.einsum("qpjn,qpan->qjan", np.eye(p - e)[:, :, None] - moment, free)
        covariance = covariance - np.einsum("qjan,qjbn->qabn", left, free)
    mean = np.einsum("qpan,qpn->qan", weights, z)
    return _sound(White(log_joint, mean, covariance))


def _measured(frame: Frame, known: Known) -> tuple[Array, Array]:
    """A (q, p, d, n) or (q, p, d, 1) and R c (q, p, n) or (q, p, 1)."""
    if known.projections is None:
        return frame.spread[:, known.cells, :, None], frame.center[:, known.cells, None]
    # G is lower triangular, and d is small: one product for each feature of x
    across = np.einsum("pin,qia->qpan", known.projections, frame.spread)
    return across, np.einsum("pin,qi->qpn", known.projections, frame.center)


def _root(across: Array, known: Known) -> Array:
    """L with A A^T + S = L L^T, (q, p, p, n) or (q, p, p, 1)."""
    errors = known.errors
    p = across.shape[1]
    if errors is None and known.projections is None:
        # A itself has the root, without squaring its condition
        triangle = np.linalg.qr(np.swapaxes(across[..., 0], 1, 2), mode="r")
        sign = np.where(np.diagonal(triangle, axis1=1, axis2=2) < 0.0, -1.0, 1.0)
        return np.asarray(np.swapaxes(triangle * sign[:, :, None], 1, 2))[..., None]
    total = np.einsum("qian,qjan->qijn", across, across)
    if errors is None:
        return triangles.root(total)
    if errors.ndim == 3:
        return triangles.root(total + errors)
    total = np.array(np.broadcast_to(total, (*total.shape[:3], errors.shape[-1])))
    index = np.arange(p)
    total[:, index, index] += errors
    return triangles.root(total)


def _inside(root: Array, z: Array, middle: Array, known: Known) -> tuple[Array, Array]:
    """Log-probability of the intervals (q, n) and covariance of their z; puts the mean into z."""
    q, p, n = z.shape
    e = known.values.shape[0]
    c = p - e
    shift = middle[:, e:]
    if e:
        shift = shift + np.einsum("qijn,qjn->qin", root[:, e:, :e], z[:, :e])
    own = np.moveaxis(np.broadcast_to(root[:, e:, e:], (q, c, c, n)), 0, 2).reshape(c, c, q * n)
    low, high = (
        np.moveaxis(np.broadcast_to(bound - shift, (q, c, n)), 0, 1).reshape(c, q * n)
        for bound in (known.lower, known.upper)
    )
    inside = box(own, low, high)
    z[:, e:] = np.moveaxis(inside.mean.reshape(c, q, n), 1, 0)
    moment = np.moveaxis(inside.covariance.reshape(c, c, q, n), 2, 0)
    return inside.log_probability.reshape(q, n), moment


def _sound(white: White) -> White:
    """Rows beyond double precision are impossible, and nothing is known of them."""
    finite = np.isfinite(white.log_joint.sum()) and np.isfinite(white.mean.sum())
    if finite and np.isfinite(white.covariance.sum()):
        return white
    lost = np.isnan(white.log_joint) | ~np.isfinite(white.mean).all(axis=1)
    lost |= ~np.isfinite(white.covariance).all(axis=(1, 2))
    mean, d = white.mean, white.mean.shape[1]
    return replace(
        white,
        log_joint=np.where(lost, -np.inf, white.log_joint),
        mean=np.where(lost[:, None], 0.0, mean),
        covariance=np.where(lost[:, None, None], np.eye(d)[:, :, None], white.covariance),
    )


def _colored(frame: Frame, white: White) -> tuple[Array, Array]:
    """Mean (q, n, d) and covariance (q, n, d, d) of x."""
    turned = np.swapaxes(frame.spread, 1, 2)
    mean = frame.center[:, None] + np.swapaxes(white.mean, 1, 2) @ turned
    own = np.moveaxis(white.covariance, -1, 1)
    covariance = frame.spread[:, None] @ own @ turned[:, None]
    covariance = 0.5 * (covariance + np.swapaxes(covariance, -1, -2))
    return mean, np.broadcast_to(covariance, (*mean.shape, mean.shape[-1]))
