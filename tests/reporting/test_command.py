"""ellimix report, as a user types it."""

from __future__ import annotations

import shlex
import subprocess
import sys

import numpy as np
import pytest

import ellimix as em
from commands import refused
from ellimix.summary import numbers
from report_problems import Page, code_of, quietly

FAITHFUL = str(em.datasets.path("faithful"))
ROWS, NAMES = em.datasets.faithful()


def page_in(folder, name="report.html"):
    return Page((folder / name).read_text(encoding="utf-8"))


def test_it_writes_what_fit_finds(cli, tmp_path):
    code, out, err = cli("report", FAITHFUL, "--covariance", "EEE")
    assert (code, err) == (0, "")
    first, model, last = out.splitlines()
    assert first == f"{FAITHFUL}: 272 rows, 2 columns"
    assert model.startswith("Mixture of 3 Gaussian components, ellipsoidal")
    assert model.endswith("(EEE), chosen by BIC among 1 to 9 components (next: 4, BIC 5.8 higher)")
    assert last == "Wrote the report to report.html"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    page = page_in(tmp_path)
    labels = em.select(ROWS, families="EEE", n_components=3, random_state=0).labels_
    assert "-1,126.316 nats" in page.texts["model"]
    assert len(page.tables["choice"][0]) == 10
    assert page.tables["clusters"][0][1][1:3] == ["0.475", f"{(labels == 0).sum():.1f}"]
    assert "eruptions" in page.tables["doubtful"][0][0]


def test_what_it_says_makes_it_again(cli, tmp_path):
    (tmp_path / "my data").mkdir()
    data = tmp_path / "my data" / "x.csv"
    weight = np.random.default_rng(0).integers(1, 3, len(ROWS))
    lines = [
        "a b,c,w",
        *(f"{x!r},{y!r},{w}" for (x, y), w in zip(ROWS.tolist(), weight, strict=True)),
    ]
    data.write_text("\n".join(lines), encoding="utf-8")
    arguments = ["--components", 2, "--columns", "a b,c", "--weights", "w", "--noise", "--seed", 3]
    assert cli("report", data, *arguments, "--out", "here.html")[0] == 0
    first = page_in(tmp_path, "here.html")
    (tmp_path / "here.html").rename(tmp_path / "first.html")
    command, python = code_of(first)
    words = shlex.split(command)
    assert words[:3] == ["ellimix", "report", str(data)]
    assert cli(*words[1:])[0] == 0
    assert page_in(tmp_path, "here.html").source == first.source
    space = {}
    quietly(lambda: exec(python, space))
    again = page_in(tmp_path)
    figures = [first.texts["model"], again.texts["model"]]
    bic = numbers.nats(space["model"].best_.summary().rows.bic)
    assert all(bic in text for text in figures)
    assert first.tables["choice"][0][1][:6] == again.tables["choice"][0][1][:6]


def test_files_that_are_read_in_passes(cli, tmp_path, monkeypatch):
    from ellimix.cli import outside

    monkeypatch.setattr(outside, "SMALL", 0)
    monkeypatch.setattr(outside, "MEMORY", 0)
    (tmp_path / "parts").mkdir()
    for part in range(2):
        lines = [",".join(NAMES), *(f"{x!r},{y!r}" for x, y in ROWS[part::2].tolist())]
        (tmp_path / "parts" / f"{part}.csv").write_text("\n".join(lines), encoding="utf-8")
    options = ("-k", 2, "--covariance", "VVV", "--seed", 1)
    code, out, err = cli("report", "parts/*.csv", *options)
    assert (code, err) == (0, "")
    assert out.startswith("parts/*.csv: 272 rows, 2 columns\n")
    page = page_in(tmp_path)
    assert "two passes were made over all 272 rows" in page.texts["first"]
    command, python = code_of(page)
    assert cli(*shlex.split(command)[1:])[0] == 0
    assert page_in(tmp_path).source == page.source
    space = {}
    quietly(lambda: exec(python, space))
    bic = numbers.nats(space["model"].bic(space["X"]))
    assert bic in page.texts["model"]


def test_row_numbers_are_those_of_the_file(cli, tmp_path):
    lines = [",".join(NAMES), *(f"{x!r},{y!r}" for x, y in ROWS.tolist())]
    plain, holes = tmp_path / "plain.csv", tmp_path / "holes.csv"
    plain.write_text("\n".join(lines), encoding="utf-8")
    holes.write_text("\n".join([lines[0], ",", ",", *lines[1:]]), encoding="utf-8")
    options = ("--components", 2, "--covariance", "VVV")
    assert cli("report", plain, *options, "--out", "plain.html")[0] == 0
    assert cli("report", holes, *options, "--out", "holes.html")[0] == 0
    pages = [page_in(tmp_path, name) for name in ("plain.html", "holes.html")]
    found = [[int(row[0]) for row in page.tables["doubtful"][0][1:]] for page in pages]
    assert [at + 2 for at in found[0]] == found[1]
    assert "Left out 2 of 274 rows" in pages[1].texts["first"]


def test_bad_requests_are_refused_and_write_nothing(cli, tmp_path):
    refused(cli("report", tmp_path / "none.csv"), "There is no file")
    refused(cli("report", FAITHFUL, "--out", "no/r.html"), "There is no folder no")
    refused(cli("report", FAITHFUL, "--out", tmp_path), "is a folder: name a file in it")
    refused(cli("report", FAITHFUL, "--components", 0), "at least 1")
    refused(cli("report", FAITHFUL, "--prior", "some"), "expected none or default")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(("package", "extra"), [("jinja2", "report"), ("matplotlib", "plots")])
def test_a_missing_package_names_its_extra(package, extra, tmp_path):
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import ellimix as em\n"
        "from ellimix.cli.app import run\n"
        "assert run(['report', str(em.datasets.path('faithful'))]) == 2\n"
        "model = em.GaussianMixture.from_parameters([1.0], [[0.0]], [1.0], 'V')\n"
        "try:\n    model.to_report([[0.0]])\n"
        f"except em.MissingExtra as error:\n    assert 'ellimix[{extra}]' in str(error), error\n"
        "else:\n    raise SystemExit('no error')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"ellimix[{extra}]" in done.stderr
    assert [*tmp_path.iterdir()] == []
