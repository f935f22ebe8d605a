"""From an estimator's rows, and what is known of them, to what its starts and fits get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack, final

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from ellimix.completion import completed
from ellimix.engines import Engine
from ellimix.errors import DataError
from ellimix.estimators.methods import FLOATS, MixtureMethods, row_weights, without_na
from ellimix.inference.base import with_noise
from ellimix.inference.box import Box
from ellimix.records import Array, SufficientStatistics
from ellimix.selection.ground import LEAST, noise_box
from ellimix.sources.knowledge import Known, check_columns, counted, described
from ellimix.sources.memory import MemorySource
from ellimix.starts import Given, Start
from ellimix.starts.constrained import Constrained
from ellimix.starts.noise import cleaned


@final
@dataclass(frozen=True, eq=False)
class Prepared:
    """What starts get, and what their statistics lack.

    Parameters
    ----------
    source : MemorySource
        Whole rows, without those that begin as noise.
    start : Start
    box : Box or None
        Where noise is uniform.
    noise : float
        The weight of the rows that begin as noise.
    total : float
        The weight of all rows.
    """

    source: MemorySource
    start: Start
    box: Box | None
    noise: float
    total: float

    @property
    def noise_share(self) -> Array | None:
        """What the noise component's weight is to begin with."""
        return None if self.box is None else np.asarray(self.noise / self.total)

    def with_noise(self, statistics: SufficientStatistics) -> SufficientStatistics:
        """A start's statistics with the noise component, where there is one."""
        if self.box is None:
            return statistics
        share = self.noise / self.total
        count = share / (1.0 - share) * float(statistics.n.sum())  # of a start on a sample, too
        return with_noise(statistics, count, self.box.middle)


def told(y: Any, **given: Unpack[Known]) -> Known:
    """What `fit` was told of its rows, with the labels that `y` may hold."""
    if given.get("labels") is None:
        given["labels"] = labels_in(y)
    return given


def labels_in(y: Any) -> Any:
    """`y` where it holds labels of some rows, -1 for the others; None where it is complete."""
    if y is None:
        return None
    given = np.asarray(y)
    partial = given.ndim == 1 and given.dtype.kind == "i" and bool((given == -1).any())
    return given if partial else None


def checked_source(
    estimator: MixtureMethods,
    X: Any,
    sample_weight: Any,
    known: Known,
    k: int | None,
    begun: bool = False,
    names: tuple[str, ...] | None = None,
) -> tuple[MemorySource, tuple[str, ...]]:
    """The rows of a fit with all that is known of them, and what there is to say of that.

    `k` is the number of components; None where it is to be chosen. Rows that come after others
    (`begun`) have their columns; there may be one alone, and nothing known in a column. `names` are
    those of the columns where the rows themselves have none.
    """
    least = 1 if begun else 2
    if known.get("projections") is None:
        rows = validate_data(
            estimator, without_na(X), dtype=FLOATS, ensure_min_samples=least,
            ensure_all_finite="allow-nan", reset=not begun,
        )  # fmt: skip
        if names is not None:
            estimator.feature_names_in_ = np.array(names, dtype=object)
    else:
        rows = check_array(X, dtype=FLOATS, ensure_min_samples=least, ensure_all_finite="allow-nan")
    rows, detail = described(rows, known, k, estimator.noise is not False)
    weight = row_weights(sample_weight, rows.shape[0])
    source, lost = counted(MemorySource(rows, weight, detail=detail))
    if known.get("projections") is not None:
        if begun and source.n_features != estimator.n_features_in_:
            raise DataError(
                f"projections are of {source.n_features} features, and the rows before these have "
                f"{estimator.n_features_in_}."
            )
        estimator.n_features_in_ = source.n_features
    elif not begun:
        check_columns(source, estimator._names())
    if not lost:
        return source, ()
    return source, (f"{lost} row(s) have nothing observed and count for nothing.",)


def prepared(
    source: MemorySource,
    engine: Engine,
    start: Start,
    k: int,
    noise: Any,
    random: np.random.RandomState,
) -> Prepared:
    """What starts get of a fit's source.

    Parameters
    ----------
    source : MemorySource
    engine : Engine
        One that reads whole rows.
    start : Start
    k : int
    noise : bool or array-like of shape (n,)
    random : RandomState
    """
    whole = completed(source, engine)
    prior = None if source.detail is None else source.detail.prior
    total = source.total_weight
    if noise is False:
        if prior is not None:
            start = Constrained(start, prior)
        return Prepared(whole, start, None, 0.0, total)
    clutter = _clutter(noise, whole, prior, k, random)
    box = noise_box(source, engine)
    kept = np.flatnonzero(~clutter)
    begun = whole.part(kept).placed(engine)
    if isinstance(start, Given):
        start = start.part(kept)
    if prior is not None:
        start = Constrained(start, prior[kept])
    noisy = max(float(source.weights @ clutter), LEAST * total)
    return Prepared(begun, start, box, noisy, total)


def _clutter(
    noise: Any,
    whole: MemorySource,
    prior: Array | None,
    k: int,
    random: np.random.RandomState,
) -> NDArray[np.bool_]:
    """Which rows begin as noise."""
    if noise is True:
        clutter = cleaned(whole.rows, whole.weight, random)
    else:
        clutter = np.asarray(noise)
        if clutter.shape != (whole.n_rows,) or clutter.dtype.kind != "b":
            raise DataError(
                f"noise has shape {clutter.shape} and type {clutter.dtype}: pass True, or "
                f"({whole.n_rows},) True and False, one a row."
            )
        if np.count_nonzero(~clutter) < k:
            raise DataError(
                f"noise leaves {np.count_nonzero(~clutter)} rows for {k} components: mark fewer."
            )
    if prior is not None:  # a row that is told to be no noise, or nothing else
        never = np.isneginf(prior[:, -1])
        always = np.isneginf(prior[:, :-1]).all(axis=1)
        clutter = (clutter & ~never) | always
    return clutter
