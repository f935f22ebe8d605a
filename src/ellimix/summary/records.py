"""What a summary holds: numbers, in records that know nothing of formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

Ends = tuple[float, float]


@final
@dataclass(frozen=True)
class Estimation:
    """How parameters were estimated, in words.

    Parameters
    ----------
    method : str
    prior : str or None
    n_held : int
        Parameters that were held.
    """

    method: str
    prior: str | None = None
    n_held: int = 0


@final
@dataclass(frozen=True)
class Component:
    """One component.

    Parameters
    ----------
    number : int
    weight : float
    count : float or None
        Sum of its responsibilities times the row weights.
    assigned : float or None
        Weight of the rows whose most probable component it is.
    volume : float
        lambda = |Sigma|^(1/d): the geometric mean of its variances along the principal axes.
    condition : float
        Ratio of its largest to its smallest variance along an axis.
    means, standard_deviations : tuple of float
        One a feature.
    weight_interval : tuple of float or None
        Credible; None where there is no posterior.
    mean_intervals : tuple of (tuple of float or None), or None
        One a feature; None for a point estimate.
    """

    number: int
    weight: float
    count: float | None
    assigned: float | None
    volume: float
    condition: float
    means: tuple[float, ...]
    standard_deviations: tuple[float, ...]
    weight_interval: Ends | None = None
    mean_intervals: tuple[Ends | None, ...] | None = None


@final
@dataclass(frozen=True)
class Noise:
    """The noise component: as `Component`."""

    weight: float
    count: float | None
    assigned: float | None


@final
@dataclass(frozen=True)
class RowNumbers:
    """What rows say of the mixture.

    Parameters
    ----------
    n_rows : int
    weight : float
        Sum of the row weights, n in BIC and ICL.
    log_likelihood : float
        Sum of w log p(x), in nats. Of a variational posterior that of the E-step.
    bic, aic, icl : float or None
        Smaller is better. None for a variational posterior, whose bound takes their place.
    entropy : float
        Mean of the rows' -sum r log r, in nats: 0 where each row's component is certain.
    uncertain : float
        Weight of the rows whose most probable component has a probability below 0.9.
    missing : tuple of float
        Share of each feature's values that is missing, by weight.
    """

    n_rows: int
    weight: float
    log_likelihood: float
    bic: float | None
    aic: float | None
    icl: float | None
    entropy: float
    uncertain: float
    missing: tuple[float, ...]


@final
@dataclass(frozen=True)
class Starts:
    """How many fits came to the same end.

    Parameters
    ----------
    n : int
        Fits that were run to their ends.
    agreed : int
        Those whose objective ended within `tolerance` of the best.
    tolerance : float
        In nats, of all rows together.
    """

    n: int
    agreed: int
    tolerance: float


@final
@dataclass(frozen=True)
class FitNumbers:
    """How the fit went.

    Parameters
    ----------
    status : str
        A value of `ellimix.Status`.
    message : str
        What it means, with the remedy where there is one.
    n_iter : int
        Passes over the rows.
    start, engine : str
    starts : Starts or None
        None where fits are not comparable.
    """

    status: str
    message: str
    n_iter: int
    start: str
    engine: str
    starts: Starts | None


@final
@dataclass(frozen=True)
class PosteriorNumbers:
    """What a variational posterior says besides its intervals.

    Parameters
    ----------
    lower_bound : float or None
        Evidence lower bound of all rows of the fit, or of the last batch, in nats.
    effective : float
        exp of the entropy of the expected weights.
    with_rows : int or None
        Components with an expected count of at least one row; None where the prior is not known.
    level : float
        The probability inside of each interval.
    n_batches : int or None
    n_seen : float or None
        Weight of the rows of all batches.
    """

    lower_bound: float | None
    effective: float
    with_rows: int | None
    level: float
    n_batches: int | None = None
    n_seen: float | None = None


@final
@dataclass(frozen=True)
class Choice:
    """Among what the model was chosen.

    Parameters
    ----------
    criterion : str
    n_models : int
    families : tuple of str
    sizes : tuple of int
        Numbers of components, ascending.
    runner_up : str or None
        The next model, by what it differs in: "EEE 4", "EEE" or "4".
    gap : float or None
        How much its criterion is higher.
    """

    criterion: str
    n_models: int
    families: tuple[str, ...]
    sizes: tuple[int, ...]
    runner_up: str | None
    gap: float | None

    @property
    def words(self) -> str:
        """In words, to follow the model's; empty where there was no choice.

        Examples
        --------
        >>> from ellimix.summary.records import Choice
        >>> Choice("bic", 4, ("EEE", "VVV"), (1, 2), "VVV 2", 5.8).words
        'chosen by BIC among 2 families and 1 to 2 components (next: VVV 2, BIC 5.8 higher)'
        """
        if self.n_models == 1:
            return ""
        parts = []
        if len(self.families) > 1:
            parts.append(f"{len(self.families)} families")
        if len(self.sizes) > 1:
            parts.append(f"{self.sizes[0]} to {self.sizes[-1]} components")
        name = self.criterion.upper()
        text = f"chosen by {name} among {' and '.join(parts)}"
        if self.runner_up is not None:
            text += f" (next: {self.runner_up}, {name} {self.gap:,.1f} higher)"
        return text
