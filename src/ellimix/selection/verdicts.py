"""What a search says of each cell, in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from ellimix.attempts.base import Ended
from ellimix.density.bearing import unseen
from ellimix.density.mixture import Mixture
from ellimix.errors import DegenerateFit, Status
from ellimix.report import FitReport
from ellimix.selection.board import Board, Entry, Key, Setting, Solution
from ellimix.selection.cells import Cell, Verdict
from ellimix.selection.criteria import bic
from ellimix.sources.labelled import Placed

NO_TIME = "No time was left for it."


@final
@dataclass(frozen=True, eq=False)
class Judge:
    """Makes cells of what a search knows.

    Parameters
    ----------
    placed : Placed
        The rows of the search, for each number of components.
    setting : Setting
    n_rows : int
        Distinct rows: numbers of components above this were not tried.
    feature_names : tuple of str or None
    """

    placed: Placed
    setting: Setting
    n_rows: int
    feature_names: tuple[str, ...] | None

    def cell(self, board: Board, key: Key) -> Cell:
        """The cell of a family and number of components."""
        reason = self._size(key[1])
        if reason:
            return self._empty(key, Verdict.SKIPPED, reason)
        entry = board[key]
        if entry.best is not None:
            reason = self._overfull(key) or self._unseen(key, entry.best)
            verdict = Verdict.SPURIOUS if reason else Verdict.OK
            reason = reason or self._aside(key, entry)
            return self._with_fit(key, entry, entry.best, verdict, reason)
        if entry.spurious is not None:
            reason = f"Every fit that was found is spurious: {self._why(entry.spurious)}."
            return self._with_fit(key, entry, entry.spurious, Verdict.SPURIOUS, reason)
        if entry.failure is None:
            return self._empty(key, Verdict.SKIPPED, NO_TIME)
        return self._empty(key, Verdict.FAILED, _failure(entry.failure))

    def _size(self, k: int) -> str:
        """Why no model has so many components; empty where that is no reason."""
        groups = self.placed.groups
        if k < groups:
            return f"The labels name {groups} groups, which need as many components."
        if k > self.n_rows:
            return f"{k} components need as many different rows; there are {self.n_rows}."
        return ""

    def _with_fit(
        self, key: Key, entry: Entry, solution: Solution, verdict: Verdict, reason: str
    ) -> Cell:
        report = self.report(solution)
        scores = self._mixture(solution).score_rows(self.placed.of(key[1]), self.placed.engine)
        aside = entry.spurious
        ahead = verdict is Verdict.OK and aside is not None and aside.objective > solution.objective
        return Cell(
            *key,
            verdict,
            reason,
            report,
            solution.log_likelihood,
            self.setting.weight,
            scores.classification,
            float(solution.ended.entropy[solution.index]),
            np.nan,
            len(entry.ends),
            entry.agreed(self.setting.scale) if verdict is Verdict.OK else 0,
            aside.log_likelihood if ahead and aside is not None else np.nan,
            self.setting.n_features,
            self.setting.box is not None,
        )

    def _empty(self, key: Key, verdict: Verdict, reason: str) -> Cell:
        nothing = (np.nan, self.setting.weight, np.nan, np.nan, np.nan)
        kind = self.setting.n_features, self.setting.box is not None
        return Cell(*key, verdict, reason, None, *nothing, 0, 0, np.nan, *kind)

    def report(self, solution: Solution) -> FitReport:
        """The report of a fit."""
        ended, i = solution.ended, solution.index
        passes, value = int(ended.passes[i]), solution.objective / self.setting.weight
        status = ended.status[i]
        return FitReport(
            mixture=self._mixture(solution),
            status=status,
            message=f"{status.sentence} {status.remedy}".strip(),
            trace=(value,),
            start=solution.name,
            engine=self.placed.engine.name,
            n_rows=self.placed.source.n_rows,
            counts=ended.n[i],
            steps=("em",) * passes,
        )

    def _mixture(self, solution: Solution) -> Mixture:
        ended = solution.ended
        model, box = ended.model(solution.index), self.setting.box
        return Mixture(model, ended.family, self.feature_names, box)

    def _why(self, solution: Solution) -> str:
        """The guard's sentences."""
        counts = solution.ended.n[solution.index] / self.setting.observation
        reasons = self.setting.guard.judge(self._mixture(solution), counts, self.setting.resolution)
        return "; ".join(reason.sentence for reason in reasons)

    def _unseen(self, key: Key, solution: Solution) -> str:
        """Which covariances rest on too few rows that observe enough; empty where none do."""
        source = self.placed.of(key[1])
        if not source.n_patterns or self.setting.bounded(solution.ended.family, key[1]):
            return ""
        found = unseen(self._mixture(solution), source, self.placed.engine, careful=True)
        return " ".join(one.sentence for one in found)

    def _overfull(self, key: Key) -> str:
        """Whether the model has too many parameters; empty where it has not."""
        if not self.setting.overfull(key):
            return ""
        parameters, d = self.setting.n_parameters(key), self.setting.n_features
        rows = self.setting.weight / self.setting.observation
        return (
            f"Its {parameters} parameters are too many for {rows:,.6g} rows of {d} columns: fewer "
            f"than {self.setting.guard.values:g} values for each. Criteria cannot judge it."
        )

    def _aside(self, key: Key, entry: Entry) -> str:
        """What to say of a spurious fit with a higher likelihood."""
        best, spurious = entry.best, entry.spurious
        if best is None or spurious is None or spurious.objective <= best.objective:
            return ""
        parameters = self.setting.n_parameters(key)
        value = bic(spurious.log_likelihood, parameters, self.setting.weight)
        return f"A fit with BIC {value:,.3f} was set aside: {self._why(spurious)}."


def _failure(ended: Ended) -> str:
    """The sentence of the first of some fits that failed, with its remedy."""
    status, k = ended.status[0], int(ended.component[0])
    if status not in (Status.COLLAPSED, Status.EMPTY) or k < 0:
        return f"{status.sentence} {status.remedy}".strip()
    if k >= ended.n.shape[1]:
        return str(DegenerateFit(status, (), (), "the shared covariance is singular"))
    cause = "no row is assigned to it" if status is Status.EMPTY else "its covariance is singular"
    return str(DegenerateFit(status, (k,), (float(ended.n[0, k]),), cause))
