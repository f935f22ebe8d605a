"""Criteria for choosing a model. All have scikit-learn's sign: smaller is better."""

from __future__ import annotations

import math


def bic(log_likelihood: float, n_parameters: int, n: float) -> float:
    """-2 log L + p log n (Schwarz 1978). `n` is the sum of the row weights."""
    return -2.0 * log_likelihood + n_parameters * math.log(n)


def aic(log_likelihood: float, n_parameters: int) -> float:
    """-2 log L + 2 p (Akaike 1974)."""
    return -2.0 * log_likelihood + 2.0 * n_parameters


def icl(log_likelihood: float, n_parameters: int, n: float, classification: float) -> float:
    """BIC - 2 sum_i log max_k r_ik (Biernacki, Celeux & Govaert 2000, with MAP assignments).

    `classification` is that sum of log max_k r_ik, at most 0: uncertain rows raise the criterion.
    """
    return bic(log_likelihood, n_parameters, n) - 2.0 * classification
