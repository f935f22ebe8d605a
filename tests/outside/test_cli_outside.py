"""`ellimix fit` and `ellimix predict` for many files, rows read in every pass, and Dask."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from pyarrow import parquet

import ellimix as em
from commands import refused
from outside_rows import blobs, table

X = blobs(3000)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    for i, part in enumerate(np.array_split(X, 3)):
        year = np.full(len(part), 2019 + i)
        own = table(part).append_column("year", [year])
        parquet.write_table(own, tmp_path / "data" / f"{i}.parquet", row_group_size=400)
    return tmp_path / "data"


BOTH = ("-k", 3, "--covariance", "VII", "--columns", "a,b,c")


def test_files_that_fit_into_memory_are_one_table(cli, folder):
    code, out, err = cli("fit", "data/*.parquet", *BOTH, "--out", "m.json")
    assert (code, err) == (0, "")
    assert "data/*.parquet: 3,000 rows, 3 columns" in out
    assert "Mixture of 3 Gaussian components, spherical" in out
    expected = em.GaussianMixture(3, covariance_type="VII", random_state=0, tol=1e-9).fit(X)
    found = em.load(folder.parent / "m.json")
    np.testing.assert_allclose(found.means, expected.mixture_.by_weight().means, atol=1e-3)


def test_rows_that_are_read_in_every_pass(cli, folder):
    asked = ("fit", "data", *BOTH, "--memory", "0", "--plot", "p.png", "--out", "m.json")
    code, out, err = cli(*asked)
    assert code == 0
    assert re.fullmatch(r"Rows of 3 columns from data .3 files., .*: about \d+ MiB of .*\n", err)
    assert "passes were made over all 3,000 rows" in out.replace("\n", " ").replace("  ", " ")
    assert (folder.parent / "p.png").stat().st_size > 10_000
    code, out, err = cli(*asked[:-4], "--json")
    found = json.loads(out)
    assert set(json.loads(cli("fit", "data", *BOTH, "--json")[1])) - set(found) == {
        "cells", "missing", "reg_covar"
    }  # fmt: skip
    stream = em.rows(folder, columns=["a", "b", "c"], memory=0)
    assert found["n_rows"] == 3000
    mixture = em.load(folder.parent / "m.json")
    assert found["log_likelihood"] == pytest.approx(
        em.GaussianMixture.from_mixture(mixture).score(stream) * 3000
    )


def test_a_filter(cli, folder):
    code, out, _ = cli("fit", "data", *BOTH, "--where", "year >= 2020", "--json")
    assert code == 0
    assert json.loads(out)["n_rows"] == 2000


def test_checkpoints(cli, folder):
    asked = ("fit", "data", *BOTH, "--checkpoint", "run.json")
    code, whole, _ = cli(*asked)
    assert code == 0
    assert (folder.parent / "run.json").exists()
    code, again, _ = cli(*asked, "--resume")
    assert code == 0
    assert [x for x in again.splitlines() if "Log-likelihood" in x] == [
        x for x in whole.splitlines() if "Log-likelihood" in x
    ]
    refused(cli("fit", "data", *BOTH, "--resume"), "--resume needs --checkpoint")


def test_a_file_that_breaks_off_leaves_the_best_fit(cli, folder, monkeypatch):
    seen = []

    def tell(progress):
        if progress.ended and progress.number == 4 and not seen:
            seen.append((folder / "2.parquet").unlink())

    from contextlib import nullcontext

    monkeypatch.setattr("ellimix.cli.outside.pass_bar", lambda: nullcontext(tell))
    result = cli("fit", "data", *BOTH, "--checkpoint", "r.json", "--out", "m.json")
    said = result[2].splitlines()
    refused((*result[:2], said[-1] + "\n"), "2.parquet cannot be read", "best parameters so far")
    assert said[0].startswith("Rows of 3 columns")
    assert em.load(folder.parent / "m.json").n_components == 3


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of Dask with pandas 3.1
def test_on_a_cluster(cli, folder):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as cluster:
        address = cluster.scheduler_address
        asked = ("fit", "data", *BOTH, "--json")
        code, out, _ = cli(*asked, "--engine", "dask", "--scheduler", address)
        assert code == 0
        inside = json.loads(cli(*asked, "--memory", "0")[1])
    found = json.loads(out)
    assert found["log_likelihood"] == pytest.approx(inside["log_likelihood"], rel=1e-9)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--engine", "gpu"), "expected auto, numpy, numba, dask"),
        (("--scheduler", "tcp://x"), "needs --engine dask"),
        (("--engine", "dask", "--where", "a > 1"), "filter the rows with Dask"),
        (("--where", "z > 1"), "names the column 'z'"),
        (("--memory", "much"), "no size in bytes"),
        (("--bayes", "--memory", "0"), "--memory does not go with --bayes"),
    ],
)
def test_options_that_do_not_go_together(cli, folder, options, said):
    refused(cli("fit", "data", *BOTH, *options), said)


def test_nothing_there(cli):
    refused(cli("fit", "no/*.parquet"), "No file is named no/*.parquet")
    refused(cli("fit", "no.csv"), "There is no file no.csv")


def test_predict_many(cli, folder):
    cli("fit", "data", *BOTH, "--out", "m.json")
    code, out, err = cli("predict", "m.json", "data/*.parquet", "--out", "scored")
    assert (code, out, err) == (0, "", "")
    mixture = em.load(folder.parent / "m.json")
    for i, part in enumerate(np.array_split(X, 3)):
        found = parquet.read_table(folder.parent / "scored" / f"{i}.parquet")
        assert np.array_equal(found["label"], mixture.predict(part))
