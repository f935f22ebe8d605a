"""Compiled agglomerations, for rows of any number of features."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ellimix.compiled import compiled, fingerprint, inlined, named
from ellimix.errors import MissingExtra
from ellimix.records import Array
from ellimix.starts import agglomeration, pooled
from ellimix.starts.kernels import metric, pairs

Merges = tuple[NDArray[np.intp], Array]


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
    names = {
        "SHRINK": agglomeration.SHRINK,
        "TIE": agglomeration.TIE,
        "TIE_OF_LOGARITHMS": agglomeration.TIE_OF_LOGARITHMS,
    }
    parts = (
        *(pairs.unions, pairs.pivots, pairs.logarithm, pairs.terms),
        *(pairs.choose, pairs.merge, pairs.search, pairs.pack),
    )
    signature = "void(int64, float64, float64[::1], float64[:, ::1], int64[:, ::1], float64[::1])"
    return _template(pairs.agglomerate, names, parts, signature)


@cache
def _pooled() -> Any:
    names = {
        "SHRINK": agglomeration.SHRINK,
        "TIE": agglomeration.TIE,
        "SLACK": pooled.SLACK,
        "RANK": pooled.RANK,
    }
    parts = (
        *(metric.rotate, metric.turn, metric.project, metric.row),
        *(metric.look, metric.merge, metric.pack),
    )
    signature = "void(float64[::1], float64[:, ::1], int64[:, ::1], float64[::1])"
    return _template(metric.agglomerate_pooled, names, parts, signature)


def _template(function: Any, names: dict[str, Any], parts: Sequence[Any], signature: str) -> Any:
    """A template compiled with these globals and parts, cached on disk under its own name.

    A part is known by its name in capitals, to the template and to the parts that follow.
    """
    names = dict(names)
    try:
        for part in parts:
            names[part.__name__.upper()] = inlined(named(part, _fingerprint(), names))
        return compiled(named(function, _fingerprint(), names), signature)
    except ModuleNotFoundError as error:
        raise MissingExtra("numba", None) from error


@cache
def _fingerprint() -> str:
    """A digest of the templates, and of the constants that they are compiled with."""
    folder = Path(__file__).parent
    constants = [folder.parent / name for name in ("agglomeration.py", "pooled.py")]
    return fingerprint(*sorted(folder.glob("*.py")), *constants)
