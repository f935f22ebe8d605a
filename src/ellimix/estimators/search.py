"""GaussianMixtureSearch: the choice of a mixture, behind scikit-learn's interface."""

from __future__ import annotations

import warnings
from dataclasses import replace
from importlib import import_module
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, Unpack, final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ellimix.density.mixture import Scores
from ellimix.em import run
from ellimix.engines import ENGINES, NAMES, choose
from ellimix.errors import DataError, FitWarning, Status
from ellimix.estimators.assuming import prior_of
from ellimix.estimators.automatic import IN_MEMORY
from ellimix.estimators.checkpointing import Keeping, searched
from ellimix.estimators.gaussian_mixture import GaussianMixture
from ellimix.estimators.methods import MixtureMethods
from ellimix.estimators.outside import CHOOSING_ROWS, Wanted, source_of
from ellimix.estimators.preparing import told
from ellimix.estimators.summarising import chosen
from ellimix.estimators.verbose import PassPrinter, print_step
from ellimix.inference.priors import DEFAULT, Prior
from ellimix.records import Array
from ellimix.selection import criteria, table
from ellimix.selection.cells import Cell
from ellimix.selection.grid import components_of, families_of
from ellimix.selection.guard import Guard
from ellimix.selection.outside import GOING_ON, Run, on_all_rows
from ellimix.selection.search import Found, search
from ellimix.selection.table import Comparison, Row
from ellimix.sources.knowledge import Known
from ellimix.sources.memory import MemorySource
from ellimix.sources.opening import is_stream
from ellimix.sources.outside import OutsideSource
from ellimix.summary.making import Origin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

REPEATS: Final = (
    "A search with a checkpoint is made anew when it is gone on with, up to its fits to all rows: "
    "it needs a random_state that is a number, and no time_budget, to lead to the same fits."
)


@final
class GaussianMixtureSearch(MixtureMethods):
    """Choice of a mixture's covariance family and number of components.

    Fits every family with every number of components from many starts, sets aside fits that are
    not to be trusted, and keeps the best by a criterion. Methods such as `predict` and
    `score_samples` are those of the best.

    Parameters
    ----------
    families : str or list of str, default="all"
        Covariance families, as `covariance_type` of `GaussianMixture`; ``"all"`` for the 14,
        ``"sklearn"`` for full, tied, diag and spherical. With one feature there are two, E and V:
        all others reduce to one of them.
    n_components : int or list of int, default=None
        Numbers of components: several, or one alone; by default 1 to 9. A model of more components
        than rows is skipped.
    criterion : str, default="bic"
        What chooses: bic, aic, aicc, sabic, icl, nec, cv (five-fold cross-validation) or slope
        (see `ellimix.selection.criteria.CRITERIA`).
    reg_covar : float, default=0.0
        Added to the variances, in squared units of the data. The guard makes it unnecessary, unless
        columns are constant or functions of others.
    time_budget : float, default=None
        Seconds after which no further fit is begun; what is there by then is compared. Results then
        depend on the speed of the machine.
    guard : Guard, default=None
        What makes a fit spurious (see `ellimix.selection.guard.Guard`).
    engine : {"auto", "numpy", "numba"}, default="auto"
        What computes the fits. ``"auto"`` compiles where numba is installed: for the first search
        on a machine, in about half a minute.
    random_state : int, RandomState instance or None, default=None
        Seed of the random starts and of `sample`. The same seed gives the same result.
    verbose : int, default=0
        1 prints the steps of the search.
    noise : bool, default=False
        Whether every model has a noise component besides, as in `GaussianMixture`.
    prior : {"default"}, Prior or None, default=None
        A prior of all models, as in `GaussianMixture`, the same for all components.

    Attributes
    ----------
    best_, best_estimator_ : GaussianMixture
        The best model, fitted to its end, its components by descending weight.
    best_params_ : dict
        Its `n_components` and `covariance_type`.
    best_index_ : int
        Its place in `results_` and `cells_`.
    results_ : list of dict
        One mapping a model: family, n_components, log_likelihood (nats), n_parameters, bic and
        other criteria (smaller is better), status ("ok", "spurious", "failed", "skipped"), reason
        and more (see `ellimix.selection.table.rows`).
    cells_ : tuple of Cell
        The same as records, with each model's fit.
    criterion_ : str
        Name of the criterion that chose.
    notes_ : tuple of str
        What a careful reader should know, in sentences; those that call for care are warned of.
    seconds_ : float
        How long the search took.
    mixture_ : Mixture
        The best model's frozen distribution.
    labels_ : ndarray of shape (n,)
        Most probable component of each row.
    scores_ : Scores
        What the best model's closing pass over the rows said: `summary` is made of it.
    n_parameters_ : int
        Number of free parameters of the best model.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of str
        Their names, where `X` had names.

    See Also
    --------
    ellimix.select : The same as a function.

    Notes
    -----
    Starts come from model-based agglomerations (Fraley 1998), from the fits of other families and
    numbers of components, from splits and merges (Ueda et al. 2000), and from short runs of EM
    (Biernacki, Celeux & Govaert 2003). BIC for the choice: Fraley & Raftery (2002).

    Examples
    --------
    >>> import ellimix as em
    >>> X, names = em.datasets.faithful()
    >>> search = em.GaussianMixtureSearch(
    ...     families=["EEE", "VVV"], n_components=range(1, 5), random_state=0
    ... ).fit(X)
    >>> search.best_params_
    {'n_components': 3, 'covariance_type': 'EEE'}
    >>> print(search.compare(top=2))
    Models by bic (Bayesian information criterion): smaller is better.
    <BLANKLINE>
    rank  family  k  parameters  log-likelihood       bic  difference  weight  agreed  status
       1  EEE     3          11       -1126.3...  2314.2...       0.000   0.9...  ...  ok
       2  EEE     4          14       -1120.8...  2320.1...       5.8...  0.0...  ...  ok
    <BLANKLINE>
    2 of 8 cells (8 ok). Log-likelihoods are in nats.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "families": [str, "array-like"],
        "n_components": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "criterion": [StrOptions(set(criteria.CRITERIA))],
        "reg_covar": [Interval(Real, 0.0, None, closed="left")],
        "time_budget": [Interval(Real, 0.0, None, closed="neither"), None],
        "guard": [Guard, None],
        "engine": [StrOptions({"auto", *NAMES})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "noise": ["boolean"],
        "prior": [StrOptions({DEFAULT}), Prior, None],
    }

    best_: GaussianMixture
    criterion_: str
    cells_: tuple[Cell, ...]
    results_: list[Row]
    labels_: NDArray[np.int64]
    scores_: Scores

    def __init__(
        self,
        families: Any = "all",
        n_components: Any = None,
        *,
        criterion: str = "bic",
        reg_covar: float = 0.0,
        time_budget: float | None = None,
        guard: Guard | None = None,
        engine: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        noise: bool = False,
        prior: Any = None,
    ) -> None:
        self.families = families
        self.n_components = n_components
        self.criterion = criterion
        self.reg_covar = reg_covar
        self.time_budget = time_budget
        self.guard = guard
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose
        self.noise = noise
        self.prior = prior

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
        """Fit all models and keep the best.

        Parameters
        ----------
        X : array-like of shape (n, d)
            NaN where a value is missing.
        y : array-like of int of shape (n,), optional
            Labels, if it holds a -1; a complete `y` is ignored.
        sample_weight : array-like of shape (n,), optional
            Non-negative row weights; a weight of 2 is the row twice.
        labels, errors, projections, lower, upper, mask
            What else is known of the rows, as for `GaussianMixture.fit`. Models with fewer
            components than labels are skipped.
        allowed : None
            Components that are allowed have no meaning where their number is to be chosen.
        checkpoint, resume :
            As for `GaussianMixture.fit`, of rows outside of memory: the fits over all rows are
            kept. What the search does on its sample is done anew, and needs a `random_state` that
            is a number, and no `time_budget`, to lead to the same fits.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad input, or no model can be trusted: the message says why.
        KeyboardInterrupt
            Interrupted before there was any fit; later, the best so far is kept.

        Warns
        -----
        FitWarning
            A close runner-up, a number of components at the edge of those tried, a column that is
            constant or looks like an id, a search that time or an interrupt ended.
        """
        known = told(
            y, labels=labels, allowed=allowed, errors=errors, projections=projections,
            lower=lower, upper=upper, mask=mask,
        )  # fmt: skip
        keeping = Keeping.asked(self, checkpoint, resume)
        seed = None if keeping is None else keeping.seed
        printer = PassPrinter() if self.verbose and is_stream(X) else None
        wanted = Wanted(None, "", lambda _: CHOOSING_ROWS, seed=seed, printer=printer)
        source, _ = source_of(self, X, sample_weight, known, wanted)
        if isinstance(source, OutsideSource):
            self._fit_outside(source, self._names(), keeping)
        elif keeping is not None:
            raise DataError(IN_MEMORY)
        else:
            self._keep(self._searched(source, known["labels"]))
        for note in self.notes_:
            if note not in self._remarks:
                warnings.warn(note, FitWarning, stacklevel=3)
        return self

    def _searched(self, source: MemorySource, labels: Any) -> Found:
        """The search over rows in memory."""
        return search(
            source,
            families=families_of(self.families, source.n_features),
            components=components_of(self.n_components),
            random=check_random_state(self.random_state),
            criterion=self.criterion,
            reg_covar=float(self.reg_covar),
            guard=self.guard,
            engine=self.engine,
            time_budget=self.time_budget,
            tell=print_step if self.verbose else None,
            feature_names=self._names(),
            noise=bool(self.noise),
            labels=labels,
            prior=prior_of(self.prior),
        )

    def _fit_outside(
        self,
        source: OutsideSource,
        names: tuple[str, ...] | None,
        keeping: Keeping | None = None,
    ) -> None:
        """The search over a sample, whose best models go on over all rows."""
        go: Run = run
        if keeping is not None:
            repeats = isinstance(self.random_state, Integral) and self.time_budget is None
            if not repeats:
                raise DataError(REPEATS)
            go = searched(keeping, source)
        self.n_features_in_ = source.n_features
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        found = self._searched(source.sample, None)
        engine = choose(self.engine, source.n_rows, source.n_features, GOING_ON, True)
        try:
            found = on_all_rows(found, source, engine, names, go=go)
        except DataError as error:
            if keeping is None:
                raise
            raise DataError(
                f"{error} Mend the rows, and search again with resume=True and the checkpoint "
                f"{keeping.checkpoint.file} to go on."
            ) from error
        if keeping is not None and keeping.note:
            found = replace(found, remarks=(*found.remarks, keeping.note))
        self._keep(found)

    def fit_predict(
        self, X: Any, y: Any = None, sample_weight: Any = None, **known: Unpack[Known]
    ) -> NDArray[np.int64]:
        """Fit all models and return the best one's `labels_`. As `fit` otherwise."""
        labels: NDArray[np.int64] = self.fit(X, y, sample_weight=sample_weight, **known).labels_
        return labels

    @property
    def best_estimator_(self) -> GaussianMixture:
        """`best_`, by the name that scikit-learn's searches give it."""
        self._fitted("best_estimator_")
        return self.best_

    def compare(self, top: int = 10, criterion: str | None = None) -> Comparison:
        """The best models by a criterion; those that are not ok come after all that are.

        Parameters
        ----------
        top : int, default=10
            Models to show at most.
        criterion : str, optional
            By default the one that chose.

        Returns
        -------
        Comparison
            `print` shows it as text, a notebook as HTML.
        """
        cells = self._cells()
        return table.compare(cells, self._by(criterion), top, self._rows)

    def to_frame(self, criterion: str | None = None) -> DataFrame:
        """`results_` as a pandas DataFrame, a row a model.

        Raises
        ------
        MissingExtra
            pandas is not installed.
        """
        return table.frame(self._cells(), self._by(criterion))

    def model_weights(self, criterion: str | None = None) -> Array:
        """How much each model deserves by a criterion, (m,), in the order of `cells_`.

        exp(-difference / 2) as a share: for BIC, about the posterior probability of the model
        (Burnham & Anderson 2002); 0 for models that are not ok. NaN for nec, which is on no such
        scale.

        Examples
        --------
        >>> import ellimix as em
        >>> X, names = em.datasets.faithful()
        >>> search = em.GaussianMixtureSearch("EEE", range(1, 6), random_state=0).fit(X)
        >>> search.model_weights().round(2)
        array([0.  , 0.  , 0.94, 0.05, 0.  ])
        """
        found = table.rows(self._cells(), self._by(criterion))
        return np.array([row["weight"] for row in found], dtype=np.float64)

    def plot(self, criterion: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw a criterion over the number of components, a line for each family.

        Parameters
        ----------
        criterion : str, optional
            By default the one that chose.
        ax : matplotlib Axes, optional
            By default the axes of a new figure.

        Raises
        ------
        MissingExtra
            matplotlib is not installed.
        """
        cells = self._cells()
        axes: Axes = _plots().selection_plot(cells, criterion=self._by(criterion), ax=ax)
        return axes

    def _origin(self) -> Origin:
        """That of the best model, with the choice."""
        return chosen(self.best_._origin(), self)

    def _cells(self) -> tuple[Cell, ...]:
        check_is_fitted(self)
        return self.cells_

    def _by(self, criterion: str | None) -> str:
        return self.criterion_ if criterion is None else criterion

    def _keep(self, found: Found) -> None:
        """Write the fitted attributes."""
        cell = found.best
        report = cell.report
        if report is None:
            raise AssertionError("the best cell has a fit")
        for stale in ("_stream", "clusters_", "labels_"):
            self.__dict__.pop(stale, None)
        self._dtype, self._remarks = np.dtype(found.source.dtype), found.remarks
        self._rows = found.source.n_rows
        self.cells_ = found.cells
        self.criterion_ = found.criterion
        self.results_ = table.rows(found.cells, found.criterion)
        self.best_index_ = found.best_index
        self.best_params_ = {"n_components": cell.n_components, "covariance_type": cell.name}
        self.best_ = self._estimator(found)
        self.mixture_, self.scores_ = self.best_.mixture_, self.best_.scores_
        if hasattr(self.best_, "labels_"):
            self.labels_ = self.best_.labels_
        self.notes_ = (*found.said, *_unfinished(self.best_))
        self.seconds_ = found.seconds

    def _estimator(self, found: Found) -> GaussianMixture:
        """The best model as an estimator of its own."""
        report, detail = found.best.report, found.source.detail
        told = detail is not None and detail.prior is not None
        if report is None:
            raise AssertionError("the best cell has a fit")
        best = GaussianMixture(
            found.best.n_components,
            covariance_type=found.best.name,
            reg_covar=found.reg_covar,
            random_state=self.random_state,
            engine=self.engine,
            order="fitted" if told else "weight",  # labels say which component is which
            noise=self.noise,
            prior=self.prior,
        )
        best.n_features_in_ = self.n_features_in_
        if hasattr(self, "feature_names_in_"):
            best.feature_names_in_ = self.feature_names_in_
        self._pseudo = None
        if found.prior is not None and report.mixture is not None:
            family, noise = report.mixture.family, report.mixture.box is not None
            self._pseudo = found.prior.of(family, found.best.n_components, noise)
        best._pseudo = self._pseudo
        best._keep(report, [report], found.source, ENGINES[report.engine])
        return best


def _unfinished(best: GaussianMixture) -> tuple[str, ...]:
    if best.report_.status is not Status.MAX_ITER:
        return ()
    sentence = (
        f"The best fit stopped after {best.n_iter_:,} passes over the rows, before it had "
        "converged: its likelihood may still rise a little."
    )
    return (sentence,)


def _plots() -> Any:
    """`ellimix.plots`, which stands above the estimators: looked up when it is wanted."""
    return import_module("ellimix.plots")
