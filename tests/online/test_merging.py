"""em.merge: sums that add."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import ellimix as em
from ellimix.online.merging import assigned, bhattacharyya
from stream_problems import batch

THREE = [[0.0, 0.0], [8.0, 0.0], [4.0, 9.0]]
every_family = pytest.mark.parametrize("name", list(em.FAMILIES))


def rows_of(seed, n=300, centers=THREE, weights=None):
    return batch(np.random.default_rng(seed), centers, n, weights)


def fitted(rows, k=3, name="full", **arguments):
    return em.GaussianMixture(k, covariance_type=name, random_state=0, **arguments).fit(rows)


@every_family
def test_one_em_iteration_where_the_e_steps_were_made_under_one_model(name):
    """Federated: exact."""
    one, other = rows_of(0, 200), rows_of(1, 350)
    weight = np.random.default_rng(2).uniform(0.5, 2.0, 350)
    common = fitted(one, name=name, max_iter=3, tol=1e2)
    both = em.merge(
        common.statistics(one), common.statistics(other, sample_weight=weight),
        match="order", covariance_type=name,
    )  # fmt: skip
    again = em.GaussianMixture(
        3, covariance_type=name, max_iter=1, weights_init=common.weights_,
        means_init=common.means_, precisions_init=common.precisions_,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        again.fit(np.concatenate([one, other]), sample_weight=np.append(np.ones(200), weight))
    iterated = name in ("VEI", "VEE", "VEV", "EVE", "VVE")
    tolerance = 1e-6 if iterated else 1e-11  # these search, from where the model before was
    np.testing.assert_allclose(both.weights_, again.weights_, rtol=1e-12)
    np.testing.assert_allclose(both.means_, again.means_, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(
        both.covariances_, again.covariances_, rtol=tolerance, atol=tolerance
    )
    assert both.covariance_type_ == name
    assert both.statistics_.weight == pytest.approx(200 + weight.sum())


@every_family
def test_models_that_were_fitted_apart_make_nearly_the_pooled_fit(name):
    one, other = rows_of(3, 900), rows_of(4, 300, weights=[0.6, 0.3, 0.1])
    parts = fitted(one, name=name), fitted(other, name=name)
    both = em.merge(*parts)
    everything = np.concatenate([one, other])
    pooled = fitted(everything, name=name, tol=1e-9)
    assert pooled.score(everything) - both.score(everything) < 2e-3
    order = assigned(pooled.mixture_, both.mixture_, np.inf)
    np.testing.assert_allclose(both.weights_, pooled.weights_[order], atol=5e-3)
    np.testing.assert_allclose(both.means_, pooled.means_[order], atol=0.03)
    assert both.statistics_.weight == pytest.approx(1200.0)
    assert both.n_batches_ == 2


def test_the_order_of_components_does_not_matter_to_a_match():
    one, other = fitted(rows_of(5)), fitted(rows_of(6))
    both = em.merge(one, other)
    for order in itertools.permutations(range(3)):
        turned = em.GaussianMixture.from_mixture(other.mixture_.ordered(np.array(order)))
        again = em.merge(one, turned, rows=[None, 300.0])
        np.testing.assert_allclose(again.means_, both.means_, rtol=1e-12)
        np.testing.assert_allclose(again.covariances_, both.covariances_, rtol=1e-10, atol=1e-12)


def test_distances_are_those_of_the_formula():
    one, other = fitted(rows_of(7), 2), fitted(rows_of(8), 3)
    found = bhattacharyya(one.mixture_, other.mixture_)
    for a, b in itertools.product(range(2), range(3)):
        s, t = one.covariances_[a], other.covariances_[b]
        away = one.means_[a] - other.means_[b]
        middle = (s + t) / 2
        expected = away @ np.linalg.inv(middle) @ away / 8
        expected += 0.5 * np.log(
            np.linalg.det(middle) / np.sqrt(np.linalg.det(s) * np.linalg.det(t))
        )
        np.testing.assert_allclose(found[a, b], expected)
    np.testing.assert_allclose(
        np.diagonal(bhattacharyya(one.mixture_, one.mixture_)), 0.0, atol=1e-12
    )


def test_components_that_are_left_over_stay_on_their_own():
    one, other = fitted(rows_of(9, centers=THREE[:2]), 2), fitted(rows_of(10), 3)
    both = em.merge(one, other)
    assert both.n_components_ == 3
    np.testing.assert_allclose(both.means_[2], THREE[2], atol=0.3)
    np.testing.assert_allclose(both.weights_.sum(), 1.0)
    swapped = em.merge(other, one)
    assert swapped.n_components_ == 3
    third = int(np.argmax(swapped.means_[:, 1]))
    np.testing.assert_allclose(swapped.means_[third], both.means_[2], rtol=1e-9)


def test_pairs_that_are_far_apart_stay_two():
    one, other = (
        fitted(rows_of(11, centers=THREE[:2]), 2),
        fitted(rows_of(12, centers=THREE[1:]), 2),
    )
    assert em.merge(one, other).n_components_ == 2
    both = em.merge(one, other, max_distance=2.0)
    assert both.n_components_ == 3
    by_place = both.means_[np.argsort(both.means_[:, 0])]
    np.testing.assert_allclose(by_place, [THREE[0], THREE[2], THREE[1]], atol=0.35)
    beside = em.merge(one, other, match="concatenate")
    assert beside.n_components_ == 4
    np.testing.assert_allclose(beside.weights_, np.concatenate([one.weights_, other.weights_]) / 2)
    np.testing.assert_allclose(beside.covariances_[2:], other.covariances_, rtol=1e-9)


def test_three_at_once_and_one_alone():
    parts = [fitted(rows_of(seed)) for seed in (13, 14, 15)]
    three = em.merge(*parts)
    stepwise = em.merge(em.merge(*parts[:2]), parts[2])
    np.testing.assert_allclose(three.means_, stepwise.means_, rtol=1e-10)
    alone = em.merge(parts[0])
    np.testing.assert_allclose(alone.means_, parts[0].means_, rtol=1e-12)
    np.testing.assert_allclose(alone.covariances_, parts[0].covariances_, rtol=1e-10)


def test_mixtures_from_files_stand_for_the_rows_that_are_told(tmp_path):
    rows = rows_of(16, 500)
    model = fitted(rows)
    em.save(model.mixture_, tmp_path / "model.json")
    read = em.load(tmp_path / "model.json")
    other = fitted(rows_of(17))
    np.testing.assert_allclose(
        em.merge(read, other, rows=[500, None]).means_, em.merge(model, other).means_, rtol=1e-12
    )
    with pytest.raises(em.DataError, match="on how many rows"):
        em.merge(read, other)


def test_a_merged_model_goes_on_with_partial_fit():
    both = em.merge(fitted(rows_of(18)), fitted(rows_of(19)))
    seen = both.n_seen_
    both.partial_fit(rows_of(20), online=em.Online(decay=1.0))
    assert both.n_seen_ == seen + 300
    assert both.n_batches_ == 3
    assert both.stream_.batches[-1].step == pytest.approx(1 / 3)
    assert abs(both.stream_.batches[-1].z) < 4


def test_sums_far_from_0_merge_without_loss():
    near = [rows_of(seed) for seed in (21, 22)]
    close = em.merge(*(fitted(rows) for rows in near))
    far = em.merge(*(fitted(rows + 1e6) for rows in near))
    order = assigned(close.mixture_, em.Mixture.from_parameters(
        far.weights_, far.means_ - 1e6, far.covariances_), np.inf)  # fmt: skip
    np.testing.assert_allclose(far.covariances_, close.covariances_[order], rtol=1e-6, atol=1e-7)


def test_what_does_not_go_together_is_refused():
    model = fitted(rows_of(23))
    with pytest.raises(em.DataError, match="nothing to merge"):
        em.merge()
    with pytest.raises(em.DataError, match="match is 'best'"):
        em.merge(model, model, match="best")
    with pytest.raises(em.DataError, match="do not merge"):
        em.merge(model, fitted(rows_of(24), name="tied"))
    with pytest.raises(em.DataError, match="1, 2 features"):
        em.merge(model, fitted(rows_of(24)[:, :1]))
    with pytest.raises(em.DataError, match='match="order"'):
        em.merge(model, fitted(rows_of(24), 2), match="order")
    with pytest.raises(em.DataError, match="goes with"):
        em.merge(model, model, match="order", max_distance=1.0)
    with pytest.raises(em.DataError, match="positive numbers"):
        em.merge(model, model, rows=[-1, None])
    with pytest.raises(em.DataError, match="rows has 1 entries"):
        em.merge(model, model, rows=[1])
    with pytest.raises(em.DataError, match="pass covariance_type"):
        em.merge(model.statistics_)
    with pytest.raises(em.DataError, match="second moment"):
        em.merge(model.statistics_, covariance_type="diag")
    with pytest.raises(em.DataError, match="list cannot be merged"):
        em.merge(model, [1, 2])
    with pytest.raises(em.DataError, match="noise"):
        em.merge(model, fitted(rows_of(24), noise=True))
    with pytest.raises(AttributeError, match="not fitted"):
        em.merge(em.GaussianMixture(2))


def test_names_of_columns_are_kept_and_compared():
    pd = pytest.importorskip("pandas")
    named = [pd.DataFrame(rows_of(seed), columns=["a", "b"]) for seed in (25, 26)]
    both = em.merge(*(fitted(table) for table in named))
    assert both.mixture_.feature_names == ("a", "b")
    assert list(both.feature_names_in_) == ["a", "b"]
    with pytest.raises(em.DataError, match="different names"):
        em.merge(fitted(named[0]), fitted(named[1].rename(columns={"a": "c"})))
