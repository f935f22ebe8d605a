"""Differences of log-gamma functions that do not cancel."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from ellimix.records import Array

LARGE = 50.0  # from here on three terms of Stirling's series are exact to 1e-15


def log_gamma_ratio(a: ArrayLike, h: float) -> Array:
    """log Gamma(a + h) - log Gamma(a), for a > 0 and h >= 0.

    For large a by Stirling's series: the two logarithms are near a log a each, and their difference
    near h log a. A prior worth 1e9 rows would lose eight digits.

    Examples
    --------
    >>> from ellimix.bayes.gamma import log_gamma_ratio
    >>> import numpy as np
    >>> float(log_gamma_ratio(1e12, 1.0) - np.log(1e12))
    0.0
    """
    first = np.asarray(a, dtype=np.float64)
    safe = np.maximum(first, LARGE)
    stirling = (safe - 0.5) * np.log1p(h / safe) + h * np.log(safe + h) - h
    stirling += _tail(safe + h) - _tail(safe)
    return np.where(first >= LARGE, stirling, gammaln(first + h) - gammaln(first))


def _tail(a: Array) -> Array:
    square = a * a
    tail: Array = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * square)) / square) / a
    return tail
