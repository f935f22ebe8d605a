"""FitReport: how a fit went. Numbers about its mixture are computed on demand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import eigh

from ellimix.covariance.base import Structure
from ellimix.covariance.triangular import EPS
from ellimix.density.mixture import Mixture
from ellimix.errors import Status
from ellimix.records import Array

THIN = 1e-3  # standard deviation relative to the whole mixture's, under which a component is thin


@dataclass(frozen=True, slots=True)
class ComponentDiagnostics:
    """Numbers that tell a sound component from a spurious one."""

    component: int
    count: float  # sum of responsibilities times row weights in the last E-step
    log_det: float  # log |Sigma_k|
    condition: float  # ratio of the largest to the smallest eigenvalue of Sigma_k
    # smallest standard deviation along any direction, relative to the whole mixture's along the
    # same direction: 1e-6 means a component a million times thinner than the data, in any units
    relative_width: float


@dataclass(frozen=True, eq=False)
class FitReport:
    """How a fit ended, and what it leaves.

    Parameters
    ----------
    mixture : Mixture or None
        The fitted mixture; None where the start itself was degenerate.
    status : Status
    message : str
        A sentence, with the components concerned and the remedy where there is one.
    trace : tuple of float
        Mean log-likelihood of the rows at each E-step (nats per unit of row weight): one entry an
        iteration, of the parameters before that iteration's M-step.
    start : str
        Name of the start.
    engine : str
        Name of the engine.
    n_rows : int
    counts : ndarray of shape (k,) or None
        Counts of the last E-step.
    notes : tuple of str
        What happened on the way, in sentences.
    steps : tuple of str
        What each pass over the rows was made over, where an accelerator took part: ``"em"`` for the
        model of an EM step, ``"accelerated"`` for a trial that raised the objective, ``"rejected"``
        for one that did not, which leaves no entry in the trace. Empty where all were EM steps.
    """

    mixture: Mixture | None
    status: Status
    message: str
    trace: tuple[float, ...]
    start: str
    engine: str
    n_rows: int
    counts: Array | None
    notes: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()

    @property
    def n_iter(self) -> int:
        """Passes over the rows: iterations, with the trials that were rejected."""
        return max(len(self.steps), len(self.trace))

    @property
    def objective(self) -> float:
        """The last entry of the trace; -inf before the first iteration."""
        return self.trace[-1] if self.trace else -np.inf

    @property
    def usable(self) -> bool:
        """Whether there are parameters that a row's density was computed with."""
        if self.mixture is None:
            return False
        return bool(self.trace) or not self.status.failed

    @property
    def sound(self) -> bool:
        """Whether the fit is usable and met no degenerate component."""
        return self.usable and not self.status.failed

    def __repr__(self) -> str:
        passes = "1 pass" if self.n_iter == 1 else f"{self.n_iter:,} passes"
        where = f"objective {self.objective:.6g}, start {self.start!r}, engine {self.engine!r}"
        return f"<FitReport: {self.status.value} after {passes}, {where}, {self.n_rows:,} rows>"

    def __str__(self) -> str:
        passes = "1 pass" if self.n_iter == 1 else f"{self.n_iter:,} passes"
        rows = f"{self.n_rows:,} row" + "s" * (self.n_rows != 1)
        lines = [
            f"{self.status.value} after {passes} over {rows} ({self.engine}), from {self.start}",
            self.message,
        ]
        if self.trace:
            lines.append(f"objective {self.objective:.6g} nats per unit of row weight")
        if self.mixture is not None:
            lines.append(self.mixture.words)
        return "\n".join([*lines, *(w for w in self.warnings() if w != self.message)])

    def diagnostics(self) -> tuple[ComponentDiagnostics, ...]:
        """One record a component; empty without a mixture."""
        mixture = self.mixture
        if mixture is None:
            return ()
        counts = self.counts if self.counts is not None else np.full(mixture.n_components, np.nan)
        condition, width = shape_numbers(mixture)
        return tuple(
            ComponentDiagnostics(k, *map(float, numbers))
            for k, numbers in enumerate(
                zip(counts, mixture.covariance.log_det, condition, width, strict=True)
            )
        )

    def thin(self) -> tuple[ComponentDiagnostics, ...]:
        """Components a thousand times thinner than the data in some direction.

        Their likelihood is high for a few rows that nearly coincide there, and grows without bound
        as the variance floor goes to 0: most are spurious.
        """
        return tuple(d for d in self.diagnostics() if d.relative_width < THIN)

    def by_weight(self) -> FitReport:
        """The same report with the components by descending weight."""
        if self.mixture is None:
            return self
        order = self.mixture.weight_order()
        counts = None if self.counts is None else self.counts[order]
        numbered = " (Components are numbered here as they were fitted.)"
        message = self.message + numbered if self.status.failed else self.message
        mixture = self.mixture.ordered(order)
        return replace(self, mixture=mixture, counts=counts, message=message)

    def warnings(self) -> tuple[str, ...]:
        """What a careful reader should know, in sentences."""
        out = list(self.notes)
        if self.status not in (Status.CONVERGED, Status.STOPPED, Status.UPDATED):
            out.append(self.message)
        out += [
            f"Component {d.component} (count {d.count:.6g}) is {1.0 / d.relative_width:.2g} times "
            "thinner than the data in some direction: it may be spurious. "
            "Compare with a larger reg_covar or fewer components."
            for d in self.thin()
        ]
        return tuple(out)


def shape_numbers(mixture: Mixture) -> tuple[Array, Array]:
    """Condition numbers and relative widths, (k,) each."""
    if mixture.covariance.structure in (Structure.SPHERICAL, Structure.DIAGONAL):
        variances = mixture.variances()
        shift = mixture.means - mixture.weights @ mixture.means
        total = mixture.weights @ (variances + shift**2)
        ratio = (variances / total).min(axis=1)
        return variances.max(axis=1) / variances.min(axis=1), np.sqrt(ratio)
    covariances, total = mixture.covariances(), mixture.total_covariance()
    eigenvalues = np.linalg.eigvalsh(covariances)
    smallest = np.maximum(eigenvalues[:, 0], EPS * eigenvalues[:, -1])
    scale = np.sqrt(np.diagonal(total))
    unit = total / np.outer(scale, scale)
    widths = [
        _smallest_ratio(covariance / np.outer(scale, scale), unit) for covariance in covariances
    ]
    return eigenvalues[:, -1] / smallest, np.array(widths)


def _smallest_ratio(covariance: Array, total: Array) -> float:
    """Smallest standard deviation relative to the total's, over all directions."""
    floor = EPS * total.shape[0] * np.eye(total.shape[0])
    return float(np.sqrt(max(eigh(covariance, total + floor, eigvals_only=True)[0], 0.0)))
