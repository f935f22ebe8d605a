"""astroML's extreme deconvolution, by the lines of benchmarks/deconvolution.py."""

from __future__ import annotations

from astroML.density_estimation import XDGMM

from deconvolve_protocol import Problem, serve


def fit(problem: Problem, iterations: int):
    model = XDGMM(len(problem.weights))
    model.alpha, model.mu = problem.weights.copy(), problem.means.copy()
    model.V = problem.covariances.copy()
    for _ in range(iterations):  # its own loop takes no start
        model._EMstep(problem.rows, problem.errors)
    return model.alpha, model.mu, model.V


serve(fit)
