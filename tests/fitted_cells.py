"""Cells of fits, for the tests of what is made of a search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import ellimix as em
from ellimix.report import FitReport
from ellimix.selection.cells import Cell, Verdict


def fitted(
    rows, family: str, k: int, weight=None, init_params="hierarchical", tol=1e-10, max_iter=2000
) -> Cell:
    """The cell of a fit without a floor; sums over rows are plain."""
    arguments = {"init_params": init_params, "tol": tol, "max_iter": max_iter, "reg_covar": 0.0}
    model = em.GaussianMixture(k, covariance_type=family, random_state=0, **arguments)
    return cell_of(model.fit(rows, sample_weight=weight).report_, rows, weight)


def cell_of(report: FitReport, rows, weight=None) -> Cell:
    """The cell of a report, ok, with sums of what the mixture says of each row."""
    mixture = report.mixture
    share = mixture.responsibilities(rows)
    w = np.ones(len(rows)) if weight is None else weight
    logs = np.log(share, out=np.zeros_like(share), where=share > 0.0)
    return Cell(
        mixture.family.name,
        mixture.n_components,
        Verdict.OK,
        "",
        report,
        float(w @ mixture.log_density(rows)),
        float(w.sum()),
        float(w @ np.log(share.max(axis=1))),
        float(-w @ (share * logs).sum(axis=1)),
        np.nan,
        1,
        1,
        np.nan,
        mixture.n_features,
    )


def made(family: str, k: int, log_likelihood: float, d: int = 2, **changes) -> Cell:
    """A cell with given numbers and no fit behind them; 200 rows."""
    numbers = (log_likelihood, 200.0, -3.0, 4.0, np.nan, 4, 3, np.nan, d)
    return replace(Cell(family, k, Verdict.OK, "", None, *numbers), **changes)


def unfit(
    family: str, k: int, verdict=Verdict.FAILED, reason="A component collapsed.", d=2
) -> Cell:
    """A cell without a fit."""
    numbers = (np.nan, 200.0, np.nan, np.nan, np.nan, 4, 0, np.nan, d)
    return Cell(family, k, verdict, reason, None, *numbers)
