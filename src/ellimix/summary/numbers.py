"""Numbers as every format of a summary shows them: one function for each kind."""

from __future__ import annotations

import math

LARGE = 1e12  # from here on digits behind the point say nothing


def nats(value: float) -> str:
    """A log-likelihood or a criterion.

    Examples
    --------
    >>> from ellimix.summary.numbers import nats
    >>> nats(-1126.3159), nats(float("inf"))
    ('-1,126.316', 'inf')
    """
    if not math.isfinite(value):
        return f"{value}"
    return f"{value:,.3f}" if abs(value) < LARGE else f"{value:.6g}"


def entropy(value: float) -> str:
    """Nats of a single row."""
    return "<0.0001" if 0.0 < value < 0.00005 else f"{value:.4f}"


def share(value: float) -> str:
    """A weight.

    Examples
    --------
    >>> from ellimix.summary.numbers import share
    >>> share(0.4752), share(1e-9)
    ('0.475', '<0.001')
    """
    return "<0.001" if 0.0 < value < 0.0005 else f"{value:.3f}"


def count(value: float | None) -> str:
    """A sum of row weights; "-" for one that was not asked for."""
    if value is None:
        return "-"
    if value >= LARGE or 0.0 < value < 0.05:
        return f"{value:.3g}"
    return f"{value:,.1f}"


def total(value: float) -> str:
    """A sum of row weights that is as a rule a whole number."""
    return f"{value:,.6g}" if value < 1e6 else f"{value:,.0f}"


def mean(value: float) -> str:
    """A location."""
    return f"{value:.4g}"


def size(value: float) -> str:
    """A standard deviation, a volume, a condition number."""
    return f"{value:.3g}"


def spread(middle: float, deviation: float) -> str:
    """A mean with a standard deviation."""
    return f"{mean(middle)} ± {size(deviation)}"


def interval(ends: tuple[float, float] | None) -> str:
    """Two ends; "-" for a point estimate, which has none."""
    return "-" if ends is None else f"[{mean(ends[0])}, {mean(ends[1])}]"
