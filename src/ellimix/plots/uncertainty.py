"""How uncertain the components of rows are: where in the view, and of how many rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.density.mixture import UNCERTAIN, Mixture
from ellimix.plots import labels
from ellimix.plots.clusters import outlines
from ellimix.plots.colors import rgb
from ellimix.plots.crowds import CELLS, CHUNK, MANY, chosen_at, subset
from ellimix.plots.display import Display
from ellimix.plots.frames import frame
from ellimix.plots.scene import (
    Axis,
    Band,
    Bounds,
    ColorBar,
    Image,
    Line,
    Mark,
    Panel,
    Points,
    Rug,
    Scene,
    Text,
)
from ellimix.plots.subject import mixture_of, needed
from ellimix.plots.views import Features, View, view
from ellimix.records import Array

SCALE = ("#F1CDA8", "#E8913F", "#D55E00", "#6B2F00")  # certain to uncertain, ever darker
GREYS = ("#FFFFFF", "#A6A6A6")
LIMIT = 1.0 - UNCERTAIN  # from which on a row is uncertain
MOST_POINTS = 5000  # drawn one by one; the least certain of more, and a random subset of the others
GRID = 140  # places of the background, along each axis
RANKS = 1000  # corners of the curve of sorted rows
SMALL, LARGE = 8.0, 60.0  # areas of points: of a certain row, and of one of uncertainty 1/2


def uncertainty_scene(model: Any, X: Any = None, *, features: Features = None) -> Scene:
    """Where rows are uncertain, and how many.

    A row's uncertainty is 1 minus its largest responsibility. On the left a row is the larger and
    the darker the less certain it is. The grey behind is the uncertainty at each place of the view
    by what the view shows alone: all other features are integrated out. With one feature the
    uncertainty is the height, and the curve is what the feature alone says. On the right the rows
    are sorted, the least certain first.

    Parameters
    ----------
    model : fitted estimator, search or Mixture
    X : array-like of shape (n, d)
        The rows, with NaN for missing values. Their uncertainty is by all that is known of them,
        and all rows count on the right. Of fewer than 100,000 rows, the 2,500 least certain are
        drawn on the left and 2,500 others; from there on the mean of the rows in each cell is.
    features : one or two numbers or names of features, or "plane", optional
        As for the kind "clusters". In a plane the background has no noise component.

    Returns
    -------
    Scene

    Raises
    ------
    DataError
        The model is not fitted, there are no rows, or `X` or `features` do not fit it.
    """
    mixture = mixture_of(model)
    rows = needed(mixture, X, UncertaintyDisplay.name)
    looked = view(mixture, features)
    found = uncertainty(mixture, rows)
    seen = looked.of(rows)
    where = _line if len(looked.labels) == 1 else _map
    return Scene(
        (where(mixture, looked, seen, found), _sorted(found)),
        columns=2,
        title=f"uncertainty of {labels.counted(mixture)}; {labels.rows(len(rows), len(rows))}",
        notes=_notes(mixture, looked),
        panel_size=(5.4, 4.4),
    )


def uncertainty(mixture: Mixture, rows: Array) -> Array:
    """1 minus the largest responsibility of each row, (n,)."""
    parts = [
        1.0 - mixture.responsibilities(rows[at : at + CHUNK]).max(axis=1)
        for at in range(0, len(rows), CHUNK)
    ]
    return np.asarray(np.maximum(np.concatenate(parts), 0.0))


def background(mixture: Mixture, looked: View, at: Array) -> Array:
    """Uncertainty at places of a view (m,), by what is seen there alone; (m, 1 or 2) come in."""
    if looked.features:
        rows = np.full((len(at), mixture.n_features), np.nan)
        rows[:, list(looked.features)] = at
        return uncertainty(mixture, rows)
    weights = mixture.weights / mixture.weights.sum()
    shown = Mixture.from_parameters(weights, looked.means(mixture), looked.covariances(mixture))
    return uncertainty(shown, at)


def _notes(mixture: Mixture, looked: View) -> tuple[str, ...]:
    if len(looked.labels) == 1:
        words = "Points: by all that is known of a row. Curve: by this feature alone."
        return (words,) if mixture.n_features > 1 else ()
    out = ["Grey: the uncertainty at each place, by what is shown alone."]
    if not looked.features and mixture.box is not None:
        out.append("The grey has no noise component.")
    return tuple(out)


def _map(mixture: Mixture, looked: View, seen: Array, found: Array) -> Panel:
    bounds = frame(mixture, looked, seen)
    top = _top(found)
    marks: list[Mark] = [_behind(mixture, looked, bounds, top)]
    whole = np.asarray(~np.isnan(seen).any(axis=1))
    if whole.sum() >= MANY:
        marks.append(_cells(seen[whole], found[whole], bounds, top))
        said = f"{whole.sum():,} rows, binned"
    else:
        chosen = _chosen(found, whole)
        marks.append(_points(seen[chosen], found[chosen], top))
        said = labels.rows(len(seen), chosen.size)
    marks += [line for line in outlines(mixture, looked) if isinstance(line, Line)][::3]
    marks += _rugs(seen, found, whole)
    return Panel(
        tuple(marks), said, Axis(looked.labels[0], bounds[0]), Axis(looked.labels[1], bounds[1]),
        color_bar=ColorBar("uncertainty", (0.0, top), SCALE),
    )  # fmt: skip


def _line(mixture: Mixture, looked: View, seen: Array, found: Array) -> Panel:
    (x,) = frame(mixture, looked, seen)
    at = np.linspace(*x, RANKS)
    curve = Line(np.column_stack([at, background(mixture, looked, at[:, None])]), "#8C8C8C", 1.4)
    chosen = _chosen(found, ~np.isnan(seen[:, 0]))
    shown = np.column_stack([seen[chosen, 0], found[chosen]])
    top = max(_top(found), float(curve.xy[:, 1].max()))
    return Panel(
        (curve, _points(shown, found[chosen], top)), labels.rows(len(seen), chosen.size),
        Axis(looked.labels[0], x), Axis("uncertainty", (-0.02 * top, 1.04 * top)),
        color_bar=ColorBar("uncertainty", (0.0, top), SCALE),
    )  # fmt: skip


def _top(found: Array) -> float:
    """The end of the colour scale."""
    return max(0.5, float(found.max()))


def _chosen(found: Array, usable: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Rows to draw, the least certain last: they lie on top."""
    order = np.flatnonzero(usable)
    order = order[np.argsort(found[order], kind="stable")]
    if order.size <= MOST_POINTS:
        return order
    half = MOST_POINTS // 2
    others = order[:-half][chosen_at(order.size - half, MOST_POINTS - half)]
    return np.concatenate([others, order[-half:]])


def _points(seen: Array, found: Array, top: float) -> Points:
    shrunk = float(np.clip(1500.0 / max(len(seen), 1), 0.25, 1.0))
    area = shrunk * (SMALL + (LARGE - SMALL) * np.minimum(2.0 * found, 1.0))
    return Points(seen, colors_of(found, top), area, opacity=0.9)


def colors_of(found: Array, top: float) -> Array:
    """Colours of uncertainties on the scale from 0 to `top`, (n, 3)."""
    stops = np.array([rgb(color) for color in SCALE])
    at = np.linspace(0.0, top, len(SCALE))
    return np.column_stack([np.interp(found, at, stops[:, channel]) for channel in range(3)])


def _behind(mixture: Mixture, looked: View, bounds: tuple[Bounds, ...], top: float) -> Image:
    """The uncertainty at the middles of a grid's cells."""
    x, y = (low + (high - low) * (np.arange(GRID) + 0.5) / GRID for low, high in bounds)
    at = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    shade = background(mixture, looked, at).reshape(GRID, GRID)
    return Image(shade, bounds[0], bounds[1], GREYS, (0.0, top))


def _cells(seen: Array, found: Array, bounds: tuple[Bounds, ...], top: float) -> Image:
    """Mean uncertainty of the rows in each cell as a colour, clear where there are none."""
    x, y = seen.T
    count = np.histogram2d(x, y, CELLS, bounds)[0]
    total = np.histogram2d(x, y, CELLS, bounds, weights=found)[0]
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0.0)
    color = colors_of(mean.T.ravel(), top).reshape(CELLS, CELLS, 3)
    return Image(np.dstack([color, count.T > 0.0]), bounds[0], bounds[1])


def _rugs(seen: Array, found: Array, whole: NDArray[np.bool_]) -> Iterator[Rug]:
    """Ticks for rows of which one of the two values is missing, the uncertain ones on top."""
    for uncertain, color in ((False, SCALE[0]), (True, SCALE[2])):
        mine = ~whole & ((found > LIMIT) == uncertain)
        x, y = (subset(seen[mine & ~np.isnan(seen[:, j])][:, [j]])[:, 0] for j in range(2))
        yield from ([Rug(x, "x", color)] if x.size else [])
        yield from ([Rug(y, "y", color)] if y.size else [])


def _sorted(found: Array) -> Panel:
    """Uncertainties from the largest to the smallest, by share of the rows."""
    ranked = np.sort(found)[::-1]
    at = np.unique(np.linspace(0, ranked.size - 1, min(ranked.size, RANKS)).astype(np.intp))
    share = (at + 1.0) / ranked.size
    count = int((found > LIMIT).sum())
    top = 1.05 * _top(found)
    some = Axis("share of the rows, the least certain first", (0.0, 1.0))
    marks = (
        Band(share, np.zeros(at.size), ranked[at], SCALE[2], opacity=0.25),
        Line(np.column_stack([share, ranked[at]]), SCALE[2], 1.8),
        Line(np.array([[0.0, LIMIT], [1.0, LIMIT]]), "#4D4D4D", 1.0, "dash"),
        Text(
            (1.0, LIMIT), f"responsibility {UNCERTAIN:g}", "#4D4D4D", align="right",
            vertical="bottom", offset=(-3.0, 3.0),
        ),
    )  # fmt: skip
    return Panel(
        marks, f"{count:,} of {labels.rows(found.size, found.size)} ({_percent(count, found.size)})"
        f" below {UNCERTAIN:g}", some, Axis("uncertainty", (0.0, top)),
    )  # fmt: skip


def _percent(count: int, n: int) -> str:
    percent = 100.0 * count / n
    return f"{percent:.0f}%" if count == 0 or percent >= 1.0 else f"{percent:.2g}%"


@final
class UncertaintyDisplay(Display):
    """Where rows are uncertain, and how many. Options: see `scene`.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> model = em.GaussianMixture(2, random_state=0).fit(X)
    >>> display = em.plots.UncertaintyDisplay.from_estimator(model, X)
    >>> display.axes_[1].get_title()
    '1 of 272 rows (0.37%) below 0.9'
    """

    name = "uncertainty"
    scene = staticmethod(uncertainty_scene)
