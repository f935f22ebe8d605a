"""BayesianGaussianMixture: scikit-learn's interface over variational Bayes."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from ellimix.acceleration import ACCELERATORS
from ellimix.covariance import ALIASES, FAMILIES, ONE_FEATURE
from ellimix.density.mixture import Mixture
from ellimix.em import Task
from ellimix.engines import NAMES, Engine
from ellimix.errors import DataError
from ellimix.escaping import escape
from ellimix.estimators import summarising
from ellimix.estimators.batches import BatchMixture
from ellimix.estimators.callbacks import with_callbacks
from ellimix.estimators.checkpointing import Keeping
from ellimix.estimators.posterior import WithPosterior
from ellimix.estimators.preparing import prepared, told
from ellimix.estimators.prior import (
    check_same,
    checked_concentration,
    normal_wishart,
    weight_prior,
)
from ellimix.estimators.tasks import acceleration_of, check_warm_start, start_of
from ellimix.estimators.verbose import print_moves
from ellimix.inference.mixing import WEIGHT_PRIORS, Dirichlet, StickBreaking, WeightPrior
from ellimix.inference.normal_wishart import NormalWishart, Rule
from ellimix.inference.pointed import RULES
from ellimix.inference.updating import Priors
from ellimix.inference.variational import VariationalBayes
from ellimix.report import FitReport
from ellimix.sources.knowledge import Known
from ellimix.sources.memory import MemorySource
from ellimix.sources.outside import OutsideSource
from ellimix.starts import STARTS, Beginning
from ellimix.summary import records
from ellimix.summary.making import Origin

PROCESS = "dirichlet_process"


@final
class BayesianGaussianMixture(WithPosterior, BatchMixture):
    """Mixture of Gaussians with a posterior over its parameters, by variational Bayes.

    Takes the place of `sklearn.mixture.BayesianGaussianMixture`: the same parameters, defaults,
    attributes and shapes, and from the same start the same numbers after each iteration. Beyond it:
    all 14 covariance families, row weights, missing values and what else may be known of rows, and
    a bound that is the evidence's, constants and all.

    Parameters
    ----------
    n_components : int, default=1
        Number of components, k, at most: those that the rows do not need return to the prior, with
        a weight near 0.
    covariance_type : str, default="full"
        ``full``, ``tied``, ``diag`` and ``spherical`` follow scikit-learn's formulas: the best
        posteriors of restricted form in the model where every component has a full covariance of
        its own (`ellimix.inference.normal_wishart`). The three letters of a family mean the family:
        VVV, EEE, VVI, VII, EEI and EII have its conjugate posterior; for the other eight families
        the weights alone have a posterior, and means and covariances are point estimates at the
        maximum (`ellimix.inference.pointed`). Or, for one feature, E or V.
    tol : float, default=1e-3
        A fit has converged when the bound of all rows together changes by less, in nats: that is
        how scikit-learn counts here, whatever its mixtures by maximum likelihood do.
    reg_covar : float, default=1e-6
        Added to the variances as pseudo-scatter reg_covar n_k I, in squared units of the data. With
        0 the bound never falls.
    max_iter : int, default=100
        Iterations at most.
    n_init : int, default=1
        Number of starts, which run in lockstep. That with the highest bound is kept.
    init_params : {"kmeans", "k-means++", "random", "random_from_data", "hierarchical"} or array
        The start, as for `GaussianMixture`.
    weight_concentration_prior_type : {"dirichlet_process", "dirichlet_distribution"}
        The prior of the weights. In a process, which is the default, earlier components have more.
    weight_concentration_prior : float or (shape, rate), default=None
        gamma of the process or alpha_0 of the distribution: the smaller, the fewer components.
        None is 1 / k. Two numbers are the shape and the rate of a gamma prior of the process's
        gamma, which then is estimated (`ellimix.inference.process`) and matters far less.
    mean_precision_prior : float, default=None
        beta_0: for how many rows the prior's mean counts. None is 1.
    mean_prior : array-like of shape (d,), default=None
        None is the mean of the rows.
    degrees_of_freedom_prior : float, default=None
        nu_0: for how many rows the prior's covariance counts, more than d - 1; more than 0 for VVI,
        VII, EEI, EII, VEI and EVI. None is d.
    covariance_prior : float or array-like, default=None
        C_0, whose quotient by nu_0 is the prior's covariance: (d, d), (d,) or a number, for
        covariances that are matrices, diagonal or spherical. None is the covariance of the rows;
        reg_covar is added to its diagonal where it is singular.
    random_state : int, RandomState instance or None, default=None
        Seed of the starts and of `sample`.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit's posterior.
    verbose : int, default=0
        1 prints iterations, 2 also times and changes.
    verbose_interval : int, default=10
        Iterations between prints.
    order : {"fitted", "weight"}, default="fitted"
        As for `GaussianMixture`. The components of a Dirichlet process have an order of their own.
    engine : {"auto", "numpy", "numba"}, default="auto"
        As for `GaussianMixture`.
    acceleration : {"auto", "squarem", "anderson"} or None, default=None
        As for `GaussianMixture`. None is one update after the other, as scikit-learn does.
    moves : bool, default=False
        Whether the best fit is moved on by merges, deletes, births and exchanges of components
        where they raise the bound (`ellimix.escaping.escape`), until none does. `report_.notes`
        says which were made. False stays in the optimum that the start leads to, as scikit-learn.

    Attributes
    ----------
    weights_ : ndarray of shape (k,)
        Expected weights.
    means_ : ndarray of shape (k, d)
        Expected means.
    covariances_ : ndarray
        Inverses of the expected precisions, in the shape of the family.
    precisions_, precisions_cholesky_ : ndarray
        Expected precisions P and upper triangular U with P = U U^T.
    weight_concentration_ : ndarray of shape (k,), or two of them
        Of the weights' Dirichlet distribution, or both parameters of the sticks' beta distributions
        in a tuple.
    mean_precision_ : ndarray of shape (k,)
        beta_k; infinite where means are point estimates.
    degrees_of_freedom_ : ndarray of shape (k,)
        nu_k; infinite where covariances are point estimates. One number for ``tied`` and EEE.
    process_concentration_ : tuple of float
        Shape and rate of the posterior of gamma, where it has a prior; its mean is their quotient.
    weight_concentration_prior_, mean_precision_prior_, degrees_of_freedom_prior_ : float
        The priors' numbers, of the first batch; the first may be two, in a tuple.
    mean_prior_ : ndarray of shape (d,)
        The prior's mean.
    covariance_prior_ : ndarray or float
        The prior's C_0.
    posterior_ : MixturePosterior
        All of it as one object: draws, credible intervals, predictive density.
    n_components_effective_ : int
        Components with an expected count of at least one row.
    lower_bound_ : float
        The evidence lower bound at the best fit's last E-step, in nats per unit of row weight; for
        point estimates, with their log prior. scikit-learn's own is a sum over the rows, without
        constants, of the responsibilities of an E-step and the parameters after it
        (`ellimix.inference.variational.without_constants` gives it).
    lower_bounds_ : list of float
        The same at each iteration.
    n_batches_, n_seen_ : int, float
        Batches that the posterior rests on, and the weight of their rows: see `partial_fit`.
    converged_, n_iter_, labels_, scores_, n_parameters_, mixture_, report_, reports_ :
        As for `GaussianMixture`. `labels_`, `predict` and `score_samples` are those of the E-step
        of the posterior, as scikit-learn's; `sample` draws with the expected parameters.
    missing_share_, n_features_in_, feature_names_in_ :
        As for `GaussianMixture`.

    See Also
    --------
    GaussianMixture : By maximum likelihood.

    Notes
    -----
    Bishop (2006), section 10.2; Blei & Jordan (2006) for the process.

    Examples
    --------
    Of five components, two remain:

    >>> import numpy as np
    >>> from ellimix import BayesianGaussianMixture, datasets
    >>> X, _ = datasets.faithful()
    >>> model = BayesianGaussianMixture(5, max_iter=500, random_state=0).fit(X)
    >>> np.sort(model.weights_)[::-1].round(2)
    array([0.64, 0.36, 0.  , 0.  , 0.  ])
    """

    noise = False  # the posterior knows none
    weight_concentration_prior_: float | tuple[float, float]
    mean_precision_prior_: float
    mean_prior_: NDArray[np.float64]
    degrees_of_freedom_prior_: float
    covariance_prior_: Any

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions({*FAMILIES, *ALIASES, *ONE_FEATURE})],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "reg_covar": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions(set(STARTS)), "array-like"],
        "weight_concentration_prior_type": [StrOptions(set(WEIGHT_PRIORS))],
        "weight_concentration_prior": [
            None,
            Interval(Real, 0.0, None, closed="neither"),
            "array-like",
        ],
        "mean_precision_prior": [None, Interval(Real, 0.0, None, closed="neither")],
        "mean_prior": [None, "array-like"],
        "degrees_of_freedom_prior": [None, Interval(Real, 0.0, None, closed="neither")],
        "covariance_prior": [None, "array-like", Interval(Real, 0.0, None, closed="neither")],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
        "order": [StrOptions({"fitted", "weight"})],
        "engine": [StrOptions({"auto", *NAMES})],
        "acceleration": [StrOptions(set(ACCELERATORS)), None],
        "moves": ["boolean"],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: Any = "kmeans",
        weight_concentration_prior_type: str = PROCESS,
        weight_concentration_prior: Any = None,
        mean_precision_prior: float | None = None,
        mean_prior: Any = None,
        degrees_of_freedom_prior: float | None = None,
        covariance_prior: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        order: str = "fitted",
        engine: str = "auto",
        acceleration: str | None = None,
        moves: bool = False,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weight_concentration_prior_type = weight_concentration_prior_type
        self.weight_concentration_prior = weight_concentration_prior
        self.mean_precision_prior = mean_precision_prior
        self.mean_prior = mean_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.covariance_prior = covariance_prior
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.order = order
        self.engine = engine
        self.acceleration = acceleration
        self.moves = moves

    # -- fitting ---------------------------------------------------------------------------------

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        labels: Any = None,
        allowed: Any = None,
        errors: Any = None,
        projections: Any = None,
        lower: Any = None,
        upper: Any = None,
        mask: Any = None,
        checkpoint: Any = None,
        resume: bool = False,
    ) -> Self:
        """Fit the posterior to what is known of the rows.

        Parameters
        ----------
        X : array-like of shape (n, d)
        y, sample_weight, labels, allowed, errors, projections, lower, upper, mask, checkpoint, \
resume :
            As for `GaussianMixture.fit`. With ``moves=True`` a checkpoint holds the fit before its
            moves, which begin anew.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad input, or a prior that is none: the message says why.
        DataError, CheckpointError
            As for `GaussianMixture.fit`.

        Warns
        -----
        ConvergenceWarning
            The best fit reached `max_iter`.
        FitWarning
            The best fit was interrupted.
        """
        known = told(
            y, labels=labels, allowed=allowed, errors=errors, projections=projections,
            lower=lower, upper=upper, mask=mask,
        )  # fmt: skip
        keeping = Keeping.asked(self, checkpoint, resume)
        return self._fit(X, y, sample_weight, known, keeping=keeping)

    def _check_order(self, known: Known) -> None:
        super()._check_order(known)
        if self.order == "weight" and self.weight_concentration_prior_type == PROCESS:
            raise DataError(
                'order="weight" renumbers the components, and those of a Dirichlet process have an '
                'order of their own: use order="fitted", or "dirichlet_distribution" for '
                "weight_concentration_prior_type."
            )

    def _tasks(self, source: MemorySource, engine: Engine) -> list[Task]:
        """The fits to run."""
        k, random = int(self.n_components), check_random_state(self.random_state)
        rule = self._rule(source.n_features)
        start = start_of(self)
        ready = prepared(source, engine, start, k, False, random)
        prior = normal_wishart(self, rule, source, ready.source, engine)
        self._keep_prior(prior)
        inference = self._inference_with(rule, Priors(self._weight_prior(), prior))
        tol, fast = self.tol / source.total_weight, acceleration_of(self)
        if self.warm_start and hasattr(self, "converged_"):
            check_warm_start(self, rule.family, k, source.n_features)
            check_same(self, rule)
            old, before = self.mixture_.parameters, self.lower_bound_
            return [Task(inference, old, tol, self.max_iter, before, "warm", fast)]
        # a component of one row has a covariance here: the prior's, whatever the floor
        floor = float(self.reg_covar) or 1.0
        beginning = Beginning(ready.source, engine, k, inference.moment, floor, random)
        begun = [ready.start.statistics(beginning) for _ in range(self.n_init)]
        return [
            Task(inference, b, tol, self.max_iter, name=start.name, acceleration=fast)
            for b in begun
        ]

    def _remember(self, task: Task) -> None:
        if not isinstance(task.inference, VariationalBayes):
            raise AssertionError("a posterior is fitted by variational Bayes")
        self._keep_prior(task.inference.prior)

    def _tolerance(self, source: MemorySource | OutsideSource) -> float:
        return float(self.tol) / source.total_weight

    def _moved(
        self, best: FitReport, source: MemorySource | OutsideSource, engine: Engine, task: Task
    ) -> FitReport:
        """Out of local optima, where that is asked for; callbacks saw the fit before."""
        if not self.moves:
            return best
        random = check_random_state(self.random_state)
        rest = task.inference, task.tol, task.max_iter, random
        report, moves = escape(source, engine, best, *rest, acceleration=task.acceleration)
        if self.verbose:
            print_moves(moves)
        return report

    def _objective_words(self) -> str:
        return "evidence lower bound per row"

    def _rule(self, d: int) -> Rule:
        """What `covariance_type` means."""
        name = self.covariance_type
        return RULES[name if name in RULES else self._family(d).name]

    def _inference_with(self, rule: Rule, priors: Priors) -> VariationalBayes:
        return VariationalBayes(rule, priors.weights, priors.components, float(self.reg_covar))

    def _kind(self) -> type[Dirichlet] | type[StickBreaking]:
        """What the weights are."""
        return WEIGHT_PRIORS[self.weight_concentration_prior_type]

    def _weight_prior(self) -> WeightPrior:
        return weight_prior(self.weight_concentration_prior_type, self.weight_concentration_prior_)

    def _keep_prior(self, prior: NormalWishart) -> None:
        self.__dict__.pop("_pending", None)
        given, k = self.weight_concentration_prior, int(self.n_components)
        self.weight_concentration_prior_ = checked_concentration(given, k)
        self.mean_precision_prior_ = float(prior.mean_precision)
        self.mean_prior_ = prior.mean
        self.degrees_of_freedom_prior_ = float(prior.degrees)
        self.covariance_prior_ = prior.scatter if prior.scatter.ndim else float(prior.scatter)

    def _title(self) -> str:
        return "Bayesian Gaussian mixture"

    def _estimation(self) -> records.Estimation:
        """How the last fit was made, in words."""
        return summarising.by_posterior(self)

    def _origin(self) -> Origin:
        """Here `tol` is of all rows together."""
        scores = vars(self).get("scores_")
        tol = self.tol if scores is None else self.tol / scores.weight
        return summarising.origin_of(self, self._estimation(), tol)

    def _inference(self) -> VariationalBayes:
        """The inference that gave the mixture."""
        rule = self.mixture_.rule
        priors = vars(self).get("_batch_priors") or self._first_priors()
        if rule is None or priors is None:
            raise DataError(
                "The prior is not known, which the mixture was fitted with: a file keeps the "
                "posterior alone. Fit again, or pass proper=False for draws from the posterior's "
                "expected parameters."
            )
        return self._inference_with(rule, priors)

    def _first_priors(self) -> Priors | None:
        """The priors of the first batch; None where they are not known."""
        if "mean_prior_" not in vars(self):
            return None
        components = NormalWishart(
            self.mean_prior_,
            self.mean_precision_prior_,
            self.degrees_of_freedom_prior_,
            np.asarray(self.covariance_prior_),
        )
        return Priors(self._weight_prior(), components)

    @classmethod
    def from_mixture(cls, mixture: Mixture) -> Self:
        """A fitted estimator around a mixture, such as one that was saved.

        Parameters
        ----------
        mixture : Mixture
        """
        estimator = super().from_mixture(mixture)
        if mixture.rule is not None:
            estimator.covariance_type = mixture.rule.name
        hyper = mixture.parameters.hyper
        if hyper is not None and hyper.concentration.shape[-1] == 1:
            estimator.weight_concentration_prior_type = "dirichlet_distribution"
        return estimator
