"""EM from first M-step to last, compiled: templates, filled in by `compiler`.

The names in capitals stand for constants. `e_step` and `m_step` are compiled functions that are
handed in. Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

DIAGONAL = LOG_2PI = EMPTY_SHARE = ROUNDING = LEVEL = WORK_SIZE = DIAGONAL_CODES = None
DIAGONAL_FIT = FULL_FIT = WHOLE_SCATTER = TAKE = None
CONVERGED = MAX_ITER = COLLAPSED = EMPTY = OVERFLOW = HOPELESS = UNTRIED = None


def run_fits(
    diagonal_step,
    full_step,
    m_step,
    x,
    weight,
    rows,
    where,
    size,
    full_where,
    full_size,
    floor,
    tolerance,
    most,
    judged,
    begin,
    stopped,
    todo,
    codes,
    sizes,
    first,
    targets,
    n,
    means,
    scatter,
    shares,
    center,
    factor,
    log_det,
    totals,
    outcome,
):
    """Run some fits to their ends, one after the other, in place.

    `todo` are the numbers of those fits. Fit f is of the family `codes[f]` and has `sizes[f]`
    components, the first of which is number `first[f]` in the flat arrays: `n` (c,), `means`
    (c, d), `scatter` (c, d, d), and so on. `stopped` (1,) becomes nonzero to end this early.
    """
    d = means.shape[1]
    for f in todo:
        if stopped[0] != 0:
            return
        k, at = sizes[f], first[f]
        part_n, part_means = n[at : at + k], means[at : at + k]
        part_scatter, part_shares = scatter[at : at + k], shares[at : at + k]
        part_center, part_factor = center[at : at + k], factor[at : at + k]
        part_log_det = log_det[at : at + k]
        if codes[f] < DIAGONAL_CODES:
            DIAGONAL_FIT(
                diagonal_step, m_step, x, weight, rows, where, size, codes[f], floor, tolerance,
                most, judged, begin, targets[f], stopped, part_n, part_means, part_scatter,
                part_shares, part_center, part_factor, part_log_det, totals[f], outcome[f],
            )  # fmt: skip
            if d > 1 and outcome[f, 0] in (CONVERGED, MAX_ITER, HOPELESS):
                WHOLE_SCATTER(
                    full_step, x, weight, rows, full_where, full_size, part_shares, part_center,
                    part_factor, part_log_det, part_scatter,
                )  # fmt: skip
        else:
            FULL_FIT(
                full_step, m_step, x, weight, rows, full_where, full_size, codes[f], floor,
                tolerance, most, judged, begin, targets[f], stopped, part_n, part_means,
                part_scatter, part_shares, part_center, part_factor, part_log_det, totals[f],
                outcome[f],
            )  # fmt: skip


def whole_scatter(
    full_step, x, weight, rows, where, size, shares, center, factor, log_det, scatter
):
    """Whole scatter matrices (k, d, d) of the last pass of a fit that only had the diagonals."""
    k, d = center.shape
    width = x.shape[1]
    wide = np.zeros((1, k, width))
    used = np.zeros((1, k, width, width))
    offset = np.empty((1, k))
    sums = np.zeros((1, k, size))
    both = np.zeros((1, 2))
    for j in range(k):
        offset[0, j] = np.log(shares[j]) - 0.5 * (log_det[j] + d * LOG_2PI)
        for a in range(d):
            wide[0, j, a] = center[j, a]
            used[0, j, a, a] = factor[j, a, a]
    full_step(x, weight, rows, wide, used, offset, sums, both)
    for j in range(k):
        count = sums[0, j, 0]
        if count > 0.0:
            for a in range(d):
                for b in range(a + 1):
                    value = sums[0, j, where[a, b]] - sums[0, j, 1 + b] * sums[0, j, 1 + a] / count
                    scatter[j, a, b] = value
                    scatter[j, b, a] = value


def one_fit(
    e_step,
    m_step,
    x,
    weight,
    rows,
    where,
    size,
    code,
    floor,
    tolerance,
    most,
    judged,
    begin,
    target,
    stopped,
    n,
    means,
    scatter,
    shares,
    center,
    factor,
    log_det,
    totals,
    outcome,
):
    """EM from statistics `n` (k,), `means` (k, d), `scatter` (k, d, d) to its end, in place.

    They become those of the last pass, which was made with weights `shares` (k,), `center` (k, d),
    `factor` (k, d, d) and `log_det` (k,); `totals` (2,) gets its log-likelihood and entropy, and
    `outcome` (3,) the status, the number of passes and the component concerned.

    The first M-step is made with `begin` 1, or in a hurry with 2: common axes from one start.
    The fit has converged when less than `tolerance` nats, in all, are still to be gained. By
    Aitken's rule gains g, g' that shrink geometrically leave g'^2 / (g - g'). From pass `judged`
    on, a fit that will not reach `target` nats, though it gained ten times what it seems to,
    ends.
    """
    k, d = means.shape
    width = x.shape[1]
    wide = np.zeros((1, k, width))
    offset = np.empty((1, k))
    sums = np.empty((1, k, size))
    both = np.empty((1, 2))
    if DIAGONAL:
        used = np.zeros((1, k, width))
    else:
        used = np.zeros((1, k, width, width))
    w = np.empty((k, d, d))
    volume = np.zeros(k)
    axes = np.zeros((k, d, d))
    work = np.empty(WORK_SIZE(k, d))
    before, gain_before = -np.inf, np.inf
    iteration = 0
    while True:
        # -- M-step
        total = 0.0
        for j in range(k):
            total += n[j]
        for j in range(k):
            if not (n[j] > EMPTY_SHARE * total):
                outcome[0], outcome[1], outcome[2] = EMPTY, iteration, j
                return
            for a in range(d):
                for b in range(d):
                    w[j, a, b] = scatter[j, a, b]
            for a in range(d):
                noise = ROUNDING * abs(means[j, a])
                if not (w[j, a, a] > noise * noise * n[j]):
                    for b in range(d):
                        w[j, a, b] = 0.0
                        w[j, b, a] = 0.0
                w[j, a, a] += floor * n[j]
        first = begin if iteration == 0 else 0
        bad = m_step(code, n, w, factor, log_det, volume, axes, first, work)
        if bad >= 0:
            outcome[0], outcome[1], outcome[2] = COLLAPSED, iteration, bad
            return
        for j in range(k):
            shares[j] = n[j] / total
            offset[0, j] = np.log(shares[j]) - 0.5 * (log_det[j] + d * LOG_2PI)
            for a in range(d):
                center[j, a] = means[j, a]
                wide[0, j, a] = means[j, a]
                if DIAGONAL:
                    used[0, j, a] = factor[j, a, a]
                else:
                    for b in range(d):
                        used[0, j, a, b] = factor[j, a, b]
        # -- E-step
        sums[:] = 0.0
        both[:] = 0.0
        e_step(x, weight, rows, wide, used, offset, sums, both)
        log_likelihood = both[0, 0]
        totals[0], totals[1] = log_likelihood, both[0, 1]
        if not np.isfinite(log_likelihood):
            outcome[0], outcome[1], outcome[2] = OVERFLOW, iteration, -1
            return
        for j in range(k):
            count = sums[0, j, 0]
            n[j] = count
            if count > 0.0:
                for a in range(d):
                    shift = sums[0, j, 1 + a] / count
                    means[j, a] = center[j, a] + shift
                    if DIAGONAL:
                        scatter[j, a, a] = max(
                            sums[0, j, where[a, a]] - sums[0, j, 1 + a] * shift, 0.0
                        )
                    else:
                        for b in range(a + 1):
                            value = sums[0, j, where[a, b]] - sums[0, j, 1 + b] * shift
                            scatter[j, a, b] = value
                            scatter[j, b, a] = value
        iteration += 1
        # -- has it arrived?
        gain = log_likelihood - before
        if gain <= LEVEL * (abs(log_likelihood) + total):
            outcome[0], outcome[1], outcome[2] = CONVERGED, iteration, -1
            return
        rest = np.inf
        if gain < gain_before:
            ratio = gain / gain_before
            rest = gain * ratio / (1.0 - ratio)
        if gain < tolerance and rest < tolerance:
            outcome[0], outcome[1], outcome[2] = CONVERGED, iteration, -1
            return
        if iteration >= most or stopped[0] != 0:
            outcome[0], outcome[1], outcome[2] = MAX_ITER, iteration, -1
            return
        if iteration >= judged and log_likelihood + 10.0 * (gain + min(rest, 1e300)) < target:
            outcome[0], outcome[1], outcome[2] = HOPELESS, iteration, -1
            return
        before, gain_before = log_likelihood, gain
