"""Tiles of rows that lack values, where no coordinate depends on another, or as a whole.

NaN stands for a missing value, and lanes choose by it: rows need not be told apart.
"""

from __future__ import annotations

from ellimix.engines.kernels.emitter import Emitter, Value


def diagonal(e: Emitter, stride: int, a: list[Value]) -> None:
    """Log-potentials of a tile of rows for a diagonal factor, one component at a time.

    Arguments: rows (NaN where a value is missing), center, factor, offset, out, number of rows,
    what a missing coordinate adds (d), d.
    """
    rows, center, factor, offset, out, count, added, d = a
    groups = 2

    def body(i: Value, _: list[Value]) -> list[Value]:
        def feature(j: Value, q: list[Value]) -> list[Value]:
            middle, scale = e.broadcast(center, j), e.broadcast(factor, j)
            gone, at = e.broadcast(added, j), e.plus(e.times(j, stride), i)
            new = []
            for g in range(groups):
                z = e.sub(e.load(rows, e.plus(at, g * e.lanes)), middle)
                white = e.mul(z, scale)
                own = e.mul(e.mul(white, white), e.constant(-0.5))
                new.append(e.add(q[g], e.b.select(e.number(z), own, gone)))
            return new

        q = e.loop(0, d, 1, [e.constant(0.0)] * groups, feature)
        top = e.broadcast(offset, 0)
        for g in range(groups):
            e.store(e.add(top, q[g]), out, e.plus(i, g * e.lanes))
        return []

    e.loop(0, count, groups * e.lanes, [], body)


def filled(e: Emitter, stride: int, a: list[Value]) -> None:
    """A tile of rows with a component's center in place of what is missing.

    Arguments: rows, center, responsibilities, out (d, stride), number of rows, d doubles to which
    the sums of responsibilities of rows that lack a coordinate are added, d.
    """
    rows, center, share, out, count, lacking, d = a[:7]

    def feature(j: Value, _: list[Value]) -> list[Value]:
        middle, first = e.broadcast(center, j), e.times(j, stride)

        def body(i: Value, old: list[Value]) -> list[Value]:
            at = e.plus(first, i)
            x = e.load(rows, at)
            known = e.number(x)
            e.store(e.b.select(known, x, middle), out, at)
            return [e.add(old[0], e.b.select(known, e.constant(0.0), e.load(share, i)))]

        (total,) = e.loop(0, count, e.lanes, [e.constant(0.0)], body)
        e.accumulate_some(e.sums([total]), 1, lacking, j)
        return []

    e.loop(0, d, 1, [], feature)


def copied(e: Emitter, stride: int, a: list[Value]) -> None:
    """A tile, copied. Arguments: rows, out, d."""
    rows, out, d = a[:3]

    def body(i: Value, _: list[Value]) -> list[Value]:
        e.store(e.load(rows, i), out, i)
        return []

    e.loop(0, e.times(d, stride), e.lanes, [], body)


def flattened(e: Emitter, stride: int, a: list[Value]) -> None:
    """Log-potentials of a flat component: a missing coordinate takes a side of its box away.

    Arguments: rows, logarithms of the sides (d), what Gaussians get (`half`), log-potentials,
    number of rows, d.
    """
    rows, sides, half, out, count, d = a[:6]

    def body(i: Value, _: list[Value]) -> list[Value]:
        def feature(j: Value, old: list[Value]) -> list[Value]:
            known = e.number(e.load(rows, e.plus(e.times(j, stride), i)))
            return [e.add(old[0], e.b.select(known, e.constant(0.0), e.broadcast(sides, j)))]

        (value,) = e.loop(0, d, 1, [e.sub(e.load(out, i), e.load(half, i))], feature)
        e.store(value, out, i)
        return []

    e.loop(0, count, e.lanes, [], body)
