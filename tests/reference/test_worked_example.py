"""A published example: five points, one E-step, one M-step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ellimix as em

EXAMPLE = json.loads((Path(__file__).parent / "worked_example.json").read_text(encoding="utf-8"))
DIGITS = 5.1e-9  # half a unit of the last digit printed


def test_e_step():
    mixture = em.Mixture.from_parameters([0.5, 0.5], EXAMPLE["means"], EXAMPLE["covariances"])
    responsibilities = mixture.responsibilities(np.array(EXAMPLE["points"], dtype=float))
    np.testing.assert_allclose(responsibilities, EXAMPLE["responsibilities"], rtol=0, atol=DIGITS)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_m_step():
    model = em.GaussianMixture(
        2,
        weights_init=[0.5, 0.5],
        means_init=EXAMPLE["means"],
        precisions_init=np.linalg.inv(EXAMPLE["covariances"]),
        reg_covar=0.0,
        max_iter=1,
    ).fit(np.array(EXAMPLE["points"], dtype=float))
    updated = EXAMPLE["updated"]
    np.testing.assert_allclose(model.weights_, updated["weights"], rtol=0, atol=DIGITS)
    np.testing.assert_allclose(model.means_, updated["means"], rtol=0, atol=DIGITS)
    np.testing.assert_allclose(model.covariances_, updated["covariances"], rtol=0, atol=DIGITS)
