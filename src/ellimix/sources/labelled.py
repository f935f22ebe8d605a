"""Rows of which some are known to belong to a group, for fits of any number of components."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.engines.base import Engine
from ellimix.engines.incomplete import suited
from ellimix.records import Detail
from ellimix.sources.knowledge import checked_labels, prior_of
from ellimix.sources.memory import MemorySource

UNKNOWN = -1


def with_labels(source: MemorySource, labels: Any) -> MemorySource:
    """The source with labels, as a prior of one component more than there are groups.

    Parameters
    ----------
    source : MemorySource
    labels : array-like of shape (n,), int
        From 0; -1 where a row's group is not known.

    Raises
    ------
    DataError
        The labels are not one whole number a row from -1 on.
    """
    known = checked_labels(labels, source.n_rows, None)
    groups = int(known.max(initial=UNKNOWN)) + 1
    if not groups:
        return source
    prior = prior_of(known, None, source.n_rows, groups + 1)
    detail = replace(source.detail or Detail(), prior=prior)
    return replace(source, detail=detail, layouts=None, placed_for="")


def labels_of(source: MemorySource) -> NDArray[np.intp]:
    """The labels that `with_labels` was given, (n,); -1 for all without."""
    prior = None if source.detail is None else source.detail.prior
    if prior is None:
        return np.full(source.n_rows, UNKNOWN, dtype=np.intp)
    group = np.asarray(prior.argmax(axis=1), dtype=np.intp)
    return np.where((prior == 0.0).all(axis=1), UNKNOWN, group)


@final
@dataclass(frozen=True, eq=False)
class Placed:
    """A source laid out for the engine that suits it, for fits of each number of components.

    Parameters
    ----------
    source : MemorySource
        As `with_labels` made it, or without a prior.
    engine : Engine
    noise : bool
        Whether fits have a noise component.
    """

    source: MemorySource
    engine: Engine
    noise: bool = False
    _made: dict[int, MemorySource] = field(default_factory=dict)

    @classmethod
    def made(cls, source: MemorySource, engine: Engine, noise: bool = False) -> Placed:
        """With the engine that suits the rows."""
        return cls(source, suited(engine, source), noise)

    @property
    def groups(self) -> int:
        """Number of labelled groups: fits have at least so many components."""
        detail = self.source.detail
        return 0 if detail is None or detail.prior is None else int(detail.prior.shape[1]) - 1

    def of(self, k: int) -> MemorySource:
        """The rows, as fits of k components pass over them."""
        key = k if self.groups else 0
        if key not in self._made:
            self._made[key] = self._widened(key).placed(self.engine)
        return self._made[key]

    def _widened(self, k: int) -> MemorySource:
        if not k or self.source.detail is None:
            return self.source
        prior = prior_of(labels_of(self.source), None, self.source.n_rows, k, self.noise)
        return replace(self.source, detail=replace(self.source.detail, prior=prior))
