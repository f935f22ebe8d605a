"""partial_fit: the posterior of one batch of rows is the prior of the next."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils.metaestimators import available_if

from ellimix.em import Task
from ellimix.engines import Engine
from ellimix.errors import DataError
from ellimix.estimators.callbacks import with_callbacks
from ellimix.estimators.preparing import told
from ellimix.estimators.prior import checked_concentration, weight_prior
from ellimix.estimators.running import RunningMixture
from ellimix.estimators.tasks import acceleration_of
from ellimix.inference.mixing import Dirichlet, StickBreaking, WeightPrior
from ellimix.inference.normal_wishart import Rule
from ellimix.inference.pointed import RULES
from ellimix.inference.updating import Priors, conjugate, forgotten, posterior_as_prior
from ellimix.inference.variational import VariationalBayes
from ellimix.report import FitReport
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource


def _updates(estimator: BatchMixture) -> bool:
    """Whether an estimator has `partial_fit`; raises `AttributeError` that says why not."""
    rule = RULES.get(estimator.covariance_type)
    if rule is not None:
        try:
            conjugate(rule)
        except ValueError as error:
            raise AttributeError(f"There is no partial_fit. {error}") from None
    return True


class BatchMixture(RunningMixture):
    """Abstract base of an estimator whose posterior is updated by more rows."""

    weight_concentration_prior: Any
    weight_concentration_prior_type: str
    n_batches_: int
    n_seen_: float
    _batch_priors: Priors
    _pending: Priors

    @abstractmethod
    def _rule(self, d: int) -> Rule:
        """What a posterior is."""

    @abstractmethod
    def _first_priors(self) -> Priors | None:
        """The priors of the first batch; None where they are not known."""

    @abstractmethod
    def _kind(self) -> type[Dirichlet] | type[StickBreaking]:
        """What the weights are."""

    @available_if(_updates)
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        forget: float = 1.0,
        labels: Any = None,
        allowed: Any = None,
        errors: Any = None,
        projections: Any = None,
        lower: Any = None,
        upper: Any = None,
        mask: Any = None,
    ) -> Self:
        """Update the posterior by a batch of rows, which are then forgotten as rows.

        The first call is a fit, with the priors and the start. Later calls take the posterior so
        far for the prior, begin at it without a new start, and go on to convergence on the batch.
        With one component the posterior is that of all rows at once. With more it depends on the
        order of the rows, since those of a batch are assigned for good.

        Parameters
        ----------
        X : array-like of shape (n, d)
            The first batch has at least k rows, and enough for the priors that are left to it; a
            later batch may be one row.
        y, sample_weight, labels, allowed, errors, projections, lower, upper, mask :
            As for `fit`, of the rows of this batch.
        forget : float, default=1.0
            Forgetting factor f in (0, 1]: before this batch counts, the posterior so far is raised
            to the power f, and the first prior to 1 - f takes the rest. With batches of n rows the
            posterior is one of about n / (1 - f) rows. 1 forgets nothing.

        Returns
        -------
        self
            Its attributes are those of the posterior; `report_`, `labels_`, `lower_bound_` and
            `n_iter_` are of this batch, and `n_batches_` and `n_seen_` say how many batches and how
            much row weight there have been. ``lower_bound_`` bounds the mean log-density of the
            batch given all rows before.

        Raises
        ------
        ValueError
            Bad input, as for `fit`; `forget` is not in (0, 1]; or the model is another than that of
            the posterior so far.
        AttributeError
            Means and covariances are point estimates (the families VEI, EVI, VEE, EVE, VVE, EEV,
            VEV, EVV), which do not tell how many rows they rest on.

        Examples
        --------
        >>> import numpy as np
        >>> from ellimix import BayesianGaussianMixture
        >>> X = np.random.default_rng(0).normal(size=(90, 2))
        >>> one = BayesianGaussianMixture(covariance_prior=np.eye(2), mean_prior=[0, 0])
        >>> more = BayesianGaussianMixture(covariance_prior=np.eye(2), mean_prior=[0, 0])
        >>> for batch in np.split(X, 3):
        ...     more = more.partial_fit(batch)
        >>> bool(np.allclose(one.fit(X).covariances_, more.covariances_, rtol=1e-10)), more.n_seen_
        (True, 90.0)
        """
        known = told(
            y, labels=labels, allowed=allowed, errors=errors, projections=projections,
            lower=lower, upper=upper, mask=mask,
        )  # fmt: skip
        if not (isinstance(forget, Real) and 0.0 < float(forget) <= 1.0):
            raise DataError(f"forget is {forget!r}: it must be above 0, and 1 to forget nothing.")
        if hasattr(self, "mixture_"):
            return self._fit(X, y, sample_weight, known, partial(self._next, float(forget)))
        return self._fit(X, y, sample_weight, known)

    def _next(self, forget: float, source: MemorySource, engine: Engine) -> list[Task]:
        """One fit that goes on from the posterior, which is the prior as far as not forgotten."""
        rule, first = self._rule(source.n_features), self._first_priors()
        self._check_goes_on(rule)
        old = self.mixture_.parameters
        if first is not None:
            prior = posterior_as_prior(old, rule, first.weights)
            prior = forgotten(prior, forget, first, rule)
        elif forget < 1.0:
            raise DataError(
                "forget must be 1: a file keeps the posterior alone, and the first prior, to which "
                "to return, is not known."
            )
        else:
            prior = posterior_as_prior(old, rule, self._given_prior())
        self._pending = prior
        inference = VariationalBayes(rule, prior.weights, prior.components, float(self.reg_covar))
        tol, fast = self.tol / source.total_weight, acceleration_of(self)
        notes = (self._said(forget),)
        return [Task(inference, old, tol, self.max_iter, -np.inf, "posterior", fast, notes)]

    def _given_prior(self) -> WeightPrior:
        """Of a posterior that was given: all but a concentration's prior is in the posterior."""
        given = checked_concentration(self.weight_concentration_prior, int(self.n_components))
        hyper = self.mixture_.parameters.hyper
        if hyper is not None and (hyper.process is not None) != isinstance(given, tuple):
            raise DataError(
                "The posterior has a concentration that was estimated, or not, unlike what "
                "weight_concentration_prior says: a file keeps the posterior alone. Set it to what "
                "it was in the fit."
            )
        return weight_prior(self.weight_concentration_prior_type, given)

    def _said(self, forget: float) -> str:
        kept = "" if forget == 1.0 else f" to the power {forget:g}"
        if "n_seen_" not in vars(self):
            return f"The prior is the posterior that was given{kept}."
        return (
            f"Batch {self.n_batches_ + 1}: the prior is the posterior of the {self.n_seen_:g} rows "
            f"before{kept}."
        )

    def _check_goes_on(self, rule: Rule) -> None:
        """Raise `DataError` where the posterior so far is of another model."""
        old, k = self.mixture_, int(self.n_components)
        hyper = old.parameters.hyper
        if old.rule is None or hyper is None:
            raise DataError(
                "partial_fit goes on from a posterior, and parameters that were assigned have "
                "none. Call fit, or use a new estimator."
            )
        columns = 2 if self._kind() is StickBreaking else 1
        same = (old.rule.name, old.n_components, hyper.concentration.shape[-1])
        if same != (rule.name, k, columns):
            raise DataError(
                f"partial_fit goes on from the posterior so far, which has {old.n_components} "
                f"components of {old.rule.name!r}; now {k} of {rule.name!r} with a "
                f"{self.weight_concentration_prior_type} are asked for. Call fit to begin anew."
            )

    def _keep(
        self,
        best: FitReport,
        reports: list[FitReport],
        source: MemorySource | OutsideSource,
        engine: Engine,
        readable: bool = True,
    ) -> None:
        """Write the fitted attributes, and how much the posterior rests on."""
        super()._keep(best, reports, source, engine, readable)
        later, seen = self.__dict__.pop("_pending", None), source.total_weight
        if later is None:
            self.__dict__.pop("_batch_priors", None)
            self.n_batches_, self.n_seen_ = 1, seen
        else:
            before = vars(self).get("n_batches_", 0), vars(self).get("n_seen_", 0.0)
            self._batch_priors = later
            self.n_batches_, self.n_seen_ = before[0] + 1, before[1] + seen
