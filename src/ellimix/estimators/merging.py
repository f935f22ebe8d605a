"""em.merge: models that were fitted apart, in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from numbers import Real
from typing import Any

import numpy as np

from ellimix.covariance import parse
from ellimix.covariance.base import Family
from ellimix.density.mixture import Mixture
from ellimix.errors import DataError
from ellimix.estimators.gaussian_mixture import GaussianMixture
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.online.merging import MATCHES, Part, merged, modelled
from ellimix.online.report import StreamReport
from ellimix.online.stream import Stream
from ellimix.online.sums import about_means, scaled, standing_for
from ellimix.records import SufficientStatistics


def merge(
    *parts: GaussianMixture | Mixture | SufficientStatistics,
    match: str = "assign",
    max_distance: float | None = None,
    rows: Sequence[float | None] | None = None,
    covariance_type: str | None = None,
    reg_covar: float | None = None,
) -> GaussianMixture:
    """One mixture from several that were fitted to different rows: their sums add.

    Exact where the sums were made under the same parameters (``model.statistics(X)`` of one model
    at each place, with ``match="order"``): it is then one EM iteration over all rows. For models
    that were fitted apart it is one M-step over the rows as each model assigned its own; a fit that
    goes on from there, or `partial_fit`, does the rest.

    Parameters
    ----------
    *parts : GaussianMixture, Mixture or SufficientStatistics
        At least one. Estimators bring their `statistics_`; a mixture, as from a file, stands for
        the number of rows that `rows` says. Of one family and the same columns, without noise.
    match : {"assign", "order", "concatenate"}, default="assign"
        Which components are the same. By the least sum of Bhattacharyya distances, with those that
        are left over on their own; by number; or none, so that all stand side by side.
    max_distance : float, default=None
        With ``"assign"``, a pair that is further apart stays two components. None sets no limit.
        Two equal spheres whose centers are s standard deviations apart have s^2 / 8.
    rows : sequence of float or None, default=None
        For each part on how many rows it rests, where it does not tell itself.
    covariance_type : str, default=None
        The family; None takes that of the first part that has one.
    reg_covar : float, default=None
        Floor of the M-step; None takes that of the first estimator, or 1e-6.

    Returns
    -------
    GaussianMixture
        Fitted, with `statistics_` the sums. A prior or fixed parts of the models are not in it.

    Raises
    ------
    ValueError
        The parts do not go together, or make no sound model; the message says why.

    Examples
    --------
    >>> import numpy as np
    >>> import ellimix as em
    >>> rng = np.random.default_rng(0)
    >>> def day(n):
    ...     return rng.normal(0, 1, (n, 1)) + 8.0 * (rng.random((n, 1)) < 0.25)
    >>> monday, tuesday = (em.GaussianMixture(2, random_state=0).fit(day(n)) for n in (900, 100))
    >>> both = em.merge(monday, tuesday)
    >>> both.statistics_.weight, np.sort(both.weights_).round(2)
    (1000.0, array([0.27, 0.73]))
    """
    if not parts:
        raise DataError("There is nothing to merge: pass models or statistics.")
    if match not in MATCHES:
        raise DataError(f"match is {match!r}: it must be one of {', '.join(MATCHES)}.")
    if max_distance is not None and match != "assign":
        raise DataError(f'max_distance goes with match="assign", not {match!r}: leave it out.')
    limit = np.inf if max_distance is None else _positive(max_distance)
    family = _family_of(parts, covariance_type)
    floor = _floor_of(parts) if reg_covar is None else float(reg_covar)
    inference = MaximumLikelihood(family, floor)
    told = list(rows) if rows is not None else [None] * len(parts)
    if len(told) != len(parts):
        raise DataError(f"rows has {len(told)} entries for {len(parts)} parts: give one for each.")
    whole = [_part(part, n, inference) for part, n in zip(parts, told, strict=True)]
    names = _names_of(whole)
    found = reduce(lambda a, b: merged(a, b, MATCHES[match], limit, inference), whole)
    return from_sums(
        found.statistics, replace(found.mixture, feature_names=names), floor, len(parts)
    )


def from_sums(
    statistics: SufficientStatistics, mixture: Mixture, reg_covar: float, batches: int
) -> GaussianMixture:
    """A fitted estimator with the sums of its rows, from which `partial_fit` goes on.

    Parameters
    ----------
    statistics : SufficientStatistics
    mixture : Mixture
    reg_covar : float
    batches : int
        Of how many parts these are the sums.
    """
    estimator: GaussianMixture = GaussianMixture.from_mixture(mixture)
    estimator.reg_covar = reg_covar
    keep_sums(estimator, statistics, batches)
    return estimator


def keep_sums(estimator: GaussianMixture, statistics: SufficientStatistics, batches: int) -> None:
    """Let an estimator with a mixture rest on these sums."""
    weight = float(statistics.weight)
    unit = about_means(scaled(statistics, 1.0 / float(statistics.n.sum())))
    estimator._running = Stream(unit, weight, weight, batches, StreamReport(()))


def _part(
    part: GaussianMixture | Mixture | SufficientStatistics,
    rows: float | None,
    inference: MaximumLikelihood,
) -> Part:
    if isinstance(part, SufficientStatistics):
        return modelled(_checked(part, inference), inference)
    mixture = part.mixture_ if isinstance(part, GaussianMixture) else part
    if mixture.box is not None:
        raise DataError(
            "A mixture with a noise component has a box of its own, and two boxes make none: merge "
            "models without noise."
        )
    if mixture.family.name != inference.family.name:
        raise DataError(
            f"Families {inference.family.name} and {mixture.family.name} do not merge: fit both "
            "with one covariance_type."
        )
    if rows is not None:
        told = mixture.parameters, inference.moment, _positive(rows), inference.reg_covar
        sums = standing_for(*told)
    elif isinstance(part, GaussianMixture) and hasattr(part, "statistics_"):
        sums = part.statistics_
    else:
        raise DataError(
            "A model does not tell on how many rows it rests: pass rows, one number for each part, "
            "or statistics(X) in its place."
        )
    return Part(sums, mixture)


def _checked(sums: SufficientStatistics, inference: MaximumLikelihood) -> SufficientStatistics:
    if sums.moment is not inference.moment or sums.n.ndim != 1:
        raise DataError(
            f"The family {inference.family.name} needs statistics of one fit with a "
            f"{inference.moment.value} second moment, not a {sums.moment.value} one: take them "
            "under a model of that family."
        )
    return sums


def _family_of(parts: Sequence[Any], covariance_type: str | None) -> Family:
    widths = {_width(part) for part in parts}
    if len(widths) > 1:
        raise DataError(
            f"The parts have {', '.join(map(str, sorted(widths)))} features: merge models of the "
            "same columns."
        )
    if covariance_type is not None:
        return parse(covariance_type, widths.pop())
    families = [
        (part.mixture_ if isinstance(part, GaussianMixture) else part).family
        for part in parts
        if not isinstance(part, SufficientStatistics)
    ]
    if not families:
        raise DataError("Statistics do not tell their family: pass covariance_type.")
    return families[0]


def _width(part: Any) -> int:
    """Features of a part."""
    if isinstance(part, SufficientStatistics):
        return int(part.center.shape[-1])
    if isinstance(part, GaussianMixture):
        return part._fitted("mixture_").n_features
    if isinstance(part, Mixture):
        return part.n_features
    raise DataError(
        f"{type(part).__name__} cannot be merged: pass GaussianMixture, Mixture or "
        "SufficientStatistics."
    )


def _floor_of(parts: Sequence[Any]) -> float:
    floors = [float(part.reg_covar) for part in parts if isinstance(part, GaussianMixture)]
    return floors[0] if floors else 1e-6


def _names_of(parts: Sequence[Part]) -> tuple[str, ...] | None:
    """The columns' names, where some part has them."""
    known = [part.mixture.feature_names for part in parts if part.mixture.feature_names]
    if any(names != known[0] for names in known):
        raise DataError("The parts have columns of different names: merge models of the same.")
    return known[0] if known else None


def _positive(value: Any) -> float:
    sound = isinstance(value, Real) and not isinstance(value, bool) and 0.0 < float(value) < np.inf
    if not sound:
        raise DataError(f"rows and max_distance must be positive numbers, not {value!r}.")
    return float(value)
