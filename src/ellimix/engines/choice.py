"""Engines by name, and the one rule by which ``engine="auto"`` chooses.

A compiled pass is 10 to 20 times as fast as NumPy's, but the first one in a process costs 0.3 s to
load and the first one on a machine 1 s more to compile. So NumPy serves where a whole fit takes
about as long as that, and results depend on the data's shape alone, never on what happens to be
compiled already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final, final

from ellimix.engines.base import Engine
from ellimix.engines.numpy_engine import NumpyEngine
from ellimix.errors import MissingExtra

NAMES: Final = ("numpy", "numba")

# Work: about the arithmetic of a row and a component, d^2 for a full matrix, 8 d for the rest,
# 40 for the exponential. NumPy does 5 million units a millisecond on one core.
COMPILED_FROM = 5e9  # about 1 s
PATTERN = 1.5e6  # what a pattern of missing values costs NumPy a pass: 0.3 ms
PASSES = 100  # what a fit is taken to make


@final
class _Engines(Mapping[str, Engine]):
    """Engines by name, loaded when asked for."""

    def __getitem__(self, name: str) -> Engine:
        if name not in NAMES:
            raise KeyError(name)
        return _load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


ENGINES: Final = _Engines()


@cache
def _load(name: str) -> Engine:
    if name == "numpy":
        return NumpyEngine()
    try:
        from ellimix.engines.numba_engine import NumbaEngine
    except ModuleNotFoundError as error:
        raise MissingExtra("numba", None) from error
    return NumbaEngine()


@cache
def has_numba() -> bool:
    """Whether numba is installed, and suits what else is."""
    try:
        _load("numba")
    except ImportError:
        return False
    return True


def choose(
    name: str,
    n_rows: int,
    d: int,
    components: int,
    full: bool,
    passes: int = PASSES,
    patterns: int = 0,
) -> Engine:
    """The engine of this name, or for ``"auto"`` the one that suits the work.

    Parameters
    ----------
    name : str
        ``"auto"``, ``"numpy"`` or ``"numba"``.
    n_rows, d : int
        Shape of the data.
    components : int
        Components of all fits that run together.
    full : bool
        Whether covariances are full matrices.
    passes : int
        Passes over the rows.
    patterns : int
        In how many ways rows lack values: NumPy takes them one after another, block by block.

    Raises
    ------
    MissingExtra
        ``"numba"`` was asked for and is not installed.
    """
    if name != "auto":
        return ENGINES[name]
    work = float(n_rows) * components * ((d * d if full else 0) + 8 * d + 40)
    if patterns:
        rows = ENGINES["numpy"].block_rows(d)
        work += -(-n_rows // rows) * min(patterns, rows) * PATTERN
    work *= passes
    return ENGINES["numba" if work >= COMPILED_FROM and has_numba() else "numpy"]
