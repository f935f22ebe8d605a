"""Random rows of which not all is known, for tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ellimix.records import Detail, Factor, Moment
from problems import random_potentials, random_rows, random_spd

KINDS = ("errors", "full errors", "projections", "intervals", "missing")


def random_known(rng, kinds, n=12, d=3, cells=1):
    """Rows and what is known of them: a set of `KINDS`; intervals in up to so many cells."""
    rows = random_rows(rng, n, d)
    detail = Detail()
    p = d
    if "projections" in kinds:
        p = 2
        projections = rng.standard_normal((n, p, d))
        detail = replace(detail, projections=projections)
        rows = np.einsum("npd,nd->np", projections, rows)
    if "full errors" in kinds:
        detail = replace(detail, errors=random_spd(rng, p, n))
    elif "errors" in kinds:
        detail = replace(detail, errors=rng.gamma(1.0, size=(n, p)))
    if "missing" in kinds:
        rows[rng.random(rows.shape) < 0.3] = np.nan
    if "intervals" in kinds:
        detail = censored(rng, rows, detail, cells)
    return rows, detail


def censored(rng, rows, detail, cells):
    """Bounds of both kinds, one-sided and not; rows are changed in place."""
    lower, upper = np.full(rows.shape, -np.inf), np.full(rows.shape, np.inf)
    for i in range(rows.shape[0]):
        for j in rng.permutation(rows.shape[1])[: rng.integers(cells + 1)]:
            if np.isnan(rows[i, j]):
                continue
            kind = rng.integers(3)
            if kind != 0:
                lower[i, j] = rows[i, j] - rng.gamma(1.0)
            if kind != 1:
                upper[i, j] = rows[i, j] + rng.gamma(1.0)
            rows[i, j] = np.nan
    return replace(detail, lower=lower, upper=upper)


def with_flat(potentials):
    """The same with a last, flat potential: noise in a box about their middle."""
    if potentials.shape is Factor.SHARED or potentials.moment is Moment.POOLED:
        raise ValueError("Noise needs a factor and a moment for each component.")
    d = potentials.center.shape[-1]
    sides = np.linspace(9.0, 14.0, d)
    middle = potentials.center.mean(axis=-2, keepdims=True)
    axis = -2 if potentials.shape is Factor.DIAGONAL else -3
    one = np.zeros_like(np.take(potentials.factor, [0], axis=axis))
    constant = np.full((*potentials.offset.shape[:-1], 1), np.log(0.3) - np.log(sides).sum())
    return replace(
        potentials,
        offset=np.concatenate([potentials.offset, constant], axis=-1),
        center=np.concatenate([potentials.center, middle], axis=-2),
        factor=np.concatenate([potentials.factor, one], axis=axis),
        flat=np.log(sides),
    )


def random_prior(rng, n, k):
    """Partial labels: logarithms of 0, 1 and what is between."""
    allowed = rng.random((n, k)) < 0.7
    allowed[:, 0] |= ~allowed.any(axis=1)
    with np.errstate(divide="ignore"):
        return np.where(allowed, np.log(rng.uniform(0.2, 1.0, (n, k))), -np.inf)


def potentials_for(rng, shape, moment, k=3, d=3):
    return random_potentials(rng, k, d, shape, moment)
