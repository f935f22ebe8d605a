"""The slope heuristic: a penalty that the data choose (Birge & Massart 2007).

Models that are complex enough have no bias left: one more parameter raises the log-likelihood by
the same amount, the slope, whatever it is that it fits. The least penalty that does not choose the
most complex model is slope x parameters, and twice as much is about optimal. AIC's penalty is that
of slope 1/2, which regular models have in the limit.

The slope is estimated as in the data-driven slope estimation of Baudry, Maugis & Michel
(2012): a robust line through the most complex models, for every number of them; and of these
lines those that agree on the choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ellimix.errors import DataError
from ellimix.records import Array
from ellimix.selection.cells import Cell

FEWEST_MODELS = 10  # of different numbers of parameters
FEWEST_POINTS = 5  # in a line
# Lines that must agree on a choice, one after the other. Of 12 samples of four groups, 15 percent
# alone chose 12 components once and 6 once, where lines of few points agreed by chance; with three
# lines, the longest plateau of all, or this one, the choices were the same: 3 to 5.
PLATEAU = 0.15  # of all
FEWEST_LINES = 3


@final
@dataclass(frozen=True, eq=False)
class Slope:
    """What the slope heuristic says of a set of models.

    Parameters
    ----------
    slope : float
        Gain in log-likelihood of a parameter that fits nothing, in nats.
    intercept : float
        Of the line, in nats.
    fitted : int
        Number of points that the line was put through: the most complex ones.
    chosen : int
        Index of the model with the least -log L + 2 slope x parameters.
    n_parameters : ndarray of shape (p,)
        Numbers of parameters, ascending, one a point.
    log_likelihood : ndarray of shape (p,)
        The largest one of models with so many parameters, in nats.
    models : ndarray of shape (p,), int
        Index of that model.
    n_points : ndarray of shape (q,), int
        Points in each of the lines that were tried, ascending.
    slopes : ndarray of shape (q,)
        Their slopes.
    choices : ndarray of shape (q,), int
        Index of the model that each of them chooses.
    plateau : tuple of int
        First and one past the last of the lines that agree.
    names : tuple of str
        Names of all models; empty where they have none.
    """

    slope: float
    intercept: float
    fitted: int
    chosen: int
    n_parameters: Array
    log_likelihood: Array
    models: NDArray[np.intp]
    n_points: NDArray[np.intp]
    slopes: Array
    choices: NDArray[np.intp]
    plateau: tuple[int, int]
    names: tuple[str, ...] = ()


def slope_heuristic(
    n_parameters: ArrayLike, log_likelihood: ArrayLike, names: Sequence[str] = ()
) -> Slope:
    """Choose a model by a penalty of twice the slope of the log-likelihood.

    1. Of models with equally many parameters the likeliest is kept.
    2. For every number q of points, from 5 on, a line is put through the q most complex ones: its
       slope is the median of those of all pairs (Theil 1950, Sen 1968), which a quarter of the
       points cannot mislead.
    3. Each slope chooses the model with the least -log L + 2 slope x parameters.
    4. Going from few points to many, the first run of lines that agree on the choice, and are three
       or more and at least 15 percent of all, is the plateau; the line in its middle gives the
       slope.

    Parameters
    ----------
    n_parameters : array-like of shape (m,)
    log_likelihood : array-like of shape (m,)
        In nats, all of the same rows.
    names : sequence of str, optional
        Of the models, for pictures.

    Returns
    -------
    Slope

    Raises
    ------
    DataError
        There are fewer than 10 different numbers of parameters, a number is not finite, the
        log-likelihood does not grow where models are complex, or the choice settles nowhere.

    References
    ----------
    Birge & Massart (2007), Minimal penalties for Gaussian model selection. Baudry, Maugis & Michel
    (2012), Slope heuristics: overview and implementation.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.selection.slope import slope_heuristic
    >>> p = np.arange(5, 65, 5)
    >>> found = slope_heuristic(p, 0.7 * p - 40.0 * np.maximum(20 - p, 0))
    >>> round(found.slope, 3), int(found.n_parameters[found.chosen])
    (0.7, 20)
    """
    sizes, gains, models = _points(n_parameters, log_likelihood)
    counts = np.arange(FEWEST_POINTS, sizes.size + 1)
    slopes = _slopes(sizes, gains)
    places = (2.0 * slopes[:, None] * sizes - gains).argmin(axis=1)
    start, stop = _plateau(places)
    middle = (start + stop - 1) // 2
    slope, used = float(slopes[middle]), int(counts[middle])
    if not slope > 0.0:
        raise DataError(
            "The slope heuristic needs a log-likelihood that grows with the number of parameters, "
            f"but over the {used} most complex models its slope is {slope:.3g}: fit them from "
            "more starts, or use another criterion."
        )
    intercept = float(np.median(gains[-used:] - slope * sizes[-used:]))
    return Slope(
        slope,
        intercept,
        used,
        int(models[places[middle]]),
        sizes,
        gains,
        models,
        counts,
        slopes,
        models[places],
        (start, stop),
        tuple(names),
    )


def slope_of(cells: Sequence[Cell]) -> Slope:
    """The slope heuristic over a search's cells; those that are not ok take no part.

    Parameters
    ----------
    cells : sequence of Cell

    Returns
    -------
    Slope
        `models`, `choices` and `chosen` are indices of `cells`.

    Raises
    ------
    DataError
        As `slope_heuristic`.
    """
    ok = np.array([i for i, cell in enumerate(cells) if cell.ok], dtype=np.intp)
    names = [f"{cell.name}, {cell.n_components}" for cell in cells]
    found = slope_heuristic(
        [cells[i].n_parameters for i in ok], [cells[i].log_likelihood for i in ok]
    )
    return replace(
        found,
        chosen=int(ok[found.chosen]),
        models=ok[found.models],
        choices=ok[found.choices],
        names=tuple(names),
    )


def _points(
    n_parameters: ArrayLike, log_likelihood: ArrayLike
) -> tuple[Array, Array, NDArray[np.intp]]:
    """The likeliest model of each number of parameters, ascending, with its index."""
    sizes = np.asarray(n_parameters, dtype=np.float64)
    gains = np.asarray(log_likelihood, dtype=np.float64)
    if sizes.ndim != 1 or sizes.shape != gains.shape:
        raise DataError(
            f"The slope heuristic got {sizes.shape} numbers of parameters and {gains.shape} "
            "log-likelihoods, but needs one of each a model."
        )
    if not (np.isfinite(sizes).all() and np.isfinite(gains).all()):
        raise DataError("The slope heuristic needs finite numbers: leave out models without a fit.")
    best = np.lexsort((-gains, sizes))
    models = best[np.unique(sizes[best], return_index=True)[1]]
    if models.size < FEWEST_MODELS:
        raise DataError(
            f"The slope heuristic needs models of {FEWEST_MODELS} different numbers of parameters "
            f"or more, but got {models.size}: search more numbers of components."
        )
    return sizes[models], gains[models], models


def _slopes(sizes: Array, gains: Array) -> Array:
    """Theil and Sen's slope over the most complex points, for every number of them."""
    left, right = np.triu_indices(sizes.size, 1)
    steps = (gains[right] - gains[left]) / (sizes[right] - sizes[left])
    starts = range(sizes.size - FEWEST_POINTS, -1, -1)
    return np.array([np.median(steps[left >= start]) for start in starts])


def _plateau(places: NDArray[np.intp]) -> tuple[int, int]:
    """The first run of equal choices that is long enough."""
    edges = np.flatnonzero(np.diff(places)) + 1
    bounds = [0, *edges.tolist(), places.size]
    for start, stop in pairwise(bounds):
        if stop - start >= max(FEWEST_LINES, PLATEAU * places.size):
            return start, stop
    raise DataError(
        "The slope heuristic finds no slope: the choice changes with nearly every model that its "
        "line goes through. Search more numbers of components, from more starts."
    )
