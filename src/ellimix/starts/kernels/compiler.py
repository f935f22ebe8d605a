"""Compiled agglomerations, for rows of any number of features."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ellimix.compiled import compiled, fingerprint, named
from ellimix.errors import MissingExtra
from ellimix.records import Array
from ellimix.starts import agglomeration, pooled
from ellimix.starts.kernels import metric, pairs

Merges = tuple[NDArray[np.intp], Array]

_INTEGERS, _REALS, _FLAGS = "int64[::1]", "float64[::1]", "boolean[::1]"
_MATRIX, _PLANE, _STACK = "int64[:, ::1]", "float64[:, ::1]", "float64[:, :, ::1]"
_WINDOW = "float64[:, :, :]"  # some of the matrices


def agglomerate(rows: Array, n: Array, model: str, t: float) -> Merges:
    """`ellimix.starts.agglomeration.agglomerate`, compiled.

    Parameters
    ----------
    rows : ndarray of shape (m, d)
    n : ndarray of shape (m,)
        Counts.
    model : {"EII", "VII", "VVV"}
    t : float
        tr W / (n d) of all rows, positive.

    Returns
    -------
    merges : ndarray of shape (m - 1, 2)
    costs : ndarray of shape (m - 1,)
    """
    kind = {"EII": pairs.EII, "VII": pairs.VII, "VVV": pairs.VVV}[model]
    return _run(partial(_pairs(), kind, t), rows, n)


def agglomerate_pooled(rows: Array, n: Array) -> Merges:
    """`ellimix.starts.pooled.agglomerate_pooled`, compiled: EEE of rows (m, d) with counts (m,)."""
    return _run(_pooled(), rows, n)


def _run(grow: Any, rows: Array, n: Array) -> Merges:
    merges, costs = np.empty((n.size - 1, 2), dtype=np.int64), np.empty(n.size - 1)
    grow(n.astype(np.float64), np.array(rows.T, dtype=np.float64, order="C"), merges, costs)
    return merges.astype(np.intp, copy=False), costs


@cache
def _pairs() -> Any:
    state = [_INTEGERS, _REALS, _PLANE, _REALS, _STACK, _INTEGERS]
    clusters = ", ".join(state[1:])  # n, mean, trace, scatter, rank
    names = {
        "SHRINK": agglomeration.SHRINK,
        "TIE": agglomeration.TIE,
        "TIE_OF_LOGARITHMS": agglomeration.TIE_OF_LOGARITHMS,
    }
    names |= _parts(
        names,
        (pairs.pivots, f"void({_WINDOW}, {_REALS}, {_REALS})"),
        (pairs.logarithm, f"float64({_STACK}, int64, float64, float64)"),
        (
            pairs.terms,
            f"void(int64, float64, int64, int64, int64, {clusters}, {_STACK}, {_REALS})",
        ),
        (pairs.merge, f"void(int64, int64, {clusters})"),
        (pairs.search, f"void({_PLANE}, int64, int64, {_REALS}, {_INTEGERS})"),
        (
            pairs.pack,
            f"int64(int64, {_FLAGS}, {', '.join(state)}, {_REALS}, {_PLANE}, {_REALS}, {_INTEGERS})",
        ),
    )
    signature = f"void(int64, float64, {_REALS}, {_PLANE}, {_MATRIX}, {_REALS})"
    return _template(pairs.agglomerate, names, signature)


@cache
def _pooled() -> Any:
    names = {
        "SHRINK": agglomeration.SHRINK,
        "TIE": agglomeration.TIE,
        "SLACK": pooled.SLACK,
        "RANK": pooled.RANK,
    }
    names |= _parts(
        names,
        (metric.rotate, f"void({_PLANE}, {_PLANE})"),
        (metric.root, f"void({_PLANE}, float64, {_PLANE}, {_STACK}, {_PLANE})"),
        (metric.project, f"void({_PLANE}, int64, {_PLANE}, {_PLANE})"),
        (metric.row, f"void(int64, int64, int64, {_REALS}, {_PLANE}, {_REALS})"),
        (metric.pack, f"int64(int64, {_INTEGERS}, {_REALS}, {_PLANE}, {_REALS})"),
    )
    return _template(
        metric.agglomerate_pooled, names, f"void({_REALS}, {_PLANE}, {_MATRIX}, {_REALS})"
    )


def _parts(names: dict[str, Any], *parts: tuple[Any, str]) -> dict[str, Any]:
    """The functions that a template calls, by their names in capitals, each for the next ones."""
    made: dict[str, Any] = {}
    for function, signature in parts:
        made[function.__name__.upper()] = _template(function, {**names, **made}, signature)
    return made


def _template(function: Any, names: dict[str, Any], signature: str) -> Any:
    """A template compiled with these globals, cached on disk under its own name."""
    try:
        return compiled(named(function, _fingerprint(), names), signature)
    except ModuleNotFoundError as error:
        raise MissingExtra("numba", None) from error


@cache
def _fingerprint() -> str:
    """A digest of the templates, and of the constants that they are compiled with."""
    constants = [Path(module.__file__) for module in (agglomeration, pooled)]
    return fingerprint(*sorted(Path(__file__).parent.glob("*.py")), *constants)
