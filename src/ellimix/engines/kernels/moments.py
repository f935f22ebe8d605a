"""Weighted sums of a tile of rows, one component at a time.

Each kernel adds to doubles in memory: [0] the sum of r, [1 + j] of r z_j, then the second moments,
with z = x - center, about the very centers of this pass: no cancellation.
"""

from __future__ import annotations

from itertools import pairwise

from ellimix.engines.kernels.emitter import Emitter, Precision, Value

IN_REGISTERS = 5  # features whose sums are all kept in registers: 1 + 5 + 15 of them
UNROLLED = 16  # features up to which the blocks of the second moment are unrolled


def small(e: Emitter, d: int, stride: int, a: list[Value]) -> None:
    """Full second moment, d <= 5: all sums in registers, packed [n, s1, lower triangle].

    Arguments: rows, center, responsibilities, sums, number of rows.
    """
    rows, center, share, sums, count = a[:5]
    middle = [e.broadcast(center, j) for j in range(d)]

    def body(i: Value, old: list[Value]) -> list[Value]:
        r = e.load(share, i)
        z = [e.sub(e.load(rows, e.plus(i, j * stride)), middle[j]) for j in range(d)]
        v = [e.mul(r, value) for value in z]
        first = [r, *v]
        new = [e.add(a, b) for a, b in zip(old, first, strict=False)]
        pairs = [(i, j) for i in range(d) for j in range(i + 1)]
        for (i_, j_), value in zip(pairs, old[1 + d :], strict=True):
            new.append(e.fma(v[i_], z[j_], value))
        return new

    zeros = [e.constant(0.0)] * (1 + d + d * (d + 1) // 2)
    out = e.loop(0, count, e.lanes, zeros, body)
    for number, vector in enumerate(e.sums(out)):
        e.accumulate(vector, sums, number * e.lanes)


def packed_size(d: int, lanes: int) -> int:
    """Doubles that `small` writes: whole vectors."""
    return -(-(1 + d + d * (d + 1) // 2) // lanes) * lanes


def unrolled(e: Emitter, d: int, stride: int, a: list[Value]) -> None:
    """Full second moment, 5 < d <= 16: residuals to scratch, then blocks of at most 5 x 5.

    Arguments: rows, center, responsibilities, sums, number of rows, scratch (2 d strides).
    The second moment is written as whole blocks; `blocks` says where.
    """
    rows, center, share, sums, count, scratch = a[:6]

    def residuals(i: Value, old: list[Value]) -> list[Value]:
        r = e.load(share, i)
        new = [e.add(old[0], r)]
        for j in range(d):
            z = e.sub(e.load(rows, e.plus(i, j * stride)), e.broadcast(center, j))
            v = e.mul(r, z)
            e.store(z, scratch, e.plus(i, j * stride))
            e.store(v, scratch, e.plus(i, (d + j) * stride))
            new.append(e.add(old[1 + j], v))
        return new

    firsts = e.loop(0, count, e.lanes, [e.constant(0.0)] * (1 + d), residuals)
    for number, vector in enumerate(e.sums(firsts)):
        e.accumulate(vector, sums, number * e.lanes)
    for at, pairs in blocks(d, e.precision)[0]:
        out = _block(e, scratch, stride, count, d, pairs)
        for number, vector in enumerate(e.sums(out)):
            e.accumulate(vector, sums, at + number * e.lanes)


Pairs = list[tuple[int, int]]


def blocks(d: int, precision: Precision) -> tuple[list[tuple[int, Pairs]], int]:
    """Blocks of pairs i >= j of features, each with its place, and doubles in all."""
    lanes, parts = precision.lanes, -(-d // precision.block)
    edges = [part * d // parts for part in range(parts + 1)]
    ranges = [range(a, b) for a, b in pairwise(edges)]
    at = -(-(1 + d) // lanes) * lanes
    out = []
    for row, left in enumerate(ranges):
        for right in ranges[: row + 1]:
            pairs = [(i, j) for i in left for j in right if j <= i]
            out.append((at, pairs))
            at += -(-len(pairs) // lanes) * lanes
    return out, at


def _block(
    e: Emitter, scratch: Value, stride: int, count: Value, d: int, pairs: Pairs
) -> list[Value]:
    def body(i: Value, old: list[Value]) -> list[Value]:
        left = {j: e.load(scratch, e.plus(i, (d + j) * stride)) for j in {p[0] for p in pairs}}
        right = {j: e.load(scratch, e.plus(i, j * stride)) for j in {p[1] for p in pairs}}
        return [e.fma(left[p[0]], right[p[1]], value) for p, value in zip(pairs, old, strict=True)]

    return e.loop(0, count, e.lanes, [e.constant(0.0)] * len(pairs), body)


def residuals(e: Emitter, stride: int, a: list[Value]) -> None:
    """First moments for any d that is a multiple of 4, and residuals to scratch.

    Arguments: rows, center, responsibilities, sums, number of rows, scratch (2 d strides), d.
    """
    rows, center, share, sums, count, scratch, d = a[:7]

    _total(e, share, sums, count)

    def four(j: Value, _: list[Value]) -> list[Value]:
        middle = [e.broadcast(center, e.plus(j, r)) for r in range(4)]
        first = [e.times(e.plus(j, r), stride) for r in range(4)]
        second = [e.plus(value, e.times(d, stride)) for value in first]

        def body(i: Value, old: list[Value]) -> list[Value]:
            w = e.load(share, i)
            new = []
            for r in range(4):
                z = e.sub(e.load(rows, e.plus(first[r], i)), middle[r])
                v = e.mul(w, z)
                e.store(z, scratch, e.plus(first[r], i))
                e.store(v, scratch, e.plus(second[r], i))
                new.append(e.add(old[r], v))
            return new

        out = e.sums(e.loop(0, count, e.lanes, [e.constant(0.0)] * 4, body))
        e.accumulate_some(out, 4, sums, e.plus(1, j))
        return []

    e.loop(0, d, 4, [], four)


def products(e: Emitter, stride: int, a: list[Value]) -> None:
    """Sums over rows of u v^T by 4 x 4 blocks, for numbers of features that are multiples of 4.

    Arguments: v (q, stride), u (p, stride), q, sums (p, q), number of rows, p, whether only the
    lower triangle is wanted.
    """
    v, u, q, sums, count, p, lower = a[:7]

    def block(i: Value, j: Value) -> None:
        left = [e.times(e.plus(i, r), stride) for r in range(4)]
        right = [e.times(e.plus(j, r), stride) for r in range(4)]

        def body(row: Value, old: list[Value]) -> list[Value]:
            us = [e.load(u, e.plus(at, row)) for at in left]
            vs = [e.load(v, e.plus(at, row)) for at in right]
            return [e.fma(us[n // 4], vs[n % 4], old[n]) for n in range(16)]

        out = e.sums(e.loop(0, count, e.lanes, [e.constant(0.0)] * 16, body))
        for r in range(4):
            e.accumulate_four(out, 4 * r, sums, e.plus(e.times(e.plus(i, r), q), j))

    def row_of_blocks(i: Value, _: list[Value]) -> list[Value]:
        def column(j: Value, _: list[Value]) -> list[Value]:
            block(i, j)
            return []

        triangle = e.b.icmp_signed("!=", lower, e.index(0))
        e.loop(0, e.b.select(triangle, e.plus(i, 1), q), 4, [], column)
        return []

    e.loop(0, p, 4, [], row_of_blocks)


def diagonal(e: Emitter, stride: int, a: list[Value], d: int = 0) -> None:
    """Diagonal second moment: [n, s1 (d), s2 (d)], for d as given here or any multiple of 4.

    Arguments: rows, center, responsibilities, sums, number of rows, (unused), d.
    """
    rows, center, share, sums, count, _, width = a[:7]
    _total(e, share, sums, count)

    def some(j: Value, size: int) -> None:
        middle = [e.broadcast(center, e.plus(j, r)) for r in range(size)]
        first = [e.times(e.plus(j, r), stride) for r in range(size)]

        def body(i: Value, old: list[Value]) -> list[Value]:
            w = e.load(share, i)
            s1, s2 = [], []
            for r in range(size):
                z = e.sub(e.load(rows, e.plus(first[r], i)), middle[r])
                v = e.mul(w, z)
                s1.append(e.add(old[r], v))
                s2.append(e.fma(v, z, old[size + r]))
            return [*s1, *s2]

        out = e.loop(0, count, e.lanes, [e.constant(0.0)] * (2 * size), body)
        e.accumulate_some(e.sums(out[:size]), size, sums, e.plus(1, j))
        e.accumulate_some(e.sums(out[size:]), size, sums, e.plus(1, width, j))

    def four(j: Value, _: list[Value]) -> list[Value]:
        some(j, 4)
        return []

    if not d:
        e.loop(0, width, 4, [], four)
    for first in range(0, d, 4):
        some(e.index(first), min(4, d - first))


def _total(e: Emitter, share: Value, sums: Value, count: Value) -> None:
    def body(i: Value, old: list[Value]) -> list[Value]:
        return [e.add(old[0], e.load(share, i))]

    (n,) = e.loop(0, count, e.lanes, [e.constant(0.0)], body)
    e.accumulate_some(e.sums([n]), 1, sums, e.index(0))


def totals(e: Emitter, stride: int, a: list[Value]) -> None:
    """Sums of each row of a table. Arguments: table (k, stride), sums, number of columns, k."""
    table, sums, count, k = a[:4]

    def body(j: Value, _: list[Value]) -> list[Value]:
        row = e.b.add(table, e.times(j, stride * e.precision.size))
        _total(e, row, e.b.add(sums, e.times(j, 8)), count)
        return []

    e.loop(0, k, 1, [], body)


def weigh(e: Emitter, stride: int, a: list[Value]) -> None:
    """Behind k rows of responsibilities: those times the row weights, and the weights.

    Arguments: table (2 k + 1, stride), row weights, number of rows, k.
    """
    table, weight, count, k = a[:4]

    def body(i: Value, _: list[Value]) -> list[Value]:
        w = e.load(weight, i)
        e.store(w, table, e.plus(e.times(k, 2 * stride), i))

        def component(j: Value, _: list[Value]) -> list[Value]:
            at = e.plus(e.times(j, stride), i)
            value = e.mul(e.load(table, at), w)
            e.store(value, table, e.plus(at, e.times(k, stride)))
            return []

        e.loop(0, k, 1, [], component)
        return []

    e.loop(0, count, e.lanes, [], body)


def expected(e: Emitter, stride: int, a: list[Value]) -> None:
    """Residuals of rows from their expected center, e = x - m - sum_k r_k (c_k - m).

    Arguments: rows, m, m less the centers (k, d), table of `weigh`, out (3, D, stride), number of
    rows, k, d, with D the next multiple of 4 and zeros where there is no feature. Out holds e,
    x - m, and e times the row weights. Four features of four vectors of rows at a time.
    """
    rows, middle, center, table, out, count, k, d = a
    wide = e.b.and_(e.plus(d, 3), e.index(-4))

    def features(j: Value, _: list[Value]) -> list[Value]:
        real = [e.b.icmp_signed("<", e.plus(j, r), d) for r in range(4)]
        at = [e.b.select(real[r], e.plus(j, r), e.index(0)) for r in range(4)]
        low = [e.broadcast(middle, place) for place in at]

        def body(i: Value, _: list[Value]) -> list[Value]:
            here = [e.plus(i, g * e.lanes) for g in range(4)]
            x = [
                e.sub(e.load(rows, e.plus(e.times(at[r], stride), h)), low[r])
                for r in range(4)
                for h in here
            ]

            def component(c: Value, old: list[Value]) -> list[Value]:
                share = [e.load(table, e.plus(e.times(c, stride), h)) for h in here]
                shift = [e.broadcast(center, e.plus(e.times(c, d), place)) for place in at]
                return [e.fma(shift[n // 4], share[n % 4], old[n]) for n in range(16)]

            residual = e.loop(0, k, 1, x, component)
            weight = [e.load(table, e.plus(e.times(k, 2 * stride), h)) for h in here]
            zero = e.constant(0.0)
            for n in range(16):
                to = e.plus(e.times(e.plus(j, n // 4), stride), here[n % 4])
                kept = e.b.select(real[n // 4], residual[n], zero)
                e.store(kept, out, to)
                e.store(
                    e.b.select(real[n // 4], x[n], zero), out, e.plus(to, e.times(wide, stride))
                )
                second = e.plus(to, e.times(wide, 2 * stride))
                e.store(e.mul(kept, weight[n % 4]), out, second)
            return []

        e.loop(0, count, 4 * e.lanes, [], body)
        return []

    e.loop(0, wide, 4, [], features)
