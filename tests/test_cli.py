"""The command line, as a user types it."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

import ellimix as em
from ellimix.cli.app import run

IRIS, NAMES = em.datasets.iris()
FAITHFUL = str(em.datasets.path("faithful"))


@pytest.fixture
def cli(capsys, tmp_path, monkeypatch):
    """Runs a command in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def refused(result, *words):
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("ellimix: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_fit_prints_a_summary(cli):
    code, out, err = cli("fit", FAITHFUL)
    assert (code, err) == (0, "")
    for words in (
        "272 rows, 2 columns",
        "Mixture of 2 Gaussian components, ellipsoidal",
        "(VVV), chosen by BIC among 1 to 9",
        "log-likelihood -1,130.264    parameters 11",
        "BIC 2,322.192    ICL 2,322.705",
        "Uncertain rows: 1 (0.4%)",
    ):
        assert words in out
    for words in ("weight", "count", "eruptions", "waiting", "0.644", "175.2", "79.97 ± 6"):
        assert words in out


def test_fit_writes_model_picture_and_json(cli, tmp_path):
    code, out, _ = cli(
        "fit", FAITHFUL, "--components", 2, "--covariance", "EEE", "--out", "m.json",
        "--plot", "p.png", "--json",
    )  # fmt: skip
    assert code == 0
    summary = json.loads(out)
    assert summary["family"] == "EEE"
    assert summary["n_components"] == 2
    assert summary["files"] == {"model": "m.json", "plot": "p.png"}
    model = em.GaussianMixture.load(tmp_path / "m.json")
    rows = pd.read_csv(FAITHFUL)
    np.testing.assert_allclose(model.bic(rows), summary["bic"])
    np.testing.assert_allclose(summary["bic"], 2325.219937, atol=1e-5)  # mclust's EEE, 2
    np.testing.assert_allclose(model.icl(rows), summary["icl"])
    assert [part["weight"] for part in summary["components"]] == model.weights_.tolist()
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


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
        code, out, _ = cli("fit", name, "--components", 3, "--json")
        assert code == 0, name
        found.add(json.loads(out)["log_likelihood"])
    assert len(found) == 1


def test_what_is_left_out_is_said(cli, tmp_path):
    lines = ["name,a,b,c"] + [f"n{i},{a},{b},{c}" for i, (a, b, c, _) in enumerate(IRIS)]
    lines[3] = "n2,4.7,,1.3"
    lines[9] = "n8,4.4,NA,1.4"
    (tmp_path / "x.csv").write_text("\n".join(lines), encoding="utf-8")
    _, out, _ = cli("fit", "x.csv", "--components", 2)
    assert "148 rows, 3 columns" in out
    assert "Left out the column(s) name, which do not hold numbers. To keep one," in out
    assert "Left out 2 of 150 rows with missing values. Most (2) are missing in 'b'" in out
    _, out, _ = cli("fit", "x.csv", "--components", 2, "--columns", "a,c")
    assert "150 rows, 2 columns" in out
    assert "Left out" not in out


def test_weights_are_repetition(cli, tmp_path):
    rows = em.datasets.faithful()[0]
    weight = np.random.default_rng(0).integers(0, 3, len(rows))
    header = "x,y,w\n"
    (tmp_path / "w.csv").write_text(
        header + "\n".join(f"{x},{y},{w}" for (x, y), w in zip(rows, weight, strict=True)),
        encoding="utf-8",
    )
    (tmp_path / "r.csv").write_text(
        "x,y\n" + "\n".join(f"{x},{y}" for x, y in np.repeat(rows, weight, axis=0)),
        encoding="utf-8",
    )
    options = ("--components", 2, "--covariance", "EEE", "--json")
    weighted = json.loads(cli("fit", "w.csv", "--weights", "w", *options)[1])
    repeated = json.loads(cli("fit", "r.csv", *options)[1])
    assert weighted["feature_names"] == ["x", "y"]
    for key in ("log_likelihood", "bic"):
        np.testing.assert_allclose(weighted[key], repeated[key], rtol=1e-6)


def test_predict(cli, tmp_path):
    cli("fit", em.datasets.path("iris"), "--components", 3, "--out", "m.json")
    text = em.datasets.path("iris").read_text(encoding="utf-8").splitlines()
    text[2] = "4.9,,1.4,0.2"
    header = "species," + text[0]
    (tmp_path / "new.csv").write_text(
        "\n".join([header, *("x," + line for line in text[1:])]), encoding="utf-8"
    )
    code, out, err = cli("predict", "m.json", "new.csv", "--out", "labels.csv")
    assert (code, out) == (0, "")
    assert err == "1 row(s) with missing values have empty cells.\n"
    lines = (tmp_path / "labels.csv").read_text(encoding="utf-8").splitlines()
    names = ["label", "responsibility_0", "responsibility_1", "responsibility_2", "log_density"]
    assert lines[0].split(",") == names
    assert lines[2] == ",,,,"
    values = np.array([[float(x) for x in line.split(",")] for line in lines[3:]])
    model = em.GaussianMixture.load(tmp_path / "m.json")
    np.testing.assert_array_equal(values[:, 0], model.mixture_.predict(IRIS[2:]))
    np.testing.assert_array_equal(values[:, 1:4], model.mixture_.responsibilities(IRIS[2:]))
    np.testing.assert_array_equal(values[:, 4], model.mixture_.log_density(IRIS[2:]))
    assert cli("predict", "m.json", "new.csv")[1].splitlines() == lines


def test_sample(cli):
    cli("fit", FAITHFUL, "--components", 2, "--out", "m.json")
    code, out, _ = cli("sample", "m.json", "-n", 1000, "--seed", 1)
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "eruptions,waiting,label"
    assert len(lines) == 1001
    assert cli("sample", "m.json", "-n", 1000, "--seed", 1)[1] == out
    assert cli("sample", "m.json", "-n", 1000)[1] != cli("sample", "m.json", "-n", 1000)[1]


def test_demo_names_the_files_it_wrote(cli, tmp_path):
    code, out, _ = cli("demo")
    assert code == 0
    for name in ("faithful.csv", "clusters.png", "labels.csv", "model.json"):
        assert f"ellimix-demo/{name}" in out
        assert (tmp_path / "ellimix-demo" / name).stat().st_size > 0
    assert len((tmp_path / "ellimix-demo" / "labels.csv").read_text().splitlines()) == 273


def test_refusals_write_nothing(cli, tmp_path):
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    (tmp_path / "header.csv").write_text("a,b\n", encoding="utf-8")
    (tmp_path / "text.csv").write_text("a,b\nx,y\nz,w\n", encoding="utf-8")
    (tmp_path / "gaps.csv").write_text("a,b\n1,\n,2\n", encoding="utf-8")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3\n", encoding="utf-8")
    (tmp_path / "data.xyz").write_text("a\n1\n", encoding="utf-8")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1nonsense")
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY")
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2)))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "few.csv").write_text("a\n1\n2\n", encoding="utf-8")
    (tmp_path / "same.csv").write_text("a\n1\n1\n1\n1\n", encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    write = ("--out", "m.json", "--plot", "p.png")
    refused(cli("fit", "none.csv", *write), "no file none.csv")
    refused(cli("fit", "empty.csv", *write), "empty.csv is empty")
    refused(cli("fit", "header.csv", *write), "has no rows")
    refused(cli("fit", "text.csv", *write), "no numeric column", "a, b")
    refused(cli("fit", "gaps.csv", *write), "no row without missing values", "--columns")
    refused(cli("fit", "ragged.csv", *write), "cannot be read as CSV")
    refused(cli("fit", "data.xyz", *write), "unknown format")
    refused(cli("fit", "bad.parquet", *write), "cannot be read as Parquet")
    refused(cli("fit", "bad.npy", *write), "NumPy array")
    refused(cli("fit", "cube.npy", *write), "3-dimensional")
    refused(cli("fit", "objects.npy", *write), "NumPy array")
    refused(cli("fit", "few.csv", "--components", 3, *write), "there are 2")
    refused(cli("fit", FAITHFUL, "--columns", "eruptions,nope", *write), "no column 'nope'")
    refused(cli("fit", FAITHFUL, "--weights", "nope", *write), "no column 'nope'")
    refused(
        cli("fit", FAITHFUL, "--columns", "waiting", "--weights", "waiting", *write),
        "cannot be both",
    )
    refused(cli("fit", FAITHFUL, "--covariance", "XYZ", *write), "XYZ", "VVV")
    refused(cli("fit", FAITHFUL, "--covariance", "E", *write), "one feature")
    refused(cli("fit", FAITHFUL, "--components", 0, *write), "at least 1")
    refused(cli("fit", FAITHFUL, "--out", "no/such/m.json"), "no folder")
    refused(cli("fit", FAITHFUL, "--plot", "p.xyz", "--out", "m.json"), ".xyz")
    refused(cli("fit", FAITHFUL, "--nonsense", *write), "--nonsense")
    refused(cli("fit", FAITHFUL, "--components", "many", *write), "many")
    refused(cli("fit"), "DATA")
    refused(cli("nonsense"), "nonsense")
    assert sorted(tmp_path.iterdir()) == before


def test_refusals_of_models(cli, tmp_path):
    cli("fit", FAITHFUL, "--components", 2, "--out", "m.json")
    np.save(tmp_path / "three.npy", np.zeros((5, 3)))
    (tmp_path / "text.json").write_text("{", encoding="utf-8")
    em.save(em.Mixture.from_parameters([1.0], [[0.0, 0.0]], [1.0], "VII"), tmp_path / "plain.json")
    before = sorted(tmp_path.iterdir())
    refused(
        cli("predict", "m.json", em.datasets.path("iris"), "--out", "o.csv"),
        "no column 'eruptions'",
    )
    refused(cli("predict", "text.json", FAITHFUL, "--out", "o.csv"), "JSON")
    refused(cli("predict", "none.json", FAITHFUL, "--out", "o.csv"), "none.json")
    refused(cli("predict", "plain.json", "three.npy", "--out", "o.csv"), "2 unnamed columns")
    refused(cli("sample", "m.json", "-n", 0), "at least 1")
    assert sorted(tmp_path.iterdir()) == before


def test_constant_columns(cli, tmp_path):
    (tmp_path / "same.csv").write_text("a,b\n" + "1,2\n" * 8, encoding="utf-8")
    refused(cli("fit", "same.csv", "--out", "m.json"), "no spread", "reg_covar")
    (tmp_path / "one.csv").write_text(
        "a,b\n" + "".join(f"{x},7\n" for x in IRIS[:, 2]), encoding="utf-8"
    )
    _, out, _ = cli("fit", "one.csv", "--components", 2)
    assert "The column(s) b are constant and tell no groups apart." in out


def test_many_features_turn_the_table(cli, tmp_path):
    rows = np.random.default_rng(0).normal(size=(60, 9)) + np.repeat([[0], [8]], 30, axis=0)
    np.save(tmp_path / "wide.npy", rows)
    _, out, _ = cli("fit", "wide.npy", "--components", 2, "--covariance", "VVI")
    assert "component 0" in out
    assert "x8" in out


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['ellimix', '--help']\n"
        "from ellimix.cli import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n    assert e.code == 0\n"
        "heavy = {'sklearn', 'scipy', 'numpy', 'matplotlib', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("fit", "predict", "sample", "demo"):
        assert command in done.stdout


def test_a_reader_that_stops_early_is_no_error(cli):
    cli("fit", FAITHFUL, "--components", 2, "--out", "m.json")
    code = "from ellimix.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "sample", "m.json", "-n", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_the_installed_command_exits_with_2(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "from ellimix.cli import main; main()", "fit", "none.csv"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ellimix: There is no file none.csv.\n"
