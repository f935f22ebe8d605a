"""Weights of models."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ellimix as em
from ellimix.errors import DataError
from ellimix.selection.cells import Verdict
from ellimix.selection.criteria import values
from ellimix.selection.weights import akaike_weights, bic_weights, model_weights
from fitted_cells import fitted, made, unfit

numbers = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20)


@given(numbers, st.integers(-(10**6), 10**6))
def test_they_sum_to_one_and_ignore_a_constant(drawn, constant):
    value = np.round(np.array(drawn), 3)
    weight = model_weights(value)
    assert weight.sum() == pytest.approx(1.0, rel=1e-12)
    assert (weight >= 0.0).all()
    np.testing.assert_allclose(model_weights(value + constant), weight, rtol=1e-6, atol=1e-300)


def test_ratios_are_relative_likelihoods():
    weight = model_weights([10.0, 13.0, 10.0 + 1e5])
    assert weight[1] / weight[0] == pytest.approx(math.exp(-1.5))
    assert weight[2] == 0.0
    plain = np.exp(-0.5 * np.array([10.0, 13.0]))
    np.testing.assert_allclose(weight[:2], plain / plain.sum())


def test_models_without_a_value_have_no_weight():
    assert model_weights([np.nan, 5.0, np.inf]).tolist() == [0.0, 1.0, 0.0]
    assert model_weights([np.nan, np.inf]).tolist() == [0.0, 0.0]
    with pytest.raises(DataError, match="infinite likelihood"):
        model_weights([-np.inf, 3.0])


def test_of_cells():
    rows = em.datasets.faithful()[0]
    cells = [fitted(rows, "EEE", k) for k in (1, 2, 3, 4)]
    cells += [made("VVV", 9, 1e4, verdict=Verdict.SPURIOUS), unfit("VVV", 8)]
    for weights, name in ((akaike_weights, "aic"), (bic_weights, "bic")):
        weight = weights(cells)
        assert weight.sum() == pytest.approx(1.0)
        assert weight[4:].tolist() == [0.0, 0.0]
        value = values(cells, name)[:4]
        assert weight[:4].argmax() == value.argmin()
        assert weight[2] / weight[3] == pytest.approx(math.exp(0.5 * (value[3] - value[2])))
