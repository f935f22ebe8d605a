"""``ellimix impute``: what is filled in, and what is left as it was."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

import ellimix as em
from commands import refused

ROWS = em.datasets.faithful()[0]
EEE = ("--components", 2, "--covariance", "EEE")
TEXT = ["plain", "with, comma", 'a "quoted" word', "", "NA", "two\nlines", "007", "Zürich"]


def holed():
    out = ROWS.copy()
    out[2::10, 1] = np.nan
    out[5::15, 0] = np.nan
    out[4] = np.nan
    return out


def cells(path, **options):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream, **options))


@pytest.fixture
def table(tmp_path):
    """A file x.csv with columns that a careless program would change, and a model of it."""
    rows = holed()
    lines = [["code", "eruptions", "remark", "waiting", "count", "day"]]
    for i, (x, y) in enumerate(rows):
        numbers = ["NA" if np.isnan(x) else f"{x:.3f}", "" if np.isnan(y) else f"{y:.0f}"]
        lines.append(
            [f"{i:04d}", numbers[0], TEXT[i % len(TEXT)], numbers[1], str(i * 7), "2024-01-01"]
        )
    with (tmp_path / "x.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(lines)
    frame = pd.DataFrame(rows, columns=["eruptions", "waiting"])
    model = em.GaussianMixture(2, covariance_type="EEE", random_state=0).fit(frame)
    model.save(tmp_path / "m.json")
    return lines


def test_holes_are_filled_and_all_else_is_as_it_was(cli, tmp_path, table):
    code, out, err = cli("impute", "x.csv", "--model", "m.json", "--out", "y.csv")
    assert (code, err) == (0, "")
    assert "x.csv: 272 rows, 2 columns; " in out
    for name, j in (("eruptions", 0), ("waiting", 1)):
        count = int(np.isnan(holed()[:, j]).sum())
        assert [name, str(count), f"{count / 272:.1%}"] in [s.split() for s in out.splitlines()]
    assert "Note: 1 row(s) have nothing observed and got means of the mixture." in out
    assert "Note: Not used, and written as they are: code, remark, count, day." in out
    assert out.endswith("Wrote y.csv\n")
    expected = em.load(tmp_path / "m.json")
    expected = em.GaussianMixture.from_mixture(
        em.Mixture(expected.parameters, expected.family)
    ).impute(holed())
    found = cells(tmp_path / "y.csv")
    assert found[0] == table[0]
    for i, (before, after) in enumerate(zip(table[1:], found[1:], strict=True)):
        for j, name in enumerate(table[0]):
            place = {"eruptions": 0, "waiting": 1}.get(name)
            if place is not None and np.isnan(holed()[i, place]):
                assert float(after[j]) == pytest.approx(expected[i, place], rel=1e-12)
            else:
                assert after[j] == before[j]


def test_only_the_named_columns_are_filled(cli, tmp_path, table):
    options = ("--columns", "waiting,count", "--components", 1, "--covariance", "VVV")
    code, out, _ = cli("impute", "x.csv", *options, "--out", "y.csv")
    assert code == 0
    assert "Mixture of 1 Gaussian component, " in out
    found = list(zip(*cells(tmp_path / "y.csv")[1:], strict=True))
    before = list(zip(*table[1:], strict=True))
    assert [i for i in range(6) if found[i] != before[i]] == [3]
    # one Gaussian's conditional mean is the regression on what is there
    waiting = np.array([float(x) for x in found[3]])
    hole = np.array([x == "" for x in before[3]])
    count = np.arange(272) * 7.0
    slope, level = np.polyfit(count[~hole], waiting[~hole], 1)
    np.testing.assert_allclose(waiting[hole], level + slope * count[hole], rtol=1e-6)


def test_draws(cli, tmp_path, table):
    fill = ("impute", "x.csv", "--columns", "eruptions,waiting", *EEE, "--draws", 3)
    code, out, _ = cli(*fill, "--out", "y.csv")
    assert code == 0
    assert "Wrote y-3.csv" in out
    assert not (tmp_path / "y.csv").exists()
    drawn = [pd.read_csv(tmp_path / f"y-{i}.csv")[["eruptions", "waiting"]] for i in (1, 2, 3)]
    hole = np.isnan(holed())
    for one in drawn:
        np.testing.assert_allclose(one.to_numpy()[~hole], holed()[~hole], rtol=1e-6)
        assert np.isfinite(one.to_numpy()).all()
    assert (drawn[0].to_numpy()[hole] != drawn[1].to_numpy()[hole]).all()
    # as far from the conditional means as the components are wide, and not further
    cli("impute", "x.csv", "--columns", "eruptions,waiting", *EEE, "--out", "mean.csv")
    mean = pd.read_csv(tmp_path / "mean.csv")[["eruptions", "waiting"]].to_numpy()
    away = np.concatenate([(one.to_numpy() - mean)[:, 1][hole[:, 1]] for one in drawn])
    assert 3.0 < away.std() < 9.0
    cli(*fill, "--out", "again.csv")
    assert (tmp_path / "again-2.csv").read_bytes() == (tmp_path / "y-2.csv").read_bytes()
    cli(*fill, "--seed", 1, "--out", "other.csv")
    assert (tmp_path / "other-2.csv").read_bytes() != (tmp_path / "y-2.csv").read_bytes()


def test_types_in_parquet_are_kept(cli, tmp_path):
    rows = holed()
    whole = np.arange(272)
    before = pa.table(
        {
            "name": pa.array([f"n{i}" for i in range(272)]),
            "eruptions": pa.array(rows[:, 0], pa.float32(), from_pandas=True),
            "waiting": pa.array([None if np.isnan(y) else int(y) for y in rows[:, 1]], pa.int64()),
            "count": pa.array(whole % 7, pa.int16()),
            "day": pa.array(whole.astype("datetime64[D]")),
        }
    )
    parquet.write_table(before, tmp_path / "x.parquet")
    fill = ("impute", "x.parquet", "--columns", "eruptions,waiting,count", "--components", 1,
            "--covariance", "VVV", "--out")  # fmt: skip
    assert cli(*fill, "y.parquet")[0] == 0
    after = parquet.read_table(tmp_path / "y.parquet")
    assert after.column_names == before.column_names
    kinds = dict(zip(after.column_names, after.schema.types, strict=True))
    assert kinds["eruptions"] == pa.float32()
    assert kinds["waiting"] == pa.float64()
    for name in ("name", "count", "day"):
        assert after[name].equals(before[name])
    known = ~np.isnan(rows)
    for j, name in enumerate(("eruptions", "waiting")):
        values = after[name].to_numpy()
        assert np.isfinite(values).all()
        np.testing.assert_allclose(values[known[:, j]], rows[known[:, j], j], rtol=1e-6)
    # the same values go to text, and text to Parquet
    assert cli(*fill, "y.csv")[0] == 0
    text = pd.read_csv(tmp_path / "y.csv")
    np.testing.assert_allclose(text.waiting, after["waiting"].to_numpy(), rtol=1e-12)
    assert text["count"].tolist() == (whole % 7).tolist()
    assert text.day[1] == "1970-01-02"


def test_layouts_of_text_are_kept(cli, tmp_path, table):
    fill = ("--model", "m.json", "--out")
    cli("impute", "x.csv", *fill, "y.csv")
    expected = cells(tmp_path / "y.csv")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress((tmp_path / "x.csv").read_bytes()))
    cli("impute", "x.csv.gz", *fill, "z.csv.gz")
    assert gzip.decompress((tmp_path / "z.csv.gz").read_bytes()) == (
        (tmp_path / "y.csv").read_bytes()
    )
    cli("impute", "x.csv", *fill, "y.tsv")
    assert cells(tmp_path / "y.tsv", delimiter="\t") == expected
    cli("impute", "x.csv", *fill, "y.parquet")
    frame = pd.read_parquet(tmp_path / "y.parquet")
    assert frame.waiting.tolist() == [float(line[3]) for line in expected[1:]]
    # semicolons and decimal commas stay, also where the first line of numbers has a hole
    rows = ["eruptions;waiting", *(f"{x};{y}" for x, y in holed())]
    rows[1] = "nan;79.0"
    german = "\n".join(rows).replace(".", ",").replace("nan", "")
    (tmp_path / "g.csv").write_text(german + "\n", encoding="utf-8")
    assert cli("impute", "g.csv", *fill, "h.csv")[0] == 0
    lines = cells(tmp_path / "h.csv", delimiter=";")
    values = np.array([[float(x.replace(",", ".")) for x in line] for line in lines[1:]])
    hole = np.isnan(holed())
    hole[0, 0] = True
    np.testing.assert_array_equal(values[~hole], holed()[~hole])
    np.testing.assert_allclose(values[1:, 1], [float(line[3]) for line in expected[2:]])
    assert cli("impute", "g.csv", *fill, "h.tsv")[0] == 0
    np.testing.assert_allclose(pd.read_csv(tmp_path / "h.tsv", sep="\t"), values)


def test_files_without_a_header(cli, tmp_path):
    lines = [f"{x},{y}".replace("nan", "") for x, y in holed()]
    lines[0] = ",79.0"
    (tmp_path / "x.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert cli("impute", "x.csv", *EEE, "--out", "y.csv")[0] == 0
    values = pd.read_csv(tmp_path / "y.csv", header=None).to_numpy()
    assert values.shape == (272, 2)
    assert np.isfinite(values).all()
    # while an index without a name before numbered columns is a header, as pandas writes it
    pd.DataFrame(holed()).to_csv(tmp_path / "p.csv")
    assert cli("impute", "p.csv", *EEE, "--out", "q.csv")[0] == 0
    assert cells(tmp_path / "q.csv")[0] == ["", "0", "1"]


def test_nothing_missing_is_a_copy(cli, tmp_path):
    data = em.datasets.path("iris")
    code, out, _ = cli("impute", data, "--out", "y.csv")
    assert code == 0
    assert "nothing is missing in Sepal.Length, " in out
    assert (tmp_path / "y.csv").read_bytes() == data.read_bytes()
    assert cli("impute", data, "--out", "y.parquet", "--draws", 2)[0] == 0
    np.testing.assert_array_equal(pd.read_parquet(tmp_path / "y-2.parquet"), pd.read_csv(data))


def test_a_file_may_be_filled_in_place(cli, tmp_path, table):
    cli("impute", "x.csv", "--model", "m.json", "--out", "y.csv")
    assert cli("impute", "x.csv", "--model", "m.json", "--out", "x.csv")[0] == 0
    assert (tmp_path / "x.csv").read_bytes() == (tmp_path / "y.csv").read_bytes()


def test_refusals_write_nothing(cli, tmp_path, table):
    np.save(tmp_path / "three.npy", np.zeros((5, 3)))
    (tmp_path / "few.csv").write_text("eruptions,waiting\n1,\n2,50\n,60\n", encoding="utf-8")
    (tmp_path / "twice.csv").write_text("a,a\n1,\n2,50\n", encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    out = ("--out", "y.csv")
    refused(cli("impute", "x.csv"), "--out")
    refused(cli("impute", "none.csv", *out), "no file none.csv")
    refused(cli("impute", "twice.csv", *out), "two columns named 'a'")
    refused(cli("impute", "x.csv", "--out", "y.npy"), "y.npy: use .csv, .tsv or .parquet")
    refused(cli("impute", "x.csv", "--out", "y.parquet.gz"), "without .gz")
    refused(cli("impute", "x.csv", "--out", "no/such/y.csv"), "no folder")
    refused(cli("impute", "x.csv", "--components", 0, *out), "at least 1")
    refused(cli("impute", "x.csv", "--covariance", "XYZ", *out), "XYZ", "VVV")
    refused(cli("impute", "x.csv", "--columns", "remark", *out), "does not hold numbers")
    refused(cli("impute", "x.csv", "--columns", "nope", *out), "no column 'nope'")
    refused(cli("impute", "x.csv", "--draws", 0, *out), "--draws must be from 1")
    refused(cli("impute", "x.csv", "--model", "none.json", *out), "none.json")
    refused(
        cli("impute", "x.csv", "--model", "m.json", "--components", 2, "--columns", "a", *out),
        "--model says what --components, --columns would",
    )
    refused(cli("impute", "three.npy", "--model", "m.json", *out), "no column 'eruptions'")
    refused(
        cli("impute", "few.csv", "--model", "m.json", "--draws", 2, *out),
        "8 parameters", "only 3", "leave out --draws",
    )  # fmt: skip
    assert sorted(tmp_path.iterdir()) == before
