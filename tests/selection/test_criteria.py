"""Criteria: formulas by hand, R mclust's numbers, and the order of cells."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ellimix as em
from ellimix.errors import DataError
from ellimix.selection import criteria
from ellimix.selection.cells import Verdict
from ellimix.selection.criteria import CRITERIA, Context, order, values
from fitted_cells import fitted, made, unfit

FAITHFUL = em.datasets.faithful()[0]
IRIS = em.datasets.iris()[0]

# R mclust 6.0.0, BIC and ICL with the sign turned: maxima that a hierarchical start finds, too. Its
# EM stops where the likelihood changes by 1e-5 of itself, which for (faithful, EEE, 3), where two
# groups overlap, is a little before the maximum: the last two numbers say how far.
MCLUST = [
    (FAITHFUL, "EEE", 3, 2314.316, 2357.824, 0.03, 0.6),
    (FAITHFUL, "VVV", 2, 2322.192, 2322.697, 0.002, 0.02),
    (FAITHFUL, "EII", 1, 4024.721, 4024.721, 0.001, 0.001),
    (IRIS, "VEV", 2, 561.728, 561.729, 0.002, 0.002),
    (IRIS, "VVV", 3, 580.840, 584.052, 0.002, 0.02),
    (IRIS, "EEE", 2, 688.097, 688.099, 0.002, 0.002),
]


@pytest.mark.parametrize(("rows", "family", "k", "bic", "icl", "near", "icl_near"), MCLUST)
def test_bic_and_icl_are_mclusts(rows, family, k, bic, icl, near, icl_near):
    cell = fitted(rows, family, k)
    assert values([cell], "bic")[0] == pytest.approx(bic, abs=near)
    assert values([cell], "bic")[0] < bic + 0.001  # no worse a maximum
    assert values([cell], "icl")[0] == pytest.approx(icl, abs=icl_near)


def test_formulas_by_hand():
    """VVV in two dimensions with K = 3 has p = 2 + 6 + 9 = 17."""
    one, cell = made("VVV", 1, -900.0), made("VVV", 3, -800.0, held_out=-850.0)
    assert cell.n_parameters == 17
    by_hand = {
        "bic": 1600.0 + 17 * math.log(200.0),
        "aic": 1600.0 + 34.0,
        "aicc": 1600.0 + 34.0 + 2 * 17 * 18 / 182.0,
        "sabic": 1600.0 + 17 * math.log(202.0 / 24.0),
        "icl": 1600.0 + 17 * math.log(200.0) + 6.0,
        "nec": 4.0 / 100.0,
        "cv": 1700.0,
    }
    for name, value in by_hand.items():
        assert values([one, cell], name)[1] == pytest.approx(value, rel=1e-14), name
    assert set(by_hand) | {"slope"} == set(CRITERIA)


def test_aicc_is_inf_where_parameters_are_as_many_as_rows():
    assert criteria.aicc(-10.0, 5, 6) == math.inf
    assert criteria.aicc(-10.0, 5, 5.5) == math.inf
    assert criteria.aicc(-10.0, 5, 7) == pytest.approx(20.0 + 10.0 + 60.0)
    assert criteria.aicc(-10.0, 5, 1e12) == pytest.approx(criteria.aic(-10.0, 5))


def test_icl_is_between_bic_and_the_entropy_form():
    cell = fitted(FAITHFUL, "EEE", 3)
    bic, icl = values([cell], "bic")[0], values([cell], "icl")[0]
    assert bic < icl < bic + 2.0 * cell.entropy
    alone = fitted(FAITHFUL, "EEE", 1)
    assert values([alone], "icl") == values([alone], "bic")


def test_nec_is_one_for_one_component_and_compares_with_it():
    cells = [fitted(FAITHFUL, "VVV", k) for k in (1, 2, 3)]
    nec = values(cells, "nec")
    assert nec[0] == 1.0
    gain = [cell.log_likelihood - cells[0].log_likelihood for cell in cells]
    np.testing.assert_allclose(nec[1:], [cells[j].entropy / gain[j] for j in (1, 2)])
    assert order(cells, "nec")[0] == 1  # Old Faithful has two groups
    assert criteria.nec(-5.0, -5.0, 1.0) == math.inf
    assert criteria.nec(-6.0, -5.0, 1.0) == math.inf


def test_nec_takes_one_component_from_a_family_of_the_same_kind():
    cells = [fitted(FAITHFUL, *cell) for cell in [("EII", 1), ("VEI", 1), ("VVI", 2), ("EEE", 2)]]
    nec = values(cells, "nec")
    gain = cells[2].log_likelihood - cells[1].log_likelihood
    assert nec[2] == pytest.approx(cells[2].entropy / gain)
    assert math.isnan(nec[3])  # no ellipsoidal family has one component here
    assert order(cells, "nec")[-1] == 3
    with pytest.raises(DataError, match="search n_components=1"):
        values(cells[3:], "nec")


def test_ties_of_nec_at_one_component_go_by_bic():
    cells = [fitted(FAITHFUL[FAITHFUL[:, 0] < 3], name, 1) for name in ("EII", "VVI", "VVV")]
    assert values(cells, "nec").tolist() == [1.0, 1.0, 1.0]
    assert order(cells, "nec").tolist() == np.argsort(values(cells, "bic")).tolist()


def test_weights_count_as_rows():
    weight = np.arange(len(IRIS)) % 3 + 1.0
    weighted = fitted(IRIS, "VVV", 2, weight)
    start = weighted.report.mixture.predict(np.repeat(IRIS, weight.astype(int), axis=0))
    repeated = fitted(np.repeat(IRIS, weight.astype(int), axis=0), "VVV", 2, init_params=start)
    for name in ("bic", "aic", "aicc", "sabic", "icl"):
        np.testing.assert_allclose(
            values([weighted], name), values([repeated], name), rtol=1e-7, err_msg=name
        )


def test_cross_validation_is_asked_for():
    cells = [made("EII", 1, -500.0), made("EII", 2, -400.0)]
    with pytest.raises(DataError, match="held-out scores"):
        values(cells, "cv")
    scored = [replace(cells[0], held_out=-510.0), replace(cells[1], held_out=-np.inf)]
    assert values(scored, "cv").tolist() == [1020.0, np.inf]
    assert order([*scored, cells[0]], "cv").tolist() == [0, 1, 2]
    assert [name for name, c in CRITERIA.items() if c.needs_held_out] == ["cv"]


def test_criteria_that_need_all_cells_say_so():
    """The others give a cell the same value in any company."""
    cells = [made("VVV", k, -900.0 + 9.0 * k, held_out=-950.0) for k in range(1, 15)]
    for name, criterion in CRITERIA.items():
        alone, among = Context((cells[3],)), Context(tuple(cells))
        if not criterion.needs_all:
            assert criterion.value(cells[3], alone) == criterion.value(cells[3], among), name
    assert {name for name, c in CRITERIA.items() if c.needs_all} == {"nec", "slope"}


def test_cells_without_a_fit_have_no_value():
    cells = [unfit("VVV", 5), made("VVV", 1, -500.0), unfit("VVV", 9, Verdict.SKIPPED)]
    for name in ("bic", "aic", "aicc", "sabic", "icl", "nec"):
        assert np.isnan(values(cells, name)).tolist() == [True, False, True], name
    assert order(cells, "bic").tolist() == [1, 0, 2]
    assert np.isnan(values([cells[0]], "cv")).all()  # nothing is ok: there is nothing to refuse


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Verdict)),
            st.floats(-1e6, 1e6) | st.just(math.nan),
            st.sampled_from(["EII", "VEI", "VVV"]),
            st.integers(1, 9),
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(["bic", "aic", "aicc", "sabic", "icl"]),
)
def test_order_is_ok_cells_first_and_ascending(drawn, name):
    cells = [made(family, k, value, verdict=verdict) for verdict, value, family, k in drawn]
    if any(c.ok for c in cells) and all(math.isnan(c.log_likelihood) for c in cells if c.ok):
        with pytest.raises(DataError, match="No cell has a value"):
            order(cells, name)
        return
    found = order(cells, name)
    assert sorted(found) == list(range(len(cells)))
    ok = [cells[i].ok for i in found]
    assert ok == sorted(ok, reverse=True)
    for group in (True, False):
        value = values(cells, name)[[i for i in found if cells[i].ok is group]]
        sorted_value = np.sort(value)  # NaN last
        np.testing.assert_array_equal(value, sorted_value)


def test_a_spurious_cell_is_never_first():
    cells = [
        made("VVV", 9, -100.0, verdict=Verdict.SPURIOUS),
        made("VVV", 2, -500.0),
        made("VVV", 3, -600.0),
    ]
    assert values(cells, "bic").argmin() == 0
    for name in ("bic", "aic", "aicc", "sabic", "icl"):
        assert order(cells, name).tolist() == [1, 2, 0], name


def test_an_unknown_name_lists_the_names():
    with pytest.raises(DataError, match=r"Unknown criterion 'BIK'\. Use one of bic, aic, .*slope"):
        values([made("EII", 1, -5.0)], "BIK")
