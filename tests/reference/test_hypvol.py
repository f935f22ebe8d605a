"""R mclust 6.0.0's volume of the region of noise (``make_hypvol.R`` stands beside it)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import ellimix as em
from ellimix.starts.noise import box_of

HERE = Path(__file__).parent
with (HERE / "hypvol.csv").open(encoding="utf-8") as stream:
    ROWS = list(csv.DictReader(stream))


def data(name):
    match name:
        case "iris":
            return em.datasets.iris()[0]
        case "iris_12":
            return em.datasets.iris()[0][:, :2]
        case "faithful":
            return em.datasets.faithful()[0]
    return np.loadtxt(HERE / f"{name}.csv", delimiter=",", skiprows=1, ndmin=2)


@pytest.mark.parametrize("row", ROWS, ids=[row["data"] for row in ROWS])
def test_the_region_has_the_volume_that_mclust_says(row):
    rows = data(row["data"])
    volume, bounds = float(row["hypvol"]), float(row["bounds"])
    assert np.exp(box_of(rows, None, True).log_volume) == pytest.approx(volume, rel=1e-12)
    assert np.exp(box_of(rows, None, False).log_volume) == pytest.approx(bounds, rel=1e-12)
