"""The elbow of a curve: two straight lines that share a point."""

from __future__ import annotations

from typing import NamedTuple

from ellimix.errors import DataError
from ellimix.records import Array

FEWEST_POINTS = 4  # in which two segments can fit badly
ROUNDING = 1e-12  # of the curve's own sum of squares: fits closer than this are equally good


class Line(NamedTuple):
    """A straight line, intercept + slope x."""

    slope: float
    intercept: float

    def at(self, x: Array) -> Array:
        """The line's values."""
        return self.intercept + self.slope * x


class Segments(NamedTuple):
    """Two lines by least squares: points 0, ..., `at` have one, points `at`, ... the other."""

    at: int
    left: Line
    right: Line
    residual: float  # sum of squares


def two_segments(x: Array, y: Array) -> Segments:
    """The best two-segment fit to points with ascending x.

    Baudry et al. (2010), section 3.3: two regressions, not joined, both of which have the point at
    which they change. Of equally good ones, as along one straight line, the first is taken.

    Parameters
    ----------
    x, y : ndarray of shape (m,)
        m >= 3.

    Raises
    ------
    DataError
        There are fewer than three points.

    Examples
    --------
    >>> import numpy as np
    >>> two_segments(np.arange(5.0), np.array([0.0, 0.1, 0.2, 3.2, 6.2])).at
    2
    """
    if x.size < 3:
        raise DataError(f"An elbow takes three points, and there are {x.size}.")
    fits = []
    for at in range(1, x.size - 1):
        left, a = _line(x[: at + 1], y[: at + 1])
        right, b = _line(x[at:], y[at:])
        fits.append(Segments(at, left, right, a + b))
    limit = min(fit.residual for fit in fits) + ROUNDING * float(((y - y.mean()) ** 2).sum())
    return next(fit for fit in fits if fit.residual <= limit)


def _line(x: Array, y: Array) -> tuple[Line, float]:
    """The line of least squares and its sum of squared residuals."""
    dx, dy = x - x.mean(), y - y.mean()
    spread = float(dx @ dx)
    slope = float(dx @ dy) / spread if spread > 0.0 else 0.0
    line = Line(slope, float(y.mean() - slope * x.mean()))
    return line, float(((dy - slope * dx) ** 2).sum())
