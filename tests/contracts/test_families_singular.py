"""Singular scatter: what each covariance family says where it has no maximum."""

from __future__ import annotations

import numpy as np
import pytest

from ellimix.covariance import FAMILIES
from ellimix.errors import DegenerateFit, Status
from ellimix.records import Moment
from family_problems import m_step, problem, same, solved
from naive import (
    covariance_matrices,
    proportional,
    scatter_matrices,
)

NAMES = tuple(FAMILIES)
POOLED = ("EII", "EEI", "EEE", "EEV")  # take a component without any spread

every_family = pytest.mark.parametrize("name", NAMES)


def collapse(name, n, scatter):
    """The exception that the M-step raises."""
    with pytest.raises(DegenerateFit) as caught:
        m_step(name, n, scatter)
    assert caught.value.status is Status.COLLAPSED
    assert "nan" not in str(caught.value)
    return caught.value


def assert_collapses(name, n, scatter, component):
    failure = collapse(name, n, scatter)
    assert failure.components == (component,)
    assert failure.counts == (n[component],)
    assert f"component {component} (count {n[component]:.6g})" in failure.sentence


def assert_sound(name, n, scatter):
    record = m_step(name, n, scatter)
    for array in (record.values, record.factor, record.log_det):
        assert np.isfinite(array).all()
    matrices = covariance_matrices(record, n.size, scatter.shape[1])
    assert (np.linalg.eigvalsh(matrices) > 0.0).all()


@pytest.mark.parametrize("d", [1, 2, 4])
@every_family
def test_a_component_without_spread(name, d):
    _, n, scatter = problem(name, 3, d)
    scatter[1] = 0.0
    if name in POOLED:
        assert_sound(name, n, scatter)
    else:
        assert_collapses(name, n, scatter, 1)


@every_family
def test_no_spread_at_all(name):
    _, n, scatter = problem(name, 2, 3)
    collapse(name, n, np.zeros_like(scatter))


@every_family
def test_a_small_component_flat_along_one_axis(name):
    rng, n, scatter = problem(name, 3, 3)
    n[1] = 10.0
    if scatter.ndim == 2:
        scatter[1, 2] = 0.0
    else:
        rows = rng.standard_normal((10, 2)) @ rng.standard_normal((2, 3))
        scatter[1] = rows.T @ rows
    if name[1] == "V":
        assert_collapses(name, n, scatter, 1)
    else:
        assert_sound(name, n, scatter)


@pytest.mark.parametrize("name", [name for name in NAMES if name[1] != "I"])
def test_all_components_flat_along_the_same_axis(name):
    _, n, scatter = problem(name, 3, 3)
    for s in scatter:
        s[2] = 0.0
        if s.ndim == 2:
            s[:, 2] = 0.0
    collapse(name, n, scatter)


def flat_problem(name, n, variances):
    scatter = np.array(variances)
    full = FAMILIES[name].moment is not Moment.DIAGONAL
    return np.array(n), scatter_matrices(scatter) if full else scatter


THIN = [[1.0, 0.0, 0.0], [1.0, 2.0, 3.0], [2.0, 2.0, 1.0]]


@pytest.mark.parametrize("name", ["VEI", "VEE", "VEV"])
@pytest.mark.parametrize(
    ("n", "variances"),
    [((30.0, 5.0, 5.0), THIN), ((20.0, 10.0, 8.0), THIN), ((5.0, 7.0), [[1.0, 0.0], [0.0, 1.0]])],
)
def test_flat_components_for_which_the_volumes_have_no_maximum(name, n, variances):
    """Where d n_1 > rank(W_1) n, Q grows without bound as the first volume goes to 0."""
    collapse(name, *flat_problem(name, n, variances))


@pytest.mark.parametrize("name", ["VEI", "VEE"])
def test_flat_components_for_which_the_volumes_have_a_maximum(name):
    n, scatter = flat_problem(name, (12.0, 14.0, 14.0), THIN)
    assert_sound(name, n, scatter)
    same(solved(name, n, scatter), proportional(n, scatter), 1e-9)
