"""Rows drawn from a model, beside the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, final

import numpy as np

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.plots import labels, one_feature
from ellimix.plots.clusters import left_out, legend, outlines
from ellimix.plots.crowds import crowd, marks, subset
from ellimix.plots.display import Display
from ellimix.plots.frames import frame
from ellimix.plots.scene import Axis, Bars, Bounds, Image, Mark, Panel, Scene
from ellimix.plots.subject import mixture_of, rows_of, whole_number
from ellimix.plots.views import Features, View, view
from ellimix.records import Array

MOST_POINTS = 5000  # of the data, and drawn from the model by default
WITHOUT_DATA = 1000  # drawn from the model, where there are no rows to compare with
PICTURES = 100  # by default
MOST_PIXELS = 4_000_000  # of all pictures of a panel
GREY = ("#000000", "#FFFFFF")  # as photographs: a larger value is lighter
NO_TICKS = np.empty(0)
GAP = 1  # pixels between pictures

Inverse = Callable[[Array], Any]


def samples_scene(
    model: Any,
    X: Any = None,
    *,
    n: int | None = None,
    features: Features = None,
    shape: Sequence[int] | None = None,
    inverse: Inverse | None = None,
    random_state: int = 0,
) -> Scene:
    """Rows drawn from the model beside the data, on the same axes; or both as pictures.

    Parameters
    ----------
    model : fitted estimator, search or Mixture
    X : array-like of shape (n, d), optional
        The data, with NaN for missing values: at most 5,000 rows are drawn, at random, or of
        pictures `n` without missing values. Without, the model's own are drawn alone.
    n : int, optional
        How many rows to draw from the model: by default as many as of the data, and 1,000 without,
        or 100 pictures.
    features : one or two numbers or names of features, or "plane", optional
        As for the kind "clusters". Not with `shape`.
    shape : tuple of two int, or of three, the last of them 3, optional
        Rows are pictures of so many lines and columns, such as (8, 8), and drawn as such: grey,
        the largest value white, or in red, green and blue.
    inverse : callable, optional
        From rows of the model, (n, d), to pixels, such as the `inverse_transform` of the PCA that
        the model was fitted behind. With `shape` alone.
    random_state : int, default 0
        Seed of the draws.

    Returns
    -------
    Scene

    Raises
    ------
    DataError
        The model is not fitted; `X`, `features` or `shape` do not fit it; `n` is not positive;
        or `inverse` is no function, or gives something else than pixels.
    """
    mixture = mixture_of(model)
    rows = rows_of(mixture, X)
    seed = whole_number("random_state", random_state, least=0)
    count = None if n is None else whole_number("n", n)
    if shape is not None:
        if features is not None:
            raise DataError("Pictures show all features: leave out features, or shape.")
        return _pictures(mixture, rows, X, _sizes(shape), count or PICTURES, inverse, seed)
    if inverse is not None:
        raise DataError("inverse makes pixels of rows: pass the pictures' shape, too.")
    looked = view(mixture, features)
    shown = crowd(rows, looked, MOST_POINTS).rows if X is not None else rows
    if len(rows) and not len(shown):
        columns = ", ".join(looked.labels)
        raise DataError(f"No row of X has a value in {columns}: there is nothing to compare with.")
    one = len(looked.labels) == 1
    shown = shown if one else subset(shown, MOST_POINTS)
    drawn = mixture.sample(count or len(shown) or WITHOUT_DATA, seed)[0]
    panels = (_bars if one else _scatters)(mixture, looked, shown, drawn, len(rows))
    return _scene(mixture, panels, left_out(mixture))


def _scene(mixture: Mixture, panels: tuple[Panel, ...], notes: tuple[str, ...]) -> Scene:
    """The panels side by side, with the model's words above."""
    words = labels.counted(mixture)
    if len(panels) == 1:
        return Scene((replace(panels[0], title=f"{words}; {panels[0].title}"),), notes=notes)
    return Scene(panels, 2, f"data, and drawn from {words}", notes, (5.2, 4.6))


# -- points and histograms -----------------------------------------------------------------------


def _scatters(
    mixture: Mixture, looked: View, shown: Array, drawn: Array, total: int
) -> tuple[Panel, ...]:
    limits = frame(mixture, looked, np.concatenate([looked.of(shown), looked.of(drawn)]))
    bounds = limits[0], limits[1]
    axes = Axis(looked.labels[0], bounds[0]), Axis(looked.labels[1], bounds[1])
    own = labels.rows(len(drawn), len(drawn))
    parts = [(shown, f"data: {labels.rows(total, len(shown))}"), (drawn, f"model: {own}")]
    out = []
    for rows, title in parts:
        if not len(rows):
            continue
        points = marks(mixture, looked, crowd(rows, looked, max(len(rows), 1)), bounds)
        out.append(
            Panel((*points, *outlines(mixture, looked)), title, *axes, legend=legend(mixture))
        )
    return tuple(out)


def _bars(
    mixture: Mixture, looked: View, shown: Array, drawn: Array, total: int
) -> tuple[Panel, ...]:
    """One feature: histograms with the same bars, and the model's density over both."""
    values = [looked.of(rows)[:, 0] for rows in (shown, drawn)]
    every = np.concatenate(values)
    (bars,) = one_feature.histogram(every)
    edges = np.append(bars.start, bars.start[-1] + bars.width[-1])
    at = one_feature.grid(mixture, looked, every)
    curves = [*one_feature.curves(mixture, at, one_feature.joint(mixture, looked, at))]
    titles = (
        f"data: {labels.rows(total, len(shown))}",
        f"model: {labels.rows(len(drawn), len(drawn))}",
    )
    pairs = [(v, title) for v, title in zip(values, titles, strict=True) if v.size]
    parts: list[tuple[tuple[Mark, ...], str]] = [
        ((_histogram(v, edges, bars), *curves), title) for v, title in pairs
    ]
    y = Axis("density", (0.0, max(one_feature.heights(shown)[1] for shown, _ in parts)))
    x = Axis(looked.labels[0], (float(at[0]), float(at[-1])))
    return tuple(Panel(shown, title, x, y, legend=legend(mixture)) for shown, title in parts)


def _histogram(values: Array, edges: Array, like: Bars) -> Bars:
    height = np.histogram(values, edges, density=True)[0]
    return Bars(edges[:-1], np.diff(edges), height, edge=like.edge)


# -- pictures ------------------------------------------------------------------------------------


def _sizes(shape: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else ()
    good = all(isinstance(s, int | np.integer) and not isinstance(s, bool) and s > 0 for s in sizes)
    if not good or len(sizes) not in (2, 3) or sizes[2:] not in ((), (3,)):
        raise DataError(
            "shape is the lines and columns of a picture, such as (8, 8), or with 3 colours, such "
            f"as (32, 32, 3), but {shape!r} came."
        )
    return tuple(int(s) for s in sizes)


def _pictures(
    mixture: Mixture,
    rows: Array,
    X: Any,
    shape: tuple[int, ...],
    n: int,
    inverse: Inverse | None,
    seed: int,
) -> Scene:
    if n * int(np.prod(shape[:2])) > MOST_PIXELS:
        raise DataError(
            f"{n:,} pictures of {shape[0]} x {shape[1]} pixels are more than {MOST_PIXELS:,} "
            "pixels: choose a smaller n."
        )
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(mixture.sample(n, rng)[0])  # they come grouped by component
    whole = rows[~np.isnan(rows).any(axis=1)]
    shown = subset(whole, n)
    parts = [(pixels(part, shape, inverse), part) for part in (shown, drawn) if len(part)]
    values = np.concatenate([own.ravel() for own, _ in parts[:1]])  # the data's, where there are
    limits = float(values.min()), float(values.max())
    limits = limits if limits[1] > limits[0] else (limits[0] - 0.5, limits[0] + 0.5)
    titles = [f"data: {labels.rows(len(rows), len(shown))}"] if len(shown) else []
    titles.append(f"model: {n:,} picture{'s' * (n != 1)}")
    panels = [_mosaic(own, title, limits) for (own, _), title in zip(parts, titles, strict=True)]
    notes = _left_out(len(rows) - len(whole)) if X is not None else ()
    return _scene(mixture, (*panels,), notes)


def _left_out(missing: int) -> tuple[str, ...]:
    if not missing:
        return ()
    words = "row has" if missing == 1 else "rows have"
    return (f"{missing:,} {words} missing values, and no picture.",)


def pixels(rows: Array, shape: tuple[int, ...], inverse: Inverse | None) -> Array:
    """Pictures of rows, (n, lines, columns) or (n, lines, columns, 3)."""
    flat: Any = rows
    if inverse is not None:
        if not callable(inverse):
            raise DataError(f"inverse is a function from rows to pixels, but {inverse!r} came.")
        flat = np.asarray(inverse(rows), dtype=np.float64)
    size = int(np.prod(shape))
    if flat.shape[:1] != rows.shape[:1] or flat.size != len(rows) * size:
        what = f"Rows of {rows.shape[1]} features" if inverse is None else "What inverse gives"
        shown = " x ".join(map(str, shape))
        came = f", of shape {flat.shape}," if inverse is not None else ""
        raise DataError(f"{what}{came} cannot be pictures of {shown} = {size} numbers.")
    if not np.isfinite(flat).all():
        raise DataError("inverse gives pixels that are not finite numbers.")
    return np.asarray(flat.reshape(-1, *shape))


def mosaic(pictures: Array, limits: Bounds) -> Array:
    """All pictures in lines, the first at the top left, as one, from below to above.

    Grey ones are numbers, NaN between them; coloured ones are RGBA, clear between them.
    """
    n, lines, columns = pictures.shape[:3]
    across = int(np.ceil(np.sqrt(n * lines / columns)))
    down = -(-n // across)
    colored = pictures.ndim == 4
    size = (down * (lines + GAP) - GAP, across * (columns + GAP) - GAP)
    out = np.zeros((*size, 4)) if colored else np.full(size, np.nan)
    for at, picture in enumerate(pictures):
        i, j = divmod(at, across)
        top, left = i * (lines + GAP), j * (columns + GAP)
        part = (slice(top, top + lines), slice(left, left + columns))
        if colored:
            low, high = limits
            out[(*part, slice(3))] = np.clip((picture - low) / (high - low), 0.0, 1.0)
            out[(*part, 3)] = 1.0
        else:
            out[part] = picture
    return out[::-1]


def _mosaic(pictures: Array, title: str, limits: Bounds) -> Panel:
    cells = mosaic(pictures, limits)
    down, across = map(float, cells.shape[:2])
    image = Image(cells, (0.0, across), (0.0, down), GREY, limits)
    x, y = Axis(limits=(0.0, across), ticks=NO_TICKS), Axis(limits=(0.0, down), ticks=NO_TICKS)
    return Panel((image,), title, x, y, equal=True, framed=False)


@final
class SamplesDisplay(Display):
    """Rows drawn from a model beside the data. Options: see `scene`.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> model = em.GaussianMixture(2, random_state=0).fit(X)
    >>> display = em.plots.SamplesDisplay.from_estimator(model, X)
    >>> [ax.get_title() for ax in display.axes_]
    ['data: 272 rows', 'model: 272 rows']
    """

    name = "samples"
    scene = staticmethod(samples_scene)
