"""Rows and components at an iteration: a scatter with ellipses, or a histogram with densities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.plots import labels, one_feature
from ellimix.plots.colors import blend, style
from ellimix.plots.crowds import subset
from ellimix.plots.ellipses import ellipses
from ellimix.plots.frames import Bounds, frame
from ellimix.plots.motion.principal import principal_plane
from ellimix.plots.scene import INK, Axis, Line, Mark, Panel, Points, Text
from ellimix.plots.views import Features, View, lasting, view
from ellimix.records import Array
from ellimix.trajectories import Trajectory

MOST_POINTS = 5_000  # rows that are drawn; of more, a random subset
SIGMAS = (1.0, 2.0)
CORNERS = 37  # of an outline: there are many
GRID = 201  # points of a density
STRIP = 0.1  # of the height of a histogram, below it, where its rows lie
ROOM = 1.2  # of the last densities' height: on the way they may be higher
INSIDE = 0.93  # of the height: where the number of a component stands that goes beyond
NUMBER = 11.0  # size of a component's number


@final
@dataclass(frozen=True, eq=False)
class Stage:
    """What the left panel of all frames has in common.

    Parameters
    ----------
    fit : Trajectory
    view : View
    rows : ndarray of shape (m, d)
        Those that are drawn.
    total : int
        How many rows there are.
    known : int
        Of how many all that is shown is known.
    """

    fit: Trajectory
    view: View
    rows: Array
    total: int
    known: int

    @classmethod
    def of(cls, fit: Trajectory, rows: Array, features: Features) -> Stage:
        """The stage of a fit.

        Raises
        ------
        DataError
            There are no such features, or of no row all that is shown is known.
        """
        last = fit.mixtures[-1]
        if features is None and last.n_features > 2:
            looked = principal_plane(rows, last.names)
        else:
            looked = view(last, features)
        known = rows[~np.isnan(looked.of(rows)).any(axis=1)]
        if not len(known):
            raise DataError(
                f"No row of X has values in all that is shown ({', '.join(looked.labels)}): pass "
                "other features=(i, j)."
            )
        return cls(fit, looked, subset(known, MOST_POINTS), len(rows), len(known))

    @property
    def note(self) -> str:
        """What is drawn, in a sentence."""
        words = labels.rows(self.total, len(self.rows))
        lost = self.total - self.known
        missing = f", {lost:,} have missing values" if lost else ""
        shapes = "densities" if self.flat else "ellipses of 1 and 2 standard deviations"
        if not self.flat and any(lasting(m).size < m.n_components for m in self.fit.mixtures):
            shapes += ", none of nearly no weight"
        return f"{words}{missing}; colours blended by responsibility; {shapes}"

    @property
    def flat(self) -> bool:
        """Whether there is one axis alone: the other is the density's."""
        return len(self.view.labels) == 1

    def panel(self, iteration: int, title: str) -> Panel:
        """The panel at an iteration."""
        mixture = self.fit.mixtures[iteration]
        colors = blend(mixture.responsibilities(self.rows), mixture.n_components)
        size = float(np.clip(6000 / len(self.rows), 5.0, 22.0))
        cloud = Points(self._places, color=colors, size=size, opacity=0.75)
        marks = self._densities(mixture) if self.flat else self._ellipses(mixture, iteration)
        x, y = self._limits
        up = "density" if self.flat else self.view.labels[1]
        return Panel((cloud, *marks), title, Axis(self.view.labels[0], x), Axis(up, y))

    def _ellipses(self, mixture: Mixture, iteration: int) -> list[Mark]:
        """Ellipses, the ways that the means have come, and the components' numbers."""
        covariances, here = self.view.covariances(mixture), self._means[iteration]
        drawn = [int(k) for k in lasting(mixture)]
        marks: list[Mark] = []
        for k in drawn:
            color = style(k)[0]
            marks.append(Line(self._ways[k][: iteration + 1], color, 1.0, opacity=0.8))
            marks += ellipses(here[k], covariances[k], color, SIGMAS, CORNERS)
        marks.append(Points(here[drawn], color=INK, size=14.0))
        for k in drawn:
            at = float(here[k, 0]), float(here[k, 1])
            marks.append(Text(at, str(k), size=NUMBER, bold=True, offset=(0.0, 8.0)))
        return marks

    def _densities(self, mixture: Mixture) -> list[Mark]:
        """The histogram, the components' weighted densities and their sum."""
        at = self._grid
        parts = one_feature.joint(mixture, self.view, at)
        marks: list[Mark] = [*self._bars, *one_feature.curves(mixture, at, parts)]
        for k in map(int, lasting(mixture)):
            top = int(parts[:, k].argmax())
            place = float(at[top]), float(min(parts[top, k], INSIDE * self._limits[1][1]))
            marks.append(Text(place, str(k), style(k)[0], NUMBER, bold=True, offset=(0.0, 7.0)))
        return marks

    @cached_property
    def _means(self) -> Array:
        """Means as they are shown, (n_iter + 1, k, p)."""
        return np.stack([self.view.means(mixture) for mixture in self.fit.mixtures])

    @cached_property
    def _ways(self) -> tuple[Array, ...]:
        """The same for each component, (n_iter + 1, p)."""
        return tuple(self._means[:, k].copy() for k in range(self._means.shape[1]))

    @cached_property
    def _places(self) -> Array:
        """Where the rows are drawn, (m, 2): with one axis, in a strip, at any height."""
        seen = self.view.of(self.rows)
        if not self.flat:
            return seen
        below = np.random.default_rng(0).uniform(0.15, 0.85, len(seen))
        return np.column_stack([seen[:, 0], self._limits[1][0] * below])

    @cached_property
    def _limits(self) -> tuple[Bounds, Bounds]:
        """Of both axes: the rows, the means on all their ways, and the last ellipses."""
        last, ways = self.fit.mixtures[-1], self._means.reshape(-1, len(self.view.labels))
        every = np.concatenate([self.view.of(self.rows), ways])
        sides = frame(last, self.view, every, 3.0 if self.flat else SIGMAS[-1])
        if not self.flat:
            return sides[0], sides[1]
        low, high = sides[0]
        parts = one_feature.joint(last, self.view, np.linspace(low, high, GRID))
        curves = tuple(one_feature.curves(last, np.linspace(low, high, GRID), parts))
        top = ROOM * one_feature.heights((*self._bars, *curves))[1]
        return (low, high), (-STRIP * top, top)

    @cached_property
    def _grid(self) -> Array:
        return np.linspace(*self._limits[0], GRID)

    @cached_property
    def _bars(self) -> tuple[Mark, ...]:
        return one_feature.histogram(self.view.of(self.rows)[:, 0])
