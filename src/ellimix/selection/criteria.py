"""Criteria for choosing a model, by name. All have scikit-learn's sign: smaller is better.

The formulas are functions of numbers; ``CRITERIA`` is the registry that puts cells into them. A
new criterion is one line there, and a function here where it is a new formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance import FAMILIES
from ellimix.errors import DataError
from ellimix.records import Array
from ellimix.selection.cells import Cell
from ellimix.selection.slope import Slope, slope_of


def bic(log_likelihood: float, n_parameters: int, n: float) -> float:
    """-2 log L + p log n (Schwarz 1978). `n` is the sum of the row weights."""
    return -2.0 * log_likelihood + n_parameters * math.log(n)


def aic(log_likelihood: float, n_parameters: int) -> float:
    """-2 log L + 2 p (Akaike 1974)."""
    return -2.0 * log_likelihood + 2.0 * n_parameters


def aicc(log_likelihood: float, n_parameters: int, n: float) -> float:
    """AIC + 2 p (p + 1) / (n - p - 1) (Hurvich & Tsai 1989); inf where n <= p + 1.

    The correction is exact for linear regression; for mixtures it is a rule of thumb that keeps
    AIC from choosing nearly as many parameters as there are rows.
    """
    spare = n - n_parameters - 1.0
    if spare <= 0.0:
        return math.inf
    return aic(log_likelihood, n_parameters) + 2.0 * n_parameters * (n_parameters + 1.0) / spare


def sabic(log_likelihood: float, n_parameters: int, n: float) -> float:
    """Sample-size-adjusted BIC, -2 log L + p log((n + 2) / 24) (Sclove 1987).

    Below 22 rows the penalty is negative: the criterion is of no use there.
    """
    return -2.0 * log_likelihood + n_parameters * math.log((n + 2.0) / 24.0)


def icl(log_likelihood: float, n_parameters: int, n: float, classification: float) -> float:
    """BIC - 2 sum_i log max_k r_ik (Biernacki, Celeux & Govaert 2000, with MAP assignments).

    `classification` is that sum of log max_k r_ik, at most 0: uncertain rows raise the criterion.
    The entropy form, BIC - 2 sum_ik r_ik log r_ik, takes the mean of log r over the
    responsibilities in place of the log of the largest. It is never smaller, and equal where all
    rows are certain; a row torn between two components costs 2 log 2 in both.
    """
    return bic(log_likelihood, n_parameters, n) - 2.0 * classification


def nec(
    log_likelihood: float, one_component: float, entropy: float, n_components: int = 2
) -> float:
    """Normalised entropy E(K) / (log L(K) - log L(1)) (Celeux & Soromenho 1996).

    1 for one component, where the quotient is not defined (Biernacki, Celeux & Govaert 1999):
    more components are worth having where it is below 1. inf where they do not raise the
    likelihood.

    Parameters
    ----------
    log_likelihood : float
        Of K components, in nats.
    one_component : float
        Of one component of the same family, in nats.
    entropy : float
        Sum of -r log r, in nats.
    n_components : int
        K.
    """
    if n_components == 1:
        return 1.0
    gain = log_likelihood - one_component
    if math.isnan(gain) or math.isnan(entropy):
        return math.nan
    return entropy / gain if gain > 0.0 else math.inf


@final
@dataclass(frozen=True, eq=False)
class Context:
    """What a criterion may know of a cell's company.

    Parameters
    ----------
    cells : tuple of Cell
        All cells of the search.
    """

    cells: tuple[Cell, ...]

    @cached_property
    def slope(self) -> Slope:
        """The slope heuristic over the cells that are ok. Raises DataError where it cannot be."""
        return slope_of(self.cells)

    @cached_property
    def _single(self) -> dict[int, float]:
        single = (c for c in self.cells if c.n_components == 1 and not math.isnan(c.log_likelihood))
        return {_kind(cell): cell.log_likelihood for cell in single}

    def one_component(self, cell: Cell) -> float:
        """Log-likelihood of one component of the cell's family; NaN where no cell has it.

        With one component the 14 families are three, spherical, diagonal and ellipsoidal: any
        family of the same kind serves.
        """
        return self._single.get(_kind(cell), math.nan)


def _kind(cell: Cell) -> int:
    """Covariance parameters of one component: what tells the three kinds apart."""
    return FAMILIES[cell.family].n_parameters(1, cell.n_features)


@final
@dataclass(frozen=True)
class Criterion:
    """A way to say how good a cell is: smaller is better.

    Parameters
    ----------
    name : str
    words : str
        What it is, in words.
    formula : callable
        The value of a cell that has a fit, given the cell and its `Context`.
    needs_held_out : bool
        Whether cells must have been cross-validated.
    needs_all : bool
        Whether a cell's value depends on other cells.
    deviance : bool
        Whether it is on the scale of -2 log L, where exp(-difference / 2) is a model's weight.
    lacking : str
        What to do where no cell has a value, as a sentence.
    """

    name: str
    words: str
    formula: Callable[[Cell, Context], float]
    needs_held_out: bool = False
    needs_all: bool = False
    deviance: bool = True
    lacking: str = ""

    def value(self, cell: Cell, context: Context) -> float:
        """The criterion of a cell; NaN where it has no fit, or lacks what the criterion needs."""
        if math.isnan(cell.log_likelihood):
            return math.nan
        return float(self.formula(cell, context))


def _sizes(cell: Cell) -> tuple[float, int, float]:
    return cell.log_likelihood, cell.n_parameters, cell.weight


def _nec(cell: Cell, context: Context) -> float:
    one = context.one_component(cell)
    return nec(cell.log_likelihood, one, cell.entropy, cell.n_components)


def _slope(cell: Cell, context: Context) -> float:
    return -2.0 * cell.log_likelihood + 4.0 * context.slope.slope * cell.n_parameters


_ALL: Final = (
    Criterion("bic", "Bayesian information criterion", lambda c, _: bic(*_sizes(c))),
    Criterion("aic", "Akaike's information criterion", lambda c, _: aic(*_sizes(c)[:2])),
    Criterion("aicc", "AIC corrected for few rows", lambda c, _: aicc(*_sizes(c))),
    Criterion("sabic", "sample-size-adjusted BIC", lambda c, _: sabic(*_sizes(c))),
    Criterion(
        "icl",
        "integrated completed likelihood",
        lambda c, _: icl(*_sizes(c), c.classification),
    ),
    Criterion(
        "nec",
        "normalised entropy criterion",
        _nec,
        needs_all=True,
        deviance=False,
        lacking="It compares with one component: search n_components=1, too.",
    ),
    Criterion(
        "cv",
        "-2 times the cross-validated log-likelihood",
        lambda c, _: -2.0 * c.held_out,
        needs_held_out=True,
        lacking="It needs held-out scores: ask the search for cross-validation.",
    ),
    Criterion("slope", "slope heuristic", _slope, needs_all=True),
)

CRITERIA: Final[dict[str, Criterion]] = {criterion.name: criterion for criterion in _ALL}


def named(name: str) -> Criterion:
    """The criterion of that name. Raises DataError, which lists the names, for an unknown one."""
    criterion = CRITERIA.get(name) if isinstance(name, str) else None
    if criterion is None:
        raise DataError(f"Unknown criterion {name!r}. Use one of {', '.join(CRITERIA)}.")
    return criterion


def values(cells: Iterable[Cell], name: str) -> Array:
    """The criterion of all cells, in their order.

    Parameters
    ----------
    cells : iterable of Cell
        All cells of a search: some criteria depend on the others.
    name : str
        A name in ``CRITERIA``.

    Returns
    -------
    ndarray of shape (m,)
        Smaller is better. NaN where a cell has no fit, or lacks what the criterion needs.

    Raises
    ------
    DataError
        The name is unknown; no cell that is ok has a value; or the slope heuristic refuses.
    """
    cells, criterion = tuple(cells), named(name)
    context = Context(cells)
    out = np.array([criterion.value(cell, context) for cell in cells], dtype=np.float64)
    ok = np.array([cell.ok for cell in cells], dtype=bool)
    if ok.any() and np.isnan(out[ok]).all():
        raise DataError(f"No cell has a value of the criterion {name!r}. {criterion.lacking}")
    return out


def order(cells: Sequence[Cell], name: str) -> NDArray[np.intp]:
    """Indices of the cells, best first; one that is not ok comes after all that are.

    Ties, as those of NEC at one component, go by BIC, and then by the cells' order. A cell without
    a value is last among its like.

    Parameters
    ----------
    cells : sequence of Cell
    name : str
        A name in ``CRITERIA``.

    Returns
    -------
    ndarray of shape (m,)

    Raises
    ------
    DataError
        As `values`.
    """
    value, tie = (_to_rounding(values(cells, by)) for by in (name, "bic"))
    bad = np.array([not cell.ok for cell in cells], dtype=bool)
    return np.lexsort((tie, value, np.isnan(value), bad))


def _to_rounding(values: Array) -> Array:
    """The values to ten digits of the largest: equal models differ by less."""
    finite = np.abs(values[np.isfinite(values)])
    digit = 10.0 ** (np.floor(np.log10(finite.max())) - 9.0) if finite.any() else 1.0
    return np.asarray(np.round(values / digit) * digit)
