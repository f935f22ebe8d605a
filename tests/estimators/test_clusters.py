"""The estimator's door to combined components: combine, and predict by cluster."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import ellimix as em

X = em.datasets.faithful()[0]


def fitted(**arguments):
    return em.GaussianMixture(4, random_state=0, **arguments).fit(X)


@pytest.mark.parametrize("rule", ["entropy", "bhattacharyya", "demp", "ridgeline"])
def test_combine_is_the_function_on_the_mixture(rule):
    model = fitted()
    weight = np.random.default_rng(0).uniform(0.5, 2.0, size=len(X))
    tree = model.combine(X, rule=rule, sample_weight=weight)
    assert tree is model.clusters_
    expected = em.combine(model.mixture_, X, rule=rule, weight=weight)
    np.testing.assert_array_equal(tree.merges, expected.merges)
    np.testing.assert_array_equal(tree.values, expected.values)
    assert tree.n_clusters == expected.n_clusters
    assert model.combine(X, rule, threshold=1.0, n_clusters="auto").n_clusters >= tree.n_clusters


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_labels_and_probabilities_by_cluster(dtype):
    rows = X.astype(dtype)
    model = fitted()
    tree = model.combine(rows, n_clusters=2)
    share = model.mixture_.responsibilities(rows)
    labels = tree.labels_of_components()
    expected = np.stack([share[:, labels == c].sum(axis=1) for c in (0, 1)], axis=1)
    found = model.predict_proba(rows, level="cluster")
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-40)
    np.testing.assert_array_equal(model.predict(rows, level="cluster"), expected.argmax(axis=1))
    # and components as ever
    np.testing.assert_array_equal(model.predict(rows), share.argmax(axis=1))
    assert model.predict_proba(rows, level="component").shape == (len(X), 4)
    assert model.transform(rows).shape == (len(X), 4)


def test_clusters_come_from_combine_only():
    model = fitted()
    for method in (model.predict, model.predict_proba):
        with pytest.raises(NotFittedError, match=r"call combine\(X\) after fit"):
            method(X, level="cluster")
        with pytest.raises(ValueError, match="'component' or 'cluster', not 'row'"):
            method(X, level="row")
    with pytest.raises(NotFittedError):
        em.GaussianMixture(2).combine(X)


def test_a_new_fit_drops_the_clusters():
    model = fitted()
    model.combine(X)
    model.fit(X)
    assert not hasattr(model, "clusters_")
    with pytest.raises(NotFittedError, match="combine"):
        model.predict(X, level="cluster")
    model.combine(X)
    assert not hasattr(clone(model), "clusters_")
    model.means_ = model.means_ + 1.0  # other components than were combined
    assert not hasattr(model, "clusters_")


def test_a_saved_model_has_no_clusters(tmp_path):
    model = fitted()
    model.combine(X)
    model.save(tmp_path / "model.json")
    loaded = em.GaussianMixture.load(tmp_path / "model.json")
    assert not hasattr(loaded, "clusters_")
    assert loaded.combine(X).n_clusters == model.clusters_.n_clusters


def test_bad_input():
    model = fitted()
    with pytest.raises(ValueError, match="no rule 'nonsense'"):
        model.combine(X, rule="nonsense")
    with pytest.raises(ValueError, match="features"):
        model.combine(X[:, :1])
    with pytest.raises(ValueError, match="pass one weight a row"):
        model.combine(X, sample_weight=[1.0, 2.0])
    assert not hasattr(model, "clusters_")
