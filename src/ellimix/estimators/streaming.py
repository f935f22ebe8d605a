"""partial_fit by stepwise EM: a stream of batches moves the sums that the parameters come from."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self, Unpack

from sklearn.base import _fit_context
from sklearn.utils.validation import check_is_fitted

from ellimix.covariance import parse
from ellimix.engines import Engine, choose
from ellimix.engines.choice import PASSES
from ellimix.errors import DataError, Status
from ellimix.estimators.automatic import AUTO
from ellimix.estimators.callbacks import FitCallbacks, with_callbacks
from ellimix.estimators.fitted import STALE
from ellimix.estimators.outside import Wanted, source_of
from ellimix.estimators.preparing import told
from ellimix.estimators.running import RunningMixture
from ellimix.inference.posterior import Estimation
from ellimix.online.passing import e_step
from ellimix.online.report import StreamReport
from ellimix.online.steps import Online
from ellimix.online.stream import Advanced, Stream, advanced, begun, unfounded
from ellimix.online.sums import standing_for
from ellimix.records import Factor, SufficientStatistics
from ellimix.report import FitReport
from ellimix.sources.knowledge import Known, missing_share
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource


class StreamingMixture(RunningMixture):
    """Abstract base of an estimator that is updated by stepwise EM."""

    covariance_type: str
    order: str
    prior: Any
    _running: Stream
    _online: Online
    _asked_k: Any

    @abstractmethod
    def _inference(self) -> Estimation:
        """As the fit was made."""

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        online: Online | None = None,
        labels: Any = None,
        allowed: Any = None,
        errors: Any = None,
        projections: Any = None,
        lower: Any = None,
        upper: Any = None,
        mask: Any = None,
    ) -> Self:
        """Update the mixture by a batch of rows, which are then forgotten as rows.

        The first call is a fit, with its starts. Later calls make one pass over the batch, move the
        running sums towards the batch's by a step, and make one M-step: stepwise EM (Cappe &
        Moulines 2009). `Online` says by what steps, and whether components may be born and die.

        Parameters
        ----------
        X : array-like of shape (n, d)
            The first batch has at least k rows; a later one may be one row.
        y, sample_weight, labels, allowed, errors, projections, lower, upper, mask :
            As for `fit`, of the rows of this batch.
        online : Online, default=None
            How the stream is followed from now on. None goes on as before; at first it is
            ``Online()``.

        Returns
        -------
        self
            Its parameters are those after the batch. `stream_` says how each batch fitted and what
            it changed, `statistics_` are the running sums, `n_batches_` and `n_seen_` how many
            batches and how much row weight there have been. `report_`, `labels_` and `lower_bound_`
            (the mean log-density of the batch under the model before it, in nats) are of this
            batch; `converged_` is False after a later one.

        Raises
        ------
        ValueError
            Bad input, as for `fit`; another model is asked for than that of the stream; or the
            batch leaves a component without rows or with a singular covariance: then the model
            before it is kept.

        Examples
        --------
        >>> import numpy as np
        >>> import ellimix as em
        >>> rng = np.random.default_rng(0)
        >>> model = em.GaussianMixture(2, order="weight", random_state=0)
        >>> for _ in range(20):
        ...     rows = np.concatenate([rng.normal(0, 1, (60, 1)), rng.normal(8, 1, (40, 1))])
        ...     model = model.partial_fit(rows)
        >>> model.weights_.round(2), model.n_batches_, model.n_seen_
        (array([0.6, 0.4]), 20, 2000.0)
        """
        known = told(
            y, labels=labels, allowed=allowed, errors=errors, projections=projections,
            lower=lower, upper=upper, mask=mask,
        )  # fmt: skip
        if not (online is None or isinstance(online, Online)):
            raise DataError(f"online is {online!r}: it must be an ellimix.Online, or None.")
        how = online or vars(self).get("_online") or Online()
        if not hasattr(self, "mixture_"):
            self._fit(X, y, sample_weight, known)
            source = self._source(X, sample_weight, known)
            sums = self._pass(source)
            k, weight = self.n_components_, float(sums.weight)
            self._running = begun(sums, int(sums.rows), weight, float(sums.loglik) / weight, k)
        else:
            self._check_same_model()
            self._check_order(known)
            metadata = None if sample_weight is None else {"sample_weight": sample_weight}
            callbacks = FitCallbacks(self, {"X": X, "y": y, "metadata": metadata}, 0)
            self._next_batch(how, X, sample_weight, known)
            callbacks.finish()
        self._online, self._asked_k = how, self.n_components
        return self

    @property
    def stream_(self) -> StreamReport:
        """How the stream of `partial_fit` went: a record of each batch, and whether it drifted."""
        stream = vars(self).get("_running")
        if stream is None:
            raise AttributeError(
                f"This {type(self).__name__} has no stream_: that is what partial_fit leaves."
            )
        report: StreamReport = stream.report
        return report

    @property
    def statistics_(self) -> SufficientStatistics:
        """The sums that the parameters rest on, about the means.

        After `partial_fit`, `merge` or `federate` the running sums. After `fit` those from which
        the M-step gives back the parameters (`ellimix.online.sums.standing_for`); with a prior they
        are not known, and `statistics` takes them from the rows.
        """
        check_is_fitted(self)
        stream: Stream | None = vars(self).get("_running")
        if stream is not None:
            return stream.statistics
        weight = self._fitted_weight()
        if weight is None or self._pseudo is not None:
            cause = "with a prior its parameters do not tell what the rows said"
            if weight is None:
                cause = "its parameters, which were not fitted here, tell of no number of rows"
            raise AttributeError(
                f"This {type(self).__name__} has no statistics_: {cause}. Take them from rows with "
                "statistics(X)."
            )
        inference, mixture = self._inference(), self.mixture_
        floor = float(self.reg_covar)
        return standing_for(mixture.parameters, inference.moment, weight, floor, mixture.box)

    def statistics(
        self, X: Any, sample_weight: Any = None, **known: Unpack[Known]
    ) -> SufficientStatistics:
        """Sums of rows under the fitted parameters: one E-step.

        Parameters
        ----------
        X : array-like of shape (n, d)
        sample_weight : array-like of shape (n,), optional
            Non-negative row weights.
        **known
            What else is known of the rows, as for `fit`.

        Returns
        -------
        SufficientStatistics
            About the means; with a noise component in the last place. They add to other rows'
            under the same parameters.

        Raises
        ------
        ValueError
            Bad input, or a row is too far from every component.

        Examples
        --------
        >>> from ellimix import GaussianMixture
        >>> model = GaussianMixture.from_parameters([1.0], [[0.0]], [1.0], covariance_type="V")
        >>> sums = model.statistics([[1.0], [2.0]])
        >>> sums.n, sums.s1, sums.s2
        (array([2.]), array([[3.]]), array([[5.]]))
        """
        return self._pass(self._source(X, sample_weight, known))

    def _pass(self, source: MemorySource | OutsideSource) -> SufficientStatistics:
        return e_step(source, self._engine_for(source, 1), self.mixture_.potentials)

    def _engine_for(self, source: MemorySource | OutsideSource, passes: int = PASSES) -> Engine:
        """The engine that was asked for, or that suits so many passes over such rows."""
        full = self.mixture_.covariance.structure.factor is not Factor.DIAGONAL
        shape = source.n_rows, source.n_features, self.mixture_.n_components, full
        return choose(self.engine, *shape, passes=passes, patterns=source.n_patterns)

    def _fitted_weight(self) -> float | None:
        """On how many rows the parameters of `fit` rest; None where they were not fitted."""
        report = vars(self).get("report_")
        if report is None or report.mixture is not self.mixture_:
            return None
        weight: float | None = vars(self).get("_fit_weight")
        return weight

    def _check_same_model(self) -> None:
        """Raise `DataError` where parameters ask for another model than that of the stream."""
        old = self.mixture_
        family = old.family
        if self.covariance_type != AUTO:
            family = parse(self.covariance_type, old.n_features)
        asked = vars(self).get("_asked_k", AUTO if self.n_components == AUTO else old.n_components)
        if family.name != old.family.name or asked != self.n_components:
            raise DataError(
                f"partial_fit goes on with the mixture so far, of {old.n_components} components of "
                f"{old.family.name}; now {self.n_components} of {self.covariance_type!r} are asked "
                "for. Call fit to begin anew."
            )
        if (old.box is not None) != (self.noise is not False):
            raise DataError(
                "partial_fit cannot gain or lose a noise component: call fit to begin anew."
            )

    def _next_batch(self, how: Online, X: Any, sample_weight: Any, known: Known) -> None:
        wanted = Wanted(self.mixture_.n_components, "", self._sample_rows, begun=True)
        source, notes = source_of(self, X, sample_weight, known, wanted)
        if isinstance(source, OutsideSource):
            raise DataError(
                "partial_fit takes a batch of rows in memory: pass the blocks of a file one after "
                "another, or load it (rows(..., memory='8 GiB'))."
            )
        engine = self._engine_for(source)
        inference, stream = self._inference(), self._stream_so_far()
        found = advanced(stream, how, self.mixture_, inference, source, engine)
        self._keep_batch(found, source, engine, notes)

    def _stream_so_far(self) -> Stream:
        """The stream, or one that a fit or given parameters begin."""
        stream: Stream | None = vars(self).get("_running")
        if stream is not None:
            return stream
        weight = self._fitted_weight()
        if self.prior is not None:
            raise DataError(
                "Where there is a prior, partial_fit goes on from partial_fit alone: parameters do "
                "not tell what the rows said. Begin with partial_fit in place of fit."
            )
        if weight is None:
            return unfounded(self.mixture_, self._inference().moment)
        report, k = self.report_, self.n_components_
        return begun(self.statistics_, report.n_rows, weight, report.objective, k)

    def _keep_batch(
        self, found: Advanced, source: MemorySource, engine: Engine, notes: tuple[str, ...]
    ) -> None:
        """Write the attributes after a later batch."""
        stream, mixture = found.stream, found.mixture
        if self.order == "weight":
            order = mixture.weight_order()
            stream, mixture = stream.reordered(order), mixture.ordered(order)
        batch = stream.report.batches[-1]
        said = f"Batch {batch.number}: a step of {batch.step:.3g} towards its sums."
        report = FitReport(
            mixture=mixture,
            status=Status.UPDATED,
            message=Status.UPDATED.sentence,
            trace=(batch.fit,),
            start="stream",
            engine=engine.name,
            n_rows=source.n_rows,
            counts=stream.statistics.n[: mixture.n_components],
            notes=(*notes, said),
        )
        self._keep_update(report, source, engine)
        self._running = stream

    def _keep_update(self, report: FitReport, source: MemorySource, engine: Engine) -> None:
        """Write the attributes that a fit writes, of one batch."""
        mixture = report.mixture
        if mixture is None:
            raise AssertionError("an updated fit has a mixture")
        for stale in STALE:
            self.__dict__.pop(stale, None)
        self.mixture_, self.report_, self.reports_ = mixture, report, [report]
        self.converged_, self.n_iter_ = False, 1
        self.lower_bound_, self.lower_bounds_ = report.objective, list(report.trace)
        self._dtype, self.missing_share_ = source.rows.dtype, missing_share(source)
        self.scores_ = mixture.score_rows(source, engine, counts=True)
        self.labels_ = self.scores_.labels

    @property
    def n_batches_(self) -> int:
        """Batches that the mixture has seen; a fit is one."""
        self._fitted("n_batches_")
        stream: Stream | None = vars(self).get("_running")
        return int(self._fitted_weight() is not None) if stream is None else stream.number

    @property
    def n_seen_(self) -> float:
        """Weight of all rows that the mixture has seen."""
        self._fitted("n_seen_")
        stream: Stream | None = vars(self).get("_running")
        return (self._fitted_weight() or 0.0) if stream is None else stream.seen
