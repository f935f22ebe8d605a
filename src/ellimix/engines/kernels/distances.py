"""Log-potentials of a tile of rows, one component at a time.

A tile holds its rows in columns: feature j of row i at [j * stride + i]. The kernels differ in
the shape of the factor and in how many features fit the registers.
"""

from __future__ import annotations

from ellimix.engines.kernels.emitter import Emitter, Value


def small(e: Emitter, d: int, stride: int, a: list[Value]) -> None:
    """Full factor, d small: everything unrolled, all residuals in registers.

    Arguments: rows, center, factor, offset, out, number of rows.
    """
    rows, center, factor, offset, out, count = a[:6]
    groups = 2 if 2 * d + 5 <= e.precision.registers else 1
    width = groups * e.lanes

    def body(i: Value, _: list[Value]) -> list[Value]:
        z = []
        for j in range(d):
            middle = e.broadcast(center, j)
            at = e.plus(i, j * stride)
            z.append([e.sub(e.load(rows, e.plus(at, g * e.lanes)), middle) for g in range(groups)])
        q = [e.constant(0.0)] * groups
        for o in range(d):
            y = [e.constant(0.0)] * groups
            for j in range(o + 1):
                w = e.broadcast(factor, j * d + o)
                y = [e.fma(w, z[j][g], y[g]) if j else e.mul(w, z[j][g]) for g in range(groups)]
            q = [e.fma(y[g], y[g], q[g]) for g in range(groups)]
        _finish(e, q, offset, out, i)
        return []

    e.loop(0, count, width, [], body)


def large(e: Emitter, stride: int, a: list[Value]) -> None:
    """Full factor, any d that is a multiple of 4.

    Arguments: rows, center, factor, offset, out, number of rows, scratch, d.
    A group of rows at a time is centered into scratch (it stays in the innermost cache), then
    whitened four features at a time, in registers.
    """
    rows, center, factor, offset, out, count, scratch, d = a
    groups = 6 if e.precision.registers >= 32 else 2
    width = groups * e.lanes

    def body(i: Value, _: list[Value]) -> list[Value]:
        _center(e, rows, center, scratch, i, groups, stride, d)

        def features(o: Value, q: list[Value]) -> list[Value]:
            y = _whitened(e, factor, scratch, o, d, groups)
            for row in y:
                q = [e.fma(row[g], row[g], q[g]) for g in range(groups)]
            return q

        q = e.loop(0, d, 4, [e.constant(0.0)] * groups, features)
        _finish(e, q, offset, out, i)
        return []

    e.loop(0, count, width, [], body)


def whiten(e: Emitter, stride: int, a: list[Value]) -> None:
    """Whitened rows, factor^T (x - center), for any d that is a multiple of 4.

    Arguments: rows, center, factor, (unused), out, number of rows, scratch, d.
    """
    rows, center, factor, _, out, count, scratch, d = a
    groups = 6 if e.precision.registers >= 32 else 2

    def body(i: Value, _: list[Value]) -> list[Value]:
        _center(e, rows, center, scratch, i, groups, stride, d)

        def features(o: Value, _: list[Value]) -> list[Value]:
            for r, row in enumerate(_whitened(e, factor, scratch, o, d, groups)):
                at = e.plus(e.times(e.plus(o, r), stride), i)
                for g in range(groups):
                    e.store(row[g], out, e.plus(at, g * e.lanes))
            return []

        e.loop(0, d, 4, [], features)
        return []

    e.loop(0, count, groups * e.lanes, [], body)


def whiten_small(e: Emitter, d: int, stride: int, a: list[Value]) -> None:
    """Whitened rows, d small: everything unrolled. Arguments as for `whiten`."""
    rows, center, factor, _, out, count = a[:6]

    def body(i: Value, _: list[Value]) -> list[Value]:
        z = [e.sub(e.load(rows, e.plus(i, j * stride)), e.broadcast(center, j)) for j in range(d)]
        for o in range(d):
            y = e.mul(e.broadcast(factor, o), z[0])
            for j in range(1, o + 1):
                y = e.fma(e.broadcast(factor, j * d + o), z[j], y)
            e.store(y, out, e.plus(i, o * stride))
        return []

    e.loop(0, count, e.lanes, [], body)


def diagonal(e: Emitter, stride: int, a: list[Value], unit: bool = False) -> None:
    """Diagonal factor, any d; `unit` where it is 1 (rows whitened before).

    Arguments: rows, center, factor, offset, out, number of rows, (unused), d.
    """
    rows, center, factor, offset, out, count, _, d = a
    groups = 4
    width = groups * e.lanes

    def body(i: Value, _: list[Value]) -> list[Value]:
        def feature(j: Value, q: list[Value]) -> list[Value]:
            middle = e.broadcast(center, j)
            scale = None if unit else e.broadcast(factor, j)
            at = e.plus(e.times(j, stride), i)
            new = []
            for g in range(groups):
                z = e.sub(e.load(rows, e.plus(at, g * e.lanes)), middle)
                if scale is not None:
                    z = e.mul(z, scale)
                new.append(e.fma(z, z, q[g]))
            return new

        q = e.loop(0, d, 1, [e.constant(0.0)] * groups, feature)
        _finish(e, q, offset, out, i)
        return []

    e.loop(0, count, width, [], body)


def _center(
    e: Emitter,
    rows: Value,
    center: Value,
    scratch: Value,
    i: Value,
    groups: int,
    stride: int,
    d: Value,
) -> None:
    width = groups * e.lanes

    def feature(j: Value, _: list[Value]) -> list[Value]:
        middle = e.broadcast(center, j)
        at, to = e.plus(e.times(j, stride), i), e.times(j, width)
        for g in range(groups):
            z = e.sub(e.load(rows, e.plus(at, g * e.lanes)), middle)
            e.store(z, scratch, e.plus(to, g * e.lanes))
        return []

    e.loop(0, d, 1, [], feature)


def _whitened(
    e: Emitter, factor: Value, scratch: Value, o: Value, d: Value, groups: int
) -> list[list[Value]]:
    """Features o to o + 3 of the whitened rows: 4 lists of `groups` vectors."""
    width = groups * e.lanes

    def residual(j: Value) -> list[Value]:
        at = e.times(j, width)
        return [e.load(scratch, e.plus(at, g * e.lanes)) for g in range(groups)]

    def update(y: list[list[Value]], j: Value, outputs: range) -> list[list[Value]]:
        z = residual(j)
        at = e.plus(e.times(j, d), o)
        new = list(y)
        for r in outputs:
            w = e.broadcast(factor, e.plus(at, r))
            new[r] = [e.fma(w, z[g], y[r][g]) for g in range(groups)]
        return new

    def column(j: Value, flat: list[Value]) -> list[Value]:
        y = [flat[r * groups : (r + 1) * groups] for r in range(4)]
        return [value for row in update(y, j, range(4)) for value in row]

    flat = e.loop(0, o, 1, [e.constant(0.0)] * (4 * groups), column)
    y = [flat[r * groups : (r + 1) * groups] for r in range(4)]
    for j in range(4):  # the triangle on the diagonal
        y = update(y, e.plus(o, j), range(j, 4))
    return y


def _finish(e: Emitter, q: list[Value], offset: Value, out: Value, i: Value) -> None:
    """out = offset - q / 2."""
    top, half = e.broadcast(offset, 0), e.constant(-0.5)
    for g, square in enumerate(q):
        e.store(e.fma(square, half, top), out, e.plus(i, g * e.lanes))
