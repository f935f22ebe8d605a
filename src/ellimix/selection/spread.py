"""Where all rows are, and how far they spread: what default priors are made from."""

from __future__ import annotations

import numpy as np

from ellimix.completion import completed, without_prior
from ellimix.covariance import parse
from ellimix.em import Task, run
from ellimix.engines.base import Engine
from ellimix.errors import DataError
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.inference.pseudo_data import Spread
from ellimix.records import Rows
from ellimix.sources.memory import MemorySource
from ellimix.starts import Beginning, Given

TOL, MOST = 1e-10, 500  # of the fit of one Gaussian to rows of which not all is known
# the second where the first ends degenerate: fewer rows than it needs, or columns that are linear
# combinations of others, of which a prior for diagonal covariances takes no notice
FAMILIES = ("VVV", "VVI")


def spread_of(source: MemorySource, engine: Engine) -> Spread:
    """Mean and covariance of all rows, with divisor n - 1.

    Where not all is known of them these are the maximum likelihood estimates of one Gaussian given
    what is, times n / (n - 1): whole rows have the same.

    Parameters
    ----------
    source : MemorySource
    engine : Engine
        For the passes over incomplete rows.

    Raises
    ------
    DataError
        The weights sum to no more than one row, or no Gaussian can be fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from ellimix.engines import ENGINES
    >>> from ellimix.selection.spread import spread_of
    >>> from ellimix.sources.memory import MemorySource
    >>> source = MemorySource(np.array([[0.0], [1.0]]), np.array([1.0, 3.0]))
    >>> found = spread_of(source, ENGINES["numpy"])
    >>> found.mean, found.covariance
    (array([0.75]), array([[0.25]]))
    """
    source, total = without_prior(source), source.total_weight
    if not total > 1.0:
        raise DataError(
            f"The default prior takes its scale from the rows, but their weights sum to {total:g}: "
            "a spread needs more than one row, so give the prior's scale and mean."
        )
    found = (
        _of_one_gaussian(source, engine) if source.incomplete else _of(source.rows, source.weights)
    )
    return Spread(found.mean, found.covariance * (total / (total - 1.0)))


def _of(rows: Rows, weight: np.ndarray) -> Spread:
    """Weighted mean and covariance, with divisor n."""
    share = weight / weight.sum()
    mean = share @ rows
    shift = rows - mean
    mean = mean + share @ shift  # what rounding left, where the rows are far from 0
    shift = rows - mean
    return Spread(mean, (shift * share[:, None]).T @ shift)


def _of_one_gaussian(source: MemorySource, engine: Engine) -> Spread:
    whole = completed(source, engine)
    for name in FAMILIES:
        inference = MaximumLikelihood(parse(name, source.n_features))
        beginning = Beginning(
            whole, engine, 1, inference.moment, 0.0, np.random.RandomState(0)
        )  # nothing is drawn
        start = Given(np.zeros(whole.n_rows, dtype=np.int64)).statistics(beginning)
        (report,) = run(source, engine, [Task(inference, start, TOL, MOST, acceleration="auto")])
        if report.mixture is not None and report.sound:
            return Spread(report.mixture.means[0], report.mixture.covariances()[0])
    raise DataError(
        "The default prior takes its scale from the rows, and no Gaussian can be fitted to what is "
        f"known of them ({report.message}) Give the prior's scale and mean."
    )
