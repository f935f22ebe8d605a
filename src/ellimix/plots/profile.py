"""Means and standard deviations of the components, feature by feature: parallel coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.plots import labels
from ellimix.plots.colors import NOISE, style
from ellimix.plots.crowds import subset
from ellimix.plots.display import Display
from ellimix.plots.scene import Axis, Band, Legend, Line, Mark, Panel, Scene, Text
from ellimix.plots.subject import mixture_of, rows_of
from ellimix.plots.views import lasting, numbers, separation
from ellimix.records import Array

MOST_FEATURES = 30
MOST_ROWS = 200  # lines behind the bands
LETTERS = 48  # of names in one line; more of them stand on end
MANY = 6  # entries of a legend inside of the panel
ROOM = 0.5  # of the height of the bands, above and below them, for rows
FAINT = 8  # components, from which on bands are paler
UNITS = ("standard", "original")


def profile_scene(
    model: Any,
    X: Any = None,
    *,
    features: Sequence[int | str] | None = None,
    units: str = "standard",
) -> Scene:
    """Means of the components, with bands of one standard deviation, over the features.

    Parameters
    ----------
    model : fitted estimator, search or Mixture
    X : array-like of shape (n, d), optional
        Rows to draw behind, as thin lines in the colours of their components: at most 200, at
        random. A missing value is a gap.
    features : up to 30 numbers or names of features, optional
        In that order; by default all, or of more than 30 those of which the largest share of the
        variance lies between the components.
    units : {"standard", "original"}
        "standard": distance from the mixture's mean, in its standard deviations, both without
        noise. "original": each feature has an axis of its own, from the lowest to the highest
        that is drawn, with the numbers at its ends.

    Returns
    -------
    Scene

    Raises
    ------
    DataError
        The model is not fitted, `X`, `features` or `units` do not fit it, or there are more than
        30 features.
    """
    mixture = mixture_of(model)
    if units not in UNITS:
        raise DataError(f'units is "standard" or "original", but {units!r} came.')
    every = rows_of(mixture, X)
    rows = subset(every, MOST_ROWS)
    chosen = _chosen(mixture, features)
    some = lasting(mixture)
    deviation = np.sqrt(mixture.variances()[some][:, chosen])
    means = mixture.means[some][:, chosen]
    values = rows[:, chosen]
    own = units == "original"
    if own:
        shift, scale = ends(np.concatenate([values, means - deviation, means + deviation]))
    else:
        shift, scale = (numbers[chosen] for numbers in standard(mixture))
    means, deviation, values = (means - shift) / scale, deviation / scale, (values - shift) / scale
    marks = [*_lines(mixture, rows, values), *_bands(mixture, means, deviation)]
    if own:
        marks += _ends_written(shift, shift + scale)
    axis, notes = _heights(values, means, deviation, own)
    said = "" if X is None else f"; {labels.rows(len(every), len(rows))}"
    panel = Panel(
        tuple(marks), f"{labels.counted(mixture)}{said}", _features(mixture, chosen), axis,
        legend=Legend("component", "best" if some.size <= MANY else "outside"), grid=True,
    )  # fmt: skip
    width = float(np.clip(0.42 * len(chosen) + 2.0, 6.4, 13.0))
    notes = (*_notes(mixture, chosen, features), *notes)
    return Scene((panel,), notes=notes, panel_size=(width, 4.8))


def _chosen(mixture: Mixture, features: Sequence[int | str] | None) -> list[int]:
    d = mixture.n_features
    if features is None:
        best = np.argsort(-separation(mixture), kind="stable")[:MOST_FEATURES]
        return sorted(int(j) for j in best)
    chosen = [*numbers(mixture, features)]
    if not 1 <= len(chosen) <= MOST_FEATURES:
        raise DataError(
            f"A profile of {len(chosen)} features cannot be drawn: choose 1 to {MOST_FEATURES} of "
            f"the {d} with features=."
        )
    return chosen


def standard(mixture: Mixture) -> tuple[Array, Array]:
    """Mean and standard deviation of the whole mixture, without noise, (d,) each."""
    weights = mixture.weights / mixture.weights.sum()
    mean = weights @ mixture.means
    variance = weights @ (mixture.variances() + (mixture.means - mean) ** 2)
    return mean, np.sqrt(variance)


def ends(drawn: Array) -> tuple[Array, Array]:
    """The lowest value that is drawn of each feature, and how far the highest is from it."""
    low, high = np.nanmin(drawn, axis=0), np.nanmax(drawn, axis=0)
    return low, high - low


def _heights(
    values: Array, means: Array, deviation: Array, own: bool
) -> tuple[Axis, tuple[str, ...]]:
    """The vertical axis: the bands, and room for most rows; and a note of rows that leave it."""
    if own:
        return Axis("from the lowest to the highest", (-0.08, 1.08), ticks=np.empty(0)), ()
    low, high = float((means - deviation).min()), float((means + deviation).max())
    height = high - low
    if (~np.isnan(values)).any():
        low = min(low, max(float(np.nanmin(values)), low - ROOM * height))
        high = max(high, min(float(np.nanmax(values)), high + ROOM * height))
    low, high = low - 0.05 * height, high + 0.05 * height
    beyond = int(((values < low) | (values > high)).any(axis=1).sum())
    words = f"{beyond} of the rows drawn go{'es' if beyond == 1 else ''} beyond the axis."
    axis = Axis("standard deviations from the mixture's mean", (low, high))
    return axis, ((words,) if beyond else ())


def _lines(mixture: Mixture, rows: Array, values: Array) -> list[Mark]:
    """Rows as lines with gaps between them, one mark for each component, and for noise."""
    if not len(rows):
        return []
    owner = mixture.responsibilities(rows).argmax(axis=1)
    x, values = _places(values)
    out: list[Mark] = []
    for k in np.unique(owner):
        mine = values[owner == k]
        gapped = np.column_stack([mine, np.full(len(mine), np.nan)])
        xy = np.column_stack([np.tile(np.append(x, np.nan), len(mine)), gapped.ravel()])
        color = style(int(k))[0] if k < mixture.n_components else NOISE
        out.append(Line(xy, color, 0.6, opacity=0.25))
    return out


def _bands(mixture: Mixture, means: Array, deviation: Array) -> list[Mark]:
    """The components' bands, and their means on top."""
    (x, means), (_, deviation) = _places(means), _places(deviation)
    some = [int(k) for k in lasting(mixture)]
    opacity = 0.16 if len(some) < FAINT else 0.07
    bands: list[Mark] = [
        Band(x, m - s, m + s, style(k)[0], opacity=opacity)
        for k, m, s in zip(some, means, deviation, strict=True)
    ]
    lines: list[Mark] = [
        Line(np.column_stack([x, m]), style(k)[0], 1.8, label=labels.component(mixture, k),
             marker=style(k)[1])
        for k, m in zip(some, means, strict=True)
    ]  # fmt: skip
    return [*bands, *lines]


def _places(values: Array) -> tuple[Array, Array]:
    """Where columns stand, and their values; a single one twice, to have a width."""
    if values.shape[1] == 1:
        return np.array([-0.3, 0.3]), np.repeat(values, 2, axis=1)
    return np.arange(values.shape[1], dtype=np.float64), values


def _ends_written(low: Array, high: Array) -> list[Mark]:
    """The numbers at the ends of each feature's axis."""
    small: dict[str, Any] = {"color": "#4D4D4D", "size": 7.5}
    out: list[Mark] = []
    for j, (a, b) in enumerate(zip(low, high, strict=True)):
        out += [
            Text((float(j), 0.0), f"{a:.3g}", vertical="top", offset=(0.0, -3.0), **small),
            Text((float(j), 1.0), f"{b:.3g}", vertical="bottom", offset=(0.0, 3.0), **small),
        ]
    return out


def _features(mixture: Mixture, chosen: list[int]) -> Axis:
    names = tuple(labels.short(mixture.names[j], 22) for j in chosen)
    upright = sum(map(len, names)) > LETTERS
    at = np.arange(len(names), dtype=np.float64)
    return Axis("", (-0.5, len(names) - 0.5), ticks=at, names=names, upright=upright)


def _notes(mixture: Mixture, chosen: list[int], asked: object) -> tuple[str, ...]:
    out = []
    d, k = mixture.n_features, mixture.n_components
    if asked is None and len(chosen) < d:
        out.append(
            f"{len(chosen)} of {d} features are drawn: those of which the largest share of the "
            "variance lies between the components."
        )
    hidden = k - lasting(mixture).size
    if hidden:
        words = "component has" if hidden == 1 else "components have"
        out.append(f"{hidden} {words} nearly no weight, and no profile.")
    if mixture.box is not None:
        out.append("The noise component has no profile.")
    return tuple(out)


@final
class ProfileDisplay(Display):
    """Parallel coordinates of the components. Options: see `scene`.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.iris()
    >>> model = em.GaussianMixture(3, random_state=0).fit(X)
    >>> display = em.plots.ProfileDisplay.from_estimator(model)
    >>> [name.get_text() for name in display.ax_.get_xticklabels()]
    ['x0', 'x1', 'x2', 'x3']
    """

    name = "profile"
    scene = staticmethod(profile_scene)
