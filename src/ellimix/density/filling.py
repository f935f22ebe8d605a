"""What a mixture expects of values that are not known, and draws of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from ellimix.density.mixture import Mixture
from ellimix.engines.conditional import conditional
from ellimix.engines.incomplete import IncompleteEngine
from ellimix.engines.numpy_engine import NumpyEngine, soft
from ellimix.engines.patterns import Integrated, Pattern, integrated
from ellimix.errors import DataError
from ellimix.records import Array, Block, Detail, Potentials, Rows

ROWS = 4096  # at once
SWEEPS = 50  # of Gibbs sampling, where several values of a row are known to intervals


@final
@dataclass(frozen=True)
class Denoised:
    """What a mixture knows of the points behind some rows.

    Parameters
    ----------
    means : ndarray of shape (n, d)
        Posterior means.
    covariances : ndarray of shape (n, d, d)
        Posterior covariances.
    """

    means: Array
    covariances: Array


def filled(mixture: Mixture, rows: Rows, detail: Detail | None) -> Array:
    """The rows with expected values where none is known exactly, float64 (n, d).

    E[x | what is known of the row], over all components (Ghahramani & Jordan 1994).
    """
    out = np.array(rows, dtype=np.float64)
    potentials = mixture.potentials
    for block, patterns, special in _cut(rows, detail):
        own = out[block.start : block.stop]
        for pattern in patterns:
            if not pattern.missing.any():
                continue
            given, share = _given(potentials, pattern)
            expected = np.einsum("kn,kmn->nm", share, _expected(given, pattern, potentials))
            own[np.ix_(pattern.index, np.flatnonzero(pattern.missing))] = expected
        if special.size:
            means = _conditional(potentials, block, special)[1]
            values = own[special]
            own[special] = np.where(np.isnan(values), means, values)
    return out


def denoised(mixture: Mixture, rows: Rows, detail: Detail | None) -> Denoised:
    """Posterior means and covariances of the points (Bovy, Hogg & Roweis 2011, eq. 13 to 15).

    Over all components: the covariance is that within them and that between their means.
    """
    d, potentials = mixture.n_features, mixture.potentials
    means, covariances = np.empty((rows.shape[0], d)), np.empty((rows.shape[0], d, d))
    for start in range(0, rows.shape[0], ROWS):
        part = slice(start, start + ROWS)
        own = None if detail is None else detail.at(part)
        share, mean, each, within = _posterior(potentials, rows[part], own)
        means[part] = mean
        away = each - mean
        covariances[part] = np.einsum("kn,knij->nij", share, within) + np.einsum(
            "kn,kni,knj->nij", share, away, away
        )
    return Denoised(means, covariances)


def drawn(mixture: Mixture, rows: Rows, detail: Detail | None, rng: np.random.Generator) -> Array:
    """The rows with a draw of what is not known exactly, given the rest, float64 (n, d).

    Raises
    ------
    DataError
        There are errors or projections: then the values that are known are not the points.
    """
    if detail is not None and not (detail.errors is None and detail.projections is None):
        raise DataError(
            "Draws of missing values are for rows without errors and projections: "
            "denoise gives posterior means and covariances."
        )
    out = np.array(rows, dtype=np.float64)
    potentials = mixture.potentials
    for block, patterns, special in _cut(rows, detail):
        own = out[block.start : block.stop]
        for pattern in patterns:
            if pattern.missing.any():
                given, share = _given(potentials, pattern)
                _draw(own, mixture, given, share, pattern, None, None, rng)
        if special.size and block.detail is not None:
            _draw_within(own, mixture, block, special, rng)
    return out


def _cut(
    rows: Rows, detail: Detail | None
) -> Iterator[tuple[Block, list[Pattern], NDArray[np.intp]]]:
    """Blocks of rows: those that lack values by pattern, and those that go one by one."""
    engine = IncompleteEngine(NumpyEngine())
    for start in range(0, rows.shape[0], ROWS):
        part = slice(start, start + ROWS)
        own = None if detail is None else detail.at(part)
        block = Block(rows[part], None, start, detail=own)
        if not (np.isnan(block.rows).any() or (own is not None and own.projections is not None)):
            continue
        parts = engine.place(block).rest
        patterns = [one for one in parts if isinstance(one, Pattern)]
        rest = [one.index for one in parts if not isinstance(one, Pattern)]
        yield block, patterns, np.concatenate(rest) if rest else np.zeros(0, dtype=np.intp)


def _given(potentials: Potentials, pattern: Pattern) -> tuple[Integrated, Array]:
    """The potentials given what is observed, and responsibilities (k, n)."""
    given = integrated(potentials, pattern.missing)
    return given, soft(pattern.joint(given.potentials))[1]


def _expected(given: Integrated, pattern: Pattern, potentials: Potentials) -> Array:
    """Expected missing values under each component, (k, m, n)."""
    center = potentials.center[:, pattern.missing, None]
    if given.regression is None:
        return np.repeat(center, pattern.index.size, axis=2)
    away = pattern.columns - given.potentials.center[:, :, None]
    return np.asarray(center + given.regression @ away)


def _posterior(
    potentials: Potentials, rows: Rows, detail: Detail | None
) -> tuple[Array, Array, Array, Array]:
    """Responsibilities (k, n), means (n, d), and those (k, n, d) and covariances by component."""
    found = conditional(potentials, np.asarray(rows, dtype=np.float64), detail or Detail())
    log_joint = found.log_joint
    if detail is not None and detail.prior is not None:
        log_joint = log_joint + detail.prior.T
    share = soft(log_joint)[1]
    mean = np.einsum("kn,knd->nd", share, found.mean)
    return share, mean, found.mean, found.covariance


def _conditional(
    potentials: Potentials, block: Block, index: NDArray[np.intp]
) -> tuple[Array, Array]:
    detail = None if block.detail is None else block.detail.at(index)
    share, mean, _, _ = _posterior(potentials, block.rows[index], detail)
    return share, mean


def _draw(
    out: Array,
    mixture: Mixture,
    given: Integrated,
    share: Array,
    pattern: Pattern,
    lower: Array | None,
    upper: Array | None,
    rng: np.random.Generator,
) -> None:
    """Fill one pattern's rows; `lower` and `upper` (n, m) are bounds of what is drawn."""
    potentials = mixture.potentials
    m = np.flatnonzero(pattern.missing)
    # one uniform a row against the cumulated responsibilities
    edges = np.cumsum(share, axis=0)
    chosen = (rng.random(share.shape[1]) * edges[-1] >= edges[:-1]).sum(axis=0)
    expected = _expected(given, pattern, potentials)
    for k in np.unique(chosen):
        rows = np.flatnonzero(chosen == k)
        mean = expected[k][:, rows].T
        low = None if lower is None else lower[rows]
        high = None if upper is None else upper[rows]
        if k == mixture.n_components and potentials.flat is not None:
            drawn_rows = _in_box(mean, np.exp(potentials.flat[m]), low, high, rng)
        else:
            spread = given.spread[k] if given.spread.shape[0] > 1 else given.spread[0]
            square = np.diag(spread) if spread.ndim == 1 else spread
            drawn_rows = _normal(mean, square, low, high, rng)
        out[np.ix_(pattern.index[rows], m)] = drawn_rows


def _draw_within(
    out: Array,
    mixture: Mixture,
    block: Block,
    special: NDArray[np.intp],
    rng: np.random.Generator,
) -> None:
    """Fill rows with values that are known to intervals."""
    detail = block.detail
    if detail is None or detail.lower is None or detail.upper is None:
        raise AssertionError("rows that go one by one without errors have bounds")
    share = _conditional(mixture.potentials, block, special)[0]
    hole = np.isnan(block.rows[special])
    packed = np.packbits(hole, axis=1)
    _, group = np.unique(packed, axis=0, return_inverse=True)
    for number in range(int(group.max()) + 1):
        own = np.flatnonzero(group.ravel() == number)
        index, missing = special[own], hole[own[0]]
        columns = np.ascontiguousarray(block.rows[index][:, ~missing].T, dtype=np.float64)
        pattern = Pattern(missing, columns, None, None, index)
        given = integrated(mixture.potentials, missing)
        bounds = detail.lower[index][:, missing], detail.upper[index][:, missing]
        _draw(out, mixture, given, share[:, own], pattern, *bounds, rng)


def _in_box(
    middle: Array, sides: Array, lower: Array | None, upper: Array | None, rng: np.random.Generator
) -> Array:
    """Uniform draws within the box, and within the bounds where there are some."""
    low, high = middle - sides / 2.0, middle + sides / 2.0
    if lower is not None and upper is not None:
        low, high = np.clip(lower, low, high), np.clip(upper, low, high)
    return np.asarray(low + (high - low) * rng.random(middle.shape))


def _normal(
    mean: Array, cov: Array, lower: Array | None, upper: Array | None, rng: np.random.Generator
) -> Array:
    """Draws (n, m) of normal variables, within bounds where there are some.

    By one draw from the conditional distribution of each value given the others where one is
    bounded; with more that is Gibbs sampling, from a point within the bounds, `SWEEPS` times.
    """
    m = cov.shape[0]
    free = mean + rng.standard_normal(mean.shape) @ np.linalg.cholesky(cov).T
    if lower is None or upper is None:
        return np.asarray(free)
    tied = np.flatnonzero(((lower > -np.inf) | (upper < np.inf)).any(axis=0))
    if tied.size == 1 and m == 1:
        return _truncated(mean, np.sqrt(cov[0, 0]), lower, upper, rng)
    value = np.clip(mean, lower, upper)
    precision = np.linalg.inv(cov[np.ix_(tied, tied)])
    sweeps = 1 if tied.size == 1 else SWEEPS
    own, mu = value[:, tied], mean[:, tied]
    for _ in range(sweeps):
        for j in range(tied.size):
            away = own - mu
            rest = away @ precision[:, j] - away[:, j] * precision[j, j]
            center = mu[:, j] - rest / precision[j, j]
            scale = 1.0 / np.sqrt(precision[j, j])
            own[:, j] = _truncated(center, scale, lower[:, tied[j]], upper[:, tied[j]], rng)
    rest_of = np.setdiff1d(np.arange(m), tied)
    value[:, tied] = own
    if rest_of.size:
        gain = cov[np.ix_(rest_of, tied)] @ precision
        within = cov[np.ix_(rest_of, rest_of)] - gain @ cov[np.ix_(tied, rest_of)]
        root = np.linalg.cholesky(within)
        shift = (own - mu) @ gain.T
        noise = rng.standard_normal((mean.shape[0], rest_of.size)) @ root.T
        value[:, rest_of] = mean[:, rest_of] + shift + noise
    return value


def _truncated(
    mean: Array, scale: float, lower: Array, upper: Array, rng: np.random.Generator
) -> Array:
    """Draws of a normal variable between bounds, by its distribution function.

    On the side of the mean where the bounds lie: far in a tail the other side has no digits.
    """
    a, b = (lower - mean) / scale, (upper - mean) / scale
    turned = a > 0.0
    low, high = np.where(turned, -b, a), np.where(turned, -a, b)
    start, stop = ndtr(low), ndtr(high)
    u = start + (stop - start) * rng.random(mean.shape)
    z = np.clip(ndtri(u), low, high)
    return np.asarray(mean + scale * np.where(turned, -z, z))
