"""The search over rows of which not all is known: missing values, and groups of some rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import ellimix as em
from ellimix.attempts.base import Attempts
from ellimix.attempts.labelled import aligned
from ellimix.attempts.plain import PlainRunner
from ellimix.covariance import FAMILIES
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.engines.choice import has_numba
from ellimix.errors import DataError
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.records import Detail
from ellimix.selection.arrangement import floor_of, grid_of, in_order
from ellimix.selection.board import Board, Setting
from ellimix.selection.cells import Verdict
from ellimix.selection.criteria import values
from ellimix.selection.cross_validation import cross_validate
from ellimix.selection.grain import observation, resolutions
from ellimix.selection.ground import classes_of, ground_of
from ellimix.selection.guard import Guard
from ellimix.selection.plan import runner_for
from ellimix.selection.portfolio import Effort
from ellimix.selection.search import search
from ellimix.sources.knowledge import prior_of
from ellimix.sources.labelled import Placed, labels_of, with_labels
from ellimix.sources.memory import MemorySource
from searched_cells import assert_same_cells, holed

LIGHTEST = Effort(rounds=1, cells=1, random=1, trees=1)


def two_groups(n=160, seed=0):
    """Two groups far apart, three columns, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    rows = rng.normal(size=(n, 3)) * [1.0, 0.5, 2.0] + 6.0 * labels[:, None]
    return rows, labels


def found(source, families=("EEE", "VVI"), components=range(1, 4), seed=0, **arguments):
    if not isinstance(source, MemorySource):
        source = MemorySource(np.asarray(source))
    options = {"random": np.random.RandomState(seed), "effort": LIGHTEST, **arguments}
    return search(
        source, families=[FAMILIES[f] for f in families], components=components, **options
    )


def log_densities(mixture, rows, allowed=None):
    """Log-densities of what is observed of each row, one at a time; of the allowed components."""
    covariances, out = mixture.covariances(), np.empty(len(rows))
    for i, row in enumerate(rows):
        see = ~np.isnan(row)
        parts = [
            mixture.weights[j]
            * multivariate_normal(mixture.means[j][see], covariances[j][np.ix_(see, see)]).pdf(
                row[see]
            )
            for j in range(mixture.n_components)
            if allowed is None or allowed[i] in (-1, j)
        ]
        out[i] = np.log(sum(parts))
    return out


# -- order, repetitions, and rows that do not count


def test_rows_are_put_in_order_with_their_holes():
    nan = np.nan
    rows = np.array([[2.0, nan], [nan, 5.0], [2.0, 1.0], [2.0, nan], [nan, 5.0], [2.0, 1.0]])
    source = in_order(MemorySource(rows, np.array([1.0, 2.0, 3.0, 4.0, 5.0, 0.0])))
    np.testing.assert_array_equal(source.rows, [[2.0, 1.0], [2.0, nan], [nan, 5.0]])
    np.testing.assert_array_equal(source.weight, [3.0, 5.0, 7.0])
    assert in_order(MemorySource(rows[:3])).weight is None


def test_rows_with_detail_keep_it_and_are_not_merged():
    rows = np.array([[1.0], [0.0], [1.0], [np.nan]])
    detail = Detail(
        errors=np.array([[4.0], [3.0], [2.0], [1.0]]),
        lower=np.array([[-np.inf]] * 3 + [[0.0]]),
        upper=np.array([[np.inf]] * 3 + [[9.0]]),
    )
    for order in permutations(range(4)):
        index = np.array(order)
        source = in_order(MemorySource(rows, detail=detail).part(index))
        np.testing.assert_array_equal(source.rows[:, 0], [0.0, 1.0, 1.0, np.nan])
        np.testing.assert_array_equal(source.detail.errors[:, 0], [3.0, 2.0, 4.0, 1.0])
        np.testing.assert_array_equal(source.detail.upper[:, 0], [np.inf, np.inf, np.inf, 9.0])
        assert source.weight is None


def test_the_order_of_the_rows():
    rows = holed(em.datasets.iris()[0])
    first = found(rows, ("EEE", "VVI", "VEV"))
    order = np.random.default_rng(1).permutation(len(rows))
    assert_same_cells(first, found(rows[order], ("EEE", "VVI", "VEV")), 1e-8)


def test_a_weight_is_a_repetition():
    rows = holed(two_groups()[0])
    weight = np.random.default_rng(2).integers(0, 3, len(rows))
    repeated = found(np.repeat(rows, weight, axis=0))
    weighted = found(MemorySource(rows, weight.astype(float)))
    assert_same_cells(repeated, weighted, 1e-7)


def test_rows_of_weight_0_count_for_nothing():
    rows = holed(np.round(two_groups()[0], 2))
    rng = np.random.default_rng(3)
    more = np.round(rng.normal(size=(40, 3)) * 50.0, 1)
    more[:20] = np.nan
    more[20:30, 1] = np.nan
    both = np.concatenate([more, rows])
    weight = np.append(np.zeros(40), np.ones(len(rows)))
    assert_same_cells(found(rows), found(MemorySource(both, weight)), 1e-8)


# -- the likelihood, the choice


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_each_cell_has_the_likelihood_of_what_is_observed(engine):
    if engine == "numba" and not has_numba():
        pytest.skip("numba is not installed")
    rows = holed(two_groups(90)[0])
    result = found(rows, engine=engine)
    for cell in result.cells:
        naive = log_densities(cell.mixture, rows).sum()
        np.testing.assert_allclose(cell.log_likelihood, naive, rtol=1e-9)
        assert cell.weight == 90.0
    best = result.best
    assert (best.n_components, best.report.engine) == (2, engine)
    parameters = best.mixture.n_parameters
    value = -2.0 * best.log_likelihood + parameters * np.log(90.0)
    np.testing.assert_allclose(values(result.cells, "bic").min(), value)


def test_holes_lose_little_of_the_fits_of_whole_rows():
    rows, _ = two_groups()
    whole = found(rows, engine="numpy").best.mixture.by_weight()
    few = found(holed(rows, 0.02)).best.mixture.by_weight()
    order = np.argsort(few.means[:, 0])
    np.testing.assert_allclose(
        few.means[order], whole.means[np.argsort(whole.means[:, 0])], atol=0.2
    )


def test_which_runner_runs():
    rows = two_groups()[0]
    board = Board([FAMILIES["EEE"]], [2], Setting(Guard(), None, 1.0, 3, 160.0))
    for source in (MemorySource(holed(rows)), with_labels(MemorySource(rows), two_groups()[1])):
        runner = runner_for(source, "auto", 0.0, board)
        assert not runner.compiled
    assert isinstance(runner_for(MemorySource(holed(rows)), "auto", 0.0, board), PlainRunner)
    if has_numba():
        assert runner_for(MemorySource(rows), "auto", 0.0, board).compiled


def test_many_rows_with_holes_are_sampled():
    rows, _ = two_groups(4400)
    result = found(holed(rows, 0.05), ("EII", "EEE"), [1, 2, 3])
    assert result.best.n_components == 2
    assert "sample" in result.remarks[0]
    mixture = result.best.mixture
    naive = log_densities(mixture, holed(rows, 0.05)[:50]).sum()
    np.testing.assert_allclose(mixture.log_density(holed(rows, 0.05)[:50]).sum(), naive, rtol=1e-9)
    assert result.best.weight == 4400.0


# -- cross-validation


def test_held_out_rows_keep_their_holes():
    rows = holed(two_groups(60)[0])
    source, engine = MemorySource(rows), ENGINES["numpy"]
    cells = found(rows, ("VVI",), [1, 2]).cells
    models = [(cell.mixture.family, cell.mixture.parameters) for cell in cells]
    options = {"reg_covar": 0.0, "tol": 1e-9, "max_iter": 2000}
    scored = cross_validate(
        source, engine, models, folds=3, random=np.random.RandomState(0), **options
    )
    for f in range(3):
        rest, held = (
            source.part(np.flatnonzero(part)) for part in (scored.fold != f, scored.fold == f)
        )
        for j, (family, start) in enumerate(models):
            task = Task(MaximumLikelihood(family), start, 1e-9, 2000)
            (report,) = run(rest, engine, [task])
            naive = log_densities(report.mixture, held.rows).sum()
            np.testing.assert_allclose(scored.by_fold[f, j], naive, rtol=1e-5)


def test_a_search_by_cross_validation():
    result = found(holed(two_groups(100)[0]), ("EEE",), [1, 2], criterion="cv")
    assert result.best.n_components == 2
    assert all(np.isfinite(cell.held_out) for cell in result.cells if cell.ok)


# -- grain, floor and notes


def test_the_grain_is_that_of_the_observed_values():
    rows = np.round(np.random.default_rng(0).normal(size=(300, 2)), 1)
    np.testing.assert_allclose(resolutions(MemorySource(holed(rows, 0.3))), [0.1, 0.1])
    rows[:, 1] = np.nan
    np.testing.assert_allclose(resolutions(MemorySource(rows)), [0.1, 0.0])


def test_what_an_observation_weighs():
    rows = holed(np.random.default_rng(0).normal(size=(30, 3)), 0.4)
    assert observation(MemorySource(rows)) == 1.0
    assert observation(MemorySource(np.repeat(rows, 3, axis=0))) == 3.0
    same = np.zeros((4, 1))  # equal values, told apart by what else is known
    errors = Detail(errors=np.arange(4.0)[:, None])
    bounds = Detail(lower=np.full((4, 1), -np.inf), upper=np.arange(4.0)[:, None])
    assert observation(MemorySource(same)) == 4.0
    assert observation(MemorySource(same, detail=errors)) == 1.0
    assert observation(MemorySource(same * np.nan, detail=bounds)) == 1.0


def test_values_with_errors_have_no_grid():
    rows = np.round(np.random.default_rng(0).normal(size=(50, 1)), 1)
    np.testing.assert_allclose(grid_of(MemorySource(rows)), [0.1])
    np.testing.assert_array_equal(grid_of(MemorySource(rows, detail=Detail(errors=rows**2))), [0.0])
    weight = np.append(np.zeros(50), np.ones(50))
    coarse = np.concatenate([rows, np.round(rows)])
    np.testing.assert_allclose(grid_of(MemorySource(coarse, weight)), [1.0])


def test_a_constant_column_with_holes_is_told_of_and_gets_a_floor():
    rows = holed(two_groups(60)[0])
    rows[:, 1] = np.where(np.isnan(rows[:, 1]), np.nan, 7.0)
    assert floor_of(MemorySource(rows)) > 0.0
    result = found(rows, ("VVI",), [1, 2])
    assert any("x1 are constant" in note for note in result.notes)
    assert result.best.n_components == 2


def test_a_column_that_numbers_the_rows_is_told_of():
    rows = two_groups(60)[0]
    rows[:, 0] = np.random.default_rng(0).permutation(60)
    rows[3, 1] = np.nan
    notes = found(rows, ("VVI",), [1, 2]).notes
    assert any("x0 number the rows" in note for note in notes)


# -- groups of some rows


def some(labels, share=0.3, seed=0):
    known = np.random.default_rng(seed).random(len(labels)) < share
    return np.where(known, labels, -1)


def test_component_j_is_group_js():
    rows, labels = two_groups()
    for truth in (labels, 1 - labels):
        result = found(holed(rows), labels=some(truth))
        best = result.best
        assert best.n_components == 2
        agree = (best.mixture.predict(rows) == truth).mean()
        assert agree > 0.99
        allowed = some(truth)
        for cell in result.cells:
            if cell.ok:
                naive = log_densities(cell.mixture, holed(rows), allowed).sum()
                np.testing.assert_allclose(cell.log_likelihood, naive, rtol=1e-9)


def test_fewer_components_than_groups_are_skipped():
    rows, labels = two_groups(80)
    cells = {c.n_components: c for c in found(rows, ("EEE",), [1, 2, 3], labels=labels).cells}
    assert cells[1].verdict is Verdict.SKIPPED
    assert "2 groups" in cells[1].reason
    assert cells[1].report is None
    assert cells[2].ok


def test_labels_make_groups_that_rows_alone_do_not():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 2))
    labels = (rows[:, 0] > 0.0).astype(int)
    assert found(rows, engine="numpy").best.n_components == 1
    best = found(rows, labels=labels).best
    assert best.n_components == 2
    assert (best.mixture.predict(rows) == labels).mean() > 0.9


def test_one_group_and_unlabelled_rows_that_are_another():
    rows, truth = two_groups()
    labels = np.where((np.arange(160) < 40) & (truth == 1), 0, -1)
    best = found(rows, labels=labels).best
    assert best.n_components == 2
    assert (best.mixture.predict(rows) == 1 - truth).mean() > 0.99


def test_labels_do_not_depend_on_the_order_of_the_rows():
    rows, truth = two_groups(100)
    labels, order = some(truth), np.random.default_rng(1).permutation(100)
    assert_same_cells(
        found(holed(rows), labels=labels),
        found(holed(rows)[order], labels=labels[order]),
        1e-8,
    )


def test_labels_and_cross_validation():
    rows, truth = two_groups(100)
    labels = some(truth)
    result = found(rows, ("EEE", "EII"), [1, 2, 3], labels=labels, criterion="cv")
    assert all(np.isfinite(cell.held_out) for cell in result.cells if cell.ok)
    # what is held out is scored with its label: about the likelihood of all, a little less
    for cell in result.cells:
        if cell.ok:
            assert cell.log_likelihood - 60.0 < cell.held_out < cell.log_likelihood


def test_what_is_wrong_with_labels():
    source = MemorySource(two_groups(20)[0])
    for labels, sentence in (
        (np.zeros(19, dtype=int), "expected \\(20,\\)"),
        (np.full(20, 0.5), "must be integers"),
        (np.full(20, -2), "must be integers"),
        (np.arange(20) % 4, "name 4 groups, but models of at most 3"),
    ):
        with pytest.raises(DataError, match=sentence):
            found(source, labels=labels)
    with pytest.raises(DataError, match="pass the groups of rows as labels"):
        found(replace(source, detail=Detail(prior=np.zeros((20, 2)))))


def test_priors_of_labels():
    labels, source = np.array([1, -1, 0]), MemorySource(np.arange(3.0)[:, None])
    told = with_labels(source, labels)
    np.testing.assert_array_equal(labels_of(told), labels)
    for noise in (False, True):
        placed = Placed(told, ENGINES["numpy"], noise)
        assert placed.groups == 2
        for k in (2, 4):
            expected = prior_of(labels, None, 3, k, noise)
            np.testing.assert_array_equal(placed.of(k).detail.prior, expected)
            assert placed.of(k) is placed.of(k)
    one = with_labels(source, np.array([0, -1, 0]))
    np.testing.assert_array_equal(labels_of(one), [0, -1, 0])
    assert Placed(one, ENGINES["numpy"]).groups == 1
    nothing = with_labels(source, np.full(3, -1))
    assert nothing is source
    np.testing.assert_array_equal(labels_of(nothing), [-1, -1, -1])


def test_starts_are_put_in_the_order_that_labelled_rows_like_best():
    rng = np.random.default_rng(0)
    n, means = rng.uniform(5.0, 20.0, (3, 4)), rng.normal(size=(3, 4, 2)) * 3.0
    root = rng.normal(size=(3, 4, 2, 2))
    scatter = n[..., None, None] * (root @ np.swapaxes(root, -1, -2) + np.eye(2))
    rows, labels = rng.normal(size=(30, 2)) * 3.0, np.arange(30) % 2
    source = with_labels(MemorySource(rows), labels)
    classes = classes_of(source, ENGINES["numpy"])
    group = Attempts(FAMILIES["VVV"], n, means, scatter, ("a", "b", "c"))
    out = aligned(group, classes)

    def value(n, means, scatter, order):
        average = scatter.sum(axis=0) / n.sum()
        total = 0.0
        for label in range(2):
            j = order[label]
            matrix = (scatter[j] / n[j] + 0.1 * average) / 1.1
            total += multivariate_normal(means[j], matrix).logpdf(rows[labels == label]).sum()
        return total

    for i in range(3):
        best = max(permutations(range(4), 2), key=lambda p: value(n[i], means[i], scatter[i], p))
        rest = [j for j in range(4) if j not in best]
        np.testing.assert_array_equal(out.means[i], means[i][[*best, *rest]])
        np.testing.assert_array_equal(out.n[i], n[i][[*best, *rest]])
        np.testing.assert_array_equal(out.scatter[i], scatter[i][[*best, *rest]])


def test_the_ground_of_whole_rows_is_the_rows():
    rows = two_groups(50)[0]
    ground = ground_of(MemorySource(rows), ENGINES["numpy"], None, np.random.RandomState(0))
    np.testing.assert_array_equal(ground.rows, rows)
    np.testing.assert_array_equal(ground.weight, np.ones(50))
    assert ground.clutter == 0.0
