"""Slow twins of the fast code: plain loops, obviously right, independent of it.

Sums are exactly rounded (`math.fsum`), so a difference is the fast code's rounding alone.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ellimix.covariance import Structure
from ellimix.records import Factor, Moment, SufficientStatistics


def covariance_matrices(covariance, k, d):
    """The (k, d, d) matrices of a `Covariance` record, whatever its structure."""
    out = np.zeros((k, d, d))
    for j in range(k):
        for a in range(d):
            for b in range(d):
                out[j, a, b] = _entry(covariance.structure, covariance.values, j, a, b)
    return out


def _entry(structure, values, j, a, b):
    if structure is Structure.SPHERICAL:
        return values[j] if a == b else 0.0
    if structure is Structure.DIAGONAL:
        return values[j, a] if a == b else 0.0
    return values[a, b] if structure is Structure.SHARED else values[j, a, b]


def factor_matrix(potentials, j):
    """The (d, d) factor of component j."""
    if potentials.shape is Factor.DIAGONAL:
        return np.diag(potentials.factor[j])
    return potentials.factor if potentials.shape is Factor.SHARED else potentials.factor[j]


def log_potential(offset, center, factor, row):
    """``offset - 1/2 |factor^T (row - center)|^2``."""
    d = len(row)
    z = [float(row[i]) - float(center[i]) for i in range(d)]
    projected = [math.fsum(float(factor[i, j]) * z[i] for i in range(d)) for j in range(d)]
    return float(offset) - 0.5 * math.fsum(y * y for y in projected)


def log_joint(potentials, rows):
    """The k log-potentials of each row, (n, k)."""
    n, k = rows.shape[0], potentials.offset.size
    out = np.empty((n, k))
    for j in range(k):
        factor = factor_matrix(potentials, j)
        for i in range(n):
            out[i, j] = log_potential(potentials.offset[j], potentials.center[j], factor, rows[i])
    return out


def log_sum_exp(values):
    """log sum exp, natural logarithm; -inf where all are -inf."""
    top = max(values)
    if top == -math.inf:
        return top
    return top + math.log(math.fsum(math.exp(v - top) for v in values))


def responsibilities(joint):
    """Shares (n, k) of the components of each row, from log-potentials (n, k)."""
    out = np.empty_like(joint)
    for i, values in enumerate(joint.tolist()):
        top = max(values)
        parts = [math.exp(v - top) for v in values]
        for j, part in enumerate(parts):
            out[i, j] = part / math.fsum(parts)
    return out


def accumulate(share, rows, weight, center, moment):
    """Sums of w r, w r (x - c) and w r (x - c)(x - c)^T or its diagonal."""
    n, d = rows.shape
    k = center.shape[0]
    w = np.ones(n) if weight is None else weight
    full = moment is not Moment.DIAGONAL
    s0, s1 = np.zeros(k), np.zeros((k, d))
    s2 = np.zeros((k, d, d) if full else (k, d))
    for j in range(k):
        wr = [float(w[i]) * float(share[i, j]) for i in range(n)]
        z = [[float(rows[i, a]) - float(center[j, a]) for a in range(d)] for i in range(n)]
        s0[j] = math.fsum(wr)
        for a in range(d):
            s1[j, a] = math.fsum(wr[i] * z[i][a] for i in range(n))
            for b in range(d) if full else [a]:
                total = math.fsum(wr[i] * z[i][a] * z[i][b] for i in range(n))
                s2[(j, a, b) if full else (j, a)] = total
    if moment is Moment.POOLED:
        pairs = [(a, b) for a in range(d) for b in range(d)]
        s2 = np.array([math.fsum(s2[:, a, b]) for a, b in pairs]).reshape(d, d)
    return SufficientStatistics(s0, s1, s2, center, 0.0, 0.0, math.fsum(w), n, moment)


def scatter(share, rows, weight, moment):
    """Scatter about the components' own weighted means, or its diagonal, or its sum."""
    w = np.ones(rows.shape[0]) if weight is None else weight
    own = [weighted_covariance(rows, w * r) * math.fsum(w * r) for r in share.T]
    if moment is Moment.DIAGONAL:
        return np.stack([np.diagonal(matrix) for matrix in own])
    return np.stack(own) if moment is Moment.FULL else sum(own)


def entropy(share, weight=None):
    """Sum of -w r log r, in nats."""
    terms = []
    for i in range(share.shape[0]):
        for r in share[i].tolist():
            w = 1.0 if weight is None else float(weight[i])
            terms.append(-w * r * math.log(r) if r > 0.0 else 0.0)
    return math.fsum(terms)


def e_step(potentials, rows, weight=None):
    """Statistics of rows under their own responsibilities, about the potentials' centers."""
    joint = log_joint(potentials, rows)
    share = responsibilities(joint)
    sums = accumulate(share, rows, weight, potentials.center, potentials.moment)
    w = np.ones(rows.shape[0]) if weight is None else weight
    loglik = math.fsum(float(w[i]) * log_sum_exp(joint[i].tolist()) for i in range(len(w)))
    disorder = entropy(share, weight)
    return replace(sums, loglik=loglik, entropy=disorder)


def weighted_mean(rows, weight):
    """Sum of w x over sum of w, (d,)."""
    total = math.fsum(weight)
    n, d = rows.shape
    return np.array(
        [
            math.fsum(float(weight[i]) * float(rows[i, a]) for i in range(n)) / total
            for a in range(d)
        ]
    )


def weighted_covariance(rows, weight):
    """Sum of w (x - m)(x - m)^T over sum of w, about the weighted mean m, (d, d)."""
    n, d = rows.shape
    mean, total = weighted_mean(rows, weight), math.fsum(weight)
    out = np.empty((d, d))
    for a in range(d):
        for b in range(d):
            terms = [
                float(weight[i]) * (rows[i, a] - mean[a]) * (rows[i, b] - mean[b]) for i in range(n)
            ]
            out[a, b] = math.fsum(terms) / total
    return out


def scatter_matrices(scatter):
    """Scatter (k, d) as diagonal matrices (k, d, d); matrices as they are."""
    return scatter if scatter.ndim == 3 else np.stack([np.diag(s) for s in scatter])


def expected_loglik(n, scatter, covariances):
    """Q = -1/2 sum_k [n_k log |Sigma_k| + tr(Sigma_k^-1 W_k)], without its constants.

    For scatter (k, d) the covariances are diagonal.
    """
    total = 0.0
    for count, w, sigma in zip(n, scatter_matrices(scatter), covariances, strict=True):
        sign, log_det = np.linalg.slogdet(sigma)
        assert sign > 0.0
        total -= 0.5 * (count * log_det + np.trace(np.linalg.solve(sigma, w)))
    return total


def proportional(n, scatter, iterations=5000):
    """Sigma_k = lambda_k C that maximise Q, by turns: C given lambda, then lambda given C.

    Diagonal scatter gives diagonal covariances, so this is VEI too, and VEV on eigenvalues.
    """
    matrices = scatter_matrices(scatter)
    k, d, _ = matrices.shape
    volume = np.ones(k)
    for _ in range(iterations):
        common = sum(matrices[j] / volume[j] for j in range(k)) / sum(n)
        common = common / np.linalg.det(common) ** (1.0 / d)
        inverse, before = np.linalg.inv(common), volume
        volume = np.array([np.trace(matrices[j] @ inverse) / (d * n[j]) for j in range(k)])
        if np.abs(volume / before - 1.0).max() < 1e-15:
            break
    return np.stack([volume[j] * common for j in range(k)])


def best_common_axes_in_the_plane(n, scatter, equal_volume, angles=500):
    """The largest Q of EVE (equal volume) or VVE for d = 2, over a grid of the axes' angle."""
    best = -math.inf
    for i in range(angles):
        cos, sin = math.cos(i * math.pi / angles), math.sin(i * math.pi / angles)
        axes = np.array([[cos, -sin], [sin, cos]])
        along = [np.diagonal(axes.T @ w @ axes) for w in scatter]
        roots = [math.sqrt(v[0] * v[1]) for v in along]
        if equal_volume:
            volume = math.fsum(roots) / math.fsum(n)
            variances = [volume * v / root for v, root in zip(along, roots, strict=True)]
        else:
            variances = [v / count for v, count in zip(along, n, strict=True)]
        matrices = [(axes * v) @ axes.T for v in variances]
        best = max(best, expected_loglik(n, scatter, matrices))
    return best


def criterion(rows, weight, members, model):
    """The criterion of a partition (lists of row numbers), from its definition."""
    n, d = float(sum(weight)), rows.shape[1]
    t = np.trace(weighted_covariance(rows, weight)) / d
    sizes = [float(sum(weight[i] for i in c)) for c in members]
    covariances = [weighted_covariance(rows[c], [weight[i] for i in c]) for c in members]
    if model == "EII" or (model == "EEE" and d == 1):
        return sum(m * np.trace(v) for m, v in zip(sizes, covariances, strict=True))
    if model == "EEE":
        pooled = sum(m * v for m, v in zip(sizes, covariances, strict=True)) / n
        return np.linalg.det(pooled) + np.trace(pooled)
    total = 0.0
    for m, v in zip(sizes, covariances, strict=True):
        volume = np.linalg.det(v) if model == "VVV" and d > 1 else 0.0
        total += m * math.log(max(volume, 0.0) + np.trace(v) + t / m)
    return total


def agglomerate(rows, weight, model):
    """Merges (first rows of the two clusters) and costs, trying every pair at every stage."""
    members = []
    for i, row in enumerate(rows.tolist()):
        for cluster in members:
            if rows[cluster[0]].tolist() == row:
                cluster.append(i)
                break
        else:
            members.append([i])
    merges, costs = [], []
    while len(members) > 1:
        pairs = [(a, b) for i, a in enumerate(members) for b in members[i + 1 :]]
        stages = [sorted([c for c in members if c not in (a, b)] + [a + b]) for a, b in pairs]
        values = [criterion(rows, weight, stage, model) for stage in stages]
        best = int(np.argmin(values))
        merges.append((pairs[best][0][0], pairs[best][1][0]))
        costs.append(values[best] - criterion(rows, weight, members, model))
        members = stages[best]
    return merges, costs
