"""Real data sets: the package's own, scikit-learn's, and those that R and mclust come with."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

import ellimix as em
from side_by_side.environment import Environments, Unavailable, last_line
from side_by_side.tools import InR


def real(environments: Environments) -> dict[str, np.ndarray]:
    """Rows (n, d) by name; without R, those that need no R. Smallest first.

    The first ten columns of breast_cancer are means of measurements, the last ten of R's wdbc are
    the worst ones, of the same 569 patients.
    """
    sets = {
        "iris": np.asarray(em.datasets.iris()[0]),
        "faithful": np.asarray(em.datasets.faithful()[0]),
        "wine": load_wine().data,
        "breast_cancer": load_breast_cancer().data[:, :10],
        "load_diabetes": load_diabetes().data,
        **of_r(environments),
    }
    return dict(sorted(sets.items(), key=lambda item: item[1].size * item[1].shape[1]))


def of_r(environments: Environments) -> dict[str, np.ndarray]:
    """R's, by its own worker; none without R and mclust."""
    launcher = InR("datasets.R", "mclust")
    try:
        command = launcher.prepare(environments)
    except Unavailable:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([*command, folder], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(last_line(done.stderr))
        files = sorted(Path(folder).glob("*.csv"))
        return {file.stem: np.loadtxt(file, delimiter=",", ndmin=2) for file in files}
