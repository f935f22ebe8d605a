"""A start for fits that shrink: many small components that cover all rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from ellimix.covariance.base import Family
from ellimix.engines.base import Engine
from ellimix.errors import DegenerateFit, FitFailed
from ellimix.inference.base import Parameters
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.inference.message_length import MessageLength
from ellimix.records import Moment, SufficientStatistics
from ellimix.sources.base import Source
from ellimix.starts import STARTS, Beginning

START: Final = "k-means++"
# A row start misses a component of weight a with probability (1 - a)^k: with 30 rows one in 25 for
# a = 0.1 (Figueiredo & Jain 2002, section 5.2). k-means++ spreads its rows and misses fewer.
MOST: Final = 30


def most_components(weight: float, usable: int, family: Family, d: int) -> int:
    """How many components to begin with: 30, or fewer where rows are few.

    Each shall begin with as many rows as it has parameters, N (twice what the M-step takes from
    it), so no more than n / N; and there must be a row for each.

    Parameters
    ----------
    weight : float
        n, the sum of the row weights.
    usable : int
        Rows with positive weight.
    family : Family
    d : int
        Number of features.
    """
    own = MessageLength(family, weight).own_parameters(d)
    return max(1, min(MOST, usable, int(weight / own)))


def covering(
    source: Source,
    engine: Engine,
    family: Family,
    most: int,
    reg_covar: float,
    random: np.random.RandomState,
) -> tuple[Parameters, tuple[str, ...]]:
    """Parameters of `most` components about rows of k-means++, and notes.

    Every row goes to the nearest chosen one. Each of these cells gets d + 1 more rows with the
    covariance of all rows within their cells, so that small cells have covariances, too. Where rows
    within cells lie in a flat there are too many cells: it begins with half as many.

    Tried and no better, in message lengths on five kinds of data: equal spheres about the chosen
    rows, with a tenth of the rows' variance, as in the paper. They need no passes, but their first
    iterations do.

    Raises
    ------
    FitFailed
        Not even one component has a covariance.
    """
    notes: tuple[str, ...] = ()
    inference = MaximumLikelihood(family, reg_covar)
    k = most
    while True:
        beginning = Beginning(source, engine, k, family.moment, 0.0, random)
        cells = STARTS[START].statistics(beginning)
        try:
            return inference.update(padded(cells), None), notes
        except DegenerateFit as failure:
            if k == 1:
                raise FitFailed(str(failure)) from failure
        k //= 2
        notes = (f"Rows are too few or too equal for {most} components: it began with {k}.",)


def padded(cells: SufficientStatistics) -> SufficientStatistics:
    """Statistics with d + 1 rows more in each cell, of the covariance within all cells."""
    k, d = cells.center.shape
    count = np.where(cells.n > 0.0, cells.n, 1.0)
    scatter = replace(cells, n=count).scatter()
    pooled = scatter if cells.moment is Moment.POOLED else scatter.sum(axis=0)
    more = d + 1.0
    pad = more * pooled / cells.n.sum()
    if cells.moment is Moment.POOLED:
        pad = k * pad
    shift = cells.s1 / count[:, None]  # of the cell's mean from its center: pad is about the mean
    square = shift[:, :, None] * shift[:, None, :] if cells.moment is Moment.FULL else shift**2
    if cells.moment is Moment.POOLED:
        square = np.einsum("ki,kj->ij", shift, shift)
    return replace(
        cells, n=cells.n + more, s1=cells.s1 + more * shift, s2=cells.s2 + pad + more * square
    )
