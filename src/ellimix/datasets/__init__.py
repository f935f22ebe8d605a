"""Small real data sets that come with the package, for examples and tests.

- ``faithful``: 272 eruptions of Old Faithful, minutes of eruption and of waiting (Azzalini &
  Bowman 1990).
- ``iris``: 150 flowers, four measurements in cm (Fisher 1936).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ellimix.records import Array

__all__ = ["faithful", "iris", "path"]


def path(name: str) -> Path:
    """The CSV file of a data set.

    Examples
    --------
    >>> import ellimix as em
    >>> em.datasets.path("faithful").name
    'faithful.csv'
    """
    file = Path(__file__).with_name(f"{name}.csv")
    if not file.exists():
        known = ", ".join(sorted(f.stem for f in Path(__file__).parent.glob("*.csv")))
        raise ValueError(f"There is no data set {name!r}; there are {known}.")
    return file


def faithful() -> tuple[Array, tuple[str, ...]]:
    """Old Faithful: rows (272, 2) in minutes, and the names of the columns."""
    return _read("faithful")


def iris() -> tuple[Array, tuple[str, ...]]:
    """Iris: rows (150, 4) in cm, and the names of the columns."""
    return _read("iris")


def _read(name: str) -> tuple[Array, tuple[str, ...]]:
    lines = path(name).read_text(encoding="utf-8").splitlines()
    names = tuple(field.strip('"') for field in lines[0].split(","))
    rows = np.array([[float(field) for field in line.split(",")] for line in lines[1:]])
    return rows, names
