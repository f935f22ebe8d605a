"""What covariance families can do, and how the components' covariances compare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, final

import numpy as np

from ellimix.covariance import ALIASES, FAMILIES, ONE_FEATURE, parse
from ellimix.covariance.base import Family
from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.plots import labels
from ellimix.plots.clusters import MANY
from ellimix.plots.colors import PALETTE, SEQUENTIAL, style
from ellimix.plots.display import Display
from ellimix.plots.ellipses import outline
from ellimix.plots.scene import (
    Axis,
    ColorBar,
    Image,
    Legend,
    Line,
    Mark,
    Panel,
    Points,
    Scene,
    Text,
)
from ellimix.plots.subject import mixture_of, rows_of
from ellimix.plots.views import Features, View, lasting, view
from ellimix.records import Array

SHOWS: Final = ("components", "families")
# three components of an example: volume, ratio of the axes' variances, turn in degrees
VOLUMES, RATIOS, TURNS = (0.35, 0.8, 1.6), (1.4, 3.0, 6.0), (-40.0, 20.0, 80.0)
ONE = 1  # which of the three stands for all where they are equal
PLACES = ((-3.6, 0.0), (0.0, 0.0), (3.6, 0.0))
PALE = "#B3B3B3"
ROUND = 1.02  # ratio of the two largest variances, under which a component has no first axis
ORDER = 10.0  # ratio of variances, from which on their axis is logarithmic
ROOM = 1.1  # below and above, as a factor
NUMBERED = 8  # components, up to which angles are written


def covariance_scene(
    model: Any, X: Any = None, *, features: Features = None, show: str | None = None
) -> Scene:
    """Ellipses of the components about one center, with their volumes, shapes and orientations.

    A covariance is ``volume x D A D^T`` with A diagonal of determinant 1, the shape, and D
    orthogonal, the orientation (Banfield & Raftery 1993): the volume is ``det^(1/d)``, a
    variance. All three are those in the features' own units. Panels show the ellipses of one
    standard deviation in two features; the volumes; the variances along the principal axes divided
    by the volume, the largest first; and the angle between the first principal axes of each two
    components. With one feature: the curves and the variances.

    The other picture, ``show="families"``, has an example of each of the 14 families: three
    components as unlike each other as the family lets them be. That of the model is in colour.

    Parameters
    ----------
    model : fitted estimator, search, Mixture or name of a family
        A name, such as "VEV", has the picture of the families.
    X : array-like of shape (n, d), optional
        Not needed: the covariances are the model's.
    features : one or two numbers or names of features, or "plane", optional
        What the ellipses are seen in, as for the kind "clusters".
    show : {"components", "families"}, optional
        By default the components of a model, and the families where a name came.

    Returns
    -------
    Scene

    Raises
    ------
    DataError
        The model is not fitted, or is no family's name; `features` do not fit it; or `show` is
        another word, or "components" of a name.
    """
    if show is not None and show not in SHOWS:
        raise DataError(f'show is "components" or "families", but {show!r} came.')
    if isinstance(model, str):
        return _of_name(model, X, features, show)
    mixture = mixture_of(model)
    rows_of(mixture, X)
    if show == "families":
        if features is not None:
            raise DataError('show="families" draws examples: leave features out.')
        return _families(mixture.family, mixture.n_components, mixture.n_features)
    return _components(mixture, view(mixture, features))


def _of_name(name: str, X: Any, features: object, show: str | None) -> Scene:
    if name not in (*FAMILIES, *ALIASES, *ONE_FEATURE):
        raise DataError(
            "A str cannot be drawn: pass a fitted estimator of ellimix, a Mixture, or the name of "
            f"a covariance family ({', '.join(FAMILIES)}), but {labels.short(name)!r} came."
        )
    if X is not None or features is not None or show == "components":
        raise DataError("The name of a family has no rows and no components: pass it alone.")
    return _families(parse(name, 1 if name in ONE_FEATURE else None), len(PLACES), 2)


# -- the families --------------------------------------------------------------------------------


def example(name: str) -> Array:
    """Three covariances of a family in the plane, as unlike as it lets them be, (3, 2, 2)."""
    volume, shape, turn = tuple(name)
    out = []
    for k in range(len(PLACES)):
        size = VOLUMES[k if volume == "V" else ONE]
        ratio = {"I": 1.0, "E": RATIOS[ONE], "V": RATIOS[k]}[shape]
        angle = np.deg2rad({"I": 0.0, "E": TURNS[ONE], "V": TURNS[k]}[turn])
        axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if turn == "I" and shape == "V" and k == 0:  # along the other feature
            ratio = 1.0 / RATIOS[-1]
        out.append(size * (axes * [np.sqrt(ratio), 1.0 / np.sqrt(ratio)]) @ axes.T)
    return np.array(out)


def _families(own: Family, k: int, d: int) -> Scene:
    panels = [_family(family, family.name == own.name, k, d) for family in FAMILIES.values()]
    title = f"covariance families: {own.name}, {own.words}"
    note = f"Parameters: of the covariances of {k} component{'s' * (k != 1)} in {d} features."
    return Scene((*panels,), 4, title, (note,), (2.7, 1.9))


def _family(family: Family, chosen: bool, k: int, d: int) -> Panel:
    marks: list[Mark] = []
    for j, (place, covariance) in enumerate(zip(PLACES, example(family.name), strict=True)):
        color = PALETTE[j] if chosen else PALE
        xy = outline(np.array(place), covariance)
        marks.append(Line(xy, color, 2.4 if chosen else 1.6))
    count = family.n_parameters(k, d)
    words = f"{count:,} parameter{'s' * (count != 1)}"
    size: dict[str, Any] = {"size": 7.5, "color": "#262626" if chosen else "#737373"}
    marks += [
        Text((0.0, 3.6), _said(family.name), vertical="top", **size),
        Text((0.0, -3.6), words, vertical="bottom", **size),
    ]
    alias = next((f" ({alias})" for alias, name in ALIASES.items() if name == family.name), "")
    x = Axis(limits=(-5.8, 5.8), ticks=np.empty(0))
    y = Axis(limits=(-3.9, 3.9), ticks=np.empty(0))
    mark = "\N{BLACK RIGHT-POINTING TRIANGLE} " if chosen else ""
    return Panel((*marks,), f"{mark}{family.name}{alias}", x, y, equal=True)


def _said(name: str) -> str:
    """What a family's letters say of its components."""
    volume, shape, turn = tuple(name)
    first = {"E": "one volume", "V": "own volumes"}[volume]
    second = {"I": "round", "E": "one shape", "V": "own shapes"}[shape]
    if shape == "I":
        return f"{first}, {second}"
    third = {"I": "along axes", "E": "turned alike", "V": "own turns"}[turn]
    return f"{first}, {second}, {third}"


# -- the components of a model -------------------------------------------------------------------


def decomposed(mixture: Mixture) -> tuple[Array, Array, Array]:
    """Volumes (k,), shapes (k, d), largest first, and first principal axes (k, d)."""
    variances, axes = np.linalg.eigh(mixture.covariances())
    variances = np.maximum(variances[:, ::-1], np.finfo(float).tiny)
    volumes = np.exp(np.log(variances).mean(axis=1))
    return volumes, variances / volumes[:, None], axes[:, :, -1]


def angles(axes: Array) -> Array:
    """Angles between lines through the origin, (k, k), in degrees from 0 to 90."""
    cosine = np.clip(np.abs(axes @ axes.T), 0.0, 1.0)
    sine = np.sqrt(np.maximum(1.0 - cosine**2, 0.0))
    found = np.rad2deg(np.arctan2(sine, cosine))
    np.fill_diagonal(found, 0.0)
    return np.asarray(found)


def _components(mixture: Mixture, looked: View) -> Scene:
    some = [int(k) for k in lasting(mixture)]
    volumes, shapes, axes = decomposed(mixture)
    panels = [_centered(mixture, looked, some), _volumes(volumes[some], some)]
    notes = _hidden(mixture)
    if mixture.n_features > 1:
        panels.append(_shapes(shapes[some], some))
        clear = [k for k in some if shapes[k, 0] > ROUND * shapes[k, 1]]
        if len(clear) > 1:
            panels.append(_angles(angles(axes[clear]), clear))
        if len(clear) < len(some):
            count = len(some) - len(clear)
            words = "component is" if count == 1 else "components are"
            notes.append(f"{count} {words} round along the two longest axes: no first axis.")
    title = f"{labels.counted(mixture)}: {mixture.family.words}"
    return Scene((*panels,), 2, title, (*notes,), (5.0, 3.8))


def _hidden(mixture: Mixture) -> list[str]:
    count = mixture.n_components - lasting(mixture).size
    if not count:
        return []
    words = "component has" if count == 1 else "components have"
    return [f"{count} {words} nearly no weight: not drawn."]


def _centered(mixture: Mixture, looked: View, some: list[int]) -> Panel:
    covariances = looked.covariances(mixture)
    legend = Legend("component", "best" if len(some) <= MANY else "outside")
    if len(looked.labels) == 1:
        return _curves(mixture, looked, some, legend)
    middle = np.zeros(2)
    marks = [
        Line(outline(middle, covariances[k]), style(k)[0], 1.8, label=labels.component(mixture, k))
        for k in some
    ]
    reach = 1.08 * np.sqrt(np.diagonal(covariances[some], axis1=1, axis2=2)).max(axis=0)
    x, y = (
        Axis(f"{name}, from the mean", (-r, r))
        for name, r in zip(looked.labels, map(float, reach), strict=True)
    )
    return Panel((*marks,), "One standard deviation", x, y, legend=legend, grid=True)


def _curves(mixture: Mixture, looked: View, some: list[int], legend: Legend) -> Panel:
    deviation = np.sqrt(looked.covariances(mixture)[:, 0, 0])
    at = np.unique(np.outer(deviation[some], np.linspace(-3.5, 3.5, 141)))
    curves = {
        k: np.exp(-0.5 * (at / deviation[k]) ** 2) / (deviation[k] * np.sqrt(2.0 * np.pi))
        for k in some
    }
    marks = [
        Line(np.column_stack([at, curve]), style(k)[0], 1.8, label=labels.component(mixture, k))
        for k, curve in curves.items()
    ]
    top = 1.05 * max(float(curve.max()) for curve in curves.values())
    return Panel(
        (*marks,), "Each component's density", Axis(f"{looked.labels[0]}, from the mean"),
        Axis("density", (0.0, top)), legend=legend, grid=True,
    )  # fmt: skip


def _volumes(volumes: Array, some: list[int]) -> Panel:
    rank = np.arange(len(some), dtype=np.float64)
    marks = [
        Points(np.array([[volume, at]]), style(k)[0], 60.0, style(k)[1])
        for k, volume, at in zip(some, volumes, rank, strict=True)
    ]
    return Panel(
        (*marks,), "Volumes", _variances("det(covariance)^(1/d)", volumes),
        Axis("component", (rank.size - 0.4, -0.6), ticks=rank, names=_names(some)), grid=True,
    )  # fmt: skip


def _shapes(shapes: Array, some: list[int]) -> Panel:
    at = np.arange(1.0, shapes.shape[1] + 1.0)
    marks = [
        Line(np.column_stack([at, shape]), style(k)[0], 1.6, marker=style(k)[1])
        for k, shape in zip(some, shapes, strict=True)
    ]
    room = 0.25 if at.size < 10 else 0.5
    return Panel(
        (*marks,), "Shapes", Axis("principal axis", (1.0 - room, at.size + room), whole=True),
        _variances("variance / volume", shapes), grid=True,
    )  # fmt: skip


def _variances(label: str, values: Array) -> Axis:
    """An axis from 0, or, where the values differ by a power of 10, a logarithmic one of powers."""
    low, high = float(values.min()), float(values.max())
    if high < ORDER * low:
        return Axis(label, (0.0, ROOM * high))
    powers = np.floor(np.log10(low / ROOM)), np.ceil(np.log10(high * ROOM))
    return Axis(label, (float(10.0 ** powers[0]), float(10.0 ** powers[1])), "log")


def _angles(found: Array, some: list[int]) -> Panel:
    count = len(some)
    ends = (-0.5, count - 0.5)
    marks: list[Mark] = [Image(found, ends, ends, limits=(0.0, 90.0))]
    if count <= NUMBERED:
        marks += [
            Text((float(i), float(j)), f"{found[i, j]:.0f}", "#FFFFFF" if dark else "#000000")
            for i in range(count) for j in range(count) if i != j
            for dark in [found[i, j] > 45.0]
        ]  # fmt: skip
    ticks = np.arange(count, dtype=np.float64)
    names = _names(some)
    x = Axis("component", ends, ticks=ticks, names=names, upright=count > 12)
    return Panel(
        (*marks,), "Angles between first axes", x,
        Axis("component", ends, ticks=ticks, names=names),
        color_bar=ColorBar("degrees", (0.0, 90.0), SEQUENTIAL),
    )  # fmt: skip


def _names(some: Iterable[int]) -> tuple[str, ...]:
    return tuple(str(k) for k in some)


@final
class CovarianceDisplay(Display):
    """Volumes, shapes and orientations of the components. Options: see `scene`.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.iris()
    >>> model = em.GaussianMixture(3, covariance_type="VEV", random_state=0).fit(X)
    >>> display = em.plots.CovarianceDisplay.from_estimator(model)
    >>> [ax.get_title() for ax in display.axes_]
    ['One standard deviation', 'Volumes', 'Shapes', 'Angles between first axes']
    >>> len(em.plots.CovarianceDisplay.from_estimator("VEV").axes_)  # each family
    14
    """

    name = "covariance"
    scene = staticmethod(covariance_scene)
