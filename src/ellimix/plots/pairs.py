"""All pairs of features, and the features' own densities on the diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.plots import labels, one_feature
from ellimix.plots.clusters import left_out, outlines
from ellimix.plots.crowds import MANY, crowd, keys, marks, subset
from ellimix.plots.display import Display
from ellimix.plots.frames import frame
from ellimix.plots.scene import Axis, Bounds, Legend, Mark, Panel, Scene
from ellimix.plots.subject import mixture_of, rows_of
from ellimix.plots.views import numbers, seen
from ellimix.records import Array

MOST_FEATURES = 8
MOST_POINTS = 3000  # in a panel
WIDEST = 10.0  # inches, of the whole picture
CROSS = 18.0  # area of a cross
NO_TICKS = np.empty(0)


def pairs_scene(model: Any, X: Any = None, *, features: Sequence[int | str] | None = None) -> Scene:
    """All pairs of features with the components' ellipses, and densities on the diagonal.

    Below the diagonal each panel is the kind "clusters" of two features. On it are the feature's
    histogram, the weighted densities of the components with all other features integrated out, and
    their sum, dashed.

    Parameters
    ----------
    model : fitted estimator, search or Mixture
    X : array-like of shape (n, d), optional
        The rows, with NaN for missing values. Of fewer than 100,000 rows at most 3,000 are
        drawn, at random; of more, 100,000 are counted in cells.
    features : up to 8 numbers or names of features, optional
        By default all.

    Returns
    -------
    Scene

    Raises
    ------
    DataError
        The model is not fitted, `X` or `features` do not fit it, or there are more than 8 features
        to draw.
    """
    mixture = mixture_of(model)
    chosen = _chosen(mixture, features)
    every = rows_of(mixture, X)
    some = every[~np.isnan(every[:, list(chosen)]).all(axis=1)]
    rows = subset(some, MANY if len(some) >= MANY else MOST_POINTS)
    limits = frame(mixture, seen(mixture, chosen), rows[:, list(chosen)])
    m = len(chosen)
    panels = [_panel(mixture, rows, chosen, limits, divmod(at, m)) for at in range(m * m)]
    said = "" if X is None else f"; {labels.rows(len(every), len(rows), len(rows) >= MANY)}"
    title = labels.counted(mixture) + said
    size = min(2.6, WIDEST / m) if m > 1 else 5.0
    return Scene(tuple(panels), m, title, left_out(mixture), (1.15 * size, size))


def _chosen(mixture: Mixture, features: Sequence[int | str] | None) -> tuple[int, ...]:
    wanted = range(mixture.n_features) if features is None else features
    chosen = numbers(mixture, wanted)
    if not 1 <= len(chosen) <= MOST_FEATURES:
        raise DataError(
            f"Pairs of {len(chosen)} features cannot be drawn: choose 1 to {MOST_FEATURES} of the "
            f"{mixture.n_features} with features=."
        )
    return chosen


def _panel(
    mixture: Mixture,
    rows: Array,
    chosen: tuple[int, ...],
    limits: tuple[Bounds, ...],
    cell: tuple[int, int],
) -> Panel | None:
    i, j = cell
    last = len(chosen) - 1
    if cell == (0, last) and last > 0:
        legend = Legend("component", "center")
        return Panel(keys(mixture), legend=legend, framed=False)
    if i < j:
        return None
    x = _axis(mixture, chosen[j], limits[j], shown=i == last)
    if i == j:
        return _diagonal(mixture, rows, chosen[i], x, alone=last == 0)
    looked = seen(mixture, (chosen[j], chosen[i]))
    bounds = limits[j], limits[i]
    points = marks(mixture, looked, crowd(rows, looked, MOST_POINTS), bounds, 0.5)
    y = _axis(mixture, chosen[i], limits[i], shown=j == 0)
    return Panel((*points, *outlines(mixture, looked, CROSS)), x=x, y=y)


def _axis(mixture: Mixture, feature: int, limits: Bounds, shown: bool) -> Axis:
    if shown:
        return Axis(labels.short(mixture.names[feature], 20), limits)
    return Axis(limits=limits, ticks=NO_TICKS)


def _diagonal(mixture: Mixture, rows: Array, feature: int, x: Axis, alone: bool) -> Panel:
    looked = seen(mixture, (feature,))
    values = rows[~np.isnan(rows[:, feature]), feature]
    at = one_feature.grid(mixture, looked, values)
    curves = one_feature.curves(mixture, at, one_feature.joint(mixture, looked, at), 1.3)
    shown: tuple[Mark, ...] = (*one_feature.histogram(values), *curves)
    height = one_feature.heights(shown)
    y = Axis("density", height) if alone else Axis(limits=height, ticks=NO_TICKS)
    return Panel(shown, x=x, y=y, legend=Legend("component") if alone else None)


@final
class PairsDisplay(Display):
    """All pairs of features. Options: see `scene`.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.iris()
    >>> model = em.GaussianMixture(3, random_state=0).fit(X)
    >>> display = em.plots.PairsDisplay.from_estimator(model, X)
    >>> len(display.axes_)  # 6 pairs, 4 features, and the legend
    11
    """

    name = "pairs"
    scene = staticmethod(pairs_scene)
