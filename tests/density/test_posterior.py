"""The posterior of a mixture: closed forms against SciPy, and against its own draws."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betaln
from scipy.stats import beta, invgamma, multivariate_t, norm
from scipy.stats import t as student

from density.posteriors import CASES, EXACT, POINTS, random_posterior
from ellimix.covariance import FAMILIES
from ellimix.density.posterior import MixturePosterior
from ellimix.errors import DataError
from ellimix.inference.base import Parameters
from ellimix.inference.mixing import Dirichlet, expected_log_weights
from ellimix.inference.normal_wishart import NormalWishart
from ellimix.inference.pointed import RULES
from ellimix.inference.variational import VariationalBayes, expected_potentials
from ellimix.records import Detail, Moment, SufficientStatistics

DRAWS = 20_000
WISHART = ("full", "tied", "diag", "spherical", "VVV", "EEE")


def near(found, expected, spread, n=DRAWS, sigmas=5.5):
    """Whether means of draws with these standard deviations are near what they estimate."""
    bound = sigmas * np.asarray(spread) / np.sqrt(n) + 1e-12
    assert (np.abs(np.asarray(found) - expected) < bound).all()


# -- draws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_draws_have_the_closed_moments(name):
    posterior = random_posterior(name, 3, 3, seed=1)
    draws = posterior.sample(DRAWS, 0)
    alpha = posterior.parameters.hyper.concentration[:, 0]
    share, total = alpha / alpha.sum(), alpha.sum()
    near(draws.weights.mean(axis=0), share, draws.weights.std(axis=0))
    variance = share * (1.0 - share) / (total + 1.0)
    near(draws.weights.var(axis=0), variance, ((draws.weights - share) ** 2).std(axis=0))
    means = posterior.parameters.means
    near(draws.means.mean(axis=0), means, draws.means.std(axis=0))
    own = posterior.mean().covariances()
    if name in POINTS:
        np.testing.assert_array_equal(draws.covariances, np.broadcast_to(own, (DRAWS, 3, 3, 3)))
        np.testing.assert_array_equal(draws.means, np.broadcast_to(means, (DRAWS, 3, 3)))
        return
    precisions = np.linalg.inv(draws.covariances)
    near(precisions.mean(axis=0), np.linalg.inv(own), precisions.std(axis=0))
    # E[(mu - m)^T Lambda (mu - m)] = d / beta
    away = draws.means - means
    distance = np.einsum("nki,nkij,nkj->nk", away, precisions, away)
    near(distance.mean(axis=0), 3.0 / posterior.parameters.hyper.mean_precision, distance.std(0))


@pytest.mark.parametrize("name", EXACT)
def test_draws_have_the_log_determinants_that_the_inference_expects(name):
    posterior = random_posterior(name, 2, 3, seed=2)
    hyper = posterior.parameters.hyper
    potentials = expected_potentials(posterior.parameters, posterior.rule)
    log_weights = expected_log_weights(hyper.concentration)
    constant = -0.5 * 3 * np.log(2.0 * np.pi) - 1.5 / hyper.mean_precision
    expected = -2.0 * (potentials.offset - log_weights - constant)
    drawn = np.linalg.slogdet(posterior.sample(DRAWS, 1).covariances)[1]
    near(drawn.mean(axis=0), expected, drawn.std(axis=0))


@pytest.mark.parametrize("name", ["VVV", "VVI", "VII", "diag", "tied"])
def test_only_shared_precisions_are_drawn_together(name):
    draws = random_posterior(name, 2, 2, seed=3).sample(50, 0).covariances
    assert not np.isclose(draws[:, 0], draws[:, 1]).all(axis=(1, 2)).any()


@pytest.mark.parametrize("name", ["EEE", "EEI", "EII"])
def test_shared_precisions_are_equal_in_each_draw(name):
    draws = random_posterior(name, 2, 2, seed=3).sample(50, 0).covariances
    np.testing.assert_array_equal(draws[:, 0], draws[:, 1])
    assert len(np.unique(draws[:, 0, 0, 0])) == 50


@pytest.mark.parametrize("name", CASES)
def test_draws_are_mixtures_with_sound_factors(name):
    draws = random_posterior(name, 3, 2, seed=4).sample(6, 0)
    assert len(draws) == 6 == len(list(draws.mixtures()))
    for i, mixture in enumerate(draws.mixtures()):
        np.testing.assert_array_equal(mixture.weights, draws.weights[i])
        np.testing.assert_allclose(mixture.covariances(), draws.covariances[i])
        x = mixture.means + 0.3
        away = x[:, None] - mixture.means
        sigma = mixture.covariances()
        distance = np.einsum("nki,kij,nkj->nk", away, np.linalg.inv(sigma), away)
        expected = np.log(mixture.weights) - 0.5 * (
            distance + np.linalg.slogdet(sigma)[1] + 2 * np.log(2 * np.pi)
        )
        np.testing.assert_allclose(mixture.log_joint(x), expected, atol=1e-9)
    with pytest.raises(IndexError):
        draws[6]
    np.testing.assert_array_equal(draws[-1].means, draws[5].means)


def test_draws_are_those_of_the_seed():
    posterior = random_posterior("VVV", 2, 2, seed=4)
    one, other = posterior.sample(3, 7), posterior.sample(3, np.random.default_rng(7))
    np.testing.assert_array_equal(one.means, other.means)
    np.testing.assert_array_equal(one.covariances, other.covariances)
    assert posterior.sample(0).covariances.shape == (0, 2, 2, 2)
    with pytest.raises(ValueError, match="must not be negative"):
        posterior.sample(-1)


def test_tiny_concentrations_give_weights():
    posterior = random_posterior("VVV", 3, 2, seed=4, concentration=np.full((3, 1), 1e-4))
    weights = posterior.sample(200, 0).weights
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert (weights >= 0.0).all()


def test_sticks_leave_out_what_lies_beyond():
    sticks = np.array([[5.0, 9.0], [6.0, 3.0], [2.0, 0.5]])
    posterior = random_posterior("VVV", 3, 2, seed=4, concentration=sticks)
    breaks = np.random.default_rng(5).beta(sticks[:, 0], sticks[:, 1], (DRAWS, 3))
    naive = np.empty_like(breaks)
    for i, (a, b, c) in enumerate(breaks):
        raw = np.array([a, (1 - a) * b, (1 - a) * (1 - b) * c])
        naive[i] = raw / raw.sum()
    weights = posterior.sample(DRAWS, 0).weights
    near(weights.mean(axis=0), naive.mean(axis=0), np.sqrt(2.0) * naive.std(axis=0))
    product = naive[:, 0] * naive[:, 2]
    near((weights[:, 0] * weights[:, 2]).mean(), product.mean(), np.sqrt(2.0) * product.std())
    np.testing.assert_allclose(
        posterior.interval(0.8).weights, np.quantile(naive, [0.1, 0.9], axis=0).T, atol=0.01
    )


# -- the predictive density -----------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_predictive_density_is_the_average_over_draws(name):
    posterior = random_posterior(name, 3, 2, seed=5)
    rows = np.concatenate([posterior.parameters.means + 0.2, [[4.0, -3.0], [np.nan, 1.0]]])
    draws = posterior.sample(4000, 2)
    densities = np.exp(np.stack([m.log_density(rows) for m in draws.mixtures()]))
    near(densities.mean(axis=0), np.exp(posterior.log_predictive(rows)), densities.std(0), 4000)
    joint = np.exp(np.stack([m.log_joint(rows) for m in draws.mixtures()])).mean(axis=0)
    shares = posterior.predictive_responsibilities(rows)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    np.testing.assert_allclose(shares, joint / joint.sum(axis=1, keepdims=True), atol=0.05)


@pytest.mark.parametrize("name", WISHART)
@pytest.mark.parametrize("missing", [(), (1,), (0, 2)])
def test_predictive_components_are_scipys_student_t(name, missing):
    posterior = random_posterior(name, 2, 3, seed=6)
    hyper, own = posterior.parameters.hyper, posterior.mean().covariances()
    rows = np.random.default_rng(0).standard_normal((7, 3)) * 2.0
    rows[:, list(missing)] = np.nan
    seen = [j for j in range(3) if j not in missing]
    found = posterior.log_predictive_joint(rows)
    for k in range(2):
        nu, b = hyper.degrees[k], hyper.mean_precision[k]
        # Bishop (2006), eq. 10.82 with W = (nu Sigma)^-1
        precision = (nu + 1 - 3) * b / (1 + b) * np.linalg.inv(nu * own[k])
        shape = np.linalg.inv(precision)[np.ix_(seen, seen)]
        t = multivariate_t(posterior.parameters.means[k][seen], shape, nu + 1 - 3)
        expected = np.log(posterior.parameters.weights[k]) + t.logpdf(rows[:, seen])
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-10)


def test_gammas_give_products_of_students_and_one_gamma_a_joint_one():
    x = np.array([[0.5, -2.0, 3.0], [9.0, 0.0, 1.0]])
    each, one = (random_posterior(name, 2, 3, seed=6) for name in ("VVI", "VII"))
    for k in range(2):
        hyper = each.parameters.hyper
        scale = np.sqrt(each.mean().variances()[k] * (1 + 1 / hyper.mean_precision[k]))
        expected = student.logpdf(x, hyper.degrees[k], each.parameters.means[k], scale).sum(axis=1)
        expected += np.log(each.parameters.weights[k])
        np.testing.assert_allclose(each.log_predictive_joint(x)[:, k], expected, rtol=1e-10)
        hyper = one.parameters.hyper
        shape = one.mean().covariances()[k] * (1 + 1 / hyper.mean_precision[k])
        t = multivariate_t(one.parameters.means[k], shape, 3 * hyper.degrees[k])
        expected = np.log(one.parameters.weights[k]) + t.logpdf(x)
        np.testing.assert_allclose(one.log_predictive_joint(x)[:, k], expected, rtol=1e-10)


@pytest.mark.parametrize("name", POINTS)
def test_points_are_plugged_in(name):
    posterior = random_posterior(name, 2, 2, seed=7)
    x = np.array([[0.0, 1.0], [np.nan, 3.0], [np.nan, np.nan]])
    expected = posterior.mean().log_density(x)
    np.testing.assert_allclose(posterior.log_predictive(x), expected, atol=1e-12)


@pytest.mark.parametrize("name", EXACT)
def test_predictive_density_integrates_to_one(name):
    posterior = random_posterior(name, 2, 1, seed=8)
    found = quad(
        lambda x: float(np.exp(posterior.log_predictive(np.array([[x]]))[0])),
        -np.inf,
        np.inf,
        limit=200,
    )[0]
    assert found == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_marginals_are_integrals(name):
    """In two dimensions: integrated over one, which also integrates to 1 over both."""
    posterior = random_posterior(name, 2, 2, seed=9, degrees=9.0)
    for axis in (0, 1):
        rows = np.array([[0.3, 0.3], [-1.0, -1.0]])
        rows[:, axis] = np.nan
        marginal = np.exp(posterior.log_predictive(rows))
        # x = sinh s maps a grid to all of the tails
        s = np.linspace(-12.0, 12.0, 4001)
        for row, expected in zip(rows, marginal, strict=True):
            line = np.repeat(row[None], s.size, axis=0)
            line[:, axis] = np.sinh(s)
            density = np.exp(posterior.log_predictive(line)) * np.cosh(s)
            assert density.sum() * (s[1] - s[0]) == pytest.approx(expected, rel=1e-6)
    s = np.linspace(-9.0, 9.0, 400)
    x, y = np.meshgrid(np.sinh(s), np.sinh(s))
    density = np.exp(posterior.log_predictive(np.column_stack([x.ravel(), y.ravel()])))
    volume = np.cosh(s)[:, None] * np.cosh(s) * (s[1] - s[0]) ** 2
    assert (density.reshape(x.shape) * volume).sum() == pytest.approx(1.0, abs=1e-4)


def test_the_predictive_tends_to_the_plug_in():
    posterior = random_posterior("VVV", 2, 2, seed=9)
    hyper = posterior.parameters.hyper
    sure = replace(hyper, mean_precision=np.full(2, 1e9), degrees=np.full(2, 1e9))
    rows = np.random.default_rng(0).standard_normal((9, 2)) * 3.0
    sure = MixturePosterior(replace(posterior.parameters, hyper=sure), RULES["VVV"])
    plugged = posterior.mean().log_density(rows)
    np.testing.assert_allclose(sure.log_predictive(rows), plugged, atol=1e-6)
    far = np.array([[60.0, 60.0]])
    assert posterior.log_predictive(far) > posterior.mean().log_density(far) + 100.0


def test_rows_in_one_call_or_many_blocks_and_of_float32():
    posterior = random_posterior("VVV", 2, 3, seed=9)
    rows = np.random.default_rng(1).standard_normal((9000, 3))
    rows[::3, 1] = np.nan
    whole = posterior.log_predictive(rows)
    np.testing.assert_allclose(whole[8190:8200], posterior.log_predictive(rows[8190:8200]))
    single = rows[:50].astype(np.float32)
    np.testing.assert_allclose(
        posterior.log_predictive(single), posterior.log_predictive(single.astype(np.float64))
    )


def test_no_rows():
    posterior = random_posterior("VVI", 2, 3, seed=9)
    assert posterior.log_predictive(np.empty((0, 3))).shape == (0,)
    assert posterior.predictive_responsibilities(np.empty((0, 3))).shape == (0, 2)


def test_no_values_and_no_positive_density():
    posterior = random_posterior("VVE", 2, 2, seed=9)
    empty = np.full((1, 2), np.nan)
    np.testing.assert_allclose(posterior.log_predictive(empty), 0.0, atol=1e-12)
    shares = posterior.predictive_responsibilities(empty)
    np.testing.assert_allclose(shares, posterior.parameters.weights[None])
    far = np.full((1, 2), 1e200)
    assert np.isneginf(posterior.log_predictive(far)).all()
    np.testing.assert_array_equal(posterior.predictive_responsibilities(far), [[0.5, 0.5]])


def test_details_of_rows():
    posterior = random_posterior("VVV", 2, 2, seed=9)
    rows = np.zeros((1, 2))
    prior = np.array([[0.0, -np.inf]])
    shares = posterior.predictive_responsibilities(rows, Detail(prior=prior))
    np.testing.assert_array_equal(shares, [[1.0, 0.0]])
    for detail in (Detail(errors=np.ones((1, 2))), Detail(lower=rows, upper=rows + 1.0)):
        with pytest.raises(DataError, match="no closed form"):
            posterior.log_predictive(rows, detail)
    with pytest.raises(DataError, match=r"expected \(n, 2\)"):
        posterior.log_predictive(np.zeros((1, 3)))
    with pytest.raises(DataError, match="infinite"):
        posterior.log_predictive(np.array([[np.inf, 0.0]]))


@pytest.mark.parametrize("name", ["VVV", "EEE", "VVI", "EII", "diag", "VEE"])
def test_rows_of_the_predictive_distribution(name):
    posterior = random_posterior(name, 2, 2, seed=10)
    rows, labels = posterior.sample_rows(DRAWS, 3)
    near(np.bincount(labels) / DRAWS, posterior.parameters.weights, 0.5)
    # the probability of a half-plane, from draws of parameters
    towards, above = np.array([1.0, -0.7]), 0.4
    draws = posterior.sample(2000, 4)
    center = draws.means @ towards - above
    spread = np.sqrt(np.einsum("i,nkij,j->nk", towards, draws.covariances, towards))
    inside = (draws.weights * norm.cdf(center / spread)).sum(axis=1)
    error = np.sqrt(0.25 / DRAWS + inside.var() / 2000)
    assert abs((rows @ towards > above).mean() - inside.mean()) < 4.5 * error
    # how far out the rows of a component lie, from the same
    k = 1
    shift = rows[labels == k, 0] - posterior.parameters.means[k, 0]
    deviation = np.sqrt(draws.covariances[:, k, 0, 0])
    beyond = 2.5 * np.median(deviation)
    drawn = draws.means[:, k, 0] - posterior.parameters.means[k, 0]
    tails = norm.cdf((-beyond - drawn) / deviation) + norm.sf((beyond - drawn) / deviation)
    error = np.sqrt(tails.mean() / len(shift) + tails.var() / 2000)
    assert abs((np.abs(shift) > beyond).mean() - tails.mean()) < 4.5 * error


# -- intervals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_hold_their_share_of_draws(name, level):
    posterior = random_posterior(name, 2, 3, seed=11)
    draws, found = posterior.sample(DRAWS, 5), posterior.interval(level)
    variances = np.diagonal(draws.covariances, axis1=2, axis2=3)
    spread = np.sqrt(variances)
    correlations = draws.covariances / (spread[..., :, None] * spread[..., None, :])
    pairs = (
        (draws.weights, found.weights),
        (draws.means, found.means),
        (variances, found.variances),
        (draws.covariances, found.covariances),
        (correlations, found.correlations),
    )
    for drawn, ends in pairs:
        varies = drawn.std(axis=0) > 1e-9
        low, high = (drawn < ends[..., 0]).mean(axis=0), (drawn > ends[..., 1]).mean(axis=0)
        tail = 0.5 * (1.0 - level)
        bound = 5.0 * np.sqrt(tail / DRAWS) + 1e-3
        assert (np.abs(low - tail)[varies] < bound).all()
        assert (np.abs(high - tail)[varies] < bound).all()
        constant = drawn[0][~varies]
        np.testing.assert_allclose(ends[~varies], np.stack([constant, constant], axis=-1))


def test_intervals_against_scipy():
    posterior = random_posterior("VVV", 2, 3, seed=12)
    hyper, sigma = posterior.parameters.hyper, posterior.mean().covariances()
    found = posterior.interval(0.9)
    alpha = hyper.concentration[:, 0]
    for k in range(2):
        nu, b = hyper.degrees[k], hyper.mean_precision[k]
        expected = beta(alpha[k], alpha.sum() - alpha[k]).ppf([0.05, 0.95])
        np.testing.assert_allclose(found.weights[k], expected)
        for j in range(3):
            scale = np.sqrt(nu * sigma[k, j, j] / (b * (nu - 2)))
            t = student(nu - 2, posterior.parameters.means[k, j], scale)
            np.testing.assert_allclose(found.means[k, j], t.ppf([0.05, 0.95]))
            gamma = invgamma(0.5 * (nu - 2), scale=0.5 * nu * sigma[k, j, j])
            np.testing.assert_allclose(found.variances[k, j], gamma.ppf([0.05, 0.95]))
    np.testing.assert_array_equal(found.covariances[:, range(3), range(3)], found.variances)
    np.testing.assert_array_equal(found.correlations[:, range(3), range(3)], 1.0)


def test_intervals_do_not_change_with_the_order_or_scale_of_features():
    posterior = random_posterior("VVV", 1, 3, seed=12)
    own, found = posterior.parameters, posterior.interval()
    order, scale = [2, 0, 1], np.array([1e-3, 1.0, 1e3])
    sigma = own.covariance.values * scale[:, None] * scale
    sigma = sigma[:, order][:, :, order]
    turned = random_posterior("VVV", 1, 3, seed=12, covariances=sigma).interval()
    wanted = found.correlations[0][order][:, order]
    np.testing.assert_allclose(turned.correlations[0], wanted, atol=3e-3)
    np.testing.assert_allclose(
        turned.variances[0], found.variances[0][order] * scale[order, None] ** 2
    )


@pytest.mark.parametrize("name", POINTS)
def test_point_estimates_have_no_intervals(name):
    found = random_posterior(name, 2, 2, seed=13).interval()
    assert np.isnan(found.means).all()
    assert np.isnan(found.variances).all()
    off = found.covariances[:, 0, 1]
    diagonal = FAMILIES[name].structure.value == "diagonal"
    assert (off == 0.0).all() if diagonal else np.isnan(off).all()
    assert (found.weights[:, 0] < found.weights[:, 1]).all()


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, np.nan])
def test_levels_out_of_range(level):
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        random_posterior("VVV", 2, 2, seed=13).interval(level)


# -- one component: the closed form of normal data ------------------------------------------------


def one_component(rows, name, degrees=None):
    """The exact posterior of one normal distribution, which the inference finds in one step."""
    n, d = rows.shape
    structure = RULES[name].family.structure.value
    scatter = {"full": np.eye(d), "shared": np.eye(d), "diagonal": np.ones(d)}
    nu = d + 1.0 if degrees is None else degrees
    prior = NormalWishart(np.zeros(d), 0.5, nu, scatter.get(structure, np.ones(())))
    inference = VariationalBayes(RULES[name], Dirichlet(1.0), prior)
    center = rows.mean(axis=0)
    away = rows - center
    s2 = away.T @ away
    moment = inference.moment
    s2 = np.diagonal(s2)[None] if moment is Moment.DIAGONAL else s2
    s2 = s2[None] if moment is Moment.FULL else s2
    statistics = SufficientStatistics(
        np.array([float(n)]), np.zeros((1, d)), s2, center[None], 0.0, 0.0, float(n), n, moment
    )
    return MixturePosterior(inference.update(statistics, None), RULES[name]), prior


def test_one_component_is_the_textbooks_normal():
    rows = np.random.default_rng(0).standard_normal((12, 2)) @ [[2.0, 0.3], [0.0, 0.5]] + 3.0
    posterior, prior = one_component(rows, "VVV")
    n, mean = 12, rows.mean(axis=0)
    # Gelman et al. (2014), section 3.6
    kappa, nu = prior.mean_precision + n, prior.degrees + n
    middle = n * mean / kappa
    psi = (
        prior.scatter
        + (rows - mean).T @ (rows - mean)
        + prior.mean_precision * n / kappa * np.outer(mean, mean)
    )
    np.testing.assert_allclose(posterior.parameters.means[0], middle)
    np.testing.assert_allclose(posterior.mode().covariances()[0], psi / (nu + 2 + 2))
    t = multivariate_t(middle, psi * (kappa + 1) / (kappa * (nu - 1)), nu - 1)
    x = np.array([[0.0, 1.0], [3.0, 3.0]])
    np.testing.assert_allclose(posterior.log_predictive(x), t.logpdf(x))
    np.testing.assert_array_equal(posterior.interval().weights, [[1.0, 1.0]])


@pytest.mark.parametrize("name", ["VVV", "VVI", "VII"])
def test_intervals_cover_truths_from_the_prior(name):
    """Parameters drawn from the prior lie in 90 % of the intervals, whatever the data."""
    rng = np.random.default_rng(20)
    hits, trials = np.zeros(2), 400
    for _ in range(trials):
        _, prior = one_component(np.zeros((2, 2)), name, degrees=6.0)
        hyper = random_posterior(name, 1, 2, seed=0).parameters.hyper
        hyper = replace(
            hyper,
            concentration=np.ones((1, 1)),
            mean_precision=np.array([prior.mean_precision]),
            degrees=np.array([prior.degrees]),
        )
        shape = RULES[name].family.structure.array_shape(1, 2)
        sigma = np.broadcast_to(prior.scatter / prior.degrees, shape)
        before = random_posterior(name, 1, 2, seed=0, covariances=sigma)
        own = replace(before.parameters, means=np.zeros((1, 2)), hyper=hyper)
        truth = MixturePosterior(own, RULES[name]).sample(1, rng)[0]
        rows, _ = truth.sample(7, rng)
        found = one_component(rows, name, degrees=6.0)[0].interval(0.9)
        mean, variance = truth.means[0, 1], truth.variances()[0, 1]
        hits[0] += found.means[0, 1, 0] < mean < found.means[0, 1, 1]
        hits[1] += found.variances[0, 1, 0] < variance < found.variances[0, 1, 1]
    assert (np.abs(hits / trials - 0.9) < 3.5 * np.sqrt(0.09 / trials)).all()


# -- summaries ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["VVV", "EEE", "VVI", "EEI", "VII", "EII", "diag"])
def test_the_mode_is_a_maximum(name):
    posterior = random_posterior(name, 2, 2, seed=14)
    best = posterior.mode()
    top = log_posterior(posterior, best.weights, best.means, best.covariances())
    rng = np.random.default_rng(0)
    for size in (0.3, 0.03, 0.003):
        w = best.weights * np.exp(size * rng.standard_normal(2))
        factor = np.exp(size * rng.standard_normal())
        means = best.means + size * rng.standard_normal((2, 2))
        trials = [
            (w / w.sum(), best.means, best.covariances()),
            (best.weights, means, best.covariances()),
            (best.weights, best.means, best.covariances() * factor),
            (best.weights, best.means, best.covariances() / factor),
        ]
        for trial in trials:
            assert log_posterior(posterior, *trial) < top
    # flat to first order: a step of e changes it by e^2
    up, down = (
        log_posterior(posterior, best.weights, best.means, best.covariances() * np.exp(e))
        for e in (1e-4, -1e-4)
    )
    assert abs(up - down) < 1e-7


def log_posterior(posterior, weights, means, covariances):
    """Up to a constant, as a density of covariances (for gammas, of variances)."""
    own, hyper = posterior.parameters, posterior.parameters.hyper
    sigma, name = posterior.mean().covariances(), posterior.rule.name
    shared, d = name in ("EEE", "EEI", "EII"), 2
    out = ((hyper.concentration[:, 0] - 1.0) * np.log(weights)).sum()
    for k in range(2):
        inverse, away = np.linalg.inv(covariances[k]), means[k] - own.means[k]
        log_det = np.linalg.slogdet(covariances[k])[1]
        out += -0.5 * log_det - 0.5 * hyper.mean_precision[k] * away @ inverse @ away
        if shared and k > 0:
            continue
        nu = hyper.degrees[k]
        trace = np.trace(nu * sigma[k] @ inverse)
        if name in ("VVV", "EEE", "diag"):
            out += -0.5 * (nu + d + 1) * log_det - 0.5 * trace
        elif name in ("VVI", "EEI"):  # a density in each variance
            out += -(0.5 * nu + 1.0) * log_det - 0.5 * trace
        else:  # in one variance: log |Sigma| = d log s
            out += -(0.5 * d * nu + 1.0) * log_det / d - 0.5 * trace
    return out


def test_weights_of_the_mode():
    posterior = random_posterior(
        "VVV", 3, 2, seed=14, concentration=np.array([[3.0], [0.5], [2.0]])
    )
    np.testing.assert_allclose(posterior.mode().weights, [2 / 3, 0.0, 1 / 3])
    posterior = random_posterior("VVV", 2, 2, seed=14, concentration=np.array([[0.3], [0.5]]))
    np.testing.assert_allclose(posterior.mode().weights, posterior.parameters.weights)
    sticks = np.array([[3.0, 5.0], [2.0, 1.0]])
    posterior = random_posterior("VVV", 2, 2, seed=14, concentration=sticks)
    np.testing.assert_allclose(posterior.mode().weights, [1 / 3, 2 / 3])


def test_the_mean_is_the_plug_in():
    posterior = random_posterior("EVE", 2, 2, seed=15)
    mixture = posterior.mean()
    assert mixture.parameters.hyper is None
    np.testing.assert_array_equal(mixture.means, posterior.parameters.means)
    assert mixture.family is FAMILIES["EVE"]


def test_effective_number_of_components():
    equal = random_posterior("VVV", 4, 2, seed=15, concentration=np.full((4, 1), 3.0))
    assert equal.effective() == pytest.approx(4.0)
    most = random_posterior("VVV", 2, 2, seed=15, concentration=np.array([[1e9], [1e-9]]))
    assert most.effective() == pytest.approx(1.0, abs=1e-6)


def test_occupied_components():
    alpha = np.array([9.0, 2.0, 0.5])
    posterior = random_posterior("VVV", 3, 2, seed=15, concentration=alpha[:, None])
    found = posterior.occupied(10, 3, draws=DRAWS)
    assert found.shape == (4,)
    assert found.sum() == pytest.approx(1.0)
    # P(no row of component k) is a ratio of beta functions
    rest = alpha.sum() - alpha
    none = np.exp(betaln(alpha, rest + 10) - betaln(alpha, rest))
    near(found @ np.arange(4), (1.0 - none).sum(), 1.0)
    # all in one component: Polya's urn
    one = sum(np.exp(betaln(a + 10, r) - betaln(a, r)) for a, r in zip(alpha, rest, strict=True))
    near(found[1], one, 0.5)
    np.testing.assert_array_equal(posterior.occupied(0), [1.0, 0.0, 0.0, 0.0])
    np.testing.assert_array_equal(posterior.occupied(1), [0.0, 1.0, 0.0, 0.0])
    np.testing.assert_array_equal(posterior.occupied(10), posterior.occupied(10))
    with pytest.raises(ValueError, match="draws positive"):
        posterior.occupied(10, draws=0)


def test_summary():
    posterior = random_posterior("VVV", 2, 2, seed=16, names=("height", "weight"))
    lines = posterior.summary(0.5).splitlines()
    assert lines[0] == "50 % credible intervals"
    assert len(lines) == 2 + 2 * 5
    found = posterior.interval(0.5)
    assert lines[4].split()[:2] == ["mean", "weight"]
    assert [float(x) for x in lines[4].split()[2:]] == pytest.approx(
        [posterior.parameters.means[0, 1], *found.means[0, 1]], rel=1e-3
    )
    assert [float(x) for x in lines[5].split()[3:]] == pytest.approx(
        np.sqrt(found.variances[0, 0]), rel=1e-3
    )
    points = random_posterior("VEV", 2, 2, seed=16).summary().splitlines()
    assert points[3].split()[3:] == ["-", "-"]


# -- what is no posterior -------------------------------------------------------------------------


def test_what_is_no_posterior_is_refused():
    posterior = random_posterior("VVV", 2, 3, seed=17)
    own, hyper = posterior.parameters, posterior.parameters.hyper
    bad = [
        (replace(own, hyper=None), "no hyper"),
        (replace(own, noise=np.array(0.1)), "noise component"),
        (replace(own, hyper=replace(hyper, degrees=np.array([9.0, 2.0]))), "above 2"),
        (replace(own, hyper=replace(hyper, mean_precision=np.zeros(2))), "must be positive"),
        (replace(own, hyper=replace(hyper, concentration=np.ones((3, 1)))), r"\(2, 1\)"),
    ]
    for parameters, message in bad:
        with pytest.raises(ValueError, match=message):
            MixturePosterior(parameters, RULES["VVV"])
    several = Parameters(own.weights[None], own.means[None], own.covariance, None, hyper)
    with pytest.raises(ValueError, match="several fits"):
        MixturePosterior(several, RULES["VVV"])
