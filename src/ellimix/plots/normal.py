"""What a batch taught about a normal: prior, likelihood and posterior of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from scipy.stats import invgamma, norm, t

from ellimix.bayes import MultivariateNormal, Normal, NormalMean
from ellimix.bayes.statistics import Statistics, of_rows
from ellimix.errors import ImproperPosterior
from ellimix.plots.canvas import PALETTE, new_grid
from ellimix.records import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Posterior = NormalMean | Normal | MultivariateNormal
MOST_FEATURES = 4  # drawn unasked
PRIOR, LIKELIHOOD, POSTERIOR = PALETTE[1], PALETTE[2], PALETTE[0]
LEVEL = 0.9  # of the interval that is shaded
TAIL = 0.002  # of posterior and likelihood, beyond the axis on either side
LONGEST = 5.0  # from the median to an end at most, in distances of the median to the quartile
WIDEST = 0.7  # how far a wide prior or likelihood may push an end out, in widths of the axis
WIDE = 1e100  # numbers that an axis can still show
NEAR = 0.4  # an axis of variances that begins within this share of its length begins at 0


@final
@dataclass(frozen=True)
class _Panel:
    """What one axes shows: densities of one parameter; None for one that is improper."""

    name: str
    prior: Any
    likelihood: Any
    posterior: Any
    inside: tuple[float, float]


def posterior_plot(
    prior: Posterior | None,
    posterior: Posterior,
    data: Any = None,
    *,
    sample_weight: Any = None,
    features: Sequence[int] | None = None,
    axes: Sequence[Axes] | None = None,
) -> tuple[Axes, ...]:
    """Draw the densities of a normal's mean and variance before and after the data.

    The posterior is shaded over its central 90 % interval. The likelihood is that of `data` alone,
    with the other parameter at its maximum for each value of the one that is drawn, and scaled to
    area 1. What is improper, a flat prior or the likelihood of too few rows, is not drawn, and the
    legend says so. A prior that is much wider than the rest runs out of the axes.

    Parameters
    ----------
    prior : NormalMean, Normal, MultivariateNormal or None
        Of the posterior's kind.
    posterior : NormalMean, Normal or MultivariateNormal
    data : array-like, optional
        The rows that the posterior has seen and the prior has not, as `update` takes them.
    sample_weight : array-like of shape (n,), optional
    features : sequence of int, optional
        The columns to draw, a row of axes each; by default the first four.
    axes : sequence of matplotlib Axes, optional
        One for a `NormalMean`, two for a `Normal`, two a feature for a `MultivariateNormal`; by
        default those of a new figure.

    Returns
    -------
    tuple of Axes

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    ImproperPosterior
        The posterior is no distribution yet.
    ValueError
        The prior is of another kind, the number of axes or the features do not fit, or the
        posterior is too wide to draw.
    DataError
        The data do not fit.

    Examples
    --------
    >>> import ellimix as em
    >>> waiting = em.datasets.faithful()[0][:20, 1]
    >>> prior = em.bayes.Normal(location=60.0, kappa=1.0, degrees=3.0, scale=300.0)
    >>> mean, variance = em.plots.posterior_plot(prior, prior.update(waiting), waiting)
    >>> mean.get_xlabel(), variance.get_xlabel()
    ('mean', 'variance')
    """
    _check(prior, posterior, features)
    if isinstance(posterior, MultivariateNormal):
        panels = _of_features(prior, posterior, data, sample_weight, features)
    else:
        rows = None if data is None else of_rows(data, sample_weight, 1)
        panels = _panels(prior, posterior, rows, "")
    columns = min(2, len(panels))
    drawn = tuple(new_grid(len(panels) // columns, columns) if axes is None else axes)
    if len(drawn) != len(panels):
        raise ValueError(f"{len(drawn)} axes were given: this picture takes {len(panels)}.")
    for ax, panel in zip(drawn, panels, strict=True):
        _draw(ax, panel, asked=(prior is not None, data is not None))
    return drawn


def _check(prior: Any, posterior: Any, features: Sequence[int] | None) -> None:
    if not isinstance(posterior, NormalMean | Normal | MultivariateNormal):
        name = type(posterior).__name__
        raise ValueError(f"posterior is a {name}: pass one of ellimix.bayes' posteriors.")
    if prior is not None and type(prior) is not type(posterior):
        raise ValueError(
            f"prior is a {type(prior).__name__}, posterior a {type(posterior).__name__}: "
            "pass two of one kind."
        )
    if not posterior.is_proper:
        raise ImproperPosterior("The posterior is no distribution yet: update with more rows.")
    if not isinstance(posterior, MultivariateNormal) and features is not None:
        raise ValueError("features are for a MultivariateNormal: this posterior has one.")
    if isinstance(posterior, MultivariateNormal) and isinstance(prior, MultivariateNormal):
        before, after = prior.n_features, posterior.n_features
        if before != after:
            raise ValueError(f"prior has {before} features, posterior {after}.")


def _of_features(
    prior: Any,
    posterior: MultivariateNormal,
    data: Any,
    sample_weight: Any,
    features: Sequence[int] | None,
) -> list[_Panel]:
    """Two panels for each feature, by what is known of it alone."""
    d = posterior.n_features
    shown = range(min(d, MOST_FEATURES)) if features is None else list(features)
    if not len(shown):
        raise ValueError(f"features is empty: pass columns from 0 to {d - 1}.")
    rows = None if data is None else of_rows(data, sample_weight, d)
    panels = []
    for j in shown:
        after = posterior.marginal(j)
        before = prior.marginal(j) if prior is not None and prior.is_proper else None
        panels += _panels(before, after, None if rows is None else _column(rows, j), f" of x{j}")
    return panels


def _column(rows: Statistics, j: int) -> Statistics:
    one = slice(j, j + 1)
    return Statistics(rows.n, rows.s1[one], rows.s2[one, one], rows.center[one])


def _panels(prior: Any, posterior: Any, rows: Statistics | None, of: str) -> list[_Panel]:
    """One panel for a mean, one for a variance that is not known."""
    interval = posterior.interval(LEVEL)
    before, alone, after = _laws(prior), _likelihoods(posterior, rows), _laws(posterior)
    panels = [_Panel(f"mean{of}", before[0], alone[0], after[0], interval.mean)]
    if not isinstance(posterior, NormalMean):
        panels.append(_Panel(f"variance{of}", before[1], alone[1], after[1], interval.variance))
    return panels


def _laws(known: Any) -> tuple[Any, Any]:
    """Marginal distributions of mean and variance."""
    if known is None or not known.is_proper:
        return None, None
    if isinstance(known, NormalMean):
        return norm(known.location, np.sqrt(known.variance)), None
    spread = np.sqrt(known.scale / known.kappa / known.degrees)
    mean = t(known.degrees, known.location, spread)
    return mean, invgamma(0.5 * known.degrees, scale=0.5 * known.scale)


def _likelihoods(posterior: Any, rows: Statistics | None) -> tuple[Any, Any]:
    """Profile likelihoods of mean and variance as distributions; None where the area is infinite.

    With S the scatter of n rows they are proportional to (S + n (mu - xbar)^2)^(-n / 2), which is
    Student's t with n - 1 degrees of freedom, and to v^(-n / 2) exp(-S / 2 v), inverse gamma.
    """
    if rows is None or rows.n == 0.0:
        return None, None
    n, center = rows.n, float(rows.shift(np.zeros(1))[0])
    scatter = float(rows.scatter[0, 0])
    if isinstance(posterior, NormalMean):
        return norm(center, np.sqrt(posterior.noise_variance / n)), None
    varied = scatter > 0.0
    mean = t(n - 1.0, center, np.sqrt(scatter / n / (n - 1.0))) if varied and n > 1.0 else None
    variance = invgamma(0.5 * n - 1.0, scale=0.5 * scatter) if varied and n > 2.0 else None
    return mean, variance


def _window(panel: _Panel) -> tuple[float, float]:
    """Ends of the axis: of the posterior, pushed out a little by likelihood and prior."""
    low, high = _ends(panel.posterior)
    if not high - low < WIDE:
        raise ValueError(
            f"The posterior of the {panel.name} is too wide to draw: update with more rows."
        )
    for law in (panel.likelihood, panel.prior):
        if law is not None:
            lowest, highest = _ends(law)
            most = WIDEST * (high - low)
            low = max(min(low, lowest), low - most)
            high = min(max(high, highest), high + most)
    least = float(panel.posterior.support()[0])  # 0 of a variance
    near = np.isfinite(least) and low < least + NEAR * (high - least)
    return (least if near else low), high


def _ends(law: Any) -> tuple[float, float]:
    """Where a density fades, or where a long tail has gone on for enough."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        low, lower, middle, upper, high = law.ppf([TAIL, 0.25, 0.5, 0.75, 1.0 - TAIL])
        first, last = middle - LONGEST * (middle - lower), middle + LONGEST * (upper - middle)
    return float(max(low, first)), float(min(high, last))


def _draw(ax: Axes, panel: _Panel, asked: tuple[bool, bool]) -> None:
    low, high = _window(panel)
    # finer where the posterior is: a wide prior must not leave it ten points
    with np.errstate(divide="ignore"):
        fine = panel.posterior.ppf(np.linspace(0.001, 0.999, 300))
    grid = np.unique(np.concatenate([np.linspace(low, high, 700), np.clip(fine, low, high)]))
    curve = _curve(ax, grid)
    if asked[0]:
        curve(panel.prior, "prior", PRIOR, "--")
    if asked[1]:
        curve(panel.likelihood, "likelihood", LIKELIHOOD, ":")
    curve(panel.posterior, "posterior", POSTERIOR, "-")
    inside = grid[(grid >= panel.inside[0]) & (grid <= panel.inside[1])]
    ax.fill_between(
        inside, panel.posterior.pdf(inside), color=POSTERIOR, alpha=0.18, linewidth=0,
        label=f"{LEVEL:.0%} interval",
    )  # fmt: skip
    ax.set(xlabel=panel.name, ylabel="density", xlim=(low, high))
    ax.set_ylim(bottom=0.0)
    ax.legend(fontsize="small")


def _curve(ax: Axes, grid: Array) -> Callable[[Any, str, str, str], None]:
    def draw(law: Any, label: str, color: str, dashes: str) -> None:
        order = 3.0 if label == "likelihood" else 2.0  # with a flat prior it is the posterior
        if law is None:
            ax.plot([], [], ls=dashes, color=color, lw=1.8, label=f"{label} (improper)")
        else:
            ax.plot(grid, law.pdf(grid), ls=dashes, color=color, lw=1.8, label=label, zorder=order)

    return draw
