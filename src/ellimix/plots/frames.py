"""Where axes end."""

from __future__ import annotations

import numpy as np

from ellimix.density.mixture import Mixture
from ellimix.plots.views import View, lasting
from ellimix.records import Array

Bounds = tuple[float, float]
ROOM = 0.04  # beyond what is drawn, as a share of it


def frame(mixture: Mixture, view: View, seen: Array, sigmas: float = 3.0) -> tuple[Bounds, ...]:
    """The limits of the axes of a view: all that is seen, and the ellipses.

    Parameters
    ----------
    mixture : Mixture
    view : View
    seen : ndarray of shape (n, m)
        With NaN for what is missing.
    sigmas : float
        Half the ellipses' width, in standard deviations.
    """
    some = lasting(mixture)
    means = view.means(mixture)[some]
    reach = sigmas * np.sqrt(np.diagonal(view.covariances(mixture)[some], axis1=1, axis2=2))
    ends = [(means - reach).min(axis=0), (means + reach).max(axis=0)]
    out = []
    for j in range(seen.shape[1]):
        known = seen[~np.isnan(seen[:, j]), j]
        low, high = ends[0][j], ends[1][j]
        if known.size:
            low, high = min(low, known.min()), max(high, known.max())
        room = ROOM * (high - low) or 1.0
        out.append((float(low - room), float(high + room)))
    return tuple(out)
