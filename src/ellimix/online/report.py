"""What a stream's report says: of each batch, how well it fitted and what it changed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from scipy.stats import norm

from ellimix.records import Array

KEPT = 1000  # batches, the last ones: a stream may be endless
LEVEL = 0.01  # of the two tests for drift together, over all batches that were kept


@final
@dataclass(frozen=True, eq=False)
class BatchReport:
    """One batch of a stream.

    Parameters
    ----------
    number : int
        From 1 on.
    rows : int
    weight : float
        Their weight.
    step : float
        gamma_t.
    fit : float
        Mean log-density of its rows under the model before this batch, in nats.
    expected : float or None
        What that was to be if nothing had changed; None for the first batch, and where errors,
        projections or bounds of the rows leave it unknown.
    z : float or None
        Their difference in standard errors.
    misfits : float or None
        The share of its whole rows that fit badly, of which `Online.misfit` were to be expected.
    moved : ndarray of shape (k,)
        How far each component's mean went, in its standard deviations along the way (Mahalanobis
        distance under the covariance before). In the numbering before the batch; NaN for one that
        died.
    births : tuple of int
        Numbers, after the batch, of components that it brought.
    deaths : tuple of int
        Numbers, before the batch, of components that were let go.
    components : int
        How many there are after the batch.
    """

    number: int
    rows: int
    weight: float
    step: float
    fit: float
    expected: float | None
    z: float | None
    misfits: float | None
    moved: Array
    births: tuple[int, ...]
    deaths: tuple[int, ...]
    components: int


@final
@dataclass(frozen=True, eq=False)
class StreamReport:
    """How a stream went. Printed, it is a table with a line for each batch.

    Parameters
    ----------
    batches : tuple of BatchReport
        The last 1,000.

    Examples
    --------
    >>> import numpy as np
    >>> import ellimix as em
    >>> rng = np.random.default_rng(0)
    >>> model = em.GaussianMixture(1)
    >>> for middle in (0.0, 0.0, 3.0):
    ...     model = model.partial_fit(rng.normal(middle, 1.0, (100, 1)))
    >>> model.stream_.drifted, [batch.number for batch in model.stream_.strange]
    (True, [3])
    """

    batches: tuple[BatchReport, ...]

    @property
    def limit(self) -> float:
        """The size of z beyond which a batch is strange: level 0.005 over all (Bonferroni)."""
        tests = max(len(self._scores), 1)
        return float(norm.isf(LEVEL / 4.0 / tests))

    @property
    def _scores(self) -> tuple[float, ...]:
        return tuple(batch.z for batch in self.batches if batch.z is not None)

    @property
    def total(self) -> float:
        """All z together: their sum over the root of their number (Stouffer 1949); 0 of none.

        Far below 0 where the stream moves on all the time and the model follows a step behind, so
        that no single batch is strange. Without drift it is no further below 0 than a standard
        normal number: batches then differ from the mean of those before independently.
        """
        scores = self._scores
        return sum(scores) / math.sqrt(len(scores)) if scores else 0.0

    @property
    def strange(self) -> tuple[BatchReport, ...]:
        """The batches whose density was not what the model before them led to expect."""
        limit = self.limit
        return tuple(b for b in self.batches if b.z is not None and abs(b.z) > limit)

    @property
    def drifted(self) -> bool:
        """Whether the stream has changed.

        There is a strange batch, or a birth, or the batches fit worse on the whole than the model
        before each of them led to expect: `total` is below its 0.5 % quantile.
        """
        behind = self.total < -norm.isf(LEVEL / 2.0)
        return bool(self.strange) or bool(behind) or any(batch.births for batch in self.batches)

    def after(self, batch: BatchReport) -> StreamReport:
        """The report with one batch more."""
        return StreamReport((*self.batches, batch)[-KEPT:])

    def __str__(self) -> str:
        limit = self.limit
        lines = [_HEADER, *(_line(batch, limit) for batch in self.batches)]
        verdict = "drifted" if self.drifted else "no drift"
        marks = f"* marks |z| above {limit:.2f}, and all z together are {self.total:.1f}"
        return "\n".join([*lines, f"{verdict}: {marks}"])


_HEADER = (
    f"{'batch':>5} {'rows':>7} {'step':>6} {'fit':>9} {'expected':>9} {'z':>7}  "
    f"{'misfits':>7} {'moved':>6} {'k':>3}  events"
)


def _line(batch: BatchReport, limit: float) -> str:
    mark = "*" if batch.z is not None and abs(batch.z) > limit else " "
    share = "" if batch.misfits is None else f"{batch.misfits:.1%}"
    went = [float(value) for value in batch.moved if value == value]  # noqa: PLR0124 - not NaN
    events = [f"+{k}" for k in batch.births] + [f"-{k}" for k in batch.deaths]
    return (
        f"{batch.number:>5} {batch.rows:>7} {batch.step:>6.3f} {batch.fit:>9.3f} "
        f"{_shown(batch.expected, 9, 3)} {_shown(batch.z, 7, 1)}{mark} {share:>7} "
        f"{max(went, default=0.0):>6.2f} {batch.components:>3}  {' '.join(events)}"
    ).rstrip()


def _shown(value: float | None, width: int, digits: int) -> str:
    return " " * width if value is None else f"{value:>{width}.{digits}f}"
