"""Fits that end before their end: what a checkpoint's tests begin with."""

from __future__ import annotations

import warnings
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import ellimix as em
from ellimix.estimators.checkpointing import Keeper

NAMES = ("a", "b", "c")


class Killed(BaseException):
    """What a test ends a fit by: nothing that a fit knows of."""


def rows(n=1_500, seed=0):
    """Three groups that overlap: EM needs many passes."""
    rng = np.random.default_rng(seed)
    means = np.array([[0.0, 0.0, 0.0], [2.0, 1.0, 0.0], [0.0, 2.5, 1.0]])
    scales = np.array([1.0, 0.6, 1.3])
    labels = rng.integers(3, size=n)
    return means[labels] + scales[labels, None] * rng.normal(size=(n, 3))


def with_holes(X, seed=1):
    """The rows with missing values."""
    return np.where(np.random.default_rng(seed).random(X.shape) < 0.1, np.nan, X)


def weights(n=1_500, seed=2):
    return np.random.default_rng(seed).random(n) + 0.5


def write(path, X, weight=None):
    """A Parquet file, with a column of weights w where there are some."""
    columns = {name: pa.array(X[:, j], from_pandas=True) for j, name in enumerate(NAMES)}
    if weight is not None:
        columns["w"] = weight
    parquet.write_table(pa.table(columns), path, row_group_size=1_000)
    return path


HELD = {"means_init": [[0.0, 0.0, 0.0], [np.nan] * 3, [np.nan] * 3], "fix": {"means": [0]}}
MIXTURES = {
    "plain": {},
    "squarem": {"acceleration": "squarem", "tol": 1e-7},
    "anderson": {"acceleration": "anderson", "tol": 1e-7},
    "em": {"acceleration": None, "covariance_type": "VVE"},
    "starts": {"n_init": 3, "init_params": "random_from_data", "acceleration": "squarem"},
    "noise": {"noise": True, "covariance_type": "EEE"},
    "held": {**HELD, "min_weight": 0.05},
    "prior": {"prior": "default", "covariance_type": "VEI"},
    "spherical": {"covariance_type": "spherical", "equal_weights": True},
    "compiled": {"engine": "numba"},
}
POSTERIORS = {
    "process": {"acceleration": "squarem"},
    "dirichlet": {"weight_concentration_prior_type": "dirichlet_distribution"},
    "gamma": {"weight_concentration_prior": (1.0, 1.0)},
    "point": {"covariance_type": "VEE"},
    "moves": {"moves": True, "max_iter": 12, "covariance_type": "spherical"},
}
CASES = [*MIXTURES, *POSTERIORS]


def model(case, **more):
    """An unfitted estimator that needs many passes."""
    common = {"tol": 1e-6, "max_iter": 40, "random_state": 3, "engine": "numpy"}
    if case in MIXTURES:
        return em.GaussianMixture(3, **{**common, **MIXTURES[case], **more})
    return em.BayesianGaussianMixture(4, **{**common, **POSTERIORS[case], **more})


def fitted(estimator, X, **arguments):
    """Fitted, whether it has converged or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X, **arguments)


@contextmanager
def killed_after(monkeypatch, passes):
    """Within it, fits with a checkpoint end after so many passes, when that is written."""
    observe = Keeper.observe

    def ending(self, fits):
        observe(self, fits)
        if fits.state().passes >= passes:
            raise Killed
        return False

    with monkeypatch.context() as patched:
        patched.setattr(Keeper, "observe", ending)
        patched.setattr(Keeper, "close", lambda self: None)
        try:
            yield
        except Killed:
            return
    raise AssertionError("the fit was to be killed, and ended before")


def every_pass(path):
    return em.Checkpoint(path, every_passes=1)


def said(report):
    """Its notes, but for that on how it was gone on with."""
    return [note for note in report.notes if "went on from" not in note]


def check_same_bits(one, other):
    """Two fitted estimators with the same numbers, to the bit."""
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert one.lower_bounds_ == other.lower_bounds_
    assert one.noise_weight_ == other.noise_weight_
    assert (one.n_iter_, one.converged_) == (other.n_iter_, other.converged_)
    check_same_reports(one.report_, other.report_)
    assert len(one.reports_) == len(other.reports_)
    for left, right in zip(one.reports_, other.reports_, strict=True):
        check_same_reports(left, right)
    if isinstance(one, em.BayesianGaussianMixture):
        assert np.array_equal(one.weight_concentration_, other.weight_concentration_)
        assert np.array_equal(one.mean_precision_, other.mean_precision_)
        assert np.array_equal(one.mean_prior_, other.mean_prior_)
        assert np.array_equal(one.covariance_prior_, other.covariance_prior_)
    else:
        assert one.log_prior_ == other.log_prior_


def check_same_reports(one, other):
    names = ("status", "message", "trace", "steps", "start", "engine", "n_rows")
    for name in names:
        assert getattr(one, name) == getattr(other, name), name
    assert said(one) == said(other)
    assert np.array_equal(one.counts, other.counts)
