"""Differential privacy: sensitivities, noise, the account, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.exceptions import ConvergenceWarning

import ellimix as em
from ellimix.engines import ENGINES
from ellimix.errors import Status
from ellimix.federated import Coordinator, Ledger, Privacy, PrivacyBudget, Request, Site
from ellimix.federated.budget import cost, epsilon_of
from ellimix.federated.privacy import (
    LEAST_WIDTH,
    SENSITIVITY,
    from_vector,
    repaired,
    scaled_vector,
)
from ellimix.online.passing import e_step
from ellimix.records import Factor, Moment
from ellimix.sources.memory import MemorySource
from problems import random_potentials
from stream_problems import batch

ENGINE = ENGINES["numpy"]
TWO = [[-3.0, 0.0], [3.0, 1.0]]
CENTER = np.zeros(2)
BUDGET = PrivacyBudget(1.0, 1e-6)
HUGE = PrivacyBudget(1e14, 1e-6)
every_moment = pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.value)


def privacy(budget=BUDGET, radius=8.0, rounds=5, center=CENTER):
    return Privacy(budget, center, radius, rounds)


def request_for(k=3, d=2, moment=Moment.FULL, seed=0):
    rng = np.random.default_rng(seed)
    shape = {
        Moment.FULL: Factor.FULL,
        Moment.POOLED: Factor.SHARED,
        Moment.DIAGONAL: Factor.DIAGONAL,
    }
    return Request(1, random_potentials(rng, k, d, shape[moment], moment))


@every_moment
def test_one_row_never_changes_the_sums_by_more_than_the_bound(moment):
    """Over random models and rows, the worst of them at the rim of the ball."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for trial in range(150):
        d, k, radius = (
            int(rng.integers(1, 5)),
            int(rng.integers(1, 6)),
            float(rng.uniform(0.5, 9.0)),
        )
        center = rng.normal(size=d)
        private = privacy(radius=radius, center=center)
        asked = request_for(k, d, moment, trial)
        rows = private.clipped(rng.normal(size=(12, d)) * 10 ** rng.uniform(-1, 3) + center)
        weight = np.ones(12)
        weight[0] = rng.uniform(0.0, 1.0) if trial % 3 == 0 else 1.0
        whole = e_step(MemorySource(rows, weight), ENGINE, asked.potentials)
        less = e_step(MemorySource(rows[1:], weight[1:]), ENGINE, asked.potentials)
        change = scaled_vector(whole, center, radius) - scaled_vector(less, center, radius)
        length = float(np.sqrt(change @ change))
        assert length <= SENSITIVITY * (1 + 1e-9)
        worst = max(worst, length)
    assert worst > 0.99 * SENSITIVITY  # the bound is met


def test_rows_are_pulled_into_the_ball_and_no_further():
    rng = np.random.default_rng(1)
    private = privacy(radius=2.0, center=[1.0, -1.0])
    rows = rng.normal(size=(500, 2)) * 3
    pulled = private.clipped(rows)
    before, after = rows - [1.0, -1.0], pulled - [1.0, -1.0]
    lengths = np.linalg.norm(before, axis=1)
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), np.minimum(lengths, 2.0))
    cosine = (before * after).sum(axis=1) / lengths / np.linalg.norm(after, axis=1)
    np.testing.assert_allclose(cosine, 1.0)
    inside = lengths < 2.0
    np.testing.assert_allclose(pulled[inside], rows[inside], rtol=0, atol=1e-15)


@every_moment
def test_vector_and_sums_are_the_same_thing(moment):
    rng = np.random.default_rng(2)
    sums = e_step(
        MemorySource(rng.normal(size=(20, 2))), ENGINE, request_for(3, 2, moment).potentials
    )
    vector = scaled_vector(sums, CENTER, 3.0)
    back = from_vector(vector, CENTER, 3.0, (3, 2), moment)
    np.testing.assert_allclose(scaled_vector(back, CENTER, 3.0), vector, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(back.n, sums.n)
    if moment is Moment.FULL:  # the Frobenius norm is kept
        second = vector[3 + 6 :]
        np.testing.assert_allclose(second @ second, (back.s2**2).sum() / 3.0**4)
    assert (back.loglik, back.entropy, back.rows) == (0.0, 0.0, 0)
    assert back.weight == pytest.approx(sums.n.sum())


@every_moment
def test_the_noise_has_the_variance_that_was_paid_for(moment):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(50, 2))
    private = privacy(rounds=400, radius=4.0)
    asked = request_for(2, 2, moment)
    site = Site(rows, privacy=private, rng=4)
    exact = scaled_vector(Site(private.clipped(rows)).statistics(asked).statistics, CENTER, 4.0)
    replies = [site.statistics(asked).statistics for _ in range(400)]
    noise = np.array([scaled_vector(reply, CENTER, 4.0) for reply in replies]) - exact
    noise /= private.sigma
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-3
    correlation = np.corrcoef(noise.T) - np.eye(noise.shape[1])
    assert np.abs(correlation).max() < 0.25
    counts = np.array([reply.n for reply in replies])
    assert counts.std() == pytest.approx(private.sigma, rel=0.1)
    off = [reply.s2[..., 0, 1] for reply in replies] if moment is not Moment.DIAGONAL else None
    if off is not None:
        expected = 16.0 * private.sigma / math.sqrt(2.0)
        assert np.std(off, axis=0) == pytest.approx(expected, rel=0.15)
        assert all(np.array_equal(r.s2, np.swapaxes(r.s2, -1, -2)) for r in replies)


def test_the_account_is_the_closed_form():
    assert cost(2.0, 4.0) == pytest.approx(0.125)
    for epsilon in (1e-3, 0.1, 1.0, 10.0, 1e4):
        for delta in (1e-12, 1e-6, 1e-2):
            budget = PrivacyBudget(epsilon, delta)
            assert epsilon_of(budget.rho, delta) == pytest.approx(epsilon, rel=1e-9)
            found = optimize.brentq(
                lambda rho, d=delta, e=epsilon: epsilon_of(rho, d) - e, 0.0, 2.0 * epsilon
            )
            assert budget.rho == pytest.approx(found, rel=1e-6)
            for rounds in (1, 7, 100):
                sigma = budget.sigma(rounds, SENSITIVITY)
                assert rounds * cost(SENSITIVITY, sigma) == pytest.approx(budget.rho)


def test_the_account_never_promises_more_than_is_true():
    """Exact: rounds of Gaussian noise are one, and delta(epsilon) is known (Balle & Wang 2018)."""
    for epsilon in (0.1, 1.0, 5.0):
        budget = PrivacyBudget(epsilon, 1e-6)
        rounds = 20
        mu = math.sqrt(rounds) * SENSITIVITY / budget.sigma(rounds, SENSITIVITY)
        true = stats.norm.cdf(mu / 2 - epsilon / mu)
        true -= math.exp(epsilon) * stats.norm.cdf(-mu / 2 - epsilon / mu)
        assert 0.0 < true < 1e-6


def test_the_account_is_monotone():
    sigmas = [PrivacyBudget(epsilon, 1e-6).sigma(5, 1.0) for epsilon in (0.1, 1.0, 10.0)]
    assert sigmas == sorted(sigmas, reverse=True)
    sigmas = [BUDGET.sigma(rounds, 1.0) for rounds in (1, 2, 50)]
    assert sigmas == sorted(sigmas)
    assert BUDGET.sigma(4, 1.0) == pytest.approx(2 * BUDGET.sigma(1, 1.0))
    assert PrivacyBudget(1.0, 1e-9).sigma(1, 1.0) > BUDGET.sigma(1, 1.0)
    ledger = Ledger(BUDGET)
    spent = [ledger.epsilon]
    for _ in range(5):
        ledger = ledger.after(BUDGET.rho / 5)
        spent.append(ledger.epsilon)
    assert spent == sorted(spent)
    assert spent[0] == 0.0
    assert spent[-1] == pytest.approx(1.0)
    assert ledger.left == pytest.approx(0.0, abs=1e-12)


def test_a_budget_that_is_spent_refuses():
    site = Site(np.zeros((5, 2)), privacy=privacy(rounds=3))
    for number in range(3):
        assert len(site.ledger.spent) == number
        site.statistics(request_for())
    with pytest.raises(em.BudgetSpent, match=r"is spent: 3 answer\(s\) took epsilon 1"):
        site.statistics(request_for())
    assert len(site.ledger.spent) == 3
    with pytest.raises(em.BudgetSpent):
        em.federate([site], em.GaussianMixture(2, random_state=0), privacy=site.privacy)
    assert Site(np.zeros((5, 2))).ledger is None


def test_a_request_far_outside_the_ball_costs_nothing_and_gets_nothing():
    site = Site(np.zeros((5, 2)), privacy=privacy(radius=2.0))
    far = request_for()
    center = far.potentials.center.copy()
    center[0, 0] = 201.0
    with pytest.raises(em.DataError, match="from the ball's, whose radius is 2"):
        site.statistics(Request(1, replace(far.potentials, center=center)))
    assert site.ledger.spent == ()


def test_a_huge_budget_is_the_exact_fit():
    rng = np.random.default_rng(5)
    sites = [batch(rng, TWO, n) for n in (200, 300)]
    private = privacy(HUGE, rounds=15)
    for name, shape in (("VVV", (2, 2, 2)), ("EEE", (2, 2)), ("VVI", (2, 2)), ("VEV", (2, 2, 2))):
        unit = np.ones(shape) if name == "VVI" else np.broadcast_to(np.eye(2), shape)
        model = em.GaussianMixture(
            2, covariance_type=name, weights_init=[0.5, 0.5], means_init=[[-1.0, 0.0], [1.0, 0.0]],
            precisions_init=unit, max_iter=15, tol=0.0,
        )  # fmt: skip
        found = em.federate(sites, model, privacy=private)
        with pytest.warns(ConvergenceWarning):
            exact = model.fit(private.clipped(np.concatenate(sites)))
        np.testing.assert_allclose(found.means_, exact.means_, atol=1e-4)
        np.testing.assert_allclose(found.covariances_, exact.covariances_, atol=1e-4)
        np.testing.assert_allclose(found.weights_, exact.weights_, atol=1e-5)
        assert found.n_iter_ == 15
        assert [len(ledger.spent) for ledger in found.ledgers_] == [15, 15]
        assert found.lower_bounds_ == []


def test_a_fit_with_a_sensible_budget_finds_the_clusters():
    rng = np.random.default_rng(6)
    private = privacy(PrivacyBudget(2.0, 1e-6), rounds=10)
    sites = [Site(batch(rng, TWO, 5000), privacy=private, rng=seed) for seed in range(3)]
    model = em.GaussianMixture(
        2, weights_init=[0.5, 0.5], means_init=[[-1.0, 0.0], [1.0, 0.0]],
        precisions_init=[np.eye(2)] * 2,
    )  # fmt: skip
    found = em.federate(sites, model, privacy=private)
    np.testing.assert_allclose(found.means_, TWO, atol=0.3)
    np.testing.assert_allclose(found.weights_, 0.5, atol=0.05)
    assert found.report_.message.startswith("All rounds that the privacy budget")
    assert found.report_.status is Status.MAX_ITER
    for ledger in found.ledgers_:
        assert ledger.epsilon == pytest.approx(2.0)
    assert found.statistics_.weight != 15000.0  # the number of rows is not told exactly


@pytest.mark.parametrize("name", list(em.FAMILIES))
def test_with_little_budget_the_model_is_sound_all_the_same(name):
    rng = np.random.default_rng(7)
    private = privacy(PrivacyBudget(0.05, 1e-6), rounds=8)
    model = em.GaussianMixture(3, covariance_type=name, random_state=0)
    site = Site(batch(rng, TWO, 40), privacy=private, rng=1)
    found = em.federate([site], model, privacy=private)
    assert np.isfinite(found.mixture_.covariances()).all()
    values = np.linalg.eigvalsh(found.mixture_.covariances())
    assert values.min() > 0.0
    assert np.linalg.norm(found.means_ - CENTER, axis=1).max() <= 8.0 * (1 + 1e-9)
    assert np.isfinite(found.score(batch(rng, TWO, 40)))


@every_moment
def test_repairs_make_sums_that_some_rows_could_have(moment):
    rng = np.random.default_rng(8)
    private = privacy(radius=2.0)
    size = 3 + 6 + {Moment.FULL: 9, Moment.POOLED: 3, Moment.DIAGONAL: 6}[moment]
    for _ in range(30):
        noisy = from_vector(rng.normal(0, 30, size), CENTER, 2.0, (3, 2), moment)
        sums = repaired(noisy, private)
        assert (sums.n >= 1.0).all()
        assert np.linalg.norm(sums.means() - CENTER, axis=1).max() <= 2.0 * (1 + 1e-9)
        spread = sums.scatter()
        if moment is Moment.DIAGONAL:
            least = (spread / sums.n[:, None]).min()
        elif moment is Moment.POOLED:
            least = np.linalg.eigvalsh(spread)[0] / sums.n.sum()
        else:
            least = (np.linalg.eigvalsh(spread) / sums.n[:, None]).min()
        assert least >= (LEAST_WIDTH * 2.0) ** 2 * (1 - 1e-6)
    rows = rng.normal(size=(200, 2)) * 0.3
    sound = e_step(MemorySource(rows), ENGINE, request_for(2, 2, moment, 3).potentials)
    if (sound.n > 1.0).all():
        again = repaired(sound, private)
        np.testing.assert_allclose(again.means(), sound.means(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(again.scatter(), sound.scatter(), rtol=1e-8, atol=1e-10)


def test_nothing_without_noise_leaves_a_private_site():
    rows = np.random.default_rng(9).normal(size=(30, 2))
    site = Site(rows, privacy=privacy(), rng=0)
    sent = site.statistics(request_for()).statistics
    assert (sent.loglik, sent.entropy, sent.rows) == (0.0, 0.0, 0)
    assert sent.weight == pytest.approx(sent.n.sum())
    assert sent.weight != 30.0
    assert np.array_equal(sent.center, np.zeros((3, 2)))
    with pytest.raises(em.DataError, match="no clusters to start from"):
        site.clusters(2)
    other = Site(rows, privacy=privacy()).statistics(request_for()).statistics
    assert not np.array_equal(
        other.n, Site(rows, privacy=privacy()).statistics(request_for()).statistics.n
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PrivacyBudget(0.0, 1e-6), "epsilon is 0.0"),
        (lambda: PrivacyBudget(np.inf, 1e-6), "epsilon is inf"),
        (lambda: PrivacyBudget(1.0, 1.0), "delta is 1.0"),
        (lambda: privacy(radius=-1.0), "radius is -1.0"),
        (lambda: privacy(rounds=0), "rounds is 0"),
        (lambda: privacy(center=[np.nan, 0.0]), "finite numbers"),
        (lambda: Site(np.zeros((3, 1)), privacy=privacy()), "2 numbers for 1 columns"),
        (lambda: Site([[np.nan, 0.0], [1.0, 1.0]], privacy=privacy()), "missing values"),
        (lambda: Site(np.zeros((2, 2)), [2.0, 1.0], privacy=privacy()), "at most 1"),
    ],
)
def test_what_cannot_be_protected_is_refused(make, words):
    with pytest.raises(em.DataError, match=words):
        make()


def test_privacy_and_starts():
    rows = batch(np.random.default_rng(10), TWO, 50)
    with pytest.raises(em.DataError, match="n_init must be 1"):
        em.federate([rows], em.GaussianMixture(2, n_init=2), privacy=privacy())
    with pytest.raises(em.DataError, match="Site has its own"):
        em.federate([Site(rows)], em.GaussianMixture(2), privacy=privacy())
    site = Site(rows, privacy=privacy())
    begun = Coordinator.begin(
        "VVV", em.Mixture.from_parameters([1.0], [[0, 0]], [np.eye(2)]).parameters
    )
    reply = site.statistics(begun.parameters())
    with pytest.raises(em.DataError, match="same privacy"):
        begun.update(
            [Site(rows, privacy=privacy(center=[1.0, 1.0])).statistics(begun.parameters())]
        )
    assert reply.round == 1
