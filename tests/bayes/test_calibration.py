"""Simulation-based calibration (Talts, Betancourt, Simpson, Vehtari & Gelman 2018).

Parameters are drawn from the prior, rows from the parameters. Among draws of the posterior the
true parameter then has a uniform rank: for every prior and batch, if and only if prior, update and
draws are right together. The last test sees that wrong ones are told.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bayes_problems import PRIORS

RUNS, DRAWS, BINS, ROWS = 6000, 99, 20, 4
BOUND = stats.chi2(BINS - 1).ppf(0.9999)


def quantities(means, variances):
    """Numbers whose ranks are looked at, (m, q)."""
    if np.ndim(variances) == 1:
        return np.column_stack([means, variances, means / np.sqrt(variances)])
    a, b, c = variances[:, 0, 0], variances[:, 0, 1], variances[:, 1, 1]
    return np.column_stack([means, a, b, c, a * c - b**2, b / np.sqrt(a * c)])


def simulated(kind, change=lambda prior, posterior: posterior, runs=RUNS):
    """Ranks of the true quantities, and whether the 90 % intervals hold mean and variance."""
    random, prior = np.random.default_rng(2018), PRIORS[kind]
    ranks, held = [], []
    for mean, variance in zip(*prior.sample(runs, random), strict=True):
        if kind == "multivariate":
            rows = random.multivariate_normal(mean, variance, ROWS)
        else:
            rows = random.normal(mean, np.sqrt(variance), ROWS)
        posterior = change(prior, prior.update(rows))
        truth = quantities(np.array([mean]), np.array([variance]))[0]
        ranks.append((quantities(*posterior.sample(DRAWS, random)) < truth).sum(axis=0))
        inside, spread = posterior.interval(0.9), np.atleast_2d(variance).diagonal()
        ends = np.vstack([np.atleast_2d(inside.mean), np.atleast_2d(inside.variance)])
        true = np.concatenate([np.atleast_1d(mean), spread])
        held.append((ends[:, 0] <= true) & (true <= ends[:, 1]))
    return np.array(ranks), np.array(held)


def statistic(ranks):
    """Chi-square of a histogram of ranks from 0 to DRAWS."""
    counts = np.histogram(ranks, bins=BINS, range=(0, DRAWS + 1))[0]
    return float(((counts - len(ranks) / BINS) ** 2).sum() / (len(ranks) / BINS))


@pytest.mark.parametrize("kind", list(PRIORS))
def test_ranks_are_uniform_and_intervals_cover(kind):
    ranks, held = simulated(kind)
    shown = [0] if kind == "mean" else range(ranks.shape[1])  # a known variance has no rank
    for j in shown:
        assert statistic(ranks[:, j]) < BOUND
    shown = [0] if kind == "mean" else range(held.shape[1])
    low, high = stats.binom(RUNS, 0.9).ppf([0.0001, 0.9999])
    for j in shown:
        assert low <= held[:, j].sum() <= high


def forgot_the_prior_mean(prior, posterior):
    """The mean of the rows instead of the weighted one."""
    rows = posterior.kappa - prior.kappa
    away = (posterior.kappa * posterior.location - prior.kappa * prior.location) / rows
    return replace(posterior, location=away)


def one_degree_too_many(prior, posterior):
    return replace(posterior, degrees=posterior.degrees + 1.0)


def raw_scatter(prior, posterior):
    """Without the term of the distance between the means."""
    shift = (
        (posterior.location - prior.location) * posterior.kappa / (posterior.kappa - prior.kappa)
    )
    between = prior.kappa * (posterior.kappa - prior.kappa) / posterior.kappa
    square = between * np.multiply.outer(shift, shift)
    return replace(posterior, scale=posterior.scale - square)


@pytest.mark.parametrize("kind", ["normal", "multivariate"])
@pytest.mark.parametrize("wrong", [forgot_the_prior_mean, one_degree_too_many, raw_scatter])
def test_wrong_formulas_are_told(kind, wrong):
    ranks, _ = simulated(kind, wrong)
    assert max(statistic(column) for column in ranks.T) > BOUND


def test_a_wrong_variance_of_the_mean_is_told():
    ranks, _ = simulated("mean", lambda prior, post: replace(post, variance=3.0 / ROWS))
    assert statistic(ranks[:, 0]) > BOUND
