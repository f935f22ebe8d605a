"""Slow twins for rows of which not all is known: the joint normal of x and y, taken literally.

Cells that are known are conditioned on by the textbook's formula. Intervals are integrated over in
the measurements themselves, on a dense grid, by the law of total covariance.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from scipy.stats import multivariate_normal

import naive
from ellimix.records import Detail, Moment, SufficientStatistics

PANELS, NODES = {1: 60, 2: 16, 3: 5}, 8


def nodes(low, high, panels):
    """A composite Gauss-Legendre rule: points and weights."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    ends = np.linspace(low, high, panels + 1)
    width = np.diff(ends)[:, None]
    return (ends[:-1, None] + width * (x + 1.0) / 2.0).ravel(), (width * w / 2.0).ravel()


def moments_in_box(mean, covariance, lower, upper):
    """Log-probability, mean and covariance of a normal in a box, on a grid (about 1e-10)."""
    c = len(mean)
    sd = np.sqrt(np.diagonal(covariance))
    rules = []
    for j in range(c):
        far = 12 * sd[j]
        low = max(lower[j], min(mean[j], upper[j]) - far)
        high = min(upper[j], max(mean[j], lower[j]) + far)
        rules.append(nodes(low, high, PANELS[c]))
    points = np.array(list(product(*(x for x, _ in rules))))
    weight = np.array([math.prod(w) for w in product(*(w for _, w in rules))])
    mass = weight * np.exp(normal(points, mean, covariance))
    total = math.fsum(mass)
    share = mass / total
    first = share @ points
    shift = points - first
    return math.log(total), first, (shift * share[:, None]).T @ shift


def normal(points, mean, covariance):
    return multivariate_normal.logpdf(points, mean, covariance).reshape(len(points))


def conditioned(mean, covariance, cells, values):
    """A normal, of which some cells are known: log-density of these, and the whole's moments."""
    if not len(cells):
        return 0.0, mean, covariance
    own = covariance[np.ix_(cells, cells)]
    gain = np.linalg.solve(own, covariance[cells]).T
    log_density = float(multivariate_normal.logpdf(values, mean[cells], own))
    first = mean + gain @ (values - mean[cells])
    return log_density, first, covariance - gain @ covariance[cells]


def given(mean, covariance, y, projection, errors, lower, upper):
    """Log-density of what is known of one row, and mean and covariance of x."""
    d, p = len(mean), len(y)
    r = np.eye(d) if projection is None else projection
    s = np.zeros((p, p)) if errors is None else np.diag(errors) if errors.ndim == 1 else errors
    cross = covariance @ r.T
    joint_mean = np.concatenate([mean, r @ mean])
    joint = np.block([[covariance, cross], [cross.T, r @ cross + s]])
    e = [d + j for j in range(p) if np.isfinite(y[j])]
    i = [d + j for j in range(p) if np.isnan(y[j]) and (lower[j] > -np.inf or upper[j] < np.inf)]
    log_density, first, second = conditioned(joint_mean, joint, e, y[[j - d for j in e]])
    x = slice(0, d)
    if not i:
        return log_density, first[x], second[x, x]
    bounds = lower[[j - d for j in i]], upper[[j - d for j in i]]
    log_inside, middle, spread = moments_in_box(first[i], second[np.ix_(i, i)], *bounds)
    gain = np.linalg.solve(second[np.ix_(i, i)], second[i, x]).T
    rest = second[x, x] - gain @ second[i, x]
    return (
        log_density + log_inside,
        first[x] + gain @ (middle - first[i]),
        rest + gain @ spread @ gain.T,
    )


def noise_given(middle, sides, y, projection, errors, lower, upper):
    """The same for noise that is uniform in a box."""
    d = len(middle)
    r = np.eye(d) if projection is None else projection
    log_density, mean, covariance = 0.0, middle.copy(), np.diag(sides**2 / 12.0)
    seen = []
    for j in range(len(y)):
        center = sum(r[j, a] * middle[a] for a in range(d))
        side = sum(abs(r[j, a]) * sides[a] for a in range(d))
        if np.isfinite(y[j]):
            log_density -= math.log(side)
            seen.append((j, y[j], 0.0))
        elif lower[j] > -np.inf or upper[j] < np.inf:
            ends = center - side / 2, center + side / 2
            low, high = np.clip(lower[j], *ends), np.clip(upper[j], *ends)
            log_density += math.log((high - low) / side) if high > low else -math.inf
            seen.append((j, (low + high) / 2, (high - low) ** 2 / 12))
    if projection is not None:
        return log_density, mean, covariance
    for j, value, variance in seen:
        mean[j], covariance[j, j] = value, variance
    if errors is not None:
        whole = np.diag(errors) if errors.ndim == 1 else errors
        for (a, _, _), (b, _, _) in product(seen, seen):
            covariance[a, b] += whole[a, b]
    return log_density, mean, covariance


def conditional(potentials, rows, detail):
    """log_joint (k, n), mean (k, n, d), covariance (k, n, d, d)."""
    (n, p), (k, d) = rows.shape, potentials.center.shape
    free = np.full((n, p), -np.inf), np.full((n, p), np.inf)
    lower, upper = free if detail.lower is None else (detail.lower, detail.upper)
    out = np.empty((k, n)), np.empty((k, n, d)), np.empty((k, n, d, d))
    for j, i in product(range(k), range(n)):
        projection = None if detail.projections is None else detail.projections[i]
        errors = None if detail.errors is None else detail.errors[i]
        row = rows[i], projection, errors, lower[i], upper[i]
        offset = potentials.offset[j]
        if potentials.flat is not None and j == k - 1:
            sides = np.exp(potentials.flat)
            mass = offset + potentials.flat.sum()
            found = noise_given(potentials.center[j], sides, *row)
        else:
            factor = naive.factor_matrix(potentials, j)
            covariance = np.linalg.inv(factor @ factor.T)
            log_det = np.linalg.slogdet(covariance)[1]
            mass = offset + 0.5 * (d * math.log(2 * math.pi) + log_det)
            found = given(potentials.center[j], covariance, *row)
        out[0][j, i], out[1][j, i], out[2][j, i] = mass + found[0], found[1], found[2]
    return out


def statistics(potentials, rows, weight, detail: Detail):
    """Expected sums about the potentials' centers."""
    joint, mean, covariance = conditional(potentials, rows, detail)
    if detail.prior is not None:
        joint = joint + detail.prior.T
    (k, n), d = joint.shape, mean.shape[-1]
    w = np.ones(n) if weight is None else weight
    share = naive.responsibilities(joint.T)
    s0, s1, s2 = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    for j, i in product(range(k), range(n)):
        wr = float(w[i]) * share[i, j]
        z = mean[j, i] - potentials.center[j]
        s0[j] += wr
        s1[j] += wr * z
        s2[j] += wr * (np.outer(z, z) + covariance[j, i])
    moment = potentials.moment
    if moment is Moment.POOLED:
        s2 = s2.sum(axis=0)
    elif moment is Moment.DIAGONAL:
        s2 = np.diagonal(s2, axis1=1, axis2=2)
    loglik = math.fsum(w[i] * naive.log_sum_exp(joint[:, i].tolist()) for i in range(n))
    entropy = naive.entropy(share, w)
    total = math.fsum(w)
    return SufficientStatistics(s0, s1, s2, potentials.center, loglik, entropy, total, n, moment)
