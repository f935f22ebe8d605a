"""Priors on the command line."""

from __future__ import annotations

import json
import shlex

import pytest

import ellimix as em
from commands import refused
from ellimix import datasets
from ellimix.cli.app import run

FAITHFUL = str(datasets.path("faithful"))


@pytest.fixture
def cli(capsys):
    def call(*words):
        code = run(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_fit_with_the_default_prior(cli, tmp_path):
    where = tmp_path / "model.json"
    code, out, _ = cli("fit", FAITHFUL, "--components", "3", "--covariance", "EEE",
                       "--prior", "default", "--json", "--out", str(where))  # fmt: skip
    assert code == 0
    rows, _ = em.datasets.faithful()
    search = em.select(rows, families="EEE", n_components=3, prior="default")
    assert json.loads(out)["bic"] == pytest.approx(search.bic(rows), abs=1e-3)
    written = em.load(where)
    assert written.log_density(rows).sum() == pytest.approx(search.score(rows) * 272, abs=1e-3)


def test_select_with_it_prints_the_command_that_fits_the_model(cli):
    code, out, _ = cli("select", FAITHFUL, "--families", "EEE", "--components", "2-4",
                       "--prior", "default", "--json")  # fmt: skip
    assert code == 0
    found = json.loads(out)
    words = shlex.split(found["command"])
    assert words[-2:] == ["--prior", "default"]
    code, out, _ = cli(*words[1:], "--json")
    assert code == 0
    assert json.loads(out)["bic"] == pytest.approx(found["best"]["bic"], abs=1e-3)


@pytest.mark.parametrize("command", ["fit", "select"])
def test_other_words_are_refused(cli, command):
    refused(cli(command, FAITHFUL, "--prior", "flat"), "--prior is 'flat'", "none or default")
