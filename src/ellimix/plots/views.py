"""What is seen of a mixture with many features: two of them, or a plane."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.plots.labels import short
from ellimix.records import Array

Features = Sequence[int | str] | Literal["plane"] | int | str | None
LEAST = 0.01  # of an even share: components of less weight have no ellipse
EVEN = 1e-9  # a direction that separates by less than this share of the best separates nothing


@final
@dataclass(frozen=True, eq=False)
class View:
    """A linear view of the features in m = 1 or 2 dimensions.

    Parameters
    ----------
    basis : ndarray of shape (d, m)
        What is seen of a row x is ``x @ basis``.
    labels : tuple of m str
    features : tuple of int
        The features that are seen; empty for a plane, where all are.
    """

    basis: Array
    labels: tuple[str, ...]
    features: tuple[int, ...] = ()

    def of(self, rows: Array) -> Array:
        """What is seen of rows, (n, m): NaN where it takes a value that is missing."""
        return rows[:, list(self.features)] if self.features else rows @ self.basis

    def means(self, mixture: Mixture) -> Array:
        """Means of the components, (k, m)."""
        return mixture.means @ self.basis

    def covariances(self, mixture: Mixture) -> Array:
        """Covariances of the components, (k, m, m): exact, since projections are linear."""
        return np.asarray(self.basis.T @ mixture.covariances() @ self.basis)


def view(mixture: Mixture, features: Features = None) -> View:
    """The view that `features` asks for.

    Parameters
    ----------
    mixture : Mixture
    features : one or two numbers or names of features, "plane", or None
        None is the feature there is, both, or the two of which the largest share of the variance
        lies between the components.

    Raises
    ------
    DataError
        There are no such features, or they are not one or two different ones.
    """
    d = mixture.n_features
    if isinstance(features, str) and features == "plane":
        if d < 2:
            raise DataError("The model has one feature: there is no plane, leave features out.")
        return plane(mixture)
    if d == 1 and features is None:
        return seen(mixture, (0,))
    if features is None:
        best = np.argsort(-separation(mixture), kind="stable")[:2]
        return seen(mixture, tuple(sorted(int(j) for j in best)))
    chosen = numbers(mixture, features)
    if len(chosen) not in (1, 2):
        raise DataError(_wanted(mixture, features))
    return seen(mixture, chosen)


def numbers(mixture: Mixture, features: Sequence[int | str] | int | str) -> tuple[int, ...]:
    """Features by their number or name, as numbers; all different.

    Raises
    ------
    DataError
        There is no such feature, or one comes twice.
    """
    names, d = mixture.names, mixture.n_features
    if not isinstance(features, Iterable | int | np.integer):
        raise DataError(_wanted(mixture, features))
    asked = [features] if isinstance(features, str | int | np.integer) else list(features)
    out = [names.index(name) if name in names else name for name in asked]
    for j in out:
        if isinstance(j, bool) or not isinstance(j, int | np.integer) or not 0 <= j < d:
            raise DataError(_wanted(mixture, features))
    if len(set(out)) < len(out):
        raise DataError(_wanted(mixture, features))
    return tuple(int(j) for j in out)


def _wanted(mixture: Mixture, came: object) -> str:
    names, d = mixture.names, mixture.n_features
    known = ", ".join(short(name) for name in names[:12]) + (", …" if d > 12 else "")
    return (
        f"features are one or two different columns, by number from 0 to {d - 1} or by name "
        f'({known}), or "plane", but {came!r} came.'
    )


def seen(mixture: Mixture, features: tuple[int, ...]) -> View:
    """The view of given features."""
    basis = np.eye(mixture.n_features)[:, list(features)]
    return View(basis, tuple(short(mixture.names[j]) for j in features), features)


def lasting(mixture: Mixture) -> NDArray[np.intp]:
    """Numbers of the components that have some weight, at least a hundredth of an even share.

    What a posterior says of a component that no row needs is its prior: an ellipse over all rows.
    """
    own = mixture.weights
    return np.flatnonzero(own >= LEAST * own.sum() / own.size)


def separation(mixture: Mixture) -> Array:
    """Share of each feature's variance that lies between the components, (d,)."""
    weights = mixture.weights / mixture.weights.sum()  # without that of noise
    shift = mixture.means - weights @ mixture.means
    between = weights @ shift**2
    share: Array = between / (between + weights @ mixture.variances())
    return share


def plane(mixture: Mixture) -> View:
    """The plane that separates the components best.

    Its directions are the two largest solutions b of ``B b = c W b``, with B the covariance
    between the components and W the one within them (Fisher 1936, Rao 1948): the discriminant
    directions, of which the variance within is 1. Where the means lie on a line, as two always do,
    one direction is left open, and where there is one component, both: then it is the one in which
    the components' covariances differ most (Cook & Weisberg 1991), and where they do not differ,
    the one of the largest variance after the features are scaled to unit variance.
    """
    weights = mixture.weights / mixture.weights.sum()
    covariances = mixture.covariances()
    within = np.tensordot(weights, covariances, 1)
    root = cholesky(within, lower=True)
    shift = solve_triangular(root, (mixture.means - weights @ mixture.means).T, lower=True)
    half = solve_triangular(root, covariances, lower=True)
    white = solve_triangular(root, np.swapaxes(half, -1, -2), lower=True)
    differ = white - np.eye(mixture.n_features)
    scale = np.sqrt(np.diagonal(within))
    rough = (root / scale[:, None]).T @ (root / scale[:, None])  # the correlation, whitened
    ranked = ((shift * weights) @ shift.T, np.tensordot(weights, differ @ differ, 1), rough)
    basis = solve_triangular(root, _leading(ranked), lower=True, trans="T")
    loads = basis * scale[:, None]
    top = np.abs(loads).argmax(axis=0)
    basis = basis * np.sign(loads[top, [0, 1]])
    return View(basis, tuple(_direction(mixture, j, loads[:, j]) for j in range(2)))


def _leading(ranked: tuple[Array, ...]) -> Array:
    """Two orthonormal directions, (d, 2): a matrix chooses what the ones before leave open."""
    d = ranked[0].shape[0]
    found: Array = np.empty((d, 0))
    for matrix in ranked:
        rest = np.eye(d) - found @ found.T
        values, vectors = np.linalg.eigh(rest @ matrix @ rest)
        values, vectors = values[::-1], vectors[:, ::-1]
        good = values > EVEN * max(values[0], 1.0)
        found = np.concatenate([found, vectors[:, good]], axis=1)[:, :2]
        if found.shape[1] == 2:
            break
    return np.linalg.qr(found)[0]


def _direction(mixture: Mixture, j: int, loads: Array) -> str:
    most = np.argsort(-np.abs(loads), kind="stable")[:2]
    names = ", ".join(short(mixture.names[i], 18) for i in most)
    more = ", …" if mixture.n_features > 2 else ""
    return f"discriminant {j + 1} ({names}{more})"
