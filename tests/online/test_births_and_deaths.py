"""Components that a batch brings, and components that fade."""

from __future__ import annotations

import numpy as np
import pytest

import ellimix as em
from ellimix.covariance import parse
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.online.birth import own_parameters, suspicious
from ellimix.online.misfit import judged
from ellimix.sources.memory import MemorySource
from stream_problems import batch, followed

TWO = [[0.0, 0.0], [8.0, 0.0]]
THIRD = [4.0, 9.0]
BOTH = em.Online(birth=True, death=True)
every_family = pytest.mark.parametrize("name", list(em.FAMILIES))


def events(model):
    return [(b.number, b.births, b.deaths) for b in model.stream_.batches if b.births or b.deaths]


def nearest(model, place):
    return float(np.sqrt(((model.means_ - place) ** 2).sum(axis=1)).min())


@every_family
def test_a_new_cluster_is_born_when_it_appears(name):
    rng = np.random.default_rng(0)
    model = em.GaussianMixture(2, covariance_type=name, random_state=0)
    followed([batch(rng, TWO) for _ in range(5)], model, BOTH)
    assert events(model) == []
    followed([batch(rng, [*TWO, THIRD]) for _ in range(15)], model)
    assert events(model) == [(6, (2,), ())]
    assert model.n_components_ == 3
    np.testing.assert_allclose(model.means_[2], THIRD, atol=0.3)
    assert 0.2 < model.weights_[2] < 0.4
    assert model.stream_.drifted
    assert model.stream_.batches[5].misfits > 0.25
    # its rows are a third of the last 15 batches of 20, faded: near a batch fit on those
    fresh = batch(rng, [*TWO, THIRD], 3000)
    fitted = em.GaussianMixture(3, covariance_type=name, random_state=0).fit(fresh)
    assert fitted.score(fresh) - model.score(fresh) < 0.05


def test_a_batch_of_the_new_cluster_alone_leaves_the_old_ones_where_they_are():
    rng = np.random.default_rng(1)
    model = followed([batch(rng, TWO, 400)], online=BOTH)
    before = model.means_
    model.partial_fit(batch(rng, [THIRD], 400))
    assert model.n_components_ == 3
    np.testing.assert_allclose(model.means_[:2], before, atol=1e-6)
    np.testing.assert_allclose(model.means_[2], THIRD, atol=0.2)
    np.testing.assert_allclose(model.weights_[2], model.stream_.batches[1].step)
    assert np.isnan(model.stream_.batches[1].moved).sum() == 0


def test_several_clusters_may_be_born_at_once():
    rng = np.random.default_rng(2)
    model = followed([batch(rng, TWO, 400)], online=BOTH)
    model.partial_fit(batch(rng, [*TWO, [4, 12], [-9, 9]], 800))
    assert events(model) == [(2, (2, 3), ())]
    assert nearest(model, [4, 12]) < 0.4
    assert nearest(model, [-9, 9]) < 0.4


def test_without_births_a_component_is_drawn_away():
    rng = np.random.default_rng(3)
    batches = [batch(rng, TWO) for _ in range(3)] + [batch(rng, [*TWO, THIRD]) for _ in range(5)]
    model = followed(batches)
    assert model.n_components_ == 2
    assert events(model) == []
    assert nearest(model, THIRD) > 1.0


@pytest.mark.parametrize("name", ["EII", "VVI", "EEE", "VVE", "VVV"])
def test_a_component_that_fades_is_let_go(name):
    rng = np.random.default_rng(4)
    how = em.Online(death=True, window=400.0)
    model = em.GaussianMixture(2, covariance_type=name, random_state=0)
    followed([batch(rng, TWO) for _ in range(4)], model, how)
    at = int(np.argmin(model.means_[:, 0]))
    followed([batch(rng, TWO[1:]) for _ in range(25)], model)
    ((number, births, deaths),) = events(model)
    assert (births, deaths) == ((), (at,))
    assert number > 6
    assert model.n_components_ == 1
    assert model.weights_.tolist() == [1.0]
    np.testing.assert_allclose(model.means_[0], TWO[1], atol=0.2)
    went = model.stream_.batches[number - 1].moved
    assert np.isnan(went).tolist() == [k == at for k in range(2)]
    # on how many rows it rested when it went: fewer than it has parameters
    least = own_parameters(MaximumLikelihood(parse(name, 2)), 2, 2)
    before = followed([], model).stream_.batches[number - 2]
    assert before.components == 2
    assert least == {"EII": 3, "VVI": 5, "EEE": 3, "VVE": 5, "VVV": 6}[name]


def test_the_last_component_never_dies():
    rng = np.random.default_rng(5)
    model = em.GaussianMixture(1).partial_fit(batch(rng, [[0, 0]], 50), online=BOTH)
    model.partial_fit(batch(rng, [[0, 0]], 3), online=em.Online(death=True, window=1e9))
    assert model.n_components_ == 1


def test_no_births_in_a_stationary_stream():
    born = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        model = followed([batch(rng, TWO, 150) for _ in range(10)], online=BOTH)
        born += len(events(model))
    assert born <= 1


def test_rows_out_of_range_of_the_old_components_can_be_a_new_one():
    rng = np.random.default_rng(6)
    model = followed([batch(rng, TWO, 300)], online=BOTH)
    model.partial_fit(batch(rng, [*TWO, [1e5, 1e5]], 300))
    assert nearest(model, [1e5, 1e5]) < 1.0


def test_births_beside_noise_and_missing_values():
    rng = np.random.default_rng(7)

    def holed(centers):
        rows = np.concatenate([batch(rng, centers, 300), rng.uniform(-10, 20, (20, 2))])
        rows[rng.random(len(rows)) < 0.1, 1] = np.nan
        return rows

    model = em.GaussianMixture(2, noise=True, random_state=0)
    followed([holed(TWO) for _ in range(3)], model, BOTH)
    model.partial_fit(holed([*TWO, THIRD]))
    assert events(model) == [(4, (2,), ())]
    assert nearest(model, THIRD) < 0.5
    assert model.statistics_.n.size == 4
    assert model.weights_.sum() + model.noise_weight_ == pytest.approx(1.0)
    followed([holed([*TWO, THIRD]) for _ in range(3)], model)
    assert model.n_components_ == 3


def test_order_by_weight_renumbers_what_was_born():
    rng = np.random.default_rng(8)
    model = em.GaussianMixture(2, order="weight", random_state=0)
    followed([batch(rng, TWO, 300, [0.6, 0.4])], model, em.Online(birth=True, decay=1.0))
    followed([batch(rng, [*TWO, THIRD], 300, [0.1, 0.1, 0.8]) for _ in range(6)], model)
    assert np.array_equal(model.weights_, np.sort(model.weights_)[::-1])
    np.testing.assert_allclose(model.means_[0], THIRD, atol=0.3)
    np.testing.assert_allclose(model.statistics_.n / model.statistics_.n.sum(), model.weights_)


def test_labels_and_births_do_not_go_together():
    rng = np.random.default_rng(9)
    model = followed([batch(rng, TWO)])
    with pytest.raises(em.DataError, match="labels or allowed"):
        model.partial_fit(batch(rng, TWO, 10), labels=np.zeros(10, dtype=int), online=BOTH)
    prior = em.GaussianMixture(2, prior="default", random_state=0).partial_fit(batch(rng, TWO))
    with pytest.raises(em.DataError, match="a prior"):
        prior.partial_fit(batch(rng, TWO), online=BOTH)


def test_what_fits_badly_is_what_the_models_own_quantile_says():
    rng = np.random.default_rng(10)
    mixture = em.Mixture.from_parameters([1.0], [[0.0, 0.0]], [1.0], "EII")
    rows = np.concatenate([rng.standard_normal((2000, 2)), np.full((100, 2), 5.0)])
    found = judged(mixture, MemorySource(rows), 1e9, 0.01, 0)
    radius = np.sqrt((rows**2).sum(axis=1))
    limit = np.sqrt(-2.0 * np.log(0.01))  # the 99 % radius of a standard normal pair
    sure = np.abs(radius - limit) > 0.15
    expected = np.flatnonzero((radius > limit) & sure)
    assert set(expected) <= set(found.bad)
    assert set(found.bad) <= set(np.flatnonzero((radius > limit) | ~sure))
    assert found.misfits == pytest.approx(found.bad.size / 2100)
    assert suspicious(found, 6)
    few = judged(mixture, MemorySource(rows[:2000]), 1e9, 0.01, 0)
    assert not suspicious(few, 6)
    assert few.expected == pytest.approx(-np.log(2 * np.pi) - 1.0, abs=0.06)
    weights = np.where(np.arange(2100) < 2000, 1.0, 0.0)
    none = judged(mixture, MemorySource(rows, weights), 1e9, 0.01, 0)
    assert none.fit == pytest.approx(few.fit)
    assert set(none.bad) == set(few.bad)
