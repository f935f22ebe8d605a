"""Rows coloured by component, with the components' ellipses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.plots import labels, one_feature
from ellimix.plots.colors import style
from ellimix.plots.crowds import MOST_POINTS, Crowd, crowd, marks
from ellimix.plots.display import Display
from ellimix.plots.ellipses import crosses, ellipses
from ellimix.plots.frames import frame
from ellimix.plots.scene import Axis, Legend, Line, Mark, Panel, Scene
from ellimix.plots.subject import mixture_of, rows_of
from ellimix.plots.views import Features, View, lasting, separation, view

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MANY = 10  # entries of a legend inside of a panel
__all__ = ["MOST_POINTS", "ClustersDisplay", "clusters", "clusters_scene", "separation", "style"]


def clusters(model: Any, X: Any, *, features: Features = None, ax: Axes | None = None) -> Axes:
    """Draw rows in the colours of their components.

    This is ``ClustersDisplay.from_estimator(model, X, features=features, ax=ax).ax_``.

    Parameters
    ----------
    model : fitted estimator, search or Mixture
    X : array-like of shape (n, d)
    features : one or two numbers or names of features, or "plane", optional
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    DataError
        The model is not fitted, or `X` or `features` do not fit it.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> ax = em.plots.clusters(em.GaussianMixture(2, random_state=0).fit(X), X)
    >>> ax.get_title()
    '2 components, VVV; 272 rows'
    """
    return ClustersDisplay.from_estimator(model, X, features=features, ax=ax).ax_


def clusters_scene(model: Any, X: Any = None, *, features: Features = None) -> Scene:
    """Rows in the colours of their components, with ellipses of 1, 2 and 3 standard deviations.

    A row's colour is that of the components, blended by its responsibilities, and its point is
    the smaller the less certain its component is. Noise is grey. A row of which one of the two
    values is missing is a tick at the axis of the other. From 100,000 rows on they are counted in
    cells: a cell is the more opaque the more rows it has. With one feature the picture is a
    histogram with the weighted densities of the components and their sum. A component of nearly no
    weight, less than a hundredth of an even share, has no ellipse: a note says how many.

    Parameters
    ----------
    model : fitted estimator, search or Mixture
    X : array-like of shape (n, d), optional
        The rows to draw, with NaN for missing values; without, the ellipses are drawn alone. Of
        fewer than 100,000, at most 20,000 are drawn, at random, and those of which no value that
        is shown is known are not: the title says how many are.
    features : one or two numbers or names of features, or "plane", optional
        By default the two of which the largest share of the variance lies between the components:
        the axes keep their units, and rows with missing values their ticks. "plane" is the plane
        that separates the components best (`ellimix.plots.views.plane`): a row with a missing
        value is not drawn there.

    Returns
    -------
    Scene

    Raises
    ------
    DataError
        The model is not fitted, or `X` or `features` do not fit it.
    """
    mixture = mixture_of(model)
    rows = rows_of(mixture, X)
    looked = view(mixture, features)
    drawn = crowd(rows, looked)
    if len(rows) and not len(drawn.rows):
        columns = ", ".join(looked.labels)
        raise DataError(f"No row of X has a value in {columns}: there is nothing to draw.")
    title = labels.counted(mixture) + (f"; {drawn.said}" if X is not None else "")
    panel = _curves if len(looked.labels) == 1 else _scatter
    return Scene((panel(mixture, looked, drawn, title),), notes=left_out(mixture))


def _scatter(mixture: Mixture, looked: View, drawn: Crowd, title: str) -> Panel:
    x, y = frame(mixture, looked, looked.of(drawn.rows))
    shown: list[Mark] = [*marks(mixture, looked, drawn, (x, y)), *outlines(mixture, looked)]
    return Panel(
        tuple(shown), title, Axis(looked.labels[0], x), Axis(looked.labels[1], y),
        legend=legend(mixture),
    )  # fmt: skip


def legend(mixture: Mixture) -> Legend:
    """The components' legend: beside the panel where it is long."""
    entries = lasting(mixture).size + (mixture.box is not None)
    return Legend("component", "best" if entries <= MANY else "outside")


def outlines(mixture: Mixture, looked: View, cross: float = 50.0) -> list[Mark]:
    """The components' ellipses, and a cross of so large an area at each mean."""
    means, covariances = looked.means(mixture), looked.covariances(mixture)
    lines: list[Line] = []
    some = lasting(mixture)
    for k in some:
        lines += ellipses(means[k], covariances[k], style(int(k))[0])
    return [*lines, crosses(means[some], cross)]


def left_out(mixture: Mixture) -> tuple[str, ...]:
    """A note of the components that have no ellipse, if there are some."""
    count = mixture.n_components - lasting(mixture).size
    if not count:
        return ()
    plural = " has" if count == 1 else "s have"
    return (f"{count} component{plural} nearly no weight, and no ellipse.",)


def _curves(mixture: Mixture, looked: View, drawn: Crowd, title: str) -> Panel:
    values = looked.of(drawn.rows)[:, 0]
    at = one_feature.grid(mixture, looked, values)
    parts = one_feature.joint(mixture, looked, at)
    shown: tuple[Mark, ...] = (
        *one_feature.histogram(values), *one_feature.curves(mixture, at, parts),
    )  # fmt: skip
    limits = (float(at[0]), float(at[-1]))
    return Panel(
        shown, title, Axis(looked.labels[0], limits),
        Axis("density", one_feature.heights(shown)), legend=legend(mixture),
    )  # fmt: skip


@final
class ClustersDisplay(Display):
    """Rows coloured by component, with ellipses. Options: see `scene`.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.iris()
    >>> model = em.GaussianMixture(3, random_state=0).fit(X)
    >>> em.plots.ClustersDisplay.from_estimator(model, X, features="plane").ax_.get_title()
    '3 components, VVV; 150 rows'
    """

    name = "clusters"
    scene = staticmethod(clusters_scene)
