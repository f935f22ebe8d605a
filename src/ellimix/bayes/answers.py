"""What a posterior is asked for: estimates and intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from ellimix.records import Array


@final
@dataclass(frozen=True)
class Estimate:
    """Mean and variance of a normal, as one number each.

    Parameters
    ----------
    mean : float
    variance : float
    """

    mean: float
    variance: float


@final
@dataclass(frozen=True, eq=False)
class MultivariateEstimate:
    """Mean and covariance of a multivariate normal.

    Parameters
    ----------
    mean : ndarray of shape (d,)
    covariance : ndarray of shape (d, d)
    """

    mean: Array
    covariance: Array


@final
@dataclass(frozen=True)
class Interval:
    """Central credible intervals: as much probability lies below each as above it.

    Parameters
    ----------
    level : float
        The probability inside each.
    mean, variance : tuple of float
        Lower and upper end.
    """

    level: float
    mean: tuple[float, float]
    variance: tuple[float, float]


@final
@dataclass(frozen=True, eq=False)
class MultivariateInterval:
    """Central credible intervals of each feature by itself.

    Parameters
    ----------
    level : float
        The probability inside each; that all hold at once is less probable.
    mean, variance : ndarray of shape (d, 2)
        Lower and upper ends; the variances are the diagonal of the covariance.
    """

    level: float
    mean: Array
    variance: Array
