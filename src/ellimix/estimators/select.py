"""The choice of a mixture as a function."""

from __future__ import annotations

from typing import Any, Unpack

from ellimix.estimators.search import GaussianMixtureSearch
from ellimix.selection.guard import Guard
from ellimix.sources.knowledge import Known


def select(
    X: Any,
    *,
    families: Any = None,
    n_components: Any = None,
    criterion: str = "bic",
    sample_weight: Any = None,
    reg_covar: float = 0.0,
    time_budget: float | None = None,
    guard: Guard | None = None,
    engine: str = "auto",
    random_state: Any = 0,
    verbose: int = 0,
    noise: bool = False,
    prior: Any = None,
    **known: Unpack[Known],
) -> GaussianMixtureSearch:
    """Choose a mixture: covariance family and number of components.

    Parameters
    ----------
    X : array-like of shape (n, d)
    families : str or list of str, optional
        By default all that there are.
    n_components : int or list of int, optional
        By default 1 to 9.
    criterion : str, default="bic"
    sample_weight : array-like of shape (n,), optional
        Non-negative row weights.
    reg_covar, time_budget, guard, engine, verbose
        As in `GaussianMixtureSearch`.
    random_state : int, RandomState instance or None, default=0
    noise : bool, default=False
        Whether each model has a noise component, as in `GaussianMixtureSearch`.
    prior : {"default"}, Prior or None, default=None
        Of all models, as in `GaussianMixtureSearch`.
    **known
        What else is known of the rows: labels, errors, ... as for `GaussianMixtureSearch.fit`.

    Returns
    -------
    GaussianMixtureSearch
        Fitted.

    Raises
    ------
    ValueError
        Bad input, or no model can be trusted: the message says why.

    Examples
    --------
    >>> import ellimix as em
    >>> X, names = em.datasets.faithful()
    >>> search = em.select(X)
    >>> search.best_params_
    {'n_components': 3, 'covariance_type': 'EEE'}
    >>> round(search.bic(X), 1)
    2314.3
    """
    chosen: GaussianMixtureSearch = GaussianMixtureSearch(
        "all" if families is None else families,
        n_components,
        criterion=criterion,
        reg_covar=reg_covar,
        time_budget=time_budget,
        guard=guard,
        engine=engine,
        random_state=random_state,
        verbose=verbose,
        noise=noise,
        prior=prior,
    )
    chosen.fit(X, sample_weight=sample_weight, **known)
    return chosen
