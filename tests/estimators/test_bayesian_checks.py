"""scikit-learn's estimator checks of BayesianGaussianMixture, for every kind of posterior."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

import ellimix as em

ONE_COMPONENT = {"check_clustering": "one component cannot tell three blobs apart"}
THREE = {
    "check_sample_weight_equivalence_on_dense_data": (
        "the k-means start draws rows, and draws others from repeated rows than from weighted "
        "ones, as sklearn.cluster.KMeans itself does; from one start the fits are equal: "
        "tests/estimators/test_bayesian_mixture.py"
    ),
    "check_clustering": "of 3 components allowed, the posterior may need fewer for three blobs",
}
ARRAY_API = {"check_array_api_input": "for estimators that take array API namespaces; ours do not"}
# one for each rule of its own: matrices, shared ones, both kinds of gamma, and points
TYPES = ("full", "tied", "diag", "spherical", "EEE", "VVI", "EII", "VEI", "VVE")


def checks():
    for name in TYPES:
        for arguments, failing in (
            ({}, ONE_COMPONENT),
            ({"n_components": 3, "random_state": 0}, THREE),
        ):
            estimator = em.BayesianGaussianMixture(covariance_type=name, **arguments)
            for instance, check in estimator_checks_generator(estimator):
                called = check.func.__name__
                if called in failing or called in ARRAY_API:
                    continue
                k = arguments.get("n_components", 1)
                yield pytest.param(instance, check, id=f"{name}-{k}-{called}")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::ellimix.FitWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_estimator(estimator, check):
    check(estimator)
