"""ClusterTree: the merges of k components, first clusters of their own, into one cluster."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from ellimix.errors import DataError
from ellimix.records import Array, Rows
from ellimix.selection.combining.elbow import Segments, two_segments


@final
@dataclass(frozen=True, eq=False)
class ClusterTree:
    """How the components of a mixture were merged, and the number of clusters that was chosen.

    Clusters have numbers as in SciPy: the components are 0 to k - 1, and merge i makes cluster
    k + i.

    Parameters
    ----------
    rule : str
        The rule's name.
    merges : ndarray of shape (k - 1, 2), int
        The two clusters of each merge, in order.
    values : ndarray of shape (k - 1,)
        The rule's value of each merge: the entropy that it removed (nats), exp(-D) for the
        Bhattacharyya distance D, the misclassification probability, or the ridgeline ratio.
    heights : ndarray of shape (k - 1,)
        The same as a height to draw it at, larger for clusters that belong together less. A later
        merge may be lower than an earlier one.
    rows : ndarray of shape (k - 1,)
        Weight of the rows in the two clusters of each merge, sum_i w_i (t_ia + t_ib). Not of those
        assigned to them by their largest responsibility: where components coincide, that count is
        arbitrary.
    entropy : ndarray of shape (k,)
        Entropy of the classification into 1, ..., k clusters, -sum_i w_i sum_g t_ig log t_ig, nats.
    weights : ndarray of shape (k,)
        Mixing proportions of the components.
    n_clusters : int
        The number of clusters that was chosen or asked for.
    noise : bool
        Whether the mixture has a noise component besides. It is merged with none, and stays the
        last where there is a column for each. It counts in the entropy.

    Examples
    --------
    >>> import ellimix as em
    >>> mixture = em.Mixture.from_parameters(
    ...     [0.25, 0.25, 0.5], [[0.0], [1.0], [9.0]], [1.0, 1.0, 1.0], family="V"
    ... )
    >>> tree = em.combine(mixture, mixture.sample(500, 0)[0])
    >>> tree.n_clusters, tree.labels_of_components()
    (2, array([0, 0, 1]))
    """

    rule: str
    merges: NDArray[np.int64]
    values: Array
    heights: Array
    rows: Array
    entropy: Array
    weights: Array
    n_clusters: int
    noise: bool = False

    @property
    def n_components(self) -> int:
        """Number of components, k."""
        return int(self.weights.size)

    def labels_of_components(self, n_clusters: int | None = None) -> NDArray[np.int64]:
        """The components' clusters, (k,), numbered from 0 by their first components.

        Parameters
        ----------
        n_clusters : int, optional
            From 1 to k; by default the number that was chosen.

        Raises
        ------
        ValueError
            `n_clusters` is not a number from 1 to k.
        """
        k = self.n_components
        g = self.n_clusters if n_clusters is None else checked_count(n_clusters, k)
        cluster = np.arange(k)
        for i, (a, b) in enumerate(self.merges[: k - g]):
            cluster[(cluster == a) | (cluster == b)] = k + i
        _, first, inverse = np.unique(cluster, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))
        return np.asarray(rank[inverse], dtype=np.int64)

    def responsibilities(self, component: Rows, n_clusters: int | None = None) -> Rows:
        """Responsibilities of the clusters, (n, g), from those of the components.

        With noise, that of the noise is one more column of both.

        Parameters
        ----------
        component : ndarray of shape (n, k)
        n_clusters : int, optional
            From 1 to k; by default the number that was chosen.

        Raises
        ------
        ValueError
            `n_clusters` is not a number from 1 to k.
        DataError
            There are not k columns.
        """
        given, k = np.asarray(component), self.n_components
        if given.ndim != 2 or given.shape[1] != k + self.noise:
            besides = " besides noise" if self.noise else ""
            raise DataError(
                f"Responsibilities have shape {given.shape}, but the tree merges {k} components"
                f"{besides}: pass an array of shape (n, {k + self.noise})."
            )
        labels = self.labels_of_components(n_clusters)
        if self.noise:
            labels = np.append(labels, labels.max() + 1)
        out = np.zeros((given.shape[0], int(labels.max()) + 1), dtype=given.dtype)
        for j, label in enumerate(labels):  # in order: a float64 matrix product may fuse and swap
            out[:, label] += given[:, j]
        return out

    def elbow(self, by: Literal["clusters", "rows"] = "clusters") -> Segments | None:
        """The two-segment fit to the entropy; its elbow lies at ``at + 1`` clusters.

        Baudry et al. (2010), section 3.3.

        Parameters
        ----------
        by : {"clusters", "rows"}, default="clusters"
            Whether the entropy is a function of the number of clusters, or of `merged_rows`. The
            second is for merges that concern very different numbers of rows.

        Returns
        -------
        Segments or None
            None where there are fewer than three components. With three, the fit is exact and says
            nothing.

        Raises
        ------
        ValueError
            `by` is another word.
        """
        if by not in ("clusters", "rows"):
            raise ValueError(f"by is 'clusters' or 'rows', not {by!r}.")
        k = self.n_components
        x = np.arange(1.0, k + 1.0) if by == "clusters" else self.merged_rows()
        return two_segments(x, self.entropy) if k >= 3 else None

    def merged_rows(self) -> Array:
        """Weight of rows in the merges from 1, ..., k clusters down to one, (k,); 0 for one."""
        return np.concatenate([[0.0], np.cumsum(self.rows[::-1])])

    def linkage(self) -> Array:
        """The tree as SciPy's linkage matrix, (k - 1, 4).

        A merge that is lower than one before it is drawn at that one's height, so that the tree has
        no crossings.

        Examples
        --------
        >>> import ellimix as em
        >>> from scipy.cluster.hierarchy import dendrogram
        >>> mixture = em.Mixture.from_parameters(
        ...     [0.25, 0.25, 0.5], [[0.0], [1.0], [9.0]], [1.0, 1.0, 1.0], family="V"
        ... )
        >>> tree = em.combine(mixture, mixture.sample(500, 0)[0])
        >>> dendrogram(tree.linkage(), no_plot=True)["leaves"]
        [2, 0, 1]
        """
        k = self.n_components
        size = np.ones(2 * k - 1)
        for i, (a, b) in enumerate(self.merges):
            size[k + i] = size[a] + size[b]
        drawn = np.maximum(np.maximum.accumulate(self.heights), 0.0)
        return np.column_stack([self.merges.astype(np.float64), drawn, size[k:]])


def checked_count(n_clusters: Any, k: int) -> int:
    """A number of clusters from 1 to k. Raises ValueError where it is none."""
    whole = isinstance(n_clusters, Integral) and not isinstance(n_clusters, bool)
    if not whole or not 1 <= n_clusters <= k:
        raise ValueError(
            f"n_clusters is {n_clusters!r}: {k} components make 1 to {k} clusters; "
            "pass such a number."
        )
    return int(n_clusters)
