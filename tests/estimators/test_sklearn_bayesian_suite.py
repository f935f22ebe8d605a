"""scikit-learn's own tests of BayesianGaussianMixture, with ours in its place."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn.mixture.tests", reason="scikit-learn was installed without its tests")
from sklearn.mixture.tests import test_bayesian_mixture as theirs

import ellimix as em

# Left out, and why
PRIVATE = {  # they test functions of scikit-learn's module, not the class
    "test_log_dirichlet_norm",
    "test_log_wishart_norm",
    "test_compare_covar_type",  # calls _check_parameters and _initialize_parameters
}


@pytest.fixture(autouse=True)
def ours_in_place_of_theirs(monkeypatch):
    monkeypatch.setattr(theirs, "BayesianGaussianMixture", em.BayesianGaussianMixture)


for _name, _test in vars(theirs).copy().items():
    if _name.startswith("test_") and _name not in PRIVATE:
        globals()[_name] = pytest.mark.filterwarnings(
            "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::ellimix.FitWarning"
        )(_test)
