"""Rows that lack values: missing coordinates integrated out, a vector of rows at a time.

With M = F^T the potential of a row is |M (x - c)|^2 / 2 less a constant. Let y = M z with z = x - c
where x is known and 0 where it is not, and A the columns of M that belong to missing coordinates:
rows of F. The integral over these coordinates leaves the part of y that no u can take away,

    min_u |y + A u|^2 = |y - Q Q^T y|^2,   A = Q R,

their conditional mean is c - R^-1 Q^T y and their conditional covariance R^-1 R^-T. So A is made
orthonormal for each row, by modified Gram-Schmidt with y as one more column, which is as stable as
Householder's reflections (Bjorck 1967). A lane is a row with missing coordinates of its own: what
a pass costs does not depend on how many patterns there are. A vector of rows that all lack what
those before it lacked takes their Q and R over.

Missing coordinates come in descending order. F is upper triangular, so the vectors are orthogonal
to one another over the short tail of the larger coordinate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ellimix.engines.kernels.emitter import INT, Body, Emitter, Value
from ellimix.engines.kernels.softmax import logarithm

# Places in the frame, an array of addresses and sizes: kernels take no more than eight arguments.
FRAME: Final = (
    *("features", "width", "most", "slots", "fresh", "lists", "starts", "half", "offset"),
    *("residual", "white", "basis", "triangle", "inverse", "reciprocal", "along", "determinant"),
    "alike",
)


@dataclass(frozen=True)
class Frame:
    """The frame of one vector of rows, read.

    Parameters
    ----------
    few : int
        d where all columns fit a vector, so that loops over them are unrolled; else 0.
    features, width : Value
        d, and columns of the factor: whole vectors.
    most : Value
        Slots, that is missing coordinates, for which there is room.
    slots : Value
        Slots of these rows: the largest number of missing coordinates among them.
    fresh : Value
        1, or 0 where Q and R are those of the rows before.
    lists, starts : Value
        Addresses: the coordinates of each slot, lane by lane, `width` where a lane has none; and
        the first column from which on the rows of F of a slot are not 0.
    half, offset : Value
        Addresses: what each row's potential gets, log(2 pi) / 2 a missing coordinate; the offset.
    residual, white, basis, triangle, inverse, reciprocal, along, determinant : Value
        Scratch for z and y (width vectors each), Q (most x width), R and R^-1 by columns
        (most x most), 1 / diag R and Q^T y (most), and log |det R|.
    alike : Value
        0 where the rows differ in what they lack.
    """

    few: int
    features: Value
    width: Value
    most: Value
    slots: Value
    fresh: Value
    lists: Value
    starts: Value
    half: Value
    offset: Value
    residual: Value
    white: Value
    basis: Value
    triangle: Value
    inverse: Value
    reciprocal: Value
    along: Value
    determinant: Value
    alike: Value


def integrated(e: Emitter, d: int, stride: int, a: list[Value]) -> None:
    """Log-potentials of a vector of rows, and the conditional moments of what they lack.

    Arguments: frame, rows (NaN where a value is missing), center, factor (width + 1, width) with a
    row of zeros at the end, out, conditional means less the center (slots vectors) and covariances
    (lower triangle of slots x slots, vectors; not written unless `fresh`). For d as given here, or
    any where that is 0.
    """
    at, rows, center, factor, out, means, spread = a[:7]
    f = _frame(e, d, at)
    if d:
        _whitened_small(e, d, stride, f, rows, center, factor)
    else:
        _whitened(e, stride, f, rows, center, factor)

    def prepare(_: Value, __: list[Value]) -> list[Value]:
        _orthonormal(e, f, factor)
        _inverse(e, f)
        _covariance(e, f, spread)
        return []

    e.loop(0, f.fresh, 1, [], prepare)
    _projected(e, f)
    square = _dot(e, f, e.index(0), f.white, f.white)
    top = e.fma(square, e.constant(-0.5), e.broadcast(f.offset, 0))
    e.store(e.sub(e.add(top, e.load(f.half, 0)), e.load(f.determinant, 0)), out, 0)
    _means(e, f, means)


def _frame(e: Emitter, d: int, at: Value) -> Frame:
    read = (e.integer_at(at, number) for number in range(len(FRAME)))
    return Frame(d if d <= e.lanes else 0, *read)


def _vector(e: Emitter, *terms: Value) -> Value:
    """Where the vector of this number is."""
    return e.times(e.plus(*terms), e.lanes)


def _residual(e: Emitter, stride: int, rows: Value, center: Value, j: Value) -> Value:
    """x - c, 0 where x is missing."""
    z = e.sub(e.load(rows, e.times(j, stride)), e.broadcast(center, j))
    return e.b.select(e.number(z), z, e.constant(0.0))


def _whitened_small(
    e: Emitter, d: int, stride: int, f: Frame, rows: Value, center: Value, factor: Value
) -> None:
    width = -(-d // e.lanes) * e.lanes  # of the factor, which is padded
    z = [_residual(e, stride, rows, center, e.index(j)) for j in range(d)]
    for o in range(f.few or width):
        y = e.constant(0.0)
        for j in range(o + 1 if o < d else 0):
            y = e.fma(e.broadcast(factor, j * width + o), z[j], y)
        e.store(y, f.white, _vector(e, o))


def _whitened(e: Emitter, stride: int, f: Frame, rows: Value, center: Value, factor: Value) -> None:
    def center_one(j: Value, _: list[Value]) -> list[Value]:
        e.store(_residual(e, stride, rows, center, j), f.residual, _vector(e, j))
        return []

    def pad(j: Value, _: list[Value]) -> list[Value]:
        e.store(e.constant(0.0), f.residual, _vector(e, j))
        return []

    e.loop(0, f.features, 1, [], center_one)
    e.loop(f.features, f.width, 1, [], pad)

    def outputs(o: Value, _: list[Value]) -> list[Value]:
        def column(j: Value, y: list[Value], first: int = 0) -> list[Value]:
            z, place = e.load(f.residual, _vector(e, j)), e.plus(e.times(j, f.width), o)
            return [
                e.fma(e.broadcast(factor, e.plus(place, r)), z, y[r]) if r >= first else y[r]
                for r in range(e.lanes)
            ]

        y = e.loop(0, o, 1, [e.constant(0.0)] * e.lanes, column)
        for r in range(e.lanes):
            y = column(e.plus(o, r), y, r)
        for r, value in enumerate(y):
            e.store(value, f.white, _vector(e, o, r))
        return []

    e.loop(0, f.width, e.lanes, [], outputs)


def _columns(e: Emitter, f: Frame, start: Value, carried: list[Value], body: Body) -> list[Value]:
    """``body`` for columns from `start`, a multiple of `lanes`, on; some at a time."""
    if f.few:
        return list(body(e.index(0), carried))
    return e.loop(start, f.width, e.lanes, carried, body)


def _dot(e: Emitter, f: Frame, start: Value, a: Value, b: Value) -> Value:
    """Sum over columns of products of two vectors of vectors."""

    def body(j: Value, sums: list[Value]) -> list[Value]:
        places = [_vector(e, j, r) for r in range(f.few or e.lanes)]
        return [
            e.fma(e.load(a, place), e.load(b, place), old)
            for place, old in zip(places, sums, strict=True)
        ]

    sums = _columns(e, f, start, [e.constant(0.0)] * (f.few or e.lanes), body)
    while len(sums) > 1:
        rest = sums[len(sums) // 2 * 2 :]
        sums = [e.add(x, y) for x, y in zip(sums[::2], sums[1::2], strict=False)] + rest
    return sums[0]


def _each(e: Emitter, f: Frame, start: Value, to: Value, value: Callable[[Value], Value]) -> None:
    """``to[j] = value(j)``, by columns; `value` gets the column's place."""

    def body(j: Value, _: list[Value]) -> list[Value]:
        for r in range(f.few or e.lanes):
            place = _vector(e, j, r)
            e.store(value(place), to, place)
        return []

    _columns(e, f, start, [], body)


def _less(e: Emitter, start: Value, f: Frame, a: Value, by: Value, basis: Value) -> None:
    """``a -= by * basis``."""
    minus = e.sub(e.constant(0.0), by)
    _each(e, f, start, a, lambda at: e.fma(minus, e.load(basis, at), e.load(a, at)))


def _own(e: Emitter, f: Frame, p: Value) -> Value:
    """Where the basis vector of a slot is."""
    return e.plus(f.basis, e.times(e.times(p, f.width), e.lanes * e.precision.size))


def _gathered(e: Emitter, f: Frame, factor: Value, p: Value, start: Value) -> None:
    """The rows of F that belong to a slot, one a lane."""
    step = e.times(f.width, e.precision.size)
    lanes = [e.integer_at(f.lists, e.plus(_vector(e, p), r)) for r in range(e.lanes)]
    rows = [e.plus(factor, e.times(lane, step)) for lane in lanes]
    to = _own(e, f, p)

    def body(j: Value, _: list[Value]) -> list[Value]:
        columns = e.transposed([e.load(row, j) for row in rows])
        for r, column in enumerate(columns[: f.few or e.lanes]):
            e.store(column, to, _vector(e, j, r))
        return []

    _columns(e, f, start, [], body)


def _orthonormal(e: Emitter, f: Frame, factor: Value) -> None:
    """A = Q R by modified Gram-Schmidt, and log |det R|."""
    e.store(e.constant(0.0), f.determinant, 0)

    def slot(p: Value, _: list[Value]) -> list[Value]:
        start, own = e.integer_at(f.starts, p), _own(e, f, p)
        _gathered(e, f, factor, p, start)

        def earlier(q: Value, _: list[Value]) -> list[Value]:
            other, first = _own(e, f, q), e.integer_at(f.starts, q)
            first = e.b.select(e.b.icmp_signed(">", first, start), first, start)
            r = _dot(e, f, first, own, other)
            e.store(r, f.triangle, _vector(e, e.times(p, f.most), q))
            _less(e, first, f, own, r, other)
            return []

        e.loop(0, p, 1, [], earlier)
        square = _dot(e, f, start, own, own)
        # 0 where a lane has no such coordinate, and everywhere for a flat potential
        real, one = e.greater(square, e.constant(0.0)), e.constant(1.0)
        safe = e.b.select(real, square, one)
        inverse = e.b.select(real, e.b.fdiv(one, e.root(safe)), e.constant(0.0))
        e.store(inverse, f.reciprocal, _vector(e, p))
        log = e.mul(logarithm(e, safe), e.constant(0.5))
        e.store(e.add(e.load(f.determinant, 0), log), f.determinant, 0)
        _each(e, f, start, own, lambda at: e.mul(e.load(own, at), inverse))
        return []

    e.loop(0, f.slots, 1, [], slot)


def _inverse(e: Emitter, f: Frame) -> None:
    """R^-1, by columns."""

    def column(c: Value, _: list[Value]) -> list[Value]:
        first = e.times(c, f.most)
        e.store(e.load(f.reciprocal, _vector(e, c)), f.inverse, _vector(e, first, c))

        def above(n: Value, _: list[Value]) -> list[Value]:
            p = e.b.sub(e.b.sub(c, e.index(1)), n)

            def term(q: Value, old: list[Value]) -> list[Value]:
                r = e.load(f.triangle, _vector(e, e.times(q, f.most), p))
                return [e.fma(r, e.load(f.inverse, _vector(e, first, q)), old[0])]

            (total,) = e.loop(e.plus(p, 1), e.plus(c, 1), 1, [e.constant(0.0)], term)
            own = e.mul(total, e.load(f.reciprocal, _vector(e, p)))
            e.store(e.sub(e.constant(0.0), own), f.inverse, _vector(e, first, p))
            return []

        e.loop(0, c, 1, [], above)
        return []

    e.loop(0, f.slots, 1, [], column)


def _covariance(e: Emitter, f: Frame, out: Value) -> None:
    """R^-1 R^-T, the lower triangle."""

    def row(p: Value, first: list[Value]) -> list[Value]:
        def entry(q: Value, _: list[Value]) -> list[Value]:
            def term(c: Value, old: list[Value]) -> list[Value]:
                at = e.times(c, f.most)
                left = e.load(f.inverse, _vector(e, at, p))
                return [e.fma(left, e.load(f.inverse, _vector(e, at, q)), old[0])]

            (total,) = e.loop(p, f.slots, 1, [e.constant(0.0)], term)
            e.store(total, out, _vector(e, first[0], q))
            return []

        e.loop(0, e.plus(p, 1), 1, [], entry)
        return [e.plus(first[0], p, 1)]

    e.loop(0, f.slots, 1, [e.index(0)], row)


def _projected(e: Emitter, f: Frame) -> None:
    """y less its part in the span of A; Q^T y."""

    def slot(p: Value, _: list[Value]) -> list[Value]:
        start, own = e.integer_at(f.starts, p), _own(e, f, p)
        along = _dot(e, f, start, own, f.white)
        e.store(along, f.along, _vector(e, p))
        _less(e, start, f, f.white, along, own)
        return []

    e.loop(0, f.slots, 1, [], slot)


def _means(e: Emitter, f: Frame, out: Value) -> None:
    """-R^-1 Q^T y."""

    def slot(p: Value, _: list[Value]) -> list[Value]:
        def term(c: Value, old: list[Value]) -> list[Value]:
            r = e.load(f.inverse, _vector(e, e.times(c, f.most), p))
            return [e.fma(r, e.load(f.along, _vector(e, c)), old[0])]

        (total,) = e.loop(p, f.slots, 1, [e.constant(0.0)], term)
        e.store(e.sub(e.constant(0.0), total), out, _vector(e, p))
        return []

    e.loop(0, f.slots, 1, [], slot)


def completed(e: Emitter, stride: int, whole: bool, a: list[Value]) -> None:
    """Conditional means to a vector of rows' missing places; their covariances, weighted, added.

    Arguments: frame, rows (to write to), responsibilities, center, conditional means less the
    center and covariances (of `integrated`), out (width + 1, width + 1). Of a symmetric matrix
    only the lower triangle is added to; not `whole`, its diagonal. A coordinate that a lane does
    not have stands for a row and a column at the end.
    """
    at, rows, share, center, means, spread, out = a[:7]
    f = _frame(e, 0, at)
    apart = e.b.zext(e.b.icmp_signed("==", f.alike, e.index(0)), INT)

    def one_list(_: Value, __: list[Value]) -> list[Value]:
        _complete_alike(e, stride, f, (rows, center, means))
        (total,) = e.sums([e.load(share, 0)])
        weight = e.b.extract_element(total, e.index(0))
        _pairs(e, f, whole, lambda p, q, place: _add_alike(e, f, weight, p, q, spread, place, out))
        return []

    def own_lists(_: Value, __: list[Value]) -> list[Value]:
        _complete_apart(e, stride, f, (rows, center, means))
        weight = e.load(share, 0)
        _pairs(e, f, whole, lambda p, q, place: _add_apart(e, f, weight, p, q, spread, place, out))
        return []

    e.loop(apart, 1, 1, [], one_list)
    e.loop(0, apart, 1, [], own_lists)


def _coordinate(e: Emitter, f: Frame, p: Value, lane: int = 0) -> Value:
    return e.integer_at(f.lists, e.plus(_vector(e, p), lane))


def _complete_alike(e: Emitter, stride: int, f: Frame, a: tuple[Value, ...]) -> None:
    rows, center, means = a

    def slot(p: Value, _: list[Value]) -> list[Value]:
        m = _coordinate(e, f, p)
        value = e.add(e.load(means, _vector(e, p)), e.broadcast(center, m))
        e.store(value, rows, e.times(m, stride))
        return []

    e.loop(0, f.slots, 1, [], slot)


def _complete_apart(e: Emitter, stride: int, f: Frame, a: tuple[Value, ...]) -> None:
    rows, center, means = a

    def slot(p: Value, _: list[Value]) -> list[Value]:
        mean = e.load(means, _vector(e, p))
        for lane in range(e.lanes):
            m = _coordinate(e, f, p, lane)
            shift = e.b.extract_element(mean, e.index(lane))
            value = e.b.fadd(e.scalar(center, m), shift)
            e.store_scalar(value, rows, e.plus(e.times(m, stride), lane))
        return []

    e.loop(0, f.slots, 1, [], slot)


def _pairs(e: Emitter, f: Frame, whole: bool, body: Callable[[Value, Value, Value], None]) -> None:
    """``body(p, q, place)`` for slots p >= q, or equal ones; `place` is the covariance's."""

    def row(p: Value, first: list[Value]) -> list[Value]:
        def entry(q: Value, _: list[Value]) -> list[Value]:
            body(p, q, _vector(e, first[0], q))
            return []

        e.loop(0 if whole else p, e.plus(p, 1), 1, [], entry)
        return [e.plus(first[0], p, 1)]

    e.loop(0, f.slots, 1, [e.index(0)], row)


def _add_alike(
    e: Emitter, f: Frame, weight: Value, p: Value, q: Value, spread: Value, place: Value, out: Value
) -> None:
    to = _cell(e, f, _coordinate(e, f, q), _coordinate(e, f, p))
    value = e.b.fmul(weight, e.scalar(spread, place))
    e.store_scalar(e.b.fadd(e.scalar(out, to), value), out, to)


def _add_apart(
    e: Emitter, f: Frame, weight: Value, p: Value, q: Value, spread: Value, place: Value, out: Value
) -> None:
    values = e.mul(weight, e.load(spread, place))
    for lane in range(e.lanes):
        to = _cell(e, f, _coordinate(e, f, q, lane), _coordinate(e, f, p, lane))
        value = e.b.extract_element(values, e.index(lane))
        e.store_scalar(e.b.fadd(e.scalar(out, to), value), out, to)


def _cell(e: Emitter, f: Frame, i: Value, j: Value) -> Value:
    return e.plus(e.times(i, e.plus(f.width, 1)), j)
