"""The density of a mixture: curves, contours or a surface."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.plots import labels, one_feature
from ellimix.plots.clusters import legend
from ellimix.plots.colors import SEQUENTIAL
from ellimix.plots.crowds import subset
from ellimix.plots.display import Display
from ellimix.plots.ellipses import crosses
from ellimix.plots.frames import frame
from ellimix.plots.scene import (
    INK,
    Axis,
    ColorBar,
    Contours,
    Mark,
    Panel,
    Points,
    Scene,
    Surface,
)
from ellimix.plots.subject import mixture_of, rows_of
from ellimix.plots.views import Features, View, lasting, view
from ellimix.records import Array

CELLS = 160  # of the grid, along each axis
DEPTH = 12  # nats below the highest density that contours go
STEPS = 10  # between contours of the density itself
LIGHT = ("#FFFFFF", "#E3EFF8", "#C3DDF0", "#9CC8E5", "#6FB0D9")  # so that rows stand out
LINES = ("#9CC8E5", "#0072B2")
MOST = 5000  # points over a density


def density_scene(
    model: Any,
    X: Any = None,
    *,
    features: Features = None,
    log: bool | None = None,
    surface: bool = False,
) -> Scene:
    """The density of a mixture, with the rows.

    With two features: filled contours, a nat apart down to 12 below the top, with at most 5,000
    of the rows as points and a cross at each mean. Of more features, two are drawn, with the others
    integrated out exactly, or a plane. With one feature: the mixture and its weighted components
    over a histogram, and a kernel estimate of the rows (Scott 1992) to compare with.

    Parameters
    ----------
    model : fitted estimator, search or Mixture
    X : array-like of shape (n, d), optional
        The rows, with NaN for missing values; those in which a value that is shown is missing are
        not drawn.
    features : one or two numbers or names of features, or "plane", optional
        As for the kind "clusters". In a plane a noise component is left out.
    log : bool, optional
        Draw the logarithm of the density (nats); by default for contours, not for a surface.
    surface : bool, default False
        A surface in three dimensions, with the rows on the floor.

    Returns
    -------
    Scene

    Raises
    ------
    DataError
        The model is not fitted; `X` or `features` do not fit it; or it takes two features.
    """
    mixture = mixture_of(model)
    rows = rows_of(mixture, X)
    looked = view(mixture, features)
    seen = looked.of(rows)
    seen = seen[~np.isnan(seen).any(axis=1)]
    if len(looked.labels) == 1:
        if surface or log is not None:
            raise DataError("One feature has a curve of its density: surface and log need two.")
        return Scene((_curves(mixture, looked, seen[:, 0], _title(mixture, rows, seen, X)),))
    drawn = subset(seen, MOST)
    log = not surface if log is None else log
    title, bare = _title(mixture, rows, drawn, X), mixture.box is not None and not looked.features
    notes = ("The noise component is left out.",) if bare else ()
    paint = _solid if surface else _flat
    return Scene((paint(mixture, looked, drawn, log, title),), notes=notes)


def log_density(mixture: Mixture, looked: View, at: Array) -> Array:
    """log p at points of a view, (m,), in nats; all that is not seen is integrated out exactly.

    Parameters
    ----------
    mixture : Mixture
    looked : View
        In a plane the Gaussian components alone are seen.
    at : ndarray of shape (m, 2)
    """
    if looked.features:
        rows = np.full((len(at), mixture.n_features), np.nan)
        rows[:, list(looked.features)] = at
        return mixture.log_density(rows)
    weights = mixture.weights / mixture.weights.sum()
    seen = Mixture.from_parameters(weights, looked.means(mixture), looked.covariances(mixture))
    return np.asarray(seen.log_density(at) + np.log(mixture.weights.sum()))


def _grid(mixture: Mixture, looked: View, drawn: Array, log: bool) -> tuple[Array, Array, Array]:
    (left, right), (bottom, top) = frame(mixture, looked, drawn)
    x, y = np.linspace(left, right, CELLS), np.linspace(bottom, top, CELLS)
    at = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    z = log_density(mixture, looked, at).reshape(CELLS, CELLS)
    return x, y, z if log else np.exp(z)


def _range(z: Array, log: bool) -> tuple[float, float]:
    top = float(z.max())
    return (top - DEPTH, top) if log else (0.0, top)


def _words(log: bool) -> str:
    return "log-density (nats)" if log else "density"


def _flat(mixture: Mixture, looked: View, drawn: Array, log: bool, title: str) -> Panel:
    x, y, z = _grid(mixture, looked, drawn, log)
    low, high = _range(z, log)
    count = (DEPTH if log else STEPS) + 1
    if not log:  # a contour at 0 would be wherever the rounding says
        low, count = (high - low) / (count - 1), count - 1
    filled = Contours(x, y, z, low, high, count, scale=LIGHT, filled=True)
    lines = Contours(x, y, z, low, high, count, scale=LINES, width=0.6)
    points = Points(drawn, size=_size(drawn), opacity=0.45)
    return Panel(
        (filled, lines, points, crosses(looked.means(mixture)[lasting(mixture)])),
        title,
        Axis(looked.labels[0], (float(x[0]), float(x[-1]))),
        Axis(looked.labels[1], (float(y[0]), float(y[-1]))),
        color_bar=ColorBar(_words(log), (low, high), LIGHT),
    )


def _solid(mixture: Mixture, looked: View, drawn: Array, log: bool, title: str) -> Panel:
    x, y, z = _grid(mixture, looked, drawn, log)
    low, high = _range(z, log)
    floor = np.column_stack([drawn, np.full(len(drawn), low)])
    marks: tuple[Mark, ...] = (
        Points(floor, INK, _size(drawn) / 2.0, opacity=0.35),
        Surface(x, y, np.maximum(z, low), SEQUENTIAL[1:], (low, high), opacity=0.85),
    )
    return Panel(
        marks,
        title,
        Axis(looked.labels[0]),
        Axis(looked.labels[1]),
        Axis(_words(log), (low, high)),
        solid=True,
    )


def _curves(mixture: Mixture, looked: View, values: Array, title: str) -> Panel:
    at = one_feature.grid(mixture, looked, values)
    parts = one_feature.joint(mixture, looked, at)
    marks: tuple[Mark, ...] = (
        *one_feature.histogram(values),
        *one_feature.curves(mixture, at, parts),
        *one_feature.kernel(values, at),
    )
    limits = (float(at[0]), float(at[-1]))
    return Panel(
        marks,
        title,
        Axis(looked.labels[0], limits),
        Axis("density", one_feature.heights(marks)),
        legend=legend(mixture),
    )


def _size(drawn: Array) -> float:
    return float(np.clip(3000 / max(len(drawn), 1), 2.0, 9.0))


def _title(mixture: Mixture, rows: Array, drawn: Array, X: Any) -> str:
    said = "" if X is None else f"; {labels.rows(len(rows), len(drawn))}"
    return f"density of {labels.counted(mixture)}{said}"


@final
class DensityDisplay(Display):
    """The density of a mixture. Options: see `scene`.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> model = em.GaussianMixture(2, random_state=0).fit(X)
    >>> em.plots.DensityDisplay.from_estimator(model, X).ax_.get_title()
    'density of 2 components, VVV; 272 rows'
    """

    name = "density"
    scene = staticmethod(density_scene)
