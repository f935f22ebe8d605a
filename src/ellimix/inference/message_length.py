"""Minimum message length: weights that charge every component for its parameters.

A mixture and the rows, written down together as shortly as can be (Figueiredo & Jain 2002, eq. 15),
take

    N/2 sum_k log(n pi_k / 12) + K/2 log(n / 12) + K (N + 1) / 2 - log L      nats,

with K components of N parameters each and n rows. N counts what a component brings with it: its
mean and its own part of the covariances. Its parameters are known to the precision that its n pi_k
rows give, the weights to that of all rows.

The paper has no parameters that components share. Here a family may have S of them (one matrix in
EEE, the common axes of VVE). They are known to the precision of all n rows, so by the same
derivation (eq. 9 to 15, with a block n I(shared) in the Fisher information) they take

    S/2 log(n / 12) + S/2      nats more,

once. That is the same at every K, but not in every family: with it lengths compare across families
too. The families' parameters are affine in K, so N is their increase from K to K + 1, plus d, and S
is what is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from ellimix.covariance.base import Family, degenerate
from ellimix.errors import Status
from ellimix.inference.base import Parameters, plug_in
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import Array, Moment, Potentials, SufficientStatistics

GRAIN = 12.0  # of an optimal quantiser in one dimension: the paper's 1/12


@final
@dataclass(frozen=True)
class MessageLength:
    """Parameters that shorten the message at a fixed number of components.

    The objective that `em.run` reports is minus the message length, per unit of row weight.

    Parameters
    ----------
    family : Family
    weight : float
        n > 0, the sum of the row weights.
    reg_covar : float
        As in `MaximumLikelihood`.

    Examples
    --------
    A component of VVV with two features has 5 parameters; under EEE it brings its mean alone, and
    all share 3:

    >>> from ellimix.covariance import parse
    >>> from ellimix.inference.message_length import MessageLength
    >>> MessageLength(parse("VVV"), 100.0).own_parameters(2)
    5
    >>> shared = MessageLength(parse("EEE"), 100.0)
    >>> shared.own_parameters(2), shared.shared_parameters(2)
    (2, 3)
    """

    family: Family
    weight: float
    reg_covar: float = 0.0
    box: None = None  # a message has no noise component

    @property
    def moment(self) -> Moment:
        """The second moment that the M-step needs."""
        return self.family.moment

    def own_parameters(self, d: int) -> int:
        """N: parameters that one more component brings, without its weight."""
        return self.family.n_parameters(2, d) - self.family.n_parameters(1, d) + d

    def shared_parameters(self, d: int) -> int:
        """S: parameters that all components share."""
        return self.family.n_parameters(1, d) + d - self.own_parameters(d)

    def least_count(self, d: int) -> float:
        """N/2: what the M-step takes from every component's count."""
        return 0.5 * self.own_parameters(d)

    def update(self, statistics: SufficientStatistics, previous: Parameters | None) -> Parameters:
        """The M-step: weights max(0, n_k - N/2), normalised (eq. 17); the rest by likelihood.

        A weight of 0 would be the component's end, and the number of components is fixed here: so
        it ends the fit, and whoever runs it goes on without the component. It is always the one
        with the fewest rows: those that it leaves may be what another one needs.

        One of several components also ends where n pi_k <= 12. There log(n pi_k / 12) is negative:
        the formula, made for many rows, would pay for parameters instead of charging for them.

        Raises
        ------
        DegenerateFit
            A component has ended (status ``annihilated``), or as in `MaximumLikelihood`. Where fits
            are stacked the exception is that of one such fit.
        """
        n, k = statistics.n, statistics.n.shape[-1]
        least = self.least_count(statistics.center.shape[-1])
        spare = np.maximum(n - least, 0.0)
        total = np.add.reduce(spare, axis=-1)[..., None]
        # tried without the bound of 12, and with 12/e: on mixtures of two features a dozen
        # components of 3 to 10 rows made the shortest message in most of 20 data sets; with 16 to
        # 24 no better choices, and true groups of 25 rows were lost
        short = spare * self.weight <= (GRAIN if k > 1 else 0.0) * total
        dead = _smallest(n) & short
        if dead.any():
            cause = f"its count is not enough above {least:g}, half the number of its parameters"
            raise degenerate(Status.ANNIHILATED, dead, n, cause)
        model = MaximumLikelihood(self.family, self.reg_covar).update(statistics, previous)
        return replace(model, weights=spare / total)

    def potentials(self, model: Parameters) -> Potentials:
        """The log-densities of the weighted components."""
        return plug_in(model, self.family.moment)

    def penalty(self, model: Parameters) -> float | Array:
        """Minus what the parameters take, in nats; components of weight 0 take nothing."""
        d = model.means.shape[-1]
        own, shared = self.own_parameters(d), self.shared_parameters(d)
        alive = model.weights > 0.0
        k = alive.sum(axis=-1)
        logs = np.add.reduce(np.log(np.where(alive, model.weights, 1.0)), axis=-1)
        a_row = math.log(self.weight / GRAIN)
        taken = own * (logs + k * a_row) + k * a_row + k * (own + 1) + shared * (a_row + 1.0)
        out = -0.5 * np.asarray(taken)
        return float(out) if out.ndim == 0 else out

    @property
    def minds_empty(self) -> bool:
        """Yes: such a component ends the fit."""
        return True

    def n_held(self) -> int:
        """None: every parameter is estimated."""
        return 0

    def price(self, d: int) -> float:
        """N/2 log(n / 12): what a component's parameters take with all rows to itself, in nats.

        With fewer than 33 rows N/2: a measure of what a component is worth should not vanish.
        """
        return self.least_count(d) * max(1.0, math.log(self.weight / GRAIN))

    def length(self, log_likelihood: float, model: Parameters) -> float:
        """The message length of one mixture and the rows, in nats (eq. 15).

        Parameters
        ----------
        log_likelihood : float
            Sum over rows of w log p(x), in nats.
        model : Parameters
            Of one fit.
        """
        return float(-log_likelihood - self.penalty(model))


def _smallest(n: Array) -> NDArray[np.bool_]:
    """Where each fit's smallest count is, the first of equals; nowhere where one is NaN."""
    smallest = n == n.min(axis=-1, keepdims=True)
    return np.asarray(smallest & (np.cumsum(smallest, axis=-1) == 1))
