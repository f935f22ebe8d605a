"""The plane in which the rows vary most: it is there before any component is."""

from __future__ import annotations

import numpy as np

from ellimix.errors import DataError
from ellimix.plots.labels import short
from ellimix.plots.views import View
from ellimix.records import Array


def principal_plane(rows: Array, names: tuple[str, ...]) -> View:
    """The first two principal components of the rows of which all is known.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        In their units: columns are not scaled.
    names : tuple of d str

    Returns
    -------
    View
        Its directions have length 1, and their largest entry is positive.

    Raises
    ------
    DataError
        Fewer than two rows are without missing values.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[0.0, 0.0, 1.0], [4.0, 0.0, 1.0], [2.0, 1.0, 1.0], [2.0, -1.0, 1.0]])
    >>> view = principal_plane(rows, ("a", "b", "c"))
    >>> view.basis.T.round(6) + 0.0
    array([[1., 0., 0.],
           [0., 1., 0.]])
    >>> view.labels
    ('principal component 1 (80%: a, b, …)', 'principal component 2 (20%: b, a, …)')
    """
    whole = rows[~np.isnan(rows).any(axis=1)]
    if len(whole) < 2:
        raise DataError(
            f"{len(whole)} of {len(rows)} rows are without missing values, too few for principal "
            "components: pass features=(i, j), the two columns to show."
        )
    scatter = np.cov(whole.T)
    values, vectors = np.linalg.eigh(scatter)
    basis = vectors[:, :-3:-1]
    basis = basis * np.where(basis[np.abs(basis).argmax(axis=0), [0, 1]] < 0.0, -1.0, 1.0)
    shares = values[:-3:-1] / (float(values.sum()) or 1.0)
    labels = (_label(names, j, float(shares[j]), basis[:, j]) for j in range(2))
    return View(np.ascontiguousarray(basis), tuple(labels))


def _label(names: tuple[str, ...], j: int, share: float, loads: Array) -> str:
    most = np.argsort(-np.abs(loads), kind="stable")[:2]
    words = ", ".join(short(names[i], 18) for i in most)
    return f"principal component {j + 1} ({share:.0%}: {words}{', …' if loads.size > 2 else ''})"
