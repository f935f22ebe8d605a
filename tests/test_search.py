"""The choice of the number of components."""

from __future__ import annotations

import numpy as np
import pytest

import ellimix as em
from ellimix.covariance import FAMILIES
from ellimix.engines import ENGINES
from ellimix.selection.by_components import best_components
from ellimix.sources.memory import MemorySource

STARTS = ("kmeans", "k-means++")


def search(rows, family="VVV", components=range(1, 7), reg_covar=1e-8, weight=None, **arguments):
    options = {"tol": 1e-7, "max_iter": 500, "starts": STARTS, "random": np.random.RandomState(0)}
    return best_components(
        MemorySource(rows, weight),
        ENGINES["numpy"],
        FAMILIES[family],
        components,
        reg_covar=reg_covar,
        **{**options, **arguments},
    )


def test_cells_are_what_single_fits_give():
    rows, _ = em.datasets.faithful()
    cells = search(rows, "EEE")
    assert not any(cell.spurious for cell in cells)
    assert [cell.bic for cell in cells] == sorted(cell.bic for cell in cells)
    assert sorted(cell.n_components for cell in cells) == list(range(1, 7))
    for cell in cells:
        model = em.GaussianMixture.from_mixture(cell.report.mixture)
        np.testing.assert_allclose(cell.bic, model.bic(rows))
        np.testing.assert_allclose(cell.log_likelihood, model.score(rows) * len(rows))
    # R mclust's choice for this family is 3 components, with BIC 2314.316
    assert cells[0].n_components == 3
    assert cells[0].bic < 2314.317


def test_well_separated_groups_are_counted():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(60, 3)) + 9 * np.eye(3)[j] for j in range(3)])
    assert search(rows)[0].n_components == 3
    assert search(rng.normal(size=(200, 3)))[0].n_components == 1


def test_numbers_above_the_rows_are_left_out_and_collapsed_cells_never_win():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(12, 2))
    cells = search(rows, components=range(1, 30), reg_covar=0.0)
    assert max(cell.n_components for cell in cells) == 12
    assert cells[0].sound
    failed = [cell for cell in cells if not cell.sound]
    assert failed
    assert all(cell.bic == np.inf and cell.report.message for cell in failed)


@pytest.mark.parametrize(
    ("name", "choice", "bic"), [("faithful", 2, 2322.193), ("iris", 2, 574.019)]
)
def test_spuriously_thin_components_do_not_win(name, choice, bic, monkeypatch):
    """Both hold rows with equal values, onto which one component of many can shrink."""
    rows, _ = getattr(em.datasets, name)()
    starts = ("kmeans", "k-means++", "k-means++", "k-means++", *3 * ("random_from_data",))
    cells = search(rows, components=range(1, 8), starts=starts)
    assert not cells[0].report.thin()
    assert (cells[0].n_components, cells[0].bic < bic) == (choice, True)  # as R mclust chooses
    monkeypatch.setattr("ellimix.report.THIN", 0.0)
    unguarded = search(rows, components=range(1, 8), starts=starts)
    assert unguarded[0].n_components > choice
    assert unguarded[0].bic < cells[0].bic - 5.0


def test_no_sound_cell_is_one_error_with_the_reasons():
    with pytest.raises(em.FitFailed, match="no spread"):
        search(np.ones((10, 2)), reg_covar=0.0)


def test_weights_count_in_bic():
    rows, _ = em.datasets.faithful()
    doubled = search(rows, "EEE", [2], weight=np.full(len(rows), 2.0))[0]
    repeated = search(np.repeat(rows, 2, axis=0), "EEE", [2])[0]
    np.testing.assert_allclose(doubled.bic, repeated.bic, rtol=1e-8)
