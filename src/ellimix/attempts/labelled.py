"""Attempts where some rows are known to belong to a component: the first components are theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ellimix.attempts.base import Attempts, Ended, Start
from ellimix.attempts.plain import PlainRunner
from ellimix.inference.box import Box
from ellimix.inference.pseudo_data import Assumed
from ellimix.records import Array
from ellimix.sources.labelled import Placed

# A component's covariance for the comparison gets so much of the average one: no flat is certain.
SMOOTHED = 0.1


@final
@dataclass(frozen=True)
class LabelledRunner:
    """Runs fits of each number of components over rows with labels.

    A start knows no labels: its components are put in the order in which the labelled rows like
    them best. Fits of different numbers of components share no pass, as their rows' priors differ.

    Parameters
    ----------
    placed : Placed
    classes : Start
        Counts, means and scatter of the labelled rows of each group.
    reg_covar : float
    weight : float
        Sum of the row weights.
    box : Box or None
    prior : Assumed or None
        The prior of all fits; None for maximum likelihood.
    """

    placed: Placed
    classes: Start
    reg_covar: float
    weight: float
    box: Box | None
    compiled: bool = False
    prior: Assumed | None = None

    def run(
        self,
        attempts: Sequence[Attempts],
        *,
        tolerance: float,
        max_iter: int,
        judged: int | None = None,
        careful: bool = True,
        accelerated: bool = False,
        stop: Callable[[], bool] | None = None,
    ) -> list[Ended]:
        """Run all of them; see `Runner`."""
        out: dict[int, Ended] = {}
        sizes = [group.n.shape[1] for group in attempts]
        for k in dict.fromkeys(sizes):
            own = [i for i, size in enumerate(sizes) if size == k]
            runner = PlainRunner(
                self.placed.of(k),
                self.placed.engine,
                self.reg_covar,
                self.weight,
                box=self.box,
                prior=self.prior,
            )
            ended = runner.run(
                [aligned(attempts[i], self.classes) for i in own],
                tolerance=tolerance,
                max_iter=max_iter,
                judged=judged,
                careful=careful,
                accelerated=accelerated,
                stop=stop,
            )
            out |= zip(own, ended, strict=True)
        return [out[i] for i in range(len(attempts))]


def aligned(group: Attempts, classes: Start) -> Attempts:
    """The same starts with components in the order that gives labelled rows the highest density.

    Parameters
    ----------
    group : Attempts
        Of k components.
    classes : Start
        Of g <= k groups of labelled rows: component j becomes the one that is group j's, in the
        assignment with the highest sum of log-densities of all labelled rows.
    """
    g, k = classes[0].size, group.n.shape[1]
    order = np.empty(group.n.shape, dtype=np.intp)
    for i in range(len(order)):
        value = _log_densities(group.n[i], group.means[i], group.scatter[i], classes)
        _, chosen = linear_sum_assignment(value, maximize=True)
        order[i, :g] = chosen
        order[i, g:] = np.setdiff1d(np.arange(k), chosen)
    fit = np.arange(len(order))[:, None]
    return replace(
        group,
        n=group.n[fit, order],
        means=group.means[fit, order],
        scatter=group.scatter[fit, order],
    )


def _log_densities(n: Array, means: Array, scatter: Array, classes: Start) -> Array:
    """Sums of weighted log-densities of each group's rows under each component, (g, k), nats."""
    d, count = means.shape[1], np.where(n > 0.0, n, 1.0)[:, None, None]
    average = scatter.sum(axis=0) / n.sum()
    average[_diagonal(d)] += np.where(np.diagonal(average) > 0.0, 0.0, 1.0)
    covariances = (scatter / count + SMOOTHED * average) / (1.0 + SMOOTHED)
    inverse, log_det = np.linalg.inv(covariances), np.linalg.slogdet(covariances)[1]
    size, middle, within = classes
    apart = middle[:, None] - means
    square = np.einsum("gki,kij,gkj->gk", apart, inverse, apart)
    trace = np.einsum("gij,kji->gk", within, inverse)
    return np.asarray(-0.5 * (size[:, None] * (log_det + square) + trace))


def _diagonal(d: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    own = np.arange(d)
    return own, own
