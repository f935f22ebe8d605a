"""Records written as JSON come back with the same bits, and nothing else comes back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from ellimix.acceleration import ACCELERATORS
from ellimix.covariance import FAMILIES
from ellimix.covariance.base import Covariance, Structure
from ellimix.errors import Status
from ellimix.freezing import ENUMS, NAMED, RECORDS, frozen, thawed
from ellimix.inference.base import Parameters
from ellimix.inference.pointed import RULES


def back(value):
    """Through the text of a file."""
    return thawed(json.loads(json.dumps(frozen(value), allow_nan=False)))


ARRAYS = nps.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.uint32, np.bool_]),
    nps.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)


@given(ARRAYS, st.randoms())
def test_arrays_with_their_layout(array, random):
    axes = list(range(array.ndim))
    random.shuffle(axes)
    turned = array.transpose(axes)
    (again,) = back((turned,))
    assert (again.dtype, again.shape) == (turned.dtype, turned.shape)
    assert again.tobytes() == turned.tobytes()
    if turned.size > 1 and 1 not in turned.shape:
        assert again.strides == turned.strides
    assert again.flags.writeable


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(list(Status))
)


@given(st.recursive(SCALARS, lambda part: st.lists(part, max_size=4).map(tuple), max_leaves=20))
def test_plain_values(value):
    assert repr(back(value)) == repr(value)


@given(st.floats())
def test_numbers_of_numpy_stay_such(number):
    again = back(np.float64(number))
    assert type(again) is np.float64
    assert again.tobytes() == np.float64(number).tobytes()


def test_members_of_registries_are_the_same_objects():
    for table in (FAMILIES, RULES, ACCELERATORS):
        for member in table.values():
            assert back(member) is member
    assert sum(map(len, NAMED.values())) == len(FAMILIES) + len(RULES) + len(ACCELERATORS)
    for kind in ENUMS.values():
        assert all(back(member) is member for member in kind)


def test_what_is_shared_stays_shared():
    values = np.ones((2, 2))
    covariance = Covariance(Structure.FULL, values, values, np.zeros(1))
    one = Parameters(np.ones(1), np.zeros((1, 2)), covariance)
    left, right = back((one, one))
    assert left is right
    assert left.covariance.values is left.covariance.factor
    assert left.covariance.orientation is None
    assert len(frozen((one, one))["nodes"]) == 4 + 2  # arrays and records


def test_a_covariance_that_was_not_copied():
    """A view of part of an array has the numbers of the part."""
    whole = np.arange(24.0).reshape(2, 3, 4)
    again = back(whole[:, 1:, ::2])
    assert np.array_equal(again, whole[:, 1:, ::2])


@pytest.mark.parametrize("value", [object(), [1], {"a": 1}, Path("x"), 1j, np.array(["a"])])
def test_nothing_else_is_written(value):
    with pytest.raises(TypeError, match="cannot be written to a checkpoint"):
        frozen((value,))


def test_nor_a_record_that_only_has_the_name():
    fake = dataclasses.make_dataclass("Box", ["middle"])
    with pytest.raises(TypeError, match="A Box cannot be written"):
        frozen(fake(1))


@pytest.mark.parametrize(
    "document",
    [
        {"nodes": [{"record": "Popen", "parts": {"args": "true"}}], "root": {"at": 0}},
        {"nodes": [{"record": "Box", "parts": {"other": 1}}], "root": {"at": 0}},
        {"nodes": [{"array": "|O", "shape": [], "axes": [], "bytes": ""}], "root": {"at": 0}},
        {"nodes": [{"array": "<f8", "shape": [2], "axes": [0], "bytes": "AA=="}], "root": None},
        {"nodes": [], "root": {"at": 0}},
        {"nodes": [], "root": {"enum": "Status", "name": "mro"}},
        {"nodes": [], "root": {"named": "family", "name": "XYZ"}},
        {"nodes": [], "root": {"else": 0}},
        {"root": None},
        [],
    ],
)
def test_nothing_else_is_read(document):
    with pytest.raises((ValueError, TypeError, KeyError, IndexError)):
        thawed(document)


def test_every_record_is_frozen():
    """So what is shared after reading cannot be changed in one place."""
    assert all(kind.__dataclass_params__.frozen for kind in RECORDS.values())
