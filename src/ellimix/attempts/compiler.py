"""The compiled loop, and the compiled steps that it is handed."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from numba import types

from ellimix.attempts import extrapolation, loop
from ellimix.compiled import compiled, fingerprint, inline, named, with_parts
from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Structure
from ellimix.covariance.kernels import compiler as steps
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
    UNTRIED = 6


# families whose covariances are diagonal: the first ones
DIAGONAL_CODES = sum(
    family.structure in (Structure.SPHERICAL, Structure.DIAGONAL) for family in FAMILIES.values()
)
# SQUAREM: the ratio of gains from which a fit is slow; passes without a trial after one that
# failed; the least share that an extrapolated component may have
SLOW, REST, LEAST_SHARE = 0.6, 5, 1e-8
STEADY = 0.95  # of gains: what a fit with trials is taken to do at best
_PARTS: Final[tuple[tuple[Any, str], ...]] = (
    (loop, "scatter_of_step moments_of_sums"),
    (extrapolation, "restore frame pack stretch extrapolate"),
    (loop, "one_fit whole_scatter"),
)
_SYMBOLS: Final = {
    "scatter_of_step": "i iiffpppp",
    "moments_of_sums": "i iiiiipnpppp",
    "restore": "i iipppppp",
    "frame": "i iipppp",
    "pack": "i iiiippppp",
    "stretch": "f ip",
    "extrapolate": "i iiiifppppp",
}
LEVEL = 4.0 * EPS  # a gain below this share of the log-likelihood is rounding


def _array(ndim: int, of: Any = types.float64) -> Any:
    return types.Array(of, ndim, "C")


@cache
def run_fits() -> Any:
    """`loop.run_fits`, for all families and sizes."""
    names: dict[str, Any] = {
        "DIAGONAL_CODES": DIAGONAL_CODES,
        "LOG_2PI": LOG_2PI,
        "EMPTY_SHARE": EMPTY_SHARE,
        "ROUNDING": ROUNDING,
        "LEVEL": LEVEL,
        "WORK_SIZE": inline(work_size, {}),
        "SLOW": SLOW,
        "REST": REST,
        "LEAST_SHARE": LEAST_SHARE,
        "STEADY": STEADY,
        **{end.name: int(end) for end in End},
    }
    # of the M-steps too: the size of their scratch is compiled in
    digest = fingerprint(*sorted(Path(__file__).parent.glob("*.py")), Path(steps.__file__))
    names = with_parts(names, _PARTS, _SYMBOLS, digest)
    integer, real = types.int64, types.float64
    integers = _array(1, integer)
    signature = types.void(
        *map(_function_type, (e_step(True, 1), e_step(False, 1), m_step())),
        *(_array(3), _array(2), integer),
        *(_array(2, integer), integer, _array(2, integer), integer),
        *(real, real, integer, integer, integer, integer, integers),
        *(integers, integers, integers, integers, _array(1)),
        *(_array(1), _array(2), _array(3)),
        *(_array(1), _array(2), _array(3), _array(1), _array(2), _array(2, integer)),
    )
    return compiled(named(loop.run_fits, digest, names), signature)


def _function_type(function: Any) -> Any:
    """The type of a compiled function that is handed to another one."""
    (signature,) = function.nopython_signatures
    return types.FunctionType(signature)


def e_step(diagonal: bool, width: int) -> Any:
    """The compiled pass over float64 rows of this width."""
    shape = "diagonal" if diagonal else "full"
    return passes.soft_pass(shape, shape, width, 64)
