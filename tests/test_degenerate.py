"""Fits that cannot go well: each ends with a status and a sentence, and none with a NaN."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from ellimix import FitReport, GaussianMixture, Mixture
from ellimix.covariance import FAMILIES
from ellimix.em import Task, run
from ellimix.engines import ENGINES
from ellimix.errors import DataError, FitFailed, FitWarning, Status
from ellimix.inference.likelihood import MaximumLikelihood
from ellimix.sources.memory import MemorySource
from ellimix.starts import STARTS, Beginning, Given

ENGINE = ENGINES["numpy"]
FLOORS = (0.0, 1e-6)
ALL = frozenset(FAMILIES)
DIAGONAL = frozenset({"EII", "VII", "EEI", "VEI", "EVI", "VVI"})
NAMED = re.compile(r"component \d+ \(count [\d.e+-]+\)|the shared covariance")
REMEDY = {
    Status.COLLAPSED: "Raise reg_covar",
    Status.EMPTY: "Use fewer components",
    Status.OVERFLOW: "Remove rows",
}


@dataclass(frozen=True)
class Case:
    """Rows, the labels to begin from, and the families that can be fitted without a floor."""

    rows: np.ndarray
    labels: np.ndarray
    k: int
    without_floor: frozenset[str]


def two_groups() -> np.ndarray:
    random = np.random.default_rng(5)
    return np.concatenate([random.normal(size=(18, 2)), random.normal(size=(14, 2)) + 4.0])


def cases() -> dict[str, Case]:
    """Families whose components share what is missing in one of them need no floor."""
    two, halves = two_groups(), np.repeat([0, 1], [18, 14])
    point = np.tile([9.0, -3.0], (6, 1))
    wide = np.random.default_rng(5).normal(size=(6, 10)) + np.repeat([[0.0], [6.0]], 3, axis=0)
    shared = frozenset({"EII", "EEI", "EEE", "EEV"})
    return {
        "one row repeated in a component": Case(
            np.concatenate([two[:24], point]), np.repeat([0, 1], [24, 6]), 2, shared
        ),
        "all rows equal": Case(
            np.tile([0.1, 1e5 / 3.0], (12, 1)), np.repeat([0, 1], [5, 7]), 2, frozenset()
        ),
        "more columns than rows": Case(wide, np.repeat([0, 1], 3), 2, DIAGONAL),
        "a constant column": Case(
            np.insert(two, 1, 0.3, axis=1), halves, 2, frozenset({"EII", "VII"})
        ),
        "every row three times": Case(np.repeat(two, 3, axis=0), np.repeat(halves, 3), 2, ALL),
    }


CASES = cases()
EMPTY = Case(two_groups(), np.repeat([0, 2], [18, 14]), 3, ALL)
FEW = Case(two_groups()[:3], np.arange(3), 5, frozenset())


def task(
    family: str, case: Case, floor: float, labels: np.ndarray | None = None, k: int = 0
) -> Task:
    labels, k = (case.labels, case.k) if labels is None else (labels, k)
    moment = FAMILIES[family].moment
    start = Given(labels).statistics(
        Beginning(MemorySource(case.rows), ENGINE, k, moment, floor, np.random.RandomState(0))
    )
    return Task(MaximumLikelihood(FAMILIES[family], floor), start, 0.0, 20, name=family)


def fit(family: str, case: Case, floor: float) -> FitReport:
    (report,) = run(MemorySource(case.rows), ENGINE, [task(family, case, floor)])
    return report


def sound(report: FitReport) -> None:
    """Nothing in the report is NaN, and what it says can be read."""
    assert np.isfinite(report.trace).all()
    if report.mixture is not None:
        finite(report.mixture)
    if report.status.failed:
        assert NAMED.search(report.message)
        assert REMEDY[report.status] in report.message
        assert report.message in report.warnings()
    assert all(re.fullmatch(r"\S.*\.", sentence) for sentence in report.warnings())


def finite(mixture: Mixture) -> None:
    covariance = mixture.covariance
    arrays = (covariance.values, covariance.factor, covariance.log_det, covariance.precisions())
    for array in (mixture.weights, mixture.means, *arrays):
        assert np.isfinite(array).all()
    assert (np.linalg.eigvalsh(mixture.covariances()) > 0.0).all()


# -- through the loop ------------------------------------------------------------------------------


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", CASES)
def test_a_degenerate_component_collapses_unless_there_is_a_floor(
    name: str, family: str, floor: float
) -> None:
    case = CASES[name]
    report = fit(family, case, floor)
    sound(report)
    fine = floor > 0.0 or family in case.without_floor
    assert report.status is (Status.MAX_ITER if fine else Status.COLLAPSED), report.message
    assert (report.mixture is not None) == fine


@pytest.mark.parametrize("family", sorted(ALL - {"EII", "EEI", "EEE", "EEV"}))
def test_the_component_is_named_with_its_count(family: str) -> None:
    report = fit(family, CASES["one row repeated in a component"], 0.0)
    assert "component 1 (count 6)" in report.message
    assert "component 0" not in report.message
    assert "no spread" in report.message


@pytest.mark.parametrize("family", ["EEI", "VVI", "EEE", "EEV", "EVV", "VVV"])
def test_the_constant_column_is_named(family: str) -> None:
    assert "column(s) 1" in fit(family, CASES["a constant column"], 0.0).message


@pytest.mark.parametrize("family", ["EEE", "VEE", "EEV", "EVV", "VVV"])
def test_too_few_rows_are_named(family: str) -> None:
    assert "fewer rows than the 11" in fit(family, CASES["more columns than rows"], 0.0).message


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("case", [EMPTY, FEW], ids=["unused label", "fewer rows than components"])
def test_empty_components(case: Case, family: str, floor: float) -> None:
    """What began empty finds rows, loses its weight, or (without a floor) ends on one row."""
    report = fit(family, case, floor)
    sound(report)
    ends = {Status.MAX_ITER, Status.EMPTY}
    if floor == 0.0 or case is FEW:
        ends.add(Status.COLLAPSED)
    assert report.status in ends
    if case is EMPTY and report.status.failed:
        assert "component 1 " in report.message


@pytest.mark.parametrize("bad", [1e200, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_out_of_range(family: str, floor: float, bad: float) -> None:
    rows = np.concatenate([two_groups(), [[bad, 0.0]]])
    report = fit(family, Case(rows, np.repeat([0, 1], [18, 15]), 2, ALL), floor)
    sound(report)
    assert report.status is Status.OVERFLOW
    assert report.mixture is None
    if family == "EEE" and np.isfinite(bad):  # its square overflows in the sum over components
        assert "the shared covariance: its sums" in report.message
    else:
        assert "component 1 (count 15)" in report.message


@pytest.mark.parametrize("family", FAMILIES)
def test_a_far_row_met_on_the_way(family: str) -> None:
    """The parameters before it are kept."""
    rows = np.concatenate([two_groups(), [[1e200, 0.0]]])
    before = fit(family, Case(rows[:-1], np.repeat([0, 1], [18, 14]), 2, ALL), 0.0)
    start = before.mixture.parameters
    later = Task(MaximumLikelihood(FAMILIES[family]), start, 0.0, 20)
    (report,) = run(MemorySource(rows), ENGINE, [later])
    sound_but_unnamed(report)
    np.testing.assert_array_equal(report.mixture.means, start.means)
    assert not report.usable


def sound_but_unnamed(report: FitReport) -> None:
    assert report.status is Status.OVERFLOW
    assert REMEDY[Status.OVERFLOW] in report.message
    finite(report.mixture)


def ends_on_repeated_rows() -> Case:
    """A component that begins with some spread, and loses the rows that give it."""
    case = CASES["one row repeated in a component"]
    labels = case.labels.copy()
    labels[np.argsort(np.linalg.norm(case.rows[:24] - case.rows[-1], axis=1))[:2]] = 1
    return Case(case.rows, labels, 2, case.without_floor)


@pytest.mark.parametrize("family", ["VII", "VEI", "VVI", "VEE", "VVE", "VEV", "VVV"])
def test_a_collapse_on_the_way_keeps_the_last_sound_parameters(family: str) -> None:
    case = ends_on_repeated_rows()
    report = fit(family, case, 0.0)
    sound(report)
    assert report.status is Status.COLLAPSED
    assert report.n_iter > 0
    assert "component 1 (count 6" in report.message
    model = GaussianMixture(2, covariance_type=family, reg_covar=0.0, init_params=case.labels)
    with pytest.warns(FitWarning, match="component 1 "):
        model.fit(case.rows)
    finite(model.mixture_)
    well_behaved(model, case.rows)


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("name", [*CASES, "unused label", "fewer rows than components"])
def test_other_fits_in_flight_do_not_notice(name: str, floor: float) -> None:
    case = {**CASES, "unused label": EMPTY, "fewer rows than components": FEW}[name]
    source, zeros = MemorySource(case.rows), np.zeros(case.rows.shape[0], dtype=int)
    steady = [task(family, case, 1e-3, zeros, 1) for family in ("VVV", "EII")]
    alone = [run(source, ENGINE, [one])[0] for one in steady]
    doomed = [task(family, case, floor) for family in FAMILIES]
    together = run(source, ENGINE, [steady[0], *doomed, steady[1]])
    for report, before in zip((together[0], together[-1]), alone, strict=True):
        assert report.status is Status.MAX_ITER
        assert report.trace == before.trace
        np.testing.assert_array_equal(report.mixture.means, before.mixture.means)
        np.testing.assert_array_equal(
            report.mixture.covariance.values, before.mixture.covariance.values
        )


# -- through the estimator -------------------------------------------------------------------------


def fitted(
    family: str, case: Case, floor: float, init: str | np.ndarray, ignore: str = "nothing"
) -> tuple[GaussianMixture | None, list[type[Warning]], str]:
    """The model or None, the categories of what it warned of, and the error's sentence.

    Warnings of modules whose name matches `ignore` are left out.
    """
    model = GaussianMixture(
        case.k, covariance_type=family, reg_covar=floor, init_params=init, random_state=0
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=ignore)
        try:
            model.fit(case.rows)
        except FitFailed as error:
            return None, [one.category for one in caught], str(error)
    return model, [one.category for one in caught], ""


def well_behaved(model: GaussianMixture, rows: np.ndarray) -> None:
    arrays = (model.weights_, model.means_, model.covariances_, model.precisions_)
    for array in (*arrays, model.precisions_cholesky_, model.score_samples(rows)):
        assert np.isfinite(array).all()
    share = model.predict_proba(rows)
    np.testing.assert_allclose(share.sum(axis=1), 1.0)
    for number in (model.score(rows), model.bic(rows), model.aic(rows), model.icl(rows)):
        assert np.isfinite(number)
    assert set(model.predict(rows)) <= set(range(model.n_components))


def warned_as_it_ended(model: GaussianMixture, categories: list[type[Warning]]) -> None:
    status = model.report_.status
    expected = {Status.CONVERGED: [], Status.MAX_ITER: [ConvergenceWarning]}
    assert categories == expected.get(status, [FitWarning])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", [*CASES, "unused label"])
def test_with_a_floor_every_start_gives_a_fit(name: str, family: str) -> None:
    case = CASES.get(name, EMPTY)
    for init in (case.labels, *STARTS):
        model, categories, error = fitted(family, case, 1e-6, init)
        assert model is not None, error
        assert not model.report_.status.failed, model.report_.message
        warned_as_it_ended(model, categories)
        well_behaved(model, case.rows)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", [*CASES, "unused label"])
def test_without_a_floor_a_fit_or_a_sentence(name: str, family: str) -> None:
    case = CASES.get(name, EMPTY)
    for init in (case.labels, *STARTS):
        model, categories, error = fitted(family, case, 0.0, init)
        if model is None:
            assert categories == []
            assert error.startswith("No start gave a fit. ")
            assert NAMED.search(error)
            assert error.endswith(".")
            assert (
                init is not case.labels
                or name == "unused label"
                or (family not in case.without_floor)
            )
        else:
            warned_as_it_ended(model, categories)
            well_behaved(model, case.rows)
            assert init is not case.labels or family in case.without_floor


@pytest.mark.parametrize("family", ["VEI", "VEE", "VEV", "VVV"])
@pytest.mark.parametrize("seed", range(12))
def test_a_floor_is_enough_for_fewer_rows_than_columns(family: str, seed: int) -> None:
    """Every covariance has its floor along every axis, so every M-step has a maximum."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(6, 8)) * 10.0 ** random.uniform(-1.0, 2.0, size=8)
    for init in ("kmeans", "k-means++"):
        ends_soundly(family, rows, init)


@pytest.mark.parametrize("init", ["random", "k-means++"])
@pytest.mark.parametrize("family", ["EVE", "VVE", "EEV"])
def test_axes_of_components_that_lie_in_flats(family: str, init: str) -> None:
    """Most axes are free to turn; LAPACK may give up on the second derivatives along them."""
    ends_soundly(family, np.random.default_rng(5).normal(size=(6, 10)), init)


def ends_soundly(family: str, rows: np.ndarray, init: str) -> None:
    labels = np.zeros(rows.shape[0], dtype=int)
    model, _, error = fitted(family, Case(rows, labels, 2, ALL), 1e-6, init)
    assert model is not None, error
    assert not model.report_.status.failed, model.report_.message
    well_behaved(model, rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_fewer_rows_than_components(family: str) -> None:
    for init in STARTS:
        with pytest.raises(DataError, match="n_samples >= n_components"):
            GaussianMixture(5, covariance_type=family, init_params=init).fit(FEW.rows)


def test_infinite_numbers_are_refused() -> None:
    rows = two_groups()
    rows[3, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        GaussianMixture(2).fit(rows)
    model = GaussianMixture(2, random_state=0).fit(two_groups())
    for method in (model.predict, model.predict_proba, model.score, model.score_samples):
        with pytest.raises(ValueError, match="infinity"):
            method(rows)


@pytest.mark.parametrize("init", ["labels", *STARTS])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_at_1e200(family: str, init: str) -> None:
    """A component of its own for that row, or a sentence; no warning but scikit-learn's own."""
    labels = np.repeat([0, 1], [18, 15])
    case = Case(np.concatenate([two_groups(), [[1e200, 0.0]]]), labels, 2, ALL)
    start = labels if init == "labels" else init
    model, categories, error = fitted(family, case, 1e-6, start, ignore=r"sklearn|numpy")
    if model is None:
        assert categories == []
        assert REMEDY[Status.OVERFLOW] in error
    else:
        assert init != "labels"
        warned_as_it_ended(model, categories)
        well_behaved(model, case.rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_far_rows_have_a_density_and_a_component(family: str) -> None:
    model = GaussianMixture(2, covariance_type=family, random_state=0).fit(two_groups())
    far = np.array([[1e100, 0.0], [-1e160, 1e160], [1e200, 3.0], [1e308, -1e308]])
    density = model.score_samples(far)
    assert not np.isnan(density).any()
    assert (density < -1e150).all()
    share = model.predict_proba(far)
    assert np.isfinite(share).all()
    np.testing.assert_allclose(share.sum(axis=1), 1.0)
    assert model.score(far) == -np.inf


@pytest.mark.parametrize("scale", [1e-100, 1e100])
@pytest.mark.parametrize("family", FAMILIES)
def test_units_whose_squares_are_near_the_end_of_the_range(family: str, scale: float) -> None:
    rows, labels = two_groups(), np.repeat([0, 1], [18, 14])
    model = GaussianMixture(2, covariance_type=family, reg_covar=0.0, init_params=labels)
    before = model.fit(rows).mixture_
    scaled = model.fit(rows * scale)
    well_behaved(scaled, rows * scale)
    np.testing.assert_allclose(scaled.means_ / scale, before.means, rtol=1e-9)
    np.testing.assert_allclose(
        scaled.mixture_.covariances() / scale / scale, before.covariances(), rtol=1e-9
    )
