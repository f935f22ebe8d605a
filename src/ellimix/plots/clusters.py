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
NOISE = "0.55"  # grey
RUG = 0.012  # where ticks for rows with one value lie, as a share of the axes


def clusters(
    model: Any,
    X: Any,
    *,
    features: tuple[int, int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw rows in the colour of their most probable component.

    With two features or more: a scatter with ellipses of 1, 2 and 3 standard deviations; a row of
    which one of the two values is missing is a tick at the axis of the other. With one: a histogram
    with the weighted densities of the components and their sum. Noise is grey.

    Parameters
    ----------
    model : Mixture or fitted estimator
    X : array-like of shape (n, d)
        The rows to draw, with NaN for missing values. At most 20,000 of them are, at random, and
        those of which no value that is shown is known are not: the title says how many are.
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
    shown = [0] if mixture.n_features == 1 else list(_two(mixture, features))
    drawn = _subset(rows[~np.isnan(rows[:, shown]).all(axis=1)])
    if not len(drawn):
        columns = ", ".join(mixture.names[j] for j in shown)
        raise ValueError(f"No row of X has a value in {columns}: there is nothing to draw.")
    ax = new_axes() if ax is None else ax
    if mixture.n_features == 1:
        _histogram(ax, mixture, drawn[:, 0])
    else:
        _scatter(ax, mixture, drawn, (shown[0], shown[1]))
    _title(ax, mixture, len(rows), len(drawn))
    return ax


def separation(mixture: Mixture) -> Array:
    """Share of each feature's variance that lies between the components, (d,)."""
    weights = mixture.weights / mixture.weights.sum()  # without that of noise
    shift = mixture.means - weights @ mixture.means
    between = weights @ shift**2
    share: Array = between / (between + weights @ mixture.variances())
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
        _points(ax, rows[labels == k][:, two], color, marker, size, _label(mixture, k))
        _ellipses(ax, mixture.means[k, list(two)], covariances[k][np.ix_(two, two)], color)
    if mixture.box is not None:
        _points(ax, rows[labels == -1][:, two], NOISE, "o", size / 2.0, _noise_label(mixture))
    ax.autoscale_view()
    ax.set(xlabel=mixture.names[two[0]], ylabel=mixture.names[two[1]])
    _legend(ax, mixture.n_components + (mixture.box is not None))


def _points(ax: Axes, xy: Array, color: str, marker: str, size: float, label: str) -> None:
    """Points of one component, and ticks at an axis for those with one value."""
    known = ~np.isnan(xy)
    both = known.all(axis=1)
    x, y = xy[both].T
    ax.scatter(
        x, y, s=size, c=color, marker=marker, alpha=0.6, linewidths=0, rasterized=True, label=label
    )
    along = ("|", ax.get_xaxis_transform()), ("_", ax.get_yaxis_transform())
    for j, (tick, transform) in enumerate(along):
        alone = xy[known[:, j] & ~both, j]
        if alone.size:
            at = np.full(alone.size, RUG)
            pair = (alone, at) if j == 0 else (at, alone)
            ax.plot(
                *pair, ls="", marker=tick, color=color, markersize=7, alpha=0.7,
                transform=transform, rasterized=True,
            )  # fmt: skip


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
    if mixture.box is not None:  # its density is that of the box, and 0 outside
        outside = np.abs(grid[:, 0] - mixture.box.middle[0]) > mixture.box.sides[0] / 2.0
        parts[outside, -1] = 0.0
    ax.hist(values, bins="auto", density=True, color="0.85", edgecolor="0.7", rasterized=True)
    for k in range(mixture.n_components):
        ax.plot(grid[:, 0], parts[:, k], color=style(k)[0], lw=1.8, label=_label(mixture, k))
    if mixture.box is not None:
        ax.plot(grid[:, 0], parts[:, -1], color=NOISE, lw=1.8, label=_noise_label(mixture))
    ax.plot(grid[:, 0], parts.sum(axis=1), color="black", lw=1.2, ls="--", label="mixture")
    ax.set(xlabel=mixture.names[0], ylabel="density")
    _legend(ax, parts.shape[1] + 1)


def style(k: int) -> tuple[str, str]:
    """Colour and marker of component k; the pair repeats after 56 components."""
    return PALETTE[k % len(PALETTE)], MARKERS[k // len(PALETTE) % len(MARKERS)]


def _label(mixture: Mixture, k: int) -> str:
    return f"{k} ({mixture.weights[k]:.0%})"


def _noise_label(mixture: Mixture) -> str:
    return f"noise ({mixture.noise_weight:.0%})"


def _legend(ax: Axes, entries: int) -> None:
    ax.legend(title="component", fontsize="small", ncols=1 + (entries - 1) // 15, markerscale=1.5)


def _title(ax: Axes, mixture: Mixture, n: int, drawn: int) -> None:
    count = f"{n:,} rows" if drawn == n else f"{drawn:,} of {n:,} rows drawn"
    plural = "" if mixture.n_components == 1 else "s"
    noise = "" if mixture.box is None else " and noise"
    ax.set_title(
        f"{mixture.n_components} component{plural}{noise}, {mixture.family.name}; {count}",
        fontsize=11,
    )
