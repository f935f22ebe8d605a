"""Compiled functions for small matrices on the host, for runs whose passes are compiled anyway.

With few rows an iteration is mostly the interpreter calling NumPy: 40 calls for an M-step of a few
hundred numbers. Where an engine is compiled the loop opens `compiled_host`, and what is inside it
finds compiled versions of two steps: means and scatter from sums, and precision factors from
covariances. They hand back what they cannot do (a degenerate component, large matrices) to the
plain versions. Without that context nothing here is loaded, so that what a fit computes depends on
its engine alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LARGEST = 16  # features: LAPACK is quicker for larger matrices


@final
@dataclass(frozen=True)
class Host:
    """Compiled steps.

    Parameters
    ----------
    moments : callable
        ``moments(n, s1, s2, center, floor, empty, noise, means, scatter) -> bool``: means (m, k, d)
        and scatter (m, k, d, d) from stacked sums, floor n_k I added; False where some component
        is empty or needs a closer look.
    factors : callable
        ``factors(values, out) -> None``: upper triangular F (r, d, d) with values^-1 = F F^T; NaN
        where a matrix is not positive definite.
    """

    moments: Callable[..., bool]
    factors: Callable[[Array, Array], None]


_active: ContextVar[Host | None] = ContextVar("ellimix_host", default=None)


def active() -> Host | None:
    """The compiled steps, inside `compiled_host`."""
    return _active.get()


@contextmanager
def compiled_host(on: bool) -> Iterator[None]:
    """Context in which `active` gives compiled steps, if `on`."""
    token = _active.set(_host() if on else None)
    try:
        yield
    finally:
        _active.reset(token)


@cache
def _host() -> Host:
    from numba import types

    real = {ndim: types.Array(types.float64, ndim, "C") for ndim in (2, 3, 4)}
    any_real = {ndim: types.Array(types.float64, ndim, "A") for ndim in (2, 3, 4)}
    number = types.float64
    moments = types.boolean(
        *(any_real[2], any_real[3], any_real[4], any_real[3]),
        *(number, number, number, real[3], real[4]),
    )
    factors = types.void(real[3], real[3])
    digest = fingerprint(Path(__file__))
    return Host(
        compiled(named(_moments, digest), moments), compiled(named(_factors, digest), factors)
    )


def compiled(function: FunctionType, signature: Any, **options: bool) -> Any:
    """A function compiled by numba, without the interpreter's lock, and kept on disk if it can be.

    Where neither the package's folder nor the user's cache can be written, numba refuses to
    keep it; then every process compiles for itself.
    """
    from numba import njit

    every: dict[str, Any] = {"nogil": True, "error_model": "numpy", **options}
    try:
        return njit([signature], cache=True, **every)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return njit([signature], **every)(function)


def inline(function: Any, names: dict[str, Any], label: str | None = None) -> Any:
    """A function for compiled code to call, with further globals.

    It is compiled with its caller and kept on disk as part of it: anew for each constant that a
    caller passes. Its name holds a digest of what it does: numba numbers functions in each process
    from 1, so that code from disk may bring a function of the same name and number, and the linker
    takes two such for one.

    Parameters
    ----------
    function : function
    names : dict
    label : str, optional
        What tells the function from others made of the same source; by default a digest of its
        code and of the globals it uses. Kernels among them have no name: then it must be given.
    """
    from numba import njit

    filled = named(function, label or _digest(function, names), names)
    options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return njit(error_model="numpy", **options)(filled)


def _digest(function: Any, names: dict[str, Any]) -> str:
    """A short digest of a function's code and of the given globals that it uses."""
    code = function.__code__
    used = {name: names[name] for name in sorted(set(code.co_names)) if name in names}
    told = [
        repr(value)
        if isinstance(value, (bool, int, float, str, type(None)))
        else getattr(value, "__name__", str(type(value)))
        for value in used.values()
    ]
    text = repr((code.co_code, [c for c in code.co_consts if c is not code], list(used), told))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def inlined(function: FunctionType) -> Any:
    """A function for use in compiled ones: its statements stand where it is called.

    What is compiled on its own and linked is compiled twice.
    """
    from numba import njit

    return njit(inline="always", error_model="numpy")(function)


def exported(function: FunctionType, symbol: str, result: str, arguments: str) -> Any:
    """A function that compiled code calls by a symbol, compiled on its own and kept on disk.

    A function that is called directly is compiled again with every caller, and stays in the
    callers' cached code when its source changes. The symbol must be exported in every process
    before cached code that calls it is loaded.

    Parameters
    ----------
    function : function
        Of numbers and pointers: arrays take their callers longer to compile.
    symbol : str
    result : str
        A letter: i for an integer, f for a float64.
    arguments : str
        A letter each, also p for a pointer to float64 and n for one to integers.
    """
    from llvmlite import binding
    from numba import types

    pointer: Any = types.CPointer
    letters = {"i": types.int64, "f": types.float64}
    letters.update(p=pointer(letters["f"]), n=pointer(letters["i"]))
    signature = letters[result](*(letters[letter] for letter in arguments))
    if symbol in _exports:
        raise AssertionError(f"Two functions are called {symbol}.")
    # not cfunc: it links and optimises the function a second time, with its wrapper
    made = compiled(function, signature, no_cpython_wrapper=True)
    code = made.get_compile_result(signature)
    address = code.library.get_pointer_to_function(code.fndesc.llvm_cfunc_wrapper_name)
    _exports[symbol] = made
    binding.add_symbol(symbol, address)
    return types.ExternalFunction(symbol, signature)


def with_parts(
    names: dict[str, Any],
    parts: Sequence[tuple[ModuleType, str]],
    symbols: Mapping[str, str],
    digest: str,
) -> dict[str, Any]:
    """Globals of a template with its parts among them, each under its name in capitals.

    Parameters
    ----------
    names : dict
        The globals so far, for the parts too.
    parts : sequence of (module, str)
        Names of functions in a module, each after those that it calls.
    symbols : mapping
        Result and arguments of those that are called by symbol, by name; see `exported`.
    digest : str
        Of the sources.
    """
    names = {**names, "AT": advanced()}
    for module, functions in parts:
        for name in functions.split():
            function = getattr(module, name)
            if name in symbols:
                function = named(function, digest, names)
                made = exported(function, f"ellimix_{name}", *symbols[name].split())
            else:
                made = inline(function, names)
            names[name.upper()] = made
    return names


@cache
def advanced() -> Any:
    """``AT(pointer, n)`` of compiled code: the pointer n numbers on."""
    from numba import types
    from numba.extending import intrinsic

    def typing(_context: Any, pointer: Any, _n: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return builder.gep(args[0], [args[1]])

        return pointer(pointer, types.int64), generate

    return intrinsic(typing)


_exports: dict[str, Any] = {}  # by symbol: their code must stay in memory


def fingerprint(*sources: Path) -> str:
    """A short digest of source files."""
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def named(function: Any, label: str, names: dict[str, Any] | None = None) -> FunctionType:
    """The function under a name of its own, with further globals.

    numba keeps compiled code by the function's name and its file's time, and an upgrade may leave
    both as they were: a name that holds a digest of the sources is never taken for another.
    """
    name = f"{function.__name__}_{label}"
    code = function.__code__.replace(co_name=name, co_qualname=name)
    out = FunctionType(code, {**function.__globals__, **(names or {})}, name)
    out.__module__, out.__qualname__ = function.__module__, name
    return out


def _moments(
    n: Array,
    s1: Array,
    s2: Array,
    center: Array,
    floor: float,
    empty: float,
    noise: float,
    means: Array,
    scatter: Array,
) -> bool:
    m, k, d = s1.shape
    for f in range(m):
        total = 0.0
        for j in range(k):
            total += n[f, j]
        for j in range(k):
            count = n[f, j]
            if not (count > empty * total and count < np.inf):
                return False
            for a in range(d):
                shift = s1[f, j, a] / count
                mean = center[f, j, a] + shift
                means[f, j, a] = mean
                for b in range(a + 1):
                    value = s2[f, j, a, b] - s1[f, j, b] * shift
                    scatter[f, j, a, b] = value
                    scatter[f, j, b, a] = value
                spread = scatter[f, j, a, a] / count
                rounding = noise * abs(mean)
                if not (spread > rounding * rounding and spread < np.inf):
                    return False
                scatter[f, j, a, a] += floor * count
    return True


def _factors(values: Array, out: Array) -> None:
    r, d, _ = values.shape
    lower = np.empty((d, d))
    for i in range(r):
        for a in range(d):
            for b in range(a + 1):
                value = values[i, a, b]
                for c in range(b):
                    value -= lower[a, c] * lower[b, c]
                if a > b:
                    lower[a, b] = value * lower[b, b]
                else:
                    lower[a, a] = 1.0 / np.sqrt(value) if value > 0.0 else np.nan
        # F = L^-T: the diagonal holds reciprocals
        for a in range(d):
            for b in range(a):
                out[i, a, b] = 0.0
                value = 0.0
                for c in range(b, a):
                    value -= lower[a, c] * out[i, b, c]
                out[i, b, a] = value * lower[a, a]
            out[i, a, a] = lower[a, a]
