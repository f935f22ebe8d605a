"""R mclust 6.0.0's BIC of every cell of its search (``make_mclust_bic.R`` stands beside them).

Its sign is the opposite of ours: larger is better there.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import ellimix as em
from ellimix.covariance import parse

HERE = Path(__file__).parent
DATA = ("iris", "faithful", "diabetes", "acidity")


def rows(name: str) -> np.ndarray:
    if name in ("iris", "faithful"):
        return getattr(em.datasets, name)()[0]
    return np.loadtxt(HERE / f"{name}.csv", delimiter=",", skiprows=1, ndmin=2)


def table(name: str) -> dict[tuple[str, int], float]:
    with (HERE / "mclust_bic" / f"{name}.csv").open(encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    return {
        (family, int(line["n_components"])): float(value or "nan")
        for line in lines
        for family, value in line.items()
        if family != "n_components"
    }


@pytest.mark.parametrize("name", DATA)
def test_every_family_and_size_is_there(name):
    families = ("E", "V") if name == "acidity" else tuple(em.FAMILIES)
    assert set(table(name)) == {(family, k) for family in families for k in range(1, 10)}


@pytest.mark.parametrize("name", DATA)
def test_one_component_has_minus_its_bic(name):
    X, cells = rows(name), table(name)
    for family, k in cells:
        if k == 1:
            letters = parse(family, X.shape[1]).name
            model = em.GaussianMixture(1, covariance_type=letters, reg_covar=0.0).fit(X)
            assert model.bic(X) == pytest.approx(-cells[family, 1], rel=1e-9)


@pytest.mark.parametrize(
    ("name", "family", "k", "value"),
    [
        ("iris", "VEV", 2, -561.728),
        ("faithful", "EEE", 3, -2314.316),
        ("diabetes", "VVV", 3, -4751.316),
        ("acidity", "E", 2, -392.072),
    ],
)
def test_the_chosen_cell_is_the_published_one(name, family, k, value):
    cells = table(name)
    best = max((cell for cell in cells if not np.isnan(cells[cell])), key=cells.__getitem__)
    assert best == (family, k)
    assert cells[best] == pytest.approx(value, abs=1e-3)
