"""The posterior of one batch as the prior of the next, and priors of each component."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ellimix import BayesianGaussianMixture, DataError
from ellimix.covariance.base import Structure
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.errors import Status
from ellimix.inference.mixing import Dirichlet, StickBreaking
from ellimix.inference.normal_wishart import CONJUGATE, NormalWishart, Sharing
from ellimix.inference.pointed import RULES
from ellimix.inference.process import UncertainProcess
from ellimix.inference.updating import Priors, forgotten, posterior_as_prior
from ellimix.inference.variational import VariationalBayes
from ellimix.sources.memory import MemorySource
from ellimix.starts import Beginning, Given

ENGINE = ENGINES["numpy"]
FAMILY_RULES = ("VVV", "EEE", "VVI", "VII", "EEI", "EII")  # whose posteriors are of the family
D = 3


def rows_of(seed, n, offset=0.0):
    rng = np.random.default_rng(seed)
    return offset + rng.normal(size=(n, D)) @ rng.normal(size=(D, D))


def statistics_of(rule, X, labels, k, weight=None):
    source = MemorySource(X, weight)
    beginning = Beginning(source, ENGINE, k, rule.family.moment, 1.0, np.random.RandomState(0))
    return Given(np.asarray(labels)).statistics(beginning)


def scatter_of(rule, seed, each=None):
    """A scatter in the rule's structure; of `each` so many components where that is given."""
    rng = np.random.default_rng(seed)
    many = (each or 1,)
    match rule.family.structure:
        case Structure.SPHERICAL:
            out = rng.uniform(0.5, 2.0, many)
        case Structure.DIAGONAL:
            out = rng.uniform(0.5, 2.0, (*many, D))
        case _:
            root = rng.normal(size=(*many, D, D))
            out = root @ root.swapaxes(-1, -2) + np.eye(D)
    return out if each else out[0]


def own_prior(rule, k, seed=1):
    """A prior with whatever may be of each component."""
    rng = np.random.default_rng(seed)
    one = getattr(rule, "sharing", Sharing.OWN) is Sharing.ALL
    return NormalWishart(
        rng.normal(size=(k, D)),
        rng.uniform(0.3, 3.0, k),
        4.5 if one else rng.uniform(4.0, 9.0, k),
        scatter_of(rule, seed, None if one else k),
    )


def common_prior(rule, mean=0.0):
    return NormalWishart(np.full(D, mean), 0.7, 5.0, scatter_of(rule, 4))


WEIGHT_PRIORS = {
    "dirichlet": lambda k: Dirichlet(np.linspace(0.3, 2.0, k)),
    "sticks": lambda k: StickBreaking(np.random.default_rng(2).uniform(0.4, 3.0, (k, 2))),
    "process": lambda k: UncertainProcess(0.8, 0.5, np.linspace(4.0, 0.0, k)),
}


# -- priors of each component ----------------------------------------------------------------------


@pytest.mark.parametrize("name", RULES)
def test_equal_priors_of_each_are_the_prior_of_all(name):
    rule, k, X = RULES[name], 3, rows_of(0, 40)
    one = common_prior(rule)
    repeat = getattr(rule, "sharing", Sharing.OWN) is not Sharing.ALL
    each = NormalWishart(
        np.tile(one.mean, (k, 1)),
        np.full(k, one.mean_precision),
        np.full(k, one.degrees) if repeat else one.degrees,
        np.repeat(one.scatter[None], k, axis=0) if repeat else one.scatter,
    )
    assert each.n_components(rule.family.structure) == k
    sums = statistics_of(rule, X, np.arange(40) % k, k)
    pairs = [(Dirichlet(0.4), Dirichlet(np.full(k, 0.4))),
             (StickBreaking(0.4), StickBreaking(np.tile([1.0, 0.4], (k, 1))))]  # fmt: skip
    for weights, own in pairs:
        a = VariationalBayes(rule, weights, one)
        b = VariationalBayes(rule, own, each)
        model, other = a.update(sums, None), b.update(sums, None)
        same(model, other, 1e-12)
        assert b.penalty(other) == pytest.approx(a.penalty(model), rel=1e-10)


@pytest.mark.parametrize("name", [n for n in RULES if n not in ("EEE", "EEI", "EII", "tied")])
def test_the_divergence_is_the_sum_of_the_components(name):
    rule, k = RULES[name], 3
    prior = own_prior(rule, k)
    sums = statistics_of(rule, rows_of(0, 40), np.arange(40) % k, k)
    model = VariationalBayes(rule, Dirichlet(1.0), prior).update(sums, None)
    total = 0.0
    for j in range(k):
        alone = NormalWishart(
            prior.mean[j], prior.mean_precision[j], prior.degrees[j], prior.scatter[j]
        )
        total += single(rule, model, j, alone)
    assert float(rule.divergence(model, prior)) == pytest.approx(total, rel=1e-9)


def single(rule, model, j, prior):
    """The divergence of one component alone."""
    c, hyper = model.covariance, model.hyper
    cut = type(c)(c.structure, c.values[[j]], c.factor[[j]], c.log_det[[j]])
    own = type(hyper)(hyper.concentration[[j]], hyper.mean_precision[[j]], hyper.degrees[[j]])
    alone = type(model)(np.ones(1), model.means[[j]], cut, None, own)
    return float(rule.divergence(alone, prior))


@pytest.mark.parametrize("weights", WEIGHT_PRIORS)
@pytest.mark.parametrize("name", RULES)
def test_the_bound_never_falls_and_fits_do_not_mix(name, weights):
    rule, k, X = RULES[name], 4, np.concatenate([rows_of(s, 15, 2.0 * s) for s in range(3)])
    bayes = VariationalBayes(rule, WEIGHT_PRIORS[weights](k), own_prior(rule, k))
    tasks = [
        Task(bayes, statistics_of(rule, X, labels, k), 0.0, 25)
        for labels in np.random.default_rng(0).integers(0, k, (3, len(X)))
    ]
    reports = run(MemorySource(X), ENGINE, tasks)
    for task, report in zip(tasks, reports, strict=True):
        assert report.status is Status.MAX_ITER
        assert (np.diff(report.trace) >= -1e-11 * max(1.0, abs(report.trace[-1]))).all()
        assert report.trace[-1] > report.trace[0]
        (alone,) = run(MemorySource(X), ENGINE, [task])
        np.testing.assert_allclose(alone.trace, report.trace, rtol=1e-8)


def test_a_prior_of_other_numbers_is_refused():
    with pytest.raises(ValueError, match="2 and of 3 components"):
        VariationalBayes(
            RULES["full"],
            Dirichlet(1.0),
            NormalWishart(np.zeros((2, D)), np.ones(3), 4.0, np.eye(D)),
        )
    for name in ("EEE", "EEI", "EII"):
        prior = NormalWishart(np.zeros(D), 1.0, np.full(2, 4.0), scatter_of(RULES[name], 0))
        with pytest.raises(ValueError, match="one covariance for all"):
            VariationalBayes(RULES[name], Dirichlet(1.0), prior)


# -- the posterior as prior ------------------------------------------------------------------------


def same(one, other, rtol=1e-10):
    np.testing.assert_allclose(one.weights, other.weights, rtol=rtol)
    np.testing.assert_allclose(one.means, other.means, rtol=rtol, atol=rtol)
    values = one.covariance.values, other.covariance.values
    np.testing.assert_allclose(*values, rtol=rtol, atol=rtol * np.abs(values[1]).max())
    for name in ("concentration", "mean_precision", "degrees"):
        np.testing.assert_allclose(
            getattr(one.hyper, name), getattr(other.hyper, name), rtol=rtol, err_msg=name
        )


@pytest.mark.parametrize("offset", [0.0, 50.0])
@pytest.mark.parametrize("weights", [Dirichlet(0.5), StickBreaking(2.0), UncertainProcess(1, 2)])
@pytest.mark.parametrize("name", CONJUGATE)
def test_of_one_component_batches_are_all_rows(name, weights, offset):
    rule, X = RULES[name], rows_of(3, 41, offset)
    first = VariationalBayes(rule, weights, common_prior(rule), 1e-3)
    at_once = first.update(statistics_of(rule, X, np.zeros(41, int), 1), None)
    bayes = first
    for batch in np.split(X, [1, 2, 17, 30]):
        sums = statistics_of(rule, batch, np.zeros(len(batch), int), 1)
        model = bayes.update(sums, None)
        prior = posterior_as_prior(model, rule, bayes.weight_prior)
        prior = forgotten(prior, 1.0, Priors(first.weight_prior, first.prior), rule)
        bayes = VariationalBayes(rule, prior.weights, prior.components, 1e-3)
    same(model, at_once)


@pytest.mark.parametrize("kind", ["dirichlet_process", "dirichlet_distribution"])
@pytest.mark.parametrize("name", FAMILY_RULES)
def test_the_evidence_of_labelled_batches_is_that_of_all(name, kind):
    """With every component told the posterior is exact, and log p(a) + log p(b|a) = log p(a, b)."""
    X, labels = rows_of(5, 30), np.arange(30) % 3
    options = {
        "covariance_type": name, "weight_concentration_prior_type": kind, "reg_covar": 0.0,
        "mean_prior": np.zeros(D), "covariance_prior": scatter_of(RULES[name], 4),
        "tol": 1e-9, "degrees_of_freedom_prior": 4.0,
    }  # fmt: skip
    whole = BayesianGaussianMixture(3, **options).fit(X, labels=labels)
    model, total = BayesianGaussianMixture(3, **options), 0.0
    for part in (slice(0, 12), slice(12, 13), slice(13, 30)):
        model.partial_fit(X[part], labels=labels[part])
        total += model.lower_bound_ * len(X[part])
    same(model.mixture_.parameters, whole.mixture_.parameters)
    assert total == pytest.approx(whole.lower_bound_ * 30, rel=1e-10)


def test_tied_batches_of_several_components():
    """Its scatter is the mean of all components': also of a prior that has one for each."""
    rule, k = RULES["tied"], 2
    prior = own_prior(rule, k)
    sums = statistics_of(rule, rows_of(0, 20), np.arange(20) % k, k)
    model = VariationalBayes(rule, Dirichlet(1.0), prior).update(sums, None)
    mean = NormalWishart(
        prior.mean, prior.mean_precision, float(prior.degrees.mean()), prior.scatter.mean(axis=0)
    )
    same(model, VariationalBayes(rule, Dirichlet(1.0), mean).update(sums, None), 1e-12)


@pytest.mark.parametrize("name", sorted(set(RULES) - set(CONJUGATE)))
def test_point_estimates_are_no_prior(name):
    rule = RULES[name]
    sums = statistics_of(rule, rows_of(0, 20), np.arange(20) % 2, 2)
    model = VariationalBayes(rule, Dirichlet(1.0), common_prior(rule)).update(sums, None)
    with pytest.raises(ValueError, match="point estimates"):
        posterior_as_prior(model, rule, Dirichlet(1.0))
    with pytest.raises(AttributeError, match="partial_fit") as refused:
        BayesianGaussianMixture(2, covariance_type=name).partial_fit(rows_of(0, 20))
    assert "point estimates" in str(refused.value.__cause__)


# -- forgetting ------------------------------------------------------------------------------------


def known_priors(rule, k=2):
    sums = statistics_of(rule, rows_of(7, 25, 1.0), np.arange(25) % k, k)
    base = Priors(StickBreaking(1.5), common_prior(rule, 2.0))
    model = VariationalBayes(rule, *base).update(sums, None)
    return posterior_as_prior(model, rule, base.weights), base


def test_a_power_of_the_density():
    """log p' - f log q - (1 - f) log p is the same at every mean and precision."""
    rule, f = RULES["full"], 0.3
    prior, base = known_priors(rule)
    mixed = forgotten(prior, f, base, rule).components
    rng = np.random.default_rng(0)
    for j in range(2):
        own = prior.components
        rest = []
        for _ in range(6):
            root = rng.normal(size=(D, D + 3))
            point = rng.normal(size=D), root @ root.T
            rest.append(
                log_density(point, mixed.mean[j], mixed.mean_precision[j], mixed.degrees[j],
                            mixed.scatter[j])
                - f * log_density(point, own.mean[j], own.mean_precision[j], own.degrees[j],
                                  own.scatter[j])
                - (1 - f) * log_density(point, base.components.mean, 0.7, 5.0,
                                        base.components.scatter)
            )  # fmt: skip
        assert np.ptp(rest) < 1e-8


def log_density(point, mean, precision, degrees, scatter):
    mu, matrix = point
    normal = stats.multivariate_normal(mean, np.linalg.inv(precision * matrix))
    return normal.logpdf(mu) + stats.wishart(degrees, np.linalg.inv(scatter)).logpdf(matrix)


def natural(rule, prior, k):
    """beta, beta m, nu and C + beta m m^T in the structure, one component after the other."""
    beta = np.broadcast_to(prior.mean_precision, k)
    mean = np.broadcast_to(prior.mean, (k, D))
    outer = []
    for j in range(k):
        square = beta[j] * np.outer(mean[j], mean[j])
        outer.append({
            Structure.SPHERICAL: np.trace(square) / D, Structure.DIAGONAL: np.diagonal(square),
        }.get(rule.family.structure, square))  # fmt: skip
    if rule.sharing is Sharing.ALL:
        moment = prior.scatter + sum(outer)
    else:
        moment = prior.scatter + np.array(outer)
    return beta, beta[:, None] * mean, np.asarray(prior.degrees), moment


@pytest.mark.parametrize("f", [1.0, 0.8, 1e-3])
@pytest.mark.parametrize("name", CONJUGATE)
def test_forgetting_is_linear_in_natural_parameters(name, f):
    rule, k = RULES[name], 2
    prior, base = known_priors(rule)
    out = forgotten(prior, f, base, rule)
    parts = (natural(rule, p.components, k) for p in (out, prior, base))
    for mixed, own, other in zip(*parts, strict=True):
        np.testing.assert_allclose(mixed, f * own + (1.0 - f) * other, rtol=1e-12, atol=1e-12)
    sticks = np.stack([np.ones(k), np.full(k, 1.5)], axis=-1)
    np.testing.assert_allclose(
        out.weights.concentration, f * prior.weights.concentration + (1.0 - f) * sticks, rtol=1e-13
    )
    if f == 1.0:
        assert out is prior
    out_bayes = VariationalBayes(rule, *out)  # which is a prior of the rule
    sums = statistics_of(rule, rows_of(9, 10), np.arange(10) % k, k)
    assert np.isfinite(out_bayes.penalty(out_bayes.update(sums, None)))


@pytest.mark.parametrize("name", CONJUGATE)
def test_to_forget_twice_is_to_forget_the_product(name):
    rule = RULES[name]
    prior, base = known_priors(rule)
    twice = forgotten(forgotten(prior, 0.9, base, rule), 0.5, base, rule).components
    once = forgotten(prior, 0.45, base, rule).components
    for field in ("mean", "mean_precision", "degrees", "scatter"):
        np.testing.assert_allclose(getattr(twice, field), getattr(once, field), rtol=1e-11)


def test_the_scatter_keeps_its_digits_far_from_zero():
    rule = RULES["full"]
    prior, base = known_priors(rule)
    near = forgotten(prior, 0.4, base, rule).components.scatter
    far = [Priors(p.weights, NormalWishart(p.components.mean + 2.0**30, p.components.mean_precision,
           p.components.degrees, p.components.scatter)) for p in (prior, base)]  # fmt: skip
    moved = forgotten(far[0], 0.4, far[1], rule).components.scatter
    np.testing.assert_allclose(moved, near, rtol=1e-5)


def test_what_cannot_be_forgotten():
    rule = RULES["full"]
    prior, base = known_priors(rule)
    for factor in (0.0, -0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="forget"):
            forgotten(prior, factor, base, rule)
    with pytest.raises(ValueError, match="two kinds"):
        forgotten(prior, 0.5, Priors(Dirichlet(1.0), base.components), rule)
    one, other = UncertainProcess(1.0, 1.0), UncertainProcess(2.0, 1.0)
    with pytest.raises(ValueError, match="must be the same"):
        one.faded(0.5, other)
    known = UncertainProcess(1.0, 1.0, np.array([4.0, 2.0]))
    np.testing.assert_allclose(known.faded(0.5, one).earlier, [2.0, 1.0])
    every = common_prior(RULES["EEE"])
    with pytest.raises(ValueError, match="of how many"):
        forgotten(Priors(one, every), 0.5, Priors(one, every), RULES["EEE"])


# -- the estimator ---------------------------------------------------------------------------------


def clusters(seed, n, *centers):
    rng = np.random.default_rng(seed)
    return rng.permutation(np.concatenate([rng.normal(c, 1.0, (n, 2)) for c in centers]))


def model_of(k=2, **options):
    return BayesianGaussianMixture(k, random_state=0, max_iter=1000, **options)


def test_the_first_batch_is_a_fit():
    X = clusters(0, 40, [0, 0], [7, 7])
    one, other = model_of().fit(X), model_of().partial_fit(X)
    same(one.mixture_.parameters, other.mixture_.parameters, 1e-15)
    assert one.lower_bounds_ == other.lower_bounds_
    assert (one.n_batches_, one.n_seen_) == (other.n_batches_, other.n_seen_) == (1, 80.0)


@pytest.mark.parametrize("name", CONJUGATE)
def test_batches_of_clear_clusters_are_nearly_all_rows(name):
    X = clusters(1, 60, [0, 0], [20, 0])
    prior = {"mean_prior": [10, 0], "covariance_type": name, "tol": 1e-8,
             "covariance_prior": {Structure.SPHERICAL: 4.0, Structure.DIAGONAL: [4.0, 4.0]}.get(
                 RULES[name].family.structure, 4.0 * np.eye(2))}  # fmt: skip
    whole, model = model_of(**prior).fit(X), model_of(**prior)
    for batch in np.split(X, [50, 51, 53, 100]):
        model.partial_fit(batch)
        assert model.report_.sound
        assert model.labels_.shape == (len(batch),)
    order = np.argsort(model.means_[:, 0]), np.argsort(whole.means_[:, 0])
    np.testing.assert_allclose(model.means_[order[0]], whole.means_[order[1]], atol=1e-6)
    assert (model.n_batches_, model.n_seen_) == (5, 120.0)
    assert "posterior of the 100 rows before" in model.report_.notes[0]
    assert model.report_.start == "posterior"
    assert np.sort(model.mean_precision_).sum() == pytest.approx(122.0)


def test_weights_holes_and_labels():
    X = clusters(2, 40, [0, 0], [9, 9])
    first, rest = X[:40], X[40:].copy()
    twice = model_of(tol=1e-9).partial_fit(first).partial_fit(np.concatenate([rest, rest]))
    doubled = model_of(tol=1e-9).partial_fit(first)
    doubled.partial_fit(rest, sample_weight=np.full(len(rest), 2.0))
    same(twice.mixture_.parameters, doubled.mixture_.parameters, 1e-8)
    assert doubled.n_seen_ == 120.0

    holes = rest.copy()
    holes[::2, 1] = np.nan
    holes[3] = np.nan
    model = model_of().partial_fit(first).partial_fit(holes)
    assert "1 row(s) have nothing observed" in " ".join(model.report_.notes)
    assert model.n_seen_ == 79.0
    all_missing = rest.copy()
    all_missing[:, 0] = np.nan  # a column of which this batch says nothing
    model.partial_fit(all_missing)
    assert model.report_.sound

    told = model_of().partial_fit(first)
    near = told.predict([[0.0, 0.0]])[0]
    told.partial_fit([[0.0, 0.0]], labels=[1 - near])
    assert told.labels_[0] == 1 - near


def test_one_row_and_no_new_start():
    X = clusters(3, 40, [0, 0], [9, 9])
    model = model_of(3, weight_concentration_prior=(1.0, 1.0)).partial_fit(X)
    before = model.mixture_.parameters
    model.partial_fit(X[:1])
    after = model.mixture_.parameters
    assert np.abs(after.means - before.means).max() < 0.2
    assert after.hyper.process is not None
    assert after.hyper.mean_precision.sum() == pytest.approx(
        before.hyper.mean_precision.sum() + 1.0
    )


def test_a_drifting_cluster_is_followed():
    """Where nothing is forgotten the means are those of all rows; else of the last few."""
    rng = np.random.default_rng(4)
    keeps, follows = model_of(), model_of()
    for step in range(30):
        shift = 0.2 * step
        X = np.concatenate(
            [rng.normal([shift, 0.0], 1.0, (20, 2)), rng.normal([0.0, 12.0], 1.0, (20, 2))]
        )
        keeps.partial_fit(X)
        follows.partial_fit(X, forget=0.7)
    mover = [model.means_[np.argmin(model.means_[:, 1])][0] for model in (keeps, follows)]
    assert mover[0] == pytest.approx(2.9, abs=0.3)
    lag = 0.2 * 0.7 / 0.3  # sum of f^i i over sum of f^i, in batches
    assert mover[1] == pytest.approx(5.8 - lag, abs=0.4)
    # the rows that are remembered: 40 / (1 - f), and the prior's
    assert follows.mean_precision_.sum() == pytest.approx(40 / 0.3 + 2, rel=1e-3)
    assert "to the power 0.7" in follows.report_.notes[0]


def test_fit_begins_anew():
    X = clusters(5, 30, [0, 0], [9, 9])
    model = model_of().partial_fit(X).partial_fit(X)
    assert model._inference().prior.n_components(Structure.FULL) == 2
    same(model.fit(X).mixture_.parameters, model_of().fit(X).mixture_.parameters, 1e-15)
    assert model.n_batches_ == 1
    assert model._inference().prior.n_components(Structure.FULL) is None


def test_a_posterior_from_a_file(tmp_path):
    X = clusters(6, 30, [0, 0], [9, 9])
    model = model_of().fit(X[:40])
    model.save(tmp_path / "model.json")
    again = BayesianGaussianMixture.load(tmp_path / "model.json")
    with pytest.raises(DataError, match="forget must be 1"):
        again.partial_fit(X[40:], forget=0.9)
    again.set_params(max_iter=1000).partial_fit(X[40:])
    same(again.mixture_.parameters, model.partial_fit(X[40:]).mixture_.parameters, 1e-12)
    assert "posterior that was given" in again.report_.notes[0]


def test_a_file_with_an_estimated_concentration(tmp_path):
    X = clusters(6, 30, [0, 0], [9, 9])
    model = model_of(3, weight_concentration_prior=(1.0, 2.0)).fit(X[:40])
    model.save(tmp_path / "model.json")
    again = BayesianGaussianMixture.load(tmp_path / "model.json").set_params(max_iter=1000)
    with pytest.raises(DataError, match="what it was in the fit"):
        again.partial_fit(X[40:])
    again.set_params(weight_concentration_prior=(1.0, 2.0)).partial_fit(X[40:])
    model.partial_fit(X[40:])
    same(again.mixture_.parameters, model.mixture_.parameters, 1e-12)
    assert again.process_concentration_ == pytest.approx(model.process_concentration_, rel=1e-12)


def test_what_cannot_go_on():
    X = clusters(7, 30, [0, 0], [9, 9])
    for forget in (0, 1.5, "a", None, float("nan")):
        with pytest.raises(DataError, match="forget"):
            model_of().partial_fit(X, forget=forget)
    model = model_of().partial_fit(X)
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :1])
    for change in ({"n_components": 3}, {"covariance_type": "EEE"},
                   {"weight_concentration_prior_type": "dirichlet_distribution"}):  # fmt: skip
        other = model_of().partial_fit(X).set_params(**change)
        with pytest.raises(DataError, match="goes on from the posterior"):
            other.partial_fit(X)
    with pytest.raises(DataError, match="n_samples"):
        model_of(3).partial_fit(X[:2])
    assigned = BayesianGaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [1.0], "spherical")
    with pytest.raises(DataError, match="were assigned"):
        assigned.partial_fit(X)
