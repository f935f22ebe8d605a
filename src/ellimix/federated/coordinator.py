"""The coordinator of a federated fit: the loop of `ellimix.em`, with sites in place of a source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Self, final

import numpy as np

from ellimix.covariance import parse
from ellimix.density.mixture import Mixture
from ellimix.errors import DataError, DegenerateFit, Status
from ellimix.federated.messages import Reply, Request
from ellimix.federated.privacy import Privacy, repaired
from ellimix.federated.starting import first_model
from ellimix.inference.base import Parameters
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import SufficientStatistics
from ellimix.report import FitReport


@final
@dataclass(frozen=True, eq=False)
class Coordinator:
    """A fit that asks sites for sums. Frozen: `update` gives the coordinator of the next round.

    Parameters
    ----------
    inference : MaximumLikelihood
    model : Parameters
        Of the next request.
    tol : float
        The fit has converged when the mean log-likelihood of all rows changes by less, in nats.
    max_iter : int
        Rounds at most; with privacy, the rounds.
    privacy : Privacy, optional
        What the sites keep to: their sums have noise, and no log-likelihood.
    trace : tuple of float
        Mean log-likelihood of all rows in each round.
    status : Status
    message : str
    sums : SufficientStatistics or None
        Of the last round.

    Examples
    --------
    >>> import numpy as np
    >>> import ellimix as em
    >>> from ellimix.federated import Coordinator, Site
    >>> from ellimix.federated.starting import from_clusters
    >>> rng = np.random.default_rng(0)
    >>> sites = [Site(rng.normal([[0.0], [9.0]], 1.0, (2, 50)).reshape(-1, 1)) for _ in range(3)]
    >>> start = from_clusters([site.clusters(2) for site in sites], 2, np.random.RandomState(0))
    >>> coordinator = Coordinator.begin("VVV", start)
    >>> while not coordinator.done:
    ...     request = coordinator.parameters().to_bytes()
    ...     replies = [site.statistics(request).to_bytes() for site in sites]
    ...     coordinator = coordinator.update(replies)
    >>> coordinator.status, np.sort(coordinator.model.means[:, 0]).round()
    (<Status.CONVERGED: 'converged'>, array([0., 9.]))
    """

    inference: MaximumLikelihood
    model: Parameters
    tol: float = 1e-3
    max_iter: int = 100
    privacy: Privacy | None = None
    trace: tuple[float, ...] = ()
    status: Status = Status.RUNNING
    message: str = ""
    sums: SufficientStatistics | None = None
    round: int = 1

    @classmethod
    def begin(
        cls,
        covariance_type: str,
        start: SufficientStatistics | Parameters,
        *,
        reg_covar: float = 1e-6,
        tol: float = 1e-3,
        max_iter: int = 100,
        privacy: Privacy | None = None,
    ) -> Self:
        """The coordinator of the first round.

        Parameters
        ----------
        covariance_type : str
            A family by its three letters, or one of scikit-learn's names.
        start : SufficientStatistics or Parameters
        reg_covar, tol, max_iter :
            As for `GaussianMixture`.
        privacy : Privacy, optional

        Raises
        ------
        ValueError
            There is no such family, or the start makes no sound model.
        """
        at = start.means if isinstance(start, Parameters) else start.center
        inference = MaximumLikelihood(parse(covariance_type, at.shape[1]), reg_covar)
        model = start if isinstance(start, Parameters) else first_model(inference, start)
        rounds = max_iter if privacy is None else privacy.rounds
        return cls(inference, model, tol, rounds, privacy)

    @property
    def done(self) -> bool:
        """Whether there is nothing more to ask."""
        return self.status is not Status.RUNNING

    def parameters(self) -> Request:
        """What to ask the sites in this round."""
        return Request(self.round, self.inference.potentials(self.model))

    def update(self, replies: Sequence[Reply | bytes]) -> Coordinator:
        """The coordinator after a round: the sum of the sites' sums, and one M-step.

        Parameters
        ----------
        replies : sequence of Reply or bytes
            One from each site, in any order; sums are added in the order given.

        Raises
        ------
        DataError
            The fit has ended, there are no replies, or one is not an answer to this round.
        """
        if self.done:
            raise DataError("This fit has ended: there is no round to update.")
        if not replies:
            raise DataError("There are no replies: a round needs one from each site.")
        read = [Reply.from_bytes(r) if isinstance(r, bytes) else r for r in replies]
        for reply in read:
            self._check(reply)
        sums = reduce(add, (reply.statistics for reply in read))
        if self.privacy is not None:
            return self._next(repaired(sums, self.privacy), False)
        objective = float(sums.loglik / sums.weight)
        before = self.trace[-1] if self.trace else -np.inf
        told = replace(self, trace=(*self.trace, objective))
        return told._next(sums, abs(objective - before) < self.tol)

    def _next(self, sums: SufficientStatistics, converged: bool) -> Coordinator:
        try:
            model = self.inference.update(sums, self.model)
        except DegenerateFit as failure:
            return replace(self, sums=sums)._ended(failure.status, str(failure))
        after = replace(self, model=model, sums=sums, round=self.round + 1)
        if converged:
            return after._ended(Status.CONVERGED)
        if self.round >= self.max_iter:
            return after._ended(Status.MAX_ITER, self._last_words())
        return after

    def _last_words(self) -> str:
        if self.privacy is None:
            return f"{Status.MAX_ITER.sentence} {Status.MAX_ITER.remedy}"
        return "All rounds that the privacy budget pays for were made."

    def _ended(self, status: Status, message: str = "") -> Coordinator:
        return replace(self, status=status, message=message or status.sentence)

    def _check(self, reply: Reply) -> None:
        sums, model = reply.statistics, self.model
        if reply.round != self.round:
            raise DataError(
                f"A reply is of round {reply.round}, and this is round {self.round}: ask its site "
                "again."
            )
        expected = model.means
        if self.privacy is not None:
            expected = np.broadcast_to(self.privacy.center, model.means.shape)
        right = sums.moment is self.inference.moment and sums.center.shape == expected.shape
        if not right or not np.array_equal(sums.center, expected):
            raise DataError(
                "A reply's sums are not about the centers of this round's request: all sites must "
                "answer the same request, and keep to the same privacy."
            )
        if self.privacy is None and not sums.weight > 0.0:
            raise DataError("A reply rests on no rows.")

    def mixture(self, feature_names: tuple[str, ...] | None = None) -> Mixture:
        """The model."""
        held = self.inference.n_held()
        return Mixture(self.model, self.inference.family, feature_names, None, held)

    def report(self, feature_names: tuple[str, ...] | None = None) -> FitReport:
        """How the fit went, as `GaussianMixture.report_`."""
        return FitReport(
            mixture=self.mixture(feature_names),
            status=self.status,
            message=self.message,
            trace=self.trace,
            start="federated",
            engine="federated",
            n_rows=0 if self.sums is None else int(self.sums.rows),
            counts=None if self.sums is None else self.sums.n,
        )
