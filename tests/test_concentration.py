"""A gamma prior on the concentration of a Dirichlet process."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import betaln, digamma

from ellimix import BayesianGaussianMixture, DataError
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.errors import ModelFileError
from ellimix.inference.base import chosen, stack
from ellimix.inference.mixing import StickBreaking, expected_log_weights
from ellimix.inference.normal_wishart import NormalWishart
from ellimix.inference.pointed import RULES
from ellimix.inference.process import UncertainProcess
from ellimix.inference.variational import VariationalBayes
from ellimix.sources.memory import MemorySource
from ellimix.starts import Beginning, Given

PRIORS = [(1.0, 1.0), (0.01, 0.1), (5.0, 100.0), (1e-3, 1e3), (30.0, 1e-3)]
COUNTS = [[5.0], [0.0], [60.0, 40.0, 0.0, 0.0], [0.0, 0.0, 3e5], [1e-300, 5.0, 1e-300], [0.5, 0.5]]


def alternated(n, shape, rate, rounds=200_000):
    """The obvious twin: each line of the module's text in turn, until nothing moves."""
    k = len(n)
    mean = shape / rate
    for _ in range(rounds):
        sticks = [(1.0 + n[j], mean + sum(n[j + 1 :])) for j in range(k)]
        logs = [digamma(b) - digamma(a + b) for a, b in sticks]
        new = (shape + k) / (rate - sum(logs))
        if abs(new - mean) <= 1e-15 * mean:
            break
        mean = new
    return np.array(sticks), np.array([shape + k, rate - sum(logs)])


@pytest.mark.parametrize(("shape", "rate"), [(1.0, 1.0), (0.3, 2.0), (5.0, 10.0)])
@pytest.mark.parametrize("n", COUNTS[:4])
def test_the_solution_is_where_alternating_ends(n, shape, rate):
    prior = UncertainProcess(shape, rate)
    sticks = prior.posterior(np.array(n))
    slow, process = alternated(n, shape, rate)
    np.testing.assert_allclose(sticks, slow, rtol=1e-9)
    np.testing.assert_allclose(prior.process(sticks), process, rtol=1e-9)


@pytest.mark.parametrize(("shape", "rate"), PRIORS)
@pytest.mark.parametrize("n", COUNTS)
def test_sticks_and_concentration_agree(n, shape, rate):
    prior = UncertainProcess(shape, rate)
    sticks = prior.posterior(np.array(n))
    process = prior.process(sticks)
    np.testing.assert_allclose(sticks[-1, 1], process[0] / process[1], rtol=1e-9)
    assert process[0] == shape + len(n)


def nodes_of(log_density, low, high, n):
    """Nodes and probabilities of a density over the real line, by the trapezoid rule."""
    t = np.linspace(low, high, n)
    p = np.exp(log_density(t)) * (t[1] - t[0])
    assert abs(p.sum() - 1.0) < 1e-10
    return t, p


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize(("shape", "rate"), [(2.0, 1.5), (0.7, 3.0)])
def test_the_divergence_is_the_integral(k, shape, rate):
    prior = UncertainProcess(shape, rate)
    sticks = prior.posterior(np.array([3.0, 1.5])[:k])
    s, r = prior.process(sticks)
    gamma = stats.gamma(s, scale=1.0 / r)
    t, p = nodes_of(lambda t: gamma.logpdf(np.exp(t)) + t, -22.0, 5.0, 260)
    g = np.exp(t)
    ratio = gamma.logpdf(g) - stats.gamma(shape, scale=1.0 / rate).logpdf(g)
    total = ratio.copy()
    for a, b in sticks:  # given gamma the sticks are independent, under both
        u, q = nodes_of(lambda u, a=a, b=b: logit_density(u, a, b), -60.0, 250.0, 4000)
        own = logit_density(u, a, b)[:, None]
        total += q @ (own - logit_density(u[:, None], 1.0, g[None, :]))
    assert prior.divergence(sticks) == pytest.approx(p @ total, rel=1e-8)


def logit_density(u, a, b):
    """log-density of logit v with v ~ Beta(a, b)."""
    return -a * np.logaddexp(0.0, -u) - b * np.logaddexp(0.0, u) - betaln(a, b)


@pytest.mark.parametrize("earlier", [None, [4.0, 0.0, 7.0]])
def test_the_update_is_the_maximum(earlier):
    rng = np.random.default_rng(3)
    known = None if earlier is None else np.array(earlier)
    prior, n = UncertainProcess(0.8, 0.5, known), np.array([5.0, 20.0, 0.4])

    def bound(sticks):
        return n @ expected_log_weights(sticks) - prior.divergence(sticks)

    best = prior.posterior(n)
    assert prior.divergence(best) >= 0.0
    for scale in (0.3, 0.03, 0.003):
        for _ in range(30):
            assert bound(best * np.exp(rng.normal(0.0, scale, best.shape))) < bound(best)


def test_counts_before_are_counts():
    rng = np.random.default_rng(0)
    first, second = rng.gamma(1.0, 9.0, (2, 4))
    once = UncertainProcess(0.4, 2.0).posterior(first + second)
    prior = UncertainProcess(0.4, 2.0)
    twice = prior.after(prior.posterior(first)).posterior(second)
    np.testing.assert_allclose(twice, once, rtol=1e-12)


@pytest.mark.parametrize("n", [[5.0], [2.0, 3.0], [0.0, 4.0, 0.0, 2.0]])
@pytest.mark.parametrize(("shape", "rate"), [(1.0, 1.0), (3.0, 0.01), (0.5, 20.0)])
def test_the_evidence_of_counts_before(n, shape, rate):
    after = [sum(n[j + 1 :]) for j in range(len(n))]
    prior = stats.gamma(shape, scale=1.0 / rate)

    def integrand(t):
        g = np.exp(t)
        sticks = sum(t + betaln(1.0 + a, g + b) for a, b in zip(n, after, strict=True))
        return np.exp(prior.logpdf(g) + t + sticks)

    slow = sum(quad(integrand, *ends, epsabs=0.0, epsrel=1e-11, limit=400)[0]
               for ends in ((-80.0, -5.0), (-5.0, 0.0), (0.0, 5.0), (5.0, 10.0)))  # fmt: skip
    # no divergence from the prior's own counts but log Z: at its posterior the bound of nothing
    known = UncertainProcess(shape, rate, np.array(n))
    assert known._log_evidence == pytest.approx(np.log(slow), abs=1e-8)
    assert known.divergence(known.posterior(np.zeros(len(n)))) >= 0.0


def test_a_sharp_prior_is_a_number():
    n = np.array([30.0, 12.0, 0.0, 0.0])
    sharp, number = UncertainProcess(1e9, 2e9), StickBreaking(0.5)
    np.testing.assert_allclose(sharp.posterior(n), number.posterior(n), rtol=1e-6)
    a, b = sharp.divergence(sharp.posterior(n)), number.divergence(number.posterior(n))
    assert a == pytest.approx(b, abs=1e-6)


def three_clusters(n=70):
    rng = np.random.default_rng(5)
    return np.concatenate([rng.normal(c, 1.0, (n, 2)) for c in ([0, 0], [6, 0], [0, 6])])


@pytest.mark.parametrize("name", ["full", "tied", "EII", "VVI", "VEV"])
def test_the_bound_never_falls_and_fits_do_not_mix(name):
    X = three_clusters(25)
    rule, k = RULES[name], 6
    shape = rule.family.structure.array_shape(1, 2)
    scatter = np.ones(()) if shape == (1,) else np.ones(2) if shape == (1, 2) else np.eye(2)
    prior = NormalWishart(np.zeros(2), 0.5, 3.0, scatter)
    bayes = VariationalBayes(rule, UncertainProcess(1.0, 1.0), prior)
    source, engine, rng = MemorySource(X), ENGINES["numpy"], np.random.RandomState(0)
    tasks = []
    for seed in range(3):
        labels = np.random.default_rng(seed).integers(0, k, len(X))
        start = Given(labels).statistics(Beginning(source, engine, k, bayes.moment, 1.0, rng))
        tasks.append(Task(bayes, start, 0.0, 40))
    together = run(source, engine, tasks)
    for task, report in zip(tasks, together, strict=True):
        assert (np.diff(report.trace) >= -1e-11 * abs(report.trace[-1])).all()
        assert report.trace[-1] > report.trace[0]
        (alone,) = run(source, engine, [task])
        np.testing.assert_allclose(alone.trace, report.trace, rtol=1e-9)
        process = report.mixture.parameters.hyper.process
        np.testing.assert_allclose(alone.mixture.parameters.hyper.process, process, rtol=1e-6)


def test_records_carry_it():
    prior = NormalWishart(np.zeros(1), 1.0, 1.0, np.ones(()))
    bayes = VariationalBayes(RULES["EII"], UncertainProcess(1.0, 1.0), prior)
    X = np.array([[0.0], [0.5], [3.0], [4.0]])
    source, engine = MemorySource(X), ENGINES["numpy"]
    models = []
    for labels in ([0, 0, 1, 1], [0, 1, 1, 1]):
        beginning = Beginning(source, engine, 2, bayes.moment, 1.0, np.random.RandomState(0))
        start = Given(np.array(labels)).statistics(beginning)
        models.append(bayes.update(start, None))
    both = stack(models)
    assert both.hyper.process.shape == (2, 2)
    for i in (0, 1):
        np.testing.assert_array_equal(both.at(i).hyper.process, models[i].hyper.process)
    swapped = stack(models[::-1])
    mixed = chosen(np.array([True, False]), both, swapped)
    np.testing.assert_array_equal(mixed.hyper.process, [models[0].hyper.process] * 2)
    np.testing.assert_allclose(
        bayes.penalty(both), [bayes.penalty(model) for model in models], rtol=1e-12
    )


def test_its_value_matters_less():
    """Four decades of the prior move weights and bound far less than four decades of a number."""
    rng = np.random.default_rng(5)
    X = np.concatenate([rng.normal(c, 1.0, (150, 2)) for c in ([0, 0], [4, 0], [0, 4])])

    def fitted(concentration):
        model = BayesianGaussianMixture(
            10, weight_concentration_prior=concentration, random_state=0, tol=1e-4, max_iter=2000
        ).fit(X)
        weights = model.weights_
        return np.exp(-(weights * np.log(weights)).sum()), model.lower_bound_ * len(X), model

    numbers = [fitted(value) for value in (0.01, 100.0)]
    priors = [fitted((1.0, rate)) for rate in (100.0, 1.0, 0.01)]
    for effective, _, model in priors:
        assert np.count_nonzero(model.weights_ > 3.0 / len(X)) == 3
        assert effective == pytest.approx(3.1, abs=0.05)
    assert np.ptp([e for e, _, _ in priors]) < 0.25 * np.ptp([e for e, _, _ in numbers])
    assert np.ptp([b for _, b, _ in priors]) < 30.0 < 120.0 < np.ptp([b for _, b, _ in numbers])


def test_the_estimator_tells():
    X = three_clusters(30)
    model = BayesianGaussianMixture(5, weight_concentration_prior=(2, 4.0), random_state=0).fit(X)
    shape, rate = model.process_concentration_
    assert model.weight_concentration_prior_ == (2.0, 4.0)
    assert shape == 7.0
    assert model.weight_concentration_[1][-1] == pytest.approx(shape / rate)
    plain = BayesianGaussianMixture(2, random_state=0).fit(X)
    mixture = model.mixture_.ordered(np.arange(5))
    np.testing.assert_array_equal(mixture.parameters.hyper.process, [shape, rate])
    with pytest.raises(AttributeError, match="shape, rate"):
        _ = plain.process_concentration_


@pytest.mark.parametrize("bad", [(1.0,), (1.0, 0.0), (1.0, -2.0), (1.0, np.nan), (1.0, 2.0, 3.0)])
def test_what_is_no_prior(bad):
    with pytest.raises(DataError, match="weight_concentration_prior"):
        BayesianGaussianMixture(2, weight_concentration_prior=bad).fit(three_clusters(9))


def test_a_dirichlet_distribution_has_none():
    model = BayesianGaussianMixture(
        2,
        weight_concentration_prior=(1.0, 1.0),
        weight_concentration_prior_type="dirichlet_distribution",
    )
    with pytest.raises(DataError, match="no closed form"):
        model.fit(three_clusters(9))
    with pytest.raises(ValueError, match="positive"):
        UncertainProcess(0.0, 1.0)


def test_files_keep_it(tmp_path):
    path = tmp_path / "model.json"
    model = BayesianGaussianMixture(3, weight_concentration_prior=(2, 4.0), random_state=0)
    model.fit(three_clusters(20)).save(path)
    again = BayesianGaussianMixture.load(path)
    assert again.process_concentration_ == model.process_concentration_
    document = json.loads(path.read_text())
    for bad in ([1.0], [1.0, -1.0], [1.0, 2.0, 3.0], "text"):
        document["posterior"]["process"] = bad
        path.write_text(json.dumps(document))
        with pytest.raises(ModelFileError, match="process"):
            BayesianGaussianMixture.load(path)
