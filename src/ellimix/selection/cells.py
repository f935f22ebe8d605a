"""A search's table: one cell for each family and number of components."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import final

from ellimix.covariance import FAMILIES, name_for
from ellimix.covariance.base import free_parameters
from ellimix.density.mixture import Mixture
from ellimix.report import FitReport


class Verdict(Enum):
    """What a search says of a cell; the value is the word that tables show."""

    OK = "ok"
    SPURIOUS = "spurious"  # the fits that were found are not to be trusted: never chosen
    FAILED = "failed"  # no start gave a fit
    SKIPPED = "skipped"  # not tried: too few rows, or no time left


@final
@dataclass(frozen=True, eq=False)
class Cell:
    """One family and number of components: the best fit that was found, and what is known of it.

    Parameters
    ----------
    family : str
        Three letters.
    n_components : int
    verdict : Verdict
    reason : str
        Why the cell is not ok, or what was set aside, in sentences; empty where there is nothing
        to say.
    report : FitReport or None
        The best fit's; None where there is none.
    log_likelihood : float
        Sum over rows of w log p(x), in nats; NaN without a fit.
    weight : float
        Sum of the row weights, n.
    classification : float
        Sum of w log max_k r_ik, at most 0, in nats.
    entropy : float
        Sum of -w r log r, in nats.
    held_out : float
        Cross-validated log-likelihood of all rows, in nats; NaN where it was not asked for.
    starts : int
        Fits that were run to their ends.
    agreed : int
        How many of them reached the best one's objective.
    set_aside : float
        Log-likelihood of the best spurious fit, in nats, where it is above `log_likelihood`; else
        NaN.
    n_features : int
        Number of features, d.
    noise : bool
        Whether there is a noise component besides the others.
    """

    family: str
    n_components: int
    verdict: Verdict
    reason: str
    report: FitReport | None
    log_likelihood: float
    weight: float
    classification: float
    entropy: float
    held_out: float
    starts: int
    agreed: int
    set_aside: float
    n_features: int
    noise: bool = False

    @property
    def name(self) -> str:
        """The family as it is shown: three letters; E or V for one feature."""
        return name_for(FAMILIES[self.family], self.n_features)

    @property
    def mixture(self) -> Mixture | None:
        """The best fit's mixture."""
        return None if self.report is None else self.report.mixture

    @property
    def ok(self) -> bool:
        """Whether the cell may be chosen."""
        return self.verdict is Verdict.OK

    @property
    def n_parameters(self) -> int:
        """Number of free parameters: weights, means and covariances."""
        own = free_parameters(FAMILIES[self.family], self.n_components, self.n_features)
        return own + self.noise
