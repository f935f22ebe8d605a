"""Rows as marks: points, or an image of counts where there are many; ticks for missing values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.density.mixture import Mixture
from ellimix.plots import colors, labels
from ellimix.plots.scene import Bounds, Image, Mark, Points, Rug
from ellimix.plots.views import View, lasting
from ellimix.records import Array

MOST_POINTS = 20_000  # drawn one by one at most; a random subset of more rows
MANY = 100_000  # rows, from which on they are counted in cells
CELLS = 220  # of the image, along each axis
CHUNK = 65_536  # rows whose responsibilities are held at a time
FAINT = 0.22  # opacity of a cell with one row


@final
@dataclass(frozen=True, eq=False)
class Crowd:
    """Rows of which something is seen.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Those that are drawn as points or ticks, or all where they are counted in cells.
    total : int
        Of all rows that came.
    binned : bool
    """

    rows: Array
    total: int
    binned: bool

    @property
    def said(self) -> str:
        """How many rows are drawn, in words."""
        return labels.rows(self.total, len(self.rows), self.binned)


def crowd(rows: Array, view: View, most: int = MOST_POINTS) -> Crowd:
    """The rows to draw, at most `most` of them, or all where they are counted in cells."""
    seen = rows[~np.isnan(view.of(rows)).all(axis=1)]
    if len(view.labels) == 1:  # counted in bars
        return Crowd(seen, len(rows), False)
    binned = len(seen) >= MANY
    return Crowd(seen if binned else subset(seen, most), len(rows), binned)


def subset(rows: Array, most: int = MOST_POINTS) -> Array:
    """So many rows at most, at random, in their order."""
    return rows if len(rows) <= most else rows[chosen_at(len(rows), most)]


def chosen_at(n: int, most: int = MOST_POINTS) -> NDArray[np.intp]:
    """Places of so many of n rows at most, at random, ascending; the same at each call."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, most, replace=False))


def marks(
    mixture: Mixture, view: View, drawn: Crowd, limits: tuple[Bounds, Bounds], scale: float = 1.0
) -> tuple[Mark, ...]:
    """The rows as marks; `scale` multiplies the points' areas."""
    seen = view.of(drawn.rows)
    if drawn.binned:
        whole = ~np.isnan(seen).any(axis=1)
        image = _image(mixture, drawn.rows[whole], seen[whole], limits)
        part = subset(drawn.rows[~whole])
        ticks = _rugs(mixture, view.of(part), _owners(mixture, part))
        return (image, *keys(mixture), *ticks)
    if not len(drawn.rows):
        return keys(mixture)
    shares = mixture.responsibilities(drawn.rows)
    return (*_points(mixture, seen, shares, scale), *_rugs(mixture, seen, shares.argmax(axis=1)))


def _points(mixture: Mixture, seen: Array, shares: Array, scale: float) -> Iterator[Points]:
    """Points of each component, noise first: beneath the others."""
    whole = ~np.isnan(seen).any(axis=1)
    k, owner = mixture.n_components, shares.argmax(axis=1)
    color = colors.blend(shares, k)
    area = colors.sizes(shares, scale * float(np.clip(6000 / len(seen), 2.0, 24.0)))
    opacity = float(np.clip(2000 / len(seen), 0.5, 0.85))
    some = {*lasting(mixture), k}
    for j, name, key, marker in _looks(mixture):
        mine = whole & (owner == j)
        if j not in some and not mine.any():
            continue
        yield Points(
            seen[mine], color[mine], area[mine] * (1.0 if j < k else 0.5), marker, name, key,
            opacity=opacity,
        )  # fmt: skip


def _looks(mixture: Mixture) -> Iterator[tuple[int, str, str, str]]:
    """Number, label, colour and marker of each component, and of noise."""
    k = mixture.n_components
    for j in range(k):
        yield (j, labels.component(mixture, j), *colors.style(j))
    if mixture.box is not None:
        yield k, labels.noise(mixture), colors.NOISE, "o"


def keys(mixture: Mixture) -> tuple[Points, ...]:
    """No points, for the legend alone."""
    nowhere, some = np.empty((0, 2)), {*lasting(mixture), mixture.n_components}
    return tuple(
        Points(nowhere, key, marker=marker, label=name)
        for j, name, key, marker in _looks(mixture)
        if j in some
    )


def _rugs(mixture: Mixture, seen: Array, owner: NDArray[np.intp]) -> Iterator[Rug]:
    """Ticks at an axis for rows of which one value is seen, in their component's colour."""
    known = ~np.isnan(seen)
    for j, _, color, _ in _looks(mixture):
        for at, along in enumerate(("x", "y")):
            alone = seen[known[:, at] & ~known.all(axis=1) & (owner == j), at]
            if alone.size:
                yield Rug(alone, "x" if along == "x" else "y", color)


def _owners(mixture: Mixture, rows: Array) -> NDArray[np.intp]:
    if not len(rows):
        return np.empty(0, dtype=np.intp)
    return np.asarray(mixture.responsibilities(rows).argmax(axis=1))


def _image(
    mixture: Mixture, rows: Array, seen: Array, limits: tuple[Bounds, Bounds], cells: int = CELLS
) -> Image:
    """Counts of rows in cells as opacity, and the mean of their blended colours as colour."""
    (left, right), (bottom, top) = limits
    at = (seen - [left, bottom]) / [right - left, top - bottom] * cells
    inside = ((at >= 0.0) & (at <= cells)).all(axis=1)
    column, row = np.minimum(at[inside].astype(np.intp), cells - 1).T
    place = row * cells + column
    kept = rows[inside] if not inside.all() else rows
    sums = np.zeros((cells * cells, 4))
    for start in range(0, len(kept), CHUNK):
        part = slice(start, start + CHUNK)
        color = colors.blend(mixture.responsibilities(kept[part]), mixture.n_components)
        for channel, values in enumerate((*color.T, None)):
            sums[:, channel] += np.bincount(place[part], values, minlength=len(sums))
    count = sums[:, 3]
    out = np.zeros((cells * cells, 4))
    some = count > 0.0
    out[some, :3] = sums[some, :3] / count[some, None]
    most = np.log1p(count.max()) - np.log(2.0) if some.any() else 0.0
    height = (np.log1p(count[some]) - np.log(2.0)) / (most or 1.0)
    out[some, 3] = FAINT + (1.0 - FAINT) * height
    return Image(out.reshape(cells, cells, 4), (left, right), (bottom, top))
