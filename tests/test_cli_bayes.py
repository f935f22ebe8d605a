"""``ellimix fit --bayes``: a posterior on the command line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import ellimix as em
from commands import refused

FAITHFUL = em.datasets.faithful()[0]


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "faithful.csv"
    pd.DataFrame(FAITHFUL, columns=["eruptions", "waiting"]).to_csv(path, index=False)
    return path


def test_components_without_rows_let_go(cli, data, tmp_path):
    out = tmp_path / "model.json"
    code, text, _ = cli("fit", data, "--bayes", "--out", out)
    assert code == 0
    assert "at most 10 Gaussian components" in text
    assert "2 components with rows" in text
    assert "90 % credible intervals" in text
    mixture = em.load(out)
    assert mixture.feature_names == ("eruptions", "waiting")
    own = em.BayesianGaussianMixture(n_components=10, max_iter=2000, random_state=0).fit(FAITHFUL)
    np.testing.assert_array_equal(mixture.means, own.means_)
    code, labels, _ = cli("predict", out, data)
    assert code == 0
    shown = [int(line.split(",")[0]) for line in labels.splitlines()[1:]]
    np.testing.assert_array_equal(shown, own.predict(FAITHFUL))


def test_json_has_intervals(cli, data):
    code, text, _ = cli("fit", data, "--bayes", "--json", "--concentration", "1e-3")
    found = json.loads(text)
    assert code == 0
    assert found["n_components_effective"] == len(found["components"]) == 2
    assert found["concentration"] == 1e-3
    for part in found["components"]:
        low, high = part["weight_interval"]
        assert low < part["weight"] < high
        for mean, (least, most) in zip(part["mean"], part["mean_interval"], strict=True):
            assert least < mean < most


def test_a_point_estimate_has_no_interval(cli, data):
    code, text, _ = cli("fit", data, "--bayes", "--json", "--covariance", "VEV")
    assert code == 0
    for part in json.loads(text)["components"]:
        assert part["mean_interval"] == [[None, None], [None, None]]


def test_holes_and_a_picture(cli, tmp_path):
    rows = FAITHFUL.copy()
    rows[::7, 1] = np.nan
    path, picture = tmp_path / "holes.csv", tmp_path / "picture.png"
    pd.DataFrame(rows, columns=["a", "b"]).to_csv(path, index=False)
    code, text, _ = cli("fit", path, "--bayes", "--plot", picture)
    assert code == 0
    assert "missing at random" in text
    assert picture.stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--bayes", "--noise"), "--noise does not go with --bayes"),
        (("--bayes", "--prior", "default"), "--prior does not go with --bayes"),
        (("--concentration", "1"), "it needs --bayes"),
        (("--bayes", "--concentration", "0"), "must be above 0"),
        (("--bayes", "--components", "0"), "at least 1"),
        (("--bayes", "--components", "1000"), "need as many rows"),
        (("--bayes", "--covariance", "XYZ"), "XYZ"),
    ],
)
def test_refusals(cli, data, options, words):
    refused(cli("fit", data, *options), words)
