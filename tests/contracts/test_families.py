"""What every covariance family promises, over the whole registry."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize

from ellimix.covariance import ALIASES, FAMILIES, Structure, parse
from ellimix.covariance.base import from_axes
from ellimix.records import Moment
from family_problems import m_step, problem, same, solved
from naive import (
    best_common_axes_in_the_plane,
    covariance_matrices,
    expected_loglik,
    proportional,
    scatter_matrices,
)
from problems import (
    as_moment,
    counts_and_scatter,
    jacobian,
    moved,
    n_coordinates,
    pieces_of,
    random_axes,
    random_member,
    random_spd,
    spheres,
)

NAMES = tuple(FAMILIES)
SIZES = tuple(product((1, 2, 4), (1, 2, 3, 5)))  # (k, d)
AFFINE = ("EEE", "VEE", "EVV", "VVV")
COLUMNWISE = ("EEI", "VEI", "EVI", "VVI")

every_family = pytest.mark.parametrize("name", NAMES)
two_sizes = pytest.mark.parametrize(("k", "d"), [(2, 2), (3, 4)])
every_size = pytest.mark.parametrize(("k", "d"), SIZES)


# the maximum


@every_size
@every_family
def test_no_member_of_the_family_does_better(name, k, d):
    rng, n, scatter = problem(name, k, d)
    best = solved(name, n, scatter)
    q = expected_loglik(n, scatter, best)
    optimum, size = pieces_of(name, best), n_coordinates(name, k, d)
    for spread in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(6):
            near = moved(name, optimum, rng.standard_normal(size) * spread).matrices()
            assert expected_loglik(n, scatter, near) <= q + 1e-12 * n.sum()
            far = random_member(rng, name, k, d, spread).matrices()
            assert expected_loglik(n, scatter, far) <= q + 1e-12 * n.sum()


@every_size
@every_family
def test_slope_is_zero_at_the_optimum(name, k, d):
    _, n, scatter = problem(name, k, d, seed=1)
    optimum = pieces_of(name, solved(name, n, scatter))
    step = 1e-4
    for direction in np.eye(n_coordinates(name, k, d)):
        ahead, behind = (
            expected_loglik(n, scatter, moved(name, optimum, sign * step * direction).matrices())
            for sign in (1.0, -1.0)
        )
        assert abs(ahead - behind) / (2.0 * step) < 1e-6 * n.sum()


@pytest.mark.parametrize(("k", "d"), [(2, 2), (2, 3)])
@every_family
def test_a_general_optimiser_finds_the_same_maximum(name, k, d):
    rng, n, scatter = problem(name, k, d, seed=2)
    q = expected_loglik(n, scatter, solved(name, n, scatter))

    def loss(vector):
        return -expected_loglik(n, scatter, moved(name, origin, vector).matrices()) / n.sum()

    size, found = n_coordinates(name, k, d), []
    for _ in range(3):
        origin = random_member(rng, name, k, d, 0.3)
        found.append(-minimize(loss, np.zeros(size), method="BFGS").fun * n.sum())
    assert max(found) <= q + 1e-9 * n.sum()
    assert max(found) >= q - 1e-6 * n.sum()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("name", ["EVE", "VVE"])
def test_common_axes_in_the_plane_are_the_best_of_a_grid(name, k, seed):
    rng, *_ = problem(name, k, 2, seed)
    n, scatter = counts_and_scatter(rng, k, 2, Moment.FULL, log_condition=4.0)
    q = expected_loglik(n, scatter, solved(name, n, scatter))
    best = best_common_axes_in_the_plane(n, scatter, equal_volume=name == "EVE")
    assert q - 1e-3 * n.sum() <= best <= q + 1e-12 * n.sum()


@pytest.mark.parametrize(("k", "d"), [(2, 2), (2, 5), (4, 3)])
@pytest.mark.parametrize("name", ["VEI", "VEE", "VEV"])
def test_own_volumes_of_one_shape_equal_the_alternating_algorithm(name, k, d):
    _, n, scatter = problem(name, k, d, seed=3)
    if name == "VEV":
        values, axes = np.linalg.eigh(scatter)
        expected = axes @ proportional(n, values) @ np.swapaxes(axes, 1, 2)
    else:
        expected = proportional(n, scatter)
    same(solved(name, n, scatter), expected, 1e-10)


@every_size
@every_family
def test_a_step_from_before_never_loses_ground(name, k, d):
    rng, n, scatter = problem(name, k, d, seed=4)
    family = FAMILIES[name]
    for _ in range(4):
        before = m_step(name, *counts_and_scatter(rng, k, d, family.moment))
        old = expected_loglik(n, scatter, covariance_matrices(before, k, d))
        new = expected_loglik(n, scatter, solved(name, n, scatter, before))
        assert new >= old - 1e-13 * n.sum()


@pytest.mark.parametrize("d", [2, 3, 8, 13])
@pytest.mark.parametrize("name", ["EVE", "VVE"])
def test_common_axes_climb_from_any_axes_to_a_stationary_point(name, d):
    """Up to 12 features by Newton's method; beyond, sweeps stop at the objective's last digits."""
    rng, n, scatter = problem(name, 3, d, seed=6)
    axes = np.broadcast_to(random_axes(rng, d, 1), (3, d, d))
    before = from_axes(axes, np.ones((3, d)) * np.exp(rng.standard_normal(d)), n, common=True)
    after = FAMILIES[name].m_step(n, scatter, before)
    again = FAMILIES[name].m_step(n, scatter, after)
    q = [expected_loglik(n, scatter, record.values) for record in (before, after, again)]
    assert q[1] >= q[0]
    assert abs(q[2] - q[1]) <= (1e-13 if d <= 12 else 1e-8) * n.sum()
    same(again.values, after.values, 1e-9 if d <= 12 else 1e-3)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", ["EVE", "VVE"])
def test_common_axes_with_several_maxima_never_lose_ground(name, seed):
    rng, *_ = problem(name, 4, 3, seed)
    n, scatter = counts_and_scatter(rng, 4, 3, Moment.FULL, log_condition=4.0)
    anywhere = [np.broadcast_to(axes, (4, 3, 3)) for axes in random_axes(rng, 3, 3)]
    starts = [from_axes(axes, np.ones((4, 3)), n, common=True) for axes in anywhere]
    best = FAMILIES[name].m_step(n, scatter, None)
    for start in (*starts, best):
        records = [start]
        for _ in range(2):
            records.append(FAMILIES[name].m_step(n, scatter, records[-1]))
        q = [expected_loglik(n, scatter, record.values) for record in records]
        assert q[0] <= q[1] + 1e-13 * n.sum()
        assert q[1] <= q[2] + 1e-13 * n.sum()


# the record


@every_size
@every_family
def test_result_lies_in_the_family(name, k, d):
    _, n, scatter = problem(name, k, d)
    matrices = solved(name, n, scatter)
    pieces = pieces_of(name, matrices)
    same(pieces.matrices(), matrices, 1e-12)  # the axes that the letters allow diagonalise it
    same(np.swapaxes(matrices, 1, 2), matrices, 1e-15)
    if name[0] == "E":
        np.testing.assert_allclose(pieces.log_volume, pieces.log_volume[0], atol=1e-12)
    if name[1] == "E":
        expected = np.broadcast_to(pieces.log_shape[0], (k, d))
        np.testing.assert_allclose(pieces.log_shape, expected, atol=1e-10)
    if name[1] == "I":
        np.testing.assert_allclose(pieces.log_shape, 0.0, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("EII",)])
def test_the_letter_v_is_free_to_vary(name):
    _, n, scatter = problem(name, 3, 3)
    pieces = pieces_of(name, solved(name, n, scatter))
    if name[0] == "V":
        assert np.ptp(pieces.log_volume) > 0.01
    if name[1] == "V":
        assert np.ptp(np.sort(pieces.log_shape, axis=1), axis=0).max() > 0.01
    if name[2] == "V":
        assert np.abs(pieces.axes[0].T @ pieces.axes[1]).min(axis=0).max() > 0.01


@every_size
@every_family
def test_factors_and_determinants_belong_to_the_values(name, k, d):
    _, n, scatter = problem(name, k, d)
    family = FAMILIES[name]
    record = m_step(name, n, scatter)
    shape = family.structure.array_shape(k, d)
    assert record.structure is family.structure
    assert record.values.shape == record.factor.shape == record.precisions().shape == shape
    assert record.values.dtype == record.factor.dtype == record.log_det.dtype == np.float64
    matrices = covariance_matrices(record, k, d)
    np.testing.assert_allclose(record.log_det, np.linalg.slogdet(matrices)[1], atol=1e-11)
    if record.values.ndim < 2 or family.structure is Structure.DIAGONAL:
        np.testing.assert_allclose(record.factor**-2.0, record.values, rtol=1e-14)
        assert (record.factor > 0.0).all()
        return
    factors = np.broadcast_to(record.factor, (k, d, d))
    for factor, sigma in zip(factors, matrices, strict=True):
        np.testing.assert_allclose(factor @ factor.T @ sigma, np.eye(d), atol=1e-11)
        assert (np.tril(factor, -1) == 0.0).all()
        assert (np.diagonal(factor) > 0.0).all()
    np.testing.assert_allclose(
        record.precisions(), record.factor @ np.swapaxes(record.factor, -1, -2)
    )


@pytest.mark.parametrize(("k", "d"), [*product((1, 2, 3), (1, 2, 3, 4))])
@every_family
def test_number_of_parameters_is_the_dimension_of_the_family(name, k, d):
    generic = random_member(np.random.default_rng([k, d]), name, k, d)
    singular = np.linalg.svd(jacobian(name, generic), compute_uv=False)
    assert FAMILIES[name].n_parameters(k, d) == np.count_nonzero(singular > 1e-7 * singular[0])


# equivariance


@pytest.mark.parametrize("scale", [1e-60, 1e-3, 1e5, 1e60])
@every_family
def test_scaling_the_data_scales_the_covariances(name, scale):
    for k, d in ((1, 3), (3, 1), (3, 2), (2, 4)):
        _, n, scatter = problem(name, k, d)
        same(solved(name, n, scatter * scale**2) / scale**2, solved(name, n, scatter))


@two_sizes
@every_family
def test_rotating_the_data_rotates_all_but_the_diagonal_families(name, k, d):
    rng, n, _ = problem(name, k, d)
    moment = FAMILIES[name].moment
    scatter, (turn,) = random_spd(rng, d, k) * n[:, None, None], random_axes(rng, d, 1)
    before = solved(name, n, as_moment(scatter, moment))
    after = solved(name, n, as_moment(turn @ scatter @ turn.T, moment))
    if name in COLUMNWISE:
        assert np.abs(after - turn @ before @ turn.T).max() > 0.01 * np.abs(before).max()
    else:
        same(after, turn @ before @ turn.T)


@two_sizes
@pytest.mark.parametrize("name", AFFINE)
def test_affine_maps(name, k, d):
    rng, n, scatter = problem(name, k, d)
    a = rng.standard_normal((d, d)) + 2.0 * np.eye(d)
    same(solved(name, n, a @ scatter @ a.T), a @ solved(name, n, scatter) @ a.T)


@two_sizes
@pytest.mark.parametrize("name", COLUMNWISE + AFFINE)
def test_units_of_the_columns(name, k, d):
    rng, n, scatter = problem(name, k, d)
    unit = np.exp(rng.uniform(-8.0, 8.0, d))
    scaled = scatter * (unit**2 if scatter.ndim == 2 else np.outer(unit, unit))
    same(solved(name, n, scaled) / np.outer(unit, unit), solved(name, n, scatter))


@every_family
def test_components_in_another_order(name):
    _, n, scatter = problem(name, 4, 3)
    order = np.array([2, 0, 3, 1])
    same(solved(name, n[order], scatter[order]), solved(name, n, scatter)[order])


@pytest.mark.parametrize("factor", [1e-6, 3.0, 1e6])
@every_family
def test_a_multiple_of_all_row_weights_changes_nothing(name, factor):
    _, n, scatter = problem(name, 3, 3)
    same(solved(name, n * factor, scatter * factor), solved(name, n, scatter))


# relations between families


def _contains(large, small):
    """Whether every letter leaves at least as much free."""
    return large != small and all(
        "IEV".index(a) >= "IEV".index(b) for a, b in zip(large, small, strict=True)
    )


@pytest.mark.parametrize(
    ("large", "small"), [pair for pair in product(NAMES, NAMES) if _contains(*pair)]
)
def test_a_larger_family_fits_at_least_as_well(large, small):
    for seed, (k, d) in enumerate([(2, 2), (4, 3), (3, 5)]):
        rng, n, _ = problem(large, k, d, seed)
        scatter = random_spd(rng, d, k) * n[:, None, None]
        q = {name: _maximum(name, n, scatter) for name in (large, small)}
        assert q[large] >= q[small] - 1e-12 * n.sum()


def _maximum(name, n, scatter):
    return expected_loglik(n, scatter, solved(name, n, as_moment(scatter, FAMILIES[name].moment)))


@pytest.mark.parametrize("d", [1, 2, 5])
@every_family
def test_one_component(name, d):
    _, n, scatter = problem(name, 1, d)
    own = scatter_matrices(scatter)[0] / n[0]
    if name[1] == "I":
        own = np.eye(d) * np.trace(own) / d
    same(solved(name, n, scatter)[0], own, 1e-13)


@pytest.mark.parametrize("k", [1, 2, 4])
@every_family
def test_one_feature(name, k):
    _, n, scatter = problem(name, k, 1)
    w = scatter.reshape(k)
    expected = np.full(k, w.sum() / n.sum()) if name[0] == "E" else w / n
    np.testing.assert_allclose(solved(name, n, scatter).reshape(k), expected, rtol=1e-12)
    assert FAMILIES[name].n_parameters(k, 1) == (1 if name[0] == "E" else k)


# names


@every_family
def test_names_parse_to_their_family(name):
    assert parse(name) is FAMILIES[name]
    assert parse(name).name == name
    assert parse(name, 3) is FAMILIES[name]


def test_aliases_and_one_feature():
    expected = {"full": "VVV", "tied": "EEE", "diag": "VVI", "spherical": "VII"}
    assert expected == ALIASES
    assert {alias: parse(alias).name for alias in expected} == expected
    assert (parse("E").name, parse("V", 1).name) == ("EII", "VII")


@pytest.mark.parametrize("name", ["E", "V"])
def test_names_for_one_feature_are_refused_for_more(name):
    with pytest.raises(ValueError, match="one feature, but there are 2"):
        parse(name, 2)


@pytest.mark.parametrize("name", ["", "VVX", "vvv", "fulll", "VV"])
def test_unknown_names(name):
    with pytest.raises(ValueError, match=r"Unknown covariance family .*VVV.*spherical"):
        parse(name)


def test_registry_holds_the_fourteen():
    volumes_and_shapes = {"EI", "VI", "EE", "VE", "EV", "VV"}
    assert len(NAMES) == 14
    assert {name[:2] for name in NAMES} == volumes_and_shapes
    for name, family in FAMILIES.items():
        assert family.name == name
        assert (family.moment is Moment.DIAGONAL) == (name[2] == "I")
    assert pieces_of("VVV", spheres(2, 3).matrices()).log_volume.tolist() == [0.0, 0.0]
