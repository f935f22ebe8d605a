"""Maximum a posteriori: the M-step, the log-prior, and what follows from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

import ellimix as em
from ellimix.covariance import FAMILIES, Structure
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.errors import DegenerateFit, Status
from ellimix.inference.base import Parameters
from ellimix.inference.base import stack as stack_parameters
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.inference.posterior import MaximumAPosteriori
from ellimix.inference.pseudo_data import Assumed, Spread, one_for_all, pseudo_data
from ellimix.records import Moment, SufficientStatistics, stack
from ellimix.selection.spread import spread_of
from ellimix.sources.knowledge import counted
from ellimix.sources.memory import MemorySource
from fit_problems import family_names, few, seeds, wild_problem
from naive import covariance_matrices

K, D = 3, 2


def no_spread():
    raise AssertionError("no default is needed here")


def positive(random, *shape):
    root = random.normal(size=(*shape, shape[-1]))
    return root @ np.swapaxes(root, -1, -2) + 0.3 * np.eye(shape[-1])


def a_prior(random, family, own=True, k=K, d=D):
    """A prior with all its parts, of each component its own where the family can have that."""
    own = own and not one_for_all(FAMILIES[family])
    lead = (k,) if own else ()
    return em.Prior(
        mean=random.normal(size=(*lead, d)),
        shrinkage=random.uniform(0.5, 4.0, size=lead),
        degrees_of_freedom=random.uniform(d, d + 9.0, size=lead),
        scale=positive(random, *lead, d),
        weights=random.uniform(1.0, 5.0, size=k),
    )


def resolved(prior, family, k=K, d=D, noise=False):
    return pseudo_data(prior, FAMILIES[family], k, d, noise, no_spread)


def some_rows(random, n=40, d=D, k=K):
    rows = random.normal(size=(n, d)) + 2.0 * random.normal(size=(k, d))[np.arange(n) % k]
    return rows, random.dirichlet(np.ones(k), size=n)


def statistics_of(rows, share, moment, center):
    """Sums about any centers, by plain loops."""
    k, d = center.shape
    n, s1, s2 = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    for x, r in zip(rows, share, strict=True):
        for j in range(k):
            z = x - center[j]
            n[j] += r[j]
            s1[j] += r[j] * z
            s2[j] += r[j] * np.outer(z, z)
    if moment is Moment.POOLED:
        s2 = s2.sum(axis=0)
    elif moment is Moment.DIAGONAL:
        s2 = s2.diagonal(0, 1, 2).copy()
    return SufficientStatistics(n, s1, s2, center, 0.0, 0.0, float(n.sum()), len(rows), moment)


def naive_m_step(pseudo, family, rows, share):
    """The M-step from the rows themselves: the pseudo-data are added row by row."""
    k, d = pseudo.mean.shape
    counts, means, scatter = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    for j in range(k):
        kappa, r = pseudo.shrinkage[j], share[:, j]
        means[j] = (r @ rows + kappa * pseudo.mean[j]) / (r.sum() + kappa)
        counts[j] = r.sum() + pseudo.counts[j] + (1.0 if kappa > 0.0 else 0.0)
        scatter[j] = np.diag(pseudo.scatter[j]) if pseudo.scatter.ndim == 2 else pseudo.scatter[j]
        for x, weight in zip(rows, r, strict=True):
            scatter[j] += weight * np.outer(x - means[j], x - means[j])
        scatter[j] += kappa * np.outer(means[j] - pseudo.mean[j], means[j] - pseudo.mean[j])
    weights = share.sum(axis=0) + pseudo.weights
    moment = FAMILIES[family].moment
    if moment is Moment.POOLED:
        scatter = scatter.sum(axis=0)
    elif moment is Moment.DIAGONAL:
        scatter = scatter.diagonal(0, 1, 2).copy()
    return weights / weights.sum(), means, FAMILIES[family].m_step(counts, scatter, None)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_m_step_is_that_of_rows_and_pseudo_rows(family, own):
    random = np.random.default_rng(list(FAMILIES).index(family))
    rows, share = some_rows(random)
    pseudo = resolved(a_prior(random, family, own), family)
    inference = MaximumAPosteriori(FAMILIES[family], pseudo)
    center = random.normal(size=(K, D))
    model = inference.update(statistics_of(rows, share, inference.moment, center), None)
    weights, means, covariance = naive_m_step(pseudo, family, rows, share)
    np.testing.assert_allclose(model.weights, weights, rtol=1e-12)
    np.testing.assert_allclose(model.means, means, rtol=1e-10)
    np.testing.assert_allclose(model.covariance.values, covariance.values, rtol=1e-7, atol=1e-9)


# -- the log-prior -------------------------------------------------------------------------------


def density(prior, family, model, k=K, d=D):
    """Log-density of the prior by SciPy's distributions; of a shared covariance once."""
    matrices = covariance_matrices(model.covariance, k, d)
    each = [np.broadcast_to(np.asarray(part), (k, *shape)) for part, shape in (
        (prior.mean, (d,)), (prior.shrinkage, ()), (prior.degrees_of_freedom, ()),
        (prior.scale, (d, d)))]  # fmt: skip
    value = stats.dirichlet.logpdf(model.weights, prior.weights)
    for j, (m, kappa, nu, scale) in enumerate(zip(*each, strict=True)):
        value += stats.multivariate_normal.logpdf(model.means[j], m, matrices[j] / kappa)
        if j and one_for_all(FAMILIES[family]):
            continue
        if FAMILIES[family].structure is Structure.SPHERICAL:
            own = matrices[j][:1, :1].ravel(), [np.trace(scale) / d]
        elif FAMILIES[family].structure is Structure.DIAGONAL:
            own = np.diagonal(matrices[j]), np.diagonal(scale)
        else:
            value += stats.invwishart.logpdf(matrices[j], nu, scale)
            continue
        for variance, spread in zip(*own, strict=True):
            value += stats.invgamma.logpdf(variance, nu / 2.0, scale=spread / 2.0)
    return value


@pytest.mark.parametrize("family", FAMILIES)
def test_the_penalty_is_the_log_density_of_the_prior(family):
    random = np.random.default_rng(7 + list(FAMILIES).index(family))
    prior = a_prior(random, family)
    inference = MaximumAPosteriori(FAMILIES[family], resolved(prior, family))
    plain = MaximumLikelihood(FAMILIES[family])
    models = []
    for _ in range(3):
        rows, share = some_rows(random)
        center = random.normal(size=(K, D))
        models.append(plain.update(statistics_of(rows, share, plain.moment, center), None))
    found = [inference.penalty(model) - density(prior, family, model) for model in models]
    np.testing.assert_allclose(found, found[0], rtol=1e-9)  # a constant of the prior
    np.testing.assert_allclose(
        inference.penalty(stack_parameters(models)), [inference.penalty(m) for m in models]
    )


@pytest.mark.parametrize("family", ["VVV", "EEE", "VVI", "EEI", "VII", "EII"])
def test_the_fit_is_a_maximum_of_likelihood_times_prior(family):
    """No step from the fit, in any coordinate, raises the posterior density."""
    random = np.random.default_rng(3)
    rows, _ = some_rows(random, 60)
    prior = a_prior(random, family, own=False)
    model = em.GaussianMixture(
        K, covariance_type=family, prior=prior, reg_covar=0.0, tol=1e-14, max_iter=5000,
        random_state=0,
    ).fit(rows)  # fmt: skip
    parameters = model.mixture_.parameters
    weights, means = parameters.weights, parameters.means
    values = np.asarray(parameters.covariance.values)

    def objective(weights, means, values):
        if one_for_all(FAMILIES[family]) and FAMILIES[family].structure is not Structure.SHARED:
            values = np.broadcast_to(values[:1], values.shape)
        mixture = em.Mixture.from_parameters(weights / weights.sum(), means, values, family)
        density_of = density(prior, family, mixture.parameters)
        return mixture.log_density(rows).sum() + density_of

    top = objective(weights, means, values)
    assert top - model.mixture_.log_density(rows).sum() == pytest.approx(
        density(prior, family, parameters)
    )
    for _ in range(40):
        for size in (1e-2, 1e-3):
            turn = size * random.normal(size=values.shape)
            if values.ndim == 3 or FAMILIES[family].structure is Structure.SHARED:
                turn = turn + np.swapaxes(turn, -1, -2)
            w = weights * np.exp(size * random.normal(size=K))
            m = means + size * random.normal(size=means.shape)
            v = values + turn * values.min()
            for parts in ((w, means, values), (weights, m, values), (weights, means, v)):
                assert objective(*parts) < top + 1e-9


# -- properties of fits --------------------------------------------------------------------------


def monotone(trace):
    return np.diff(trace).min(initial=0.0) > -1e-9 * (1.0 + np.abs(trace).max())


@few
@given(family_names, st.sampled_from(["separated", "heavy", "correlated", "discrete"]), seeds,
       st.booleans(), st.booleans(), st.booleans())  # fmt: skip
def test_the_objective_never_falls(family, kind, seed, weighted, noise, holes):
    random = np.random.default_rng(seed)
    d, k = int(random.integers(1, 5)), int(random.integers(1, 5))
    problem = wild_problem(int(random.integers(12, 50)), d, k, kind, weighted, seed)
    rows = problem.rows.copy()
    if holes:
        rows[random.random(rows.shape) < 0.15] = np.nan
        rows[0] = problem.rows[0]
    own = not one_for_all(FAMILIES[family])
    lead = (k,) if own and random.random() < 0.5 else ()
    prior = em.Prior(
        mean=np.nanmean(rows) + random.normal(size=(*lead, d)),
        shrinkage=random.exponential(2.0, size=lead) * (random.random() < 0.8),
        degrees_of_freedom=d + random.exponential(5.0, size=lead),
        scale=positive(random, *lead, d) * 10.0 ** random.uniform(-2, 1),
        weights=None if random.random() < 0.3 else random.uniform(1.0, 4.0),
    )
    model = em.GaussianMixture(
        k, covariance_type=family, prior=prior, reg_covar=0.0, tol=0.0, max_iter=25,
        noise=bool(noise), random_state=0, acceleration=None,
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model.fit(rows, sample_weight=problem.weight)
    assert monotone(model.lower_bounds_), problem.made


@pytest.mark.parametrize("acceleration", ["squarem", "anderson"])
def test_acceleration_reaches_the_same_mode(acceleration):
    rows, _ = em.datasets.iris()

    def fit(name):
        return em.GaussianMixture(
            3, prior="default", reg_covar=0.0, tol=1e-12, max_iter=3000, acceleration=name,
            random_state=0,
        ).fit(rows)  # fmt: skip

    slow, fast = fit(None), fit(acceleration)
    assert monotone(fast.lower_bounds_)
    assert fast.n_iter_ < slow.n_iter_
    assert fast.lower_bound_ == pytest.approx(slow.lower_bound_, abs=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_weight_is_a_repetition(family):
    random = np.random.default_rng(5)
    rows, _ = some_rows(random, 50)
    weight = random.integers(1, 4, size=50)
    labels = np.arange(50) % K

    def fit(rows, labels, weight=None):
        return em.GaussianMixture(
            K, covariance_type=family, prior="default", init_params=labels, reg_covar=0.0,
            tol=1e-10, max_iter=500,
        ).fit(rows, sample_weight=weight)  # fmt: skip

    one = fit(rows, labels, weight)
    other = fit(np.repeat(rows, weight, axis=0), np.repeat(labels, weight))
    assert one.lower_bound_ == pytest.approx(other.lower_bound_, abs=1e-9)
    np.testing.assert_allclose(one.means_, other.means_, atol=1e-5)
    assert one.log_prior_ == pytest.approx(other.log_prior_, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "prior",
    [
        em.Prior(shrinkage=0.0, scale=None),
        em.Prior(mean=None, degrees_of_freedom=None, weights=1.0),
    ],
)
def test_without_its_parts_it_is_maximum_likelihood(family, prior):
    rows, _ = em.datasets.faithful()
    arguments = {"covariance_type": family, "random_state": 0, "tol": 1e-6, "max_iter": 500}
    plain = em.GaussianMixture(2, **arguments).fit(rows)
    with_prior = em.GaussianMixture(2, prior=prior, **arguments).fit(rows)
    np.testing.assert_allclose(with_prior.lower_bounds_, plain.lower_bounds_, rtol=1e-9)
    np.testing.assert_allclose(with_prior.covariances_, plain.covariances_, rtol=1e-6, atol=1e-9)
    assert with_prior.log_prior_ == 0.0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prior_that_weighs_more_than_the_rows_is_the_result(family):
    rows, _ = some_rows(np.random.default_rng(0))
    means = np.array([[0.0, 1.0], [5.0, 5.0], [-5.0, 3.0]])
    scale, much = np.diag([2.0, 2.0]), 1e9
    prior = em.Prior(
        mean=means, shrinkage=much, degrees_of_freedom=much, scale=much * scale,
        weights=[1.0 + much, 1.0 + 2.0 * much, 1.0 + much],
    )  # fmt: skip
    model = em.GaussianMixture(K, covariance_type=family, prior=prior, max_iter=5000).fit(rows)
    np.testing.assert_allclose(model.means_, means, atol=1e-6)
    np.testing.assert_allclose(model.weights_, [0.25, 0.5, 0.25], atol=1e-6)
    for matrix in model.mixture_.covariances():
        np.testing.assert_allclose(matrix, scale, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_default_prior_follows_the_units(family):
    """Of each column for families with matrices, of all together for the others."""
    rows, _ = em.datasets.iris()
    labels = np.arange(150) // 50
    square = FAMILIES[family].moment is not Moment.DIAGONAL
    unit = np.array([10.0, 0.5, 3.0, 0.1]) if square else np.full(4, 10.0)
    if family in ("EEV", "VEV", "EVE", "VVE"):
        unit = np.full(4, 10.0)  # the family itself depends on the columns' units

    def fit(rows):
        return em.GaussianMixture(
            3, covariance_type=family, prior="default", init_params=labels, reg_covar=0.0,
            tol=1e-9, max_iter=500,
        ).fit(rows)  # fmt: skip

    one, other = fit(rows), fit(unit * rows)
    np.testing.assert_allclose(other.means_, unit * one.means_, rtol=1e-6)
    np.testing.assert_allclose(other.weights_, one.weights_, atol=1e-6)


# -- components without rows ---------------------------------------------------------------------


def empty_third(family, moment):
    random = np.random.default_rng(1)
    rows, share = some_rows(random)
    share = np.column_stack([share[:, 0], share[:, 1] + share[:, 2], np.zeros(len(rows))])
    return statistics_of(rows, share, moment, random.normal(size=(K, D)))


@pytest.mark.parametrize("family", ["VII", "VVI", "VVV"])
def test_a_component_without_rows_has_the_priors_mode(family):
    prior = em.Prior(mean=[1.0, 2.0], shrinkage=2.0, degrees_of_freedom=9.0, scale=np.eye(2))
    inference = MaximumAPosteriori(FAMILIES[family], resolved(prior, family))
    model = inference.update(empty_third(family, inference.moment), None)
    np.testing.assert_allclose(model.means[2], [1.0, 2.0])
    assert model.weights[2] == 0.0
    power = {"VII": 9 + 2 + 2, "VVI": 9 + 3, "VVV": 9 + 2 + 2}[family]
    matrix = covariance_matrices(model.covariance, K, D)[2]
    np.testing.assert_allclose(matrix, np.eye(2) / power, atol=1e-300)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_may_be_any_family(family):
    prior = em.Prior(mean=[1.0, 2.0], shrinkage=2.0, degrees_of_freedom=9.0, scale=np.eye(2))
    inference = MaximumAPosteriori(FAMILIES[family], resolved(prior, family))
    model = inference.update(empty_third(family, inference.moment), None)
    assert np.isfinite(model.covariance.values).all()
    assert math.isfinite(inference.penalty(model))


@pytest.mark.parametrize(
    "prior",
    [
        em.Prior(mean=None, degrees_of_freedom=9.0, scale=1.0),
        em.Prior(mean=[1.0, 2.0], scale=None),
    ],
)
def test_without_a_prior_on_both_parts_an_empty_component_ends_the_fit(prior):
    inference = MaximumAPosteriori(FAMILIES["VVV"], resolved(prior, "VVV"))
    with pytest.raises(DegenerateFit) as caught:
        inference.update(empty_third("VVV", inference.moment), None)
    assert caught.value.status is Status.EMPTY
    assert caught.value.components == (2,)


def test_a_fit_goes_on_with_a_component_that_lost_its_rows():
    rows = np.repeat([[0.0, 0.0], [9.0, 9.0]], 20, axis=0)
    rows = rows + np.tile([[0.0, 0.1], [0.1, 0.0]], (20, 1))
    prior = em.Prior(mean=[1e4, 1e4], shrinkage=5.0, degrees_of_freedom=5.0, scale=1.0)
    pseudo = resolved(prior, "VVV")
    inference = MaximumAPosteriori(FAMILIES["VVV"], pseudo)
    start = statistics_of(rows, np.eye(3)[np.arange(40) // 20], inference.moment, np.zeros((3, 2)))
    model = inference.update(start, None)
    assert model.weights[2] == 0.0
    for acceleration in (None, "squarem", "anderson"):
        task = Task(inference, model, 1e-10, 200, acceleration=acceleration)
        (report,) = run(MemorySource(rows), ENGINES["numpy"], [task])
        assert report.status is Status.CONVERGED
        assert report.mixture.weights[2] == 0.0
        np.testing.assert_allclose(report.mixture.means[2], 1e4)


def test_equal_rows_collapse_nothing():
    rows = np.repeat([[1.0, 1.0], [5.0, 2.0]], 10, axis=0)
    rows = np.vstack([rows, [[2.0, 7.0], [3.0, 1.0], [0.0, 3.0]]])
    labels = np.repeat([0, 1, 2], [10, 10, 3])
    model = em.GaussianMixture(3, prior="default", reg_covar=0.0, init_params=labels).fit(rows)
    assert model.converged_
    assert np.linalg.eigvalsh(model.covariances_).min() > 0.0


# -- stacked fits --------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_stacked_fits_are_what_each_is_alone(family):
    random = np.random.default_rng(9)
    inference = MaximumAPosteriori(
        FAMILIES[family], resolved(a_prior(random, family), family), reg_covar=1e-3
    )
    own = []
    for _ in range(3):
        rows, share = some_rows(random)
        own.append(statistics_of(rows, share, inference.moment, random.normal(size=(K, D))))
    together = inference.update(stack(own), None)
    for i, statistics in enumerate(own):
        alone: Parameters = inference.update(statistics, None)
        np.testing.assert_allclose(together.means[i], alone.means, rtol=1e-12)
        np.testing.assert_allclose(together.weights[i], alone.weights, rtol=1e-12)
        np.testing.assert_allclose(
            together.covariance.values[i], alone.covariance.values, rtol=1e-7, atol=1e-12
        )


# -- where defaults come from --------------------------------------------------------------------


def test_the_spread_of_weighted_rows():
    random = np.random.default_rng(2)
    rows = random.normal(size=(30, 3)) + 1e6
    weight = random.integers(1, 5, size=30)
    found = spread_of(MemorySource(rows, weight.astype(float)), ENGINES["numpy"])
    every = np.repeat(rows, weight, axis=0)
    np.testing.assert_allclose(found.mean, every.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(every.T), rtol=1e-8)


def test_the_spread_of_incomplete_rows_is_that_of_one_gaussian():
    random = np.random.default_rng(2)
    rows = random.normal(size=(200, 3)) @ positive(random, 3)
    rows[random.random(rows.shape) < 0.2] = np.nan
    rows[3] = np.nan  # counts for nothing
    source, _ = counted(MemorySource(rows))
    found = spread_of(source, ENGINES["numpy"])
    one = em.GaussianMixture(1, reg_covar=0.0, tol=1e-12, max_iter=5000).fit(rows)
    seen = int(np.isfinite(rows).any(axis=1).sum())
    np.testing.assert_allclose(found.mean, one.means_[0], atol=1e-4)
    np.testing.assert_allclose(
        found.covariance, one.covariances_[0] * seen / (seen - 1), rtol=1e-4, atol=1e-4
    )


def test_a_default_is_asked_for_once():
    asked = []

    def spread():
        asked.append(1)
        return Spread(np.zeros(2), np.eye(2))

    assumed = Assumed(em.Prior(), spread, 2)
    first = assumed.of(FAMILIES["VVV"], 3, False)
    assert assumed.of(FAMILIES["VVV"], 3, False) is first
    assumed.of(FAMILIES["EEE"], 2, True)
    assert asked == [1]


# -- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"shrinkage": -1.0}, "shrinkage contains -1"),
        ({"weights": 0.5}, "weights contains 0.5"),
        ({"weights": [-2.0, 1.0]}, "weights contains -2"),
        ({"weights": "default"}, "weights is 'default': expected numbers or None"),
        ({"mean": "middle"}, "mean is 'middle'"),
        ({"scale": "wide"}, "scale is 'wide'"),
        ({"mean": [[1.0], [1.0, 2.0]]}, "mean is not an array of numbers"),
        ({"degrees_of_freedom": np.nan}, "degrees_of_freedom contains NaN"),
    ],
)
def test_numbers_that_are_no_prior(arguments, says):
    with pytest.raises(em.DataError, match=says):
        em.Prior(**arguments)


@pytest.mark.parametrize(
    ("family", "arguments", "says"),
    [
        ("VVV", {"degrees_of_freedom": 1.0}, r"degrees_of_freedom 1: .*more than d - 1 = 1"),
        ("VVI", {"degrees_of_freedom": 0.0}, "more than 0"),
        ("VVV", {"scale": [[1.0, 2.0], [2.0, 1.0]]}, "not positive definite"),
        ("VVV", {"scale": [[1.0, 0.5], [0.1, 1.0]]}, "not positive definite|must be positive"),
        ("VVV", {"scale": -1.0}, "contains -1: variances must be positive"),
        ("EII", {"scale": [1.0, 0.0]}, "contains 0: variances must be positive"),
        ("VVV", {"mean": [1.0, 2.0, 3.0]}, r"mean has shape \(3,\), expected \(2,\) or \(3, 2\)"),
        ("VVV", {"mean": np.zeros((4, 2))}, r"mean has shape \(4, 2\)"),
        ("VVV", {"shrinkage": [1.0, 2.0]}, r"shrinkage has shape \(2,\)"),
        ("VVV", {"scale": np.ones(5)}, r"scale has shape \(5,\)"),
        ("VVV", {"weights": [1.0, 2.0, 3.0, 4.0]}, r"weights has shape \(4,\)"),
        ("EEE", {"degrees_of_freedom": [4.0, 5.0, 6.0]}, "EEE has one covariance"),
        ("EEI", {"scale": np.ones((3, 2))}, "EEI has one covariance"),
    ],
)
def test_priors_that_do_not_go_with_the_fit(family, arguments, says):
    whole = {"mean": [0.0, 0.0], "scale": 1.0, "degrees_of_freedom": 5.0, **arguments}
    with pytest.raises(em.DataError, match=says):
        resolved(em.Prior(**whole), family)


def test_a_noise_component_may_have_a_concentration():
    four = resolved(em.Prior(mean=None, scale=None, weights=[2, 2, 2, 5]), "VVV", noise=True)
    same = resolved(em.Prior(mean=None, scale=None, weights=2.0), "VVV", noise=True)
    none = resolved(em.Prior(mean=None, scale=None, weights=[2, 2, 2]), "VVV", noise=True)
    assert (four.noise, same.noise, none.noise) == (4.0, 1.0, 0.0)
