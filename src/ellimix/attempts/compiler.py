"""The compiled loop, and the compiled steps that it is handed."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit, types

from ellimix.attempts import loop
from ellimix.compiled import compiled, fingerprint, named
from ellimix.covariance.triangular import EPS
from ellimix.engines.kernels import compiler as passes
from ellimix.inference.base import LOG_2PI
from ellimix.inference.likelihood import EMPTY_SHARE, ROUNDING


class End(IntEnum):
    """How a compiled fit ended."""

    CONVERGED = 0
    MAX_ITER = 1
    COLLAPSED = 2
    EMPTY = 3
    OVERFLOW = 4
    HOPELESS = 5


LEVEL = 4.0 * EPS  # a gain below this share of the log-likelihood is rounding


def _array(ndim: int, of: Any = types.float64) -> Any:
    return types.Array(of, ndim, "C")


@cache
def whole_fits(diagonal: bool) -> Any:
    """`loop.whole_fits` for families with diagonal covariances, or for the others."""
    from ellimix.covariance.kernels.compiler import m_step_type, work_size

    names: dict[str, Any] = {
        "DIAGONAL": diagonal,
        "LOG_2PI": LOG_2PI,
        "EMPTY_SHARE": EMPTY_SHARE,
        "ROUNDING": ROUNDING,
        "LEVEL": LEVEL,
        "WORK_SIZE": njit(work_size),
        **{end.name: int(end) for end in End},
    }
    label = f"{'diagonal' if diagonal else 'full'}_{fingerprint(Path(loop.__file__))}"
    one = njit(error_model="numpy")(named(loop.one_fit, label, names))
    integer, real = types.int64, types.float64
    signature = types.void(
        *(_pass_type(diagonal), m_step_type(), _array(3), _array(2), integer),
        *(_array(2, integer), integer),
        *(integer, real, real, integer, integer, real),
        *(_array(2), _array(3), _array(4)),
        *(_array(2), _array(3), _array(4), _array(2), _array(2), _array(2, integer)),
    )
    return compiled(named(loop.whole_fits, label, {**names, "ONE_FIT": one}), signature)


def _pass_type(diagonal: bool) -> Any:
    factor = _array(3 if diagonal else 4)
    arguments = _array(3), _array(2), types.int64, _array(3), factor, _array(2)
    return types.FunctionType(types.void(*arguments, _array(3), _array(2)))


def e_step(diagonal: bool, width: int) -> Any:
    """The compiled pass over float64 rows of this width."""
    shape = "diagonal" if diagonal else "full"
    return passes.soft_pass(shape, shape, width, 64)
