"""GaussianMixture: scikit-learn's interface over the loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self, final

from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from ellimix.acceleration import ACCELERATORS
from ellimix.covariance import ALIASES, FAMILIES, ONE_FEATURE
from ellimix.em import Task
from ellimix.engines import NAMES, Engine
from ellimix.errors import DataError
from ellimix.estimators import summarising
from ellimix.estimators.assuming import pseudo_of
from ellimix.estimators.automatic import AUTO, MML, fit_automatically, is_open
from ellimix.estimators.callbacks import with_callbacks
from ellimix.estimators.checkpointing import Keeping
from ellimix.estimators.outside import CHOOSING_ROWS
from ellimix.estimators.preparing import told
from ellimix.estimators.running import Asked
from ellimix.estimators.streaming import StreamingMixture
from ellimix.estimators.tasks import inference_of, tasks_of
from ellimix.inference.posterior import Estimation
from ellimix.inference.priors import DEFAULT, Prior
from ellimix.selection.criteria import CRITERIA
from ellimix.sources.knowledge import Known
from ellimix.sources.memory import MemorySource
from ellimix.starts import STARTS
from ellimix.summary import records
from ellimix.summary.making import Origin


@final
class GaussianMixture(StreamingMixture):
    """Mixture of Gaussians fitted by maximum likelihood, or a posteriori (EM).

    Takes the place of `sklearn.mixture.GaussianMixture`: the same parameters, defaults,
    attributes and shapes, and from the same start the same numbers. Beyond it: row weights, all
    14 covariance families, and fits that end with a status instead of an exception.

    Parameters
    ----------
    n_components : int or "auto", default=1
        Number of components, k. ``"auto"`` chooses among 1 to 9 by `criterion`.
    covariance_type : str, default="full"
        A covariance family by its three letters (volume, shape, orientation; E equal, V varying,
        I none): EII VII EEI VEI EVI VVI EEE VEE EVE VVE EEV VEV EVV VVV. Or one of scikit-learn's
        names, ``full`` (VVV), ``tied`` (EEE), ``diag`` (VVI), ``spherical`` (VII). Or, for one
        feature, E or V. ``"auto"`` chooses among all by `criterion`.
    tol : float, default=1e-3
        A fit has converged when the mean log-likelihood of the rows changes by less, in nats.
    reg_covar : float, default=1e-6
        Added to the variances as pseudo-scatter W_k + reg_covar n_k I, in squared units of the
        data. With 0 the likelihood never falls from one iteration to the next.
    max_iter : int, default=100
        Iterations at most.
    n_init : int, default=1
        Number of starts. They run in lockstep, one pass over the rows for all; the best is kept.
    init_params : {"kmeans", "k-means++", "random", "random_from_data", "hierarchical"} or array
        The start, by default "kmeans". "hierarchical" is the cut of a model-based agglomeration,
        as mclust begins; it draws nothing, so one `n_init` is enough. An array gives the start:
        labels (n,) from 0 to k - 1, or responsibilities (n, k). With more than 20,000 rows,
        k-means and k-means++ run on a random sample of so many; hierarchical, with more than 2,000.
    weights_init, means_init, precisions_init : array-like, default=None
        Parameters to start from, in place of the start's own: (k,), (k, d), and inverse
        covariances in the shape of `covariances_`. NaN for all numbers of a component leaves them
        to the start, whose components are then numbered so that they come nearest to the means
        that are given.
    random_state : int, RandomState instance or None, default=None
        Seed of the starts and of `sample`.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit's parameters.
    verbose : int, default=0
        1 prints iterations, 2 also times and changes.
    verbose_interval : int, default=10
        Iterations between prints.
    order : {"fitted", "weight"}, default="fitted"
        Order of the components: as they came out of the fit, or by descending weight (equal
        weights by ascending means, feature by feature).
    engine : {"auto", "numpy", "numba"}, default="auto"
        What computes the passes over the rows. ``"numba"`` compiles them, for the first fit of a
        kind on a machine, in about a second; ``"auto"`` takes it where the work repays that, as
        far as it is installed, by a rule on the shape of the data alone (`ellimix.engines.choice`).
        The two agree to rounding. `report_` says which was used.
    acceleration : {"auto", "squarem", "anderson", "sample"} or None, default="auto"
        ``"auto"`` helps EM where it has settled on its way to a maximum and is slow, by SQUAREM
        (Varadhan & Roland 2008); with the default `tol` that never happens.
        ``"squarem"`` and ``"anderson"`` (Henderson & Varadhan 2019) do so from the first iteration
        on, and may end in another local maximum. ``"sample"`` begins on a random sample where rows
        are at least ten times as many as one that is large for the components
        (`ellimix.sampling`), and goes on as ``"auto"`` over all of them: far fewer passes over very
        large data, perhaps to another maximum. None is EM alone. The objective never falls,
        whichever is chosen. With ``tol=0``, a given number of iterations, ``"auto"`` is EM alone.
        `report_.steps` says what was done.
    criterion : str, default="bic"
        What chooses where `n_components` or `covariance_type` is ``"auto"``: bic, aic, aicc, sabic,
        icl, nec, cv or slope, by a `GaussianMixtureSearch`, which chooses its own starts and
        iterations. Or ``"mml"``, for ``n_components="auto"``: one fit that begins with up to 30
        components and loses those that do not pay (Figueiredo & Jain 2002).
    noise : bool or array-like of bool of shape (n,), default=False
        Whether there is a noise component besides, uniform in the smaller of two boxes around the
        data: along the features, or along the principal axes. It has one parameter, its weight, and
        its rows have the label -1. An array says which rows begin as noise; with True, that is
        found by their distances to neighbours (Byers & Raftery 1998).
    fix : mapping, default=None
        Parts that are held at what weights_init, means_init and precisions_init say, in every
        iteration and to the bit: from ``"weights"``, ``"means"`` and ``"covariances"`` to lists of
        component numbers, or True or ``"all"``. The rest is the maximiser given these, and
        `n_parameters_` counts the rest alone. The components whose covariances are not held follow
        the family among themselves: those under EVE share a volume and axes with each other, not
        with the held ones. EEE has one matrix, which is held for all or none. Numbers are those in
        the order of the arrays; `order` permutes after the fit.
    equal_weights : bool, default=False
        Whether all components have the same weight.
    min_weight : float, default=0.0
        Every component's weight is at least this, below 1 / k.
    prior : {"default"}, Prior or None, default=None
        A conjugate prior on weights, means and covariances: the fit maximises the posterior density
        (MAP). ``"default"`` is that of Fraley & Raftery (2007), as ``priorControl()`` in mclust,
        for all 14 families: with it no component collapses onto a few rows. `Prior` says what its
        parts are, and `Prior.around` adapts another mixture's components to the rows. `reg_covar`
        is added besides.

    Attributes
    ----------
    weights_ : ndarray of shape (k,)
        Mixing proportions. Their sum is 1 less `noise_weight_`.
    noise_weight_ : float
        Mixing proportion of the noise component; 0 without one.
    means_ : ndarray of shape (k, d)
        Means.
    covariances_ : ndarray
        Covariances: (k,) for EII and VII, (k, d) for the other diagonal families EEI, VEI, EVI,
        VVI, (d, d) for EEE, (k, d, d) for the rest.
    precisions_, precisions_cholesky_ : ndarray
        Inverse covariances P and upper triangular U with P = U U^T, in the same shape.
    converged_ : bool
        Whether the change fell below `tol`.
    n_iter_ : int
        Iterations of the best fit.
    lower_bound_ : float
        Mean log-likelihood of the rows at the best fit's last E-step, in nats; with a prior, plus
        the log-prior per unit of row weight; by "mml", minus the message length per unit of row
        weight.
    lower_bounds_ : list of float
        The same at each iteration.
    log_prior_ : float
        Log-density of the prior at the parameters, in nats, up to a constant that depends on the
        prior alone; 0 without a prior.
    labels_ : ndarray of shape (n,)
        Most probable component of each row.
    n_parameters_ : int
        Number of free parameters: those that were estimated.
    n_components_ : int
        Number of components, given or chosen.
    covariance_type_ : str
        The covariance family, given or chosen: three letters; E or V for one feature.
    search_ : GaussianMixtureSearch or tuple of Annihilation
        Where something was ``"auto"``: what was compared. By "mml" a run for each family, that
        with the shortest message first; the guard may have passed it over.
    clusters_ : ClusterTree
        The components merged into clusters, after `combine`.
    mixture_ : Mixture
        The frozen distribution; the parameter attributes are read from it.
    report_ : FitReport
        How the best fit went: status, message, trace, diagnostics.
    reports_ : list of FitReport
        The same for every start.
    scores_ : Scores
        What the closing pass over the rows of `fit` said: `summary` is made of it.
    missing_share_ : ndarray of shape (d,)
        Of each column's values in `fit`, by weight, the share that was NaN. What is missing is
        taken to be so at random.
    stream_ : StreamReport
        After `partial_fit`: how each batch fitted and what it changed.
    statistics_ : SufficientStatistics
        The sums that the parameters rest on.
    n_batches_, n_seen_ : int, float
        Batches that the parameters rest on, and the weight of their rows: see `partial_fit`.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of str
        Their names, where `X` had names.

    See Also
    --------
    Mixture : The fitted distribution.

    Notes
    -----
    EM is that of Dempster, Laird & Rubin (1977); the families' M-steps are those of Celeux &
    Govaert (1995), with the exact maximiser for all 14.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix import GaussianMixture
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> model = GaussianMixture(n_components=2, order="weight", random_state=0).fit(X)
    >>> model.means_
    array([[ 1.,  2.],
           [10.,  2.]])
    >>> model.predict([[0, 0], [12, 3]])
    array([0, 1])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({AUTO})],
        "covariance_type": [StrOptions({*FAMILIES, *ALIASES, *ONE_FEATURE, AUTO})],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "reg_covar": [Interval(Real, 0.0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions(set(STARTS)), "array-like"],
        "weights_init": ["array-like", None],
        "means_init": ["array-like", None],
        "precisions_init": ["array-like", None],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
        "order": [StrOptions({"fitted", "weight"})],
        "engine": [StrOptions({"auto", *NAMES})],
        "acceleration": [StrOptions({*ACCELERATORS, "sample"}), None],
        "criterion": [StrOptions({*CRITERIA, MML})],
        "noise": ["boolean", "array-like"],
        "fix": [Mapping, None],
        "equal_weights": ["boolean"],
        "min_weight": [Interval(Real, 0.0, 1.0, closed="left")],
        "prior": [StrOptions({DEFAULT}), Prior, None],
    }

    def __init__(
        self,
        n_components: int | str = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: Any = "kmeans",
        weights_init: Any = None,
        means_init: Any = None,
        precisions_init: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        order: str = "fitted",
        engine: str = "auto",
        acceleration: str | None = "auto",
        criterion: str = "bic",
        noise: Any = False,
        fix: Any = None,
        equal_weights: bool = False,
        min_weight: float = 0.0,
        prior: Any = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.order = order
        self.engine = engine
        self.acceleration = acceleration
        self.criterion = criterion
        self.noise = noise
        self.fix = fix
        self.equal_weights = equal_weights
        self.min_weight = min_weight
        self.prior = prior

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
        """Fit the mixture to what is known of the rows.

        Parameters
        ----------
        X : array-like of shape (n, d)
            NaN (or pandas' NA) where a value is missing, which is taken to be at random: whether it
            is missing may depend on what is observed in the row, and on nothing else.
        y : array-like of int of shape (n,), optional
            Labels, if it holds a -1 (see `labels`). A complete `y` is ignored, as scikit-learn's
            mixtures do: in a pipeline it is what a later step shall predict.
        sample_weight : array-like of shape (n,), optional
            Non-negative row weights; a weight of 2 is the row twice.
        labels : array-like of int of shape (n,), optional
            The component that a row belongs to, or -1 where that is not known. There may be more
            components than labels.
        allowed : array-like of shape (n, k), optional
            Which components a row may belong to, as True and False, or soft: numbers with which
            their weights are multiplied in this row. With noise there may be a last column for it.
        errors : array-like of shape (d,), (n, d) or (n, d, d), optional
            Variances or covariances of the errors with which the values were measured. The mixture
            is that of the values without error (extreme deconvolution).
        projections : array-like of shape (n, p, d), optional
            Row i holds p values, projections[i] @ x of a point x of d features.
        lower, upper : float or array-like of shape (d,) or (n, d), optional
            Bounds between which a value lies that is NaN in `X`: limits of detection, intervals.
            With errors they are bounds of the measurement. They say nothing of other cells.
        mask : array-like of bool of shape (n, d), optional
            True where a value is missing, besides those that are NaN.
        checkpoint : path-like or Checkpoint, optional
            A file where the fit keeps how far it is: every minute, or as a `Checkpoint` says.
        resume : bool, default=False
            Whether to go on from that file, to the same bits as if nothing had come between.
            Without a file the fit begins anew, and `report_.notes` says so.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad input, or no start gave a fit: the message says why for each.
        DataError
            Rows could not be read on. Where the fit had begun, the model holds the best parameters
            so far, and the message says how to go on.
        CheckpointError
            The checkpoint is damaged, or that of another fit, or of one that has not ended and
            would be lost without ``resume=True``.

        Warns
        -----
        ConvergenceWarning
            The best fit reached `max_iter`.
        FitWarning
            The best fit was interrupted, or a component collapsed: its last sound parameters
            were kept. Or a checkpoint could not be written.
        """
        known = told(
            y, labels=labels, allowed=allowed, errors=errors, projections=projections,
            lower=lower, upper=upper, mask=mask,
        )  # fmt: skip
        keeping = Keeping.asked(self, checkpoint, resume)
        return self._fit(X, y, sample_weight, known, keeping=keeping)

    def _estimation(self) -> records.Estimation:
        """How the last fit was made, in words."""
        return summarising.by_likelihood(self)

    def _origin(self) -> Origin:
        """With the search that chose the model, if one did."""
        origin, search = super()._origin(), vars(self).get("search_")
        if origin.report is None or search is None:
            return origin
        if isinstance(search, tuple):  # by message length: fits are of other families
            return replace(origin, starts=None)
        return summarising.chosen(origin, search)

    def _inference(self) -> Estimation:
        """As the fit was made: what it held is held."""
        return inference_of(self, self.mixture_)

    def _check_order(self, known: Known) -> None:
        super()._check_order(known)
        if isinstance(self.prior, Prior) and self.prior.tells_apart and self.order == "weight":
            raise DataError(
                'order="weight" renumbers the components, and the prior says which is which: use '
                'order="fitted".'
            )

    def _most_iterations(self) -> int:
        """A search has iterations of many models."""
        return 0 if is_open(self) else self.max_iter

    def _objective_words(self) -> str:
        """With a prior, plus the log-prior per unit of row weight."""
        own = super()._objective_words()
        return own if self.prior is None else f"{own} and log-prior"

    def _size(self) -> int | None:
        """The number of components; None where it is to be chosen."""
        return None if self.n_components == AUTO else int(self.n_components)

    def _sample_rows(self, d: int) -> int:
        return CHOOSING_ROWS if is_open(self) else super()._sample_rows(d)

    def _tasks(self, source: MemorySource, engine: Engine) -> list[Task]:
        """The fits to run."""
        tasks = tasks_of(self, source, engine)
        self._remember(tasks[0])
        return tasks

    def _remember(self, task: Task) -> None:
        self._pseudo = pseudo_of(task.inference)

    def _choose(self, asked: Asked) -> bool:
        """Choose what is open, and say whether anything was."""
        if not is_open(self):
            return False
        fit_automatically(
            self, asked.X, asked.source, asked.sample_weight, asked.known, asked.keeping
        )
        return True
