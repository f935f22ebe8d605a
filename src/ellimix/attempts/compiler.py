"""The compiled loop, and the compiled steps that it is handed."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

from numba import types

from ellimix.attempts import loop
from ellimix.compiled import compiled, fingerprint, inline, named
from ellimix.covariance.kernels.compiler import m_step, work_size
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
    names: dict[str, Any] = {
        "DIAGONAL": diagonal,
        "LOG_2PI": LOG_2PI,
        "EMPTY_SHARE": EMPTY_SHARE,
        "ROUNDING": ROUNDING,
        "LEVEL": LEVEL,
        "WORK_SIZE": inline(work_size, {}),
        **{end.name: int(end) for end in End},
    }
    label = f"{'diagonal' if diagonal else 'full'}_{fingerprint(Path(loop.__file__))}"
    one, scatter = inline(loop.one_fit, names), inline(loop.whole_scatter, names)
    integer, real = types.int64, types.float64
    signature = types.void(
        *map(_function_type, (e_step(diagonal, 1), e_step(False, 1), m_step())),
        *(_array(3), _array(2), integer),
        *(_array(2, integer), integer, _array(2, integer), integer),
        *(integer, real, real, integer, integer, real),
        *(_array(2), _array(3), _array(4)),
        *(_array(2), _array(3), _array(4), _array(2), _array(2), _array(2, integer)),
    )
    return compiled(
        named(loop.whole_fits, label, {**names, "ONE_FIT": one, "WHOLE_SCATTER": scatter}),
        signature,
    )


def _function_type(function: Any) -> Any:
    """The type of a compiled function that is handed to another one."""
    (signature,) = function.nopython_signatures
    return types.FunctionType(signature)


def e_step(diagonal: bool, width: int) -> Any:
    """The compiled pass over float64 rows of this width."""
    shape = "diagonal" if diagonal else "full"
    return passes.soft_pass(shape, shape, width, 64)
