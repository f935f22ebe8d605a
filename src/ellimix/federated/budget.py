"""A privacy budget: what noise it takes, and what is left of it.

Zero-concentrated differential privacy (Bun & Steinke 2016) counts in rho. An answer with L2
sensitivity D and Gaussian noise of standard deviation sigma in each coordinate costs

    rho = D^2 / (2 sigma^2)                          (their proposition 1.6),

answers add up, also where later questions depend on earlier answers (lemma 1.7), and rho together
give (epsilon, delta)-differential privacy for every delta in (0, 1) with

    epsilon = rho + 2 sqrt(rho log(1 / delta))       (proposition 1.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, final

from ellimix.errors import BudgetSpent, DataError

ROUNDING = 1e-9  # relative: what a budget that is spent in equal parts may be over by


def cost(sensitivity: float, sigma: float) -> float:
    """rho of one answer with noise of standard deviation `sigma`."""
    return sensitivity**2 / (2.0 * sigma**2)


def epsilon_of(rho: float, delta: float) -> float:
    """The epsilon that rho gives at a delta."""
    return rho + 2.0 * math.sqrt(rho * math.log(1.0 / delta))


@final
@dataclass(frozen=True)
class PrivacyBudget:
    """What all answers of one site together may tell of a row: (epsilon, delta).

    Parameters
    ----------
    epsilon : float
        Positive. What anybody believes of a row changes by a factor of e^epsilon at most, but for
        events of probability
    delta : float
        in (0, 1), which should be far below one in the number of rows.

    Raises
    ------
    DataError
        A number is out of its range.

    Examples
    --------
    >>> from ellimix.federated import PrivacyBudget
    >>> budget = PrivacyBudget(epsilon=2.0, delta=1e-6)
    >>> round(budget.rho, 4), round(budget.sigma(rounds=10, sensitivity=1.0), 2)
    (0.0676, 8.6)
    """

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        if not (_number(self.epsilon) and self.epsilon > 0.0):
            raise DataError(f"epsilon is {self.epsilon!r}: it must be a positive number.")
        if not (_number(self.delta) and 0.0 < self.delta < 1.0):
            raise DataError(f"delta is {self.delta!r}: it must be above 0 and below 1.")

    @property
    def rho(self) -> float:
        """The largest rho whose epsilon is not above the budget's.

        sqrt(rho) = sqrt(L + epsilon) - sqrt(L) with L = log(1 / delta).
        """
        logs = math.log(1.0 / self.delta)
        root = self.epsilon / (math.sqrt(logs + self.epsilon) + math.sqrt(logs))
        return root**2

    def sigma(self, rounds: int, sensitivity: float) -> float:
        """Standard deviation of the noise with which the budget pays for so many answers.

        Parameters
        ----------
        rounds : int
        sensitivity : float
            L2 sensitivity of each of them.
        """
        if not isinstance(rounds, Integral) or rounds < 1:
            raise DataError(f"rounds is {rounds!r}: it must be a positive whole number.")
        return sensitivity * math.sqrt(rounds / (2.0 * self.rho))


@final
@dataclass(frozen=True)
class Ledger:
    """What a site has spent of its budget.

    Parameters
    ----------
    budget : PrivacyBudget
    spent : tuple of float
        rho of each answer so far.

    Examples
    --------
    >>> from ellimix.federated import Ledger, PrivacyBudget
    >>> ledger = Ledger(PrivacyBudget(1.0, 1e-6))
    >>> ledger = ledger.after(ledger.budget.rho / 4)
    >>> round(ledger.epsilon, 3), round(ledger.left / ledger.budget.rho, 3)
    (0.496, 0.75)
    """

    budget: PrivacyBudget
    spent: tuple[float, ...] = ()

    @property
    def rho(self) -> float:
        """What was spent."""
        return math.fsum(self.spent)

    @property
    def epsilon(self) -> float:
        """The same as epsilon at the budget's delta."""
        return epsilon_of(self.rho, self.budget.delta)

    @property
    def left(self) -> float:
        """rho that is left."""
        return max(self.budget.rho - self.rho, 0.0)

    def after(self, rho: float) -> Ledger:
        """The ledger after an answer.

        Raises
        ------
        BudgetSpent
            The budget does not pay for it.
        """
        if self.rho + rho > self.budget.rho * (1.0 + ROUNDING):
            raise BudgetSpent(
                f"The budget of epsilon {self.budget.epsilon:g} at delta {self.budget.delta:g} is "
                f"spent: {len(self.spent)} answer(s) took epsilon {self.epsilon:.4g}, and one more "
                f"would make it {epsilon_of(self.rho + rho, self.budget.delta):.4g}."
            )
        return replace(self, spent=(*self.spent, rho))


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(float(value))
