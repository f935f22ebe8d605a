"""Deconvolution against the method's authors' own program and astroML.

The numbers are made by ``make_deconvolution.py``, which stands beside them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ellimix as em
from ellimix.covariance import parse
from ellimix.covariance.base import full
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.inference.base import Parameters
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import Detail
from ellimix.sources.memory import MemorySource

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "deconvolution.json").read_text(encoding="utf-8"))
FILES = {"measured": "deconvolution.csv", "projected": "projected.csv"}
CASES = [(name, steps) for name in FILES for steps in EXPECTED[name]["after"]]
CLOSE = {"rtol": 0.0, "atol": 1e-9}


def problem(name: str) -> tuple[np.ndarray, Detail]:
    table = np.loadtxt(HERE / FILES[name], delimiter=",", skiprows=1)
    errors = table[:, [2, 3, 3, 4]].reshape(-1, 2, 2)
    projections = table[:, 5:].reshape(-1, 2, 3) if name == "projected" else None
    return table[:, :2], Detail(errors=errors, projections=projections)


def parameters(values: dict[str, list]) -> Parameters:
    weights, means, covariances = (
        np.array(values[part]) for part in ("weights", "means", "covariances")
    )
    # `full` names components without spread by their counts: none here
    return Parameters(weights, means, full(covariances, weights * 100.0))


def fit(name: str, steps: int):
    rows, detail = problem(name)
    start = parameters(EXPECTED[name]["start"])
    inference = MaximumLikelihood(parse("VVV", start.means.shape[1]))
    source = MemorySource(rows, detail=detail, threads=1)
    (report,) = run(source, ENGINES["numpy"], [Task(inference, start, 0.0, steps)])
    return report


@pytest.mark.parametrize(("name", "steps"), CASES, ids=str)
def test_parameters_and_likelihood(name, steps):
    expected = EXPECTED[name]["after"][steps]
    mixture = fit(name, int(steps)).mixture
    np.testing.assert_allclose(mixture.weights, expected["weights"], **CLOSE)
    np.testing.assert_allclose(mixture.means, expected["means"], **CLOSE)
    np.testing.assert_allclose(mixture.covariances(), expected["covariances"], **CLOSE)
    loglik = mixture.log_density(*problem(name)).sum()
    assert loglik == pytest.approx(expected["loglik"], rel=1e-12, abs=1e-8)


@pytest.mark.parametrize("name", FILES)
def test_no_step_loses(name):
    report = fit(name, 50)
    assert np.diff(report.trace).min() > 0.0
    rows, detail = problem(name)
    begin = em.Mixture(parameters(EXPECTED[name]["start"]), parse("VVV"))
    assert report.trace[0] == pytest.approx(begin.log_density(rows, detail).mean(), rel=1e-12)


def test_errors_matter():
    """The same points without their errors give another mixture: the test above can fail."""
    rows, _ = problem("measured")
    start = parameters(EXPECTED["measured"]["start"])
    inference = MaximumLikelihood(parse("VVV", 2))
    (report,) = run(MemorySource(rows), ENGINES["numpy"], [Task(inference, start, 0.0, 50)])
    expected = np.array(EXPECTED["measured"]["after"]["50"]["covariances"])
    assert np.trace(report.mixture.covariances().sum(axis=0)) > 1.3 * np.trace(expected.sum(axis=0))
