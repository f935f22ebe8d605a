"""What a search's starts are made from: whole rows that are no noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from ellimix.attempts.base import Start
from ellimix.completion import completed
from ellimix.engines.base import Engine
from ellimix.inference.box import Box
from ellimix.records import Array
from ellimix.selection.beginnings import of_labels
from ellimix.sources.labelled import labels_of
from ellimix.sources.memory import MemorySource
from ellimix.starts.noise import box_of, cleaned

LEAST: Final = 0.01  # of all rows: what a start leaves to the noise at least


@final
@dataclass(frozen=True, eq=False)
class Ground:
    """Rows for starts.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float64
        Whole ones: what is missing is filled in.
    weight : ndarray of shape (n,)
    clutter : float
        Weight of the rows that are left to the noise, relative to that of these.
    """

    rows: Array
    weight: Array
    clutter: float = 0.0


def ground_of(
    source: MemorySource, engine: Engine, box: Box | None, random: np.random.RandomState
) -> Ground:
    """What starts are made from.

    Parameters
    ----------
    source : MemorySource
    engine : Engine
        For the passes that fill rows in.
    box : Box or None
        Where the noise component is uniform: rows that look like noise are then left out, but
        for those with a label.
    random : RandomState
    """
    whole = completed(source, engine)
    rows = np.asarray(whole.rows, dtype=np.float64)
    weight = source.weights
    if box is None:
        return Ground(rows, weight)
    clean = ~cleaned(rows, source.weight, random) | (labels_of(source) >= 0)
    left, total = float(weight[~clean].sum()), float(weight.sum())
    left = max(left, LEAST * total)
    return Ground(rows[clean], weight[clean], left / float(weight[clean].sum()))


def classes_of(source: MemorySource, engine: Engine) -> Start:
    """Counts, means and scatter of the labelled rows of each group; empty where none are."""
    labels = labels_of(source)
    rows = np.asarray(completed(source, engine).rows, dtype=np.float64)
    weight = source.weights
    prior = None if source.detail is None else source.detail.prior
    g, d = 0 if prior is None else prior.shape[1] - 1, rows.shape[1]
    n, means, scatter = np.zeros(g), np.zeros((g, d)), np.zeros((g, d, d))
    for j in np.unique(labels[labels >= 0]):
        own = labels == j
        one = of_labels(rows[own], weight[own], np.zeros(int(own.sum()), dtype=np.intp), 1)
        n[j], means[j], scatter[j] = one[0][0], one[1][0], one[2][0]
    return n, means, scatter


def noise_box(source: MemorySource, engine: Engine) -> Box:
    """The box in which the noise of a search is uniform: one for all models."""
    projected = source.detail is not None and source.detail.projections is not None
    rows = completed(source, engine).rows if projected else source.rows
    return box_of(rows, source.weight, not bool(np.isnan(rows).any()))
