"""scikit-learn's own tests of GaussianMixture, with ours in its place."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn.mixture.tests", reason="scikit-learn was installed without its tests")
from sklearn.mixture.tests import test_gaussian_mixture as theirs

import ellimix as em

# Left out, and why
PRIVATE = {  # they test functions of scikit-learn's module, not the class
    "test_suffstat_sk_full",
    "test_suffstat_sk_tied",
    "test_suffstat_sk_diag",
    "test_gaussian_suffstat_sk_spherical",
    "test_compute_log_det_cholesky",
    "test_gaussian_mixture_log_probabilities",
    "test_gaussian_mixture_precisions_init_diag",
    "test_gaussian_mixture_precisions_init",  # calls _initialize and _set_parameters
    "test_gaussian_mixture_all_init_does_not_estimate_gaussian_parameters",
}
WORDS = {  # they compare error messages word by word; ours say more, see test_gaussian_mixture.py
    "test_check_weights",
    "test_check_means",
    "test_check_precisions",
    "test_gaussian_mixture_fit_convergence_warning",
    "test_regularisation",
}
ARRAY_API = {  # array API namespaces are not accepted
    "test_gaussian_mixture_array_api_compliance",
    "test_gaussian_mixture_raises_where_array_api_not_implemented",
}


@pytest.fixture(autouse=True)
def ours_in_place_of_theirs(monkeypatch):
    monkeypatch.setattr(theirs, "GaussianMixture", em.GaussianMixture)


# float64 only: with float32 rows their test_score compares float32 sums, and our score is float64
@pytest.fixture
def global_dtype():
    return np.float64


@pytest.fixture(params=[0, 1, 2])
def global_random_seed(request):
    return request.param


for _name, _test in vars(theirs).copy().items():
    if _name.startswith("test_") and _name not in PRIVATE | WORDS | ARRAY_API:
        globals()[_name] = pytest.mark.filterwarnings(
            "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::ellimix.FitWarning"
        )(_test)
