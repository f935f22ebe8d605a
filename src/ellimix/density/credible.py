"""Central credible intervals of a mixture's parameters under a variational posterior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import stdtrit
from scipy.stats import beta as beta_distribution
from scipy.stats import chi2, norm

from ellimix.covariance.base import Structure
from ellimix.density.proportions import draw_weights
from ellimix.density.wishart import Kind, PrecisionLaw
from ellimix.inference.base import Parameters
from ellimix.records import Array

POINTS = 8192  # of quantiles without a closed form: ends are off by 1e-3 of the distribution
STICK_DRAWS = 20_000


@final
@dataclass(frozen=True, eq=False)
class Intervals:
    """Central credible intervals; the last axis holds the lower and the upper end.

    Parameters
    ----------
    level : float
        The probability inside of each interval.
    weights : ndarray of shape (k, 2)
    means, variances : ndarray of shape (k, d, 2)
        NaN where they are point estimates.
    covariances, correlations : ndarray of shape (k, d, d, 2)
        Entries that the family holds at 0 are 0. NaN where they are point estimates.
    """

    level: float
    weights: Array
    means: Array
    variances: Array
    covariances: Array
    correlations: Array


def intervals(
    level: float, parameters: Parameters, concentration: Array, precision: Array, law: PrecisionLaw
) -> Intervals:
    """All intervals of a posterior.

    Parameters
    ----------
    level : float
    parameters : Parameters
        What the posterior expects.
    concentration : ndarray of shape (k, 1) or (k, 2)
    precision : ndarray of shape (k,)
        beta_k of the means.
    law : PrecisionLaw
    """
    ends = np.array([0.5 * (1.0 - level), 0.5 * (1.0 + level)])
    variances, covariances, correlations = _covariances(ends, parameters, law)
    return Intervals(
        level,
        _weights(ends, concentration),
        _means(ends, parameters, precision, law),
        variances,
        covariances,
        correlations,
    )


def _weights(ends: Array, concentration: Array) -> Array:
    """Beta marginals of a Dirichlet distribution; draws for sticks."""
    if len(concentration) == 1:
        return np.ones((1, 2))
    if concentration.shape[1] == 1:
        own = concentration[:, 0]
        return np.asarray(beta_distribution.ppf(ends, own[:, None], (own.sum() - own)[:, None]))
    drawn = draw_weights(concentration, STICK_DRAWS, np.random.default_rng(0))
    return np.asarray(np.quantile(drawn, ends, axis=0).T)


def standard_deviations(parameters: Parameters, d: int) -> Array:
    """Roots of the diagonals of the expected covariances, (k, d)."""
    covariance, k = parameters.covariance, len(parameters.weights)
    match covariance.structure:
        case Structure.SPHERICAL:
            variances = np.repeat(covariance.values[:, None], d, axis=1)
        case Structure.DIAGONAL:
            variances = covariance.values
        case Structure.SHARED:
            variances = np.repeat(np.diagonal(covariance.values)[None], k, axis=0)
        case Structure.FULL:
            variances = np.diagonal(covariance.values, axis1=1, axis2=2)
    return np.asarray(np.sqrt(variances))


def _means(ends: Array, parameters: Parameters, precision: Array, law: PrecisionLaw) -> Array:
    """Student t marginals."""
    degrees = law.marginal_degrees
    finite = np.isfinite(degrees)[:, None]
    t = stdtrit(np.where(finite, degrees[:, None], 1.0), ends)
    quantile = np.where(finite, t, norm.ppf(ends))
    precision = np.where(np.isfinite(precision), precision, np.nan)  # a point estimate
    spread = standard_deviations(parameters, law.n_features)
    spread = spread * np.sqrt(law.inflation / precision)[:, None]
    return np.asarray(parameters.means[..., None] + spread[..., None] * quantile[:, None, :])


def _covariances(
    ends: Array, parameters: Parameters, law: PrecisionLaw
) -> tuple[Array, Array, Array]:
    k, d = parameters.means.shape
    variances = _variances(ends, parameters, law)
    covariances, correlations = np.zeros((2, k, d, d, 2))
    if law.kind is Kind.POINT and law.covariance.structure is Structure.FULL:
        covariances[:], correlations[:] = np.nan, np.nan
    if law.kind is Kind.WISHART:
        matrices, _ = law.matrices
        for component, own in enumerate(matrices):
            which = slice(None) if len(matrices) == 1 else component
            pair = _off_diagonal(ends, own, float(law.degrees[component]))
            covariances[which], correlations[which] = pair
    covariances[:, range(d), range(d)] = variances
    correlations[:, range(d), range(d)] = 1.0
    return variances, covariances, correlations


def _variances(ends: Array, parameters: Parameters, law: PrecisionLaw) -> Array:
    """Inverse gamma marginals: nu_k s over a chi-squared variable."""
    k, d = parameters.means.shape
    if law.kind is Kind.POINT:
        return np.full((k, d, 2), np.nan)
    middle = law.degrees[:, None] * standard_deviations(parameters, d) ** 2
    # the larger the chi-squared variable the smaller the variance
    chi = chi2.ppf(ends[::-1], law.marginal_degrees[:, None])
    return np.asarray(middle[..., None] / chi[:, None, :])


def _off_diagonal(ends: Array, sigma: Array, degrees: float) -> tuple[Array, Array]:
    """Intervals of the covariances and correlations of one inverse Wishart distribution.

    The block of two features of an inverse Wishart matrix with scale matrix Psi is an inverse
    Wishart matrix again, with d - 2 fewer degrees of freedom, m. With r the correlation in Psi,
    X ~ chi2(m - 1), Y ~ chi2(m) and z ~ N(0, 1), independent,

        covariance  ~  sqrt(psi_11 psi_22) (r / X + sqrt(1 - r^2) z / (sqrt(Y) X))
        rho / sqrt(1 - rho^2)  ~  (r / sqrt(1 - r^2) sqrt(Y) + z) / sqrt(X)

    from its regression on the first feature: no matrix is drawn, and all pairs share the points.
    """
    d = len(sigma)
    covariances, correlations = np.zeros((2, d, d, 2))
    m = degrees - (d - 2)
    u = _even_points(POINTS)
    x, y, z = chi2.ppf(u[0], m - 1.0), np.sqrt(chi2.ppf(u[1], m)), norm.ppf(u[2])
    spread = np.sqrt(degrees * np.diagonal(sigma))
    for i in range(d - 1):
        rest = slice(i + 1, d)
        size = spread[i] * spread[rest]
        r = degrees * sigma[i, rest] / size
        off = np.sqrt((1.0 - r) * (1.0 + r))
        drawn = (r[:, None] + off[:, None] * (z / y)) / x
        covariances[i, rest] = np.quantile(drawn, ends, axis=1).T * size[:, None]
        drawn = ((r / off)[:, None] * y + z) / np.sqrt(x)
        tangent = np.quantile(drawn, ends, axis=1).T
        correlations[i, rest] = tangent / np.hypot(1.0, tangent)
        covariances[rest, i], correlations[rest, i] = covariances[i, rest], correlations[i, rest]
    return covariances, correlations


def _even_points(n: int) -> Array:
    """Points spread evenly in the unit cube, (3, n): multiples of an irrational vector, modulo 1.

    The powers of the root of g^4 = g + 1 are badly approximated by fractions together (Roberts
    2018, the R3 sequence). Quantiles are nearer to the truth than those of as many random draws.
    """
    g = 1.2207440846057596
    steps = np.array([1.0 / g, 1.0 / g**2, 1.0 / g**3])
    return np.asarray((0.5 + np.arange(1, n + 1) * steps[:, None]) % 1.0)


def table(
    parameters: Parameters,
    found: Intervals,
    names: tuple[str, ...],
    components: Sequence[int] | None = None,
) -> str:
    """Weights, means and standard deviations with their intervals, as text."""
    k, d = parameters.means.shape
    deviations = standard_deviations(parameters, d)
    spreads = np.sqrt(found.variances)
    lines: list[tuple[str, ...]] = [("component", "parameter", "estimate", "lower", "upper")]
    for component in range(k) if components is None else components:
        own = parameters.weights[component]
        lines.append(_line(str(component), "weight", own, found.weights[component]))
        for j, name in enumerate(names):
            mean, ends = parameters.means[component, j], found.means[component, j]
            lines.append(_line("", f"mean {name}", mean, ends))
        for j, name in enumerate(names):
            ends = spreads[component, j]
            lines.append(_line("", f"sd {name}", deviations[component, j], ends))
    widths = [max(len(line[c]) for line in lines) for c in range(5)]
    text = [
        "  ".join(
            cell.ljust(width) if c < 2 else cell.rjust(width)
            for c, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    heading = f"{100.0 * found.level:g} % credible intervals"
    return "\n".join([heading, *text])


def _line(component: str, what: str, estimate: float, ends: Array) -> tuple[str, ...]:
    low, high = ("-" if np.isnan(end) else f"{end:.4g}" for end in ends)
    return component, what, f"{estimate:.4g}", low, high
