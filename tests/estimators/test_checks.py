"""scikit-learn's estimator checks, for every family."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

import ellimix as em

ONE_COMPONENT = {"check_clustering": "one component cannot tell three blobs apart"}
THREE = {
    "check_sample_weight_equivalence_on_dense_data": (
        "the k-means start draws rows, and draws others from repeated rows than from weighted "
        "ones, as sklearn.cluster.KMeans itself does; from one start the fits are equal: "
        "tests/properties"
    ),
}
ARRAY_API = {"check_array_api_input": "for estimators that take array API namespaces; ours do not"}


def checks():
    for family in em.FAMILIES:
        for arguments, failing in (
            ({}, ONE_COMPONENT),
            ({"n_components": 3, "random_state": 0}, THREE),
        ):
            estimator = em.GaussianMixture(covariance_type=family, **arguments)
            for instance, check in estimator_checks_generator(estimator):
                name = check.func.__name__
                if name in failing or name in ARRAY_API:
                    continue
                k = arguments.get("n_components", 1)
                yield pytest.param(instance, check, id=f"{family}-{k}-{name}")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::ellimix.FitWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_estimator(estimator, check):
    check(estimator)
