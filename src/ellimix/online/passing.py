"""One pass over rows: the E-step of one model, and nothing else."""

from __future__ import annotations

import numpy as np

from ellimix.compiled import compiled_host
from ellimix.em import TOO_FAR
from ellimix.engines.base import Engine
from ellimix.engines.incomplete import suited
from ellimix.errors import FitFailed, Status
from ellimix.records import Potentials, SufficientStatistics
from ellimix.sources.base import Source
from ellimix.sources.threads import one_blas_thread


def e_step(source: Source, engine: Engine, potentials: Potentials) -> SufficientStatistics:
    """The rows' sums under one model's potentials, about its centers.

    Raises
    ------
    FitFailed
        A row is so far from every component that its density is 0 in double precision.
    """
    engine = suited(engine, source)
    placed = source.placed(engine)
    with one_blas_thread(), compiled_host(engine.compiled):
        (sums,) = placed.reduce(engine.step([potentials]))
    if not np.isfinite(sums.loglik):
        raise FitFailed(f"{Status.OVERFLOW.sentence} {TOO_FAR} {Status.OVERFLOW.remedy}")
    return sums
