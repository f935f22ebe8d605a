"""The tree of a hierarchical agglomeration: a partition for every number of clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError
from ellimix.records import Array


@final
@dataclass(frozen=True, slots=True)
class Tree:
    """The merges of n rows, each first a cluster of its own, into one cluster.

    Parameters
    ----------
    model : str
        The criterion: ``"EII"``, ``"VII"``, ``"EEE"`` or ``"VVV"``.
    scaling : str
        What was done to the rows before: a name in `ellimix.starts.scalings.SCALINGS`.
    merges : ndarray of shape (n - 1, 2), int
        The first rows of the two clusters of each merge, the smaller one in front.
    costs : ndarray of shape (n - 1,)
        By how much each merge raised the criterion; 0 for rows that are equal. Later merges may
        cost less than earlier ones.
    distinct : int
        Number of rows that differ: the first n - distinct merges are of equal rows.

    Examples
    --------
    >>> import numpy as np
    >>> tree = Tree("EII", "VARS", np.array([[0, 1], [2, 3], [0, 2]]), np.zeros(3), 4)
    >>> tree.labels(2)
    array([0, 0, 1, 1])
    """

    model: str
    scaling: str
    merges: NDArray[np.intp]
    costs: Array
    distinct: int

    @property
    def n_rows(self) -> int:
        """Number of rows, n."""
        return int(self.merges.shape[0]) + 1

    def representatives(self) -> NDArray[np.intp]:
        """The first row of each group of equal rows (distinct,), ascending."""
        later = self.merges[: self.n_rows - self.distinct, 1]
        return np.setdiff1d(np.arange(self.n_rows), later)

    def labels(self, k: int) -> NDArray[np.intp]:
        """The rows' clusters (n,) in the cut into k, numbered from 0 by their first rows.

        Raises
        ------
        DataError
            k is not between 1 and n.
        """
        n = self.n_rows
        if not 1 <= k <= n:
            raise DataError(f"The tree of {n} rows has cuts into 1 to {n} clusters, not {k}.")
        parent = np.arange(n)
        # a cluster goes by its first row, so every merge points to a smaller index
        parent[self.merges[: n - k, 1]] = self.merges[: n - k, 0]
        while True:
            above = parent[parent]
            if np.array_equal(above, parent):
                break
            parent = above
        return np.unique(parent, return_inverse=True)[1].astype(np.intp)
