"""What a mixture says of single rows, as values that can go where the rows are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, final

import numpy as np
from numpy.typing import NDArray

from ellimix.density.mixture import Mixture
from ellimix.estimators.imputing import like
from ellimix.records import Detail, Rows
from ellimix.selection.combining import ClusterTree


class Answer(Protocol):
    """From rows (n, d), and what else is known of them, to an array with an entry for each."""

    def __call__(self, rows: Rows, detail: Detail | None = None) -> NDArray[Any]:
        """The answer for each row."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Labels:
    """The most probable component or, with a tree, cluster; -1 for noise."""

    mixture: Mixture
    tree: ClusterTree | None = None

    def __call__(self, rows: Rows, detail: Detail | None = None) -> NDArray[np.int64]:
        """Labels, (n,)."""
        if self.tree is None:
            return self.mixture.predict(rows, detail)
        found = self.tree.responsibilities(self.mixture.responsibilities(rows, detail))
        best = np.asarray(found.argmax(axis=1), dtype=np.int64)
        if self.tree.noise:
            best[best == found.shape[1] - 1] = -1
        return best


@final
@dataclass(frozen=True, eq=False)
class Shares:
    """Responsibilities of components or, with a tree, clusters; in the rows' floating type."""

    mixture: Mixture
    tree: ClusterTree | None = None

    def __call__(self, rows: Rows, detail: Detail | None = None) -> Rows:
        """Shares, (n, k)."""
        found: Rows = self.mixture.responsibilities(rows, detail)
        if self.tree is not None:
            found = self.tree.responsibilities(found)
        return like(np.asarray(found, dtype=np.float64), rows)


@final
@dataclass(frozen=True, eq=False)
class Densities:
    """Log-densities, natural logarithms, in the rows' floating type."""

    mixture: Mixture
    tree: ClusterTree | None = None  # of which densities do not depend

    def __call__(self, rows: Rows, detail: Detail | None = None) -> Rows:
        """Log-densities, (n,)."""
        return like(self.mixture.log_density(rows, detail), rows)


ANSWERS: Final[dict[str, Callable[[Mixture, ClusterTree | None], Answer]]] = {
    "predict": Labels,
    "predict_proba": Shares,
    "score_samples": Densities,
}
