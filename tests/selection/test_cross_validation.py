"""Cross-validation against fits to the subsets of rows."""

from __future__ import annotations

import numpy as np
import pytest

import ellimix as em
from ellimix.covariance import FAMILIES
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.errors import DataError
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.selection.cross_validation import cross_validate, draw_folds, held_out
from ellimix.sources.memory import MemorySource
from fitted_cells import fitted

IRIS = em.datasets.iris()[0]
SHAPES = [("EII", 2), ("VVI", 3), ("EEE", 1), ("EEE", 3), ("VEV", 2), ("VVV", 2), ("VVV", 3)]
OPTIONS = {"reg_covar": 1e-6, "tol": 1e-9, "max_iter": 3000}
NUMPY = ENGINES["numpy"]


def starts(rows, weight=None, shapes=SHAPES):
    cells = [fitted(rows, family, k, weight) for family, k in shapes]
    return [(FAMILIES[cell.family], cell.mixture.parameters) for cell in cells]


def naive(rows, weight, models, fold, folds):
    """Each fold and model alone, by EM on a copy of the other folds' rows; (folds, m)."""
    out = np.zeros((folds, len(models)))
    for f in range(folds):
        train, test = (fold != f) & (weight > 0), fold == f
        for j, (family, start) in enumerate(models):
            task = Task(
                MaximumLikelihood(family, OPTIONS["reg_covar"]),
                start,
                OPTIONS["tol"],
                OPTIONS["max_iter"],
            )
            (report,) = run(MemorySource(rows[train], weight[train]), NUMPY, [task])
            density = report.mixture.log_density(rows[test])
            out[f, j] = sum(w * p for w, p in zip(weight[test], density, strict=True))
    return out


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("weighted", [False, True])
def test_folds_as_weights_are_folds_as_subsets(engine, weighted):
    weight = np.random.default_rng(0).integers(0, 3, len(IRIS)) + 0.5 if weighted else None
    if weighted:
        weight[::10] = 0.0
    models = starts(IRIS, weight)
    engine = ENGINES[engine]
    source = MemorySource(IRIS, weight).placed(engine)  # whose layout has the whole weights
    scored = cross_validate(
        source, engine, models, folds=4, random=np.random.RandomState(1), **OPTIONS
    )
    plain = np.ones(len(IRIS)) if weight is None else weight
    expected = naive(IRIS, plain, models, scored.fold, 4)
    np.testing.assert_allclose(scored.by_fold, expected, atol=2e-3)
    assert scored.reasons == ("",) * len(models)
    total = held_out(source, engine, models, folds=4, random=np.random.RandomState(1), **OPTIONS)
    assert total.tolist() == scored.by_fold.sum(axis=0).tolist()
    assert (total < [p @ plain for p in _densities(models)]).all()


def _densities(models):
    return [em.Mixture(start, family).log_density(IRIS) for family, start in models]


def test_folds_are_balanced_random_and_leave_out_rows_that_do_not_count():
    weight = np.ones(103)
    weight[[4, 50]] = 0.0
    source = MemorySource(np.arange(206.0).reshape(103, 2), weight)
    fold = draw_folds(source, 5, np.random.RandomState(0))
    assert (fold == -1).nonzero()[0].tolist() == [4, 50]
    assert np.bincount(fold[fold >= 0]).tolist() == [21, 20, 20, 20, 20]
    assert (fold == draw_folds(source, 5, np.random.RandomState(0))).all()
    assert (fold != draw_folds(source, 5, np.random.RandomState(1))).any()
    counts = np.bincount([draw_folds(source, 5, np.random.RandomState(i))[0] for i in range(300)])
    assert counts.min() > 30  # 60 expected in each: the fold does not hang on the place


@pytest.mark.parametrize("folds", [1, 0, 4, 2.0, True, None])
def test_numbers_of_folds_that_are_refused(folds):
    source = MemorySource(np.arange(8.0).reshape(4, 2), np.array([1.0, 1.0, 0.0, 1.0]))
    with pytest.raises(DataError, match="whole number from 2 to 3"):
        draw_folds(source, folds, np.random.RandomState(0))


def test_a_fold_that_cannot_be_fitted_gives_minus_infinity_and_says_why():
    """Two rows far away make a component that no fold without one of them can keep."""
    random = np.random.default_rng(0)
    rows = np.concatenate([random.normal(size=(40, 1)), [[50.0], [50.5]]])
    labels = np.r_[np.zeros(40, int), 1, 1]
    cells = [fitted(rows, "VVV", 2, init_params=labels), fitted(rows, "VVV", 1)]
    models = [(FAMILIES["VVV"], cell.mixture.parameters) for cell in cells]
    options = {**OPTIONS, "reg_covar": 0.0}
    scored = cross_validate(
        MemorySource(rows), NUMPY, models, folds=42, random=np.random.RandomState(0), **options
    )
    assert scored.log_likelihood[0] == -np.inf
    assert np.isinf(scored.by_fold[:, 0]).sum() == 2
    for row in (40, 41):
        assert f"Fold {scored.fold[row]}: A component's covariance became" in scored.reasons[0]
    assert np.isfinite(scored.log_likelihood[1])  # the other model goes on
    assert scored.reasons[1] == ""


def test_a_row_that_no_component_reaches_is_a_reason_too():
    rows = np.r_[np.random.default_rng(0).normal(size=30), 1e200][:, None]
    start = em.Mixture.from_parameters([1.0], [[0.0]], [[[1.0]]]).parameters
    options = {**OPTIONS, "max_iter": 0}
    scored = cross_validate(
        MemorySource(rows),
        NUMPY,
        [(FAMILIES["VVV"], start)],
        folds=31,
        random=np.random.RandomState(0),
        **options,
    )
    assert scored.log_likelihood[0] == -np.inf
    assert scored.reasons[0] == (
        f"Fold {scored.fold[30]}: A held-out row is too far from every component."
    )


def test_interrupting_is_no_score():
    class Interrupted:
        def __getattr__(self, name):
            return getattr(NUMPY, name)

        def step(self, potentials):
            self.passes = getattr(self, "passes", 0) + 1
            if self.passes == 7:
                raise KeyboardInterrupt
            return NUMPY.step(potentials)

    engine = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        held_out(
            MemorySource(IRIS), engine, starts(IRIS), random=np.random.RandomState(0), **OPTIONS
        )
    assert engine.passes == 7


def test_it_finds_the_number_of_groups():
    random = np.random.default_rng(0)
    rows = random.normal(size=(400, 2)) + 9.0 * (np.arange(400) % 2)[:, None]
    models = starts(rows, shapes=[("VVV", k) for k in (1, 2, 3, 4)])
    options = {**OPTIONS, "tol": 1e-6}
    scores = held_out(MemorySource(rows), NUMPY, models, random=np.random.RandomState(0), **options)
    assert scores.argmax() == 1


def test_starting_from_the_full_fit_is_optimistic():
    """The documented price, where components are too many: better scores than fits begun anew."""
    random = np.random.default_rng(1)
    rows = random.normal(size=(120, 2)) + 9.0 * (np.arange(120) % 2)[:, None]
    models = starts(rows, shapes=[("VVV", k) for k in (2, 4)])
    scored = cross_validate(
        MemorySource(rows), NUMPY, models, folds=10, random=np.random.RandomState(0), **OPTIONS
    )
    anew = np.zeros(2)
    for f in range(10):
        for j, k in enumerate((2, 4)):
            cell = fitted(rows[scored.fold != f], "VVV", k)
            anew[j] += cell.mixture.log_density(rows[scored.fold == f]).sum()
    assert scored.log_likelihood[0] == pytest.approx(anew[0], abs=0.01)  # one maximum: no price
    assert scored.log_likelihood[1] > anew[1] + 5.0
