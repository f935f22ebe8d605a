"""Colours and markers of components, and colours blended by responsibilities."""

from __future__ import annotations

from typing import Final

import numpy as np

from ellimix.records import Array

# Okabe & Ito's palette: told apart with any kind of colour vision
PALETTE: Final = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8B6F00", "#4D4D4D",
)  # fmt: skip
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
NOISE: Final = "#8C8C8C"  # grey
# scales of colours from low to high, of even steps in lightness
SEQUENTIAL: Final = ("#FFFFFF", "#CFE3F1", "#8CBFE0", "#3F95C6", "#0072B2", "#004A75", "#002338")
DIVERGING: Final = ("#0072B2", "#8CBFE0", "#F7F7F7", "#F0AE86", "#D55E00")
SMALLEST = 0.3  # of the full area: a point of which nothing is known


def style(k: int) -> tuple[str, str]:
    """Colour and marker of component k; the pair repeats after 56 components."""
    return PALETTE[k % len(PALETTE)], MARKERS[k // len(PALETTE) % len(MARKERS)]


def rgb(color: str) -> Array:
    """Red, green and blue of a hexadecimal colour, between 0 and 1, (3,)."""
    return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0


def components(k: int) -> Array:
    """Colours of k components, and of noise in the last row: RGB between 0 and 1, (k + 1, 3)."""
    return np.array([*(rgb(style(j)[0]) for j in range(k)), rgb(NOISE)])


def blend(responsibilities: Array, k: int) -> Array:
    """Colours of rows: those of the components, weighted by the row's responsibilities.

    Parameters
    ----------
    responsibilities : ndarray of shape (n, k) or (n, k + 1)
        A further column is noise.
    k : int
        Number of components.

    Returns
    -------
    ndarray of shape (n, 3)
        Red, green, blue between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> blend(np.array([[1.0, 0.0], [0.5, 0.5]]), 2).round(2)
    array([[0.  , 0.45, 0.7 ],
           [0.45, 0.54, 0.35]])
    """
    return np.clip(responsibilities @ components(k)[: responsibilities.shape[1]], 0.0, 1.0)


def sizes(responsibilities: Array, full: float) -> Array:
    """Areas of points: `full` for a certain row, 0.3 of it where all components are as probable.

    Parameters
    ----------
    responsibilities : ndarray of shape (n, k)
    full : float

    Returns
    -------
    ndarray of shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> sizes(np.array([[1.0, 0.0], [0.5, 0.5]]), 10.0)
    array([10.,  3.])
    """
    k = responsibilities.shape[1]
    if k == 1:
        return np.full(len(responsibilities), full)
    certainty = (responsibilities.max(axis=1) - 1.0 / k) / (1.0 - 1.0 / k)
    return np.asarray(full * (SMALLEST + (1.0 - SMALLEST) * np.clip(certainty, 0.0, 1.0)))
