"""The fused engine: one compiled pass over the rows gives all sums of all fits.

A tile of rows at a time is whitened, turned into responsibilities and summed while it is in the
cache: nothing of size n x k is ever stored. Rows are laid out in tiles feature by feature, so that
all inner loops run over rows. Float32 rows are computed in float32, less a point among them, with
float64 sums over tiles; float64 rows in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.engines.base import Posterior, Step
from ellimix.engines.kernels import compiler
from ellimix.records import Array, Block, Factor, Moment, Potentials, Rows, SufficientStatistics

STRIDE = compiler.STRIDE
BLOCK_VALUES = 1 << 18  # values in a block, a thread's piece of work
MOST_TILES = 128  # in a block, however few features
CENTER_ROWS = 192  # rows of a block that float32 values are centered on
# Spread of a column and row weights within which float32 is used: products of three such numbers
# neither overflow nor lose digits.
SPREAD = 1e-12, 1e12
WEIGHTS = 1e-12, 1e12


@final
@dataclass(frozen=True)
class Layout:
    """A block of rows as the compiled passes read it.

    Parameters
    ----------
    x : ndarray of shape (tiles, width, STRIDE)
        Rows less `shift`, feature by feature; the width is d, from 17 features on padded to a
        multiple of 4.
    weight : ndarray of shape (tiles, STRIDE)
        Row weights, 0 for padding.
    shift : ndarray of shape (d,)
        0 for float64.
    rows : int
    total : float
        Sum of the row weights.
    """

    x: Rows
    weight: Rows
    shift: Array
    rows: int
    total: float

    @property
    def bits(self) -> int:
        """Bits of a value."""
        return self.x.itemsize * 8


@final
@dataclass(frozen=True)
class NumbaEngine:
    """Compiled passes; see `ellimix.engines.kernels`."""

    name: str = "numba"
    compiled: bool = True

    def block_rows(self, d: int) -> int:
        """Rows in a block: whole tiles, by d alone."""
        return STRIDE * min(MOST_TILES, max(1, BLOCK_VALUES // (STRIDE * d)))

    def place(self, block: Block) -> Layout:
        """The rows of a block, laid out once for many passes."""
        rows = block.rows
        if rows.dtype == np.float32:
            shift = np.zeros(rows.shape[1])
            if rows.shape[0]:
                shift = np.median(rows[:CENTER_ROWS], axis=0).astype(np.float64)
            layout = _laid_out(rows, block.weight, shift)
            if _single(layout.x, block.weight):
                return layout
            rows = rows.astype(np.float64)
        return _laid_out(rows, block.weight, np.zeros(rows.shape[1]))

    def step(self, potentials: Sequence[Potentials]) -> Step:
        """Statistics of a block for each of several groups of fits."""
        parts = [_prepared(p) for p in potentials]

        def run(block: Block) -> list[SufficientStatistics]:
            layout = self._layout(block)
            return [part(layout) for part in parts]

        return run

    def e_step(self, potentials: Potentials, block: Block) -> SufficientStatistics:
        """Responsibilities, log-likelihood and sums of one block."""
        (statistics,) = self.step([potentials])(block)
        return statistics

    def log_joint(self, potentials: Potentials, block: Block) -> Array:
        """The k log-potentials of each row, (n, k)."""
        layout = self._layout(block)
        shape, factor = _factor(potentials)
        real = layout.x.dtype
        out = np.empty((layout.rows, potentials.offset.size))
        compiler.joint_pass(shape, layout.x.shape[1], layout.bits)(
            layout.x,
            layout.rows,
            _padded(potentials.center - layout.shift, real),
            _padded(factor, real, shape == "full"),
            potentials.offset.astype(real),
            out,
        )
        return out

    def posterior(self, potentials: Potentials, block: Block, full: bool) -> Posterior:
        """Log-density, best component and, if `full`, all responsibilities of each row."""
        layout = self._layout(block)
        shape, factor = _factor(potentials)
        real, n, k = layout.x.dtype, layout.rows, potentials.offset.size
        density, best, entropy = np.empty((3, n))
        labels = np.empty(n, dtype=np.int64)
        share = np.empty((n if full else 0, k))
        compiler.posterior_pass(shape, layout.x.shape[1], layout.bits)(
            layout.x,
            np.ones((1, STRIDE), real),
            n,
            _padded(potentials.center - layout.shift, real),
            _padded(factor, real, shape == "full"),
            potentials.offset.astype(real),
            density,
            labels,
            best,
            entropy,
            share,
        )
        return Posterior(density, labels, best, entropy, share if full else None)

    def accumulate(
        self, responsibilities: Array, block: Block, center: Array, moment: Moment
    ) -> SufficientStatistics:
        """Sums of one block under given responsibilities (n, k)."""
        layout = self._layout(block)
        k, d = center.shape
        kind = "diagonal" if moment is Moment.DIAGONAL else "full"
        width, real = layout.x.shape[1], layout.x.dtype
        size, where = compiler.places(width, kind, layout.bits)
        sums = np.zeros((1, k, size))
        used = _padded(center - layout.shift, real)
        share = np.ascontiguousarray(responsibilities, dtype=np.float64)
        compiler.given_pass(kind, width, layout.bits)(
            layout.x, layout.weight, layout.rows, used, share, sums
        )
        exact = used[:, :d].astype(np.float64) + layout.shift
        out = _statistics(sums, where, d, exact[None], center[None], moment)
        n, s1, s2 = (part[0] for part in out)
        total, rows = layout.total, layout.rows
        return SufficientStatistics(n, s1, s2, center, 0.0, 0.0, total, rows, moment)

    def _layout(self, block: Block) -> Layout:
        return block.layout if isinstance(block.layout, Layout) else self.place(block)


def _laid_out(rows: Rows, given: Array | None, shift: Array) -> Layout:
    n, d = rows.shape
    tiles, real = -(-n // STRIDE), rows.dtype
    x = _aligned((tiles, _width(d), STRIDE), real)
    weight = np.empty((tiles, STRIDE), real)
    weights = np.zeros(1) if given is None else given, given is not None
    if n > 1 and rows.strides[0] == real.itemsize:  # column by column, as files give them
        columns = np.ascontiguousarray(rows.T)
        compiler.lay_out_columns(real.itemsize * 8)(columns, *weights, shift, x, weight)
    else:
        compiler.lay_out(real.itemsize * 8)(rows, *weights, shift, x, weight)
    return Layout(x, weight, shift, n, float(n) if given is None else float(given.sum()))


def _single(x: Rows, weight: Array | None) -> bool:
    """Whether squares of the laid out rows and sums of the weights stay in float32's range."""
    if weight is not None:
        counted = weight[weight > 0.0]
        if counted.size and not WEIGHTS[0] <= counted.min() <= counted.max() <= WEIGHTS[1]:
            return False
    if not x.size:
        return True
    far = np.maximum(x.max(axis=(0, 2)), -x.min(axis=(0, 2)))
    return bool(((far == 0.0) | ((far >= SPREAD[0]) & (far <= SPREAD[1]))).all())


def _width(d: int) -> int:
    return d if compiler.unrolled(d) else -(-d // 4) * 4


def _aligned(shape: tuple[int, ...], real: Any) -> Any:
    """An array whose first value begins a cache line."""
    size = int(np.prod(shape))
    item = np.dtype(real).itemsize
    buffer = np.empty(size + 64 // item, real)
    first = (-buffer.ctypes.data % 64) // item
    return buffer[first : first + size].reshape(shape)


def _padded(values: Array, real: Any, square: bool = False) -> Any:
    """Parameters in the rows' precision, with zeros for the features that pad the layout."""
    d = values.shape[-1]
    extra = _width(d) - d
    if extra:
        last = [(0, extra)] * (2 if square else 1)
        values = np.pad(values, [(0, 0)] * (values.ndim - len(last)) + last)
    return np.array(values, dtype=real, order="C")  # a copy: compiled passes want it writable


def _factor(potentials: Potentials) -> tuple[str, Array]:
    """The factor as a diagonal or one full matrix a component."""
    if potentials.shape is Factor.DIAGONAL:
        return "diagonal", potentials.factor
    if potentials.shape is Factor.FULL:
        return "full", potentials.factor
    *lead, k, d = potentials.center.shape
    return "full", np.broadcast_to(potentials.factor[..., None, :, :], (*lead, k, d, d))


Part = Callable[[Layout], SufficientStatistics]


def _prepared(potentials: Potentials) -> Part:
    """The pass of one group of fits, with its parameters packed once."""
    grouped = potentials.offset.ndim == 2
    if not grouped:
        potentials = Potentials(
            potentials.offset[None],
            potentials.center[None],
            potentials.factor[None],
            potentials.shape,
            potentials.moment,
        )
    pooled = potentials.shape is Factor.SHARED and potentials.moment is Moment.POOLED
    sums = _shared_sums(potentials) if pooled else _soft_sums(potentials)
    center, moment = potentials.center, potentials.moment

    def part(layout: Layout) -> SufficientStatistics:
        n, s1, s2, totals = sums(layout)
        rows, weight = layout.rows, layout.total
        if grouped:
            return SufficientStatistics(
                n, s1, s2, center, totals[:, 0], totals[:, 1], weight, rows, moment
            )
        log_likelihood, entropy = totals[0].tolist()
        return SufficientStatistics(
            n[0], s1[0], s2[0], center[0], log_likelihood, entropy, weight, rows, moment
        )

    return part


Sums = tuple[Array, Array, Array, Array]


def _soft_sums(potentials: Potentials) -> Callable[[Layout], Sums]:
    shape, factor = _factor(potentials)
    center, moment = potentials.center, potentials.moment
    m, k, d = center.shape
    kind = "diagonal" if moment is Moment.DIAGONAL else "full"
    offset, top = _below_top(potentials.offset)
    packed: dict[Any, tuple[Any, Any]] = {}

    def sums(layout: Layout) -> Sums:
        real, width = layout.x.dtype, layout.x.shape[1]
        known = packed.get(real)
        if known is None:  # two threads may both make it: they make the same
            known = _padded(factor, real, shape == "full"), offset.astype(real)
            packed[real] = known
        used = _padded(center - layout.shift if layout.bits == 32 else center, real)
        size, where = compiler.places(width, kind, layout.bits)
        out, totals = np.zeros((m, k, size)), np.zeros((m, 2))
        compiler.soft_pass(shape, kind, width, layout.bits)(
            layout.x, layout.weight, layout.rows, used, *known, out, totals
        )
        totals[:, 0] += top * layout.total
        exact = center
        if layout.bits == 32:
            exact = used[..., :d].astype(np.float64) + layout.shift
        return (*_statistics(out, where, d, exact, center, moment), totals)

    return sums


def _below_top(offset: Array) -> tuple[Array, Array]:
    """Offsets (m, k) less the largest of each fit, and those: float32 shall round small numbers."""
    top = offset.max(axis=-1)
    top = np.where(np.isfinite(top), top, 0.0)
    return offset - top[:, None], top


def _statistics(
    sums: Array, where: NDArray[np.intp], d: int, exact: Array, center: Array, moment: Moment
) -> tuple[Array, Array, Array]:
    """n, s1, s2 about `center` from sums (m, k, size) about the centers that were used."""
    m, k, size = sums.shape
    width = where.shape[-1]
    n, s1 = sums[:, :, 0], sums[:, :, 1 : 1 + d]
    if size == 1 + width + width * width and where.ndim == 2:  # whole matrices, as they are
        s2 = sums[:, :, 1 + width :].reshape(m, k, width, width)[:, :, :d, :d]
    else:
        s2 = sums[:, :, where[:d] if where.ndim == 1 else where]
    if exact is not center:
        away = exact - center
        if moment is Moment.DIAGONAL:
            s2 = s2 + 2.0 * s1 * away + n[..., None] * away**2
        else:
            cross = s1[..., :, None] * away[..., None, :]
            square = n[..., None, None] * (away[..., :, None] * away[..., None, :])
            s2 = s2 + cross + np.swapaxes(cross, -1, -2) + square
        s1 = s1 + n[..., None] * away
    if moment is Moment.POOLED:
        s2 = s2.sum(axis=1)
    return n, s1, s2


def _shared_sums(potentials: Potentials) -> Callable[[Layout], Sums]:
    """One factor and a pooled second moment: what `passes.shared_pass` needs and gives."""
    m, k, d = potentials.center.shape
    whole = -(-k // 4) * 4  # components that pad have no weight
    middle = potentials.center.mean(axis=1)
    away = np.zeros((m, whole, d))
    away[:, :k] = potentials.center - middle[:, None]
    offset = np.full((m, whole), -np.inf)
    offset[:, :k], top = _below_top(potentials.offset)
    white = away @ potentials.factor
    wide = -(-d // 4) * 4
    packed: dict[Any, tuple[Any, ...]] = {}

    def sums(layout: Layout) -> Sums:
        real, width = layout.x.dtype, layout.x.shape[1]
        known = packed.get(real)
        if known is None:
            known = (
                _padded(potentials.factor, real, True),
                _padded(white, real),
                _padded(-away, real),
                offset.astype(real),
            )
            packed[real] = known
        used = _padded(middle - layout.shift, real)
        totals = np.zeros((m, 2))
        out, pooled = np.zeros((m, whole * (1 + wide + whole))), np.zeros((m, wide, wide))
        compiler.shared_pass(width, layout.bits)(
            layout.x, layout.weight, layout.rows, k, used, *known, totals, out, pooled
        )
        totals[:, 0] += top * layout.total
        about = used[:, :d].astype(np.float64) + layout.shift
        n = out[:, :k]
        first = out[:, whole : whole * (1 + wide)].reshape(m, whole, wide)[:, :k, :d]
        pairs = out[:, whole * (1 + wide) :].reshape(m, whole, whole)[:, :k, :k]
        s1 = first - n[..., None] * (potentials.center - about[:, None])
        s2 = _whole(pooled[:, :d, :d]) + _between(pairs, away[:, :k])
        return n, s1, s2, totals

    return sums


def _whole(lower: Array) -> Array:
    """Symmetric matrices from their lower triangles."""
    return np.tril(lower) + np.swapaxes(np.tril(lower, -1), -1, -2)


def _between(pairs: Array, center: Array) -> Array:
    """sum_{k<l} pairs_kl (c_k - c_l)(c_k - c_l)^T for pairs (m, k, k), lower triangle."""
    k = center.shape[1]
    rows, columns = np.tril_indices(k, -1)
    apart = center[:, rows] - center[:, columns]
    weighted = apart * pairs[:, rows, columns][..., None]
    return np.swapaxes(weighted, -1, -2) @ apart
