"""Rows of which some are known to belong to a group, for fits of any number of components."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.engines.base import Engine
from ellimix.engines.incomplete import suited
from ellimix.errors import DataError
from ellimix.records import Array, Detail
from ellimix.sources.memory import MemorySource

UNKNOWN = -1


def prior_of(labels: NDArray[np.int64], k: int, noise: bool = False) -> Array:
    """What labels say of the components, as `Detail.prior`: (n, k), with one more column for noise.

    Parameters
    ----------
    labels : ndarray of shape (n,), int
        From 0 to k - 1: the row belongs to that component, and is no noise. -1: it is not known.
    k : int
    noise : bool
        Whether there is a noise component.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.sources.labelled import prior_of
    >>> prior_of(np.array([1, -1]), 2)
    array([[-inf,   0.],
           [  0.,   0.]])
    """
    other = np.arange(k + noise) != labels[:, None]
    return np.where(other & (labels != UNKNOWN)[:, None], -np.inf, 0.0)


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
        The labels are not one whole number a row from -1 on, or a group has no rows that count.
    """
    given = np.asarray(labels)
    if given.shape != (source.n_rows,) or given.dtype.kind not in "iu":
        raise DataError(
            f"labels has shape {given.shape} and type {given.dtype}, expected one whole number for "
            f"each of the {source.n_rows} rows: its group from 0 on, or -1 where it is not known."
        )
    known = given.astype(np.int64)
    if known.min(initial=UNKNOWN) < UNKNOWN:
        raise DataError(
            f"labels holds {known.min()}: number the groups from 0, with -1 for unknown ones."
        )
    counted = known if source.weight is None else known[source.weight > 0.0]
    k = int(known.max(initial=UNKNOWN)) + 1
    empty = np.setdiff1d(np.arange(k), counted)
    if empty.size:
        raise DataError(
            f"No row that counts has the label {empty[0]}, but there are labels up to {k - 1}: "
            "number the groups without gaps."
        )
    if not k:
        return source
    detail = replace(source.detail or Detail(), prior=prior_of(known, k + 1))
    return replace(source, detail=detail, layouts=None, placed_for="")


def labels_of(source: MemorySource) -> NDArray[np.int64]:
    """The labels that `with_labels` was given, (n,); -1 for all without."""
    prior = None if source.detail is None else source.detail.prior
    if prior is None:
        return np.full(source.n_rows, UNKNOWN, dtype=np.int64)
    group = np.asarray(prior.argmax(axis=1), dtype=np.int64)
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
        prior = prior_of(labels_of(self.source), k, self.noise)
        return replace(self.source, detail=replace(self.source.detail, prior=prior))
