"""Starts by k-means and k-means++: scikit-learn's, imported here when first used."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.records import Array, Block, Rows, SufficientStatistics
from ellimix.sources.memory import MemorySource
from ellimix.sources.threads import one_thread
from ellimix.starts.base import (
    Beginning,
    all_weights,
    check_enough,
    counted_rows,
    from_nearest,
    from_responsibilities,
    from_rows,
    one_hot,
)

# Above this many rows, k-means runs on a random sample of so many: on all rows it would take longer
# than the fit, and from there EM ends as well as seeds differ: in five kinds of data the mean
# log-likelihood of a row was from 2e-2 higher to 2e-4 lower (`benchmarks/starts.py`).
SAMPLE_ROWS = 20_000
SAMPLE_ITER = 10  # Lloyd's iterations there: the last digits of a start are of no use
# Seeds of k-means++ there, of which the best clusters are kept. They cost little beside the passes
# they save; with 1,000,000 x 10 and 16 components four of them raise the mean log-likelihood of a
# row by 0.027, over eight seeds, and take no time in all.
SAMPLE_SEEDS, MORE_SEEDS = 2, 4
MANY_ROWS = 10 * SAMPLE_ROWS  # from which there are more of them
SMALL = 1_000_000  # values times clusters below which k-means gets one thread


@final
@dataclass(frozen=True)
class KMeans:
    """The clusters of ``sklearn.cluster.KMeans(k, n_init=1)``, of a sample where rows are many."""

    name: str = "kmeans"

    def statistics(self, beginning: Beginning) -> SufficientStatistics:
        """Every row, or every row of the sample, in its cluster."""
        k = beginning.k
        rows, weight, index = _rows_to_cluster(beginning)
        sampled = rows.shape[0] < beginning.source.n_rows and rows.shape[0] == SAMPLE_ROWS
        # two threads wait for each other where a thread's part is small: 44 ms become 860 on a
        # busy machine
        small = sampled or rows.size * k < SMALL
        seeds = MORE_SEEDS if beginning.source.n_rows >= MANY_ROWS else SAMPLE_SEEDS
        with one_thread() if small else nullcontext():
            model = _fitted(
                rows,
                weight,
                n_clusters=k,
                n_init=seeds if sampled else 1,
                max_iter=SAMPLE_ITER if sampled else 300,
                random_state=beginning.random,
            )
        labels: NDArray[np.integer[Any]] = model.labels_
        if index is not None and not sampled:  # rows of weight 0 are left out: they count nowhere
            center = np.asarray(model.cluster_centers_, dtype=np.float64)
            return from_nearest(beginning, center)

        def hard(block: Block) -> Array:
            return one_hot(labels[block.start : block.stop], k)

        if not sampled:
            return from_responsibilities(beginning, hard)
        source = MemorySource(rows, weight).placed(beginning.engine)
        return from_responsibilities(replace(beginning, source=source), hard)


def partition(
    rows: Array, weight: Array, k: int, random: np.random.RandomState
) -> NDArray[np.intp]:
    """Clusters (n,) of scikit-learn's k-means, numbered from 0; fewer than k where rows tie."""
    with one_thread():
        model = _fitted(rows, weight, n_clusters=k, n_init=1, random_state=random)
    return np.unique(model.labels_, return_inverse=True)[1].astype(np.intp)


@final
@dataclass(frozen=True)
class KMeansPlusPlus:
    """Rows chosen by ``sklearn.cluster.kmeans_plusplus`` as means."""

    name: str = "k-means++"

    def statistics(self, beginning: Beginning) -> SufficientStatistics:
        """One row a component (see `from_rows`)."""
        from sklearn.cluster import kmeans_plusplus

        rows, weight, index = _rows_to_cluster(beginning)
        _, chosen = kmeans_plusplus(
            rows, beginning.k, sample_weight=weight, random_state=beginning.random
        )
        return from_rows(beginning, chosen if index is None else index[chosen])


def _fitted(rows: Rows, weight: Array | None, **arguments: Any) -> Any:
    """scikit-learn's k-means of these rows."""
    from sklearn.cluster import KMeans as SklearnKMeans

    with (
        warnings.catch_warnings(),
        np.errstate(over="ignore", invalid="ignore"),  # rows out of range: the status says so
    ):
        # fewer distinct rows than clusters: the fit's status will say so, with the component
        warnings.filterwarnings("ignore", message="Number of distinct clusters")
        return SklearnKMeans(**arguments).fit(rows, sample_weight=weight)


def _rows_to_cluster(
    beginning: Beginning,
) -> tuple[Rows, Array | None, NDArray[np.intp] | None]:
    """Rows, their weights, and which they are (None: all, in order)."""
    source = beginning.source
    index = counted_rows(source)
    usable = source.n_rows if index is None else index.size
    check_enough(usable, beginning.k)
    if usable > SAMPLE_ROWS:
        drawn = np.sort(beginning.random.choice(usable, size=SAMPLE_ROWS, replace=False))
        index = drawn if index is None else index[drawn]
    everything = np.arange(source.n_rows) if index is None else index
    weight = all_weights(source)
    return source.take(everything), None if weight is None else weight[everything], index
