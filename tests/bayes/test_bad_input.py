"""Each thing that makes no sense gets one sentence."""

from __future__ import annotations

import numpy as np
import pytest

import ellimix as em
from bayes_problems import PRIORS
from ellimix.bayes import MultivariateNormal, MultivariateT, Normal, NormalMean
from ellimix.errors import DataError

NAN, INF = np.nan, np.inf
EYE = np.eye(2)

PARAMETERS = [
    (lambda: NormalMean(NAN, 1.0, 1.0), "location is nan: pass a finite number"),
    (lambda: NormalMean(0.0, -1.0, 1.0), "variance is -1: pass a positive number"),
    (lambda: NormalMean(0.0, 0.0, 1.0), "variance is 0"),
    (lambda: NormalMean(0.0, 1.0, 0.0), "noise_variance is 0: pass a positive, finite"),
    (lambda: NormalMean(0.0, 1.0, INF), "noise_variance is inf"),
    (lambda: NormalMean("x", 1.0, 1.0), "location is 'x': pass a number"),
    (lambda: Normal(1e150, 1.0, 1.0, 1.0), "location is 1e.150: its square is no double"),
    (lambda: MultivariateNormal([1e150], 1.0, 1.0, [[1.0]]), "above 1e.140: rescale"),
    (lambda: Normal(0.0, 0.0, 1.0, 1.0), "kappa is 0: pass a positive"),
    (lambda: Normal(0.0, -1.0, 1.0, 1.0, improper=True), "kappa is -1"),
    (lambda: Normal(0.0, 1.0, 0.0, 1.0), "degrees is 0: with 1 feature pass more than d - 1 = 0"),
    (lambda: Normal(0.0, 1.0, -2.0, 1.0, improper=True), "degrees is -2: .* pass -1 or more"),
    (lambda: Normal(0.0, 1.0, 1.0, 0.0), "scale is 0: pass a positive"),
    (lambda: Normal(0.0, 1.0, 1.0, -1.0, improper=True), "scale is -1"),
    (lambda: Normal([0.0, 1.0], 1.0, 1.0, 1.0), "location is .*: pass a number"),
    (lambda: MultivariateNormal([0, 0], 1.0, 1.0, EYE), "degrees is 1: with 2 features"),
    (lambda: MultivariateNormal([0, 0], 1.0, 3.0, -EYE), "scale is not positive definite"),
    (lambda: MultivariateNormal([0, 0], 1.0, 3.0, [[1, 1], [1, 1]]), "not positive definite"),
    (lambda: MultivariateNormal([0, 0], 1.0, 3.0, [[1, 2], [2, 1]], True), "not positive def"),
    (lambda: MultivariateNormal([0, 0], 1.0, 3.0, [[1, 0.5], [0, 1]]), "not symmetric"),
    (lambda: MultivariateNormal([0, 0], 1.0, 3.0, np.eye(3)), r"has shape \(3, 3\)"),
    (lambda: MultivariateNormal(0.0, 1.0, 3.0, EYE), "one number a feature"),
    (
        lambda: MultivariateNormal([0, NAN], 1.0, 3.0, EYE),
        "location holds a value that is not finite",
    ),
    (lambda: MultivariateNormal([0, 0], 1.0, 3.0, "ab"), "scale is not an array of numbers"),
    (lambda: MultivariateNormal.vague(1.5), "n_features is 1.5: pass a whole number"),
    (lambda: MultivariateT([0, 0], EYE, 0.0), "degrees is 0"),
    (lambda: MultivariateT([0, 0], -EYE, 2.0), "shape is not positive definite"),
    (lambda: PRIORS["normal"].interval(90), "level is 90: pass a probability"),
    (lambda: PRIORS["mean"].interval(0.0), "level is 0: pass a probability"),
    (lambda: PRIORS["normal"].sample(-1), "n is -1: pass a whole number"),
    (lambda: PRIORS["normal"].sample(INF), "n is inf: pass a whole number"),
    (lambda: PRIORS["normal"].forget(1.1), "factor is 1.1: pass a number from 0 to 1"),
    (lambda: PRIORS["normal"].forget(0.5, PRIORS["mean"]), "prior is a NormalMean"),
    (lambda: PRIORS["mean"].forget(0.5, NormalMean(0, 1, 1)), "has noise_variance 1, this"),
    (
        lambda: PRIORS["multivariate"].forget(0.5, MultivariateNormal.vague(3)),
        "prior has 3 features, this posterior 2",
    ),
    (lambda: PRIORS["multivariate"].marginal(2), "feature is 2: pass a column from 0 to 1"),
]


@pytest.mark.parametrize(("make", "sentence"), PARAMETERS, ids=[s for _, s in PARAMETERS])
def test_parameters(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


DATA = [
    ("mean", [1.0, NAN], None, "1 of 2 rows hold NaN"),
    ("normal", [1.0, INF, NAN], None, "2 of 3 rows hold NaN or an infinite value"),
    ("multivariate", [[1.0, NAN]], None, "1 of 1 rows"),
    ("normal", [[1.0, 2.0]], None, r"shape \(1, 2\): pass numbers"),
    ("multivariate", [1.0, 2.0, 3.0], None, r"shape \(3,\): pass rows of 2 features"),
    ("multivariate", np.ones((4, 3)), None, r"shape \(4, 3\): pass rows of 2"),
    ("multivariate", np.ones((4, 0)), None, r"shape \(4, 0\)"),
    ("normal", ["a"], None, "array of numbers"),
    ("normal", [1.0, 2.0], [1.0], r"weights have shape \(1,\), but there are 2 rows"),
    ("normal", [1.0, 2.0], [1.0, -1.0], "finite and not negative"),
    ("normal", [1.0, 2.0], [1.0, NAN], "finite and not negative"),
    ("normal", [1.0, 2.0], ["a", "b"], "weights must be numbers"),
    ("normal", [1e200], None, "rescale"),
    ("multivariate", [1e200, 0.0], None, "rescale"),
]


@pytest.mark.parametrize(("kind", "rows", "weight", "sentence"), DATA)
def test_data(kind, rows, weight, sentence):
    for ask in (PRIORS[kind].update, PRIORS[kind].log_evidence):
        with pytest.raises(DataError, match=sentence):
            ask(rows, weight)


def test_one_door():
    assert em.bayes.Normal is Normal
    assert set(em.bayes.__all__) >= {"NormalMean", "Normal", "MultivariateNormal"}
