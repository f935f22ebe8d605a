"""Responsibilities of rows as a heat map."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ellimix.density.mixture import Mixture
from ellimix.plots import labels
from ellimix.plots.colors import SEQUENTIAL
from ellimix.plots.crowds import MANY, subset
from ellimix.plots.display import Display
from ellimix.plots.scene import Axis, ColorBar, Image, Line, Mark, Panel, Scene, Text
from ellimix.plots.subject import mixture_of, needed, whole_number
from ellimix.records import Array

MOST_LINES = 1000  # of the heat map; the rows of a line are averaged
LEAST = 0.03  # of the height: what a component's rows take so that they are numbered at the side
BORDER = "#D55E00"


def responsibilities_scene(model: Any, X: Any = None, *, lines: int = MOST_LINES) -> Scene:
    """Responsibilities of rows, sorted by their component and how certain it is.

    A column is a component, the last one noise where there is some. Rows are sorted by their most
    probable component, and the most certain come first. Where there are more rows than lines a
    line is the mean of neighbours.

    Parameters
    ----------
    model : fitted estimator, search or Mixture
    X : array-like of shape (n, d)
        The rows, with NaN for missing values. Of more than 100,000 so many are drawn, at random.
    lines : int, default 1000
        The most lines of the heat map.

    Returns
    -------
    Scene

    Raises
    ------
    DataError
        The model is not fitted, there are no rows, `X` does not fit it, or `lines` is not positive.
    """
    mixture = mixture_of(model)
    rows = needed(mixture, X, ResponsibilitiesDisplay.name)
    count = whole_number("lines", lines)
    some = subset(rows, MANY)
    found = mixture.responsibilities(some)
    order = sorted_rows(found)
    cells = averaged(found[order], count)
    notes = () if len(cells) == len(some) else (_said(len(some), len(cells)),)
    panel = _panel(mixture, found, cells, labels.rows(len(rows), len(some)))
    return Scene((panel,), notes=notes)


def sorted_rows(found: Array) -> NDArray[np.intp]:
    """Numbers of the rows by component, the most certain of each first."""
    return np.lexsort((-found.max(axis=1), found.argmax(axis=1)))


def averaged(found: Array, lines: int) -> Array:
    """Means of so many groups of neighbours, of nearly one size; fewer rows as they are."""
    if len(found) <= lines:
        return found
    starts = np.linspace(0.0, len(found), lines + 1).astype(np.intp)
    sizes = np.diff(starts)
    return np.asarray(np.add.reduceat(found, starts[:-1], axis=0) / sizes[:, None])


def _said(rows: int, lines: int) -> str:
    each = rows / lines
    words = f"{each:.0f}" if rows % lines == 0 else f"about {each:.3g}"
    return f"A line is the mean of {words} rows."


def _panel(mixture: Mixture, found: Array, cells: Array, said: str) -> Panel:
    n, columns = found.shape
    ends = np.cumsum(np.bincount(found.argmax(axis=1), minlength=columns))
    marks: list[Mark] = [
        Image(cells[::-1], (-0.5, columns - 0.5), (float(n), 0.0), limits=(0.0, 1.0))
    ]
    edge = np.array([-0.5, columns - 0.5])
    marks += [
        Line(np.column_stack([edge, np.full(2, float(end))]), BORDER, 0.9)
        for end in np.unique(ends) if 0 < end < n
    ]  # fmt: skip
    names = [str(k) for k in range(mixture.n_components)] + ["noise"] * (mixture.box is not None)
    for start, stop in zip([0, *ends[:-1]], ends, strict=True):
        if stop - start >= LEAST * n:
            at = (columns - 0.5, (start + stop) / 2.0)
            marks.append(Text(at, f"{stop - start:,}", size=8.0, align="left", offset=(4.0, 0.0)))
    return Panel(
        tuple(marks), f"{labels.counted(mixture)}; {said}",
        Axis("component", (-0.5, columns - 0.5 + 0.13 * columns), ticks=np.arange(float(columns)),
             names=tuple(names), upright=columns > 25),
        Axis("row, by component and certainty", (float(n), 0.0)),
        color_bar=ColorBar("responsibility", (0.0, 1.0), SEQUENTIAL),
    )  # fmt: skip


@final
class ResponsibilitiesDisplay(Display):
    """Responsibilities of sorted rows. Options: see `scene`.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.iris()
    >>> model = em.GaussianMixture(3, random_state=0).fit(X)
    >>> display = em.plots.ResponsibilitiesDisplay.from_estimator(model, X)
    >>> display.scene_.panels[0].marks[0].cells.shape
    (150, 3)
    """

    name = "responsibilities"
    scene = staticmethod(responsibilities_scene)
