"""SIGKILL at any instant: the fit is gone on with, and ends with the bits of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import ellimix as em
from broken_fits import fitted, model, rows, said, weights, with_holes, write
from ellimix.checkpoint import read_file

CHILD = Path(__file__).with_name("killed.py")
PATIENCE = 60.0  # seconds


def child(case, folder, pause, *more):
    source = os.pathsep.join([str(Path(em.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, CHILD, case, folder, str(pause), *more],
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
    )


def passes(path):
    return read_file(path).fits.passes if path.exists() else -1


def kill_further_on(process, path, wait):
    """Kill it some time after it has written a checkpoint that is further on."""
    before, until = passes(path), time.monotonic() + PATIENCE
    while passes(path) <= before:
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < until
        time.sleep(0.005)
    time.sleep(wait)
    process.kill()
    assert process.wait() == -signal.SIGKILL


def check_end(case, folder, source):
    end = np.load(folder / "end.npz")
    whole = fitted(model(case), source)
    assert np.array_equal(end["weights"], whole.weights_)
    assert np.array_equal(end["means"], whole.means_)
    assert np.array_equal(end["covariances"], whole.covariances_)
    assert np.array_equal(end["factors"], whole.precisions_cholesky_)
    assert end["trace"].tolist() == whole.lower_bounds_
    assert tuple(end["steps"]) == whole.report_.steps
    assert np.array_equal(end["counts"], whole.report_.counts)
    kept = [note for note in end["notes"] if "went on from" not in note]
    assert kept == said(whole.report_)
    assert len(kept) < len(end["notes"])


@pytest.mark.parametrize(("case", "times"), [("starts", 2), ("noise", 1), ("process", 1)])
def test_at_random_instants(case, times, tmp_path):
    source = em.rows(
        write(tmp_path / "x.parquet", with_holes(rows()), weights()), weights="w", memory=0
    )
    rng, path = np.random.default_rng(), tmp_path / "run.json"
    for _ in range(times):
        kill_further_on(child(case, tmp_path, 0.04), path, rng.uniform(0.0, 0.3))
        read_file(path)  # whole, whatever the instant
    assert child(case, tmp_path, 0.0).wait(PATIENCE) == 0
    check_end(case, tmp_path, source)


def test_in_the_middle_of_a_write(tmp_path):
    source = em.rows(write(tmp_path / "x.parquet", rows(), weights()), weights="w", memory=0)
    assert child("squarem", tmp_path, 0.0, "4").wait(PATIENCE) == -signal.SIGKILL
    assert (tmp_path / "run.json.new").stat().st_size == 700
    assert passes(tmp_path / "run.json") == 3
    assert child("squarem", tmp_path, 0.0).wait(PATIENCE) == 0
    assert not (tmp_path / "run.json.new").exists()
    check_end("squarem", tmp_path, source)
