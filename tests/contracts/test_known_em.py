"""EM on rows of which not all is known: the log-likelihood never falls, for any family."""

from __future__ import annotations

import numpy as np
import pytest

from ellimix import em
from ellimix.covariance import FAMILIES
from ellimix.engines import ENGINES
from ellimix.flights import Task
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import Block, Detail
from ellimix.sources.memory import MemorySource
from known_problems import censored
from problems import random_rows, random_spd

N, D, K = 120, 3, 2
every_family = pytest.mark.parametrize("family", list(FAMILIES.values()), ids=list(FAMILIES))


def uncertain_rows(kind, seed=0):
    """Rows in two clusters, and what is known of them; the rows before anything was hidden."""
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, N, D, clusters=K)
    whole = rows.copy()
    if kind == "errors":
        detail = Detail(errors=random_spd(rng, D, N) * 0.5)
        rows = rows + np.einsum(
            "nij,nj->ni", np.linalg.cholesky(detail.errors), rng.standard_normal(rows.shape)
        )
    elif kind == "projections":
        detail = Detail(projections=rng.standard_normal((N, 2, D)), errors=np.full((N, 2), 0.1))
        rows = np.einsum("npd,nd->np", detail.projections, rows)
    else:
        cells = {"one interval": 1, "two intervals": 2, "three intervals": 3}[kind]
        detail = censored(rng, rows, Detail(), cells)
    return whole, rows, detail


def start_of(whole):
    first = whole[:, 0] > np.median(whole[:, 0])
    shares = np.where(np.stack([first, ~first], axis=1), 0.9, 0.1)
    return shares


def fitted(family, kind, max_iter=25, seed=0):
    whole, rows, detail = uncertain_rows(kind, seed)
    inference = MaximumLikelihood(family)
    engine = ENGINES["numpy"]
    start = engine.accumulate(start_of(whole), Block(whole, None), np.zeros((K, D)), family.moment)
    source = MemorySource(rows, detail=detail)
    (report,) = em.run(source, engine, [Task(inference, start, 0.0, max_iter)])
    return report, rows, detail


@every_family
@pytest.mark.parametrize("kind", ["errors", "projections", "one interval", "two intervals"])
def test_the_likelihood_never_falls(family, kind):
    report, rows, detail = fitted(family, kind)
    assert not report.status.failed, report.message
    trace = np.array(report.trace)
    assert trace.size > 5
    # a sum of 120 log-densities a step: rounding; for two correlated intervals the rules' 1e-8
    limit = 1e-9 if kind == "two intervals" else 1e-12
    assert np.diff(trace).min() >= -limit * max(1.0, np.abs(trace).max())
    density = report.mixture.log_density(rows, detail)
    assert density.mean() == pytest.approx(trace[-1], abs=0.05)
    assert density.mean() >= trace[-1] - limit


@pytest.mark.parametrize("family", ["VVV", "EEE", "VVE"])
def test_three_intervals(family):
    report, _, _ = fitted(FAMILIES[family], "three intervals")
    assert np.diff(report.trace).min() >= -1e-3


def test_errors_are_taken_out():
    """Extreme deconvolution finds the spread of what was measured, not of the measurements."""
    rng = np.random.default_rng(3)
    n = 4000
    truth = np.array([[1.0, 0.6], [0.6, 2.0]])
    errors = np.exp(rng.standard_normal((n, 2))) * 1.5
    x = rng.multivariate_normal([1.0, -2.0], truth, n)
    rows = x + np.sqrt(errors) * rng.standard_normal((n, 2))
    family = FAMILIES["VVV"]
    engine = ENGINES["numpy"]
    start = engine.accumulate(np.ones((n, 1)), Block(rows, None), np.zeros((1, 2)), family.moment)
    source = MemorySource(rows, detail=Detail(errors=errors))
    (report,) = em.run(source, engine, [Task(MaximumLikelihood(family), start, 1e-8, 2000)])
    found = report.mixture.covariances()[0]
    np.testing.assert_allclose(found, truth, atol=0.2)
    np.testing.assert_allclose(report.mixture.means[0], [1.0, -2.0], atol=0.1)
    assert np.cov(rows.T)[0, 0] > 2.0


def test_censored_rows_in_one_dimension():
    """Censored above a limit: EM's fixed point is where the likelihood's gradient is 0."""
    rng = np.random.default_rng(4)
    x = rng.normal(2.0, 1.5, (3000, 1))
    hidden = x[:, 0] > 3.0
    rows = np.where(hidden[:, None], np.nan, x)
    lower = np.where(hidden[:, None], 3.0, -np.inf)
    detail = Detail(lower=lower, upper=np.full(x.shape, np.inf))
    family, engine = FAMILIES["VVV"], ENGINES["numpy"]
    filled = np.minimum(x, 3.0)
    start = engine.accumulate(
        np.ones((3000, 1)), Block(filled, None), np.zeros((1, 1)), family.moment
    )
    task = Task(MaximumLikelihood(family), start, 1e-13, 2000)
    (report,) = em.run(MemorySource(rows, detail=detail), engine, [task])
    mean, sd = report.mixture.means[0, 0], np.sqrt(report.mixture.covariances()[0, 0, 0])
    from scipy.optimize import minimize
    from scipy.stats import norm

    def negative(p):
        seen = norm.logpdf(x[~hidden, 0], p[0], np.exp(p[1])).sum()
        return -(seen + hidden.sum() * norm.logsf(3.0, p[0], np.exp(p[1])))

    best = minimize(negative, [1.0, 0.0], tol=1e-12)
    assert mean == pytest.approx(best.x[0], abs=2e-4)
    assert sd == pytest.approx(np.exp(best.x[1]), abs=2e-4)
    assert mean == pytest.approx(2.0, abs=0.1)
    assert sd == pytest.approx(1.5, abs=0.1)
