"""The table of a search: rows, text, HTML, DataFrame."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import ellimix as em
from ellimix.errors import DataError
from ellimix.selection.cells import Verdict
from ellimix.selection.criteria import CRITERIA, order, values
from ellimix.selection.table import compare, frame, rows
from fitted_cells import fitted, made, unfit

KEYS = (
    "family n_components log_likelihood n_parameters bic aic aicc icl sabic nec criterion "
    "criterion_name difference weight status reason start n_starts n_agreed"
)


@pytest.fixture(scope="module")
def cells():
    data = em.datasets.faithful()[0]
    found = [fitted(data, name, k) for name in ("EII", "EEE") for k in (1, 2, 3)]
    thin = made("VVV", 9, -900.0, verdict=Verdict.SPURIOUS, reason="A <thin> component.")
    return [unfit("VVV", 8), *found, thin]


def test_rows_are_plain_and_in_the_cells_order(cells):
    table = rows(cells, "icl")
    assert [(row["family"], row["n_components"]) for row in table] == [
        (cell.family, cell.n_components) for cell in cells
    ]
    for row in table:
        assert list(row) == KEYS.split()
        assert {type(value) for value in row.values()} <= {int, float, str}
    for name in ("bic", "aic", "aicc", "icl", "sabic", "nec"):
        np.testing.assert_array_equal([row[name] for row in table], values(cells, name))
    assert [row["criterion"] for row in table][1:] == [row["icl"] for row in table][1:]
    assert table[1]["start"] == "hierarchical"
    assert (table[0]["start"], table[0]["n_starts"], table[0]["n_agreed"]) == ("", 4, 0)
    assert table[0]["reason"] == "A component collapsed."


def test_differences_and_weights_are_among_ok_cells(cells):
    table = rows(cells, "bic")
    bic = values(cells, "bic")
    best = bic[1:7].min()
    np.testing.assert_allclose([row["difference"] for row in table], bic - best)
    assert table[7]["difference"] < 0.0  # spurious: likelier than it should be
    weight = np.array([row["weight"] for row in table])
    assert weight.sum() == pytest.approx(1.0)
    assert weight[[0, 7]].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(weight[1:7] / weight[6], np.exp(-0.5 * (bic[1:7] - bic[6])))


def test_nec_has_no_weights(cells):
    table = rows(cells, "nec")
    assert all(math.isnan(row["weight"]) for row in table)
    assert min(row["difference"] for row in table[1:7]) == 0.0
    assert "nec (normalised entropy criterion): smaller is better" in str(compare(cells, "nec"))


@pytest.mark.parametrize("name", [n for n, c in CRITERIA.items() if n != "cv"])
def test_every_criterion_makes_a_table(name):
    cells = [made("VVV", k, -900.0 + 7.0 * k) for k in range(1, 15)]
    table = rows(cells, name)
    best = order(cells, name)[0]
    assert table[best]["difference"] == 0.0
    assert repr(compare(cells, name).rows[0]) == repr(table[best])


def test_nothing_ok_is_a_table_too():
    cells = [unfit("VVV", 3), made("VVV", 2, -400.0, verdict=Verdict.SPURIOUS)]
    table = rows(cells, "bic")
    assert [row["weight"] for row in table] == [0.0, 0.0]
    assert all(math.isnan(row["difference"]) for row in table)
    assert "1 spurious, 1 failed" in str(compare(cells))


def test_a_value_of_inf_has_no_weight():
    few = [made("VVV", k, -400.0 + 9.0 * k, weight=12.0) for k in (1, 2, 3)]
    table = rows(few, "aicc")
    assert [row["criterion"] == math.inf for row in table] == [False, True, True]
    assert [row["weight"] for row in table] == [1.0, 0.0, 0.0]
    every = rows(few[1:], "aicc")  # no difference can be taken
    assert all(math.isnan(row["difference"]) and row["weight"] == 0.0 for row in every)


def test_the_comparison_reads_best_first(cells):
    found = compare(cells, "bic", top=7)
    lines = str(found).splitlines()
    assert lines[0] == "Models by bic (Bayesian information criterion): smaller is better."
    head = "rank family k parameters log-likelihood bic difference weight agreed status"
    assert lines[2].split() == head.split()
    assert lines[3].split() == [
        "1", "EEE", "3", "11", "-1126.316", "2314.296", "0.000", "0.996", "1/1", "ok",
    ]  # fmt: skip
    assert [line.split()[-1] for line in lines[3:10]] == 6 * ["ok"] + ["spurious"]
    assert len({len(line) for line in lines[2:9]} - {len(lines[2])}) <= 1  # aligned
    assert lines[-2] == "7 of 8 cells (6 ok, 1 spurious, 1 failed). Log-likelihoods are in nats."
    assert lines[-1] == "A cell that is not ok is never chosen, whatever its value."
    assert "never chosen" not in str(compare(cells, "bic", top=3))


def test_html_is_escaped(cells):
    html = compare(cells, "bic")._repr_html_()
    assert "A &lt;thin&gt; component." in html
    assert "<thin>" not in html
    assert html.count("<tr") == 1 + len(cells)
    odd = [replace(cells[1], family="EII", reason='"><script>')]
    assert "<script>" not in compare(odd)._repr_html_()


@pytest.mark.parametrize("top", [0, -1, 2.0, True, None])
def test_top_is_a_whole_number(cells, top):
    with pytest.raises(DataError, match="whole number from 1"):
        compare(cells, "bic", top)


def test_the_frame_is_the_rows(cells):
    table = frame(cells, "icl")
    assert list(table.columns) == KEYS.split()
    pd.testing.assert_frame_equal(table, pd.DataFrame(rows(cells, "icl")))
    best = table[table.status == "ok"].sort_values("criterion").iloc[0]
    assert (best.family, best.n_components) == ("EEE", 2)


def test_the_frame_says_which_package_is_missing():
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from ellimix.selection.table import frame\n"
        "try:\n    frame([])\nexcept ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ellimix[pandas]" in done.stdout, done.stderr


def test_an_unknown_criterion_is_refused(cells):
    for make in (rows, compare, frame):
        with pytest.raises(DataError, match="Use one of bic"):
            make(cells, "likelihood")
