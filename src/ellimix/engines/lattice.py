"""A normal in a box of many cells: separated variables on a lattice.

Genz (1992), equations 3 to 6: each cell's quantile given those before it. Plainly that goes wrong
where a later cell asks for what is unlikely to an earlier one: by 16 nats for three cells with a
correlation of 0.6, all some six standard deviations off. So the cells are drawn from normals with
other means, those at which the largest weight of a point is smallest (Botev 2017, section 3): a
saddle point, found by Newton's method. The last cell is in closed form.

Tried and left: a polynomial in place of folding the lattice, better for three and four cells (half
the error of variances), and ten times worse for six.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from ellimix.engines.interval import LOG_ROOT_2PI, Truncated, interval, mixed, normalised
from ellimix.records import Array

POINTS = 509
NEWTON_STEPS = 12
SHIFT = 0.5


def lattice(root: Array, lower: Array, upper: Array, shift: float = SHIFT) -> Truncated:
    """Moments of z in boxes ``lower <= root @ z <= upper``; see `truncated.box`.

    Parameters
    ----------
    root : ndarray of shape (c, c, m)
    lower, upper : ndarray of shape (c, m)
    shift : float
        Of the lattice.
    """
    c, m = lower.shape
    diagonal = root[np.arange(c), np.arange(c)]
    slopes = root / diagonal[:, None]
    low, high = lower / diagonal, upper / diagonal
    tilt = _tilt(slopes, low, high)
    z = np.empty((c - 1, POINTS, m))
    points = _points(c - 1, shift)
    log_weight = np.full((POINTS, m), -np.log(POINTS))
    for j in range(c - 1):
        before = np.einsum("im,igm->gm", slopes[j, :j], z[:j]) + tilt[j]
        inside, z[j] = _quantile(low[j] - before, high[j] - before, points[j][:, None])
        log_weight += inside - tilt[j] * (z[j] + 0.5 * tilt[j])
        z[j] += tilt[j]
    before = np.einsum("im,igm->gm", slopes[-1, :-1], z)
    last = interval(low[-1] - before, high[-1] - before)
    total, share = normalised(log_weight + last.log_probability, np.ones((1, 1)))
    found = mixed(z, last.mean[None], last.covariance[None, None], total, share)
    return found._replace(log_probability=total)


def lattice_error(root: Array, lower: Array, upper: Array, lattices: int = 8) -> Array:
    """Standard deviation of the log-probability over shifted lattices: its error, about, (m,)."""
    shifts = SHIFT + np.arange(lattices) / lattices
    each = [lattice(root, lower, upper, float(shift)).log_probability for shift in shifts]
    return np.asarray(np.std(each, axis=0, ddof=1))


def _tilt(slopes: Array, low: Array, high: Array) -> Array:
    """Means of the normals that cells are drawn from, (c, m); that of the last is 0.

    With x where the cells are expected and e_i the truncated standard normal's mean at them, at the
    saddle point x_j = mu_j + e_j and mu_j = sum_i>j slopes_ij e_i (Botev 2017, section 3).
    """
    c, m = low.shape
    free = c - 1
    strict = np.moveaxis(np.tril(np.moveaxis(slopes, -1, 0), -1), 0, -1)[:, :free]
    at = np.zeros((2 * free, m))
    value, jacobian = _saddle(strict, low, high, at)
    size = (value * value).sum(axis=0)
    for _ in range(NEWTON_STEPS):
        step = np.linalg.solve(np.moveaxis(jacobian, -1, 0), value.T[..., None])[..., 0].T
        length, taken = np.ones(m), at - step
        for _ in range(4):
            found = _saddle(strict, low, high, taken)[0]
            worse = ~((found * found).sum(axis=0) <= size)
            length = np.where(worse, 0.35 * length, length)
            taken = at - length * step
        at = np.where(np.isfinite(taken), taken, at)
        value, jacobian = _saddle(strict, low, high, at)
        size = (value * value).sum(axis=0)
        if (size < 1e-16).all():
            break
    return np.concatenate([at[free:], np.zeros((1, m))])


def _saddle(strict: Array, low: Array, high: Array, at: Array) -> tuple[Array, Array]:
    """The equations' residuals (2 (c - 1), m) and their derivatives in x and mu."""
    free, m = strict.shape[1:]
    x, mu = at[:free], at[free:]
    before = np.einsum("ijm,jm->im", strict, x)
    before[:free] += mu
    inside = interval(low - before, high - before)
    e, bend = inside.mean, np.maximum(1.0 - inside.covariance, 0.0)
    value = np.concatenate([mu + e[:free] - x, np.einsum("ijm,im->jm", strict, e) - mu])
    jacobian = np.empty((2 * free, 2 * free, m))
    eye = np.eye(free)[:, :, None]
    bent = bend[:, None] * strict
    jacobian[:free, :free] = -bent[:free] - eye
    jacobian[:free, free:] = eye * (1.0 - bend[:free])
    jacobian[free:, :free] = -np.einsum("ijm,ilm->jlm", strict, bent)
    jacobian[free:, free:] = -np.swapaxes(bent[:free], 0, 1) - eye
    return value, jacobian


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
