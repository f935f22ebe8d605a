"""Compiled passes, by what they compute.

A pass is compiled when it is first needed and kept on disk by numba, next to this file or in the
user's cache folder.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding
from numba import types
from numba.extending import intrinsic

from ellimix.compiled import compiled, fingerprint, inline, named
from ellimix.engines.kernels import distances, integrate, lacking, missing, moments, passes, softmax
from ellimix.engines.kernels.emitter import Emitter, Precision, Value

Emit = Callable[[Emitter, list[Value]], None]

# Rows of a tile: a multiple of 96, so that groups of 6 vectors of either precision fit. Measured
# from 96 to 960 the time differs by a few percent; with 192 a tile stays in the inner caches.
STRIDE = 192
# A copy of the rows that count for a component pays up to this share of a tile, and from so many
# features on: otherwise the copy costs what it saves.
FEW_SHARE, FEW_FEATURES = 0.3, 10


@cache
def precision(bits: int) -> Precision:
    """Vectors of this machine for numbers of so many bits."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512dq") and features.get("avx512vl"):
        return Precision(bits, 512 // bits, 32)
    if features.get("avx2"):
        return Precision(bits, 256 // bits, 16)
    return Precision(bits, 256 // bits, 32)


@cache
def _fingerprint() -> str:
    return fingerprint(*sorted(Path(__file__).parent.glob("*.py")))


def _kernel(emit: Emit, bits: int) -> Any:
    """A kernel of eight integer arguments, for use in a template."""

    def typing(context: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit(Emitter(builder, precision(bits)), list(args))
            return context.get_dummy_value()

        return types.void(*[types.int64] * 8), generate

    return intrinsic(typing)


def _nothing(e: Emitter, a: list[Value]) -> None:
    """A kernel that has nothing to do."""


def _template(function: Any, names: dict[str, Any], signature: Any, label: str) -> Any:
    """A template compiled with these globals, cached on disk under its own name."""
    return compiled(named(function, f"{label}_{_fingerprint()}", names), signature)


def _array(ndim: int, bits: int = 64) -> Any:
    return types.Array(types.float64 if bits == 64 else types.float32, ndim, "C")


def _globals(bits: int, d: int, mirror: bool) -> dict[str, Any]:
    copied = d >= FEW_FEATURES
    names: dict[str, Any] = {
        "STRIDE": STRIDE,
        "SIZE": bits // 8,
        "REAL": np.float64 if bits == 64 else np.float32,
        "FEW": int(FEW_SHARE * STRIDE) if copied else 0,
        "ALIGNED": inline(passes.aligned, {}),
        "MIRROR": inline(passes.mirror if mirror else passes.leave, {}),
    }
    return {**names, "GATHER": inline(passes.gather, names)}


def _distance(shape: str, d: int) -> Emit:
    if shape == "diagonal":
        return lambda e, a: distances.diagonal(e, STRIDE, a)
    if shape == "unit":
        return lambda e, a: distances.diagonal(e, STRIDE, a, unit=True)
    if unrolled(d):
        return lambda e, a: distances.small(e, d, STRIDE, a)
    return lambda e, a: distances.large(e, STRIDE, a)


def unrolled(d: int) -> bool:
    """Whether the kernels for full matrices are made for this d alone."""
    return d <= moments.UNROLLED


def _moments(moment: str, d: int) -> tuple[Emit, Emit]:
    """The kernels for the sums, and for the products where those come apart."""
    if moment == "diagonal":
        return (lambda e, a: moments.diagonal(e, STRIDE, a, d if unrolled(d) else 0)), _nothing
    if d <= moments.IN_REGISTERS:
        return (lambda e, a: moments.small(e, d, STRIDE, a)), _nothing
    if unrolled(d):
        return (lambda e, a: moments.unrolled(e, d, STRIDE, a)), _nothing
    return (
        lambda e, a: moments.residuals(e, STRIDE, a),
        lambda e, a: moments.products(e, STRIDE, a),
    )


def _label(d: int, bits: int) -> str:
    p = precision(bits)
    return f"d{d if unrolled(d) else 'any'}_{p.name}x{p.lanes}"


def _known(d: int) -> int:
    """d where the kernels are made for it alone, else a stand-in for all larger ones."""
    return d if unrolled(d) else moments.UNROLLED + 4


def soft_pass(shape: str, moment: str, d: int, bits: int) -> Any:
    """`passes.soft_pass` for a diagonal or full factor and second moment."""
    return _soft_pass(shape, moment, _known(d), bits)


@cache
def _soft_pass(shape: str, moment: str, d: int, bits: int) -> Any:
    sums, products = _moments(moment, d)
    names = {
        **_globals(bits, d, moment == "full" and not unrolled(d)),
        "DISTANCE": _kernel(_distance(shape, d), bits),
        "SOFTMAX": _kernel(lambda e, a: softmax.softmax(e, STRIDE, a), bits),
        "MOMENTS": _kernel(sums, bits),
        "PRODUCTS": _kernel(products, bits),
    }
    real = partial(_array, bits=bits)
    factor = real(4 if shape == "full" else 3)
    signature = types.void(
        real(3), real(2), types.int64, real(3), factor, real(2), _array(3), _array(2)
    )
    return _template(passes.soft_pass, names, signature, f"{shape}_{moment}_{_label(d, bits)}")


def shared_pass(d: int, bits: int) -> Any:
    """`passes.shared_pass`: one factor for all components, pooled second moment."""
    return _shared_pass(_known(d), bits)


@cache
def _shared_pass(d: int, bits: int) -> Any:
    def whiten(e: Emitter, a: list[Value]) -> None:
        if unrolled(d):
            distances.whiten_small(e, d, STRIDE, a)
        else:
            distances.whiten(e, STRIDE, a)

    names = {
        **_globals(bits, d, False),
        "WHITEN": _kernel(whiten, bits),
        "DISTANCE": _kernel(_distance("unit", d), bits),
        "SOFTMAX": _kernel(lambda e, a: softmax.softmax(e, STRIDE, a, weigh=False), bits),
        "WEIGH": _kernel(lambda e, a: moments.weigh(e, STRIDE, a), bits),
        "EXPECTED": _kernel(lambda e, a: moments.expected(e, STRIDE, a), bits),
        "TOTALS": _kernel(lambda e, a: moments.totals(e, STRIDE, a), bits),
        "PRODUCTS": _kernel(lambda e, a: moments.products(e, STRIDE, a), bits),
    }
    real = partial(_array, bits=bits)
    signature = types.void(
        *(real(3), real(2), types.int64, types.int64),
        *(real(2), real(3), real(3), real(3), real(2)),
        *(_array(2), _array(2), _array(3)),
    )
    return _template(passes.shared_pass, names, signature, _label(d, bits))


def _scoring(shape: str, d: int, bits: int) -> dict[str, Any]:
    """Globals of the passes that give log-potentials row by row."""
    names = {**_globals(bits, d, False), "DISTANCE": _kernel(_distance(shape, d), bits)}
    label = f"{shape}_{_label(d, bits)}_{_fingerprint()}"  # of the kernel DISTANCE, above all
    return {**names, "POTENTIALS": inline(passes.tile_potentials, names, label)}


def posterior_pass(shape: str, d: int, bits: int) -> Any:
    """`passes.posterior_pass` for a diagonal or full factor."""
    return _posterior_pass(shape, _known(d), bits)


@cache
def _posterior_pass(shape: str, d: int, bits: int) -> Any:
    names = {
        **_scoring(shape, d, bits),
        "KEPT": _kernel(lambda e, a: softmax.softmax(e, STRIDE, a, True, False), bits),
    }
    real = partial(_array, bits=bits)
    factor = real(3 if shape == "full" else 2)
    labels = types.Array(types.int64, 1, "C")
    signature = types.void(
        *(real(3), real(2), types.int64, real(2), factor, real(1)),
        *(_array(1), labels, _array(1), _array(1), _array(2)),
    )
    return _template(passes.posterior_pass, names, signature, f"{shape}_{_label(d, bits)}")


def joint_pass(shape: str, d: int, bits: int) -> Any:
    """`passes.joint_pass` for a diagonal or full factor."""
    return _joint_pass(shape, _known(d), bits)


@cache
def _joint_pass(shape: str, d: int, bits: int) -> Any:
    names = _scoring(shape, d, bits)
    real = partial(_array, bits=bits)
    factor = real(3 if shape == "full" else 2)
    signature = types.void(real(3), types.int64, real(2), factor, real(1), _array(2))
    return _template(passes.joint_pass, names, signature, f"{shape}_{_label(d, bits)}")


def given_pass(moment: str, d: int, bits: int) -> Any:
    """`passes.given_pass` for a diagonal or full second moment."""
    return _given_pass(moment, _known(d), bits)


@cache
def _given_pass(moment: str, d: int, bits: int) -> Any:
    sums, products = _moments(moment, d)
    names = {
        **_globals(bits, d, moment == "full" and not unrolled(d)),
        "MOMENTS": _kernel(sums, bits),
        "PRODUCTS": _kernel(products, bits),
    }
    real = partial(_array, bits=bits)
    signature = types.void(real(3), real(2), types.int64, real(2), _array(2), _array(3))
    return _template(passes.given_pass, names, signature, f"{moment}_{_label(d, bits)}")


def missing_pass(shape: str, moment: str, d: int) -> Any:
    """`missing.square_pass` or, for a diagonal factor, `missing.diagonal_pass`; in float64.

    The shape is "full", "shared" or "diagonal".
    """
    return _missing_pass(shape, moment, _known(d))


@cache
def _missing_pass(shape: str, moment: str, d: int) -> Any:
    sums, products = _moments(moment, d)
    given = _globals(64, d, moment == "full" and not unrolled(d))
    names: dict[str, Any] = {
        **given,
        "LANES": precision(64).lanes,
        "SHARED": shape == "shared",
        "SOFTMAX": _kernel(lambda e, a: softmax.softmax(e, STRIDE, a), 64),
        "MOMENTS": _kernel(sums, 64),
        "PRODUCTS": _kernel(products, 64),
        "NOTED": inline(missing.noted, given),
        "ACTIVE": inline(missing.active, given),
    }
    label = f"{shape}_{moment}_{_label(d, 64)}"
    if shape == "diagonal":
        names["DISTANCE"] = _kernel(lambda e, a: lacking.diagonal(e, STRIDE, a), 64)
        names["FILLED"] = _kernel(lambda e, a: lacking.filled(e, STRIDE, a), 64)
        integers = types.Array(types.int64, 2, "C")
        signature = types.void(
            *(_array(3), _array(2), _array(3), integers),
            *(_array(3), _array(3), _array(2), _array(3), _array(3)),
            *(_array(3), _array(3), _array(2)),
        )
        return _template(missing.diagonal_pass, names, signature, label)
    own = d if unrolled(d) else 0
    names["INTEGRATED"] = _kernel(lambda e, a: integrate.integrated(e, own, STRIDE, a), 64)
    whole = moment == "full"
    names["COMPLETED"] = _kernel(lambda e, a: integrate.completed(e, STRIDE, whole, a), 64)
    names["COPIED"] = _kernel(lambda e, a: lacking.copied(e, STRIDE, a), 64)
    names["FLATTENED"] = _kernel(lambda e, a: lacking.flattened(e, STRIDE, a), 64)
    integers = types.Array(types.int64, 2, "C")
    signature = types.void(
        *(_array(3), _array(2), _array(2), _array(3)),
        *(integers, integers, integers, types.Array(types.int64, 1, "C")),
        *(_array(3), _array(4), _array(2), _array(1), _array(3)),
        *(_array(3), _array(4), _array(2)),
    )
    return _template(missing.square_pass, names, signature, label)


@cache
def lay_out(bits: int) -> Any:
    """`passes.lay_out` for rows of this precision in C order."""
    real = partial(_array, bits=bits)
    rows = types.Array(types.float64 if bits == 64 else types.float32, 2, "A", readonly=True)
    weight = types.Array(types.float64, 1, "A", readonly=True)
    signature = types.void(rows, weight, types.boolean, _array(1), real(3), real(2))
    return _template(passes.lay_out, _globals(bits, 1, False), signature, precision(bits).name)


@cache
def lay_out_columns(bits: int) -> Any:
    """`passes.lay_out_columns` for columns of this precision."""
    real = partial(_array, bits=bits)
    columns = types.Array(types.float64 if bits == 64 else types.float32, 2, "C", readonly=True)
    weight = types.Array(types.float64, 1, "A", readonly=True)
    signature = types.void(columns, weight, types.boolean, _array(1), real(3), real(2))
    names = _globals(bits, 1, False)
    return _template(passes.lay_out_columns, names, signature, precision(bits).name)


@cache
def places(d: int, moment: str, bits: int) -> tuple[int, Any]:
    """Doubles a component's sums take, and where its second moment is among them."""
    if moment == "diagonal":
        return 1 + 2 * d, np.arange(1 + d, 1 + 2 * d)
    if not unrolled(d):
        return 1 + d + d * d, np.arange(1 + d, 1 + d + d * d).reshape(d, d)
    where = np.zeros((d, d), dtype=np.intp)
    if d <= moments.IN_REGISTERS:
        size = moments.packed_size(d, precision(bits).lanes)
        parts = [(1 + d, [(i, j) for i in range(d) for j in range(i + 1)])]
    else:
        parts, size = moments.blocks(d, precision(bits))
    for first, pairs in parts:
        for number, (i, j) in enumerate(pairs):
            where[i, j] = where[j, i] = first + number
    return size, where
