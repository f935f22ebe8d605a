"""Log-sum-exp and responsibilities of a tile, with exponentials and logarithms in vectors.

exp: x = n log 2 + r with n an integer and log 2 in two parts, so that r is exact to rounding;
exp r = 1 + r + r^2 q(r), q by Chebyshev approximation on |r| <= log 2 / 2 (error below 2e-17 of
the value in float64, 8e-9 in float32); 2^n goes into the exponent bits. The result is within 1.2
units in the last place. Below `NEGLIGIBLE` it is exactly 0: that is far under a unit in the last
place of a row's total, and it keeps products out of the subnormal range, where arithmetic is slow.

log: s = 2^e m with m in [sqrt 1/2, sqrt 2), f = (m - 1)/(m + 1), log m = 2 f + f^3 q(f^2). The
result is within 2 units in the last place for s >= 1.
"""

from __future__ import annotations

import math

from ellimix.engines.kernels.emitter import Emitter, Value

NEGLIGIBLE = -60.0  # e^-60 = 9e-27

# highest power first
EXP = {
    64: (
        2.510038549551032e-08,
        2.7620088445409746e-07,
        2.7557268459997064e-06,
        2.4801521295954376e-05,
        0.00019841269863053618,
        0.0013888888917213717,
        0.008333333333330062,
        0.04166666666662413,
        0.16666666666666669,
        0.5,
    ),
    32: (
        0.0013926183587713494,
        0.008363179052722578,
        0.041666554617204574,
        0.16666576989698775,
        0.5,
    ),
}
LOG = {
    64: (
        0.13086767009948175,
        0.13268759668560612,
        0.15386240205813478,
        0.18181795630884753,
        0.2222222239180047,
        0.2857142857080323,
        0.4000000000000088,
        0.6666666666666666,
    ),
    32: (0.23330581938241893, 0.2855081659971155, 0.40000121876972, 0.6666666655445165),
}
LOG_2 = {
    64: (0.6931471806019545, -4.2009150726810846e-11),
    32: (0.693115234375, 3.1946184945309415e-05),
}
MANTISSA = {64: 52, 32: 23}
ROUND = {64: 1.5 * 2.0**52, 32: 1.5 * 2.0**23}
ROOT_HALF = {64: 0x3FE6A09E667F3BCD, 32: 0x3F3504F3}  # bits of sqrt 1/2
LOWEST = {64: -1.7e308, 32: -3.3e38}


def exponential(e: Emitter, x: Value) -> Value:
    """exp x for x <= 0; 0 below `NEGLIGIBLE`."""
    bits, b = e.precision.bits, e.b
    high, low = LOG_2[bits]
    kept = e.greater(x, e.constant(NEGLIGIBLE))
    x = b.select(kept, x, e.constant(0.0))
    shifted = e.fma(x, e.constant(1.0 / math.log(2.0)), e.constant(ROUND[bits]))
    n = e.sub(shifted, e.constant(ROUND[bits]))
    r = e.fma(n, e.constant(-high), x)
    r = e.fma(n, e.constant(-low), r)
    p = e.constant(EXP[bits][0])
    for coefficient in EXP[bits][1:]:
        p = e.fma(p, r, e.constant(coefficient))
    p = e.add(e.fma(e.mul(r, r), p, r), e.constant(1.0))
    power = b.shl(b.bitcast(shifted, e.integers), e.integer(MANTISSA[bits]))
    scaled = b.bitcast(b.add(b.bitcast(p, e.integers), power), e.vector)
    return b.select(kept, scaled, e.constant(0.0))


def logarithm(e: Emitter, s: Value) -> Value:
    """log s for normal s > 0."""
    bits, b = e.precision.bits, e.b
    high, low = LOG_2[bits]
    raw = b.bitcast(s, e.integers)
    power = b.ashr(b.sub(raw, e.integer(ROOT_HALF[bits])), e.integer(MANTISSA[bits]))
    m = b.bitcast(b.sub(raw, b.shl(power, e.integer(MANTISSA[bits]))), e.vector)
    n = b.sitofp(power, e.vector)
    one = e.constant(1.0)
    f = b.fdiv(e.sub(m, one), e.add(m, one))
    square = e.mul(f, f)
    p = e.constant(LOG[bits][0])
    for coefficient in LOG[bits][1:]:
        p = e.fma(p, square, e.constant(coefficient))
    tail = e.fma(e.mul(square, f), p, e.mul(n, e.constant(low)))
    return e.fma(n, e.constant(high), e.fma(f, e.constant(2.0), tail))


def softmax(
    e: Emitter, stride: int, a: list[Value], keep: bool = False, weigh: bool = True
) -> None:
    """Responsibilities, times row weights if `weigh`, in place of the log-potentials of a tile.

    Arguments: log-potentials (k, stride), k, row weights, totals (2 doubles: the log-likelihood
    and the entropy are added there), number of rows, with `keep` where to put each row's
    log-density, the number of components, less those that pad the table, and with `keep` where to
    put each row's entropy. A row of weight 0 counts for nothing. A row with no finite log-potential
    has log-likelihood -inf and equal responsibilities.
    """
    table, k, weight, totals, count, density, components, entropy = a[:8]
    groups = 2
    equal = e.b.fdiv(e.constant(1.0), e.splat(e.b.sitofp(components, e.real)))

    def body(i: Value, sums: list[Value]) -> list[Value]:
        at = [e.plus(i, g * e.lanes) for g in range(groups)]
        top = _top(e, table, at, k, stride)
        total, dot = _exponentials(e, table, at, k, stride, top)
        scales, fills = [], []
        for g in range(groups):
            alive = e.greater(total[g], e.constant(0.0))
            safe = e.b.select(alive, total[g], e.constant(1.0))
            w = e.load(weight, at[g])
            kept = (density, entropy, at[g]) if keep else None
            sums = _rows(e, (top[g], safe, dot[g], alive, w), sums, kept)
            share = w if weigh else e.constant(1.0)
            scales.append(e.b.fdiv(share, safe))
            fills.append(e.b.select(alive, e.constant(0.0), e.mul(share, equal)))

        def scale(j: Value, _: list[Value]) -> list[Value]:
            for here, by, fill in zip(at, scales, fills, strict=True):
                place = e.plus(e.times(j, stride), here)
                e.store(e.fma(e.load(table, place), by, fill), table, place)
            return []

        e.loop(0, k, 1, [], scale)
        return sums

    sums = e.loop(0, count, groups * e.lanes, [e.doubles(0.0), e.doubles(0.0)], body)
    for slot, value in enumerate(sums):
        e.accumulate_doubles(e.total(value), totals, slot)


def _rows(
    e: Emitter,
    row: tuple[Value, ...],
    sums: list[Value],
    kept: tuple[Value, Value, Value] | None,
) -> list[Value]:
    """Log-likelihood and entropy of some rows, added to the sums and, where asked, kept."""
    top, total, dot, alive, w = row
    log_total, wide = logarithm(e, total), e.widen(w)
    density = e.b.fadd(e.widen(top), e.widen(log_total))
    density = e.b.select(alive, density, e.doubles(float("-inf")))
    disorder = e.widen(e.sub(log_total, e.b.fdiv(dot, total)))
    if kept is not None:
        e.store_doubles(density, kept[0], kept[2])
        e.store_doubles(disorder, kept[1], kept[2])
    counted = e.b.select(e.greater(w, e.constant(0.0)), e.b.fmul(density, wide), e.doubles(0.0))
    return [e.b.fadd(sums[0], counted), e.b.fadd(sums[1], e.b.fmul(disorder, wide))]


def _top(e: Emitter, table: Value, at: list[Value], k: Value, stride: int) -> list[Value]:
    def larger(j: Value, top: list[Value]) -> list[Value]:
        first = e.times(j, stride)
        return [
            e.maximum(e.load(table, e.plus(first, here)), old)
            for here, old in zip(at, top, strict=True)
        ]

    # a finite start: -inf - -inf would be NaN
    return e.loop(0, k, 1, [e.constant(LOWEST[e.precision.bits])] * len(at), larger)


def _exponentials(
    e: Emitter, table: Value, at: list[Value], k: Value, stride: int, top: list[Value]
) -> tuple[list[Value], list[Value]]:
    """Replace each log-potential by exp(it - top); their sums, and sums of exp(t) t."""
    groups = len(at)

    def one(j: Value, sums: list[Value]) -> list[Value]:
        first = e.times(j, stride)
        total, dot = sums[:groups], sums[groups:]
        for g in range(groups):
            here = e.plus(first, at[g])
            below = e.maximum(e.sub(e.load(table, here), top[g]), e.constant(2.0 * NEGLIGIBLE))
            share = exponential(e, below)
            e.store(share, table, here)
            total[g] = e.add(total[g], share)
            dot[g] = e.fma(share, below, dot[g])
        return [*total, *dot]

    out = e.loop(0, k, 1, [e.constant(0.0)] * (2 * groups), one)
    return out[:groups], out[groups:]
