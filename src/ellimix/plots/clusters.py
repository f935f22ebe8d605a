"""Rows coloured by component, with the components' ellipses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ellimix.density.mixture import Mixture
from ellimix.plots.canvas import MARKERS, PALETTE, ellipse, new_axes
from ellimix.records import Array, Rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 20_000  # drawn at most; a random subset of more rows
SIGMAS = (1, 2, 3)


def clusters(
    model: Any,
    X: Any,
    *,
    features: tuple[int, int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw rows in the colour of their most probable component.

    With two features or more: a scatter with ellipses of 1, 2 and 3 standard deviations. With
    one: a histogram with the weighted densities of the components and their sum.

    Parameters
    ----------
    model : Mixture or fitted estimator
    X : array-like of shape (n, d)
        The rows to draw; at most 20,000 of them, drawn at random, and the title says so.
    features : tuple of int, optional
        The two columns to draw; by default those in which the components differ most.
    ax : matplotlib Axes, optional
        By default the axes of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    ValueError
        `X` or `features` do not fit the model.

    Examples
    --------
    >>> import ellimix as em
    >>> X, _ = em.datasets.faithful()
    >>> ax = em.plots.clusters(em.GaussianMixture(2, random_state=0).fit(X), X)
    >>> ax.get_title()
    '2 components, VVV; 272 rows'
    """
    mixture: Mixture = getattr(model, "mixture_", model)
    rows = np.asarray(X, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != mixture.n_features:
        raise ValueError(f"X has shape {rows.shape}, expected (n, {mixture.n_features}).")
    drawn = _subset(rows)
    ax = new_axes() if ax is None else ax
    if mixture.n_features == 1:
        _histogram(ax, mixture, drawn[:, 0])
    else:
        _scatter(ax, mixture, drawn, _two(mixture, features))
    _title(ax, mixture, len(rows), len(drawn))
    return ax


def separation(mixture: Mixture) -> Array:
    """Share of each feature's variance that lies between the components, (d,)."""
    shift = mixture.means - mixture.weights @ mixture.means
    between = mixture.weights @ shift**2
    share: Array = between / (between + mixture.weights @ mixture.variances())
    return share


def _two(mixture: Mixture, features: tuple[int, int] | None) -> tuple[int, int]:
    d = mixture.n_features
    if features is None:
        a, b = sorted(int(j) for j in np.argsort(-separation(mixture), kind="stable")[:2])
        return a, b
    a, b = features
    if not (0 <= a < d and 0 <= b < d and a != b):
        raise ValueError(f"features must be two different columns from 0 to {d - 1}.")
    return a, b


def _subset(rows: Rows) -> Rows:
    if len(rows) <= MOST_POINTS:
        return rows
    chosen = np.random.default_rng(0).choice(len(rows), MOST_POINTS, replace=False)
    return rows[np.sort(chosen)]


def _scatter(ax: Axes, mixture: Mixture, rows: Rows, two: tuple[int, int]) -> None:
    labels, covariances = mixture.predict(rows), mixture.covariances()
    size = float(np.clip(6000 / max(len(rows), 1), 2, 22))
    for k in range(mixture.n_components):
        color, marker = style(k)
        mine = rows[labels == k]
        ax.scatter(
            mine[:, two[0]],
            mine[:, two[1]],
            s=size,
            c=color,
            marker=marker,
            alpha=0.6,
            linewidths=0,
            rasterized=True,
            label=_label(mixture, k),
        )
        _ellipses(ax, mixture.means[k, list(two)], covariances[k][np.ix_(two, two)], color)
    ax.autoscale_view()
    ax.set(xlabel=mixture.names[two[0]], ylabel=mixture.names[two[1]])
    _legend(ax, mixture.n_components)


def _ellipses(ax: Axes, mean: Array, covariance: Array, color: str) -> None:
    values, vectors = np.linalg.eigh(covariance)
    width, height = 2.0 * np.sqrt(np.maximum(values[::-1], 0.0))
    angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
    for sigma in SIGMAS:
        patch = ellipse((float(mean[0]), float(mean[1])), sigma * width, sigma * height, angle)
        patch.set(edgecolor=color, linewidth=1.8 / sigma, alpha=1.0 if sigma == 1 else 0.75)
        ax.add_patch(patch)
    ax.plot(*mean, marker="+", color="black", markersize=8, markeredgewidth=1.5)


def _histogram(ax: Axes, mixture: Mixture, values: NDArray[np.floating[Any]]) -> None:
    deviation = np.sqrt(mixture.variances()[:, 0])
    low = min(values.min(), (mixture.means[:, 0] - 3 * deviation).min())
    high = max(values.max(), (mixture.means[:, 0] + 3 * deviation).max())
    grid = np.linspace(low, high, 1000)[:, None]
    parts = np.exp(mixture.log_joint(grid))
    ax.hist(values, bins="auto", density=True, color="0.85", edgecolor="0.7", rasterized=True)
    for k in range(mixture.n_components):
        ax.plot(grid[:, 0], parts[:, k], color=style(k)[0], lw=1.8, label=_label(mixture, k))
    ax.plot(grid[:, 0], parts.sum(axis=1), color="black", lw=1.2, ls="--", label="mixture")
    ax.set(xlabel=mixture.names[0], ylabel="density")
    _legend(ax, mixture.n_components + 1)


def style(k: int) -> tuple[str, str]:
    """Colour and marker of component k; the pair repeats after 56 components."""
    return PALETTE[k % len(PALETTE)], MARKERS[k // len(PALETTE) % len(MARKERS)]


def _label(mixture: Mixture, k: int) -> str:
    return f"{k} ({mixture.weights[k]:.0%})"


def _legend(ax: Axes, entries: int) -> None:
    ax.legend(title="component", fontsize="small", ncols=1 + (entries - 1) // 15, markerscale=1.5)


def _title(ax: Axes, mixture: Mixture, n: int, drawn: int) -> None:
    count = f"{n:,} rows" if drawn == n else f"{drawn:,} of {n:,} rows drawn"
    plural = "" if mixture.n_components == 1 else "s"
    ax.set_title(
        f"{mixture.n_components} component{plural}, {mixture.family.name}; {count}", fontsize=11
    )
