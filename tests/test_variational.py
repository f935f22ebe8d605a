"""Variational Bayes: scikit-learn's numbers, exact evidences, and bounds that never fall."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import (
    beta,
    dirichlet,
    invgamma,
    invwishart,
    multivariate_normal,
    multivariate_t,
    norm,
)
from scipy.stats import t as student
from sklearn.mixture import BayesianGaussianMixture as Theirs

from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Structure
from ellimix.density.mixture import Mixture
from ellimix.em import Task, run
from ellimix.errors import DegenerateFit
from ellimix.inference.base import stack as stack_parameters
from ellimix.inference.mixing import WEIGHT_PRIORS, expected_log_weights, expected_weights
from ellimix.inference.normal_wishart import CONJUGATE, NormalWishart
from ellimix.inference.pointed import RULES
from ellimix.inference.variational import VariationalBayes, without_constants
from ellimix.records import stack
from ellimix.sources.memory import MemorySource
from variational_problems import NUMPY, bayes_for, clouds, first, passed

SKLEARN = ("full", "tied", "diag", "spherical")
EXACT = ("VVV", "EEE", "VVI", "EEI", "VII", "EII")
POINTED = tuple(name for name in FAMILIES if name not in EXACT)


# -- scikit-learn --------------------------------------------------------------------------------


def their_start(X, R, name, weights, reg_covar):
    """Their estimator after its first M-step, and our inference with the same prior."""
    theirs = Theirs(
        n_components=R.shape[1], covariance_type=name, weight_concentration_prior_type=weights,
        reg_covar=reg_covar,
    )  # fmt: skip
    theirs._check_parameters(X)
    theirs._initialize(X, R)
    prior = NormalWishart(
        theirs.mean_prior_,
        theirs.mean_precision_prior_,
        theirs.degrees_of_freedom_prior_,
        np.asarray(theirs.covariance_prior_),
    )
    on_weights = WEIGHT_PRIORS[weights](theirs.weight_concentration_prior_)
    return theirs, VariationalBayes(RULES[name], on_weights, prior, reg_covar)


def assert_same(model, theirs, k, atol=1e-10):
    theirs._set_parameters(theirs._get_parameters())
    concentration = theirs.weight_concentration_
    if isinstance(concentration, tuple):
        concentration = np.stack(concentration, axis=1)
    pairs = (
        (model.weights, theirs.weights_),
        (model.means, theirs.means_),
        (model.covariance.values, theirs.covariances_),
        (model.covariance.precisions(), theirs.precisions_),
        (model.hyper.concentration, concentration.reshape(k, -1)),
        (model.hyper.mean_precision, theirs.mean_precision_),
        (model.hyper.degrees, np.broadcast_to(theirs.degrees_of_freedom_, k)),
    )
    for ours, other in pairs:
        np.testing.assert_allclose(ours, other, rtol=1e-9, atol=atol)


@pytest.mark.parametrize("weights", WEIGHT_PRIORS)
@pytest.mark.parametrize("name", SKLEARN)
def test_fifty_iterations_are_theirs(name, weights):
    X, k = clouds(0), 5
    R = np.random.default_rng(3).dirichlet(np.ones(k), size=len(X))
    theirs, bayes = their_start(X, R, name, weights, 1e-6)
    model, source = bayes.update(first(bayes, X, R), None), MemorySource(X).placed(NUMPY)
    for _ in range(50):
        assert_same(model, theirs, k)
        theirs._m_step(X, theirs._e_step(X)[1])
        model = bayes.update(passed(bayes, model, source)[0], model)
    mixture = Mixture(model, bayes.family, rule=bayes.rule)
    np.testing.assert_allclose(mixture.log_density(X), theirs.score_samples(X), atol=1e-8)
    np.testing.assert_allclose(mixture.responsibilities(X), theirs.predict_proba(X), atol=1e-8)
    assert abs(mixture.log_density(X) - Mixture(model, bayes.family).log_density(X)).max() > 1e-3


@pytest.mark.parametrize("weights", WEIGHT_PRIORS)
@pytest.mark.parametrize("name", SKLEARN)
def test_a_start_with_empty_components_is_theirs(name, weights):
    X, k = clouds(1), 4
    R = np.zeros((len(X), k))
    R[np.arange(len(X)), np.arange(len(X)) % 2 * 2] = 1.0  # components 1 and 3 have no rows
    theirs, bayes = their_start(X, R, name, weights, 1e-6)
    assert_same(bayes.update(first(bayes, X, R), None), theirs, k)
    (report,) = run(MemorySource(X), NUMPY, [Task(bayes, first(bayes, X, R), 0.0, 3)])
    for _ in range(3):
        theirs._m_step(X, theirs._e_step(X)[1])
    assert_same(report.mixture.parameters, theirs, k)
    assert not report.notes  # nothing was filled in


@pytest.mark.parametrize("weights", WEIGHT_PRIORS)
@pytest.mark.parametrize("name", SKLEARN)
def test_their_bound_is_ours_without_constants(name, weights):
    X, k = clouds(2), 4
    R = np.random.default_rng(1).dirichlet(np.ones(k), size=len(X))
    theirs, bayes = their_start(X, R, name, weights, 0.0)
    model, source = bayes.update(first(bayes, X, R), None), MemorySource(X).placed(NUMPY)
    ours, both = [], []
    for _ in range(20):
        log_norm, log_resp = theirs._e_step(X)
        theirs._m_step(X, log_resp)
        value = float(np.squeeze(theirs._compute_lower_bound(log_resp, log_norm)))
        statistics, bound = passed(bayes, model, source)
        model = bayes.update(statistics, model)
        np.testing.assert_allclose(without_constants(model, statistics.entropy), value, rtol=1e-9)
        # the bound after the update, from its definition: the old responsibilities, the new q
        log_joint = Mixture(model, bayes.family, rule=bayes.rule).log_joint(X)
        after = (np.exp(log_resp) * (log_joint - log_resp)).sum() + bayes.penalty(model)
        assert after >= bound - 1e-9 * abs(bound)
        ours.append(after)
        both.append(after - value)
    np.testing.assert_allclose(both, both[0], rtol=1e-9)
    assert ours[-1] > ours[0]


# -- one component: the bound is the evidence ----------------------------------------------------


def evidence(name, X, prior):
    """log p(X) of one component as a product of predictive densities, a row at a time."""
    n, d = X.shape
    total = 0.0
    for i in range(n):
        seen, m0, b0, v0 = X[:i], prior.mean, prior.mean_precision, prior.degrees
        beta, nu = b0 + i, v0 + i
        middle = seen.mean(axis=0) if i else m0
        mean = (b0 * m0 + i * middle) / beta
        away = middle - m0
        T = (seen - middle).T @ (seen - middle) + i * b0 / beta * np.outer(away, away)
        if name in ("VVV", "EEE", "full", "tied"):
            df = nu - d + 1
            shape = (prior.scatter + T) * (beta + 1) / (beta * df)
            total += multivariate_t(mean, shape, df).logpdf(X[i])
        elif name in ("VVI", "EEI"):
            scale = np.sqrt((prior.scatter + np.diagonal(T)) * (beta + 1) / (beta * nu))
            total += student(nu, mean, scale).logpdf(X[i]).sum()
        else:
            scale = (d * prior.scatter + np.trace(T)) * (beta + 1) / (beta * d * nu)
            total += multivariate_t(mean, scale * np.eye(d), d * nu).logpdf(X[i])
    return float(total)


@pytest.mark.parametrize("name", [*EXACT, "full", "tied"])
def test_with_one_component_the_bound_is_the_evidence(name):
    X = clouds(5, n=12, groups=1)
    bayes = bayes_for(name, X, "dirichlet_distribution")
    model = bayes.update(first(bayes, X, np.ones((len(X), 1))), None)
    bound = passed(bayes, model, MemorySource(X))[1]
    np.testing.assert_allclose(bound, evidence(name, X, bayes.prior), rtol=1e-11)


@pytest.mark.parametrize("name", ["diag", "spherical"])
def test_restricted_posteriors_are_below_the_evidence_of_full_covariances(name):
    """By KL(q || posterior), which is that of Wishart distributions with the same degrees."""
    X = clouds(5, n=12, groups=1)
    n, d = X.shape
    bayes = bayes_for(name, X, "dirichlet_distribution")
    model = bayes.update(first(bayes, X, np.ones((n, 1))), None)
    bound = passed(bayes, model, MemorySource(X))[1]
    prior = bayes.prior
    matrix = np.diag(np.broadcast_to(prior.scatter, d))
    same = NormalWishart(prior.mean, prior.mean_precision, prior.degrees, matrix)
    full = bayes_for("full", X, "dirichlet_distribution", scatter=matrix)
    posterior = full.update(first(full, X, np.ones((n, 1))), None)
    nu = float(model.hyper.degrees[0])
    mine = nu * Mixture(model, bayes.family).covariances()[0]  # inverse scales
    best = nu * posterior.covariance.values[0]
    ratio = np.linalg.solve(mine, best)
    gap = 0.5 * nu * (np.trace(ratio) - d - np.linalg.slogdet(ratio)[1])
    assert gap > 0.1
    np.testing.assert_allclose(bound, evidence("full", X, same) - gap, rtol=1e-10)


@pytest.mark.parametrize("weights", WEIGHT_PRIORS)
def test_scikit_learns_degrees_and_scale_are_the_best_within_the_restriction(weights):
    """No other degrees, scale, mean or mean precision give a higher bound at fixed z."""
    X, k = clouds(4), 3
    R = np.random.default_rng(0).dirichlet(np.ones(k), size=len(X))
    log_r = np.log(R)
    rng = np.random.default_rng(1)
    for name in SKLEARN:
        bayes = bayes_for(name, X, weights)
        model = bayes.update(first(bayes, X, R), None)

        def bound(q, bayes=bayes):
            log_joint = Mixture(q, bayes.family, rule=bayes.rule).log_joint(X)
            return (R * (log_joint - log_r)).sum() + bayes.penalty(q)

        best = bound(model)
        values, factor = model.covariance.values, model.covariance.factor
        for size in (1e-2, 1e-3):
            for _ in range(10):
                one = name == "tied"  # one for all, or one each
                scale = np.exp(size * rng.normal(size=1 if one else k))
                shape = (-1,) + (1,) * (values.ndim - 1)
                wide = scale if one else scale.reshape(shape)
                det = model.covariance.log_det + X.shape[1] * np.log(scale)
                covariance = replace(
                    model.covariance, values=values * wide, factor=factor / np.sqrt(wide),
                    log_det=det,
                )  # fmt: skip
                turns = np.exp(size * rng.normal(size=1 if one else k))
                hyper = replace(
                    model.hyper,
                    degrees=model.hyper.degrees * turns,
                    mean_precision=model.hyper.mean_precision * np.exp(size * rng.normal(size=k)),
                    concentration=model.hyper.concentration
                    * np.exp(size * rng.normal(size=model.hyper.concentration.shape)),
                )
                means = model.means + size * rng.normal(size=model.means.shape)
                other = replace(model, means=means, covariance=covariance, hyper=hyper)
                assert bound(other) < best


def test_of_the_same_responsibilities_full_has_the_highest_bound():
    """With one prior for all four: a multiple of the identity."""
    X, d = clouds(4), 3
    R = np.random.default_rng(0).dirichlet(np.ones(3), size=len(X))
    scatters = {"full": 2.0 * np.eye(d), "tied": 2.0 * np.eye(d), "diag": np.full(d, 2.0)}
    found = {}
    for name in SKLEARN:
        bayes = bayes_for(name, X, scatter=scatters.get(name, np.asarray(2.0)))
        model = bayes.update(first(bayes, X, R), None)
        log_joint = Mixture(model, bayes.family, rule=bayes.rule).log_joint(X)
        found[name] = (R * (log_joint - np.log(R))).sum() + bayes.penalty(model)
        assert bayes.prior.log_det(bayes.family.structure) == pytest.approx(d * np.log(2.0))
    assert found["full"] > max(found["tied"], found["diag"])
    assert found["diag"] > found["spherical"]


# -- bounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RULES)
@given(
    seed=st.integers(0, 10_000),
    k=st.integers(1, 4),
    d=st.integers(1, 3),
    weights=st.sampled_from(sorted(WEIGHT_PRIORS)),
    concentration=st.sampled_from([1e-3, 0.3, 5.0]),
    weighted=st.booleans(),
)
@settings(deadline=None, derandomize=True, max_examples=12)
def test_the_bound_never_falls(name, seed, k, d, weights, concentration, weighted):
    X = clouds(seed, n=24, d=d)
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.1, 3.0, len(X)) if weighted else None
    bayes = bayes_for(name, X, weights, concentration)
    R = rng.dirichlet(np.full(k, 0.3), size=len(X))
    model = bayes.update(first(bayes, X, R, weight), None)
    source = MemorySource(X, weight).placed(NUMPY)
    bounds = []
    for _ in range(25):
        statistics, bound = passed(bayes, model, source)
        bounds.append(bound)
        model = bayes.update(statistics, model)
    assert np.isfinite(bounds).all()
    assert (np.diff(bounds) >= -1e-9 * (1.0 + np.abs(bounds[:-1]))).all()


def test_with_one_feature_all_conjugate_rules_are_one():
    X = clouds(0, d=1)
    R = np.random.default_rng(0).dirichlet(np.ones(3), size=len(X))
    found = {}
    for name in CONJUGATE:
        bayes = bayes_for(name, X)
        model = bayes.update(first(bayes, X, R), None)
        found[name] = passed(bayes, model, MemorySource(X))[1]
    own = {name: found[name] for name in ("full", "diag", "spherical", "VVV", "VVI", "VII")}
    np.testing.assert_allclose(list(own.values()), own["full"], rtol=1e-12)
    shared = [found[name] for name in ("EEE", "EEI", "EII")]
    np.testing.assert_allclose(shared, shared[0], rtol=1e-12)
    assert abs(found["tied"] - found["EEE"]) > 1e-3  # tied has k matrices, not one


@pytest.mark.parametrize(
    ("exact", "theirs"), [("VVI", "diag"), ("VII", "spherical"), ("VVV", "full")]
)
def test_exact_rules_update_as_scikit_learns_do(exact, theirs):
    """What differs is the E-step alone: from the same responsibilities all numbers are equal."""
    X = clouds(0)
    R = np.random.default_rng(0).dirichlet(np.ones(3), size=len(X))
    one, other = (
        bayes.update(first(bayes, X, R), None)
        for bayes in (bayes_for(exact, X), bayes_for(theirs, X))
    )
    np.testing.assert_array_equal(one.covariance.values, other.covariance.values)
    np.testing.assert_array_equal(one.hyper.degrees, other.hyper.degrees)


@pytest.mark.parametrize("name", RULES)
def test_stacked_fits_are_the_single_ones(name):
    X = clouds(0)
    bayes = bayes_for(name, X)
    rng = np.random.default_rng(0)
    single = [first(bayes, X, rng.dirichlet(np.ones(3), size=len(X))) for _ in range(3)]
    models = [bayes.update(s, None) for s in single]
    models = [bayes.update(passed(bayes, m, MemorySource(X))[0], m) for m in models]
    begun = bayes.update(stack(single), None)
    (statistics,) = MemorySource(X).reduce(NUMPY.step([bayes.potentials(begun)]))
    together = bayes.update(statistics, begun)
    penalties = bayes.penalty(together)
    assert penalties.shape == (3,)
    for i, one in enumerate(models):
        both = together.at(i)
        for a, b in (
            (both.weights, one.weights),
            (both.means, one.means),
            (both.covariance.values, one.covariance.values),
            (both.hyper.concentration, one.hyper.concentration),
            (both.hyper.degrees, one.hyper.degrees),
            (penalties[i], bayes.penalty(one)),
        ):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    again = stack_parameters(models)
    np.testing.assert_allclose(bayes.penalty(again), penalties, rtol=1e-9)


# -- distributions of weights, against draws -----------------------------------------------------


@pytest.mark.parametrize("weights", WEIGHT_PRIORS)
def test_expected_weights_are_those_of_draws(weights):
    prior = WEIGHT_PRIORS[weights](0.7)
    concentration = prior.posterior(np.array([3.0, 0.0, 5.5]))
    rng = np.random.default_rng(0)
    if weights == "dirichlet_distribution":
        draws = rng.dirichlet(concentration[:, 0], size=200_000)
        expected = draws.mean(axis=0)
    else:
        sticks = rng.beta(*concentration.T, size=(200_000, 3))
        rest = np.cumprod(1.0 - sticks, axis=1)
        draws = sticks * np.column_stack([np.ones(len(rest)), rest[:, :-1]])
        expected = draws.mean(axis=0) / draws.mean(axis=0).sum()
    np.testing.assert_allclose(expected_weights(concentration), expected, atol=3e-3)
    logs = np.log(np.maximum(draws, 1e-300)).mean(axis=0)
    np.testing.assert_allclose(expected_log_weights(concentration), logs, rtol=0.02)


@pytest.mark.parametrize("weights", WEIGHT_PRIORS)
def test_divergence_of_weights_is_that_of_densities(weights):
    prior = WEIGHT_PRIORS[weights](0.7)
    concentration = prior.posterior(np.array([3.0, 0.4, 5.5]))
    rng = np.random.default_rng(0)
    if weights == "dirichlet_distribution":
        q, p = concentration[:, 0], np.full(3, 0.7)
        x = rng.dirichlet(q, size=100_000).T
        gaps = dirichlet.logpdf(x, q) - dirichlet.logpdf(x, p)
    else:
        a, b = concentration.T
        x = rng.beta(a, b, size=(100_000, 3))
        gaps = (beta.logpdf(x, a, b) - beta.logpdf(x, 1.0, 0.7)).sum(axis=1)
    error = gaps.std() / np.sqrt(gaps.size)
    assert abs(prior.divergence(concentration) - gaps.mean()) < 5.0 * error
    np.testing.assert_allclose(prior.divergence(prior.posterior(np.zeros(3)))[()], 0.0, atol=1e-12)


# -- points --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POINTED)
def test_penalty_of_points_is_their_log_prior(name):
    X, k = clouds(0), 3
    bayes = bayes_for(name, X)
    R = np.random.default_rng(0).dirichlet(np.ones(k), size=len(X))
    model = bayes.update(first(bayes, X, R), None)
    prior = bayes.prior
    diagonal = bayes.family.structure is Structure.DIAGONAL
    wanted = -float(bayes.weight_prior.divergence(model.hyper.concentration))
    covariances = Mixture(model, bayes.family).covariances()
    for mean, sigma in zip(model.means, covariances, strict=True):
        if diagonal:
            variances = np.diagonal(sigma)
            wanted += norm.logpdf(mean, prior.mean, np.sqrt(variances / prior.mean_precision)).sum()
            half = 0.5 * prior.degrees
            wanted += invgamma.logpdf(variances, half, scale=0.5 * prior.scatter).sum()
        else:
            on_mean = multivariate_normal(prior.mean, sigma / prior.mean_precision)
            wanted += on_mean.logpdf(mean)
            wanted += invwishart.logpdf(sigma, prior.degrees, prior.scatter)
    np.testing.assert_allclose(bayes.penalty(model), wanted, rtol=1e-10)


def test_wishart_constant_is_that_of_the_prior():
    """The evidence of no rows is 0: the posterior is the prior, and the divergence 0."""
    X = clouds(0)
    for name in CONJUGATE:
        bayes = bayes_for(name, X)
        model = bayes.update(first(bayes, X, np.full((len(X), 3), 1e-300)), None)
        assert abs(bayes.penalty(model)) < 1e-9


def test_sums_out_of_range_end_the_fit():
    X = clouds(0)
    bayes = bayes_for("full", X)
    statistics = first(bayes, X, np.ones((len(X), 1)))
    broken = replace(statistics, s2=np.full_like(statistics.s2, np.inf))
    with pytest.raises(DegenerateFit, match="exceed the range"):
        bayes.update(broken, None)
