"""R mclust 6.0.0 with its default prior: parameters at convergence, and the models it chooses.

The numbers are made by ``make_mclust_prior.R``, which stands beside them. For VII, VVI, EEE and VVV
its M-step is the exact one. In the other families its steps take the scale for each component and
fewer degrees of freedom, once for all components or none at all, so that its fits are the modes
under other pseudo-data, which are given here. EII and EEI are left out, whose steps are no modes:
with the means that mclust 6.0.0 reports the first leaves the scale out, and the second shrinks no
means but counts their scatter.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import ellimix as em
from ellimix.covariance import FAMILIES
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.inference.posterior import MaximumAPosteriori
from ellimix.inference.pseudo_data import pseudo_data
from ellimix.selection.spread import spread_of
from ellimix.sources.memory import MemorySource
from ellimix.starts import Beginning, Given

HERE = Path(__file__).parent
EXACT = ("VII", "VVI", "EEE", "VVV")


def read(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def cell(row: dict[str, str]) -> str:
    return "-".join((row["data"], row["model"], row["shrinkage"]))


ROWS, BEST = read("mclust_prior.csv"), read("mclust_prior_bic.csv")


@cache
def problem(name: str) -> tuple[np.ndarray, np.ndarray]:
    if name == "faithful_eq":
        rows, _ = em.datasets.faithful()
        return rows, (rows[:, 0] > 3).astype(int)
    if name == "iris":
        rows, _ = em.datasets.iris()
    else:
        rows = np.genfromtxt(HERE / f"{name}.csv", delimiter=",", skip_header=1)
    words = (HERE / f"{name}_class.csv").read_text(encoding="utf-8").split()[1:]
    return rows, np.unique(words, return_inverse=True)[1]


def powers_of_mclust(family: str, k: int, d: int, shrunk: bool) -> float:
    """What mclust adds to each component's count in the M-step of the covariances."""
    nu = d + 2
    return {
        "EVI": (nu + 1 + shrunk) / k,
        "EEV": (nu + d + 1 + shrunk) / k,
        "VEV": 0.0,
        "VVV": nu + d + 2,  # also without a prior on the means
    }[family]


def pseudo_of_mclust(family: str, k: int, rows: np.ndarray, shrinkage: float):
    d = rows.shape[1]
    source = MemorySource(rows)
    prior = em.Prior(shrinkage=shrinkage)
    ours = pseudo_data(
        prior, FAMILIES[family], k, d, False, lambda: spread_of(source, ENGINES["numpy"])
    )
    if family in EXACT and not (family == "VVV" and shrinkage == 0.0):
        return ours
    shrunk = shrinkage > 0.0
    counts = np.full(k, powers_of_mclust(family, k, d, shrunk) - shrunk)
    return replace(ours, counts=counts)


def fit(row: dict[str, str]):
    rows, labels = problem(row["data"])
    k, source, engine = int(labels.max()) + 1, MemorySource(rows), ENGINES["numpy"]
    pseudo = pseudo_of_mclust(row["model"], k, rows, float(row["shrinkage"]))
    inference = MaximumAPosteriori(FAMILIES[row["model"]], pseudo)
    start = Given(labels).statistics(
        Beginning(source, engine, k, inference.moment, 0.0, np.random.RandomState(0))
    )
    (report,) = run(source, engine, [Task(inference, start, 1e-14, 5000)])
    return report


def numbers(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=float)


@pytest.mark.parametrize("row", ROWS, ids=cell)
def test_converged_parameters_are_mclusts(row):
    rows, labels = problem(row["data"])
    k, d = int(labels.max()) + 1, rows.shape[1]
    report = fit(row)
    mixture, scale = report.mixture, rows.std(axis=0)
    assert report.status is em.Status.CONVERGED
    assert np.diff(report.trace).min() > -1e-12
    np.testing.assert_allclose(mixture.weights, numbers(row["weights"]), atol=1e-6)
    means = numbers(row["means"]).reshape(k, d)
    np.testing.assert_allclose(mixture.means / scale, means / scale, atol=1e-6)
    expected = numbers(row["sigma"]).reshape(k, d, d) / np.outer(scale, scale)
    found = mixture.covariances() / np.outer(scale, scale)
    np.testing.assert_allclose(found, expected, atol=1e-6)


SAME = [r for r in ROWS if r["model"] in EXACT and (r["model"], r["shrinkage"]) != ("VVV", "0")]


@pytest.mark.parametrize("row", SAME, ids=cell)
def test_the_estimator_is_the_same_where_mclusts_step_is_exact(row):
    rows, labels = problem(row["data"])
    prior = "default" if row["shrinkage"] == "0.01" else em.Prior(shrinkage=0.0)
    model = em.GaussianMixture(
        int(labels.max()) + 1,
        covariance_type=row["model"],
        prior=prior,
        init_params=labels,
        reg_covar=0.0,
        tol=1e-13,
        max_iter=5000,
    ).fit(rows)
    assert model.score(rows) * len(rows) == pytest.approx(float(row["loglik"]), abs=1e-4)
    scale = rows.std(axis=0)
    means = numbers(row["means"]).reshape(model.means_.shape)
    np.testing.assert_allclose(model.means_ / scale, means / scale, atol=1e-5)


@pytest.mark.parametrize("row", BEST, ids=lambda r: r["data"])
def test_chosen_models_reach_mclusts_bic(row):
    """mclust's sign: larger is better. Ours are minus what `bic` gives."""
    rows, _ = problem(row["data"])
    model = em.GaussianMixture(
        int(row["G"]),
        covariance_type=row["model"],
        prior="default",
        init_params="hierarchical",
        reg_covar=0.0,
        tol=1e-9,
        max_iter=3000,
    ).fit(rows)
    assert -model.bic(rows) > float(row["bic"]) - 0.01


def test_the_defaults_are_mclusts():
    """``defaultPrior(iris[, 1:4], G = 3, modelName = ...)``."""
    rows, _ = em.datasets.iris()

    def made(family: str):
        source = MemorySource(rows)
        return pseudo_data(
            em.Prior(), FAMILIES[family], 3, 4, False, lambda: spread_of(source, ENGINES["numpy"])
        )

    full, spherical = made("VVV"), made("VII")
    np.testing.assert_array_equal(full.shrinkage, 0.01)
    np.testing.assert_allclose(full.mean[0], [5.843333, 3.057333, 3.758000, 1.199333], atol=1e-6)
    np.testing.assert_allclose(full.counts, 6 + 4 + 1)
    np.testing.assert_allclose(full.scatter[0, 0, :2], [0.39588533, -0.02449928], atol=1e-8)
    np.testing.assert_allclose(spherical.scatter.sum(axis=1), 0.6600495, atol=1e-7)
    np.testing.assert_allclose(spherical.counts * 4, 6 + 2)
