"""How well a batch fits the model before it, against what the model leads to expect.

The yardstick is the model itself: rows drawn from it have log-densities of some mean, spread and
quantiles. If nothing has changed, the mean log-density of a new batch differs from that mean by

    its own scatter                       variance / n
    the model's error                     variance / N, for a model that rests on N rows
    what a fit takes from its own rows    p / N on average, for p parameters (Akaike 1974)
    the drawing                           variance / rows drawn

so z is their difference, less p / N, in standard errors. The second and third are those of a
maximum likelihood estimate.

A row fits badly where the density of the Gaussian components is below a low quantile of what that
is for rows drawn from them. Where there is a noise component most of its rows fit badly, too: how
many are usual is the share among rows drawn from the whole model.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.density.mixture import Mixture
from ellimix.records import Array, Rows
from ellimix.sources.memory import MemorySource

DRAWN = 4096  # rows of the model's own


@final
@dataclass(frozen=True, eq=False)
class Judgement:
    """How well a batch fits.

    Parameters
    ----------
    fit : float
        Mean log-density of its rows, in nats.
    expected, z : float or None
        What that was to be, and the difference in standard errors. None where the rows have errors,
        projections or bounds, whose densities the model's own rows do not tell.
    misfits : float or None
        The share, by weight, of the whole rows that fit badly; None where there are no whole rows.
    usual : float
        What that share is for rows of the model's own.
    bad : ndarray of int
        Which rows these are.
    whole : int
        How many whole rows count.
    """

    fit: float
    expected: float | None
    z: float | None
    misfits: float | None
    usual: float
    bad: NDArray[np.intp]
    whole: int


def judged(
    mixture: Mixture, source: MemorySource, rests: float, misfit: float, seed: int
) -> Judgement:
    """How well the rows fit a model that does not know them.

    Parameters
    ----------
    mixture : Mixture
    source : MemorySource
        The batch.
    rests : float
        On how many rows the model rests.
    misfit : float
        The quantile below which a row fits badly.
    seed : int
        Of the rows that are drawn from the model.
    """
    counted = np.flatnonzero(source.weights > 0.0)
    rows, weight = source.rows[counted], source.weights[counted]
    detail = None if source.detail is None else replace(source.detail.at(counted), prior=None)
    exact = detail is None or all(getattr(detail, part.name) is None for part in fields(detail))
    density = mixture.log_density(rows, None if exact else detail)
    share = weight / weight.sum()
    fit = float(share @ density)
    if not exact:
        return Judgement(fit, None, None, None, misfit, np.empty(0, dtype=np.intp), 0)
    rng = np.random.default_rng(seed)
    own, labels = mixture.sample(DRAWN, rng)
    gaussian = _without_noise(mixture)
    core = gaussian.log_density(own)
    limit = float(np.quantile(core[labels >= 0], misfit))
    usual = float((core < limit).mean())
    drawn = core if gaussian is mixture else mixture.log_density(own)
    if source.incomplete:
        drawn = mixture.log_density(_with_holes(own, rows, share, rng))
    variance = float(drawn.var())
    parts = float(share @ share) + 1.0 / rests + 1.0 / DRAWN
    expected = float(drawn.mean()) - mixture.n_parameters / rests
    z = (fit - expected) / np.sqrt(max(variance * parts, np.finfo(float).tiny))
    whole = ~np.isnan(rows).any(axis=1)
    near = density if gaussian is mixture else gaussian.log_density(rows)
    bad = whole & (near < limit)
    misfits = float(weight[bad].sum() / weight[whole].sum()) if whole.any() else None
    return Judgement(fit, expected, float(z), misfits, usual, counted[bad], int(whole.sum()))


def _without_noise(mixture: Mixture) -> Mixture:
    """The Gaussian components alone; the mixture itself where that is all."""
    if mixture.box is None:
        return mixture
    model = mixture.parameters
    alone = replace(model, weights=model.weights / model.weights.sum(), noise=None)
    return replace(mixture, parameters=alone, box=None)


def _with_holes(own: Array, rows: Rows, share: Array, rng: np.random.Generator) -> Array:
    """The model's own rows with values missing as they are in the batch."""
    like = rng.choice(share.size, size=own.shape[0], p=share)
    return np.where(np.isnan(rows[like]), np.nan, own)
