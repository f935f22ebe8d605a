"""A standard normal between two bounds, and mixtures of such: parts of integrals over boxes.

In closed form, or by one Gauss-Legendre rule where that form cancels: far in a tail and between
bounds close together. Against 80 digits: 1e-13 of the log-probability, 1e-12 standard deviations of
the mean, 1e-11 of the variance.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from ellimix.records import Array

LOG_ROOT_2PI = 0.5 * float(np.log(2.0 * np.pi))
NEGLIGIBLE = 40.0  # nats below the highest density: e^-40 is 4e-18
TAIL = -5.0  # beyond it the closed form loses digits of the variance
NARROW = 3.0  # standard deviations: between bounds closer than this it loses some, too
NODES = 24  # of the rule


class Truncated(NamedTuple):
    """A normal in boxes: natural logarithm of the probability, mean and covariance."""

    log_probability: Array
    mean: Array
    covariance: Array


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
    for s, weight in zip(*rule(nodes), strict=True):
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
def rule(nodes: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    x, weight = np.polynomial.legendre.leggauss(nodes)
    return 0.5 * (x + 1.0), 0.5 * weight


def normalised(log_density: Array, share: Array) -> tuple[Array, Array]:
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


def mixed(z: Array, mean: Array, covariance: Array, total: Array, share: Array) -> Truncated:
    """Points z (a, g, m) with shares (g, m), and moments (b, g, m), (b, b, g, m) of the rest."""
    a = z.shape[0]
    points = np.concatenate([z, mean])
    first = np.einsum("cgm,gm->cm", points, share)
    points -= first[:, None]
    second = np.einsum("agm,bgm->abm", points * share, points)
    second[a:, a:] += np.einsum("abgm,gm->abm", covariance, share)
    return Truncated(total - a * LOG_ROOT_2PI, first, 0.5 * (second + second.swapaxes(0, 1)))
