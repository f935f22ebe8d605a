"""The command line, as a user types it."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import ellimix as em
from commands import refused
from ellimix.cli.choice import parsed_components, progress_bar

IRIS, NAMES = em.datasets.iris()
FAITHFUL = str(em.datasets.path("faithful"))
FAITHFUL_ROWS, _ = em.datasets.faithful()


def test_fit_prints_a_summary(cli):
    code, out, err = cli("fit", FAITHFUL)
    assert (code, err) == (0, "")
    for words in (
        "272 rows, 2 columns",
        "Mixture of 3 Gaussian components, ellipsoidal",
        "(EEE), chosen by BIC among 14 families and 1 to 9 components",
        "(next: EEE 4, BIC 5.8 higher)",
        "log-likelihood -1,126.316    parameters 11",
        "BIC 2,314.296    ICL 2,358.",
        "Uncertain rows: 5",
    ):
        assert words in out
    for words in ("weight", "count", "eruptions", "waiting", "0.475", "129.2", "80.87 ± 5.8"):
        assert words in out


def test_fit_of_one_family(cli):
    code, out, err = cli("fit", FAITHFUL, "--covariance", "full")
    assert (code, err) == (0, "")
    for words in (
        "Mixture of 2 Gaussian components, ellipsoidal",
        "(VVV), chosen by BIC among 1 to 9 components (next: 3, BIC 2.0 higher)",
        "log-likelihood -1,130.264    parameters 11",
        "BIC 2,322.192    ICL 2,322.705",
        "Uncertain rows: 1 (0.4%)",
        "Note: The runner-up, VVV with K = 3, is only 2 behind in BIC",
    ):
        assert words in out
    code, out, _ = cli("fit", FAITHFUL, "--components", 2, "--json")
    found = json.loads(out)
    assert (code, len(found["cells"])) == (0, 14)
    assert found["bic"] == min(cell["bic"] for cell in found["cells"])


def test_select_prints_the_models_best_first(cli, tmp_path):
    code, out, err = cli(
        "select", FAITHFUL, "--families", "EEE,VVV, diag", "--components", "1-4,6", "--top", 4,
        "--out", "m.json", "--plot", "s.png",
    )  # fmt: skip
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].endswith("faithful.csv: 272 rows, 2 columns")
    assert lines[1] == "Models by bic (Bayesian information criterion): smaller is better."
    table = [line.split() for line in lines[3:8]]
    assert table[0] == (
        ["#", "family", "K", "params", "log-lik.", "BIC", "diff.", "weight", "agreed", "status"]
    )
    assert table[1][:6] == ["1", "EEE", "3", "11", "-1,126.316", "2,314.296"]
    assert [row[0] for row in table[1:]] == ["1", "2", "3", "4"]
    bic = [float(row[5].replace(",", "")) for row in table[1:]]
    assert bic == sorted(bic)
    assert "4 of 15 cells (15 ok). Log-likelihoods are in nats." in lines
    assert f"  ellimix fit {FAITHFUL} --components 3 --covariance EEE" in lines
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    model = em.GaussianMixture.load(tmp_path / "m.json")
    assert (model.n_components, model.covariance_type) == (3, "EEE")
    assert (np.diff(model.weights_) <= 0.0).all()
    np.testing.assert_allclose(model.bic(pd.read_csv(FAITHFUL)), 2314.2957, atol=1e-3)


def test_the_table_fits_80_columns(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    rows = 1e-9 * np.random.default_rng(0).normal(size=(20_000, 3))
    np.save(tmp_path / "long.npy", rows)
    _, out, _ = cli("select", "long.npy", "--families", "EEE,VVV", "--components", "1-2")
    lines = out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("#"))
    assert [len(line.split()) for line in lines[start : start + 5]] == [10] * 5
    assert max(map(len, lines[start : start + 5])) <= 80
    assert "random sample of 2,000 rows" in out


def test_the_printed_command_fits_the_chosen_model(cli, tmp_path):
    rows = pd.read_csv(FAITHFUL)
    rows["wait a bit"] = rows.pop("waiting")
    rows["w"] = np.arange(272) % 3
    rows.to_csv(tmp_path / "my data.csv", index=False)
    code, out, _ = cli(
        "select", "my data.csv", "--columns", "wait a bit", "--weights", "w", "--components",
        "1-3", "--criterion", "icl",
    )  # fmt: skip
    assert code == 0
    command = shlex.split(out.splitlines()[-1])
    assert command[:3] == ["ellimix", "fit", "my data.csv"]
    code, out, _ = cli(*command[1:], "--json")
    fitted = json.loads(out)
    assert code == 0
    assert fitted["feature_names"] == ["wait a bit"]
    assert fitted["family"] in ("E", "V")


def test_select_as_json(cli):
    code, out, err = cli(
        "select", FAITHFUL, "--families", "VVV", "--components", "1,2,300", "--json"
    )
    assert (code, err) == (0, "")
    found = json.loads(out, parse_constant=pytest.fail)  # no NaN
    assert found["best"] == found["cells"][0]
    assert [cell["n_components"] for cell in found["cells"]] == [2, 1, 300]
    assert found["cells"][2]["status"] == "skipped"
    assert found["cells"][2]["bic"] is None
    assert found["criterion"] == "bic"
    assert found["files"] == {}
    assert found["command"].endswith("--components 2 --covariance VVV")


def test_select_agrees_with_python(cli):
    search = em.select(FAITHFUL_ROWS, families="sklearn", n_components=range(1, 5))
    _, out, _ = cli("select", FAITHFUL, "--families", "sklearn", "--components", "1-4", "--json")
    cells = json.loads(out)["cells"]
    assert cells[0] == search.results_[search.best_index_]
    assert sorted(c["bic"] for c in cells) == sorted(r["bic"] for r in search.results_)


def test_an_interrupt_keeps_the_best_so_far(cli, monkeypatch):
    def interrupted_after(share_done):
        def tell(step, share):
            if share > share_done:
                raise KeyboardInterrupt

        bar = contextlib.nullcontext(tell)
        monkeypatch.setattr("ellimix.cli.choice.progress_bar", lambda: bar)
        return cli("select", FAITHFUL, "--families", "EEE,VVV", "--components", "1-4")

    code, out, _ = interrupted_after(0.3)
    assert code == 0
    assert "Note: The search was interrupted: this is the best of what it had found." in out
    assert "Best: EEE" in out
    code, out, err = interrupted_after(-1.0)
    assert (code, out) == (130, "")
    assert err == "ellimix: interrupted before there was a result\n"


def test_progress_is_for_terminals(monkeypatch, capsys):
    with progress_bar() as tell:
        assert tell is None
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress_bar() as tell:
        tell("trees", 0.5)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "trees" in captured.err


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("1-9", range(1, 10)), ("3", [3]), (" 2, 4-6,4 ", [2, 4, 5, 6])],
)
def test_numbers_of_components(text, numbers):
    assert parsed_components(text) == tuple(numbers)


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
    (tmp_path / "gaps.csv").write_text("a,b,w\n1,,\n,,2\n", encoding="utf-8")
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
    refused(
        cli("fit", "gaps.csv", "--columns", "a", "--weights", "w", *write),
        "no row with anything observed in a, and a weight in 'w'",
    )
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
    refused(cli("select", "none.csv", *write), "no file none.csv")
    for text in ("0-3", "9-1", "a", "1-", "", "-1", "1-5000", "1.5"):
        refused(cli("select", FAITHFUL, f"--components={text}", *write), "--components is", text)
    refused(cli("select", "few.csv", "--components", "3-5", *write), "there are 2")
    refused(cli("select", FAITHFUL, "--families", "XYZ", *write), "XYZ", "VVV")
    refused(cli("select", FAITHFUL, "--families", "EEE,", *write), "''")
    refused(cli("select", FAITHFUL, "--criterion", "dic", *write), "dic", "icl")
    refused(cli("select", FAITHFUL, "--time-budget", 0, *write), "--time-budget")
    refused(cli("select", FAITHFUL, "--top", 0, *write), "top is 0")
    refused(cli("select", FAITHFUL, "--out", "no/such/m.json"), "no folder")
    refused(cli("select", FAITHFUL, "--plot", "p.xyz", "--out", "m.json"), ".xyz")
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
    refused(cli("fit", "same.csv", "--out", "m.json"), "singular", "columns that are constant")
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
    for command in ("fit", "select", "predict", "sample", "demo"):
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
