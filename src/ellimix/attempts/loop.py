"""EM from first M-step to last, compiled: templates, filled in by `compiler`.

The names in capitals stand for constants. `e_step` and `m_step` are compiled functions that are
handed in. Only Python that numba compiles may be used here.
"""
# mypy: ignore-errors

from __future__ import annotations

import math

import numpy as np

LOG_2PI = EMPTY_SHARE = ROUNDING = LEVEL = WORK_SIZE = DIAGONAL_CODES = None
ONE_FIT = WHOLE_SCATTER = SCATTER_OF_STEP = RESTORE = FRAME = PACK = None
MOMENTS_OF_SUMS = STRETCH = EXTRAPOLATE = AT = None
SLOW = REST = LEAST_SHARE = STEADY = None
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
    from_pass,
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
        ONE_FIT(
            diagonal_step, full_step, m_step, x, weight, rows, where, size, full_where, full_size,
            codes[f], floor, tolerance, most, judged, begin, from_pass, targets[f], stopped,
            part_n, part_means, part_scatter, part_shares, part_center, part_factor, part_log_det,
            totals[f], outcome[f],
        )  # fmt: skip
        ended = outcome[f, 0] in (CONVERGED, MAX_ITER, HOPELESS)
        if codes[f] < DIAGONAL_CODES and d > 1 and ended:
            WHOLE_SCATTER(
                full_step, x, weight, rows, full_where, full_size, part_shares, part_center,
                part_factor, part_log_det, part_scatter,
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
        offset[0, j] = math.log(shares[j]) - 0.5 * (log_det[j] + d * LOG_2PI)
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
    diagonal_step,
    full_step,
    m_step,
    x,
    weight,
    rows,
    diagonal_where,
    diagonal_size,
    full_where,
    full_size,
    code,
    floor,
    tolerance,
    most,
    judged,
    begin,
    from_pass,
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
    Aitken's rule a gain g that shrinks by the ratio q a pass leaves g q / (1 - q). From pass
    `judged` on, a fit that will not reach `target` nats, though it gained ten times what it seems
    to, ends.

    From pass `from_pass` on, where gains shrink slowly, every third pass is a trial: the statistics
    extrapolated by SQUAREM (Varadhan & Roland 2008, scheme S3) from those of the last three passes.
    A trial that does not raise the log-likelihood, or has no M-step, is taken back. Gains are
    irregular then: they count as shrinking by `STEADY` a pass at best.
    """
    k, d = means.shape
    width = x.shape[1]
    wide = np.zeros((1, k, width))
    offset = np.empty((1, k))
    diagonal = code < DIAGONAL_CODES
    size = diagonal_size if diagonal else full_size
    sums = np.empty((1, k, size))
    both = np.empty((1, 2))
    roots = np.zeros((1, k, width))
    used = np.zeros((1, k, width, width))
    w = np.empty((k, d, d))
    volume = np.zeros(k)
    axes = np.zeros((k, d, d))
    work = np.empty(WORK_SIZE(k, d))
    # of SQUAREM: statistics of three passes, the origin and units they are in, and the last ones
    entries = 1 + 2 * d if diagonal else 1 + d + d * (d + 1) // 2
    points = np.empty((3, k, entries))
    frame = np.empty((2, d))
    kept_n, kept_means, kept_scatter = np.empty(k), np.empty((k, d)), np.empty((k, d, d))
    at_n, at_means, at_scatter = n.ctypes, means.ctypes, scatter.ctypes
    flag = 1 if diagonal else 0
    known, resting, trial = 0, from_pass, False
    before, gain_before, ratio_known = -math.inf, math.inf, 0.0
    iteration = 0
    while True:
        total = 0.0
        for j in range(k):
            total += n[j]
        bad = SCATTER_OF_STEP(k, d, floor, total, at_n, at_means, at_scatter, w.ctypes)
        empty = bad >= 0
        if not empty:
            first = begin if iteration == 0 else 0
            bad = m_step(code, n, w, factor, log_det, volume, axes, first, work)
        log_likelihood = -math.inf
        if bad < 0:
            for j in range(k):
                shares[j] = n[j] / total
                offset[0, j] = math.log(shares[j]) - 0.5 * (log_det[j] + d * LOG_2PI)
                for c in range(size):
                    sums[0, j, c] = 0.0
                for a in range(d):
                    center[j, a] = means[j, a]
                    wide[0, j, a] = means[j, a]
                    if diagonal:
                        roots[0, j, a] = factor[j, a, a]
                    else:
                        for b in range(d):
                            used[0, j, a, b] = factor[j, a, b]
            both[0, 0], both[0, 1] = 0.0, 0.0
            if diagonal:
                diagonal_step(x, weight, rows, wide, roots, offset, sums, both)
            else:
                full_step(x, weight, rows, wide, used, offset, sums, both)
            iteration += 1
            log_likelihood = both[0, 0]
        if trial and not log_likelihood >= before:
            RESTORE(
                k, d, kept_n.ctypes, kept_means.ctypes, kept_scatter.ctypes,
                at_n, at_means, at_scatter,
            )  # fmt: skip
            known, resting, trial = 0, iteration + REST, False
            continue
        if bad >= 0:
            outcome[0], outcome[1], outcome[2] = EMPTY if empty else COLLAPSED, iteration, bad
            return
        totals[0], totals[1] = log_likelihood, both[0, 1]
        if not math.isfinite(log_likelihood):
            outcome[0], outcome[1], outcome[2] = OVERFLOW, iteration, -1
            return
        where = diagonal_where if diagonal else full_where
        MOMENTS_OF_SUMS(
            k, d, size, width, flag, sums.ctypes, where.ctypes, center.ctypes,
            at_n, at_means, at_scatter,
        )  # fmt: skip
        # -- has it arrived?
        gain = log_likelihood - before
        if gain <= LEVEL * (abs(log_likelihood) + total):
            outcome[0], outcome[1], outcome[2] = CONVERGED, iteration, -1
            return
        rest = math.inf
        ratio = ratio_known
        if gain < gain_before:
            ratio = max(ratio, gain / gain_before)
        if 0.0 < ratio < 1.0 and gain < gain_before and not trial:
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
        slow = trial or (gain_before < math.inf and gain > SLOW * gain_before) or known > 0
        before = log_likelihood
        gain_before = math.inf if trial else gain
        # -- a trial?
        if not slow or iteration < resting:
            known, trial = 0, False
            continue
        trial = False
        if known == 0:
            FRAME(k, d, at_n, at_means, at_scatter, frame.ctypes)
        PACK(
            k, d, flag, entries, at_n, at_means, at_scatter, frame.ctypes, points[known].ctypes
        )  # fmt: skip
        known += 1
        if known == 3:
            stretch = STRETCH(k * entries, points.ctypes)
            if stretch > 1.0:
                # steps vary: the slowest part is as slow as the longest of late has shown
                ratio_known = max((1.0 - 1.0 / stretch) ** 2, 0.97 * ratio_known, STEADY)
                RESTORE(
                    k, d, at_n, at_means, at_scatter,
                    kept_n.ctypes, kept_means.ctypes, kept_scatter.ctypes,
                )  # fmt: skip
                there = EXTRAPOLATE(
                    k, d, flag, entries, stretch,
                    at_n, at_means, at_scatter, frame.ctypes, points.ctypes,
                )  # fmt: skip
                trial = there != 0
            known = 0


def scatter_of_step(k, d, floor, total, n, means, scatter, w):
    """What the M-step gets, w (k, d, d); the number of an empty component, or -1.

    Here and below an array is a pointer to its first number, in C order.
    """
    for i in range(k * d * d):
        w[i] = scatter[i]
    for j in range(k):
        if not (n[j] > EMPTY_SHARE * total):
            return j
        own = AT(w, j * d * d)
        for a in range(d):
            noise = ROUNDING * abs(means[j * d + a])
            if not (own[a * d + a] > noise * noise * n[j]):
                for b in range(d):
                    own[a * d + b] = 0.0
                    own[b * d + a] = 0.0
            own[a * d + a] += floor * n[j]
    return -1


def moments_of_sums(k, d, size, width, diagonal, sums, where, center, n, means, scatter):
    """Statistics about their own means from those about the centers of the pass.

    `where` (width, width) has the places of second moments among the sums (k, size).
    """
    for j in range(k):
        own, out, count = AT(sums, j * size), AT(scatter, j * d * d), sums[j * size]
        n[j] = count
        if count > 0.0:
            for a in range(d):
                shift = own[1 + a] / count
                means[j * d + a] = center[j * d + a] + shift
                for b in range(a if diagonal else 0, a + 1):
                    value = own[where[a * width + b]] - own[1 + b] * shift
                    if a == b:
                        value = max(value, 0.0)
                    out[a * d + b] = value
                    out[b * d + a] = value
    return -1
