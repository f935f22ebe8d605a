"""Densities over one axis: histogram, weighted components, mixture, kernel estimate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.stats import gaussian_kde

from ellimix.density.mixture import Mixture
from ellimix.plots import colors, labels
from ellimix.plots.crowds import subset
from ellimix.plots.frames import frame
from ellimix.plots.scene import Bars, Bounds, Line, Mark
from ellimix.plots.views import View, lasting
from ellimix.records import Array

MOST_BARS = 200
EDGED = 60  # bars, above which they have no edges
MOST_KERNELS = 5000  # rows in a kernel estimate, at random
POINTS = 1000  # of a curve
SPREAD = 1e-12  # of the values' size: below it they are one value, and have no kernel estimate


def histogram(values: Array) -> tuple[Bars, ...]:
    """A histogram of density, by NumPy's rule "auto" with 200 bars at most; none of no values."""
    if not values.size:
        return ()
    low, high = float(values.min()), float(values.max())
    if high - low <= SPREAD * max(abs(low), abs(high)):
        edges = np.array([low - 0.5, low + 0.5])
    else:
        edges = np.linspace(low, high, _bars(values) + 1)
    height, edges = np.histogram(values, edges, density=True)
    bars = Bars(edges[:-1], np.diff(edges), height)
    return (bars if height.size <= EDGED else replace(bars, edge=bars.color),)


def _bars(values: Array) -> int:
    """Number of bars, NumPy's "auto": the larger of Sturges' and Freedman & Diaconis'."""
    middle = float(np.subtract(*np.quantile(values, [0.75, 0.25])))
    width = 2.0 * middle / values.size ** (1.0 / 3.0)
    sturges = np.log2(values.size) + 1.0
    spread = np.ptp(values) / width if width > 0.0 else 0.0
    return int(min(np.ceil(max(sturges, spread)), MOST_BARS))


def grid(mixture: Mixture, view: View, values: Array) -> Array:
    """Where curves are computed, (m,): fine over what is drawn, finer about each mean."""
    ((low, high),) = frame(mixture, view, values[:, None])
    deviation = np.sqrt(view.covariances(mixture)[:, 0, 0])
    near = view.means(mixture)[:, 0] + deviation * np.linspace(-4.0, 4.0, 81)[:, None]
    every = np.concatenate([np.linspace(low, high, POINTS), near.ravel()])
    return np.unique(np.clip(every, low, high))


def joint(mixture: Mixture, view: View, at: Array) -> Array:
    """Weighted densities of the components at a feature's values, (m, k); noise is one more.

    All other features are integrated out. Noise is there inside of its box alone.
    """
    j = view.features[0]
    rows = np.full((len(at), mixture.n_features), np.nan)
    rows[:, j] = at
    out = np.exp(mixture.log_joint(rows))
    if mixture.box is not None:
        reach = np.abs(mixture.box.axes[j]) @ mixture.box.sides / 2.0
        out[np.abs(at - mixture.box.middle[j]) > reach, -1] = 0.0
    return out


def curves(mixture: Mixture, at: Array, parts: Array, width: float = 1.8) -> Iterator[Line]:
    """The components' curves, and the mixture's, dashed."""
    k = mixture.n_components
    for j in map(int, lasting(mixture)):
        xy = np.column_stack([at, parts[:, j]])
        yield Line(xy, colors.style(j)[0], width, label=labels.component(mixture, j))
    if mixture.box is not None:
        xy = np.column_stack([at, parts[:, k]])
        yield Line(xy, colors.NOISE, width, label=labels.noise(mixture))
    total = np.column_stack([at, parts.sum(axis=1)])
    yield Line(total, "#000000", 1.2, "dash", "mixture")


def kernel(values: Array, at: Array) -> tuple[Line, ...]:
    """A Gaussian kernel estimate with Scott's bandwidth (scipy); none of fewer than 3 values."""
    values = subset(values[:, None], MOST_KERNELS)[:, 0]
    if values.size < 3 or np.ptp(values) <= SPREAD * np.abs(values).max():
        return ()
    coarse = np.linspace(at[0], at[-1], 400)
    xy = np.column_stack([coarse, gaussian_kde(values)(coarse)])
    return (Line(xy, "#4D4D4D", 1.4, "dot", "kernel estimate"),)


def heights(marks: tuple[Mark, ...]) -> Bounds:
    """Limits of the vertical axis: from 0 to above all bars and curves."""
    tops = [float(mark.height.max()) for mark in marks if isinstance(mark, Bars)]
    tops += [float(mark.xy[:, 1].max()) for mark in marks if isinstance(mark, Line)]
    return 0.0, 1.05 * (max(tops, default=1.0) or 1.0)
