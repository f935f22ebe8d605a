"""How many rows bear on a component's thinnest direction, where values are missing.

A component of full covariance needs d + 1 whole rows: with d of them the likelihood has no bound.
Its covariance becomes flat through these rows, and any row that lacks a value fits in beside them
at no cost. So a component may hold many rows, converge, and still rest on next to nothing; its
count does not show that. What shows it is the number of its rows that observe all the features
which its thinnest direction is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from ellimix.covariance.triangular import EPS
from ellimix.density.mixture import Mixture
from ellimix.engines.base import Engine
from ellimix.engines.incomplete import suited
from ellimix.records import Array, Block
from ellimix.sources.base import Source

# a feature takes part in a direction where its coefficient, in the data's own units, is at least so
# large beside the largest
PART = 0.1
# Below so many rows more than it needs, a direction is one of chance where it is narrow beside the
# whole mixture's spread in it: many sets of so few rows lie nearly in a flat.
CHANCE, NARROW = 4, 0.1


@final
@dataclass(frozen=True, slots=True)
class Unseen:
    """A covariance that rests on too few rows.

    Parameters
    ----------
    component : int or None
        None for the covariance that all components share.
    features : tuple of str
        Those that its thinnest direction is made of.
    rows : float
        How many rows of the component observe all of these, in units of row weight.
    needed : int
    count : float
        Rows of the component.
    """

    component: int | None
    features: tuple[str, ...]
    rows: float
    needed: int
    count: float

    @property
    def sentence(self) -> str:
        """What is wrong, and what to do."""
        who = "The shared covariance" if self.component is None else f"Component {self.component}"
        together = " and ".join(self.features)
        whole = "all of them" if len(self.features) > 1 else "it"
        return (
            f"{who} is thin in a direction of {together}, and {self.rows:.3g} of its "
            f"{self.count:.4g} rows observe {whole}: it needs {self.needed}. It may be spurious: "
            "raise reg_covar, use fewer components or a covariance family with fewer parameters."
        )


def unseen(
    mixture: Mixture, source: Source, engine: Engine, careful: bool = False
) -> tuple[Unseen, ...]:
    """The covariances that rest on too few rows.

    Parameters
    ----------
    mixture : Mixture
    source : Source
        The rows of the fit. Nothing is said of rows that are projections, and nothing of a
        posterior: there the prior bears on every direction.
    engine : Engine
    careful : bool
        Whether narrow directions of a few rows more than are needed are of chance, too: where fits
        are compared, the narrowest wins.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix import Mixture
    >>> from ellimix.density.bearing import unseen
    >>> from ellimix.engines import ENGINES
    >>> from ellimix.sources.memory import MemorySource
    >>> thin = Mixture.from_parameters([1.0], [[0.0, 0.0]], [[[1.0, 0.999], [0.999, 1.0]]])
    >>> rows = np.array([[1.0, 1.0], [-1.0, np.nan], [np.nan, 0.5], [0.3, np.nan]])
    >>> (found,) = unseen(thin, MemorySource(rows), ENGINES["numpy"])
    >>> found.rows, found.needed
    (1.0, 3)
    """
    own, shared = mixture.family.name[2] == "V", mixture.family.name == "EEE"
    detail = source.detail
    projected = detail is not None and detail.projections is not None
    if not (own or shared) or mixture.n_features == 1 or projected or not source.n_patterns:
        return ()
    if mixture.parameters.hyper is not None:
        return ()
    parts, widths = _directions(mixture)
    needed = parts.sum(axis=1) + 1 + CHANCE * (careful & (widths < NARROW))
    seen, counts = _rows_that_see(mixture, parts, source, engine)
    if shared:
        seen, counts = seen.sum(keepdims=True), counts.sum(keepdims=True)
    names = np.array(mixture.names, dtype=object)
    return tuple(
        Unseen(
            None if shared else k,
            tuple(names[parts[k]]),
            float(seen[k]),
            int(needed[k]),
            float(counts[k]),
        )
        for k in range(seen.size)
        if seen[k] < needed[k]
    )


def _directions(mixture: Mixture) -> tuple[NDArray[np.bool_], Array]:
    """Features that each component's thinnest direction is made of, (k, d), and its width, (k,).

    Thinnest beside the whole mixture, as a ratio of standard deviations.
    """
    total = mixture.total_covariance()
    scale = np.sqrt(np.diagonal(total))
    unit = total / np.outer(scale, scale) + EPS * len(scale) * np.eye(len(scale))
    found = [eigh(own / np.outer(scale, scale), unit) for own in mixture.covariances()]
    coefficients = np.abs(np.stack([vectors[:, 0] for _, vectors in found]))
    widths = np.sqrt(np.maximum([values[0] for values, _ in found], 0.0))
    largest = coefficients.max(axis=1, keepdims=True)
    return np.asarray(coefficients >= PART * largest), np.asarray(widths)


def _rows_that_see(
    mixture: Mixture, parts: NDArray[np.bool_], source: Source, engine: Engine
) -> tuple[Array, Array]:
    """Rows of each component that observe its features, and all of its rows: (k,) each."""
    used, potentials, k = suited(engine, source), mixture.potentials, mixture.n_components

    def step(block: Block) -> tuple[Array, Array]:
        share = used.posterior(potentials, block, True).responsibilities
        if share is None:
            raise AssertionError("all responsibilities were asked for")
        own = share[:, :k] if block.weight is None else share[:, :k] * block.weight[:, None]
        lacking = np.isnan(block.rows)
        detail = block.detail
        if detail is not None and detail.lower is not None and detail.upper is not None:
            lacking &= ~((detail.lower > -np.inf) | (detail.upper < np.inf))
        sees = ~(lacking.astype(np.float64) @ parts.T.astype(np.float64) > 0.0)
        return (own * sees).sum(axis=0), own.sum(axis=0)

    seen, counts = (np.sum(part, axis=0) for part in zip(*source.each(step), strict=True))
    return seen, counts
