"""Files with missing values, and noise, on the command line."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

import ellimix as em
from commands import refused
from ellimix.cli.choice import Asked
from ellimix.sources.tables import read_table

IRIS, NAMES = em.datasets.iris()
FAITHFUL = em.datasets.faithful()[0]
EEE = ("--components", 2, "--covariance", "EEE")


def holed(rows=FAITHFUL):
    """Rows with missing values in all columns; rows 4 and 40 are all missing."""
    out = rows.copy()
    out[2::10, 1] = np.nan
    out[5::15, 0] = np.nan
    out[[4, 40]] = np.nan
    return out


def frame(rows=None):
    return pd.DataFrame(holed() if rows is None else rows, columns=["eruptions", "waiting"])


@pytest.fixture
def cluttered(tmp_path):
    """Old Faithful with 30 points that belong to no group, as clutter.csv."""
    points = np.random.default_rng(3).uniform([0.0, 20.0], [9.0, 140.0], size=(30, 2))
    rows = np.concatenate([FAITHFUL, points])
    rows[::11, 1] = np.nan
    frame(rows).to_csv(tmp_path / "clutter.csv", index=False)
    return rows


def test_what_is_left_out_is_said(cli, tmp_path):
    lines = ["name,a,b,c,d"] + [f"n{i},{a},{b},{c}," for i, (a, b, c, _) in enumerate(IRIS)]
    lines[3] = "n2,4.7,,1.3,"
    lines[9] = "n8,4.4,NA,1.4,"
    lines[20] = "n19,,null,?,"
    (tmp_path / "x.csv").write_text("\n".join(lines), encoding="utf-8")
    _, out, _ = cli("fit", "x.csv", "--components", 2, "--covariance", "VVI")
    assert "149 rows, 3 columns" in out
    assert "0.4% of the cells are missing (all in b), taken as missing at random" in out
    assert "Left out the column(s) name, which do not hold numbers. To keep one," in out
    assert "Left out the column(s) d, in which every value is missing." in out
    assert "Left out 1 of 150 rows, with nothing observed in a, b, c." in out
    options = ("--columns", "a,c", "--components", 2, "--covariance", "VVI", "--json")
    found = json.loads(cli("fit", "x.csv", *options)[1])
    assert found["n_rows"] == 149
    assert found["missing"] == {"a": 0.0, "c": 0.0}
    assert [note for note in found["notes"] if "missing" in note] == []


def test_fit_counts_rows_with_holes(cli, tmp_path):
    frame().to_csv(tmp_path / "x.csv", index=False)
    code, out, err = cli("fit", "x.csv", *EEE, "--out", "m.json")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    rows = holed()[~np.isnan(holed()).all(axis=1)]
    shares = np.isnan(rows).mean(axis=0)
    assert ["waiting", str(np.isnan(rows[:, 1]).sum()), f"{shares[1]:.1%}"] in lines
    assert ["eruptions", str(np.isnan(rows[:, 0]).sum()), f"{shares[0]:.1%}"] in lines
    assert "taken as missing at random" in out
    found = json.loads(cli("fit", "x.csv", *EEE, "--json")[1])
    assert found["missing"] == dict(zip(("eruptions", "waiting"), shares, strict=True))
    assert found["n_rows"] == len(rows) == 270
    assert found["noise"] is None
    assert sum("missing at random" in note for note in found["notes"]) == 1
    model = em.GaussianMixture.load(tmp_path / "m.json")
    table = frame(rows)
    np.testing.assert_allclose(model.score_samples(table).sum(), found["log_likelihood"])
    np.testing.assert_allclose(model.bic(table), found["bic"])
    # and the likelihood is at its maximum: no fit from elsewhere is above it
    other = em.GaussianMixture(2, covariance_type="EEE", tol=1e-9, max_iter=2000, reg_covar=0.0)
    assert other.fit(table).score_samples(table).sum() <= found["log_likelihood"] + 1e-5


def test_rows_without_a_weight_are_left_out(cli, tmp_path):
    table = frame()
    table["w"] = np.random.default_rng(0).integers(0, 3, len(table)).astype(float)
    table.loc[10:13, "w"] = np.nan
    table.to_csv(tmp_path / "x.csv", index=False)
    code, out, _ = cli("select", "x.csv", "--weights", "w", "--families", "EEE", "--components", 2)
    known = table.w.notna() & table.eruptions.combine_first(table.waiting).notna()
    assert code == 0
    assert "x.csv: 266 rows" in out
    assert f"n in BIC: {table.w[known].sum():g}, the sum of the weights of rows" in out
    assert "Left out 4 of 272 rows, without a weight in 'w'." in out
    assert "Left out 2 of 272 rows, with nothing observed in eruptions, waiting." in out
    shares = frame()[known].isna().mean()
    assert (
        f"Note: {shares.mean():.1%} of the cells are missing (waiting {shares.waiting:.1%}, "
        f"eruptions {shares.eruptions:.1%})"
    ) in out


def test_n_is_said_where_it_is_not_the_number_of_rows():
    weighted = em.select(FAITHFUL, families="EEE", n_components=2, sample_weight=np.full(272, 0.5))
    assert "n in BIC: 136, the sum of the weights" in str(weighted.compare())
    assert "n in AIC" not in str(weighted.compare(criterion="aic"))
    plain = em.select(FAITHFUL, families="EEE", n_components=2)
    assert "n in BIC" not in str(plain.compare())


def test_infinite_values_are_refused(cli, tmp_path):
    rows = FAITHFUL.copy()
    rows[7, 1] = np.inf
    np.save(tmp_path / "x.npy", rows)
    frame(rows).to_csv(tmp_path / "x.csv", index=False)
    for name, column in (("x.npy", "x1"), ("x.csv", "waiting")):
        refused(cli("fit", name, *EEE), f"1 infinite value(s) in '{column}'")
    assert cli("fit", "x.csv", "--columns", "eruptions", "--components", 2, "--json")[0] == 0
    refused(
        cli("fit", "x.csv", "--columns", "eruptions", "--weights", "waiting"), "infinite value(s)"
    )


def test_columns_without_a_value(cli, tmp_path):
    rows = np.column_stack([FAITHFUL, np.full(272, np.nan)])
    np.save(tmp_path / "x.npy", rows)
    found = json.loads(cli("fit", "x.npy", *EEE, "--json", "--out", "m.json")[1])
    assert found["feature_names"] == ["x0", "x1"]
    assert "Left out the column(s) x2, in which every value is missing." in found["notes"]
    refused(cli("fit", "x.npy", "--columns", "x0,x2"), "Every value in the column 'x2'")
    # to a fitted model such a column is one more that is missing
    (tmp_path / "new.csv").write_text("x1,x0\n80,\n55,\n", encoding="utf-8")
    lines = cli("predict", "m.json", "new.csv")[1].splitlines()
    model = em.load(tmp_path / "m.json")
    rows = np.array([[np.nan, 80.0], [np.nan, 55.0]])
    assert [int(line.split(",")[0]) for line in lines[1:]] == model.predict(rows).tolist()
    np.testing.assert_allclose(
        [float(line.split(",")[-1]) for line in lines[1:]], model.log_density(rows), rtol=1e-12
    )


def test_predict(cli, tmp_path):
    cli(
        "fit", em.datasets.path("iris"), "--components", 3, "--covariance", "EEE", "--out", "m.json"
    )
    text = em.datasets.path("iris").read_text(encoding="utf-8").splitlines()
    text[2] = ",,,"
    text[3] = "4.7,,1.3,"
    header = "species," + text[0]
    (tmp_path / "new.csv").write_text(
        "\n".join([header, *("x," + line for line in text[1:])]), encoding="utf-8"
    )
    code, out, err = cli("predict", "m.json", "new.csv", "--out", "labels.csv")
    assert (code, out) == (0, "")
    assert err == "1 row(s) with nothing observed have empty cells.\n"
    lines = (tmp_path / "labels.csv").read_text(encoding="utf-8").splitlines()
    names = ["label", "responsibility_0", "responsibility_1", "responsibility_2", "log_density"]
    assert lines[0].split(",") == names
    assert lines[2] == ",,,,"
    values = np.array([[float(x) for x in line.split(",")] for line in lines[3:]])
    mixture, rows = em.load(tmp_path / "m.json"), IRIS[2:].copy()
    rows[0, [1, 3]] = np.nan
    np.testing.assert_array_equal(values[:, 0], mixture.predict(rows))
    np.testing.assert_allclose(values[:, 1:4], mixture.responsibilities(rows), rtol=1e-10)
    np.testing.assert_allclose(values[:, 4], mixture.log_density(rows), rtol=1e-12)
    # what is observed of the row has the density of the mixture of those columns
    small = em.Mixture.from_parameters(
        mixture.weights, mixture.means[:, [0, 2]],
        mixture.covariances()[:, [0, 2]][:, :, [0, 2]],
    )  # fmt: skip
    np.testing.assert_allclose(values[0, 4], small.log_density(rows[:1, [0, 2]])[0])
    shown = cli("predict", "m.json", "new.csv")[1].splitlines()
    assert shown[:1] + shown[2:3] == [lines[0], lines[2]]
    again = np.array([[float(x) for x in line.split(",")] for line in shown[3:]])
    np.testing.assert_array_equal(again, values)


def test_noise(cli, tmp_path, cluttered):
    code, out, err = cli(
        "fit", "clutter.csv", *EEE, "--noise", "--out", "m.json", "--plot", "p.png"
    )
    assert (code, err) == (0, "")
    assert "Mixture of 2 Gaussian components and noise, ellipsoidal" in out
    found = json.loads(cli("fit", "clutter.csv", *EEE, "--noise", "--json")[1])
    noise = found["noise"]
    last = next(line.split() for line in out.splitlines() if line.startswith("noise"))
    assert last == ["noise", f"{noise['weight']:.3f}", f"{noise['count']:.1f}"]
    assert 0.04 < noise["weight"] < 0.2
    assert noise["count"] == pytest.approx(302 * noise["weight"])
    assert sum(c["weight"] for c in found["components"]) + noise["weight"] == pytest.approx(1.0)
    mixture = em.load(tmp_path / "m.json")
    assert found["n_parameters"] == mixture.n_parameters == 9
    lines = [line.split(",") for line in cli("predict", "m.json", "clutter.csv")[1].splitlines()]
    assert lines[0][-2:] == ["responsibility_noise", "log_density"]
    labels = np.array([int(line[0]) for line in lines[1:]])
    np.testing.assert_array_equal(labels, mixture.predict(cluttered))
    assert (labels[-30:] == -1).mean() > 0.5 > (labels[:272] == -1).mean()
    shares = np.array([[float(x) for x in line[1:4]] for line in lines[1:]])
    np.testing.assert_array_equal(labels == -1, shares.argmax(axis=1) == 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    rows = [line.split(",") for line in cli("sample", "m.json", "-n", 500)[1].splitlines()[1:]]
    assert {row[-1] for row in rows} == {"0", "1", "-1"}


def test_noise_in_a_wide_table(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    np.save(tmp_path / "x.npy", IRIS)
    _, out, _ = cli("fit", "x.npy", *EEE, "--noise")
    lines = out.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("noise"))
    assert lines[place - 1].split() == ["weight", "count"]
    assert len(lines[place].split()) == 3


@pytest.mark.usefixtures("cluttered")
def test_select_with_noise(cli):
    code, out, _ = cli(
        "select", "clutter.csv", "--families", "EEE,VVI", "--components", "1-2", "--noise"
    )
    assert code == 0
    command = out.splitlines()[-1].split()
    assert command[:3] == ["ellimix", "fit", "clutter.csv"]
    assert command[-1] == "--noise"
    assert "2 components and noise (" in out
    found = json.loads(cli(*command[1:], "--json")[1])
    table = [line.split() for line in out.splitlines()]
    best = next(line for line in table if line[:1] == ["1"])
    assert f"{found['bic']:,.3f}"[:-1] == best[5][:-1]


def test_the_picture_of_rows_with_holes(cli, tmp_path):
    frame().to_csv(tmp_path / "x.csv", index=False)
    assert cli("fit", "x.csv", *EEE, "--plot", "p.png")[0] == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_missing_of_a_table(tmp_path):
    frame().to_csv(tmp_path / "x.csv", index=False)
    table = read_table(tmp_path / "x.csv")
    np.testing.assert_array_equal(table.whole(), holed())
    np.testing.assert_array_equal(table.missing, np.isnan(table.rows).mean(axis=0))
    frame(FAITHFUL).to_csv(tmp_path / "y.csv", index=False)
    assert read_table(tmp_path / "y.csv").about_missing == ""


def test_fit_and_impute_ask_for_the_same_search(cli, tmp_path, monkeypatch):
    frame().to_csv(tmp_path / "x.csv", index=False)
    asked = []

    def stop(table, source, what):
        asked.append(what)
        raise ValueError("enough")

    monkeypatch.setattr("ellimix.cli.jobs.chosen", stop)
    monkeypatch.setattr("ellimix.cli.imputing.chosen", stop)
    refused(cli("fit", "x.csv"), "enough")
    refused(cli("impute", "x.csv", "--out", "y.csv"), "enough")
    assert asked == [Asked(), Asked()]
    refused(cli("impute", "x.csv", "--out", "y.csv", *EEE, "--seed", 3), "enough")
    assert asked[-1] == Asked("EEE", (2,), seed=3)
    assert not (tmp_path / "y.csv").exists()


def test_formats_agree(cli, tmp_path):
    table = pa.table(dict(zip(NAMES, IRIS.T, strict=True)))
    parquet.write_table(table, tmp_path / "a.parquet")
    np.save(tmp_path / "a.npy", IRIS)
    text = em.datasets.path("iris").read_text(encoding="utf-8")
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    (tmp_path / "a.tsv").write_text(text.replace(",", "\t"), encoding="utf-8")
    german = "\n".join(line.replace(",", ";").replace(".", ",") for line in text.splitlines())
    (tmp_path / "german.csv").write_text(german, encoding="utf-8")
    (tmp_path / "headless.csv").write_text(text.split("\n", 1)[1], encoding="utf-8")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    found = set()
    for name in ("a.parquet", "a.npy", "a.csv", "a.tsv", "german.csv", "headless.csv", "a.csv.gz"):
        code, out, _ = cli("fit", name, "--components", 3, "--covariance", "EEE", "--json")
        assert code == 0, name
        found.add(json.loads(out)["log_likelihood"])
    assert len(found) == 1
