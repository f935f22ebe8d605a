"""Outlines of normal distributions in the plane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ellimix.plots.scene import Line, Points
from ellimix.records import Array

SIGMAS = (1, 2, 3)
CORNERS = 97  # of an outline; the last is the first


def outline(mean: Array, covariance: Array, sigma: float = 1.0, corners: int = CORNERS) -> Array:
    """The points whose Mahalanobis distance from the mean is `sigma`, as a closed polyline.

    Parameters
    ----------
    mean : ndarray of shape (2,)
    covariance : ndarray of shape (2, 2)
        Positive semidefinite: a singular one gives a line, to and fro.
    sigma : float
    corners : int
        Number of points; the last is the first again.

    Returns
    -------
    ndarray of shape (corners, 2)

    Examples
    --------
    >>> import numpy as np
    >>> outline(np.zeros(2), np.diag([1.0, 4.0]), 2.0, corners=5).round(6) + 0.0
    array([[ 2.,  0.],
           [ 0.,  4.],
           [-2.,  0.],
           [ 0., -4.],
           [ 2.,  0.]])
    """
    angle = np.linspace(0.0, 2.0 * np.pi, corners)
    angle[-1] = 0.0
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return np.asarray(mean + sigma * np.column_stack([np.cos(angle), np.sin(angle)]) @ root)


def ellipses(
    mean: Array,
    covariance: Array,
    color: str,
    sigmas: Sequence[float] = SIGMAS,
    corners: int = CORNERS,
) -> tuple[Line, ...]:
    """Outlines at so many standard deviations, the inner the bolder."""
    return tuple(
        Line(
            outline(mean, covariance, sigma, corners), color=color, width=1.8 / (1 + at),
            opacity=1.0 if at == 0 else 0.75,
        )
        for at, sigma in enumerate(sigmas)
    )  # fmt: skip


def crosses(means: Array, size: float = 50.0) -> Points:
    """A black cross at each mean, (k, 2)."""
    return Points(means, color="#000000", size=size, marker="+", width=1.5)
