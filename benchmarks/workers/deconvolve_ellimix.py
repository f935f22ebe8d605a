"""ellimix with errors of measurement, by the lines of benchmarks/deconvolution.py."""

from __future__ import annotations

import ellimix as em
from deconvolve_protocol import Problem, serve


def fit(problem: Problem, iterations: int):
    model = em.GaussianMixture(
        len(problem.weights),
        weights_init=problem.weights,
        means_init=problem.means,
        precisions_init=problem.precisions,
        tol=0.0,
        reg_covar=0.0,
        max_iter=iterations,
    ).fit(problem.rows, errors=problem.errors)
    return model.weights_, model.means_, model.covariances_


serve(fit)
