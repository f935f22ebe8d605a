"""Vector code, written instruction by instruction: what the kernels are made of.

A compiler that must find the vectors in scalar loops finds them on some machines and not on
others, and takes seconds to look. The inner loops here are written as LLVM vector instructions
instead: registers are held where the kernel holds them, and compiling takes a fraction of the time.
Addresses are integers; indices count numbers, not bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

# llvmlite has no types of its own: values of its IR are Any here
Value = Any
Body = Callable[[Value, list[Value]], Sequence[Value]]

INT = ir.IntType(64)
DOUBLE = ir.DoubleType()


@dataclass(frozen=True)
class Precision:
    """The numbers that a kernel computes with.

    Parameters
    ----------
    bits : int
        64 or 32.
    lanes : int
        Numbers in a vector register.
    registers : int
        Vector registers.
    """

    bits: int
    lanes: int
    registers: int

    @property
    def block(self) -> int:
        """Side of the largest square block of sums that the registers hold."""
        return 5 if self.registers >= 32 else 3

    @property
    def size(self) -> int:
        """Bytes of a number."""
        return self.bits // 8

    @property
    def name(self) -> str:
        """``f64`` or ``f32``."""
        return f"f{self.bits}"


class Emitter:
    """Appends vector instructions to a function under construction."""

    def __init__(self, builder: Value, precision: Precision) -> None:
        self.b = builder
        self.precision = precision
        self.lanes = precision.lanes
        self.real = DOUBLE if precision.bits == 64 else ir.FloatType()
        self.vector = ir.VectorType(self.real, self.lanes)
        self.integers = ir.VectorType(ir.IntType(precision.bits), self.lanes)

    # -- constants ---------------------------------------------------------------------------

    def index(self, value: Value) -> Value:
        """An index: a Python integer becomes a constant."""
        return ir.Constant(INT, value) if isinstance(value, int) else value

    def constant(self, value: float) -> Value:
        """A vector of equal numbers."""
        return ir.Constant(self.vector, [ir.Constant(self.real, float(value))] * self.lanes)

    def doubles(self, value: float) -> Value:
        """A vector of equal doubles, one a lane."""
        return ir.Constant(
            ir.VectorType(DOUBLE, self.lanes), [ir.Constant(DOUBLE, value)] * self.lanes
        )

    def integer(self, value: int) -> Value:
        """A vector of equal integers, as wide as the numbers."""
        return ir.Constant(self.integers, [value] * self.lanes)

    # -- memory ------------------------------------------------------------------------------

    def _pointer(self, base: Value, index: Value, kind: Value) -> Value:
        pointer = self.b.inttoptr(base, ir.PointerType())
        return self.b.gep(pointer, [self.index(index)], source_etype=kind)

    def load(self, base: Value, index: Value) -> Value:
        """`lanes` numbers from base + index on."""
        pointer = self._pointer(base, index, self.real)
        return self.b.load(pointer, typ=self.vector, align=self.precision.size)

    def store(self, value: Value, base: Value, index: Value) -> None:
        """`lanes` numbers to base + index on."""
        self.b.store(value, self._pointer(base, index, self.real), align=self.precision.size)

    def broadcast(self, base: Value, index: Value) -> Value:
        """A vector of the one number at base + index."""
        scalar = self.b.load(self._pointer(base, index, self.real), typ=self.real)
        return self.splat(scalar)

    def splat(self, scalar: Value) -> Value:
        """A vector of one scalar."""
        empty = ir.Constant(self.vector, ir.Undefined)
        single = self.b.insert_element(empty, scalar, self.index(0))
        return self.shuffle(single, empty, [0] * self.lanes)

    def store_doubles(self, value: Value, base: Value, index: Value) -> None:
        """A vector of doubles to base + index on."""
        self.b.store(value, self._pointer(base, index, DOUBLE), align=8)

    def integer_at(self, base: Value, index: Value) -> Value:
        """The 64-bit integer at base + index."""
        return self.b.load(self._pointer(base, index, INT), typ=INT, align=8)

    # -- arithmetic --------------------------------------------------------------------------

    def add(self, a: Value, b: Value) -> Value:
        """a + b, of numbers."""
        return self.b.fadd(a, b)

    def sub(self, a: Value, b: Value) -> Value:
        """a - b, of numbers."""
        return self.b.fsub(a, b)

    def mul(self, a: Value, b: Value) -> Value:
        """a b, of numbers."""
        return self.b.fmul(a, b)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a b + c with one rounding."""
        return self._intrinsic("fma", a, b, c)

    def root(self, a: Value) -> Value:
        """The square root."""
        return self._intrinsic("sqrt", a)

    def _intrinsic(self, what: str, *arguments: Value) -> Value:
        name = f"llvm.{what}.v{self.lanes}f{self.precision.bits}"
        module = self.b.module
        function = module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(self.vector, [self.vector] * len(arguments))
            function = ir.Function(module, kind, name=name)
        return self.b.call(function, arguments)

    def number(self, a: Value) -> Value:
        """Whether it is not NaN, lane by lane."""
        return self.b.fcmp_ordered("ord", a, a)

    def greater(self, a: Value, b: Value) -> Value:
        """a > b, lane by lane; false for NaN."""
        return self.b.fcmp_ordered(">", a, b)

    def maximum(self, a: Value, b: Value) -> Value:
        """The larger; b where a is NaN."""
        return self.b.select(self.greater(a, b), a, b)

    def plus(self, *terms: Value) -> Value:
        """A sum of indices."""
        out = self.index(terms[0])
        for term in terms[1:]:
            out = self.b.add(out, self.index(term))
        return out

    def times(self, a: Value, b: Value) -> Value:
        """A product of indices."""
        return self.b.mul(self.index(a), self.index(b))

    # -- control -----------------------------------------------------------------------------

    def loop(
        self, start: Value, stop: Value, step: int, carried: Sequence[Value], body: Body
    ) -> list[Value]:
        """``for i in range(start, stop, step): carried = body(i, carried)``."""
        b = self.b
        before = b.block
        head, inside, after = (b.append_basic_block() for _ in range(3))
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(INT)
        i.add_incoming(self.index(start), before)
        values = [b.phi(value.type) for value in carried]
        for phi, value in zip(values, carried, strict=True):
            phi.add_incoming(value, before)
        b.cbranch(b.icmp_signed("<", i, self.index(stop)), inside, after)
        b.position_at_end(inside)
        results = body(i, values)
        for phi, result in zip(values, results, strict=True):
            phi.add_incoming(result, b.block)
        i.add_incoming(b.add(i, self.index(step)), b.block)
        b.branch(head)
        b.position_at_end(after)
        return values

    # -- sums over lanes ---------------------------------------------------------------------

    def sums(self, vectors: Sequence[Value]) -> list[Value]:
        """Sums over the lanes of each vector, packed: vectors whose lanes are those sums.

        Neighbours are interleaved and added, so that n vectors cost about 3 n instructions.
        """
        packed = []
        for first in range(0, len(vectors), self.lanes):
            group = list(vectors[first : first + self.lanes])
            group += [self.constant(-0.0)] * (self.lanes - len(group))  # x + -0 is x
            width = 1
            while len(group) > 1:
                group = [
                    self._fold(a, b, width) for a, b in zip(group[::2], group[1::2], strict=True)
                ]
                width *= 2
            packed.append(group[0])
        return packed

    def _fold(self, a: Value, b: Value, width: int) -> Value:
        low, high = [], []
        for first in range(0, self.lanes, 2 * width):
            left = list(range(first, first + width))
            right = list(range(first + width, first + 2 * width))
            low += left + [self.lanes + lane for lane in left]
            high += right + [self.lanes + lane for lane in right]
        return self.add(self.shuffle(a, b, low), self.shuffle(a, b, high))

    def transposed(self, vectors: Sequence[Value]) -> list[Value]:
        """The columns of a square of `lanes` vectors."""
        rows, width = list(vectors), 1
        while width < self.lanes:
            for first in range(self.lanes):
                if first & width:
                    continue
                a, b = rows[first], rows[first + width]
                low = [x if not x & width else self.lanes + x - width for x in range(self.lanes)]
                high = [x + width if not x & width else self.lanes + x for x in range(self.lanes)]
                rows[first], rows[first + width] = self.shuffle(a, b, low), self.shuffle(a, b, high)
            width *= 2
        return rows

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """The lanes of a and then b with these numbers."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))
        return self.b.shuffle_vector(a, b, mask)

    def total(self, value: Value) -> Value:
        """A vector of one: the sum over lanes of doubles, in order."""
        scalar = ir.Constant(DOUBLE, 0.0)
        for lane in range(self.lanes):
            scalar = self.b.fadd(scalar, self.b.extract_element(value, self.index(lane)))
        empty = ir.Constant(ir.VectorType(DOUBLE, 1), ir.Undefined)
        return self.b.insert_element(empty, scalar, self.index(0))

    def widen(self, value: Value) -> Value:
        """The same numbers as doubles."""
        if self.precision.bits == 64:
            return value
        return self.b.fpext(value, ir.VectorType(DOUBLE, value.type.count))

    def accumulate(self, value: Value, base: Value, index: Value) -> None:
        """Add a vector of numbers to doubles in memory."""
        self.accumulate_doubles(self.widen(value), base, index)

    def accumulate_four(
        self, packed: Sequence[Value], first: int, base: Value, index: Value
    ) -> None:
        """Add four of the numbers that `sums` packed, from number `first` on."""
        part = min(4, self.lanes)
        for number in range(first, first + 4, part):
            vector, lane = packed[number // self.lanes], number % self.lanes
            chosen = self.shuffle(vector, vector, range(lane, lane + part))
            self.accumulate(chosen, base, self.plus(index, number - first))

    def accumulate_some(
        self, packed: Sequence[Value], size: int, base: Value, index: Value
    ) -> None:
        """Add the first `size` of the numbers that `sums` packed."""
        for number in range(0, size, self.lanes):
            part = list(range(min(self.lanes, size - number)))
            vector = packed[number // self.lanes]
            self.accumulate(self.shuffle(vector, vector, part), base, self.plus(index, number))

    def accumulate_doubles(self, wide: Value, base: Value, index: Value) -> None:
        """Add a vector of doubles to doubles in memory."""
        pointer = self._pointer(base, index, DOUBLE)
        old = self.b.load(pointer, typ=wide.type, align=8)
        self.b.store(self.b.fadd(old, wide), pointer, align=8)
