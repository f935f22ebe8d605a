"""Labels of rows: by component, or by cluster once components were combined."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from ellimix.density.mixture import Mixture
from ellimix.records import Rows
from ellimix.selection.combining import ClusterTree, combine
from ellimix.sources.base import Source
from ellimix.sources.knowledge import Known

LEVELS = ("component", "cluster")


class ClusterLevel:
    """Mixin: which component or cluster a row belongs to."""

    mixture_: Mixture
    clusters_: ClusterTree

    @abstractmethod
    def _answered(self, X: Any, known: Known, method: str, tree: ClusterTree | None = None) -> Any:
        """What the mixture says of rows of the fitted columns, and of what else is known of them.

        `method` is a name among `ellimix.estimators.answers.ANSWERS`.
        """

    @abstractmethod
    def _source(self, X: Any, sample_weight: Any, known: Known) -> Source:
        """The same with weights."""

    def combine(
        self,
        X: Any,
        rule: str = "entropy",
        n_clusters: int | Literal["auto"] = "auto",
        sample_weight: Any = None,
        *,
        threshold: float | None = None,
        **known: Unpack[Known],
    ) -> ClusterTree:
        """Merge the components into clusters, and keep the result as `clusters_`.

        `predict` and `predict_proba` then know ``level="cluster"``, until the next `fit`. `save`
        keeps the mixture only, and no clusters.

        Parameters
        ----------
        X : array-like of shape (n, d)
            The rows of the fit.
        rule : {"entropy", "bhattacharyya", "demp", "ridgeline"}, default="entropy"
            Which clusters belong together most: see `ellimix.combine`.
        n_clusters : int or "auto", default="auto"
            The number of clusters.
        sample_weight : array-like of shape (n,), optional
            Non-negative row weights.
        threshold : float, optional
            Where ``n_clusters="auto"`` stops: see `ellimix.combine`.
        **known
            What else is known of the rows, as for `fit`.

        Returns
        -------
        ClusterTree

        Raises
        ------
        ValueError
            `X` or `sample_weight` do not suit the fit, or one of the other arguments is none of the
            above.

        Examples
        --------
        >>> from ellimix import GaussianMixture, datasets
        >>> X, _ = datasets.faithful()
        >>> model = GaussianMixture(4, order="weight", random_state=0).fit(X)
        >>> model.combine(X, rule="ridgeline").labels_of_components()
        array([0, 1, 0, 0])
        >>> model.predict(X[:3]), model.predict(X[:3], level="cluster")
        (array([2, 1, 3]), array([0, 1, 0]))
        """
        source = self._source(X, sample_weight, known)
        self.clusters_ = combine(
            self.mixture_, source, rule=rule, n_clusters=n_clusters, threshold=threshold
        )
        return self.clusters_

    def predict(
        self,
        X: Any,
        level: Literal["component", "cluster"] = "component",
        **known: Unpack[Known],
    ) -> NDArray[np.int64]:
        """The most probable component or cluster of each row.

        Parameters
        ----------
        X : array-like of shape (n, d), or what `ellimix.rows` takes
        level : {"component", "cluster"}, default="component"
            ``"cluster"`` after `combine`. A row's cluster is that of its largest summed
            responsibility, not always the one that its most probable component is in.
        **known
            What else is known of the rows, as for `fit`: mask, errors, lower and upper, ...

        Returns
        -------
        labels : ndarray of int of shape (n,)
            -1 for noise, where the mixture has a noise component. Of a Dask collection, a Dask
            array that is not computed yet; of a Spark DataFrame, it with one column more,
            ``prediction``, that is not computed yet.

        Raises
        ------
        NotFittedError
            `level` is ``"cluster"`` before `combine`.

        Examples
        --------
        >>> from ellimix import GaussianMixture
        >>> model = GaussianMixture.from_parameters(
        ...     [0.5, 0.5], [[0.0], [4.0]], [1.0, 1.0], covariance_type="V"
        ... )
        >>> model.predict([[-1.0], [5.0]])
        array([0, 1])
        """
        labels: NDArray[np.int64] = self._answered(X, known, "predict", self._clusters(level))
        return labels

    def predict_proba(
        self,
        X: Any,
        level: Literal["component", "cluster"] = "component",
        **known: Unpack[Known],
    ) -> Rows:
        """Responsibilities: posterior probabilities of the components or clusters.

        Parameters
        ----------
        X : array-like of shape (n, d), or what `ellimix.rows` takes
        level : {"component", "cluster"}, default="component"
            ``"cluster"`` after `combine`.
        **known
            What else is known of the rows, as for `fit`: mask, errors, lower and upper, ...

        Returns
        -------
        responsibilities : ndarray of shape (n, k) or (n, n_clusters)
            Rows sum to 1. A noise component has one more column, the last. Of a Dask collection, a
            Dask array that is not computed yet; of a Spark DataFrame, it with one column more,
            ``probability``, of arrays.

        Raises
        ------
        NotFittedError
            `level` is ``"cluster"`` before `combine`.

        Examples
        --------
        >>> from ellimix import GaussianMixture
        >>> model = GaussianMixture.from_parameters(
        ...     [0.5, 0.5], [[0.0], [4.0]], [1.0, 1.0], covariance_type="V"
        ... )
        >>> model.predict_proba([[2.0]])
        array([[0.5, 0.5]])
        """
        found: Rows = self._answered(X, known, "predict_proba", self._clusters(level))
        return found

    def _clusters(self, level: str) -> ClusterTree | None:
        """The tree by which labels are given; None for components."""
        if level not in LEVELS:
            raise ValueError(f"level is 'component' or 'cluster', not {level!r}.")
        if level == "component":
            return None
        if "clusters_" not in vars(self):
            raise NotFittedError(
                f"This {type(self).__name__} has no clusters yet: call combine(X) after fit, or "
                "use level='component'."
            )
        return self.clusters_
