"""Weights of models: how much each of several deserves, by a criterion.

exp(-difference / 2), divided by the sum. For AIC they are Akaike's weights, the relative expected
likelihoods of the models; for BIC, approximate posterior probabilities under equal prior ones
(Burnham & Anderson 2002, section 2.9 on).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ellimix.errors import DataError
from ellimix.records import Array
from ellimix.selection import criteria
from ellimix.selection.cells import Cell


def model_weights(values: ArrayLike) -> Array:
    """exp(-difference / 2) of a criterion, divided by the sum.

    Differences are taken to the least value, so that nothing overflows, whatever the scale, and a
    constant added to all values changes nothing.

    Parameters
    ----------
    values : array-like of shape (m,)
        A criterion on the scale of -2 log L, smaller is better. Models whose value is NaN or inf
        have weight 0.

    Returns
    -------
    ndarray of shape (m,)
        Sum 1; all 0 where no value is finite.

    Raises
    ------
    DataError
        A value is -inf: no model deserves all the weight of infinite likelihood.

    Examples
    --------
    >>> from ellimix.selection.weights import model_weights
    >>> model_weights([100.0, 102.0, 110.0, float("inf")]).round(3)
    array([0.727, 0.268, 0.005, 0.   ])
    """
    given = np.asarray(values, dtype=np.float64)
    if (given == -np.inf).any():
        raise DataError("A criterion is -inf: leave out models of infinite likelihood.")
    finite = np.isfinite(given)
    out = np.zeros(given.shape)
    if finite.any():
        out[finite] = np.exp(-0.5 * (given[finite] - given[finite].min()))
        out /= out.sum()
    return out


def akaike_weights(cells: Sequence[Cell]) -> Array:
    """AIC weights of cells, (m,): sum 1, and 0 for those that are not ok."""
    return _weights(cells, "aic")


def bic_weights(cells: Sequence[Cell]) -> Array:
    """BIC weights of cells, (m,): sum 1, and 0 for those that are not ok."""
    return _weights(cells, "bic")


def _weights(cells: Sequence[Cell], name: str) -> Array:
    ok = np.array([cell.ok for cell in cells], dtype=bool)
    return model_weights(np.where(ok, criteria.values(cells, name), np.inf))
