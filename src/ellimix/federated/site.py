"""A site: rows that stay where they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, final

import numpy as np

from ellimix.completion import completed
from ellimix.engines import choose
from ellimix.errors import DataError
from ellimix.federated.budget import Ledger
from ellimix.federated.messages import Reply, Request
from ellimix.federated.privacy import Privacy
from ellimix.online.passing import e_step
from ellimix.online.sums import scaled
from ellimix.records import Factor, Moment, Potentials, Rows
from ellimix.sources.knowledge import counted
from ellimix.sources.memory import MemorySource
from ellimix.starts import STARTS, Beginning

FARTHEST = (
    100.0  # radii: where sums are made about centers no further off, rounding is 1e-12 of a row
)


@final
class Site:
    """Rows, and the answers that they give.

    With `privacy` the site keeps a ledger, the only thing of it that changes, and answers no more
    once its budget is spent.

    Parameters
    ----------
    X : array-like of shape (n, d)
        NaN where a value is missing.
    sample_weight : array-like of shape (n,), optional
        Non-negative row weights; with privacy at most 1.
    engine : {"auto", "numpy", "numba"}, default="auto"
    privacy : Privacy, optional
        Noise in all answers; rows must be whole then.
    rng : numpy.random.Generator or int, optional
        Of the noise. By default it comes from the operating system; who knows the seed can take the
        noise away again, so a seed is for tests.

    Raises
    ------
    DataError
        Bad rows or weights.

    Examples
    --------
    >>> import ellimix as em
    >>> site = em.federated.Site([[0.0], [1.0], [8.0], [9.0]])
    >>> reply = site.clusters(2)
    >>> sorted(reply.statistics.means()[:, 0].tolist()), reply.statistics.n
    ([0.5, 8.5], array([2., 2.]))
    """

    def __init__(
        self,
        X: Any,
        sample_weight: Any = None,
        *,
        engine: str = "auto",
        privacy: Privacy | None = None,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        rows = _rows(X)
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        source, _ = counted(MemorySource(rows, weight))
        if privacy is not None:
            source = replace(source, rows=privacy.clipped(_protectable(source, privacy)))
        self._source, self._engine, self._privacy = source, engine, privacy
        self._rng = np.random.default_rng(rng)
        self._ledger = None if privacy is None else Ledger(privacy.budget)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self._source.n_features

    @property
    def privacy(self) -> Privacy | None:
        """What the site keeps to; None where its answers are exact."""
        return self._privacy

    @property
    def ledger(self) -> Ledger | None:
        """What was spent of the privacy budget; None without one."""
        return self._ledger

    def statistics(self, request: Request | bytes) -> Reply:
        """Sums of the rows under the request's potentials.

        Raises
        ------
        DataError
            The request is not sound, or of another number of columns.
        BudgetSpent
            The privacy budget does not pay for this answer. Nothing was computed then.
        """
        asked = Request.from_bytes(request) if isinstance(request, bytes) else request
        potentials, d = asked.potentials, self.n_features
        if potentials.center.shape[1] != d:
            raise DataError(
                f"The request is of {potentials.center.shape[1]} columns, and the rows have {d}."
            )
        privacy = self._privacy
        if privacy is not None and self._ledger is not None:
            _check_near(potentials, privacy)
            self._ledger = self._ledger.after(privacy.cost)
        source = self._source
        full = potentials.shape is not Factor.DIAGONAL
        shape = source.n_rows, d, potentials.offset.size, full
        engine = choose(self._engine, *shape, patterns=source.n_patterns)
        sums = e_step(source, engine, potentials)
        if privacy is not None:
            sums = privacy.noisy(sums, self._rng)
        return Reply(asked.round, sums)

    def clusters(self, k: int, moment: Moment = Moment.FULL, seed: int = 0) -> Reply:
        """Sums of the site's own clusters, by k-means, for a start; fewer where it has fewer rows.

        Parameters
        ----------
        k : int
        moment : Moment
            The second moment that the family needs.
        seed : int

        Raises
        ------
        DataError
            The site has a privacy budget, which pays for no such answer: clusters of few rows show
            them.
        """
        if self._privacy is not None:
            raise DataError(
                "A site with a privacy budget gives no clusters to start from: start from given "
                "parameters."
            )
        engine = choose(self._engine, self._source.n_rows, self.n_features, k, False)
        source = completed(self._source, engine)
        usable = int(np.count_nonzero(source.weights > 0.0))
        random = np.random.RandomState(seed)
        beginning = Beginning(source, engine, min(k, usable), moment, 1.0, random)
        sums = STARTS["kmeans"].statistics(beginning)
        return Reply(0, scaled(sums, source.total_weight / float(sums.n.sum())))


def _rows(X: Any) -> Rows:
    try:
        rows = np.asarray(X)
        if rows.dtype != np.float32:
            rows = rows.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError("The rows of a site must be an array of numbers.") from None
    if rows.ndim != 2 or rows.size == 0:
        raise DataError(f"The rows of a site have shape {rows.shape}, expected (n, d).")
    if np.isinf(rows).any():
        raise DataError("The rows of a site hold infinity: remove or mend such rows.")
    return rows


def _check_near(potentials: Potentials, privacy: Privacy) -> None:
    """Raise `DataError` for centers so far off that sums about them would lose their bound."""
    away = np.abs(potentials.center - privacy.center).max()
    if not away <= FARTHEST * privacy.radius:
        raise DataError(
            f"The request's centers are up to {away:.3g} from the ball's, whose radius is "
            f"{privacy.radius:g}: rounding would take the bound from what a row adds to the sums."
        )


def _protectable(source: MemorySource, privacy: Privacy) -> Rows:
    """The rows, where the noise covers what one of them does to the sums."""
    d = source.n_features
    if privacy.center.size != d:
        raise DataError(f"The ball's center has {privacy.center.size} numbers for {d} columns.")
    if source.incomplete:
        raise DataError(
            "Rows with missing values have no bounded part in the sums: fill them in, or leave "
            "privacy out."
        )
    if source.weight is not None and (source.weight > 1.0).any():
        raise DataError("With privacy row weights must be at most 1: the noise covers no more.")
    return source.rows
