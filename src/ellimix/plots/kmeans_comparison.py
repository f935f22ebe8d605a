"""The clusters of k-means beside the components of a mixture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.plots import labels, one_feature
from ellimix.plots.clusters import MANY, legend, outlines
from ellimix.plots.colors import style
from ellimix.plots.crowds import Crowd, chosen_at, marks, subset
from ellimix.plots.display import Display
from ellimix.plots.ellipses import crosses, outline
from ellimix.plots.frames import frame
from ellimix.plots.scene import Axis, Bounds, Legend, Line, Mark, Panel, Points, Scene
from ellimix.plots.subject import mixture_of, needed
from ellimix.plots.views import Features, View, lasting, view
from ellimix.records import Array
from ellimix.starts.kmeans import partition

MOST_POINTS = 5000  # in a panel
SAMPLE = 20_000  # rows that k-means is run on
SEED = 0
SPILL = 0.2  # of the axis' length: room for circles where units differ
ALIKE = 3.0  # ratio of the axes' lengths, up to which a unit is as long on both
CHUNK = 65_536
FITTED = ("cluster_centers_", "labels_")  # of a fitted object, the first of them that fits

Partition = tuple[Array, NDArray[np.intp]]  # centers (c, d), and the center's number of each row


@final
@dataclass(frozen=True, eq=False)
class Clusters:
    """A partition by nearest centers, with the numbers of the components that it fits best.

    Parameters
    ----------
    centers : ndarray of shape (c, d)
    labels : ndarray of shape (n,)
        Of the rows without missing values: the number of a center.
    numbers : ndarray of shape (c,)
        The number, and so the colour, of each cluster: of the component that shares the most rows
        with it.
    same : float
        Share of the rows whose cluster has the number of their component.
    """

    centers: Array
    labels: NDArray[np.intp]
    numbers: NDArray[np.intp]
    same: float


def kmeans_scene(
    model: Any, X: Any = None, *, features: Features = None, kmeans: Any = None
) -> Scene:
    """The clusters of k-means on the left, the components of the mixture on the right.

    k-means measures distances from centers, the same along all directions and for all clusters: a
    circle about each center reaches its farthest row. Clusters have the colours of the components
    that they share the most rows with, each one of its own.

    Parameters
    ----------
    model : fitted estimator, search or Mixture
    X : array-like of shape (n, d)
        The rows. k-means takes those without missing values; it is run on 20,000 of them at most,
        and gives all rows to their nearest center. At most 5,000 are drawn.
    features : one or two numbers or names of features, or "plane", optional
        As for the kind "clusters". In a plane a circle is an ellipse: the shadow of a ball.
    kmeans : array of int of shape (n,), array of shape (c, d), or fitted object, optional
        Labels of all rows, of which the means are the centers; centers, to the nearest of which
        rows belong; or an object with `cluster_centers_` of these features or `labels_` for these
        rows. By default scikit-learn's k-means of one start, with as many clusters as the mixture
        has components of some weight.

    Returns
    -------
    Scene

    Raises
    ------
    DataError
        The model is not fitted; there are no rows, or none without missing values; or `X`,
        `features` or `kmeans` do not fit it.
    """
    mixture = mixture_of(model)
    every = needed(mixture, X, KMeansDisplay.name)
    whole = np.asarray(~np.isnan(every).any(axis=1))
    rows = every[whole]
    if not len(rows):
        raise DataError("k-means takes rows without missing values, and X has none.")
    clusters = _clusters(mixture, rows, _asked(mixture, kmeans, whole, rows))
    looked = view(mixture, features)
    shown = chosen_at(len(rows), MOST_POINTS)
    bounds = frame(mixture, looked, looked.of(rows))
    if len(looked.labels) == 1:
        pair = _bars(mixture, looked, rows, clusters, bounds)
    else:
        pair = _pair(mixture, looked, rows, shown, clusters, bounds)
    k = lasting(mixture).size
    title = (
        f"{clusters.same:.0%} of {labels.rows(len(rows), len(rows))} have the same cluster by "
        f"k-means and the mixture of {k} component{'s' * (k != 1)}"
    )
    notes = _notes(len(every) - len(rows), len(rows), shown.size, pair[0], looked)
    return Scene(pair, 2, title, notes, (5.4, 4.6))


def _notes(missing: int, rows: int, shown: int, panel: Panel, looked: View) -> tuple[str, ...]:
    out = []
    if missing:
        words = "row has" if missing == 1 else "rows have"
        said = "no panel has them, as k-means takes none"
        out.append(f"{missing:,} {words} missing values: {said}.")
    if shown < rows and len(looked.labels) == 2:
        out.append(f"{labels.rows(rows, shown)}.")
    if len(looked.labels) == 2 and not panel.equal and looked.features:
        out.append("The axes have different units: the circles of k-means are drawn as ellipses.")
    return tuple(out)


# -- the clusters --------------------------------------------------------------------------------


def _asked(mixture: Mixture, kmeans: Any, whole: NDArray[np.bool_], rows: Array) -> Partition:
    """The centers that were asked for, (c, d), and the clusters of the rows."""
    if kmeans is None:
        some = subset(rows, SAMPLE)
        k = min(lasting(mixture).size, len(some))
        owner = partition(some, np.ones(len(some)), k, np.random.RandomState(SEED))
        centers = _means(some, owner)
        return centers, nearest(rows, centers)
    found = [getattr(kmeans, name) for name in FITTED if hasattr(kmeans, name)]
    for values in map(_numbers, found or [kmeans]):
        if values.shape == whole.shape:
            owner = np.unique(values[whole], return_inverse=True)[1]
            return _means(rows, owner), owner
        if values.ndim == 2 and values.shape[1] == mixture.n_features and len(values):
            return values, nearest(rows, values)
    raise DataError(
        f"kmeans is {whole.size:,} labels, one for each row, centers of shape (c, "
        f"{mixture.n_features}), or a fitted object that has them, but what came has neither."
    )


def _numbers(values: Any) -> Array:
    """An array of finite numbers; one of no shape that could be meant where it is none."""
    try:
        out = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        return np.empty((0, 0, 0))
    if not np.isfinite(out).all():
        raise DataError("kmeans has numbers that are not finite: pass those of a fitted k-means.")
    return out


def _means(rows: Array, owner: NDArray[np.intp]) -> Array:
    count = np.bincount(owner)
    sums = [np.bincount(owner, column) for column in rows.T]
    return np.asarray(np.stack(sums, axis=1) / count[:, None])


def nearest(rows: Array, centers: Array) -> NDArray[np.intp]:
    """The nearest center of each row, (n,)."""
    middle = centers.mean(axis=0)  # differences of large squares lose digits
    away = centers - middle
    out = np.empty(len(rows), dtype=np.intp)
    for at in range(0, len(rows), CHUNK):
        part = slice(at, at + CHUNK)
        cross = (rows[part] - middle) @ away.T
        out[part] = (0.5 * (away**2).sum(axis=1) - cross).argmin(axis=1)
    return out


def _clusters(mixture: Mixture, rows: Array, asked: Partition) -> Clusters:
    """The clusters, with the numbers of the components that share the most rows with them."""
    centers, owner = asked
    component = mixture.predict(rows)
    k, c = mixture.n_components, len(centers)
    known = component >= 0
    table = np.zeros((c, max(k, c)))
    np.add.at(table, (owner[known], component[known]), 1.0)
    numbers = linear_sum_assignment(table, maximize=True)[1]
    same = float((numbers[owner] == component).mean())
    return Clusters(centers, owner, np.asarray(numbers, dtype=np.intp), same)


# -- the panels ----------------------------------------------------------------------------------


def _pair(
    mixture: Mixture,
    looked: View,
    rows: Array,
    shown: NDArray[np.intp],
    clusters: Clusters,
    bounds: tuple[Bounds, ...],
) -> tuple[Panel, Panel]:
    seen = looked.of(rows)
    circles = [*_circles(looked, seen, clusters)]
    lengths = [high - low for low, high in bounds]
    equal = bool(looked.features) and max(lengths) <= ALIKE * min(lengths)
    x, y = _with(circles, bounds, 1.0 if equal else SPILL)
    size = float(np.clip(6000 / shown.size, 2.0, 24.0))
    owner = clusters.labels[shown]
    left: list[Mark] = [
        Points(seen[shown][owner == j], style(number)[0], size, style(number)[1],
               f"{number} ({(clusters.labels == j).mean():.0%})", opacity=0.7)
        for j, number in _by_number(clusters)
    ]  # fmt: skip
    left += [*circles, crosses(looked.of(clusters.centers))]
    crowd = Crowd(rows[shown], len(rows), False)
    right = (*marks(mixture, looked, crowd, (x, y)), *outlines(mixture, looked))
    axes = Axis(looked.labels[0], x), Axis(looked.labels[1], y)
    key = Legend("cluster", "best" if len(clusters.centers) <= MANY else "outside")
    return (
        Panel((*left,), "k-means", *axes, legend=key, equal=equal),
        Panel(right, labels.counted(mixture), *axes, legend=legend(mixture), equal=equal),
    )


def _with(circles: list[Line], bounds: tuple[Bounds, ...], most: float) -> tuple[Bounds, Bounds]:
    """Axes with room for the circles: at most so many times the length more on each side."""
    reach = np.concatenate([circle.xy for circle in circles])
    out = []
    for (low, high), values in zip(bounds, reach.T, strict=True):
        room = most * (high - low)
        left, right = min(low, float(values.min())), max(high, float(values.max()))
        out.append((max(left, low - room), min(right, high + room)))
    return out[0], out[1]


def _by_number(clusters: Clusters) -> list[tuple[int, int]]:
    """Clusters and their numbers, in the order of the numbers."""
    return [(int(j), int(clusters.numbers[j])) for j in np.argsort(clusters.numbers)]


def _circles(looked: View, seen: Array, clusters: Clusters) -> list[Line]:
    """What a ball about each center looks like that reaches the farthest row of its cluster."""
    shadow = looked.basis.T @ looked.basis  # of the unit ball
    middles = looked.of(clusters.centers)
    out = []
    for j, number in _by_number(clusters):
        mine = seen[clusters.labels == j] - middles[j]
        squares = np.einsum("ij,ij->i", mine @ np.linalg.inv(shadow), mine)
        radius = float(np.sqrt(squares.max(initial=0.0)))
        out.append(Line(outline(middles[j], shadow, radius), style(number)[0], 1.8))
    return out


def _bars(
    mixture: Mixture,
    looked: View,
    rows: Array,
    clusters: Clusters,
    bounds: tuple[Bounds, ...],
) -> tuple[Panel, Panel]:
    """One feature: a histogram with the clusters' reaches, and one with the densities."""
    values = looked.of(rows)[:, 0]
    bars = one_feature.histogram(values)
    at = one_feature.grid(mixture, looked, values)
    right: tuple[Mark, ...] = (
        *bars,
        *one_feature.curves(mixture, at, one_feature.joint(mixture, looked, at)),
    )
    top = one_feature.heights(right)[1]
    left: list[Mark] = [*bars]
    for step, (j, number) in enumerate(_by_number(clusters)):
        mine = values[clusters.labels == j]
        center, color = float(looked.of(clusters.centers[[j]])[0, 0]), style(number)[0]
        height = top * (0.97 - 0.6 * step / max(len(clusters.centers), 6))
        ends = np.array([[mine.min(initial=center), height], [mine.max(initial=center), height]])
        left += [
            Line(ends, color, 3.0, label=f"{number} ({(clusters.labels == j).mean():.0%})"),
            Points(np.array([[center, height]]), color, 60.0, style(number)[1]),
            Line(np.array([[center, 0.0], [center, height]]), color, 0.9, "dot"),
        ]
    x, y = Axis(looked.labels[0], bounds[0]), Axis("density", (0.0, 1.04 * top))
    key = Legend("cluster", "best" if len(clusters.centers) <= MANY else "outside")
    return (
        Panel((*left,), "k-means", x, y, legend=key),
        Panel(right, labels.counted(mixture), x, y, legend=legend(mixture)),
    )


@final
class KMeansDisplay(Display):
    """k-means beside a mixture. Options: see `scene`.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> model = em.GaussianMixture(2, random_state=0).fit(X)
    >>> display = em.plots.KMeansDisplay.from_estimator(model, X)
    >>> [ax.get_title() for ax in display.axes_]
    ['k-means', '2 components, VVV']
    """

    name = "kmeans_comparison"
    scene = staticmethod(kmeans_scene)
