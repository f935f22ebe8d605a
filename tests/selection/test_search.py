"""The search: as good as mclust in every cell, and the same whatever the rows' order and units."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import ellimix as em
from ellimix.covariance import FAMILIES
from ellimix.engines.choice import has_numba
from ellimix.selection.board import Board, Setting
from ellimix.selection.cells import Verdict
from ellimix.selection.criteria import bic
from ellimix.selection.guard import Guard
from ellimix.selection.portfolio import UNIT_FREE, Effort
from ellimix.selection.search import in_order, search
from ellimix.sources.memory import MemorySource

REFERENCE = Path(__file__).parent.parent / "reference"
ONE_FEATURE = {"E": "EII", "V": "VII"}
needs_numba = pytest.mark.skipif(not has_numba(), reason="numba is not installed")


def rows_of(name):
    if name in ("iris", "faithful"):
        return getattr(em.datasets, name)()[0]
    return np.loadtxt(REFERENCE / f"{name}.csv", delimiter=",", skiprows=1, ndmin=2)


def mclust(name):
    """mclust's BIC (larger is better there) by family and number of components."""
    with (REFERENCE / "mclust_bic" / f"{name}.csv").open() as stream:
        table = list(csv.reader(stream))
    for k, *values in table[1:]:
        for family, value in zip(table[0][1:], values, strict=True):
            if value not in ("", "NA"):
                yield ONE_FEATURE.get(family, family), int(k), float(value)


def found(rows, families=tuple(FAMILIES), components=range(1, 10), weight=None, **arguments):
    if np.ndim(rows) == 2 and rows.shape[1] == 1:
        families = ("EII", "VII")
    options = {"random": np.random.RandomState(0), **arguments}
    source = options.pop("source", None) or MemorySource(rows, weight)
    return search(
        source, families=[FAMILIES[f] for f in families], components=components, **options
    )


def values(result):
    return {
        (cell.family, cell.n_components): bic(cell.log_likelihood, cell.n_parameters, cell.weight)
        for cell in result.cells
    }


# -- quality


@needs_numba
@pytest.mark.parametrize(
    ("name", "chosen", "better"),
    [
        ("iris", ("VEV", 2, 561.7285), 70),
        ("faithful", ("EEE", 3, 2314.3163), 70),
        ("diabetes", ("VVV", 3, 4751.3164), 75),
        ("acidity", ("EII", 2, 392.0724), 4),
    ],
)
def test_every_cell_is_as_good_as_mclusts_or_says_why(name, chosen, better):
    result = found(rows_of(name))
    cells = {(cell.family, cell.n_components): cell for cell in result.cells}
    ours, wins = values(result), 0
    for family, k, theirs in mclust(name):
        cell, gap = cells[family, k], -theirs - ours[family, k]
        wins += gap > 1.0 and cell.ok
        assert gap >= -0.01 or cell.reason, (family, k, gap)
    assert wins >= better
    best = result.best
    assert (best.family, best.n_components) == chosen[:2]
    assert ours[chosen[:2]] <= chosen[2]


@needs_numba
def test_the_optima_that_labels_lead_to_on_iris_are_found():
    ours = values(found(rows_of("iris"), ("EVE", "VVE", "EEV", "EVV", "VEV", "VVV"), range(1, 5)))
    for family, value in (("EVE", 618.6), ("VVE", 590.8), ("EEV", 610.1), ("EVV", 621.5)):
        assert ours[family, 3] < value + 0.05


def test_without_numba_the_plain_runner_finds_as_much():
    rows = rows_of("faithful")
    families, components = ("EEE", "VVV", "EII"), range(1, 5)
    plain = found(rows, families, components, engine="numpy", effort=Effort(random=2, cells=2))
    assert (plain.best.family, plain.best.n_components) == ("EEE", 3)
    ours = values(plain)
    for family, k, theirs in mclust("faithful"):
        if family in families and k in components:
            assert ours[family, k] <= -theirs + 0.05


# -- the same whatever


@needs_numba
def test_the_order_of_the_rows_threads_and_the_seed():
    rows = rows_of("iris")
    first = found(rows, components=range(1, 6))
    order = np.random.default_rng(1).permutation(len(rows))
    again = found(rows[order], components=range(1, 6))
    one = found(rows, components=range(1, 6), source=MemorySource(rows, threads=1))
    for other in (again, one):
        for a, b in zip(first.cells, other.cells, strict=True):
            if a is not first.best:  # that one went on over the rows as they came
                np.testing.assert_equal(a.log_likelihood, b.log_likelihood)
        np.testing.assert_allclose(first.best.log_likelihood, other.best.log_likelihood, rtol=1e-12)


@needs_numba
def test_the_unit_of_a_column():
    rows = rows_of("iris")
    scale = np.array([1e-3, 1.0, 254.0, 1e4])
    plain, scaled = (found(x, sorted(UNIT_FREE)) for x in (rows, rows * scale))
    shift = len(rows) * np.log(scale).sum()
    for a, b in zip(plain.cells, scaled.cells, strict=True):
        assert a.verdict is b.verdict
        np.testing.assert_allclose(a.log_likelihood, b.log_likelihood + shift, atol=0.01)
    assert plain.best.family == scaled.best.family


@needs_numba
def test_a_weight_is_a_repetition():
    rows = rows_of("iris")
    weight = np.random.default_rng(0).integers(0, 3, len(rows))
    repeated = found(np.repeat(rows, weight, axis=0), components=range(1, 5))
    weighted = found(rows, components=range(1, 5), weight=weight.astype(float))
    for a, b in zip(repeated.cells, weighted.cells, strict=True):
        assert a.verdict is b.verdict
        np.testing.assert_allclose(a.log_likelihood, b.log_likelihood, rtol=1e-7)


def test_rows_are_put_in_order_once_each():
    rows = np.array([[2.0, 1.0], [0.0, 5.0], [2.0, 1.0], [-0.0, 5.0], [0.0, 4.0]])
    source = in_order(MemorySource(rows, np.array([1.0, 2.0, 3.0, 4.0, 0.0])))
    np.testing.assert_array_equal(source.rows, [[0.0, 5.0], [2.0, 1.0]])
    np.testing.assert_array_equal(source.weight, [6.0, 4.0])
    assert in_order(MemorySource(rows[:2])).weight is None


# -- what becomes of time, rows and garbage


@needs_numba
def test_many_rows_begin_on_a_sample_and_end_on_all():
    rng = np.random.default_rng(0)
    groups = [rng.normal(size=(2_500, 3)) + 6.0 * np.eye(3)[j] for j in range(3)]
    rows = np.concatenate(groups)
    result = found(rows, ("EII", "EEE", "VVV"), range(1, 6))
    assert result.best.n_components == 3
    assert any("random sample of 2,000" in note for note in result.remarks)
    mixture = result.best.mixture
    total = mixture.log_density(rows).sum()
    np.testing.assert_allclose(result.best.log_likelihood, total, rtol=1e-9)
    for cell in result.cells:
        if cell.ok:
            own = cell.mixture.log_density(rows).sum()
            np.testing.assert_allclose(cell.log_likelihood, own, rtol=1e-6)


@needs_numba
def test_no_time_leaves_the_best_so_far():
    rows = rows_of("iris")
    found(rows, components=range(1, 3))  # what is compiled is not to count
    assert found(rows, time_budget=0.0).best.n_components == 1
    steps = []
    result = found(rows, time_budget=0.02, tell=lambda step, share: steps.append(share))
    assert result.best.ok
    assert any("Time was up" in note for note in result.notes)
    skipped = [cell for cell in result.cells if cell.verdict is Verdict.SKIPPED]
    assert all(cell.reason for cell in skipped)
    assert steps == sorted(steps)


@needs_numba
def test_an_interrupt_keeps_the_best_so_far():
    def tell(step, share):
        if step == "best cells":
            raise KeyboardInterrupt

    result = found(rows_of("faithful"), components=range(1, 4), tell=tell)
    assert result.best.ok
    assert any("interrupted" in note for note in result.notes)


@needs_numba
@pytest.mark.parametrize("step", ["all rows", "all rows, best cells"])
def test_an_interrupt_over_all_rows_keeps_the_best_so_far(step):
    def tell(now, share):
        if now == step:
            raise KeyboardInterrupt

    rows = np.random.default_rng(0).normal(size=(5_000, 2))
    result = found(rows, ("EEE", "VVV"), [1, 2], tell=tell)
    assert result.best.ok
    assert any("interrupted" in note for note in result.notes)


@needs_numba
def test_more_components_than_rows_and_singular_cells_say_why():
    rows = np.random.default_rng(0).normal(size=(7, 2))
    result = found(rows)
    by = {(cell.family, cell.n_components): cell for cell in result.cells}
    assert by["VVV", 9].verdict is Verdict.SKIPPED
    assert "different rows; there are 7" in by["VVV", 9].reason
    assert not by["VVV", 5].ok
    assert all(cell.reason for cell in result.cells if not cell.ok)
    with pytest.raises(em.FitFailed, match="constant"):
        found(np.ones((10, 2)))


@needs_numba
def test_ties_and_garbage_do_not_win():
    rng = np.random.default_rng(0)
    discrete = np.column_stack([rng.integers(0, 4, 200), rng.normal(size=200)]).astype(float)
    noise = rng.normal(size=(120, 3))
    for rows in (discrete, noise):
        assert found(rows).best.n_components <= 4
    result = found(noise)
    assert result.best.n_components == 1
    for cell in result.cells:
        if cell.set_aside > cell.log_likelihood:
            assert "set aside" in cell.reason


def test_models_with_too_many_parameters_are_marked_unless_there_are_no_others():
    setting = Setting(Guard(), None, 1.0, 7, 30.0)
    assert setting.overfull(("EEV", 5))
    assert not setting.overfull(("EEV", 1))
    assert setting.n_parameters(("EEV", 5)) == 151
    board = Board([FAMILIES["EEV"]], [1, 5], setting)
    assert board.bic(("EEV", 5)) == np.inf
    rng = np.random.default_rng(0)
    rows = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], 4, axis=0) + rng.normal(size=(12, 2))
    result = found(rows, ("EEE",), [3], engine="numpy")
    assert result.best.ok
    assert any("many parameters" in note for note in result.notes)


@needs_numba
def test_notes_on_columns_and_edges():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(3), 30)[:, None] * [20.0, 0.0] + rng.normal(size=(90, 2))
    rows = np.column_stack([groups, np.arange(90.0), np.ones(90)])
    result = found(
        rows, ("EII", "VII"), [1, 2], reg_covar=1e-6, feature_names=("a", "b", "number", "one")
    )
    told = " ".join(result.notes)
    assert "one are constant" in told
    assert "number number the rows" in told
    assert "the largest that was tried" in told
