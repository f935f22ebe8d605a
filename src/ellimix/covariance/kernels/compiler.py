"""The compiled M-step of all families, and a way to call it from Python.

It is compiled when it is first needed, once for all sizes, and kept on disk by numba.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from ellimix.compiled import compiled, fingerprint, named, with_parts
from ellimix.covariance import FAMILIES, triangular
from ellimix.covariance.kernels import axes as common_axes
from ellimix.covariance.kernels import closed, matrices, oriented, steps, volumes
from ellimix.records import Array

CODES: Final = {name: code for code, name in enumerate(FAMILIES)}
_STEP: Final = (
    "int64(int64, float64[::1], float64[:, :, ::1], float64[:, :, ::1], float64[::1], "
    "float64[::1], float64[:, :, ::1], int64, float64[::1])"
)


def work_size(k: int, d: int) -> int:
    """Numbers in the scratch buffer of an M-step of k components and d features."""
    volumes = 2 * d * d + 3 * k + k * k + k * (d * (d + 1) // 2)
    axes = 3 * d * d + d + 5 * k
    return d + k * d + max(volumes, axes)


@cache
def m_step() -> Any:
    """The compiled M-step.

    ``m_step(code, n, scatter, factor, log_det, volume, axes, first, work) -> int``, all arrays
    float64 in C order, and no array is allocated:

    code
        Index of the family in `ellimix.covariance.FAMILIES`.
    n (k,), scatter (k, d, d)
        Positive counts; scatter about the components' means, complete. Diagonal families read
        the diagonals only.
    factor (k, d, d), log_det (k,)
        Out: upper triangular F with precision F F^T, and log |Sigma_k|. Diagonal families write
        the diagonals of `factor` only.
    volume (k,), axes (k, d, d)
        In and out, unless `first`, where the next M-step starts: log-volumes of VEI, VEE and VEV;
        axes (columns) of EEV and VEV, or in the first place the common ones of EVE and VVE.
    first
        0; or 1 for a fit's first M-step, or 2 for one in a hurry: common axes from one start.
    work
        Scratch, at least `work_size` numbers.

    It returns -1, or the number of a component that collapsed, or k where a covariance that all
    share is singular. Then what it wrote means nothing.
    """
    sources = *sorted(Path(__file__).parent.glob("*.py")), Path(triangular.__file__)
    digest = fingerprint(*sources)
    constants = {"EPS": triangular.EPS, "RATIO": triangular.singular_ratio(1)}
    names = with_parts(constants, _PARTS, _SYMBOLS, digest)
    return compiled(named(steps.m_step, digest, names), _STEP)


# each after those that it calls
_PARTS: Final[tuple[tuple[Any, str], ...]] = (
    (matrices, "factored orthonormal ascending turned eigen factor_of_axes"),
    (oriented, "along principal"),
    (closed, "spherical equal_variances equal_volume put_variances equal_matrices own_matrices"),
    (volumes, "sum_of_scatter triangles evaluate gradient_of_volumes newton_of_volumes"),
    (volumes, "alternation unbounded_volume searched log_volumes of_one_shape proportional"),
    (common_axes, "log_volume weights quick_angle turn value_of_angle grid_angle sweep"),
    (common_axes, "transform value_of_axes start common_axes"),
    (steps, "closed_form searched_volumes common_orientation"),
)
# Results and arguments of those that are called by symbol: what is long, or called in several
# places. What is compiled with its callers is optimised again in each, and in theirs: one compiler
# run over all families took four times as long.
_SYMBOLS: Final = {
    "factored": "f ipp",
    "orthonormal": "i ipii",
    "turned": "i ipfppp",
    "eigen": "i iippppp",
    "factor_of_axes": "i ippp",
    "along": "i iippppp",
    "equal_volume": "i iippp",
    "put_variances": "i iippp",
    "sum_of_scatter": "i iippp",
    "triangles": "f iippppp",
    "evaluate": "f iiippppp",
    "newton_of_volumes": "i iiiifppppp",
    "log_volumes": "i iiiippppp",
    "log_volume": "f ip",
    "quick_angle": "f iiipiip",
    "turn": "i iippiiff",
    "grid_angle": "f iiipiip",
    "sweep": "f iiiipppp",
    "transform": "i iipppp",
    "common_axes": "i iiiippppp",
    "closed_form": "i iiippppp",
    "searched_volumes": "i iiippppppip",
    "common_orientation": "i iiipppppip",
}


@final
@dataclass(frozen=True)
class CompiledStep:
    """What a compiled M-step gave.

    Parameters
    ----------
    failed : int
        -1; or the component that collapsed, or k for a covariance that all share. Then the
        arrays mean nothing.
    factor : ndarray of shape (k, d, d)
        Upper triangular F with precision F F^T.
    log_det : ndarray of shape (k,)
        log |Sigma_k|, natural logarithm.
    volume : ndarray of shape (k,)
        Log-volumes, where the next step of VEI, VEE or VEV starts.
    axes : ndarray of shape (k, d, d)
        Axes of EEV and VEV, or in the first place the common ones of EVE and VVE, where the next
        step starts.
    """

    failed: int
    factor: Array
    log_det: Array
    volume: Array
    axes: Array


def compiled_m_step(
    name: str, n: Array, scatter: Array, previous: CompiledStep | None = None
) -> CompiledStep:
    """The M-step of a family by the compiled code.

    Parameters
    ----------
    name : str
        One of `ellimix.covariance.FAMILIES`.
    n : ndarray of shape (k,)
        Positive counts.
    scatter : ndarray of shape (k, d, d)
        Scatter about the components' means.
    previous : CompiledStep or None
        The step before this one.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.covariance.kernels.compiler import compiled_m_step
    >>> step = compiled_m_step("VVV", np.array([4.0]), np.array([[[16.0, 0.0], [0.0, 1.0]]]))
    >>> step.failed, step.factor
    (-1, array([[[0.5, 0. ],
                 [0. , 2. ]]]))
    """
    k, d = scatter.shape[:2]
    volume = np.zeros(k) if previous is None else previous.volume.copy()
    axes = np.zeros((k, d, d)) if previous is None else previous.axes.copy()
    factor, log_det = np.zeros((k, d, d)), np.zeros(k)
    failed = m_step()(
        CODES[name],
        np.ascontiguousarray(n, dtype=np.float64),
        np.ascontiguousarray(scatter, dtype=np.float64),
        *(factor, log_det, volume, axes, int(previous is None), np.empty(work_size(k, d))),
    )
    return CompiledStep(int(failed), factor, log_det, volume, axes)
