"""scikit-learn's GaussianMixture from the same start: iteration by iteration."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Theirs

import ellimix as em

TYPES = ("full", "tied", "diag", "spherical")
ATTRIBUTES = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")


def start(kind: str, k: int, d: int, rng: np.random.Generator) -> dict:
    a = rng.normal(size=(k, d, d)) + 3 * np.eye(d)
    precisions = {
        "full": a @ a.transpose(0, 2, 1),
        "tied": a[0] @ a[0].T,
        "diag": rng.uniform(0.5, 2.0, (k, d)),
        "spherical": rng.uniform(0.5, 2.0, k),
    }[kind]
    return {
        "weights_init": rng.dirichlet(np.full(k, 5.0)),
        "means_init": rng.normal(size=(k, d)),
        "precisions_init": precisions,
    }


def both(X, **arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return em.GaussianMixture(**arguments).fit(X), Theirs(**arguments).fit(X)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("iterations", [1, 2, 3, 10, 50])
@pytest.mark.parametrize(("n", "d", "k"), [(60, 1, 2), (80, 2, 3), (200, 5, 4)])
def test_each_iteration_is_equal(kind, iterations, n, d, k):
    rng = np.random.default_rng(n + d)
    X = rng.normal(size=(n, d)) + 3 * rng.integers(0, 2, (n, 1))
    ours, theirs = both(
        X,
        n_components=k,
        covariance_type=kind,
        tol=0.0,
        max_iter=iterations,
        **start(kind, k, d, rng),
    )
    for name in ATTRIBUTES:
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert mine.shape == other.shape
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-10 * np.abs(other).max())
    np.testing.assert_allclose(ours.lower_bounds_, theirs.lower_bounds_, rtol=1e-10)
    assert ours.n_iter_ == theirs.n_iter_ == iterations
    for method in ("predict_proba", "score_samples", "score", "bic", "aic"):
        np.testing.assert_allclose(
            getattr(ours, method)(X), getattr(theirs, method)(X), rtol=1e-9, atol=1e-10
        )
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


# "tied" from single rows is left out: there scikit-learn's start pools the whole sample's second
# moment over k rows, which is not a covariance of anything; ours is the floor alone, as for "full"
SEEDED = [(t, i) for t in TYPES for i in ("kmeans", "random")]
SEEDED += [(t, i) for t in ("full", "diag", "spherical") for i in ("k-means++", "random_from_data")]


@pytest.mark.parametrize(("kind", "init"), SEEDED)
def test_the_same_seed_gives_the_same_fit(kind, init):
    X, _ = em.datasets.iris()
    # ties between rows, which iris has, are broken by rounding when components are single rows
    X = X + np.random.default_rng(0).normal(scale=0.02, size=X.shape)
    arguments = {"n_components": 3, "covariance_type": kind, "init_params": init, "max_iter": 500}
    ours, theirs = both(X, random_state=1, n_init=2, **arguments)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.converged_ == theirs.converged_
    np.testing.assert_allclose(ours.lower_bound_, theirs.lower_bound_, rtol=1e-10)
    for name in ATTRIBUTES:
        other = getattr(theirs, name)
        np.testing.assert_allclose(
            getattr(ours, name), other, rtol=1e-8, atol=1e-9 * np.abs(other).max()
        )


@pytest.mark.parametrize("kind", TYPES)
def test_warm_start_goes_on_as_theirs(kind):
    X, _ = em.datasets.iris()
    arguments = {"covariance_type": kind, "warm_start": True, "max_iter": 2, "random_state": 0}
    ours, theirs = em.GaussianMixture(3, **arguments), Theirs(3, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(20):
            ours.fit(X)
            theirs.fit(X)
            assert (ours.n_iter_, ours.converged_) == (theirs.n_iter_, theirs.converged_)
            np.testing.assert_allclose(ours.lower_bound_, theirs.lower_bound_, rtol=1e-10)


def test_constructor_has_all_their_parameters_and_defaults():
    theirs, ours = Theirs().get_params(), em.GaussianMixture().get_params()
    assert theirs == {name: ours[name] for name in theirs}


@pytest.mark.parametrize("kind", TYPES)
def test_fitted_attributes_are_theirs(kind):
    X, _ = em.datasets.iris()
    ours, theirs = both(X, n_components=2, covariance_type=kind, random_state=0)
    for name in vars(theirs):
        if name.endswith("_") and not name.startswith("_"):
            assert hasattr(ours, name), name
            assert np.shape(getattr(ours, name)) == np.shape(getattr(theirs, name)), name
